//! The lines of the table: each is a load on a server that was just started.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::as_f64;
use crate::client::{CONCURRENT_CONNECTS, Client, connect_all};
use crate::process::Process;
use crate::servers::Server;
use crate::talk::{Conversation, Ended, Pace, Percentiles, Schedule};

/// How far a sender at full speed may be ahead of the receivers, in messages.
const WINDOW: u64 = 200;
/// The same for one that fills the history.
const FILL_WINDOW: u64 = 5000;

/// A server that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its port for IRC over TLS.
    pub address: SocketAddr,
    pub process: Process,
}

/// A load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Line {
    /// 4,000 silent connections.
    Idle,
    /// 15,000 silent connections.
    ManyIdle,
    /// One channel of 200, 200 messages a second.
    Paced,
    /// One channel of 200, as fast as possible.
    FlatOut,
    /// 4,000 connections in 100 channels, 1,000 messages a second.
    Channels,
    /// One channel of 2,000, 20 messages a second.
    Large,
    /// One channel of 8,000, 5 messages a second.
    Huge,
    /// 500 pairs, 2,000 direct messages a second.
    Direct,
    /// 2,000 connections join one channel.
    Joins,
    /// 5,000 connections are dropped and connect again, while two others talk.
    Storm,
    /// Pages of the history of a channel with 1,000,000 messages, while another channel talks.
    History,
}

/// How large the loads are.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    Full,
    /// Seconds for each line, to see that it works.
    Short,
}

impl Scale {
    fn of(self, count: u32) -> u32 {
        match self {
            Self::Full => count,
            Self::Short => (count / 100).max(5),
        }
    }
}

/// One figure of a line. Less is better.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What it says, with its unit.
    pub name: &'static str,
    pub value: f64,
}

impl Figure {
    fn new(name: &'static str, value: f64) -> Self {
        Self { name, value }
    }
}

impl Line {
    /// The description in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "4,000 idle connections",
            Self::ManyIdle => "15,000 idle connections",
            Self::Paced => "one channel of 200, 200 messages/s",
            Self::FlatOut => "one channel of 200, full speed",
            Self::Channels => "4,000 connections in 100 channels, 1,000 messages/s",
            Self::Large => "one channel of 2,000, 20 messages/s",
            Self::Huge => "one channel of 8,000, 5 messages/s",
            Self::Direct => "500 pairs, 2,000 direct messages/s",
            Self::Joins => "2,000 joins of one channel",
            Self::Storm => "5,000 connections dropped and back",
            Self::History => "a channel with 1,000,000 stored messages",
        }
    }

    /// Whether a server can perform it.
    pub fn suits(self, server: Server) -> bool {
        match self {
            Self::Idle | Self::ManyIdle | Self::Joins | Self::Storm => {
                server != Server::Floor && server != Server::RookerySynced
            }
            Self::Paced
            | Self::FlatOut
            | Self::Channels
            | Self::Large
            | Self::Huge
            | Self::Direct => true,
            Self::History => server == Server::Rookery,
        }
    }

    /// Puts the load on a server, and returns what it cost.
    pub async fn run(self, server: Target, scale: Scale) -> Result<Vec<Figure>> {
        let load = Load {
            address: server.address,
            process: server.process,
            scale,
        };
        match self {
            Self::Idle => load.idle(4000).await,
            Self::ManyIdle => load.idle(15_000).await,
            Self::Paced => load.paced(1, 200, 200).await,
            Self::FlatOut => load.full_speed(200, 20_000).await,
            Self::Channels => load.paced(100, 40, 1000).await,
            Self::Large => load.paced(1, 2000, 20).await,
            Self::Huge => load.paced(1, 8000, 5).await,
            Self::Direct => load.direct(500, 2000).await,
            Self::Joins => load.joins(2000).await,
            Self::Storm => load.storm(5000).await,
            Self::History => load.history(1_000_000).await,
        }
    }
}

/// A load of a given scale on a server. The counts are those of the full scale.
struct Load {
    address: SocketAddr,
    process: Process,
    scale: Scale,
}

impl Load {
    /// Waits until the server has finished what connections and joins have caused.
    async fn settle(&self) {
        sleep(match self.scale {
            Scale::Full => Duration::from_secs(2),
            Scale::Short => Duration::from_millis(100),
        })
        .await;
    }

    /// How long messages are sent at a given rate, in seconds.
    fn seconds(&self) -> u32 {
        match self.scale {
            Scale::Full => 10,
            Scale::Short => 1,
        }
    }

    /// Connects guests, who are named by a prefix and a number.
    async fn connect(&self, prefix: &str, count: u32) -> Result<Vec<Client>> {
        connect_all(self.address, prefix, count).await
    }

    /// Connects silent sessions.
    async fn idle(&self, sessions: u32) -> Result<Vec<Figure>> {
        let process = self.process;
        // The first sessions cause one-time costs: threads, pools, caches.
        drop(self.connect("w", self.scale.of(200)).await?);
        self.settle().await;
        let (memory, cpu) = (process.resident_bytes()?, process.cpu()?);
        let clients = self.connect("b", self.scale.of(sessions)).await?;
        let connected = process.cpu()?.saturating_sub(cpu);
        self.settle().await;
        let grown = process.resident_bytes()?.saturating_sub(memory);
        let count = as_f64(clients.len() as u64);
        Ok(vec![
            Figure::new("KiB per connection", as_f64(grown) / 1024.0 / count),
            Figure::new("CPU µs per accepted connection", micros(connected) / count),
        ])
    }

    /// Connects the members of channels.
    async fn channels(&self, count: u32, members: u32) -> Result<Channels> {
        let members = usize::try_from(self.scale.of(members))?;
        let count = match self.scale {
            Scale::Full => count,
            Scale::Short => count.min(5),
        };
        let clients = self.connect("b", count * u32::try_from(members)?).await?;
        let mut clients = clients.into_iter();
        let mut channels = Vec::new();
        for index in 0..count {
            let name = format!("#bench{index}");
            let members = clients.by_ref().take(members).collect();
            channels.push((name.clone(), join_all(&name, members).await?));
        }
        self.settle().await;
        Ok(Channels(channels))
    }

    /// Sends `rate` messages a second in channels.
    async fn paced(&self, count: u32, members: u32, rate: u32) -> Result<Vec<Figure>> {
        let channels = self.channels(count, members).await?;
        let talked = channels.paced(self.process, rate, self.seconds()).await?;
        Ok(talked.figures())
    }

    /// Sends messages in one channel as fast as possible.
    async fn full_speed(&self, members: u32, messages: u32) -> Result<Vec<Figure>> {
        let channels = self.channels(1, members).await?;
        let messages = self.scale.of(messages).into();
        let talked = channels.full_speed(self.process, messages, WINDOW).await?;
        Ok(talked.figures())
    }

    /// Lets pairs send direct messages, one side to the other.
    async fn direct(&self, pairs: u32, rate: u32) -> Result<Vec<Figure>> {
        let (pairs, rate) = (self.scale.of(pairs), self.scale.of(rate));
        let senders = self.connect("s", pairs).await?;
        let receivers = self.connect("r", pairs).await?;
        self.settle().await;
        let messages = u64::from((rate * self.seconds() / pairs).max(1));
        let pace = Pace::spread(pairs, rate);
        let senders = (0..pairs).zip(senders).map(|(index, client)| {
            let schedule = Schedule {
                target: format!("r{index}"),
                messages,
                pace: pace(index),
            };
            (client, Some(schedule))
        });
        let clients = receivers.into_iter().map(|client| (client, None));
        let cpu = self.process.cpu()?;
        let mut conversation = Conversation::start(clients.chain(senders));
        conversation.wait_for(messages * u64::from(pairs)).await?;
        Ok(Talked::new(cpu, self.process, conversation.end().await?)?.figures())
    }

    /// Lets sessions join one channel at the same time, in which all read on.
    async fn joins(&self, count: u32) -> Result<Vec<Figure>> {
        let count = self.scale.of(count);
        let mut last = Client::connect(self.address, "last".to_owned()).await?;
        let clients = self.connect("b", count).await?;
        self.settle().await;
        let cpu = self.process.cpu()?;
        let joined = Arc::new(AtomicU32::new(0));
        let mut reading = JoinSet::new();
        for mut client in clients {
            let joined = Arc::clone(&joined);
            reading.spawn(async move {
                client.send("JOIN #bench\r\n").await?;
                client.wait_for(" 366 ").await?;
                joined.fetch_add(1, Ordering::Relaxed);
                client.wait_for(" PRIVMSG #bench ").await
            });
        }
        // What the last one sends follows all JOINs.
        let announcement = async {
            while joined.load(Ordering::Relaxed) < count {
                sleep(Duration::from_millis(20)).await;
            }
            last.send("JOIN #bench\r\nPRIVMSG #bench :end\r\n").await?;
            last.drain_until(std::future::pending::<()>()).await
        };
        let all_read = async {
            while let Some(read) = reading.join_next().await {
                read??;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            result = all_read => result?,
            result = announcement => result?,
        }
        let used = self.process.cpu()?.saturating_sub(cpu);
        Ok(vec![Figure::new("CPU ms", micros(used) / 1e3)])
    }

    /// Drops many connections at once, and connects as many again, while two others talk.
    async fn storm(&self, count: u32) -> Result<Vec<Figure>> {
        let channel = self.channels(1, 2).await?;
        let count = self.scale.of(count);
        let clients = self.connect("x", count).await?;
        self.settle().await;
        let conversation = channel.start(u64::MAX, Pace::spread(1, 100));
        drop(clients);
        let started = Instant::now();
        let clients = self.connect("y", count).await?;
        let took = started.elapsed();
        let ended = conversation.end().await?;
        drop(clients);
        Ok(vec![
            Figure::new("seconds until all are back", took.as_secs_f64()),
            Figure::new("p99 µs of others' messages", f64::from(ended.p99)),
        ])
    }

    /// Fills a channel and reads pages of its history, while another channel talks.
    async fn history(&self, messages: u32) -> Result<Vec<Figure>> {
        let (process, seconds) = (self.process, self.seconds());
        let messages = self.scale.of(messages).into();
        let channel = self.channels(1, 2).await?;
        let filled = channel.full_speed(process, messages, FILL_WINDOW).await?;
        // One who was there when the messages were sent may read them.
        let mut clients = filled.ended.clients.into_iter();
        let mut reader = clients.next().context("the channel has members")?;
        reader
            .send("CAP REQ :draft/chathistory batch server-time message-tags\r\n")
            .await?;
        reader.wait_for(" ACK ").await?;

        let mut busy = self.connect("q", self.scale.of(200)).await?;
        busy = join_all("#busy", busy).await?;
        self.settle().await;
        let alone = Channels(vec![("#busy".to_owned(), busy)])
            .paced(process, 200, seconds)
            .await?;
        let busy = Channels(vec![("#busy".to_owned(), alone.ended.clients)]);
        let mut pages = Vec::new();
        let (end, ended) = watch::channel(());
        let reading = async {
            while !ended.has_changed().unwrap_or(true) {
                let asked = Instant::now();
                reader.send("CHATHISTORY LATEST #bench0 * 100\r\n").await?;
                reader.wait_for(" BATCH -").await?;
                pages.push(asked.elapsed());
            }
            anyhow::Ok(())
        };
        let talking = async {
            let talked = busy.paced(process, 200, seconds).await;
            drop(end);
            talked
        };
        let ((), beside) = tokio::try_join!(reading, talking)?;
        let Percentiles { median, p99 } = Percentiles::of(&mut pages)?;
        Ok(vec![
            Figure::new("p50 µs of LATEST 100", micros(median)),
            Figure::new("p99 µs of LATEST 100", micros(p99)),
            Figure::new(
                "p99 µs of a channel without readers",
                f64::from(alone.ended.p99),
            ),
            Figure::new(
                "p99 µs of a channel beside them",
                f64::from(beside.ended.p99),
            ),
        ])
    }
}

/// Channels, and the clients in each.
struct Channels(Vec<(String, Vec<Client>)>);

impl Channels {
    /// How many receive each message, if it is sent once in each channel.
    fn receivers(&self) -> u64 {
        self.0
            .iter()
            .map(|(_, members)| members.len() as u64 - 1)
            .sum()
    }

    /// Lets one member of each channel send.
    fn start(self, messages: u64, pace: impl Fn(u32) -> Pace) -> Conversation {
        let mut clients = Vec::new();
        for (index, (target, members)) in (0..).zip(self.0) {
            let mut schedule = Some(Schedule {
                target,
                messages,
                pace: pace(index),
            });
            clients.extend(members.into_iter().map(|client| (client, schedule.take())));
        }
        Conversation::start(clients)
    }

    /// Sends `rate` messages a second, evenly over the channels, for some seconds.
    async fn paced(self, process: Process, rate: u32, seconds: u32) -> Result<Talked> {
        let count = u32::try_from(self.0.len())?;
        let messages = u64::from((rate * seconds / count).max(1));
        let deliveries = messages * self.receivers();
        let cpu = process.cpu()?;
        let mut conversation = self.start(messages, Pace::spread(count, rate));
        conversation.wait_for(deliveries).await?;
        Talked::new(cpu, process, conversation.end().await?)
    }

    /// Sends so many messages in each channel as fast as possible.
    async fn full_speed(self, process: Process, messages: u64, window: u64) -> Result<Talked> {
        let receivers = self.receivers();
        let cpu = process.cpu()?;
        let mut conversation = self.start(messages, |_| Pace::Window {
            messages: window,
            receivers,
        });
        conversation.wait_for(messages * receivers).await?;
        Talked::new(cpu, process, conversation.end().await?)
    }
}

/// What messages cost.
struct Talked {
    micros_each: f64,
    ended: Ended,
}

impl Talked {
    fn new(cpu_before: Duration, process: Process, ended: Ended) -> Result<Self> {
        let used = process.cpu()?.saturating_sub(cpu_before);
        Ok(Self {
            micros_each: micros(used) / as_f64(ended.deliveries),
            ended,
        })
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("CPU µs per delivery", self.micros_each),
            Figure::new("p99 µs", f64::from(self.ended.p99)),
        ]
    }
}

/// Lets clients join a channel, some at a time. Returns once each has read what it was sent
/// meanwhile, so that no server has to deliver that during the measurement.
async fn join_all(channel: &str, clients: Vec<Client>) -> Result<Vec<Client>> {
    let mut waiting = clients.into_iter();
    let mut joining = JoinSet::new();
    let mut joined = Vec::new();
    loop {
        for mut client in waiting.by_ref().take(CONCURRENT_CONNECTS - joining.len()) {
            let line = format!("JOIN {channel}\r\n");
            joining.spawn(async move {
                client.send(&line).await?;
                client.wait_for(" 366 ").await?;
                anyhow::Ok(client)
            });
        }
        match joining.join_next().await {
            Some(client) => joined.push(client??),
            None => break,
        }
    }
    // What the last one sends follows all that the others are sent because of the joins.
    let mut last = joined.pop().context("nobody joins the channel")?;
    let mut reading = JoinSet::new();
    for mut client in joined {
        let message = format!(" PRIVMSG {channel} ");
        reading.spawn(async move {
            client.wait_for(&message).await?;
            anyhow::Ok(client)
        });
    }
    last.send(&format!("PRIVMSG {channel} :All are here\r\n"))
        .await?;
    let mut members: Vec<_> = reading
        .join_all()
        .await
        .into_iter()
        .collect::<Result<_>>()?;
    members.push(last);
    Ok(members)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
