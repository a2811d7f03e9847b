//! The times of messages and events.
//!
//! Clients page through history by time, and continue after or before the time of the last message
//! they have. That loses nothing only if no two messages of a channel or conversation have the same
//! time, and none has an earlier time than one before it. Several events are often handled within a
//! millisecond, and the system's clock may be set back, so [`MessageClock`] corrects its time. Bans
//! and other deadlines do not depend on it: they use the time of the system.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use jiff::Timestamp;
use rookery_record::Place;

/// The maximum number of places whose last times are remembered separately. It is reached only
/// after the system's clock was set back.
const MAX_PLACES: usize = 10_000;

/// Assigns the times of messages, in whole milliseconds. Within a channel or conversation, each is
/// later than the one before it.
#[derive(Debug)]
pub struct MessageClock {
    /// The latest time of the system so far, in milliseconds since 1970.
    now: i64,
    /// The latest time that was assigned.
    latest: i64,
    /// The last time assigned in each place, by the name of the place. A place whose last time is
    /// before `now` is not needed.
    last: HashMap<String, i64, FixedState>,
}

impl MessageClock {
    /// Creates a clock whose times are later than `stored`, that of the newest stored message.
    pub fn new(now: Timestamp, stored: Option<Timestamp>) -> Self {
        let stored = stored.map_or(i64::MIN, |stored| stored.as_millisecond().saturating_add(1));
        Self {
            now: now.as_millisecond().max(stored),
            latest: i64::MIN,
            last: HashMap::default(),
        }
    }

    /// Sets the time to that of the system, unless this would set it back.
    pub fn advance(&mut self, system: Timestamp) {
        let system = system.as_millisecond();
        if system > self.now {
            self.now = system;
            self.last.retain(|_, last| *last >= system);
        }
    }

    /// Returns the time, which is never earlier than one that was returned before. Messages that
    /// are sent later have this time or a later one.
    pub fn now(&self) -> Timestamp {
        timestamp(self.now)
    }

    /// Returns a time that no message so far is later than.
    pub fn latest(&self) -> Timestamp {
        timestamp(self.latest.max(self.now))
    }

    /// Returns the earliest time that the next message in the place can have. All messages there so
    /// far are earlier, so it separates what was sent before a moment from what is sent after it.
    pub fn upcoming(&self, place: &Place) -> Timestamp {
        let last = self.last.get(&name(place));
        timestamp(last.map_or(self.now, |last| last.saturating_add(1)))
    }

    /// Returns the time of the next message in the place.
    pub fn next(&mut self, place: &Place) -> Timestamp {
        if self.last.len() >= MAX_PLACES {
            self.last.clear();
            self.now = self.latest.saturating_add(1);
        }
        let now = self.now;
        let last = self.last.entry(name(place));
        let at = *last
            .and_modify(|last| *last = last.saturating_add(1))
            .or_insert(now);
        self.latest = self.latest.max(at);
        timestamp(at)
    }
}

/// Returns a name for the place. Conversations with an account and with a guest of the same name
/// are read as one, so they have the same name.
fn name(place: &Place) -> String {
    match place {
        Place::Channel(name) => name.folded().to_owned(),
        Place::Direct { from, to } => {
            let (from, to) = (from.nick().folded(), to.nick().folded());
            format!("{} {}", from.min(to), from.max(to))
        }
    }
}

fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::SignedDuration;
    use proptest::prelude::*;
    use rookery_protocol::Nick;
    use rookery_record::Participant;

    use super::*;

    const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn places() -> Vec<Place> {
        let nick = |nick: &str| Nick::parse(nick).unwrap();
        let alice = || Participant::Account(nick("alice"));
        let bob = || Participant::Account(nick("Bob"));
        let direct = |from, to| Place::Direct { from, to };
        vec![
            Place::Channel("#x".parse().unwrap()),
            Place::Channel("#y".parse().unwrap()),
            direct(alice(), bob()),
            direct(bob(), alice()),
            direct(alice(), Participant::Guest(nick("bob"))),
        ]
    }

    proptest! {
        #[test]
        fn times_in_a_place_increase_whatever_the_clock_of_the_system_does(
            steps in proptest::collection::vec((0_usize..5, -3_i64..4), 1..200),
        ) {
            let places = places();
            let mut clock = MessageClock::new(START, None);
            let mut system = START;
            let mut before = clock.now();
            let mut last = BTreeMap::new();
            for (place, milliseconds) in steps {
                system += SignedDuration::from_millis(milliseconds);
                clock.advance(system);
                prop_assert!(clock.now() >= before && clock.now() >= system);
                before = clock.now();
                let upcoming = clock.upcoming(&places[place]);
                let at = clock.next(&places[place]);
                prop_assert!(at >= before && at <= clock.latest());
                prop_assert_eq!(at, upcoming);
                // The last three are one conversation.
                if let Some(last) = last.insert(place.min(2), at) {
                    prop_assert!(at > last);
                }
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_back_forgets_places_and_yet_no_time_occurs_twice() {
        let mut clock = MessageClock::new(START, None);
        let first = Place::Channel("#first".parse().unwrap());
        let last = (0..10).map(|_| clock.next(&first)).max().unwrap();
        for number in 0..MAX_PLACES {
            clock.advance(START - SignedDuration::from_hours(5));
            clock.next(&Place::Channel(format!("#{number}").parse().unwrap()));
        }
        assert!(clock.last.len() <= MAX_PLACES);
        assert!(clock.next(&first) > last);
    }

    #[test]
    fn times_are_later_than_those_of_stored_messages() {
        let stored = START + SignedDuration::from_hours(5);
        let mut clock = MessageClock::new(START, Some(stored));
        assert!(clock.next(&places()[0]) > stored);
    }

    #[test]
    fn the_times_follow_the_clock_of_the_system() {
        let mut clock = MessageClock::new(START, None);
        for _ in 0..5 {
            clock.next(&places()[0]);
        }
        let later = START + SignedDuration::from_secs(1);
        clock.advance(later);
        assert_eq!(clock.next(&places()[0]), later);
        assert!(clock.last.len() == 1 && clock.latest() == later);
    }
}
