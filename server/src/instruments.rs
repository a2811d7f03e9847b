//! How the server stands at this moment: what the status and the metrics show.

use std::sync::Arc;

use jiff::Timestamp;

use crate::certificates::Certificates;
use crate::chat::busy::Busy;
use crate::chat::event::{Act, Answer};
use crate::connection::Connections;
use crate::inlet::{Inlet, Stopped};
use crate::journal;
use crate::mail::Mailer;
use crate::rates::Rates;
use crate::store::Database;

/// Where to look.
#[derive(Clone)]
pub struct Instruments {
    pub started_at: Timestamp,
    pub inlet: Inlet,
    pub journal: journal::Gauge,
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
    pub journal: journal::Depth,
    pub busy: Busy,
}

/// What was seen.
#[derive(Debug)]
pub struct Readings {
    pub started_at: Timestamp,
    pub users: usize,
    pub sessions: usize,
    pub channels: usize,
    pub bans: usize,
    /// Whether nobody new is let in.
    pub maintenance: bool,
    pub connections: usize,
    /// Events that wait for the core.
    pub core_queue_events: usize,
    /// Batches that wait for the journal.
    pub commit_queue_batches: usize,
    /// In bytes.
    pub largest_sendq: usize,
    pub store_bytes: u64,
    pub certificate_expires_at: Option<Timestamp>,
    pub mail: Result<(), String>,
}

impl Instruments {
    /// Looks who and what is busy; up to `most` of each kind.
    pub async fn activity(&self, most: usize) -> Result<Activity, Stopped> {
        let core_queue_events = self.inlet.waiting();
        let journal = self.journal.read().await?;
        let sessions = journal
            .largest_sendqs
            .iter()
            .take(most)
            .map(|(session, _)| *session)
            .collect();
        let Answer::Busy(busy) = self.inlet.act(Act::FindBusy { most, sessions }).await? else {
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
    pub async fn read(&self) -> Result<Readings, Stopped> {
        let core_queue_events = self.inlet.waiting();
        let Answer::Counts {
            users,
            sessions,
            channels,
            bans,
            maintenance,
        } = self.inlet.act(Act::Count).await?
        else {
            unreachable!("the core answers this act with counts");
        };
        let journal = self.journal.read().await?;
        Ok(Readings {
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
