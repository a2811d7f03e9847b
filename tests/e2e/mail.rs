//! A mail server that is of no use must not hold up anyone but those who wait for their mail.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rookery_tests::irc::{Client, starts};
use rookery_tests::server::Server;

/// More than the server tries to send at once.
const STUCK: usize = 12;

#[tokio::test]
async fn a_mail_server_that_takes_connections_and_says_nothing_delays_nobody_else() {
    // The system accepts for it; nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::with(&[
        "accounts.required = false",
        "mail.transport = \"smtp\"",
        "mail.smtp.host = \"127.0.0.1\"",
        &format!("mail.smtp.port = {}", silent.local_addr().unwrap().port()),
    ])
    .await;
    let mut waiting = Vec::new();
    for number in 0..STUCK {
        let mut client = Client::introduce(&server, &format!("waiting{number}")).await;
        client
            .ask_to_register(
                &format!("someone{number}"),
                &format!("someone{number}@example.org"),
            )
            .await;
        waiting.push(client);
    }
    let start = Instant::now();
    let mut gerd = Client::introduce(&server, "gerd").await;
    gerd.admitted().await;
    gerd.say("#lobby", "anyone?").await;
    for client in &mut waiting {
        client.expect_said("gerd", "#lobby", "anyone?").await;
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "others wait: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn whoever_waits_for_a_mail_that_does_not_leave_is_told() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server::with(&[
        "mail.transport = \"smtp\"",
        "mail.smtp.host = \"127.0.0.1\"",
        &format!("mail.smtp.port = {}", nobody.port()),
    ])
    .await;
    let mut alice = Client::introduce(&server, "alice").await;
    alice.ask_to_register("alice", "alice@example.org").await;
    alice
        .expect("a NOTE on the delay", |message| {
            starts(message, "NOTE", "REGISTER")
        })
        .await;
}
