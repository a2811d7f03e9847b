//! Splits a stream of bytes into lines of bounded length, and reports every line that is dropped.

/// The maximum length of a message in bytes, without its tags and with its line end (Modern IRC).
pub const MAX_LINE: usize = 512;
/// The maximum length in bytes of the tags that a client sends, including the `@` and the space
/// (IRCv3 message-tags).
pub const MAX_CLIENT_TAGS: usize = 4096;
/// The maximum length in bytes of the tags that a server sends, including the `@` and the space
/// (IRCv3 message-tags).
pub const MAX_TAGS: usize = 8191;

/// Whether the byte ends a line. Lines end in CR LF; a CR or LF alone is accepted as well (RFC 1459
/// §8), and the empty line between the two is ignored.
pub fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// A line read from the stream, or the reason why it was dropped.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A complete line without its line end; never empty.
    Text(&'a str),
    /// A line that exceeded the maximum length and was dropped. Holds its tags, with the `@`, if
    /// they are complete and UTF-8.
    TooLong(Option<String>),
    /// A line that is not UTF-8 and was dropped. Holds its text with invalid bytes replaced by
    /// U+FFFD.
    NotUtf8(String),
}

/// Collects bytes until they form lines. Allocates only while a line is incomplete.
#[derive(Debug)]
pub struct LineFramer {
    partial: Vec<u8>,
    skipping: bool,
    max_tags: usize,
}

impl LineFramer {
    /// Creates a framer for lines whose tags take up to `max_tags` bytes.
    pub fn new(max_tags: usize) -> Self {
        Self {
            partial: Vec::new(),
            skipping: false,
            max_tags,
        }
    }

    /// Appends bytes read from the stream, and calls `each` for every line they complete, in order.
    ///
    /// A line that is too long is reported once, as soon as the maximum is exceeded; the rest of it
    /// is skipped.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = bytes.iter().position(|&byte| is_line_end(byte)) {
            let (head, tail) = (&bytes[..end], &bytes[end + 1..]);
            bytes = tail;
            if self.skipping {
                self.skipping = false;
            } else if self.partial.is_empty() {
                emit(head, self.max_tags, &mut each);
            } else {
                let mut line = std::mem::take(&mut self.partial);
                line.extend_from_slice(head);
                emit(&line, self.max_tags, &mut each);
            }
        }
        if self.skipping || bytes.is_empty() {
            return;
        }
        self.partial.extend_from_slice(bytes);
        if self.partial.len() > self.max_tags + MAX_LINE {
            let tags = whole_tags(&self.partial, self.max_tags);
            self.partial = Vec::new();
            self.skipping = true;
            each(Line::TooLong(tags));
        }
    }
}

/// Returns the length of a line's tags, with the `@` and the space.
fn tags_length(line: &[u8]) -> usize {
    match line {
        [b'@', ..] => line
            .iter()
            .position(|&byte| byte == b' ')
            .map_or(line.len(), |space| space + 1),
        _ => 0,
    }
}

/// Returns the tags at the beginning of a line that is too long, unless they are too long as well.
fn whole_tags(line: &[u8], max_tags: usize) -> Option<String> {
    let length = tags_length(line);
    let tags = line[..length].strip_suffix(b" ")?;
    let tags = std::str::from_utf8(tags).ok()?;
    (length <= max_tags).then(|| tags.to_owned())
}

fn emit(line: &[u8], max_tags: usize, each: &mut impl FnMut(Line<'_>)) {
    if line.is_empty() {
        return;
    }
    let tags = tags_length(line);
    if tags > max_tags || line.len() - tags > MAX_LINE - 2 {
        return each(Line::TooLong(whole_tags(line, max_tags)));
    }
    match std::str::from_utf8(line) {
        Ok(text) => each(Line::Text(text)),
        Err(_) => each(Line::NotUtf8(String::from_utf8_lossy(line).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(framer: &mut LineFramer, bytes: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        framer.push(bytes, |line| {
            out.push(match line {
                Line::Text(text) => text.to_owned(),
                other => format!("{other:?}"),
            });
        });
        out
    }

    #[test]
    fn a_line_that_arrives_in_pieces_is_joined() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        assert!(lines(&mut framer, b"PI").is_empty());
        assert_eq!(
            lines(&mut framer, b"NG a\r\n\r\nPING b\nPING"),
            ["PING a", "PING b"]
        );
        assert_eq!(lines(&mut framer, b" c\r\n"), ["PING c"]);
    }

    #[test]
    fn a_line_may_end_in_cr_or_lf_alone() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        assert_eq!(
            lines(&mut framer, b"NICK a\rUSER a\nPING b\r\nPING c\r"),
            ["NICK a", "USER a", "PING b", "PING c"]
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_reported_once_and_the_next_is_read() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        let mut input = vec![b'x'; 511];
        input.extend_from_slice(b"\r\nPING a\r\n");
        assert_eq!(lines(&mut framer, &input), ["TooLong(None)", "PING a"]);
        for _ in 0..4 {
            let reported = lines(&mut framer, &[b'y'; 4000]);
            assert!(reported.len() <= 1, "{reported:?}");
        }
        assert_eq!(
            lines(&mut framer, b"still the same line\r\nPING b\r\n"),
            ["PING b"]
        );
    }

    #[test]
    fn a_line_of_exactly_the_maximum_length_is_accepted() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        let mut input = vec![b'x'; 510];
        input.extend_from_slice(b"\r\n");
        assert_eq!(
            lines(&mut framer, &input).first().map(String::len),
            Some(510)
        );
    }

    #[test]
    fn tags_and_message_have_separate_limits() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        let tags = "a".repeat(MAX_CLIENT_TAGS - 2);
        assert_eq!(
            lines(&mut framer, format!("@{tags} PING a\r\n").as_bytes()).len(),
            1
        );
        assert_eq!(
            lines(&mut framer, format!("@{tags}a PING a\r\n").as_bytes()),
            ["TooLong(None)"]
        );
    }

    #[test]
    fn the_tags_of_a_line_that_is_too_long_are_reported() {
        let long = format!("@label=1 PRIVMSG #a :{}", "x".repeat(MAX_LINE));
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        let whole = lines(&mut framer, format!("{long}\r\n").as_bytes());
        assert_eq!(whole, ["TooLong(Some(\"@label=1\"))"]);
        let longer = long + &"x".repeat(MAX_CLIENT_TAGS);
        let in_part = lines(&mut framer, longer.as_bytes());
        assert_eq!(in_part, ["TooLong(Some(\"@label=1\"))"]);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_reported() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        assert_eq!(
            lines(&mut framer, b"PRIVMSG #a :\xff\xfe\r\nPING a\r\n"),
            ["NotUtf8(\"PRIVMSG #a :\u{fffd}\u{fffd}\")", "PING a"]
        );
    }
}
