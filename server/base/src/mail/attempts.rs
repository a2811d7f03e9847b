//! The turns of attempts to send mail.
//!
//! A few attempts are made at the same time, and requesters take turns: the next attempt is of the
//! one whose last attempt began the longest ago. A mail server may take long to decide on a
//! receiver, and anyone can request mails to receivers of which that is true. So an attempt that
//! takes long leaves its turn to another one and goes on beside it, as one of the slow ones. When
//! there are too many of these, the requester that has the most of them loses its oldest.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Requester;

/// The number of attempts that have their turn at the same time.
pub const TURNS: usize = 8;
/// The number of those that may be made to send a mail again, so that first attempts need not wait
/// for all of these.
pub const RETRIES: usize = TURNS / 2;
/// The maximum number of attempts that have given their turn to another one.
pub const MAX_SLOW: usize = 40;
/// The time after which an attempt leaves its turn to another one, as long as few are so slow.
const GIVES_WAY_AFTER: Duration = Duration::from_secs(1);
/// The time that each attempt has. After it, an attempt leaves its turn to another one even if an
/// attempt has to be abandoned for this, which may be itself.
pub const MIN_TIME: Duration = Duration::from_secs(3);

/// The number of turns for which a requester that had one of them is remembered.
const REMEMBERED: u64 = 1000;

/// The attempts of requesters who do not delay others.
#[derive(Default)]
pub struct Attempts(Mutex<State>);

#[derive(Default)]
struct State {
    last_number: u64,
    /// Those that wait for their turn. The first one has waited longest.
    waiting: BTreeMap<u64, Waiting>,
    in_progress: BTreeMap<u64, InProgress>,
    /// The number of turns so far.
    turns: u64,
    /// The last turn of each requester that had one recently.
    last_turns: HashMap<Requester, u64>,
}

struct Waiting {
    requester: Requester,
    kind: Kind,
    begin: oneshot::Sender<()>,
}

struct InProgress {
    requester: Requester,
    kind: Kind,
    began: Instant,
    /// Dropped to abandon the attempt; `None` while it has its turn.
    slow: Option<oneshot::Sender<Infallible>>,
}

/// Whether a mail has been tried before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    First,
    Retry,
}

/// An attempt, from when it may begin until this is dropped.
#[must_use]
pub struct Attempt<'a> {
    attempts: &'a Attempts,
    number: u64,
}

impl Attempts {
    /// Waits until an attempt for this requester may begin.
    pub async fn begin(&self, requester: Requester, kind: Kind) -> Attempt<'_> {
        let (begin, may_begin) = oneshot::channel();
        let attempt = {
            let mut state = self.0.lock();
            state.last_number += 1;
            let number = state.last_number;
            let waiting = Waiting {
                requester,
                kind,
                begin,
            };
            state.waiting.insert(number, waiting);
            state.begin_next();
            Attempt {
                attempts: self,
                number,
            }
        };
        // The sender is used before it is dropped, as long as `attempt` exists.
        let _ = may_begin.await;
        attempt
    }
}

impl State {
    /// Lets those that wait begin, as far as there are turns.
    fn begin_next(&mut self) {
        while let Some(number) = self.next()
            && let Some(next) = self.waiting.remove(&number)
        {
            let begun = InProgress {
                requester: next.requester.clone(),
                kind: next.kind,
                began: Instant::now(),
                slow: None,
            };
            self.in_progress.insert(number, begun);
            self.remember_turn(next.requester);
            // If nobody receives this, the attempt is about to be dropped.
            let _ = next.begin.send(());
        }
    }

    fn remember_turn(&mut self, requester: Requester) {
        self.turns += 1;
        self.last_turns.insert(requester, self.turns);
        if self.last_turns.len() as u64 > 2 * REMEMBERED {
            let now = self.turns;
            self.last_turns.retain(|_, turn| now - *turn < REMEMBERED);
        }
    }

    /// Returns the attempt that may begin next: of the requester that has had no turn for the
    /// longest time, the one that has waited longest, first attempts before others. A requester
    /// that has as many turns as are left for others gets no further one.
    fn next(&self) -> Option<u64> {
        let (mut free, mut retries) = (TURNS, RETRIES);
        let mut taken: HashMap<&Requester, usize> = HashMap::new();
        for attempt in self.in_progress.values() {
            if attempt.slow.is_none() {
                *taken.entry(&attempt.requester).or_default() += 1;
                free -= 1;
                retries -= usize::from(attempt.kind == Kind::Retry);
            }
        }
        if free == 0 {
            return None;
        }
        self.waiting
            .iter()
            .filter(|(_, next)| next.kind == Kind::First || retries > 0)
            .filter(|(_, next)| taken.get(&next.requester).copied().unwrap_or_default() < free)
            .min_by_key(|(number, next)| {
                let last_turn = self.last_turns.get(&next.requester);
                (last_turn, next.kind, **number)
            })
            .map(|(number, _)| *number)
    }

    /// Makes an attempt a slow one, which lets another one begin. Returns a receiver that ends when
    /// the attempt is to be abandoned; `None` if it keeps its turn for now.
    fn give_way(&mut self, number: u64) -> Option<oneshot::Receiver<Infallible>> {
        let slow = self.in_progress.values().filter(|one| one.slow.is_some());
        let is_full = slow.count() >= MAX_SLOW;
        let attempt = self.in_progress.get_mut(&number)?;
        if is_full && attempt.began.elapsed() < MIN_TIME {
            return None;
        }
        let (sender, abandoned) = oneshot::channel();
        attempt.slow = Some(sender);
        if is_full {
            self.abandon_one();
        }
        self.begin_next();
        Some(abandoned)
    }

    /// Abandons the oldest slow attempt of the requester that has the most of them.
    fn abandon_one(&mut self) {
        let slow = || {
            self.in_progress
                .iter()
                .filter(|(_, one)| one.slow.is_some())
        };
        let mut counts: HashMap<&Requester, usize> = HashMap::new();
        for (_, one) in slow() {
            *counts.entry(&one.requester).or_default() += 1;
        }
        let abandoned = slow()
            .filter(|(_, one)| one.began.elapsed() >= MIN_TIME)
            .max_by_key(|(_, one)| (counts.get(&one.requester), Reverse(one.began)))
            .map(|(number, _)| *number);
        if let Some(number) = abandoned {
            self.in_progress.remove(&number);
        }
    }
}

impl Attempt<'_> {
    /// Waits until the attempt is to be abandoned in favor of others. Meanwhile, an attempt that
    /// takes long leaves its turn to another one.
    pub async fn abandoned(&self) {
        let abandoned = loop {
            tokio::time::sleep(GIVES_WAY_AFTER).await;
            if let Some(abandoned) = self.attempts.0.lock().give_way(self.number) {
                break abandoned;
            }
        };
        // Nothing is sent: the sender is dropped.
        let _ = abandoned.await;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut state = self.attempts.0.lock();
        state.waiting.remove(&self.number);
        state.in_progress.remove(&self.number);
        state.begin_next();
    }
}
