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

/// What a message counts for where the sessions of several accounts are limited together, because
/// others receive what all of them send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightForOthers {
    /// It reaches nobody else.
    Nothing,
    /// Clients send it when they connect, which many of one network may do at once.
    OnConnect(Weight),
    /// Others receive it.
    Always(Weight),
}

/// Returns what a message of this weight counts for where the sessions of several accounts are
/// limited together.
pub fn weight_for_others(message: &Message, weight: Weight) -> WeightForOthers {
    let sets_metadata = || {
        let word = message.param(1).unwrap_or_default();
        ["SET", "CLEAR"]
            .iter()
            .any(|set| word.eq_ignore_ascii_case(set))
    };
    match message.command.as_str() {
        // It counts once it is known what it has joined.
        "JOIN" if message.param(0) != Some("0") => WeightForOthers::Nothing,
        "JOIN" | "PART" => WeightForOthers::Always(channels::weights::of_part(message)),
        "AWAY" | "NICK" => WeightForOthers::OnConnect(weight),
        "METADATA" if sets_metadata() => WeightForOthers::OnConnect(weight),
        "MODE" if message.params.len() > 1 => WeightForOthers::OnConnect(weight),
        name if REACH_NOBODY.contains(&name) => WeightForOthers::Nothing,
        _ => WeightForOthers::Always(weight),
    }
}

/// The commands that reach nobody else. Clients send many of them when they connect.
const REACH_NOBODY: [&str; 22] = [
    "AUTHENTICATE",
    "CAP",
    "CHATHISTORY",
    "ISON",
    "ISUPPORT",
    "LIST",
    "LUSERS",
    "MARKREAD",
    "METADATA",
    "MODE",
    "MONITOR",
    "MOTD",
    "NAMES",
    "PASS",
    "PING",
    "PONG",
    "SET",
    "USER",
    "USERHOST",
    "WHO",
    "WHOIS",
    "WHOWAS",
];

/// Whether the reply to the message may be long. A request for playback is, although it may be a
/// `PRIVMSG`.
pub fn has_long_reply(message: &Message) -> bool {
    let command = find(&message.command);
    command.is_some_and(|command| matches!(command.handler, Handler::CoreLongReply(_)))
        || playback::is_request(message)
}
