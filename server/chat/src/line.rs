//! Lines to clients. The body is rendered once, the tags once for each relevant set of
//! capabilities.

use bytes::Bytes;
use jiff::Timestamp;
use rookery_protocol::message::write_escaped;
use rookery_protocol::{Capabilities, Capability, Message};

/// The maximum length of a line in bytes, without tags and line ending.
pub const MAX_BODY: usize = rookery_protocol::framing::MAX_LINE - 2;

/// One line without tags.
#[derive(Clone)]
pub struct Line(Vec<u8>);

impl Line {
    /// Starts a line from `source`: the server's name or `nick!user@host`.
    pub fn new(source: &str, command: &str) -> Self {
        let mut line = Self(Vec::with_capacity(160));
        line.0.push(b':');
        line.push(source);
        line.0.push(b' ');
        line.push(command);
        line
    }

    /// Creates the line of a message, without its tags.
    pub fn from_message(message: &Message) -> Self {
        let mut line = Self(Vec::new());
        line.push(
            &Message {
                tags: rookery_protocol::Tags::default(),
                ..message.clone()
            }
            .to_string(),
        );
        line
    }

    /// Creates the `ERROR` line that ends a session.
    pub fn error(text: &str) -> Self {
        let mut line = Self(Vec::with_capacity(64));
        line.push("ERROR");
        line.text(text)
    }

    /// Adds a parameter of one word. It is cut at the first space; an empty word becomes `*`.
    #[must_use]
    pub fn word(mut self, word: &str) -> Self {
        let word = word.trim_start_matches([':', ' ']);
        let word = word.split(' ').next().unwrap_or_default();
        self.0.push(b' ');
        self.push(if word.is_empty() { "*" } else { word });
        self
    }

    /// Adds the last parameter, which may contain anything.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(b" :");
        self.push(text);
        self
    }

    /// Adds the part of another line that [`Self::after`] returned.
    #[must_use]
    pub fn rest(mut self, rest: &str) -> Self {
        self.push(rest);
        self
    }

    /// Returns the part of the line from byte `start` on, as far as the line fits.
    pub fn after(&self, start: usize) -> String {
        String::from_utf8_lossy(self.body().get(start..).unwrap_or_default()).into_owned()
    }

    /// Returns the length so far, in bytes.
    pub fn byte_len(&self) -> usize {
        self.0.len()
    }

    /// Renders the line, with its line ending, for sessions with `capabilities`.
    pub fn render(&self, tags: &Tags<'_>, capabilities: Capabilities) -> Bytes {
        let body = self.body();
        let mut out = String::with_capacity(body.len() + 2 + tags.room(capabilities));
        tags.write(capabilities, &mut out);
        let mut out = out.into_bytes();
        out.extend_from_slice(body);
        out.extend_from_slice(b"\r\n");
        out.into()
    }

    /// Renders the line, with its line ending, without tags.
    pub fn plain(&self) -> Bytes {
        let mut out = self.body().to_vec();
        out.extend_from_slice(b"\r\n");
        out.into()
    }

    /// Returns the part of the line that fits, cut between two characters.
    fn body(&self) -> &[u8] {
        &self.0[..cut(&self.0, MAX_BODY)]
    }

    /// Appends the text, with each character that would end the line replaced by a space.
    fn push(&mut self, text: &str) {
        self.0.extend(text.bytes().map(|byte| {
            if matches!(byte, 0 | b'\r' | b'\n') {
                b' '
            } else {
                byte
            }
        }));
    }
}

/// Returns `text` as a parameter that is not the last: `*` if it is not a single word.
pub fn word(text: &str) -> &str {
    if text.is_empty() || text.starts_with(':') || text.contains(' ') {
        "*"
    } else {
        text
    }
}

/// Returns where to cut UTF-8 so that at most `limit` bytes remain.
fn cut(bytes: &[u8], limit: usize) -> usize {
    if bytes.len() <= limit {
        return bytes.len();
    }
    let mut end = limit;
    while end > 0 && bytes[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    end
}

/// Returns at most `limit` bytes of `text`, cut between two characters.
pub fn truncate(text: &str, limit: usize) -> &str {
    &text[..cut(text.as_bytes(), limit)]
}

/// Splits off at most `limit` bytes of `text`, cut between two characters, but at least one. The
/// rest does not begin with the delimiter of CTCP if that can be avoided: clients would take for a
/// request what the sender put in the middle of a text.
pub fn split(text: &str, limit: usize) -> (&str, &str) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let part = truncate(text, limit.max(first));
    let (part, rest) = text.split_at(part.len());
    if !rest.starts_with(CTCP) {
        return (part, rest);
    }
    let shorter = part.trim_end_matches(CTCP);
    let last = shorter.chars().next_back().map_or(0, char::len_utf8);
    match shorter.len() - last {
        0 => (part, rest),
        end => text.split_at(end),
    }
}

/// The tags of a line. Each session receives those that it has the capabilities for.
#[derive(Clone, Copy, Default)]
pub struct Tags<'a> {
    /// The time at which the line was sent, as in the `time` tag.
    pub time: &'a str,
    /// The account of the line's source.
    pub account: Option<&'a str>,
    /// The id of the message.
    pub msgid: Option<&'a str>,
    /// Client-only tags, escaped.
    pub client: &'a str,
    /// Whether the source is a bot (bot-mode).
    pub bot: bool,
}

impl Tags<'_> {
    /// Returns the capabilities that the rendered tags depend on.
    pub fn relevant(&self) -> Capabilities {
        let mut relevant = Capabilities::of(&[Capability::ServerTime]);
        if self.account.is_some() {
            relevant.insert(Capability::AccountTag);
        }
        if self.msgid.is_some() || !self.client.is_empty() || self.bot {
            relevant.insert(Capability::MessageTags);
        }
        relevant
    }

    /// Estimates the bytes that [`Self::write`] adds.
    fn room(&self, capabilities: Capabilities) -> usize {
        if capabilities == Capabilities::NONE {
            0
        } else {
            128 + self.client.len()
        }
    }

    fn write(&self, capabilities: Capabilities, out: &mut String) {
        let key = |out: &mut String, name: &str| {
            out.push(if out.is_empty() { '@' } else { ';' });
            out.push_str(name);
        };
        if capabilities.has(Capability::ServerTime) {
            key(out, "time=");
            out.push_str(self.time);
        }
        if let Some(account) = self.account
            && capabilities.has(Capability::AccountTag)
        {
            key(out, "account=");
            // Writing to a String cannot fail.
            let _ = write_escaped(out, account);
        }
        if capabilities.has(Capability::MessageTags) {
            if let Some(msgid) = self.msgid {
                key(out, "msgid=");
                out.push_str(msgid);
            }
            if self.bot {
                key(out, "bot");
            }
            if !self.client.is_empty() {
                key(out, self.client);
            }
        }
        if !out.is_empty() {
            out.push(' ');
        }
    }
}

/// Formats a time as in the `time` tag, to the millisecond.
pub fn shown_time(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// The delimiter of CTCP.
pub const CTCP: char = '\u{1}';

/// The prefix of a CTCP `ACTION`.
pub const ACTION: &str = "\u{1}ACTION ";

/// Whether the line is a CTCP request other than `ACTION`. Clients look for one at the start of the
/// text only, so the delimiter after other text has no effect; but within an `ACTION`, where it may
/// not occur, some take what follows it for another request.
pub fn is_ctcp(text: &str) -> bool {
    text.strip_prefix(CTCP).is_some_and(|request| {
        let request = request.strip_suffix(CTCP).unwrap_or(request);
        request.contains(CTCP) || request.split(' ').next() != Some("ACTION")
    })
}

/// Joins the items into lists of at most `room` bytes, with `between` as separator. Each item has
/// two parts, which are not separated.
pub fn fill<'i>(
    items: impl Iterator<Item = [&'i str; 2]>,
    between: char,
    room: usize,
) -> Vec<String> {
    let mut lists = Vec::new();
    let mut list = String::new();
    for [first, second] in items {
        if !list.is_empty() && list.len() + 1 + first.len() + second.len() > room {
            lists.push(std::mem::replace(&mut list, String::with_capacity(room)));
        }
        if !list.is_empty() {
            list.push(between);
        }
        list.push_str(first);
        list.push_str(second);
    }
    if !list.is_empty() {
        lists.push(list);
    }
    lists
}

/// Returns the lines with the tag of the batch. Lines of an inner batch retain its tag.
pub fn within(batch: &str, lines: &[u8]) -> Bytes {
    let tag = format!("batch={batch}");
    let mut marked = Vec::with_capacity(lines.len() + tag.len() + 2);
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b"@batch=") {
            marked.extend_from_slice(line);
        } else {
            marked.extend_from_slice(&mark(line, &tag));
        }
    }
    marked.into()
}

/// Returns the lines with the tag added to the first.
pub fn mark(line: &[u8], tag: &str) -> Bytes {
    let mut marked = Vec::with_capacity(line.len() + tag.len() + 2);
    marked.push(b'@');
    marked.extend_from_slice(tag.as_bytes());
    if let [b'@', rest @ ..] = line {
        marked.push(b';');
        marked.extend_from_slice(rest);
    } else {
        marked.push(b' ');
        marked.extend_from_slice(line);
    }
    marked.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_between_characters_and_never_split_in_two() {
        let line = Line::new("server", "NOTICE")
            .word("alice")
            .text(&"ä".repeat(400))
            .plain();
        assert!(line.len() <= 512 && line.len() >= 510);
        assert!(std::str::from_utf8(&line).is_ok());
        let line = Line::new("server", "NOTICE")
            .word("a b\r\n:x")
            .word("")
            .text("one\r\ntwo\0")
            .plain();
        assert_eq!(&line[..], b":server NOTICE a * :one  two \r\n");
    }

    #[test]
    fn each_session_gets_the_tags_it_can_read() {
        let tags = Tags {
            time: "now",
            account: Some("a;b"),
            msgid: Some("1"),
            client: "+x=y",
            bot: true,
        };
        let render = |capabilities: &[Capability]| {
            let line = Line::new("s", "X").render(&tags, Capabilities::of(capabilities));
            String::from_utf8_lossy(&line).into_owned()
        };
        assert_eq!(render(&[]), ":s X\r\n");
        assert_eq!(
            render(&[Capability::MessageTags]),
            "@msgid=1;bot;+x=y :s X\r\n"
        );
        assert_eq!(
            render(&[Capability::ServerTime, Capability::AccountTag]),
            "@time=now;account=a\\:b :s X\r\n"
        );
    }
}
