//! Simulates operators who act through the real routes while the disk is slow or full, clients
//! disconnect and the server crashes, from one seed.
//!
//! Each act has a text of its own, as its reason or message. Wherever that text is seen (in the
//! bans, the accounts and the maintenance on disk, in the policy of the core, in what a user
//! receives), the audit trail must have the entry that allowed the act. While the disk is slow, the
//! trail cannot be written, so an act that takes effect before its entry is seen at once. What a
//! successful answer promises is on disk, after a crash too; an act whose answer is a failure has
//! no effect, ever, and no entry that allows it. The sessions that a ban covers have ended when it
//! is answered, and the user is not admitted again. The chain of the trail is intact throughout.
//!
//! The same seed always results in the same acts and faults; when the threads of the database run
//! in between is up to the system. A failing run is repeated with the seed that it reports:
//!
//! ```text
//! SEED=17 STEPS=60 cargo test -p rookery-control simulation
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::task::{Context, Waker};

use rusqlite::{Connection, OptionalExtension as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::yield_now;

use super::*;
use rookery_chat::event::Disconnect;
use rookery_engine::handle::{CoreHandle, SessionEvent};
use rookery_engine::sendq::State;
use rookery_store::audit_chain::ChainVerifier;

const USERS: [&str; 3] = ["alice", "bob", "carl"];
/// The address of every user.
const ADDRESS: &str = "198.51.100.7";
/// How often all tasks are polled while the disk is slow, and before a client disconnects.
const YIELDS: usize = 20;
/// How long anything may take in a run.
const DEADLINE: Duration = Duration::from_secs(20);

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
    name: &'static str,
    sendq: Arc<Sendq>,
    is_open: bool,
    received: String,
}

/// The users, who must read so that the core can end their sessions.
#[derive(Default)]
struct Clients(Vec<Client>);

impl Clients {
    /// Receives what was sent to the users, and confirms the ends of their sessions.
    async fn receive(&mut self, core: &CoreHandle) {
        for client in &mut self.0 {
            let mut context = Context::from_waker(Waker::noop());
            let (state, lines) = client.sendq.poll(&mut context, true);
            for line in lines {
                client.sendq.sent(line.len());
                client.received.push_str(&String::from_utf8_lossy(&line));
            }
            if state != State::Open && client.is_open {
                client.is_open = false;
                let lost = Disconnect::lost("");
                let event = SessionEvent::disconnected(client.session, lost, None);
                core.send(event).await.unwrap();
            }
        }
    }

    /// Completes something while the users receive.
    async fn receive_during<T>(&mut self, core: &CoreHandle, work: impl Future<Output = T>) -> T {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = yield_now() => {}
            }
            self.receive(core).await;
            assert!(tokio::time::Instant::now() < deadline, "no answer");
        }
    }
}

/// The server between two crashes.
struct Running {
    plane: TestPlane,
    token: String,
    clients: Clients,
    /// A connection of another process, which reads what is on disk and makes writing fail.
    disk: Connection,
}

/// An act, and what a successful answer to it promises.
struct Act {
    method: &'static str,
    path: String,
    body: Value,
    /// The text by which its effects are recognized, if it has one.
    text: Option<String>,
    /// What is on disk after it, if it changes anything there.
    promise: Option<(Subject, Option<String>)>,
}

/// What an act changes on disk: a ban of a target, an account or the maintenance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Ban(String),
    Account(&'static str),
    Maintenance,
}

impl Subject {
    /// Returns the text on disk: the reason of the ban or of the disabled account, or the message
    /// of the maintenance. None if there is none.
    fn read(&self, disk: &Connection) -> Option<String> {
        let (sql, key) = match self {
            Self::Ban(target) => ("SELECT reason FROM bans WHERE target = ?1", target.as_str()),
            Self::Account(name) => ("SELECT disabled FROM accounts WHERE name = ?1", *name),
            Self::Maintenance => ("SELECT message FROM maintenance WHERE ?1 = ''", ""),
        };
        let row = disk.query_row(sql, [key], |row| row.get::<_, Option<String>>(0));
        row.optional().unwrap().flatten()
    }
}

struct Simulation {
    random: Random,
    running: Running,
    /// The number of acts; the text of an act has its number.
    acts: usize,
    /// Whether the server crashes after the act.
    crashes: bool,
    /// What successful answers have promised last.
    promised: BTreeMap<Subject, Option<String>>,
    /// What an act without an answer may still change before the next crash.
    uncertain: BTreeSet<Subject>,
    /// The texts of the acts whose answer was a failure.
    failed: BTreeSet<String>,
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

/// Returns the texts of acts in the rows that a query returns.
fn texts_on_disk(disk: &Connection, sql: &str) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    let mut statement = disk.prepare_cached(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0));
    for text in rows.unwrap() {
        find_texts(&text.unwrap(), &mut texts);
    }
    texts
}

impl Running {
    async fn start(folder: TempDir) -> Self {
        let plane = TestPlane::over(folder).await;
        let token = plane.open_session("root").await;
        let disk = Connection::open(plane.data().join("rookery.db")).unwrap();
        Self {
            plane,
            token,
            clients: Clients::default(),
            disk,
        }
    }

    /// Connects a user. Returns whether the core admits it.
    async fn connect(&mut self, name: &'static str) -> bool {
        let core = &self.plane.core;
        let admit = async {
            let identity = self.plane.identity(name).await;
            self.plane.admit(candidate(identity)).await
        };
        let (session, sendq, admission) = self.clients.receive_during(core, admit).await;
        let is_admitted = matches!(admission, Admission::Admitted);
        if is_admitted {
            self.clients.0.push(Client {
                session,
                name,
                sendq,
                is_open: true,
                received: String::new(),
            });
        }
        is_admitted
    }

    async fn receive(&mut self) {
        self.clients.receive(&self.plane.core).await;
    }

    /// Returns the texts of the acts that have taken effect, as far as is seen now.
    fn effects(&self) -> BTreeSet<String> {
        let mut texts = texts_on_disk(
            &self.disk,
            "SELECT reason FROM bans UNION ALL SELECT message FROM maintenance
             UNION ALL SELECT disabled FROM accounts WHERE disabled IS NOT NULL",
        );
        let policy = Arc::clone(&self.plane.state.control.admission_policy.borrow());
        for ban in policy.bans.iter() {
            find_texts(&ban.reason, &mut texts);
        }
        let maintenance = policy.maintenance.as_deref().unwrap_or_default();
        find_texts(maintenance, &mut texts);
        for client in &self.clients.0 {
            find_texts(&client.received, &mut texts);
        }
        texts
    }

    /// Returns the texts of the acts that the audit trail allows.
    fn allowed(&self) -> BTreeSet<String> {
        let sql = "SELECT detail FROM audit WHERE outcome = 'allowed'";
        texts_on_disk(&self.disk, sql)
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

    /// Checks that the trail is one chain, in which every entry has a number of its own.
    async fn check_chain(&self) {
        let read = self.plane.database.read(|store| {
            let mut verifier = ChainVerifier::new(None);
            verifier.begin_store(store)?;
            while verifier.check_page(store)? {}
            Ok(verifier.verdict())
        });
        let verdict = read.await.unwrap();
        assert!(verdict.intact, "{verdict:?}");
    }

    /// Sends the request of an act. It goes on in its own task.
    fn send(&self, act: &Act) -> tokio::task::JoinHandle<StatusCode> {
        let request = Request::builder()
            .method(act.method)
            .uri(&act.path)
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json")
            .extension(self.plane.origin())
            .body(Body::from(act.body.to_string()))
            .unwrap();
        let router = self.plane.router.clone();
        tokio::spawn(async move {
            let service = TowerToHyperService::new(router);
            service.call(request).await.unwrap().status()
        })
    }
}

impl Simulation {
    /// Checks that what has taken effect is in the trail, and that what failed is nowhere. The
    /// effects are read first.
    fn check(&self) {
        let effects = self.running.effects();
        let allowed = self.running.allowed();
        let missing: Vec<_> = effects.difference(&allowed).collect();
        assert!(missing.is_empty(), "without an entry: {missing:?}");
        let failed: Vec<_> = self.failed.intersection(&allowed).collect();
        assert!(failed.is_empty(), "failed, but is allowed: {failed:?}");
    }

    /// Checks that what was answered is on disk.
    fn check_promises(&self) {
        for (subject, promised) in &self.promised {
            if !self.uncertain.contains(subject) {
                assert_eq!(subject.read(&self.running.disk), *promised, "{subject:?}");
            }
        }
    }

    /// Whether a ban was answered that covers a user and can only have been removed by an act that
    /// was answered too.
    fn is_banned(&self, name: &str) -> bool {
        let mut targets = [name, ADDRESS]
            .into_iter()
            .map(|target| Subject::Ban(target.to_owned()));
        targets.any(|ban| {
            let is_promised = self.promised.get(&ban).is_some_and(Option::is_some);
            is_promised && !self.uncertain.contains(&ban)
        })
    }

    async fn step(&mut self) {
        if self.random.is_one_of(2) {
            let user = self.random.pick(&USERS);
            let is_admitted = self.running.connect(user).await;
            assert!(!is_admitted || !self.is_banned(user), "{user} is banned");
        }
        let act = self.choose_act();
        if self.random.is_one_of(3) {
            let fault = self.random.pick(&FAULTS);
            self.running.disk.execute_batch(fault).unwrap();
        }
        let is_slow = self.random.is_one_of(2);
        let disconnects = self.random.is_one_of(6);
        let request = self.running.send(&act);
        let yields = self.random.below(YIELDS);
        if is_slow {
            // Nobody else writes until this transaction has ended.
            let disk = &self.running.disk;
            disk.execute_batch("BEGIN IMMEDIATE").unwrap();
            for _ in 0..YIELDS {
                yield_now().await;
                self.running.receive().await;
                self.check();
            }
            self.running.disk.execute_batch("ROLLBACK").unwrap();
        } else if disconnects {
            for _ in 0..yields {
                yield_now().await;
            }
        }
        if disconnects {
            request.abort();
            self.uncertain
                .extend(act.promise.map(|(subject, _)| subject));
        } else {
            let core = &self.running.plane.core;
            // A kick is answered once its users' sessions have ended.
            let answer = self.running.clients.receive_during(core, request).await;
            self.running.receive().await;
            self.check_answer(act, answer.unwrap());
        }
        self.running.disk.execute_batch(NO_FAULT).unwrap();
        // An act goes on without its client, unless the server crashes.
        self.crashes = self.random.is_one_of(if disconnects { 3 } else { 15 });
        if !self.crashes {
            self.await_policy_of_disk().await;
        }
        self.check_promises();
        self.running.check_chain().await;
    }

    async fn await_policy_of_disk(&mut self) {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while !self.running.has_policy_of_disk().await {
            assert!(
                tokio::time::Instant::now() < deadline,
                "the policy is not what is on disk"
            );
            yield_now().await;
            self.running.receive().await;
        }
    }

    /// Checks that an act that failed has no effect, and that one that succeeded is in the trail
    /// and in force.
    fn check_answer(&mut self, act: Act, status: StatusCode) {
        if !status.is_success() {
            self.failed.extend(act.text);
            self.check();
            return;
        }
        self.check();
        if let Some(text) = act.text {
            let allowed = self.running.allowed();
            assert!(allowed.contains(&text), "{text} succeeded without an entry");
        }
        if let Some((subject, state)) = act.promise {
            if let (Subject::Ban(target), Some(text)) = (&subject, &state) {
                self.check_ban(target, text);
            }
            self.promised.insert(subject, state);
        }
    }

    /// Checks that a ban is in force: for those who connect, and for those who were connected.
    fn check_ban(&self, target: &str, text: &str) {
        let policy = Arc::clone(&self.running.plane.state.control.admission_policy.borrow());
        let mut bans = policy.bans.iter();
        let is_in_force = bans.any(|ban| ban.reason == text);
        assert!(is_in_force, "{text} is not in the policy");
        for client in &self.running.clients.0 {
            let is_covered = [client.name, ADDRESS].contains(&target);
            assert!(!is_covered || !client.is_open, "{text} ended no session");
        }
    }

    fn choose_act(&mut self) -> Act {
        self.acts += 1;
        let text = format!("<{}>", self.acts);
        let user = self.random.pick(&USERS);
        let target = self.random.pick(&[user, ADDRESS, "203.0.113.1"]);
        let with_reason = json!({ "target": target, "reason": text, "confirm": true });
        let (method, path, body, promise) = match self.random.below(10) {
            0..3 => {
                let promise = (Subject::Ban(target.to_owned()), Some(text.clone()));
                ("POST", "/v1/bans".to_owned(), with_reason, Some(promise))
            }
            3 => {
                let number = self.random.below(4) + 1;
                let sql = "SELECT target FROM bans WHERE id = ?1";
                let target = self
                    .running
                    .disk
                    .query_row(sql, [number.to_string()], |row| row.get(0));
                let target: Option<String> = target.optional().unwrap();
                let promise = target.map(|target| (Subject::Ban(target), None));
                ("DELETE", format!("/v1/bans/{number}"), json!({}), promise)
            }
            4 => {
                let body = json!({ "reason": text });
                ("POST", format!("/v1/users/{user}/kick"), body, None)
            }
            5 => ("POST", "/v1/kick".to_owned(), with_reason, None),
            6 => {
                let path = format!("/v1/accounts/{user}/disable");
                let promise = (Subject::Account(user), Some(text.clone()));
                ("POST", path, json!({ "reason": text }), Some(promise))
            }
            7 => {
                let path = format!("/v1/accounts/{user}/enable");
                let promise = (Subject::Account(user), None);
                ("POST", path, json!({}), Some(promise))
            }
            8 => {
                let (body, state) = if self.random.is_one_of(3) {
                    (json!({ "on": true, "message": text }), Some(text.clone()))
                } else {
                    (json!({ "on": false }), None)
                };
                let promise = (Subject::Maintenance, state);
                ("PUT", "/v1/maintenance".to_owned(), body, Some(promise))
            }
            _ => {
                let body = json!({ "text": text });
                ("POST", "/v1/announcements".to_owned(), body, None)
            }
        };
        let has_text = body.to_string().contains(&text);
        Act {
            method,
            path,
            body,
            text: has_text.then_some(text),
            promise,
        }
    }

    /// Starts the server again after a crash, which has ended all tasks.
    async fn restart(self) -> Self {
        let TestPlane {
            folder, database, ..
        } = self.running.plane;
        // What was queued before the crash is written, or has failed, once this write is done.
        let barrier = database.write(Durability::Record, |_| Ok(()));
        barrier.await.unwrap();
        let mut promised = self.promised;
        promised.retain(|subject, _| !self.uncertain.contains(subject));
        let restarted = Self {
            running: Running::start(folder).await,
            promised,
            uncertain: BTreeSet::new(),
            ..self
        };
        assert!(restarted.running.has_policy_of_disk().await);
        restarted.check();
        restarted.check_promises();
        restarted.running.check_chain().await;
        restarted
    }
}

/// Runs one simulation. If it panics, the seed is in the output.
fn run(seed: u64, steps: usize) {
    struct Report(u64, usize);
    impl Drop for Report {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let Self(seed, steps) = self;
                eprintln!(
                    "repeat with: SEED={seed} STEPS={steps} cargo test -p rookery-control simulation"
                );
            }
        }
    }
    let _report = Report(seed, steps);
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
        promised: BTreeMap::new(),
        uncertain: BTreeSet::new(),
        failed: BTreeSet::new(),
    };
    while simulation.acts < steps {
        current.block_on(simulation.step());
        if simulation.crashes {
            // A crash ends every task, whatever it waits for.
            current.shutdown_timeout(DEADLINE);
            current = runtime();
            simulation = current.block_on(simulation.restart());
        }
    }
}

/// Runs `SEEDS` simulations of `STEPS` acts each, or only that of `SEED`.
#[test]
fn what_operators_were_answered_holds_in_simulations_with_faults() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse().unwrap());
    let steps = number("STEPS").map_or(60, |steps: u64| usize::try_from(steps).unwrap());
    if let Some(seed) = number("SEED") {
        return run(seed, steps);
    }
    for seed in 0..number("SEEDS").unwrap_or(3) {
        run(seed, steps);
    }
}
