//! `MONITOR`: notifies sessions when nicks connect and disconnect.

use rookery_protocol::numeric::{
    ERR_ERRONEUSNICKNAME, ERR_MONLISTFULL, RPL_ENDOFMONLIST, RPL_MONLIST, RPL_MONOFFLINE,
    RPL_MONONLINE,
};
use rookery_protocol::{Message, Nick};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::metadata::values;
use crate::features::metadata::values::MetadataTarget;
use crate::ids::UserId;
use crate::params::split_list;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["MONITOR"],
    min_params: 1,
    help: &[
        "MONITOR + nick[,nick], MONITOR - nick[,nick]",
        "Adds or removes nicks: you are notified when they connect and disconnect.",
        "MONITOR C, MONITOR L, MONITOR S",
        "Clears the list, shows it, or shows who on it is online.",
    ],
    weight: |_| Weight::MESSAGE,
    handler: Handler::CoreLongReply(monitor),
}];

/// Handles `MONITOR + <nicks>`, `MONITOR - <nicks>`, `MONITOR C`, `MONITOR L` and `MONITOR S`.
pub fn monitor(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let targets = message.param(1).map(split_list);
    match (
        message
            .param(0)
            .unwrap_or_default()
            .to_ascii_uppercase()
            .as_str(),
        targets,
    ) {
        ("+", Some(targets)) => add(ctx, caller, &targets),
        ("-", Some(targets)) => {
            for nick in targets.iter().filter_map(|target| Nick::parse(target).ok()) {
                if change_list(ctx, caller, |monitors| monitors.remove(&nick)) {
                    ctx.state.unwatch(&nick, caller.session);
                }
            }
        }
        ("C", _) => {
            for nick in list(ctx, caller) {
                change_list(ctx, caller, |monitors| monitors.remove(&nick));
                ctx.state.unwatch(&nick, caller.session);
            }
        }
        ("L", _) => {
            let nicks: Vec<String> = list(ctx, caller).iter().map(ToString::to_string).collect();
            ctx.reply_list(caller, RPL_MONLIST, &[], &nicks, ',');
            ctx.reply(caller, RPL_ENDOFMONLIST, &[], "End of MONITOR list");
        }
        ("S", _) => {
            let nicks = list(ctx, caller);
            status(ctx, caller, &nicks);
        }
        _ => ctx.need_more_params(caller, "MONITOR"),
    }
}

/// Notifies those who monitor the user's nick that it is online.
pub fn announce_online(ctx: &mut Context<'_>, user: UserId) {
    let user = ctx.state.user(user);
    let source = user.source.to_string();
    let (id, nick) = (user.id, user.nick.clone());
    announce(ctx, &nick, RPL_MONONLINE, &source);
    for watcher in ctx.state.watchers(&nick).collect::<Vec<_>>() {
        values::sync(ctx, watcher.into(), &MetadataTarget::User(id));
    }
}

/// Notifies those who monitor the nick that it is offline.
pub fn announce_offline(ctx: &mut Context<'_>, nick: &Nick) {
    announce(ctx, nick, RPL_MONOFFLINE, nick.as_str());
}

fn announce(ctx: &mut Context<'_>, nick: &Nick, code: &str, text: &str) {
    for watcher in ctx.state.watchers(nick).collect::<Vec<_>>() {
        ctx.reply(watcher.into(), code, &[], text);
    }
}

fn add(ctx: &mut Context<'_>, caller: Caller, targets: &[&str]) {
    let limit = ctx.settings.monitor_entries;
    let mut added = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        let Ok(nick) = Nick::parse(target) else {
            ctx.reply(caller, ERR_ERRONEUSNICKNAME, &[target], "Invalid nick");
            continue;
        };
        let Some(session) = ctx.state.session(caller.session) else {
            return;
        };
        if session.monitors.contains(&nick) {
            added.push(nick);
            continue;
        }
        if limit > 0 && session.monitors.len() >= limit {
            let (limit, left) = (limit.to_string(), targets[index..].join(","));
            ctx.reply(
                caller,
                ERR_MONLISTFULL,
                &[&limit, &left],
                "Your monitor list is full",
            );
            break;
        }
        change_list(ctx, caller, |monitors| monitors.insert(nick.clone()));
        ctx.state.watch(&nick, caller.session);
        added.push(nick);
    }
    status(ctx, caller, &added);
    for nick in &added {
        if let Some(user) = ctx.state.by_nick(nick).map(|user| user.id) {
            values::sync(ctx, caller, &MetadataTarget::User(user));
        }
    }
}

fn status(ctx: &mut Context<'_>, caller: Caller, nicks: &[Nick]) {
    let (mut online, mut offline) = (Vec::new(), Vec::new());
    for nick in nicks {
        match ctx.state.by_nick(nick) {
            Some(user) => online.push(user.source.to_string()),
            None => offline.push(nick.to_string()),
        }
    }
    ctx.reply_list(caller, RPL_MONONLINE, &[], &online, ',');
    ctx.reply_list(caller, RPL_MONOFFLINE, &[], &offline, ',');
}

fn list(ctx: &Context<'_>, caller: Caller) -> Vec<Nick> {
    ctx.state
        .session(caller.session)
        .map(|session| session.monitors.iter().cloned().collect())
        .unwrap_or_default()
}

/// Applies a change to the session's monitor list; returns the result of `change`.
fn change_list(
    ctx: &mut Context<'_>,
    caller: Caller,
    change: impl FnOnce(&mut std::collections::BTreeSet<Nick>) -> bool,
) -> bool {
    ctx.state
        .session_mut(caller.session)
        .is_some_and(|session| change(&mut session.monitors))
}
