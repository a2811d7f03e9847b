//! `REDACT`: deletes messages (IRCv3 `draft/message-redaction`).
//!
//! The message is looked up outside the core; [`found`] continues when it arrives. An operator of
//! the control plane can redact messages too.

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{AccountName, Capability, Message};
use rookery_record::{HistoryEntry, Participant, Place, ReadableTarget, Redactor};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context, address};
use crate::event::{Delivery, HistoryQuery, HistoryResult, Purpose};
use crate::features::{history, silence};
use crate::lengths;
use crate::line::{Line, Tags, truncate};
use crate::state::channel::MemberModes;
use crate::state::{Receiver, User};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["REDACT"],
    min_params: 2,
    help: &[
        "REDACT target msgid [:reason]",
        "Deletes one of your messages, or any message in a channel where you are an operator.",
    ],
    weight: |_| Weight::MESSAGE,
    handler: Handler::CoreLongReply(redact),
}];

/// Handles `REDACT <target> <msgid> [<reason>]`.
pub fn redact(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    if !caller.has(Capability::MessageRedaction) {
        let text = "REDACT needs the capability draft/message-redaction";
        return ctx.unknown_command(caller, &message.command, text);
    }
    let (Some(target), Some(msgid)) = (message.param(0), message.param(1)) else {
        return;
    };
    if redactable(ctx, caller, target).is_none() {
        return no_such_target(ctx, caller, target);
    }
    let reason = message.text(2).filter(|reason| !reason.is_empty());
    ctx.warn_if_cut(
        caller,
        "REDACT",
        reason.as_deref().unwrap_or_default(),
        lengths::REDACT,
    );
    let reason = reason.map(|reason| truncate(&reason, lengths::REDACT).to_owned());
    let purpose = Purpose::Redaction {
        target: target.to_owned(),
        msgid: msgid.to_owned(),
        reason,
    };
    ctx.fetch(caller, purpose, HistoryQuery::Message(msgid.to_owned()));
}

/// A request to redact a message.
pub struct Redaction<'a> {
    pub target: &'a str,
    pub msgid: &'a str,
    pub reason: Option<&'a str>,
}

/// The refusal to delete a message: the code, an additional parameter, and a text.
type Refusal = (&'static str, Option<String>, &'static str);

/// Returns the channel or conversation whose messages the caller can read, which is a condition of
/// redacting them; `None` if it can read none.
pub fn redactable(ctx: &Context<'_>, caller: Caller, target: &str) -> Option<ReadableTarget> {
    let name = match target.strip_prefix(['@', '+']) {
        Some(name) if name.starts_with('#') => name,
        _ => target,
    };
    history::readable(ctx, caller, name)
}

/// Replies that the caller cannot redact messages of the target.
pub fn no_such_target(ctx: &mut Context<'_>, caller: Caller, target: &str) {
    let text =
        "You cannot delete messages from there: you are not in that channel, or not signed in";
    ctx.fail(caller, "REDACT", "INVALID_TARGET", &[target], text);
}

/// Redacts the message that was looked up, or replies why not.
pub fn found(
    ctx: &mut Context<'_>,
    caller: Caller,
    redaction: &Redaction<'_>,
    found: HistoryResult,
) {
    let &Redaction { target, msgid, .. } = redaction;
    // The caller may have lost access to the channel in the meantime.
    let Some(readable) = redactable(ctx, caller, target) else {
        return no_such_target(ctx, caller, target);
    };
    let HistoryResult::Message(message) = found else {
        let text = "The message could not be read; please try again later";
        return ctx.fail(caller, "REDACT", "MESSAGE_ERROR", &[target, msgid], text);
    };
    match may_redact(ctx, caller, &readable, message.map(|message| *message)) {
        Ok(message) => apply(ctx, caller, redaction, &message),
        Err((code, context, text)) => {
            let context = context.as_deref();
            let context: Vec<&str> = [target, msgid].into_iter().chain(context).collect();
            ctx.fail(caller, "REDACT", code, &context, text);
        }
    }
}

/// Returns the message if the caller may redact it: its own, or any in a channel where it is an
/// operator.
fn may_redact(
    ctx: &Context<'_>,
    caller: Caller,
    readable: &ReadableTarget,
    message: Option<HistoryEntry>,
) -> Result<HistoryEntry, Refusal> {
    let user = ctx.state.user(caller.user);
    let unknown = (
        "UNKNOWN_MSGID",
        None,
        "This message does not exist, or is too old",
    );
    let is_visible = |message: &HistoryEntry| {
        readable.is_visible(message)
            && readable
                .places
                .iter()
                .any(|place| place.is_same(&message.place))
    };
    let message = message.filter(is_visible).ok_or_else(|| unknown.clone())?;
    let account = user.identity.as_ref().map(|identity| &identity.name);
    let own = account.is_some() && message.account.as_ref() == account;
    let operator = match &message.place {
        Place::Channel(name) => ctx
            .state
            .channel(name)
            .is_some_and(|channel| channel.is_operator(caller.user)),
        Place::Direct { .. } => false,
    };
    if !own && !operator {
        // A message to operators only must not become known to others.
        let hidden = message.status().is_some();
        return Err(if hidden {
            unknown
        } else {
            (
                "REDACT_FORBIDDEN",
                None,
                "You are not authorised to delete this message",
            )
        });
    }
    if !message.is_message() {
        return Err((
            "REDACT_FORBIDDEN",
            None,
            "Only messages can be deleted, not events",
        ));
    }
    let minutes = ctx.settings.redaction_minutes;
    let window = SignedDuration::from_mins(minutes.into());
    if !operator && minutes > 0 && ctx.now().duration_since(message.at) > window {
        let text = "You can no longer delete this message";
        return Err((
            "REDACT_WINDOW_EXPIRED",
            Some(window.as_secs().to_string()),
            text,
        ));
    }
    Ok(message)
}

/// Stores the redaction and then sends it. The caller's own copy is its receipt.
fn apply(ctx: &mut Context<'_>, caller: Caller, redaction: &Redaction<'_>, message: &HistoryEntry) {
    let &Redaction {
        target,
        msgid,
        mut reason,
    } = redaction;
    // To those who read it, the reason would be a message.
    let may_speak = match &message.place {
        Place::Channel(name) => ctx.state.may_speak(caller.user, name),
        Place::Direct { from, to } => {
            !silence::is_silenced(ctx, ctx.state.user(caller.user), [from, to])
        }
    };
    let left_out = reason.take_if(|_| !may_speak);
    let id = ctx.state.next_msgid(ctx.clock.now());
    let user = ctx.state.user(caller.user);
    let account = user.identity.as_ref().map(|identity| identity.name.clone());
    let by = Redactor {
        source: user.source.to_string(),
        account,
    };
    let at = ctx.clock.next(&message.place);
    let entry = message.redaction(by, id, at, reason);
    let tags = Tags {
        time: &ctx.stamp.text_of(at),
        msgid: Some(&entry.msgid),
        ..ctx.tags_of(user)
    };

    let mut deliveries = redaction_deliveries(ctx, message, &entry, &tags, |receiver| {
        receiver.session != caller.session
    });
    let object = if message.account.is_some() && message.account == entry.account {
        "a message".to_owned()
    } else {
        format!("a message from {}", nick_of(&message.source))
    };
    let text = format!("redacted {object} from {}", ago(ctx.now(), message.at));
    let text = format!("({})", with_reason(text, reason));
    deliveries.extend(notice_deliveries(ctx, message, Some(user), &text));
    let line = redaction_line(ctx, message, &entry, user).render(&tags, caller.capabilities);
    let receipt = Delivery {
        to: vec![caller.session],
        line,
    };
    let text =
        "The server could not store the redaction: the message was not deleted. Please try again";
    let failed = ctx
        .server_line("FAIL")
        .word("REDACT")
        .word("MESSAGE_NOT_STORED");
    let failed = failed.word(target).word(msgid).text(text);
    let line = failed.render(&ctx.server_tags(), caller.capabilities);
    let refusal = Delivery {
        to: vec![caller.session],
        line,
    };
    // Never refused: there is always room to take back what was said.
    ctx.charge_for_storage(caller.user, &entry);
    ctx.out.store(
        Box::new(entry),
        ctx.clock.now(),
        deliveries,
        Some(receipt),
        refusal,
    );
    if left_out.is_some() {
        let text = "You cannot send messages there, so your reason was left out";
        ctx.warn(caller, "REDACT", "REASON_LEFT_OUT", text);
    }
}

/// Sends the redactions by an operator of the control plane to those who are online: each message
/// with the entry that replaces it. All are of one author.
pub fn notify_redacted_by_operator(
    ctx: &mut Context<'_>,
    messages: &[(HistoryEntry, HistoryEntry)],
    reason: &str,
) {
    let mut notices: Vec<(&HistoryEntry, usize)> = Vec::new();
    let mut deliveries = Vec::new();
    for (message, entry) in messages {
        let tags = Tags {
            time: &ctx.stamp.text_of(entry.at),
            msgid: Some(&entry.msgid),
            ..ctx.server_tags()
        };
        deliveries.extend(redaction_deliveries(ctx, message, entry, &tags, |_| true));
        let is_same_audience = |(other, _): &&mut (&HistoryEntry, usize)| {
            other.place.is_same(&message.place) && other.status() == message.status()
        };
        match notices.iter_mut().find(is_same_audience) {
            Some((_, count)) => *count += 1,
            None => notices.push((message, 1)),
        }
    }
    for (message, count) in notices {
        let nick = nick_of(&message.source);
        let text = match count {
            1 => format!(
                "An operator of the server redacted a message from {nick} from {}",
                ago(ctx.now(), message.at)
            ),
            _ => format!("An operator of the server redacted {count} messages from {nick}"),
        };
        let text = with_reason(text, Some(reason));
        deliveries.extend(notice_deliveries(ctx, message, None, &text));
    }
    ctx.out.deliver(deliveries);
}

/// Returns the online users who received the message, or would have.
fn audience<'c>(ctx: &'c Context<'_>, message: &HistoryEntry) -> Vec<&'c User> {
    match &message.place {
        Place::Channel(name) => {
            let Some(channel) = ctx.state.channel(name) else {
                return Vec::new();
            };
            let received = |modes: MemberModes| match message.status() {
                None => true,
                Some('@') => modes.is_operator(),
                Some(_) => modes.may_speak(),
            };
            let members = channel.members().iter();
            members
                .filter(|member| received(member.modes))
                .map(|member| ctx.state.user(member.user))
                .collect()
        }
        Place::Direct { from, to } => {
            let online = |participant: &Participant| match participant {
                Participant::Account(name) => ctx
                    .state
                    .by_account(&AccountName::parse(name.as_str()).ok()?),
                Participant::Guest(nick) => ctx
                    .state
                    .by_nick(nick)
                    .filter(|user| user.identity.is_none()),
            };
            let mut parties: Vec<&User> = [from, to].into_iter().filter_map(online).collect();
            parties.dedup_by_key(|user| user.id);
            parties
        }
    }
}

/// Returns the deliveries of the redaction to the sessions that understand it and for which `pass`
/// is true.
fn redaction_deliveries(
    ctx: &Context<'_>,
    message: &HistoryEntry,
    entry: &HistoryEntry,
    tags: &Tags<'_>,
    pass: impl Fn(&Receiver) -> bool,
) -> Vec<Delivery> {
    let can_read = |receiver: &Receiver| {
        pass(receiver) && receiver.capabilities.has(Capability::MessageRedaction)
    };
    let audience = audience(ctx, message);
    match &message.place {
        Place::Channel(_) => {
            let Some(&one) = audience.first() else {
                return Vec::new();
            };
            let receivers = audience
                .iter()
                .flat_map(|user| ctx.state.receivers_of(user.id))
                .filter(can_read);
            address(
                receivers,
                audience.len(),
                tags,
                &redaction_line(ctx, message, entry, one),
            )
        }
        Place::Direct { .. } => audience
            .into_iter()
            .flat_map(|user| {
                let line = redaction_line(ctx, message, entry, user);
                let receivers = ctx.state.receivers_of(user.id).filter(can_read);
                address(receivers, 1, tags, &line)
            })
            .collect(),
    }
}

/// Returns the line as the user sees it: with the target that the message had. A redaction by the
/// server in a conversation shows the other user's nick, under which clients list the conversation.
fn redaction_line(
    ctx: &Context<'_>,
    message: &HistoryEntry,
    entry: &HistoryEntry,
    user: &User,
) -> Line {
    let line = Line::new(&entry.source, &entry.command);
    let line = match &message.place {
        Place::Channel(name) => {
            let name = ctx
                .state
                .channel(name)
                .map_or(name, |channel| &channel.name);
            let status = message.status().map(String::from).unwrap_or_default();
            line.word(&format!("{status}{name}"))
        }
        Place::Direct { from, to } if !entry.source.contains('!') && *to == user.participant() => {
            line.word(history::current_nick(ctx, from).as_str())
        }
        Place::Direct { to, .. } => line.word(history::current_nick(ctx, to).as_str()),
    };
    line.rest(&entry.text)
}

/// Returns the deliveries of a notice to the sessions that do not understand redactions. It comes
/// from the user who redacts the message, whose words it contains, or from the server. The
/// redaction of a `TAGMSG` needs none, because those sessions did not receive it.
fn notice_deliveries(
    ctx: &Context<'_>,
    message: &HistoryEntry,
    by: Option<&User>,
    text: &str,
) -> Vec<Delivery> {
    if message.command == "TAGMSG" {
        return Vec::new();
    }
    let unaware = |receiver: &Receiver| !receiver.capabilities.has(Capability::MessageRedaction);
    let deliveries = |by: Option<&User>, to: &[&User]| {
        let (line, tags) = match by {
            Some(by) => (ctx.user_line(by.id, "NOTICE"), ctx.tags_of(by)),
            None => (ctx.server_line("NOTICE"), ctx.server_tags()),
        };
        let notice = |target: &str| line.clone().word(target).text(text);
        let sessions = |user: &&User| ctx.state.receivers_of(user.id);
        match &message.place {
            Place::Channel(name) => {
                let receivers = to.iter().flat_map(sessions).filter(unaware);
                address(receivers, to.len(), &tags, &notice(name.as_str()))
            }
            Place::Direct { .. } => to
                .iter()
                .flat_map(|user| {
                    let receivers = sessions(user).filter(unaware);
                    address(receivers, 1, &tags, &notice(user.nick.as_str()))
                })
                .collect(),
        }
    };
    // The user's own sessions have not asked for an echo.
    let is_own = |user: &&User| by.is_some_and(|by| by.id == user.id);
    let (own, others): (Vec<&User>, Vec<&User>) =
        audience(ctx, message).into_iter().partition(is_own);
    [deliveries(None, &own), deliveries(by, &others)].concat()
}

fn nick_of(source: &str) -> &str {
    source.split('!').next().unwrap_or(source)
}

fn with_reason(text: String, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{text}: {reason}"),
        None => text,
    }
}

/// Returns the time since `at` as a text, in the largest unit that fits.
fn ago(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}
