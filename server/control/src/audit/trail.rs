//! Writing the audit trail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rookery_control_api::Port;

use super::refusal_meter::{CountedRefusals, Decision, RefusalMeter};
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
/// How long after its entry a repeated view is not recorded again.
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

    /// Returns the entry that records the act with its outcome.
    pub fn entry(&self, outcome: Outcome, detail: impl Into<String>) -> NewAudit {
        NewAudit {
            at: self.origin.at,
            actor: clip(&self.actor, MAX_NAME),
            origin: self.origin.address.to_string(),
            session: self.session.clone(),
            act: self.name.to_owned(),
            target: clip(&self.target, MAX_NAME),
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
    views: Mutex<Views>,
    /// The most recent refused sign-ins on the control port.
    pub refused: RecentRefusals,
    /// The number of acts that were refused because the trail could not be written.
    failures: AtomicU64,
}

/// The time at which each view was last recorded, by session, act and target.
type Views = BTreeMap<(String, &'static str, String), Timestamp>;

impl Trail {
    /// Returns the writer of the trail in `database`.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            meter: Mutex::default(),
            views: Mutex::default(),
            refused: RecentRefusals::new(Port::Control),
            failures: AtomicU64::new(0),
        }
    }

    /// Records that an act is allowed. On an error, the act must not be performed.
    pub async fn allow(&self, act: &Act, detail: impl Into<String>) -> Result<(), Refusal> {
        self.write(act.entry(Outcome::Allowed, detail)).await
    }

    /// Records a view as [`Self::allow`] does, but a repeated view only once a minute: a screen
    /// refreshes every few seconds, and so many entries would hide the others.
    pub async fn allow_view(&self, act: &Act) -> Result<(), Refusal> {
        let key = (act.session.clone(), act.name, act.target.clone());
        let at = act.origin.at;
        let is_recent = |recorded: Timestamp| at.duration_since(recorded).abs() < VIEW_INTERVAL;
        if self.views.lock().get(&key).copied().is_some_and(is_recent) {
            return Ok(());
        }
        self.allow(act, "").await?;
        let mut views = self.views.lock();
        views.retain(|_, recorded| is_recent(*recorded));
        views.insert(key, at);
        Ok(())
    }

    /// Records that an act of an authenticated admin is refused. Returns the refusal to answer
    /// with: `refusal`, or `audit-unavailable` if the entry cannot be written.
    pub async fn refuse(&self, act: &Act, refusal: Refusal) -> Refusal {
        let written = self
            .write(act.entry(Outcome::Refused, &refusal.detail))
            .await;
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
        let detail = match decision {
            Decision::Record => reason.to_owned(),
            Decision::RecordLast => {
                format!("{reason}; further ones are only counted for a minute")
            }
            Decision::CountOnly => return refusal,
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

    /// Records the refusals of unauthenticated requests that were only counted, once their
    /// minute is over.
    pub async fn record_counts(&self, now: Timestamp) {
        let counted = self.meter.lock().remove_over(now);
        let Some(CountedRefusals {
            network,
            since,
            refusals,
        }) = counted
        else {
            return;
        };
        let entry = NewAudit {
            at: now,
            actor: String::new(),
            origin: network.map_or_else(
                || "several networks".to_owned(),
                |network| network.to_string(),
            ),
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
