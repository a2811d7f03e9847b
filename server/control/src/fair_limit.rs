//! A limit on how much is in progress at a time, which its users share fairly.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Limits how much is in progress at a time. What exceeds the limit waits for its permit, and is
/// refused if too much is waiting.
///
/// A *holder*, such as a network, has at most a quarter of the permits and of the positions in the
/// queue. The next permit is for the holder with the fewest permits, so holders do not wait behind
/// the queue of another one.
pub struct FairLimit<H> {
    max: usize,
    max_waiting: usize,
    entries: Mutex<Entries<H>>,
}

/// What is in progress or waits, in the order in which it began.
struct Entries<H> {
    next_id: u64,
    by_id: BTreeMap<u64, Entry<H>>,
}

struct Entry<H> {
    holder: H,
    is_in_progress: bool,
    started: Arc<Notify>,
}

/// Permission for something to be in progress, until it is dropped.
pub struct Permit<'a, H: PartialEq> {
    limit: &'a FairLimit<H>,
    id: u64,
    started: Arc<Notify>,
}

impl<H: PartialEq> FairLimit<H> {
    /// Returns a limit of `max` in progress, and of `max_waiting` that wait.
    pub fn new(max: usize, max_waiting: usize) -> Self {
        let entries = Entries {
            next_id: 0,
            by_id: BTreeMap::new(),
        };
        Self {
            max,
            max_waiting,
            entries: Mutex::new(entries),
        }
    }

    /// Waits for a permit for `holder`. Returns none at once if too many are waiting already.
    pub async fn begin(&self, holder: H) -> Option<Permit<'_, H>> {
        let permit = self.enter(holder)?;
        while !permit.is_in_progress() {
            permit.started.notified().await;
        }
        Some(permit)
    }

    /// Adds an entry, which is in progress if the limit allows it.
    fn enter(&self, holder: H) -> Option<Permit<'_, H>> {
        let mut entries = self.entries.lock();
        let is_in_progress = entries.allows(self.max, true, &holder);
        if !is_in_progress && !entries.allows(self.max_waiting, false, &holder) {
            return None;
        }
        let id = entries.next_id;
        entries.next_id += 1;
        let started = Arc::new(Notify::new());
        let entry = Entry {
            holder,
            is_in_progress,
            started: Arc::clone(&started),
        };
        entries.by_id.insert(id, entry);
        Some(Permit {
            limit: self,
            id,
            started,
        })
    }
}

impl<H: PartialEq> Entries<H> {
    /// Returns the number of entries that are in progress, or wait: all, and those of a holder.
    fn count(&self, is_in_progress: bool, holder: &H) -> (usize, usize) {
        let entries = || {
            let all = self.by_id.values();
            all.filter(|entry| entry.is_in_progress == is_in_progress)
        };
        let of_holder = entries().filter(|entry| entry.holder == *holder).count();
        (entries().count(), of_holder)
    }

    /// Whether one more entry of a holder may be in progress, or wait.
    fn allows(&self, max: usize, is_in_progress: bool, holder: &H) -> bool {
        let (all, of_holder) = self.count(is_in_progress, holder);
        all < max && of_holder < max.div_ceil(4)
    }

    /// Starts those that wait and may be in progress now.
    fn start_next(&mut self, max: usize) {
        let may_start = |entries: &Self| {
            let waiting = entries.by_id.iter();
            let waiting = waiting.filter(|(_, entry)| {
                !entry.is_in_progress && entries.allows(max, true, &entry.holder)
            });
            waiting
                .min_by_key(|(id, entry)| (entries.count(true, &entry.holder).1, **id))
                .map(|(id, _)| *id)
        };
        while let Some(id) = may_start(self)
            && let Some(entry) = self.by_id.get_mut(&id)
        {
            entry.is_in_progress = true;
            entry.started.notify_one();
        }
    }
}

impl<H: PartialEq> Permit<'_, H> {
    fn is_in_progress(&self) -> bool {
        let entries = self.limit.entries.lock();
        let entry = entries.by_id.get(&self.id);
        entry.is_some_and(|entry| entry.is_in_progress)
    }
}

impl<H: PartialEq> Drop for Permit<'_, H> {
    fn drop(&mut self) {
        let mut entries = self.limit.entries.lock();
        entries.by_id.remove(&self.id);
        entries.start_next(self.limit.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 16;

    /// Adds entries of a holder until the limit refuses one.
    fn fill(limit: &FairLimit<u8>, holder: u8) -> Vec<Permit<'_, u8>> {
        std::iter::from_fn(|| limit.enter(holder)).collect()
    }

    fn in_progress(permits: &[Permit<'_, u8>]) -> usize {
        let all = permits.iter();
        all.filter(|permit| permit.is_in_progress()).count()
    }

    #[test]
    fn one_holder_has_a_quarter_and_all_together_have_the_limit() {
        let limit = FairLimit::new(MAX, MAX);
        let permits: Vec<_> = (0..6).map(|holder| fill(&limit, holder)).collect();
        for permits in &permits[..4] {
            assert_eq!((in_progress(permits), permits.len()), (MAX / 4, MAX / 2));
        }
        assert_eq!(permits[4].len(), 0, "the queue is full");
        drop(permits);
        assert_eq!(in_progress(&fill(&limit, 4)), MAX / 4);
        let limit = FairLimit::new(MAX, 4 * MAX);
        let permits = fill(&limit, 0);
        assert_eq!(
            (in_progress(&permits), permits.len()),
            (MAX / 4, MAX / 4 + MAX)
        );
    }

    #[test]
    fn a_holder_does_not_wait_behind_the_queue_of_another() {
        let limit = FairLimit::new(MAX, MAX);
        let mut greedy: Vec<_> = (0..3).map(|holder| fill(&limit, holder)).collect();
        let _others: Vec<_> = (3..7).map(|holder| limit.enter(holder).unwrap()).collect();
        let modest = limit.enter(7).unwrap();
        assert!(!modest.is_in_progress());
        greedy[0].remove(0);
        assert!(modest.is_in_progress());
        assert_eq!(in_progress(&greedy[0]), MAX / 4 - 1);
        drop(modest);
        assert_eq!(in_progress(&greedy[0]), MAX / 4, "the oldest waiter");
    }

    #[tokio::test]
    async fn those_that_wait_are_woken_and_those_that_give_up_leave_the_queue() {
        let limit = FairLimit::new(MAX, MAX);
        let mut permits = fill(&limit, 0);
        let gave_up = permits.split_off(MAX / 4);
        drop(gave_up);
        let (begun, ()) = tokio::join!(limit.begin(0), async { drop(permits.pop()) });
        assert!(begun.is_some());
    }
}
