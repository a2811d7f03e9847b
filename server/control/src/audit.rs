//! The audit trail: every act and every sign-in step, allowed or refused, is entered before it
//! takes effect.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rookery_control_api::Port;

use super::extract::Arrival;
use super::meter::{Counted, Measure, Meter};
use super::problem::{Kind, Refusal};
use rookery_base::metrics::METRICS;
use rookery_base::recent_refusals::RecentRefusals;
use rookery_record::{NewAudit, Outcome};
use rookery_store::{Database, Durability, StoreError};

/// The most characters of something a stranger sent that are entered: an email fits.
const LONGEST_WORD: usize = 254;
/// The most characters of a detail: the reason of an act fits, and what a refusal says around a
/// word.
const LONGEST_DETAIL: usize = 500;

/// An act or a sign-in step on its way into the trail: who wants what, from where.
#[derive(Clone, Debug)]
pub struct Step {
    pub arrival: Arrival,
    /// The admin's name as given; empty where nobody is signed in.
    pub actor: String,
    /// The public name of the session; empty where nobody is signed in.
    pub session: String,
    pub act: &'static str,
    pub target: String,
}

impl Step {
    /// Of someone who is not signed in.
    pub fn of_stranger(arrival: Arrival, act: &'static str) -> Self {
        Self {
            arrival,
            actor: String::new(),
            session: String::new(),
            act,
            target: String::new(),
        }
    }

    /// What is entered.
    pub fn entry(&self, outcome: Outcome, detail: impl Into<String>) -> NewAudit {
        NewAudit {
            at: self.arrival.at,
            actor: clip(&self.actor, LONGEST_WORD),
            origin: self.arrival.from.to_string(),
            session: self.session.clone(),
            act: self.act.to_owned(),
            target: clip(&self.target, LONGEST_WORD),
            outcome,
            detail: clip(&detail.into(), LONGEST_DETAIL),
        }
    }
}

/// A text of whoever, made fit for one line of the trail: short, and without control characters.
fn clip(text: &str, longest: usize) -> String {
    let clean = |char: char| {
        if char.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            char
        }
    };
    text.chars().take(longest).map(clean).collect()
}

/// For how long a look that is repeated is not entered again.
const LOOK_HOLDS: SignedDuration = SignedDuration::from_mins(1);

/// The way into the trail.
pub struct Trail {
    database: Database,
    strangers: Mutex<Meter>,
    looks: Mutex<Looks>,
    /// Sign-ins.
    pub refused: RecentRefusals,
}

/// The looks of the last minute, by session, act and target.
type Looks = BTreeMap<(String, &'static str, String), Timestamp>;

impl Trail {
    /// The trail of that record.
    pub fn new(database: Database) -> Self {
        let refused = RecentRefusals::new(Port::Control);
        Self {
            database,
            strangers: Mutex::default(),
            looks: Mutex::default(),
            refused,
        }
    }

    /// Enters that a step is let through. If it cannot be entered, the step must not be taken.
    pub async fn allow(&self, step: &Step, detail: impl Into<String>) -> Result<(), Refusal> {
        self.enter(step.entry(Outcome::Allowed, detail)).await
    }

    /// As [`Self::allow`], for a look that a screen repeats every few seconds: it is entered once a
    /// minute, so that what was done is not lost among looks.
    pub async fn look(&self, step: &Step) -> Result<(), Refusal> {
        let (key, at) = (
            (step.session.clone(), step.act, step.target.clone()),
            step.arrival.at,
        );
        let holds = |entered: Timestamp| at.duration_since(entered) < LOOK_HOLDS;
        if self.looks().get(&key).copied().is_some_and(holds) {
            return Ok(());
        }
        self.allow(step, "").await?;
        let mut looks = self.looks();
        looks.retain(|_, entered| holds(*entered));
        looks.insert(key, at);
        Ok(())
    }

    /// Enters that a signed-in admin is refused; gives the refusal to answer.
    pub async fn refuse(&self, step: &Step, refusal: Refusal) -> Refusal {
        let entered = self
            .enter(step.entry(Outcome::Refused, &refusal.detail))
            .await;
        entered.err().unwrap_or(refusal)
    }

    /// Enters that a stranger is refused, and why, unless too many were; gives the refusal to
    /// answer.
    pub async fn refuse_stranger(&self, step: &Step, why: &str, refusal: Refusal) -> Refusal {
        if matches!(step.act, "login" | "verify") {
            METRICS.control_sign_ins_refused.increment();
            self.refused
                .add(step.arrival.at, &step.actor, step.arrival.from, why);
        }
        let Arrival { at, .. } = step.arrival;
        let measure = self.strangers().take(at, step.arrival.network());
        let detail = match measure {
            Measure::Enter => why.to_owned(),
            Measure::EnterLast => {
                format!("{why}; more refusals from there are only counted for a minute")
            }
            Measure::Count => return refusal,
        };
        self.enter(step.entry(Outcome::Refused, detail))
            .await
            .err()
            .unwrap_or(refusal)
    }

    /// Enters how many refusals of strangers were only counted, once their minute is over.
    pub async fn settle(&self, now: Timestamp) {
        let counted = self.strangers().settle(now);
        for Counted {
            network,
            since,
            refusals,
        } in counted
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
                detail: format!("{refusals} more since {since:.0}, not entered one by one"),
            };
            // They had no effect; the log has the failure, and the number.
            if self.enter(entry).await.is_err() {
                tracing::error!(
                    refusals,
                    "a count of refused requests is missing from the audit trail"
                );
            }
        }
    }

    async fn enter(&self, entry: NewAudit) -> Result<(), Refusal> {
        let written = self
            .database
            .write(Durability::Record, move |store| store.append_audit(&entry))
            .await;
        written.map(|_| ()).map_err(|error| unavailable(&error))
    }

    fn looks(&self) -> std::sync::MutexGuard<'_, Looks> {
        // No code inside can panic half-way.
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strangers(&self) -> std::sync::MutexGuard<'_, Meter> {
        // No code inside can panic half-way.
        self.strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The trail cannot be written, so nothing is done.
pub fn unavailable(error: &StoreError) -> Refusal {
    METRICS.audit_failures.increment();
    tracing::error!(%error, "the audit trail cannot be written; the act was refused");
    Kind::AuditUnavailable.because(
        "Nothing was done, because it could not be entered in the audit trail. The server's log says why.",
    )
}
