//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::Timestamp;
use rookery_protocol::control::{ChainHead, Role, parse_duration};

const DEFAULT_PORT: u16 = 6698;

const AFTER_HELP: &str = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not signed in.";

/// Operate a Rookery server: see who is online, kick, ban, unban, read the audit trail.
#[derive(Debug, Parser)]
#[command(name = "admin-cli", version, after_help = AFTER_HELP)]
pub struct Arguments {
    /// The server's control plane
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = "localhost:6698")]
    pub server: ServerAddress,

    /// PEM file with the authority to trust [default: certs/ca.pem if there is one, else the system's]
    #[arg(long, global = true, value_name = "FILE", env = "ROOKERY_CA")]
    pub ca: Option<PathBuf>,

    /// Print what the server answers, as JSON
    #[arg(long, global = true)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign in with a password and a code: mailed, of an authenticator app, or a recovery code
    ///
    /// The code is asked for, or read from standard input.
    Login {
        /// The admin's name; asked for when left out
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// Holds the password and nothing else; asked for when left out
        #[arg(long, value_name = "F")]
        password_file: Option<PathBuf>,
    },
    /// End this sign-in
    Logout,
    /// Change your password, which ends all your sessions
    Passwd {
        /// Holds the present password and nothing else; asked for when left out
        #[arg(long, value_name = "F")]
        password_file: Option<PathBuf>,
        /// Holds the new password and nothing else; asked for when left out
        #[arg(long, value_name = "F")]
        new_password_file: Option<PathBuf>,
    },
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
    List,
    /// End every session of a user, who may come back
    Kick {
        /// The user's nick
        name: String,
        /// Shown to the user
        #[arg(long, value_name = "R")]
        reason: Option<String>,
    },
    /// Refuse an account, an email, an address or a network, and end its sessions
    Ban {
        /// An account's name, an email, a pattern of emails (*@spam.example), an IP address, a network (192.0.2.0/24)
        target: String,
        /// Shown to whoever is refused
        #[arg(long, value_name = "R")]
        reason: Option<String>,
        /// How long, as 90s, 15m, 12h, 7d or 2w; for ever when left out
        #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
        duration: Option<String>,
        /// Only show who would be hit now
        #[arg(long)]
        dry_run: bool,
        /// Do not ask again before a ban of the world, or of yourself
        #[arg(long)]
        yes: bool,
    },
    /// Take a ban back
    Unban {
        /// As it was banned
        target: String,
    },
    /// Show who is banned
    Bans,
    /// Show who has an account
    Accounts {
        /// Only those with this in their name or email
        #[arg(long, value_name = "S")]
        search: Option<String>,
        /// Begin after this name, as the page before says
        #[arg(long, value_name = "NAME")]
        after: Option<String>,
        /// How many on a page
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Disable, enable or delete an account, or revoke what opens it
    #[command(subcommand)]
    Account(AccountCommand),
    /// Show which channels there are
    Channels,
    /// Show who is in a channel, or close it
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Tell everyone something, or all in a channel, or one account
    Announce {
        /// One line
        text: String,
        /// Only those in that channel, with or without its #
        #[arg(long, value_name = "C", conflicts_with = "account")]
        channel: Option<String>,
        /// Only that account
        #[arg(long, value_name = "A")]
        account: Option<String>,
    },
    /// Let the server read its config, certificates and CSV files anew
    Reload,
    /// Show the newest entries of the audit trail, or export or verify it
    #[command(args_conflicts_with_subcommands = true)]
    Audit {
        #[command(subcommand)]
        command: Option<AuditCommand>,
        #[command(flatten)]
        filters: AuditFilters,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Show how the server fares
    Status,
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// What else to do with the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Write the whole trail as JSON, one entry a line, hashes included
    ///
    /// `rookeryd audit verify FILE` verifies such a file on any machine.
    Export {
        /// A file that is not there yet; standard output when left out
        file: Option<PathBuf>,
    },
    /// Look whether every entry is as it was written, and none is missing
    ///
    /// Ends with exit code 1 and the first entry that is not in order.
    Verify {
        /// An entry that was noted before, from a mail or an earlier `audit verify`: it has to be there still
        #[arg(long, value_name = "ID:HASH")]
        head: Option<ChainHead>,
    },
}

/// Which entries of the audit trail to show. Texts are compared as a whole, letter case aside.
#[derive(Debug, Args)]
pub struct AuditFilters {
    /// Only what this admin did
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// Only this act, as `kick`
    #[arg(long, value_name = "ACT")]
    pub act: Option<String>,
    /// Only what was done to this user, ban or admin
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Only what was let through, or only what was refused
    #[arg(long, value_name = "OUTCOME", value_parser = ["allowed", "refused"])]
    pub outcome: Option<String>,
    /// Only from then on: 7d for the last seven days, or a time as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only before then, written in the same way
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Only entries before the one of that number: the page that came before
    #[arg(long, value_name = "ID")]
    pub before: Option<i64>,
}

/// A time, or how long ago that was.
fn moment(text: &str) -> Result<Timestamp, String> {
    let ago = parse_duration(text).ok().and_then(|duration| Timestamp::now().checked_sub(duration).ok());
    let moment = ago.or_else(|| text.parse().ok());
    moment.ok_or_else(|| "write 90s, 15m, 12h, 7d or 2w, or a time as 2026-11-22T10:00:00Z".to_owned())
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
        #[arg(long)]
        role: Role,
    },
    /// Remove one, whose sessions end
    Remove { name: String },
    /// Give one another role, which ends the admin's sessions
    Role {
        name: String,
        /// owner, moderator or auditor
        role: Role,
    },
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
    /// Revoke its devices, certificates and password, and end its sessions; a mailed code opens it then
    Revoke {
        /// The account's name
        name: String,
        /// Leave the password good
        #[arg(long)]
        keep_password: bool,
    },
}

/// What to do with a channel. Its `#` may be left out: a shell would take it for a comment.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Show who is in it
    Show {
        /// The channel's name, with or without its #
        name: String,
    },
    /// Kick everyone out of it; it is gone with that
    Close {
        /// The channel's name, with or without its #
        name: String,
        /// Shown to everyone in it
        #[arg(long, value_name = "R")]
        reason: Option<String>,
    },
}

/// The server has the last word; a slip is caught before it is asked.
fn duration(text: &str) -> Result<String, String> {
    parse_duration(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Where the control plane is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name or an IP address, in small letters; without brackets.
    host: String,
    port: u16,
}

impl FromStr for ServerAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or("write HOST:PORT")?)),
            // An IPv6 address has many colons, and none of them begins a port.
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let host_ok = |char: char| char.is_alphanumeric() || ".-_".contains(char);
        let is_host = if bracketed.is_some() || host.contains(':') {
            host.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            !host.is_empty() && host.chars().all(host_ok)
        };
        if !is_host {
            return Err("write HOST:PORT, without https:// before it or a path behind it");
        }
        let port = match port.map(str::parse) {
            None => DEFAULT_PORT,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err("the port is a number between 1 and 65535"),
        };
        Ok(Self { host: host.to_lowercase(), port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(out, "[{host}]:{port}") } else { write!(out, "{host}:{port}") }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_server_is_a_host_and_maybe_a_port() {
        let read = |text: &str| text.parse::<ServerAddress>().unwrap().to_string();
        assert_eq!(read("localhost:7000"), "localhost:7000");
        assert_eq!(read("Chat.Example.org"), "chat.example.org:6698");
        assert_eq!(read("192.0.2.1:1"), "192.0.2.1:1");
        assert_eq!(read("[::1]:7000"), "[::1]:7000");
        assert_eq!(read("[::1]"), "[::1]:6698");
        assert_eq!(read("::1"), "[::1]:6698");
        for bad in [
            "",
            ":1",
            "h:",
            "h:0",
            "h:65536",
            "https://h:1",
            "h:1/v1",
            "a b",
            "[::1",
            "[h]:1",
            "[::1]x",
            "u@h",
        ] {
            assert!(bad.parse::<ServerAddress>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago_that_was() {
        let hour = jiff::SignedDuration::from_hours(1);
        let expected = Timestamp::now() - hour;
        let read = moment("1h").unwrap();
        assert!(read >= expected && read < expected + hour, "{read}");
        assert_eq!(moment("1970-01-01T00:00:00Z").unwrap(), Timestamp::UNIX_EPOCH);
        assert!(moment("yesterday").unwrap_err().contains("7d"));
    }

    #[test]
    fn a_bad_duration_is_wrong_usage() {
        let parse = |text: &str| Arguments::try_parse_from(["admin-cli", "ban", "mallory", "--for", text]);
        assert!(parse("7d").is_ok());
        let error = parse("7 days").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("90s, 15m, 12h, 7d or 2w"), "{error}");
    }
}
