//! The load generator. It connects guests to a running server and measures what they cost it in
//! memory and CPU, compares the costs with those of other servers, and measures how fast `rook` is
//! in a busy channel.

mod attack;
mod client;
mod compare;
mod floor;
mod lines;
mod process;
mod resolver;
mod rook;
mod screen;
mod servers;
mod talk;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum as _};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use lines::{Line, Scale, Target};
use process::Process;
use servers::Programs;

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    load: Load,
}

/// A running server on this machine. Guests must be allowed.
#[derive(Args)]
struct RunningServer {
    /// Its chat port.
    #[arg(long)]
    address: SocketAddr,
    /// Its process, to measure its cost.
    #[arg(long)]
    pid: u32,
}

impl RunningServer {
    fn target(&self) -> Target {
        Target {
            address: self.address,
            process: Process::new(self.pid),
        }
    }
}

#[derive(Subcommand)]
enum Load {
    /// Measures what loads cost one server, whose limits must be disabled.
    Measure {
        #[command(flatten)]
        server: RunningServer,
        #[arg(value_enum)]
        lines: Vec<Line>,
    },
    /// Starts Rookery, its peers and the floor in turns, and prints what loads cost each of them.
    Compare {
        #[arg(long)]
        rookeryd: PathBuf,
        /// The program of ergo, which is not compared otherwise.
        #[arg(long)]
        ergo: Option<PathBuf>,
        /// The folder with the programs of the other peers, which are not compared otherwise.
        #[arg(long)]
        peers: Option<PathBuf>,
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// Runs small loads, once, to see that they work.
        #[arg(long)]
        short: bool,
        /// All by default.
        #[arg(value_enum)]
        lines: Vec<Line>,
    },
    /// Runs the floor: a server that seals and writes lines, and nothing else.
    Floor {
        #[arg(long)]
        listen: SocketAddr,
        /// The folder with `cert.pem` and `key.pem`.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Runs a resolver that knows no names.
    Resolver {
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Lets 100 sessions attack in many ways, one after the other: how long the direct messages of
    /// ordinary users take meanwhile. The limits must be the default ones.
    Attack {
        #[command(flatten)]
        server: RunningServer,
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
    /// server's lobby must be `#bench`, emails must not be verified, and limits must be disabled.
    Rook {
        #[command(flatten)]
        server: RunningServer,
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

fn main() -> Result<()> {
    let load = Arguments::parse().load;
    let runtime = match load {
        Load::Floor { .. } => Builder::new_current_thread().enable_all().build()?,
        _ => Runtime::new()?,
    };
    runtime.block_on(run(load))
}

async fn run(load: Load) -> Result<()> {
    match load {
        Load::Measure { server, lines } => {
            for line in lines {
                let figures = line.run(server.target(), Scale::Full).await?;
                for figure in figures {
                    println!("{}: {:.2} {}", line.name(), figure.value, figure.name);
                }
            }
            Ok(())
        }
        Load::Compare {
            rookeryd,
            ergo,
            peers,
            rounds,
            short,
            lines,
        } => {
            let programs = Programs {
                bench: std::env::current_exe()?,
                rookeryd,
                ergo,
                peers,
            };
            let lines = if lines.is_empty() {
                Line::value_variants()
            } else {
                &lines
            };
            let (rounds, scale) = if short {
                (1, Scale::Short)
            } else {
                (rounds, Scale::Full)
            };
            tokio::select! {
                compared = compare::run(&programs, lines, rounds, scale) => compared,
                // Dropping the comparison ends the servers.
                ended = ended_by_signal() => ended,
            }
        }
        Load::Floor { listen, folder } => floor::run(listen, &folder).await,
        Load::Resolver { listen } => resolver::run(listen).await,
        Load::Attack {
            server,
            members,
            seconds,
            attacks,
        } => {
            let time = Duration::from_secs(seconds);
            let Target { address, process } = server.target();
            attack::run(address, process, members, time, &attacks).await
        }
        Load::Rook {
            server,
            rook,
            home,
            ca,
        } => {
            rook::Bench {
                rook,
                address: server.address,
                home,
                ca,
            }
            .run()
            .await
        }
    }
}

/// Waits for a signal to end, and fails.
async fn ended_by_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    bail!("ended by a signal")
}

/// Converts a count, exactly up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of messages and bytes are below 2^53"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
