//! `messages` and `redact`.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use rookery_control_api::{
    MessageEntry, MessageList, RedactAuthorReply, RedactAuthorRequest, RedactReply, RedactRequest,
};

use super::channels::with_mark;
use crate::args::moment;
use crate::client::{Client, Query, Reply, segment};
use crate::context::Context;
use crate::failure::Failure;
use crate::prompt::send_confirmed;
use crate::render::{Clock, count, printable};
use crate::table::{table, with_count};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show messages in the channels, newest first
    Messages(ListOptions),
    /// Delete a message, or all of an author's; those who received it are notified
    Redact(RedactOptions),
}

#[derive(Debug, Args)]
pub struct ListOptions {
    /// Only messages with this text in them
    #[arg(long, value_name = "T")]
    text: Option<String>,
    /// Only messages of this account, or of guests with this nick
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Only messages in this channel, with or without its #
    #[arg(long, value_name = "C")]
    channel: Option<String>,
    /// Only messages since then: 7d for the last seven days, a day such as 2026-11-22 (from 0:00
    /// UTC), or a time such as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only messages before then, in the same format
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Timestamp>,
    /// Continue there; the previous page names it
    #[arg(long, value_name = "WHERE")]
    before: Option<String>,
    /// Messages per page
    #[arg(
        long, value_name = "N", default_value_t = 50,
        value_parser = clap::value_parser!(u16).range(1..=500)
    )]
    limit: u16,
}

#[derive(Debug, Args)]
pub struct RedactOptions {
    /// The message's id, as `messages` shows it
    #[arg(required_unless_present = "author", conflicts_with = "author")]
    msgid: Option<String>,
    /// All messages of this account, or of guests with this nick, in the channels
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Only the author's messages in this channel, with or without its #
    #[arg(long, value_name = "C", requires = "author", conflicts_with = "msgid")]
    channel: Option<String>,
    /// Only the author's messages since then: 7d for the last seven days, a day such as 2026-11-22
    /// (from 0:00 UTC), or a time such as 2026-11-22T10:00:00Z
    #[arg(
        long, value_name = "WHEN", value_parser = moment, requires = "author",
        conflicts_with = "msgid"
    )]
    since: Option<Timestamp>,
    /// Shown to those who received the message
    #[arg(long, value_name = "R")]
    reason: Option<String>,
    /// Only show how many messages would be deleted
    #[arg(long, requires = "author", conflicts_with = "msgid")]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, requires = "author", conflicts_with = "msgid")]
    yes: bool,
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::Messages(options) => list(&client, options, context),
            Self::Redact(options) => redact(&client, options, context),
        }
    }
}

fn list(client: &Client, options: ListOptions, context: &Context<'_>) -> Result<(), Failure> {
    let ListOptions {
        text,
        author,
        channel,
        since,
        until,
        before,
        limit,
    } = options;
    let query = Query::new("/v1/messages")
        .set("limit", limit)
        .maybe("text", text)
        .maybe("author", author)
        .maybe("channel", channel.map(|channel| with_mark(&channel)))
        .maybe("since", since)
        .maybe("until", until)
        .maybe("before", before);
    let reply: Reply<MessageList> = client.get(&query)?;
    context.show(&reply, message_table)
}

fn redact(client: &Client, options: RedactOptions, context: &Context<'_>) -> Result<(), Failure> {
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
        return context.show(&reply, |reply, _| redacted(reply));
    };
    let request = RedactAuthorRequest {
        author,
        channel: channel.map(|channel| with_mark(&channel)),
        since,
        reason,
        dry_run,
        confirm: yes,
    };
    let send = |confirm| {
        client.post(
            "/v1/messages/redact",
            &RedactAuthorRequest {
                confirm,
                ..request.clone()
            },
        )
    };
    let reply: Reply<RedactAuthorReply> = send_confirmed(send, yes)?;
    context.show(&reply, |reply, _| redacted_author(reply))
}

fn message_table(list: &MessageList, clock: &Clock) -> String {
    let rows = list.messages.iter().map(|message| {
        let MessageEntry {
            msgid,
            at,
            channel,
            status,
            nick,
            account,
            text,
            ..
        } = message;
        let guest = if account.is_none() { " (guest)" } else { "" };
        [
            clock.time(*at),
            format!("{}{channel}", status.as_deref().unwrap_or_default()),
            format!("{nick}{guest}"),
            msgid.clone(),
            text.replace('\n', " / "),
        ]
    });
    let table = table(["TIME", "CHANNEL", "AUTHOR", "ID", "TEXT"], rows);
    let page = with_count(&table, list.messages.len(), "message", "messages");
    let next = list.next.as_deref().map(printable).unwrap_or_default();
    match &list.next {
        None => page,
        Some(_) if list.incomplete => format!(
            "{page} so far; the search reached its time limit and continues with --before {next}"
        ),
        Some(_) => format!("{page}; for more, --before {next}"),
    }
}

fn redacted(reply: &RedactReply) -> String {
    let RedactReply { nick, channel, .. } = reply;
    let text = match channel {
        Some(channel) => format!("Deleted a message of {nick} in {channel}."),
        None => format!("Deleted a direct message of {nick}."),
    };
    printable(&text)
}

fn redacted_author(reply: &RedactAuthorReply) -> String {
    let RedactAuthorReply {
        author,
        messages,
        channels,
        more,
        done,
    } = reply;
    let places = if channels.is_empty() {
        String::new()
    } else {
        format!(" in {}", channels.join(", "))
    };
    let number = count(*messages, "message", "messages");
    let text = match (done, more) {
        (true, false) => format!("Deleted {number} of {author}{places}."),
        (true, true) => {
            format!("Deleted {number} of {author}{places}. There are more: run the command again.")
        }
        (false, false) => {
            format!("Would delete {number} of {author}{places}. Nothing was changed.")
        }
        (false, true) => format!(
            "Would delete {number} of {author}{places}, and there are more. Nothing was changed."
        ),
    };
    printable(&text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Arguments;
    use crate::render::tests::{ago, clock};

    #[test]
    fn a_redaction_is_of_one_message_or_of_an_author() {
        let parse = |words: &str| Arguments::try_parse_from(words.split(' '));
        assert!(parse("admin-cli redact run-1").is_ok());
        assert!(parse("admin-cli redact --author bob --channel lobby --since 7d --yes").is_ok());
        for bad in [
            "redact",
            "redact run-1 --author bob",
            "redact run-1 --since 7d",
            "redact --channel lobby",
        ] {
            assert_eq!(
                parse(&format!("admin-cli {bad}")).unwrap_err().exit_code(),
                2,
                "{bad}"
            );
        }
    }

    #[test]
    fn a_page_of_messages_says_how_to_continue() {
        let message = MessageEntry {
            msgid: "run-1".to_owned(),
            at: ago(60),
            channel: "#lobby".to_owned(),
            status: Some("@".to_owned()),
            nick: "bob".to_owned(),
            account: None,
            command: "PRIVMSG".to_owned(),
            text: "buy\u{1b}[2J\nnow".to_owned(),
        };
        let mut list = MessageList {
            messages: vec![message],
            next: None,
            incomplete: false,
        };
        let expected = "\
TIME                          CHANNEL  AUTHOR       ID     TEXT
2026-11-22 09:59:00 (1m ago)  @#lobby  bob (guest)  run-1  buy\u{fffd}[2J / now

1 message";
        assert_eq!(message_table(&list, &clock()), expected);
        list.next = Some("5.7".to_owned());
        let text = message_table(&list, &clock());
        assert!(
            text.ends_with("\n1 message; for more, --before 5.7"),
            "{text}"
        );
        list.incomplete = true;
        let text = message_table(&list, &clock());
        assert!(text.ends_with("continues with --before 5.7"), "{text}");
    }

    #[test]
    fn a_dry_run_is_distinguished_from_a_redaction() {
        let mut reply = RedactAuthorReply {
            author: "bob".to_owned(),
            messages: 2,
            channels: vec!["#a".to_owned(), "#b".to_owned()],
            more: false,
            done: true,
        };
        assert_eq!(
            redacted_author(&reply),
            "Deleted 2 messages of bob in #a, #b."
        );
        reply.done = false;
        assert_eq!(
            redacted_author(&reply),
            "Would delete 2 messages of bob in #a, #b. Nothing was changed."
        );
        let direct = RedactReply {
            msgid: "m".to_owned(),
            channel: None,
            nick: "bob".to_owned(),
            account: None,
            at: ago(60),
        };
        assert_eq!(redacted(&direct), "Deleted a direct message of bob.");
    }
}
