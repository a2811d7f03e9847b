//! `SETPASS` and `SETEMAIL` of one session: their parameters and replies. The checks are in
//! [`crate::credentials_change`].

use jiff::Timestamp;
use rookery_protocol::Message;

use super::{MailWatch, SignIn, State, code_mailed, parse_email};
use crate::credentials_change::{Changed, PendingChange};
use crate::registration::Failure;
use crate::reply_format::Replies;
use rookery_chat::event::Identity;

impl SignIn {
    /// Handles `SETPASS` or `SETEMAIL` of a signed-in session.
    pub(super) async fn change(
        &mut self,
        now: Timestamp,
        replies: &mut Replies,
        owner: &Identity,
        message: &Message,
    ) -> Option<Identity> {
        let Self { accounts, peer, .. } = self;
        let (command, changed) =
            match (message.command.as_str(), message.param(0), message.param(1)) {
                ("SETPASS", Some(current), Some(new)) => (
                    "SETPASS",
                    accounts
                        .change_password(now, peer, owner, current, new)
                        .await,
                ),
                ("SETEMAIL", Some(email), _) => {
                    let changed = match parse_email(email) {
                        Ok(email) => accounts.change_email(now, peer, owner, email).await,
                        Err(failure) => Err(failure),
                    };
                    ("SETEMAIL", changed)
                }
                (command, ..) => {
                    replies.need_more_params(command);
                    return None;
                }
            };
        self.report_change(replies, command, owner, changed)
    }

    /// Applies the outcome of a change of password or email, and replies to `command`.
    pub(super) fn report_change(
        &mut self,
        replies: &mut Replies,
        command: &'static str,
        owner: &Identity,
        changed: Result<Changed, Failure>,
    ) -> Option<Identity> {
        let name = owner.name.as_str();
        match changed {
            Ok(Changed::Applied(identity, text)) => {
                let new_identity = self.set_identity(*identity);
                self.set_pending_change(None);
                replies.command(command, &["SUCCESS", name, text]);
                new_identity
            }
            Ok(Changed::CodeMailed {
                change,
                to,
                delivery,
            }) => {
                self.set_pending_change(Some(change));
                self.mail = Some(MailWatch::new(command, owner.name.clone(), delivery));
                let text = code_mailed(to.as_str(), &owner.name);
                replies.command(command, &["VERIFICATION_REQUIRED", name, &text]);
                None
            }
            Err(Failure { code, text }) => {
                replies.fail(command, code, name, &text);
                None
            }
        }
    }

    fn set_pending_change(&mut self, pending: Option<Box<PendingChange>>) {
        if let State::SignedIn { change, .. } = &mut self.state {
            *change = pending;
        }
    }
}
