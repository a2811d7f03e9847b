//! What a slash command needs from the program it is typed in.
//!
//! `rook` has two front ends: the full screen and plain lines. A command is written once, against
//! this trait, and does not know which of them it runs in. Only what really differs between them is
//! a method here: how a line is shown, what it means to switch to a conversation, and how a message
//! is sent and followed until the server answers.

use rookery_protocol::Message;

use crate::model::{Conversation, MessageKind, Model};
use crate::receipts::Sent;

/// A front end whose type does not matter.
pub type AnyFrontEnd = dyn FrontEnd;

/// A program in which people type commands.
pub trait FrontEnd {
    /// Returns the state of the chat.
    fn model(&self) -> &Model;

    /// Returns the state of the chat, to change it.
    fn model_mut(&mut self) -> &mut Model;

    /// Returns the conversation that typed text goes to; `None` where nobody would receive it.
    fn conversation(&self) -> Option<Conversation>;

    /// Shows a line of information.
    fn show(&mut self, line: &str);

    /// Shows why something typed was not carried out.
    fn show_refusal(&mut self, line: &str);

    /// Shows all commands.
    fn show_help(&mut self);

    /// Switches to a conversation. If it is a channel, the user has joined it.
    fn switch_to(&mut self, conversation: Conversation);

    /// Closes a conversation on this screen; the server is not involved.
    fn close(&mut self, conversation: &Conversation);

    /// Sends text to a channel or nick, in as many messages as it takes.
    fn say(&mut self, target: &str, text: &str, kind: MessageKind);

    /// Sends a command to the server.
    fn request(&mut self, message: Message);

    /// Leaves `rook`, with a reason for the others.
    fn quit(&mut self, reason: Option<String>);

    /// Shows which messages got no receipt before the connection was lost or time ran out. They may
    /// have been delivered nevertheless.
    fn show_unconfirmed(&mut self, lost: &[Sent]) {
        for sent in lost {
            if let Sent::Text { target, text } = sent {
                self.show_refusal(&format!(
                    "not confirmed, perhaps not sent, to {target}: {text}"
                ));
            }
        }
    }
}
