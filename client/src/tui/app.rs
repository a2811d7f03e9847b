//! The state of the full screen. It handles keys and messages, and returns effects.
//!
//! [`App`] owns the state of the chat (`model`), the lines of all conversations (`buffers`) and the
//! state of the user interface: text being typed, scroll positions, an open overlay. It neither
//! draws nor performs I/O: `tui/draw.rs` draws it, and the event loop (`tui.rs`) carries out each
//! [`Effect`]. Whole sessions are therefore tested without a terminal.
//!
//! The files of this folder contain its methods by concern: `keys`, `overlay_keys` and `mouse`
//! handle input; `submit`, `front_end` and `screen_commands` carry out typed text and commands;
//! `network` handles the connection; `focus`, `scroll` and `view` compute what is on the screen;
//! `selection`, `links` and `completion` are one feature each.

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
use rookery_protocol::{Email, Message};
use tokio::time::Instant;

use super::completion::Completion;
use super::editor::{Draft, Editor};
use super::layout::ScrollPosition;
use super::overlay::{MessageRef, Overlay};
use super::theme::Theme;
use crate::model::{Buffers, Conversation, LineId, Model};
use crate::receipts::{Receipts, Sent};
use crate::state::Preferences;
use crate::urls::Url;

/// An action that the event loop must carry out.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Sends a message to the server.
    Send(Message),
    /// Notifies the user of a message that is not in view: its sender's nick and its text.
    Notify(String, String),
    /// Stores the changes of the preferences for the next start.
    SavePreferences {
        /// The preferences as last stored by this instance.
        before: Preferences,
        /// The present preferences.
        after: Preferences,
    },
    /// Stores the account's new email for the next start.
    SaveEmail(Email),
    /// Connects again after the server has ended the session.
    Reconnect,
    /// Asks whether to trust the certificate that was refused.
    AskTrust,
    /// Opens a link.
    Open(Url),
    /// Copies text to the clipboard.
    Copy(String),
    /// Quits, with a reason that other users see.
    Quit(Option<String>),
}

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The first connection is being made.
    Connecting,
    /// It is ready for messages.
    Online,
    /// It was lost; the next attempt is made at this time.
    Lost { retry_at: Instant },
    /// The server has removed the session. The screen stays, read-only, until the user connects
    /// again or quits.
    Ended(Removal),
}

/// How the server has removed the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// An operator has kicked the user, who may connect again.
    Kicked,
    /// A newer session of the account has taken its place. The user may connect again.
    Displaced,
    /// The server refuses the user for some time.
    BannedForAWhile,
    /// The server refuses the user until an operator lifts the ban.
    Banned,
}

impl Removal {
    /// Whether it is of use to connect again.
    pub fn may_reconnect(self) -> bool {
        self != Self::Banned
    }
}

/// A message that waits to be sent, and those to be sent with it.
#[derive(Debug)]
struct Queued {
    message: Message,
    rest: Vec<Message>,
    sent: Sent,
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
    /// The conversation that was last drawn, and the line that had been added to it last.
    drawn: Option<(Conversation, LineId)>,
    /// The text being typed.
    pub editor: Editor,
    /// The conversation that the text in `editor` is for.
    editor_conversation: Conversation,
    /// The text being typed for other conversations, with the message that each replies to.
    drafts: BTreeMap<Conversation, (Draft, Option<MessageRef>)>,
    /// The open overlay, if any.
    pub overlay: Option<Overlay>,
    /// The state of the connection.
    pub connection: Connection,
    /// The round-trip time to the server, as last measured.
    pub lag: Option<Duration>,
    /// A hint about the last key; the next key clears it.
    pub hint: Option<String>,
    /// Whether the members are shown; with `None` they are if the screen is wide enough.
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
    /// Messages to send once earlier ones have their receipts.
    queue: VecDeque<Queued>,
    /// Whether the user knows that quitting drops the queue.
    was_warned_of_queue: bool,
    /// The completion that the next Tab continues.
    completion: Option<Completion>,
    /// The message that the text in `editor` replies to.
    reply_target: Option<MessageRef>,
    /// Whether the terminal has the focus; `None` if it does not report that.
    focused: Option<bool>,
    /// Whether this is the first sign-in on this device and the first steps have not been shown
    /// yet.
    pub first_visit: bool,
    /// The reason for the loss or the end of the connection, as last shown.
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
            drawn: None,
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
            was_warned_of_queue: false,
            completion: None,
            reply_target: None,
            focused: None,
            first_visit: false,
            lost_reason: None,
            active_at: now,
            markers_sent_at: now,
            effects: Vec::new(),
        }
    }

    /// Applies the stored preferences.
    pub fn restore(&mut self, preferences: &Preferences) {
        self.model.add_auto_join(&preferences.channels);
        for nick in &preferences.ignored {
            self.buffers.ignore(nick.clone());
        }
        for nick in &preferences.written_to {
            self.buffers.note_written(nick.clone());
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
            written_to: self.buffers.written_to().to_vec(),
        }
    }

    /// Stores the preferences if they have changed.
    fn save_preferences(&mut self) {
        let after = self.preferences();
        if after != self.saved_preferences {
            let before = std::mem::replace(&mut self.saved_preferences, after.clone());
            self.effects.push(Effect::SavePreferences { before, after });
        }
    }

    /// Removes and returns the effects that are to be carried out.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
