//! Messages between clients: who sends how often, and how long they take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, interval_at, sleep};

use crate::client::Client;

/// How long the server may deliver nothing before the measurement fails.
const STALL: Duration = Duration::from_secs(20);
/// The digits of the time that each message begins with, in nanoseconds since the epoch of
/// [`Received`].
const TIME_DIGITS: usize = 15;
/// Fills each message up to about 85 characters.
const FILLER: &str = "The quick brown rook jumps over the lazy crow, and over it once more";
/// How many messages a client that sends at full speed writes at once. What exceeds the 2 KiB that
/// ngIRCd reads would stay unread there until more arrives.
const CHUNK: u64 = 16;

/// What a client sends.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// A channel or nick.
    pub target: String,
    pub messages: u64,
    pub pace: Pace,
}

/// How fast a client sends.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// One message in each interval, after a delay.
    Every { first: Duration, interval: Duration },
    /// As fast as the server takes them, but never more than this many messages ahead of what each
    /// of the receivers has received on average. No server's send queue overflows then.
    Window { messages: u64, receivers: u64 },
}

impl Pace {
    /// Spreads `rate` messages a second evenly over senders and time.
    pub fn spread(senders: u32, rate: u32) -> impl Fn(u32) -> Self {
        let interval = Duration::from_secs(1) * senders / rate;
        move |index| Self::Every {
            first: interval * index / senders,
            interval,
        }
    }
}

/// What all clients together have received.
#[derive(Debug)]
pub struct Received {
    epoch: Instant,
    count: AtomicU64,
    micros: Mutex<Vec<u32>>,
}

impl Received {
    fn new() -> Self {
        Self {
            epoch: Instant::now(),
            count: AtomicU64::new(0),
            micros: Mutex::default(),
        }
    }

    fn message(&self, target: &str) -> String {
        let time = self.epoch.elapsed().as_nanos();
        format!("PRIVMSG {target} :{time:0TIME_DIGITS$} {FILLER}\r\n")
    }

    /// Returns how long the message in a line took, in microseconds, if the line is one.
    fn delay(&self, line: &str) -> Option<u32> {
        let (_, message) = line.split_once(" PRIVMSG ")?;
        let (_, text) = message.split_once(" :")?;
        let sent = Duration::from_nanos(text.get(..TIME_DIGITS)?.parse().ok()?);
        let delay = self.epoch.elapsed().saturating_sub(sent);
        Some(u32::try_from(delay.as_micros()).unwrap_or(u32::MAX))
    }

    fn add(&self, micros: &mut Vec<u32>) {
        self.count.fetch_add(micros.len() as u64, Ordering::Relaxed);
        self.micros().append(micros);
    }

    fn micros(&self) -> MutexGuard<'_, Vec<u32>> {
        self.micros.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Clients that send by their schedules and read what the others send, until this ends.
pub struct Conversation {
    received: Arc<Received>,
    running: JoinSet<Result<Client>>,
    stop: watch::Sender<()>,
}

/// What a conversation was like.
pub struct Ended {
    pub clients: Vec<Client>,
    pub deliveries: u64,
    /// The 99th percentile of how long deliveries took, in microseconds.
    pub p99: u32,
}

impl Conversation {
    /// Starts it.
    pub fn start(clients: impl IntoIterator<Item = (Client, Option<Schedule>)>) -> Self {
        let received = Arc::new(Received::new());
        let stop = watch::Sender::new(());
        let mut running = JoinSet::new();
        for (mut client, schedule) in clients {
            let received = Arc::clone(&received);
            let mut stopped = stop.subscribe();
            running.spawn(async move {
                tokio::select! {
                    result = run(&mut client, schedule, &received) => result?,
                    _ = stopped.changed() => {}
                }
                Ok(client)
            });
        }
        Self {
            received,
            running,
            stop,
        }
    }

    /// Waits until so many messages have arrived.
    pub async fn wait_for(&mut self, deliveries: u64) -> Result<()> {
        let mut tick = interval(Duration::from_millis(5));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = (0, Instant::now());
        while self.received.count() < deliveries {
            tokio::select! {
                _ = tick.tick() => {}
                Some(ended) = self.running.join_next() => {
                    ended??;
                    bail!("a client ended early");
                }
            }
            let count = self.received.count();
            if count > last.0 {
                last = (count, Instant::now());
            }
            ensure!(
                last.1.elapsed() < STALL,
                "only {count} of {deliveries} deliveries arrived"
            );
        }
        Ok(())
    }

    /// Ends it.
    pub async fn end(mut self) -> Result<Ended> {
        drop(self.stop);
        let mut clients = Vec::with_capacity(self.running.len());
        while let Some(client) = self.running.join_next().await {
            clients.push(client??);
        }
        let mut micros = std::mem::take(&mut *self.received.micros());
        Ok(Ended {
            clients,
            deliveries: micros.len() as u64,
            p99: Percentiles::of(&mut micros)?.p99,
        })
    }
}

/// The median and the 99th percentile.
#[derive(Clone, Copy, Debug)]
pub struct Percentiles<T> {
    pub median: T,
    pub p99: T,
}

impl<T: Ord + Copy> Percentiles<T> {
    /// Sorts the values.
    pub fn of(values: &mut [T]) -> Result<Self> {
        ensure!(!values.is_empty(), "nothing was measured");
        values.sort_unstable();
        let at = |percent: usize| values[(values.len() - 1) * percent / 100];
        Ok(Self {
            median: at(50),
            p99: at(99),
        })
    }
}

/// Sends by the schedule and receives until the connection ends.
async fn run(client: &mut Client, schedule: Option<Schedule>, received: &Received) -> Result<()> {
    let Some(schedule) = schedule else {
        loop {
            receive(client, received).await?;
        }
    };
    let target = schedule.target;
    let mut sent = 0;
    match schedule.pace {
        Pace::Every { first, interval } => {
            let mut tick = interval_at(tokio::time::Instant::now() + first, interval);
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
            loop {
                tokio::select! {
                    _ = tick.tick(), if sent < schedule.messages => {
                        client.send(&received.message(&target)).await?;
                        sent += 1;
                    }
                    result = receive(client, received) => result?,
                }
            }
        }
        Pace::Window {
            messages,
            receivers,
        } => loop {
            let arrived = received.count() / receivers.max(1);
            if sent < schedule.messages && sent + CHUNK <= arrived + messages {
                let count = CHUNK.min(schedule.messages - sent);
                let lines: String = (0..count).map(|_| received.message(&target)).collect();
                client.send(&lines).await?;
                sent += count;
            } else {
                tokio::select! {
                    () = sleep(Duration::from_millis(1)) => {}
                    result = receive(client, received) => result?,
                }
            }
        },
    }
}

async fn receive(client: &mut Client, received: &Received) -> Result<()> {
    let mut micros = Vec::new();
    client
        .read(|line| {
            micros.extend(received.delay(line));
            false
        })
        .await?;
    received.add(&mut micros);
    Ok(())
}
