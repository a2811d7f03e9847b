//! Sign-in: the commands that prove or change an identity, in every state of a session.
//!
//! A session proves that it belongs to an account in one of six ways:
//!
//! - a **password**, by SASL `PLAIN` (sent over TLS) or `SCRAM-SHA-256` (proved without being
//!   sent);
//! - a **device credential**, a random secret that a client stores for one device, by SASL `PLAIN`;
//! - a **client certificate**, by SASL `EXTERNAL`;
//! - a **mailed code**, by SASL `X-EMAIL-CODE`, which registers a device credential on a new
//!   device;
//! - the code of a **registration** that this or another session began, by `VERIFY`;
//! - the code of an **invitation**, by `VERIFY` after a `REGISTER` of the same session.
//!
//! **Constant time.** Mailed codes are compared as salted hashes, device credentials as hashes and
//! SCRAM proofs as keys, all in constant time; argon2 compares password hashes itself. A name
//! without an account, or an account without a password, costs the same argon2 hash as a wrong
//! password, so that the time of the answer does not disclose which emails are known. SCRAM answers
//! for such names with decoy salts that stay the same. An email that does not belong to the account
//! named with it gets a challenge that no code completes, and a mail that is only simulated.
//!
//! **Order of the checks.**
//!
//! 1. A device credential is compared first: it holds 256 random bits, so it cannot be guessed, and
//!    strangers who exhaust the limits on an account's name must not lock its devices out.
//! 2. The limits on failures by address and by name or email (`throttle`),
//!    before any hash is computed.
//! 3. The secret itself.
//! 4. Whether an operator has disabled the account. Only its owner may learn that, hence after the
//!    secret.
//! 5. The core decides the rest, at admission and when an admitted session signs in: staleness,
//!    bans of the account and of the address, maintenance, and whether the nick is in use. An
//!    [`Identity`] carries the time at which the stored account was read for its proof; if the
//!    account's sessions have been ended since (because it was banned, disabled or revoked), the
//!    proof is refused as stale. Only the core can decide that, because it handles the end of
//!    sessions and admissions in one order.
//!
//! A change of password, email or credentials checks in the transaction that makes it that the
//! account still accepts what the session signed in with
//! (`still_authorized`). Bans of the name, email and
//! address are checked before a registration or a new email is accepted, and again in the
//! transaction that stores it, since a ban may be made while the code is on its way.
//!
//! This module holds the state of one session and formats its replies; the checks are methods of
//! [`Accounts`]. It must not admit anyone: it returns the identity, and the caller asks the core.

mod exchange;

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email, Message};
use tokio::sync::watch;

use super::credentials_change::{Changed, PendingChange};
use super::email_code::Challenge;
use super::pending::{AttemptId, Registration};
use super::registration::{Failure, Registered, failure};
use super::reply_format::{Replies, word};
use super::{Accounts, Peer};
use exchange::Exchange;
use rookery_base::mail::MailState;
use rookery_chat::event::Identity;

/// The commands that [`SignIn::handle`] handles, before and after admission.
pub const COMMANDS: &[&str] = &[
    "AUTHENTICATE",
    "REGISTER",
    "VERIFY",
    "CREDENTIAL",
    "SETPASS",
    "SETEMAIL",
];

/// The sign-in of one session.
pub struct SignIn {
    accounts: Arc<Accounts>,
    peer: Peer,
    phase: Phase,
    state: State,
    /// The SASL exchange in progress.
    exchange: Option<Exchange>,
    /// The challenge whose last code was wrong: the next `X-EMAIL-CODE` exchange for the same
    /// account and email resumes it.
    retry: Option<Challenge>,
    /// The mail whose delivery the client is waiting for.
    mail: Option<MailWatch>,
}

/// Whether the core knows the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handshake,
    /// Under the identity that the sign-in has.
    Admitted,
}

/// What the session has proved.
enum State {
    SignedOut(RegistrationState),
    SignedIn {
        identity: Identity,
        /// A change of password or email that waits for its code.
        change: Option<Box<PendingChange>>,
    },
}

/// How far this session's own registration has progressed.
enum RegistrationState {
    /// No `REGISTER` has been accepted.
    Idle,
    /// A code was mailed.
    CodeMailed(Attempt),
    /// The email is invited: the code of the invitation completes the registration.
    Invited {
        registration: Box<Registration>,
        /// An earlier registration of the session, whose mailed code is still valid.
        earlier: Option<Attempt>,
    },
}

/// A registration that waits for a mailed code.
struct Attempt {
    name: AccountName,
    id: AttemptId,
}

impl RegistrationState {
    /// Returns the attempt that waits for a mailed code.
    fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Idle => None,
            Self::CodeMailed(attempt) => Some(attempt),
            Self::Invited { earlier, .. } => earlier.as_ref(),
        }
    }

    /// Returns the id of the attempt at `name` that waits for a mailed code.
    fn attempt_at(&self, name: &AccountName) -> Option<AttemptId> {
        self.attempt()
            .filter(|attempt| attempt.name == *name)
            .map(|attempt| attempt.id)
    }

    /// Returns the registration of `name` that an invitation completes.
    fn invited(&self, name: &AccountName) -> Option<&Registration> {
        match self {
            Self::Invited { registration, .. } if registration.name == *name => Some(registration),
            _ => None,
        }
    }

    fn into_attempt(self) -> Option<Attempt> {
        match self {
            Self::Idle => None,
            Self::CodeMailed(attempt) => Some(attempt),
            Self::Invited { earlier, .. } => earlier,
        }
    }
}

/// A mail that the client waits for.
struct MailWatch {
    /// The command that requested it.
    command: &'static str,
    account: AccountName,
    state: watch::Receiver<MailState>,
    /// The state that the client was last notified of.
    reported: Option<MailState>,
}

impl MailWatch {
    fn new(command: &'static str, account: AccountName, state: watch::Receiver<MailState>) -> Self {
        Self {
            command,
            account,
            state,
            reported: None,
        }
    }
}

impl SignIn {
    /// Creates the sign-in of a session in its handshake.
    pub fn in_handshake(accounts: Arc<Accounts>, peer: Peer) -> Self {
        let state = State::SignedOut(RegistrationState::Idle);
        Self::new(accounts, peer, Phase::Handshake, state)
    }

    /// Creates the sign-in of a session that was admitted as `identity`, or as a guest.
    pub fn admitted(accounts: Arc<Accounts>, peer: Peer, identity: Option<Identity>) -> Self {
        let state = match identity {
            None => State::SignedOut(RegistrationState::Idle),
            Some(identity) => State::SignedIn {
                identity,
                change: None,
            },
        };
        Self::new(accounts, peer, Phase::Admitted, state)
    }

    fn new(accounts: Arc<Accounts>, peer: Peer, phase: Phase, state: State) -> Self {
        Self {
            accounts,
            peer,
            phase,
            state,
            exchange: None,
            retry: None,
            mail: None,
        }
    }

    /// Returns the identity that the session has proved.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.state {
            State::SignedOut(_) => None,
            State::SignedIn { identity, .. } => Some(identity),
        }
    }

    /// Aborts the SASL exchange in progress. Returns whether there was one, so that the client must
    /// be sent numeric 906.
    pub fn abort(&mut self) -> bool {
        self.retry = None;
        self.exchange.take().is_some()
    }

    /// Handles one of [`COMMANDS`]. May wait for a password hash or the database.
    ///
    /// Returns the identity if the session has become another account, or its account has another
    /// email; a repeated proof of the same identity returns `None`.
    pub async fn handle(
        &mut self,
        now: Timestamp,
        replies: &mut Replies,
        message: &Message,
    ) -> Option<Identity> {
        match message.command.as_str() {
            "AUTHENTICATE" => self.authenticate(now, replies, message).await,
            "REGISTER" => self.register(now, replies, message).await,
            "VERIFY" => self.verify(now, replies, message).await,
            command => match self.identity().cloned() {
                None => {
                    replies.fail(command, "ACCOUNT_REQUIRED", "*", "Sign in first");
                    None
                }
                Some(owner) => match command {
                    "SETPASS" | "SETEMAIL" => self.change(now, replies, &owner, message).await,
                    _ => {
                        self.accounts
                            .credential_command(now, replies, &self.peer, &owner, message)
                            .await;
                        None
                    }
                },
            },
        }
    }

    /// Waits until the delivery of a requested mail is delayed or fails, and returns the notice for
    /// the client; never returns if no mail is under way. Cancel safe.
    pub async fn next_mail_notice(&mut self) -> Vec<Message> {
        loop {
            let Some(mail) = &mut self.mail else {
                return std::future::pending().await;
            };
            if mail.state.changed().await.is_err() {
                self.mail = None;
                continue;
            }
            let state = mail.state.borrow_and_update().clone();
            let (code, text) = match &state {
                MailState::Waiting => continue,
                MailState::Sent => {
                    self.mail = None;
                    continue;
                }
                MailState::Delayed(reason) => (
                    "MAIL_DELAYED",
                    format!("Your code is delayed: {reason}. The server will try again."),
                ),
                MailState::Failed(reason) => (
                    "MAIL_FAILED",
                    format!("Your code could not be mailed: {reason}. Request a new one later."),
                ),
            };
            if mail.reported.as_ref() == Some(&state) {
                continue;
            }
            let params = [mail.command, code, mail.account.as_str(), &text];
            let note = Message::new("NOTE", params).from_source(self.accounts.server_name());
            if matches!(state, MailState::Failed(_)) {
                self.mail = None;
            } else {
                mail.reported = Some(state);
            }
            return vec![note];
        }
    }

    async fn register(
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
        if message.params.len() > 3 {
            fail_unmarked_password(replies, "REGISTER", &name);
            return None;
        }
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
            Ok(Registered::Made(identity)) => {
                return self.account_created(replies, "REGISTER", identity);
            }
            Ok(Registered::Invited(registration)) => {
                let earlier = self.take_attempt();
                self.state = State::SignedOut(RegistrationState::Invited {
                    registration,
                    earlier,
                });
                format!(
                    "You are invited. To finish, type /quote VERIFY {account} and the code of the \
                     invitation that was mailed to {email}"
                )
            }
            Ok(Registered::CodeMailed { attempt, follow }) => {
                self.state = State::SignedOut(RegistrationState::CodeMailed(Attempt {
                    name: account.clone(),
                    id: attempt,
                }));
                self.mail = Some(MailWatch::new("REGISTER", account.clone(), follow));
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
        let config = self.accounts.config.get();
        if self.phase == Phase::Handshake && !config.accounts.register_before_connect {
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
        let account = AccountName::parse(name).map_err(|error| {
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

    async fn verify(
        &mut self,
        now: Timestamp,
        replies: &mut Replies,
        message: &Message,
    ) -> Option<Identity> {
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
                if let Some(invited) = registration.invited(&account).cloned() {
                    self.accounts
                        .accept_invitation(now, &self.peer, invited, code)
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
            Ok(identity) => self.account_created(replies, "VERIFY", identity),
            Err(Failure { code, text }) => {
                replies.fail("VERIFY", code, word(&name), &text);
                None
            }
        }
    }

    /// Handles `SETPASS` or `SETEMAIL` of a signed-in session.
    async fn change(
        &mut self,
        now: Timestamp,
        replies: &mut Replies,
        owner: &Identity,
        message: &Message,
    ) -> Option<Identity> {
        if message.command == "SETPASS" && message.params.len() > 2 {
            fail_unmarked_password(replies, "SETPASS", owner.name.as_str());
            return None;
        }
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
    fn report_change(
        &mut self,
        replies: &mut Replies,
        command: &'static str,
        owner: &Identity,
        changed: Result<Changed, Failure>,
    ) -> Option<Identity> {
        let name = owner.name.as_str();
        match changed {
            Ok(Changed::Made(identity, text)) => {
                let proved = self.set_identity(*identity);
                self.set_pending_change(None);
                replies.command(command, &["SUCCESS", name, text]);
                proved
            }
            Ok(Changed::CodeMailed { change, to, follow }) => {
                self.set_pending_change(Some(change));
                self.mail = Some(MailWatch::new(command, owner.name.clone(), follow));
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

    /// Signs the session in as `identity`. Returns it if it is another account than before, or has
    /// another email; what was in progress for the earlier identity is then dropped.
    fn set_identity(&mut self, identity: Identity) -> Option<Identity> {
        if let State::SignedIn {
            identity: present, ..
        } = &mut self.state
            && present.id == identity.id
            && present.email == identity.email
        {
            *present = identity;
            return None;
        }
        self.state = State::SignedIn {
            identity: identity.clone(),
            change: None,
        };
        self.exchange = None;
        self.retry = None;
        self.mail = None;
        Some(identity)
    }
}

/// Refuses a password of which the parameters cannot show where it begins, and how many spaces are
/// between its words.
fn fail_unmarked_password(replies: &mut Replies, command: &str, context: &str) {
    let text = match command {
        "SETPASS" => {
            "Write a colon before a new password with spaces: SETPASS current :new password. If the \
             current one has spaces, use * instead of it to have a code mailed to you"
        }
        _ => {
            "Write a colon before a password with spaces: REGISTER account email :my long password"
        }
    };
    replies.fail(command, "UNACCEPTABLE_PASSWORD", word(context), text);
}

/// Returns the account that a parameter names; `*` means the nick.
fn name_or_nick(param: &str, replies: &Replies) -> String {
    match param {
        "*" => replies.nick().to_owned(),
        name => name.to_owned(),
    }
}

/// Parses an email parameter; `*` means none.
fn parse_email(text: &str) -> Result<Option<Email>, Failure> {
    if text == "*" {
        return Ok(None);
    }
    Email::parse(text)
        .map(Some)
        .map_err(|_| failure("INVALID_EMAIL", "This is not a valid email address"))
}

/// Returns the text that a client is sent when a code is on its way to `email`.
fn code_mailed(email: &str, account: &AccountName) -> String {
    format!(
        "A code was mailed to {email}; it is valid for 5 minutes. To finish, type \
         /quote VERIFY {account} and the code"
    )
}

fn fail_signed_in(replies: &mut Replies, command: &str, identity: &Identity) {
    let name = identity.name.as_str();
    let text = format!("You are already signed in as {name}");
    replies.fail(command, "ALREADY_AUTHENTICATED", name, &text);
}

#[cfg(test)]
mod tests {
    use rookery_chat::Handler;

    #[test]
    fn every_command_declared_for_accounts_is_handled_here() {
        let declared: Vec<&str> = rookery_chat::commands()
            .filter(|command| matches!(command.handler, Handler::Accounts))
            .flat_map(|command| command.names)
            .copied()
            .collect();
        assert_eq!(declared, super::COMMANDS);
    }
}
