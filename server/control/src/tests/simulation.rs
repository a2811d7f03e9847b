//! Simulates operators who act through the real routes while the disk is slow or full, clients
//! disconnect and the server crashes, from one seed.
//!
//! Each act has a text of its own, as its reason or message. Wherever that text is seen (in the
//! bans, the accounts and the maintenance on disk, in the policy of the core, in what a user
//! receives), the audit trail must have the entry that allowed the act. While the disk is slow, the
//! trail cannot be written, so an act that takes effect before its entry is seen at once. An act
//! whose answer is a failure must have no effect, and no entry that allows it. A failing run is
//! repeated with the seed that it reports:
//!
//! ```text
//! SEED=17 ACTS=60 cargo test -p rookery-control simulation
//! ```

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::task::{Context, Waker};

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use rookery_chat::event::Disconnect;
use rookery_engine::handle::SessionEvent;
use rookery_engine::sendq::State;

const USERS: [&str; 3] = ["alice", "bob", "carl"];
/// How often all tasks are polled while the disk is slow, and before a client disconnects.
const YIELDS: usize = 20;

/// Each makes one kind of write fail, as a full disk does.
const FAULTS: [&str; 4] = [
    "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END",
    "CREATE TRIGGER full BEFORE INSERT ON bans BEGIN SELECT RAISE(ABORT, 'full'); END",
    "CREATE TRIGGER full BEFORE UPDATE OF disabled ON accounts
        BEGIN SELECT RAISE(ABORT, 'full'); END",
    "CREATE TRIGGER full BEFORE INSERT ON maintenance BEGIN SELECT RAISE(ABORT, 'full'); END",
];
const NO_FAULT: &str = "DROP TRIGGER IF EXISTS full";

/// Deterministic random numbers (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    fn is_one_of(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// A connected user, and everything that was sent to it.
struct Client {
    session: SessionId,
    sendq: Arc<Sendq>,
    is_open: bool,
    received: String,
}

/// The server between two crashes.
struct Running {
    plane: TestPlane,
    token: String,
    clients: Vec<Client>,
}

struct Simulation {
    random: Random,
    running: Running,
    /// The number of acts; the text of an act has its number.
    acts: usize,
    /// Whether the server crashes after the act.
    crashes: bool,
    /// The texts that were seen as effects.
    seen: BTreeSet<String>,
}

fn text_of(act: usize) -> String {
    format!("<{act}>")
}

/// Adds the texts of acts in `source` to `texts`.
fn find_texts(source: &str, texts: &mut BTreeSet<String>) {
    for part in source.split('<').skip(1) {
        if let Some((number, _)) = part.split_once('>')
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            texts.insert(format!("<{number}>"));
        }
    }
}

impl Running {
    async fn start(folder: TempDir) -> Self {
        let plane = TestPlane::over(folder).await;
        let token = plane.open_session("root").await;
        Self {
            plane,
            token,
            clients: Vec::new(),
        }
    }

    fn database(&self) -> PathBuf {
        self.plane.data().join("rookery.db")
    }

    async fn connect(&mut self, name: &str) {
        let identity = self.plane.identity(name).await;
        let (session, sendq, admission) = self.plane.admit(candidate(identity)).await;
        if matches!(admission, Admission::Admitted) {
            self.clients.push(Client {
                session,
                sendq,
                is_open: true,
                received: String::new(),
            });
        }
    }

    /// Receives what was sent to the users.
    async fn receive(&mut self) {
        let core = self.plane.core.clone();
        let mut ended = Vec::new();
        for client in &mut self.clients {
            let mut context = Context::from_waker(Waker::noop());
            let (state, lines) = client.sendq.poll(&mut context, true);
            for line in lines {
                client.sendq.sent(line.len());
                client.received.push_str(&String::from_utf8_lossy(&line));
            }
            if state != State::Open && client.is_open {
                client.is_open = false;
                ended.push(client.session);
            }
        }
        for session in ended {
            let lost = Disconnect::lost("");
            let event = SessionEvent::disconnected(session, lost, false);
            core.send(event).await.unwrap();
        }
    }

    /// Returns the texts of the acts that have taken effect, as far as is seen now.
    fn effects(&self) -> BTreeSet<String> {
        let mut texts = effects_on_disk(&Connection::open(self.database()).unwrap());
        let policy = Arc::clone(&self.plane.state.control.admission_policy.borrow());
        for ban in policy.bans.iter() {
            find_texts(&ban.reason, &mut texts);
        }
        find_texts(
            policy.maintenance.as_deref().unwrap_or_default(),
            &mut texts,
        );
        for client in &self.clients {
            find_texts(&client.received, &mut texts);
        }
        texts
    }

    /// Whether the core's policy is what is on disk.
    async fn has_policy_of_disk(&self) -> bool {
        let now = self.plane.now.get();
        let read = self.plane.database.read(move |store| {
            let bans = store.bans(now)?.into_iter().map(|ban| (ban.id, ban.reason));
            let maintenance = store.maintenance()?;
            Ok((bans.collect::<BTreeSet<_>>(), maintenance.is_some()))
        });
        let (bans, maintenance) = read.await.unwrap();
        let policy = Arc::clone(&self.plane.state.control.admission_policy.borrow());
        let in_force = policy.bans.iter().map(|ban| (ban.id, ban.reason.clone()));
        in_force.collect::<BTreeSet<_>>() == bans && policy.maintenance.is_some() == maintenance
    }
}

fn effects_on_disk(connection: &Connection) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for sql in [
        "SELECT reason FROM bans",
        "SELECT disabled FROM accounts WHERE disabled IS NOT NULL",
        "SELECT message FROM maintenance",
    ] {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0));
        for text in rows.unwrap() {
            find_texts(&text.unwrap(), &mut texts);
        }
    }
    texts
}

/// Returns the texts of the acts that the audit trail allows.
fn allowed(connection: &Connection) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    let sql = "SELECT detail FROM audit WHERE outcome = 'allowed'";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0));
    for detail in rows.unwrap() {
        find_texts(&detail.unwrap(), &mut texts);
    }
    texts
}

impl Simulation {
    /// Checks that what has taken effect is in the trail. The effects are read first.
    fn check(&mut self) {
        let effects = self.running.effects();
        let allowed = allowed(&Connection::open(self.running.database()).unwrap());
        let missing: Vec<_> = effects.difference(&allowed).collect();
        assert!(missing.is_empty(), "without an entry: {missing:?}");
        self.seen.extend(effects);
    }

    async fn act(&mut self) {
        if self.random.is_one_of(2) {
            let user = self.random.pick(&USERS);
            self.running.connect(user).await;
        }
        let (method, path, body) = self.choose_act();
        let text = text_of(self.acts);
        let has_text = body.to_string().contains(&text);
        let disk = Connection::open(self.running.database()).unwrap();
        if self.random.is_one_of(3) {
            disk.execute_batch(self.random.pick(&FAULTS)).unwrap();
        }
        let is_slow = self.random.is_one_of(2);
        let disconnects = self.random.is_one_of(6);
        let (router, origin) = (
            self.running.plane.router.clone(),
            self.running.plane.origin(),
        );
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", format!("Bearer {}", self.running.token))
            .header("Content-Type", "application/json")
            .extension(origin)
            .body(Body::from(body.to_string()))
            .unwrap();
        let request =
            tokio::spawn(async move { TowerToHyperService::new(router).call(request).await });
        if is_slow {
            // Nobody else writes until this transaction has ended.
            disk.execute_batch("BEGIN IMMEDIATE").unwrap();
            for _ in 0..YIELDS {
                tokio::task::yield_now().await;
                self.running.receive().await;
                self.check();
            }
            disk.execute_batch("ROLLBACK").unwrap();
        } else if disconnects {
            for _ in 0..self.random.below(YIELDS) {
                tokio::task::yield_now().await;
            }
        }
        if disconnects {
            request.abort();
        } else {
            let status = request.await.unwrap().unwrap().status();
            self.running.receive().await;
            self.check_answer(has_text.then_some(&text), status);
        }
        disk.execute_batch(NO_FAULT).unwrap();
        // An act goes on without its client, unless the server crashes.
        self.crashes = self.random.is_one_of(if disconnects { 3 } else { 15 });
        if !self.crashes {
            let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
            while !self.running.has_policy_of_disk().await {
                assert!(tokio::time::Instant::now() < deadline);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Checks that an act that failed has no effect, and that one that succeeded is in the trail.
    fn check_answer(&mut self, text: Option<&String>, status: StatusCode) {
        self.check();
        let Some(text) = text else {
            return;
        };
        let allowed = allowed(&Connection::open(self.running.database()).unwrap());
        if status.is_success() {
            assert!(allowed.contains(text), "{text} succeeded without an entry");
        } else {
            assert!(!self.seen.contains(text), "{text} failed, and took effect");
            assert!(!allowed.contains(text), "{text} failed, but is allowed");
        }
    }

    /// Returns the method, the path and the body of the next act.
    fn choose_act(&mut self) -> (&'static str, String, Value) {
        self.acts += 1;
        let text = text_of(self.acts);
        let user = self.random.pick(&USERS);
        let target = self.random.pick(&[user, "198.51.100.7", "203.0.113.1"]);
        match self.random.below(10) {
            0..3 => {
                let body = json!({ "target": target, "reason": text, "confirm": true });
                ("POST", "/v1/bans".to_owned(), body)
            }
            3 => {
                let number = self.random.below(4) + 1;
                ("DELETE", format!("/v1/bans/{number}"), json!({}))
            }
            4 => {
                let path = format!("/v1/users/{user}/kick");
                ("POST", path, json!({ "reason": text }))
            }
            5 => {
                let body = json!({ "target": target, "reason": text, "confirm": true });
                ("POST", "/v1/kick".to_owned(), body)
            }
            6 => {
                let path = format!("/v1/accounts/{user}/disable");
                ("POST", path, json!({ "reason": text }))
            }
            7 => {
                let path = format!("/v1/accounts/{user}/enable");
                ("POST", path, json!({}))
            }
            8 => {
                let body = if self.random.is_one_of(3) {
                    json!({ "on": true, "message": text })
                } else {
                    json!({ "on": false })
                };
                ("PUT", "/v1/maintenance".to_owned(), body)
            }
            _ => {
                let body = json!({ "text": text });
                ("POST", "/v1/announcements".to_owned(), body)
            }
        }
    }
}

/// Runs one simulation. If it panics, the seed is in the output.
fn run(seed: u64, acts: usize) {
    struct Report(u64, usize);
    impl Drop for Report {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let Self(seed, acts) = self;
                eprintln!(
                    "repeat with: SEED={seed} ACTS={acts} cargo test -p rookery-control simulation"
                );
            }
        }
    }
    let _report = Report(seed, acts);
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let mut current: Runtime = runtime();
    let running = current.block_on(async {
        let plane = TestPlane::new().await;
        for name in USERS {
            plane.add_account(name).await;
        }
        Running::start(plane.folder).await
    });
    let mut simulation = Simulation {
        random: Random(seed),
        running,
        acts: 0,
        crashes: false,
        seen: BTreeSet::new(),
    };
    while simulation.acts < acts {
        current.block_on(simulation.act());
        if simulation.crashes {
            // A crash ends every task, whatever it waits for.
            current.shutdown_background();
            current = runtime();
            let folder = simulation.running.plane.folder;
            simulation.running = current.block_on(Running::start(folder));
            simulation.check();
        }
    }
}

/// Runs `SEEDS` simulations of `ACTS` acts each, or only that of `SEED`.
#[test]
fn every_act_is_in_the_trail_before_it_takes_effect_whatever_fails() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse().unwrap());
    let acts = number("ACTS").map_or(60, |acts: u64| usize::try_from(acts).unwrap());
    if let Some(seed) = number("SEED") {
        return run(seed, acts);
    }
    for seed in 0..number("SEEDS").unwrap_or(10) {
        run(seed, acts);
    }
}
