//! A message to one target: the lines for each receiver, what the history stores of it, and its
//! outputs.

use std::borrow::Cow;

use jiff::Timestamp;
use rookery_protocol::{Capabilities, Capability};
use rookery_record::{HistoryEntry, Place};

use crate::context::{Caller, Context, address_each};
use crate::event::{Delivery, Output};
use crate::features::catch_up;
use crate::line::{Line, MAX_BODY, Tags, truncate};
use crate::multiline::{Content, MultilineContent, wrap_lines};
use crate::state::Receiver;
use crate::{lengths, multiline};

/// The text for the sender of a message that the store has refused.
const NOT_STORED: &str =
    "The server could not store your message, so it was not sent; please try again";

/// A message before its targets are known.
pub struct Draft<'a> {
    pub command: &'a str,
    /// `None` for a `TAGMSG`. May contain several lines.
    pub text: Option<&'a str>,
    /// Escaped, as on the wire.
    pub client_tags: String,
    /// Whether errors are not sent.
    pub quiet: bool,
}

/// The target of a message, in the forms that receivers and the history need.
pub struct Addressed<'a> {
    /// As the receivers see it.
    pub target: &'a str,
    pub place: Place,
    /// A tag that is only stored in the history.
    pub mark: Option<String>,
    /// Whether the user sends the message to itself.
    pub to_self: bool,
}

/// The id of a message, and its time.
#[derive(Clone, Copy)]
pub struct Id<'a> {
    pub msgid: &'a str,
    pub at: Timestamp,
}

/// A message with all its deliveries.
pub struct Outgoing {
    /// For the history, with what the sender receives if it cannot be stored.
    stored: Option<(Box<HistoryEntry>, Delivery)>,
    deliveries: Vec<Delivery>,
    /// The sender's receipt, if its client wants one.
    echo: Option<Delivery>,
    to_self: bool,
    /// The number of bytes of a text that fit into the line that the receivers get.
    room: usize,
}

/// Counts the message towards what its sender may have stored in a day. Returns whether there is
/// room for it.
pub fn pay_for_storage(ctx: &mut Context<'_>, caller: Caller, outgoing: &Outgoing) -> bool {
    let stored = outgoing.stored.as_ref();
    stored.is_none_or(|(entry, _)| ctx.pay_for_storage(caller.user, entry))
}

pub fn compose(
    ctx: &Context<'_>,
    caller: Caller,
    draft: &Draft<'_>,
    Id { msgid, at }: Id<'_>,
    addressed: Addressed<'_>,
    receivers: impl Iterator<Item = Receiver>,
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
        |receiver: &Receiver| text.is_some() || receiver.capabilities.has(Capability::MessageTags);

    let own = || ctx.state.receivers_of(caller.user);
    let siblings =
        own().filter(|receiver| !addressed.to_self && receiver.session != caller.session);
    let receivers = receivers.chain(siblings).filter(can_read);
    let relevant = content.relevant(&tags);
    let render = |capabilities| content.render(&tags, capabilities);
    let deliveries = address_each(receivers, expected, relevant, render);
    let echo = own().filter(|receiver| {
        receiver.session == caller.session
            && receiver.capabilities.has(Capability::EchoMessage)
            && can_read(receiver)
    });
    let echo = address_each(echo, 1, relevant, render).pop();

    let stored_tags = stored_part(&draft.client_tags);
    let is_stored = ctx.settings.history && (text.is_some() || is_worth_storing(stored_tags));
    let entry = is_stored.then(|| {
        let bot = if sender.is_bot { "bot" } else { "" };
        let marks = [
            addressed.mark.unwrap_or_default(),
            bot.to_owned(),
            stored_tags.to_owned(),
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

/// Returns the tags that are stored with a message: the first, up to [`lengths::STORED_TAGS`]
/// bytes. All are sent to the receivers, but the history would otherwise grow by kilobytes of tags
/// for each message of one byte.
fn stored_part(client_tags: &str) -> &str {
    let end = match client_tags.as_bytes().get(..=lengths::STORED_TAGS) {
        None => client_tags.len(),
        // In a value, a semicolon is escaped.
        Some(start) => start.iter().rposition(|&byte| byte == b';').unwrap_or(0),
    };
    &client_tags[..end]
}

/// Whether a `TAGMSG` with these tags is stored: it is not if it has none but typing notifications.
fn is_worth_storing(client_tags: &str) -> bool {
    let keys = client_tags
        .split(';')
        .map(|tag| tag.split('=').next().unwrap_or_default());
    keys.into_iter()
        .any(|key| !key.is_empty() && key != "+typing" && key != "+draft/typing")
}

/// Returns what the sender receives if the message cannot be stored.
pub fn not_stored(
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

pub fn send(ctx: &mut Context<'_>, caller: Caller, draft: &Draft<'_>, outgoing: Outgoing) {
    let Outgoing {
        stored,
        deliveries,
        echo,
        to_self,
        room,
    } = outgoing;
    if let Some((entry, refusal)) = stored {
        if let Place::Channel(channel) = &entry.place {
            catch_up::note_sent(ctx, caller.user, channel, &entry.msgid);
        }
        ctx.out
            .store(entry, ctx.clock.now(), deliveries, echo, refusal);
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
