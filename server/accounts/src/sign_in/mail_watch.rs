//! The notices to a client about the delivery of a mail that it requested.

use rookery_protocol::{AccountName, Message};
use tokio::sync::watch;

use rookery_base::mail::MailState;

/// A mail that the client waits for.
pub(super) struct MailWatch {
    /// The command that requested it.
    command: &'static str,
    account: AccountName,
    state: watch::Receiver<MailState>,
    /// The state that the client was last notified of.
    reported: Option<MailState>,
}

impl MailWatch {
    /// Watches the mail that `command` requested for `account`.
    pub(super) fn new(
        command: &'static str,
        account: AccountName,
        state: watch::Receiver<MailState>,
    ) -> Self {
        Self {
            command,
            account,
            state,
            reported: None,
        }
    }

    /// Waits until the delivery is delayed or fails. Returns the notice for the client, or `None`
    /// if there is nothing more to report. Cancel safe.
    pub(super) async fn next_notice(&mut self) -> Option<Message> {
        loop {
            if matches!(self.reported, Some(MailState::Failed(_))) {
                return None;
            }
            self.state.changed().await.ok()?;
            let state = self.state.borrow_and_update().clone();
            let (code, text) = match &state {
                MailState::Waiting => continue,
                MailState::Sent => return None,
                MailState::Delayed(reason) => (
                    "MAIL_DELAYED",
                    format!("Your code is delayed: {reason}. The server will try again."),
                ),
                MailState::Failed(reason) => (
                    "MAIL_FAILED",
                    format!("Your code could not be mailed: {reason}. Request a new one later."),
                ),
            };
            if self.reported.as_ref() == Some(&state) {
                continue;
            }
            let params = [self.command, code, self.account.as_str(), &text];
            let notice = Message::new("NOTE", params);
            self.reported = Some(state);
            return Some(notice);
        }
    }
}
