//! Multi-line messages (IRCv3 `draft/multiline`): how they are stored as one text, and how they
//! look on the wire. Clients with the capability get a batch, the others one message per line.

use bytes::Bytes;
use rookery_protocol::{Capabilities, Capability};

use crate::lengths;
use crate::line::{CTCP, Line, Tags, is_ctcp, mark, split};

/// The capability's name, which is also the type of the batch.
pub const BATCH_TYPE: &str = "draft/multiline";
/// The tag of a line that continues the previous one.
pub const CONCAT: &str = "draft/multiline-concat";
/// The longest run of delimiters of CTCP that may be in the middle of a text. Every line has room
/// for a longer one.
const MAX_CTCP_RUN: usize = 16;
/// The capabilities that change how such a message looks, besides its tags.
const RELEVANT: Capabilities = Capabilities::of(&[Capability::Multiline, Capability::Batch]);

/// Whether a session with those capabilities receives a multi-line message as a batch.
pub fn understands(capabilities: Capabilities) -> bool {
    capabilities.and(RELEVANT) == RELEVANT
}

/// Whether the text has several lines, separated by line feeds or carriage returns.
pub fn is_multiline(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// Returns the lines of a text. A line feed starts a new line, a carriage return continues the
/// previous one.
pub fn lines(text: &str) -> impl Iterator<Item = MultilineLine<'_>> {
    let mut rest = Some((false, text));
    std::iter::from_fn(move || {
        let (continues, text) = rest?;
        let end = text.find(['\n', '\r']);
        rest = end.map(|end| (text.as_bytes()[end] == b'\r', &text[end + 1..]));
        Some(MultilineLine {
            continues,
            text: &text[..end.unwrap_or(text.len())],
        })
    })
}

/// Whether one of the lines of a text is a CTCP request other than `ACTION`, or has a run of
/// delimiters that is so long that the line may have to be split within it: the rest would be a
/// request.
pub fn has_ctcp(text: &str) -> bool {
    let has_long_run = |line: &str| {
        let mut runs = line.split(|char| char != CTCP);
        runs.any(|run| run.len() > MAX_CTCP_RUN)
    };
    lines(text).any(|line| is_ctcp(line.text) || has_long_run(line.text))
}

/// Returns the text with each line of more than `room` bytes split into several that continue it.
/// Nothing is lost, as it would be in the middle of the message.
pub fn wrap_lines(text: &str, room: usize) -> String {
    let mut wrapped = String::with_capacity(text.len());
    for (number, line) in lines(text).enumerate() {
        if number > 0 {
            wrapped.push(line.separator());
        }
        let mut rest = line.text;
        loop {
            let (part, after) = split(rest, room);
            wrapped.push_str(part);
            if after.is_empty() {
                break;
            }
            wrapped.push('\r');
            rest = after;
        }
    }
    wrapped
}

/// One line of a multi-line message.
pub struct MultilineLine<'t> {
    /// Whether it continues the previous line, which was too long.
    pub continues: bool,
    /// The text, without its separator.
    pub text: &'t str,
}

impl MultilineLine<'_> {
    /// Returns the separator before the line.
    pub fn separator(&self) -> char {
        if self.continues { '\r' } else { '\n' }
    }
}

/// The content of a message.
pub enum Content<'a> {
    /// One line.
    One(Line),
    /// Several lines.
    Several(MultilineContent<'a>),
}

impl Content<'_> {
    /// Returns the capabilities that the rendered content depends on.
    pub fn relevant(&self, tags: &Tags<'_>) -> Capabilities {
        match self {
            Self::One(_) => tags.relevant(),
            Self::Several(_) => {
                let mut relevant = tags.relevant();
                for capability in RELEVANT.iter() {
                    relevant.insert(capability);
                }
                relevant
            }
        }
    }

    /// Renders the content for a session with those capabilities.
    pub fn render(&self, tags: &Tags<'_>, capabilities: Capabilities) -> Bytes {
        match self {
            Self::One(line) => line.render(tags, capabilities),
            Self::Several(several) => several.render(tags, capabilities),
        }
    }
}

/// A multi-line message.
pub struct MultilineContent<'a> {
    /// The source of its lines.
    pub source: &'a str,
    /// The channel or nick that it is for.
    pub target: &'a str,
    /// The start of each line: source, command and target.
    pub head: Line,
    /// The text, with its separators.
    pub text: &'a str,
    /// The name of the batch.
    pub batch: &'a str,
}

impl MultilineContent<'_> {
    fn render(&self, tags: &Tags<'_>, capabilities: Capabilities) -> Bytes {
        let Self {
            source,
            target,
            head,
            text,
            batch,
        } = self;
        let mut out = Vec::new();
        if understands(capabilities) {
            let open = Line::new(source, "BATCH")
                .word(&format!("+{batch}"))
                .word(BATCH_TYPE)
                .word(target);
            out.extend(open.render(tags, capabilities));
            for line in lines(text) {
                let concat = if line.continues {
                    format!(";{CONCAT}")
                } else {
                    String::new()
                };
                let tag = format!("batch={batch}{concat}");
                out.extend(mark(&head.clone().text(line.text).plain(), &tag));
            }
            out.extend(
                Line::new(source, "BATCH")
                    .word(&format!("-{batch}"))
                    .plain(),
            );
        } else {
            let mut tags = *tags;
            for line in lines(text).filter(|line| !line.text.is_empty()) {
                out.extend(head.clone().text(line.text).render(&tags, capabilities));
                // Only the first line has the id, so that it stays unique, and long tags, which
                // would be sent many times.
                tags.msgid = None;
                if tags.client.len() > lengths::TAGS_OF_MESSAGE {
                    tags.client = "";
                }
            }
        }
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_into_the_lines_it_was_joined_from() {
        let split = |text: &str| {
            lines(text)
                .map(|line| (line.continues, line.text.to_owned()))
                .collect::<Vec<_>>()
        };
        let line = |continues, text: &str| (continues, text.to_owned());
        assert_eq!(split("one"), [line(false, "one")]);
        assert_eq!(
            split("\na\rb\n"),
            [
                line(false, ""),
                line(false, "a"),
                line(true, "b"),
                line(false, "")
            ]
        );
        assert_eq!(wrap_lines("äää\rbb\n\ncccc", 3), "ä\rä\rä\rbb\n\nccc\rc");
        let request = "abc\u{1}\u{1}PING 1\u{1}";
        assert_eq!(wrap_lines(request, 4), "ab\rc\u{1}\u{1}P\rING \r1\u{1}");
        assert!(is_multiline("a\rb") && !is_multiline("a b"));
    }
}
