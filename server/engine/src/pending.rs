//! The callers that wait for a reply of the core, by the type of the reply.
//!
//! There is one table for each type of reply, so a reply can only be sent to a caller that waits
//! for that type.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio::sync::oneshot;

use rookery_chat::request::{
    Admission, Announced, Busy, ChannelView, ClosedChannel, Counts, Ended, Replied, ReplyFormat,
    UserView,
};
use rookery_chat::ticket::{Answer, Reply};

/// The callers that wait for a reply of type `T`, by the number of their ticket.
pub type Waiting<T> = HashMap<u64, oneshot::Sender<T>>;

/// Registers a caller that waits for a reply.
pub type Register = Box<dyn FnOnce(&mut PendingReplies) + Send>;

/// A type of reply for which callers can wait.
pub trait Awaited: Reply + Send + 'static {
    /// Returns the table of the callers that wait for a reply of this type.
    fn table(pending: &mut PendingReplies) -> &mut Waiting<Self>;
}

/// Returns a function that registers the caller with the receiver of `sender` for the reply to the
/// ticket with the number `ticket`.
pub fn register<T: Awaited>(ticket: u64, sender: oneshot::Sender<T>) -> Register {
    Box::new(move |pending| {
        T::table(pending).insert(ticket, sender);
    })
}

fn resolve<T>(waiting: &mut Waiting<T>, ticket: u64, reply: T) {
    if let Some(sender) = waiting.remove(&ticket) {
        // Sending fails if the caller no longer waits, which is no error.
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
            /// Sends an answer to the caller that waits for it, if there is one.
            pub fn resolve(&mut self, answer: Answer) {
                match answer {
                    $(Answer::$variant(ticket, reply) => {
                        resolve(&mut self.$table, ticket.number(), reply);
                    })*
                }
            }
        }

        $(
            impl Awaited for $reply {
                fn table(pending: &mut PendingReplies) -> &mut Waiting<Self> {
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
    replied: Replied(Replied),
    reply_format: ReplyFormat(Option<ReplyFormat>),
    user: User(Option<UserView>),
    users: Users(Vec<UserView>),
    times: Times(Vec<Timestamp>),
}
