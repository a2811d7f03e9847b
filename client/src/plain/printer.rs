//! Prints events as plain lines. All output of plain mode is printed here, without control
//! characters.

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rookery_terminal::hanging;

use crate::model::{ChatEvent, EventKind, MessageKind, Model, SERVER, describe_ctcp_request};
use crate::text;

/// A printer of plain lines.
pub struct Printer<W> {
    out: W,
    zone: TimeZone,
    /// Returns the width of the terminal to which it prints, in columns; `None` without a terminal.
    width: fn() -> Option<usize>,
}

impl<W: Write> Printer<W> {
    /// Creates a printer to `out`, with times of day in `zone`. `width` returns the width of the
    /// terminal, in columns; `None` if `out` is none.
    pub fn new(out: W, zone: TimeZone, width: fn() -> Option<usize>) -> Self {
        Self { out, zone, width }
    }

    /// Prints an event.
    pub fn print(&mut self, event: &ChatEvent, model: &Model) -> io::Result<()> {
        match describe(&event.kind, model) {
            Some(description) => self.print_lines(event.at, &description),
            None => Ok(()),
        }
    }

    /// Prints a line of information from the program itself.
    pub fn info(&mut self, now: Timestamp, text: &str) -> io::Result<()> {
        self.print_lines(now, &Description::info(text.to_owned()))
    }

    fn print_lines(&mut self, at: Timestamp, description: &Description) -> io::Result<()> {
        let time = at.to_zoned(self.zone.clone()).strftime("%H:%M").to_string();
        let Description { prefix, text } = description;
        let lines = text::each_line(text, |line| {
            format!("{time} {} {}", text::plain(prefix), text::plain(line))
        });
        writeln!(self.out, "{}", hanging(&lines, (self.width)()))?;
        self.out.flush()
    }
}

/// An event in words.
struct Description {
    /// Says whose words the text is. It is before each line of the text, so that nobody can send a
    /// line that looks like someone else's. What continues a line on a terminal is indented.
    prefix: String,
    text: String,
}

impl Description {
    fn new(prefix: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            text: text.into(),
        }
    }

    /// Creates the description of something that is not a message.
    fn info(text: impl Into<String>) -> Self {
        Self::new("--", text)
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
fn describe(kind: &EventKind, model: &Model) -> Option<Description> {
    let name = |nick: &str| model.display_name(nick).to_owned();
    let suffix = |reason: &Option<String>| text::reason(reason.as_deref());
    let info = match kind {
        EventKind::ChannelMessage {
            channel,
            nick,
            kind,
            text,
            audience,
        } => {
            let nick = format!("{nick}{}", audience.label());
            let place = if model.needs_channel_name(channel) {
                format!("{channel} ")
            } else {
                String::new()
            };
            let sender = match kind {
                MessageKind::Message => format!("<{nick}>"),
                MessageKind::Action => format!("* {nick}"),
                MessageKind::Notice => format!("-{nick}-"),
            };
            return Some(Description::new(place + &sender, text));
        }
        EventKind::DirectReceived { from, kind, text } => {
            let prefix = match kind {
                MessageKind::Action => format!("[{from} → you] * {from}"),
                MessageKind::Message | MessageKind::Notice => format!("[{from} → you]"),
            };
            return Some(Description::new(prefix, text));
        }
        EventKind::DirectSent { to, kind, text } => {
            let prefix = match kind {
                MessageKind::Action => format!("[you → {to}] * you"),
                MessageKind::Message | MessageKind::Notice => format!("[you → {to}]"),
            };
            return Some(Description::new(prefix, text));
        }
        EventKind::ServerNotice(text) => {
            return Some(Description::new(format!("-{SERVER}-"), text));
        }
        EventKind::Joined { channel, nick } => format!("{} joined {channel}", name(nick)),
        EventKind::Parted {
            channel,
            nick,
            reason,
            ..
        } => format!("{} left {channel}{}", name(nick), suffix(reason)),
        EventKind::Renamed {
            old,
            new,
            by,
            reason,
        } => match by {
            Some(by) => format!("{} renamed {old} to {new}{}", name(by), suffix(reason)),
            None => format!("{old} was renamed to {new}"),
        },
        EventKind::Kicked {
            channel,
            nick,
            by,
            reason,
        } => {
            format!(
                "{} kicked {} from {channel}{}",
                name(by),
                name(nick),
                suffix(reason)
            )
        }
        EventKind::Quit { nick, reason, .. } => format!("{} left{}", name(nick), suffix(reason)),
        EventKind::NickChanged { old, new, .. } if model.is_me(new) => {
            format!("you are now {new} (were {old})")
        }
        EventKind::NickChanged { old, new, .. } => format!("{old} is now {new}"),
        EventKind::Topic {
            channel,
            text,
            is_change: false,
            ..
        } => format!("the topic of {channel} is: {}", text::quoted(text)),
        EventKind::Topic {
            channel, by, text, ..
        } if text.is_empty() => format!("{} removed the topic of {channel}", name(by)),
        EventKind::Topic {
            channel, by, text, ..
        } => {
            format!(
                "{} set the topic of {channel}: {}",
                name(by),
                text::quoted(text)
            )
        }
        EventKind::ModeChanged { channel, by, modes } => {
            format!("{} sets mode {modes} on {channel}", name(by))
        }
        EventKind::Invited { channel, by, nick } => {
            format!("{} invites {} to {channel}", name(by), name(nick))
        }
        EventKind::Members { channel, nicks } => format!("in {channel}: {}", nicks.join(", ")),
        EventKind::CtcpRequest { nick, command } => describe_ctcp_request(nick, command),
        EventKind::Info(text) | EventKind::Refused(text) => text.clone(),
        EventKind::Redacted {
            target, by, reason, ..
        } => {
            format!(
                "{} deleted a message in {target}{}",
                name(by),
                suffix(reason)
            )
        }
        EventKind::AccountChanged { .. }
        | EventKind::HistoryPage { .. }
        | EventKind::Conversations(_)
        | EventKind::ReadMarker { .. } => return None,
    };
    Some(Description::info(info))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rookery_protocol::Message;

    use super::*;
    use crate::model::Audience;

    /// Returns what is printed for `lines` from the server, without the time. Our nick is `me`, and
    /// we are in `#lobby`.
    fn printed(lines: &[&str]) -> Vec<String> {
        let mut model = Model::default();
        let mut printer = Printer::new(Vec::new(), TimeZone::UTC, || None);
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
            ":alice!a@h PRIVMSG @#lobby :for us",
        ]);
        let wanted = [
            "<alice> hi",
            "* alice waves",
            "-*server*- going down",
            "[alice → you] psst",
            "[alice → you] * alice nods",
            "[you → alice] yes?",
            "-alice- build done",
            "<alice→operators> for us",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn on_a_terminal_a_long_line_continues_with_an_indent() {
        let mut printer = Printer::new(Vec::new(), TimeZone::UTC, || Some(40));
        let forged = format!("hi{}00:00 <bob> come to 0000", " ".repeat(32));
        let text = EventKind::ChannelMessage {
            channel: "#lobby".to_owned(),
            nick: "eve".to_owned(),
            kind: MessageKind::Message,
            text: forged,
            audience: Audience::Everyone,
        };
        let described = describe(&text, &Model::default()).unwrap();
        printer
            .print_lines(Timestamp::UNIX_EPOCH, &described)
            .unwrap();
        let shown = String::from_utf8(printer.out).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].contains("<eve> hi"), "{shown}");
        assert!(shown.contains("   00:00 <bob> come"), "{shown}");
        assert!(
            lines[1..].iter().all(|line| line.starts_with("   ")),
            "{shown}"
        );
    }

    #[test]
    fn each_line_of_a_message_has_its_sender() {
        let batch = |source: &str, target: &str, first: &str| {
            let start = format!(":{source}!u@h BATCH +1 draft/multiline {target}");
            let line = |text: &str| format!("@batch=1 :{source}!u@h PRIVMSG {target} :{text}");
            let end = format!(":{source}!u@h BATCH -1");
            let lines = [start, line(first), line(""), line("<bob> two\u{1}"), end];
            printed(&lines.each_ref().map(String::as_str))
        };
        let channel = batch("alice", "#lobby", "one");
        assert_eq!(channel, ["<alice> one", "<alice> <bob> two"]);
        let action = batch("alice", "#lobby", "\u{1}ACTION waves");
        assert_eq!(action, ["* alice waves", "* alice <bob> two"]);
        let direct = batch("alice", "me", "\u{1}ACTION waves");
        let wanted = ["waves", "<bob> two"].map(|text| format!("[alice → you] * alice {text}"));
        assert_eq!(direct, wanted);
        let own = batch("me", "alice", "\u{1}ACTION waves");
        let wanted = ["waves", "<bob> two"].map(|text| format!("[you → alice] * you {text}"));
        assert_eq!(own, wanted);
        let request = batch("alice", "me", "\u{1}VERSION of this");
        let wanted = "-- alice sent a CTCP request, VERSION, which rook does not answer";
        assert_eq!(request, [wanted]);
    }

    #[test]
    fn nobody_s_nick_is_how_the_server_is_named() {
        let lines = printed(&[
            ":s.example NOTICE #lobby :going down",
            ":s NOTICE me :going down",
            ":server!s@h NOTICE #lobby :going down",
        ]);
        assert_eq!(lines[..2], ["-*server*- going down"; 2]);
        assert_eq!(lines[2], "-server- going down");
        assert!(rookery_protocol::Nick::parse(SERVER).is_err());
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
            "-- rob set the topic of #lobby: “Plans”",
            "-- rob kicked carol from #lobby (“loud”)",
            "-- rob left #lobby",
            "-- rob left (“Gone fishing”)",
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
