//! Overlays: what is drawn over the conversation or captures the keyboard.

use super::editor::Editor;
use super::password::PasswordChange;
use super::search::Search;
use crate::model::{Conversation, LineId};
use crate::urls::Url;

/// What is shown over the conversation, or takes the keys away from it.
#[derive(Debug)]
pub enum Overlay {
    /// All keys and commands, from this row on.
    Help(usize),
    /// The quick switcher: the query, and which of the matches is selected.
    Switcher(Editor, usize),
    /// The question whether to insert this pasted text of several lines.
    Paste(String),
    /// The dialog that sets the account's password.
    Password(PasswordChange),
    /// A search. Its state is shown in the status line.
    Search(Search),
    /// The links of a conversation.
    Links(LinkList),
    /// A selected message. The status line says what the keys do with it.
    Selection(Selection),
    /// The next key inserts a formatting code. The status line lists the codes.
    Format,
}

/// A selected message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The message.
    pub message: MessageRef,
    /// Set by the first press of the key that redacts the message; the second press does it.
    pub confirming_redaction: bool,
}

/// A reference to a message in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRef {
    /// The conversation.
    pub conversation: Conversation,
    /// The message's line in it.
    pub line: LineId,
}

/// A list of links, newest first. It is never empty.
#[derive(Debug)]
pub struct LinkList {
    /// The links.
    pub links: Vec<Url>,
    /// The index of the selected one.
    pub selected: usize,
}
