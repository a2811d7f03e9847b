//! The command line; the options of each family of commands in a file of its own.

mod accounts;
mod address;
mod admins;
mod announcements;
mod audit;
mod bans;
mod channels;
mod csv;
mod invitations;
mod maintenance;
mod messages;
mod own;
mod pages;
mod top;
mod users;
mod watch;

use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub use accounts::{AccountCommand, AccountsOptions};
pub use address::ServerAddress;
pub use admins::AdminsCommand;
pub use announcements::AnnounceOptions;
pub use audit::{AuditCommand, AuditFilters, AuditOptions};
pub use bans::BanOptions;
pub use channels::ChannelCommand;
pub use csv::{ExportOptions, ImportOptions, Table};
pub use invitations::{
    InvitationsCommand, InvitationsOptions, NumberedPage, RegistrationsCommand,
    RegistrationsOptions,
};
pub use maintenance::MaintenanceCommand;
pub use messages::{MessagesOptions, RedactOptions};
pub use own::{LoginOptions, PasswdOptions, SessionsCommand, Switch, TotpCommand};
pub use pages::PageOptions;
pub use top::TopOptions;
pub use users::{KickOptions, ListOptions};
pub use watch::WatchOptions;

const AFTER_HELP: &str = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not signed in.";

/// Operate a Rookery server: see who is online, kick, ban, unban, read the audit trail.
#[derive(Debug, Parser)]
#[command(name = "admin-cli", version, after_help = AFTER_HELP)]
pub struct Arguments {
    /// The server's control plane
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        default_value = "localhost:6698",
        env = "ROOKERY_SERVER"
    )]
    pub server: ServerAddress,

    /// PEM file with the authority to trust [default: certs/ca.pem if there is one, else the
    /// system's]
    #[arg(long, global = true, value_name = "FILE", env = "ROOKERY_CA")]
    pub ca: Option<PathBuf>,

    /// PEM file with the certificate that the server asks operators for (`admin.client_ca`)
    #[arg(long, global = true, value_name = "FILE", env = "ROOKERY_CERTIFICATE")]
    pub certificate: Option<PathBuf>,

    /// PEM file with the key to that certificate [default: the certificate's file]
    #[arg(long, global = true, value_name = "FILE", env = "ROOKERY_KEY")]
    pub key: Option<PathBuf>,

    /// Print what the server answers, as JSON
    #[arg(long, global = true)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Act(Act),
    /// Type one command after the other: the tab key completes them, and names
    ///
    /// Lines come from the terminal or from a pipe. What the tab key looks up is entered in the
    /// audit trail too.
    Shell,
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the man pages, of this and of every command
    Man {
        /// Where to
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
}

/// One of a few words. Where they are known here, help, completions and man pages show them.
fn one_of<T>(words: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// What is done at the server.
#[derive(Debug, Subcommand)]
pub enum Act {
    /// Sign in with a password and a code: mailed, of an authenticator app, or a recovery code
    ///
    /// The code is asked for, or read from standard input.
    Login(LoginOptions),
    /// End this sign-in
    Logout,
    /// Change your password, which ends all your sessions
    Passwd(PasswdOptions),
    /// Show your sign-ins that stand (an owner sees everyone's), or end them
    Sessions {
        #[command(subcommand)]
        command: Option<SessionsCommand>,
    },
    /// Your authenticator app
    #[command(subcommand)]
    Totp(TotpCommand),
    /// Manage the admins (for owners)
    #[command(subcommand)]
    Admins(AdminsCommand),
    /// Show who is online
    List(ListOptions),
    /// Show all about one user who is online
    Whois {
        /// The user's nick
        name: String,
    },
    /// End every session of a user, one of them, or all that match; whoever is kicked may come back
    Kick(KickOptions),
    /// Refuse an account, an email, an address or a network, and end its sessions
    Ban(BanOptions),
    /// Take a ban back
    Unban {
        /// As it was banned
        target: String,
    },
    /// Show who is banned
    Bans(PageOptions),
    /// Show who has an account
    Accounts(AccountsOptions),
    /// Disable, enable or delete an account, or see and revoke what opens it
    #[command(subcommand)]
    Account(AccountCommand),
    /// Invite someone by mail, who may make an account though registration is closed
    Invite {
        /// Where the invitation goes; the account will have this address
        email: String,
    },
    /// Show who is invited, or take an invitation back
    Invitations(InvitationsOptions),
    /// Show the registrations that wait for their mailed codes, or mail another code
    Registrations(RegistrationsOptions),
    /// Show which channels there are
    Channels(PageOptions),
    /// Show who is in a channel, close it, or remove its history
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Show what was said in the channels, newest first
    Messages(MessagesOptions),
    /// Take a message off the record, or all of an author's; those who heard it are told
    Redact(RedactOptions),
    /// Tell everyone something, or all in a channel, or one account
    Announce(AnnounceOptions),
    /// Show whether the server is under maintenance, or begin or end that: nobody new is let in
    /// while it lasts
    Maintenance {
        #[command(subcommand)]
        command: Option<MaintenanceCommand>,
    },
    /// Write the accounts or the bans as CSV
    Export(ExportOptions),
    /// Take accounts or bans in from a CSV file
    ///
    /// Every good row is taken in; every bad one is named by its line, and makes the exit code 1.
    Import(ImportOptions),
    /// Let the server read its config, certificates and CSV files anew
    Reload,
    /// Show the newest entries of the audit trail, or export or verify it
    Audit(AuditOptions),
    /// Show how the server fares
    Status,
    /// Show on the whole screen how busy the server is, moment by moment; kick and ban from there
    ///
    /// Rates, the busiest channels and users, the largest sendqs, refused sign-ins. Tab goes from
    /// list to list and the arrow keys choose; k kicks and b bans the user who is chosen, when a
    /// reason was given; q leaves. With --json, one object a line, until ctrl-c.
    Top(TopOptions),
    /// Show what happens, as it happens, until ctrl-c
    ///
    /// Who came and went and why, refused sign-ins, new accounts, channels, bans, what admins do,
    /// and what fails; never what people say. With --json, one object a line.
    Watch(WatchOptions),
}

impl Act {
    /// Whether it goes on until ctrl-c.
    pub fn goes_on(&self) -> bool {
        matches!(
            self,
            Self::Watch(_) | Self::Top(_) | Self::List(ListOptions { watch: true, .. })
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
