//! What Tab makes of the word before the cursor: a nick, a channel or a command; again and again,
//! the next that fits.

use super::app::App;
use super::editor::Editor;
use crate::commands;
use crate::model::Conversation;

/// What can be completed, best first.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Nicks.
    pub nicks: Vec<String>,
    /// Channels.
    pub channels: Vec<String>,
    /// Commands with their slash.
    pub commands: Vec<String>,
}

/// A completion under way: Tab again gives the next.
#[derive(Debug)]
pub struct Completion {
    /// Where the word begins.
    start: usize,
    choices: Vec<String>,
    chosen: usize,
}

impl Completion {
    /// Completes the word before the cursor; `None` when nothing fits.
    pub fn begin(editor: &mut Editor, words: &Candidates, forward: bool) -> Option<Self> {
        let before = &editor.text()[..editor.cursor()];
        let start = before
            .rfind(char::is_whitespace)
            .map_or(0, |space| space + 1);
        let word = before[start..].to_lowercase();
        let choices = choices(&word, start == 0, words);
        let chosen = if forward {
            0
        } else {
            choices.len().checked_sub(1)?
        };
        editor.replace_from(start, choices.get(chosen)?);
        Some(Self {
            start,
            choices,
            chosen,
        })
    }

    /// The next choice in place of this one, or the one before.
    pub fn step(&mut self, editor: &mut Editor, forward: bool) {
        let count = self.choices.len();
        self.chosen = if forward {
            self.chosen + 1
        } else {
            self.chosen + count - 1
        } % count;
        editor.replace_from(self.start, &self.choices[self.chosen]);
    }
}

fn choices(word: &str, at_start: bool, words: &Candidates) -> Vec<String> {
    let fitting = |list: &[String], word: &str, after: &str| -> Vec<String> {
        let fits = |name: &&String| name.to_lowercase().starts_with(word);
        list.iter()
            .filter(fits)
            .map(|name| format!("{name}{after}"))
            .collect()
    };
    match word.strip_prefix('/') {
        Some(_) if at_start => fitting(&words.commands, word, " "),
        // The form `TEXT /NICK`.
        Some(nick) => fitting(&words.nicks, nick, "")
            .into_iter()
            .map(|name| format!("/{name}"))
            .collect(),
        None if word.starts_with('#') => fitting(&words.channels, word, " "),
        None if word.is_empty() => Vec::new(),
        None => fitting(&words.nicks, word, if at_start { ": " } else { " " }),
    }
}

impl App {
    /// What Tab knows.
    pub fn words(&self) -> Candidates {
        let buffer = self.buffers.current();
        // Whoever spoke last is meant most often.
        let mut nicks: Vec<String> = Vec::new();
        let mut add = |nick: &str| {
            if !self.model.is_me(nick) && !nicks.iter().any(|other| other == nick) {
                nicks.push(nick.to_owned());
            }
        };
        buffer.speakers().into_iter().for_each(&mut add);
        match &buffer.conversation {
            Conversation::Channel(channel) => self
                .model
                .members(channel)
                .for_each(|(nick, _)| add(nick.as_str())),
            Conversation::Person(nick) => add(nick.as_str()),
            Conversation::Server => {}
        }
        let command = |(form, _): (&str, &str)| form.split(' ').next().map(str::to_owned);
        let mut commands: Vec<String> = commands::beginning("/")
            .into_iter()
            .filter_map(command)
            .collect();
        commands.sort();
        commands.dedup();
        Candidates {
            nicks,
            channels: self
                .model
                .channels()
                .map(|channel| channel.as_str().to_owned())
                .collect(),
            commands,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn words() -> Candidates {
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Candidates {
            nicks: list(&["bob", "Bobby", "alice"]),
            channels: list(&["#lobby", "#ops"]),
            commands: list(&["/me", "/msg", "/mode"]),
        }
    }

    fn completed(text: &str, tabs: usize, forward: bool) -> String {
        let mut editor = Editor::default();
        editor.insert(text);
        let Some(mut completion) = Completion::begin(&mut editor, &words(), forward) else {
            return editor.text().to_owned();
        };
        for _ in 1..tabs {
            completion.step(&mut editor, forward);
        }
        editor.text().to_owned()
    }

    #[test]
    fn nicks_channels_and_commands_are_completed_and_tab_goes_round() {
        assert_eq!(completed("b", 1, true), "bob: ");
        assert_eq!(completed("b", 2, true), "Bobby: ");
        assert_eq!(completed("b", 3, true), "bob: ");
        assert_eq!(completed("b", 1, false), "Bobby: ");
        assert_eq!(completed("hi AL", 1, true), "hi alice ");
        assert_eq!(completed("/join #o", 1, true), "/join #ops ");
        assert_eq!(completed("/ms", 1, true), "/msg ");
        assert_eq!(
            completed("How are you? /al", 1, true),
            "How are you? /alice"
        );
    }

    #[test]
    fn what_fits_nothing_stays() {
        for text in ["", "x", "hi ", "#x", "/x"] {
            assert_eq!(completed(text, 1, true), text);
        }
    }
}
