//! Shares the room for messages among the channels and conversations that they are from.
//!
//! What takes little is kept in full, and whatever takes more than the others is cut to its newest
//! messages (max-min fairness). The channels share at least half of the room, and so do the
//! conversations: anyone may begin many conversations with a user, but the channels are those that
//! the user has joined. For the same reason, the conversations with accounts share at least half of
//! the room of all conversations, and those with guests, who may take many nicks, the other half.

use std::collections::{BinaryHeap, VecDeque};

use rookery_record::{HistoryEntry, NewestMessages, TargetKind};

/// The messages of several channels and conversations, cut to a number of bytes.
pub struct Shares {
    room: usize,
    targets: Vec<Target>,
    channels: Group,
    accounts: Group,
    guests: Group,
}

struct Target {
    newest: NewestMessages,
    /// The number of bytes of each message.
    weights: VecDeque<usize>,
}

/// The targets of one kind.
#[derive(Default)]
struct Group {
    bytes: usize,
    /// The targets that have messages, by their number of bytes.
    by_bytes: BinaryHeap<(usize, usize)>,
}

impl Shares {
    /// Creates shares of so many bytes.
    pub fn new(room: usize) -> Self {
        Self {
            room,
            targets: Vec::new(),
            channels: Group::default(),
            accounts: Group::default(),
            guests: Group::default(),
        }
    }

    /// Returns how many bytes of another target of that kind may remain at most.
    pub fn most(&self, kind: TargetKind) -> usize {
        let half = |room: usize, others: usize| (room / 2).max(room.saturating_sub(others));
        let of_conversations = half(self.room, self.channels.bytes);
        let (own, share) = match kind {
            TargetKind::Channel => (&self.channels, half(self.room, self.conversation_bytes())),
            TargetKind::Account => (&self.accounts, half(of_conversations, self.guests.bytes)),
            TargetKind::Guest => (&self.guests, half(of_conversations, self.accounts.bytes)),
        };
        let largest = own.by_bytes.peek().map_or(0, |&(bytes, _)| bytes);
        share.saturating_sub(own.bytes).max(largest)
    }

    /// Adds the messages of a target, each of which takes as many bytes as `weigh` returns. Leaves
    /// out the oldest ones of the targets that take most, as far as there is no room.
    pub fn add(&mut self, mut newest: NewestMessages, weigh: impl FnMut(&HistoryEntry) -> usize) {
        let most = self.most(newest.kind);
        let mut weights: VecDeque<usize> = newest.entries.iter().map(weigh).collect();
        let mut bytes: usize = weights.iter().sum();
        while bytes > most {
            bytes -= drop_oldest(&mut newest, &mut weights);
        }
        let number = self.targets.len();
        let group = self.group(newest.kind);
        group.bytes += bytes;
        if bytes > 0 {
            group.by_bytes.push((bytes, number));
        }
        self.targets.push(Target { newest, weights });
        self.cut();
    }

    /// Returns the messages that have remained, in the order in which the targets were added.
    pub fn into_targets(self) -> impl Iterator<Item = NewestMessages> {
        self.targets.into_iter().map(|target| target.newest)
    }

    /// Leaves out the oldest messages of the targets that take most, until the rest fits.
    fn cut(&mut self) {
        while self.conversation_bytes() + self.channels.bytes > self.room {
            let largest = if self.channels.bytes > self.conversation_bytes() {
                TargetKind::Channel
            } else if self.guests.bytes > self.accounts.bytes {
                TargetKind::Guest
            } else {
                TargetKind::Account
            };
            let Some((bytes, number)) = self.group(largest).by_bytes.pop() else {
                return;
            };
            let Target { newest, weights } = &mut self.targets[number];
            let dropped = drop_oldest(newest, weights);
            let group = self.group(largest);
            group.bytes -= dropped;
            if bytes > dropped {
                group.by_bytes.push((bytes - dropped, number));
            }
        }
    }

    fn conversation_bytes(&self) -> usize {
        self.accounts.bytes + self.guests.bytes
    }

    fn group(&mut self, kind: TargetKind) -> &mut Group {
        match kind {
            TargetKind::Channel => &mut self.channels,
            TargetKind::Account => &mut self.accounts,
            TargetKind::Guest => &mut self.guests,
        }
    }
}

/// Leaves out the oldest message, and returns its number of bytes.
fn drop_oldest(newest: &mut NewestMessages, weights: &mut VecDeque<usize>) -> usize {
    newest.is_cut = true;
    newest.entries.pop_front();
    weights.pop_front().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rookery_record::Place;

    use super::*;

    /// Returns how many messages remain of each target that had so many.
    fn remaining(room: usize, targets: &[(&str, usize)]) -> Vec<usize> {
        let mut shares = Shares::new(room);
        for &(name, count) in targets {
            let entry = HistoryEntry {
                msgid: String::new(),
                at: Timestamp::UNIX_EPOCH,
                place: Place::Channel("#x".parse().unwrap()),
                source: String::new(),
                account: None,
                command: String::new(),
                text: String::new(),
                tags: String::new(),
            };
            let newest = NewestMessages {
                kind: match name.chars().next() {
                    Some('#') => TargetKind::Channel,
                    Some('*') => TargetKind::Guest,
                    _ => TargetKind::Account,
                },
                name: name.to_owned(),
                entries: vec![entry; count].into(),
                is_cut: false,
            };
            shares.add(newest, |_| 10);
        }
        let kept = shares.into_targets().zip(targets).map(|(newest, target)| {
            assert_eq!(newest.is_cut, newest.entries.len() < target.1, "{target:?}");
            newest.entries.len()
        });
        kept.collect()
    }

    #[test]
    fn little_is_kept_in_full_and_the_rest_is_divided_evenly() {
        assert_eq!(remaining(100, &[("a", 4), ("b", 6)]), [4, 6]);
        assert_eq!(remaining(100, &[("a", 90), ("b", 2), ("c", 9)]), [4, 2, 4]);
        assert_eq!(remaining(100, &[("b", 2), ("c", 9), ("a", 90)]), [2, 4, 4]);
        assert_eq!(remaining(100, &[("#a", 90)]), [10]);
        assert_eq!(remaining(5, &[("a", 1), ("#a", 1)]), [0, 0]);
        assert_eq!(remaining(usize::MAX, &[("a", 90), ("#a", 90)]), [90, 90]);
    }

    #[test]
    fn many_conversations_with_guests_leave_those_with_accounts_half_of_the_room() {
        let mut targets = vec![("*guest", 3); 50];
        targets.extend([("friend", 8), ("stranger", 90)]);
        let kept = remaining(400, &targets);
        assert_eq!(kept[..50].iter().sum::<usize>(), 20);
        assert_eq!(kept[50..], [8, 12]);
        targets.extend([("#a", 12), ("#b", 90)]);
        let kept = remaining(800, &targets);
        assert_eq!(kept[..50].iter().sum::<usize>(), 20);
        assert_eq!(kept[50..], [8, 12, 12, 28]);
        let kept = remaining(400, &targets[..51]);
        assert_eq!(kept[..50].iter().sum::<usize>(), 32);
        assert_eq!(kept[50..], [8]);
    }

    #[test]
    fn many_conversations_leave_the_channels_half_of_the_room() {
        let mut targets = vec![("stranger", 3); 50];
        targets.extend([("#a", 8), ("#b", 90)]);
        let kept = remaining(400, &targets);
        assert_eq!(kept[..50].iter().sum::<usize>(), 20);
        assert_eq!(kept[50..], [8, 12]);
        let kept = remaining(400, &targets[..51]);
        assert_eq!(kept[..50].iter().sum::<usize>(), 32);
        assert_eq!(kept[50..], [8]);
    }
}
