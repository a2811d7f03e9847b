//! Plays bytes into the core as several sessions, operators, a store and a clock would.

use std::collections::BTreeSet;

use rookery_protocol::framing::MAX_CLIENT_TAGS;
use rookery_protocol::{ChannelName, Line, LineFramer, Message};
use rookery_record::{BanId, Change, Metadata};

use crate::event::{Event, LineFault, SessionId, Settings};
use crate::harness::{
    Harness, ban, close_channel, end_account, identity, kick, settings_with_lobby,
};
use crate::request::{AddBans, Admission, Count, ForgetAccount, RemoveBan};

const NICKS: [&str; 8] = ["alice", "bob", "carl", "dora", "Gus", "a1ice", "Hal", "Bob"];
/// The first of [`NICKS`] are accounts.
const ACCOUNTS: usize = 4;
const CAPABILITIES: [&str; 4] = [
    "batch draft/multiline echo-message labeled-response message-tags server-time \
     draft/chathistory draft/event-playback draft/message-redaction draft/read-marker",
    "",
    "batch message-tags echo-message account-tag extended-join away-notify multi-prefix",
    "batch labeled-response message-tags draft/metadata-2 setname chghost invite-notify \
     draft/channel-rename standard-replies",
];
/// The length of a text in bytes that fits into every line.
const CERTAIN_TEXT: usize = 400;
/// The maximum number of sessions at the same time.
const MAX_SESSIONS: usize = 8;

/// A chat, and the sessions in it.
pub struct Player {
    harness: Harness,
    connected: Vec<SessionId>,
}

impl Player {
    /// Creates a chat whose switches are the bits of `switches`.
    pub fn new(switches: u8) -> Self {
        let is_set = |bit: u8| switches & (1 << bit) != 0;
        let settings = Settings {
            history: !is_set(0),
            free_nicks: is_set(1),
            always_on: is_set(2),
            history_before_join: !is_set(3),
            redaction_minutes: if is_set(4) { 0 } else { 60 },
            sessions_per_account: 3,
            owned_channel_bytes: 8192,
            ..settings_with_lobby("#lobby")
        };
        Self {
            harness: Harness::with(settings),
            connected: Vec::new(),
        }
    }

    /// Creates a chat with some messages, and a session that may read them.
    pub fn with_history() -> Self {
        let mut player = Self::new(0);
        player.connect(0, 0);
        player.connect(1, 0);
        for line in [
            "JOIN #a",
            "PRIVMSG #a :one",
            "PRIVMSG #a :two",
            "PRIVMSG bob :three",
        ] {
            player.send(0, line.as_bytes());
            player.harness.advance(1);
        }
        player
    }

    /// Connects a session as the user with this number and these capabilities.
    fn connect(&mut self, user: usize, capabilities: usize) {
        if self.connected.len() == MAX_SESSIONS {
            return;
        }
        let user = user % NICKS.len();
        let identity = (user < ACCOUNTS).then(|| identity(NICKS[user]));
        let candidate = Harness::candidate(NICKS[user], identity, CAPABILITIES[capabilities % 4]);
        let (session, answer) = self.harness.try_admit(candidate);
        if matches!(answer, Admission::Admitted) {
            self.connected.push(session);
        }
    }

    fn disconnect(&mut self, index: usize) {
        if !self.connected.is_empty() {
            let session = self.connected.remove(index % self.connected.len());
            self.harness.disconnect(session);
        }
    }

    /// Sends the bytes as one session, as they would be read from its connection.
    pub fn send(&mut self, index: usize, bytes: &[u8]) {
        if self.connected.is_empty() {
            return;
        }
        let session = self.connected[index % self.connected.len()];
        let mut events = Vec::new();
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        framer.push(&[bytes, b"\r\n"].concat(), |line| {
            events.push(match line {
                Line::Text(text) => match Message::parse(text) {
                    Ok(message) => Event::Command { session, message },
                    Err(_) => Event::BadLine {
                        session,
                        fault: LineFault::malformed(text),
                    },
                },
                Line::TooLong(tags) => Event::BadLine {
                    session,
                    fault: LineFault::too_long(tags.as_deref()),
                },
                Line::NotUtf8(text) => Event::BadLine {
                    session,
                    fault: LineFault::NotUtf8(Message::parse(&text).ok().map(Box::new)),
                },
            });
        });
        for event in events {
            self.harness.event(event);
            self.close_ended();
        }
    }

    /// Closes the connections of the sessions that the core has ended.
    fn close_ended(&mut self) {
        for session in self.harness.ended_sessions() {
            self.connected.retain(|connected| *connected != session);
            self.harness.disconnect(session);
        }
        self.harness.ended.clear();
    }

    /// Performs one act. Its first byte is the kind, and the rest what the kind needs:
    ///
    /// | first byte | act |
    /// |---|---|
    /// | `A` to `H` | connects a user; a digit after it selects the capabilities |
    /// | `-` | disconnects the session whose number follows |
    /// | `!`, `~`, `^` | kicks a user; bans, or unbans, an account |
    /// | `x`, `#` | deletes an account; closes a channel |
    /// | `+`, `=` | the clock goes on; the store fails or recovers |
    /// | `?`, `@` | the history arrives; the server is killed and starts again |
    /// | any other | the session of that number sends the rest |
    pub fn act(&mut self, line: &[u8]) {
        let Some((&kind, rest)) = line.split_first() else {
            return;
        };
        let number = usize::from(rest.first().copied().unwrap_or_default());
        let account = NICKS[number % ACCOUNTS];
        let ban_id = i64::try_from(number % ACCOUNTS).unwrap();
        match kind {
            b'A'..=b'H' => self.connect(usize::from(kind - b'A'), number),
            b'-' => self.disconnect(number),
            b'!' => {
                self.harness
                    .act(kick(NICKS[number % NICKS.len()], "enough"));
            }
            b'~' => {
                self.harness
                    .act(AddBans(vec![ban(ban_id, account, "enough")]));
            }
            b'^' => {
                self.harness.act(RemoveBan(BanId(ban_id)));
            }
            b'x' => {
                self.harness.act(end_account(account, "deleted"));
                let name = identity(account).name;
                self.harness.act(ForgetAccount(name.clone()));
                // The store deletes these together with the account.
                self.harness.persisted.push(Change::AccountMetadata {
                    account: name.clone(),
                    metadata: Metadata::new(),
                });
                self.harness.persisted.push(Change::Silences {
                    account: name,
                    masks: Vec::new(),
                });
            }
            b'#' => {
                let name = String::from_utf8_lossy(line);
                if ChannelName::parse(&name).is_ok() {
                    self.harness.act(close_channel(&name, "closed"));
                }
            }
            b'+' => self.harness.advance(i64::try_from(number).unwrap()),
            b'=' => self.harness.store_works ^= true,
            b'?' => self.harness.answer_every_fetch(),
            b'@' => self.restart(),
            _ => self.send(usize::from(kind), rest),
        }
        self.close_ended();
        self.check();
    }

    fn restart(&mut self) {
        let changes = std::mem::take(&mut self.harness.persisted);
        let entries = std::mem::take(&mut self.harness.entries);
        let bans = self
            .harness
            .policy
            .bans
            .iter()
            .map(|ban| (**ban).clone())
            .collect();
        let now = self.harness.now;
        let settings = self.harness.chat.settings.clone();
        self.harness = Harness::restored(settings, bans, crate::harness::snapshot(&changes));
        self.harness.persisted = changes;
        self.harness.entries = entries;
        self.harness.now = now;
        self.connected.clear();
        // The next event persists that some users, such as banned ones, were not restored.
        self.harness.act(Count);
    }

    fn check(&self) {
        let connected: BTreeSet<SessionId> = self.connected.iter().copied().collect();
        self.harness.chat.check_state(&connected);
    }

    /// Answers what waits for the history, and checks the state and what is persisted of it.
    pub fn finish(&mut self) {
        self.harness.answer_every_fetch();
        self.close_ended();
        self.check();
        self.harness.chat.check_persisted(&self.harness.snapshot());
    }

    /// Sends a batch whose lines are those of `data`, and checks what the members receive.
    pub fn send_batch(&mut self, data: &[u8]) {
        for (user, capabilities) in [(0, 0), (1, 0), (2, 1)] {
            self.connect(user, capabilities);
            self.send(user, b"JOIN #a");
        }
        self.harness.clear_received();
        // Either would end or spoil a line.
        let is_valid = |byte: &u8| !matches!(byte, 0 | b'\r');
        let data: Vec<u8> = data.iter().copied().filter(is_valid).collect();
        let mut sent = String::new();
        self.send(0, b"BATCH +1 draft/multiline #a");
        for (number, line) in data.split(|&byte| byte == b'\n').enumerate() {
            // A line that begins with `>` continues the one before it.
            let (concat, text) = match line.split_first() {
                Some((b'>', text)) if number > 0 => (";draft/multiline-concat", text),
                _ => ("", line),
            };
            if !concat.is_empty() || number == 0 {
                sent.push_str(&String::from_utf8_lossy(text));
            } else {
                sent.push('\n');
                sent.push_str(&String::from_utf8_lossy(text));
            }
            let head = format!("@batch=1{concat} PRIVMSG #a :");
            self.send(0, &[head.as_bytes(), text].concat());
        }
        self.send(0, b"BATCH -1");
        let mut received = String::new();
        let mut is_open = false;
        for line in self.harness.received(SessionId(2)) {
            let message = Message::parse(&line).unwrap();
            match (
                message.command.as_str(),
                message.tags.get("draft/multiline-concat"),
            ) {
                ("BATCH", _) => is_open = message.param(0).unwrap().starts_with('+'),
                ("PRIVMSG", None) if is_open && !received.is_empty() => received.push('\n'),
                _ => {}
            }
            if message.command == "PRIVMSG" {
                received.push_str(message.param(1).unwrap());
                // Distinguishes an empty first line from none.
                if received.is_empty() {
                    received.push('\u{0}');
                }
            }
        }
        let plain = self.harness.received(SessionId(3));
        if received.is_empty() {
            assert!(plain.is_empty(), "nobody or everybody receives the message");
        } else {
            let received = received.trim_start_matches('\0');
            // A batch of one line is a message like any other: it is cut where the line that the
            // members receive ends.
            if data.contains(&b'\n') || sent.len() <= CERTAIN_TEXT {
                assert_eq!(received, sent);
            } else {
                assert!(sent.starts_with(received) && received.len() >= CERTAIN_TEXT);
            }
            assert!(!plain.is_empty());
            let text: String = plain
                .iter()
                .filter_map(|line| Message::parse(line).unwrap().params.pop())
                .collect();
            assert_eq!(text, received.replace('\n', ""));
        }
        self.finish();
    }
}
