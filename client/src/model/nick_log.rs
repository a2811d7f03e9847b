//! Who has had which nick, to find the sender of an earlier message.
//!
//! When a guest changes nick, another guest may take the former one. What the user sees of it is
//! logged: changes of nicks, and people who become visible, by joining a channel of the user or
//! because the user joins one of theirs. Someone who becomes visible may be another person than the
//! last one with that nick.

use std::collections::VecDeque;

use jiff::Timestamp;
use rookery_protocol::Nick;

/// The most entries.
const MAX_ENTRIES: usize = 2000;

/// The changes that the user has seen, oldest first.
#[derive(Debug, Default)]
pub struct NickLog {
    entries: VecDeque<(Timestamp, Change)>,
    /// The time of the latest entry that was dropped.
    dropped_until: Option<Timestamp>,
}

/// A change of who has a nick.
#[derive(Debug)]
pub enum Change {
    /// Someone has changed nick.
    Renamed {
        /// The nick before.
        old: Nick,
        /// The nick since then.
        new: Nick,
    },
    /// Someone with this nick has become visible.
    Appeared(Nick),
    /// The user has joined a channel, so anyone may have become visible.
    OthersAppeared,
}

impl NickLog {
    /// Adds a change.
    pub fn add(&mut self, at: Timestamp, change: Change) {
        if self.entries.len() == MAX_ENTRIES {
            let dropped = self.entries.pop_front();
            self.dropped_until = self.dropped_until.max(dropped.map(|(at, _)| at));
        }
        self.entries.push_back((at, change));
    }

    /// Returns the present nick of the person who had the nick `then` at that time; `None` if that
    /// is not known, because the nick was part of a change that may be another person's. A nick
    /// without a later change is assumed to belong to the same person.
    pub fn present_nick(&self, then: &Nick, at: Timestamp) -> Option<Nick> {
        let mut nick = then;
        let mut is_same = self.dropped_until.is_none_or(|dropped| dropped < at);
        for (_, change) in self.entries.iter().filter(|(seen_at, _)| *seen_at >= at) {
            match change {
                Change::Renamed { old, new } if old == nick && is_same => nick = new,
                Change::Renamed { old, new } if [old, new].contains(&nick) => return None,
                Change::Renamed { .. } => {}
                Change::Appeared(appeared) => is_same &= appeared != nick,
                Change::OthersAppeared => is_same = false,
            }
        }
        Some(nick.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nick(name: &str) -> Nick {
        Nick::parse(name).expect("a nick")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn log(changes: impl IntoIterator<Item = Change>) -> NickLog {
        let mut log = NickLog::default();
        for (second, change) in (1..).zip(changes) {
            log.add(at(second), change);
        }
        log
    }

    fn renamed(old: &str, new: &str) -> Change {
        Change::Renamed {
            old: nick(old),
            new: nick(new),
        }
    }

    #[test]
    fn a_person_is_followed_through_changes_of_nick() {
        let log = log([
            renamed("bob", "rob"),
            Change::Appeared(nick("bob")),
            renamed("bob", "eve"),
            renamed("rob", "bob"),
        ]);
        let present = |name, second| {
            let present = log.present_nick(&nick(name), at(second));
            present.map(|nick| nick.as_str().to_owned())
        };
        assert_eq!(present("bob", 0).as_deref(), Some("bob"));
        assert_eq!(present("bob", 3).as_deref(), Some("eve"));
        assert_eq!(present("bob", 5).as_deref(), Some("bob"));
        assert_eq!(present("carol", 0).as_deref(), Some("carol"));
    }

    #[test]
    fn the_holder_of_a_nick_that_may_be_of_another_person_is_unknown() {
        let of_bob = |log: NickLog| log.present_nick(&nick("bob"), at(0));
        assert_eq!(
            of_bob(log([renamed("rob", "bob")])),
            None,
            "bob was offline"
        );
        for appeared in [Change::Appeared(nick("bob")), Change::OthersAppeared] {
            assert_eq!(of_bob(log([appeared, renamed("bob", "rob")])), None);
        }
        for appeared in [Change::Appeared(nick("bob")), Change::OthersAppeared] {
            assert_eq!(
                of_bob(log([appeared])),
                Some(nick("bob")),
                "nothing is known"
            );
        }
        let joins = |name: &'static str| (0..MAX_ENTRIES).map(|_| Change::Appeared(nick(name)));
        let changes = joins("eve").chain([renamed("bob", "rob")]);
        assert_eq!(of_bob(log(changes)), None, "a change may have been dropped");
    }
}
