//! The commands that prove or change an identity, in whatever state the session is: `AUTHENTICATE`, `REGISTER`,
//! `VERIFY`, `CREDENTIAL`.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email, Message, numeric};
use tokio::sync::watch;

use super::challenge::Challenge;
use super::pending::{AttemptId, Registration};
use super::proof::Refused;
use super::registration::{Failure, Registered};
use super::replies::{Voice, word};
use super::sasl::{self, Chunk, Mechanism, Response};
use super::{Accounts, Peer};
use crate::chat::event::Identity;
use crate::mail::MailState;

/// The commands that come here, also from admitted sessions.
pub const COMMANDS: &[&str] = &["AUTHENTICATE", "REGISTER", "VERIFY", "CREDENTIAL"];

/// The sign-in of one session.
pub struct SignIn {
    accounts: Arc<Accounts>,
    peer: Peer,
    identity: Option<Identity>,
    exchange: Option<Exchange>,
    /// Kept after a wrong code, for the next try.
    challenge: Option<Challenge>,
    /// This session's own registration, which the code of its invitation makes good.
    invited: Option<Box<Registration>>,
    /// This session's own registration, for which a code was mailed.
    attempt: Option<(AccountName, AttemptId)>,
    mail: Option<Followed>,
}

/// A SASL exchange under way.
struct Exchange {
    mechanism: Mechanism,
    response: Response,
    /// Who the client says it is.
    claimed: String,
    /// The code is mailed, and is what comes next.
    awaits_code: bool,
}

/// A mail that this session waits for.
struct Followed {
    /// The command that asked for it.
    command: &'static str,
    account: AccountName,
    state: watch::Receiver<MailState>,
    /// What the client was told last.
    told: Option<MailState>,
}

impl SignIn {
    /// Nothing proved yet, or already signed in as `identity`.
    pub fn new(accounts: Arc<Accounts>, peer: Peer, identity: Option<Identity>) -> Self {
        Self {
            accounts,
            peer,
            identity,
            exchange: None,
            challenge: None,
            invited: None,
            attempt: None,
            mail: None,
        }
    }

    /// Who the session has proved to be.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether a SASL exchange was broken off by this; the client is to be told with 906.
    pub fn abort(&mut self) -> bool {
        self.challenge = None;
        self.exchange.take().is_some()
    }

    /// Takes one of [`COMMANDS`]. `nick` is how the client is addressed (`*` when it has none). Gives what to tell
    /// it, and who it has just proved to be.
    pub async fn take(
        &mut self,
        now: Timestamp,
        nick: &str,
        message: Message,
    ) -> (Vec<Message>, Option<Identity>) {
        let voice = Voice { server: self.accounts.server_name(), nick };
        let was_signed_in = self.identity.is_some();
        let replies = match message.command.as_str() {
            "AUTHENTICATE" => self.authenticate(now, &voice, &message).await,
            "REGISTER" => self.register(now, &voice, &message).await,
            "VERIFY" => self.verify(now, &voice, &message).await,
            _ => match &self.identity {
                Some(identity) => {
                    self.accounts.credential_command(now, &voice, &self.peer, identity, &message).await
                }
                None => vec![voice.fail("CREDENTIAL", "ACCOUNT_REQUIRED", "*", "Sign in first")],
            },
        };
        let proved = if was_signed_in { None } else { self.identity.clone() };
        if proved.is_some() {
            self.exchange = None;
            self.challenge = None;
            self.mail = None;
        }
        (replies, proved)
    }

    /// Waits for news of mails on their way; for ever if there are none. Nothing is lost when it is dropped half-way.
    pub async fn news(&mut self) -> Vec<Message> {
        loop {
            let Some(mail) = &mut self.mail else { return std::future::pending().await };
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
                MailState::Delayed(reason) => {
                    ("MAIL_DELAYED", format!("Your code is late: {reason}. It will be tried again."))
                }
                MailState::Failed(reason) => (
                    "MAIL_FAILED",
                    format!("Your code could not be mailed: {reason}. Ask for another one later."),
                ),
            };
            if mail.told.as_ref() == Some(&state) {
                continue;
            }
            let params = [mail.command, code, mail.account.as_str(), &text];
            let note = Message::new("NOTE", params).from_source(self.accounts.server_name());
            if matches!(state, MailState::Failed(_)) {
                self.mail = None;
            } else {
                mail.told = Some(state);
            }
            return vec![note];
        }
    }

    async fn authenticate(&mut self, now: Timestamp, voice: &Voice<'_>, message: &Message) -> Vec<Message> {
        let Some(param) = message.param(0).filter(|param| !param.is_empty()) else {
            return vec![voice.need_more_params("AUTHENTICATE")];
        };
        if self.identity.is_some() {
            let text = "You have already signed in; connect anew to be someone else";
            return vec![voice.numeric(numeric::ERR_SASLALREADY, &[text])];
        }
        if param == "*" {
            self.abort();
            return vec![voice.numeric(numeric::ERR_SASLABORTED, &["SASL authentication aborted"])];
        }
        let Some(exchange) = &mut self.exchange else {
            let Some(mechanism) = Mechanism::from_name(param) else {
                let list = sasl::mechanism_list();
                return vec![
                    voice.numeric(numeric::RPL_SASLMECHS, &[&list, "are available SASL mechanisms"]),
                    voice.numeric(numeric::ERR_SASLFAIL, &["SASL authentication failed: unknown mechanism"]),
                ];
            };
            let (response, claimed) = (Response::default(), String::new());
            self.exchange = Some(Exchange { mechanism, response, claimed, awaits_code: false });
            return vec![voice.say("AUTHENTICATE", &["+"])];
        };
        let payload = match exchange.response.take(param) {
            Chunk::More => return Vec::new(),
            Chunk::TooLong => {
                self.abort();
                return vec![voice.numeric(numeric::ERR_SASLTOOLONG, &["SASL message too long"])];
            }
            Chunk::Malformed => Err(Refused::BadForm),
            Chunk::Whole(payload) => Ok(payload),
        };
        let outcome = match payload {
            Ok(payload) => self.respond(now, &payload).await,
            Err(refused) => Err(refused),
        };
        match outcome {
            Ok(Some(identity)) => {
                let replies = vec![
                    voice.logged_in(&identity),
                    voice.numeric(numeric::RPL_SASLSUCCESS, &["SASL authentication successful"]),
                ];
                self.identity = Some(identity);
                replies
            }
            Ok(None) => vec![voice.say("AUTHENTICATE", &["+"])],
            Err(refused) => {
                let claimed = self.exchange.take().map(|exchange| exchange.claimed).unwrap_or_default();
                let words = refused.to_string();
                let why = words.trim_start_matches("SASL authentication failed: ");
                self.accounts.tell_refused(claimed, self.peer.address, why);
                vec![voice.numeric(numeric::ERR_SASLFAIL, &[&refused.to_string()])]
            }
        }
    }

    /// Takes a whole response. `Ok(None)`: the exchange goes on.
    async fn respond(&mut self, now: Timestamp, payload: &[u8]) -> Result<Option<Identity>, Refused> {
        let Some(exchange) = &mut self.exchange else { return Err(Refused::BadForm) };
        match exchange.mechanism {
            Mechanism::Plain => {
                let (claim, secret) = sasl::plain(payload).ok_or(Refused::BadForm)?;
                claim.folded().clone_into(&mut exchange.claimed);
                self.accounts.prove_by_secret(now, &self.peer, claim, secret).await.map(Some)
            }
            Mechanism::External => {
                let named = sasl::external(payload).map_err(|_| Refused::BadForm)?;
                exchange.claimed = named.as_ref().map(ToString::to_string).unwrap_or_default();
                self.accounts.prove_by_certificate(now, &self.peer, named).await.map(Some)
            }
            Mechanism::EmailCode if !exchange.awaits_code => {
                let (name, email) = sasl::account_and_email(payload).ok_or(Refused::BadForm)?;
                exchange.claimed = name.to_string();
                exchange.awaits_code = true;
                if self.challenge.as_ref().is_some_and(|challenge| challenge.is_for(&name, &email)) {
                    return Ok(None);
                }
                let (challenge, state) = self.accounts.begin_challenge(now, &self.peer, name, email).await?;
                let account = challenge.name().clone();
                self.mail = Some(Followed { command: "AUTHENTICATE", account, state, told: None });
                self.challenge = Some(challenge);
                Ok(None)
            }
            Mechanism::EmailCode => {
                let (code, credential) = sasl::code_and_credential(payload).ok_or(Refused::BadForm)?;
                let challenge = self.challenge.as_mut().ok_or(Refused::DeadCode)?;
                let judged =
                    self.accounts.answer_challenge(now, &self.peer, challenge, &code, &credential).await;
                // A wrong code may be mended, and what has only to wait may come again.
                if !matches!(judged, Err(Refused::WrongCode { tries_left: 1.. } | Refused::Throttled(_))) {
                    self.challenge = None;
                }
                judged.map(Some)
            }
        }
    }

    async fn register(&mut self, now: Timestamp, voice: &Voice<'_>, message: &Message) -> Vec<Message> {
        let (Some(asked), Some(email), Some(secret)) = (message.param(0), message.param(1), message.param(2))
        else {
            return vec![voice.need_more_params("REGISTER")];
        };
        let name = if asked == "*" { voice.nick } else { asked };
        let fail = |code: &str, text: &str| vec![voice.fail("REGISTER", code, word(name), text)];
        if let Some(identity) = &self.identity {
            return vec![already_signed_in(voice, "REGISTER", identity)];
        }
        if name == "*" {
            return fail("NEED_NICK", "Choose a nick first, or name the account");
        }
        let name = match AccountName::parse(name) {
            Ok(name) => name,
            Err(error) => {
                return fail("BAD_ACCOUNT_NAME", &format!("No account can have that name: {error}"));
            }
        };
        let Ok(email) = Email::parse(email) else {
            return fail("INVALID_EMAIL", "That is not an email address; an account needs one");
        };
        let account = name.clone();
        match self.accounts.register(now, &self.peer, name.clone(), email.clone(), secret).await {
            Ok(Registered::Made(identity)) => self.made(voice, "REGISTER", identity),
            Ok(Registered::Invited(registration)) => {
                self.invited = Some(registration);
                let text = format!(
                    "You are invited. Type /quote VERIFY {name} and the code of the invitation that was mailed to {email}"
                );
                vec![voice.say("REGISTER", &["VERIFICATION_REQUIRED", name.as_str(), &text])]
            }
            Ok(Registered::CodeMailed { attempt, follow }) => {
                self.invited = None;
                self.attempt = Some((account.clone(), attempt));
                self.mail = Some(Followed { command: "REGISTER", account, state: follow, told: None });
                let text = format!(
                    "A code was mailed to {email}; it is good for 5 minutes. Type /quote VERIFY {name} and the code"
                );
                vec![voice.say("REGISTER", &["VERIFICATION_REQUIRED", name.as_str(), &text])]
            }
            Err(Failure { code, text }) => fail(code, &text),
        }
    }

    async fn verify(&mut self, now: Timestamp, voice: &Voice<'_>, message: &Message) -> Vec<Message> {
        let (Some(asked), Some(code)) = (message.param(0), message.param(1)) else {
            return vec![voice.need_more_params("VERIFY")];
        };
        if let Some(identity) = &self.identity {
            return vec![already_signed_in(voice, "VERIFY", identity)];
        }
        let name = if asked == "*" { voice.nick } else { asked };
        let fail = |code: &str, text: &str| vec![voice.fail("VERIFY", code, word(name), text)];
        let Ok(name) = AccountName::parse(name) else {
            return fail("INVALID_CODE", "No registration of that name waits for a code");
        };
        let own = self.attempt.as_ref().filter(|(own, _)| *own == name).map(|&(_, attempt)| attempt);
        let invited = self.invited.as_ref().filter(|registration| registration.name == name);
        let verified = match invited {
            Some(invited) => {
                self.accounts.accept_invitation(now, &self.peer, (**invited).clone(), code).await
            }
            None => self.accounts.verify(now, &self.peer, own, &name, code).await,
        };
        match verified {
            Ok(identity) => self.made(voice, "VERIFY", identity),
            Err(Failure { code, text }) => fail(code, &text),
        }
    }

    /// The account is there, and the session is signed in to it.
    fn made(&mut self, voice: &Voice<'_>, command: &str, identity: Identity) -> Vec<Message> {
        let name = identity.name.as_str();
        let replies = vec![
            voice.say(command, &["SUCCESS", name, "The account is yours, and you are signed in"]),
            voice.logged_in(&identity),
        ];
        self.identity = Some(identity);
        replies
    }
}

fn already_signed_in(voice: &Voice<'_>, command: &str, identity: &Identity) -> Message {
    let name = identity.name.as_str();
    voice.fail(command, "ALREADY_AUTHENTICATED", name, &format!("You are signed in as {name} already"))
}
