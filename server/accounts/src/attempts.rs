//! How attempts to sign in, and to enter a code, begin and are counted by [`throttle`].
//!
//! [`throttle`]: super::throttle

use super::registration::{Failure, failure};
use super::throttle::{Attempt, NotBegun, Ticket, Wait};
use super::{Accounts, Peer};
use rookery_base::fair_queue::{Group, Slot};
use rookery_base::metrics::METRICS;
use rookery_record::Network;

/// Returns an attempt to enter a code, which only the network is counted for.
fn code_attempt(peer: &Peer) -> Attempt {
    Attempt {
        network: Network::of(peer.address.ip()),
        name: None,
        known: None,
    }
}

impl From<NotBegun> for Failure {
    fn from(not_begun: NotBegun) -> Self {
        let text = match not_begun {
            NotBegun::TooManyFailures(Wait { minutes }) => {
                format!("Too many tries; try again in {minutes} min")
            }
            NotBegun::NotDrawn => "Too many tries from your network, so one in ten seconds is \
                                   made, drawn by lot; try again"
                .to_owned(),
        };
        failure("TEMPORARILY_UNAVAILABLE", text)
    }
}

impl Accounts {
    /// Begins an attempt. May wait for a few seconds, until it is drawn.
    pub(crate) async fn begin_attempt(
        &self,
        peer: &Peer,
        attempt: &Attempt,
    ) -> Result<(), NotBegun> {
        match self.begin(attempt)? {
            None => Ok(()),
            Some(ticket) => self.wait_until_drawn(peer, attempt, ticket).await,
        }
    }

    /// Begins an attempt that hashes a password. Returns the slot for it, which is held from the
    /// check of the limit, except while the attempt waits until it is drawn.
    pub(crate) async fn begin_with_slot(
        &self,
        peer: &Peer,
        attempt: &Attempt,
    ) -> Result<Slot<'_>, NotBegun> {
        let groups = Group::of(attempt.network);
        let slot = self.hash_turns.acquire(groups).await;
        let Some(ticket) = self.begin(attempt)? else {
            return Ok(slot);
        };
        drop(slot);
        self.wait_until_drawn(peer, attempt, ticket).await?;
        Ok(self.hash_turns.acquire(groups).await)
    }

    fn begin(&self, attempt: &Attempt) -> Result<Option<Ticket>, NotBegun> {
        let limit = self.config.limits.get().failed_sign_ins;
        let begun = self.throttle.begin(attempt, limit);
        begun.map_err(NotBegun::TooManyFailures)
    }

    async fn wait_until_drawn(
        &self,
        peer: &Peer,
        attempt: &Attempt,
        ticket: Ticket,
    ) -> Result<(), NotBegun> {
        let is_drawn = tokio::select! {
            is_drawn = self.throttle.is_drawn(attempt, ticket) => is_drawn,
            () = peer.ending.notified() => false,
        };
        is_drawn.then_some(()).ok_or(NotBegun::NotDrawn)
    }

    /// Checks whether the network of `peer` may try another code. The first try of a session at the
    /// code that was mailed for it, or at that of the invitation with which it registers, is always
    /// permitted: each costs a mail or a registration, of which a network has few, and the failures
    /// of others behind the same address must not lock its owner out.
    pub(crate) fn check_failures(&self, peer: &Peer, is_first_try: bool) -> Result<(), NotBegun> {
        if is_first_try {
            return Ok(());
        }
        let limit = self.config.limits.get().failed_sign_ins;
        let checked = self.throttle.check(&code_attempt(peer), limit);
        checked.map_err(NotBegun::TooManyFailures)
    }

    /// Counts a wrong code from the network of `peer`.
    pub(crate) fn add_failure(&self, peer: &Peer) {
        METRICS.chat_sign_ins_refused.increment();
        self.throttle.add_failure(&code_attempt(peer));
    }
}
