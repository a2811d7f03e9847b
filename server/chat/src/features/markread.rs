//! `MARKREAD`: the time up to which a user has read each channel and conversation (IRCv3
//! `draft/read-marker`). Only the user's own sessions are notified.

use jiff::Timestamp;
use rookery_protocol::{Capability, ChannelName, Message, Nick};
use rookery_record::Change;

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::event::Output;
use crate::features::history;
use crate::ids::UserId;
use crate::line::shown_time;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["MARKREAD"],
    min_params: 0,
    help: &[
        "MARKREAD target [timestamp=YYYY-MM-DDThh:mm:ss.sssZ]",
        "Shows or sets how far you have read a channel or conversation. Your other clients are",
        "notified.",
    ],
    weight: |message| match message.param(1) {
        None => Weight::LIGHT,
        Some(_) => Weight::STORED,
    },
    handler: Handler::Core(markread),
}];

const COMMAND: &str = "MARKREAD";

/// Handles `MARKREAD <channel or nick> [timestamp=<time>]`.
pub fn markread(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    if !caller.has(Capability::ReadMarker) {
        return ctx.unknown_command(
            caller,
            COMMAND,
            "MARKREAD needs the capability draft/read-marker",
        );
    }
    let Some(target) = message.param(0).filter(|target| !target.is_empty()) else {
        return ctx.fail(
            caller,
            COMMAND,
            "NEED_MORE_PARAMS",
            &[],
            "Missing parameters",
        );
    };
    let has_moved = match message.param(1) {
        None => read_until(ctx, caller.user, target).map(|_| false),
        Some(text) => {
            let Some(at) = text.strip_prefix("timestamp=").and_then(history::timestamp) else {
                return ctx.fail(
                    caller,
                    COMMAND,
                    "INVALID_PARAMS",
                    &[target, text],
                    "Invalid timestamp",
                );
            };
            mark_read(ctx, caller.user, target, at)
        }
    };
    let Ok(has_moved) = has_moved else {
        return ctx.fail(
            caller,
            COMMAND,
            "INVALID_PARAMS",
            &[target],
            "Not a channel or nick",
        );
    };
    let channel = ChannelName::parse(target)
        .ok()
        .and_then(|name| ctx.state.channel(&name))
        .filter(|channel| channel.is_known_to(ctx.state.user(caller.user)));
    let name = channel.map_or_else(|| target.to_owned(), |channel| channel.name.to_string());
    send_marker(ctx, caller, &name);
    if has_moved {
        for other in ctx
            .callers(caller.user)
            .into_iter()
            .filter(|other| other.session != caller.session)
        {
            send_marker(ctx, other, &name);
        }
    }
}

/// Moves everyone's marker when a channel is renamed.
pub fn rename_markers(ctx: &mut Context<'_>, old: &ChannelName, new: &ChannelName) {
    let (old, folded) = (old.folded(), new.folded());
    if old == folded {
        return;
    }
    for (account, read_until) in ctx.state.markers.rename(old, folded) {
        for (target, read_until) in [(old, None), (folded, Some(read_until))] {
            let change = Change::ReadMarker {
                account,
                target: target.to_owned(),
                read_until,
            };
            ctx.out.push(Output::Persist(Box::new(change)));
        }
    }
    let members = ctx
        .state
        .channel(new)
        .map(|channel| channel.members().to_vec())
        .unwrap_or_default();
    for member in members {
        ctx.state.user_mut(member.user).markers.rename(old, folded);
    }
}

/// Returns the name under which the marker of that channel or nick is stored; `None` if it is
/// neither.
fn marker_name(ctx: &Context<'_>, target: &str) -> Option<Box<str>> {
    if let Ok(channel) = ChannelName::parse(target) {
        return Some(channel.folded().into());
    }
    let nick = Nick::parse(target).ok()?;
    let participant = ctx
        .state
        .by_nick(&nick)
        .map(crate::state::User::participant);
    Some(
        participant
            .as_ref()
            .map_or(&nick, |participant| participant.nick())
            .folded()
            .into(),
    )
}

/// Returns the time up to which the user has read.
///
/// # Errors
///
/// If the target is neither a channel nor a nick.
pub fn read_until(
    ctx: &Context<'_>,
    user: UserId,
    target: &str,
) -> Result<Option<Timestamp>, NoTarget> {
    let name = marker_name(ctx, target).ok_or(NoTarget)?;
    let user = ctx.state.user(user);
    let markers = match &user.identity {
        Some(identity) => ctx.state.markers.of(identity.id),
        None => Some(&user.markers),
    };
    Ok(markers.and_then(|markers| markers.get(&name)))
}

/// Records the time up to which the user has read. Returns whether the marker moved.
///
/// # Errors
///
/// If the target is neither a channel nor a nick.
pub fn mark_read(
    ctx: &mut Context<'_>,
    user: UserId,
    target: &str,
    read_until: Timestamp,
) -> Result<bool, NoTarget> {
    let name = marker_name(ctx, target).ok_or(NoTarget)?;
    // A marker cannot be in the future. Times are stored to the millisecond.
    let read_until = read_until.min(ctx.clock.latest()).as_millisecond();
    let read_until =
        Timestamp::from_millisecond(read_until).expect("a truncated timestamp is in range");
    let user = ctx.state.user_mut(user);
    let Some(account) = user.identity.as_ref().map(|identity| identity.id) else {
        return Ok(!user.markers.set(&name, read_until).is_empty());
    };
    let changes = ctx.state.markers.set(account, &name, read_until);
    let has_moved = !changes.is_empty();
    for (target, read_until) in changes {
        let target = target.as_ref().to_owned();
        ctx.out.push(Output::Persist(Box::new(Change::ReadMarker {
            account,
            target,
            read_until,
        })));
    }
    Ok(has_moved)
}

/// Sends the session its user's marker of the target, if its client has the capability.
pub fn send_marker(ctx: &mut Context<'_>, caller: Caller, target: &str) {
    if !caller.has(Capability::ReadMarker) {
        return;
    }
    let read_until = read_until(ctx, caller.user, target).ok().flatten();
    let read_until = read_until.map_or_else(
        || "*".to_owned(),
        |at| format!("timestamp={}", shown_time(at)),
    );
    let line = ctx.server_line("MARKREAD").word(target).word(&read_until);
    ctx.send(caller, &line);
}

/// The target is neither a channel nor a nick.
#[derive(Debug)]
pub struct NoTarget;
