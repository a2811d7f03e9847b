//! A chat message as `rook tail` prints it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rookery_protocol::Message;
use rookery_terminal::printable_json;
use serde::Serialize;

use crate::model::{Audience, MessageKind};
use crate::text;

/// A chat message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChatMessage {
    /// The time, by the server's clock.
    pub time: Timestamp,
    /// The msgid, if the server assigns them.
    pub msgid: Option<String>,
    /// The sender's nick.
    pub sender: String,
    /// The sender's account; `None` for a guest.
    pub account: Option<String>,
    /// The channel or nick that it was sent to.
    pub target: String,
    /// How it was sent.
    pub kind: MessageKind,
    /// The text.
    pub text: String,
}

impl ChatMessage {
    /// Parses a `PRIVMSG` or `NOTICE`; `None` for CTCP messages other than actions.
    pub fn of(message: &Message) -> Option<Self> {
        let tag = |name| message.tags.get(name).map(str::to_owned);
        let text = message.param(1)?;
        let (kind, text) = match text
            .strip_prefix('\u{1}')
            .map(|text| text.trim_end_matches('\u{1}'))
        {
            _ if message.command == "NOTICE" => (MessageKind::Notice, text),
            None => (MessageKind::Message, text),
            Some(action) => (
                MessageKind::Action,
                action.strip_prefix("ACTION")?.trim_start(),
            ),
        };
        Some(Self {
            time: tag("time")
                .and_then(|time| time.parse().ok())
                .unwrap_or_else(Timestamp::now),
            msgid: tag("msgid"),
            sender: message.source_nick().unwrap_or_default().to_owned(),
            account: tag("account").filter(|account| account != "*"),
            target: message.param(0)?.to_owned(),
            kind,
            text: text.to_owned(),
        })
    }

    /// Formats it for people, without control characters, as one line for each of its lines.
    pub fn line(&self, zone: &TimeZone) -> String {
        let time = self
            .time
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S");
        let (audience, _) = Audience::split(&self.target);
        let sender = format!("{}{}", self.sender, audience.label());
        let prefix = match self.kind {
            MessageKind::Message => format!("<{sender}>"),
            MessageKind::Action => format!("* {sender}"),
            MessageKind::Notice => format!("-{sender}-"),
        };
        let prefix = text::plain(&prefix);
        text::each_line(&self.text, |line| {
            format!("{time} {prefix} {}", text::plain(line))
        })
    }

    /// Formats it as one JSON object on one line. The text is complete; characters that a terminal
    /// could interpret are escaped.
    pub fn json(&self) -> String {
        printable_json(&serde_json::to_string(self).expect("texts and numbers are always JSON"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn message(text: &str) -> ChatMessage {
        let line = "@time=2026-01-02T14:03:05.678Z;msgid=m1;account=alice :alice!a@h ";
        ChatMessage::of(&Message::parse(&format!("{line}{text}")).unwrap()).unwrap()
    }

    #[test]
    fn a_line_has_time_sender_and_text() {
        let line = |text: &str| message(text).line(&TimeZone::UTC);
        assert_eq!(
            line("PRIVMSG #ops :a \u{2}b"),
            "2026-01-02 14:03:05 <alice> a b"
        );
        assert_eq!(
            line("PRIVMSG #ops :\u{1}ACTION waves\u{1}"),
            "2026-01-02 14:03:05 * alice waves"
        );
        assert_eq!(
            line("PRIVMSG @#ops :for us"),
            "2026-01-02 14:03:05 <alice→operators> for us"
        );
        assert_eq!(
            line("NOTICE #ops :built"),
            "2026-01-02 14:03:05 -alice- built"
        );
        assert_eq!(
            line("PRIVMSG #ops :a\u{1b}[2J\u{9b}1m"),
            "2026-01-02 14:03:05 <alice> a[2J1m"
        );
        let mut several = message("PRIVMSG #ops :one");
        several.text += "\n\ntwo";
        assert_eq!(
            several.line(&TimeZone::UTC),
            "2026-01-02 14:03:05 <alice> one\n2026-01-02 14:03:05 <alice> two"
        );
        assert!(several.json().contains(r#""text":"one\n\ntwo""#));
        let version = Message::parse(":a!a@h PRIVMSG #ops :\u{1}VERSION\u{1}").unwrap();
        assert_eq!(ChatMessage::of(&version), None);
    }

    #[test]
    fn json_is_complete_and_without_control_characters() {
        let json = message("PRIVMSG #ops :say \"x\" \u{1b}\u{9b}\u{202e}\u{7f}日").json();
        assert_eq!(
            json,
            "{\"time\":\"2026-01-02T14:03:05.678Z\",\"msgid\":\"m1\",\"sender\":\"alice\",\"account\":\"alice\",\
             \"target\":\"#ops\",\"kind\":\"message\",\"text\":\"say \\\"x\\\" \\u001b\\u009b\\u202e\\u007f日\"}"
        );
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["text"], "say \"x\" \u{1b}\u{9b}\u{202e}\u{7f}日");
        let guest = ChatMessage::of(&Message::parse(":g!g@h PRIVMSG #ops :x").unwrap()).unwrap();
        assert!(
            guest
                .json()
                .contains("\"msgid\":null,\"sender\":\"g\",\"account\":null"),
            "{}",
            guest.json()
        );
    }
}
