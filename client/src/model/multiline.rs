//! Multi-line messages (IRCv3 `draft/multiline`): arranges text in batches for the server, and
//! joins the lines of a batch from it.
//!
//! A text has a line feed between its lines. On the wire, each line is a message of its own; one
//! that is too long is continued by messages with the tag [`CONCAT`].

use rookery_protocol::Message;

use crate::text;

/// The type of the batch, and the beginning of the capability with its limits.
pub const BATCH_TYPE: &str = "draft/multiline";
/// The tag of a message that continues the line before it.
const CONCAT: &str = "draft/multiline-concat";
/// The name of each batch that is sent. Only one is open at a time.
const NAME: &str = "lines";

/// The server's limits of one multi-line message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes, a line feed between lines included.
    max_bytes: usize,
    /// The most messages in a batch.
    max_lines: usize,
}

impl Limits {
    /// Parses the capability in a list of `CAP LS`; `None` if it is not there, or without its
    /// limit of bytes.
    pub fn parse(list: &str) -> Option<Self> {
        let offered = |item| match str::split_once(item, '=') {
            Some((BATCH_TYPE, value)) => Some(value),
            _ => None,
        };
        let value = list.split_ascii_whitespace().find_map(offered)?;
        let number = |key: &str| {
            value
                .split(',')
                .find_map(|item| item.strip_prefix(key)?.parse().ok())
        };
        Some(Self {
            max_bytes: number("max-bytes=")?,
            max_lines: number("max-lines=").unwrap_or(usize::MAX),
        })
    }
}

/// A part of a line that fits one message.
#[derive(Clone, Copy, Debug)]
struct Piece<'t> {
    text: &'t str,
    /// Whether it continues the line before it.
    continues: bool,
}

/// Messages to be sent together, of which the first has the tags of the whole, and their text.
#[derive(Debug)]
pub struct Outgoing {
    /// The first message.
    pub first: Message,
    /// The others.
    pub rest: Vec<Message>,
    /// The text in them.
    pub text: String,
}

/// Arranges `text` in as few messages to `target` as the limits allow, whose lines have at most
/// `line_limit` bytes.
pub fn arrange(target: &str, text: &str, line_limit: usize, limits: Limits) -> Vec<Outgoing> {
    let lines = text.split('\n').flat_map(|line| {
        let pieces = text::split_whole(line, line_limit).into_iter();
        pieces.enumerate().map(|(number, text)| Piece {
            text,
            continues: number > 0,
        })
    });
    let mut messages: Vec<Vec<Piece<'_>>> = Vec::new();
    let mut bytes = 0;
    for piece in lines {
        let added = piece.text.len() + usize::from(!piece.continues);
        match messages.last_mut() {
            Some(message)
                if message.len() < limits.max_lines && bytes + added <= limits.max_bytes =>
            {
                message.push(piece);
                bytes += added;
            }
            // A message does not begin with blank lines, since it could consist of nothing else.
            _ if piece.text.trim().is_empty() => {}
            _ => {
                messages.push(vec![Piece {
                    continues: false,
                    ..piece
                }]);
                bytes = piece.text.len();
            }
        }
    }
    messages
        .iter()
        .map(|pieces| outgoing(target, pieces))
        .collect()
}

fn outgoing(target: &str, pieces: &[Piece<'_>]) -> Outgoing {
    let line = |piece: &Piece<'_>| Message::new("PRIVMSG", [target, piece.text]);
    if let [only] = pieces {
        return Outgoing {
            first: line(only),
            rest: Vec::new(),
            text: only.text.to_owned(),
        };
    }
    let mut text = String::new();
    let mut rest = Vec::with_capacity(pieces.len() + 1);
    for (number, piece) in pieces.iter().enumerate() {
        let mut message = line(piece);
        message.tags.set("batch", NAME);
        if piece.continues {
            message.tags.set(CONCAT, "");
        } else if number > 0 {
            text.push('\n');
        }
        text.push_str(piece.text);
        rest.push(message);
    }
    rest.push(Message::new("BATCH", [format!("-{NAME}")]));
    let open = format!("+{NAME}");
    Outgoing {
        first: Message::new("BATCH", [open.as_str(), BATCH_TYPE, target]),
        rest,
        text,
    }
}

/// Joins the messages of a batch into one, which has the tags of the message that opened the batch.
/// Returns `None` if there are none.
pub fn join(opening: &Message, lines: &[Message]) -> Option<Message> {
    let first = lines.first()?;
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        if number > 0 && line.tags.get(CONCAT).is_none() {
            text.push('\n');
        }
        text.push_str(line.param(1).unwrap_or_default());
    }
    let target = first.param(0).unwrap_or_default();
    let mut whole = Message::new(&first.command, [target, &text]);
    whole.source.clone_from(&first.source);
    whole.tags = opening.tags.clone();
    Some(whole)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_bytes: 40,
        max_lines: 4,
    };

    /// Returns the lines that are sent, and checks that nothing is lost.
    fn sent(text: &str, line_limit: usize) -> Vec<Vec<String>> {
        let arranged = arrange("#x", text, line_limit, LIMITS);
        let words = |text: &str| text.split_whitespace().collect::<String>();
        let whole: String = arranged.iter().map(|one| words(&one.text)).collect();
        assert_eq!(whole, words(text));
        for Outgoing { first, rest, text } in &arranged {
            assert!(text.len() <= LIMITS.max_bytes && rest.len() <= LIMITS.max_lines + 1);
            if let Some((_, lines)) = rest.split_last() {
                let whole = join(first, lines).unwrap();
                assert_eq!(whole.params, ["#x", text], "it is read as it was sent");
            }
        }
        arranged
            .into_iter()
            .map(|one| {
                std::iter::once(one.first)
                    .chain(one.rest)
                    .map(|message| message.to_string())
                    .collect()
            })
            .collect()
    }

    #[test]
    fn several_lines_are_one_batch_and_one_line_is_none() {
        assert_eq!(sent("one", 10), [["PRIVMSG #x :one"]]);
        assert_eq!(sent("\n one\n\n", 10).len(), 1);
        assert_eq!(
            sent("one\n\ntwo three four", 10),
            [[
                "BATCH +lines draft/multiline #x",
                "@batch=lines PRIVMSG #x :one",
                "@batch=lines PRIVMSG #x :",
                "@batch=lines PRIVMSG #x :two three ",
                "@batch=lines;draft/multiline-concat PRIVMSG #x :four",
                "BATCH -lines",
            ]]
        );
    }

    #[test]
    fn what_exceeds_the_limits_is_in_further_messages() {
        assert_eq!(sent("a\nb\nc\nd\ne", 10).len(), 2, "lines");
        assert_eq!(sent(&"word ".repeat(20), 30).len(), 3, "bytes");
        assert_eq!(sent("a\nb\nc\nd\n\n\n\n\n\n\n", 10).len(), 1, "blank lines");
        sent(&"🦜".repeat(90), 10);
    }

    #[test]
    fn limits_are_read_from_the_capability() {
        let list = "batch draft/multiline=max-bytes=40,max-lines=4 sasl=PLAIN";
        assert_eq!(Limits::parse(list), Some(LIMITS));
        assert_eq!(
            Limits::parse("draft/multiline=max-bytes=40"),
            Some(Limits {
                max_lines: usize::MAX,
                ..LIMITS
            })
        );
        assert_eq!(Limits::parse("draft/multiline batch"), None);
    }
}
