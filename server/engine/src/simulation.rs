//! Simulates the core, the committer, the store and many sessions in one thread, from one seed.
//!
//! Each step does one thing that a busy server does at an arbitrary moment: a session sends a
//! command, the committer commits what waits, a client reads, a page of history arrives, an
//! operator acts, the clock jumps, the disk fails or recovers, the server crashes and restarts from
//! its database. The time is virtual. The same seed always results in the same steps, so a failure
//! is repeated with the seed that it reports:
//!
//! ```text
//! SEED=17 STEPS=400 cargo test -p rookery-engine simulation
//! ```
//!
//! The invariants are checked at each step: no client receives a message that is not in the store,
//! the times of messages in a channel or conversation differ and increase, a channel's messages
//! reach only its members, and a kick or ban is acknowledged only once it is on disk and the
//! sessions that it covers have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{AccountName, Capabilities, Capability, Email, Message, Nick};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use crate::committer::{Committer, Effect};
use crate::core_task::handle_envelope;
use crate::handle::{CoreHandle, Envelope, EventQueue, channel};
use crate::history_reader::HistoryReader;
use crate::pending::{Awaited, register};
use crate::sendq::{Sendq, State};
use rookery_base::config::Config;
use rookery_base::events::EventBus;
use rookery_chat::event::{Candidate, Disconnect, Event, Identity, Output, SessionId, Settings};
use rookery_chat::request::{
    AddBan, Admission, CloseChannel, Ended, Kick, KickTarget, RemoveBan, Request,
};
use rookery_chat::ticket::Ticket;
use rookery_chat::{AdmissionPolicy, AwayState, Bans, Chat};
use rookery_record::{AccountId, BanId, BanTarget, HistorySync, NewAccount, NewBan};
use rookery_store::{DATABASE_FILE, Database, Durability, Store};

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
const ACCOUNTS: [&str; 4] = ["alice", "bob", "carl", "dora"];
const CHANNELS: [&str; 4] = ["#lobby", "#a", "#b", "#c"];
const MAX_CLIENTS: usize = 10;
/// The number of batches at which the core waits for the committer.
const MAX_BATCHES: usize = 16;
/// Small enough that a client that does not read soon exceeds it.
const SENDQ_BYTES: usize = 60_000;

/// Makes every write of messages, channels and bans fail, as a full disk does.
const BREAK_DISK: &str = "
    CREATE TRIGGER full_messages BEFORE INSERT ON history
        BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;
    CREATE TRIGGER full_channels BEFORE INSERT ON channels
        BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;
    CREATE TRIGGER full_bans BEFORE INSERT ON bans
        BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;";
const MEND_DISK: &str =
    "DROP TRIGGER full_messages; DROP TRIGGER full_channels; DROP TRIGGER full_bans;";

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// One connection, as its client sees it.
struct Client {
    session: SessionId,
    /// The index of its account; `None` for a guest.
    account: Option<usize>,
    address: SocketAddr,
    sendq: Arc<Sendq>,
    /// The reply to its request for admission, until it has arrived.
    admission: Option<oneshot::Receiver<Admission>>,
    /// Whether a ban covered it when it requested admission.
    is_banned: bool,
    nick: String,
    channels: BTreeSet<String>,
    /// The time of the last message that it received live in each channel or conversation.
    last: BTreeMap<String, Timestamp>,
}

/// An act of an operator that the core has not acknowledged yet.
struct Act {
    reply: oneshot::Receiver<Ended>,
    /// The sessions that must have ended when it is acknowledged.
    covered: BTreeSet<SessionId>,
    ban: Option<BanId>,
}

/// What ends with a crash of the server.
struct Server {
    chat: Chat,
    committer: Committer,
    database: Database,
    /// Receives the pages of the history reader.
    queue: EventQueue,
    /// Keeps the queue open.
    _core: CoreHandle,
    waiting: Vec<Effect>,
    batches: usize,
    fetched: Vec<Event>,
    clients: Vec<Client>,
    acts: Vec<Act>,
}

struct Simulation {
    random: Random,
    runtime: Runtime,
    folder: TempDir,
    now: Timestamp,
    server: Server,
    runs: u32,
    disk_is_full: bool,
    last_session: u64,
    last_ticket: u64,
    texts: u64,
    /// The bans that were acknowledged and not lifted since, by number.
    bans: BTreeMap<BanId, BanTarget>,
    /// Every message that a client has received, by place and time.
    seen: BTreeMap<(String, Timestamp), String>,
    /// The messages that somebody tried to redact.
    redacted: BTreeSet<String>,
}

fn settings() -> Settings {
    let mut config = Config::default();
    config.chat.lobby = vec!["#lobby".parse().unwrap()];
    config.limits.sendq_bytes = SENDQ_BYTES;
    config.history.replay_lines = 0;
    Settings {
        // Small enough that the lists of a few users are long.
        slice_rows: 2,
        ..crate::settings::from_config(&config)
    }
}

/// Starts the server from the database, as `rookeryd` does.
fn start(runtime: &Runtime, folder: &TempDir, run: u32, now: Timestamp) -> Server {
    let file = folder.path().join(DATABASE_FILE);
    let database = Database::open(&file, HistorySync::Normal).unwrap();
    let stored = database.clone();
    let (bans, snapshot) = runtime.block_on(async move {
        stored
            .write(Durability::Message, Store::mark_all_disconnected)
            .await
            .unwrap();
        let read = move |store: &Store| Ok((store.bans(now)?, store.chat_snapshot()?));
        stored.read(read).await.unwrap()
    });
    let settings = settings();
    let policy = Arc::new(AdmissionPolicy {
        bans: Bans::new(bans, settings.email_aliases.clone()),
        maintenance: None,
    });
    let chat = Chat::new(
        settings,
        format!("r{run}-"),
        Arc::clone(&policy),
        snapshot,
        now,
    );
    let (core, _, queue) = channel();
    let reader = HistoryReader::new(database.clone(), queue.history_sender());
    let (policy, _) = watch::channel(policy);
    Server {
        chat,
        committer: Committer::new(database.clone(), policy, EventBus::default(), reader),
        database,
        queue,
        _core: core,
        waiting: Vec::new(),
        batches: 0,
        fetched: Vec::new(),
        clients: Vec::new(),
        acts: Vec::new(),
    }
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut store = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
        for name in ACCOUNTS {
            let account = NewAccount {
                name: AccountName::parse(name).unwrap(),
                email: Email::parse(&format!("{name}@example.org")).ok(),
                password_hash: None,
                created_at: START,
                greeted: true,
            };
            store.create_account(&account).unwrap().unwrap();
        }
        drop(store);
        let server = start(&runtime, &folder, 0, START);
        Self {
            random: Random(seed),
            runtime,
            folder,
            now: START,
            server,
            runs: 0,
            disk_is_full: false,
            last_session: 0,
            last_ticket: 0,
            texts: 0,
            bans: BTreeMap::new(),
            seen: BTreeMap::new(),
            redacted: BTreeSet::new(),
        }
    }

    fn step(&mut self) {
        if self.random.below(3) == 0 {
            self.now += SignedDuration::from_millis(1);
        }
        if self.random.below(4) == 0 {
            self.continue_replies();
        }
        match self.random.below(200) {
            0..20 => self.connect(),
            20..110 => self.command(),
            110..145 => self.read(),
            145..170 => self.commit(),
            170..180 => self.deliver_page(),
            180..184 => self.disconnect(),
            184..187 => self.kick(),
            187..190 => self.ban(),
            190..192 => self.lift_ban(),
            192 => self.close_channel(),
            193..196 => self.jump(),
            196..198 => self.toggle_disk(),
            _ => self.crash(),
        }
        if self.server.batches >= MAX_BATCHES {
            self.commit();
        }
    }

    /// Passes one event to the core, and its effects to the committer's queue.
    fn event(&mut self, event: Event) {
        self.envelope(Envelope::from(event));
    }

    fn envelope(&mut self, envelope: Envelope) {
        let server = &mut self.server;
        handle_envelope(
            &mut server.chat,
            self.now,
            envelope,
            &mut Vec::new(),
            &mut server.waiting,
        );
        server.batches += 1;
    }

    /// Sends one slice of the replies that are not complete.
    fn continue_replies(&mut self) {
        let server = &mut self.server;
        let mut outputs = Vec::new();
        server.chat.continue_replies(self.now, &mut outputs);
        server.waiting.extend(outputs.into_iter().map(Effect::Core));
        server.batches += 1;
    }

    fn request<T: Awaited>(
        &mut self,
        sendq: Option<Arc<Sendq>>,
        event: impl FnOnce(Ticket<T>) -> Event,
    ) -> oneshot::Receiver<T> {
        self.last_ticket += 1;
        let (sender, reply) = oneshot::channel();
        self.envelope(Envelope {
            event: event(Ticket::new(self.last_ticket)),
            sendq,
            register: Some(register(self.last_ticket, sender)),
        });
        reply
    }

    fn act<R: Request<Reply = Ended>>(&mut self, request: R) -> oneshot::Receiver<Ended> {
        self.request(None, |ticket| Event::Control(request.with_ticket(ticket)))
    }

    fn connect(&mut self) {
        if self.server.clients.len() == MAX_CLIENTS {
            return;
        }
        self.last_session += 1;
        let session = SessionId(self.last_session);
        let account = Some(self.random.below(ACCOUNTS.len() + 2)).filter(|&at| at < ACCOUNTS.len());
        let host = u8::try_from(self.random.below(6)).unwrap();
        let address = SocketAddr::from(([192, 0, 2, host], 50_000));
        let nick = account.map_or(format!("guest{}", self.random.below(4)), |at| {
            ACCOUNTS[at].to_owned()
        });
        let identity = account.map(|at| Identity {
            id: AccountId(i64::try_from(at).unwrap() + 1),
            name: AccountName::parse(ACCOUNTS[at]).unwrap(),
            email: Email::parse(&format!("{}@example.org", ACCOUNTS[at])).ok(),
            new: false,
            authenticated_at: self.now,
            credential: None,
        });
        let candidate = Box::new(Candidate {
            nick: Nick::parse(&nick).unwrap(),
            username: String::new(),
            realname: String::new(),
            identity,
            capabilities: Capabilities::of(Capability::ALL),
            away_state: AwayState::Here,
            subscriptions: BTreeSet::new(),
            address,
            tls: String::new(),
        });
        let sendq = Sendq::new(SENDQ_BYTES);
        let admission = self.request(Some(Arc::clone(&sendq)), |ticket| Event::Admit {
            ticket,
            session,
            candidate,
        });
        let mut client = Client {
            session,
            account,
            address,
            sendq,
            admission: Some(admission),
            is_banned: false,
            nick,
            channels: BTreeSet::new(),
            last: BTreeMap::new(),
        };
        client.is_banned = self.bans.values().any(|ban| client.is_covered_by(ban));
        self.server.clients.push(client);
    }

    /// Returns the index of an admitted client.
    fn pick_client(&mut self) -> Option<usize> {
        let clients = self.server.clients.iter().enumerate();
        let admitted: Vec<_> = clients
            .filter(|(_, client)| client.admission.is_none())
            .map(|(at, _)| at)
            .collect();
        (!admitted.is_empty()).then(|| self.random.pick(&admitted))
    }

    fn command(&mut self) {
        let Some(at) = self.pick_client() else {
            return;
        };
        let session = self.server.clients[at].session;
        let channel = self.random.pick(&CHANNELS);
        let nick = self
            .random
            .pick(&["alice", "bob", "carl", "dora", "guest0", "guest1"]);
        let target = if self.random.below(4) == 0 {
            nick
        } else {
            channel
        };
        let verb = self.random.pick(&["PRIVMSG", "PRIVMSG", "NOTICE"]);
        self.texts += 1;
        let text = self.texts;
        let lines = match self.random.below(40) {
            0..7 => vec![format!("JOIN {channel}")],
            7..9 => vec![format!("PART {channel} :bye")],
            9..23 => vec![format!("{verb} {target} :text {text}")],
            23..25 => vec![
                format!("BATCH +m draft/multiline {target}"),
                format!("@batch=m PRIVMSG {target} :first {text}"),
                format!("@batch=m PRIVMSG {target} :second {text}"),
                "BATCH -m".to_owned(),
            ],
            25..27 => vec![format!("TOPIC {channel} :topic {text}")],
            27 => {
                let flags = self
                    .random
                    .pick(&["+m", "-m", "+n", "-n", "+i", "-i", "+l 3", "-l"]);
                vec![format!("MODE {channel} {flags}")]
            }
            28 => vec![format!("MODE {channel} +o {nick}")],
            29 => vec![format!("MODE {channel} +b {nick}!*@*")],
            30 => vec![format!("MODE {channel} -b {nick}!*@*")],
            31 => vec![format!("KICK {channel} {nick} :out")],
            32 => {
                let seen = self.seen.iter().nth_back(self.random.below(8));
                let Some(((place, _), msgid)) = seen else {
                    return;
                };
                self.redacted.insert(msgid.clone());
                vec![format!("REDACT {place} {msgid}")]
            }
            33..35 => vec![format!("CHATHISTORY LATEST {target} * 10")],
            35 => vec![format!("MARKREAD {channel} timestamp={:.3}", self.now)],
            36 => vec![format!("NICK guest{}", self.random.below(4))],
            37 => vec!["AWAY :away".to_owned()],
            38 => vec![
                self.random
                    .pick(&["SET always-on on", "SET always-on off"])
                    .to_owned(),
            ],
            _ => vec![
                self.random
                    .pick(&["QUIT", "NAMES #lobby", "WHO #lobby %tn", ""])
                    .to_owned(),
            ],
        };
        for line in lines {
            if let Ok(message) = Message::parse(&line) {
                self.event(Event::Command { session, message });
            }
        }
    }

    /// Commits everything that waits, then checks the replies that have arrived.
    fn commit(&mut self) {
        let server = &mut self.server;
        let effects = std::mem::take(&mut server.waiting);
        server.batches = 0;
        let is_fetch = |effect: &&Effect| matches!(effect, Effect::Core(Output::Fetch(_)));
        let pages = effects.iter().filter(is_fetch).count();
        let mut fetched = Vec::new();
        self.runtime.block_on(async {
            server.committer.process(effects).await;
            while fetched.len() < pages {
                server.queue.recv_many(&mut fetched, pages).await;
            }
        });
        let mut fetched: Vec<Event> = fetched.into_iter().map(|envelope| envelope.event).collect();
        // The readers' threads finish in any order.
        fetched.sort_by_cached_key(|event| format!("{event:?}"));
        server.fetched.extend(fetched);
        self.check_admissions();
        self.check_acts();
    }

    fn check_admissions(&mut self) {
        self.server.clients.retain_mut(|client| {
            let Some(reply) = &mut client.admission else {
                return true;
            };
            let Ok(admission) = reply.try_recv() else {
                return true;
            };
            client.admission = None;
            let admitted = admission == Admission::Admitted;
            assert!(
                !admitted || !client.is_banned,
                "{} was admitted in spite of a ban",
                client.nick
            );
            admitted
        });
    }

    fn check_acts(&mut self) {
        let mut at = 0;
        while at < self.server.acts.len() {
            if self.server.acts[at].reply.try_recv().is_err() {
                at += 1;
                continue;
            }
            let act = self.server.acts.remove(at);
            for client in &self.server.clients {
                assert!(
                    !act.covered.contains(&client.session),
                    "an act was acknowledged while a session of {} was connected",
                    client.nick
                );
            }
            if let Some(ban) = act.ban {
                self.check_stored_ban(ban);
            }
        }
    }

    fn check_stored_ban(&self, ban: BanId) {
        let now = self.now;
        let database = self.server.database.clone();
        let read = async move { database.read(move |store| store.bans(now)).await };
        let bans = self.runtime.block_on(read).unwrap();
        assert!(
            bans.iter().any(|stored| stored.id == ban) || !self.bans.contains_key(&ban),
            "a ban was acknowledged, but is not stored"
        );
    }

    fn deliver_page(&mut self) {
        if !self.server.fetched.is_empty() {
            let at = self.random.below(self.server.fetched.len());
            let event = self.server.fetched.swap_remove(at);
            self.event(event);
        }
    }

    /// One client reads everything that was sent to it.
    fn read(&mut self) {
        let Some(at) = self.pick_client() else {
            return;
        };
        let client = &mut self.server.clients[at];
        let (state, lines) = client
            .sendq
            .poll(&mut Context::from_waker(Waker::noop()), true);
        client.sendq.sent(lines.iter().map(bytes::Bytes::len).sum());
        for lines in lines {
            let lines = String::from_utf8(lines.to_vec()).unwrap();
            for line in lines.split_terminator("\r\n") {
                let received = self.server.clients[at].receive(line);
                if let Some(message) = received {
                    self.check_seen(message, line);
                }
            }
        }
        if state != State::Open {
            self.close(at);
        }
    }

    /// Checks that a message that a client has received is stored, and has a time of its own.
    fn check_seen(&mut self, message: Received, line: &str) {
        let Received { place, at, msgid } = message;
        if !self.redacted.contains(&msgid) {
            let (database, id) = (self.server.database.clone(), msgid.clone());
            let read = async move { database.read(move |store| store.history_entry(&id)).await };
            let stored = self.runtime.block_on(read).unwrap();
            assert!(
                stored.is_some(),
                "a client received what is not stored: {line}"
            );
        }
        if let Some(place) = place {
            let other = self.seen.insert((place, at), msgid.clone());
            assert!(
                other.is_none_or(|other| other == msgid),
                "two messages have the same time: {line}"
            );
        }
    }

    fn close(&mut self, at: usize) {
        let client = self.server.clients.remove(at);
        self.event(Event::Disconnected {
            session: client.session,
            disconnect: Disconnect::lost("Connection closed"),
            lost: false,
        });
    }

    fn disconnect(&mut self) {
        if let Some(at) = self.pick_client() {
            self.close(at);
        }
    }

    fn kick(&mut self) {
        let account = self.random.below(ACCOUNTS.len());
        let of_account = |client: &&Client| client.account == Some(account);
        let clients = self.server.clients.iter().filter(of_account);
        let covered = clients.map(|client| client.session).collect();
        let reply = self.act(Kick {
            target: KickTarget::User(Nick::parse(ACCOUNTS[account]).unwrap()),
            reason: "enough".to_owned(),
        });
        self.server.acts.push(Act {
            reply,
            covered,
            ban: None,
        });
    }

    /// Bans an account or an address: first in the store, then in the core.
    fn ban(&mut self) {
        let address = format!("192.0.2.{}", self.random.below(6));
        let account = self.random.pick(&ACCOUNTS);
        let target = self.random.pick(&[account, address.as_str()]);
        let ban = NewBan {
            target: BanTarget::parse(target).unwrap(),
            reason: "enough".to_owned(),
            by: "root".to_owned(),
            created_at: self.now,
            expires_at: None,
        };
        let database = self.server.database.clone();
        let write = async move {
            let add = move |store: &mut Store| store.add_ban(&ban);
            database.write(Durability::Record, add).await
        };
        let Ok(ban) = self.runtime.block_on(write) else {
            assert!(self.disk_is_full);
            return;
        };
        if self.random.below(10) == 0 {
            return self.crash();
        }
        let covers = |client: &&Client| client.is_covered_by(&ban.target);
        let clients = self.server.clients.iter().filter(covers);
        let covered = clients.map(|client| client.session).collect();
        let id = ban.id;
        let reply = self.act(AddBan(ban.clone()));
        self.bans.insert(id, ban.target);
        self.server.acts.push(Act {
            reply,
            covered,
            ban: Some(id),
        });
    }

    fn lift_ban(&mut self) {
        let Some((&id, _)) = self.bans.iter().next() else {
            return;
        };
        let database = self.server.database.clone();
        let write = async move {
            let remove = move |store: &mut Store| store.remove_ban(id);
            database.write(Durability::Record, remove).await
        };
        self.runtime.block_on(write).unwrap();
        self.bans.remove(&id);
        drop(self.request(None, |ticket| {
            Event::Control(RemoveBan(id).with_ticket(ticket))
        }));
    }

    fn close_channel(&mut self) {
        let request = CloseChannel {
            name: self.random.pick(&CHANNELS[1..]).parse().unwrap(),
            reason: "closed".to_owned(),
        };
        drop(self.request(None, |ticket| Event::Control(request.with_ticket(ticket))));
    }

    /// The clock of the system jumps, forwards or back.
    fn jump(&mut self) {
        let seconds = self.random.pick(&[-86_400, -3600, -1, 1, 3600]);
        self.now += SignedDuration::from_secs(seconds);
    }

    fn toggle_disk(&mut self) {
        let file = self.folder.path().join(DATABASE_FILE);
        let connection = rusqlite::Connection::open(file).unwrap();
        let sql = if self.disk_is_full {
            MEND_DISK
        } else {
            BREAK_DISK
        };
        connection.execute_batch(sql).unwrap();
        self.disk_is_full = !self.disk_is_full;
    }

    /// Kills the server, with everything that is only in memory, and starts it again.
    fn crash(&mut self) {
        self.runs += 1;
        self.server = start(&self.runtime, &self.folder, self.runs, self.now);
        for &ban in self.bans.keys() {
            self.check_stored_ban(ban);
        }
        let seen: Vec<String> = self.seen.values().cloned().collect();
        let database = self.server.database.clone();
        let read = async move {
            let find = move |store: &Store| {
                let mut missing = Vec::new();
                for msgid in seen {
                    if store.history_entry(&msgid)?.is_none() {
                        missing.push(msgid);
                    }
                }
                Ok(missing)
            };
            database.read(find).await
        };
        let mut missing = self.runtime.block_on(read).unwrap();
        missing.retain(|msgid| !self.redacted.contains(msgid));
        assert!(missing.is_empty(), "lost in a crash: {missing:?}");
    }
}

/// A message that a client has received.
struct Received {
    /// The channel or conversation; `None` for a message of an earlier time, from the history.
    place: Option<String>,
    at: Timestamp,
    msgid: String,
}

impl Client {
    fn is_covered_by(&self, ban: &BanTarget) -> bool {
        let text = ban.to_string();
        self.account.is_some_and(|at| text == ACCOUNTS[at]) || text == self.address.ip().to_string()
    }

    /// Follows one line, and returns the message that it contains.
    fn receive(&mut self, line: &str) -> Option<Received> {
        let message = Message::parse(line).unwrap();
        let by_self = message.source_nick() == Some(self.nick.as_str());
        let param = |index| message.param(index).unwrap_or_default();
        let is_live = message.tags.get("batch").is_none();
        let target = match message.command.as_str() {
            "001" => {
                self.nick = param(0).to_owned();
                return None;
            }
            "NICK" if by_self && is_live => {
                self.nick = param(0).to_owned();
                return None;
            }
            "JOIN" if by_self && is_live => {
                self.channels.insert(param(0).to_owned());
                return None;
            }
            "PART" if by_self && is_live => {
                self.channels.remove(param(0));
                return None;
            }
            "KICK" if param(1) == self.nick && is_live => {
                self.channels.remove(param(0));
                return None;
            }
            "PRIVMSG" | "NOTICE" => param(0),
            "BATCH" if param(1) == "draft/multiline" => param(2),
            _ => return None,
        };
        let source = message.source_nick().filter(|_| {
            message
                .source
                .as_deref()
                .is_some_and(|source| source.contains('!'))
        })?;
        let msgid = message.tags.get("msgid")?.to_owned();
        let at: Timestamp = message.tags.get("time")?.parse().unwrap();
        if !is_live {
            return Some(Received {
                place: None,
                at,
                msgid,
            });
        }
        let place = if target.starts_with('#') {
            assert!(
                by_self || self.channels.contains(target),
                "{} received a message of a channel that it is not in: {line}",
                self.nick
            );
            target.to_owned()
        } else {
            assert!(
                by_self || target == self.nick,
                "not for {}: {line}",
                self.nick
            );
            format!("{} {}", source.min(target), source.max(target))
        };
        let before = self.last.insert(place.clone(), at);
        assert!(
            before.is_none_or(|before| before <= at),
            "earlier than the message before: {line}"
        );
        Some(Received {
            place: Some(place),
            at,
            msgid,
        })
    }
}

/// Reads a number from the environment.
fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs one simulation. If it panics, the seed is in the output.
fn run(seed: u64, steps: u64) {
    struct Report(u64, u64);
    impl Drop for Report {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let Self(seed, steps) = self;
                eprintln!(
                    "repeat with: SEED={seed} STEPS={steps} cargo test -p rookery-engine simulation"
                );
            }
        }
    }
    let _report = Report(seed, steps);
    let mut simulation = Simulation::new(seed);
    for _ in 0..steps {
        simulation.step();
    }
}

/// Runs `SEEDS` simulations of `STEPS` steps each, or only that of `SEED`.
#[test]
fn the_promises_hold_in_simulations_with_faults() {
    let steps = number("STEPS").unwrap_or(400);
    if let Some(seed) = number("SEED") {
        return run(seed, steps);
    }
    for seed in 0..number("SEEDS").unwrap_or(20) {
        run(seed, steps);
    }
}
