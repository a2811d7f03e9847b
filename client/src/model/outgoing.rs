//! Messages that depend on the state of the chat: text split to fit the wire, and `JOIN`s of the
//! channels to rejoin.

use rookery_protocol::framing::MAX_LINE;
use rookery_protocol::{Capability, ChannelName, Message};

use super::{MessageKind, Model, Outgoing, multiline};
use crate::text;

/// The most bytes of channel names and keys in one `JOIN`, well below the limit of a message.
const MAX_JOIN: usize = 400;
/// The assumed length of our `!user@host` until the server has sent it to us: the longest that
/// Rookery's server makes of a name of its own, which may have 63 bytes.
const ASSUMED_USER_AND_HOST: usize = 84;

impl Model {
    /// Returns the messages that send `text`, which may have several lines, to a channel or nick.
    /// Others receive them with our source in front, so each still fits a line with it. Where the
    /// server has multi-line messages, as few as possible are sent; otherwise each line is at least
    /// one.
    pub fn text_messages(&self, target: &str, text: &str, kind: MessageKind) -> Vec<Outgoing> {
        let (before, after) = if kind == MessageKind::Action {
            ("\u{1}ACTION ", "\u{1}")
        } else {
            ("", "")
        };
        let limit = self
            .max_text("PRIVMSG", target)
            .saturating_sub(before.len() + after.len());
        if let Some(limits) = self.multiline_limits
            && self.has(Capability::Multiline)
            && kind != MessageKind::Action
        {
            return multiline::arrange(target, text, limit, limits);
        }
        let message = |piece: &str| Outgoing {
            first: Message::new("PRIVMSG", [target, &format!("{before}{piece}{after}")]),
            rest: Vec::new(),
            text: piece.to_owned(),
        };
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .flat_map(|line| text::split(line, limit))
            .map(message)
            .collect()
    }

    /// Returns the message that joins a channel that the user has asked to join, or that is on the
    /// auto-join list.
    pub fn join_message(&self, channel: &ChannelName) -> Message {
        let requested = self.requested.as_ref().filter(|(name, _)| name == channel);
        let requested = requested.and_then(|(_, key)| key.as_deref());
        let saved = self.auto_join.get(channel).and_then(Option::as_deref);
        let key = requested.or(saved);
        Message::new("JOIN", [channel.as_str()].into_iter().chain(key))
    }

    /// Returns the messages that join all channels of the auto-join list that we are not in. Each
    /// message joins as many channels as fit.
    pub fn rejoin_messages(&self) -> Vec<Message> {
        let mut missing: Vec<_> = self
            .auto_join
            .iter()
            .filter(|(channel, _)| !self.is_in(channel))
            .collect();
        // The server matches keys to channels by position, so channels with a key come first. One
        // with a comma in its key, which the server reads as two, is joined last, by a message of
        // its own.
        let is_list = |key: &str| key.contains(',');
        missing.sort_by_key(|(_, key)| (key.as_deref().is_some_and(is_list), key.is_none()));
        let mut joins: Vec<[String; 2]> = Vec::new();
        for (channel, key) in missing {
            let key = key.as_deref().unwrap_or_default();
            let fits = |[channels, keys]: &&mut [String; 2]| {
                !is_list(key)
                    && channels.len() + channel.as_str().len() + keys.len() + key.len() < MAX_JOIN
            };
            let Some([channels, keys]) = joins.last_mut().filter(fits) else {
                joins.push([channel.to_string(), key.to_owned()]);
                continue;
            };
            channels.push(',');
            channels.push_str(channel.as_str());
            if !key.is_empty() {
                keys.push(',');
                keys.push_str(key);
            }
        }
        let message = |[channels, keys]: [String; 2]| {
            Message::new(
                "JOIN",
                [channels, keys]
                    .into_iter()
                    .filter(|param| !param.is_empty()),
            )
        };
        joins.into_iter().map(message).collect()
    }

    /// Returns how many bytes of text fit one message of `command` to `target`, as others receive
    /// it: `:source COMMAND target :text\r\n`.
    fn max_text(&self, command: &str, target: &str) -> usize {
        let source = self
            .source
            .as_ref()
            .map_or(self.nick.len() + ASSUMED_USER_AND_HOST, String::len);
        let overhead = 1 + source + 1 + command.len() + 1 + target.len() + 2 + 2;
        MAX_LINE.saturating_sub(overhead)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn long_text_is_split_into_messages_that_fit_the_wire_with_our_source() {
        let mut model = Model::default();
        let source = "me!user@some.host.example";
        for line in [":s 001 me :Hi", &format!(":{source} JOIN #lobby")] {
            model.handle(&Message::parse(line).unwrap(), Timestamp::UNIX_EPOCH);
        }
        let text = "word ".repeat(300);
        for kind in [MessageKind::Message, MessageKind::Action] {
            let sent = model.text_messages("#lobby", &text, kind);
            assert!(sent.len() > 2);
            let received: Vec<String> = sent
                .into_iter()
                .map(|one| format!("{}\r\n", one.first.from_source(source)))
                .collect();
            assert!(
                received.iter().all(|line| line.len() <= 512),
                "{received:?}"
            );
            assert!(received[0].len() > 500, "messages are as long as possible");
            let words = received.iter().map(|line| line.matches("word").count());
            assert_eq!(words.sum::<usize>(), 300);
        }
    }

    #[test]
    fn our_source_is_known_from_our_own_lines_and_after_a_change_of_nick() {
        let length = |lines: &[&str]| {
            let mut model = Model::default();
            for line in [&[":s 001 me :Hi"], lines].concat() {
                model.handle(&Message::parse(line).unwrap(), Timestamp::UNIX_EPOCH);
            }
            let text = "x".repeat(600);
            let sent = model.text_messages("#lobby", &text, MessageKind::Message);
            sent[0].text.len()
        };
        let joined = length(&[":me!user@some.host.example JOIN #lobby"]);
        assert!(joined > length(&[]), "a long source is assumed");
        let echo = ":me!user@some.host.example PRIVMSG #lobby :hi";
        assert_eq!(length(&[echo]), joined);
        assert_eq!(
            length(&[echo, ":me!user@some.host.example NICK mine"]),
            joined - 2
        );
    }
}
