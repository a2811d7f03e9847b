//! The places of event streams: each admin has some, and no other admin can take them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The maximum number of event streams of one admin. Each occupies one connection. The limit is
/// below [`PLACES_PER_OPERATOR`](super::places::PLACES_PER_OPERATOR), so that streams cannot block
/// an admin's other requests.
pub const STREAMS_PER_ADMIN: usize = 8;

/// The open streams of all admins.
#[derive(Default)]
pub struct StreamPlaces(Mutex<Open>);

#[derive(Default)]
struct Open {
    next_id: u64,
    /// The name of each stream's admin, oldest stream first.
    admins: BTreeMap<u64, String>,
}

/// The place of one stream, until it is dropped or displaced.
pub struct StreamPlace {
    places: Arc<StreamPlaces>,
    id: u64,
}

impl StreamPlaces {
    /// Returns a place for a new stream of an admin. It displaces the admin's oldest stream if the
    /// admin has too many.
    pub fn acquire(self: &Arc<Self>, admin: &str) -> StreamPlace {
        let mut open = self.0.lock();
        let own = open.admins.iter().filter(|(_, name)| *name == admin);
        let own: Vec<u64> = own.map(|(id, _)| *id).collect();
        if own.len() >= STREAMS_PER_ADMIN {
            open.admins.remove(&own[0]);
        }
        let id = open.next_id;
        open.next_id += 1;
        open.admins.insert(id, admin.to_owned());
        StreamPlace {
            places: Arc::clone(self),
            id,
        }
    }

    /// Returns the number of open streams of all admins.
    #[cfg(test)]
    pub fn open(&self) -> usize {
        self.0.lock().admins.len()
    }
}

impl StreamPlace {
    /// Whether a newer stream of the same admin has taken the place.
    pub fn is_displaced(&self) -> bool {
        !self.places.0.lock().admins.contains_key(&self.id)
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.places.0.lock().admins.remove(&self.id);
    }
}
