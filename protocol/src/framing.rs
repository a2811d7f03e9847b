//! Cuts a stream of bytes into lines, with bounds, and tells of every line that cannot be taken.

/// The bytes a message may take without its tags, line end included (Modern IRC).
pub const MAX_LINE: usize = 512;
/// The bytes the tags of a client may take, `@` and the space included (IRCv3 message-tags).
pub const MAX_CLIENT_TAGS: usize = 4096;
/// The bytes all tags together may take on the way to a client (IRCv3 message-tags).
pub const MAX_TAGS: usize = 8191;

/// What came out of the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A whole line without its end; never empty.
    Text(&'a str),
    /// A line past its bound, left out as a whole.
    TooLong,
    /// A line that is not UTF-8, left out. This is what of it can be read, the rest replaced.
    NotUtf8(String),
}

/// Collects bytes until they make lines. Holds no memory between lines.
#[derive(Debug)]
pub struct LineFramer {
    partial: Vec<u8>,
    skipping: bool,
    max_tags: usize,
}

impl LineFramer {
    /// For lines whose tags take up to `max_tags` bytes.
    pub fn new(max_tags: usize) -> Self {
        Self {
            partial: Vec::new(),
            skipping: false,
            max_tags,
        }
    }

    /// Takes what was read and gives each line that is complete with it, in order, to `each`.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
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
            self.partial = Vec::new();
            self.skipping = true;
            each(Line::TooLong);
        }
    }
}

fn emit(line: &[u8], max_tags: usize, each: &mut impl FnMut(Line<'_>)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return;
    }
    let tags = match line {
        [b'@', ..] => line
            .iter()
            .position(|&byte| byte == b' ')
            .map_or(line.len(), |space| space + 1),
        _ => 0,
    };
    if tags > max_tags || line.len() - tags > MAX_LINE - 2 {
        return each(Line::TooLong);
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
    fn joins_what_arrives_in_pieces() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        assert!(lines(&mut framer, b"PI").is_empty());
        assert_eq!(
            lines(&mut framer, b"NG a\r\n\r\nPING b\nPING"),
            ["PING a", "PING b"]
        );
        assert_eq!(lines(&mut framer, b" c\r\n"), ["PING c"]);
    }

    #[test]
    fn an_over_long_line_is_told_once_and_the_next_is_read() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        let mut input = vec![b'x'; 511];
        input.extend_from_slice(b"\r\nPING a\r\n");
        assert_eq!(lines(&mut framer, &input), ["TooLong", "PING a"]);
        for _ in 0..4 {
            let told = lines(&mut framer, &[b'y'; 4000]);
            assert!(told.len() <= 1, "{told:?}");
        }
        assert_eq!(
            lines(&mut framer, b"still the same line\r\nPING b\r\n"),
            ["PING b"]
        );
    }

    #[test]
    fn a_line_that_is_just_within_its_bound_is_taken() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        let mut input = vec![b'x'; 510];
        input.extend_from_slice(b"\r\n");
        assert_eq!(
            lines(&mut framer, &input).first().map(String::len),
            Some(510)
        );
    }

    #[test]
    fn tags_and_message_have_bounds_of_their_own() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        let tags = "a".repeat(MAX_CLIENT_TAGS - 2);
        assert_eq!(
            lines(&mut framer, format!("@{tags} PING a\r\n").as_bytes()).len(),
            1
        );
        assert_eq!(
            lines(&mut framer, format!("@{tags}a PING a\r\n").as_bytes()),
            ["TooLong"]
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_told() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        assert_eq!(
            lines(&mut framer, b"PRIVMSG #a :\xff\xfe\r\nPING a\r\n"),
            ["NotUtf8(\"PRIVMSG #a :\u{fffd}\u{fffd}\")", "PING a"]
        );
    }
}
