//! What was said, and what was redacted of it.

use rookery_control_api::{MessageEntry, MessageList, RedactAuthorReply, RedactReply};

use super::{Reader, count, plain, table, with_count};

impl Reader {
    /// One page of messages.
    pub fn messages(&self, list: &MessageList) -> String {
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
                self.time(*at),
                format!("{}{channel}", status.as_deref().unwrap_or_default()),
                format!("{nick}{guest}"),
                msgid.clone(),
                text.replace('\n', " / "),
            ]
        });
        let table = table(["TIME", "CHANNEL", "AUTHOR", "ID", "TEXT"], rows);
        let page = with_count(&table, list.messages.len(), "message", "messages");
        let next = list.next.as_deref().map(plain).unwrap_or_default();
        match &list.next {
            None => page,
            Some(_) if list.stopped => {
                format!(
                    "{page} so far: the search stopped so as not to take long; it goes on with --before {next}"
                )
            }
            Some(_) => format!("{page}; for more, --before {next}"),
        }
    }
}

/// A message that was redacted.
pub fn redacted(reply: &RedactReply) -> String {
    let RedactReply { nick, channel, .. } = reply;
    let text = match channel {
        Some(channel) => format!("A message of {nick} in {channel} is redacted."),
        None => format!("A direct message of {nick} is redacted."),
    };
    plain(&text)
}

/// What was redacted of an author, or would be.
pub fn redacted_author(reply: &RedactAuthorReply) -> String {
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
    let what = format!(
        "{} of {author}{places}",
        count(*messages, "message", "messages")
    );
    let text = match (done, more) {
        (true, false) => format!("{what}: redacted."),
        (true, true) => format!("{what}: redacted. There are more: run it again."),
        (false, false) => format!("{what} would be redacted. Nothing was done."),
        (false, true) => format!("{what}, and more, would be redacted. Nothing was done."),
    };
    plain(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::{ago, reader};

    #[test]
    fn messages_are_a_table_that_says_how_to_go_on() {
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
            stopped: false,
        };
        let expected = "\
TIME                          CHANNEL  AUTHOR       ID     TEXT
2026-11-22 09:59:00 (1m ago)  @#lobby  bob (guest)  run-1  buy\u{fffd}[2J / now

1 message";
        assert_eq!(reader().messages(&list), expected);
        list.next = Some("5.7".to_owned());
        assert!(
            reader()
                .messages(&list)
                .ends_with("\n1 message; for more, --before 5.7")
        );
        list.stopped = true;
        assert!(
            reader()
                .messages(&list)
                .ends_with("it goes on with --before 5.7")
        );
    }

    #[test]
    fn what_was_redacted_is_told_apart_from_what_would_be() {
        let mut reply = RedactAuthorReply {
            author: "bob".to_owned(),
            messages: 2,
            channels: vec!["#a".to_owned(), "#b".to_owned()],
            more: false,
            done: true,
        };
        assert_eq!(
            redacted_author(&reply),
            "2 messages of bob in #a, #b: redacted."
        );
        reply.done = false;
        assert!(redacted_author(&reply).ends_with("would be redacted. Nothing was done."));
        let direct = RedactReply {
            msgid: "m".to_owned(),
            channel: None,
            nick: "bob".to_owned(),
            account: None,
            at: ago(60),
        };
        assert_eq!(redacted(&direct), "A direct message of bob is redacted.");
    }
}
