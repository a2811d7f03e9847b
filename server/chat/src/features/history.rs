//! `CHATHISTORY`: the permissions to read the history, and the format of its pages.
//!
//! The core checks the permission and requests a page with `Output::Fetch`. When the page arrives,
//! the permission is checked again, and the reply is sent.

use bytes::Bytes;
use jiff::Timestamp;
use rookery_protocol::{AccountName, Capability, ChannelName, Message, Nick};
use rookery_record::{
    HistoryEntry, HistoryTarget, PageQuery, Participant, Place, Point, ReadableTarget, Selection,
    TargetsQuery,
};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::event::{HistoryQuery, HistoryResult, Purpose};
use crate::line::{Line, Tags, shown_time};
use crate::long_reply::BatchItem;
use crate::multiline::{self, Content, MultilineContent, is_multiline};
use crate::state::User;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["CHATHISTORY"],
    min_params: 1,
    help: &[
        "CHATHISTORY LATEST target *|point limit",
        "CHATHISTORY BEFORE|AFTER|AROUND target point limit",
        "CHATHISTORY BETWEEN target point point limit",
        "CHATHISTORY TARGETS timestamp=... timestamp=... limit",
        "Reads the history of a channel you are in, or of a private conversation.",
        "A point is msgid=... or timestamp=YYYY-MM-DDThh:mm:ss.sssZ.",
    ],
    weight,
    handler: Handler::CoreLongReply(chathistory),
}];

/// Returns the weight of a request. A page is counted as a long reply; the reply to `TARGETS` is
/// short, but it takes a look at each of the user's channels and conversations.
fn weight(message: &Message) -> Weight {
    match message.param(0) {
        Some(subcommand) if subcommand.eq_ignore_ascii_case("TARGETS") => Weight::MESSAGE,
        _ => Weight::LIGHT,
    }
}

/// Handles `CHATHISTORY <subcommand> <target> <point> [<point>] <limit>` and `CHATHISTORY TARGETS
/// <time> <time> <limit>`.
pub fn chathistory(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    if !caller.has(Capability::Chathistory) {
        let text = "CHATHISTORY needs the capability draft/chathistory";
        return ctx.unknown_command(caller, &message.command, text);
    }
    let params: Vec<&str> = message.params.iter().map(String::as_str).collect();
    let Some((&subcommand, params)) = params.split_first() else {
        return;
    };
    let asked = match subcommand.to_ascii_uppercase().as_str() {
        "TARGETS" => targets(ctx, caller, params),
        name => page(ctx, caller, name, params),
    };
    match asked {
        Ok((target, query)) => {
            let purpose = Purpose::Chathistory {
                subcommand: subcommand.to_owned(),
                target: target.to_owned(),
            };
            ctx.fetch(caller, purpose, query);
        }
        Err(Refusal {
            code,
            context,
            text,
        }) => {
            let context: Vec<&str> = [subcommand].into_iter().chain(context).collect();
            ctx.fail(caller, "CHATHISTORY", code, &context, text);
        }
    }
}

/// The refusal of a request.
struct Refusal<'m> {
    code: &'static str,
    /// The parameters after the subcommand.
    context: Vec<&'m str>,
    text: &'static str,
}

fn invalid<'m>(context: &[&'m str], text: &'static str) -> Refusal<'m> {
    Refusal {
        code: "INVALID_PARAMS",
        context: context.to_vec(),
        text,
    }
}

fn page<'m>(
    ctx: &Context<'_>,
    caller: Caller,
    subcommand: &str,
    params: &[&'m str],
) -> Result<(&'m str, HistoryQuery), Refusal<'m>> {
    let points = match subcommand {
        "LATEST" | "BEFORE" | "AFTER" | "AROUND" => 1,
        "BETWEEN" => 2,
        _ => return Err(invalid(&[], "Unknown command")),
    };
    check_count(params, points + 2)?;
    let (target, limit) = (params[0], limit(ctx, params[points + 1])?);
    let point = |index: usize| point(target, params[index]);
    let selection = match subcommand {
        "LATEST" if params[1] == "*" => Selection::Latest(None),
        "LATEST" => Selection::Latest(Some(point(1)?)),
        "BEFORE" => Selection::Before(point(1)?),
        "AFTER" => Selection::After(point(1)?),
        "AROUND" => Selection::Around(point(1)?),
        _ => Selection::Between(point(1)?, point(2)?),
    };
    let readable = readable(ctx, caller, target).ok_or(Refusal {
        code: "INVALID_TARGET",
        context: vec![target],
        text: "Messages could not be retrieved: no such nick, or you are not in that channel",
    })?;
    let query = PageQuery {
        places: readable.places,
        selection,
        events: caller.has(Capability::EventPlayback),
        redactions: caller.has(Capability::MessageRedaction),
        since: readable.since,
        limit,
        bytes: usize::MAX,
    };
    Ok((target, HistoryQuery::Page(query)))
}

fn targets<'m>(
    ctx: &Context<'_>,
    caller: Caller,
    params: &[&'m str],
) -> Result<(&'m str, HistoryQuery), Refusal<'m>> {
    check_count(params, 3)?;
    let time = |text: &'m str| {
        text.strip_prefix("timestamp=")
            .and_then(timestamp)
            .ok_or_else(|| invalid(&[text], INVALID_TIME))
    };
    let (from, to, limit) = (time(params[0])?, time(params[1])?, limit(ctx, params[2])?);
    let user = ctx.state.user(caller.user);
    let channels = user.channels().iter();
    let channels = channels
        .filter_map(|name| Some((name.clone(), channel_since(ctx, caller, name)?)))
        .collect();
    let account = user
        .identity
        .as_ref()
        .map(|identity| identity.name.to_nick());
    Ok((
        "*",
        HistoryQuery::Targets(TargetsQuery {
            channels,
            account,
            from,
            to,
            limit,
        }),
    ))
}

fn check_count<'m>(params: &[&'m str], expected: usize) -> Result<(), Refusal<'m>> {
    match params.len().cmp(&expected) {
        std::cmp::Ordering::Less => Err(invalid(&[], "Insufficient parameters")),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(invalid(&[], "Too many parameters")),
    }
}

/// Returns the limit, which the server's limit restricts.
fn limit<'m>(ctx: &Context<'_>, text: &'m str) -> Result<usize, Refusal<'m>> {
    let asked: Option<u32> = text.parse().ok().filter(|&limit| limit > 0);
    let asked = asked.ok_or_else(|| invalid(&[text], "Invalid limit"))?;
    let asked = usize::try_from(asked).unwrap_or(usize::MAX);
    Ok(match ctx.settings.history_page {
        0 => asked,
        bound => asked.min(bound),
    })
}

const INVALID_TIME: &str = "Invalid timestamp";

fn point<'m>(target: &'m str, text: &'m str) -> Result<Point, Refusal<'m>> {
    match text.split_once('=') {
        Some(("msgid", msgid)) if !msgid.is_empty() => Ok(Point::Message(msgid.to_owned())),
        Some(("timestamp", time)) => timestamp(time)
            .map(Point::At)
            .ok_or_else(|| invalid(&[text], INVALID_TIME)),
        None | Some(("msgid", _)) => Err(invalid(&[text], "Expected msgid=... or timestamp=...")),
        Some(_) => Err(Refusal {
            code: "INVALID_MSGREFTYPE",
            context: vec![target, text],
            text: "Unknown kind of reference; use msgid=... or timestamp=...",
        }),
    }
}

/// Parses a time as in the `time` tag: `YYYY-MM-DDThh:mm:ss.sssZ`.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    let is_valid_form = text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    is_valid_form.then(|| text.parse().ok()).flatten()
}

/// Returns the part of the channel, or of the conversation with that nick, that the caller may
/// read; `None` if it may read nothing.
pub fn readable(ctx: &Context<'_>, caller: Caller, target: &str) -> Option<ReadableTarget> {
    if let Ok(name) = ChannelName::parse(target) {
        let since = channel_since(ctx, caller, &name)?;
        let name = ctx.state.channel(&name)?.name.clone();
        return Some(ReadableTarget {
            name: name.to_string(),
            places: vec![Place::Channel(name)],
            since,
        });
    }
    let user = ctx.state.user(caller.user);
    // Anyone may use a guest's nick later, so the conversations of guests cannot be read.
    user.identity.as_ref()?;
    let nick = Nick::parse(target).ok()?;
    // The conversation is with the account of the user that has the nick now.
    let other = match ctx.state.by_nick(&nick).map(User::participant) {
        Some(Participant::Account(account)) => account,
        _ => nick.clone(),
    };
    let places = Place::conversation(user.participant().nick(), other, nick);
    // The reply has the name that the client sent: the other user may be offline, or the letter
    // case of its nick may differ.
    Some(ReadableTarget {
        places,
        since: Timestamp::MIN,
        name: target.to_owned(),
    })
}

/// Returns the time from which the caller may read the channel's history; `None` if it is not a
/// member.
///
/// The history of a channel begins when the channel got its name, because an earlier channel with
/// that name may have belonged to other users. The history of a lobby has no beginning, because a
/// lobby belongs to everyone.
pub fn channel_since(ctx: &Context<'_>, caller: Caller, name: &ChannelName) -> Option<Timestamp> {
    let channel = ctx.state.channel(name)?;
    let member = channel.member(caller.user)?;
    let guest = ctx.state.user(caller.user).identity.is_none();
    let named_at = if ctx.settings.lobby.contains(name) {
        Timestamp::MIN
    } else {
        channel.named_at
    };
    let only_present = guest || !ctx.settings.history_before_join;
    Some(if only_present {
        named_at.max(member.joined_at)
    } else {
        named_at
    })
}

/// Sends the page that was read, or replies that it could not be read.
pub fn found(
    ctx: &mut Context<'_>,
    caller: Caller,
    subcommand: &str,
    target: &str,
    query: &HistoryQuery,
    found: HistoryResult,
) {
    // The caller may have lost access to the channel in the meantime.
    let readable = match query {
        HistoryQuery::Page(_) => readable(ctx, caller, target),
        HistoryQuery::Targets(_) | HistoryQuery::Several(_) | HistoryQuery::Message(_) => None,
    };
    match (found, readable) {
        (HistoryResult::Page(mut entries), Some(readable)) => {
            entries.retain(|entry| readable.is_visible(entry));
            ctx.send_long_batch(caller, &["chathistory", &readable.name], entries);
        }
        (HistoryResult::Targets(targets), _) => {
            ctx.send_long_batch(caller, &["draft/chathistory-targets"], targets);
        }
        (found, readable) => {
            let (code, text) = match (found, readable) {
                (HistoryResult::Page(_), None) => {
                    ("INVALID_TARGET", "Messages could not be retrieved")
                }
                (HistoryResult::NoSuchMessage, _) => (
                    "MESSAGE_ERROR",
                    "Messages could not be retrieved: unknown message id",
                ),
                _ => (
                    "MESSAGE_ERROR",
                    "Messages could not be retrieved; please try again later",
                ),
            };
            ctx.fail(caller, "CHATHISTORY", code, &[subcommand, target], text);
        }
    }
}

impl BatchItem for HistoryEntry {
    fn rows(&self) -> usize {
        multiline::lines(&self.text).count()
    }

    fn held_bytes(&self) -> usize {
        Self::held_bytes(self)
    }

    fn render(&self, ctx: &Context<'_>, caller: Caller) -> Bytes {
        entry_line(ctx, caller, self)
    }
}

impl BatchItem for HistoryTarget {
    fn rows(&self) -> usize {
        1
    }

    fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.name.len()
    }

    fn render(&self, ctx: &Context<'_>, caller: Caller) -> Bytes {
        let line = ctx
            .server_line("CHATHISTORY")
            .word("TARGETS")
            .word(&current_name(ctx, &self.name));
        line.word(&shown_time(self.at))
            .render(&ctx.server_tags(), caller.capabilities)
    }
}

/// Renders the message as it was sent. The target of a direct message is shown with its current
/// nick.
pub fn entry_line(ctx: &Context<'_>, caller: Caller, entry: &HistoryEntry) -> Bytes {
    let target = entry_target(ctx, caller, entry);
    let head = Line::new(&entry.source, &entry.command).word(&target);
    let content = match &entry.text {
        text if entry.is_event() => Content::One(head.rest(text)),
        text if is_multiline(text) => {
            let (source, target, batch) = (&entry.source, &target, &entry.msgid);
            Content::Several(MultilineContent {
                source,
                target,
                head,
                text,
                batch,
            })
        }
        text => Content::One(head.text(text)),
    };
    let tags = Tags {
        time: &shown_time(entry.at),
        account: entry.account.as_ref().map(AccountName::as_str),
        msgid: Some(&entry.msgid),
        client: &entry.tags,
        // The entry's own tags contain it.
        bot: false,
    };
    content.render(&tags, caller.capabilities)
}

/// Returns a number of bytes that the message does not exceed in a batch, as [`entry_line`] renders
/// it. It is found without rendering the message.
pub fn max_bytes(ctx: &Context<'_>, caller: Caller, entry: &HistoryEntry) -> usize {
    let when = |capability, bytes| if caller.has(capability) { bytes } else { 0 };
    let account = entry.account.as_ref().map_or(0, |name| name.as_str().len());
    // The names of the tags, and what separates them, are part of the numbers.
    let tags = when(Capability::Batch, 28)
        + when(Capability::ServerTime, 32)
        + when(Capability::AccountTag, 10 + account)
        + when(
            Capability::MessageTags,
            10 + entry.msgid.len() + entry.tags.len(),
        );
    let target = entry_target(ctx, caller, entry);
    let head = entry.source.len() + entry.command.len() + target.len() + 7;
    if is_multiline(&entry.text) && multiline::understands(caller.capabilities) {
        let ends = 2 * (tags + head + entry.msgid.len() + 30);
        let line = entry.msgid.len() + 36 + head;
        return ends + multiline::lines(&entry.text).count() * line + entry.text.len();
    }
    multiline::lines(&entry.text).count() * (tags + head) + entry.text.len()
}

/// Returns the start of the message's line, without its text.
pub fn entry_head(ctx: &Context<'_>, caller: Caller, entry: &HistoryEntry) -> Line {
    Line::new(&entry.source, &entry.command).word(&entry_target(ctx, caller, entry))
}

/// Returns the target of the message. An event in a conversation is shown under the other user's
/// nick.
fn entry_target(ctx: &Context<'_>, caller: Caller, entry: &HistoryEntry) -> String {
    match &entry.place {
        Place::Channel(name) => name.to_string(),
        Place::Direct { from, to } if !entry.source.contains('!') => {
            let other = if *from == ctx.state.user(caller.user).participant() {
                to
            } else {
                from
            };
            current_nick(ctx, other).to_string()
        }
        Place::Direct { to, .. } => current_nick(ctx, to).to_string(),
    }
}

/// Returns the current nick of the account, or its name if it is offline.
pub fn current_nick(ctx: &Context<'_>, participant: &Participant) -> Nick {
    let account = match participant {
        Participant::Account(name) => AccountName::parse(name.as_str()).ok(),
        Participant::Guest(_) => None,
    };
    let user = account.and_then(|account| ctx.state.by_account(&account));
    user.map_or_else(|| participant.nick().clone(), |user| user.nick.clone())
}

/// Returns the channel's name, or the current nick of the account of that name.
pub fn current_name(ctx: &Context<'_>, name: &str) -> String {
    let nick =
        Nick::parse(name).map(|nick| current_nick(ctx, &Participant::Account(nick)).to_string());
    nick.unwrap_or_else(|_| name.to_owned())
}
