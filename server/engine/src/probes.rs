//! Reads the state of the server, for the status, `admin-cli top` and the metrics.

use std::sync::Arc;

use jiff::Timestamp;

use crate::committer;
use crate::handle::{CoreStopped, OperatorPort};
use crate::quota::Connections;
use rookery_base::certificates::Certificates;
use rookery_base::mail::Mailer;
use rookery_base::metrics::ServerSnapshot;
use rookery_base::rates::Rates;
use rookery_chat::request::{Busy, Count, FindBusiest};
use rookery_store::Database;

/// What the state is read from.
#[derive(Clone)]
pub struct Probes {
    /// When the server started.
    pub started_at: Timestamp,
    /// Asked for users, sessions and channels.
    pub core: OperatorPort,
    /// Asked for the committer's backlog.
    pub commit_queue: committer::QueueHandle,
    /// Asked for its size.
    pub database: Database,
    /// The open connections.
    pub connections: Arc<Connections>,
    /// Asked whether mail can be sent.
    pub mailer: Mailer,
    /// Asked when the certificate expires.
    pub certificates: Arc<Certificates>,
    /// How fast the counters of the metrics grow.
    pub rates: Arc<Rates>,
}

/// How busy the server is.
#[derive(Debug)]
pub struct Activity {
    /// Open connections.
    pub connections: usize,
    /// Events that wait for the core.
    pub core_queue_events: usize,
    /// What waits for the committer, and for the sessions behind it.
    pub commit_queue: committer::QueueDepth,
    /// The busiest users and channels.
    pub busy: Busy,
}

impl Probes {
    /// Returns who and what is busiest, up to `limit` of each kind.
    pub async fn activity(&self, limit: usize) -> Result<Activity, CoreStopped> {
        let core_queue_events = self.core.waiting();
        let commit_queue = self.commit_queue.read().await?;
        let sessions = commit_queue
            .largest_sendqs
            .iter()
            .take(limit)
            .map(|(session, _)| *session)
            .collect();
        let busy = self.core.ask(FindBusiest { limit, sessions }).await?;
        Ok(Activity {
            connections: self.connections.count(),
            core_queue_events,
            commit_queue,
            busy: *busy,
        })
    }

    /// Returns the state of the whole server.
    pub async fn read(&self) -> Result<ServerSnapshot, CoreStopped> {
        let core_queue_events = self.core.waiting();
        let counts = self.core.ask(Count).await?;
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
            certificate_expires_at: self.certificates.expires_at(),
            mail: self.mailer.health(),
        })
    }
}
