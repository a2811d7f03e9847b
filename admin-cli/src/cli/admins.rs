//! `admins`.

use clap::Subcommand;
use rookery_control_api::Role;

use super::one_of;

/// What to do with the admins.
#[derive(Debug, Subcommand)]
pub enum AdminsCommand {
    /// Show who they are
    List,
    /// Add one, who signs in with the password that this prints, and chooses another at once
    Add {
        name: String,
        /// Where codes and notices go
        #[arg(long, value_name = "E")]
        email: String,
        /// owner (everything), moderator (kick, ban, announce, read) or auditor (read only)
        #[arg(long, value_parser = one_of::<Role>(Role::ALL.map(Role::as_str)))]
        role: Role,
    },
    /// Remove one, whose sessions end
    Remove { name: String },
    /// Reset the password of one who has forgotten it; prints an initial one, to be replaced at
    /// once
    Reset {
        /// The admin's name
        name: String,
    },
    /// Give one another role, which ends the admin's sessions
    Role {
        name: String,
        /// What the admin may do from now on
        #[arg(value_parser = one_of::<Role>(Role::ALL.map(Role::as_str)))]
        role: Role,
    },
}
