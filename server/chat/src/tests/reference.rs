//! `docs/irc.md` and `HELP` document everything that the server does.

use std::collections::BTreeSet;

use super::harness::*;

const DOCS: &str = include_str!("../../../../docs/irc.md");
/// Where the commands are listed by name.
const COMMANDS: &str = include_str!("../commands.rs");

/// Returns the parts of the text between `mark`s: every second one.
fn between(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

/// Returns everything in backquotes in the first column of the table whose first heading is this.
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

/// Returns the commands of admitted sessions, and those refused in favour of the control plane.
pub fn commands_by_name() -> (Vec<&'static str>, Vec<&'static str>) {
    let (_, table) = COMMANDS.split_once("fn find(").unwrap();
    let (table, _) = table.split_once("\n}\n").unwrap();
    let (own, elsewhere) = table.split_at(table.find("\"CONNECT\"").unwrap());
    let words = |text: &'static str| between(text, '"').collect::<Vec<_>>();
    (words(own), words(elsewhere))
}

#[test]
fn every_command_has_a_row_in_the_docs_and_a_page_of_help() {
    let mut harness = Harness::new();
    let ann = harness.guest("ann", "");
    let (own, elsewhere) = commands_by_name();
    assert!(
        own.contains(&"PRIVMSG") && own.len() > 35 && elsewhere.contains(&"OPER"),
        "{own:?} {elsewhere:?}"
    );
    // Commands that `rookery-accounts` handles, and those handled before the table.
    let elsewhere_taken = [
        "AUTHENTICATE",
        "REGISTER",
        "VERIFY",
        "CREDENTIAL",
        "SETPASS",
        "SETEMAIL",
        "BATCH",
    ];
    let own: BTreeSet<&str> = own.into_iter().chain(elsewhere_taken).collect();
    let known: BTreeSet<&str> = own.iter().chain(&elsewhere).copied().collect();
    assert_eq!(
        rows("command"),
        known,
        "the rows of docs/irc.md, and the commands"
    );
    for command in own {
        let page = harness.request(ann, &format!("HELP {command}"));
        assert_eq!(commands(&page)[0], "704", "HELP has no page on {command}");
    }
}

#[test]
fn every_capability_has_a_row_in_the_docs() {
    let mut all = settings();
    all.capability_values.sts_seconds = 1;
    let mut harness = Harness::with(all);
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
    let (ann, _) = harness.try_admit(Harness::candidate("ann", None, ""));
    let welcome = harness.received(ann);
    let words: Vec<&str> = find(&welcome, "004").split(' ').collect();
    let modes = [words[5], words[6]].concat();
    let modes: BTreeSet<char> = modes.chars().collect();
    let told: BTreeSet<char> = rows("mode")
        .into_iter()
        .map(|mode| mode.parse().unwrap())
        .collect();
    assert_eq!(told, modes, "the rows of docs/irc.md, and the modes");
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
