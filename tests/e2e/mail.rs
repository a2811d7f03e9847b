//! A mail server that does not work delays only the users who wait for a mail.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rookery_tests::irc::{Client, is_command};
use rookery_tests::server::Server;

/// More mails than the server sends at the same time.
const PENDING_MAILS: usize = 12;

#[tokio::test]
async fn a_silent_mail_server_delays_nobody_else() {
    // The system accepts connections for this socket, and nothing ever responds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::with(&[
        "accounts.required = false",
        "mail.transport = \"smtp\"",
        "mail.smtp.host = \"127.0.0.1\"",
        &format!("mail.smtp.port = {}", silent.local_addr().unwrap().port()),
    ])
    .await;
    let mut waiting = Vec::new();
    for number in 0..PENDING_MAILS {
        let mut client = Client::handshake(&server, &format!("waiting{number}")).await;
        client
            .start_registration(
                &format!("someone{number}"),
                &format!("someone{number}@example.org"),
            )
            .await;
        waiting.push(client);
    }
    let start = Instant::now();
    let mut gerd = Client::handshake(&server, "gerd").await;
    gerd.wait_until_admitted().await;
    gerd.say("#lobby", "anyone?").await;
    for client in &mut waiting {
        client.expect_privmsg("gerd", "#lobby", "anyone?").await;
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "others are delayed: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_client_is_notified_that_its_mail_is_delayed() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server::with(&[
        "mail.transport = \"smtp\"",
        "mail.smtp.host = \"127.0.0.1\"",
        &format!("mail.smtp.port = {}", closed.port()),
    ])
    .await;
    let mut alice = Client::handshake(&server, "alice").await;
    alice.start_registration("alice", "alice@example.org").await;
    alice
        .expect("a NOTE on the delay", |message| {
            is_command(message, "NOTE", "REGISTER")
        })
        .await;
}
