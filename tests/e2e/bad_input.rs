//! Bad input gets a clear answer, and costs nobody else anything.

use std::net::SocketAddr;

use rookery_tests::DEADLINE;
use rookery_tests::irc::Client;
use rookery_tests::server::{Server, Site};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Sends bytes without TLS, and reads all that comes back until the server closes.
async fn speak_plainly(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer))
        .await
        .expect("it closes")
        .unwrap();
    answer
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_are_refused_and_the_session_goes_on() {
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
async fn a_line_that_is_too_long_is_refused_and_the_session_goes_on() {
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
        server.record().messages(),
        ["short"],
        "nothing of it was taken"
    );
}

#[tokio::test]
async fn strangers_with_bad_lines_are_answered_too() {
    let server = Server::start().await;
    let mut stranger = Client::connect(&server, "stranger").await;
    stranger.send_bytes(b"\xff\xfe\r\n").await;
    stranger
        .expect("INVALID_UTF8", |message| {
            message.params.contains(&"INVALID_UTF8".to_owned())
        })
        .await;
    stranger.send(&"x".repeat(100_000)).await;
    stranger.expect_numeric("417").await;
    stranger.send("GET / HTTP/1.1").await;
    stranger
        .expect("an answer", |message| {
            ["421", "451"].contains(&message.command.as_str())
        })
        .await;
    stranger.send("NICK :not a nick").await;
    stranger.expect_numeric("432").await;
}

#[tokio::test]
async fn a_tls_handshake_that_never_ends_is_closed_and_others_go_on() {
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
    alice.say("#lobby", "not waiting for anyone").await;
    for mut stream in stuck {
        let mut rest = Vec::new();
        // Closed or reset, with or without an alert: it ends.
        let _ = timeout(DEADLINE, stream.read_to_end(&mut rest))
            .await
            .expect("it is closed by its time limit");
    }
    alice.say("#lobby", "still here").await;
}

#[tokio::test]
async fn plain_http_on_either_port_gets_a_plain_answer() {
    let server = Server::start().await;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (port, word) in [(server.chat(), "TLS"), (server.admin(), "HTTPS")] {
        let answer = speak_plainly(port, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains(word), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn plain_irc_on_the_chat_port_is_told_to_use_tls() {
    let server = Server::start().await;
    let answer = speak_plainly(server.chat(), b"NICK alice\r\nUSER alice 0 * :Alice\r\n").await;
    assert!(
        answer.starts_with("ERROR :") && answer.contains("TLS"),
        "{answer}"
    );
    assert_eq!(answer.lines().count(), 1, "{answer}");
}

#[tokio::test]
async fn a_handshake_that_leads_nowhere_is_closed() {
    let server = Server::with(&[
        "limits.handshake_seconds = 1",
        "limits.waiting_room_seconds = 2",
    ])
    .await;
    let mut silent = Client::connect(&server, "silent").await;
    let heard = silent.until_closed().await;
    assert!(
        heard.iter().any(|message| message.command == "ERROR"),
        "{heard:?}"
    );
    let mut waiting = Client::introduce(&server, "waiting").await;
    let heard = waiting.until_closed().await;
    assert!(
        heard.iter().any(|message| message.command == "ERROR"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn too_many_connections_from_one_address_are_refused() {
    let server = Server::with(&["limits.connections_per_address = 2"]).await;
    let mut alice = Client::register(&server, "alice").await;
    let _second = Client::introduce(&server, "second").await;
    let mut third = TcpStream::connect(server.chat()).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(DEADLINE, third.read_to_end(&mut rest))
        .await
        .expect("it is closed");
    alice.say("#lobby", "still here").await;
}

#[tokio::test]
async fn an_unknown_config_key_is_named_and_nothing_starts() {
    let site = Site::new(&["limits.sendq_bites = 1"]);
    let (code, said) = site.fail_to_start().await;
    assert_ne!(code, 0);
    assert!(
        said.contains("config.toml:7: limits.sendq_bites: unknown key; known keys here: "),
        "{said}"
    );
    assert!(said.contains("sendq_bytes"), "{said}");
    assert!(
        !site.path("data").exists(),
        "nothing is made by a server that does not start"
    );
}

#[tokio::test]
async fn a_broken_certificate_is_named_and_nothing_starts() {
    let site = Site::new(&[]);
    std::fs::create_dir(site.path("certs")).unwrap();
    std::fs::write(
        site.path("certs/server.pem"),
        "-----BEGIN CERTIFICATE-----\nnonsense\n",
    )
    .unwrap();
    std::fs::write(site.path("certs/server.key"), "").unwrap();
    let (code, said) = site.fail_to_start().await;
    assert_ne!(code, 0);
    assert!(said.contains("certs/server.pem: broken PEM"), "{said}");
}

#[tokio::test]
async fn a_port_in_use_is_named_and_nothing_starts() {
    for key in ["chat.listen", "admin.listen"] {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let site = Site::new(&[&format!("{key} = \"{address}\"")]);
        let (code, said) = site.fail_to_start().await;
        assert_ne!(code, 0);
        assert!(said.contains(&format!("{address} ({key})")), "{said}");
    }
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_used_is_named_and_nothing_starts() {
    let site = Site::new(&[]);
    std::fs::write(site.path("data"), "a file in its place").unwrap();
    let (code, said) = site.fail_to_start().await;
    assert_ne!(code, 0);
    assert!(
        said.contains("the data folder data cannot be used (data.directory)"),
        "{said}"
    );

    let site = Site::new(&[]);
    std::fs::create_dir_all(site.path("data/rookery.db")).unwrap();
    let (code, said) = site.fail_to_start().await;
    assert_ne!(code, 0);
    assert!(said.contains("data.directory"), "{said}");
}
