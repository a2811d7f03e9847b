//! Requests to the control plane as scripts and attackers send them: repeated, too large, too slow,
//! or on too many connections.

use std::time::Duration;

use rookery_tests::admin::Operator;
use rookery_tests::control::{ControlClient, RawConnection, RawResponse, bearer};
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than the ten seconds for which the server waits for the body of a request.
const SLOW_REQUEST_DEADLINE: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_repeated_request_with_the_same_key_is_executed_once() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let token = bearer(&ControlClient::new(&server).sign_in(&server, "root").await);
    let mut bob = Client::register(&server, "bob").await;
    let mut connection = RawConnection::open(&server).await;
    let mut keyed = async |key: &str, path: &str, body: Value| {
        connection
            .request(
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
    bob.read_until_closed().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    let again = keyed("one", kick, json!({"reason": "too loud"})).await;
    assert_eq!(
        (again.status, again.body),
        (200, first.body),
        "the response is the same"
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
    assert!(server.database().bans().is_empty());
    assert_eq!(
        server.database().count_audit("kick", "allowed"),
        1,
        "the request was carried out once"
    );

    let ban = json!({"target": "mallory"});
    let bans = [
        keyed("two", "/v1/bans", ban.clone()).await,
        keyed("two", "/v1/bans", ban).await,
    ];
    assert!(
        bans.iter().all(|response| response.status == 201),
        "{bans:?}"
    );
    assert_eq!(bans[0].body, bans[1].body);
    assert_eq!(server.database().count_audit("ban", "allowed"), 1);
}

#[tokio::test]
async fn oversized_and_slow_requests_are_refused_and_others_are_served() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let token = bearer(&ControlClient::new(&server).sign_in(&server, "root").await);
    let refused = async |path: &str, kind: &str, bytes: usize| {
        let mut connection = RawConnection::open(&server).await;
        let headers = format!("{token}Content-Type: {kind}\r\nContent-Length: {bytes}\r\n");
        let request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        connection.send(request.as_bytes()).await;
        connection.send(&vec![b'x'; bytes]).await;
        connection.read_response().await.expect("a response")
    };
    for (path, kind, bytes) in [
        ("/v1/bans", "application/json", 65_537),
        ("/v1/import/bans", "text/csv", 1_048_577),
    ] {
        let response = refused(path, kind, bytes).await;
        assert_eq!(
            (response.status, response.problem()),
            (413, "body-too-large"),
            "{response:?}"
        );
    }

    // At the same time: a connection without any bytes, half a head, and half a body.
    let mut silent = TcpStream::connect(server.admin()).await.unwrap();
    let (mut half_head, mut half_body) = (
        RawConnection::open(&server).await,
        RawConnection::open(&server).await,
    );
    half_head
        .send(b"GET /v1/status HTTP/1.1\r\nHost: local")
        .await;
    let request =
        RawConnection::format_request("POST", "/v1/bans", &token, r#"{"target": "mallory"}"#);
    half_body
        .send(&request.as_bytes()[..request.len() - 5])
        .await;
    // Another client is served meanwhile.
    assert_eq!(
        RawConnection::open(&server)
            .await
            .request("GET", "/healthz", "", &Value::Null)
            .await
            .status,
        200
    );
    let mut rest = Vec::new();
    let (slow_head, slow_body, _) = timeout(SLOW_REQUEST_DEADLINE, async {
        tokio::join!(
            half_head.read_response_without_timeout(),
            half_body.read_response_without_timeout(),
            silent.read_to_end(&mut rest)
        )
    })
    .await
    .expect("slow connections are closed");
    assert!(
        slow_head.is_none(),
        "closed without a response: {slow_head:?}"
    );
    let slow_body: RawResponse = slow_body.expect("a response");
    assert_eq!(
        (slow_body.status, slow_body.problem()),
        (408, "request-timeout"),
        "{slow_body:?}"
    );
    assert!(server.database().bans().is_empty());
}

#[tokio::test]
async fn one_address_cannot_use_up_all_connections() {
    let server = Server::start().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(RawConnection::open(&server).await);
    }
    let mut beyond = RawConnection::open(&server).await;
    let answered = beyond.request("GET", "/healthz", "", &Value::Null).await;
    assert_eq!(answered.status, 200, "a client that acts is served");
    assert!(
        open[0].read_response().await.is_none(),
        "the oldest silent connection is closed for it"
    );
    let mut other = RawConnection::open_from(&server, [127, 0, 0, 77].into(), None).await;
    assert_eq!(
        other
            .request("GET", "/healthz", "", &Value::Null)
            .await
            .status,
        200,
        "another address is served"
    );
}
