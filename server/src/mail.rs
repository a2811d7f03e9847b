//! Mail through lettre: to a folder of `.eml` files, or to a real server.

use rookery_protocol::Email;
use tokio::sync::watch;

use crate::config::LiveConfig;

/// A mail to one person, in plain text.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: Email,
    pub subject: String,
    /// A mailed code stands alone on its line.
    pub text: String,
}

/// How far a mail has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailState {
    Waiting,
    /// The last try failed, for that reason; another follows.
    Delayed(String),
    Sent,
    /// Given up, for that reason.
    Failed(String),
}

/// Takes mails and sees them on their way, so that nobody waits for a mail server.
#[derive(Clone)]
pub struct Mailer {}

impl Mailer {
    /// Starts the task that sends. Needs a tokio runtime.
    pub fn start(_config: LiveConfig) -> Self {
        Self {}
    }

    /// Takes a mail; never waits. Follow its state, or drop it.
    pub fn send(&self, _mail: Mail) -> watch::Receiver<MailState> {
        unimplemented!()
    }

    /// How the mail fares on the whole: `ok`, or what went wrong last.
    pub fn health(&self) -> Result<(), String> {
        unimplemented!()
    }
}
