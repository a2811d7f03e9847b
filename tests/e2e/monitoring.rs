//! Monitoring the server: `admin-cli status`, and metrics for Prometheus.

use rookery_tests::admin::Operator;
use rookery_tests::control::ControlClient;
use rookery_tests::irc::Client;
use rookery_tests::metrics::{self, send, value};
use rookery_tests::server::Server;
use serde_json::Value;

#[tokio::test]
async fn the_status_shows_the_state_of_the_server() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    alice.say("#lobby", "one").await;
    alice.say("#lobby", "two").await;
    let status: Value = operator.run_json(&["status"]).await;
    for (key, expected) in [
        ("users", 1),
        ("sessions", 1),
        ("connections", 1),
        ("messages_stored", 2),
        ("core_queue_events", 0),
    ] {
        assert_eq!(status[key], expected, "{key} in {status}");
    }
    assert!(status["store_bytes"].as_u64().unwrap() > 10_000, "{status}");
    for rate in [
        "messages_received",
        "deliveries",
        "delivered_bytes",
        "connections_accepted",
        "sign_ins",
    ] {
        assert!(
            status["rates"][rate].as_f64().unwrap() > 0.0,
            "{rate} since the start: {status}"
        );
    }
    let text = operator.run_ok(&["status"]).await;
    for part in [
        "rookery.test\n",
        "rookeryd 0.",
        "admin-cli 0.",
        "1 user, 1 session, 1 connection",
        "2 stored",
        "sendq 0 B",
        "KiB",
        "Certificate",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
}

#[tokio::test]
async fn metrics_are_served_to_prometheus_on_a_separate_port() {
    let server = metrics::start_server().await;
    let address = server.metrics();
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    alice.say("#lobby", "one").await;
    bob.expect_privmsg("alice", "#lobby", "one").await;
    let mut guesser = Client::try_sign_in(&server, "guesser", "alice", "not her password").await;
    guesser.expect_numeric("904").await;
    Operator::add(&server, "root");
    let control = ControlClient::new(&server);
    let login = serde_json::json!({"name": "root", "password": "not this"});
    assert_eq!(control.post("/v1/login", None, login).await.status, 401);

    let response = send(address, "GET /metrics").await;
    let (head, metrics) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(value(metrics, "rookery_users"), 2);
    assert_eq!(value(metrics, "rookery_messages_stored_total"), 1);
    let commits = value(metrics, "rookery_commit_duration_seconds_count");
    assert!(commits >= 1, "more than messages is committed");
    assert_eq!(
        value(
            metrics,
            "rookery_commit_duration_seconds_bucket{le=\"+Inf\"}"
        ),
        commits
    );
    assert!(value(metrics, "rookery_connections_accepted_total") >= 3);
    assert!(value(metrics, "rookery_deliveries_total") > 2);
    assert!(value(metrics, "rookery_delivered_bytes_total") > 100);
    assert_eq!(
        value(metrics, "rookery_sign_ins_total{port=\"chat\"}"),
        0,
        "a registration is not counted as a sign-in"
    );
    assert_eq!(
        value(metrics, "rookery_sign_ins_total{port=\"control\"}"),
        0
    );
    assert_eq!(
        value(metrics, "rookery_sign_ins_refused_total{port=\"chat\"}"),
        1
    );
    assert_eq!(
        value(metrics, "rookery_sign_ins_refused_total{port=\"control\"}"),
        1
    );
    assert_eq!(value(metrics, "rookery_mails_sent_total"), 2);
    assert!(value(metrics, "rookery_store_size_bytes") > 10_000);
    assert!(
        send(address, "GET /v1/users")
            .await
            .starts_with("HTTP/1.1 404"),
        "the port serves metrics only"
    );
    assert!(
        send(address, "POST /metrics")
            .await
            .starts_with("HTTP/1.1 405")
    );
}

#[tokio::test]
async fn the_metrics_port_is_closed_by_default() {
    let server = Server::start().await;
    assert!(!server.log().contains("metrics"), "{}", server.log());
}
