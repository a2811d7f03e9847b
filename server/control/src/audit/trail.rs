//! Writing the audit trail.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rookery_control_api::Port;

use super::refusal_meter::{Decision, Excess, RefusalMeter};
use crate::http::extract::Arrival;
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
/// How long a repeated view is not recorded again.
const VIEW_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// An act or a step of a sign-in: who does what, from where.
#[derive(Clone, Debug)]
pub struct Step {
    pub arrival: Arrival,
    /// The admin's name as given; empty if the request is not authenticated.
    pub actor: String,
    /// The public id of the session; empty if the request is not authenticated.
    pub session: String,
    pub act: &'static str,
    pub target: String,
}

impl Step {
    /// Returns the step of a request that is not authenticated.
    pub fn of_stranger(arrival: Arrival, act: &'static str) -> Self {
        Self {
            arrival,
            actor: String::new(),
            session: String::new(),
            act,
            target: String::new(),
        }
    }

    /// Returns the entry for this step.
    pub fn entry(&self, outcome: Outcome, detail: impl Into<String>) -> NewAudit {
        NewAudit {
            at: self.arrival.at,
            actor: clip(&self.actor, MAX_NAME),
            origin: self.arrival.from.to_string(),
            session: self.session.clone(),
            act: self.act.to_owned(),
            target: clip(&self.target, MAX_NAME),
            outcome,
            detail: clip(&detail.into(), MAX_DETAIL),
        }
    }
}

/// Cuts a text to a length and replaces its control characters.
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
    /// The last refused sign-ins on the control port.
    pub refused: RecentRefusals,
}

/// When a view was last recorded, by session, act and target.
type Views = BTreeMap<(String, &'static str, String), Timestamp>;

impl Trail {
    /// Returns the writer of a store's trail.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            meter: Mutex::default(),
            views: Mutex::default(),
            refused: RecentRefusals::new(Port::Control),
        }
    }

    /// Records that a step is allowed. On an error, the step must not be taken.
    pub async fn allow(&self, step: &Step, detail: impl Into<String>) -> Result<(), Refusal> {
        self.write(step.entry(Outcome::Allowed, detail)).await
    }

    /// Records a view as [`Self::allow`] does, but a repeated one only once a minute: a screen asks
    /// every few seconds, and its entries would hide the others.
    pub async fn allow_view(&self, step: &Step) -> Result<(), Refusal> {
        let key = (step.session.clone(), step.act, step.target.clone());
        let at = step.arrival.at;
        let is_recent = |recorded: Timestamp| at.duration_since(recorded) < VIEW_INTERVAL;
        if self.views.lock().get(&key).copied().is_some_and(is_recent) {
            return Ok(());
        }
        self.allow(step, "").await?;
        let mut views = self.views.lock();
        views.retain(|_, recorded| is_recent(*recorded));
        views.insert(key, at);
        Ok(())
    }

    /// Records that a step of an authenticated admin is refused, and returns the refusal to answer:
    /// another one, if the entry cannot be written.
    pub async fn refuse(&self, step: &Step, refusal: Refusal) -> Refusal {
        let written = self
            .write(step.entry(Outcome::Refused, &refusal.detail))
            .await;
        written.err().unwrap_or(refusal)
    }

    /// Records that a step of a stranger is refused, unless too many were, and returns the refusal
    /// to answer. `reason` is for the trail alone: the answer may say less.
    pub async fn refuse_stranger(&self, step: &Step, reason: &str, refusal: Refusal) -> Refusal {
        if matches!(step.act, "login" | "verify") {
            METRICS.control_sign_ins_refused.increment();
            self.refused
                .add(step.arrival.at, &step.actor, step.arrival.from, reason);
        }
        let Arrival { at, .. } = step.arrival;
        let decision = self.meter.lock().count(at, step.arrival.network());
        let detail = match decision {
            Decision::Record => reason.to_owned(),
            Decision::RecordLast => {
                format!("{reason}; further refusals of this network are only counted for a minute")
            }
            Decision::CountOnly => return refusal,
        };
        self.write(step.entry(Outcome::Refused, detail))
            .await
            .err()
            .unwrap_or(refusal)
    }

    /// Records how many refusals of strangers were only counted, for the minutes that are over.
    pub async fn settle(&self, now: Timestamp) {
        let excesses = self.meter.lock().settle(now);
        for Excess {
            network,
            since,
            refusals,
        } in excesses
        {
            let entry = NewAudit {
                at: now,
                actor: String::new(),
                origin: network
                    .map_or_else(|| "elsewhere".to_owned(), |network| network.to_string()),
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
    }

    async fn write(&self, entry: NewAudit) -> Result<(), Refusal> {
        let written = self
            .database
            .write(Durability::Record, move |store| store.append_audit(&entry))
            .await;
        written.map(|_| ()).map_err(|error| unavailable(&error))
    }
}

/// Returns the refusal of an act that cannot be recorded.
pub fn unavailable(error: &StoreError) -> Refusal {
    METRICS.audit_failures.increment();
    tracing::error!(%error, "the audit trail cannot be written; the act was refused");
    Kind::AuditUnavailable.with_detail(
        "Nothing was done, because the audit trail cannot be written; see the server's log.",
    )
}
