//! Maintenance mode, as seen by users who are connected and by users who try to connect.

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, tcp_connect_from};
use rookery_tests::metrics;
use rookery_tests::server::Server;
use tokio::io::AsyncReadExt as _;

#[tokio::test]
async fn new_connections_are_refused_until_maintenance_ends_even_after_a_restart() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let mut early = Client::handshake(&server, "bob").await;
    early.start_registration("bob", "bob@example.org").await;
    let code = server.mailbox().code_to("bob@example.org").await;

    let output = operator
        .run_ok(&["maintenance", "on", "back at noon"])
        .await;
    assert!(output.contains("back at noon"), "{output}");
    assert!(operator.run_ok(&["status"]).await.contains("back at noon"));
    alice.say("#lobby", "still here").await;
    early.send(&format!("VERIFY bob {code}")).await;
    // This includes a client that was already in the waiting room.
    assert_refused(&mut early).await;
    assert_refused(&mut Client::connect(&server, "carol").await).await;

    server.sigterm().await;
    server.restart().await;
    assert_refused(&mut Client::connect(&server, "alice").await).await;
    operator.login(&server).await;
    assert!(
        operator
            .run_ok(&["maintenance"])
            .await
            .contains("back at noon")
    );
    operator.run_ok(&["maintenance", "off"]).await;
    Client::sign_in(&server, "alice")
        .await
        .say("#lobby", "back")
        .await;
    Client::sign_in(&server, "bob").await;
    let acts = server
        .database()
        .audit()
        .into_iter()
        .filter(|entry| entry.act == "set-maintenance");
    let acts: Vec<(String, String)> = acts.map(|entry| (entry.target, entry.detail)).collect();
    assert_eq!(
        acts,
        [
            ("on".to_owned(), "back at noon".to_owned()),
            ("off".to_owned(), String::new())
        ]
    );
}

/// Checks that the server closes the connection and names maintenance and the operator's text.
async fn assert_refused(client: &mut Client) {
    let received = client.read_until_closed().await;
    let error = received.last().unwrap().to_string();
    assert!(
        error.starts_with("ERROR :")
            && error.contains("maintenance")
            && error.ends_with(": back at noon"),
        "{error}"
    );
}

#[tokio::test]
async fn many_refused_connections_cost_little() {
    let server = metrics::start_server().await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.run_ok(&["maintenance", "on"]).await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(tcp_connect_from(&server, [127, 0, 0, 1].into()).await);
    }
    metrics::expect_count(&server, "rookery_connections_refused_total", 16).await;
    let mut next = tcp_connect_from(&server, [127, 0, 0, 1].into()).await;
    let mut received = Vec::new();
    next.read_to_end(&mut received).await.unwrap();
    assert_eq!(
        received.first(),
        Some(&21),
        "a TLS alert, without a handshake"
    );
}
