//! Membership in channels, and their topics: `JOIN`, `PART`, `TOPIC`, `KICK`, `INVITE`.

pub mod weights;

use std::collections::BTreeSet;

use rookery_protocol::numeric::{
    ERR_BADCHANMASK, ERR_BADCHANNELKEY, ERR_BANNEDFROMCHAN, ERR_CANNOTSENDTOCHAN,
    ERR_CHANNELISFULL, ERR_CHANOPRIVSNEEDED, ERR_INVITEONLYCHAN, ERR_NOSUCHCHANNEL, ERR_NOSUCHNICK,
    ERR_NOTONCHANNEL, ERR_TOOMANYCHANNELS, ERR_TOOMANYTARGETS, ERR_USERNOTINCHANNEL,
    ERR_USERONCHANNEL, RPL_AWAY, RPL_ENDOFINVITELIST, RPL_INVITELIST, RPL_INVITING, RPL_NOTOPIC,
};
use rookery_protocol::{Capability, ChannelName, Message, NameError};
use rookery_record::Place;

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::messages::TOO_MANY_TARGETS;
use crate::features::metadata::values;
use crate::features::{access, catch_up, mode_changes, names, persistence, rename, silence};
use crate::lengths;
use crate::line::{Line, truncate};
use crate::params::{is_empty_list, split_list};
use crate::state::channel::{Channel, Flag, MemberModes, Topic};
use crate::state::{CreateAs, Receiver, User};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["JOIN"],
        min_params: 1,
        help: &[
            "JOIN #channel[,#channel] [key[,key]]",
            "Joins channels, and creates those that do not exist. JOIN 0 leaves all channels.",
        ],
        weight: weights::of_channels,
        handler: Handler::CoreLongReply(join),
    },
    Command {
        names: &["PART"],
        min_params: 1,
        help: &["PART #channel[,#channel] [:reason]", "Leaves channels."],
        weight: weights::of_channels,
        handler: Handler::Core(part),
    },
    Command {
        names: &["TOPIC"],
        min_params: 1,
        help: &[
            "TOPIC #channel [:topic]",
            "Shows or sets the topic of a channel.",
        ],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(topic),
    },
    Command {
        names: &["KICK"],
        min_params: 2,
        help: &[
            "KICK #channel nick[,nick] [:reason]",
            "Removes users from a channel where you are an operator.",
        ],
        weight: weights::of_kick,
        handler: Handler::Core(kick),
    },
    Command {
        names: &["INVITE"],
        min_params: 0,
        help: &[
            "INVITE nick #channel",
            "Invites a user to a channel you are in. Without parameters, lists your invitations.",
        ],
        // Without parameters, all channels are searched.
        weight: |message| Weight::messages(if message.params.is_empty() { 10 } else { 1 }),
        handler: Handler::Core(invite),
    },
];

/// Handles `JOIN <channels> [<keys>]` and `JOIN 0`.
pub fn join(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let targets = message.param(0).unwrap_or_default();
    if targets == "0" {
        for name in ctx.state.user(caller.user).channels().to_vec() {
            leave(ctx, caller, &name, None);
        }
        return;
    }
    if is_empty_list(targets) {
        return ctx.need_more_params(caller, &message.command);
    }
    let mut keys = message.param(1).unwrap_or_default().split(',');
    let mut seen = BTreeSet::new();
    for target in targets.split(',').filter(|target| !target.is_empty()) {
        let key = keys.next().filter(|key| !key.is_empty());
        let parsed = ChannelName::parse(target);
        match parsed.map(|name| rename::forwarded(ctx, caller, name)) {
            Ok(None) => {}
            Ok(Some(name)) if !seen.insert(name.clone()) => {}
            Ok(Some(name)) => {
                let channel = ctx.state.channel(&name);
                let joined = channel.filter(|channel| channel.has(caller.user));
                match joined.filter(|_| ctx.out.is_labelled()) {
                    // Without a label, servers are silent, and another `JOIN` would be shown. A
                    // client that labels it waits for the `JOIN` or for an error; an `ACK` says
                    // neither.
                    Some(channel) => {
                        let name = channel.name.clone();
                        send_membership(ctx, caller, &name);
                    }
                    None => join_channel(ctx, caller, &name, key),
                }
            }
            Err(NameError::NotAChannel) => no_such_channel(ctx, caller, target),
            Err(error) => bad_name(ctx, caller, target, error),
        }
    }
}

fn bad_name(ctx: &mut Context<'_>, caller: Caller, name: &str, error: NameError) {
    let text = format!("Bad channel name: {error}");
    ctx.reply(caller, ERR_BADCHANMASK, &[name], &text);
}

/// Whether the caller's user is in the channel.
pub fn is_in(ctx: &Context<'_>, caller: Caller, name: &ChannelName) -> bool {
    let channel = ctx.state.channel(name);
    channel.is_some_and(|channel| channel.has(caller.user))
}

/// Adds the caller's user to the channel, or replies why it may not join. Does nothing if it is
/// already a member.
pub fn join_channel(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName, key: Option<&str>) {
    if is_in(ctx, caller, name) {
        return;
    }
    let user = ctx.state.user(caller.user);
    let limit = ctx.settings.channels_per_user;
    let refusal = if limit > 0 && user.channels().len() >= limit {
        Some((ERR_TOOMANYCHANNELS, "You have joined too many channels"))
    } else {
        join_refusal(ctx, user, name, key)
    };
    if let Some((code, text)) = refusal {
        return ctx.reply(caller, code, &[name.as_str()], text);
    }
    let new = ctx.state.channel(name).is_none();
    let is_lobby = ctx.settings.lobby.contains(name);
    if new
        && !is_lobby
        && let Err(error) = name.check_new()
    {
        return bad_name(ctx, caller, name.as_str(), error);
    }
    let account = user.identity.as_ref().map(|identity| identity.name.clone());
    let is_full =
        new && account.is_some_and(|account| access::channels_left(ctx, &account) == Some(0));
    let create_as = match is_lobby {
        true => CreateAs::Lobby,
        false if is_full => CreateAs::Unowned,
        false => CreateAs::Owned,
    };
    let since = ctx.clock.upcoming(&Place::Channel(name.clone()));
    ctx.state
        .join(caller.user, name, create_as, ctx.stamp.at, since);
    if new {
        persistence::persist_channel(ctx, name);
    }
    // The name as its creator wrote it.
    let name = ctx
        .state
        .channel(name)
        .map_or_else(|| name.clone(), |channel| channel.name.clone());

    let is_extended = |extended: bool| {
        move |receiver: &Receiver| receiver.capabilities.has(Capability::ExtendedJoin) == extended
    };
    let channel = ctx.state.channel(&name);
    if channel.is_some_and(|channel| channel.members().len() > 1) {
        ctx.shown_joins += 1;
    }
    for extended in [false, true] {
        let line = join_line(ctx.state.user(caller.user), &name, extended);
        ctx.send_to_channel(caller.user, &name, &line, is_extended(extended));
    }
    if let Some(away) = ctx.state.user(caller.user).away.clone() {
        let line = ctx.user_line(caller.user, "AWAY").text(&away);
        ctx.send_to_channel(caller.user, &name, &line, |receiver| {
            receiver.capabilities.has(Capability::AwayNotify) && receiver.user != caller.user
        });
    }
    for own in ctx.callers(caller.user) {
        names::describe(ctx, own, &name);
        // The other sessions receive the messages from now on, whether they send something or not.
        if own.session != caller.session {
            catch_up::resume(ctx, own.session);
        }
    }
    values::sync_join(ctx, caller.user, &name);
    if !new {
        mode_changes::notify_member_modes(ctx, caller.user, &name, MemberModes::default());
    } else if create_as == CreateAs::Unowned {
        ctx.notice(
            caller,
            &format!("You own too many channels; {name} has no owner and is removed when empty."),
        );
    }
}

/// Sends the session a channel that its user is already in.
pub fn send_membership(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) {
    let user = ctx.state.user(caller.user);
    let line = join_line(user, name, caller.has(Capability::ExtendedJoin));
    let line = line.render(&ctx.tags_of(user), caller.capabilities);
    ctx.send_bytes(caller, line);
    names::describe(ctx, caller, name);
}

/// Returns the line that announces that the user has joined.
pub fn join_line(user: &User, name: &ChannelName, extended: bool) -> Line {
    let line = Line::new(&user.source, "JOIN").word(name.as_str());
    if extended {
        line.word(user.account().unwrap_or("*"))
            .text(&user.realname)
    } else {
        line
    }
}

/// Returns why the user may not join the channel, if there is a reason.
fn join_refusal(
    ctx: &Context<'_>,
    user: &User,
    name: &ChannelName,
    key: Option<&str>,
) -> Option<(&'static str, &'static str)> {
    let channel = ctx.state.channel(name)?;
    // Modes do not apply to users who are operators by their account.
    if channel.modes_by_access(user).is_operator() {
        return None;
    }
    if channel.key.is_some() && channel.key.as_deref() != key {
        return Some((
            ERR_BADCHANNELKEY,
            "Cannot join channel (+k: key missing or wrong)",
        ));
    }
    if channel.invited.contains(&user.id) {
        return None;
    }
    if channel.flags.has(Flag::InviteOnly) && !channel.is_invite_exception(user) {
        return Some((
            ERR_INVITEONLYCHAN,
            "Cannot join channel (+i: invitation required)",
        ));
    }
    if channel
        .limit
        .is_some_and(|limit| channel.members().len() >= limit as usize)
    {
        return Some((ERR_CHANNELISFULL, "Cannot join channel (+l: it is full)"));
    }
    channel.bans(user).then_some((
        ERR_BANNEDFROMCHAN,
        "Cannot join channel (+b: you are banned from it)",
    ))
}

/// Handles `PART <channels> [<reason>]`.
pub fn part(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let targets = message.param(0).unwrap_or_default();
    if is_empty_list(targets) {
        return ctx.need_more_params(caller, &message.command);
    }
    let reason = message.text(1).filter(|reason| !reason.is_empty());
    for target in split_list(targets) {
        if let Some(name) = existing(ctx, caller, "PART", target) {
            if is_in(ctx, caller, &name) {
                leave(ctx, caller, &name, reason.as_deref());
            } else {
                not_on_channel(ctx, caller, &name);
            }
        }
    }
    let given = reason.as_deref().unwrap_or_default();
    ctx.warn_if_cut(caller, "PART", given, lengths::PART);
}

fn leave(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName, reason: Option<&str>) {
    let line = ctx.user_line(caller.user, "PART").word(name.as_str());
    let line = match reason.filter(|_| ctx.state.may_speak(caller.user, name)) {
        Some(reason) => line.text(truncate(reason, lengths::PART)),
        None => line,
    };
    ctx.send_to_channel(caller.user, name, &line, |_| true);
    ctx.state.leave(caller.user, name);
}

/// Handles `TOPIC <channel> [<topic>]`.
pub fn topic(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let Some(name) = existing(ctx, caller, "TOPIC", message.param(0).unwrap_or_default()) else {
        return;
    };
    let Some(channel) = ctx.state.channel(&name) else {
        return;
    };
    let text = message.text(1);
    let Some(text) = text.as_deref() else {
        if !channel.is_visible_to(caller.user) {
            return not_on_channel(ctx, caller, &name);
        }
        if !names::topic(ctx, caller, &name) {
            ctx.reply(caller, RPL_NOTOPIC, &[name.as_str()], "No topic is set");
        }
        return;
    };
    if !channel.has(caller.user) {
        return not_on_channel(ctx, caller, &name);
    }
    if channel.flags.has(Flag::TopicLocked) && !channel.is_operator(caller.user) {
        return needs_operator(ctx, caller, &name);
    }
    if let Some(reason) = channel.speak_refusal(ctx.state.user(caller.user), false) {
        let text = format!("Cannot set the topic ({reason})");
        return ctx.reply(caller, ERR_CANNOTSENDTOCHAN, &[name.as_str()], &text);
    }
    let (given, text) = (text, truncate(text, lengths::TOPIC));
    let by = ctx.state.user(caller.user).source.to_string().into();
    let at = ctx.now();
    if let Some(channel) = ctx.state.channel_mut(&name) {
        channel.topic = (!text.is_empty()).then(|| Topic {
            text: text.into(),
            by,
            at,
        });
    }
    persistence::persist_channel(ctx, &name);
    ctx.send_channel_event(caller.user, &name, "TOPIC", |line| line.text(text));
    ctx.warn_if_cut(caller, "TOPIC", given, lengths::TOPIC);
}

/// Handles `KICK <channel> <nicks> [<reason>]`; with several channels, one nick for each.
pub fn kick(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let channels: Vec<&str> = message
        .param(0)
        .unwrap_or_default()
        .split(',')
        .filter(|name| !name.is_empty())
        .collect();
    let nicks = split_list(message.param(1).unwrap_or_default());
    if channels.is_empty()
        || nicks.is_empty()
        || channels.len() > 1 && channels.len() != nicks.len()
    {
        return ctx.need_more_params(caller, "KICK");
    }
    let own_nick = ctx.state.user(caller.user).nick.to_string();
    let reason = message.text(2);
    let reason = reason
        .as_deref()
        .filter(|reason| !reason.is_empty())
        .unwrap_or(&own_nick);
    for (index, nick) in nicks.iter().enumerate() {
        if index == lengths::TARGETS {
            ctx.reply(caller, ERR_TOOMANYTARGETS, &[nick], TOO_MANY_TARGETS);
            break;
        }
        let channel = if channels.len() == 1 {
            channels[0]
        } else {
            channels[index]
        };
        kick_one(ctx, caller, channel, nick, reason);
    }
    ctx.warn_if_cut(caller, "KICK", reason, lengths::KICK);
}

fn kick_one(ctx: &mut Context<'_>, caller: Caller, channel: &str, nick: &str, reason: &str) {
    let Some(name) = existing(ctx, caller, "KICK", channel) else {
        return;
    };
    let Some(channel) = ctx.state.channel(&name) else {
        return;
    };
    if !channel.has(caller.user) {
        return not_on_channel(ctx, caller, &name);
    }
    if !channel.is_operator(caller.user) {
        return needs_operator(ctx, caller, &name);
    }
    let Some(target) = ctx.state.named(nick) else {
        return ctx.reply(caller, ERR_NOSUCHNICK, &[nick], "No such nick");
    };
    let (target, nick) = (target.id, target.nick.clone());
    if !channel.has(target) {
        return ctx.reply(
            caller,
            ERR_USERNOTINCHANNEL,
            &[nick.as_str(), name.as_str()],
            "They are not in that channel",
        );
    }
    if channel
        .member(target)
        .is_some_and(|member| member.modes.founder)
        && target != caller.user
    {
        return outranked(ctx, caller, &name);
    }
    let reason = truncate(reason, lengths::KICK);
    ctx.send_channel_event(caller.user, &name, "KICK", |line| {
        line.word(nick.as_str()).text(reason)
    });
    ctx.state.leave(target, &name);
}

/// Handles `INVITE <nick> <channel>`; without parameters, lists the caller's invitations.
pub fn invite(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let (Some(nick), Some(channel)) = (message.param(0), message.param(1)) else {
        return match message.param(0) {
            None => invitations(ctx, caller),
            Some(_) => ctx.need_more_params(caller, "INVITE"),
        };
    };
    let Some(target) = ctx.state.named(nick) else {
        return ctx.reply(caller, ERR_NOSUCHNICK, &[nick], "No such nick");
    };
    let (target, nick, away) = (target.id, target.nick.clone(), target.away.clone());
    let Some(name) = existing(ctx, caller, "INVITE", channel) else {
        return;
    };
    let Some(channel) = ctx.state.channel(&name) else {
        return;
    };
    if !channel.has(caller.user) {
        return not_on_channel(ctx, caller, &name);
    }
    let operator = channel.is_operator(caller.user);
    if channel.flags.has(Flag::InviteOnly) && !operator {
        return needs_operator(ctx, caller, &name);
    }
    let words = [nick.as_str(), name.as_str()];
    if channel.has(target) {
        return ctx.reply(
            caller,
            ERR_USERONCHANNEL,
            &words,
            "They are already in that channel",
        );
    }
    let refusal = silence::refusal(ctx, ctx.state.user(caller.user), ctx.state.user(target));
    if let Some((code, text)) = refusal {
        return ctx.reply(caller, code, &[nick.as_str()], text);
    }
    // Only an invitation by an operator overrides `+i`.
    if operator {
        let others: Vec<_> = channel
            .invited
            .iter()
            .copied()
            .filter(|id| *id != target && ctx.state.exists(*id))
            .collect();
        if let Some(channel) = ctx.state.channel_mut(&name) {
            channel.invited = others;
            channel.invited.push(target);
        }
    }
    ctx.reply_words(caller, RPL_INVITING, &words);
    if let Some(away) = away {
        ctx.reply(caller, RPL_AWAY, &[nick.as_str()], &away);
    }
    let line = ctx
        .user_line(caller.user, "INVITE")
        .word(nick.as_str())
        .word(name.as_str());
    ctx.send_to_users(caller.user, &[target], &line, |_| true);
    let operators: Vec<_> = ctx
        .state
        .channel(&name)
        .map(|channel| {
            channel
                .members()
                .iter()
                .filter(|member| member.modes.is_operator())
                .map(|member| member.user)
                .collect()
        })
        .unwrap_or_default();
    ctx.send_to_users(caller.user, &operators, &line, |receiver| {
        receiver.session != caller.session && receiver.capabilities.has(Capability::InviteNotify)
    });
}

fn invitations(ctx: &mut Context<'_>, caller: Caller) {
    let names: Vec<ChannelName> = ctx
        .state
        .channels()
        .filter(|channel| channel.invited.contains(&caller.user))
        .map(|channel| channel.name.clone())
        .collect();
    for name in names {
        ctx.reply_words(caller, RPL_INVITELIST, &[name.as_str()]);
    }
    ctx.reply(caller, RPL_ENDOFINVITELIST, &[], "End of invite list");
}

/// Returns the name of the channel as its creator wrote it, or replies that there is no such
/// channel, or that it was renamed. Nobody outside a secret channel can distinguish it from one
/// that does not exist, except by `JOIN` and `RENAME`, and by a message if it takes those from
/// outside.
pub fn existing(
    ctx: &mut Context<'_>,
    caller: Caller,
    command: &str,
    name: &str,
) -> Option<ChannelName> {
    let user = ctx.state.user(caller.user);
    let parsed = ChannelName::parse(name).ok();
    let find = |channel: Option<&Channel>| {
        let known = channel.filter(|channel| channel.is_known_to(user));
        known.map(|channel| channel.name.clone())
    };
    let named = |name| find(ctx.state.channel(name));
    let renamed = |name| find(rename::renamed(ctx, name));
    if let Some(found) = parsed.as_ref().and_then(named) {
        return Some(found);
    }
    match parsed.as_ref().and_then(renamed) {
        Some(new) => rename::reply_renamed(ctx, caller, command, name, &new),
        None => no_such_channel(ctx, caller, name),
    }
    None
}

fn no_such_channel(ctx: &mut Context<'_>, caller: Caller, name: &str) {
    ctx.reply(caller, ERR_NOSUCHCHANNEL, &[name], "No such channel");
}

/// Replies that the caller is not in the channel.
pub fn not_on_channel(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) {
    ctx.reply(
        caller,
        ERR_NOTONCHANNEL,
        &[name.as_str()],
        "You are not in that channel",
    );
}

/// Replies that the target is the channel's founder.
pub fn outranked(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) {
    ctx.reply(
        caller,
        ERR_CHANOPRIVSNEEDED,
        &[name.as_str()],
        "They are the founder of that channel",
    );
}

/// Replies that the caller is not an operator of the channel.
pub fn needs_operator(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) {
    ctx.reply(
        caller,
        ERR_CHANOPRIVSNEEDED,
        &[name.as_str()],
        "You are not an operator of that channel",
    );
}
