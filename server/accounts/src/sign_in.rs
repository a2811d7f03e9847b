//! The commands that prove or change an identity, in whatever state the session is: `AUTHENTICATE`,
//! `REGISTER`, `VERIFY`, `CREDENTIAL`, `SETPASS`, `SETEMAIL`.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email, Message, numeric};
use tokio::sync::watch;

use super::challenge::Challenge;
use super::changes::{Changed, PendingChange};
use super::pending::{AttemptId, Registration};
use super::proof::{Refused, Scram};
use super::registration::{Failure, Registered, failure};
use super::replies::{Voice, word};
use super::sasl::{self, Chunk, Mechanism, Response};
use super::scram::ClientFirst;
use super::{Accounts, Peer};
use rookery_base::mail::MailState;
use rookery_base::metrics::METRICS;
use rookery_chat::event::Identity;

/// The commands that come here, also from admitted sessions.
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
    /// Whether the core knows the session, under its present identity.
    is_admitted: bool,
    identity: Option<Identity>,
    exchange: Option<Exchange>,
    /// Who the client says it is in the exchange.
    claimed: String,
    /// Kept after a wrong code, for the next try.
    challenge: Option<Challenge>,
    /// This session's own registration, which the code of its invitation makes good.
    invited: Option<Box<Registration>>,
    /// This session's own registration, for which a code was mailed.
    attempt: Option<(AccountName, AttemptId)>,
    /// What is to be another once its code comes.
    change: Option<Box<PendingChange>>,
    mail: Option<Followed>,
}

/// A SASL exchange under way.
struct Exchange {
    response: Response,
    stage: Stage,
}

/// What the client's next response is.
enum Stage {
    /// The mechanism's first.
    First(Mechanism),
    /// The code that was mailed.
    Code,
    /// The proof of a password, for SCRAM.
    Proof(Box<Scram>),
    /// Nothing: it has seen that the server knows the password too.
    Assent(Box<Identity>),
}

/// What a response leads to.
enum Outcome {
    Proved(Identity),
    /// The mechanism has the server say that, and goes on.
    GoOn(Stage, Vec<u8>),
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
    /// Nothing proved yet, or already signed in as `identity`; in the handshake, or admitted.
    pub fn new(
        accounts: Arc<Accounts>,
        peer: Peer,
        is_admitted: bool,
        identity: Option<Identity>,
    ) -> Self {
        Self {
            accounts,
            peer,
            is_admitted,
            identity,
            exchange: None,
            claimed: String::new(),
            challenge: None,
            invited: None,
            attempt: None,
            change: None,
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

    /// Takes one of [`COMMANDS`]. `nick` is how the client is addressed (`*` when it has none).
    /// Gives what to tell it, and who it has just proved to be.
    pub async fn take(
        &mut self,
        now: Timestamp,
        nick: &str,
        message: Message,
    ) -> (Vec<Message>, Option<Identity>) {
        let voice = Voice {
            server: self.accounts.server_name(),
            nick,
        };
        let before = self.identity.clone();
        let replies = match message.command.as_str() {
            "AUTHENTICATE" => self.authenticate(now, &voice, &message).await,
            "REGISTER" => self.register(now, &voice, &message).await,
            "VERIFY" => self.verify(now, &voice, &message).await,
            command => match self.identity.clone() {
                None => vec![voice.fail(command, "ACCOUNT_REQUIRED", "*", "Sign in first")],
                Some(owner) => match command {
                    "SETPASS" | "SETEMAIL" => self.change(now, &voice, &owner, &message).await,
                    _ => {
                        self.accounts
                            .credential_command(now, &voice, &self.peer, &owner, &message)
                            .await
                    }
                },
            },
        };
        let same =
            |one: &Identity, other: &Identity| one.id == other.id && one.email == other.email;
        let proved = self
            .identity
            .clone()
            .filter(|now| !before.as_ref().is_some_and(|before| same(before, now)));
        if proved.is_some() {
            self.exchange = None;
            self.challenge = None;
            self.change = None;
            self.mail = None;
        }
        (replies, proved)
    }

    /// Waits for news of mails on their way; for ever if there are none. Nothing is lost when it is
    /// dropped half-way.
    pub async fn news(&mut self) -> Vec<Message> {
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
                    format!("Your code is late: {reason}. It will be tried again."),
                ),
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

    async fn authenticate(
        &mut self,
        now: Timestamp,
        voice: &Voice<'_>,
        message: &Message,
    ) -> Vec<Message> {
        let Some(param) = message.param(0).filter(|param| !param.is_empty()) else {
            return vec![voice.need_more_params("AUTHENTICATE")];
        };
        if param == "*" {
            self.abort();
            return vec![voice.numeric(numeric::ERR_SASLABORTED, &["SASL authentication aborted"])];
        }
        let Some(exchange) = &mut self.exchange else {
            let Some(mechanism) = Mechanism::from_name(param) else {
                let list = sasl::mechanism_list();
                return vec![
                    voice.numeric(
                        numeric::RPL_SASLMECHS,
                        &[&list, "are available SASL mechanisms"],
                    ),
                    voice.numeric(
                        numeric::ERR_SASLFAIL,
                        &["SASL authentication failed: unknown mechanism"],
                    ),
                ];
            };
            self.claimed.clear();
            self.exchange = Some(Exchange {
                response: Response::default(),
                stage: Stage::First(mechanism),
            });
            return voice.challenge(&[]);
        };
        let outcome = match exchange.response.take(param) {
            Chunk::More => return Vec::new(),
            Chunk::TooLong => {
                self.abort();
                return vec![voice.numeric(numeric::ERR_SASLTOOLONG, &["SASL message too long"])];
            }
            Chunk::Malformed => Err(Refused::BadForm),
            Chunk::Whole(payload) => self.respond(now, &payload).await,
        };
        let proved = match outcome {
            Ok(Outcome::GoOn(stage, payload)) => {
                self.exchange = Some(Exchange {
                    response: Response::default(),
                    stage,
                });
                return voice.challenge(&payload);
            }
            Ok(Outcome::Proved(identity)) => self.may_be(identity),
            Err(refused) => Err(refused),
        };
        self.exchange = None;
        match proved {
            Ok(identity) => {
                METRICS.chat_sign_ins.increment();
                let replies = vec![
                    voice.logged_in(&identity),
                    voice.numeric(
                        numeric::RPL_SASLSUCCESS,
                        &["SASL authentication successful"],
                    ),
                ];
                self.identity = Some(identity);
                replies
            }
            Err(refused) => {
                let words = refused.to_string();
                let why = words.trim_start_matches("SASL authentication failed: ");
                self.accounts.tell_refused(
                    std::mem::take(&mut self.claimed),
                    self.peer.address,
                    why,
                );
                let code = match refused {
                    Refused::SignedIn { .. } => numeric::ERR_SASLALREADY,
                    _ => numeric::ERR_SASLFAIL,
                };
                vec![voice.numeric(code, &[&refused.to_string()])]
            }
        }
    }

    /// One may prove again who one is. Another one can become after admission only where nicks are
    /// free: elsewhere the user that others see would be somebody else of a sudden.
    fn may_be(&self, identity: Identity) -> Result<Identity, Refused> {
        match &self.identity {
            Some(present)
                if self.is_admitted
                    && present.id != identity.id
                    && !self.accounts.config.get().accounts.free_nicks =>
            {
                Err(Refused::SignedIn {
                    name: present.name.clone(),
                })
            }
            _ => Ok(identity),
        }
    }

    /// Takes a whole response.
    async fn respond(&mut self, now: Timestamp, payload: &[u8]) -> Result<Outcome, Refused> {
        let Some(Exchange { stage, .. }) = self.exchange.take() else {
            return Err(Refused::BadForm);
        };
        match stage {
            Stage::First(Mechanism::Plain) => {
                let (claim, secret) = sasl::plain(payload).ok_or(Refused::BadForm)?;
                claim.folded().clone_into(&mut self.claimed);
                self.accounts
                    .prove_by_secret(now, &self.peer, claim, secret)
                    .await
                    .map(Outcome::Proved)
            }
            Stage::First(Mechanism::ScramSha256) => {
                let first = ClientFirst::parse(payload).ok_or(Refused::BadForm)?;
                first.claim.folded().clone_into(&mut self.claimed);
                let (answer, scram) = self.accounts.begin_scram(now, &self.peer, first).await?;
                Ok(Outcome::GoOn(Stage::Proof(Box::new(scram)), answer.into()))
            }
            Stage::Proof(scram) => {
                let (answer, identity) = self
                    .accounts
                    .finish_scram(now, &self.peer, &scram, payload)?;
                Ok(Outcome::GoOn(
                    Stage::Assent(Box::new(identity)),
                    answer.into(),
                ))
            }
            Stage::Assent(identity) if payload.is_empty() => Ok(Outcome::Proved(*identity)),
            Stage::Assent(_) => Err(Refused::BadForm),
            Stage::First(Mechanism::External) => {
                let named = sasl::external(payload).map_err(|_| Refused::BadForm)?;
                self.claimed = named.as_ref().map(ToString::to_string).unwrap_or_default();
                self.accounts
                    .prove_by_certificate(now, &self.peer, named)
                    .await
                    .map(Outcome::Proved)
            }
            Stage::First(Mechanism::EmailCode) => {
                let (name, email) = sasl::account_and_email(payload).ok_or(Refused::BadForm)?;
                self.claimed = name.to_string();
                let code = || Ok(Outcome::GoOn(Stage::Code, Vec::new()));
                if self
                    .challenge
                    .as_ref()
                    .is_some_and(|challenge| challenge.is_for(&name, &email))
                {
                    return code();
                }
                let (challenge, state) = self
                    .accounts
                    .begin_challenge(now, &self.peer, name, email)
                    .await?;
                let account = challenge.name().clone();
                self.mail = Some(Followed {
                    command: "AUTHENTICATE",
                    account,
                    state,
                    told: None,
                });
                self.challenge = Some(challenge);
                code()
            }
            Stage::Code => {
                let (code, credential) =
                    sasl::code_and_credential(payload).ok_or(Refused::BadForm)?;
                let challenge = self.challenge.as_mut().ok_or(Refused::DeadCode)?;
                let judged = self
                    .accounts
                    .answer_challenge(now, &self.peer, challenge, &code, &credential)
                    .await;
                // A wrong code may be mended, and what has only to wait may come again.
                if !matches!(
                    judged,
                    Err(Refused::WrongCode { attempts_left: 1.. } | Refused::Throttled(_))
                ) {
                    self.challenge = None;
                }
                judged.map(Outcome::Proved)
            }
        }
    }

    async fn register(
        &mut self,
        now: Timestamp,
        voice: &Voice<'_>,
        message: &Message,
    ) -> Vec<Message> {
        let (Some(asked), Some(email), Some(secret)) =
            (message.param(0), message.param(1), message.param(2))
        else {
            return vec![voice.need_more_params("REGISTER")];
        };
        let name = if asked == "*" { voice.nick } else { asked };
        let fail = |code: &str, text: &str| vec![voice.fail("REGISTER", code, word(name), text)];
        if let Some(identity) = &self.identity {
            return vec![already_signed_in(voice, "REGISTER", identity)];
        }
        if !self.is_admitted && !self.accounts.config.get().accounts.register_before_connect {
            return fail(
                "COMPLETE_CONNECTION_REQUIRED",
                "Come in as a guest first, and register then",
            );
        }
        if name == "*" {
            return fail("NEED_NICK", "Choose a nick first, or name the account");
        }
        let name = match AccountName::parse(name) {
            Ok(name) => name,
            Err(error) => {
                return fail(
                    "BAD_ACCOUNT_NAME",
                    &format!("No account can have that name: {error}"),
                );
            }
        };
        let given = match given_email(email) {
            Ok(given) => given,
            Err(Failure { code, text }) => return fail(code, &text),
        };
        let account = name.clone();
        let own = self.own_attempt(&name);
        match self
            .accounts
            .register(now, &self.peer, name.clone(), given, secret, own)
            .await
        {
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
                self.mail = Some(Followed {
                    command: "REGISTER",
                    account,
                    state: follow,
                    told: None,
                });
                let text = format!(
                    "A code was mailed to {email}; it is good for 5 minutes. Type /quote VERIFY {name} and the code"
                );
                vec![voice.say("REGISTER", &["VERIFICATION_REQUIRED", name.as_str(), &text])]
            }
            Err(Failure { code, text }) => fail(code, &text),
        }
    }

    async fn verify(
        &mut self,
        now: Timestamp,
        voice: &Voice<'_>,
        message: &Message,
    ) -> Vec<Message> {
        let (Some(asked), Some(code)) = (message.param(0), message.param(1)) else {
            return vec![voice.need_more_params("VERIFY")];
        };
        if let Some(owner) = self.identity.clone() {
            let Some(change) = self.change.take() else {
                return vec![already_signed_in(voice, "VERIFY", &owner)];
            };
            let (left, changed) = self
                .accounts
                .confirm_change(now, &self.peer, &owner, change, code)
                .await;
            self.change = left;
            return self.changed(voice, "VERIFY", &owner, changed);
        }
        let name = if asked == "*" { voice.nick } else { asked };
        let fail = |code: &str, text: &str| vec![voice.fail("VERIFY", code, word(name), text)];
        let Ok(name) = AccountName::parse(name) else {
            return fail(
                "INVALID_CODE",
                "No registration of that name waits for a code",
            );
        };
        let own = self.own_attempt(&name);
        let invited = self
            .invited
            .as_ref()
            .filter(|registration| registration.name == name);
        let verified = match invited {
            Some(invited) => {
                self.accounts
                    .accept_invitation(now, &self.peer, (**invited).clone(), code)
                    .await
            }
            None => {
                self.accounts
                    .verify(now, &self.peer, own, &name, code)
                    .await
            }
        };
        match verified {
            Ok(identity) => self.made(voice, "VERIFY", identity),
            Err(Failure { code, text }) => fail(code, &text),
        }
    }

    fn own_attempt(&self, name: &AccountName) -> Option<AttemptId> {
        self.attempt
            .as_ref()
            .filter(|(own, _)| own == name)
            .map(|&(_, attempt)| attempt)
    }

    async fn change(
        &mut self,
        now: Timestamp,
        voice: &Voice<'_>,
        owner: &Identity,
        message: &Message,
    ) -> Vec<Message> {
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
                    let changed = match given_email(email) {
                        Ok(email) => accounts.change_email(now, peer, owner, email).await,
                        Err(failure) => Err(failure),
                    };
                    ("SETEMAIL", changed)
                }
                (command, ..) => return vec![voice.need_more_params(command)],
            };
        self.changed(voice, command, owner, changed)
    }

    /// Tells what came of a change, and remembers it.
    fn changed(
        &mut self,
        voice: &Voice<'_>,
        command: &'static str,
        owner: &Identity,
        changed: Result<Changed, Failure>,
    ) -> Vec<Message> {
        let name = owner.name.as_str();
        vec![match changed {
            Ok(Changed::Made(identity, text)) => {
                self.identity = Some(*identity);
                self.change = None;
                voice.say(command, &["SUCCESS", name, text])
            }
            Ok(Changed::CodeMailed { change, to, follow }) => {
                self.change = Some(change);
                self.mail = Some(Followed {
                    command,
                    account: owner.name.clone(),
                    state: follow,
                    told: None,
                });
                let text = format!(
                    "A code was mailed to {to}; it is good for 5 minutes. Type /quote VERIFY {name} and the code"
                );
                voice.say(command, &["VERIFICATION_REQUIRED", name, &text])
            }
            Err(Failure { code, text }) => voice.fail(command, code, name, &text),
        }]
    }

    /// The account is there, and the session is signed in to it.
    fn made(&mut self, voice: &Voice<'_>, command: &str, identity: Identity) -> Vec<Message> {
        let name = identity.name.as_str();
        let replies = vec![
            voice.say(
                command,
                &[
                    "SUCCESS",
                    name,
                    "The account is yours, and you are signed in",
                ],
            ),
            voice.logged_in(&identity),
        ];
        self.identity = Some(identity);
        replies
    }
}

/// As it is typed; `*` is for none.
fn given_email(text: &str) -> Result<Option<Email>, Failure> {
    if text == "*" {
        return Ok(None);
    }
    Email::parse(text)
        .map(Some)
        .map_err(|_| failure("INVALID_EMAIL", "That is not an email address"))
}

fn already_signed_in(voice: &Voice<'_>, command: &str, identity: &Identity) -> Message {
    let name = identity.name.as_str();
    voice.fail(
        command,
        "ALREADY_AUTHENTICATED",
        name,
        &format!("You are signed in as {name} already"),
    )
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
