//! Rates: how much each counter has grown per second, now and in the past.

use std::collections::VecDeque;

use jiff::Timestamp;
use rookery_control_api::{Counters, Rates, Top};

/// The number of past rates that are stored: as many as a wide screen shows.
const MAX_PAST: usize = 240;

/// A rate that is shown.
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
    /// All measures, the most important first.
    pub const ALL: [Self; 6] = [
        Self::Messages,
        Self::Deliveries,
        Self::Bytes,
        Self::Connections,
        Self::SignIns,
        Self::Refused,
    ];

    /// Returns the label.
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

    /// Returns the value of this measure.
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
pub struct RateHistory {
    at: Timestamp,
    started_at: Timestamp,
    counters: Counters,
    /// The newest first.
    past: VecDeque<Rates>,
}

impl RateHistory {
    /// Starts with a first snapshot. Rates are known from the second one on.
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

    /// Adds a snapshot. If the server has restarted since the last one, its counters started from
    /// zero and give no rate yet.
    pub fn add(&mut self, next: &Top) {
        let before = std::mem::replace(self, Self::new(next));
        self.past = before.past;
        let seconds = next.at.duration_since(before.at).as_secs_f64();
        if next.started_at != before.started_at || seconds <= 0.0 {
            return;
        }
        self.past.truncate(MAX_PAST - 1);
        self.past
            .push_front(next.counters.rates_since(&before.counters, seconds));
    }

    /// Returns the current rate, if it is known.
    pub fn now(&self, measure: Measure) -> Option<f64> {
        self.past.front().map(|rates| measure.of(rates))
    }

    /// Returns all known rates in hundredths, the newest first.
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
