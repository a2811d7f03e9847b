//! What a user may have stored in a day: an account, or the guests of a network together.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rookery_record::HistoryEntry;

use crate::context::Context;
use crate::ids::UserId;
use crate::token_bucket::{Rate, TokenBucket};

/// The period of the limit.
const DAY: Duration = Duration::from_hours(24);
/// The bytes that an entry of the history takes beside its text and its tags, roughly.
const ENTRY_BYTES: usize = 256;

/// What an entry of the history costs its sender.
struct StorageCost {
    /// What pays for it.
    bucket: Arc<TokenBucket>,
    rate: Rate,
    now: Duration,
    bytes: u64,
}

impl Context<'_> {
    /// Counts an entry of the history towards what the user may have stored in a day. Returns
    /// whether there is room for it.
    pub fn pay_for_storage(&mut self, user: UserId, entry: &HistoryEntry) -> bool {
        let cost = self.storage_cost(user, entry);
        cost.is_none_or(|cost| cost.bucket.try_take(cost.now, cost.rate, cost.bytes))
    }

    /// Counts an entry of the history towards what the user may have stored in a day, even if there
    /// is no room for it: then the user has to wait for longer before the next message.
    pub fn charge_for_storage(&mut self, user: UserId, entry: &HistoryEntry) {
        if let Some(cost) = self.storage_cost(user, entry) {
            cost.bucket.take(cost.now, cost.rate, cost.bytes, 0);
        }
    }

    /// Returns what an entry of the history costs the user; `None` if there is no limit.
    fn storage_cost(&mut self, user: UserId, entry: &HistoryEntry) -> Option<StorageCost> {
        let per_day = self.settings.stored_bytes_per_day;
        let rate = Rate::new(per_day, per_day, DAY)?;
        let payer = self.state.payer(user)?;
        let bytes = entry.text.len() + entry.tags.len() + ENTRY_BYTES;
        let since_epoch = self.now().duration_since(Timestamp::UNIX_EPOCH);
        let now = Duration::try_from(since_epoch).unwrap_or_default();
        Some(StorageCost {
            bucket: self.state.storage.get(now, payer),
            rate,
            now,
            bytes: bytes as u64,
        })
    }
}
