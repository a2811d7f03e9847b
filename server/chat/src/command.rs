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
    /// Returns the number of messages that the command counts for in flood control.
    pub weight: fn(&Message) -> u32,
    /// The part of the server that handles the command.
    pub handler: Handler,
}

/// The part of the server that handles a command.
#[derive(Clone, Copy)]
pub enum Handler {
    /// The core, by this function.
    Core(fn(&mut Context<'_>, Caller, &Message)),
    /// The accounts crate, before the message reaches the core.
    Accounts,
    /// None on the chat port: other servers offer the command to operators, who use the control
    /// plane here. The reply is numeric 481.
    ControlPlane,
}
