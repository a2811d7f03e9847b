//! The places of the mails that are queued or being sent.
//!
//! Requests of mails to receivers that are deferred fill places for minutes. So when all are taken,
//! the requester with the most mails that wait to be tried again loses the last of these, and the
//! new mail, for which no attempt has been made yet, gets its place.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Requester;

/// The places. They are shared by requesters who do not delay others.
pub struct Places {
    capacity: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    count: usize,
    last_number: u64,
    /// The mails that wait to be tried again, by requester, the oldest first.
    retries: HashMap<Requester, Vec<Retry>>,
}

/// A mail that waits to be tried again.
struct Retry {
    number: u64,
    /// Dropped when the mail loses its place.
    _displaced: oneshot::Sender<()>,
}

/// The place of one mail, until it is dropped.
pub struct Place {
    places: Arc<Places>,
    requester: Requester,
    /// Whether another mail has the place.
    is_lost: bool,
}

impl Places {
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            taken: Mutex::default(),
        })
    }

    /// Takes a place for a new mail. Returns `None` if all are taken by mails that do not wait to
    /// be tried again.
    pub fn take(self: &Arc<Self>, requester: Requester) -> Option<Place> {
        let mut taken = self.taken.lock();
        if taken.count < self.capacity {
            taken.count += 1;
        } else {
            taken.displace_retry()?;
        }
        Some(Place {
            places: Arc::clone(self),
            requester,
            is_lost: false,
        })
    }
}

impl Taken {
    /// Takes the place of the last retry of the requester that has the most.
    fn displace_retry(&mut self) -> Option<()> {
        let (_, most) = self.retries.iter_mut().max_by_key(|(_, own)| own.len())?;
        most.pop().map(drop)
    }
}

impl Place {
    /// Waits until `turn` says that the mail is tried again, and returns what that returns; or
    /// `None` if the mail loses its place meanwhile.
    pub async fn wait<T>(&mut self, turn: impl Future<Output = T>) -> Option<T> {
        let (sender, displaced) = oneshot::channel();
        let number = {
            let mut taken = self.places.taken.lock();
            taken.last_number += 1;
            let number = taken.last_number;
            let own = taken.retries.entry(self.requester).or_default();
            own.push(Retry {
                number,
                _displaced: sender,
            });
            number
        };
        let turn = tokio::select! {
            turn = turn => Some(turn),
            _ = displaced => None,
        };
        let mut taken = self.places.taken.lock();
        let own = taken.retries.entry(self.requester).or_default();
        let at = own.iter().position(|retry| retry.number == number);
        self.is_lost = at.is_none();
        at.map(|at| own.remove(at));
        if own.is_empty() {
            taken.retries.remove(&self.requester);
        }
        turn.filter(|_| !self.is_lost)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_lost {
            self.places.taken.lock().count -= 1;
        }
    }
}
