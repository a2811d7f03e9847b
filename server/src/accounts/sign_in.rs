//! The commands that prove or change an identity, in whatever state the session is: `AUTHENTICATE`, `REGISTER`,
//! `VERIFY`, `CREDENTIAL`.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::Message;

use super::{Accounts, Peer};
use crate::chat::event::Identity;

/// The commands that come here, also from admitted sessions.
pub const COMMANDS: &[&str] = &["AUTHENTICATE", "REGISTER", "VERIFY", "CREDENTIAL"];

/// The sign-in of one session.
pub struct SignIn {}

impl SignIn {
    /// Nothing proved yet, or already signed in as `identity`.
    pub fn new(_accounts: Arc<Accounts>, _peer: Peer, _identity: Option<Identity>) -> Self {
        Self {}
    }

    /// Takes one of [`COMMANDS`]. `nick` is how the client is addressed (`*` when it has none). Gives what to tell
    /// it, and who it has just proved to be.
    pub async fn take(
        &mut self,
        _now: Timestamp,
        _nick: &str,
        _message: Message,
    ) -> (Vec<Message>, Option<Identity>) {
        unimplemented!()
    }

    /// Waits for news of mails on their way; for ever if there are none.
    pub async fn news(&mut self) -> Vec<Message> {
        unimplemented!()
    }
}
