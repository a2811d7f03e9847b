//! The places of the mails that are queued or being sent.
//!
//! Requests of mails to receivers that are deferred fill places for minutes. So when all are taken,
//! the requester with the most mails that wait to be tried again loses the last of these, and the
//! new mail, for which no attempt has been made yet, gets its place. If there are none, the
//! requester with the most mails that wait for their first attempt loses the last of these, if it
//! has at least two more than that of the new mail: a requester does not keep others out.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Requester;
use super::attempts::Kind;

/// The places. They are shared by requesters who do not delay others.
pub struct Places {
    capacity: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    count: usize,
    last_number: u64,
    /// The mails that wait for their first attempt.
    firsts: Waiting,
    /// The mails that wait to be tried again.
    retries: Waiting,
}

/// Mails that wait for an attempt, by requester, the oldest first.
type Waiting = HashMap<Requester, Vec<WaitingMail>>;

struct WaitingMail {
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

    /// Takes a place for a new mail. Returns `None` if all are taken and no mail loses its place.
    pub fn take(self: &Arc<Self>, requester: Requester) -> Option<Place> {
        let mut taken = self.taken.lock();
        if taken.count < self.capacity {
            taken.count += 1;
        } else {
            taken.displace(&requester)?;
        }
        Some(Place {
            places: Arc::clone(self),
            requester,
            is_lost: false,
        })
    }
}

impl Taken {
    /// Takes the place of a mail that waits, for a new mail of the requester.
    fn displace(&mut self, requester: &Requester) -> Option<()> {
        let own = self.firsts.get(requester).map_or(0, Vec::len);
        let retries = with_most(&mut self.retries);
        let most =
            retries.or_else(|| with_most(&mut self.firsts).filter(|most| most.len() >= own + 2));
        most?.pop().map(drop)
    }

    fn waiting(&mut self, kind: Kind) -> &mut Waiting {
        match kind {
            Kind::First => &mut self.firsts,
            Kind::Retry => &mut self.retries,
        }
    }
}

/// Returns the mails of the requester that has the most, if any wait.
fn with_most(waiting: &mut Waiting) -> Option<&mut Vec<WaitingMail>> {
    let most = waiting.values_mut().max_by_key(|own| own.len());
    most.filter(|own| !own.is_empty())
}

impl Place {
    /// Waits until `turn` says that the mail is tried, and returns what that returns; or `None` if
    /// the mail loses its place meanwhile.
    pub async fn wait<T>(&mut self, kind: Kind, turn: impl Future<Output = T>) -> Option<T> {
        let (sender, displaced) = oneshot::channel();
        let number = {
            let mut taken = self.places.taken.lock();
            taken.last_number += 1;
            let number = taken.last_number;
            let own = taken.waiting(kind).entry(self.requester.clone());
            own.or_default().push(WaitingMail {
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
        let waiting = taken.waiting(kind);
        let own = waiting.entry(self.requester.clone()).or_default();
        let at = own.iter().position(|mail| mail.number == number);
        self.is_lost = at.is_none();
        at.map(|at| own.remove(at));
        if own.is_empty() {
            waiting.remove(&self.requester);
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
