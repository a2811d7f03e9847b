//! `docs/irc.md` and `HELP` know all that the server does.

use std::collections::BTreeSet;

use rookery_protocol::Capability;

use super::play::*;

const DOCS: &str = include_str!("../../../../docs/irc.md");
/// Where the commands are listed by name.
const COMMANDS: &str = include_str!("../commands/mod.rs");

/// What stands between `mark`s in the text: every second piece.
fn between(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

/// All that stands in backquotes in the first cell of a table's row.
fn rows() -> BTreeSet<&'static str> {
    let first_cells = DOCS.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    first_cells.flat_map(|cell| between(cell, '`')).collect()
}

/// The commands of admitted sessions; those that are for operators elsewhere.
fn commands_by_name() -> (Vec<&'static str>, Vec<&'static str>) {
    let (_, table) = COMMANDS.split_once("fn find(").unwrap();
    let (table, _) = table.split_once("\n}\n").unwrap();
    let (own, elsewhere) = table.split_at(table.find("\"CONNECT\"").unwrap());
    let words = |text: &'static str| between(text, '"').collect::<Vec<_>>();
    (words(own), words(elsewhere))
}

#[test]
fn every_command_has_a_row_in_the_docs_and_a_page_of_help() {
    let mut play = Play::new();
    let ann = play.guest("ann", "");
    let (own, elsewhere) = commands_by_name();
    assert!(
        own.contains(&"PRIVMSG") && own.len() > 35 && elsewhere.contains(&"OPER"),
        "{own:?} {elsewhere:?}"
    );
    // What sessions send before they are admitted, or to those who look after accounts.
    let accounts = ["AUTHENTICATE", "CREDENTIAL", "REGISTER", "VERIFY"];
    let own: Vec<&str> = own.into_iter().chain(accounts).collect();
    for command in own.iter().chain(&elsewhere) {
        assert!(rows().contains(command), "docs/irc.md has no row on {command}");
    }
    for command in own {
        let page = play.ask(ann, &format!("HELP {command}"));
        assert_eq!(commands(&page)[0], "704", "HELP has no page on {command}");
    }
}

#[test]
fn every_capability_is_in_the_docs() {
    let words: BTreeSet<&str> =
        DOCS.split(|char: char| char.is_whitespace() || "`,;:()|*=".contains(char)).collect();
    for capability in Capability::ALL {
        let name = capability.name();
        assert!(
            words.contains(name) || words.contains(name.trim_end_matches('.')),
            "docs/irc.md does not tell of {name}"
        );
    }
}

#[test]
fn every_mode_and_every_token_of_isupport_has_a_row_in_the_docs() {
    let mut play = Play::new();
    let (ann, _) = play.try_admit(Play::candidate("ann", None, ""));
    let welcome = play.heard(ann);
    let words: Vec<&str> = find(&welcome, "004").split(' ').collect();
    for letter in [words[5], words[6]].concat().chars() {
        assert!(rows().contains(letter.to_string().as_str()), "docs/irc.md has no row on mode {letter}");
    }
    for line in welcome.iter().filter(|line| line.contains(" 005 ")) {
        let (tokens, _) = line.split_once(" :are supported").unwrap();
        for token in tokens.split(' ').skip(3) {
            let name = token.split('=').next().unwrap();
            assert!(rows().contains(name), "docs/irc.md has no row on {name}");
        }
    }
}
