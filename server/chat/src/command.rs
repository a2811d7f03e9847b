//! The declaration of a command: one row with everything the server knows about it.
//!
//! Each file of `features` exports its rows as `COMMANDS`; [`crate::features::COMMANDS`] lists them
//! all. Dispatch, `HELP`, flood control and the tests that walk every command use these rows.

use rookery_protocol::Message;

use crate::context::{Caller, Context};

/// A command of the chat language.
pub struct Command {
    /// The names, in upper case. Aliases share a row.
    pub names: &'static [&'static str],
    /// The minimum number of parameters. With fewer, the reply is numeric 461 and the handler is
    /// not called.
    pub min_params: usize,
    /// The lines of the command's page in `HELP`.
    pub help: &'static [&'static str],
    /// Returns what the command counts for in flood control.
    pub weight: fn(&Message) -> Weight,
    /// The part of the server that handles the command.
    pub handler: Handler,
}

/// What a message counts for in flood control, in tenths of an ordinary message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    /// The weight of a command that costs the server next to nothing and reaches nobody else.
    /// Clients send dozens of them in a row when they connect.
    pub const LIGHT: Self = Self(1);
    /// The weight of a command that stores something small and reaches nobody else. Clients send it
    /// for each of their channels, a hundred at once.
    pub const STORED: Self = Self(2);
    /// The weight of an ordinary message.
    pub const MESSAGE: Self = Self::messages(1);
    /// The weight of a command that notifies everyone who shares a channel with the sender: it
    /// reaches as many sessions as a message to each of the sender's channels.
    pub const TO_FOLLOWERS: Self = Self::messages(4);
    /// The weight of a command that has a password hashed, which costs as much as thousands of
    /// ordinary messages, on few slots.
    pub const PASSWORD: Self = Self::messages(4);
    /// The number of bytes of a long reply that weigh a tenth of a message.
    const REPLY_BYTES: u64 = 2048;

    /// Returns the weight of that many ordinary messages.
    pub const fn messages(count: u32) -> Self {
        Self(count * 10)
    }

    /// Returns the weight of that many tenths of an ordinary message.
    pub fn of_tenths(count: u64) -> Self {
        Self::of_bytes(count, 1)
    }

    /// Returns the weight of a message to that many targets.
    pub fn of_targets(count: usize) -> Self {
        Self(u32::try_from(count * 10).unwrap_or(u32::MAX))
    }

    /// Returns the weight of joining or leaving that many channels. Clients join all of theirs when
    /// they connect.
    pub fn of_channels(count: usize) -> Self {
        Self(
            u32::try_from(count * 3)
                .unwrap_or(u32::MAX)
                .max(Self::MESSAGE.0),
        )
    }

    /// Returns the weight of a long reply of that length.
    pub fn of_reply(bytes: u64) -> Self {
        Self::of_bytes(bytes, Self::REPLY_BYTES)
    }

    /// Returns the weight of bytes of which `per_tenth` weigh a tenth of a message.
    pub fn of_bytes(bytes: u64, per_tenth: u64) -> Self {
        Self(u32::try_from(bytes / per_tenth).unwrap_or(u32::MAX))
    }

    /// Returns by how much it is more than another weight; `None` if it is not.
    pub fn beyond(self, other: Self) -> Option<Self> {
        let more = self.0.checked_sub(other.0)?;
        (more > 0).then_some(Self(more))
    }

    /// Returns the weight in tenths of an ordinary message.
    pub fn tenths(self) -> u32 {
        self.0
    }
}

/// A function of the core that handles a command.
pub type CoreHandler = fn(&mut Context<'_>, Caller, &Message);

/// The part of the server that handles a command.
#[derive(Clone, Copy)]
pub enum Handler {
    /// The core, by this function.
    Core(CoreHandler),
    /// As [`Handler::Core`], for a command whose reply grows with the number of users, channels,
    /// messages or entries of a list. The session reads nothing until the reply is queued, and the
    /// length of the reply delays its next such command, and what follows it.
    CoreLongReply(CoreHandler),
    /// The accounts crate, before the message reaches the core.
    Accounts {
        /// The maximum number of parameters. More are the words of a text whose colon was left out,
        /// and the command is refused, because a part of a secret must not pass for the whole.
        max_params: usize,
    },
    /// None on the chat port: other servers offer the command to operators, who use the control
    /// plane here. The reply is numeric 481.
    ControlPlane,
}
