//! `docs/irc.md` and `HELP` know all that the server does.

use std::collections::BTreeSet;

use super::play::*;
use crate::Handler;

const DOCS: &str = include_str!("../../../../docs/irc.md");
/// What stands between `mark`s in the text: every second piece.
fn between(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

/// All that stands in backquotes in the first cells of the table whose first column has that
/// heading.
fn rows(heading: &str) -> BTreeSet<&'static str> {
    let mut lines = DOCS.lines();
    assert!(
        lines.any(|line| line.starts_with(&format!("| {heading} |"))),
        "no table of {heading}"
    );
    let rows = lines.skip(1).map_while(|line| line.strip_prefix("| "));
    rows.flat_map(|row| between(row.split(" |").next().unwrap(), '`'))
        .collect()
}

/// The names of the commands that the core handles, and of those that are for operators elsewhere.
pub fn commands_by_name() -> (Vec<&'static str>, Vec<&'static str>) {
    let names = |is_meant: fn(Handler) -> bool| {
        let meant = crate::commands().filter(move |command| is_meant(command.handler));
        meant.flat_map(|command| command.names).copied().collect()
    };
    (
        names(|handler| matches!(handler, Handler::Core(_))),
        names(|handler| matches!(handler, Handler::ControlPlane)),
    )
}

#[test]
fn every_command_has_a_row_in_the_docs_and_a_page_of_help() {
    let mut play = Play::new();
    let ann = play.guest("ann", "");
    let names: Vec<&str> = crate::commands()
        .flat_map(|command| command.names)
        .copied()
        .collect();
    let known: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(known.len(), names.len(), "no command is declared twice");
    assert_eq!(
        rows("command"),
        known,
        "the rows of docs/irc.md, and the commands there are"
    );
    for command in names {
        let page = play.ask(ann, &format!("HELP {command}"));
        assert_eq!(commands(&page)[0], "704", "HELP has no page on {command}");
    }
}

#[test]
fn every_capability_has_a_row_in_the_docs() {
    let mut all = settings();
    all.capability_values.sts_seconds = 1;
    let mut play = Play::with(all);
    let ann = play.guest("ann", "");
    let lists = play.ask(ann, "CAP LS 302");
    let items = lists
        .iter()
        .flat_map(|line| line.rsplit(':').next().unwrap().split(' '));
    let offered: BTreeSet<&str> = items.map(|item| item.split('=').next().unwrap()).collect();
    assert!(offered.len() > 30, "{offered:?}");
    assert_eq!(
        rows("capability"),
        offered,
        "the rows of docs/irc.md, and the capabilities there are"
    );
}

#[test]
fn every_mode_and_every_token_of_isupport_has_a_row_in_the_docs() {
    let mut play = Play::new();
    let (ann, _) = play.try_admit(Play::candidate("ann", None, ""));
    let welcome = play.heard(ann);
    let words: Vec<&str> = find(&welcome, "004").split(' ').collect();
    let modes = [words[5], words[6]].concat();
    let modes: BTreeSet<char> = modes.chars().collect();
    let told: BTreeSet<char> = rows("mode")
        .into_iter()
        .map(|mode| mode.parse().unwrap())
        .collect();
    assert_eq!(
        told, modes,
        "the rows of docs/irc.md, and the modes there are"
    );
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
        "the rows of docs/irc.md, and the tokens there are"
    );
}

#[test]
fn commands_that_walk_over_everything_weigh_more() {
    for (line, weight) in [
        ("LIST", 10),
        ("LIST >5", 10),
        ("WHO", 10),
        ("WHO *.org %n", 10),
        ("WHO #channel", 1),
        ("WHO alice", 1),
        ("PRIVMSG #channel :LIST", 1),
        ("NONSENSE", 1),
    ] {
        let message = rookery_protocol::Message::parse(line).unwrap();
        assert_eq!(crate::weight(&message), weight, "{line}");
    }
}
