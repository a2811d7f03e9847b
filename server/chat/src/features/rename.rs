//! `RENAME`: changes the name of a channel (IRCv3 `draft/channel-rename`). The old name of an owned
//! channel stays reserved for it.

use rookery_protocol::numeric::{
    ERR_CHANOPRIVSNEEDED, ERR_LINKCHANNEL, ERR_NOSUCHCHANNEL, ERR_UNAVAILRESOURCE,
};
use rookery_protocol::{Capability, ChannelName, Message};
use rookery_record::Place;

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::channels::{existing, join_line, needs_operator, not_on_channel};
use crate::features::{always_on, markread, names, persistence};
use crate::lengths;
use crate::line::{Line, truncate};
use crate::state::channel::Channel;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["RENAME"],
    min_params: 2,
    help: &[
        "RENAME #channel #new [:reason]",
        "Renames a channel where you are an operator. Only the founder can rename an owned",
        "channel. The old name stays reserved for it.",
    ],
    // Each member may be sent the names of all members.
    weight: |_| Weight::messages(20),
    handler: Handler::CoreLongReply(rename),
}];

/// Handles `RENAME <channel> <new name> [<reason>]`. Everything else about the channel remains.
pub fn rename(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let Some(old) = existing(ctx, caller, "RENAME", message.param(0).unwrap_or_default()) else {
        return;
    };
    let Some(channel) = ctx.state.channel(&old) else {
        return;
    };
    if !channel.has(caller.user) {
        return not_on_channel(ctx, caller, &old);
    }
    if !channel.is_operator(caller.user) {
        return needs_operator(ctx, caller, &old);
    }
    if channel.founder().is_some() && !channel.is_founded_by(ctx.state.user(caller.user)) {
        let text = "Only the founder can rename an owned channel";
        return ctx.reply(caller, ERR_CHANOPRIVSNEEDED, &[old.as_str()], text);
    }
    let asked = message.param(1).unwrap_or_default();
    // What the channel is or was called may be from before the server was as strict with names.
    let is_own = |name: &ChannelName| {
        let holder = ctx.state.renamed(name);
        *name == old || holder.is_some_and(|holder| holder.name == old)
    };
    let check = |new: ChannelName| {
        if !is_own(&new) {
            new.check_new()?;
        }
        Ok(new)
    };
    let new = match ChannelName::parse(asked).and_then(check) {
        Ok(new) => new,
        Err(error) => {
            return refuse(
                ctx,
                caller,
                "CANNOT_RENAME",
                &old,
                asked,
                &format!("Bad name: {error}"),
            );
        }
    };
    if ctx.settings.lobby.contains(&old) && old != new {
        return refuse(
            ctx,
            caller,
            "CANNOT_RENAME",
            &old,
            asked,
            "The lobby cannot be renamed",
        );
    }
    if old != new && (ctx.state.channel(&new).is_some() || ctx.settings.lobby.contains(&new)) {
        return refuse(
            ctx,
            caller,
            "CHANNEL_NAME_IN_USE",
            &old,
            asked,
            "That channel already exists",
        );
    }
    if old != new && is_lookalike(ctx, caller, &old, &new) {
        let text = "That name looks like the name of another channel";
        return refuse(ctx, caller, "CHANNEL_NAME_IN_USE", &old, asked, text);
    }
    let reserved_for = renamed(ctx, &new).filter(|holder| holder.name != old);
    if reserved_for.is_some_and(|holder| !holder.is_founded_by(ctx.state.user(caller.user))) {
        let text = "That name is reserved for a channel that was renamed";
        return refuse(ctx, caller, "CHANNEL_NAME_IN_USE", &old, asked, text);
    }
    let reserved_for = reserved_for.map(|holder| holder.name.clone());
    let is_persistent = channel.founder().is_some();
    let since = ctx.clock.upcoming(&Place::Channel(new.clone()));
    ctx.state.rename_channel(&old, &new, since);
    if is_persistent && old != new {
        persistence::forget_channel(ctx, &old);
    }
    if let Some(holder) = reserved_for {
        persistence::persist_channel(ctx, &holder);
    }
    persistence::persist_channel(ctx, &new);
    persist_members(ctx, &old, &new);
    markread::rename_markers(ctx, &old, &new);
    let given = message.text(2).unwrap_or_default();
    let reason = truncate(&given, lengths::PART);
    let line = ctx
        .user_line(caller.user, "RENAME")
        .word(old.as_str())
        .word(new.as_str())
        .text(reason);
    ctx.send_to_channel(caller.user, &new, &line, |receiver| {
        receiver.capabilities.has(Capability::ChannelRename)
    });
    // Clients without the capability are not notified of a change of letter case.
    if old != new {
        send_as_part_and_join(ctx, &old, &new, reason);
    }
    ctx.warn_if_cut(caller, "RENAME", &given, lengths::PART);
}

/// Whether the new name of a channel looks like that of another which the caller may know of, or of
/// a lobby. The members of the channel would have both in their lists, without having joined the
/// one that imitates the other.
fn is_lookalike(ctx: &Context<'_>, caller: Caller, old: &ChannelName, new: &ChannelName) -> bool {
    let skeleton = new.skeleton();
    let user = ctx.state.user(caller.user);
    let mut lobbies = ctx.settings.lobby.iter();
    lobbies.any(|lobby| lobby.skeleton() == skeleton)
        || ctx.state.channels().any(|channel| {
            channel.looks_like(&skeleton) && channel.name != *old && channel.is_known_to(user)
        })
}

/// Returns the channel for which the name is reserved, because it had that name before.
pub fn renamed<'c>(ctx: &'c Context<'_>, name: &ChannelName) -> Option<&'c Channel> {
    let is_lobby = ctx.settings.lobby.contains(name);
    ctx.state.renamed(name).filter(|_| !is_lobby)
}

/// Returns the name of the channel that a `JOIN` of that name joins. If the name is reserved for a
/// channel that was renamed, the caller is notified: a client with `draft/channel-rename` joins
/// that channel by itself, others are forwarded to it.
pub fn forwarded(ctx: &mut Context<'_>, caller: Caller, name: ChannelName) -> Option<ChannelName> {
    let Some(channel) = renamed(ctx, &name) else {
        return Some(name);
    };
    let new = channel.name.clone();
    if !channel.is_known_to(ctx.state.user(caller.user)) {
        let text = "Cannot join channel (the name is reserved for a channel that was renamed)";
        ctx.reply(caller, ERR_UNAVAILRESOURCE, &[name.as_str()], text);
        return None;
    }
    if caller.has(Capability::ChannelRename) {
        reply_renamed(ctx, caller, "JOIN", name.as_str(), &new);
        return None;
    }
    let text = format!("{name} was renamed to {new}");
    let words = [name.as_str(), new.as_str()];
    ctx.reply(caller, ERR_LINKCHANNEL, &words, &text);
    Some(new)
}

/// Replies that the channel was renamed, to a user who may know its new name.
pub fn reply_renamed(
    ctx: &mut Context<'_>,
    caller: Caller,
    command: &str,
    old: &str,
    new: &ChannelName,
) {
    let text = format!("{old} was renamed to {new}");
    if caller.has(Capability::ChannelRename) {
        ctx.fail(
            caller,
            command,
            "CHANNEL_RENAMED",
            &[old, new.as_str()],
            &text,
        );
    } else {
        ctx.reply(caller, ERR_NOSUCHCHANNEL, &[old], &text);
    }
}

/// Persists the new name for the members that are always on.
fn persist_members(ctx: &mut Context<'_>, old: &ChannelName, new: &ChannelName) {
    let Some(channel) = ctx.state.channel(new) else {
        return;
    };
    let renamed = (channel.name.clone(), channel.named_at);
    let members: Vec<_> = channel.members().iter().map(|member| member.user).collect();
    always_on::persist_memberships(ctx, members, old.clone(), Some(renamed));
}

/// Sends the rename as `PART` and `JOIN` to sessions without the capability.
fn send_as_part_and_join(
    ctx: &mut Context<'_>,
    old: &ChannelName,
    new: &ChannelName,
    reason: &str,
) {
    let Some(channel) = ctx.state.channel(new) else {
        return;
    };
    let members: Vec<_> = channel.members().iter().map(|member| member.user).collect();
    for member in members {
        for caller in ctx.callers(member) {
            if caller.has(Capability::ChannelRename) {
                continue;
            }
            let user = ctx.state.user(member);
            let part = Line::new(&user.source, "PART").word(old.as_str());
            let part = if reason.is_empty() {
                part
            } else {
                part.text(reason)
            };
            let join = join_line(user, new, caller.has(Capability::ExtendedJoin));
            ctx.send(caller, &part);
            ctx.send(caller, &join);
            names::describe(ctx, caller, new);
        }
    }
}

fn refuse(
    ctx: &mut Context<'_>,
    caller: Caller,
    code: &str,
    old: &ChannelName,
    new: &str,
    text: &str,
) {
    ctx.fail(caller, "RENAME", code, &[old.as_str(), new], text);
}
