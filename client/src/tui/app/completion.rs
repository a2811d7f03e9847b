//! Completion with Tab in the message box.

use super::{App, screen_commands};
use crate::commands::split_word;
use crate::model::Conversation;
use crate::tui::completion::{Candidates, Completion};

impl App {
    /// Completes the word before the cursor, or replaces the completion with the next match.
    pub(super) fn complete(&mut self, forward: bool) {
        if let Some(completion) = &mut self.completion {
            completion.cycle(&mut self.editor, forward);
        } else {
            let candidates = self.candidates();
            self.completion = Completion::begin(&mut self.editor, &candidates, forward);
        }
    }

    /// Returns the candidates for a completion. The senders of the latest messages come first.
    fn candidates(&self) -> Candidates {
        let buffer = self.buffers.current();
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
        let mut commands: Vec<String> = screen_commands::usages()
            .map(|(form, _)| split_word(form).0.to_owned())
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
