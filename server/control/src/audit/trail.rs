//! Writing the audit trail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rookery_control_api::Port;
use rookery_protocol::composed;

use super::admin_meter::{self, AdminMeter};
use super::refusal_meter::{CountedRefusals, RefusalMeter};
use crate::http::extract::RequestOrigin;
use crate::http::problem::{Kind, Refusal};
use rookery_base::metrics::METRICS;
use rookery_base::recent_refusals::RecentRefusals;
use rookery_record::{NewAudit, Outcome};
use rookery_store::{Database, Durability, StoreError};

/// The maximum number of characters of an actor or a target: an email fits.
const MAX_NAME: usize = 254;
/// The maximum number of characters of a detail: the reason of an act fits, and a refusal with a
/// name in it.
const MAX_DETAIL: usize = 500;
/// How long after its entry a repeated read is not recorded again.
const VIEW_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// An act of an operator, or one half of a sign-in, whose outcome is not known yet.
#[derive(Clone, Debug)]
pub struct Act {
    pub origin: RequestOrigin,
    /// The admin's name as given; empty if none was given.
    pub actor: String,
    /// The public id of the session; empty if the request is not authenticated.
    pub session: String,
    /// The name of the act in the trail, such as `kick`.
    pub name: &'static str,
    /// The user, ban, admin or other object of the act; empty if there is none.
    pub target: String,
}

impl Act {
    /// Returns the act of a request that is not authenticated.
    pub fn unauthenticated(origin: RequestOrigin, name: &'static str) -> Self {
        Self {
            origin,
            actor: String::new(),
            session: String::new(),
            name,
            target: String::new(),
        }
    }

    /// Returns the entry that records the act with its outcome. The actor and the target are
    /// composed, as names are, so that they are found by name however they were typed.
    pub fn entry(&self, outcome: Outcome, detail: impl Into<String>) -> NewAudit {
        NewAudit {
            at: self.origin.at,
            actor: clip(&composed(&self.actor), MAX_NAME),
            origin: self.origin.address.to_string(),
            session: self.session.clone(),
            act: self.name.to_owned(),
            target: clip(&composed(&self.target), MAX_NAME),
            outcome,
            detail: clip(&detail.into(), MAX_DETAIL),
        }
    }
}

/// Cuts a text to `max` characters and replaces its control characters.
fn clip(text: &str, max: usize) -> String {
    let clean = |char: char| {
        if char.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            char
        }
    };
    text.chars().take(max).map(clean).collect()
}

/// The writer of the audit trail.
pub struct Trail {
    database: Database,
    meter: Mutex<RefusalMeter>,
    admins: Mutex<AdminMeter>,
    /// When each read was last recorded.
    views: Mutex<BTreeMap<View, Timestamp>>,
    /// The most recent refused sign-ins on the control port.
    pub refused: RecentRefusals,
    /// The number of acts that were refused because the trail could not be written.
    failures: AtomicU64,
}

/// The session, act, target and detail of a read.
type View = (String, &'static str, String, String);

fn view_of(act: &Act, detail: &str) -> View {
    let session = act.session.clone();
    (session, act.name, act.target.clone(), detail.to_owned())
}

/// Whether a read that was recorded at that time is not recorded again at the time of the act.
fn is_recent(act: &Act, recorded: Timestamp) -> bool {
    act.origin.at.duration_since(recorded).abs() < VIEW_INTERVAL
}

impl Trail {
    /// Returns the writer of the trail in `database`.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            meter: Mutex::default(),
            admins: Mutex::default(),
            views: Mutex::default(),
            refused: RecentRefusals::new(Port::Control),
            failures: AtomicU64::new(0),
        }
    }

    /// Records that an act is allowed. On an error, the act must not be performed.
    pub async fn allow(&self, act: &Act, detail: impl Into<String>) -> Result<(), Refusal> {
        self.write(act.entry(Outcome::Allowed, detail)).await
    }

    /// Counts a read. Refuses it, and records or counts the refusal, if the admin has read too much
    /// in the last minute.
    pub async fn count_read(&self, act: &Act) -> Result<(), Refusal> {
        let counted = self.admins.lock().count_read(act.origin.at, &act.actor);
        if let Err(seconds) = counted {
            let refusal = Kind::TooManyRequests
                .with_detail(format!(
                    "You have sent too many requests, each of which the audit trail records. Try \
                     again in {seconds} seconds."
                ))
                .retry_after(seconds);
            return Err(self.refuse(act, refusal).await);
        }
        Ok(())
    }

    /// Whether this read was recorded in the last minute.
    pub fn was_viewed(&self, act: &Act, detail: &str) -> bool {
        let recorded = self.views.lock().get(&view_of(act, detail)).copied();
        recorded.is_some_and(|recorded| is_recent(act, recorded))
    }

    /// Remembers that a read was recorded.
    pub fn viewed(&self, act: &Act, detail: &str) {
        let mut views = self.views.lock();
        views.retain(|_, recorded| is_recent(act, *recorded));
        views.insert(view_of(act, detail), act.origin.at);
    }

    /// Records that an act of an authenticated admin is refused, unless too many were. Returns the
    /// refusal to answer with: `refusal`, or `audit-unavailable` if the entry cannot be written.
    pub async fn refuse(&self, act: &Act, refusal: Refusal) -> Refusal {
        let decision = self.admins.lock().count_refusal(act.origin.at, &act.actor);
        let Some(detail) = decision.detail(&refusal.detail) else {
            return refusal;
        };
        let written = self.write(act.entry(Outcome::Refused, detail)).await;
        written.err().unwrap_or(refusal)
    }

    /// Records that an act of an unauthenticated request is refused, unless too many were. Returns
    /// the refusal to answer with. `reason` is only for the trail: the answer may say less.
    pub async fn refuse_unauthenticated(
        &self,
        act: &Act,
        reason: &str,
        refusal: Refusal,
    ) -> Refusal {
        if matches!(act.name, "login" | "verify") {
            METRICS.control_sign_ins_refused.increment();
            self.refused
                .add(act.origin.at, &act.actor, act.origin.address, reason);
        }
        let RequestOrigin { at, .. } = act.origin;
        let decision = self.meter.lock().count(at, act.origin.network());
        let Some(detail) = decision.detail(reason) else {
            return refusal;
        };
        self.write(act.entry(Outcome::Refused, detail))
            .await
            .err()
            .unwrap_or(refusal)
    }

    /// Counts an unauthenticated request that is refused because the server is busy.
    pub fn count_unauthenticated(&self, origin: RequestOrigin) {
        let mut meter = self.meter.lock();
        meter.count_only(origin.at, origin.network());
    }

    /// Records the refusals that were only counted, once their minute is over.
    pub async fn record_counts(&self, now: Timestamp) {
        let counted = self.meter.lock().remove_over(now);
        if let Some(CountedRefusals {
            network,
            since,
            refusals,
        }) = counted
        {
            let origin = network.map_or_else(
                || "several networks".to_owned(),
                |network| network.to_string(),
            );
            let actor = String::new();
            self.record_count(now, actor, origin, since, refusals).await;
        }
        let counted = self.admins.lock().remove_over(now);
        for admin_meter::CountedRefusals {
            admin,
            since,
            refusals,
        } in counted
        {
            let origin = String::new();
            self.record_count(now, admin, origin, since, refusals).await;
        }
    }

    async fn record_count(
        &self,
        at: Timestamp,
        actor: String,
        origin: String,
        since: Timestamp,
        refusals: u32,
    ) {
        let entry = NewAudit {
            at,
            actor,
            origin,
            session: String::new(),
            act: "refusals".to_owned(),
            target: String::new(),
            outcome: Outcome::Refused,
            detail: format!("{refusals} more since {since:.0}, not recorded one by one"),
        };
        // The requests had no effect, so a lost count is only logged.
        if self.write(entry).await.is_err() {
            tracing::error!(
                refusals,
                "a count of refused requests is missing from the audit trail"
            );
        }
    }

    /// Counts an act that cannot be recorded. Returns the refusal to answer with.
    pub fn unavailable(&self, error: &StoreError) -> Refusal {
        self.failures.fetch_add(1, Ordering::Relaxed);
        METRICS.audit_failures.increment();
        tracing::error!(%error, "the audit trail cannot be written; the act was refused");
        Kind::AuditUnavailable.with_detail(match error {
            StoreError::FilesReplaced { .. } => {
                "Nothing was done, because the database was deleted or replaced while the server is \
                 running. Restore it from a backup and restart the server."
            }
            StoreError::Locked => {
                "Nothing was done, because another program has locked the database."
            }
            StoreError::AuditCutOff { .. } => {
                "Nothing was done, because the newest entries of the audit trail were removed or \
                 changed while the server is running; see the server's log."
            }
            _ => "Nothing was done, because the audit trail cannot be written; see the server's log.",
        })
    }

    /// Returns the number of acts that were refused because the trail could not be written.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    async fn write(&self, entry: NewAudit) -> Result<(), Refusal> {
        let written = self
            .database
            .write(Durability::Record, move |store| store.append_audit(&entry))
            .await;
        written
            .map(|_| ())
            .map_err(|error| self.unavailable(&error))
    }
}
