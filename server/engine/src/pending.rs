//! The callers that wait for a reply of the core, by the type of the reply.
//!
//! There is one table for each type, so that an answer can only reach a caller that waits for its
//! type.

use std::collections::HashMap;

use tokio::sync::oneshot;

use rookery_chat::request::{
    Admission, Announced, Busy, ChannelView, ClosedChannel, Counts, Ended, ReplyFormat, UserView,
};
use rookery_chat::ticket::{Answer, Reply};

/// Those that wait for a reply of type `T`, by the number of the ticket.
pub type Waiting<T> = HashMap<u64, oneshot::Sender<T>>;

/// Enters a caller that waits for a reply.
pub type Register = Box<dyn FnOnce(&mut PendingReplies) + Send>;

/// A reply that the engine can hand to a caller.
pub trait Awaited: Reply + Send + 'static {
    /// Returns the table of those that wait for a reply of this type.
    fn waiting(pending: &mut PendingReplies) -> &mut Waiting<Self>;
}

/// Returns what enters the caller that waits at the other end of `sender` for the reply to
/// `ticket`.
pub fn register<T: Awaited>(ticket: u64, sender: oneshot::Sender<T>) -> Register {
    Box::new(move |pending| {
        T::waiting(pending).insert(ticket, sender);
    })
}

fn hand_over<T>(waiting: &mut Waiting<T>, ticket: u64, reply: T) {
    if let Some(sender) = waiting.remove(&ticket) {
        // The caller may no longer wait.
        let _ = sender.send(reply);
    }
}

/// Declares the table of each type of reply.
macro_rules! pending_replies {
    ($($table:ident: $variant:ident($reply:ty)),* $(,)?) => {
        /// All callers that wait for a reply of the core.
        #[derive(Default)]
        pub struct PendingReplies {
            $($table: Waiting<$reply>,)*
        }

        impl PendingReplies {
            /// Hands an answer to the caller that waits for it, if one does.
            pub fn hand_over(&mut self, answer: Answer) {
                match answer {
                    $(Answer::$variant(ticket, reply) => {
                        hand_over(&mut self.$table, ticket.number(), reply);
                    })*
                }
            }
        }

        $(
            impl Awaited for $reply {
                fn waiting(pending: &mut PendingReplies) -> &mut Waiting<Self> {
                    &mut pending.$table
                }
            }
        )*
    };
}

pending_replies! {
    admission: Admission(Admission),
    announced: Announced(Announced),
    busy: Busy(Box<Busy>),
    channel: Channel(Option<ChannelView>),
    channels: Channels(Vec<ChannelView>),
    counts: Counts(Counts),
    done: Done(()),
    closed_channel: ClosedChannel(ClosedChannel),
    ended: Ended(Ended),
    reply_format: ReplyFormat(Option<ReplyFormat>),
    user: User(Option<UserView>),
    users: Users(Vec<UserView>),
}
