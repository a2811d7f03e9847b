//! How the server stands at this moment: what the status and the metrics show.

use std::sync::Arc;

use jiff::Timestamp;

use crate::committer;
use crate::handle::{CoreHandle, CoreStopped};
use crate::quota::Connections;
use rookery_base::certificates::Certificates;
use rookery_base::mail::Mailer;
use rookery_base::metrics::ServerSnapshot;
use rookery_base::rates::Rates;
use rookery_chat::event::{Act, Answer};
use rookery_chat::views::Busy;
use rookery_store::Database;

/// Where to look.
#[derive(Clone)]
pub struct Probes {
    pub started_at: Timestamp,
    pub core: CoreHandle,
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
        let Answer::Busy(busy) = self.core.act(Act::FindBusy { most, sessions }).await? else {
            unreachable!("the core answers this act with who is busy");
        };
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
        let Answer::Counts {
            users,
            sessions,
            channels,
            bans,
            maintenance,
        } = self.core.act(Act::Count).await?
        else {
            unreachable!("the core answers this act with counts");
        };
        let journal = self.journal.read().await?;
        Ok(ServerSnapshot {
            started_at: self.started_at,
            users,
            sessions,
            channels,
            bans,
            maintenance,
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
