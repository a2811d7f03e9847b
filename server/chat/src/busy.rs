//! Who and what is busy: how much was said of late, by whom and where, and whose sessions are
//! behind.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::event::SessionId;
use super::request::{Busy, BusyChannel, BusyUser, Owner};
use super::turn::Turn;

/// The slots of a count.
const SLOTS: usize = 6;
/// How long each of them counts: together, about a minute.
const SLOT_SECONDS: i64 = 10;

/// How many messages there were in the last minute, or up to ten seconds less.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    slots: [u32; SLOTS],
    /// Which slot counts now, in slots since 1970.
    now: i64,
}

impl Recent {
    /// One more.
    pub fn add(&mut self, now: Timestamp) {
        self.turn_to(now);
        let slot = &mut self.slots[place(self.now)];
        *slot = slot.saturating_add(1);
    }

    /// How many.
    pub fn count(mut self, now: Timestamp) -> u32 {
        self.turn_to(now);
        self.slots
            .iter()
            .fold(0, |sum, slot| sum.saturating_add(*slot))
    }

    /// Empties the slots whose time is over. A clock that was set back empties them all: they were
    /// counted in times to come.
    fn turn_to(&mut self, now: Timestamp) {
        let now = now.as_second().div_euclid(SLOT_SECONDS);
        let passed = now - std::mem::replace(&mut self.now, now);
        match usize::try_from(passed) {
            Ok(0) => {}
            Ok(1..SLOTS) => {
                for over in now - passed + 1..=now {
                    self.slots[place(over)] = 0;
                }
            }
            _ => self.slots = [0; SLOTS],
        }
    }
}

fn place(slot: i64) -> usize {
    // No message is older than 1970.
    usize::try_from(slot).unwrap_or_default() % SLOTS
}

impl Turn<'_> {
    /// Up to `most` channels and users that were busy, and whose these sessions are.
    pub fn busiest(&self, most: usize, sessions: &[SessionId]) -> Box<Busy> {
        let now = self.now();
        let account = |identity: &Option<super::event::Identity>| {
            identity.as_ref().map(|who| who.name.clone())
        };
        let channels = self
            .state
            .channels()
            .map(|channel| (channel.said.count(now), channel));
        let busiest_channels = busiest(most, channels).map(|(messages, channel)| BusyChannel {
            name: channel.name.clone(),
            members: channel.members().len(),
            messages,
        });
        let users = self.state.users().map(|user| (user.said.count(now), user));
        let busiest_users = busiest(most, users).map(|(messages, user)| BusyUser {
            nick: user.nick.clone(),
            account: account(&user.identity),
            address: user.sessions().last().map(|session| session.address),
            sessions: user.sessions().len(),
            messages,
        });
        let owners = sessions.iter().filter_map(|&id| {
            let user = self.state.user(self.state.user_of(id)?);
            let session = self.state.session(id)?;
            let (nick, account) = (user.nick.clone(), account(&user.identity));
            Some(Owner {
                session: id,
                nick,
                account,
                address: session.address,
            })
        });
        Box::new(Busy {
            users: self.state.user_count(),
            guests: self
                .state
                .users()
                .filter(|user| user.identity.is_none())
                .count(),
            sessions: self.state.session_count(),
            channels: self.state.channel_count(),
            busiest_channels: busiest_channels.collect(),
            busiest_users: busiest_users.collect(),
            owners: owners.collect(),
        })
    }
}

/// Those with the most messages, and none without any. Of the same number, those that came first
/// stay first.
fn busiest<T>(most: usize, all: impl Iterator<Item = (u32, T)>) -> impl Iterator<Item = (u32, T)> {
    let mut busy: Vec<(u32, T)> = all.filter(|(messages, _)| *messages > 0).collect();
    busy.sort_by_key(|(messages, _)| Reverse(*messages));
    busy.truncate(most);
    busy.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time like any")
    }

    #[test]
    fn messages_are_counted_for_about_a_minute() {
        let mut recent = Recent::default();
        assert_eq!(recent.count(at(0)), 0);
        for second in 0..60 {
            recent.add(at(second));
        }
        assert_eq!(recent.count(at(59)), 60);
        assert_eq!(recent.count(at(60)), 50, "the first ten seconds are over");
        assert_eq!(recent.count(at(85)), 30);
        recent.add(at(85));
        assert_eq!(recent.count(at(85)), 31);
        assert_eq!(recent.count(at(139)), 1);
        assert_eq!(recent.count(at(140)), 0);
        assert_eq!(recent.count(at(1_000_000)), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_counts_anew() {
        let mut recent = Recent::default();
        recent.add(at(3600));
        recent.add(at(0));
        assert_eq!(recent.count(at(0)), 1);
        assert_eq!(recent.count(at(60)), 0);
    }
}
