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
use rookery_record::Network;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

const OPEN: &str = "the semaphores are never closed";

/// The number of remembered keys from which on those that nobody waits with are forgotten.
const REMEMBERED: usize = 64;

/// The queue. `K` is who takes turns, such as an account or the network of a client.
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
    _shares: Vec<OwnedSemaphorePermit>,
}

/// Clients that take turns as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Those of a network.
    Network(Network),
    /// Those of a site, of whose networks one client may use thousands.
    Site(Network),
}

impl Group {
    /// Returns the groups of a client in that network: networks take turns within their site, and
    /// sites among each other.
    pub fn of(network: Network) -> [Self; 2] {
        [Self::Network(network), Self::Site(network.site())]
    }
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

    /// Waits for a slot. `keys` are who it is for and the groups that it belongs to, from small to
    /// large: each takes turns within the next. The requests of one key get their slots in
    /// their order.
    pub async fn acquire(&self, keys: impl IntoIterator<Item = K>) -> Slot<'_> {
        let mut shares = Vec::new();
        for key in keys {
            let share = self.keys.lock().share(key, self.share);
            shares.push(share.acquire_owned().await.expect(OPEN));
        }
        Slot {
            _slot: self.slots.acquire().await.expect(OPEN),
            _shares: shares,
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
        let mut crowd: Vec<_> = (0..500).map(|_| Box::pin(queue.acquire([1]))).collect();
        let mut held: Vec<_> = crowd.iter_mut().filter_map(poll).collect();
        assert_eq!(held.len(), 2, "one may use all of its share");
        let mut other = Box::pin(queue.acquire([2]));
        assert!(poll(&mut other).is_none(), "no slot is free");
        held.pop();
        assert!(poll(&mut other).is_some(), "the next slot is for the other");
    }

    #[test]
    fn networks_take_turns_within_their_site_and_sites_among_each_other() {
        let queue = FairQueue::new(1, 1);
        let acquire = |site: u16, number: u16| {
            let address = [0x2001, 0xdb8, site, number, 0, 0, 0, 1];
            let network = Network::of(std::net::Ipv6Addr::from(address).into());
            Box::pin(queue.acquire(Group::of(network)))
        };
        let slot = poll(&mut acquire(9, 0)).expect("it is free");
        let networks = (0..200).map(|number| (1, number));
        let crowd = (0..200).map(|_| (2, 0));
        let clients: Vec<_> = networks.chain(crowd).chain([(2, 1), (3, 0)]).collect();
        let mut waiting: Vec<_> = clients
            .iter()
            .map(|&(site, number)| ((site, number), acquire(site, number)))
            .collect();
        assert!(waiting.iter_mut().all(|(_, one)| poll(one).is_none()));
        drop(slot);
        let mut served = Vec::new();
        while served.len() < clients.len() {
            waiting.retain_mut(|(client, one)| {
                let is_served = poll(one).is_some();
                served.extend(is_served.then_some(*client));
                !is_served
            });
        }
        for honest in [(2, 1), (3, 0)] {
            let before = served.iter().position(|client| *client == honest);
            assert!(
                before.is_some_and(|count| count < 10),
                "{honest:?} after {before:?}"
            );
        }
    }

    #[test]
    fn keys_that_nobody_waits_with_are_forgotten() {
        let queue = FairQueue::new(1, 1);
        for number in 0..100_000 {
            let slot = poll(&mut Box::pin(queue.acquire([number])));
            assert!(slot.is_some(), "the slot of the last one is free again");
        }
        assert!(queue.keys.lock().shares.len() <= REMEMBERED);
    }
}
