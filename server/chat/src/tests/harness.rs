//! The test harness: a chat without an engine. It admits users, sends lines, records what each
//! session receives, and stands in for the store and the history reader.

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
    Candidate, Delivery, Disconnect, Event, Fetch, HistoryQuery, HistoryResult, Identity,
    LineFault, Output, SessionId, Settings,
};
use crate::request::{Admission, Request};
use crate::state::admission_policy::AdmissionPolicy;
use crate::state::away::AwayState;
use crate::state::bans::Bans;
use crate::ticket::{Answer, Reply, Ticket};
use rookery_record::{
    AccountId, Ban, BanId, BanTarget, Change, ChatSnapshot, EmailAliases, HistoryEntry, Place,
    ReadableTarget,
};

/// The time at which every test begins.
pub const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// Returns the capabilities with these names, separated by spaces.
pub fn set(names: &str) -> Capabilities {
    let mut set = Capabilities::NONE;
    for name in names.split_whitespace() {
        set.insert(Capability::from_name(name).unwrap());
    }
    set
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
        sendq_bytes: 1 << 20,
        history_before_join: true,
        redaction_minutes: 0,
        channels_per_user: 10,
        owned_channels: 3,
        channel_list_entries: 5,
        monitor_entries: 5,
        email_aliases: EmailAliases::default(),
        capabilities: Capabilities::of(Capability::ALL),
        capability_values: CapabilityValues::default(),
    }
}

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
        credential: None,
    }
}

pub fn ban(id: i64, target: &str, reason: &str) -> Ban {
    Ban {
        id: BanId(id),
        target: BanTarget::parse(target).unwrap(),
        reason: reason.to_owned(),
        by: "root".to_owned(),
        created_at: START,
        expires_at: None,
    }
}

/// Identifies the reply to a request of type `T`.
pub struct Asked<T>(u64, PhantomData<fn() -> T>);

impl<T> Clone for Asked<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Asked<T> {}

pub struct Harness {
    pub chat: Chat,
    pub now: Timestamp,
    /// Whether the store accepts messages.
    pub store_works: bool,
    pub entries: Vec<HistoryEntry>,
    pub persisted: Vec<Change>,
    /// The latest policy that the core has published.
    pub policy: Arc<AdmissionPolicy>,
    received: BTreeMap<SessionId, Vec<String>>,
    pub ended: Vec<(SessionId, String)>,
    pub answers: Vec<Answer>,
    pub events: Vec<ServerEvent>,
    /// The history queries that wait for an answer.
    pub fetches: Vec<Fetch>,
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

    /// Creates a chat as after a restart.
    pub fn restored(settings: Settings, bans: Vec<Ban>, restored: ChatSnapshot) -> Self {
        let bans = Bans::new(bans, settings.email_aliases.clone());
        let gate = Arc::new(AdmissionPolicy {
            bans,
            maintenance: None,
        });
        Self {
            chat: Chat::new(
                settings,
                "run".to_owned(),
                Arc::clone(&gate),
                restored,
                START,
            ),
            now: START,
            policy: gate,
            store_works: true,
            entries: Vec::new(),
            persisted: Vec::new(),
            received: BTreeMap::new(),
            ended: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            fetches: Vec::new(),
            last_session: 0,
            last_ticket: 0,
        }
    }

    pub fn advance(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    pub fn event(&mut self, event: Event) {
        let mut outputs = Vec::new();
        self.chat.handle(self.now, event, &mut outputs);
        for output in outputs {
            match output {
                Output::Deliver(delivery) => self.deliver(&[delivery]),
                Output::Store {
                    entry,
                    deliveries,
                    on_failure,
                } => {
                    if self.store_works {
                        self.entries.push(*entry);
                        self.deliver(&deliveries);
                    } else {
                        self.deliver(on_failure.as_slice());
                    }
                }
                Output::Persist(change) => self.persisted.push(*change),
                Output::AdmissionPolicy(gate) => self.policy = gate,
                Output::End { session, line } => self.ended.push((session, text(&line))),
                Output::Answer(answer) => self.answers.push(answer),
                Output::ServerEvent(event) => self.events.push(event.what),
                Output::Fetch(fetch) => self.fetches.push(*fetch),
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
    pub fn ticket<T: Reply>(&mut self) -> (Ticket<T>, Asked<T>) {
        self.last_ticket += 1;
        (
            Ticket::new(self.last_ticket),
            Asked(self.last_ticket, PhantomData),
        )
    }

    pub fn candidate(nick: &str, identity: Option<Identity>, capabilities: &str) -> Candidate {
        Candidate {
            nick: Nick::parse(nick).unwrap(),
            username: nick.to_lowercase(),
            realname: format!("Real {nick}"),
            identity,
            capabilities: set(capabilities),
            away_state: AwayState::Here,
            address: SocketAddr::from(([192, 0, 2, 1], 50_000)),
            tls: "TLSv1.3".to_owned(),
        }
    }

    /// Requests admission. Returns the session and the answer.
    pub fn try_admit(&mut self, candidate: Candidate) -> (SessionId, Admission) {
        self.last_session += 1;
        let session = SessionId(self.last_session);
        let (ticket, asked) = self.ticket();
        self.event(Event::Admit {
            ticket,
            session,
            candidate: Box::new(candidate),
        });
        (session, self.answer(asked).unwrap())
    }

    /// Admits a session of an account, and discards what it receives on admission.
    pub fn user(&mut self, name: &str, capabilities: &str) -> SessionId {
        let candidate = Self::candidate(name, Some(identity(name)), capabilities);
        self.admit(candidate)
    }

    /// Admits a guest, and discards what it receives on admission.
    pub fn guest(&mut self, nick: &str, capabilities: &str) -> SessionId {
        let candidate = Self::candidate(nick, None, capabilities);
        self.admit(candidate)
    }

    fn admit(&mut self, candidate: Candidate) -> SessionId {
        let (session, answer) = self.try_admit(candidate);
        assert!(matches!(answer, Admission::Admitted), "{answer:?}");
        self.received(session);
        session
    }

    /// Has the sessions join a channel, the first as its operator, and discards what they receive.
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

    /// Sends a line. Returns what the sender receives.
    pub fn request(&mut self, session: SessionId, line: &str) -> Vec<String> {
        self.received(session);
        self.send(session, line);
        self.received(session)
    }

    /// Answers the one history query that waits.
    pub fn answer_fetch(&mut self, found: HistoryResult) {
        let fetch = self.fetches.pop().unwrap();
        assert!(self.fetches.is_empty());
        self.event(Event::Fetched {
            fetch: Box::new(fetch),
            found,
        });
    }

    /// Answers all waiting queries for several places, as the history reader would.
    pub fn answer_all_fetches(&mut self) {
        for fetch in std::mem::take(&mut self.fetches) {
            let HistoryQuery::Several(query) = &fetch.query else {
                panic!("{fetch:?}")
            };
            let mut targets = query.targets.clone();
            let others = self.entries.iter().filter_map(|entry| match &entry.place {
                Place::Direct { from, to } if Some(from.nick()) == query.account.as_ref() => {
                    Some(to.nick())
                }
                Place::Direct { from, to } if Some(to.nick()) == query.account.as_ref() => {
                    Some(from.nick())
                }
                _ => None,
            });
            let others: std::collections::BTreeSet<&Nick> = others.collect();
            targets.extend(others.into_iter().map(|other| {
                let mut places = Place::conversation(
                    query.account.as_ref().unwrap(),
                    other.clone(),
                    other.clone(),
                );
                places.extend(places.clone().into_iter().map(|place| match place {
                    Place::Direct { from, to } => Place::Direct { from: to, to: from },
                    place @ Place::Channel(_) => place,
                }));
                ReadableTarget {
                    name: other.to_string(),
                    places,
                    since: Timestamp::MIN,
                }
            }));
            let found = targets.into_iter().filter_map(|reading| {
                let mut entries: Vec<HistoryEntry> = self
                    .entries
                    .iter()
                    .filter(|entry| reading.places.contains(&entry.place) && query.after < entry.at)
                    .filter(|entry| entry.at < query.before && !entry.is_event())
                    .cloned()
                    .collect();
                entries.drain(..entries.len().saturating_sub(query.limit));
                (!entries.is_empty()).then_some((reading.name, entries))
            });
            let found = HistoryResult::Several(found.collect());
            self.event(Event::Fetched {
                fetch: Box::new(fetch),
                found,
            });
        }
    }

    pub fn bad_line(&mut self, session: SessionId, fault: LineFault) -> Vec<String> {
        self.event(Event::BadLine { session, fault });
        self.received(session)
    }

    pub fn disconnect(&mut self, session: SessionId) {
        self.event(Event::Disconnected {
            session,
            disconnect: Disconnect::lost("Connection closed"),
            lost: false,
        });
    }

    /// Reports that the connection of the session timed out.
    pub fn lose_connection(&mut self, session: SessionId) {
        self.event(Event::Disconnected {
            session,
            disconnect: Disconnect::lost("Ping timeout"),
            lost: true,
        });
    }

    pub fn act<R: Request>(&mut self, request: R) -> Asked<R::Reply> {
        let (ticket, asked) = self.ticket();
        self.event(Event::Control(request.with_ticket(ticket)));
        asked
    }

    /// Returns the reply to a request, if it was sent.
    pub fn answer<T: Reply>(&mut self, asked: Asked<T>) -> Option<T> {
        let number = |answer: &Answer| answer.number() == asked.0;
        let at = self.answers.iter().position(number)?;
        Some(T::of(self.answers.remove(at)).unwrap())
    }

    pub fn sign_in(&mut self, session: SessionId, identity: Identity) -> Admission {
        let (ticket, asked) = self.ticket();
        self.event(Event::SignIn {
            ticket,
            session,
            identity,
        });
        self.answer(asked).unwrap()
    }

    /// Returns what the session has received since the last call.
    pub fn received(&mut self, session: SessionId) -> Vec<String> {
        self.received.remove(&session).unwrap_or_default()
    }

    /// Returns what [`Harness::received`] would, without consuming it.
    pub fn peek(&self, session: SessionId) -> Vec<String> {
        self.received.get(&session).cloned().unwrap_or_default()
    }

    pub fn clear_received(&mut self) {
        self.received.clear();
    }
}

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
