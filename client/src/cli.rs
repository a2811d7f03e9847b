//! The command line: its flags, its subcommands, and the types of their arguments.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use rookery_protocol::{AccountName, ChannelName, Email, NameError, Nick};

use crate::config::ServerArgument;
use crate::model::EventKind;
use rookery_trust::Fingerprint;

/// Chats on a Rookery server.
#[derive(Debug, Parser)]
#[command(name = "rook", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// The server: its name in the config, HOST or HOST:PORT [default: from the config, or
    /// localhost:6697]
    #[arg(value_name = "SERVER", conflicts_with = "server_option")]
    server: Option<ServerArgument>,
    /// The server, as an option
    #[arg(
        long = "server",
        id = "server_option",
        value_name = "HOST:PORT",
        global = true
    )]
    server_option: Option<ServerArgument>,
    /// Trust only certificates signed by the authority in this PEM file
    #[arg(long, value_name = "FILE", global = true)]
    pub ca: Option<PathBuf>,
    /// The name of your account
    #[arg(long, value_name = "N", global = true)]
    pub name: Option<AccountName>,
    /// The email of your account
    #[arg(long, value_name = "E", global = true)]
    pub email: Option<Email>,
    /// Use plain lines, for pipes and scripts
    #[arg(long)]
    pub plain: bool,
    /// The command; without one, rook starts the chat
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands of `rook`.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    ScriptCommand(ScriptCommand),
    /// Prints completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Writes the man pages of rook and its commands
    Man {
        /// The folder to write to
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
}

/// The commands that scripts run on the server.
#[derive(Debug, Subcommand)]
pub enum ScriptCommand {
    /// Sends a message and waits for its receipt; needs an earlier sign-in on this device
    Send {
        /// A channel ('#ops', in quotes) or a nick
        target: Target,
        /// The message; without it, each line of standard input is sent as one message
        text: Option<String>,
        /// Create the channel if it does not exist
        #[arg(long)]
        create: bool,
        /// Send text to a channel even if it seems meant for one person: it ends in /NICK, or
        /// begins with /msg
        #[arg(long)]
        literal: bool,
    },
    /// Prints the messages of a channel or a person as they arrive; reconnects if necessary
    Tail {
        /// A channel ('#ops', in quotes) or a nick
        target: Target,
        /// How many messages of the history to print first
        #[arg(long, value_name = "N", default_value_t = 10)]
        lines: usize,
        /// Print one JSON object a line: time, msgid, sender, account, target, kind (message,
        /// action, notice) and text
        #[arg(long)]
        json: bool,
        /// Create the channel if it does not exist, or wait for a person who is not here
        #[arg(long)]
        create: bool,
    },
    /// Trusts the certificate that a server presents, in place of what was trusted before
    Trust {
        /// The server: its name in the config, HOST or HOST:PORT
        #[arg(value_name = "SERVER", id = "trusted_server")]
        server: ServerArgument,
        /// The SHA-256 fingerprint that the certificate must have, as `rookeryd fingerprint` prints
        /// it; without it, rook shows the fingerprint and asks, on a terminal only
        fingerprint: Option<Fingerprint>,
    },
}

/// A channel or a user, as the target of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A channel.
    Channel(ChannelName),
    /// A user.
    User(Nick),
}

impl Target {
    /// Returns the name as it is written in messages.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Channel(channel) => channel.as_str(),
            Self::User(nick) => nick.as_str(),
        }
    }

    /// Follows the channel if the event renames it.
    pub fn follow(&mut self, event: EventKind) {
        if let EventKind::Renamed { old, new, .. } = event
            && *self == Self::Channel(old)
        {
            *self = Self::Channel(new);
        }
    }
}

impl FromStr for Target {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.starts_with('#') {
            ChannelName::parse(text).map(Self::Channel)
        } else {
            Nick::parse(text).map(Self::User)
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 failure or no connection, 2 wrong usage or an error in the config, 3 not \
signed in (run `rook` in a terminal first), 4 kicked, banned or displaced.";

/// Adds a hint to the error about a missing target: a shell takes an unquoted `#` for the start of
/// a comment, so that the target and what follows do not reach this program.
fn with_shell_hint(mut error: clap::Error) -> clap::Error {
    let lacks_target = matches!(
        error.get(ContextKind::InvalidArg),
        Some(ContextValue::Strings(missing)) if missing.iter().any(|name| name == "<TARGET>")
    );
    if error.kind() == ErrorKind::MissingRequiredArgument && lacks_target {
        let hint = format!("quote the name of a channel in a shell: {QUOTED}");
        let hints = ContextValue::StyledStrs(vec![StyledStr::from(hint)]);
        error.insert(ContextKind::Suggested, hints);
    }
    error
}

/// Returns the error about a user who is not found. The user may have meant a channel.
pub fn not_here(nick: &Nick, reason: &str) -> String {
    format!("{reason}; for a channel, write '#{nick}', in quotes")
}

/// A channel's name as it is written in a shell.
pub const QUOTED: &str = "'#lobby'";

impl Cli {
    /// Parses the command line. Exits if it is invalid or asks for help.
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| with_shell_hint(error).exit())
    }

    /// Returns the server that was named, as an argument or an option.
    pub fn server(&self) -> Option<&ServerArgument> {
        self.server.as_ref().or(self.server_option.as_ref())
    }

    /// Writes the man pages into a folder, which is created if necessary.
    pub fn write_man_pages(folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(Self::command(), folder)
    }

    /// Returns the completion script for a shell.
    pub fn completions(shell: Shell) -> Vec<u8> {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Self::command(), "rook", &mut script);
        script
    }

    /// Reports wrong usage that clap cannot detect, and exits.
    pub fn exit_with_usage_error(message: &str) -> ! {
        Self::command()
            .error(ErrorKind::InvalidValue, message)
            .exit()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(line: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["rook"], line].concat())
    }

    #[test]
    fn claps_own_checks_pass() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_server_of_the_config_has_the_name_of_a_command() {
        for command in Cli::command().get_subcommands() {
            let config = format!(
                "[servers.{}]\naddress = \"chat.example\"",
                command.get_name()
            );
            let error = toml::from_str::<Config>(&config).unwrap_err().to_string();
            assert!(error.contains("is a command"), "{error}");
        }
    }

    fn server(cli: &Cli) -> String {
        Config::default().choose(cli.server()).address.to_string()
    }

    #[test]
    fn the_server_may_be_an_argument_or_an_option_but_not_both() {
        assert_eq!(server(&parse(&[]).unwrap()), "localhost:6697");
        assert_eq!(
            server(&parse(&["chat.example"]).unwrap()),
            "chat.example:6697"
        );
        assert_eq!(
            server(&parse(&["--server", "chat.example:1"]).unwrap()),
            "chat.example:1"
        );
        assert!(parse(&["a.example", "--server", "b.example"]).is_err());
        assert!(parse(&["localhost:0"]).is_err());
    }

    #[test]
    fn send_accepts_options_before_and_after_it() {
        for line in [
            ["--server", "chat.example", "send", "#ops", "backup done"],
            ["send", "#ops", "backup done", "--server", "chat.example"],
        ] {
            let cli = parse(&line).unwrap();
            assert_eq!(server(&cli), "chat.example:6697");
            let Some(Command::ScriptCommand(ScriptCommand::Send { target, text, .. })) =
                cli.command
            else {
                panic!("{cli:?}")
            };
            assert_eq!(target, Target::Channel(ChannelName::parse("#ops").unwrap()));
            assert_eq!(text.unwrap(), "backup done");
        }
    }

    #[test]
    fn a_missing_target_is_answered_with_how_to_write_a_channel_in_a_shell() {
        for command in ["send", "tail"] {
            // What a shell makes of `rook send #lobby hi`.
            let error = with_shell_hint(parse(&[command]).unwrap_err());
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(text.contains("<TARGET>") && text.contains(QUOTED), "{text}");
        }
        let other = with_shell_hint(parse(&["trust"]).unwrap_err()).to_string();
        assert!(!other.contains(QUOTED), "{other}");
    }

    #[test]
    fn tail_prints_ten_lines_by_default() {
        let tail = |line: &[&str]| match parse(line).unwrap().command {
            Some(Command::ScriptCommand(ScriptCommand::Tail { lines, json, .. })) => (lines, json),
            command => panic!("{command:?}"),
        };
        assert_eq!(tail(&["tail", "#ops"]), (10, false));
        assert_eq!(tail(&["tail", "bob", "--lines", "0", "--json"]), (0, true));
        assert_eq!(
            parse(&["tail", "#ops", "--lines", "-1"])
                .unwrap_err()
                .exit_code(),
            2
        );
    }

    #[test]
    fn bad_names_are_wrong_usage() {
        for line in [
            &["send", "#"] as &[_],
            &["send", "a b", "x"],
            &["--name", "a!b"],
            &["--email", "x"],
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line:?}");
        }
    }
}
