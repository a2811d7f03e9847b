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
/// the queue of another one. When all positions are taken, a holder with few takes the newest one
/// of the holder that has the most, so that several that fill the queue keep no other out of it.
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
    changed: Arc<Notify>,
}

/// Permission for something to be in progress, until it is dropped.
pub struct Permit<'a, H: PartialEq> {
    limit: &'a FairLimit<H>,
    id: u64,
    changed: Arc<Notify>,
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

    /// Waits for a permit for `holder`. Returns none if too many are waiting: at once, or when its
    /// position is given to another holder.
    pub async fn begin(&self, holder: H) -> Option<Permit<'_, H>> {
        let permit = self.enter(holder)?;
        while !permit.is_in_progress()? {
            permit.changed.notified().await;
        }
        Some(permit)
    }

    /// Adds an entry, which is in progress if the limit allows it, or else waits.
    fn enter(&self, holder: H) -> Option<Permit<'_, H>> {
        let mut entries = self.entries.lock();
        let is_in_progress = entries.allows(self.max, true, &holder);
        if !is_in_progress
            && !entries.allows(self.max_waiting, false, &holder)
            && !entries.displace(self.max_waiting, &holder)
        {
            return None;
        }
        let id = entries.next_id;
        entries.next_id += 1;
        let changed = Arc::new(Notify::new());
        let entry = Entry {
            holder,
            is_in_progress,
            changed: Arc::clone(&changed),
        };
        entries.by_id.insert(id, entry);
        Some(Permit {
            limit: self,
            id,
            changed,
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

    /// Removes the newest of those that wait of the holder that has the most, if that has at least
    /// two more than `holder`. Returns whether there was one.
    fn displace(&mut self, max_waiting: usize, holder: &H) -> bool {
        let (all, of_holder) = self.count(false, holder);
        let waiting = self.by_id.iter().filter(|(_, entry)| !entry.is_in_progress);
        let newest = waiting
            .map(|(id, entry)| (self.count(false, &entry.holder).1, *id))
            .max();
        let newest = newest.filter(|(most, _)| all == max_waiting && *most >= of_holder + 2);
        let displaced = newest.and_then(|(_, id)| self.by_id.remove(&id));
        if let Some(entry) = &displaced {
            entry.changed.notify_one();
        }
        displaced.is_some()
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
            entry.changed.notify_one();
        }
    }
}

impl<H: PartialEq> Permit<'_, H> {
    /// Whether it is in progress, and does not wait. Returns none if its position was given away.
    fn is_in_progress(&self) -> Option<bool> {
        let entries = self.limit.entries.lock();
        let entry = entries.by_id.get(&self.id)?;
        Some(entry.is_in_progress)
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
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    const MAX: usize = 16;

    /// Adds entries of a holder until the limit refuses one.
    fn fill(limit: &FairLimit<u8>, holder: u8) -> Vec<Permit<'_, u8>> {
        std::iter::from_fn(|| limit.enter(holder)).collect()
    }

    fn in_progress(permits: &[Permit<'_, u8>]) -> usize {
        let all = permits.iter();
        all.filter(|permit| permit.is_in_progress() == Some(true))
            .count()
    }

    #[test]
    fn one_holder_has_a_quarter_and_all_together_have_the_limit() {
        let limit = FairLimit::new(MAX, MAX);
        let permits: Vec<_> = (0..4).map(|holder| fill(&limit, holder)).collect();
        for permits in &permits {
            assert_eq!((in_progress(permits), permits.len()), (MAX / 4, MAX / 2));
        }
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
    fn holders_that_fill_the_queue_give_their_newest_positions_to_one_with_few() {
        let limit = FairLimit::new(MAX, MAX);
        let waiting = |permits: &[Permit<'_, u8>]| {
            let all = permits.iter();
            all.filter(|permit| permit.is_in_progress() == Some(false))
                .count()
        };
        let mut greedy: Vec<_> = (0..4).map(|holder| fill(&limit, holder)).collect();
        let modest = limit.enter(4).unwrap();
        assert_eq!(modest.is_in_progress(), Some(false));
        assert_eq!(greedy[3].last().unwrap().is_in_progress(), None);
        let more = fill(&limit, 4);
        assert_eq!(more.len(), 2, "until none has two more");
        let of_greedy: Vec<_> = greedy.iter().map(|permits| waiting(permits)).collect();
        assert_eq!(of_greedy, [4, 3, 3, 3]);
        greedy[0].remove(0);
        assert_eq!(modest.is_in_progress(), Some(true), "it is the next");
    }

    #[test]
    fn one_whose_position_is_given_away_is_refused() {
        let limit = FairLimit::new(MAX, MAX);
        let mut greedy: Vec<_> = (0..4).map(|holder| fill(&limit, holder)).collect();
        greedy[3].pop();
        let mut newest = pin!(limit.begin(3));
        assert!(newest.as_mut().now_or_never().is_none(), "it waits");
        let _modest = limit.enter(4);
        let begun = newest.now_or_never().map(|permit| permit.is_some());
        assert_eq!(begun, Some(false));
    }

    #[test]
    fn a_holder_does_not_wait_behind_the_queue_of_another() {
        let limit = FairLimit::new(MAX, MAX);
        let mut greedy: Vec<_> = (0..3).map(|holder| fill(&limit, holder)).collect();
        let _others: Vec<_> = (3..7).map(|holder| limit.enter(holder).unwrap()).collect();
        let modest = limit.enter(7).unwrap();
        assert_eq!(modest.is_in_progress(), Some(false));
        greedy[0].remove(0);
        assert_eq!(modest.is_in_progress(), Some(true));
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
