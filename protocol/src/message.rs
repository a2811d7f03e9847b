//! IRC messages, parsed from and written to lines (Modern IRC Client Protocol; IRCv3 message-tags).

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// The maximum number of parameters of a message. Any text after them belongs to the last one.
pub const MAX_PARAMS: usize = 15;

/// The maximum number of tags of a message. Any after them are ignored: the specification limits
/// only their length, and thousands of keys of two bytes fit into that.
pub const MAX_TAG_COUNT: usize = 64;

/// An IRC message that owns its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The tags, in their order on the wire.
    pub tags: Tags,
    /// The sender without the leading colon: a server name or `nick!user@host`.
    pub source: Option<String>,
    /// The command in upper case, or a three-digit numeric.
    pub command: String,
    /// The parameters. Only the last may be empty or contain spaces.
    pub params: Vec<String>,
}

/// Message tags with unescaped values, in their order on the wire. If a key is repeated, its last
/// value is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<(String, String)>);

/// The reason why a line is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The line has only spaces, tags or a source.
    #[error("the line has no command")]
    NoCommand,
    /// The command is neither letters and underscores nor three digits. Underscores are accepted
    /// so that an unknown command can be reported by its name.
    #[error("the command is neither a word nor a three-digit number")]
    BadCommand,
    /// The line contains a NUL, CR or LF, which no message may contain.
    #[error("the line contains a NUL, CR or LF")]
    BadByte,
}

impl Message {
    /// Creates a message without source or tags.
    pub fn new<P: Into<String>>(command: &str, params: impl IntoIterator<Item = P>) -> Self {
        Self {
            command: command.to_owned(),
            params: params.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Sets the source.
    #[must_use]
    pub fn from_source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Parses a line without its line end.
    pub fn parse(line: &str) -> Result<Self, ParseError> {
        if line.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            return Err(ParseError::BadByte);
        }
        let mut rest = line.trim_start_matches(' ');
        let mut message = Self::default();
        if let Some(tagged) = rest.strip_prefix('@') {
            let (tags, after) = split_word(tagged);
            message.tags = Tags::parse(tags);
            rest = after;
        }
        if let Some(sourced) = rest.strip_prefix(':') {
            let (source, after) = split_word(sourced);
            message.source = Some(source.to_owned());
            rest = after;
        }
        let (command, mut rest) = split_word(rest);
        if command.is_empty() {
            return Err(ParseError::NoCommand);
        }
        let word = command
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let numeric = command.len() == 3 && command.bytes().all(|byte| byte.is_ascii_digit());
        if !word && !numeric {
            return Err(ParseError::BadCommand);
        }
        message.command = command.to_ascii_uppercase();
        while !rest.is_empty() {
            if let Some(trailing) = rest.strip_prefix(':') {
                message.params.push(trailing.to_owned());
                break;
            }
            if message.params.len() == MAX_PARAMS - 1 {
                message.params.push(rest.to_owned());
                break;
            }
            let (param, after) = split_word(rest);
            message.params.push(param.to_owned());
            rest = after;
        }
        Ok(message)
    }

    /// Returns the parameter at `index`, counted from zero.
    pub fn param(&self, index: usize) -> Option<&str> {
        self.params.get(index).map(String::as_str)
    }

    /// Whether the last parameter is a text, which servers write with a colon even if it is one
    /// word. Some clients look for the colon instead of parsing the parameters.
    fn ends_in_text(&self) -> bool {
        let from_server = self.source.is_some();
        match self.command.as_str() {
            "ERROR" | "FAIL" | "NOTE" | "NOTICE" | "PING" | "PONG" | "PRIVMSG" | "WARN" => true,
            "CAP" => from_server,
            command => from_server && command.bytes().all(|byte| byte.is_ascii_digit()),
        }
    }

    /// Returns the text that begins with the parameter at `index` and ends the message. A text
    /// whose colon was left out has been split into several parameters, which are joined by single
    /// spaces.
    pub fn text(&self, index: usize) -> Option<Cow<'_, str>> {
        match self.params.get(index..)? {
            [] => None,
            [whole] => Some(whole.into()),
            words => Some(words.join(" ").into()),
        }
    }

    /// Returns the nick of the source: the text before the first `!` or `@`.
    pub fn source_nick(&self) -> Option<&str> {
        self.source
            .as_deref()
            .map(|source| source.split(['!', '@']).next().unwrap_or(source))
    }
}

/// Writes the line without its line end. The last parameter gets a colon if it needs one, and where
/// servers customarily write one.
impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.tags.is_empty() {
            write!(out, "@{} ", self.tags)?;
        }
        if let Some(source) = &self.source {
            write!(out, ":{source} ")?;
        }
        out.write_str(&self.command)?;
        for (index, param) in self.params.iter().enumerate() {
            out.write_char(' ')?;
            let last = index + 1 == self.params.len();
            let is_word = !(param.is_empty() || param.starts_with(':') || param.contains(' '));
            if last && (self.ends_in_text() || !is_word) {
                out.write_char(':')?;
            }
            out.write_str(param)?;
        }
        Ok(())
    }
}

impl Tags {
    /// Parses the tags of a message without the leading `@`. Tags with an invalid key are ignored,
    /// as the specification demands, and so are those after the first [`MAX_TAG_COUNT`]. That
    /// bounds the search for repeated keys, and the memory that a line takes.
    pub fn parse(text: &str) -> Self {
        let mut tags = Self::default();
        let items = text.split(';').filter(|item| !item.is_empty());
        for item in items.take(MAX_TAG_COUNT) {
            let (key, value) = item.split_once('=').unwrap_or((item, ""));
            if is_key(key) {
                tags.set(key, unescape(value));
            }
        }
        tags
    }

    /// Returns the value of `key`, which is empty for a tag without a value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Sets `key`, replacing an earlier value.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((key.to_owned(), value.into())),
        }
    }

    /// Iterates over keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Returns the client-only tags (`+typing`, …), which a server relays between clients.
    #[must_use]
    pub fn client_only(&self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(key, _)| key.starts_with('+'))
                .cloned()
                .collect(),
        )
    }

    /// Whether there are no tags.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes the tags with escaped values, without the leading `@`.
impl fmt::Display for Tags {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_char(';')?;
            }
            out.write_str(key)?;
            if !value.is_empty() {
                out.write_char('=')?;
                write_escaped(out, value)?;
            }
        }
        Ok(())
    }
}

fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(' ') {
        Some((word, rest)) => (word, rest.trim_start_matches(' ')),
        None => (text, ""),
    }
}

fn is_key(key: &str) -> bool {
    let name = key.strip_prefix('+').unwrap_or(key);
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'.' | b'_'))
}

fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            text.push(char);
            continue;
        }
        match chars.next() {
            Some(':') => text.push(';'),
            Some('s') => text.push(' '),
            Some('r') => text.push('\r'),
            Some('n') => text.push('\n'),
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
}

/// Writes a tag value in its escaped form (IRCv3 message-tags).
pub fn write_escaped(out: &mut impl fmt::Write, value: &str) -> fmt::Result {
    for char in value.chars() {
        match char {
            ';' => out.write_str("\\:")?,
            ' ' => out.write_str("\\s")?,
            '\\' => out.write_str("\\\\")?,
            '\r' => out.write_str("\\r")?,
            '\n' => out.write_str("\\n")?,
            other => out.write_char(other)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_source_and_trailing_parameter_are_parsed() {
        let message = Message::parse(
            "@+typing=active;time=now\\s\\:\\\\ :alice!a@host  privmsg   #lobby :hi  there ",
        )
        .unwrap();
        assert_eq!(message.tags.get("time"), Some("now ;\\"));
        assert_eq!(
            message.tags.client_only().iter().collect::<Vec<_>>(),
            [("+typing", "active")]
        );
        assert_eq!(message.source_nick(), Some("alice"));
        assert_eq!(message.command, "PRIVMSG");
        assert_eq!(message.params, ["#lobby", "hi  there "]);
    }

    #[test]
    fn the_number_of_tags_is_bounded() {
        let keys: Vec<String> = (0..1365).map(|key| format!("{key:x}")).collect();
        let tags = Tags::parse(&keys.join(";"));
        assert!(
            tags.iter()
                .map(|(key, _)| key)
                .eq(keys.iter().take(MAX_TAG_COUNT))
        );
        let long = format!("+baz={}", "x".repeat(4081 - 5));
        assert_eq!(Tags::parse(&long).to_string(), long);
    }

    #[test]
    fn the_fifteenth_parameter_contains_the_rest_of_the_line() {
        let message = Message::parse("X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17").unwrap();
        assert_eq!(message.params.len(), MAX_PARAMS);
        assert_eq!(message.params[14], "15 16 17");
    }

    #[test]
    fn lines_that_are_not_messages_are_refused() {
        assert_eq!(Message::parse(""), Err(ParseError::NoCommand));
        assert_eq!(Message::parse("   "), Err(ParseError::NoCommand));
        assert_eq!(Message::parse("@a=b"), Err(ParseError::NoCommand));
        assert_eq!(Message::parse(":alice"), Err(ParseError::NoCommand));
        assert_eq!(Message::parse("GET/ now"), Err(ParseError::BadCommand));
        assert_eq!(Message::parse("PING a\0b"), Err(ParseError::BadByte));
    }

    #[test]
    fn texts_have_a_colon_even_if_they_are_one_word() {
        for line in [
            ":server CAP * ACK :sasl",
            ":server CAP alice NAK :sasl",
            ":server 001 alice :Welcome",
            ":server FAIL VERIFY INVALID_CODE :Wrong",
            ":alice!a@host NOTICE bob :hi",
            "ERROR :Closing",
            "PING :token",
        ] {
            assert_eq!(Message::parse(line).unwrap().to_string(), line);
        }
        for line in [
            "CAP REQ sasl",
            ":server AUTHENTICATE +",
            ":alice!a@host JOIN #lobby",
        ] {
            assert_eq!(Message::parse(line).unwrap().to_string(), line);
        }
    }

    #[test]
    fn a_written_message_parses_back_to_itself() {
        let mut message =
            Message::new("PRIVMSG", ["#lobby", ":) two words"]).from_source("bob!b@host");
        message.tags.set("msgid", "a;b c\\d");
        assert_eq!(Message::parse(&message.to_string()).unwrap(), message);
        let empty = Message::new("TOPIC", ["#lobby", ""]);
        assert_eq!(empty.to_string(), "TOPIC #lobby :");
    }
}
