//! Watching for nicks to come and go: `MONITOR`.

use rookery_protocol::numeric::{
    ERR_ERRONEUSNICKNAME, ERR_MONLISTFULL, RPL_ENDOFMONLIST, RPL_MONLIST, RPL_MONOFFLINE,
    RPL_MONONLINE,
};
use rookery_protocol::{Message, Nick};

use crate::commands::{needs_more, split_list};
use crate::ids::UserId;
use crate::metadata::Bearer;
use crate::turn::{Caller, Turn};

/// `MONITOR + <nicks>`, `MONITOR - <nicks>`, `MONITOR C`, `MONITOR L`, `MONITOR S`.
pub fn monitor(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let targets = message.param(1).map(split_list);
    match (
        message
            .param(0)
            .unwrap_or_default()
            .to_ascii_uppercase()
            .as_str(),
        targets,
    ) {
        ("+", Some(targets)) => add(turn, caller, &targets),
        ("-", Some(targets)) => {
            for nick in targets.iter().filter_map(|target| Nick::parse(target).ok()) {
                if watched(turn, caller, |monitors| monitors.remove(&nick)) {
                    turn.state.unwatch(&nick, caller.session);
                }
            }
        }
        ("C", _) => {
            for nick in list(turn, caller) {
                watched(turn, caller, |monitors| monitors.remove(&nick));
                turn.state.unwatch(&nick, caller.session);
            }
        }
        ("L", _) => {
            let nicks: Vec<String> = list(turn, caller).iter().map(ToString::to_string).collect();
            turn.reply_list(caller, RPL_MONLIST, &[], &nicks, ',');
            turn.reply(caller, RPL_ENDOFMONLIST, &[], "End of the monitor list");
        }
        ("S", _) => {
            let nicks = list(turn, caller);
            status(turn, caller, &nicks);
        }
        _ => needs_more(turn, caller, "MONITOR"),
    }
}

/// Tells those who watch for the user that it is here.
pub fn announce_online(turn: &mut Turn<'_>, user: UserId) {
    let user = turn.state.user(user);
    let source = user.source.to_string();
    let (id, nick) = (user.id, user.nick.clone());
    announce(turn, &nick, RPL_MONONLINE, &source);
    for session in turn.state.watchers(&nick).to_vec() {
        if let Some(caller) = turn.caller(session) {
            turn.sync_metadata(caller, &Bearer::User(id));
        }
    }
}

/// Tells those who watch for the nick that nobody has it.
pub fn announce_offline(turn: &mut Turn<'_>, nick: &Nick) {
    announce(turn, nick, RPL_MONOFFLINE, nick.as_str());
}

fn announce(turn: &mut Turn<'_>, nick: &Nick, code: &str, text: &str) {
    for session in turn.state.watchers(nick).to_vec() {
        if let Some(caller) = turn.caller(session) {
            turn.reply(caller, code, &[], text);
        }
    }
}

fn add(turn: &mut Turn<'_>, caller: Caller, targets: &[&str]) {
    let limit = turn.settings.monitor_entries;
    let mut added = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        let Ok(nick) = Nick::parse(target) else {
            turn.reply(
                caller,
                ERR_ERRONEUSNICKNAME,
                &[target],
                "That is not a nick",
            );
            continue;
        };
        let monitored = list(turn, caller);
        if monitored.contains(&nick) {
            added.push(nick);
            continue;
        }
        if limit > 0 && monitored.len() >= limit {
            let (limit, left) = (limit.to_string(), targets[index..].join(","));
            turn.reply(
                caller,
                ERR_MONLISTFULL,
                &[&limit, &left],
                "Your monitor list is full",
            );
            break;
        }
        watched(turn, caller, |monitors| monitors.insert(nick.clone()));
        turn.state.watch(&nick, caller.session);
        added.push(nick);
    }
    status(turn, caller, &added);
    for nick in &added {
        if let Some(user) = turn.state.by_nick(nick).map(|user| user.id) {
            turn.sync_metadata(caller, &Bearer::User(user));
        }
    }
}

fn status(turn: &mut Turn<'_>, caller: Caller, nicks: &[Nick]) {
    let (mut online, mut offline) = (Vec::new(), Vec::new());
    for nick in nicks {
        match turn.state.by_nick(nick) {
            Some(user) => online.push(user.source.to_string()),
            None => offline.push(nick.to_string()),
        }
    }
    turn.reply_list(caller, RPL_MONONLINE, &[], &online, ',');
    turn.reply_list(caller, RPL_MONOFFLINE, &[], &offline, ',');
}

fn list(turn: &Turn<'_>, caller: Caller) -> Vec<Nick> {
    turn.state
        .session(caller.session)
        .map(|session| session.monitors.iter().cloned().collect())
        .unwrap_or_default()
}

fn watched(
    turn: &mut Turn<'_>,
    caller: Caller,
    change: impl FnOnce(&mut std::collections::BTreeSet<Nick>) -> bool,
) -> bool {
    turn.state
        .session_mut(caller.session)
        .is_some_and(|session| change(&mut session.monitors))
}
