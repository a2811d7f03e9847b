//! The load generator: connects guests to a running server, and tells what they cost it in memory
//! and CPU. And how fast `rook` is while they talk.

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

/// How many connect at the same time.
const CONNECTING: usize = 16;

#[derive(Parser)]
#[command(about)]
struct Arguments {
    /// The server's chat port; guests must be allowed and limits off.
    #[arg(long)]
    address: SocketAddr,
    /// The server's process, on this machine; for what the server costs.
    #[arg(long)]
    pid: Option<u32>,
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Connects sessions that stay silent: CPU for each connection, memory for each session.
    Idle {
        #[arg(long, default_value_t = 1000)]
        sessions: usize,
    },
    /// One member of a channel talks to all others: CPU for each delivery.
    Channel {
        #[arg(long, default_value_t = 200)]
        members: usize,
        #[arg(long, default_value_t = 2000)]
        messages: u64,
        /// Messages a second; 0 is as fast as it goes.
        #[arg(long, default_value_t = 0)]
        rate: u32,
    },
    /// A person with `rook` in a terminal: start to lobby, key to screen, memory. The lobby is
    /// `#bench`, and no email is verified.
    Rook {
        /// The program.
        #[arg(long)]
        rook: PathBuf,
        /// A folder for what it keeps.
        #[arg(long)]
        home: PathBuf,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let process = || {
        arguments
            .pid
            .map(Process::new)
            .context("say the server's process with --pid")
    };
    match arguments.load {
        Load::Idle { sessions } => idle(arguments.address, process()?, sessions).await,
        Load::Channel {
            members,
            messages,
            rate,
        } => channel(arguments.address, process()?, members, messages, rate).await,
        Load::Rook { rook, home } => {
            rook::Bench {
                rook,
                address: arguments.address,
                home,
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
        if connecting.len() == CONNECTING {
            clients.push(
                connecting
                    .join_next()
                    .await
                    .context("someone is connecting")???,
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
    // The first ones bring what is made once: threads, pools, caches.
    let warm = connect_all(address, 50).await?;
    drop(warm);
    sleep(Duration::from_secs(2)).await;
    let (memory, cpu) = (process.resident_bytes()?, process.cpu()?);
    let clients = connect_all(address, sessions).await?;
    let connected = process.cpu()?.saturating_sub(cpu);
    sleep(Duration::from_secs(3)).await;
    let grown = process.resident_bytes()?.saturating_sub(memory);
    println!(
        "idle: {sessions} sessions, {:.1} KiB each, {} µs of CPU per connection, {} KiB resident in all",
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
    let mut talker = Client::connect(address, "talker".to_owned()).await?;
    let mut clients = connect_all(address, members).await?;
    for client in &mut clients {
        client.send("JOIN #bench\r\n").await?;
        client.wait_for(" 366 ").await?;
    }
    talker.send("JOIN #bench\r\n").await?;
    talker.wait_for(" 366 ").await?;
    sleep(Duration::from_secs(1)).await;

    let heard = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for client in clients {
        readers.spawn(client.count(Arc::clone(&heard)));
    }
    readers.spawn(async move {
        // Reads what comes for the talker, so that its own sendq stays short.
        talker.talk(messages, rate).await
    });

    let wanted = messages * members as u64;
    let (started, cpu) = (Instant::now(), process.cpu()?);
    let mut tick = interval(Duration::from_millis(5));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = (0, Instant::now());
    while heard.load(Ordering::Relaxed) < wanted {
        tick.tick().await;
        let count = heard.load(Ordering::Relaxed);
        if count > last.0 {
            last = (count, Instant::now());
        }
        ensure!(
            last.1.elapsed() < Duration::from_secs(10),
            "only {count} of {wanted} deliveries came"
        );
    }
    let (took, used) = (started.elapsed(), process.cpu()?.saturating_sub(cpu));
    println!(
        "channel: {members} members, {messages} messages at {}: {:.2} µs of CPU per delivery, {:.0} deliveries a second, {} KiB resident",
        if rate == 0 {
            "full speed".to_owned()
        } else {
            format!("{rate} a second")
        },
        used.as_secs_f64() * 1e6 / as_f64(wanted),
        as_f64(wanted) / took.as_secs_f64(),
        process.resident_bytes()? / 1024,
    );
    Ok(())
}

/// Exact up to 2^53; the counts here are far below.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of messages and bytes are below 2^53"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
