//! The state of the full screen: keys and messages go in, effects come out.
//!
//! [`App`] owns the state of the chat (`model`), the lines of all conversations (`buffers`) and
//! what the user is doing: text being typed, scroll positions, an open overlay. It neither draws
//! nor performs I/O: drawing reads it (`tui/draw.rs`), and what has to happen outside is an
//! [`Effect`] that the event loop (`tui.rs`) carries out. That makes whole sessions testable
//! without a terminal.
//!
//! Its methods are spread over the files of this folder by concern: `keys`, `overlay_keys` and
//! `mouse` handle input; `submit`, `front_end` and `screen_commands` carry out what was typed;
//! `network` follows the connection; `focus`, `scroll` and `view` know what is on the screen;
//! `selection`, `links` and `completion` belong to one feature each.

mod completion;
mod focus;
mod front_end;
pub mod keys;
mod links;
mod mouse;
mod network;
mod overlay_keys;
pub mod screen_commands;
mod scroll;
mod selection;
mod submit;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Rect;
use rookery_protocol::Message;
use tokio::time::Instant;

use super::completion::Completion;
use super::editor::{Draft, Editor};
use super::layout::ScrollPosition;
use super::overlay::{MessageRef, Overlay};
use super::theme::Theme;
use crate::model::{Buffers, Conversation, Model};
use crate::receipts::{Receipts, Sent};
use crate::state::Preferences;
use crate::urls::Url;

/// Something to be done outside of the app.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Sends a message to the server.
    Send(Message),
    /// Notifies the user, who is looking elsewhere, of a message: its sender's nick and its text.
    Notify(String, String),
    /// Stores the preferences for the next start.
    SavePreferences(Preferences),
    /// Opens a link.
    Open(Url),
    /// Copies text to the clipboard.
    Copy(String),
    /// Quits, with a reason for the others.
    Quit(Option<String>),
}

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It is being made for the first time.
    Connecting,
    /// It is ready for messages.
    Online,
    /// It was lost; the next attempt is made at that time.
    Lost { retry_at: Instant },
}

/// The state of the full screen.
#[derive(Debug)]
pub struct App {
    /// The server's name, for the status line.
    pub server: String,
    /// The state of the chat.
    pub model: Model,
    /// The lines of all conversations.
    pub buffers: Buffers,
    /// The conversations that are not scrolled to their end.
    scrolls: BTreeMap<Conversation, ScrollPosition>,
    /// The text being typed.
    pub editor: Editor,
    /// The conversation that the text in `editor` is for.
    editor_conversation: Conversation,
    /// The text being typed for other conversations.
    drafts: BTreeMap<Conversation, Draft>,
    /// What is shown over the conversation.
    pub overlay: Option<Overlay>,
    /// The state of the connection.
    pub connection: Connection,
    /// The round-trip time to the server, as last measured.
    pub lag: Option<Duration>,
    /// A hint about the last key; the next key clears it.
    pub hint: Option<String>,
    /// Whether the members are shown; `None`: if the screen is wide enough.
    pub members: Option<bool>,
    /// The colours.
    pub theme: Theme,
    /// The time zone for displayed times.
    pub zone: TimeZone,
    /// The size of the screen.
    pub size: Rect,
    /// The current time, set by the event loop.
    pub now: Timestamp,
    /// The preferences as last stored.
    saved_preferences: Preferences,
    receipts: Receipts,
    /// Messages that wait until earlier ones have their receipts.
    queue: VecDeque<(Message, Sent)>,
    /// A completion that Tab goes on with.
    completion: Option<Completion>,
    /// The message that the text in `editor` replies to.
    reply_target: Option<MessageRef>,
    /// The conversation and sender of the last highlight.
    last_highlight: Option<(Conversation, String)>,
    /// Whether the terminal has the focus; `None` if it does not report that.
    focused: Option<bool>,
    /// Set at the first sign-in on this device, until the first steps have been shown.
    pub first_visit: bool,
    /// Why the connection was lost, as last shown.
    lost_reason: Option<String>,
    /// When the user last pressed a key or moved the mouse.
    active_at: Timestamp,
    /// When read markers were last sent.
    markers_sent_at: Timestamp,
    effects: Vec<Effect>,
}

impl App {
    /// Creates the state before the first connection.
    pub fn new(server: String, theme: Theme, zone: TimeZone, now: Timestamp) -> Self {
        Self {
            server,
            model: Model::default(),
            buffers: Buffers::default(),
            scrolls: BTreeMap::new(),
            editor: Editor::default(),
            editor_conversation: Conversation::Server,
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
            saved_preferences: Preferences::default(),
            receipts: Receipts::default(),
            queue: VecDeque::new(),
            completion: None,
            reply_target: None,
            last_highlight: None,
            focused: None,
            first_visit: false,
            lost_reason: None,
            active_at: now,
            markers_sent_at: now,
            effects: Vec::new(),
        }
    }

    /// Applies the preferences stored at an earlier time.
    pub fn restore(&mut self, preferences: &Preferences) {
        self.model.add_auto_join(&preferences.channels);
        for nick in &preferences.ignored {
            self.buffers.ignore(nick.clone());
        }
        preferences
            .muted
            .iter()
            .filter_map(|name| Conversation::named(name))
            .for_each(|conversation| self.buffers.mute(conversation));
        self.saved_preferences = self.preferences();
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

    /// Stores the preferences if they have changed.
    fn save_preferences(&mut self) {
        let preferences = self.preferences();
        if preferences != self.saved_preferences {
            self.saved_preferences = preferences.clone();
            self.effects.push(Effect::SavePreferences(preferences));
        }
    }

    /// Takes the effects that are to be carried out.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
