//! Prints events as plain lines. All output of plain mode is printed here, without control
//! characters.

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::{ChatEvent, EventKind, MessageKind, Model};
use crate::text;

/// A printer of plain lines.
pub struct Printer<W> {
    out: W,
    zone: TimeZone,
}

impl<W: Write> Printer<W> {
    /// Creates a printer to `out`, with times of day in `zone`.
    pub fn new(out: W, zone: TimeZone) -> Self {
        Self { out, zone }
    }

    /// Prints an event.
    pub fn print(&mut self, event: &ChatEvent, model: &Model) -> io::Result<()> {
        match describe(&event.kind, model) {
            Some(text) => self.line(event.at, &text),
            None => Ok(()),
        }
    }

    /// Prints a line of information from the program itself.
    pub fn info(&mut self, now: Timestamp, text: &str) -> io::Result<()> {
        self.line(now, &format!("-- {text}"))
    }

    fn line(&mut self, at: Timestamp, text: &str) -> io::Result<()> {
        let time = at.to_zoned(self.zone.clone()).strftime("%H:%M").to_string();
        for line in text.split('\n') {
            writeln!(self.out, "{time} {}", text::plain(line))?;
        }
        self.out.flush()
    }
}

#[cfg(feature = "test-support")]
impl Printer<Vec<u8>> {
    /// Returns what was printed.
    pub fn printed(&self) -> &[u8] {
        &self.out
    }
}

/// Describes an event; `None` for events that only the full screen shows.
fn describe(kind: &EventKind, model: &Model) -> Option<String> {
    let name = |nick: &str| model.display_name(nick).to_owned();
    let suffix = |reason: &Option<String>| {
        reason
            .as_ref()
            .map_or(String::new(), |reason| format!(" ({reason})"))
    };
    Some(match kind {
        EventKind::ChannelMessage {
            channel,
            nick,
            kind,
            text,
        } => {
            let place = if model.needs_channel_name(channel) {
                format!("{channel} ")
            } else {
                String::new()
            };
            text::each_line(text, |line| {
                format!("{place}{}", format_message(nick, *kind, line))
            })
        }
        EventKind::DirectReceived {
            from,
            kind: MessageKind::Action,
            text,
        } => format!("[{from} → you] * {from} {text}"),
        EventKind::DirectReceived { from, text, .. } => {
            text::each_line(text, |line| format!("[{from} → you] {line}"))
        }
        EventKind::DirectSent {
            to,
            kind: MessageKind::Action,
            text,
        } => format!("[you → {to}] * you {text}"),
        EventKind::DirectSent { to, text, .. } => {
            text::each_line(text, |line| format!("[you → {to}] {line}"))
        }
        EventKind::ServerNotice { from, text } => format!("-{from}- {text}"),
        EventKind::Joined { channel, nick } => format!("-- {} joined {channel}", name(nick)),
        EventKind::Parted {
            channel,
            nick,
            reason,
        } => {
            format!("-- {} left {channel}{}", name(nick), suffix(reason))
        }
        EventKind::Kicked {
            channel,
            nick,
            by,
            reason,
        } => {
            format!(
                "-- {} kicked {} from {channel}{}",
                name(by),
                name(nick),
                suffix(reason)
            )
        }
        EventKind::Quit { nick, reason, .. } => format!("-- {} left{}", name(nick), suffix(reason)),
        EventKind::NickChanged { old, new, .. } if model.is_me(new) => {
            format!("-- you are now {new} (were {old})")
        }
        EventKind::NickChanged { old, new, .. } => format!("-- {old} is now {new}"),
        EventKind::Topic {
            channel,
            by: None,
            text,
        } => format!("-- the topic of {channel} is: {text}"),
        EventKind::Topic {
            channel,
            by: Some(nick),
            text,
        } if text.is_empty() => {
            format!("-- {} removed the topic of {channel}", name(nick))
        }
        EventKind::Topic {
            channel,
            by: Some(nick),
            text,
        } => {
            format!("-- {} set the topic of {channel}: {text}", name(nick))
        }
        EventKind::ModeChanged { channel, by, modes } => {
            format!("-- {} sets mode {modes} on {channel}", name(by))
        }
        EventKind::Invited { channel, by, nick } => {
            format!("-- {} invites {} to {channel}", name(by), name(nick))
        }
        EventKind::Members { channel, nicks } => format!("-- in {channel}: {}", nicks.join(", ")),
        EventKind::Info(text) | EventKind::Refused(text) => format!("-- {text}"),
        EventKind::Redacted {
            target, by, reason, ..
        } => {
            format!(
                "-- {} deleted a message in {target}{}",
                name(by),
                suffix(reason)
            )
        }
        EventKind::HistoryPage { .. }
        | EventKind::Conversations(_)
        | EventKind::ReadMarker { .. } => return None,
    })
}

fn format_message(nick: &str, kind: MessageKind, text: &str) -> String {
    match kind {
        MessageKind::Message => format!("<{nick}> {text}"),
        MessageKind::Action => format!("* {nick} {text}"),
        MessageKind::Notice => format!("-{nick}- {text}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rookery_protocol::Message;

    use super::*;

    /// Returns what is printed for `lines` from the server, without the time. Our nick is `me`, and
    /// we are in `#lobby`.
    fn printed(lines: &[&str]) -> Vec<String> {
        let mut model = Model::default();
        let mut printer = Printer::new(Vec::new(), TimeZone::UTC);
        let start = [":s 001 me :Welcome", ":me!m@h JOIN #lobby"];
        for line in start.iter().chain(lines) {
            let message = Message::parse(&match line.strip_prefix('@') {
                Some(line) => format!("@time=2026-01-02T14:03:05.678Z;{line}"),
                None => format!("@time=2026-01-02T14:03:05.678Z {line}"),
            })
            .unwrap();
            for event in model.handle(&message, Timestamp::UNIX_EPOCH) {
                printer.print(&event, &model).unwrap();
            }
        }
        let text = String::from_utf8(printer.out).unwrap();
        let lines = text.split_terminator('\n').skip(1);
        lines
            .map(|line| {
                line.strip_prefix("14:03 ")
                    .expect("every line has its time")
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn messages_are_printed_with_sender_and_direction() {
        let lines = printed(&[
            ":alice!a@h PRIVMSG #lobby :hi",
            ":alice!a@h PRIVMSG #lobby :\u{1}ACTION waves\u{1}",
            ":s.example NOTICE me :going down",
            ":alice!a@h PRIVMSG me :psst",
            ":alice!a@h PRIVMSG me :\u{1}ACTION nods\u{1}",
            ":me!m@h PRIVMSG alice :yes?",
            ":alice!a@h NOTICE #lobby :build done",
        ]);
        let wanted = [
            "<alice> hi",
            "* alice waves",
            "-s.example- going down",
            "[alice → you] psst",
            "[alice → you] * alice nods",
            "[you → alice] yes?",
            "-alice- build done",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn each_line_of_a_message_has_its_sender() {
        let lines = printed(&[
            ":alice!a@h BATCH +1 draft/multiline #lobby",
            "@batch=1 :alice!a@h PRIVMSG #lobby :one",
            "@batch=1 :alice!a@h PRIVMSG #lobby :",
            "@batch=1 :alice!a@h PRIVMSG #lobby :<bob> two",
            ":alice!a@h BATCH -1",
        ]);
        assert_eq!(lines, ["<alice> one", "<alice> <bob> two"]);
    }

    #[test]
    fn the_channel_is_named_if_there_is_more_than_one() {
        let lines = printed(&[
            ":bob!b@h PRIVMSG #ops :from elsewhere",
            ":me!m@h JOIN #ops",
            ":bob!b@h PRIVMSG #ops :hi",
            ":bob!b@h PRIVMSG #lobby :hi",
        ]);
        let wanted = [
            "#ops <bob> from elsewhere",
            "-- you joined #ops",
            "#ops <bob> hi",
            "#lobby <bob> hi",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn other_events_are_short_lines() {
        let lines = printed(&[
            ":bob!b@h JOIN #lobby bob :Bob",
            ":bob!b@h NICK rob",
            ":rob!b@h TOPIC #lobby :Plans",
            ":rob!b@h KICK #lobby carol :loud",
            ":rob!b@h PART #lobby",
            ":rob!b@h QUIT :Gone fishing",
            ":s 404 me #lobby :Cannot send to channel",
            ":s FAIL PRIVMSG STORE_FAILED :Not stored",
        ]);
        let wanted = [
            "-- bob joined #lobby",
            "-- bob is now rob",
            "-- rob set the topic of #lobby: Plans",
            "-- rob kicked carol from #lobby (loud)",
            "-- rob left #lobby",
            "-- rob left (Gone fishing)",
            "-- #lobby: Cannot send to channel; its operators decide who may speak",
            "-- Not stored",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn no_control_character_from_the_server_is_printed() {
        let evil = "\u{1b}[2J\u{9b}1m\u{7}\u{8}\u{202e}";
        let lines: Vec<String> = [
            "%!a@h PRIVMSG #lobby :x%",
            "%!a@h PRIVMSG me :x%",
            "a!a@h PRIVMSG #lobby :\u{1}ACTION %\u{1}",
            "a!a@h PRIVMSG me :\u{1}VERSION %\u{1}",
            "s NOTICE me :%",
            "%!a@h JOIN #lobby%",
            "a!a@h PART #lobby :%",
            "a!a@h QUIT :%",
            "a!a@h TOPIC #lobby :%",
            "a!a@h NICK %",
            "a!a@h MODE #lobby +b %",
            "s 372 me :%",
            "s 353 me = #lobby :% b",
            "s 366 me #lobby :%",
            "s 404 me #% :%",
            "s FAIL % % :%",
            "s 352 me #lobby u h s % G :0 %",
        ]
        .map(|line| format!(":{}", line.replace('%', evil)))
        .into();
        for line in printed(&lines.iter().map(String::as_str).collect::<Vec<_>>()) {
            assert!(
                !line
                    .chars()
                    .any(|char| char.is_control() || char == '\u{202e}'),
                "{line:?}"
            );
        }
    }
}
