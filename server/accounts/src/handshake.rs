//! A session before it is admitted: the IRC handshake, and the waiting room where an account is
//! required.
//!
//! The handshake is complete once the client has sent `NICK` and `USER` and has ended capability
//! negotiation. A session without the account that the server requires then enters the waiting
//! room: it may register or sign in, and every other command is refused with a hint. As soon as
//! nothing is missing, [`Next::Admit`] asks the caller to have the core admit the session.
//!
//! [`Handshake`] does no I/O on the connection: it receives messages and returns replies. It must
//! not admit anyone, and it does not know the timeouts; the caller is responsible for both.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{Capabilities, Capability, Message, Nick, numeric};

use super::reply_format::{Replies, word};
use super::sign_in::{self, Outcome, SignIn};
use super::{Accounts, Peer};
use rookery_base::config::capability_values;
use rookery_base::secret::Secret;
use rookery_chat::AwayState;
use rookery_chat::event::{Candidate, LineFault, Revoked};
use rookery_chat::{away, capabilities, isupport, labels, subscriptions};
use rookery_engine::settings;

/// The maximum length of a user name in bytes; longer ones are cut.
const MAX_USERNAME: usize = 20;
/// The maximum length of a real name in bytes; longer ones are cut.
const MAX_REALNAME: usize = 200;
/// The first word of an HTTP client. A browser that a hostile page has tricked into connecting is
/// disconnected before anything in its request can be read as a command.
const HTTP_METHODS: [&str; 9] = [
    "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE",
];

/// A session that is not admitted yet.
pub struct Handshake {
    accounts: Arc<Accounts>,
    peer: Peer,
    sign_in: SignIn,
    stage: Stage,
    negotiation: Negotiation,
    nick: Option<Nick>,
    user: Option<User>,
    capabilities: Capabilities,
    away_state: AwayState,
    /// The server password, which is tried once nothing else is missing. A client that also does
    /// SASL has signed in by then.
    server_password: Option<Secret>,
    /// The metadata keys that the client has subscribed to.
    subscriptions: BTreeSet<String>,
}

/// How far the session has progressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The client has sent nothing.
    Silent,
    /// `NICK`, `USER` or the end of the negotiation is missing.
    Handshake,
    /// The same, and the client has begun to sign in.
    SignIn,
    /// The handshake was complete once, but an account is required.
    WaitingRoom,
}

/// Capability negotiation, which suspends the handshake while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Negotiation {
    /// Not begun, or ended by `CAP END`.
    Closed,
    /// Begun by `CAP LS` or `CAP REQ`.
    Open,
}

/// The parameters of `USER`.
struct User {
    username: String,
    realname: String,
}

/// The result of a message.
#[derive(Debug)]
pub struct Step {
    /// Sent to the client before `next` is carried out.
    pub replies: Vec<Message>,
    /// What the caller does next.
    pub next: Next,
}

/// What the caller does after a message.
#[derive(Debug)]
pub enum Next {
    /// Wait for the next message.
    Stay,
    /// Ask the core to admit the session.
    Admit(Box<Candidate>),
    /// Send `ERROR` with this text and close the connection.
    Close(String),
}

impl Handshake {
    /// Creates the state of a session whose TLS handshake has just finished.
    pub fn new(accounts: Arc<Accounts>, peer: Peer) -> Self {
        let sign_in = SignIn::in_handshake(Arc::clone(&accounts), peer.clone());
        Self {
            accounts,
            peer,
            sign_in,
            stage: Stage::Silent,
            negotiation: Negotiation::Closed,
            nick: None,
            user: None,
            capabilities: Capabilities::NONE,
            away_state: AwayState::Here,
            server_password: None,
            subscriptions: BTreeSet::new(),
        }
    }

    /// Removes and returns what the last message has revoked, which the core must
    /// know.
    pub fn take_revoked(&mut self) -> Option<Revoked> {
        self.sign_in.take_revoked()
    }

    /// Handles one message. May wait for a password hash or the database.
    pub async fn handle(&mut self, now: Timestamp, mut message: Message) -> Step {
        if self.stage == Stage::Silent {
            if HTTP_METHODS.contains(&message.command.as_str()) {
                return close("This port speaks IRC, not HTTP; there are no web pages here");
            }
            self.stage = Stage::Handshake;
        }
        if self.stage == Stage::Handshake && sign_in::may_carry_secret(&message) {
            self.stage = Stage::SignIn;
        }
        let label = labels::of(&message, self.capabilities).map(str::to_owned);
        let mut replies = self.replies(label);
        match message.command.as_str() {
            "CAP" => self.cap(&mut replies, &message),
            "NICK" => self.set_nick(&mut replies, &message),
            "USER" => self.set_user(&mut replies, &message),
            "PING" => match message.param(0) {
                Some(token) => replies.pong(token),
                None => replies.need_more_params("PING"),
            },
            "AWAY" if self.capabilities.has(Capability::PreAway) => {
                self.set_away(&mut replies, &message);
            }
            "ISUPPORT" if self.capabilities.has(Capability::ExtendedIsupport) => {
                self.isupport(&mut replies);
            }
            "PASS" => self.set_server_password(&mut replies, &message),
            "PONG" => {}
            "METADATA" if self.may_subscribe(&message) => self.subscribe(&mut replies, &message),
            "QUIT" => {
                let reason = message.text(0).unwrap_or_default();
                return close(&if reason.is_empty() {
                    "Quit".to_owned()
                } else {
                    format!("Quit: {reason}")
                });
            }
            command if sign_in::COMMANDS.contains(&command) => {
                let outcome = Box::pin(self.sign_in.handle(now, &mut replies, &message)).await;
                if let Some(Outcome::EmailChanged(identity)) = outcome {
                    self.sign_in.set_revoked(Revoked::Email(identity.id));
                }
                self.add_verification_notice(&mut replies);
            }
            command => self.refuse(&mut replies, command),
        }
        sign_in::wipe_secrets(&mut message);
        let mut replies = replies.finish();
        let step = Box::pin(self.try_to_admit(now)).await;
        replies.extend(step.replies);
        Step {
            replies,
            next: step.next,
        }
    }

    /// Handles a line that is not a valid message. Returns the replies.
    pub fn handle_fault(&mut self, fault: &LineFault) -> Vec<Message> {
        if self.stage == Stage::Silent {
            self.stage = Stage::Handshake;
        }
        let message = fault.message();
        let label = message.and_then(|message| labels::of(message, self.capabilities));
        let mut replies = self.replies(label.map(str::to_owned));
        match fault {
            LineFault::TooLong(_) => replies.numeric(
                numeric::ERR_INPUTTOOLONG,
                &["The line was too long and was ignored"],
            ),
            LineFault::NotUtf8(_) => {
                let command = message.map_or("*", |message| message.command.as_str());
                let text = "The line was not valid UTF-8 and was ignored";
                replies.command("FAIL", &[command, "INVALID_UTF8", text]);
            }
            LineFault::Malformed(_) => replies.numeric(
                numeric::ERR_UNKNOWNCOMMAND,
                &["*", "The line contains no command"],
            ),
        }
        replies.finish()
    }

    /// Handles the core's answer that another user has the nick. Returns the replies; the client
    /// may choose another nick.
    pub fn nick_in_use(&mut self) -> Vec<Message> {
        let mut replies = self.replies(None);
        let text = "Nick already in use; choose another";
        self.reject_nick(&mut replies, numeric::ERR_NICKNAMEINUSE, text);
        replies.finish()
    }

    /// Waits for a notice about a requested mail, and returns it; never returns if no mail is under
    /// way. Cancel safe.
    pub async fn next_mail_notice(&mut self) -> Vec<Message> {
        self.sign_in.next_mail_notice().await
    }

    /// Returns whether the client has begun to sign in, and is not in the waiting room.
    pub fn is_signing_in(&self) -> bool {
        self.stage == Stage::SignIn
    }

    /// Returns whether the session is in the waiting room.
    pub fn is_waiting_room(&self) -> bool {
        self.stage == Stage::WaitingRoom
    }

    /// Returns the next step if nothing is missing for admission or for the waiting room.
    async fn try_to_admit(&mut self, now: Timestamp) -> Step {
        let (Some(nick), Some(user), Negotiation::Closed) =
            (&self.nick, &self.user, self.negotiation)
        else {
            return stay(Vec::new());
        };
        let mut replies = self.replies(None);
        if let Some(password) = self.server_password.take()
            && self.sign_in.identity().is_none()
        {
            let sign_in = &mut self.sign_in;
            Box::pin(sign_in.use_server_password(now, &mut replies, nick, password.expose())).await;
        }
        let identity = self.sign_in.identity().cloned();
        let own = identity.as_ref().map(|identity| identity.name.clone());
        let accounts = self.accounts.config.accounts.get();
        let candidate = Box::new(Candidate {
            nick: nick.clone(),
            username: user.username.clone(),
            realname: user.realname.clone(),
            identity,
            capabilities: self.capabilities,
            away_state: self.away_state.clone(),
            subscriptions: self.subscriptions.clone(),
            address: self.peer.address,
            tls: self.peer.tls.to_string(),
        });
        if own.is_some() && !accounts.free_nicks {
            return admit(replies, candidate);
        }
        if own.is_none() && accounts.required {
            self.enter_waiting_room(&mut replies);
            return stay(replies.finish());
        }
        self.abort_sasl(&mut replies);
        match self
            .accounts
            .reservation(&candidate.nick, own.as_ref())
            .await
        {
            Ok(None) => return admit(replies, candidate),
            Ok(Some(reservation)) => {
                let (code, text) = reservation.refusal();
                self.reject_nick(&mut replies, code, &text);
            }
            Err(error) => {
                tracing::error!(%error, "could not check whether a nick is reserved");
                let text = "The nick cannot be checked at the moment; try again later";
                self.reject_nick(&mut replies, numeric::ERR_NICKNAMEINUSE, text);
            }
        }
        stay(replies.finish())
    }

    /// Explains once how to register or sign in.
    fn enter_waiting_room(&mut self, replies: &mut Replies) {
        if self.stage == Stage::WaitingRoom {
            return;
        }
        self.stage = Stage::WaitingRoom;
        self.abort_sasl(replies);
        if self.capabilities.has(Capability::StandardReplies)
            || self.capabilities.has(Capability::AccountRegistration)
        {
            let text = "You need an account to connect";
            replies.command("FAIL", &["*", "ACCOUNT_REQUIRED", text]);
        }
        self.add_hints(replies);
    }

    /// Repeats the text of `VERIFICATION_REQUIRED` as a notice for a client that does not know
    /// account registration: it would show the reply as an error, or not at all.
    fn add_verification_notice(&self, replies: &mut Replies) {
        if self.capabilities.has(Capability::AccountRegistration) {
            return;
        }
        let required = replies
            .messages()
            .iter()
            .find(|reply| reply.param(0) == Some("VERIFICATION_REQUIRED"));
        if let Some(text) = required.map(|reply| reply.params.last().cloned().unwrap_or_default()) {
            replies.notice(&text);
        }
    }

    /// Aborts a SASL exchange that is still in progress when the handshake ends.
    fn abort_sasl(&mut self, replies: &mut Replies) {
        if self.sign_in.abort() {
            let text = "SASL authentication aborted: the handshake ended before it was complete";
            replies.numeric(numeric::ERR_SASLABORTED, &[text]);
        }
    }

    /// Explains how to register or sign in from the waiting room.
    fn add_hints(&self, replies: &mut Replies) {
        let accounts = self.accounts.config.accounts.get();
        let name = match replies.nick() {
            "*" => "NAME".to_owned(),
            nick => nick.to_owned(),
        };
        replies.notice(&format!(
            "Welcome to {}. You need an account to connect.",
            self.accounts.config.chat.get().network
        ));
        replies.notice(if accounts.open {
            "New here? Register with a name, your email address and a password:"
        } else {
            "New here? Registration is closed, except for people who were invited by mail:"
        });
        replies.notice(&format!(
            "    /quote REGISTER {name} you@example.org PASSWORD"
        ));
        if !accounts.open {
            replies.notice("Then enter the code of the invitation:");
            replies.notice(&format!("    /quote VERIFY {name} CODE"));
        } else if accounts.verify_email {
            replies.notice("Then enter the code that is mailed to you:");
            replies.notice(&format!("    /quote VERIFY {name} CODE"));
        }
        replies
            .notice("Already have an account? Configure SASL PLAIN in your client and reconnect.");
        replies.notice(&format!(
            "Without SASL, set the server password to {name}:PASSWORD."
        ));
        replies.notice("The client rook does all of this for you. HELP repeats these lines.");
    }

    fn cap(&mut self, replies: &mut Replies, message: &Message) {
        match message.param(0).map(str::to_ascii_uppercase).as_deref() {
            Some("LS" | "REQ") => self.negotiation = Negotiation::Open,
            Some("END") => self.negotiation = Negotiation::Closed,
            _ => {}
        }
        let config = &self.accounts.config;
        let (answers, capabilities) = capabilities::negotiate(
            &config.chat.get().server_name,
            replies.nick(),
            config.history.get().capabilities(),
            capability_values(&config.accounts.get(), &config.tls.get()),
            self.capabilities,
            message,
        );
        for answer in answers {
            replies.push(answer);
        }
        self.capabilities = capabilities;
    }

    fn set_nick(&mut self, replies: &mut Replies, message: &Message) {
        let asked = message.param(0).unwrap_or_default();
        if asked.is_empty() {
            replies.numeric(numeric::ERR_NONICKNAMEGIVEN, &["No nick given"]);
            return;
        }
        match Nick::parse(asked) {
            Ok(nick) => self.nick = Some(nick),
            Err(error) => {
                let text = format!("This cannot be a nick: {error}");
                replies.numeric(numeric::ERR_ERRONEUSNICKNAME, &[word(asked), &text]);
            }
        }
    }

    fn set_server_password(&mut self, replies: &mut Replies, message: &Message) {
        match message.params.as_slice() {
            [] => replies.need_more_params("PASS"),
            [password] => self.server_password = Some(password.as_str().into()),
            // A part of a secret must never pass for the whole.
            _ => {
                let text = "A password with spaces must follow a colon: PASS :account:password";
                replies.numeric(numeric::ERR_PASSWDMISMATCH, &[text]);
            }
        }
    }

    fn set_user(&mut self, replies: &mut Replies, message: &Message) {
        if self.user.is_some() {
            let text = "USER may be sent only once";
            replies.numeric(numeric::ERR_ALREADYREGISTERED, &[text]);
            return;
        }
        let (Some(username), Some(realname)) = (message.param(0), message.text(3)) else {
            replies.need_more_params("USER");
            return;
        };
        if username.is_empty() || realname.is_empty() {
            replies.need_more_params("USER");
            return;
        }
        self.user = Some(User {
            username: clean_username(username),
            realname: cut(&realname.replace(char::is_control, ""), MAX_REALNAME),
        });
    }

    fn set_away(&mut self, replies: &mut Replies, message: &Message) {
        self.away_state = away::away_state(message, true);
        let (code, text) = match self.away_state {
            AwayState::Here => (
                numeric::RPL_UNAWAY,
                "You are no longer marked as being away",
            ),
            _ => (numeric::RPL_NOWAWAY, "You have been marked as being away"),
        };
        replies.numeric(code, &[text]);
        let given = message.text(0).unwrap_or_default();
        if self
            .away_state
            .text()
            .is_some_and(|text| text.len() < given.len())
        {
            let text = "Your text was cut, because it was too long";
            if self.capabilities.has(Capability::StandardReplies) {
                replies.command("WARN", &["AWAY", "TEXT_TOO_LONG", text]);
            } else {
                replies.notice(&format!("AWAY: {text}"));
            }
        }
    }

    /// Whether the message manages the subscriptions to metadata, as clients do before admission.
    fn may_subscribe(&self, message: &Message) -> bool {
        let subcommand = message.param(1).unwrap_or_default();
        let is_known = ["SUB", "UNSUB", "SUBS"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(subcommand));
        subscriptions::is_notified(self.capabilities) && is_known
    }

    fn subscribe(&mut self, replies: &mut Replies, message: &Message) {
        let keys = message.params.get(2..).unwrap_or_default();
        let subcommand = message.param(1).unwrap_or_default().to_ascii_uppercase();
        let (code, outcome) = match subcommand.as_str() {
            "SUBS" => {
                let keys: Vec<&str> = self.subscriptions.iter().map(String::as_str).collect();
                if !keys.is_empty() {
                    replies.numeric(numeric::RPL_METADATASUBS, &keys);
                }
                if self.capabilities.has(Capability::Batch) {
                    replies.set_batch("metadata-subs");
                }
                return;
            }
            _ if keys.is_empty() => return replies.need_more_params("METADATA"),
            "SUB" => {
                let outcome = subscriptions::subscribe(&mut self.subscriptions, keys);
                (numeric::RPL_METADATASUBOK, outcome)
            }
            _ => {
                let outcome = subscriptions::unsubscribe(&mut self.subscriptions, keys);
                (numeric::RPL_METADATAUNSUBOK, outcome)
            }
        };
        if !outcome.done.is_empty() {
            let keys: Vec<&str> = outcome.done.iter().map(String::as_str).collect();
            replies.numeric(code, &keys);
        }
        for (code, key, text) in outcome.refused {
            replies.fail("METADATA", code, word(key), text);
        }
    }

    fn isupport(&self, replies: &mut Replies) {
        let config = &self.accounts.config;
        let settings = settings::from_sections(
            &config.chat.get(),
            &config.accounts.get(),
            &config.history.get(),
            &config.limits.get(),
            &config.tls.get(),
        );
        for mut tokens in isupport::lines(&settings) {
            tokens.push(isupport::END.to_owned());
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            replies.numeric(numeric::RPL_ISUPPORT, &tokens);
        }
        if self.capabilities.has(Capability::Batch) {
            replies.set_batch("draft/isupport");
        }
    }

    fn refuse(&self, replies: &mut Replies, command: &str) {
        let is_waiting_room = self.is_waiting_room();
        if is_waiting_room && matches!(command, "HELP" | "HELPOP" | "INFO" | "MOTD") {
            self.add_hints(replies);
            return;
        }
        let text = if is_waiting_room {
            "You need an account first; HELP shows how to register or sign in"
        } else {
            "Complete the handshake first: send NICK and USER"
        };
        replies.numeric(numeric::ERR_NOTREGISTERED, &[text]);
    }

    /// Refuses the nick, if there is one, so that the client has to choose another.
    fn reject_nick(&mut self, replies: &mut Replies, code: &str, text: &str) {
        if let Some(nick) = self.nick.take() {
            replies.set_nick("*");
            replies.numeric(code, &[nick.as_str(), text]);
        }
    }

    /// Creates an empty reply to the client.
    fn replies(&self, label: Option<String>) -> Replies {
        let nick = self.nick.as_ref().map_or("*", Nick::as_str);
        Replies::new(self.accounts.server_name(), nick, label)
    }
}

fn stay(replies: Vec<Message>) -> Step {
    Step {
        replies,
        next: Next::Stay,
    }
}

fn admit(replies: Replies, candidate: Box<Candidate>) -> Step {
    Step {
        replies: replies.finish(),
        next: Next::Admit(candidate),
    }
}

fn close(reason: &str) -> Step {
    Step {
        replies: Vec::new(),
        next: Next::Close(reason.to_owned()),
    }
}

/// Removes from a user name what may not stand before the `@` of a mask. Returns `user` if nothing
/// is left.
fn clean_username(text: &str) -> String {
    let clean: String = text
        .chars()
        .filter(|char| !char.is_control() && !char.is_whitespace() && !"!@*?:".contains(*char))
        .collect();
    let clean = cut(&clean, MAX_USERNAME);
    if clean.is_empty() {
        "user".to_owned()
    } else {
        clean
    }
}

/// Returns the longest prefix of `text` of at most `bytes` bytes, cut between characters.
fn cut(text: &str, bytes: usize) -> String {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    text[..end].to_owned()
}
