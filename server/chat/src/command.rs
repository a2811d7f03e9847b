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
    /// With fewer parameters, the reply is numeric 461 and the handler is not called.
    pub min_params: usize,
    /// The lines of the command's page in `HELP`.
    pub help: &'static [&'static str],
    /// How many messages the command counts for in flood control.
    pub weight: fn(&Message) -> u32,
    /// Who handles the command.
    pub handler: Handler,
}

/// Who handles a command.
#[derive(Clone, Copy)]
pub enum Handler {
    /// The core, by this function.
    Core(fn(&mut Context<'_>, Caller, &Message)),
    /// The accounts crate, before the message reaches the core.
    Accounts,
    /// Nobody on the chat port: elsewhere it is for operators, who use the control plane here. The
    /// reply is numeric 481.
    ControlPlane,
}
