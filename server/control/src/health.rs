//! The last result of the check of the server's health, which is shared by all who ask.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::http::problem::Refusal;

/// How long the result of a check is answered without another check.
const CACHED_FOR: Duration = Duration::from_secs(1);

/// The result of the last check of the health. Anyone may ask for it, without a sign-in, so many
/// requests within [`CACHED_FOR`] cause one check.
#[derive(Default)]
pub struct HealthCache(Mutex<Option<(Instant, Result<(), Refusal>)>>);

impl HealthCache {
    /// Returns the result of the last check, or of a new one if it is too old. Requests that arrive
    /// during a check wait for it and share its result.
    pub async fn get(
        &self,
        now: impl Fn() -> Instant,
        check: impl AsyncFnOnce() -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut last = self.0.lock().await;
        if let Some((at, result)) = &*last
            && now().duration_since(*at) < CACHED_FOR
        {
            return result.clone();
        }
        let result = check().await;
        *last = Some((now(), result.clone()));
        result
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::http::problem::Kind;

    #[tokio::test]
    async fn the_health_is_checked_once_a_second() {
        let cache = HealthCache::default();
        let begin = Instant::now();
        let checks = Cell::new(0);
        let get = async |milliseconds, result: Result<(), Refusal>| {
            let now = || begin + Duration::from_millis(milliseconds);
            let check = async || {
                checks.set(checks.get() + 1);
                result
            };
            (cache.get(now, check).await.is_ok(), checks.get())
        };
        let refusal = || Err(Kind::StoreUnavailable.with_detail("full"));
        assert_eq!(get(0, Ok(())).await, (true, 1));
        assert_eq!(get(999, refusal()).await, (true, 1));
        assert_eq!(get(1000, refusal()).await, (false, 2));
        assert_eq!(get(1999, Ok(())).await, (false, 2));
        assert_eq!(get(2000, Ok(())).await, (true, 3));
    }
}
