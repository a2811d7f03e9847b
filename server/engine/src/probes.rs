//! Reads the state of the server, for the status, `admin-cli top` and the metrics.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::committer;
use crate::handle::{CoreStopped, OperatorPort};
use crate::quota::Connections;
use rookery_base::certificates::Certificates;
use rookery_base::mail::Mailer;
use rookery_base::metrics::ServerSnapshot;
use rookery_base::rates::Rates;
use rookery_chat::request::{Busy, Count, FindBusiest};
use rookery_record::ClockRecord;
use rookery_store::{Database, Durability};
use tokio::sync::watch;

/// How long [`Probes::store`] waits for the lock that writing needs.
const WRITE_TIMEOUT: Duration = Duration::from_millis(500);

/// The sources that the state of the server is read from.
#[derive(Clone)]
pub struct Probes {
    /// When the server started.
    pub started_at: Timestamp,
    /// The source of the numbers of users, sessions, channels and bans.
    pub core: OperatorPort,
    /// The source of the depths of the committer's queue and of the send queues.
    pub commit_queue: committer::QueueHandle,
    /// The source of the database's size, and of whether it can be written to.
    pub database: Database,
    /// The source of the number of open connections.
    pub connections: Arc<Connections>,
    /// The source of whether mail can be sent.
    pub mailer: Mailer,
    /// The source of the certificate's expiry.
    pub certificates: Arc<Certificates>,
    /// The rates of the metrics' counters.
    pub rates: Arc<Rates>,
    /// What is known about the clock of the system.
    pub clock: watch::Receiver<ClockRecord>,
}

/// How busy the server is.
#[derive(Debug)]
pub struct Activity {
    /// The number of open connections.
    pub connections: usize,
    /// The number of events that wait for the core.
    pub core_queue_events: usize,
    /// The depths of the committer's queue and of the send queues.
    pub commit_queue: committer::QueueDepth,
    /// The busiest users and channels.
    pub busy: Busy,
}

impl Probes {
    /// Returns how busy the server is, with up to `limit` of the busiest users, channels and
    /// sessions.
    pub async fn activity(&self, limit: usize) -> Result<Activity, CoreStopped> {
        let core_queue_events = self.core.waiting_events();
        let commit_queue = self.commit_queue.read().await?;
        let sessions = commit_queue
            .largest_sendqs
            .iter()
            .take(limit)
            .map(|(session, _)| *session)
            .collect();
        let busiest = FindBusiest { limit, sessions };
        let busy = self.core.request(busiest).await?;
        Ok(Activity {
            connections: self.connections.count(),
            core_queue_events,
            commit_queue,
            busy: *busy,
        })
    }

    /// Returns why not everything can be stored; `Ok` if everything can.
    ///
    /// Begins a transaction that writes nothing, because only this shows whether another program
    /// locks the database: the last write may have been long ago, and the lock have begun or ended
    /// since.
    pub async fn store(&self) -> Result<(), String> {
        let write = self.database.write(Durability::Message, |_| Ok(()));
        // The state of the disk below tells why it failed, or that it waits for a lock.
        let _ = tokio::time::timeout(WRITE_TIMEOUT, write).await;
        self.database.disk().health()
    }

    /// Returns the state of the whole server.
    pub async fn read(&self) -> Result<ServerSnapshot, CoreStopped> {
        let core_queue_events = self.core.waiting_events();
        let counts = self.core.request(Count).await?;
        let commit_queue = self.commit_queue.read().await?;
        Ok(ServerSnapshot {
            started_at: self.started_at,
            users: counts.users,
            sessions: counts.sessions,
            channels: counts.channels,
            bans: counts.bans,
            maintenance: counts.maintenance,
            connections: self.connections.count(),
            core_queue_events,
            commit_queue_batches: commit_queue.waiting_batches,
            largest_sendq: commit_queue.largest_sendq(),
            store_bytes: self.database.size().await,
            disk_free_bytes: self.database.disk().free_bytes(),
            store: self.store().await,
            certificate_expires_at: self.certificates.expires_at(),
            mail: self.mailer.health(),
            clock: self.clock.borrow().health(),
        })
    }
}
