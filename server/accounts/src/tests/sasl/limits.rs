//! The limits on failed sign-ins and on mailed codes.

use super::*;
use tokio::task::JoinSet;
use tokio::time::timeout;

#[tokio::test]
async fn failures_are_limited_by_network_and_pause_the_account_briefly() {
    let server = TestServer::with_alice_and(|config| config.limits.failed_sign_ins = 3).await;
    for host in 1..=3 {
        let mut client = server.client_from(&format!("198.51.100.{host}"), None);
        client
            .plain("alice", "wrong horse")
            .await
            .expect("wrong name or password");
    }
    let mut elsewhere = server.client_from("198.51.100.9", None);
    elsewhere.plain("alice", PASSWORD).await.expect(" 904 ");
    elsewhere.advance(10);
    elsewhere.plain("alice", PASSWORD).await.expect(" 903 ");
    for name in ["x1", "x2", "x3"] {
        server
            .client()
            .plain(name, "wrong horse")
            .await
            .expect(" 904 ");
    }
    server
        .client()
        .plain("bob", "wrong horse")
        .await
        .expect("too many failed sign-ins")
        .expect("try again in 10 min");
}

#[tokio::test]
async fn strangers_lock_no_owner_out_of_a_network_that_the_owner_has_used() {
    let server = TestServer::with_alice_and(|config| config.limits.failed_sign_ins = 3).await;
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    for attempt in 0..12 {
        let from = ["198.51.100.1", "198.51.100.2", "192.0.2.1"][attempt % 3];
        let name = if from == "192.0.2.1" { "bob" } else { "alice" };
        let mut stranger = server.client_from(from, None);
        stranger.plain(name, "wrong horse").await.expect(" 904 ");
    }
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    server
        .client_from("203.0.113.1", None)
        .plain("alice", PASSWORD)
        .await
        .expect("too many failed sign-ins");
}

#[tokio::test]
async fn strangers_cannot_use_up_the_codes_of_an_owner() {
    let server = TestServer::with_alice_and(|config| config.limits.mails_per_hour = 6).await;
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    let request = async |from: &str| {
        let mut client = server.client_from(from, None);
        let received = client.request_code("alice", "alice@example.org").await;
        received.has("AUTHENTICATE +")
    };
    let mut mailed = 0;
    for _ in 0..5 {
        mailed += u32::from(request("198.51.100.1").await);
    }
    assert_eq!(mailed, 2, "one network gets a part");
    assert!(request("203.0.113.1").await, "another network");
    for host in 2..9 {
        request(&format!("198.51.100.{host}")).await;
    }
    assert!(!request("203.0.113.2").await, "all are used up");
    assert!(request("192.0.2.1").await, "where the owner has signed in");
}

#[tokio::test]
async fn a_known_device_signs_in_after_an_attacker_has_used_up_the_tries() {
    let server = TestServer::with_alice_and(|config| config.limits.failed_sign_ins = 2).await;
    let mut client = server.client();
    client
        .request_code("alice", "alice@example.org")
        .await
        .expect("AUTHENTICATE +");
    let code = server.code(1).await;
    client.submit_code(&code, &device(1)).await.expect(" 903 ");
    for _ in 0..3 {
        server
            .client()
            .plain("alice", "wrong horse")
            .await
            .expect(" 904 ");
    }
    let [known, unknown] = [device(1), device(2)];
    let mut waiting = JoinSet::new();
    for secret in [PASSWORD.to_owned(), unknown] {
        let mut client = server.client();
        waiting.spawn(async move { client.plain("alice", &secret).await });
    }
    server.waiting_attempts(2).await;
    let mut client = server.client();
    let tried = timeout(Duration::from_secs(5), client.plain("alice", &known));
    tried.await.expect("at once").expect(" 903 ");
}

/// Uses up the tries of alice at the network where she has signed in, of which there are three,
/// and the one after them, so that a pause begins.
async fn use_up_the_tries(server: &TestServer) {
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    for _ in 0..4 {
        server
            .sign_in("alice", "wrong horse")
            .await
            .expect("wrong name or password");
    }
}

#[tokio::test]
async fn of_attempts_that_wait_where_an_owner_has_signed_in_one_is_drawn_after_each_pause() {
    let server = TestServer::with_alice_and(|config| config.limits.failed_sign_ins = 3).await;
    use_up_the_tries(&server).await;
    // The chance of the owner is one in two.
    for round in 0.. {
        let mut attempts = JoinSet::new();
        for secret in [PASSWORD, "wrong horse"] {
            let mut client = server.client();
            attempts.spawn(async move { client.plain("alice", secret).await });
        }
        server.waiting_attempts(2).await;
        server.client().advance(10);
        // The next attempt finds that the pause has ended.
        let mut client = server.client();
        let next = tokio::spawn(async move { client.plain("alice", "wrong horse").await });
        let results = timeout(Duration::from_secs(5), attempts.join_all()).await;
        let results = results.expect("both are answered");
        next.abort();
        let count = |text| results.iter().filter(|received| received.has(text)).count();
        assert_eq!(count("one attempt in ten seconds is made, drawn by lot"), 1);
        if count(" 903 ") == 1 {
            break;
        }
        assert_eq!(count("wrong name or password"), 1);
        assert!(round < 50);
    }
}

#[tokio::test]
async fn an_attempt_of_a_connection_that_ends_no_longer_waits_until_it_is_drawn() {
    let server = TestServer::with_alice_and(|config| config.limits.failed_sign_ins = 3).await;
    use_up_the_tries(&server).await;
    let mut client = server.client();
    let ending = Arc::clone(&client.ending);
    let waits = tokio::spawn(async move { client.plain("alice", PASSWORD).await });
    server.waiting_attempts(1).await;
    ending.notify_one();
    let received = timeout(Duration::from_secs(5), waits).await;
    received.expect("at once").unwrap().expect(" 904 ");
}

#[tokio::test]
async fn successful_sign_ins_do_not_count_however_many_at_once() {
    let server = TestServer::with_alice_and(|config| config.limits.failed_sign_ins = 2).await;
    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let mut client = server.client();
        tasks.spawn(async move { client.plain("alice", PASSWORD).await.has(" 903 ") });
    }
    assert!(tasks.join_all().await.into_iter().all(|good| good));
}

#[tokio::test]
async fn codes_are_mailed_within_limits_whether_or_not_the_email_is_right() {
    let server = TestServer::with_alice_and(|config| config.limits.mails_per_hour = 6).await;
    for email in ["alice@example.org", "eve@example.org"] {
        let mut client = server.client_from(
            if email.starts_with('a') {
                "198.51.100.1"
            } else {
                "203.0.113.1"
            },
            None,
        );
        for _ in 0..2 {
            client
                .request_code("alice", email)
                .await
                .expect("AUTHENTICATE +");
            client.send("AUTHENTICATE *").await;
        }
        client
            .request_code("alice", email)
            .await
            .expect(" 904 ")
            .expect("too many codes");
    }
    server.mail(2).await;
}
