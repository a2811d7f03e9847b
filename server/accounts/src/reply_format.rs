//! The replies to one command, in the formats of IRC and IRCv3.
//!
//! Handlers push replies in order; [`Replies::finish`] makes one labeled response of them (IRCv3
//! labeled-response): an `ACK` if there are none, the labeled reply itself if there is one, a
//! labeled batch otherwise. The creator of the collection decides whether the client may have a
//! label.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rookery_protocol::{Message, numeric};

use super::sasl;
pub use rookery_chat::line::word;

use rookery_chat::event::Identity;

/// The reference of the batch around several replies. The batch closes before any other line is
/// sent, and the core's references have another form, so one reference is enough.
const BATCH: &str = "answer-0";

/// Collects the replies to one command and labels them.
pub struct Replies {
    server: String,
    nick: String,
    label: Option<String>,
    /// The type of the batch that the replies form whether or not there is a label.
    batch: Option<&'static str>,
    messages: Vec<Message>,
}

impl Replies {
    /// Creates an empty collection from `server` to a client addressed as `nick` (`*` for one
    /// without a nick), with the label of the command, if it had one.
    pub fn new(server: impl Into<String>, nick: impl Into<String>, label: Option<String>) -> Self {
        Self {
            server: server.into(),
            nick: nick.into(),
            label,
            batch: None,
            messages: Vec::new(),
        }
    }

    /// Returns how the client is addressed.
    pub fn nick(&self) -> &str {
        &self.nick
    }

    /// Sets how the client is addressed from the next reply on.
    pub fn set_nick(&mut self, nick: &str) {
        nick.clone_into(&mut self.nick);
    }

    /// Returns the replies so far, without label or batch.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Adds a message that was built elsewhere.
    pub fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Adds `command` with `params`.
    pub fn command(&mut self, command: &str, params: &[&str]) {
        let params = params.iter().copied();
        self.push(Message::new(command, params).from_source(self.server.as_str()));
    }

    /// Adds a numeric reply; the nick comes before `params`.
    pub fn numeric(&mut self, code: &str, params: &[&str]) {
        let params: Vec<&str> = std::iter::once(self.nick.as_str())
            .chain(params.iter().copied())
            .collect();
        let message = Message::new(code, params).from_source(self.server.as_str());
        self.push(message);
    }

    /// Adds a `NOTICE` to the client.
    pub fn notice(&mut self, text: &str) {
        let message = Message::new("NOTICE", [self.nick.as_str(), text]);
        self.push(message.from_source(self.server.as_str()));
    }

    /// Adds a `FAIL` (IRCv3 standard replies): `command` was refused.
    pub fn fail(&mut self, command: &str, code: &str, context: &str, text: &str) {
        self.command("FAIL", &[command, code, context, text]);
    }

    /// Adds `PONG` with `token`.
    pub fn pong(&mut self, token: &str) {
        let server = self.server.clone();
        self.command("PONG", &[&server, token]);
    }

    /// Adds numeric 900: the session is now signed in as `identity`.
    pub fn logged_in(&mut self, identity: &Identity) {
        let mask = if self.nick == "*" {
            "*".to_owned()
        } else {
            format!("{}!*@*", self.nick)
        };
        let name = identity.name.as_str();
        self.numeric(
            numeric::RPL_LOGGEDIN,
            &[&mask, name, &format!("You are now logged in as {name}")],
        );
    }

    /// Adds `payload` as `AUTHENTICATE` messages, in as many chunks as IRCv3 sasl requires.
    pub fn sasl_data(&mut self, payload: &[u8]) {
        let text = STANDARD.encode(payload);
        let chunks = text
            .as_bytes()
            .chunks(sasl::CHUNK)
            .filter_map(|chunk| std::str::from_utf8(chunk).ok());
        // The receiver expects another chunk after one of full length.
        let end = text.len().is_multiple_of(sasl::CHUNK).then_some("+");
        for chunk in chunks.chain(end) {
            self.command("AUTHENTICATE", &[chunk]);
        }
    }

    /// Adds numeric 461: `command` had too few parameters.
    pub fn need_more_params(&mut self, command: &str) {
        self.numeric(
            numeric::ERR_NEEDMOREPARAMS,
            &[command, "Not enough parameters"],
        );
    }

    /// Puts all replies in one batch of type `kind`, labeled or not.
    pub fn set_batch(&mut self, kind: &'static str) {
        self.batch = Some(kind);
    }

    /// Returns the finished messages, labeled if the command had a label.
    pub fn finish(mut self) -> Vec<Message> {
        if self.label.is_some() && self.messages.is_empty() {
            self.messages
                .push(Message::new("ACK", [""; 0]).from_source(self.server.as_str()));
        }
        let is_response = self.label.is_some() && self.messages.len() > 1;
        if let Some(kind) = self.batch.or(is_response.then_some("labeled-response")) {
            self.wrap(kind);
        }
        if let (Some(label), Some(first)) = (self.label, self.messages.first_mut()) {
            first.tags.set("label", label);
        }
        self.messages
    }

    fn wrap(&mut self, kind: &str) {
        for message in &mut self.messages {
            message.tags.set("batch", BATCH);
        }
        let start = Message::new("BATCH", [&format!("+{BATCH}"), kind]);
        let end = Message::new("BATCH", [&format!("-{BATCH}")]);
        self.messages
            .insert(0, start.from_source(self.server.as_str()));
        self.messages.push(end.from_source(self.server.as_str()));
    }
}
