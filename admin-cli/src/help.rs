//! The help of the program and of its shell, which lists the commands in groups. clap can only list
//! them all in one.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::{Command, Parser};

/// The groups, with the names of their commands. A name that the program or the shell does not have
/// is left out there.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "Signing in",
        &[
            "login", "trust", "logout", "passwd", "sessions", "totp", "admins",
        ],
    ),
    (
        "People",
        &[
            "list",
            "whois",
            "kick",
            "ban",
            "unban",
            "bans",
            "accounts",
            "account",
            "invite",
            "invitations",
            "registrations",
        ],
    ),
    (
        "Channels and messages",
        &["channels", "channel", "messages", "redact", "announce"],
    ),
    (
        "The server",
        &[
            "status",
            "top",
            "watch",
            "maintenance",
            "reload",
            "export",
            "import",
            "audit",
        ],
    ),
    (
        "This program",
        &["shell", "completions", "man", "quit", "help"],
    ),
];

/// Parses words like [`Parser::try_parse_from`]. The help lists the commands in groups.
pub fn parse<T: Parser>(
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<T, clap::Error> {
    let mut command = with_groups(T::command());
    let mut matches = command.try_get_matches_from_mut(words)?;
    T::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn with_groups(mut command: Command) -> Command {
    // This adds the command `help`.
    command.build();
    let mut template = "{before-help}{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (heading, names) in GROUPS {
        // Writing to a String cannot fail.
        let _ = writeln!(template, "\n{heading}:");
        for command in names
            .iter()
            .filter_map(|name| command.find_subcommand(name))
        {
            let about = command.get_about().map(ToString::to_string);
            let about = about.unwrap_or_default();
            let _ = writeln!(template, "  {:<13}  {about}", command.get_name());
        }
    }
    template += "\nOptions:\n{options}{after-help}";
    command.help_template(template)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Arguments;
    use crate::shell::Line;

    #[test]
    fn every_command_is_in_one_group() {
        for mut command in [Arguments::command(), Line::command()] {
            command.build();
            for name in command.get_subcommands().map(Command::get_name) {
                let groups = GROUPS.iter().filter(|(_, names)| names.contains(&name));
                assert_eq!(groups.count(), 1, "{name}");
            }
        }
    }

    #[test]
    fn the_help_lists_the_commands_in_groups() {
        let help = parse::<Arguments>(["admin-cli", "--help"])
            .unwrap_err()
            .to_string();
        for part in [
            "\nUsage: admin-cli [OPTIONS] <COMMAND>\n\nSigning in:\n  login          Sign in",
            "\n\nPeople:\n  list           List",
            "\n\nOptions:\n      --server <HOST:PORT>",
            "Exit codes:",
        ] {
            assert!(help.contains(part), "{part:?} in {help}");
        }
        let help = parse::<Line>(["help"]).unwrap_err().to_string();
        assert!(help.contains("  quit           Quit"), "{help}");
        assert!(!help.contains("completions"), "{help}");
        let kick = parse::<Arguments>(["admin-cli", "kick", "--help"]).unwrap_err();
        let kick = kick.to_string();
        assert!(kick.contains("\nConnection:\n"), "{kick}");
        let usage = "Usage: admin-cli kick [OPTIONS] <NAME|--match <TARGET>>\n";
        assert!(kick.contains(usage), "{kick}");
    }
}
