//! How the server stands at this moment: what the status and the metrics show.

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

/// Where to look.
#[derive(Clone)]
pub struct Probes {
    pub started_at: Timestamp,
    pub core: OperatorPort,
    pub journal: committer::QueueHandle,
    pub database: Database,
    pub connections: Arc<Connections>,
    pub mailer: Mailer,
    pub certificates: Arc<Certificates>,
    pub rates: Arc<Rates>,
}

/// How busy the server is at this moment.
#[derive(Debug)]
pub struct Activity {
    pub connections: usize,
    /// Events that wait for the core.
    pub core_queue_events: usize,
    pub journal: committer::QueueDepth,
    pub busy: Busy,
}

impl Probes {
    /// Looks who and what is busy; up to `most` of each kind.
    pub async fn activity(&self, most: usize) -> Result<Activity, CoreStopped> {
        let core_queue_events = self.core.waiting();
        let journal = self.journal.read().await?;
        let sessions = journal
            .largest_sendqs
            .iter()
            .take(most)
            .map(|(session, _)| *session)
            .collect();
        let busy = self.core.ask(FindBusiest { most, sessions }).await?;
        Ok(Activity {
            connections: self.connections.count(),
            core_queue_events,
            journal,
            busy: *busy,
        })
    }

    /// Looks at all of them.
    pub async fn read(&self) -> Result<ServerSnapshot, CoreStopped> {
        let core_queue_events = self.core.waiting();
        let counts = self.core.ask(Count).await?;
        let journal = self.journal.read().await?;
        Ok(ServerSnapshot {
            started_at: self.started_at,
            users: counts.users,
            sessions: counts.sessions,
            channels: counts.channels,
            bans: counts.bans,
            maintenance: counts.maintenance,
            connections: self.connections.count(),
            core_queue_events,
            commit_queue_batches: journal.waiting_batches,
            largest_sendq: journal.largest_sendq(),
            store_bytes: self.database.size().await,
            certificate_expires_at: self.certificates.expires_at(),
            mail: self.mailer.health(),
        })
    }
}
