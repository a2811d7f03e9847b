//! The turns of imports: one runs at a time, and of each admin one runs or waits.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use tokio::sync::MutexGuard;

use crate::http::problem::{Kind, Refusal};

/// The turns of all admins. The longest wait is that for one import of each other admin.
#[derive(Default)]
pub struct ImportTurns {
    running: tokio::sync::Mutex<()>,
    admins: Mutex<BTreeSet<String>>,
}

/// The permission to import, until it is dropped.
pub struct Turn<'a> {
    _running: MutexGuard<'a, ()>,
    _claim: Claim<'a>,
}

/// That an import of an admin runs or waits.
struct Claim<'a> {
    turns: &'a ImportTurns,
    admin: String,
}

impl ImportTurns {
    /// Waits for the turn of an admin. Refuses a second import of the same one.
    pub async fn begin(&self, admin: &str) -> Result<Turn<'_>, Refusal> {
        if !self.admins.lock().insert(admin.to_owned()) {
            let detail = "Another import of yours is still in progress. Send this one after it.";
            return Err(Kind::InProgress.with_detail(detail).retry_after(1));
        }
        let claim = Claim {
            turns: self,
            admin: admin.to_owned(),
        };
        Ok(Turn {
            _running: self.running.lock().await,
            _claim: claim,
        })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.turns.admins.lock().remove(&self.admin);
    }
}
