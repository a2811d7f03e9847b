//! The bans, found by account, email and address.
//!
//! A ban that has expired has no effect, but is not removed: the clock of the system may be wrong
//! for a while, and then the ban is in force again, as the list of bans in the store says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use jiff::Timestamp;

use crate::ids::Identity;
use rookery_record::{Ban, BanId, BanTarget, EmailAliases, covers_account};

/// The bans, including expired ones. Accounts, emails and single addresses are found by lookup;
/// patterns and networks, which are few, by search. The set is copied whenever it changes, because
/// others read the old one meanwhile; the bans themselves are shared by the copies.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    by_id: BTreeMap<BanId, Arc<Ban>>,
    by_target: HashMap<BanTarget, BanId, FixedState>,
    /// The bans of emails, and those of accounts with an email, by mailbox.
    by_mailbox: HashMap<Arc<str>, BTreeSet<BanId>, FixedState>,
    /// The bans of patterns and networks.
    wide: BTreeSet<BanId>,
    aliases: EmailAliases,
}

impl Bans {
    /// Creates the set of bans. `aliases` decides which emails belong to the same mailbox.
    pub fn new(bans: impl IntoIterator<Item: Into<Arc<Ban>>>, aliases: EmailAliases) -> Self {
        let mut all = Self {
            aliases,
            ..Self::default()
        };
        for ban in bans {
            all.add(ban.into());
        }
        all
    }

    /// Adds a ban, which replaces an earlier one with the same target.
    pub fn add(&mut self, ban: Arc<Ban>) {
        let id = ban.id;
        self.remove(id);
        if let Some(&replaced) = self.by_target.get(&ban.target) {
            self.remove(replaced);
        }
        self.by_target.insert(ban.target.clone(), id);
        if let Some(mailbox) = self.mailbox(&ban) {
            self.by_mailbox.entry(mailbox).or_default().insert(id);
        }
        if matches!(
            ban.target,
            BanTarget::EmailPattern(_) | BanTarget::Network(_)
        ) {
            self.wide.insert(id);
        }
        self.by_id.insert(id, ban);
    }

    /// Removes the ban with that id; returns whether it existed.
    pub fn remove(&mut self, id: BanId) -> bool {
        let Some(ban) = self.by_id.remove(&id) else {
            return false;
        };
        self.by_target.remove(&ban.target);
        self.wide.remove(&id);
        if let Some(mailbox) = self.mailbox(&ban)
            && let Some(bans) = self.by_mailbox.get_mut(&mailbox)
        {
            bans.remove(&id);
            if bans.is_empty() {
                self.by_mailbox.remove(&mailbox);
            }
        }
        true
    }

    /// Returns the mailbox whose accounts the ban covers, if any.
    fn mailbox(&self, ban: &Ban) -> Option<Arc<str>> {
        let email = match &ban.target {
            BanTarget::Email(email) => Some(email),
            _ => ban.account_email.as_ref(),
        };
        email.map(|email| self.aliases.mailbox(email).into())
    }

    /// Replaces the email aliases.
    pub fn set_aliases(&mut self, aliases: EmailAliases) {
        *self = Self::new(std::mem::take(&mut self.by_id).into_values(), aliases);
    }

    /// Returns the email aliases.
    pub fn aliases(&self) -> &EmailAliases {
        &self.aliases
    }

    /// Returns all bans, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Ban>> {
        self.by_id.values()
    }

    /// Returns the number of bans in force.
    pub fn count(&self, now: Timestamp) -> usize {
        self.iter().filter(|ban| ban.is_active(now)).count()
    }

    /// Returns the ban that covers the account, if any; the oldest of several.
    pub fn on_account(&self, identity: &Identity, now: Timestamp) -> Option<&Ban> {
        let Identity { name, email, .. } = identity;
        let email = email.as_ref();
        let account = self.by_target.get(&BanTarget::Account(name.clone()));
        let mailbox = email.and_then(|email| self.by_mailbox.get(&*self.aliases.mailbox(email)));
        let wide = self.wide.iter().filter(|id| {
            let target = self.by_id.get(id).map(|ban| &ban.target);
            target.is_some_and(|target| covers_account(target, None, &self.aliases, name, email))
        });
        let all = account
            .into_iter()
            .chain(mailbox.into_iter().flatten())
            .chain(wide);
        self.oldest(all, now)
    }

    /// Returns the ban that covers the address, if any; the oldest of several.
    pub fn on_address(&self, address: IpAddr, now: Timestamp) -> Option<&Ban> {
        let single = BanTarget::Address(address.to_canonical());
        let wide = self.wide.iter().filter(|id| {
            let ban = self.by_id.get(id);
            ban.is_some_and(|ban| ban.target.covers_address(address))
        });
        self.oldest(self.by_target.get(&single).into_iter().chain(wide), now)
    }

    fn oldest<'i>(&self, ids: impl Iterator<Item = &'i BanId>, now: Timestamp) -> Option<&Ban> {
        ids.filter_map(|id| self.by_id.get(id))
            .map(Arc::as_ref)
            .filter(|ban| ban.is_active(now))
            .min_by_key(|ban| ban.id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::SignedDuration;
    use rookery_protocol::{AccountName, Email};

    use super::*;
    use crate::ids::SignedInWith;
    use rookery_record::AccountId;

    fn ban(id: i64, target: &str) -> Ban {
        Ban {
            id: BanId(id),
            target: BanTarget::parse(target).unwrap(),
            account_email: None,
            reason: String::new(),
            by: String::new(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
        }
    }

    fn bans(targets: &[&str]) -> Bans {
        let aliases = EmailAliases::new(&["dots.example".to_owned()], &["dots.example".to_owned()]);
        Bans::new(
            (1..).zip(targets).map(|(id, target)| ban(id, target)),
            aliases,
        )
    }

    fn found(bans: &Bans, name: &str, email: &str) -> Option<i64> {
        let identity = Identity {
            id: AccountId(1),
            name: AccountName::parse(name).unwrap(),
            email: Email::parse(email).ok(),
            new: false,
            authenticated_at: Timestamp::UNIX_EPOCH,
            signed_in_with: SignedInWith::PASSWORD,
        };
        bans.on_account(&identity, Timestamp::UNIX_EPOCH)
            .map(|ban| ban.id.0)
    }

    fn at(bans: &Bans, address: &str) -> Option<i64> {
        bans.on_address(address.parse().unwrap(), Timestamp::UNIX_EPOCH)
            .map(|ban| ban.id.0)
    }

    #[test]
    fn each_kind_of_ban_finds_the_users_it_covers() {
        let bans = bans(&[
            "Alice",
            "bob@dots.example",
            "*@spam.example",
            "192.0.2.7",
            "2001:db8::/32",
        ]);
        assert_eq!(found(&bans, "alice", "a@example.org"), Some(1));
        assert_eq!(found(&bans, "robert", "B.ob+x@DOTS.example"), Some(2));
        assert_eq!(found(&bans, "carol", "carol@Spam.Example"), Some(3));
        assert_eq!(found(&bans, "dave", "dave@example.org"), None);
        assert_eq!(
            (found(&bans, "alice", ""), found(&bans, "bob", "")),
            (Some(1), None),
            "without an email"
        );
        assert_eq!(at(&bans, "::ffff:192.0.2.7"), Some(4));
        assert_eq!(at(&bans, "2001:db8:1::1"), Some(5));
        assert_eq!(at(&bans, "192.0.2.8"), None);
    }

    #[test]
    fn the_oldest_of_several_bans_is_found_in_whatever_order_they_were_added() {
        let targets = ["*@dots.example", "b.ob@dots.example", "bob", "*@*.example"];
        let networks = ["192.0.2.0/24", "192.0.2.7", "192.0.2.0/25"];
        let mut all: Vec<Ban> = (1..)
            .zip(targets.into_iter().chain(networks))
            .map(|(id, target)| ban(id, target))
            .collect();
        for _ in 0..all.len() {
            all.rotate_left(1);
            let mut bans = Bans::new(all.clone(), bans(&[]).aliases().clone());
            for (id, address_id) in [(1, 5), (2, 6), (3, 7)] {
                assert_eq!(found(&bans, "bob", "bob@dots.example"), Some(id));
                assert_eq!(at(&bans, "192.0.2.7"), Some(address_id));
                assert!(bans.remove(BanId(id)) && bans.remove(BanId(address_id)));
            }
        }
    }

    #[test]
    fn a_ban_of_an_account_covers_the_other_accounts_of_its_mailbox() {
        let mut bans = bans(&[]);
        bans.add(Arc::new(Ban {
            account_email: Email::parse("alice@dots.example").ok(),
            ..ban(1, "alice")
        }));
        assert_eq!(found(&bans, "second", "a.lice+2@dots.example"), Some(1));
        assert_eq!(found(&bans, "bob", "bob@dots.example"), None);
        bans.add(Arc::new(Ban {
            account_email: Email::parse("other@dots.example").ok(),
            ..ban(1, "alice")
        }));
        assert_eq!(found(&bans, "second", "a.lice+2@dots.example"), None);
        assert_eq!(found(&bans, "second", "other+2@dots.example"), Some(1));
        assert!(bans.remove(BanId(1)));
        assert_eq!(found(&bans, "second", "other+2@dots.example"), None);
    }

    #[test]
    fn two_bans_of_one_mailbox_are_lifted_one_by_one() {
        let mut bans = bans(&["b.ob@dots.example", "bob@dots.example"]);
        assert!(bans.remove(BanId(1)));
        assert_eq!(found(&bans, "bob", "bob+1@dots.example"), Some(2));
        assert!(bans.remove(BanId(2)) && !bans.remove(BanId(2)));
        assert_eq!(found(&bans, "bob", "bob@dots.example"), None);
    }

    #[test]
    fn new_aliases_apply_at_once() {
        let mut bans = bans(&["bob@dots.example", "bob@tags.example"]);
        assert_eq!(found(&bans, "bob", "bob+x@tags.example"), None);
        bans.set_aliases(EmailAliases::new(&[], &["tags.example".to_owned()]));
        assert_eq!(found(&bans, "bob", "bob+x@tags.example"), Some(2));
        assert_eq!(found(&bans, "bob", "b.ob@dots.example"), None);
    }

    #[test]
    fn an_expired_ban_is_in_force_again_if_the_clock_is_set_back() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(10);
        let mut bans = bans(&["192.0.2.0/24", "alice"]);
        bans.add(Arc::new(Ban {
            expires_at: Some(now),
            ..ban(3, "192.0.2.0/24")
        }));
        assert_eq!(at(&bans, "192.0.2.1"), Some(3));
        assert!(bans.on_address("192.0.2.1".parse().unwrap(), now).is_none());
        assert_eq!(bans.count(now), 1);
        assert_eq!(at(&bans, "192.0.2.1"), Some(3));
        assert_eq!(bans.count(Timestamp::UNIX_EPOCH), 2);
    }
}
