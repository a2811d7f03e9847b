//! The forms in which a sign-in answers.

use rookery_protocol::{Message, numeric};

use crate::chat::event::Identity;

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
        let mask = if self.nick == "*" { "*".to_owned() } else { format!("{}!*@*", self.nick) };
        let name = identity.name.as_str();
        self.numeric(numeric::RPL_LOGGEDIN, &[&mask, name, &format!("You are now logged in as {name}")])
    }

    /// Too few parameters.
    pub fn need_more_params(&self, command: &str) -> Message {
        self.numeric(numeric::ERR_NEEDMOREPARAMS, &[command, "Not enough parameters"])
    }
}

/// `text` as a parameter that is not the last: one word, and not mistaken for the last one.
pub fn word(text: &str) -> &str {
    if text.is_empty() || text.starts_with(':') || text.contains(' ') { "*" } else { text }
}
