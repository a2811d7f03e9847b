//! The chat as it stands on the screen: keys and messages go in, effects come out. No terminal, no
//! connection.

mod attention;
mod exchange;
mod obey;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Rect;
use rookery_protocol::Message;
use tokio::time::Instant;

use super::areas::Areas;
use super::chosen::{MessageRef, Selection};
use super::completion::Completion;
use super::editor::{Draft, Editor};
use super::layout::{Layout, ScrollPosition};
use super::links::LinkList;
use super::password::PasswordChange;
use super::search::Search;
use super::theme::Theme;
use crate::model::{Buffers, Conversation, Model};
use crate::receipts::{Receipts, Sent};
use crate::state::Preferences;
use crate::urls::Url;

/// What is to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send it.
    Send(Message),
    /// Highlight the person, who looks elsewhere: who, and what they said.
    Notify(String, String),
    /// Keep for the next time how the person has arranged things.
    SavePreferences(Preferences),
    /// Open a link.
    Open(Url),
    /// Put it where a paste takes it from.
    Copy(String),
    /// Leave.
    Quit(Option<String>),
}

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// On its way.
    Connecting,
    /// Good.
    Online,
    /// Lost, and tried again then.
    Lost { again_at: Instant },
}

/// What lies over the conversation.
#[derive(Debug)]
pub enum Overlay {
    /// All keys and commands, from this row on.
    Help(usize),
    /// The quick switcher: what is typed, and which of the places found is chosen.
    Switcher(Editor, usize),
    /// Whether to take a paste of several lines.
    Paste(String),
    /// A password that is being set.
    Password(PasswordChange),
    /// A search, whose state stands in the status line.
    Search(Search),
    /// The links of a place.
    Links(LinkList),
    /// A message that is chosen; the status line says what can be done with it.
    Selection(Selection),
    /// Which formatting begins or ends here: the next key says. The status line lists them.
    Format,
}

/// The chat.
#[derive(Debug)]
pub struct App {
    /// The server's name, for the status line.
    pub server: String,
    /// What the client knows.
    pub model: Model,
    /// What was said.
    pub buffers: Buffers,
    /// Where someone has scrolled to.
    scrolls: BTreeMap<Conversation, ScrollPosition>,
    /// What is being typed.
    pub editor: Editor,
    /// Where.
    typed_in: Conversation,
    /// What was being typed elsewhere.
    drafts: BTreeMap<Conversation, Draft>,
    /// What lies over the conversation.
    pub overlay: Option<Overlay>,
    /// How the connection is.
    pub connection: Connection,
    /// How long the server took to answer, the last time it was asked.
    pub lag: Option<Duration>,
    /// A word about the last key, gone with the next.
    pub hint: Option<String>,
    /// Whether the members are shown; by the width, until someone says.
    pub members: Option<bool>,
    /// Colours.
    pub theme: Theme,
    /// For times.
    pub zone: TimeZone,
    /// Of the whole screen.
    pub size: Rect,
    /// The time, as whoever runs this has told last.
    pub now: Timestamp,
    /// How things are arranged, as far as it is kept.
    kept: Preferences,
    receipts: Receipts,
    /// What waits until earlier messages have their receipts.
    queue: VecDeque<(Message, Sent)>,
    pub(super) completion: Option<Completion>,
    /// The message that what is typed is about.
    pub(super) reply_target: Option<MessageRef>,
    /// Who called last, and where.
    caller: Option<(Conversation, String)>,
    /// Whether the terminal has the focus; unknown until it tells.
    focused: Option<bool>,
    /// Someone is here for the first time, and told the first things to know.
    pub newcomer: bool,
    /// Why there is no connection, as was told.
    lost_because: Option<String>,
    /// When the person did something last.
    pub(super) used_at: Timestamp,
    /// When the server was told last what is read.
    marked_at: Timestamp,
    pub(super) effects: Vec<Effect>,
}

impl App {
    /// A chat that has not begun.
    pub fn new(server: String, theme: Theme, zone: TimeZone, now: Timestamp) -> Self {
        Self {
            server,
            model: Model::default(),
            buffers: Buffers::default(),
            scrolls: BTreeMap::new(),
            editor: Editor::default(),
            typed_in: Conversation::Server,
            drafts: BTreeMap::new(),
            overlay: None,
            connection: Connection::Connecting,
            lag: None,
            hint: None,
            members: None,
            theme,
            zone,
            size: Rect::new(0, 0, 80, 24),
            now,
            kept: Preferences::default(),
            receipts: Receipts::default(),
            queue: VecDeque::new(),
            completion: None,
            reply_target: None,
            caller: None,
            focused: None,
            newcomer: false,
            lost_because: None,
            used_at: now,
            marked_at: now,
            effects: Vec::new(),
        }
    }

    /// Arranges things as they were left an earlier time.
    pub fn settle_in(&mut self, preferences: &Preferences) {
        self.model.add_auto_join(&preferences.channels);
        for nick in &preferences.ignored {
            self.buffers.ignore(nick.clone());
        }
        preferences
            .muted
            .iter()
            .filter_map(|name| Conversation::named(name))
            .for_each(|conversation| self.buffers.mute(conversation));
        self.kept = self.preferences();
    }

    fn preferences(&self) -> Preferences {
        Preferences {
            channels: self.model.auto_join(),
            ignored: self.buffers.ignored().cloned().collect(),
            muted: self
                .buffers
                .muted()
                .map(|conversation| conversation.name().to_owned())
                .collect(),
        }
    }

    /// Keeps how things are arranged, if that has changed.
    fn keep(&mut self) {
        let preferences = self.preferences();
        if preferences != self.kept {
            self.kept = preferences.clone();
            self.effects.push(Effect::SavePreferences(preferences));
        }
    }

    /// What is to be done outside, once.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Says something of our own.
    pub fn tell(&mut self, words: &str) {
        for line in words.lines() {
            self.buffers.tell(self.now, line.trim());
        }
    }

    pub(super) fn refuse(&mut self, words: &str) {
        self.buffers.refuse(self.now, words);
    }

    /// Where everything stands.
    pub fn areas(&self) -> Areas {
        Areas::of(self.size, self.editor.text(), self.members)
    }

    /// How the conversation is laid out.
    pub fn layout(&self) -> Layout<'_> {
        Layout {
            width: usize::from(self.areas().talk.width),
            zone: &self.zone,
            theme: self.theme,
            marked: match &self.overlay {
                Some(Overlay::Search(search)) => search.shown(),
                Some(Overlay::Selection(chosen)) => {
                    self.line_at(&chosen.target).map(|line| line.id)
                }
                _ => self.replied_to().map(|line| line.id),
            },
            wanted: match &self.overlay {
                Some(Overlay::Search(search)) => search.wanted(),
                _ => "",
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
