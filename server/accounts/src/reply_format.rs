//! The forms in which a sign-in answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rookery_protocol::{Message, numeric};

use super::sasl;
pub use rookery_chat::line::word;

use rookery_chat::event::Identity;

/// The name of a batch that is closed as soon as it is open; the core's own have none like it.
const BATCH: &str = "answer-0";

/// What the client is addressed by, and who speaks.
pub struct Voice<'a> {
    pub server: String,
    /// `*` for a client without a nick.
    pub nick: &'a str,
}

impl Voice<'_> {
    /// A numeric reply.
    pub fn numeric(&self, code: &str, params: &[&str]) -> Message {
        let params = std::iter::once(self.nick).chain(params.iter().copied());
        Message::new(code, params).from_source(self.server.as_str())
    }

    /// Something that has no reply of its own.
    pub fn notice(&self, text: &str) -> Message {
        Message::new("NOTICE", [self.nick, text]).from_source(self.server.as_str())
    }

    /// Any command of ours.
    pub fn say(&self, command: &str, params: &[&str]) -> Message {
        Message::new(command, params.iter().copied()).from_source(self.server.as_str())
    }

    /// Refuses `command` (IRCv3 standard replies).
    pub fn fail(&self, command: &str, code: &str, context: &str, text: &str) -> Message {
        self.say("FAIL", &[command, code, context, text])
    }

    /// From now on the session is `identity`.
    pub fn logged_in(&self, identity: &Identity) -> Message {
        let mask = if self.nick == "*" {
            "*".to_owned()
        } else {
            format!("{}!*@*", self.nick)
        };
        let name = identity.name.as_str();
        self.numeric(
            numeric::RPL_LOGGEDIN,
            &[&mask, name, &format!("You are now logged in as {name}")],
        )
    }

    /// What the mechanism has the server say, in as many chunks as it takes.
    pub fn challenge(&self, payload: &[u8]) -> Vec<Message> {
        let text = STANDARD.encode(payload);
        let chunks = text
            .as_bytes()
            .chunks(sasl::CHUNK)
            .filter_map(|chunk| std::str::from_utf8(chunk).ok());
        // A chunk of full length is followed by another.
        let end = text.len().is_multiple_of(sasl::CHUNK).then_some("+");
        chunks
            .chain(end)
            .map(|chunk| self.say("AUTHENTICATE", &[chunk]))
            .collect()
    }

    /// Too few parameters.
    pub fn need_more_params(&self, command: &str) -> Message {
        self.numeric(
            numeric::ERR_NEEDMOREPARAMS,
            &[command, "Not enough parameters"],
        )
    }
}

/// The replies as one answer to a command with that label: an acknowledgement, the one reply there
/// is, or a batch.
pub fn labelled(mut replies: Vec<Message>, label: Option<String>, server: &str) -> Vec<Message> {
    let Some(label) = label else { return replies };
    match replies.as_slice() {
        [] => replies.push(Message::new("ACK", [""; 0]).from_source(server)),
        // One reply, or several that are a batch already.
        [first, ..] if replies.len() == 1 || first.command == "BATCH" => {}
        _ => replies = batch(replies, "labeled-response", server),
    }
    replies[0].tags.set("label", label);
    replies
}

/// The messages as one batch of that kind.
pub fn batch(messages: Vec<Message>, kind: &str, server: &str) -> Vec<Message> {
    let edge = |params: &[&str]| Message::new("BATCH", params.iter().copied()).from_source(server);
    let mut whole = vec![edge(&[&format!("+{BATCH}"), kind])];
    whole.extend(messages.into_iter().map(|mut message| {
        message.tags.set("batch", BATCH);
        message
    }));
    whole.push(edge(&[&format!("-{BATCH}")]));
    whole
}
