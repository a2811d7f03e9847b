//! `REGISTER` and `VERIFY` (IRCv3 draft/account-registration) of one session: their parameters and
//! replies. The checks are in [`crate::registration`].

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email, Message};

use super::state::{Attempt, RegistrationState};
use super::{MailWatch, Outcome, Phase, SignIn, State, code_mailed, parse_email, signed_in};
use crate::registration::{Failure, Registered, failure};
use crate::reply_format::{Replies, word};
use rookery_chat::event::Identity;

impl SignIn {
    pub(super) async fn register(
        &mut self,
        now: Timestamp,
        replies: &mut Replies,
        message: &Message,
    ) -> Option<Identity> {
        let (Some(name), Some(email), Some(secret)) =
            (message.param(0), message.param(1), message.param(2))
        else {
            replies.need_more_params("REGISTER");
            return None;
        };
        let name = name_or_nick(name, replies);
        let own = match &self.state {
            State::SignedIn { identity, .. } => {
                fail_signed_in(replies, "REGISTER", identity);
                return None;
            }
            State::SignedOut(registration) => registration,
        };
        let (account, address) = match self.check_registration(&name, email) {
            Ok(checked) => checked,
            Err(Failure { code, text }) => {
                replies.fail("REGISTER", code, word(&name), &text);
                return None;
            }
        };
        let own = own.attempt_at(&account);
        let registered = self
            .accounts
            .register(now, &self.peer, account.clone(), address, secret, own)
            .await;
        let text = match registered {
            Ok(Registered::Created(identity)) => {
                return self.account_created(replies, "REGISTER", identity);
            }
            Ok(Registered::Invited(registration)) => {
                let earlier = self.take_attempt();
                self.state = State::SignedOut(RegistrationState::Invited {
                    registration,
                    is_untried: true,
                    earlier,
                });
                format!(
                    "You are invited. To finish, type /quote VERIFY {account} and the code of the \
                     invitation that was mailed to {email}"
                )
            }
            Ok(Registered::CodeMailed { attempt, delivery }) => {
                self.state = State::SignedOut(RegistrationState::CodeMailed(Attempt {
                    name: account.clone(),
                    id: attempt,
                }));
                self.mail = Some(MailWatch::new("REGISTER", account.clone(), delivery));
                code_mailed(email, &account)
            }
            Err(Failure { code, text }) => {
                replies.fail("REGISTER", code, word(&name), &text);
                return None;
            }
        };
        let params = ["VERIFICATION_REQUIRED", account.as_str(), &text];
        replies.command("REGISTER", &params);
        None
    }

    /// Checks whether this session may register, and the name and email as typed.
    fn check_registration(
        &self,
        name: &str,
        email: &str,
    ) -> Result<(AccountName, Option<Email>), Failure> {
        let accounts = self.accounts.config.accounts.get();
        if self.phase == Phase::Handshake && !accounts.register_before_connect {
            return Err(failure(
                "COMPLETE_CONNECTION_REQUIRED",
                "Connect as a guest first, then register",
            ));
        }
        if name == "*" {
            return Err(failure(
                "NEED_NICK",
                "Choose a nick first, or name the account",
            ));
        }
        let account = AccountName::parse(name)
            .and_then(|account| account.check_new().map(|()| account))
            .map_err(|error| {
                failure(
                    "BAD_ACCOUNT_NAME",
                    format!("This cannot be an account name: {error}"),
                )
            })?;
        Ok((account, parse_email(email)?))
    }

    /// Takes the attempt that waits for a mailed code out of the state.
    fn take_attempt(&mut self) -> Option<Attempt> {
        match &mut self.state {
            State::SignedIn { .. } => None,
            State::SignedOut(state) => {
                std::mem::replace(state, RegistrationState::Idle).into_attempt()
            }
        }
    }

    pub(super) async fn verify(
        &mut self,
        now: Timestamp,
        replies: &mut Replies,
        message: &Message,
    ) -> Option<Outcome> {
        let Some((name, code)) = message
            .params
            .split_first()
            .filter(|(_, code)| !code.is_empty())
        else {
            replies.need_more_params("VERIFY");
            return None;
        };
        // A code with a space in it may be typed without the colon.
        let code = &code.join(" ");
        let registration = match &mut self.state {
            State::SignedOut(registration) => registration,
            State::SignedIn { identity, change } => {
                let Some(pending) = change.take() else {
                    fail_signed_in(replies, "VERIFY", identity);
                    return None;
                };
                let owner = identity.clone();
                let (left, changed) = self
                    .accounts
                    .confirm_change(now, &self.peer, &owner, pending, code)
                    .await;
                *change = left;
                return self.report_change(replies, "VERIFY", &owner, changed);
            }
        };
        let name = name_or_nick(name, replies);
        let verified = match AccountName::parse(&name) {
            Err(_) => Err(failure(
                "INVALID_CODE",
                "No registration of this name is waiting for a code",
            )),
            Ok(account) => {
                if let Some((invited, is_first_try)) = registration.try_invitation(&account) {
                    self.accounts
                        .accept_invitation(now, &self.peer, invited, code, is_first_try)
                        .await
                } else {
                    let own = registration.attempt_at(&account);
                    self.accounts
                        .verify(now, &self.peer, own, &account, code)
                        .await
                }
            }
        };
        match verified {
            Ok(identity) => signed_in(self.account_created(replies, "VERIFY", identity)),
            Err(Failure { code, text }) => {
                replies.fail("VERIFY", code, word(&name), &text);
                None
            }
        }
    }

    /// Replies that the account exists now and the session is signed in to it.
    fn account_created(
        &mut self,
        replies: &mut Replies,
        command: &str,
        identity: Identity,
    ) -> Option<Identity> {
        let text = "Account created; you are now signed in";
        replies.command(command, &["SUCCESS", identity.name.as_str(), text]);
        replies.logged_in(&identity);
        self.set_identity(identity)
    }
}

/// Returns the account that a parameter names; `*` means the nick.
fn name_or_nick(param: &str, replies: &Replies) -> String {
    match param {
        "*" => replies.nick().to_owned(),
        name => name.to_owned(),
    }
}

fn fail_signed_in(replies: &mut Replies, command: &str, identity: &Identity) {
    let name = identity.name.as_str();
    let text = format!("You are already signed in as {name}");
    replies.fail(command, "ALREADY_AUTHENTICATED", name, &text);
}
