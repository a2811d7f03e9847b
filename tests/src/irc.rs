//! An IRC client for tests. It sends lines, waits for messages, and shows its transcript if an
//! expected message does not arrive.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rookery_protocol::framing::{Line, LineFramer, MAX_TAGS};
use rookery_protocol::{DeviceCredential, Message};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::DEADLINE;
use crate::server::Server;
use crate::tls::{self, Identity};

/// The password of every account that tests create.
pub const PASSWORD: &str = "correct horse battery staple";

/// How many lines of the transcript a failed test shows.
const TRANSCRIPT_LINES: usize = 60;

/// The capabilities that a modern client requests.
const CAPABILITIES: &str = "sasl message-tags server-time echo-message account-tag \
                            standard-replies batch labeled-response";

/// A connection to the chat port.
#[derive(Debug)]
pub struct Client {
    name: String,
    stream: TlsStream<TcpStream>,
    framer: LineFramer,
    /// Messages that were received and not yet returned.
    buffered: VecDeque<Message>,
    transcript: String,
    syncs: u32,
}

impl Client {
    /// Connects over TLS and sends nothing yet. `name` is shown if the test fails.
    pub async fn connect(server: &Server, name: &str) -> Self {
        Self::connect_with_certificate(server, name, None).await
    }

    /// Like [`Self::connect`], with a client certificate.
    pub async fn connect_with_certificate(
        server: &Server,
        name: &str,
        identity: Option<&Identity>,
    ) -> Self {
        let tcp = TcpStream::connect(server.chat()).await.unwrap();
        Self::over(tcp, server, name, identity).await
    }

    /// Like [`Self::connect`], with the smallest receive buffer that the system allows.
    pub async fn connect_with_small_buffer(server: &Server, name: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let tcp = socket.connect(server.chat()).await.unwrap();
        Self::over(tcp, server, name, None).await
    }

    /// Like [`Self::connect`], from `address`.
    pub async fn connect_from(server: &Server, name: &str, address: IpAddr) -> Self {
        let tcp = tcp_connect_from(server, address).await;
        Self::over(tcp, server, name, None).await
    }

    async fn over(
        tcp: TcpStream,
        server: &Server,
        name: &str,
        identity: Option<&Identity>,
    ) -> Self {
        tcp.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(tls::client_config(&server.ca(), identity));
        let stream = timeout(
            DEADLINE,
            connector.connect(ServerName::try_from("localhost").unwrap(), tcp),
        )
        .await
        .expect("the TLS handshake completes in time")
        .expect("the TLS handshake succeeds");
        Self {
            name: name.to_owned(),
            stream,
            framer: LineFramer::new(MAX_TAGS),
            buffered: VecDeque::new(),
            transcript: String::new(),
            syncs: 0,
        }
    }

    /// Connects and begins the handshake with [`Self::negotiate`].
    pub async fn negotiating(server: &Server, nick: &str) -> Self {
        let mut client = Self::connect(server, nick).await;
        client.negotiate(nick).await;
        client
    }

    /// Connects and completes the handshake without signing in. The session is then in the waiting
    /// room, or admitted as a guest where no account is required.
    pub async fn handshake(server: &Server, nick: &str) -> Self {
        let mut client = Self::negotiating(server, nick).await;
        client.send("CAP END").await;
        client
    }

    /// Registers an account, verifies it with the mailed code, and waits until the session is
    /// admitted.
    pub async fn register(server: &Server, name: &str) -> Self {
        let mut client = Self::handshake(server, name).await;
        client.start_registration(name, &email_of(name)).await;
        let code = server.mailbox().code_to(&email_of(name)).await;
        client.send(&format!("VERIFY {name} {code}")).await;
        client
            .expect("VERIFY SUCCESS", |message| {
                is_command(message, "VERIFY", "SUCCESS")
            })
            .await;
        client.wait_until_admitted().await;
        client
    }

    /// Like [`Self::register`], where no account is required: the session is admitted as a guest
    /// before it registers.
    pub async fn register_as_guest(server: &Server, name: &str) -> Self {
        let mut client = Self::handshake(server, name).await;
        client.wait_until_admitted().await;
        client.start_registration(name, &email_of(name)).await;
        let code = server.mailbox().code_to(&email_of(name)).await;
        client.send(&format!("VERIFY {name} {code}")).await;
        client
            .expect("VERIFY SUCCESS", |message| {
                is_command(message, "VERIFY", "SUCCESS")
            })
            .await;
        client
    }

    /// Sends `REGISTER` and waits until the server requests the code.
    pub async fn start_registration(&mut self, name: &str, email: &str) {
        self.send(&format!("REGISTER {name} {email} :{PASSWORD}"))
            .await;
        self.expect("REGISTER VERIFICATION_REQUIRED", |message| {
            is_command(message, "REGISTER", "VERIFICATION_REQUIRED")
        })
        .await;
    }

    /// Signs in to an account that [`Self::register`] created, and waits until the session is
    /// admitted.
    pub async fn sign_in(server: &Server, name: &str) -> Self {
        let mut client = Self::negotiating(server, name).await;
        client.sign_in_with(name, PASSWORD).await;
        client
    }

    /// Signs in by SASL PLAIN after [`Self::negotiate`], and waits until the session is admitted.
    pub async fn sign_in_with(&mut self, account: &str, secret: &str) {
        self.authenticate("PLAIN", format!("\0{account}\0{secret}").as_bytes())
            .await;
        self.expect_numeric("903").await;
        self.send("CAP END").await;
        self.wait_until_admitted().await;
    }

    /// Tries to sign in, and returns all messages until the server closes the connection.
    pub async fn sign_in_refused(server: &Server, account: &str, secret: &str) -> Vec<Message> {
        let mut client = Self::try_sign_in(server, "someone", account, secret).await;
        client.send("CAP END").await;
        client.read_until_closed().await
    }

    /// Sends a name or email and a secret by SASL PLAIN, without waiting for the outcome.
    pub async fn try_sign_in(server: &Server, nick: &str, account: &str, secret: &str) -> Self {
        let mut client = Self::negotiating(server, nick).await;
        client
            .authenticate("PLAIN", format!("\0{account}\0{secret}").as_bytes())
            .await;
        client
    }

    /// Sends `CAP`, `NICK` and `USER`. The handshake continues until `CAP END`.
    pub async fn negotiate(&mut self, nick: &str) {
        self.send("CAP LS 302").await;
        self.send(&format!("NICK {nick}")).await;
        self.send(&format!("USER {nick} 0 * :{nick} the tester"))
            .await;
        self.expect("CAP LS", |message| {
            message.command == "CAP" && message.param(1) == Some("LS")
        })
        .await;
        self.send(&format!("CAP REQ :{CAPABILITIES}")).await;
        self.expect("CAP ACK", |message| {
            message.command == "CAP" && message.param(1) == Some("ACK")
        })
        .await;
    }

    /// Starts a SASL exchange and sends its first response.
    pub async fn authenticate(&mut self, mechanism: &str, response: &[u8]) {
        self.send(&format!("AUTHENTICATE {mechanism}")).await;
        self.expect("AUTHENTICATE +", |message| {
            is_command(message, "AUTHENTICATE", "+")
        })
        .await;
        self.respond(response).await;
    }

    /// Sends a response of a SASL exchange.
    pub async fn respond(&mut self, response: &[u8]) {
        let text = if response.is_empty() {
            "+".to_owned()
        } else {
            STANDARD.encode(response)
        };
        self.send(&format!("AUTHENTICATE {text}")).await;
    }

    /// Waits for the welcome and until the session has joined the lobby.
    pub async fn wait_until_admitted(&mut self) {
        self.expect_numeric("001").await;
        self.expect("the lobby", |message| {
            message.command == "366" && message.param(1) == Some("#lobby")
        })
        .await;
    }

    /// Returns the certificate that the server presented.
    pub fn server_certificate(&self) -> CertificateDer<'static> {
        self.stream.get_ref().1.peer_certificates().unwrap()[0]
            .clone()
            .into_owned()
    }

    /// Sends a line; its end is added.
    pub async fn send(&mut self, line: &str) {
        let _ = writeln!(self.transcript, "> {line}");
        self.send_bytes(format!("{line}\r\n").as_bytes()).await;
    }

    /// Sends bytes unchanged.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(DEADLINE, write).await {
            Ok(Ok(())) => {}
            // The test may still read what the server sent before it closed the connection.
            Ok(Err(error)) => {
                let _ = writeln!(self.transcript, "! not sent: {error}");
            }
            Err(_) => self.fail("the server no longer reads"),
        }
    }

    /// Returns the next message, or `None` once the server has closed the connection. Answers
    /// `PING` automatically.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.buffered.pop_front() {
                if message.command == "PING" {
                    self.send(&format!("PONG :{}", message.param(0).unwrap_or_default()))
                        .await;
                    continue;
                }
                return Some(message);
            }
            // Allocated on the heap to keep the futures of tests small.
            let mut bytes = Vec::with_capacity(16 * 1024);
            match self.stream.read_buf(&mut bytes).await {
                Ok(0) => return None,
                Ok(_) => self.parse(&bytes),
                Err(error) => {
                    let _ = writeln!(self.transcript, "! {error}");
                    return None;
                }
            }
        }
    }

    fn parse(&mut self, bytes: &[u8]) {
        let Self {
            framer,
            buffered,
            transcript,
            ..
        } = self;
        framer.push(bytes, |line| match line {
            Line::Text(text) => {
                let _ = writeln!(transcript, "< {text}");
                buffered.push_back(
                    Message::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")),
                );
            }
            bad => panic!("the server sent a bad line: {bad:?}"),
        });
    }

    /// Waits for a message that matches, and skips others. The description is shown if the test
    /// fails.
    pub async fn expect(
        &mut self,
        description: &str,
        matches: impl Fn(&Message) -> bool,
    ) -> Message {
        let find = async {
            loop {
                match self.next().await {
                    Some(message) if matches(&message) => return Some(message),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        match timeout(DEADLINE, find).await {
            Ok(Some(message)) => message,
            Ok(None) => self.fail(&format!("the connection was closed before {description}")),
            Err(_) => self.fail(&format!("waited too long for {description}")),
        }
    }

    /// Waits for a numeric.
    pub async fn expect_numeric(&mut self, code: &str) -> Message {
        self.expect(code, |message| message.command == code).await
    }

    /// Waits for a message whose last parameter contains `text`.
    pub async fn expect_text(&mut self, text: &str) -> Message {
        self.expect(text, |message| {
            message
                .params
                .last()
                .is_some_and(|last| last.contains(text))
        })
        .await
    }

    /// Waits for a `PRIVMSG` with this sender, target and text.
    pub async fn expect_privmsg(&mut self, from: &str, target: &str, text: &str) -> Message {
        self.expect(&format!("{from} to {target}: {text}"), |message| {
            message.command == "PRIVMSG"
                && message.source_nick() == Some(from)
                && message.params == [target, text]
        })
        .await
    }

    /// Sends a `PRIVMSG` and waits for its echo, which means that the message is stored and being
    /// delivered.
    pub async fn say(&mut self, target: &str, text: &str) {
        self.send(&format!("PRIVMSG {target} :{text}")).await;
        let name = self.name.clone();
        self.expect_privmsg(&name, target, text).await;
    }

    /// Returns the name given to [`Self::connect`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the messages that were read together with the last one and not yet returned.
    pub fn buffered_messages(&mut self) -> Vec<Message> {
        self.buffered.drain(..).collect()
    }

    /// Sends a `PING` and returns all messages until its `PONG`: everything that the server had
    /// sent before.
    pub async fn sync(&mut self) -> Vec<Message> {
        self.syncs += 1;
        let token = format!("sync-{}", self.syncs);
        self.send(&format!("PING {token}")).await;
        let mut received = Vec::new();
        let collect = async {
            while let Some(message) = self.next().await {
                if message.command == "PONG" && message.params.contains(&token) {
                    return true;
                }
                received.push(message);
            }
            false
        };
        match timeout(DEADLINE, collect).await {
            Ok(true) => received,
            Ok(false) => self.fail("the connection was closed"),
            Err(_) => self.fail("waited too long for PONG"),
        }
    }

    /// Returns all messages until the server closes the connection.
    pub async fn read_until_closed(&mut self) -> Vec<Message> {
        self.read_until_closed_within(DEADLINE).await
    }

    /// Like [`Self::read_until_closed`], with another deadline.
    pub async fn read_until_closed_within(&mut self, deadline: Duration) -> Vec<Message> {
        let mut received = Vec::new();
        let collect = async {
            while let Some(message) = self.next().await {
                received.push(message);
            }
        };
        match timeout(deadline, collect).await {
            Ok(()) => received,
            Err(_) => self.fail("the server does not close the connection"),
        }
    }

    fn fail(&self, reason: &str) -> ! {
        let lines: Vec<&str> = self.transcript.lines().collect();
        let last = &lines[lines.len().saturating_sub(TRANSCRIPT_LINES)..];
        panic!(
            "{}: {reason}\n--- the end of the transcript ---\n{}",
            self.name,
            last.join("\n")
        )
    }
}

/// Opens a TCP connection to the chat port from `address`, without a TLS handshake.
pub async fn tcp_connect_from(server: &Server, address: IpAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    socket.connect(server.chat()).await.unwrap()
}

/// Returns the email address of the account with this name.
pub fn email_of(name: &str) -> String {
    format!("{name}@example.org")
}

/// Returns a device credential that depends only on `seed`.
pub fn device_credential(seed: u8) -> DeviceCredential {
    DeviceCredential::from_random([seed; 32])
}

/// Whether the message has this command and this first parameter.
pub fn is_command(message: &Message, command: &str, first: &str) -> bool {
    message.command == command && message.param(0) == Some(first)
}
