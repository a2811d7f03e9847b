//! The nicks that sessions monitor.

use rookery_protocol::Nick;

use crate::ids::SessionId;
use crate::state::{Receiver, Session, State};

impl State {
    /// Adds a session that monitors the nick.
    pub fn watch(&mut self, nick: &Nick, session: SessionId) {
        self.watchers
            .entry(nick.clone())
            .or_default()
            .insert(session);
    }

    /// Removes a session that monitored the nick.
    pub fn unwatch(&mut self, nick: &Nick, session: SessionId) {
        if let Some(watchers) = self.watchers.get_mut(nick) {
            watchers.remove(&session);
            if watchers.is_empty() {
                self.watchers.remove(nick);
            }
        }
    }

    /// Returns the sessions that monitor the nick.
    pub fn watchers(&self, nick: &Nick) -> impl Iterator<Item = Receiver> {
        let sessions = self.watchers.get(nick).into_iter().flatten();
        sessions.filter_map(|session| self.receiver(*session))
    }

    /// Removes all entries of the session's monitor list.
    pub fn forget_monitors(&mut self, session: &mut Session) {
        for nick in std::mem::take(&mut session.monitors) {
            self.unwatch(&nick, session.id);
        }
    }
}
