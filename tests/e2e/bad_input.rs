//! Bad input gets a clear response and affects no other user.

use std::net::SocketAddr;

use rookery_tests::DEADLINE;
use rookery_tests::irc::Client;
use rookery_tests::server::{Server, ServerBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Sends bytes without TLS, and returns everything that the server sends until it closes.
async fn send_without_tls(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut response = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut response))
        .await
        .expect("the server closes the connection")
        .unwrap();
    response
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_are_refused_and_the_session_continues() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    alice.send_bytes(b"PRIVMSG #lobby :caf\xe9\r\n").await;
    alice
        .expect("INVALID_UTF8", |message| {
            message.command == "FAIL" && message.params[..2] == ["PRIVMSG", "INVALID_UTF8"]
        })
        .await;
    alice.say("#lobby", "café").await;
    let first = bob
        .expect("a message", |message| message.command == "PRIVMSG")
        .await;
    assert_eq!(first.param(1), Some("café"));
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused_and_the_session_continues() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    for length in [600, 5000, 100_000] {
        alice
            .send(&format!("PRIVMSG #lobby :{}", "x".repeat(length)))
            .await;
        alice.expect_numeric("417").await;
    }
    alice.say("#lobby", "short").await;
    assert_eq!(
        server.database().messages(),
        ["short"],
        "no part of a long line is stored"
    );
}

#[tokio::test]
async fn bad_lines_get_a_response_before_sign_in_too() {
    let server = Server::start().await;
    let mut client = Client::connect(&server, "client").await;
    client.send_bytes(b"\xff\xfe\r\n").await;
    client
        .expect("INVALID_UTF8", |message| {
            message.params.contains(&"INVALID_UTF8".to_owned())
        })
        .await;
    client.send(&"x".repeat(100_000)).await;
    client.expect_numeric("417").await;
    client.send("GET / HTTP/1.1").await;
    client
        .expect("a response", |message| {
            ["421", "451"].contains(&message.command.as_str())
        })
        .await;
    client.send("NICK :not a nick").await;
    client.expect_numeric("432").await;
}

#[tokio::test]
async fn an_unfinished_tls_handshake_is_closed_and_delays_nobody() {
    let server = Server::with(&["limits.tls_handshake_seconds = 1"]).await;
    let mut stuck = Vec::new();
    for port in [server.chat(), server.admin()] {
        for beginning in [b"".as_slice(), b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
            let mut stream = TcpStream::connect(port).await.unwrap();
            stream.write_all(beginning).await.unwrap();
            stuck.push(stream);
        }
    }
    let mut alice = Client::register(&server, "alice").await;
    alice.say("#lobby", "not delayed").await;
    for mut stream in stuck {
        let mut rest = Vec::new();
        // It may be closed or reset, with or without an alert.
        let _ = timeout(DEADLINE, stream.read_to_end(&mut rest))
            .await
            .expect("the connection ends at the time limit");
    }
    alice.say("#lobby", "still here").await;
}

#[tokio::test]
async fn plain_http_on_either_port_gets_an_http_error() {
    let server = Server::start().await;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (port, word) in [(server.chat(), "TLS"), (server.admin(), "HTTPS")] {
        let response = send_without_tls(port, request).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
        assert!(response.contains(word), "{response}");
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{response}"
        );
    }
}

#[tokio::test]
async fn plain_irc_on_the_chat_port_gets_an_error_that_names_tls() {
    let server = Server::start().await;
    let response =
        send_without_tls(server.chat(), b"NICK alice\r\nUSER alice 0 * :Alice\r\n").await;
    assert!(
        response.starts_with("ERROR :") && response.contains("TLS"),
        "{response}"
    );
    assert_eq!(response.lines().count(), 1, "{response}");
}

#[tokio::test]
async fn an_unfinished_irc_handshake_is_closed() {
    let server = Server::with(&[
        "limits.handshake_seconds = 1",
        "limits.waiting_room_seconds = 2",
    ])
    .await;
    let mut silent = Client::connect(&server, "silent").await;
    let received = silent.read_until_closed().await;
    assert!(
        received.iter().any(|message| message.command == "ERROR"),
        "{received:?}"
    );
    let mut waiting = Client::handshake(&server, "waiting").await;
    let received = waiting.read_until_closed().await;
    assert!(
        received.iter().any(|message| message.command == "ERROR"),
        "{received:?}"
    );
}

#[tokio::test]
async fn too_many_connections_from_one_address_are_refused() {
    let server = Server::with(&["limits.connections_per_address = 2"]).await;
    let mut alice = Client::register(&server, "alice").await;
    let _second = Client::handshake(&server, "second").await;
    let mut third = TcpStream::connect(server.chat()).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(DEADLINE, third.read_to_end(&mut rest))
        .await
        .expect("the server closes the connection");
    alice.say("#lobby", "still here").await;
}

#[tokio::test]
async fn an_unknown_config_key_is_reported_and_prevents_the_start() {
    let builder = ServerBuilder::new(&["limits.sendq_bites = 1"]);
    let (code, log) = builder.fail_to_start().await;
    assert_ne!(code, 0);
    assert!(log.contains("config.toml:7: limits.sendq_bites: "), "{log}");
    assert!(
        log.contains("sendq_bytes"),
        "the known keys are named: {log}"
    );
    assert!(
        !builder.path("data").exists(),
        "a server that does not start creates nothing"
    );
}

#[tokio::test]
async fn a_broken_certificate_is_reported_and_prevents_the_start() {
    let builder = ServerBuilder::new(&[]);
    std::fs::create_dir(builder.path("certs")).unwrap();
    std::fs::write(
        builder.path("certs/server.pem"),
        "-----BEGIN CERTIFICATE-----\nnonsense\n",
    )
    .unwrap();
    std::fs::write(builder.path("certs/server.key"), "").unwrap();
    let (code, log) = builder.fail_to_start().await;
    assert_ne!(code, 0);
    assert!(log.contains("certs/server.pem: "), "{log}");
}

#[tokio::test]
async fn a_port_in_use_is_reported_and_prevents_the_start() {
    for key in ["chat.listen", "admin.listen"] {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let builder = ServerBuilder::new(&[&format!("{key} = \"{address}\"")]);
        let (code, log) = builder.fail_to_start().await;
        assert_ne!(code, 0);
        assert!(log.contains(&format!("{address} ({key})")), "{log}");
    }
}

#[tokio::test]
async fn an_unusable_data_folder_is_reported_and_prevents_the_start() {
    let builder = ServerBuilder::new(&[]);
    std::fs::write(builder.path("data"), "a file, not a folder").unwrap();
    let (code, log) = builder.fail_to_start().await;
    assert_ne!(code, 0);
    assert!(log.contains("data.directory"), "{log}");

    let builder = ServerBuilder::new(&[]);
    std::fs::create_dir_all(builder.path("data/rookery.db")).unwrap();
    let (code, log) = builder.fail_to_start().await;
    assert_ne!(code, 0);
    assert!(log.contains("data.directory"), "{log}");
    assert!(log.contains("it is a folder"), "{log}");
}
