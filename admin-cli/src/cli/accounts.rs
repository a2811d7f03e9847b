//! `accounts` and `account`.

use clap::{Args, Subcommand};

/// Which accounts to show.
#[derive(Debug, Args)]
pub struct AccountsOptions {
    /// Only those with this in their name or email
    #[arg(long, value_name = "S")]
    pub search: Option<String>,
    /// Begin after this name, as the page before says
    #[arg(long, value_name = "NAME")]
    pub after: Option<String>,
    /// How many on a page
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
}

/// What to do to an account.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Let nobody sign in to it, and end its sessions
    Disable {
        /// The account's name
        name: String,
        /// Told to its owner
        #[arg(long, value_name = "R")]
        reason: Option<String>,
    },
    /// Open it again
    Enable {
        /// The account's name
        name: String,
    },
    /// Take it away with all that opens it; what was said under its name stays
    Delete {
        /// The account's name
        name: String,
        /// Do not ask again
        #[arg(long)]
        yes: bool,
    },
    /// Revoke its devices, certificates and password, and end its sessions; a mailed code opens it
    /// then
    Revoke {
        /// The account's name
        name: String,
        /// Leave the password good
        #[arg(long, conflicts_with = "credential")]
        keep_password: bool,
        /// Only this device or certificate, by its id (see `account credentials`)
        #[arg(long, value_name = "ID")]
        credential: Option<i64>,
    },
    /// Show its devices and client certificates
    Credentials {
        /// The account's name
        name: String,
    },
}
