//! A session before it is admitted: the IRC handshake, and the waiting room where an account is
//! required.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{Capabilities, Capability, Message, Nick, numeric};

use super::replies::{self, Voice, labelled, word};
use super::sign_in::{self, SignIn};
use super::{Accounts, Peer};
use rookery_chat::AwayState;
use rookery_chat::event::{Candidate, LineFault};
use rookery_chat::{away, capabilities, isupport, labels};
use rookery_engine::settings;

/// The most bytes of a user name; longer ones are cut.
const MAX_USERNAME: usize = 20;
/// The most bytes of a real name; longer ones are cut.
const MAX_REALNAME: usize = 200;
/// First words of someone who takes this for a web server: a browser that was tricked into talking
/// to us.
const HTTP_METHODS: [&str; 9] = [
    "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE",
];

/// One session that is not admitted yet.
pub struct Handshake {
    accounts: Arc<Accounts>,
    peer: Peer,
    sign_in: SignIn,
    has_spoken: bool,
    nick: Option<Nick>,
    user: Option<User>,
    capabilities: Capabilities,
    away_state: AwayState,
    /// `CAP LS` or `CAP REQ` was sent, and `CAP END` not yet.
    is_negotiating: bool,
    is_waiting_room: bool,
}

/// What `USER` said.
struct User {
    username: String,
    realname: String,
}

/// What follows from a message.
#[derive(Debug)]
pub struct Step {
    /// What the client is told first.
    pub replies: Vec<Message>,
    pub next: Next,
}

/// Where the session goes from here.
#[derive(Debug)]
pub enum Next {
    Stay,
    /// Ask the core.
    Admit(Box<Candidate>),
    /// Send `ERROR` with that text and close.
    Close(String),
}

impl Handshake {
    /// A session that has just finished its TLS handshake.
    pub fn new(accounts: Arc<Accounts>, peer: Peer) -> Self {
        let sign_in = SignIn::new(Arc::clone(&accounts), peer.clone(), false, None);
        Self {
            accounts,
            peer,
            sign_in,
            has_spoken: false,
            nick: None,
            user: None,
            capabilities: Capabilities::NONE,
            away_state: AwayState::Here,
            is_negotiating: false,
            is_waiting_room: false,
        }
    }

    /// Takes one message. May wait: for a hash, for the record.
    pub async fn take(&mut self, now: Timestamp, message: Message) -> Step {
        let is_first = !std::mem::replace(&mut self.has_spoken, true);
        if is_first && HTTP_METHODS.contains(&message.command.as_str()) {
            return close("This port speaks IRC, and no HTTP: there are no web pages here");
        }
        let label = labels::of(&message, self.capabilities).map(str::to_owned);
        let mut replies = match message.command.as_str() {
            "CAP" => self.cap(&message),
            "NICK" => self.set_nick(&message),
            "USER" => self.set_user(&message),
            "PING" => self.pong(&message),
            "AWAY" if self.capabilities.has(Capability::PreAway) => self.set_attendance(&message),
            "ISUPPORT" if self.capabilities.has(Capability::ExtendedIsupport) => self.isupport(),
            // There is no password for the server; one sent by habit does no harm.
            "PASS" | "PONG" => Vec::new(),
            "QUIT" => {
                let words = message.param(0).unwrap_or_default();
                return close(&if words.is_empty() {
                    "Quit".to_owned()
                } else {
                    format!("Quit: {words}")
                });
            }
            command if sign_in::COMMANDS.contains(&command) => {
                let nick = self.address();
                let mut replies = Box::pin(self.sign_in.take(now, &nick, message)).await.0;
                replies.extend(self.what_comes_next(&replies));
                replies
            }
            command => self.refuse(command),
        };
        replies = labelled(replies, label, &self.accounts.server_name());
        let (more, next) = Box::pin(self.proceed()).await;
        replies.extend(more);
        Step { replies, next }
    }

    /// A line that is no message.
    pub fn take_fault(&mut self, fault: &LineFault) -> Vec<Message> {
        self.has_spoken = true;
        let message = match fault {
            LineFault::NotUtf8(message) => message.as_deref(),
            LineFault::TooLong | LineFault::Malformed => None,
        };
        let reply = self.with_voice(|voice| match fault {
            LineFault::TooLong => voice.numeric(
                numeric::ERR_INPUTTOOLONG,
                &["The line was too long, and is ignored"],
            ),
            LineFault::NotUtf8(_) => {
                let command = message.map_or("*", |message| message.command.as_str());
                voice.say(
                    "FAIL",
                    &[
                        command,
                        "INVALID_UTF8",
                        "The line was not UTF-8, and is ignored",
                    ],
                )
            }
            LineFault::Malformed => voice.numeric(
                numeric::ERR_UNKNOWNCOMMAND,
                &["*", "The line holds no command"],
            ),
        });
        let label = message.and_then(|message| labels::of(message, self.capabilities));
        labelled(
            vec![reply],
            label.map(str::to_owned),
            &self.accounts.server_name(),
        )
    }

    /// The core found another user under the nick: the client is told, and may choose another.
    pub fn nick_in_use(&mut self) -> Vec<Message> {
        self.give_up_nick("Someone has that nick already; choose another")
    }

    /// Waits for news of mails on their way; for ever if there are none. Nothing is lost when it is
    /// dropped half-way.
    pub async fn news(&mut self) -> Vec<Message> {
        self.sign_in.news().await
    }

    /// Whether the IRC handshake is over and only the sign-in is missing.
    pub fn is_waiting_room(&self) -> bool {
        self.is_waiting_room
    }

    /// Goes on if all is there that is needed.
    async fn proceed(&mut self) -> (Vec<Message>, Next) {
        let (Some(nick), Some(user), false) = (&self.nick, &self.user, self.is_negotiating) else {
            return (Vec::new(), Next::Stay);
        };
        let identity = self.sign_in.identity().cloned();
        let own = identity.as_ref().map(|identity| identity.name.clone());
        let config = self.accounts.config.get();
        let candidate = Box::new(Candidate {
            nick: nick.clone(),
            username: user.username.clone(),
            realname: user.realname.clone(),
            identity,
            capabilities: self.capabilities,
            away_state: self.away_state.clone(),
            address: self.peer.address,
            tls: self.peer.tls.clone(),
        });
        if own.is_some() && !config.accounts.free_nicks {
            return (Vec::new(), Next::Admit(candidate));
        }
        if own.is_none() && config.accounts.required {
            return (self.enter_waiting_room(), Next::Stay);
        }
        let mut replies = self.break_off_sasl();
        match self.accounts.is_reserved(&candidate.nick, own.as_ref()).await {
            Ok(false) => return (replies, Next::Admit(candidate)),
            Ok(true) => replies.extend(self.give_up_nick(
                "That is the name of another's account, or looks like one; sign in if it is yours, or choose another",
            )),
            Err(error) => {
                tracing::error!(%error, "a nick could not be checked");
                replies.extend(self.give_up_nick("The nick could not be checked just now; try again later"));
            }
        }
        (replies, Next::Stay)
    }

    /// Tells once how to get further.
    fn enter_waiting_room(&mut self) -> Vec<Message> {
        if std::mem::replace(&mut self.is_waiting_room, true) {
            return Vec::new();
        }
        let mut replies = self.break_off_sasl();
        if self.capabilities.has(Capability::StandardReplies)
            || self.capabilities.has(Capability::AccountRegistration)
        {
            replies.push(self.with_voice(|voice| {
                voice.say(
                    "FAIL",
                    &["*", "ACCOUNT_REQUIRED", "You need an account to come in"],
                )
            }));
        }
        replies.extend(self.hints());
        replies
    }

    /// A client that does not know the answer to `REGISTER` calls it an error, so its person is
    /// told by a notice too.
    fn what_comes_next(&self, replies: &[Message]) -> Option<Message> {
        let asked = replies
            .iter()
            .find(|reply| reply.param(0) == Some("VERIFICATION_REQUIRED"))?;
        let knows = self.capabilities.has(Capability::AccountRegistration);
        (!knows).then(|| {
            self.with_voice(|voice| voice.notice(asked.params.last().map_or("", String::as_str)))
        })
    }

    /// The handshake was ended in the middle of an exchange.
    fn break_off_sasl(&mut self) -> Vec<Message> {
        if !self.sign_in.abort() {
            return Vec::new();
        }
        let text = "SASL authentication aborted: the handshake was ended before it was done";
        vec![self.with_voice(|voice| voice.numeric(numeric::ERR_SASLABORTED, &[text]))]
    }

    /// How to register or sign in from here.
    fn hints(&self) -> Vec<Message> {
        let config = self.accounts.config.get();
        let nick = self.address();
        let name = if nick == "*" { "NAME" } else { &nick };
        let mut lines = vec![format!(
            "Welcome to {}. You need an account to come in.",
            config.chat.network
        )];
        if config.accounts.open {
            lines.push(
                "New here? Choose a name and a password, and give your email address:".to_owned(),
            );
        } else {
            lines.push(
                "New here? Registration is closed, but for those who were invited by mail:"
                    .to_owned(),
            );
        }
        lines.push(format!(
            "    /quote REGISTER {name} you@example.org PASSWORD"
        ));
        if !config.accounts.open {
            lines.push("Then type in the code of the invitation:".to_owned());
            lines.push(format!("    /quote VERIFY {name} CODE"));
        } else if config.accounts.verify_email {
            lines.push("A code is mailed to you. Type it in:".to_owned());
            lines.push(format!("    /quote VERIFY {name} CODE"));
        }
        lines.push(
            "You have an account? Let your client sign in by SASL PLAIN, and connect again."
                .to_owned(),
        );
        lines.push(
            "The client rook does all of this by itself. HELP shows these lines again.".to_owned(),
        );
        self.with_voice(|voice| lines.iter().map(|line| voice.notice(line)).collect())
    }

    fn cap(&mut self, message: &Message) -> Vec<Message> {
        match message.param(0).map(str::to_ascii_uppercase).as_deref() {
            Some("LS" | "REQ") => self.is_negotiating = true,
            Some("END") => self.is_negotiating = false,
            _ => {}
        }
        let config = self.accounts.config.get();
        let (replies, capabilities) = capabilities::negotiate(
            &config.chat.server_name,
            &self.address(),
            config.capabilities(),
            config.capability_values(),
            self.capabilities,
            message,
        );
        self.capabilities = capabilities;
        replies
    }

    fn set_nick(&mut self, message: &Message) -> Vec<Message> {
        let asked = message.param(0).unwrap_or_default();
        if asked.is_empty() {
            return self.with_voice(|voice| {
                vec![voice.numeric(numeric::ERR_NONICKNAMEGIVEN, &["No nick was given"])]
            });
        }
        match Nick::parse(asked) {
            Ok(nick) => {
                self.nick = Some(nick);
                Vec::new()
            }
            Err(error) => self.with_voice(|voice| {
                let text = format!("Nobody can have that nick: {error}");
                vec![voice.numeric(numeric::ERR_ERRONEUSNICKNAME, &[word(asked), &text])]
            }),
        }
    }

    fn set_user(&mut self, message: &Message) -> Vec<Message> {
        if self.user.is_some() {
            return self.with_voice(|voice| {
                vec![voice.numeric(numeric::ERR_ALREADYREGISTERED, &["USER is sent once only"])]
            });
        }
        let (Some(username), Some(realname)) = (message.param(0), message.param(3)) else {
            return self.with_voice(|voice| vec![voice.need_more_params("USER")]);
        };
        if username.is_empty() || realname.is_empty() {
            return self.with_voice(|voice| vec![voice.need_more_params("USER")]);
        }
        self.user = Some(User {
            username: clean_username(username),
            realname: cut(&realname.replace(char::is_control, ""), MAX_REALNAME),
        });
        Vec::new()
    }

    fn set_attendance(&mut self, message: &Message) -> Vec<Message> {
        self.away_state = away::away_state(message, true);
        let (code, text) = match self.away_state {
            AwayState::Here => (
                numeric::RPL_UNAWAY,
                "You are no longer marked as being away",
            ),
            _ => (numeric::RPL_NOWAWAY, "You have been marked as being away"),
        };
        self.with_voice(|voice| vec![voice.numeric(code, &[text])])
    }

    fn isupport(&self) -> Vec<Message> {
        let settings = settings::of(&self.accounts.config.get());
        let lines = isupport::lines(&settings).map(|mut tokens| {
            tokens.push(isupport::END.to_owned());
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            self.with_voice(|voice| voice.numeric(numeric::RPL_ISUPPORT, &tokens))
        });
        let lines = lines.collect();
        if self.capabilities.has(Capability::Batch) {
            replies::batch(lines, "draft/isupport", &settings.server_name)
        } else {
            lines
        }
    }

    fn pong(&self, message: &Message) -> Vec<Message> {
        self.with_voice(|voice| {
            vec![match message.param(0) {
                Some(token) => voice.say("PONG", &[&voice.server, token]),
                None => voice.need_more_params("PING"),
            }]
        })
    }

    fn refuse(&self, command: &str) -> Vec<Message> {
        if self.is_waiting_room && matches!(command, "HELP" | "HELPOP" | "INFO" | "MOTD") {
            return self.hints();
        }
        let text = if self.is_waiting_room {
            "You need an account first; HELP shows how to register or sign in"
        } else {
            "First comes the handshake: NICK and USER"
        };
        self.with_voice(|voice| vec![voice.numeric(numeric::ERR_NOTREGISTERED, &[text])])
    }

    fn give_up_nick(&mut self, text: &str) -> Vec<Message> {
        let Some(nick) = self.nick.take() else {
            return Vec::new();
        };
        self.with_voice(|voice| {
            vec![voice.numeric(numeric::ERR_NICKNAMEINUSE, &[nick.as_str(), text])]
        })
    }

    /// How the client is addressed.
    fn address(&self) -> String {
        self.nick
            .as_ref()
            .map_or_else(|| "*".to_owned(), ToString::to_string)
    }

    fn with_voice<T>(&self, speak: impl FnOnce(&Voice<'_>) -> T) -> T {
        let nick = self.address();
        speak(&Voice {
            server: self.accounts.server_name(),
            nick: &nick,
        })
    }
}

fn close(reason: &str) -> Step {
    Step {
        replies: Vec::new(),
        next: Next::Close(reason.to_owned()),
    }
}

/// What may stand before the `@` of a mask; `user` if nothing of it may.
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

/// The longest beginning of `text` within `bytes`, whole characters only.
fn cut(text: &str, bytes: usize) -> String {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    text[..end].to_owned()
}
