//! Applies changes of members' modes, and notifies channels of changes of any of their modes.

use rookery_protocol::ChannelName;

use crate::context::Context;
use crate::features::persistence;
use crate::ids::UserId;
use crate::line::{Line, MAX_BODY};
use crate::state::channel::MemberModes;

/// A mode change: whether the mode is set, its letter, and its parameter.
pub type ModeChange = (bool, char, Option<String>);

/// Notifies the channel of the modes that the member has now but did not have in `before`.
pub fn notify_member_modes(
    ctx: &mut Context<'_>,
    user: UserId,
    name: &ChannelName,
    before: MemberModes,
) {
    let Some(member) = ctx
        .state
        .channel(name)
        .and_then(|channel| channel.member(user))
    else {
        return;
    };
    let nick = ctx.state.user(user).nick.clone();
    let new: String = member
        .modes
        .letters()
        .filter(|letter| !before.letters().any(|had| had == *letter))
        .collect();
    if new.is_empty() {
        return;
    }
    let line = ctx
        .server_line("MODE")
        .word(name.as_str())
        .word(&format!("+{new}"));
    let line = new.chars().fold(line, |line, _| line.word(nick.as_str()));
    ctx.notify_channel(name, &line);
}

/// Sets the modes of the member, without a notification.
pub fn set_member_modes(
    ctx: &mut Context<'_>,
    user: UserId,
    name: &ChannelName,
    modes: MemberModes,
) {
    if let Some(member) = ctx
        .state
        .channel_mut(name)
        .and_then(|channel| channel.member_mut(user))
    {
        member.modes = modes;
        ctx.state.touch(user);
    }
}

/// Persists the channel, then notifies all members of the changes, in as few lines as possible.
pub fn notify_modes(ctx: &mut Context<'_>, by: UserId, name: &ChannelName, changes: &[ModeChange]) {
    if changes.is_empty() {
        return;
    }
    persistence::persist_channel(ctx, name);
    let head = ctx.user_line(by, "MODE").word(name.as_str());
    let room = MAX_BODY.saturating_sub(head.byte_len());
    let mut rest = changes;
    while !rest.is_empty() {
        let (mut letters, mut parameters) = (String::new(), String::new());
        let mut sign = None;
        let mut count = 0;
        for (on, letter, parameter) in rest {
            let more = parameter
                .as_ref()
                .map_or(0, |parameter| parameter.len() + 1);
            if count > 0 && letters.len() + 3 + parameters.len() + more > room {
                break;
            }
            if sign != Some(*on) {
                letters.push(if *on { '+' } else { '-' });
                sign = Some(*on);
            }
            letters.push(*letter);
            if let Some(parameter) = parameter {
                parameters.push(' ');
                parameters.push_str(parameter);
            }
            count += 1;
        }
        let change = |line: Line| {
            parameters
                .split_whitespace()
                .fold(line.word(&letters), Line::word)
        };
        if letters.contains('k') {
            // A key is sent to the current members, and never stored in the history.
            ctx.send_to_channel(by, name, &change(head.clone()), |_| true);
        } else {
            ctx.send_channel_event(by, name, "MODE", change);
        }
        rest = &rest[count..];
    }
}
