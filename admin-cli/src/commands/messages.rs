//! `messages` and `redact`.

use rookery_control_api::{
    MessageList, RedactAuthorReply, RedactAuthorRequest, RedactReply, RedactRequest,
};

use super::channels::with_mark;
use super::{Show, ask};
use crate::cli::{MessagesOptions, RedactOptions};
use crate::client::{Client, Reply, problem_kind, segment};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// What was said in the channels.
pub fn list(client: &Client, options: MessagesOptions, show: &Show) -> Result<(), Failure> {
    let MessagesOptions {
        text,
        author,
        channel,
        since,
        until,
        before,
        limit,
    } = options;
    let filters = [
        ("text", text),
        ("author", author),
        ("channel", channel.map(|channel| with_mark(&channel))),
        ("since", since.map(|since| since.to_string())),
        ("until", until.map(|until| until.to_string())),
        ("before", before),
    ];
    let filters: String = filters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("&{name}={}", segment(&value?))))
        .collect();
    let reply: Reply<MessageList> = client.get(&format!("/v1/messages?limit={limit}{filters}"))?;
    show.result(&reply, |list| Reader::here().messages(list))
}

/// Redacts a message, or all of an author's.
pub fn redact(client: &Client, options: RedactOptions, show: &Show) -> Result<(), Failure> {
    let RedactOptions {
        msgid,
        author,
        channel,
        since,
        reason,
        dry_run,
        yes,
    } = options;
    let Some(author) = author else {
        let path = format!(
            "/v1/messages/{}/redact",
            segment(&msgid.unwrap_or_default())
        );
        let reply: Reply<RedactReply> = client.post(&path, &RedactRequest { reason })?;
        return show.result(&reply, output::redacted);
    };
    let channel = channel.map(|channel| with_mark(&channel));
    let mut request = RedactAuthorRequest {
        author,
        channel,
        since,
        reason,
        dry_run,
        confirm: yes,
    };
    let path = "/v1/messages/redact";
    let mut reply: Result<Reply<RedactAuthorReply>, Failure> = client.post(path, &request);
    if let Err(failure) = &reply
        && problem_kind(failure).as_deref() == Some("/problems/confirmation-required")
        && ask(&failure.to_string())?
    {
        request.confirm = true;
        reply = client.post(path, &request);
    }
    show.result(&reply?, output::redacted_author)
}
