//! `SETPASS` and `SETEMAIL` of one session: their parameters and replies. The checks are in
//! [`crate::credentials_change`].

use jiff::Timestamp;
use rookery_protocol::Message;

use super::{MailWatch, Outcome, SignIn, State, code_mailed, parse_email};
use crate::credentials_change::{Changed, PendingChange};
use crate::registration::Failure;
use crate::reply_format::Replies;
use rookery_chat::event::{Identity, Revoked};

impl SignIn {
    /// Handles `SETPASS` or `SETEMAIL` of a signed-in session.
    pub(super) async fn change(
        &mut self,
        now: Timestamp,
        replies: &mut Replies,
        owner: &Identity,
        message: &Message,
    ) -> Option<Outcome> {
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
                        Ok(email) => {
                            let password = message.param(1);
                            accounts
                                .change_email(now, peer, owner, email, password)
                                .await
                        }
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
    ) -> Option<Outcome> {
        let name = owner.name.as_str();
        match changed {
            Ok(Changed::Email(identity)) => {
                let new_identity = self.set_identity(*identity);
                self.set_pending_change(None);
                let text = "Email changed; your other sessions are ended";
                replies.command(command, &["SUCCESS", name, text]);
                new_identity.map(|identity| Outcome::EmailChanged(Box::new(identity)))
            }
            Ok(Changed::Password(identity)) => {
                self.set_identity(*identity);
                self.set_pending_change(None);
                let text = "Password changed; other sessions that signed in with the old one are \
                            ended. Devices and certificates are not affected; CREDENTIAL LIST \
                            shows them";
                replies.command(command, &["SUCCESS", name, text]);
                self.revoked = Some(Revoked::Password(owner.id));
                None
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
