//! Measures what attackers cost ordinary users: how long direct messages take while 100 sessions do
//! one thing as often as the server lets them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::as_f64;
use crate::client::{CONCURRENT_CONNECTS, Client};
use crate::process::Process;

/// How many attackers there are.
const ATTACKERS: usize = 100;
/// The addresses of the ordinary users: one has fewer places than all of them need.
const SENDERS: Ipv4Addr = Ipv4Addr::new(127, 7, 0, 1);
const RECEIVERS: Ipv4Addr = Ipv4Addr::new(127, 7, 0, 2);
/// The addresses that the attackers share.
const ATTACKING_ADDRESSES: usize = 4;
/// How often each attacker sends its lines: as fast as the default limits let it send messages.
const ATTACK_INTERVAL: Duration = Duration::from_millis(250);
/// Pairs of ordinary users, and how often each sends a message.
const PAIRS: usize = 50;
const MESSAGE_INTERVAL: Duration = Duration::from_millis(500);

/// Who attacks.
#[derive(Clone, Copy, Debug)]
enum Attacker {
    /// Guests that are members of the large channel if the first line joins it.
    Guest,
    /// Guests that never read.
    Silent,
    /// Connections that have not registered.
    Stranger,
    /// Connections without a TLS handshake.
    Socket,
    /// Connections that are closed after the TLS handshake.
    Handshake,
}

/// An attack. In its lines, `{n}` is the attacker's number and `{t}` counts the repetitions.
#[derive(Clone, Copy, Debug)]
struct Attack {
    name: &'static str,
    attacker: Attacker,
    /// Sent once.
    first: &'static str,
    /// Sent again and again.
    lines: &'static str,
}

/// Declares an attack in one line.
const fn attack(
    name: &'static str,
    attacker: Attacker,
    first: &'static str,
    lines: &'static str,
) -> Attack {
    Attack {
        name,
        attacker,
        first,
        lines,
    }
}

const CAPABILITIES: &str =
    "CAP REQ :draft/metadata-3 draft/chathistory batch message-tags server-time echo-message\r\n";

/// All attacks, in the order of the report. Each reply is as long as it can be with one line.
const ATTACKS: &[Attack] = &[
    attack("PING", Attacker::Guest, "", "PING x"),
    attack("WHO", Attacker::Guest, "", "WHO #bench"),
    attack("NAMES", Attacker::Guest, "", "NAMES #bench"),
    attack("LIST", Attacker::Guest, "", "LIST"),
    attack("WHOIS", Attacker::Guest, "", "WHOIS bench1"),
    attack("WHOWAS", Attacker::Guest, "", "WHOWAS bench1"),
    attack("MOTD", Attacker::Guest, "", "MOTD"),
    attack("HELP", Attacker::Guest, "", "HELP INDEX"),
    attack("MODE", Attacker::Guest, "", "MODE #bench b"),
    attack(
        "JOIN, PART",
        Attacker::Guest,
        "",
        "JOIN #bench\r\nPART #bench",
    ),
    attack("NICK", Attacker::Guest, "JOIN #bench\r\n", "NICK a{n}x{t}"),
    attack("AWAY", Attacker::Guest, "JOIN #bench\r\n", "AWAY :{t}"),
    attack(
        "SETNAME",
        Attacker::Guest,
        "JOIN #bench\r\n",
        "SETNAME :{t}",
    ),
    attack(
        "PRIVMSG",
        Attacker::Guest,
        "JOIN #bench\r\n",
        "PRIVMSG #bench :{t}",
    ),
    attack(
        "TAGMSG",
        Attacker::Guest,
        "JOIN #bench\r\n",
        "@+typing=active TAGMSG #bench",
    ),
    attack(
        "METADATA SYNC",
        Attacker::Guest,
        "METADATA * SUB url\r\n",
        "METADATA #bench SYNC",
    ),
    attack(
        "METADATA SET",
        Attacker::Guest,
        "JOIN #bench\r\n",
        "METADATA * SET url :{t}",
    ),
    attack(
        "CHATHISTORY",
        Attacker::Guest,
        "JOIN #bench\r\n",
        "CHATHISTORY LATEST #bench * 1000",
    ),
    attack(
        "MONITOR",
        Attacker::Guest,
        "",
        "MONITOR + bench{t},a{t},b{t},c{t}",
    ),
    attack(
        "ISON",
        Attacker::Guest,
        "",
        "ISON bench1 bench2 bench3 bench4 bench5 bench6 bench7",
    ),
    attack("WHO of a mask", Attacker::Guest, "", "WHO *a*e*n*b*h*"),
    attack("silent WHO", Attacker::Silent, "", "WHO #bench"),
    attack("many tags", Attacker::Stranger, "", "{tags} PING x"),
    attack("CAP LS", Attacker::Stranger, "", "CAP LS 302"),
    attack(
        "REGISTER",
        Attacker::Stranger,
        "CAP LS 302\r\nNICK r{n}\r\nUSER r 0 * :r\r\n",
        "REGISTER r{n}x{t} r{n}x{t}@example.org correct-horse-{n}",
    ),
    attack(
        "wrong passwords",
        Attacker::Stranger,
        "CAP REQ :sasl\r\n",
        "AUTHENTICATE PLAIN\r\nAUTHENTICATE AGJlbmNoMQB3cm9uZy1wYXNzd29yZA==",
    ),
    attack("handshakes", Attacker::Handshake, "", ""),
    attack("silent sockets", Attacker::Socket, "", ""),
];

/// How long direct messages took, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Latency {
    median: f64,
    p99: f64,
    longest: f64,
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Result<Self> {
        ensure!(!times.is_empty(), "no message arrived");
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        Ok(Self {
            median: at(50),
            p99: at(99),
            longest: at(100),
        })
    }
}

/// A user who sends messages, and the one who receives them.
struct Pair {
    sender: Client,
    receiver: Client,
    receiver_nick: String,
}

impl Pair {
    /// Sends for some time, and returns how long each message took.
    async fn talk(&mut self, epoch: Instant, time: Duration) -> Result<Vec<Duration>> {
        let count = time.as_millis() / MESSAGE_INTERVAL.as_millis();
        let Self {
            sender,
            receiver,
            receiver_nick,
        } = self;
        let sending = async {
            let mut tick = interval(MESSAGE_INTERVAL);
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for _ in 0..count {
                tick.tick().await;
                let now = epoch.elapsed().as_nanos();
                sender
                    .send(&format!("PRIVMSG {receiver_nick} :{now}\r\n"))
                    .await?;
            }
            anyhow::Ok(())
        };
        let receiving = async {
            let mut times = Vec::new();
            while (times.len() as u128) < count {
                receiver
                    .read(|line| {
                        let sent = line.contains(" PRIVMSG ").then(|| line.rsplit(':').next());
                        if let Some(sent) = sent.flatten().and_then(|text| text.parse().ok()) {
                            let sent = Duration::from_nanos(sent);
                            times.push(epoch.elapsed().saturating_sub(sent));
                        }
                        false
                    })
                    .await?;
            }
            anyhow::Ok(times)
        };
        let both = async { tokio::try_join!(sending, receiving) };
        let ((), times) = timeout(time * 6, both)
            .await
            .context("messages of ordinary users did not arrive")??;
        Ok(times)
    }
}

/// Lets all pairs talk, and measures.
async fn measure(pairs: Vec<Pair>, time: Duration) -> Result<(Vec<Pair>, Latency)> {
    let epoch = Instant::now();
    let mut talking = JoinSet::new();
    let count = u32::try_from(pairs.len())?;
    for (index, mut pair) in (0..count).zip(pairs) {
        talking.spawn(async move {
            // Spreads the messages over the interval.
            sleep(MESSAGE_INTERVAL * index / count).await;
            let times = pair.talk(epoch, time).await?;
            anyhow::Ok((pair, times))
        });
    }
    let (mut pairs, mut all) = (Vec::new(), Vec::new());
    while let Some(talked) = talking.join_next().await {
        let (pair, times) = talked??;
        pairs.push(pair);
        all.extend(times);
    }
    Ok((pairs, Latency::of(all)?))
}

impl Attack {
    /// Attacks until it is cancelled or the connection ends.
    async fn run(self, address: SocketAddr, number: usize, ready: &AtomicUsize) -> Result<()> {
        let share = u8::try_from(number % ATTACKING_ADDRESSES)?;
        let source = Ipv4Addr::new(127, 9, 0, share + 1);
        let fill = |text: &str, time: usize| {
            text.replace("{n}", &number.to_string())
                .replace("{t}", &time.to_string())
        };
        match self.attacker {
            Attacker::Socket => {
                let _socket = Client::dial(address, source).await?;
                ready.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }
            Attacker::Handshake => loop {
                ready.fetch_add(1, Ordering::Relaxed);
                // The server may refuse the connection, which is its defence.
                let _ = Client::open(address, source).await;
            },
            Attacker::Guest | Attacker::Silent | Attacker::Stranger => {}
        }
        let mut client = Client::open(address, source).await?;
        if !matches!(self.attacker, Attacker::Stranger) {
            client.send(CAPABILITIES).await?;
            client.register(&format!("a{number}")).await?;
        }
        client.send(&fill(self.first, 0)).await?;
        ready.fetch_add(1, Ordering::Relaxed);
        let tags: Vec<_> = (0..1300).map(|index| format!("{index:x}")).collect();
        let lines = format!(
            "{}\r\n",
            self.lines
                .replace("{tags}", &format!("@{}", tags.join(";")))
        );
        let mut tick = interval(ATTACK_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for time in 0.. {
            // What is read in the meantime is dropped.
            if matches!(self.attacker, Attacker::Silent) {
                tick.tick().await;
            } else {
                client.drain_until(tick.tick()).await?;
            }
            client.send(&fill(&lines, time)).await?;
        }
        Ok(())
    }
}

/// Starts threads of low priority, because the attackers' own work must not look like the server's.
fn attackers() -> Result<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(|| {
            // If it fails, the attackers merely take more of the processor.
            let _ = rustix::process::nice(10);
        })
        .build()?)
}

/// Fills the large channel, and prints the table.
pub async fn run(
    address: SocketAddr,
    process: Process,
    members: usize,
    time: Duration,
    only: &[String],
) -> Result<()> {
    let runtime = attackers()?;
    let result = run_on(&runtime, address, process, members, time, only).await;
    runtime.shutdown_background();
    result
}

/// Waits until another member has joined, and reads what it receives from then on.
async fn drain_next(
    joining: &mut JoinSet<Result<Client>>,
    drains: &mut JoinSet<Result<()>>,
    runtime: &Runtime,
) -> Result<()> {
    if let Some(member) = joining.join_next().await {
        let mut member = member??;
        drains.spawn_on(
            async move { member.drain_until(std::future::pending::<()>()).await },
            runtime.handle(),
        );
    }
    Ok(())
}

async fn run_on(
    runtime: &Runtime,
    address: SocketAddr,
    process: Process,
    members: usize,
    time: Duration,
    only: &[String],
) -> Result<()> {
    let mut joining = JoinSet::new();
    let mut drains = JoinSet::new();
    for index in 0..members {
        if joining.len() == CONCURRENT_CONNECTS {
            drain_next(&mut joining, &mut drains, runtime).await?;
        }
        joining.spawn_on(member(address, index), runtime.handle());
    }
    while !joining.is_empty() {
        drain_next(&mut joining, &mut drains, runtime).await?;
    }
    let mut pairs = Vec::new();
    for index in 0..PAIRS {
        let nick = format!("receiver{index}");
        pairs.push(Pair {
            sender: user(address, SENDERS, &format!("sender{index}")).await?,
            receiver: user(address, RECEIVERS, &nick).await?,
            receiver_nick: nick,
        });
    }
    println!(
        "| attack by {ATTACKERS} | p50 alone | p99 alone | p50 ms | p99 ms | longest ms | p99 ÷ alone | server's CPU | MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for attack in ATTACKS {
        if !only.is_empty() && !only.iter().any(|name| name == attack.name) {
            continue;
        }
        let alone;
        (pairs, alone) = measure(pairs, time).await?;
        let ready = Arc::new(AtomicUsize::new(0));
        let mut attacking = JoinSet::new();
        for number in 0..ATTACKERS {
            let ready = Arc::clone(&ready);
            let attack = *attack;
            attacking.spawn_on(
                async move {
                    loop {
                        // A connection that the server ended is opened again.
                        let _ = attack.run(address, number, &ready).await;
                        sleep(Duration::from_secs(1)).await;
                    }
                },
                runtime.handle(),
            );
        }
        let deadline = Instant::now() + Duration::from_secs(15);
        while ready.load(Ordering::Relaxed) < ATTACKERS && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
        let (started, cpu) = (Instant::now(), process.cpu()?);
        let attacked;
        (pairs, attacked) = measure(pairs, time).await?;
        let used = process.cpu()?.saturating_sub(cpu).as_secs_f64();
        println!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} | {:.1} | {:.0} % | {:.0} |",
            attack.name,
            alone.median,
            alone.p99,
            attacked.median,
            attacked.p99,
            attacked.longest,
            attacked.p99 / alone.p99,
            used / started.elapsed().as_secs_f64() * 100.0,
            as_f64(process.resident_bytes()?) / 1024.0 / 1024.0,
        );
        attacking.shutdown().await;
        // What the attackers left behind is not part of the next measurement.
        sleep(Duration::from_secs(3)).await;
    }
    Ok(())
}

/// Connects an ordinary user from this address.
async fn user(address: SocketAddr, source: Ipv4Addr, nick: &str) -> Result<Client> {
    let mut client = Client::open(address, source).await?;
    client.register(nick).await?;
    Ok(client)
}

/// Connects a member of the large channel, each from an address of its own.
async fn member(address: SocketAddr, index: usize) -> Result<Client> {
    let [high, low] = u16::try_from(index)?.to_be_bytes();
    let mut client = Client::open(address, Ipv4Addr::new(127, 8, high, low)).await?;
    client.send(CAPABILITIES).await?;
    client.register(&format!("bench{index}")).await?;
    client
        .send(&format!(
            "METADATA * SET url :https://example.org/{index}\r\nJOIN #bench\r\n"
        ))
        .await?;
    client.wait_for(" 366 ").await?;
    Ok(client)
}
