//! Users that have quit or changed their nick, for `WHOWAS`.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::Nick;

use crate::state::{State, User};

/// The maximum number of departed users that are remembered.
const DEPARTED: usize = 512;

/// A user that has quit or changed its nick.
pub struct Departed {
    pub nick: Nick,
    pub username: Box<str>,
    pub host: Arc<str>,
    pub realname: Box<str>,
    pub at: Timestamp,
}

impl Departed {
    pub(super) fn of(user: &User, now: Timestamp) -> Self {
        Self {
            nick: user.nick.clone(),
            username: user.username.clone(),
            host: Arc::clone(&user.host),
            realname: user.realname.clone(),
            at: now,
        }
    }
}

impl State {
    pub(super) fn remember(&mut self, departed: Departed) {
        if self.departed.len() == DEPARTED {
            self.departed.pop_front();
        }
        self.departed.push_back(departed);
    }

    /// Returns the users who had the nick, the latest first.
    pub fn departed(&self, nick: &Nick) -> impl Iterator<Item = &Departed> {
        self.departed
            .iter()
            .rev()
            .filter(move |departed| departed.nick == *nick)
    }
}
