//! The interface between slash commands and the front end in which they are typed.
//!
//! `rook` has two front ends: the full screen and plain lines. A command is written once, against
//! this trait, and does not know in which of them it runs. The trait has methods only for what
//! differs between the two: how a line is shown, how to switch to another conversation, and how a
//! message is sent and its receipt awaited.

use rookery_protocol::{ChannelName, Message};

use crate::model::{Conversation, EventKind, MessageKind, Model};
use crate::receipts::Sent;

/// Either of the two front ends.
pub type AnyFrontEnd = dyn FrontEnd;

/// A program in which people type commands.
pub trait FrontEnd {
    /// Returns the state of the chat.
    fn model(&self) -> &Model;

    /// Returns the state of the chat for changes.
    fn model_mut(&mut self) -> &mut Model;

    /// Returns the conversation that typed text is sent to; `None` if there is none.
    fn conversation(&self) -> Option<Conversation>;

    /// Shows a line of information.
    fn show(&mut self, line: &str);

    /// Shows the reason for which a typed line was not carried out.
    fn show_refusal(&mut self, line: &str);

    /// Shows all commands.
    fn show_help(&mut self);

    /// Switches to a conversation. If it is a channel, the user has joined it.
    fn switch_to(&mut self, conversation: Conversation);

    /// Switches to a channel that the user has asked to join. What is typed next is for it, even if
    /// the server refuses the join, and the text with it.
    fn switch_to_requested(&mut self, channel: &ChannelName);

    /// Closes a conversation on this screen; the server is not involved.
    fn close(&mut self, conversation: &Conversation);

    /// Sends text to a channel or nick. Long text is split into several messages.
    fn send_text(&mut self, target: &str, text: &str, kind: MessageKind);

    /// Sends a command to the server.
    fn request(&mut self, message: Message);

    /// Joins a channel by its new name, if the server has refused the old one.
    fn join_renamed(&mut self, event: &EventKind) {
        if let EventKind::Renamed { new, by: None, .. } = event {
            let join = self.model().join_message(new);
            self.request(join);
        }
    }

    /// Quits `rook`, with a reason that other users see.
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
