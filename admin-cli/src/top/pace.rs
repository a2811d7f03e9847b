//! How fast things go: what the counters gain from one moment to the next, and what that was
//! before.

use std::collections::VecDeque;

use jiff::Timestamp;
use rookery_control_api::{Counters, Rates, Top};

/// The moments that are kept: as many as a wide screen shows.
const KEPT: usize = 240;

/// What is shown of how fast things go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Messages,
    Deliveries,
    Bytes,
    Connections,
    SignIns,
    Refused,
}

impl Measure {
    /// The most telling first.
    pub const ALL: [Self; 6] = [
        Self::Messages,
        Self::Deliveries,
        Self::Bytes,
        Self::Connections,
        Self::SignIns,
        Self::Refused,
    ];

    /// What stands beside it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Messages => "messages/s",
            Self::Deliveries => "deliveries/s",
            Self::Bytes => "delivered/s",
            Self::Connections => "connections/s",
            Self::SignIns => "sign-ins/s",
            Self::Refused => "refused/s",
        }
    }

    /// Its part of the rates.
    pub fn of(self, rates: &Rates) -> f64 {
        match self {
            Self::Messages => rates.messages_received,
            Self::Deliveries => rates.deliveries,
            Self::Bytes => rates.delivered_bytes,
            Self::Connections => rates.connections_accepted,
            Self::SignIns => rates.sign_ins,
            Self::Refused => rates.sign_ins_refused,
        }
    }
}

/// The rates so far.
pub struct Pace {
    at: Timestamp,
    started_at: Timestamp,
    counters: Counters,
    /// The newest first.
    past: VecDeque<Rates>,
}

impl Pace {
    /// Nothing is known before the second moment.
    pub fn new(first: &Top) -> Self {
        let Top {
            at,
            started_at,
            counters,
            ..
        } = *first;
        Self {
            at,
            started_at,
            counters,
            past: VecDeque::new(),
        }
    }

    /// Takes the next moment. Where the server has started anew meanwhile, its counters tell
    /// nothing yet.
    pub fn take(&mut self, next: &Top) {
        let before = std::mem::replace(self, Self::new(next));
        self.past = before.past;
        let seconds = next.at.duration_since(before.at).as_secs_f64();
        if next.started_at != before.started_at || seconds <= 0.0 {
            return;
        }
        self.past.truncate(KEPT - 1);
        self.past
            .push_front(next.counters.rates_since(&before.counters, seconds));
    }

    /// How fast it goes now.
    pub fn now(&self, measure: Measure) -> Option<f64> {
        self.past.front().map(|rates| measure.of(rates))
    }

    /// How fast it went, in hundredths, the newest first.
    pub fn past(&self, measure: Measure) -> impl Iterator<Item = u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rates are not negative"
        )]
        self.past
            .iter()
            .map(move |rates| (measure.of(rates) * 100.0) as u64)
    }
}
