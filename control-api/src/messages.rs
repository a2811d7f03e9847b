//! What was said in the channels: found and redacted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/messages`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MessageList {
    /// Newest first.
    pub messages: Vec<MessageEntry>,
    /// Where there may be more, for `before`; none when all was looked at.
    pub next: Option<String>,
    /// Whether the search stopped before the page was full, so as not to take too long: `next` goes
    /// on with it.
    pub stopped: bool,
}

/// A message in a channel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MessageEntry {
    /// For `POST /v1/messages/{msgid}/redact`.
    pub msgid: String,
    /// When it was said.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Where it was said.
    pub channel: String,
    /// `@` or `+` if it was for the channel's operators or voiced members only.
    pub status: Option<String>,
    /// The name its author was shown under.
    pub nick: String,
    /// The author's account; none for a guest.
    pub account: Option<String>,
    /// `PRIVMSG` or `NOTICE`.
    pub command: String,
    /// What was said; it may have several lines.
    pub text: String,
}

/// `POST /v1/messages/{msgid}/redact`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactRequest {
    /// Shown to those who heard the message; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The message is redacted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RedactReply {
    /// The message's id.
    pub msgid: String,
    /// Where it was said; none for a direct message.
    pub channel: Option<String>,
    /// The name its author was shown under.
    pub nick: String,
    /// The author's account; none for a guest.
    pub account: Option<String>,
    /// When it was said.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// `POST /v1/messages/redact`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactAuthorRequest {
    /// An account's name, or the nick of guests.
    pub author: String,
    /// Only in that channel; in all of them when left out.
    #[serde(default)]
    pub channel: Option<String>,
    /// Only what was said from then on.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Shown to those who heard the messages; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
    /// Only tells how many messages would be redacted.
    #[serde(default)]
    pub dry_run: bool,
    /// Redacts them; without it, whoever asks is told how many they are.
    #[serde(default)]
    pub confirm: bool,
}

/// How many messages of an author were redacted, or would be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RedactAuthorReply {
    /// As it was given.
    pub author: String,
    /// How many.
    pub messages: usize,
    /// Where they were said, by name.
    pub channels: Vec<String>,
    /// Whether there are more, for another request: one redacts 10000 at most, the newest first.
    pub more: bool,
    /// False for a dry run.
    pub done: bool,
}
