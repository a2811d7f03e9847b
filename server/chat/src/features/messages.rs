//! Messages: `PRIVMSG`, `NOTICE`, `TAGMSG`.
//!
//! With history on, a message is stored before anyone receives it; the sender's echo is its
//! receipt.

use rookery_protocol::numeric::{
    ERR_CANNOTSENDTOCHAN, ERR_NORECIPIENT, ERR_NOSUCHCHANNEL, ERR_NOSUCHNICK, ERR_NOTEXTTOSEND,
    ERR_TOOMANYTARGETS, RPL_AWAY,
};
use rookery_protocol::{Capability, ChannelName, Message};
use rookery_record::Place;

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::event::Output;
use crate::features::{admission, playback, rename, silence};
use crate::lengths;
use crate::multiline::has_ctcp;
use crate::params::{is_empty_list, split_list};
use crate::state::Receiver;
use crate::state::channel::{Flag, MemberModes};

mod outgoing;

use outgoing::{Addressed, Draft, Id, compose, not_stored, pay_for_storage, send};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["PRIVMSG"],
        min_params: 0,
        help: &[
            "PRIVMSG target[,target] :text",
            "Sends a message to channels or users. @#channel reaches only the operators of the",
            "channel.",
        ],
        weight,
        handler: Handler::Core(privmsg),
    },
    Command {
        names: &["NOTICE"],
        min_params: 0,
        help: &[
            "NOTICE target[,target] :text",
            "Sends a message that no program answers automatically.",
        ],
        weight,
        handler: Handler::Core(privmsg),
    },
    Command {
        names: &["TAGMSG"],
        min_params: 1,
        help: &["TAGMSG target[,target]", "Sends message tags without text."],
        weight,
        handler: Handler::Core(tagmsg),
    },
];

/// The text for the first target that is ignored.
pub const TOO_MANY_TARGETS: &str =
    "Too many targets in one message; this one and those after it were ignored";

/// Returns the weight of a message to the targets that it names.
fn weight(message: &Message) -> Weight {
    let targets = message.param(0).unwrap_or_default().split(',');
    weight_to(targets.take(lengths::TARGETS).count(), message)
}

/// Returns the weight of a message to that many targets: each counts as one, or as several if the
/// message has long tags. Otherwise, a few users could send all members of a channel more than
/// these can read.
pub fn weight_to(targets: usize, message: &Message) -> Weight {
    let tags = message
        .tags
        .iter()
        .map(|(key, value)| key.len() + value.len());
    Weight::of_targets(
        targets
            * tags
                .sum::<usize>()
                .div_ceil(lengths::TAGS_OF_MESSAGE)
                .max(1),
    )
}

/// Handles `PRIVMSG <targets> <text>` and `NOTICE <targets> <text>`.
pub fn privmsg(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let command = message.command.as_str();
    // Errors are not sent for a notice, so that programs cannot reply to each other forever.
    let quiet = command == "NOTICE";
    let Some(targets) = message.param(0).filter(|targets| !is_empty_list(targets)) else {
        if !quiet {
            ctx.reply(
                caller,
                ERR_NORECIPIENT,
                &[],
                &format!("No recipient given ({command})"),
            );
        }
        return;
    };
    let text = message.text(1).unwrap_or_default();
    if text.is_empty() {
        if !quiet {
            ctx.reply(caller, ERR_NOTEXTTOSEND, &[], "No text to send");
        }
        return;
    }
    if ctx.settings.history && !quiet && playback::is_request(message) {
        return playback::request(ctx, caller, &text);
    }
    let draft = Draft {
        command,
        text: Some(&text),
        client_tags: client_tags(caller, message),
        quiet,
    };
    send_to_each(ctx, caller, targets, &draft);
}

/// Handles `TAGMSG <targets>`: tags without text.
pub fn tagmsg(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let targets = message.param(0).unwrap_or_default();
    if is_empty_list(targets) {
        return ctx.need_more_params(caller, &message.command);
    }
    let client_tags = client_tags(caller, message);
    let draft = Draft {
        command: &message.command,
        text: None,
        client_tags,
        quiet: false,
    };
    send_to_each(ctx, caller, targets, &draft);
}

/// Sends a multi-line message to one target; [`lines`](crate::multiline::lines) describes the text.
pub fn send_multiline(
    ctx: &mut Context<'_>,
    caller: Caller,
    command: &str,
    target: &str,
    text: &str,
    client_tags: String,
) {
    ctx.state.user_mut(caller.user).active_at = ctx.stamp.at;
    let draft = Draft {
        command,
        text: Some(text),
        client_tags,
        quiet: command == "NOTICE",
    };
    if let Err(refusal) = send_to_target(ctx, caller, target, &draft) {
        reply_refusal(ctx, caller, &draft, target, refusal);
    }
}

/// Returns the client-only tags, escaped, if the client may send any.
pub fn client_tags(caller: Caller, message: &Message) -> String {
    if message.tags.is_empty() || !caller.has(Capability::MessageTags) {
        return String::new();
    }
    message.tags.client_only().to_string()
}

fn send_to_each(ctx: &mut Context<'_>, caller: Caller, targets: &str, draft: &Draft<'_>) {
    for (count, target) in split_list(targets).into_iter().enumerate() {
        if count == lengths::TARGETS {
            let refusal = Refusal::about_target(ERR_TOOMANYTARGETS, TOO_MANY_TARGETS);
            return reply_refusal(ctx, caller, draft, target, refusal);
        }
        if let Err(refusal) = send_to_target(ctx, caller, target, draft) {
            reply_refusal(ctx, caller, draft, target, refusal);
        }
    }
}

/// Why a message was not sent.
enum Refusal {
    /// A numeric about the target, with its text.
    Target(&'static str, String),
    /// The channel was renamed, to this name.
    Renamed(ChannelName),
    /// The sender has had as much stored as it may.
    StorageUsedUp,
}

impl Refusal {
    fn about_target(code: &'static str, text: &str) -> Self {
        Self::Target(code, text.to_owned())
    }
}

fn reply_refusal(
    ctx: &mut Context<'_>,
    caller: Caller,
    draft: &Draft<'_>,
    target: &str,
    refusal: Refusal,
) {
    match refusal {
        Refusal::Target(..) | Refusal::Renamed(_) if draft.quiet => {}
        Refusal::Renamed(new) => rename::reply_renamed(ctx, caller, draft.command, target, &new),
        Refusal::Target(code, text) => ctx.reply(caller, code, &[target], &text),
        Refusal::StorageUsedUp => {
            let text = "You have sent as much as the server stores for one sender in a day, so your \
                        message was not sent; please try again later";
            let line = not_stored(ctx, caller, draft.command, target, text);
            ctx.out.push(Output::Deliver(line));
        }
    }
}

fn send_to_target(
    ctx: &mut Context<'_>,
    caller: Caller,
    target: &str,
    draft: &Draft<'_>,
) -> Result<(), Refusal> {
    let msgid = &ctx.state.next_msgid(ctx.clock.now());
    let (status, name) = match target.strip_prefix(['@', '+']) {
        Some(name) if name.starts_with('#') => (target.chars().next(), name),
        _ => (None, target),
    };
    if name.starts_with('#') {
        send_to_channel(ctx, caller, status, name, draft, msgid)
    } else {
        send_to_user(ctx, caller, name, draft, msgid)
    }
}

fn send_to_channel(
    ctx: &mut Context<'_>,
    caller: Caller,
    status: Option<char>,
    name: &str,
    draft: &Draft<'_>,
    msgid: &str,
) -> Result<(), Refusal> {
    let none = || Refusal::about_target(ERR_NOSUCHCHANNEL, "No such channel");
    let name = ChannelName::parse(name).map_err(|_| none())?;
    let sender = ctx.state.user(caller.user);
    let channel = ctx.state.channel(&name).ok_or_else(|| {
        // A lobby exists even while nobody is in it.
        if ctx.settings.lobby.contains(&name) {
            let text = "Cannot send to channel (nobody is in it; join it first)";
            return Refusal::about_target(ERR_CANNOTSENDTOCHAN, text);
        }
        let renamed = rename::renamed(ctx, &name).filter(|channel| channel.is_known_to(sender));
        renamed.map_or_else(none, |channel| Refusal::Renamed(channel.name.clone()))
    })?;
    let ctcp = channel.flags.has(Flag::NoCtcp) && draft.text.is_some_and(has_ctcp);
    let ctcp_refusal = ctcp.then_some("+C: no CTCP but ACTION");
    // Visitors may speak in the lobby without joining it.
    let counts_as_member =
        admission::is_visitor(ctx, caller) && ctx.settings.lobby.contains(&channel.name);
    if let Some(reason) = ctcp_refusal.or_else(|| channel.speak_refusal(sender, counts_as_member)) {
        if !channel.is_known_to(sender) {
            return Err(none());
        }
        return Err(Refusal::Target(
            ERR_CANNOTSENDTOCHAN,
            format!("Cannot send to channel ({reason})"),
        ));
    }
    let shown_target = match status {
        Some(status) => format!("{status}{}", channel.name),
        None => channel.name.to_string(),
    };
    let may_receive = |receiver: &Receiver| {
        let has_status = |has: fn(MemberModes) -> bool| {
            let member = channel.member(receiver.user);
            member.is_some_and(|member| has(member.modes))
        };
        match status {
            _ if receiver.user == caller.user => false,
            None => true,
            Some('@') => has_status(MemberModes::is_operator),
            Some(_) => has_status(MemberModes::may_speak),
        }
    };
    let receivers = channel.receivers().iter().copied().filter(may_receive);
    let addressed = Addressed {
        target: &shown_target,
        place: Place::Channel(channel.name.clone()),
        // The mark restricts the message to the same members when it is read from the history.
        mark: status.map(|status| format!("statusmsg={status}")),
        to_self: false,
    };
    let at = ctx.clock.next(&addressed.place);
    let outgoing = compose(
        ctx,
        caller,
        draft,
        Id { msgid, at },
        addressed,
        receivers,
        channel.receivers().len(),
    );
    if !pay_for_storage(ctx, caller, &outgoing) {
        return Err(Refusal::StorageUsedUp);
    }
    send(ctx, caller, draft, outgoing);
    count(ctx, caller, draft, Some(&name));
    Ok(())
}

fn send_to_user(
    ctx: &mut Context<'_>,
    caller: Caller,
    name: &str,
    draft: &Draft<'_>,
    msgid: &str,
) -> Result<(), Refusal> {
    let target = ctx
        .state
        .named(name)
        .ok_or_else(|| Refusal::about_target(ERR_NOSUCHNICK, "No such nick"))?;
    if let Some((code, text)) = silence::refusal(ctx, ctx.state.user(caller.user), target) {
        return Err(Refusal::about_target(code, text));
    }
    let addressed = Addressed {
        target: target.nick.as_str(),
        place: Place::Direct {
            from: ctx.state.user(caller.user).participant(),
            to: target.participant(),
        },
        mark: None,
        to_self: target.id == caller.user,
    };
    let at = ctx.clock.next(&addressed.place);
    let away = target
        .away
        .as_deref()
        .filter(|_| draft.command == "PRIVMSG");
    let away = away.map(|away| (target.nick.clone(), away.to_owned()));
    let outgoing = compose(
        ctx,
        caller,
        draft,
        Id { msgid, at },
        addressed,
        ctx.state.receivers_of(target.id),
        1,
    );
    if !pay_for_storage(ctx, caller, &outgoing) {
        return Err(Refusal::StorageUsedUp);
    }
    send(ctx, caller, draft, outgoing);
    count(ctx, caller, draft, None);
    if let Some((nick, away)) = away {
        ctx.reply(caller, RPL_AWAY, &[nick.as_str()], &away);
    }
    Ok(())
}

/// Counts the message for activity statistics. A `TAGMSG` is not counted.
fn count(ctx: &mut Context<'_>, caller: Caller, draft: &Draft<'_>, channel: Option<&ChannelName>) {
    if draft.text.is_none() {
        return;
    }
    let now = ctx.now();
    ctx.state.user_mut(caller.user).activity.add(now);
    if let Some(channel) = channel.and_then(|name| ctx.state.channel_mut(name)) {
        channel.activity.add(now);
    }
}
