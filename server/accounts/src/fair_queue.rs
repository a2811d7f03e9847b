//! A queue for scarce slots in which networks take turns: however many wait from one network, those
//! from others wait for a few of them only.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rookery_record::Network;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The number of remembered networks from which on those that nobody waits from are forgotten.
const REMEMBERED: usize = 64;

/// The queue.
pub struct FairQueue {
    slots: Semaphore,
    /// How many may hold a slot or be next in line for one, for each network.
    share: usize,
    networks: Mutex<Networks>,
}

struct Networks {
    shares: HashMap<Network, Weak<Semaphore>>,
    /// The size of `shares` at which it is cleaned up.
    clean_at: usize,
}

/// A slot, until it is dropped.
#[must_use]
pub struct Slot<'q> {
    _slot: SemaphorePermit<'q>,
    _share: OwnedSemaphorePermit,
}

impl FairQueue {
    /// Creates a queue for this number of slots. One network can use all of them if no other does.
    pub fn new(slots: usize) -> Self {
        Self {
            slots: Semaphore::new(slots),
            share: slots,
            networks: Mutex::new(Networks {
                shares: HashMap::new(),
                clean_at: REMEMBERED,
            }),
        }
    }

    /// Waits for a slot. Those of one network get theirs in the order in which they came.
    pub async fn acquire(&self, network: Network) -> Slot<'_> {
        const OPEN: &str = "the semaphores are never closed";
        let share = self.networks.lock().share(network, self.share);
        let share = share.acquire_owned().await.expect(OPEN);
        Slot {
            _slot: self.slots.acquire().await.expect(OPEN),
            _share: share,
        }
    }
}

impl Networks {
    fn share(&mut self, network: Network, size: usize) -> Arc<Semaphore> {
        if self.shares.len() >= self.clean_at {
            self.shares.retain(|_, share| share.strong_count() > 0);
            self.clean_at = REMEMBERED.max(2 * self.shares.len());
        }
        let known = self.shares.get(&network).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let share = Arc::new(Semaphore::new(size));
            self.shares.insert(network, Arc::downgrade(&share));
            share
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
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

    fn network(number: u32) -> Network {
        Network::of(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn another_network_waits_for_a_few_of_a_crowd_only() {
        let queue = FairQueue::new(2);
        let mut crowd: Vec<_> = (0..500)
            .map(|_| Box::pin(queue.acquire(network(1))))
            .collect();
        let mut held: Vec<_> = crowd.iter_mut().filter_map(poll).collect();
        assert_eq!(held.len(), 2, "one network may use all slots");
        let mut other = Box::pin(queue.acquire(network(2)));
        assert!(poll(&mut other).is_none(), "no slot is free");
        held.pop();
        assert!(
            poll(&mut other).is_some(),
            "the next slot is for the other network"
        );
    }

    #[test]
    fn networks_that_nobody_waits_from_are_forgotten() {
        let queue = FairQueue::new(1);
        for number in 0..100_000 {
            let slot = poll(&mut Box::pin(queue.acquire(network(number))));
            assert!(slot.is_some(), "the slot of the last one is free again");
        }
        assert!(queue.networks.lock().shares.len() <= REMEMBERED);
    }
}
