//! Commands about the user's account, and about `rook` itself.

#![allow(
    clippy::unnecessary_wraps,
    reason = "all commands have the same signature"
)]

use rookery_protocol::Message;

use super::command::{Command, Refusal, Requires, non_empty};
use super::talk::public_text;
use crate::front_end::AnyFrontEnd;

/// The commands of this family.
pub const COMMANDS: &[Command<AnyFrontEnd>] = &[
    Command {
        name: "devices",
        usages: &[
            (
                "/devices",
                "list the devices and certificates that can sign in to your account",
            ),
            ("/devices revoke NUMBER", "sign out and remove a device"),
        ],
        requires: Requires::Connection,
        run: devices,
    },
    Command {
        name: "raw",
        usages: &[("/raw LINE", "send a line of IRC to the server as it is")],
        requires: Requires::Connection,
        run: raw,
    },
    Command {
        name: "quote",
        usages: &[("/quote LINE", "the same as /raw, as in other clients")],
        requires: Requires::Connection,
        run: raw,
    },
    Command {
        name: "help",
        usages: &[("/help", "show this list")],
        requires: Requires::Nothing,
        run: help,
    },
    Command {
        name: "quit",
        usages: &[("/quit [REASON]", "leave rook")],
        requires: Requires::Nothing,
        run: quit,
    },
];

fn devices(front_end: &mut AnyFrontEnd, arguments: &str) -> Result<(), Refusal> {
    if arguments.is_empty() {
        front_end.request(Message::new("CREDENTIAL", ["LIST"]));
        return Ok(());
    }
    let number = arguments.strip_prefix("revoke ").unwrap_or_default();
    let number: u64 = number.trim().parse().map_err(|_| Refusal::Usage)?;
    front_end.request(Message::new("CREDENTIAL", ["REVOKE", &number.to_string()]));
    Ok(())
}

fn raw(front_end: &mut AnyFrontEnd, line: &str) -> Result<(), Refusal> {
    if line.is_empty() {
        return Err(Refusal::Usage);
    }
    let message = Message::parse(line).map_err(|error| Refusal::Reason(error.to_string()))?;
    if message.command == "QUIT" {
        // Otherwise the end of the connection would be taken for a loss.
        front_end.quit(message.params.into_iter().next());
    } else {
        front_end.request(message);
    }
    Ok(())
}

fn help(front_end: &mut AnyFrontEnd, _arguments: &str) -> Result<(), Refusal> {
    front_end.show_help();
    Ok(())
}

fn quit(front_end: &mut AnyFrontEnd, reason: &str) -> Result<(), Refusal> {
    let reason = public_text(reason, front_end.model())?;
    front_end.quit(non_empty(&reason).map(str::to_owned));
    Ok(())
}
