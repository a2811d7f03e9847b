//! What was said: looked through, and redacted. Only channels are looked through; a direct message
//! is redacted by its id, which one of the two has to tell, and shown to no operator.

use std::time::Duration;

use axum::Json;
use jiff::Timestamp;
use rookery_control_api::{
    MessageEntry, MessageList, Problem, RedactAuthorReply, RedactAuthorRequest, RedactReply,
    RedactRequest,
};
use rookery_protocol::{ChannelName, Nick};
use serde::Deserialize;
use tokio::time::sleep;

use super::audit;
use super::extract::{self, Body, Options, Segment};
use super::permission::{Moderator, Signed};
use super::problem::{Kind, Refusal};
use super::sessions::Operator;
use super::{hex, random, unexpected};
use crate::chat::event::{Act, Answer};
use crate::record::{
    Cursor, FoundMessages, HistoryEntry, MessageQuery, NewAudit, Outcome, Place, Redactor,
};
use crate::store::{Durability, Result as StoreResult, Store, StoreError};

/// Messages on a page when it is not told how many.
const DEFAULT_LIMIT: u16 = 50;
/// The most on a page.
const MAX_LIMIT: u16 = 500;
/// The most bytes of a text that is looked for.
const MAX_TEXT: usize = 200;
/// The messages that one read looks at: a fraction of a second.
const MOST_READ: usize = 100_000;
/// The messages that one request redacts at most.
const MOST_REDACTED: usize = 10_000;
/// The messages that are redacted in one transaction, for the chat to go on between two.
const AT_ONCE: usize = 200;
/// Between two transactions: all that is redacted is told to everyone there, and more than a slow
/// reader takes meanwhile would fill its sendq.
const BREATH: Duration = Duration::from_millis(100);

/// What `GET /v1/messages` may be told.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessageOptions {
    /// Only those with this in their text, letter case aside; up to 200 bytes.
    text: Option<String>,
    /// Only those of this account, or of guests of this nick.
    author: Option<String>,
    /// Only those in this channel.
    channel: Option<String>,
    /// Only those from then on.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only those before then.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Goes on from the `next` of the page before.
    #[param(pattern = "^[0-9]{1,14}[.][0-9]{1,18}$")]
    before: Option<String>,
    /// How many messages at most; 50 when left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

impl MessageOptions {
    fn query(self) -> Result<MessageQuery, Refusal> {
        let Self {
            text,
            author,
            channel,
            since,
            until,
            before,
            limit,
        } = self;
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Kind::BadRequest.because(format!("`limit` is between 1 and {MAX_LIMIT}.")));
        }
        if text.as_ref().is_some_and(|text| text.len() > MAX_TEXT) {
            return Err(
                Kind::BadRequest.because(format!("`text` may have up to {MAX_TEXT} bytes."))
            );
        }
        let before = before.map(|before| before.parse::<Cursor>()).transpose();
        Ok(MessageQuery {
            text: text
                .filter(|text| !text.is_empty())
                .map(|text| text.to_lowercase()),
            author: author
                .map(|author| parse_author(&author, Kind::BadRequest))
                .transpose()?,
            channel: channel
                .map(|channel| parse_channel(&channel, Kind::BadRequest))
                .transpose()?,
            since,
            until,
            before: before.map_err(|()| {
                Kind::BadRequest.because("`before` is the `next` of another page.")
            })?,
            limit: limit.into(),
            most: MOST_READ,
        })
    }

    /// For the trail: what was looked for, in the operator's own words.
    fn detail(&self) -> String {
        let Self {
            text,
            author,
            channel,
            since,
            until,
            ..
        } = self;
        let mut parts = Vec::new();
        parts.extend(text.as_ref().map(|text| format!("text {text:?}")));
        parts.extend(author.as_ref().map(|author| format!("author {author}")));
        parts.extend(channel.as_ref().map(|channel| format!("channel {channel}")));
        parts.extend(since.map(|since| format!("since {since:.0}")));
        parts.extend(until.map(|until| format!("until {until:.0}")));
        parts.join(", ")
    }
}

fn parse_author(author: &str, kind: Kind) -> Result<Nick, Refusal> {
    Nick::parse(author).map_err(|error| kind.because(format!("`author`: {error}.")))
}

fn parse_channel(channel: &str, kind: Kind) -> Result<ChannelName, Refusal> {
    ChannelName::parse(channel).map_err(|error| kind.because(format!("`channel`: {error}.")))
}

/// What was said in the channels
///
/// Newest first. What was redacted, and what was said between two, is not among it. A search that
/// would take long stops on its way and says so (`incomplete`); `next` goes on with it.
#[utoipa::path(
    get, path = "/v1/messages", tag = "messages", params(MessageOptions), security(("token" = ["moderator"])),
    responses((status = 200, description = "One page of the messages that fit", body = MessageList))
)]
pub async fn list(
    operator: Signed<Moderator>,
    options: Result<Options<MessageOptions>, Refusal>,
) -> Result<Json<MessageList>, Refusal> {
    let mut step = operator.step("messages", "");
    let asked = options.and_then(|Options(options)| {
        step.target = options.channel.clone().unwrap_or_default();
        let detail = options.detail();
        Ok((options.query()?, detail))
    });
    let (query, detail) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, detail).await?;
    let limit = query.limit;
    let FoundMessages { messages, next } = find(&operator, query).await?;
    let incomplete = next.is_some() && messages.len() < limit;
    let messages = messages.into_iter().map(to_entry).collect();
    Ok(Json(MessageList {
        messages,
        next: next.map(|next| next.to_string()),
        incomplete,
    }))
}

/// One search at a time reads: so others always find a reader that is free.
async fn find(operator: &Operator, query: MessageQuery) -> Result<FoundMessages, Refusal> {
    let _turn = operator.plane.searching.lock().await;
    operator
        .read(move |store| store.find_messages(&query))
        .await
}

/// Redacts a message
///
/// Its text is gone from the history and from the disk, and those who heard it are told. A direct
/// message can be redacted as well, by the id that one of the two has told.
#[utoipa::path(
    post, path = "/v1/messages/{msgid}/redact", tag = "messages", security(("token" = ["moderator"])),
    params(("msgid" = String, Path, description = "The message's id")), request_body = RedactRequest,
    responses(
        (status = 200, description = "The message is redacted", body = RedactReply),
        (status = 404, description = "There is no message of that id any more", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn redact(
    operator: Signed<Moderator>,
    msgid: Result<Segment<String>, Refusal>,
    body: Result<Body<RedactRequest>, Refusal>,
) -> Result<Json<RedactReply>, Refusal> {
    let mut step = operator.step("redact", "");
    if let Ok(Segment(msgid)) = &msgid {
        step.target.clone_from(msgid);
    }
    let asked = msgid.and_then(|Segment(msgid)| {
        let Body(request) = body?;
        Ok((msgid, extract::reason(request.reason.as_deref())?))
    });
    let (msgid, reason) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let redaction = Redaction::by(&operator, reason.clone());
    let redacted = operator.record(step, move |store| {
        let Some(redacted) = redaction.make(store, &msgid)? else {
            let text = format!("There is no message {msgid}, or it is redacted already.");
            return Ok(Err(Kind::NoSuchMessage.because(text)));
        };
        let (message, _) = &redacted;
        let place = match &message.place {
            Place::Channel(name) => format!("in {name}"),
            Place::Direct { to, .. } => format!("to {}", to.nick()),
        };
        Ok(Ok((
            format!("from {} {place}: {reason}", nick_of(message)),
            (redacted, reason),
        )))
    });
    let (redacted, reason) = redacted.await?;
    let (message, _) = &redacted;
    let reply = RedactReply {
        msgid: message.msgid.clone(),
        channel: channel_of(message),
        nick: nick_of(message).to_owned(),
        account: message.account.as_ref().map(ToString::to_string),
        at: message.at,
    };
    show(&operator, vec![redacted], reason).await?;
    Ok(Json(reply))
}

/// Redacts all that an author has said in the channels
///
/// Or in one of them, or from some time on. With `dry_run`, nothing is done: the answer tells how
/// many messages it would be. Without `confirm`, that is told as well, as a problem.
#[utoipa::path(
    post, path = "/v1/messages/redact", tag = "messages", security(("token" = ["moderator"])),
    request_body = RedactAuthorRequest,
    responses(
        (status = 200, description = "They are redacted; or, for a dry run, would be", body = RedactAuthorReply),
        (status = 409, description = "So many messages would be redacted: send it again with `confirm`",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn redact_author(
    operator: Signed<Moderator>,
    body: Result<Body<RedactAuthorRequest>, Refusal>,
) -> Result<Json<RedactAuthorReply>, Refusal> {
    let mut step = operator.step("redact-author", "");
    let asked = async {
        let Body(request) = body?;
        step.target.clone_from(&request.author);
        let reason = extract::reason(request.reason.as_deref())?;
        let wanted = said_by(&operator, &request).await?;
        if !request.dry_run && !request.confirm && wanted.count() > 0 {
            return Err(Kind::NeedsConfirmation.because(format!(
                "{} would be redacted. To do so, send `confirm` along (`admin-cli redact --yes`).",
                wanted.in_words(&request)
            )));
        }
        Ok((request, reason, wanted))
    };
    let (request, reason, wanted) = match asked.await {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let detail = wanted.in_words(&request);
    let mut reply = RedactAuthorReply {
        author: request.author,
        messages: wanted.count(),
        channels: wanted.channels,
        more: wanted.more,
        done: false,
    };
    if request.dry_run {
        operator.allow(&step, format!("dry run: {detail}")).await?;
        return Ok(Json(reply));
    }
    let entry = step.entry(Outcome::Allowed, format!("{detail}: {reason}"));
    reply.messages = redact_all(&operator, entry, wanted.msgids, reason).await?;
    reply.done = true;
    Ok(Json(reply))
}

/// What an author has said.
struct Said {
    msgids: Vec<String>,
    channels: Vec<String>,
    more: bool,
}

impl Said {
    fn count(&self) -> usize {
        self.msgids.len()
    }

    fn in_words(&self, request: &RedactAuthorRequest) -> String {
        let count = self.count();
        let more = if self.more { " and more" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        let channel = match &request.channel {
            Some(channel) => format!(" in {channel}"),
            None => format!(" in {} channels", self.channels.len()),
        };
        let since = request
            .since
            .map(|since| format!(" since {since:.0}"))
            .unwrap_or_default();
        format!(
            "{count}{more} message{plural} of {}{channel}{since}",
            request.author
        )
    }
}

async fn said_by(operator: &Operator, request: &RedactAuthorRequest) -> Result<Said, Refusal> {
    let channel = request.channel.as_deref();
    let mut query = MessageQuery {
        text: None,
        author: Some(parse_author(&request.author, Kind::Invalid)?),
        channel: channel
            .map(|channel| parse_channel(channel, Kind::Invalid))
            .transpose()?,
        since: request.since,
        until: None,
        before: None,
        limit: usize::from(MAX_LIMIT),
        most: MOST_READ,
    };
    let mut said = Said {
        msgids: Vec::new(),
        channels: Vec::new(),
        more: false,
    };
    loop {
        let found = find(operator, query.clone()).await?;
        for message in found.messages {
            if let Some(name) = channel_of(&message)
                && !said.channels.contains(&name)
            {
                said.channels.push(name);
            }
            said.msgids.push(message.msgid);
        }
        query.before = found.next;
        said.more = query.before.is_some() && said.count() >= MOST_REDACTED;
        if query.before.is_none() || said.more {
            said.channels.sort_unstable();
            return Ok(said);
        }
    }
}

/// Enters the act with the first of them, and goes on until all are redacted and shown as such;
/// gives how many were.
async fn redact_all(
    operator: &Operator,
    entry: NewAudit,
    msgids: Vec<String>,
    reason: String,
) -> Result<usize, Refusal> {
    let mut entry = Some(entry);
    let mut batches = msgids.chunks(AT_ONCE).map(<[String]>::to_vec);
    let mut count = 0;
    loop {
        let batch = batches.next().unwrap_or_default();
        if batch.is_empty() && entry.is_none() {
            return Ok(count);
        }
        let (redaction, entry) = (Redaction::by(operator, reason.clone()), entry.take());
        let written = operator
            .plane
            .control
            .database
            .write(Durability::Record, move |store| {
                if let Some(entry) = entry {
                    store.append_audit(&entry)?;
                }
                let redacted = batch
                    .iter()
                    .map(|msgid| redaction.make(store, msgid))
                    .collect::<StoreResult<Vec<_>>>();
                Ok(redacted?.into_iter().flatten().collect::<Vec<_>>())
            });
        let redacted = written.await.map_err(|error| match count {
            0 => audit::unavailable(&error),
            _ => broken_off(&error, count),
        })?;
        count += redacted.len();
        show(operator, redacted, reason.clone()).await?;
        if batches.len() > 0 {
            sleep(BREATH).await;
        }
    }
}

/// Some are redacted, and the others are not.
fn broken_off(error: &StoreError, count: usize) -> Refusal {
    tracing::error!(%error, "messages could not be redacted");
    Kind::RecordUnavailable.because(format!(
        "{count} messages are redacted, and then the record could not be written. The server's log says why."
    ))
}

/// A redaction by an operator.
struct Redaction {
    by: Redactor,
    at: Timestamp,
    reason: String,
}

impl Redaction {
    /// People see that the server did it; the trail has whose act it was.
    fn by(operator: &Operator, reason: String) -> Self {
        let source = operator.plane.control.config.get().chat.server_name.clone();
        Self {
            by: Redactor {
                source,
                account: None,
            },
            at: Timestamp::now(),
            reason,
        }
    }

    /// Redacts the message; gives what it was, and the mark that stays. None if there is none of
    /// that id.
    fn make(
        &self,
        store: &mut dyn Store,
        msgid: &str,
    ) -> StoreResult<Option<(HistoryEntry, HistoryEntry)>> {
        let Some(message) = store.history_entry(msgid)?.filter(HistoryEntry::is_message) else {
            return Ok(None);
        };
        let id = format!("c{}", hex(&random::<8>()));
        let mark = message.redaction(self.by.clone(), id, self.at, Some(&self.reason));
        store.append_history(std::slice::from_ref(&mark))?;
        Ok(Some((message, mark)))
    }
}

/// Tells those who heard them.
async fn show(
    operator: &Operator,
    messages: Vec<(HistoryEntry, HistoryEntry)>,
    reason: String,
) -> Result<(), Refusal> {
    if messages.is_empty() {
        return Ok(());
    }
    match operator
        .plane
        .act(Act::ShowRedacted { messages, reason })
        .await?
    {
        Answer::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}

fn channel_of(message: &HistoryEntry) -> Option<String> {
    match &message.place {
        Place::Channel(name) => Some(name.to_string()),
        Place::Direct { .. } => None,
    }
}

fn nick_of(message: &HistoryEntry) -> &str {
    message.source.split('!').next().unwrap_or_default()
}

fn to_entry(message: HistoryEntry) -> MessageEntry {
    MessageEntry {
        channel: channel_of(&message).unwrap_or_default(),
        status: message.status().map(String::from),
        nick: nick_of(&message).to_owned(),
        account: message.account.as_ref().map(ToString::to_string),
        msgid: message.msgid,
        at: message.at,
        command: message.command,
        // Lines that one was too long for are one again.
        text: message.text.replace('\r', ""),
    }
}
