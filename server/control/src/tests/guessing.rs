//! Attempts to sign in that are throttled, and those of many strangers at once.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::*;

#[tokio::test]
async fn guessing_is_throttled_and_the_pause_is_answered() {
    let plane = TestPlane::new().await;
    for _ in 0..10 {
        assert_eq!(
            plane.login("root", "guess").await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    for password in ["guess", PASSWORD] {
        let reply = plane.login("root", password).await;
        assert_eq!(reply.problem(), "/problems/too-many-attempts");
        assert_eq!(reply.headers[header::RETRY_AFTER], "5");
    }
    assert!(plane.code_mails().is_empty());

    plane.advance(SignedDuration::from_mins(1));
    plane.state.trail.record_counts(plane.now.get()).await;
    let last = plane.last_entry().await;
    assert!(
        last.starts_with("refusals  refused: 2 more since"),
        "the two refusals are in the trail: {last}"
    );
    plane.sign_in("root").await;
    assert_eq!(
        plane.login("root", "guess").await.status,
        StatusCode::UNAUTHORIZED,
        "a sign-in resets the counts"
    );
}

#[tokio::test]
async fn the_right_password_is_accepted_whatever_others_tried_from_an_admins_network() {
    let plane = TestPlane::new().await;
    plane.add_admin("other").await;
    plane.sign_in("root").await;
    for number in 0..10 {
        let name = ["root", "other", "nobody"][number % 3];
        let reply = plane.login(name, "guess").await;
        assert_eq!(reply.problem(), "/problems/login-failed");
    }
    let reply = plane.login("other", PASSWORD).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
}

#[tokio::test]
async fn a_device_token_lets_its_admin_in_whatever_others_tried() {
    let plane = TestPlane::new().await;
    plane.add_admin("other").await;
    let (challenge, code) = plane.challenge("root").await;
    let device = plane.verify(&challenge, &code).await.field("device");
    plane.set_address("198.51.100.9");
    for _ in 0..10 {
        plane.login("root", "guess").await;
    }
    let login = async |name: &str, password: &str, device: &str| {
        let request = Request::post("/v1/login").header("Content-Type", "application/json");
        let body = json!({ "name": name, "password": password, "device": device });
        plane.send(request, body.to_string()).await
    };
    let forged = format!("rkd1_{}", "0".repeat(96));
    for (name, device) in [("root", &forged), ("other", &device), ("nobody", &device)] {
        let reply = login(name, PASSWORD, device).await;
        assert_eq!(reply.problem(), "/problems/too-many-attempts", "{name}");
    }
    let reply = login("root", PASSWORD, &device).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
    for _ in 0..4 {
        let reply = login("root", "guess", &device).await;
        assert_eq!(reply.problem(), "/problems/login-failed");
    }
    let reply = login("root", PASSWORD, &device).await;
    assert_eq!(
        reply.problem(),
        "/problems/too-many-attempts",
        "a stolen token is good for a few guesses"
    );
}

#[tokio::test]
async fn strangers_are_refused_at_once_when_many_wait_for_the_database() {
    let plane = TestPlane::new().await;
    // The disk does not answer: every reading thread is busy until the senders are dropped.
    let mut hangs = Vec::new();
    for _ in 0..32 {
        let (hang, dropped) = std::sync::mpsc::channel::<()>();
        hangs.push(hang);
        let database = plane.database.clone();
        tokio::spawn(async move {
            let job = move |_: &rookery_store::Store| Ok(dropped.recv().is_err());
            assert!(database.read(job).await.unwrap());
        });
    }
    let healthz = || plane.send(Request::get("/healthz"), "");
    let mut logins: FuturesUnordered<_> = (0..100).map(|_| plane.login("root", "x")).collect();
    let mut checks: FuturesUnordered<_> = (0..100).map(|_| healthz()).collect();
    for _ in 0..100 - 24 {
        for reply in [logins.next().await.unwrap(), checks.next().await.unwrap()] {
            assert_eq!(reply.problem(), "/problems/busy");
            assert_eq!(reply.headers[header::RETRY_AFTER], "1");
        }
    }
    plane.set_address("198.51.100.9");
    let elsewhere = plane.login("root", "x");
    drop(hangs);
    let reply = elsewhere.await;
    assert_eq!(reply.problem(), "/problems/login-failed");
    while let Some(reply) = checks.next().await {
        assert_eq!(reply.status, StatusCode::OK);
    }
    while let Some(reply) = logins.next().await {
        assert_ne!(reply.problem(), "/problems/busy");
    }
    plane.advance(SignedDuration::from_mins(1));
    plane.state.trail.record_counts(plane.now.get()).await;
    let last = plane.last_entry().await;
    assert!(
        last.starts_with("refusals  refused: 90 more since"),
        "{last}"
    );
}

#[tokio::test]
async fn a_change_of_the_clock_does_not_end_a_pause() {
    let plane = TestPlane::new().await;
    for _ in 0..10 {
        plane.login("root", "guess").await;
    }
    plane.set_clock(plane.now.get() + SignedDuration::from_hours(1));
    let reply = plane.login("root", PASSWORD).await;
    assert_eq!(reply.headers[header::RETRY_AFTER], "5");
    plane.set_clock(plane.now.get() - SignedDuration::from_hours(48));
    plane.advance(SignedDuration::from_secs(5));
    plane.sign_in("root").await;
}

#[tokio::test]
async fn an_admin_has_so_many_requests_in_progress_and_no_other_waits_for_them() {
    let plane = TestPlane::new().await;
    plane.add_admin("other").await;
    let (token, other) = (plane.sign_in("root").await, plane.sign_in("other").await);
    let begin = |_| plane.state.requests.begin("root").ok();
    let in_progress: Option<Vec<_>> = (0..32).map(begin).collect();
    assert!(in_progress.is_some());
    let refused = plane.get(&token, "/v1/users").await;
    assert_eq!(refused.problem(), "/problems/too-many-requests");
    assert_eq!(plane.get(&other, "/v1/users").await.status, StatusCode::OK);
    drop(in_progress);
    assert_eq!(plane.get(&token, "/v1/users").await.status, StatusCode::OK);
}
