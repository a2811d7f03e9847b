//! `docs/irc.md` and `HELP` document everything that the server does.

use std::collections::BTreeSet;

use rookery_protocol::Message;

use super::harness::*;
use crate::{Handler, Weight};

const DOCS: &str = include_str!("../../../../docs/irc.md");

/// Returns the parts of the text that are in backquotes.
fn in_backquotes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the names in backquotes in the first column of the table with this first heading.
fn rows(heading: &str) -> BTreeSet<&'static str> {
    let mut lines = DOCS.lines();
    assert!(
        lines.any(|line| line.starts_with(&format!("| {heading} |"))),
        "no table of {heading}"
    );
    let rows = lines.skip(1).map_while(|line| line.strip_prefix("| "));
    rows.flat_map(|row| in_backquotes(row.split(" |").next().unwrap()))
        .collect()
}

/// Returns the names of the commands that the core handles, and of those that are refused in favour
/// of the control plane.
pub fn commands_by_name() -> (Vec<&'static str>, Vec<&'static str>) {
    let names = |has_handler: fn(Handler) -> bool| {
        let commands = crate::commands().filter(move |command| has_handler(command.handler));
        commands
            .flat_map(|command| command.names)
            .copied()
            .collect()
    };
    (
        names(|handler| matches!(handler, Handler::Core(_) | Handler::CoreLongReply(_))),
        names(|handler| matches!(handler, Handler::ControlPlane)),
    )
}

#[test]
fn every_command_has_a_row_in_the_docs_and_a_page_of_help() {
    let mut harness = Harness::new();
    let ann = harness.guest("ann", "");
    let names: Vec<&str> = crate::commands()
        .flat_map(|command| command.names)
        .copied()
        .collect();
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len(), "no command is declared twice");
    assert_eq!(
        rows("command"),
        unique,
        "the rows of docs/irc.md, and the commands"
    );
    for command in names {
        let page = harness.request(ann, &format!("HELP {command}"));
        assert_eq!(commands(&page)[0], "704", "HELP has no page on {command}");
    }
}

#[test]
fn every_capability_has_a_row_in_the_docs() {
    let mut settings = settings();
    settings.capability_values.sts_seconds = 1;
    let mut harness = Harness::with(settings);
    let ann = harness.guest("ann", "");
    let lists = harness.request(ann, "CAP LS 302");
    let items = lists
        .iter()
        .flat_map(|line| line.rsplit(':').next().unwrap().split(' '));
    let offered: BTreeSet<&str> = items.map(|item| item.split('=').next().unwrap()).collect();
    assert!(offered.len() > 30, "{offered:?}");
    assert_eq!(
        rows("capability"),
        offered,
        "the rows of docs/irc.md, and the capabilities"
    );
}

#[test]
fn every_mode_and_every_token_of_isupport_has_a_row_in_the_docs() {
    let mut harness = Harness::new();
    let (_, welcome) = harness.connect("ann", "");
    let words: Vec<&str> = find(&welcome, "004").split(' ').collect();
    let modes = [words[5], words[6]].concat();
    let modes: BTreeSet<char> = modes.chars().collect();
    let documented: BTreeSet<char> = rows("mode")
        .into_iter()
        .map(|mode| mode.parse().unwrap())
        .collect();
    assert_eq!(documented, modes, "the rows of docs/irc.md, and the modes");
    let lines = welcome.iter().filter(|line| line.contains(" 005 "));
    let tokens = lines.flat_map(|line| {
        line.split_once(" :are supported")
            .unwrap()
            .0
            .split(' ')
            .skip(3)
    });
    let tokens: BTreeSet<&str> = tokens
        .map(|token| token.split('=').next().unwrap())
        .collect();
    assert_eq!(
        rows("token"),
        tokens,
        "the rows of docs/irc.md, and the tokens"
    );
}

#[test]
fn commands_that_visit_every_user_or_channel_cost_more() {
    for (line, weight) in [
        ("LIST", Weight::messages(10)),
        ("LIST >5", Weight::messages(10)),
        ("WHO", Weight::messages(10)),
        ("WHO *.org %n", Weight::messages(10)),
        ("WHO #channel", Weight::MESSAGE),
        ("WHO alice", Weight::MESSAGE),
        ("PRIVMSG #channel :LIST", Weight::MESSAGE),
        ("NONSENSE", Weight::MESSAGE),
    ] {
        let message = Message::parse(line).unwrap();
        assert_eq!(crate::weight(&message), weight, "{line}");
    }
}
