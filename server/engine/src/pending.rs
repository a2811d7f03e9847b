//! The callers that wait for a reply of the core, by the type of the reply.
//!
//! There is one table for each type, so that an answer can only reach a caller that waits for its
//! type.

use std::collections::HashMap;

use tokio::sync::oneshot;

use rookery_chat::request::{
    Admission, Announced, Busy, ChannelView, Counts, Emptied, Ended, ReplyFormat, UserView,
};
use rookery_chat::ticket::{Answer, Reply, Ticket};

/// Those that wait for a reply of type `T`, by the number of the ticket.
pub type Waiting<T> = HashMap<u64, oneshot::Sender<T>>;

/// A reply on its way to the caller that waits for it. Calling it hands the reply over.
pub type ReadyReply = Box<dyn FnOnce() + Send + Sync>;

/// A reply that the engine can hand to a caller.
pub trait Awaited: Reply + Send + Sync + 'static {
    /// Returns the table of those that wait for a reply of this type.
    fn waiting(pending: &mut PendingReplies) -> &mut Waiting<Self>;
}

impl PendingReplies {
    /// Notes that `reply` waits for the reply to `ticket`.
    pub fn insert<T: Awaited>(&mut self, ticket: u64, reply: oneshot::Sender<T>) {
        T::waiting(self).insert(ticket, reply);
    }
}

/// Returns what hands `reply` to the caller that holds `ticket`; `None` if no caller does.
fn ready<T: Awaited>(waiting: &mut Waiting<T>, ticket: &Ticket<T>, reply: T) -> Option<ReadyReply> {
    let sender = waiting.remove(&ticket.number())?;
    Some(Box::new(move || {
        // The caller may no longer wait.
        let _ = sender.send(reply);
    }))
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
            /// Returns what hands the answer to the caller that waits for it, if one does.
            pub fn resolve(&mut self, answer: Answer) -> Option<ReadyReply> {
                match answer {
                    $(Answer::$variant(ticket, reply) => ready(&mut self.$table, &ticket, reply),)*
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
    emptied: Emptied(Emptied),
    ended: Ended(Ended),
    reply_format: ReplyFormat(Option<ReplyFormat>),
    user: User(Option<UserView>),
    users: Users(Vec<UserView>),
}
