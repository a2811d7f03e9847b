//! Typed tickets, by which the core replies to requests.
//!
//! An event that expects a reply carries a [`Ticket<T>`], where `T` is the type of the reply. The
//! core replies by consuming the ticket ([`Ticket::answer`]), at once or in a later event. The
//! compiler rejects a reply of another type, and a second reply to one ticket. The output is an
//! [`Answer`], which contains the ticket and the reply as plain data. The engine passes it to the
//! caller that waits for it.

use std::marker::PhantomData;

use jiff::Timestamp;

use crate::event::Output;
use crate::request::{
    Admission, Announced, Busy, ChannelView, ClosedChannel, Counts, Ended, Replied, ReplyFormat,
    UserView,
};

/// The right to one reply of type `T`.
#[derive(Debug)]
pub struct Ticket<T> {
    number: u64,
    reply: PhantomData<fn() -> T>,
}

impl<T> Ticket<T> {
    /// Creates a ticket. Its number must differ from that of every other ticket without a reply.
    pub fn new(number: u64) -> Self {
        Self {
            number,
            reply: PhantomData,
        }
    }

    /// Returns the number that identifies the ticket.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl<T: Reply> Ticket<T> {
    /// Returns the output that answers the ticket with `reply`.
    pub fn answer(self, reply: T) -> Output {
        Output::Answer(reply.with_ticket(self))
    }
}

/// A type that the core replies with.
pub trait Reply: Sized {
    /// Returns the answer to `ticket` that contains this reply.
    fn with_ticket(self, ticket: Ticket<Self>) -> Answer;

    /// Returns the reply if it has this type.
    #[cfg(any(test, feature = "test-support"))]
    fn of(answer: Answer) -> Option<Self>;
}

/// Declares the types of replies, each with its variant of [`Answer`].
macro_rules! replies {
    ($($variant:ident($reply:ty)),* $(,)?) => {
        /// A reply and the ticket that it belongs to.
        #[derive(Debug)]
        pub enum Answer {
            $(
                #[doc = concat!("A reply of type `", stringify!($reply), "`.")]
                $variant(Ticket<$reply>, $reply),
            )*
        }

        $(
            impl Reply for $reply {
                fn with_ticket(self, ticket: Ticket<Self>) -> Answer {
                    Answer::$variant(ticket, self)
                }

                #[cfg(any(test, feature = "test-support"))]
                fn of(answer: Answer) -> Option<Self> {
                    match answer {
                        Answer::$variant(_, reply) => Some(reply),
                        _ => None,
                    }
                }
            }
        )*

        #[cfg(any(test, feature = "test-support"))]
        impl Answer {
            /// Returns the number of the ticket.
            pub fn number(&self) -> u64 {
                match self {
                    $(Self::$variant(ticket, _) => ticket.number(),)*
                }
            }
        }
    };
}

replies! {
    Admission(Admission),
    Announced(Announced),
    Busy(Box<Busy>),
    Channel(Option<ChannelView>),
    Channels(Vec<ChannelView>),
    Counts(Counts),
    Done(()),
    ClosedChannel(ClosedChannel),
    Ended(Ended),
    Replied(Replied),
    ReplyFormat(Option<ReplyFormat>),
    Times(Vec<Timestamp>),
    User(Option<UserView>),
    Users(Vec<UserView>),
}
