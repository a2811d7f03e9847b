//! `RENAME`: changes the name of a channel (IRCv3 `draft/channel-rename`).

use rookery_protocol::numeric::ERR_CHANOPRIVSNEEDED;
use rookery_protocol::{Capability, ChannelName, Message};
use rookery_record::Place;

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::channels::{existing, join_line, needs_operator, not_on_channel};
use crate::features::{always_on, markread, names, persistence};
use crate::lengths;
use crate::line::{Line, truncate};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["RENAME"],
    min_params: 2,
    help: &[
        "RENAME #channel #new [:reason]",
        "Renames a channel where you are an operator. Only the founder can rename an owned",
        "channel.",
    ],
    // Each member may be sent the names of all members.
    weight: |_| Weight::messages(20),
    handler: Handler::CoreLongReply(rename),
}];

/// Handles `RENAME <channel> <new name> [<reason>]`. Everything else about the channel remains.
pub fn rename(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let Some(old) = existing(ctx, caller, message.param(0).unwrap_or_default()) else {
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
    let new = match ChannelName::parse(asked) {
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
    let is_persistent = channel.founder().is_some();
    let since = ctx.clock.upcoming(&Place::Channel(new.clone()));
    ctx.state.rename_channel(&old, &new, since);
    if is_persistent && old != new {
        persistence::forget_channel(ctx, &old);
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
