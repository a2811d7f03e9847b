//! Selects a message, to reply to it, copy it or delete it.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use rookery_protocol::{Message, Nick};

use super::links::links_of;
use super::{App, Effect};
use crate::front_end::FrontEnd as _;
use crate::model::{Audience, Body, Conversation, Line, LineId, Rank};
use crate::text;
use crate::tui::overlay::{MessageRef, Overlay, Redaction, Selection};

/// The most letters of a message that the status line quotes.
const MAX_EXCERPT: usize = 30;

impl App {
    /// Selects the newest message in view.
    pub(super) fn select_newest(&mut self) {
        let buffer = self.buffers.current();
        let newest = self.layout().lowest_index(buffer, self.scroll_position());
        let line = newest.and_then(|end| {
            buffer
                .lines()
                .range(..=end)
                .rev()
                .find(|line| line.speaker().is_some())
        });
        match line.map(|line| line.id) {
            Some(line) => self.overlay = Some(self.selection(line)),
            None => self.hint = Some("there are no messages here yet".to_owned()),
        }
    }

    /// Handles a key while a message is selected; returns the overlay unless the key has closed it.
    pub(super) fn handle_selection_key(
        &mut self,
        selection: Selection,
        key: KeyEvent,
    ) -> Option<Overlay> {
        let line = self.find_message(&selection.message)?.clone();
        let Body::Message { text, own, .. } = &line.body else {
            return None;
        };
        if let (KeyCode::Char('d' | 'y'), Some(redaction)) = (key.code, &selection.redaction) {
            self.redact(line.id, redaction.reason.as_deref());
            return None;
        }
        let unchanged = Some(self.selection(line.id));
        match key.code {
            KeyCode::Up | KeyCode::Down | KeyCode::Char('k' | 'j') => {
                let older = matches!(key.code, KeyCode::Up | KeyCode::Char('k'));
                return self.select_next(line.id, older);
            }
            KeyCode::PageUp | KeyCode::PageDown => {
                self.scroll_page(key.code == KeyCode::PageUp);
                return unchanged;
            }
            KeyCode::Enter | KeyCode::Char('r') => {
                self.reply_target = Some(selection.message);
                let is_channel = matches!(
                    self.buffers.current().conversation,
                    Conversation::Channel(_)
                );
                if is_channel && self.editor.is_empty() && !own {
                    let nick = self.nick_to_address(&line);
                    self.editor.insert(&format!("{nick}: "));
                }
            }
            KeyCode::Char('p') if !self.has_person(&line) => return unchanged,
            KeyCode::Char('p') => self.open_private(&line),
            KeyCode::Char('c') => {
                self.hint = Some("copied".to_owned());
                self.effects.push(Effect::Copy(text::plain(text)));
            }
            KeyCode::Char('o') => match links_of(&line).as_slice() {
                [] => return unchanged,
                [only] => self.effects.push(Effect::Open(only.clone())),
                links => return self.list_links(links.to_vec()),
            },
            KeyCode::Char('d') if !self.may_redact(&line) => return unchanged,
            KeyCode::Char('d') => {
                return Some(Overlay::Selection(Selection {
                    redaction: Some(Redaction::default()),
                    ..selection
                }));
            }
            KeyCode::Char('/') => {
                self.reply_target = Some(selection.message);
                self.editor.insert("/");
            }
            _ => return unchanged,
        }
        None
    }

    /// Whether a message in a channel is from another person: not from us or the server.
    fn has_person(&self, line: &Line) -> bool {
        let is_channel = matches!(
            self.buffers.current().conversation,
            Conversation::Channel(_)
        );
        let is_own = matches!(line.body, Body::Message { own: true, .. });
        let nick = line.speaker().and_then(|nick| Nick::parse(nick).ok());
        is_channel && !is_own && nick.is_some()
    }

    /// Opens the private conversation with the sender of a message.
    fn open_private(&mut self, line: &Line) {
        if let Some(present) = self.buffers.present_sender(line) {
            // A message that we sent under another nick is ours too.
            if !self.model.is_me(present.as_str()) {
                self.switch_to(Conversation::Person(present));
            }
        } else {
            let nick = line.speaker().unwrap_or_default();
            self.hint = Some(format!(
                "{nick} may be someone else now: /query NICK opens a conversation"
            ));
        }
    }

    /// Returns the nick with which a reply to a message begins: the sender's present one, or that
    /// of the message if it is not known.
    pub(super) fn nick_to_address(&self, line: &Line) -> String {
        let present = self.buffers.present_sender(line);
        present.map_or_else(
            || line.speaker().unwrap_or_default().to_owned(),
            |nick| nick.to_string(),
        )
    }

    /// Returns the keys that apply to the selected message, for the status line.
    pub fn selection_hint(&self, selection: &Selection) -> String {
        let Some(line) = self.find_message(&selection.message) else {
            return String::new();
        };
        if selection.redaction.is_some() {
            return format!("d: delete, Esc: cancel · {}", excerpt(line));
        }
        let hints = [
            (true, "r reply"),
            (self.has_person(line), "p private"),
            (true, "c copy"),
            (!links_of(line).is_empty(), "o open"),
            (self.may_redact(line), "d delete"),
            (true, "Up, Down: others"),
            (true, "Esc"),
        ];
        let applicable = hints
            .into_iter()
            .filter_map(|(applies, hint)| applies.then_some(hint));
        applicable.collect::<Vec<_>>().join(" · ")
    }

    /// Returns the message to which the typed text replies, if it is in the current conversation.
    pub fn replied_to(&self) -> Option<&Line> {
        self.find_message(self.reply_target.as_ref()?)
    }

    /// Returns the line of a message, if it is in the current conversation.
    pub fn find_message(&self, message: &MessageRef) -> Option<&Line> {
        if message.conversation == self.buffers.current().conversation {
            self.line(message.line)
        } else {
            None
        }
    }

    /// Returns the message to which the typed text replies, for the status line.
    pub fn reply_hint(&self) -> Option<String> {
        let line = self.replied_to()?;
        Some(format!("reply to {} · Esc: cancel reply", excerpt(line)))
    }

    /// Selects a message, and asks the user whether to delete it.
    pub(super) fn confirm_redaction(&mut self, line: LineId, reason: Option<&str>) {
        self.scroll_to_line(line);
        self.overlay = Some(Overlay::Selection(Selection {
            message: self.message_ref(line),
            redaction: Some(Redaction {
                reason: reason.map(str::to_owned),
            }),
        }));
    }

    /// Asks the server to delete a message (`draft/message-redaction`).
    fn redact(&mut self, line: LineId, reason: Option<&str>) {
        let msgid = self.line(line).and_then(|line| line.msgid.clone());
        let target = self.buffers.current().conversation.name();
        match msgid {
            Some(msgid) => {
                let params = [target, &*msgid].into_iter().chain(reason);
                self.request(Message::new("REDACT", params));
            }
            None => self.show_refusal("that message cannot be deleted: it has no msgid"),
        }
    }

    fn selection(&self, line: LineId) -> Overlay {
        Overlay::Selection(Selection {
            message: self.message_ref(line),
            redaction: None,
        })
    }

    fn message_ref(&self, line: LineId) -> MessageRef {
        MessageRef {
            conversation: self.buffers.current().conversation.clone(),
            line,
            audience: match self.line(line).map(|line| &line.body) {
                Some(Body::Message { audience, .. }) => *audience,
                _ => Audience::Everyone,
            },
        }
    }

    fn select_next(&mut self, from: LineId, older: bool) -> Option<Overlay> {
        let buffer = self.buffers.current();
        let index = buffer.index_of(from)?;
        let is_message = |line: &&Line| line.speaker().is_some();
        let next = if older {
            buffer.lines().range(..index).rev().find(is_message)
        } else {
            buffer.lines().range(index + 1..).find(is_message)
        };
        let Some(line) = next.map(|line| line.id) else {
            if older {
                // Scrolling up loads older messages.
                self.scroll(true, 1);
                return Some(self.selection(from));
            }
            self.scroll_to_end();
            return None;
        };
        self.scroll_to_line(line);
        Some(self.selection(line))
    }

    fn line(&self, id: LineId) -> Option<&Line> {
        let buffer = self.buffers.current();
        buffer.lines().get(buffer.index_of(id)?)
    }

    /// Whether the user may delete a message: one of their own, or any message in a channel of
    /// which they are an operator.
    fn may_redact(&self, line: &Line) -> bool {
        let is_operator = || match &self.buffers.current().conversation {
            Conversation::Channel(channel) => self
                .model
                .members(channel)
                .any(|(nick, rank)| rank == Rank::Operator && self.model.is_me(nick.as_str())),
            _ => false,
        };
        matches!(line.body, Body::Message { own: true, .. }) || is_operator()
    }
}

/// Returns the sender and the beginning of a message.
fn excerpt(line: &Line) -> String {
    match &line.body {
        Body::Message {
            nick,
            text,
            audience,
            ..
        } => {
            let text = text::plain(text);
            let more = if text.chars().count() > MAX_EXCERPT {
                "…"
            } else {
                ""
            };
            let beginning: String = text.chars().take(MAX_EXCERPT).collect();
            let quoted = text::quoted(&format!("{beginning}{more}"));
            format!("{nick}{}: {quoted}", audience.label())
        }
        _ => String::new(),
    }
}
