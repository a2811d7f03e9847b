//! The commands of users, each with the rules behind it. Related commands share a file.
//!
//! To add a command, add a row to the `COMMANDS` of its file. A new file is also declared here, as
//! a module and in [`COMMANDS`].

use rookery_protocol::Message;

use crate::command::{Command, Handler, Weight};

pub mod access;
mod accounts;
pub mod admission;
pub mod always_on;
pub mod away;
pub mod batch;
pub mod catch_up;
pub mod channels;
mod help;
pub mod history;
mod list;
pub mod markread;
pub mod messages;
pub mod metadata;
pub mod mode_changes;
mod modes;
pub mod monitor;
pub mod names;
pub mod nick;
pub mod persistence;
pub mod playback;
pub mod quit;
pub mod redact;
pub mod rename;
pub mod replay;
pub mod server;
pub mod silence;
mod who;

/// All commands, by module. Those that are sent most often come first, because [`find`] searches in
/// order.
pub static COMMANDS: &[&[Command]] = &[
    messages::COMMANDS,
    server::COMMANDS,
    markread::COMMANDS,
    batch::COMMANDS,
    access::COMMANDS,
    accounts::COMMANDS,
    always_on::COMMANDS,
    away::COMMANDS,
    channels::COMMANDS,
    help::COMMANDS,
    history::COMMANDS,
    list::COMMANDS,
    metadata::COMMANDS,
    modes::COMMANDS,
    monitor::COMMANDS,
    names::COMMANDS,
    nick::COMMANDS,
    playback::COMMANDS,
    quit::COMMANDS,
    redact::COMMANDS,
    rename::COMMANDS,
    silence::COMMANDS,
    who::COMMANDS,
];

/// Returns all commands.
pub fn commands() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().copied().flatten()
}

/// Returns the command with that name, which must be in upper case.
pub fn find(name: &str) -> Option<&'static Command> {
    commands().find(|command| command.names.contains(&name))
}

/// Returns what the message counts for in flood control. Commands that visit all channels or all
/// users count for more, because they delay everyone for longer.
pub fn weight(message: &Message) -> Weight {
    find(&message.command).map_or(Weight::MESSAGE, |command| (command.weight)(message))
}

/// Returns what the message counts for where the sessions of several accounts are limited together,
/// because others receive what all of them send. Joining many channels at once costs a session
/// little, but these others as much as a message to each channel.
pub fn weight_for_others(message: &Message) -> Weight {
    match message.command.as_str() {
        "JOIN" | "PART" => channels::channels_weight_for_others(message),
        _ => weight(message),
    }
}

/// The commands that clients send when they connect, which many of one network may do at once.
const ON_CONNECT: [&str; 24] = [
    "AUTHENTICATE",
    "AWAY",
    "CAP",
    "CHATHISTORY",
    "ISON",
    "ISUPPORT",
    "JOIN",
    "LIST",
    "LUSERS",
    "MARKREAD",
    "METADATA",
    "MODE",
    "MONITOR",
    "MOTD",
    "NAMES",
    "NICK",
    "PASS",
    "PING",
    "PONG",
    "SET",
    "USER",
    "USERHOST",
    "WHO",
    "WHOIS",
];

/// Whether clients send such a command when they connect.
pub fn is_sent_on_connect(message: &Message) -> bool {
    ON_CONNECT.contains(&message.command.as_str())
}

/// Whether the reply to the message may be long. A request for playback is, although it may be a
/// `PRIVMSG`.
pub fn has_long_reply(message: &Message) -> bool {
    let command = find(&message.command);
    command.is_some_and(|command| matches!(command.handler, Handler::CoreLongReply(_)))
        || playback::is_request(message)
}
