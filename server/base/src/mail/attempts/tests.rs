//! When attempts begin, and which ones are abandoned, by a clock that runs while nothing else does.
#![allow(clippy::unwrap_used)]

use std::net::Ipv4Addr;
use std::sync::Arc;

use rookery_record::Network;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::super::{ATTEMPT_TIMEOUT, PAUSES};
use super::*;

const QUICK: Duration = Duration::from_millis(100);
/// Longer than any attempt may take.
const HANGS: Duration = Duration::from_mins(2);

/// Someone in the network with this number.
fn someone(number: u32) -> Requester {
    Requester::Site(Network::of_site(Ipv4Addr::from(number).into()))
}

/// Makes one attempt, for which the mail server needs this time. Returns whether it succeeds.
async fn attempt(attempts: &Attempts, requester: Requester, kind: Kind, time: Duration) -> bool {
    let attempt = attempts.begin(requester, kind).await;
    tokio::select! {
        biased;
        () = sleep(time.min(ATTEMPT_TIMEOUT)) => time < ATTEMPT_TIMEOUT,
        () = attempt.abandoned() => false,
    }
}

/// Sends a mail for which the mail server needs this time. The task returns how long sending it
/// took, with the attempts that failed.
fn send(attempts: &Arc<Attempts>, requester: Requester, time: Duration) -> JoinHandle<Duration> {
    let attempts = Arc::clone(attempts);
    tokio::spawn(async move {
        let start = Instant::now();
        let mut kind = Kind::First;
        let mut pauses = PAUSES.iter().chain(PAUSES.last().into_iter().cycle());
        while !attempt(&attempts, requester.clone(), kind, time).await {
            kind = Kind::Retry;
            sleep(*pauses.next().unwrap()).await;
        }
        start.elapsed()
    })
}

/// Sends mails for which the mail server hangs.
async fn hang(attempts: &Arc<Attempts>, requesters: impl IntoIterator<Item = Requester>) {
    for requester in requesters {
        drop(send(attempts, requester, HANGS));
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn hung_mails_delay_only_those_behind_the_same_address_by_a_second_for_each_four() {
    for (hung, seconds) in [(3, 0), (9, 2), (30, 7)] {
        let attempts = Arc::new(Attempts::default());
        hang(&attempts, (0..hung).map(|_| someone(1))).await;
        let waited = send(&attempts, someone(2), QUICK).await.unwrap();
        assert!(waited <= 2 * QUICK, "elsewhere: {waited:?}");
        let waited = send(&attempts, someone(1), QUICK).await.unwrap();
        let most = Duration::from_secs(seconds) + QUICK;
        assert!(waited <= most, "{hung} hung mails: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn hung_mails_of_many_networks_delay_another_for_a_few_seconds() {
    let attempts = Arc::new(Attempts::default());
    hang(&attempts, (0..40 * 8).map(|number| someone(number / 8))).await;
    for number in 0..100 {
        let waited = send(&attempts, someone(1000 + number), QUICK).await;
        let waited = waited.unwrap();
        assert!(waited <= Duration::from_secs(6), "{number}: {waited:?}");
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn of_one_network_first_attempts_go_before_others() {
    let attempts = Arc::new(Attempts::default());
    let mut held = Vec::new();
    for number in 10..18 {
        held.push(attempts.begin(someone(number), Kind::First).await);
    }
    let (begun, mut order) = mpsc::unbounded_channel();
    for kind in [Kind::Retry, Kind::First] {
        let (attempts, begun) = (Arc::clone(&attempts), begun.clone());
        tokio::spawn(async move {
            let _attempt = attempts.begin(someone(1), kind).await;
            begun.send(kind).unwrap();
        });
        tokio::task::yield_now().await;
    }
    held.pop();
    assert_eq!(order.recv().await, Some(Kind::First));
    assert_eq!(order.recv().await, Some(Kind::Retry));
}

/// More networks than there are places, so that those without an attempt in progress are many.
#[tokio::test(start_paused = true)]
async fn another_waits_for_no_network_that_had_a_turn_before() {
    let attempts = Arc::new(Attempts::default());
    hang(&attempts, (0..100 * 8).map(|number| someone(number / 8))).await;
    // Each of them has had one.
    sleep(Duration::from_secs(30)).await;
    for number in 0..100 {
        let waited = send(&attempts, someone(1000 + number), QUICK).await;
        let waited = waited.unwrap();
        assert!(waited <= MIN_TIME + QUICK, "{number}: {waited:?}");
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_one_network_delays_no_other() {
    let attempts = Arc::new(Attempts::default());
    for _ in 0..500 {
        drop(send(&attempts, someone(1), QUICK));
        tokio::task::yield_now().await;
    }
    for number in 2..10 {
        let waited = send(&attempts, someone(number), QUICK).await.unwrap();
        assert!(waited <= 2 * QUICK, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_attempts_of_a_network_that_has_many_are_abandoned_rather_than_those_of_others() {
    let attempts = Arc::new(Attempts::default());
    let slow = Duration::from_secs(20);
    // They are the oldest ones, and the others need several times the places that there are.
    let others = [2, 3].map(|number| send(&attempts, someone(number), slow));
    tokio::task::yield_now().await;
    hang(&attempts, (0..150).map(|_| someone(1))).await;
    for other in others {
        assert!(other.await.unwrap() < slow + MIN_TIME);
    }
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_abandoned_before_its_time() {
    let attempts = Arc::new(Attempts::default());
    for number in 100..104 {
        drop(send(
            &attempts,
            someone(number),
            Duration::from_millis(6400),
        ));
        tokio::task::yield_now().await;
    }
    hang(&attempts, (0..36).map(someone)).await;
    sleep(Duration::from_millis(5050)).await;
    // All places of slow ones are taken. These use half of the turns for their whole time, after
    // which two of the four whose places are free by then have others abandoned.
    hang(&attempts, (200..204).map(someone)).await;
    sleep(Duration::from_millis(500)).await;
    let mut within_time = JoinSet::new();
    for _ in 0..2 {
        let attempts = Arc::clone(&attempts);
        let time = MIN_TIME.saturating_sub(QUICK);
        let one = async move { attempt(&attempts, someone(1000), Kind::First, time).await };
        within_time.spawn(one);
    }
    while let Some(is_sent) = within_time.join_next().await {
        assert!(is_sent.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_has_more_time_than_that_among_hung_mails_of_many_networks() {
    let attempts = Arc::new(Attempts::default());
    hang(&attempts, (0..40 * 8).map(|number| someone(number / 8))).await;
    for number in 0..5 {
        sleep(Duration::from_secs(5)).await;
        let slow = Duration::from_secs(12);
        let is_sent = attempt(&attempts, someone(1000 + number), Kind::First, slow).await;
        assert!(is_sent, "{number}");
    }
}
