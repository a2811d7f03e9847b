//! `NAMES`, and the description of a channel that a session receives after `JOIN`.

use rookery_protocol::numeric::{RPL_ENDOFNAMES, RPL_NAMREPLY, RPL_TOPIC, RPL_TOPICWHOTIME};
use rookery_protocol::{Capability, ChannelName, Message};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::markread;
use crate::lengths;
use crate::line::fill;
use crate::params::split_list;
use crate::state::channel::Flag;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["NAMES"],
    min_params: 0,
    help: &[
        "NAMES #channel[,#channel]",
        "Lists the members of a channel.",
    ],
    weight: |_| Weight::MESSAGE,
    handler: Handler::Core(names),
}];

/// Handles `NAMES [<channels>]`.
pub fn names(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    // Without a channel, the reply is an empty list, because that of all channels would be too
    // long.
    let asked = message
        .param(0)
        .filter(|asked| !asked.is_empty())
        .unwrap_or("*");
    for name in split_list(asked).into_iter().take(lengths::TARGETS) {
        if let Ok(name) = ChannelName::parse(name) {
            members(ctx, caller, &name);
        }
    }
    end(ctx, caller, asked);
}

/// Sends the session the topic, the read marker and the members of a channel that its user has
/// joined.
pub fn describe(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) {
    topic(ctx, caller, name);
    markread::send_marker(ctx, caller, name.as_str());
    if !caller.has(Capability::NoImplicitNames) {
        members(ctx, caller, name);
        end(ctx, caller, name.as_str());
    }
}

/// Sends the topic; returns whether there is one.
pub fn topic(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) -> bool {
    let Some(topic) = ctx
        .state
        .channel(name)
        .and_then(|channel| channel.topic.as_ref())
    else {
        return false;
    };
    let (text, by, at) = (
        topic.text.clone(),
        topic.by.clone(),
        topic.at.as_second().to_string(),
    );
    ctx.reply(caller, RPL_TOPIC, &[name.as_str()], &text);
    ctx.reply_words(caller, RPL_TOPICWHOTIME, &[name.as_str(), &by, &at]);
    true
}

fn members(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) {
    let Some(channel) = ctx
        .state
        .channel(name)
        .filter(|channel| channel.is_visible_to(caller.user))
    else {
        return;
    };
    let symbol = if channel.flags.has(Flag::Secret) {
        "@"
    } else {
        "="
    };
    let (head, room) = ctx.list_head(caller, RPL_NAMREPLY, &[symbol, channel.name.as_str()]);
    let inside = channel.has(caller.user);
    let (prefixes, masks) = (
        caller.has(Capability::MultiPrefix),
        caller.has(Capability::UserhostInNames),
    );
    let names = channel
        .members()
        .iter()
        .map(|member| (member, ctx.state.user(member.user)))
        .filter(|(_, user)| inside || !user.is_invisible())
        .map(|(member, user)| {
            [
                member.modes.prefix(prefixes),
                if masks {
                    &user.source
                } else {
                    user.nick.as_str()
                },
            ]
        });
    let lists = fill(names, ' ', room);
    ctx.send_lists(caller, &head, &lists);
}

fn end(ctx: &mut Context<'_>, caller: Caller, asked: &str) {
    ctx.reply(caller, RPL_ENDOFNAMES, &[asked], "End of /NAMES list");
}
