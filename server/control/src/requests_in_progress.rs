//! How many requests of each admin are in progress at the same time.
//!
//! A request is completed even if its client disconnects. Without a limit, one admin could start
//! acts faster than the server completes them, and the others would wait for all of these.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::http::problem::{Kind, Refusal};

/// The maximum number for one admin: several commands, `top` and `watch` at the same time.
const MAX_OF_ADMIN: usize = 32;

/// The requests in progress of all admins.
#[derive(Default)]
pub struct RequestsInProgress(Mutex<BTreeMap<String, usize>>);

/// A request that is in progress until this is dropped.
pub struct InProgress {
    all: Arc<RequestsInProgress>,
    admin: String,
}

impl RequestsInProgress {
    /// Counts a request of an admin. Refuses it if the admin has too many.
    pub fn begin(self: &Arc<Self>, admin: &str) -> Result<InProgress, Refusal> {
        let mut admins = self.0.lock();
        let count = admins.entry(admin.to_owned()).or_default();
        if *count >= MAX_OF_ADMIN {
            let detail = format!(
                "{MAX_OF_ADMIN} requests of yours are still in progress. Send this one after them."
            );
            return Err(Kind::TooManyRequests.with_detail(detail).retry_after(1));
        }
        *count += 1;
        Ok(InProgress {
            all: Arc::clone(self),
            admin: admin.to_owned(),
        })
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut admins = self.all.0.lock();
        if let Some(count) = admins.get_mut(&self.admin) {
            *count -= 1;
            if *count == 0 {
                admins.remove(&self.admin);
            }
        }
    }
}
