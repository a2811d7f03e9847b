//! Searching and redacting messages.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// The reply to `GET /v1/messages`: one page of channel messages.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MessageList {
    /// The messages, newest first.
    pub messages: Vec<MessageEntry>,
    /// Where the next page starts, for `before`; `null` if the whole history was searched.
    pub next: Option<String>,
    /// Whether the search reached its time limit before the page was full. `next` continues it.
    pub incomplete: bool,
}

/// A message in a channel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MessageEntry {
    /// The message id, for `POST /v1/messages/{msgid}/redact`.
    pub msgid: String,
    /// When the message was sent.
    #[schema(value_type = text::Time)]
    pub at: Timestamp,
    /// The channel.
    pub channel: String,
    /// `@` if the message was sent only to the channel's operators, `+` if also to voiced members;
    /// otherwise `null`.
    pub status: Option<String>,
    /// The nick of the author at that time.
    pub nick: String,
    /// The author's account; `null` for a guest.
    pub account: Option<String>,
    /// `PRIVMSG` or `NOTICE`.
    pub command: String,
    /// The text, which may have several lines.
    pub text: String,
}

/// The body of `POST /v1/messages/{msgid}/redact`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactRequest {
    /// The reason, which those who received the message see. A default is used if left out.
    #[serde(default)]
    #[schema(value_type = Option<text::Line>)]
    pub reason: Option<String>,
}

/// The reply to `POST /v1/messages/{msgid}/redact`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RedactReply {
    /// The message id.
    pub msgid: String,
    /// The channel; `null` for a direct message.
    pub channel: Option<String>,
    /// The nick of the author at that time.
    pub nick: String,
    /// The author's account; `null` for a guest.
    pub account: Option<String>,
    /// When the message was sent.
    #[schema(value_type = text::Time)]
    pub at: Timestamp,
}

/// The body of `POST /v1/messages/redact`: redacts all channel messages of an author.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactAuthorRequest {
    /// The name of an account, or the nick of guests.
    #[schema(value_type = text::Name)]
    pub author: String,
    /// Redacts only messages in this channel.
    #[serde(default)]
    #[schema(value_type = Option<text::Channel>)]
    pub channel: Option<String>,
    /// Redacts only messages sent at or after this time.
    #[serde(default)]
    #[schema(value_type = Option<text::Time>)]
    pub since: Option<Timestamp>,
    /// The reason, which those who received the messages see. A default is used if left out.
    #[serde(default)]
    #[schema(value_type = Option<text::Line>)]
    pub reason: Option<String>,
    /// Redacts nothing, and only returns how many messages would be redacted.
    #[serde(default)]
    pub dry_run: bool,
    /// Confirms the redaction. Without it, the request is refused with the number of messages.
    #[serde(default)]
    pub confirm: bool,
}

/// The reply to `POST /v1/messages/redact`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RedactAuthorReply {
    /// The author, as in the request.
    pub author: String,
    /// The number of messages that were redacted or, for a dry run, would be.
    pub messages: usize,
    /// The channels of the messages, sorted by name.
    pub channels: Vec<String>,
    /// Whether more messages are left for another request. One request redacts at most the 10000
    /// newest.
    pub more: bool,
    /// Whether the messages were redacted; `false` for a dry run.
    pub done: bool,
}
