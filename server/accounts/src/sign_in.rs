//! Sign-in: the commands that prove or change an identity, in every state of a session.
//!
//! A session proves that it belongs to an account in one of six ways:
//!
//! - a **password**, by SASL `PLAIN` or the server password (`PASS`), both sent over TLS, or by
//!   `SCRAM-SHA-256`, which proves it without sending it;
//! - a **device credential**, a random secret that a client stores for one device, by SASL `PLAIN`
//!   or `PASS`;
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
//!    an attacker who exhausts the limits on an account's name must not lock its devices out.
//! 2. The limits on failures by address and by name or email (`throttle`), before any hash is
//!    computed.
//! 3. The secret itself.
//! 4. Whether an operator has disabled the account. Only its owner may learn that, hence after the
//!    secret.
//! 5. The core decides the rest, at admission and when an admitted session signs in: staleness,
//!    bans of the account and of the address, maintenance, and whether the nick is in use. An
//!    [`Identity`] carries the time at which the stored account was read for its proof; if the
//!    account's sessions have been ended since (because it was banned or disabled, or its access
//!    was revoked), the proof is refused as stale. Only the core can decide that, because it
//!    handles the end of sessions and admissions in one order.
//!
//! A change of password, email or credentials checks in the transaction that makes it that the
//! account still accepts what the session signed in with (`still_authorized`). Bans of the name,
//! email and address are checked before a registration or a new email is accepted, and again in the
//! transaction that stores it, since a ban may be made while the code is on its way.
//!
//! This module holds the sign-in of one session and dispatches its commands: `exchange` handles
//! `AUTHENTICATE`, `registration` handles `REGISTER` and `VERIFY`, and `change` handles `SETPASS`
//! and `SETEMAIL`. They format the replies; the checks are methods of [`Accounts`]. A sign-in must
//! not admit anyone: it returns the identity, and the caller asks the core for admission.

mod change;
mod exchange;
mod mail_watch;
mod registration;
mod state;

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email, Message};
use zeroize::Zeroize;

use super::codes::LIFETIME_MINUTES;
use super::email_code::Challenge;
use super::registration::{Failure, failure};
use super::reply_format::{Replies, word};
use super::{Accounts, Peer};
use exchange::Exchange;
use mail_watch::MailWatch;
use rookery_chat::Handler;
use rookery_chat::event::{Identity, Revoked};
use state::{Phase, RegistrationState, State};

/// The commands that [`SignIn::handle`] handles, before and after admission.
pub const COMMANDS: &[&str] = &[
    "AUTHENTICATE",
    "REGISTER",
    "VERIFY",
    "CREDENTIAL",
    "SETPASS",
    "SETEMAIL",
];

/// Returns whether the parameters of the message may be a secret.
pub fn may_carry_secret(message: &Message) -> bool {
    let command = message.command.as_str();
    command == "PASS" || COMMANDS.contains(&command)
}

/// Overwrites the parameters of a message that may carry a secret, once it is handled.
pub fn wipe_secrets(message: &mut Message) {
    if may_carry_secret(message) {
        message.params.iter_mut().for_each(Zeroize::zeroize);
    }
}

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
    /// What the account no longer accepts, until the caller takes it.
    revoked: Option<Revoked>,
}

/// What the core must know about a command that was handled.
#[derive(Debug)]
pub enum Outcome {
    /// The session has become another account.
    SignedIn(Box<Identity>),
    /// The session has given its account another email, which the identity has.
    EmailChanged(Box<Identity>),
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
            revoked: None,
        }
    }

    /// Returns the identity that the session has proved.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.state {
            State::SignedOut(_) => None,
            State::SignedIn { identity, .. } => Some(identity),
        }
    }

    /// Removes and returns what the account has no longer accepted since the last command, which
    /// the core must know.
    pub fn take_revoked(&mut self) -> Option<Revoked> {
        self.revoked.take()
    }

    /// Sets what [`Self::take_revoked`] returns.
    pub(super) fn set_revoked(&mut self, revoked: Revoked) {
        self.revoked = Some(revoked);
    }

    /// Aborts the SASL exchange in progress. Returns whether there was one, so that the client must
    /// be sent numeric 906.
    pub fn abort(&mut self) -> bool {
        self.retry = None;
        self.exchange.take().is_some()
    }

    /// Handles one of [`COMMANDS`]. May wait for a password hash or the database.
    ///
    /// Returns what the core must know, if anything, apart from [`Self::take_revoked`]. A repeated
    /// proof of the same identity returns `None`.
    pub async fn handle(
        &mut self,
        now: Timestamp,
        replies: &mut Replies,
        message: &Message,
    ) -> Option<Outcome> {
        if let Some(usage) = usage_if_surplus(message) {
            self.fail_surplus(replies, message, usage);
            return None;
        }
        let identity = match message.command.as_str() {
            "AUTHENTICATE" => self.authenticate(now, replies, message).await,
            "REGISTER" => self.register(now, replies, message).await,
            "VERIFY" => return self.verify(now, replies, message).await,
            command => match self.identity().cloned() {
                None => {
                    replies.fail(command, "ACCOUNT_REQUIRED", "*", "Sign in first");
                    None
                }
                Some(owner) => match command {
                    "SETPASS" | "SETEMAIL" => {
                        return self.change(now, replies, &owner, message).await;
                    }
                    _ => {
                        let revoked = self
                            .accounts
                            .credential_command(now, replies, &self.peer, &owner, message)
                            .await;
                        self.revoked = revoked.map(Revoked::Credential);
                        None
                    }
                },
            },
        };
        signed_in(identity)
    }

    /// Refuses a command with more parameters than it has: they cannot show where a text begins,
    /// and how many spaces are between its words.
    fn fail_surplus(&self, replies: &mut Replies, message: &Message, usage: &str) {
        let usage = format!("Too many parameters; use {usage}");
        let (code, text) = match message.command.as_str() {
            "REGISTER" => (
                "UNACCEPTABLE_PASSWORD",
                "Write a colon before a password with spaces: REGISTER account email :my long \
                 password",
            ),
            "SETPASS" => (
                "UNACCEPTABLE_PASSWORD",
                "Write a colon before a new password with spaces: SETPASS current :new password. \
                 If the current one has spaces, use * instead of it to have a code mailed to you",
            ),
            "SETEMAIL" => (
                "UNACCEPTABLE_PASSWORD",
                "Write a colon before a password with spaces: SETEMAIL email :my long password",
            ),
            _ => ("INVALID_PARAMS", &*usage),
        };
        let name = match (self.identity(), message.param(0)) {
            (Some(identity), _) => identity.name.to_string(),
            (None, Some(name)) if message.command == "REGISTER" && name != "*" => name.to_owned(),
            (None, _) => replies.nick().to_owned(),
        };
        replies.fail(&message.command, code, word(&name), text);
    }

    /// Waits until the delivery of a requested mail is delayed or fails. Returns the notices for
    /// the client; never returns if no mail is being delivered. Cancel safe.
    pub async fn next_mail_notice(&mut self) -> Vec<Message> {
        loop {
            let Some(mail) = &mut self.mail else {
                return std::future::pending().await;
            };
            match mail.next_notice().await {
                Some(notice) => return vec![notice.from_source(self.accounts.server_name())],
                None => self.mail = None,
            }
        }
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

fn signed_in(identity: Option<Identity>) -> Option<Outcome> {
    identity.map(|identity| Outcome::SignedIn(Box::new(identity)))
}

/// Returns the usage of the message's command if the message has more parameters than the command.
fn usage_if_surplus(message: &Message) -> Option<&'static str> {
    let name = message.command.as_str();
    let command = rookery_chat::commands().find(|command| command.names.contains(&name))?;
    let is_surplus = matches!(
        command.handler,
        Handler::Accounts { max_params } if message.params.len() > max_params
    );
    command.help.first().copied().filter(|_| is_surplus)
}

/// Parses the parameter that is to be an account's email; `*` means none.
fn parse_email(text: &str) -> Result<Option<Email>, Failure> {
    if text == "*" {
        return Ok(None);
    }
    let parsed = Email::parse(text);
    parsed
        .map(Some)
        .map_err(|_| failure("INVALID_EMAIL", "This is not a valid email address"))
}

/// Returns the text that a client is sent when a code is on its way to `email`.
fn code_mailed(email: &str, account: &AccountName) -> String {
    format!(
        "A code was mailed to {email}; it is valid for {LIFETIME_MINUTES} minutes. To finish, type \
         /quote VERIFY {account} and the code"
    )
}

#[cfg(test)]
mod tests {
    use rookery_chat::Handler;
    use rookery_protocol::Message;

    #[test]
    fn only_commands_that_may_carry_a_secret_are_wiped() {
        for (line, is_wiped) in [
            ("AUTHENTICATE AGFsaWNlAGNvcnJlY3QgaG9yc2U=", true),
            ("PASS :alice:correct horse", true),
            ("REGISTER alice alice@example.org :correct horse", true),
            ("SETPASS old new", true),
            ("PRIVMSG #lobby :hello", false),
        ] {
            let mut message = Message::parse(line).expect("a message");
            let before = message.params.clone();
            super::wipe_secrets(&mut message);
            let is_empty = message.params.iter().all(String::is_empty);
            assert!(
                is_empty == is_wiped && is_wiped != (message.params == before),
                "{line}"
            );
        }
    }

    #[test]
    fn every_command_declared_for_accounts_is_handled_here() {
        let declared: Vec<&str> = rookery_chat::commands()
            .filter(|command| matches!(command.handler, Handler::Accounts { .. }))
            .flat_map(|command| command.names)
            .copied()
            .collect();
        assert_eq!(declared, super::COMMANDS);
    }
}
