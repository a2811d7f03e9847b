//! Requests to the control plane as scripts make them, and as those make them who mean it harm.

use std::time::Duration;

use rookery_tests::DEADLINE;
use rookery_tests::admin::Operator;
use rookery_tests::control::{Answer, Control, Wire, bearer};
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The server waits fifteen seconds for a request's head.
const PATIENCE: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_request_that_is_sent_again_with_its_key_is_done_once() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let token = bearer(&Control::new(&server).sign_in(&server, "root").await);
    let mut bob = Client::register(&server, "bob").await;
    let mut wire = Wire::open(&server).await;
    let mut keyed = async |key: &str, path: &str, body: Value| {
        wire.ask(
            "POST",
            path,
            &format!("{token}Idempotency-Key: {key}\r\n"),
            &body,
        )
        .await
    };
    let kick = "/v1/users/bob/kick";
    let first = keyed("one", kick, json!({"reason": "too loud"})).await;
    assert_eq!(
        (first.status, &first.body["sessions"]),
        (200, &json!(1)),
        "{first:?}"
    );
    bob.until_closed().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    let again = keyed("one", kick, json!({"reason": "too loud"})).await;
    assert_eq!(
        (again.status, again.body),
        (200, first.body),
        "the same answer"
    );
    bob.say("#lobby", "still here").await;
    for (path, body) in [
        (kick, json!({"reason": "another"})),
        ("/v1/bans", json!({"target": "bob"})),
    ] {
        let other = keyed("one", path, body).await;
        assert_eq!(
            (other.status, other.problem()),
            (422, "idempotency-key-reused"),
            "{other:?}"
        );
    }
    bob.say("#lobby", "and still").await;
    assert!(server.record().bans().is_empty());
    assert_eq!(
        server.record().count_audit("kick", "allowed"),
        1,
        "done once"
    );

    let ban = json!({"target": "mallory"});
    let bans = [
        keyed("two", "/v1/bans", ban.clone()).await,
        keyed("two", "/v1/bans", ban).await,
    ];
    assert!(bans.iter().all(|answer| answer.status == 201), "{bans:?}");
    assert_eq!(bans[0].body, bans[1].body);
    assert_eq!(server.record().count_audit("ban", "allowed"), 1);
}

#[tokio::test]
async fn what_is_too_big_or_comes_too_slowly_is_refused_and_others_are_served() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let token = bearer(&Control::new(&server).sign_in(&server, "root").await);
    let refused = async |path: &str, kind: &str, bytes: usize| {
        let mut wire = Wire::open(&server).await;
        let headers = format!("{token}Content-Type: {kind}\r\nContent-Length: {bytes}\r\n");
        let request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        wire.send(request.as_bytes()).await;
        wire.send(&vec![b'x'; bytes]).await;
        wire.answer().await.expect("an answer")
    };
    for (path, kind, bytes) in [
        ("/v1/bans", "application/json", 65_537),
        ("/v1/import/bans", "text/csv", 1_048_577),
    ] {
        let answer = refused(path, kind, bytes).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (413, "body-too-large"),
            "{answer:?}"
        );
    }

    // Side by side: nothing at all, half a TLS handshake, half a head, half a body.
    let mut silent = TcpStream::connect(server.admin()).await.unwrap();
    let (mut half_head, mut half_body) = (Wire::open(&server).await, Wire::open(&server).await);
    half_head
        .send(b"GET /v1/status HTTP/1.1\r\nHost: local")
        .await;
    let request = Wire::request("POST", "/v1/bans", &token, r#"{"target": "mallory"}"#);
    half_body
        .send(&request.as_bytes()[..request.len() - 5])
        .await;
    // Whoever speaks meanwhile is served.
    assert_eq!(
        Wire::open(&server)
            .await
            .ask("GET", "/healthz", "", &Value::Null)
            .await
            .status,
        200
    );
    let mut rest = Vec::new();
    let (slow_head, slow_body, _) = timeout(PATIENCE, async {
        tokio::join!(
            half_head.answer_at_last(),
            half_body.answer_at_last(),
            silent.read_to_end(&mut rest)
        )
    })
    .await
    .expect("nobody keeps a place by saying nothing");
    assert!(slow_head.is_none(), "closed without a word: {slow_head:?}");
    let slow_body: Answer = slow_body.expect("an answer");
    assert_eq!(
        (slow_body.status, slow_body.problem()),
        (408, "request-timeout"),
        "{slow_body:?}"
    );
    assert!(server.record().bans().is_empty());
}

#[tokio::test]
async fn one_address_takes_a_share_of_the_places_and_leaves_the_rest() {
    let server = Server::start().await;
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(Wire::open(&server).await);
    }
    let mut beyond = TcpStream::connect(server.admin()).await.unwrap();
    let closed = timeout(DEADLINE, beyond.read_u8())
        .await
        .expect("it is closed at once");
    assert!(closed.is_err(), "without a word");
    let mut other = Wire::open_from(&server, [127, 0, 0, 77].into(), None).await;
    assert_eq!(
        other.ask("GET", "/healthz", "", &Value::Null).await.status,
        200,
        "from elsewhere"
    );
    held[15].ask("GET", "/healthz", "", &Value::Null).await;
}
