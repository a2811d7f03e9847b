//! The load generator. It connects guests to a running server and measures what they cost it in
//! memory and CPU, and how fast `rook` is in a busy channel.

mod attack;
mod client;
mod process;
mod rook;
mod screen;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use client::Client;
use process::Process;

/// How many clients connect at the same time.
const CONCURRENT_CONNECTS: usize = 16;

#[derive(Parser)]
#[command(about)]
struct Arguments {
    /// The server's chat port. Guests must be allowed and limits disabled.
    #[arg(long)]
    address: SocketAddr,
    /// The server's process on this machine, to measure its cost.
    #[arg(long)]
    pid: Option<u32>,
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Connects silent sessions: CPU per connection, memory per session.
    Idle {
        #[arg(long, default_value_t = 1000)]
        sessions: usize,
    },
    /// One member of a channel sends messages to all others: CPU per delivery.
    Channel {
        #[arg(long, default_value_t = 200)]
        members: usize,
        #[arg(long, default_value_t = 2000)]
        messages: u64,
        /// Messages per second; 0 sends as fast as possible.
        #[arg(long, default_value_t = 0)]
        rate: u32,
    },
    /// Lets 100 sessions attack in many ways, one after the other: how long the direct messages of
    /// ordinary users take meanwhile. The limits must be the default ones.
    Attack {
        /// Members of the large channel that the attackers ask for.
        #[arg(long, default_value_t = 2000)]
        members: usize,
        /// Seconds that each measurement takes.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// The names of the attacks; all by default.
        attacks: Vec<String>,
    },
    /// Runs `rook` in a terminal: time from start to lobby, time from key to screen, memory. The
    /// server's lobby must be `#bench`, and emails must not be verified.
    Rook {
        /// The path of `rook`.
        #[arg(long)]
        rook: PathBuf,
        /// A home folder for `rook`.
        #[arg(long)]
        home: PathBuf,
        /// The authority of the server's certificate: its `certs/ca.pem`.
        #[arg(long)]
        ca: PathBuf,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let process = || arguments.pid.map(Process::new).context("--pid is required");
    match arguments.load {
        Load::Idle { sessions } => idle(arguments.address, process()?, sessions).await,
        Load::Channel {
            members,
            messages,
            rate,
        } => channel(arguments.address, process()?, members, messages, rate).await,
        Load::Attack {
            members,
            seconds,
            attacks,
        } => {
            let time = Duration::from_secs(seconds);
            attack::run(arguments.address, process()?, members, time, &attacks).await
        }
        Load::Rook { rook, home, ca } => {
            rook::Bench {
                rook,
                address: arguments.address,
                home,
                ca,
            }
            .run()
            .await
        }
    }
}

async fn connect_all(address: SocketAddr, count: usize) -> Result<Vec<Client>> {
    let mut connecting = JoinSet::new();
    let mut clients = Vec::with_capacity(count);
    for index in 0..count {
        if connecting.len() == CONCURRENT_CONNECTS {
            clients.push(
                connecting
                    .join_next()
                    .await
                    .context("a client is connecting")???,
            );
        }
        connecting.spawn(Client::connect(address, format!("bench{index}")));
    }
    while let Some(client) = connecting.join_next().await {
        clients.push(client??);
    }
    Ok(clients)
}

async fn idle(address: SocketAddr, process: Process, sessions: usize) -> Result<()> {
    // The first sessions cause one-time costs: threads, pools, caches.
    let warm = connect_all(address, 50).await?;
    drop(warm);
    sleep(Duration::from_secs(2)).await;
    let (memory, cpu) = (process.resident_bytes()?, process.cpu()?);
    let clients = connect_all(address, sessions).await?;
    let connected = process.cpu()?.saturating_sub(cpu);
    sleep(Duration::from_secs(3)).await;
    let grown = process.resident_bytes()?.saturating_sub(memory);
    println!(
        "idle: {sessions} sessions, {:.1} KiB each, {} µs of CPU per connection, \
         {} KiB resident in total",
        as_f64(grown) / 1024.0 / as_f64(sessions as u64),
        connected.as_micros() / sessions as u128,
        process.resident_bytes()? / 1024,
    );
    drop(clients);
    Ok(())
}

async fn channel(
    address: SocketAddr,
    process: Process,
    members: usize,
    messages: u64,
    rate: u32,
) -> Result<()> {
    let mut sender = Client::connect(address, "sender".to_owned()).await?;
    let mut clients = connect_all(address, members).await?;
    for client in &mut clients {
        client.send("JOIN #bench\r\n").await?;
        client.wait_for(" 366 ").await?;
    }
    sender.send("JOIN #bench\r\n").await?;
    sender.wait_for(" 366 ").await?;
    sleep(Duration::from_secs(1)).await;

    let received = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for client in clients {
        readers.spawn(client.count(Arc::clone(&received)));
    }
    readers.spawn(async move {
        // Also reads the sender's echoes, so that its own sendq stays short.
        sender.send_repeatedly(messages, rate).await
    });

    let wanted = messages * members as u64;
    let (started, cpu) = (Instant::now(), process.cpu()?);
    let mut tick = interval(Duration::from_millis(5));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = (0, Instant::now());
    while received.load(Ordering::Relaxed) < wanted {
        tick.tick().await;
        let count = received.load(Ordering::Relaxed);
        if count > last.0 {
            last = (count, Instant::now());
        }
        ensure!(
            last.1.elapsed() < Duration::from_secs(10),
            "only {count} of {wanted} deliveries arrived"
        );
    }
    let (took, used) = (started.elapsed(), process.cpu()?.saturating_sub(cpu));
    println!(
        "channel: {members} members, {messages} messages at {}: {:.2} µs of CPU per delivery, \
         {:.0} deliveries per second, {} KiB resident",
        if rate == 0 {
            "full speed".to_owned()
        } else {
            format!("{rate} per second")
        },
        used.as_secs_f64() * 1e6 / as_f64(wanted),
        as_f64(wanted) / took.as_secs_f64(),
        process.resident_bytes()? / 1024,
    );
    Ok(())
}

/// Converts a count, exactly up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of messages and bytes are below 2^53"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
