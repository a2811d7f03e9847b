//! A message that is chosen, to answer it, copy it or take it back.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use rookery_protocol::Message;

use super::app::{App, Effect, Overlay};
use super::links::links_of;
use crate::model::{Body, Conversation, Line, LineId, Rank};
use crate::text;

/// A message that stands out, while the keys are about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Which.
    pub target: MessageRef,
    /// The same key once more takes it back.
    is_going: bool,
}

/// A message that the keys, or what is typed next, are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRef {
    /// Where it was said.
    conversation: Conversation,
    /// Its line there.
    line: LineId,
}

impl App {
    /// Chooses the newest message in view.
    pub(super) fn choose(&mut self) {
        let buffer = self.buffers.current();
        let newest = self.layout().lowest_index(buffer, self.scrolled());
        let line = newest.and_then(|end| {
            buffer
                .lines()
                .range(..=end)
                .rev()
                .find(|line| line.speaker().is_some())
        });
        match line.map(|line| line.id) {
            Some(line) => self.overlay = Some(self.chosen(line)),
            None => self.hint = Some("nothing was said here yet".to_owned()),
        }
    }

    /// Takes a key while a message is chosen; gives what is chosen then.
    pub(super) fn key_over_chosen(&mut self, chosen: Selection, key: KeyEvent) -> Option<Overlay> {
        let line = self.line_at(&chosen.target)?.clone();
        let Body::Said { nick, text, .. } = &line.body else {
            return None;
        };
        let stays = Some(self.chosen(line.id));
        match key.code {
            KeyCode::Up | KeyCode::Down | KeyCode::Char('k' | 'j') => {
                let older = matches!(key.code, KeyCode::Up | KeyCode::Char('k'));
                return self.choose_next(line.id, older);
            }
            KeyCode::PageUp | KeyCode::PageDown => {
                self.scroll(key.code == KeyCode::PageUp, self.page());
                return stays;
            }
            KeyCode::Enter | KeyCode::Char('r') => {
                self.reply_target = Some(chosen.target);
                let is_channel = matches!(
                    self.buffers.current().conversation,
                    Conversation::Channel(_)
                );
                if is_channel && self.editor.is_empty() && !self.model.is_me(nick) {
                    self.editor.insert(&format!("{nick}: "));
                }
            }
            KeyCode::Char('p') if !self.model.is_me(nick) => {
                if let Some(conversation) = Conversation::person(nick) {
                    self.buffers.open(conversation, self.now, &self.model);
                }
            }
            KeyCode::Char('c') => {
                self.hint = Some("copied".to_owned());
                self.effects.push(Effect::Copy(text::plain(text)));
            }
            KeyCode::Char('o') => match links_of(&line).as_slice() {
                [] => return stays,
                [only] => self.effects.push(Effect::Open(only.clone())),
                links => return self.list_links(links.to_vec()),
            },
            KeyCode::Char('d') if !self.may_take_back(&line) => return stays,
            KeyCode::Char('d') if chosen.is_going => self.take_back(line.id, None),
            KeyCode::Char('d') => {
                return Some(Overlay::Selection(Selection {
                    is_going: true,
                    ..chosen
                }));
            }
            KeyCode::Char('/') => {
                self.reply_target = Some(chosen.target);
                self.editor.insert("/");
            }
            _ => return stays,
        }
        None
    }

    /// What the keys do with the message, for the status line.
    pub fn choices(&self, chosen: &Selection) -> String {
        let Some(line) = self.line_at(&chosen.target) else {
            return String::new();
        };
        if chosen.is_going {
            return format!("d again takes back: {}", excerpt(line));
        }
        let mine = matches!(line.body, Body::Said { mine: true, .. });
        let all = [
            (true, "r reply"),
            (!mine, "p in private"),
            (true, "c copy"),
            (!links_of(line).is_empty(), "o open"),
            (self.may_take_back(line), "d take back"),
            (true, "Up, Down: others"),
            (true, "Esc"),
        ];
        let fitting = all
            .into_iter()
            .filter_map(|(fits, words)| fits.then_some(words));
        fitting.collect::<Vec<_>>().join(" · ")
    }

    /// The message that what is typed is about, if it is here.
    pub fn replied_to(&self) -> Option<&Line> {
        self.line_at(self.reply_target.as_ref()?)
    }

    /// That message, if its place is the current one.
    pub fn line_at(&self, target: &MessageRef) -> Option<&Line> {
        if target.conversation == self.buffers.current().conversation {
            self.line(target.line)
        } else {
            None
        }
    }

    /// What is typed answers it: in words, for the status line.
    pub fn answered(&self) -> Option<String> {
        let line = self.replied_to()?;
        Some(format!("to {}; Esc: not to that", excerpt(line)))
    }

    /// Takes back that message, or the last one of one's own.
    pub(super) fn take_back_aimed(&mut self, reason: Option<&str>) {
        let reply_target = self.replied_to().map(|line| line.id);
        match reply_target.or_else(|| self.buffers.current().last_own()) {
            Some(line) => self.take_back(line, reason),
            None => self.refuse("you have said nothing here that could be taken back"),
        }
    }

    fn take_back(&mut self, line: LineId, reason: Option<&str>) {
        let msgid = self.line(line).and_then(|line| line.msgid.clone());
        let conversation = self.buffers.current().conversation.name();
        match msgid {
            Some(msgid) => {
                let words = [conversation, &*msgid].into_iter().chain(reason);
                self.ask(Message::new("REDACT", words));
            }
            None => self.refuse(
                "the server has given that message no name by which it could be taken back",
            ),
        }
    }

    fn chosen(&self, line: LineId) -> Overlay {
        let target = MessageRef {
            conversation: self.buffers.current().conversation.clone(),
            line,
        };
        Overlay::Selection(Selection {
            target,
            is_going: false,
        })
    }

    fn choose_next(&mut self, from: LineId, older: bool) -> Option<Overlay> {
        let buffer = self.buffers.current();
        let index = buffer.index_of(from)?;
        let next = if older {
            buffer
                .lines()
                .range(..index)
                .rev()
                .find(|line| line.speaker().is_some())
        } else {
            buffer
                .lines()
                .range(index + 1..)
                .find(|line| line.speaker().is_some())
        };
        let Some(line) = next.map(|line| line.id) else {
            if older {
                // There may be more to load.
                self.scroll(true, 1);
                return Some(self.chosen(from));
            }
            self.scroll_to_end();
            return None;
        };
        self.show_line(line);
        Some(self.chosen(line))
    }

    fn line(&self, id: LineId) -> Option<&Line> {
        let buffer = self.buffers.current();
        buffer.lines().get(buffer.index_of(id)?)
    }

    /// One's own messages can be taken back, and in a channel that one runs all of them.
    fn may_take_back(&self, line: &Line) -> bool {
        let is_operator = || match &self.buffers.current().conversation {
            Conversation::Channel(channel) => self
                .model
                .members(channel)
                .any(|(nick, rank)| rank == Rank::Operator && self.model.is_me(nick.as_str())),
            _ => false,
        };
        matches!(line.body, Body::Said { mine: true, .. }) || is_operator()
    }
}

/// Who said it, and how it begins.
fn excerpt(line: &Line) -> String {
    const LETTERS: usize = 30;
    match &line.body {
        Body::Said { nick, text, .. } => {
            let text = text::plain(text);
            let more = if text.chars().count() > LETTERS {
                "…"
            } else {
                ""
            };
            let begin: String = text.chars().take(LETTERS).collect();
            format!("{nick}: “{begin}{more}”")
        }
        _ => String::new(),
    }
}
