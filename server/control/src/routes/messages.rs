//! The messages: searches and redacts them. Only channels are searched. No operator can read a
//! direct message, but a moderator can redact one by its id, if one of the two users reports it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use rookery_control_api::{
    MessageEntry, MessageList, RedactAuthorReply, RedactAuthorRequest, RedactReply, RedactRequest,
    count, text,
};
use rookery_protocol::{ChannelName, Nick};
use serde::Deserialize;
use tokio::time::sleep;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::trail::Act;
use crate::auth::operator::{Operator, SignedIn, role_of};
use crate::auth::permission::Moderator;
use crate::http::extract::{self, JsonBody, PathParams, QueryParams};
use crate::http::pages;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_base::random::random;
use rookery_chat::request::{AssignTimes, PublishRedactions};
use rookery_record::{Cursor, FoundMessages, HistoryEntry, MessageQuery, Place, Redactor};
use rookery_store::{Durability, Result as StoreResult, Store, StoreError};

/// The number of messages on a page if the request has no `limit`.
const DEFAULT_LIMIT: u16 = 50;
/// The maximum number of messages on a page.
const MAX_LIMIT: u16 = 500;
/// The maximum number of bytes of the searched text.
const MAX_TEXT: usize = 200;
/// The maximum number of messages that one read examines, which takes a fraction of a second.
const MAX_EXAMINED: usize = 100_000;
/// The number of messages after which one request redacts no further ones.
const MAX_REDACTED: usize = 10_000;
/// The maximum number of messages that one transaction redacts, so that other messages can be
/// stored in between.
const REDACTION_BATCH: usize = 200;
/// The pause between two transactions. Every member of a channel is sent each redaction; without a
/// pause, they would fill the send queue of a slow reader.
const BATCH_PAUSE: Duration = Duration::from_millis(100);

/// Returns the routes of the messages.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(redact))
        .routes(routes!(redact_author))
}

/// The query of `GET /v1/messages`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MessageOptions {
    /// Only messages with this text, in any letter case; up to 200 bytes.
    #[param(max_length = 200)]
    text: Option<String>,
    /// Only messages of this account, or of guests with this nick.
    #[param(inline, value_type = Option<text::Name>)]
    author: Option<String>,
    /// Only messages in this channel.
    #[param(inline, value_type = Option<text::Channel>)]
    channel: Option<String>,
    /// Only messages from this time on.
    #[param(inline, value_type = Option<text::Time>)]
    since: Option<Timestamp>,
    /// Only messages before this time.
    #[param(inline, value_type = Option<text::Time>)]
    until: Option<Timestamp>,
    /// Continues after the `next` of the previous page.
    #[param(pattern = "^[0-9]{1,14}[.][0-9]{1,18}$")]
    before: Option<String>,
    /// The maximum number of messages; 50 by default.
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
        let limit = pages::limit(limit, DEFAULT_LIMIT, MAX_LIMIT)?;
        if text.as_ref().is_some_and(|text| text.len() > MAX_TEXT) {
            let detail = format!("`text` may have up to {MAX_TEXT} bytes.");
            return Err(Kind::BadRequest.with_detail(detail));
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
                Kind::BadRequest.with_detail("`before` must be the `next` of another page.")
            })?,
            limit,
            max_examined: MAX_EXAMINED,
        })
    }

    /// Returns the filters for the trail, as the operator sent them.
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
    Nick::parse(author).map_err(|error| kind.with_detail(format!("`author`: {error}.")))
}

fn parse_channel(channel: &str, kind: Kind) -> Result<ChannelName, Refusal> {
    ChannelName::parse(channel).map_err(|error| kind.with_detail(format!("`channel`: {error}.")))
}

/// Searches the messages in channels
///
/// Newest first, without redacted messages and direct messages. A search that would take too long
/// stops early, and the answer is `incomplete`; `next` continues it.
#[utoipa::path(
    get, path = "/v1/messages", tag = "messages", params(MessageOptions),
    security(("token" = [role_of(list)])),
    responses((status = 200, description = "One page of the found messages", body = MessageList))
)]
async fn list(
    operator: SignedIn<Moderator>,
    query: Result<QueryParams<MessageOptions>, Refusal>,
) -> Result<Json<MessageList>, Refusal> {
    let mut act = operator.act("messages", "");
    let (query, detail) = operator
        .audited(&mut act, async |act| {
            let QueryParams(options) = query?;
            act.target = options.channel.clone().unwrap_or_default();
            let detail = options.detail();
            Ok((options.query()?, detail))
        })
        .await?;
    operator.allow_view(&act, detail).await?;
    let limit = query.limit;
    let FoundMessages { messages, next } = find(&operator, query).await?;
    let incomplete = next.is_some() && messages.len() < limit;
    Ok(Json(MessageList {
        messages: messages.into_iter().map(to_entry).collect(),
        next: next.map(|next| next.to_string()),
        incomplete,
    }))
}

async fn find(operator: &Operator, query: MessageQuery) -> Result<FoundMessages, Refusal> {
    operator
        .read_long(move |store| store.find_messages(&query))
        .await
}

/// Redacts a message
///
/// Its text is removed from the history and from the disk, and the clients that received it are
/// notified. A direct message can be redacted too, by the id that one of the two users reports.
#[utoipa::path(
    post, path = "/v1/messages/{msgid}/redact", tag = "messages",
    security(("token" = [role_of(redact)])),
    params(("msgid" = String, Path, description = "The message's id")),
    request_body = RedactRequest,
    responses(
        (status = 200, description = "The message without its text", body = RedactReply),
        response::NoSuchMessage,
    )
)]
async fn redact(
    operator: SignedIn<Moderator>,
    msgid: Result<PathParams<String>, Refusal>,
    body: Result<JsonBody<RedactRequest>, Refusal>,
) -> Result<Json<RedactReply>, Refusal> {
    let mut act = operator.act("redact", "");
    let (msgid, reason, planned) = operator
        .audited(&mut act, async |act| {
            let PathParams(msgid) = msgid?;
            act.target.clone_from(&msgid);
            let JsonBody(request) = body?;
            let reason = extract::reason(request.reason.as_deref())?;
            let planned = plan(&operator, vec![msgid.clone()]).await?;
            Ok((msgid, reason, planned))
        })
        .await?;
    let redaction = Redaction::by(&operator, reason.clone());
    let redacted = operator.record(act, move |store, _| {
        let redacted = match planned.first() {
            Some(planned) => redaction.apply(store, planned)?,
            None => None,
        };
        let Some(redacted) = redacted else {
            let detail = format!("There is no message {msgid}, or it is redacted already.");
            return Ok(Err(Kind::NoSuchMessage.with_detail(detail)));
        };
        let (message, _) = &redacted;
        let place = match &message.place {
            Place::Channel(name) => format!("in {name}"),
            Place::Direct { to, .. } => format!("to {}", to.nick()),
        };
        let detail = format!("from {} {place}: {reason}", nick_of(message));
        Ok(Ok((detail, (redacted, reason))))
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
    notify_clients(&operator, vec![redacted], reason).await?;
    Ok(Json(reply))
}

/// Redacts all messages of an author in the channels
///
/// The messages can be limited to one channel and to those since a time. With `dry_run`, nothing is
/// done, and the answer has the number of messages that would be redacted. Without `confirm`, the
/// request is refused with this number.
#[utoipa::path(
    post, path = "/v1/messages/redact", tag = "messages",
    security(("token" = [role_of(redact_author)])),
    request_body = RedactAuthorRequest,
    responses(
        (status = 200,
            description = "What was redacted; for a dry run, what would be redacted",
            body = RedactAuthorReply),
        response::ConfirmationRequired,
    )
)]
async fn redact_author(
    operator: SignedIn<Moderator>,
    body: Result<JsonBody<RedactAuthorRequest>, Refusal>,
) -> Result<Json<RedactAuthorReply>, Refusal> {
    let mut act = operator.act("redact-author", "");
    let (request, reason, found) = operator
        .audited(&mut act, async |act| {
            let JsonBody(request) = body?;
            act.target.clone_from(&request.author);
            let reason = extract::reason(request.reason.as_deref())?;
            let found = messages_by(&operator, &request).await?;
            if !request.dry_run && !request.confirm && found.count() > 0 {
                return Err(Kind::ConfirmationRequired.with_detail(format!(
                    "{} would be redacted. To do so, confirm it (`confirm` in the request, \
                     `--yes` in admin-cli).",
                    found.describe(&request)
                )));
            }
            Ok((request, reason, found))
        })
        .await?;
    let detail = found.describe(&request);
    let mut reply = RedactAuthorReply {
        author: request.author,
        messages: found.count(),
        channels: found.channels,
        more: found.more,
        done: false,
    };
    if request.dry_run {
        operator.allow(&act, format!("dry run: {detail}")).await?;
        return Ok(Json(reply));
    }
    reply.messages = redact_all(&operator, act, detail, found.msgids, reason).await?;
    reply.done = true;
    Ok(Json(reply))
}

/// The messages of an author.
struct AuthorMessages {
    msgids: Vec<String>,
    channels: Vec<String>,
    /// Whether there are more messages than one request redacts.
    more: bool,
}

impl AuthorMessages {
    fn count(&self) -> usize {
        self.msgids.len()
    }

    fn describe(&self, request: &RedactAuthorRequest) -> String {
        let messages = count(self.count(), "message", "messages");
        let more = if self.more { " and more" } else { "" };
        let channel = match &request.channel {
            Some(channel) => format!(" in {channel}"),
            None => format!(" in {}", count(self.channels.len(), "channel", "channels")),
        };
        let since = request
            .since
            .map(|since| format!(" since {since:.0}"))
            .unwrap_or_default();
        format!("{messages}{more} of {}{channel}{since}", request.author)
    }
}

async fn messages_by(
    operator: &Operator,
    request: &RedactAuthorRequest,
) -> Result<AuthorMessages, Refusal> {
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
        max_examined: MAX_EXAMINED,
    };
    let mut found = AuthorMessages {
        msgids: Vec::new(),
        channels: Vec::new(),
        more: false,
    };
    loop {
        let page = find(operator, query.clone()).await?;
        for message in page.messages {
            if let Some(name) = channel_of(&message)
                && !found.channels.contains(&name)
            {
                found.channels.push(name);
            }
            found.msgids.push(message.msgid);
        }
        query.before = page.next;
        found.more = query.before.is_some() && found.count() >= MAX_REDACTED;
        if query.before.is_none() || found.more {
            found.channels.sort_unstable();
            return Ok(found);
        }
    }
}

/// Records the act, redacts one batch of messages after another, and notifies the clients of each.
/// Returns the number of redacted messages.
async fn redact_all(
    operator: &Operator,
    act: Act,
    detail: String,
    msgids: Vec<String>,
    reason: String,
) -> Result<usize, Refusal> {
    operator.allow(&act, format!("{detail}: {reason}")).await?;
    let mut batches = msgids.chunks(REDACTION_BATCH).map(<[String]>::to_vec);
    let mut done = 0;
    while let Some(batch) = batches.next() {
        let planned = plan(operator, batch).await?;
        let redaction = Redaction::by(operator, reason.clone());
        let (act, authority) = (act.clone(), operator.authority());
        let written = operator
            .plane
            .control
            .database
            .write(Durability::Record, move |store| {
                let redacted = format!("Redacted {}", count(done, "message", "messages"));
                if let Err(refusal) = authority.check_step(store, &act, &redacted)? {
                    return Ok(Err(refusal));
                }
                let redacted = planned
                    .iter()
                    .map(|planned| redaction.apply(store, planned))
                    .collect::<StoreResult<Vec<_>>>();
                Ok(Ok(redacted?.into_iter().flatten().collect::<Vec<_>>()))
            });
        let redacted = written.await.map_err(|error| interrupted(&error, done))??;
        done += redacted.len();
        notify_clients(operator, redacted, reason.clone()).await?;
        if batches.len() > 0 {
            sleep(BATCH_PAUSE).await;
        }
    }
    Ok(done)
}

fn interrupted(error: &StoreError, redacted: usize) -> Refusal {
    tracing::error!(%error, "cannot redact all messages of an author");
    Kind::StoreUnavailable.with_detail(format!(
        "Redacted {} before the database failed; see the server's log.",
        count(redacted, "message", "messages")
    ))
}

/// A message that is to be redacted, with the time of its redaction.
struct Planned {
    msgid: String,
    at: Timestamp,
}

/// Has the core assign the times of the redactions, so that no two events of a channel or
/// conversation have the same. Leaves out ids that no message has.
async fn plan(operator: &Operator, msgids: Vec<String>) -> Result<Vec<Planned>, Refusal> {
    let messages = operator.read(move |store| {
        let found = msgids.iter().map(|msgid| store.history_entry(msgid));
        found.collect::<StoreResult<Vec<_>>>()
    });
    let messages: Vec<HistoryEntry> = messages.await?.into_iter().flatten().collect();
    let places = messages.iter().map(|message| message.place.clone());
    let times = operator
        .plane
        .request(AssignTimes(places.collect()))
        .await?;
    let planned = messages.into_iter().zip(times);
    Ok(planned
        .map(|(message, at)| Planned {
            msgid: message.msgid,
            at,
        })
        .collect())
}

/// A redaction by an operator.
struct Redaction {
    by: Redactor,
    reason: String,
}

impl Redaction {
    /// Returns a redaction in the server's name: users do not see which operator it was, but the
    /// trail does.
    fn by(operator: &Operator, reason: String) -> Self {
        let source = operator.plane.control.config.chat.get().server_name.clone();
        Self {
            by: Redactor {
                source,
                account: None,
            },
            reason,
        }
    }

    /// Redacts a message. Returns the message as it was and the entry that replaces it; or none if
    /// there is no such message.
    fn apply(
        &self,
        store: &mut Store,
        planned: &Planned,
    ) -> StoreResult<Option<(HistoryEntry, HistoryEntry)>> {
        let Some(message) = store
            .history_entry(&planned.msgid)?
            .filter(HistoryEntry::is_message)
        else {
            return Ok(None);
        };
        let id = format!("c{}", HEXLOWER.encode(&random::<8>()));
        let replacement = message.redaction(self.by.clone(), id, planned.at, Some(&self.reason));
        store.append_history(std::slice::from_ref(&replacement))?;
        Ok(Some((message, replacement)))
    }
}

/// Notifies the clients that have received the messages.
async fn notify_clients(
    operator: &Operator,
    messages: Vec<(HistoryEntry, HistoryEntry)>,
    reason: String,
) -> Result<(), Refusal> {
    if messages.is_empty() {
        return Ok(());
    }
    let request = PublishRedactions { messages, reason };
    operator.plane.request(request).await
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
        // A line that was split because of its length is joined again.
        text: message.text.replace('\r', ""),
    }
}
