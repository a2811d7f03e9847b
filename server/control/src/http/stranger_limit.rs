//! Limits the requests of clients without a session.

use rookery_record::Network;

use crate::fair_limit::{FairLimit, Permit};
use crate::http::extract::RequestOrigin;
use crate::http::problem::{Kind, Refusal};

/// The maximum number of requests of one kind that are handled at a time. As many wait.
const REQUESTS: usize = 48;

/// A limit of the requests of one kind that anyone may send and that wait for the database. When
/// the disk does not answer, a few of them wait for it. The others are refused at once, so that
/// they do not hold the places of the control port.
pub struct StrangerLimit(FairLimit<Network>);

impl Default for StrangerLimit {
    fn default() -> Self {
        Self(FairLimit::new(REQUESTS, REQUESTS))
    }
}

impl StrangerLimit {
    /// Waits for a permit to handle a request, to be held until it no longer waits for the
    /// database. Fails if too many wait.
    pub async fn begin(&self, origin: RequestOrigin) -> Result<Permit<'_, Network>, Refusal> {
        let site = Network::of_site(origin.address.ip());
        self.0.begin(site).await.ok_or_else(|| {
            Kind::Busy
                .with_detail("Too many such requests wait for an answer. Try again in a second.")
                .retry_after(1)
        })
    }
}
