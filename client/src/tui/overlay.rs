//! Overlays: parts of the screen that are drawn over the conversation or receive the keys instead
//! of the message box.

use super::account_change::AccountChange;
use super::editor::Editor;
use super::search::Search;
use crate::model::{Audience, Conversation, LineId};
use crate::urls::Url;

/// An overlay. At most one is open at a time.
#[derive(Debug)]
pub enum Overlay {
    /// The help on keys and commands, scrolled to this row.
    Help(usize),
    /// The quick switcher: the query, and the selected match, which stays the same when others get
    /// messages meanwhile. `None` if nothing matches.
    Switcher(Editor, Option<Conversation>),
    /// The question whether to send this pasted text of several lines.
    Paste(String),
    /// The dialog that changes the account's password or email.
    AccountChange(AccountChange),
    /// A search. Its state is shown in the status line.
    Search(Search),
    /// The links of a conversation.
    Links(LinkList),
    /// A selected message. The status line lists the keys that apply to it.
    Selection(Selection),
    /// The next key inserts a formatting code. The status line lists the codes.
    Format,
}

/// A selected message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The message.
    pub message: MessageRef,
    /// The redaction of the message that waits for its confirmation.
    pub redaction: Option<Redaction>,
}

/// A redaction that the user has asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redaction {
    /// The reason that others see.
    pub reason: Option<String>,
}

/// A reference to a message in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRef {
    /// The conversation.
    pub conversation: Conversation,
    /// The message's line in it.
    pub line: LineId,
    /// Which members of the channel it was sent to; a reply is for no others.
    pub audience: Audience,
}

/// A list of links, newest first. It is never empty.
#[derive(Debug)]
pub struct LinkList {
    /// The links.
    pub links: Vec<Url>,
    /// The index of the selected one.
    pub selected: usize,
}
