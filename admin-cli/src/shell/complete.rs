//! Completion of the word before the cursor: commands and options from clap, names from the server.

use clap::{Arg, Command};

use super::names::{NameKind, Names};
use super::tokenize::tokenize;

/// Returns the offset of the last word of `line` and the candidates for it. An only candidate ends
/// with a space, so that the next word can be typed at once.
pub fn complete(root: &Command, line: &str, names: &dyn Names) -> (usize, Vec<String>) {
    let tokens = tokenize(line);
    let Some((word, before)) = tokens.words.split_last() else {
        return (0, Vec::new());
    };
    let slash = if tokens.last_at == 0 && line.starts_with('/') && !word.starts_with('/') {
        "/"
    } else {
        ""
    };
    let mut command = root;
    let mut positionals = 0;
    let mut awaiting_value: Option<&Arg> = None;
    for word in before {
        if awaiting_value.take().is_some() {
            continue;
        }
        if let Some(option) = word.strip_prefix("--") {
            awaiting_value =
                find_option(command, option).filter(|arg| arg.get_action().takes_values());
        } else if let Some(subcommand) = command.find_subcommand(word) {
            (command, positionals) = (subcommand, 0);
        } else {
            positionals += 1;
        }
    }
    let mut candidates = if let Some(option) = awaiting_value {
        values(command, option, names)
    } else if word.starts_with('-') {
        options(command)
    } else if command.has_subcommands() && positionals == 0 {
        let subcommands = command.get_subcommands().filter(|it| !it.is_hide_set());
        subcommands
            .map(|it| format!("{slash}{}", it.get_name()))
            .collect()
    } else {
        let positional = command.get_positionals().nth(positionals);
        positional
            .map(|arg| values(command, arg, names))
            .unwrap_or_default()
    };
    let typed = format!("{slash}{word}").to_lowercase();
    candidates.retain(|candidate| candidate.to_lowercase().starts_with(&typed));
    candidates.sort_unstable();
    candidates.dedup();
    if let [only] = &mut candidates[..] {
        only.push(' ');
    }
    (tokens.last_at, candidates)
}

fn find_option<'c>(command: &'c Command, long: &str) -> Option<&'c Arg> {
    command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(long))
}

fn options(command: &Command) -> Vec<String> {
    let longs = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .filter_map(Arg::get_long);
    longs.map(|long| format!("--{long}")).collect()
}

/// Returns the possible values of an argument.
fn values(command: &Command, arg: &Arg, names: &dyn Names) -> Vec<String> {
    let possible = arg.get_possible_values();
    if !possible.is_empty() {
        return possible
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect();
    }
    let kind = match (command.get_name(), arg.get_id().as_str()) {
        ("kick" | "whois", "name") | (_, "user") => NameKind::User,
        ("ban" | "kick" | "list", "target") => NameKind::OnlineAccount,
        ("unban", "target") => NameKind::Ban,
        ("disable" | "enable" | "delete" | "revoke" | "credentials", "name")
        | (_, "account" | "author") => NameKind::Account,
        ("show" | "close" | "purge", "name") | (_, "channel") => NameKind::Channel,
        ("remove" | "role" | "reset" | "login", "name") | (_, "actor") => NameKind::Admin,
        // Of the three `revoke` commands, only that of `sessions` has this argument.
        ("revoke", "id") => NameKind::Session,
        (_, "invitation") => NameKind::Invitation,
        (_, "registration") => NameKind::Registration,
        _ => return Vec::new(),
    };
    names.of(kind)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::shell::Line;

    struct Known;

    impl Names for Known {
        fn of(&self, kind: NameKind) -> Vec<String> {
            let names: &[&str] = match kind {
                NameKind::User => &["alice", "Alina", "bob"],
                NameKind::OnlineAccount => &["alice", "carol"],
                NameKind::Account => &["carol"],
                NameKind::Channel => &["#lobby", "#nest"],
                NameKind::Ban => &["*@spam.example", "mallory"],
                NameKind::Admin => &["root", "vera"],
                NameKind::Session => &["all", "s-1"],
                NameKind::Invitation => &["dora@example.org"],
                NameKind::Registration => &["erin"],
            };
            names.iter().map(|&name| name.to_owned()).collect()
        }
    }

    fn completed(line: &str) -> Vec<String> {
        let mut root = Line::command();
        root.build();
        let candidates = complete(&root, line, &Known).1;
        let is_only = candidates.len() == 1;
        let without_space = |candidate: String| match candidate.strip_suffix(' ') {
            Some(word) if is_only => word.to_owned(),
            None if !is_only => candidate,
            _ => panic!("only a single candidate ends with a space: {candidate:?}"),
        };
        candidates.into_iter().map(without_space).collect()
    }

    #[test]
    fn commands_are_completed_with_and_without_a_slash() {
        assert_eq!(completed("ki"), ["kick"]);
        assert_eq!(completed("/ki"), ["/kick"]);
        assert_eq!(completed("channel s"), ["show"]);
        assert_eq!(completed("qu"), ["quit"]);
        assert!(completed("").len() > 15, "all of them");
        assert!(completed("nothing ").is_empty());
    }

    #[test]
    fn options_and_their_values_are_completed() {
        assert_eq!(completed("ban alice --re"), ["--reason"]);
        assert_eq!(completed("totp require o"), ["off", "on"]);
        assert_eq!(completed("watch --kind user-d"), ["user-disconnected"]);
        assert_eq!(completed("list --sort s"), ["sessions", "since"]);
        assert_eq!(completed("admins role vera mod"), ["moderator"]);
        assert_eq!(completed("audit --actor v"), ["vera"]);
        assert_eq!(completed("redact --author "), ["carol"]);
        assert_eq!(completed("audit --outcome re"), ["refused"]);
        assert_eq!(completed("announce hello --channel "), ["#lobby", "#nest"]);
    }

    #[test]
    fn names_are_completed_by_the_kind_that_the_argument_takes() {
        assert_eq!(completed("kick al"), ["Alina", "alice"]);
        assert_eq!(completed("/kick b"), ["bob"]);
        assert_eq!(completed("kick --reason 'too loud' b"), ["bob"]);
        assert_eq!(completed("ban "), ["alice", "carol"]);
        assert_eq!(completed("kick --match c"), ["carol"]);
        assert_eq!(completed("unban *"), ["*@spam.example"]);
        assert_eq!(completed("account disable "), ["carol"]);
        assert_eq!(completed("channel show #n"), ["#nest"]);
        assert_eq!(completed("channel purge #n"), ["#nest"]);
        assert_eq!(completed("account credentials "), ["carol"]);
        assert_eq!(completed("account revoke "), ["carol"]);
        assert_eq!(completed("sessions revoke "), ["all", "s-1"]);
        assert_eq!(completed("invitations revoke d"), ["dora@example.org"]);
        assert_eq!(completed("registrations resend "), ["erin"]);
        for command in ["remove", "role", "reset"] {
            assert_eq!(completed(&format!("admins {command} ")), ["root", "vera"]);
        }
        assert!(
            completed("kick alice ").is_empty(),
            "it takes one name only"
        );
        assert!(
            completed("ban bob --reason ").is_empty(),
            "a reason is not completed"
        );
    }
}
