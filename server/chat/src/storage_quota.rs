//! What a user may have stored in a day. Accounts, the guests of a network, and all accounts of a
//! network together have a limit each, so that nobody can fill the disk.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rookery_record::{HistoryEntry, Network};

use crate::context::Context;
use crate::ids::UserId;
use crate::token_bucket::{Payer, Rate, TokenBucket};

/// The period of the limits.
const DAY: Duration = Duration::from_hours(24);
/// How many times as much as one account all accounts of a network may have stored.
const ACCOUNTS_OF_NETWORK: NonZeroU64 = NonZeroU64::new(10).expect("not zero");
/// The bytes that an entry of the history takes beside its text and its tags, roughly.
const ENTRY_BYTES: usize = 256;

/// What pays for stored entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoragePayer {
    /// An account, or the guests of a network.
    One(Payer),
    /// All accounts of a network.
    AccountsOf(Network),
}

/// What an entry of the history costs its sender.
struct StorageCost {
    /// What pays for it, with the rates at which it may be stored.
    buckets: [Option<(Arc<TokenBucket>, Rate)>; 2],
    now: Duration,
    bytes: u64,
}

impl StorageCost {
    fn is_affordable(&self) -> bool {
        let mut buckets = self.buckets.iter().flatten();
        buckets.all(|(bucket, rate)| bucket.has(self.now, *rate, self.bytes))
    }

    fn take(&self) {
        for (bucket, rate) in self.buckets.iter().flatten() {
            bucket.take(self.now, *rate, self.bytes, 0);
        }
    }
}

impl Context<'_> {
    /// Counts an entry of the history towards what the user may have stored in a day. Returns
    /// whether there is room for it.
    pub fn pay_for_storage(&mut self, user: UserId, entry: &HistoryEntry) -> bool {
        let Some(cost) = self.storage_cost(user, entry) else {
            return true;
        };
        let is_affordable = cost.is_affordable();
        if is_affordable {
            cost.take();
        }
        is_affordable
    }

    /// Counts an entry of the history towards what the user may have stored in a day, even if there
    /// is no room for it: then the user has to wait for longer before the next message.
    pub fn charge_for_storage(&mut self, user: UserId, entry: &HistoryEntry) {
        if let Some(cost) = self.storage_cost(user, entry) {
            cost.take();
        }
    }

    /// Returns what an entry of the history costs the user; `None` if there is no limit.
    fn storage_cost(&mut self, user: UserId, entry: &HistoryEntry) -> Option<StorageCost> {
        let per_day = self.settings.stored_bytes_per_day;
        let rate = Rate::new(per_day, per_day, DAY)?;
        let payer = self.state.payer(user)?;
        let network = self.state.network(user).filter(|_| match payer {
            Payer::Account(_) => true,
            Payer::Network(_) => false,
        });
        let bytes = entry.text.len() + entry.tags.len() + ENTRY_BYTES;
        let since_epoch = self.now().duration_since(Timestamp::UNIX_EPOCH);
        let now = Duration::try_from(since_epoch).unwrap_or_default();
        let storage = &mut self.state.storage;
        let own = (storage.get(now, StoragePayer::One(payer)), rate);
        let accounts = network.map(|network| {
            let bucket = storage.get(now, StoragePayer::AccountsOf(network));
            (bucket, rate.times(ACCOUNTS_OF_NETWORK))
        });
        Some(StorageCost {
            buckets: [Some(own), accounts],
            now,
            bytes: bytes as u64,
        })
    }
}
