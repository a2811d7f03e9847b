//! The commands of admitted sessions: which file handles which, and what each needs at least.

mod access;
pub mod batch;
pub mod channels;
mod help;
mod history;
mod lists;
mod markread;
pub mod messages;
mod metadata;
mod modes;
pub mod monitor;
pub mod names;
pub mod playback;
pub mod presence;
mod redact;
mod rename;
pub mod server;
mod set;
mod who;
mod whox;

use rookery_protocol::Message;
use rookery_protocol::numeric::{ERR_NEEDMOREPARAMS, ERR_UNKNOWNCOMMAND};

use crate::turn::{Caller, Turn};

/// A command's handler: it finds the parameters it needs at least.
type Handler = fn(&mut Turn<'_>, Caller, &Message);

/// The fewest parameters a command takes, and its handler.
fn find(command: &str) -> Option<(usize, Handler)> {
    Some(match command {
        "PRIVMSG" | "NOTICE" => (0, messages::say),
        "TAGMSG" => (1, messages::tag),
        "REDACT" => (2, redact::redact),

        "ACCESS" => (1, access::access),
        "INVITE" => (0, channels::invite),
        "JOIN" => (1, channels::join),
        "KICK" => (2, channels::kick),
        "PART" => (1, channels::part),
        "RENAME" => (2, rename::rename),
        "TOPIC" => (1, channels::topic),

        "METADATA" => (2, metadata::metadata),
        "MODE" => (1, modes::mode),
        "LIST" => (0, lists::list),
        "NAMES" => (0, names::names),

        "CHATHISTORY" => (1, history::chathistory),
        "MARKREAD" => (0, markread::markread),

        "AWAY" => (0, presence::away),
        "NICK" => (0, presence::nick),
        "QUIT" => (0, presence::quit),
        "SET" => (0, set::set),
        "SETNAME" => (1, presence::setname),
        "MONITOR" => (1, monitor::monitor),

        "ISON" => (1, who::ison),
        "USERHOST" => (1, who::userhost),
        "WHO" => (0, who::who),
        "WHOIS" => (0, who::whois),
        "WHOWAS" => (0, who::whowas),

        "CAP" => (0, server::cap),
        "HELP" | "HELPOP" => (0, help::help),
        "INFO" => (0, server::info),
        "ISUPPORT" => (0, server::isupport),
        "LINKS" => (0, server::links),
        "LUSERS" => (0, server::lusers),
        "MOTD" => (0, server::motd),
        "PASS" | "USER" => (0, server::already_registered),
        "PING" => (1, server::ping),
        "PONG" => (0, server::pong),
        "TIME" => (0, server::time),
        "VERSION" => (0, server::version),

        "CONNECT" | "DIE" | "DLINE" | "GLINE" | "KILL" | "KLINE" | "OPER" | "REHASH"
        | "RESTART" | "SAJOIN" | "SAMODE" | "SANICK" | "SAPART" | "SQUIT" | "UNDLINE"
        | "UNKLINE" | "WALLOPS" => (0, server::operators_only),
        _ => return None,
    })
}

/// Handles a command.
pub fn run(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let command = message.command.as_str();
    if !matches!(command, "PING" | "PONG") {
        turn.state.user_mut(caller.user).active_at = turn.stamp.at;
    }
    match find(command) {
        Some((least, handler)) if message.params.len() >= least => handler(turn, caller, message),
        Some(_) => needs_more(turn, caller, command),
        None => unknown(
            turn,
            caller,
            command,
            "Unknown command; HELP lists those there are",
        ),
    }
}

/// The command came without a parameter that it needs.
pub fn needs_more(turn: &mut Turn<'_>, caller: Caller, command: &str) {
    turn.reply(
        caller,
        ERR_NEEDMOREPARAMS,
        &[command],
        "Not enough parameters",
    );
}

/// There is no such command.
pub fn unknown(turn: &mut Turn<'_>, caller: Caller, command: &str, text: &str) {
    turn.reply(caller, ERR_UNKNOWNCOMMAND, &[command], text);
}

/// Whether a list with commas has no items.
fn is_empty_list(list: &str) -> bool {
    list.bytes().all(|byte| byte == b',')
}

/// The items of a list with commas, each once.
fn split_list(list: &str) -> Vec<&str> {
    let mut items: Vec<&str> = Vec::new();
    for item in list.split(',').filter(|item| !item.is_empty()) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items
}
