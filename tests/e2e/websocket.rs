//! Web clients, which chat over WebSocket.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, PASSWORD};
use rookery_tests::server::Server;
use rookery_tests::{DEADLINE, tls};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A web client's connection.
struct Page(WebSocketStream<TlsStream<TcpStream>>);

async fn server(settings: &[&str]) -> Server {
    Server::with(&[&["websocket.listen = \"127.0.0.1:0\""], settings].concat()).await
}

async fn connect(server: &Server, protocol: &str, origin: Option<&str>) -> Result<Page, Error> {
    // A small buffer, so that a client that does not read is noticed soon.
    let tcp = TcpSocket::new_v4().unwrap();
    tcp.set_recv_buffer_size(8192).unwrap();
    let tcp = tcp.connect(server.websocket()).await.unwrap();
    let connector = TlsConnector::from(tls::client_config(&server.ca(), None));
    let stream = connector
        .connect(ServerName::try_from("localhost").unwrap(), tcp)
        .await
        .unwrap();
    let mut request = "wss://localhost/".into_client_request().unwrap();
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("Origin", origin.parse().unwrap());
    }
    client_async(request, stream)
        .await
        .map(|(socket, _)| Page(socket))
}

impl Page {
    async fn open(server: &Server) -> Self {
        connect(server, "text.ircv3.net", None).await.unwrap()
    }

    async fn send(&mut self, line: &str) {
        self.0.send(Message::text(line)).await.unwrap();
    }

    async fn next(&mut self) -> Option<Message> {
        timeout(DEADLINE, self.0.next())
            .await
            .expect("the server sends something in time")
            .map(Result::unwrap)
    }

    async fn expect(&mut self, part: &str) -> String {
        let mut received = Vec::new();
        loop {
            match self.next().await {
                Some(message) if message.is_text() || message.is_binary() => {
                    let line = message.into_text().unwrap().to_string();
                    assert!(!line.contains(['\r', '\n']), "{line:?}");
                    if line.contains(part) {
                        return line;
                    }
                    received.push(line);
                }
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("{other:?} instead of {part:?}, after {received:#?}"),
            }
        }
    }

    async fn close_code(&mut self) -> CloseCode {
        loop {
            match self.next().await {
                Some(Message::Close(Some(frame))) => return frame.code,
                Some(_) => {}
                None => panic!("the connection ended without a close frame"),
            }
        }
    }

    /// Signs in by password, without waiting for the outcome.
    async fn try_sign_in(&mut self, account: &str) {
        self.send("CAP REQ sasl").await;
        self.send("AUTHENTICATE PLAIN").await;
        self.expect("AUTHENTICATE +").await;
        self.send(&format!(
            "AUTHENTICATE {}",
            STANDARD.encode(format!("\0{account}\0{PASSWORD}"))
        ))
        .await;
        self.introduce(account).await;
        self.send("CAP END").await;
    }

    async fn sign_in(&mut self, account: &str) {
        self.try_sign_in(account).await;
        self.expect(&format!(" 001 {account} ")).await;
        self.expect(" JOIN #lobby").await;
    }

    /// Sends `NICK` and `USER`.
    async fn introduce(&mut self, nick: &str) {
        self.send(&format!("NICK {nick}")).await;
        self.send(&format!("USER {nick} 0 * :{nick}")).await;
    }
}

#[tokio::test]
async fn a_web_client_signs_in_and_talks_with_others() {
    let server = server(&[]).await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    bob.send("QUIT").await;
    bob.read_until_closed().await;
    for protocol in ["text.ircv3.net", "binary.ircv3.net"] {
        let mut page = connect(&server, protocol, Some("https://localhost:8443"))
            .await
            .unwrap();
        page.sign_in("bob").await;
        page.send("PRIVMSG #lobby :from the web, é").await;
        alice
            .expect_privmsg("bob", "#lobby", "from the web, é")
            .await;
        alice.say("#lobby", "and back").await;
        page.expect("PRIVMSG #lobby :and back").await;
        page.send("QUIT :done").await;
        page.expect("ERROR :").await;
        assert_eq!(page.close_code().await, CloseCode::Normal);
        alice
            .expect("bob quits", |message| message.command == "QUIT")
            .await;
    }
}

#[tokio::test]
async fn a_ban_takes_effect_on_both_chat_ports_at_once() {
    let server = server(&["accounts.required = false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register_as_guest(&server, "alice").await;
    let mut page = Page::open(&server).await;
    page.sign_in("alice").await;
    let mut guest = Page::open(&server).await;
    guest.introduce("guest").await;
    guest.expect(" 001 guest ").await;

    let banned = operator
        .run_json(&["ban", "alice", "--reason", "spam"])
        .await;
    assert_eq!(banned["ended"]["sessions"], 2, "{banned}");
    assert_eq!(
        alice.read_until_closed().await.last().unwrap().to_string(),
        "ERROR :Banned: spam"
    );
    page.expect("ERROR :Banned: spam").await;
    let mut again = Page::open(&server).await;
    again.try_sign_in("alice").await;
    again.expect(" 465 ").await;
    // A banned address is refused on both ports, too.
    operator
        .run_ok(&["ban", "127.0.0.0/8", "--reason", "storm", "--yes"])
        .await;
    guest.expect("ERROR :Banned: storm").await;
    let mut late = Client::connect(&server, "late").await;
    assert_eq!(
        late.read_until_closed().await.last().unwrap().to_string(),
        "ERROR :Banned: storm"
    );
    Page::open(&server)
        .await
        .expect("ERROR :Banned: storm")
        .await;
}

#[tokio::test]
async fn pages_from_other_origins_are_refused() {
    let server = server(&["websocket.origins = [\"https://chat.example.org\"]"]).await;
    assert!(
        connect(&server, "text.ircv3.net", Some("https://chat.example.org"))
            .await
            .is_ok()
    );
    match connect(&server, "text.ircv3.net", Some("https://evil.example")).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{:?}", other.map(|_| "it was accepted")),
    }
}

#[tokio::test]
async fn bad_input_gets_the_same_responses_as_without_websocket() {
    let server = server(&["accounts.required = false"]).await;
    let mut page = Page::open(&server).await;
    page.introduce("ann").await;
    page.expect(" 001 ann ").await;
    page.0
        .send(Message::binary(b"PRIVMSG ann :\xff\xfe".as_slice()))
        .await
        .unwrap();
    page.expect("FAIL PRIVMSG INVALID_UTF8 ").await;
    page.send(&format!("PRIVMSG ann :{}", "x".repeat(600)))
        .await;
    page.expect(" 417 ann ").await;
    page.send("PRIVMSG ann :one\r\nQUIT").await;
    page.expect(" 421 ann ").await;
    page.send("PRIVMSG ann :still here").await;
    page.expect("PRIVMSG ann :still here").await;
    page.send(&"x".repeat(20_000)).await;
    assert_eq!(page.close_code().await, CloseCode::Size);
}

#[tokio::test]
async fn a_web_client_that_sends_too_fast_is_slowed_down() {
    let server = server(&[
        "accounts.required = false",
        "limits.message_burst = 5",
        "limits.messages_per_second = 4",
    ])
    .await;
    let mut page = Page::open(&server).await;
    page.introduce("ann").await;
    page.expect(" 001 ann ").await;
    let start = std::time::Instant::now();
    for count in 0..9 {
        page.send(&format!("PRIVMSG ann :number {count}")).await;
    }
    page.expect("PRIVMSG ann :number 8").await;
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "after a burst of five, four messages take a second"
    );
}

#[tokio::test]
async fn a_web_client_that_reads_nothing_is_closed_and_harms_nobody() {
    let server = server(&[
        "accounts.required = false",
        "limits.sendq_bytes = 65536",
        "limits.message_burst = 0",
        "limits.messages_per_second = 0",
    ])
    .await;
    let mut page = Page::open(&server).await;
    page.introduce("slow").await;
    page.expect(" 001 slow ").await;
    page.send("JOIN #lobby").await;
    page.expect(" 366 ").await;
    let mut ann = Client::handshake(&server, "ann").await;
    ann.wait_until_admitted().await;
    let text = "x".repeat(400);
    let flood = async {
        loop {
            // Few enough that ann's own send queue has room for the echoes.
            for _ in 0..50 {
                ann.send(&format!("NOTICE #lobby :{text}")).await;
            }
            ann.send("PING here").await;
            ann.expect_text("here").await;
            if ann
                .buffered_messages()
                .iter()
                .any(|message| message.command == "QUIT")
                || server.log().contains("SendQ")
            {
                return;
            }
            ann.send("WHOIS slow").await;
            if ann
                .expect("WHOIS", |message| {
                    ["401", "318"].contains(&message.command.as_str())
                })
                .await
                .command
                == "401"
            {
                return;
            }
        }
    };
    timeout(DEADLINE, flood)
        .await
        .expect("the slow reader is closed");
}

#[tokio::test]
async fn plain_http_on_the_web_port_gets_an_error_that_names_tls() {
    let server = server(&["accounts.required = false"]).await;
    let address = server.websocket();
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut response = String::new();
    timeout(DEADLINE, plain.read_to_string(&mut response))
        .await
        .unwrap()
        .unwrap();
    assert!(
        response.starts_with("HTTP/1.1 400 ") && response.contains("TLS"),
        "{response}"
    );
}

/// Empty fragments never become a message, so only their bytes tell that they are many.
#[tokio::test]
async fn bytes_that_never_become_a_line_are_read_slowly() {
    let server = server(&[]).await;
    let mut page = Page::open(&server).await;
    let stream = page.0.get_mut();
    stream.write_all(&[0x01, 0x80, 0, 0, 0, 0]).await.unwrap();
    // More than the kernel accepts for a server that does not read.
    let flood = [0x00, 0x80, 0, 0, 0, 0].repeat((16 << 20) / 6);
    let sent = timeout(Duration::from_secs(5), stream.write_all(&flood)).await;
    assert!(sent.is_err(), "the server has read all: {sent:?}");
    let mut alice = Client::register(&server, "alice").await;
    alice.say("#lobby", "undisturbed").await;
}
