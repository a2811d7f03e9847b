//! Messages: `PRIVMSG`, `NOTICE`, `TAGMSG`.
//!
//! With history on, a message is stored before anyone receives it; the sender's echo is its
//! receipt.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use rookery_protocol::numeric::{
    ERR_CANNOTSENDTOCHAN, ERR_NORECIPIENT, ERR_NOSUCHCHANNEL, ERR_NOSUCHNICK, ERR_NOTEXTTOSEND,
    ERR_TOOMANYTARGETS, RPL_AWAY,
};
use rookery_protocol::{Capabilities, Capability, ChannelName, Message};
use rookery_record::{HistoryEntry, Place};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context, address_each};
use crate::event::{Delivery, Output};
use crate::features::{admission, playback};
use crate::ids::UserId;
use crate::line::{Line, MAX_BODY, Tags, is_ctcp, truncate};
use crate::multiline::{Content, MultilineContent, wrap_lines};
use crate::params::{is_empty_list, split_list};
use crate::state::channel::{Channel, Flag, Member};
use crate::state::{Session, User};
use crate::token_bucket::Rate;
use crate::{lengths, multiline};

/// The period of the limit on what one sender may have stored.
const DAY: Duration = Duration::from_hours(24);
/// The bytes that an entry of the history takes beside its text and its tags, roughly.
const ENTRY_BYTES: usize = 256;
/// The text for the sender of a message that the store has refused.
const NOT_STORED: &str =
    "The server could not store your message, so it was not sent; please try again";

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
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(privmsg),
    },
    Command {
        names: &["NOTICE"],
        min_params: 0,
        help: &[
            "NOTICE target[,target] :text",
            "Sends a message that no program answers automatically.",
        ],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(privmsg),
    },
    Command {
        names: &["TAGMSG"],
        min_params: 1,
        help: &["TAGMSG target[,target]", "Sends message tags without text."],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(tagmsg),
    },
];

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

/// Sends a multi-line message to one target; [`multiline::lines`] describes the text.
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

/// A message before its targets are known.
struct Draft<'a> {
    command: &'a str,
    /// `None` for a `TAGMSG`. May contain several lines.
    text: Option<&'a str>,
    /// Escaped, as on the wire.
    client_tags: String,
    /// Whether errors are not sent.
    quiet: bool,
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
        let result = if count < lengths::TARGETS {
            send_to_target(ctx, caller, target, draft)
        } else {
            let text = "Too many targets in one message; this one was ignored";
            Err(Refusal::about_target(ERR_TOOMANYTARGETS, text))
        };
        if let Err(refusal) = result {
            reply_refusal(ctx, caller, draft, target, refusal);
        }
    }
}

/// Why a message was not sent.
enum Refusal {
    /// A numeric about the target, with its text.
    Target(&'static str, String),
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
        Refusal::Target(..) if draft.quiet => {}
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
    let msgid = &ctx.state.next_msgid();
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
    let channel = ctx.state.channel(&name).ok_or_else(|| {
        // A lobby exists even while nobody is in it.
        if ctx.settings.lobby.contains(&name) {
            let text = "Cannot send to channel (nobody is in it; join it first)";
            Refusal::about_target(ERR_CANNOTSENDTOCHAN, text)
        } else {
            none()
        }
    })?;
    let sender = ctx.state.user(caller.user);
    let has_ctcp = |text| multiline::lines(text).any(|line| is_ctcp(line.text));
    let ctcp = channel.flags.has(Flag::NoCtcp) && draft.text.is_some_and(has_ctcp);
    let ctcp_refusal = ctcp.then_some("+C: no CTCP but ACTION");
    // Visitors may speak in the lobby without joining it.
    let counts_as_member =
        admission::is_visitor(ctx, caller) && ctx.settings.lobby.contains(&channel.name);
    if let Some(reason) = ctcp_refusal.or_else(|| speak_refusal(channel, sender, counts_as_member))
    {
        return Err(Refusal::Target(
            ERR_CANNOTSENDTOCHAN,
            format!("Cannot send to channel ({reason})"),
        ));
    }
    let shown_target = match status {
        Some(status) => format!("{status}{}", channel.name),
        None => channel.name.to_string(),
    };
    let may_receive = |member: &&Member| match status {
        _ if member.user == caller.user => false,
        None => true,
        Some('@') => member.modes.is_operator(),
        Some(_) => member.modes.may_speak(),
    };
    let receivers = channel
        .members()
        .iter()
        .filter(may_receive)
        .map(|member| member.user);
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
        channel.members().len(),
    );
    pay_for_storage(ctx, caller, &outgoing)?;
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
        std::iter::once(target.id),
        1,
    );
    pay_for_storage(ctx, caller, &outgoing)?;
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

/// Returns why the user may not speak in the channel. A visitor of the lobby counts as a member
/// (`counts_as_member`).
pub fn speak_refusal(
    channel: &Channel,
    user: &User,
    counts_as_member: bool,
) -> Option<&'static str> {
    let member = channel.member(user.id);
    if member.is_some_and(|member| member.modes.may_speak()) {
        return None;
    }
    if member.is_none() && !counts_as_member && channel.flags.has(Flag::NoExternal) {
        return Some("+n: members only");
    }
    if channel.flags.has(Flag::Moderated) {
        return Some("+m: moderated");
    }
    channel.mutes(user).then_some("+b: you are banned from it")
}

/// The target of a message, in the forms that receivers and the history need.
struct Addressed<'a> {
    /// As the receivers see it.
    target: &'a str,
    place: Place,
    /// A tag that is only stored in the history.
    mark: Option<String>,
    /// Whether the user sends the message to itself.
    to_self: bool,
}

/// The id of a message, and its time.
#[derive(Clone, Copy)]
struct Id<'a> {
    msgid: &'a str,
    at: Timestamp,
}

/// A message with all its deliveries.
struct Outgoing {
    /// For the history, with what the sender receives if it cannot be stored.
    stored: Option<(Box<HistoryEntry>, Delivery)>,
    deliveries: Vec<Delivery>,
    /// The sender's receipt, if its client wants one.
    echo: Option<Delivery>,
    to_self: bool,
    /// The number of bytes of a text that fit into the line that the receivers get.
    room: usize,
}

/// Counts the message towards what its sender may have stored in a day.
fn pay_for_storage(
    ctx: &mut Context<'_>,
    caller: Caller,
    outgoing: &Outgoing,
) -> Result<(), Refusal> {
    let per_day = ctx.settings.stored_bytes_per_day;
    let (Some((entry, _)), Some(rate), Some(payer)) = (
        &outgoing.stored,
        Rate::new(per_day, per_day, DAY),
        ctx.state.payer(caller.session),
    ) else {
        return Ok(());
    };
    let bytes = entry.text.len() + entry.tags.len() + ENTRY_BYTES;
    let since_epoch = ctx.clock.now().duration_since(Timestamp::UNIX_EPOCH);
    let now = Duration::try_from(since_epoch).unwrap_or_default();
    let bucket = ctx.state.storage.get(now, payer);
    if bucket.try_take(now, rate, bytes as u64) {
        Ok(())
    } else {
        Err(Refusal::StorageUsedUp)
    }
}

fn compose(
    ctx: &Context<'_>,
    caller: Caller,
    draft: &Draft<'_>,
    Id { msgid, at }: Id<'_>,
    addressed: Addressed<'_>,
    receivers: impl Iterator<Item = UserId>,
    expected: usize,
) -> Outgoing {
    let sender = ctx.state.user(caller.user);
    let head = Line::new(&sender.source, draft.command).word(addressed.target);
    let room = MAX_BODY.saturating_sub(head.byte_len() + 2);
    let text: Option<Cow<'_, str>> = draft.text.map(|text| {
        if multiline::is_multiline(text) {
            wrap_lines(text, room).into()
        } else {
            truncate(text, room).into()
        }
    });
    let content = match &text {
        Some(text) if multiline::is_multiline(text) => Content::Several(MultilineContent {
            source: &sender.source,
            target: addressed.target,
            head,
            text,
            batch: msgid,
        }),
        Some(text) => Content::One(head.text(text)),
        None => Content::One(head),
    };
    let tags = Tags {
        time: &ctx.stamp.text_of(at),
        msgid: Some(msgid),
        client: &draft.client_tags,
        bot: sender.is_bot,
        ..ctx.tags_of(sender)
    };
    // A client that cannot read tags receives no `TAGMSG`.
    let can_read =
        |session: &&Session| text.is_some() || session.capabilities.has(Capability::MessageTags);

    let siblings = if addressed.to_self {
        &[]
    } else {
        sender.sessions()
    };
    let siblings = siblings
        .iter()
        .filter(|session| session.id != caller.session);
    let receivers = receivers
        .flat_map(|user| ctx.state.user(user).sessions())
        .chain(siblings)
        .filter(can_read);
    let relevant = content.relevant(&tags);
    let render = |capabilities| content.render(&tags, capabilities);
    let deliveries = address_each(receivers, expected, relevant, render);
    let echo = sender.sessions().iter().filter(|session| {
        session.id == caller.session
            && session.capabilities.has(Capability::EchoMessage)
            && can_read(session)
    });
    let echo = address_each(echo, 1, relevant, render).pop();

    let is_stored =
        ctx.settings.history && (text.is_some() || is_worth_storing(&draft.client_tags));
    let entry = is_stored.then(|| {
        let bot = if sender.is_bot { "bot" } else { "" };
        let marks = [
            addressed.mark.unwrap_or_default(),
            bot.to_owned(),
            draft.client_tags.clone(),
        ];
        Box::new(HistoryEntry {
            msgid: msgid.to_owned(),
            at,
            place: addressed.place,
            source: sender.source.to_string(),
            account: sender
                .identity
                .as_ref()
                .map(|identity| identity.name.clone()),
            command: draft.command.to_owned(),
            text: text.as_deref().unwrap_or_default().to_owned(),
            tags: marks
                .iter()
                .filter(|mark| !mark.is_empty())
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(";"),
        })
    });
    let stored = entry.map(|entry| {
        let refusal = not_stored(ctx, caller, draft.command, addressed.target, NOT_STORED);
        (entry, refusal)
    });
    Outgoing {
        stored,
        deliveries,
        echo,
        to_self: addressed.to_self,
        room,
    }
}

/// Whether a `TAGMSG` is stored: it is not if its only tags are typing notifications.
fn is_worth_storing(client_tags: &str) -> bool {
    let keys = client_tags
        .split(';')
        .map(|tag| tag.split('=').next().unwrap_or_default());
    keys.into_iter()
        .any(|key| !key.is_empty() && key != "+typing" && key != "+draft/typing")
}

/// Returns what the sender receives if the message cannot be stored.
fn not_stored(
    ctx: &Context<'_>,
    caller: Caller,
    command: &str,
    target: &str,
    text: &str,
) -> Delivery {
    let line = if caller.has(Capability::StandardReplies) {
        ctx.server_line("FAIL")
            .word(command)
            .word("MESSAGE_NOT_STORED")
            .word(target)
            .text(text)
    } else {
        let nick = ctx.state.user(caller.user).nick.as_str();
        ctx.server_line("NOTICE")
            .word(nick)
            .text(&format!("{target}: {text}"))
    };
    Delivery {
        to: vec![caller.session],
        line: line.render(&ctx.server_tags(), caller.capabilities),
    }
}

fn send(ctx: &mut Context<'_>, caller: Caller, draft: &Draft<'_>, outgoing: Outgoing) {
    let Outgoing {
        stored,
        deliveries,
        echo,
        to_self,
        room,
    } = outgoing;
    if let Some((entry, refusal)) = stored {
        ctx.out.store(entry, deliveries, echo, refusal);
    } else {
        deliver(ctx, deliveries, echo, to_self);
    }
    if let Some(text) = draft.text
        && !multiline::is_multiline(text)
        && is_warned_of_cuts(caller)
    {
        ctx.warn_if_cut(caller, draft.command, text, room);
    }
}

/// Whether the sender of a message that is cut is warned. If its client does not know
/// `standard-replies`, it sees what was sent in its echo; and a client without any capability, as
/// written for the oldest servers, would take a notice for an answer.
fn is_warned_of_cuts(caller: Caller) -> bool {
    caller.has(Capability::StandardReplies)
        || (caller.capabilities != Capabilities::NONE && !caller.has(Capability::EchoMessage))
}

fn deliver(
    ctx: &mut Context<'_>,
    deliveries: Vec<Delivery>,
    echo: Option<Delivery>,
    to_self: bool,
) {
    if to_self {
        for delivery in deliveries {
            ctx.out.deliver_copy(delivery);
        }
    } else {
        ctx.out.deliver(deliveries);
    }
    if let Some(echo) = echo {
        ctx.out.push(Output::Deliver(echo));
    }
}
