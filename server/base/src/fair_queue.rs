//! A queue for scarce slots in which those who wait take turns: however many requests one of them
//! has, the others wait for a few of these only.
//!
//! Every request waits, however long, and those that wait are not counted. Where strangers must not
//! wait in any number, but are refused, `rookery-control` has a limit of its own, which knows all
//! who wait and lets the holder with the fewest permits go first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

const OPEN: &str = "the semaphores are never closed";

/// The number of remembered keys from which on those that nobody waits with are forgotten.
const REMEMBERED: usize = 64;

/// The queue. `K` is who takes turns, such as the network of a client.
pub struct FairQueue<K> {
    slots: Semaphore,
    /// How many requests of one key may hold a slot or be next in line for one.
    share: usize,
    keys: Mutex<Keys<K>>,
}

struct Keys<K> {
    shares: HashMap<K, Weak<Semaphore>>,
    /// The size of `shares` at which it is cleaned up.
    clean_at: usize,
}

/// A slot, until it is dropped.
#[must_use]
pub struct Slot<'q> {
    _slot: SemaphorePermit<'q>,
    _share: OwnedSemaphorePermit,
}

impl<K: Hash + Eq> FairQueue<K> {
    /// Creates a queue for this number of slots, of which one key can use `share`.
    pub fn new(slots: usize, share: usize) -> Self {
        Self {
            slots: Semaphore::new(slots),
            share,
            keys: Mutex::new(Keys {
                shares: HashMap::new(),
                clean_at: REMEMBERED,
            }),
        }
    }

    /// Waits for a slot. The requests of one key get theirs in the order in which they came.
    pub async fn acquire(&self, key: K) -> Slot<'_> {
        let share = self.keys.lock().share(key, self.share);
        let share = share.acquire_owned().await.expect(OPEN);
        Slot {
            _slot: self.slots.acquire().await.expect(OPEN),
            _share: share,
        }
    }
}

impl<K: Hash + Eq> Keys<K> {
    fn share(&mut self, key: K, size: usize) -> Arc<Semaphore> {
        if self.shares.len() >= self.clean_at {
            self.shares.retain(|_, share| share.strong_count() > 0);
            self.clean_at = REMEMBERED.max(2 * self.shares.len());
        }
        let known = self.shares.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let share = Arc::new(Semaphore::new(size));
            self.shares.insert(key, Arc::downgrade(&share));
            share
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn another_waits_for_a_few_of_a_crowd_only() {
        let queue = FairQueue::new(2, 2);
        let mut crowd: Vec<_> = (0..500).map(|_| Box::pin(queue.acquire(1))).collect();
        let mut held: Vec<_> = crowd.iter_mut().filter_map(poll).collect();
        assert_eq!(held.len(), 2, "one may use all of its share");
        let mut other = Box::pin(queue.acquire(2));
        assert!(poll(&mut other).is_none(), "no slot is free");
        held.pop();
        assert!(poll(&mut other).is_some(), "the next slot is for the other");
    }

    #[test]
    fn keys_that_nobody_waits_with_are_forgotten() {
        let queue = FairQueue::new(1, 1);
        for number in 0..100_000 {
            let slot = poll(&mut Box::pin(queue.acquire(number)));
            assert!(slot.is_some(), "the slot of the last one is free again");
        }
        assert!(queue.keys.lock().shares.len() <= REMEMBERED);
    }
}
