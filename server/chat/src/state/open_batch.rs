//! A multi-line message that a client has started to send (IRCv3 `draft/multiline`).

use rookery_protocol::Message;

use crate::lengths;
use crate::multiline::{BATCH_TYPE, CONCAT};

/// A batch that a client has opened.
#[derive(Debug, Default)]
pub struct OpenBatch {
    pub name: String,
    pub target: String,
    /// The label of the reply, escaped.
    pub label: Option<String>,
    /// The client-only tags of the whole message, escaped.
    pub client_tags: String,
    /// `PRIVMSG` or `NOTICE`; empty before the first line.
    pub command: String,
    /// The lines so far, in the form that [`lines`](crate::multiline::lines) parses.
    pub text: String,
    pub lines: usize,
    /// The number of bytes of the message so far.
    pub bytes: usize,
    /// Whether an error was sent already; the rest of the batch is ignored.
    pub failed: bool,
}

/// An error: a code of the specification, its parameters, and a text.
pub type Fault = (&'static str, Vec<String>, &'static str);

/// Returns an error with the general code `MULTILINE_INVALID`.
pub fn invalid(text: &'static str) -> Fault {
    ("MULTILINE_INVALID", Vec::new(), text)
}

impl OpenBatch {
    /// Returns the error in the `message` that opened the batch, if any. `open` is the batch that
    /// was open before.
    pub fn fault(&self, open: Option<&Self>, message: &Message) -> Option<Fault> {
        let kind = message.param(1).unwrap_or_default();
        let is_name_char = |char: char| char.is_ascii_alphanumeric() || char == '-';
        if !(1..=lengths::LABEL).contains(&self.name.len()) || !self.name.chars().all(is_name_char)
        {
            Some((
                "INVALID_REFTAG",
                vec![self.name.clone()],
                "A batch name consists of letters, digits and hyphens",
            ))
        } else if open.is_some_and(|open| !open.failed) || message.tags.get("batch").is_some() {
            Some(invalid("Another batch is open; both were discarded"))
        } else if kind != BATCH_TYPE {
            Some((
                "UNKNOWN_TYPE",
                vec![self.name.clone(), kind.to_owned()],
                "Unknown batch type",
            ))
        } else if self.target.is_empty() {
            Some(invalid("Missing target"))
        } else {
            None
        }
    }

    /// Adds a line.
    ///
    /// # Errors
    ///
    /// If the line may not be part of the batch.
    pub fn push(&mut self, message: &Message) -> Result<(), Fault> {
        let (target, text) = (
            message.param(0).unwrap_or_default(),
            message.param(1).unwrap_or_default(),
        );
        let continues = self.lines > 0 && message.tags.get(CONCAT).is_some();
        if message.tags.get("batch") != Some(&self.name) {
            return Err(invalid(
                "That batch is not open; the open one was discarded",
            ));
        }
        if !matches!(message.command.as_str(), "PRIVMSG" | "NOTICE")
            || !self.command.is_empty() && self.command != message.command
        {
            return Err(invalid(
                "The lines of a batch must be all PRIVMSG or all NOTICE",
            ));
        }
        if !target.eq_ignore_ascii_case(&self.target) {
            let context = vec![self.target.clone(), target.to_owned()];
            return Err((
                "MULTILINE_INVALID_TARGET",
                context,
                "A line has a different target than its batch",
            ));
        }
        if text.is_empty() && message.tags.get(CONCAT).is_some() {
            return Err(invalid("A line with the concat tag cannot be blank"));
        }
        if self.lines == lengths::MULTILINE_LINES {
            let limit = lengths::MULTILINE_LINES.to_string();
            return Err(("MULTILINE_MAX_LINES", vec![limit], "Too many lines"));
        }
        let separated = self.lines > 0 && !continues;
        if self.bytes + text.len() + usize::from(separated) > lengths::MULTILINE_BYTES {
            let limit = lengths::MULTILINE_BYTES.to_string();
            return Err(("MULTILINE_MAX_BYTES", vec![limit], "Message too long"));
        }
        self.bytes += text.len() + usize::from(separated);
        if self.lines > 0 {
            self.text.push(if continues { '\r' } else { '\n' });
        }
        self.text.push_str(text);
        self.lines += 1;
        self.command.clone_from(&message.command);
        Ok(())
    }
}
