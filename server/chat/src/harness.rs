//! The test harness: the core without an engine. It admits users, sends lines, records what each
//! session receives, and stands in for the store and the history reader.

mod history_reader;
mod snapshot;

pub use snapshot::snapshot;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rookery_control_api::ServerEvent;
use rookery_protocol::{
    AccountName, Capabilities, Capability, CapabilityValues, Email, Message, Nick,
};

use crate::Chat;
use crate::event::{
    Candidate, Delivery, Disconnect, Event, Fetch, Identity, LineFault, Output, SessionId,
    Settings, SignedInWith,
};
use crate::request::{
    Admission, CloseChannel, Count, Counts, EndAccount, Kick, KickTarget, Request,
};
use crate::state::admission_policy::AdmissionPolicy;
use crate::state::away::AwayState;
use crate::state::bans::Bans;
use crate::ticket::{Answer, Reply, Ticket};
use rookery_record::{
    AccountId, Ban, BanId, BanTarget, Change, ChatSnapshot, EmailAliases, HistoryEntry, Mark,
    message_number,
};

/// The time at which every test begins.
pub const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// Parses the names of capabilities, separated by spaces.
fn parse_capabilities(names: &str) -> Capabilities {
    let mut capabilities = Capabilities::NONE;
    for name in names.split_whitespace() {
        capabilities.insert(Capability::from_name(name).unwrap());
    }
    capabilities
}

pub fn settings() -> Settings {
    Settings {
        server_name: "irc.test".to_owned(),
        network: "Test".to_owned(),
        lobby: Vec::new(),
        free_nicks: false,
        motd: String::new(),
        history: true,
        always_on: false,
        replay_lines: 5,
        history_page: 50,
        slice_rows: crate::SLICE_ROWS,
        sendq_bytes: 1 << 20,
        history_before_join: true,
        redaction_minutes: 0,
        channels_per_user: 10,
        owned_channels: 3,
        owned_channel_bytes: 0,
        channel_list_entries: 5,
        sessions_per_account: 0,
        stored_bytes_per_day: 0,
        monitor_entries: 5,
        email_aliases: EmailAliases::default(),
        capabilities: Capabilities::of(Capability::ALL),
        capability_values: CapabilityValues::default(),
    }
}

/// Returns the settings of a chat with this lobby.
pub fn settings_with_lobby(lobby: &str) -> Settings {
    Settings {
        lobby: vec![lobby.parse().unwrap()],
        ..settings()
    }
}

pub fn nick(nick: &str) -> Nick {
    Nick::parse(nick).unwrap()
}

/// Returns the identity of the account of this name, which was authenticated at [`START`].
pub fn identity(name: &str) -> Identity {
    let id = name.bytes().fold(0, |sum: i64, byte| {
        sum.wrapping_mul(31).wrapping_add(i64::from(byte))
    });
    Identity {
        id: AccountId(id),
        name: AccountName::parse(name).unwrap(),
        email: Email::parse(&format!("{}@example.org", name.to_lowercase())).ok(),
        new: false,
        authenticated_at: START,
        signed_in_with: SignedInWith::PASSWORD,
    }
}

pub fn ban(id: i64, target: &str, reason: &str) -> Ban {
    Ban {
        account_email: None,
        id: BanId(id),
        target: BanTarget::parse(target).unwrap(),
        reason: reason.to_owned(),
        by: "root".to_owned(),
        created_at: START,
        expires_at: None,
    }
}

pub fn kick(name: &str, reason: &str) -> Kick {
    Kick {
        target: KickTarget::User(nick(name)),
        reason: reason.to_owned(),
    }
}

/// Returns the request to end the sessions of the account of this name.
pub fn end_account(name: &str, reason: &str) -> EndAccount {
    EndAccount {
        account: identity(name).id,
        reason: reason.to_owned(),
    }
}

pub fn close_channel(name: &str, reason: &str) -> CloseChannel {
    CloseChannel {
        name: name.parse().unwrap(),
        reason: reason.to_owned(),
    }
}

/// Returns the candidate with another address.
pub fn at_address(address: &str, candidate: Candidate) -> Candidate {
    Candidate {
        address: SocketAddr::new(address.parse().unwrap(), 50_000),
        ..candidate
    }
}

/// The key of a reply of type `T`, for [`Harness::answer`].
pub struct ReplyKey<T>(u64, PhantomData<fn() -> T>);

impl<T> Clone for ReplyKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ReplyKey<T> {}

pub struct Harness {
    pub chat: Chat,
    pub now: Timestamp,
    /// Whether the store accepts messages.
    pub store_works: bool,
    /// The stored messages and events.
    pub entries: Vec<HistoryEntry>,
    pub persisted: Vec<Change>,
    /// Up to where messages were delivered, which all sessions have received.
    delivered: Mark,
    /// The latest policy that the core has published.
    pub policy: Arc<AdmissionPolicy>,
    received: BTreeMap<SessionId, Vec<String>>,
    /// The sessions that the core has ended, with the last line of each.
    pub ended: Vec<(SessionId, String)>,
    /// The replies that no test has read yet.
    answers: Vec<Answer>,
    pub events: Vec<ServerEvent>,
    /// The pending history queries.
    pub fetches: Vec<Fetch>,
    /// Whether the sessions read what they are sent.
    pub reads: bool,
    /// The sessions whose replies wait because they do not.
    pub without_room: Vec<SessionId>,
    /// The number of bytes that the core has last reported to hold for each session.
    pub held: BTreeMap<SessionId, usize>,
    last_session: u64,
    last_ticket: u64,
}

impl Harness {
    pub fn new() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: Settings) -> Self {
        Self::with_bans(settings, Vec::new())
    }

    pub fn with_bans(settings: Settings, bans: Vec<Ban>) -> Self {
        Self::restored(settings, bans, ChatSnapshot::default())
    }

    /// Creates a chat as the server does at its start.
    pub fn restored(settings: Settings, bans: Vec<Ban>, snapshot: ChatSnapshot) -> Self {
        let bans = Bans::new(bans, settings.email_aliases.clone());
        let policy = Arc::new(AdmissionPolicy {
            bans,
            maintenance: None,
        });
        Self {
            chat: Chat::new(
                settings,
                "run".to_owned(),
                Arc::clone(&policy),
                snapshot,
                START,
            ),
            now: START,
            policy,
            store_works: true,
            entries: Vec::new(),
            persisted: Vec::new(),
            delivered: Mark::START,
            received: BTreeMap::new(),
            ended: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            fetches: Vec::new(),
            reads: true,
            without_room: Vec::new(),
            held: BTreeMap::new(),
            last_session: 0,
            last_ticket: 0,
        }
    }

    pub fn advance(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// Passes the core an event, as a batch of its own.
    pub fn event(&mut self, event: Event) {
        let mut outputs = Vec::new();
        self.chat.start_batch();
        self.chat.handle(self.now, event, &mut outputs);
        self.apply(outputs);
    }

    /// Sends lines as events of one batch.
    pub fn send_together(&mut self, lines: &[(SessionId, &str)]) {
        self.chat.start_batch();
        for (session, line) in lines {
            let outputs = self.outputs_of(*session, line);
            self.apply(outputs);
        }
    }

    /// Continues the replies that are not complete, by one slice.
    pub fn continue_replies(&mut self) {
        let mut outputs = Vec::new();
        self.chat.continue_replies(self.now, &mut outputs);
        self.apply(outputs);
    }

    fn apply(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Deliver(delivery) => self.deliver(&[delivery]),
                Output::Store {
                    entry,
                    now: at,
                    deliveries,
                    on_failure,
                } => {
                    if let Some(message) = message_number(&entry.msgid) {
                        self.delivered = Mark { message, at };
                    }
                    if self.store_works {
                        self.entries.push(*entry);
                        self.deliver(&deliveries);
                    } else {
                        self.deliver(on_failure.as_slice());
                    }
                }
                Output::Persist(change) => self.persisted.push(*change),
                Output::AdmissionPolicy(policy) => self.policy = policy,
                Output::End { session, line, .. } => self.ended.push((session, text(&line))),
                Output::Answer(answer) => self.answers.push(answer),
                Output::ServerEvent(event) => self.events.push(event.event),
                Output::Fetch(fetch) => self.fetches.push(*fetch),
                Output::AwaitRoom(session) if self.reads => self.chat.resume_replies(session),
                Output::AwaitRoom(session) => self.without_room.push(session),
                Output::Delivered(mark) => self.delivered = mark,
                // The tests answer by themselves.
                Output::AskReceipts(_) => {}
                Output::Held { session, bytes } => drop(self.held.insert(session, bytes)),
            }
        }
    }

    fn deliver(&mut self, deliveries: &[Delivery]) {
        for delivery in deliveries {
            assert!(!delivery.to.is_empty(), "a delivery without receivers");
            for &to in &delivery.to {
                let lines = delivery
                    .line
                    .split_inclusive(|&byte| byte == b'\n')
                    .map(text);
                self.received.entry(to).or_default().extend(lines);
            }
        }
    }

    /// Returns a new ticket and the key of its reply.
    pub fn ticket<T: Reply>(&mut self) -> (Ticket<T>, ReplyKey<T>) {
        self.last_ticket += 1;
        (
            Ticket::new(self.last_ticket),
            ReplyKey(self.last_ticket, PhantomData),
        )
    }

    pub fn candidate(nick: &str, identity: Option<Identity>, capabilities: &str) -> Candidate {
        Candidate {
            nick: Nick::parse(nick).unwrap(),
            username: nick.to_lowercase(),
            realname: format!("Real {nick}"),
            identity,
            capabilities: parse_capabilities(capabilities),
            away_state: AwayState::Here,
            subscriptions: std::collections::BTreeSet::new(),
            address: SocketAddr::from(([192, 0, 2, 1], 50_000)),
            tls: "TLSv1.3".to_owned(),
        }
    }

    /// Requests admission. Returns the session and the reply.
    pub fn try_admit(&mut self, candidate: Candidate) -> (SessionId, Admission) {
        self.last_session += 1;
        let session = SessionId(self.last_session);
        let (ticket, key) = self.ticket();
        self.event(Event::Admit {
            ticket,
            session,
            candidate: Box::new(candidate),
        });
        (session, self.answer(key).unwrap())
    }

    /// Admits a session of an account. Returns what it receives on admission.
    pub fn connect(&mut self, name: &str, capabilities: &str) -> (SessionId, Vec<String>) {
        self.admit(Self::candidate(name, Some(identity(name)), capabilities))
    }

    /// Admits a session of an account, and discards what it receives on admission.
    pub fn user(&mut self, name: &str, capabilities: &str) -> SessionId {
        self.connect(name, capabilities).0
    }

    /// Admits a guest, and discards what it receives on admission.
    pub fn guest(&mut self, nick: &str, capabilities: &str) -> SessionId {
        self.admit(Self::candidate(nick, None, capabilities)).0
    }

    /// Admits a session. Returns what it receives on admission.
    pub fn admit(&mut self, candidate: Candidate) -> (SessionId, Vec<String>) {
        let (session, answer) = self.try_admit(candidate);
        assert!(matches!(answer, Admission::Admitted), "{answer:?}");
        (session, self.received(session))
    }

    /// Sends `JOIN` from each session, and discards what all sessions receive. The first to join a
    /// new channel is its operator.
    pub fn channel(&mut self, channel: &str, sessions: &[SessionId]) {
        for &session in sessions {
            self.send(session, &format!("JOIN {channel}"));
        }
        self.clear_received();
    }

    pub fn send(&mut self, session: SessionId, line: &str) {
        let message = Message::parse(line).unwrap();
        self.event(Event::Command { session, message });
    }

    /// Reports that the client of the session has received everything so far.
    pub fn answer_receipt(&mut self, session: SessionId) {
        let until = self.delivered;
        self.event(Event::Received { session, until });
    }

    /// Sends a line. Returns the outputs of the core, and applies none of them.
    pub fn outputs_of(&mut self, session: SessionId, line: &str) -> Vec<Output> {
        let message = Message::parse(line).unwrap();
        let mut outputs = Vec::new();
        let event = Event::Command { session, message };
        self.chat.handle(self.now, event, &mut outputs);
        outputs
    }

    /// Sends a line. Returns what the sender receives, all slices of it.
    pub fn request(&mut self, session: SessionId, line: &str) -> Vec<String> {
        self.received(session);
        self.send(session, line);
        while self.chat.has_incomplete_replies() {
            self.continue_replies();
        }
        self.received(session)
    }

    pub fn bad_line(&mut self, session: SessionId, fault: LineFault) -> Vec<String> {
        self.event(Event::BadLine { session, fault });
        self.received(session)
    }

    pub fn disconnect(&mut self, session: SessionId) {
        self.event(Event::Disconnected {
            session,
            disconnect: Disconnect::lost("Connection closed"),
            received: Some(self.delivered),
        });
    }

    /// Reports that the connection of the session timed out.
    pub fn lose_connection(&mut self, session: SessionId) {
        self.event(Event::Disconnected {
            session,
            disconnect: Disconnect::lost("Ping timeout"),
            received: None,
        });
    }

    /// Performs a request of the control plane. Returns the key of its reply.
    pub fn act<R: Request>(&mut self, request: R) -> ReplyKey<R::Reply> {
        let (ticket, key) = self.ticket();
        self.event(Event::Control(request.with_ticket(ticket)));
        key
    }

    /// Returns the reply to a request, if the core has sent it.
    pub fn answer<T: Reply>(&mut self, key: ReplyKey<T>) -> Option<T> {
        let number = |answer: &Answer| answer.number() == key.0;
        let at = self.answers.iter().position(number)?;
        Some(T::of(self.answers.remove(at)).unwrap())
    }

    /// Performs a request of the control plane that is answered at once. Returns the reply.
    #[track_caller]
    pub fn reply_to<R: Request>(&mut self, request: R) -> R::Reply {
        let key = self.act(request);
        self.answer(key).expect("it is answered at once")
    }

    pub fn counts(&mut self) -> Counts {
        self.reply_to(Count)
    }

    pub fn ended_sessions(&self) -> Vec<SessionId> {
        self.ended.iter().map(|(session, _)| *session).collect()
    }

    pub fn sign_in(&mut self, session: SessionId, identity: Identity) -> Admission {
        let (ticket, key) = self.ticket();
        self.event(Event::SignIn {
            ticket,
            session,
            identity,
        });
        self.answer(key).unwrap()
    }

    /// Returns what the session has received since the last call, and discards it.
    pub fn received(&mut self, session: SessionId) -> Vec<String> {
        self.received.remove(&session).unwrap_or_default()
    }

    /// Returns the number of lines that all sessions have received since the last call of
    /// [`Harness::clear_received`].
    pub fn received_in_total(&self) -> usize {
        self.received.values().map(Vec::len).sum()
    }

    /// Returns what the session has received since the last call of [`Harness::received`].
    pub fn peek(&self, session: SessionId) -> Vec<String> {
        self.received.get(&session).cloned().unwrap_or_default()
    }

    pub fn clear_received(&mut self) {
        self.received.clear();
    }
}

/// Returns the line without its ending, after checking its ending, its characters and its length.
fn text(line: &[u8]) -> String {
    let text = std::str::from_utf8(line).unwrap();
    let body = text.strip_suffix("\r\n").expect("a line ends");
    assert!(
        !body.contains(['\r', '\n', '\0']),
        "a delivery line contains no line break: {body:?}"
    );
    let untagged = match body.strip_prefix('@') {
        Some(tagged) => tagged.split_once(' ').unwrap().1,
        None => body,
    };
    assert!(untagged.len() <= 510, "too long: {untagged}");
    body.to_owned()
}

/// Returns the commands or numerics of the lines.
pub fn commands(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .map(|line| Message::parse(line).unwrap().command)
        .collect()
}

/// Returns the first line with this command or numeric.
#[track_caller]
pub fn find<'a>(lines: &'a [String], command: &str) -> &'a str {
    let found = lines
        .iter()
        .find(|line| Message::parse(line).unwrap().command == command);
    found.unwrap_or_else(|| panic!("no {command} in {lines:#?}"))
}
