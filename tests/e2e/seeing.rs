//! Seeing how the server fares: the status, and the metrics for Prometheus.

use rookery_tests::admin::Operator;
use rookery_tests::control::Control;
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An HTTP request as it stands on the wire; gives the whole answer.
async fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn value(metrics: &str, name: &str) -> u64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in\n{metrics}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn the_status_tells_how_the_server_fares() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    alice.say("#lobby", "one").await;
    alice.say("#lobby", "two").await;
    let status: Value = serde_json::from_str(&operator.done(&["--json", "status"]).await).unwrap();
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
            "{rate} since the start, a moment ago: {status}"
        );
    }
    let text = operator.done(&["status"]).await;
    for part in [
        "Server       rookery.test\n",
        "Versions     rookeryd 0.",
        ", admin-cli 0.",
        "Rates        ",
        "s ago)",
        "1 user, 1 session, 1 connection",
        "2 stored since the start",
        "largest sendq 0 B",
        "KiB on disk",
        "0 events for the core",
        "Certificate  expires ",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
}

#[tokio::test]
async fn prometheus_reads_what_happens_on_a_port_of_its_own() {
    let server = Server::with(&["metrics.listen = \"127.0.0.1:0\""]).await;
    let log = server.log();
    let address = log
        .split(" metrics=")
        .nth(1)
        .expect("the log has its address")
        .split_whitespace()
        .next()
        .unwrap();
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    alice.say("#lobby", "one").await;
    bob.expect_said("alice", "#lobby", "one").await;
    let mut guesser = Client::try_sign_in(&server, "guesser", "alice", "not her password").await;
    guesser.expect_numeric("904").await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let login = serde_json::json!({"name": "root", "password": "not this"});
    assert_eq!(control.post("/v1/login", None, login).await.status, 401);

    let answer = ask(address, "GET /metrics").await;
    let (head, metrics) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(value(metrics, "rookery_users"), 2);
    assert_eq!(value(metrics, "rookery_messages_stored_total"), 1);
    let commits = value(metrics, "rookery_commit_duration_seconds_count");
    assert!(
        commits >= 1,
        "what is kept besides messages is committed too"
    );
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
        "to register is no sign-in"
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
        ask(address, "GET /v1/users")
            .await
            .starts_with("HTTP/1.1 404"),
        "nothing else is there"
    );
    assert!(
        ask(address, "POST /metrics")
            .await
            .starts_with("HTTP/1.1 405")
    );
}

#[tokio::test]
async fn the_metrics_port_is_closed_unless_asked_for() {
    let server = Server::start().await;
    assert!(!server.log().contains("metrics"), "{}", server.log());
}
