//! Completes the word before the cursor to a nick, a channel or a command. Completing again
//! replaces the completion with the next match.

use super::editor::Editor;
use crate::commands::SLASHES;
use crate::model::start_of_last_nick;
use crate::text;

/// The candidates for a completion, best first.
#[derive(Debug, Default)]
pub struct Candidates {
    /// The nicks.
    pub nicks: Vec<String>,
    /// The channels.
    pub channels: Vec<String>,
    /// The commands, with their slash.
    pub commands: Vec<String>,
}

/// A completion, which can be replaced with the next match.
#[derive(Debug)]
pub struct Completion {
    /// The byte offset at which the word begins.
    start: usize,
    matches: Vec<String>,
    current: usize,
}

impl Completion {
    /// Completes the word before the cursor; `None` if nothing matches.
    pub fn begin(editor: &mut Editor, candidates: &Candidates, forward: bool) -> Option<Self> {
        let before = &editor.text()[..editor.cursor()];
        let after_space = text::after_last_space(before);
        // A nick may also follow a character that cannot be in it, as in `@alice`.
        let word = &before[after_space..];
        let is_name = !word.starts_with(SLASHES) && !word.starts_with('#');
        let last_nick = Some(start_of_last_nick(before)).filter(|_| is_name);
        let (start, matches) = [Some(after_space), last_nick]
            .into_iter()
            .flatten()
            .map(|start| {
                let word = before[start..].to_lowercase();
                (start, find_matches(&word, start == 0, candidates))
            })
            .find(|(_, matches)| !matches.is_empty())?;
        let current = if forward { 0 } else { matches.len() - 1 };
        editor.replace_from(start, &matches[current]);
        Some(Self {
            start,
            matches,
            current,
        })
    }

    /// Replaces the match with the next or the previous one.
    pub fn cycle(&mut self, editor: &mut Editor, forward: bool) {
        let count = self.matches.len();
        self.current = if forward {
            self.current + 1
        } else {
            self.current + count - 1
        } % count;
        editor.replace_from(self.start, &self.matches[self.current]);
    }
}

fn find_matches(word: &str, at_start: bool, candidates: &Candidates) -> Vec<String> {
    let complete = |list: &[String], word: &str, after: &str| -> Vec<String> {
        let matches = |name: &&String| name.to_lowercase().starts_with(word);
        list.iter()
            .filter(matches)
            .map(|name| format!("{name}{after}"))
            .collect()
    };
    match word.strip_prefix(SLASHES) {
        Some(name) if at_start => complete(&candidates.commands, &format!("/{name}"), " "),
        // A nick in the form `TEXT /NICK`.
        Some(nick) => complete(&candidates.nicks, nick, "")
            .into_iter()
            .map(|name| format!("/{name}"))
            .collect(),
        None if word.starts_with('#') => complete(&candidates.channels, word, " "),
        None if word.is_empty() => Vec::new(),
        None => complete(&candidates.nicks, word, if at_start { ": " } else { " " }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn candidates() -> Candidates {
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Candidates {
            nicks: list(&["bob", "Bobby", "alice", "[fox]", "fox|away"]),
            channels: list(&["#lobby", "#ops"]),
            commands: list(&["/me", "/msg", "/mode"]),
        }
    }

    fn completed(text: &str, tabs: usize, forward: bool) -> String {
        let mut editor = Editor::default();
        editor.insert(text);
        let Some(mut completion) = Completion::begin(&mut editor, &candidates(), forward) else {
            return editor.text().to_owned();
        };
        for _ in 1..tabs {
            completion.cycle(&mut editor, forward);
        }
        editor.text().to_owned()
    }

    #[test]
    fn nicks_channels_and_commands_are_completed_and_tab_cycles() {
        assert_eq!(completed("b", 1, true), "bob: ");
        assert_eq!(completed("b", 2, true), "Bobby: ");
        assert_eq!(completed("b", 3, true), "bob: ");
        assert_eq!(completed("b", 1, false), "Bobby: ");
        assert_eq!(completed("hi AL", 1, true), "hi alice ");
        assert_eq!(completed("hi [f", 1, true), "hi [fox] ");
        assert_eq!(completed("hi fox|", 1, true), "hi fox|away ");
        assert_eq!(completed("@al", 1, true), "@alice ");
        assert_eq!(completed("hi\u{3000}al", 1, true), "hi\u{3000}alice ");
        assert_eq!(completed("/join #o", 1, true), "/join #ops ");
        for slash in SLASHES {
            assert_eq!(completed(&format!("{slash}ms"), 1, true), "/msg ");
            let text = format!("How are you? {slash}al");
            assert_eq!(completed(&text, 1, true), "How are you? /alice");
        }
    }

    #[test]
    fn a_word_without_a_match_is_unchanged() {
        for text in ["", "x", "hi ", "#x", "/x", "/bo", "#bo", "hi @", "@"] {
            assert_eq!(completed(text, 1, true), text);
        }
    }
}
