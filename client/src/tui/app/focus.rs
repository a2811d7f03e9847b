//! The user's attention: marks messages in view read, and notifies of messages elsewhere.

use jiff::SignedDuration;

use super::{App, Connection, Effect};
use crate::model::Highlight;

/// The shortest time between two updates of the read markers on the server.
const MARKER_INTERVAL: SignedDuration = SignedDuration::from_secs(2);
/// The time without input after which the user is assumed to be away from the screen.
const IDLE: SignedDuration = SignedDuration::from_mins(5);

impl App {
    /// Handles the gain or loss of the terminal's focus.
    pub fn set_focused(&mut self, focused: bool) {
        self.focused = Some(focused);
        self.active_at = self.now;
        self.refresh();
    }

    /// Updates the state before drawing and as time passes: marks messages in view read, and
    /// requests messages that are missing there.
    pub fn refresh(&mut self) {
        self.switch_drafts();
        self.continue_search();
        self.buffers
            .set_watched(self.is_present() && self.scroll_position().is_none());
        self.request_visible_gaps();
        let elapsed = self.now.duration_since(self.markers_sent_at).abs();
        if elapsed >= MARKER_INTERVAL {
            self.send_markers();
        }
        self.send_queued();
    }

    /// Sends new read markers to the server, for the account's other devices.
    pub(super) fn send_markers(&mut self) {
        if self.connection == Connection::Online {
            let markers = self.buffers.take_unsent_markers();
            if !markers.is_empty() {
                self.markers_sent_at = self.now;
            }
            self.effects.extend(markers.into_iter().map(Effect::Send));
        }
    }

    /// Notifies the user of a highlight that is not in view.
    pub(super) fn handle_highlight(&mut self, highlight: Highlight) {
        let is_unseen = match self.focused {
            Some(focused) => !focused,
            // The terminal does not report the focus: the user is assumed to see the current
            // conversation.
            None => highlight.elsewhere || !self.is_present(),
        };
        if is_unseen {
            self.effects
                .push(Effect::Notify(highlight.nick.clone(), highlight.text));
        }
    }

    /// Whether the user seems to be looking at the screen. After a change of the clock, that is not
    /// known until the next key.
    fn is_present(&self) -> bool {
        let idle = self.now.duration_since(self.active_at).abs();
        self.focused != Some(false) && idle < IDLE
    }
}
