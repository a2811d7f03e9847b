//! `login`, `passwd`, `sessions`, `totp`: one's own sign-in.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Who signs in.
#[derive(Debug, Args)]
pub struct LoginOptions {
    /// The admin's name; asked for when left out
    #[arg(long, value_name = "N")]
    pub name: Option<String>,
    /// Holds the password and nothing else; asked for when left out
    #[arg(long, value_name = "F")]
    pub password_file: Option<PathBuf>,
}

/// From which password to which.
#[derive(Debug, Args)]
pub struct PasswdOptions {
    /// Holds the present password and nothing else; asked for when left out
    #[arg(long, value_name = "F")]
    pub password_file: Option<PathBuf>,
    /// Holds the new password and nothing else; asked for when left out
    #[arg(long, value_name = "F")]
    pub new_password_file: Option<PathBuf>,
}

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// End a session
    Revoke {
        /// As the list names it; or `all` for all of your own
        id: String,
    },
}

/// What to do with the authenticator app.
#[derive(Debug, Subcommand)]
pub enum TotpCommand {
    /// Show whether one is enrolled
    Status,
    /// Enrol one, in the place of the one before
    Enrol,
    /// Do away with it; asks for a code of it, or a recovery code
    Disable,
    /// Say whether a mailed code no longer suffices
    Require { switch: Switch },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}
