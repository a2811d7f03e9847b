//! An IRC client for tests: a line out, a message in, and a transcript when what is expected does
//! not come.

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

/// The password of every account that tests make.
pub const PASSWORD: &str = "correct horse battery staple";

/// The lines of a transcript that a failed test shows.
const SHOWN: usize = 60;

/// What a client of today asks for.
const CAPABILITIES: &str = "sasl message-tags server-time echo-message account-tag standard-replies batch \
                            labeled-response";

/// One connection.
#[derive(Debug)]
pub struct Client {
    name: String,
    stream: TlsStream<TcpStream>,
    framer: LineFramer,
    /// Whole messages that nobody has looked at yet.
    waiting: VecDeque<Message>,
    transcript: String,
    syncs: u32,
}

impl Client {
    /// Shakes hands over TLS, and says nothing yet. `name` is for the transcript.
    pub async fn connect(server: &Server, name: &str) -> Self {
        Self::connect_as(server, name, None).await
    }

    /// The same, with a client certificate.
    pub async fn connect_as(server: &Server, name: &str, identity: Option<&Identity>) -> Self {
        let tcp = TcpStream::connect(server.chat()).await.unwrap();
        Self::over(tcp, server, name, identity).await
    }

    /// The same, with as little room for what was not read as the system allows.
    pub async fn connect_narrow(server: &Server, name: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let tcp = socket.connect(server.chat()).await.unwrap();
        Self::over(tcp, server, name, None).await
    }

    /// The same, from that address of this machine.
    pub async fn connect_from(server: &Server, name: &str, address: IpAddr) -> Self {
        let tcp = tcp_from(server, address).await;
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
        .expect("the TLS handshake ends")
        .expect("the TLS handshake succeeds");
        Self {
            name: name.to_owned(),
            stream,
            framer: LineFramer::new(MAX_TAGS),
            waiting: VecDeque::new(),
            transcript: String::new(),
            syncs: 0,
        }
    }

    /// Connects and goes through the handshake without signing in: as far as the waiting room, or
    /// in as a guest.
    pub async fn introduce(server: &Server, nick: &str) -> Self {
        let mut client = Self::connect(server, nick).await;
        client.negotiate(nick).await;
        client.send("CAP END").await;
        client
    }

    /// Makes an account of that name, proved with the code from the mail folder; comes back
    /// admitted.
    pub async fn register(server: &Server, name: &str) -> Self {
        let mut client = Self::introduce(server, name).await;
        client.ask_to_register(name, &email_of(name)).await;
        let code = server.mailbox().code_to(&email_of(name)).await;
        client.send(&format!("VERIFY {name} {code}")).await;
        client
            .expect("VERIFY SUCCESS", |message| {
                starts(message, "VERIFY", "SUCCESS")
            })
            .await;
        client.admitted().await;
        client
    }

    /// The same where no account is required: it is in as a guest first, and signed in when this
    /// returns.
    pub async fn register_admitted(server: &Server, name: &str) -> Self {
        let mut client = Self::introduce(server, name).await;
        client.admitted().await;
        client.ask_to_register(name, &email_of(name)).await;
        let code = server.mailbox().code_to(&email_of(name)).await;
        client.send(&format!("VERIFY {name} {code}")).await;
        client
            .expect("VERIFY SUCCESS", |message| {
                starts(message, "VERIFY", "SUCCESS")
            })
            .await;
        client
    }

    /// Sends `REGISTER` and waits until the server wants the code.
    pub async fn ask_to_register(&mut self, name: &str, email: &str) {
        self.send(&format!("REGISTER {name} {email} :{PASSWORD}"))
            .await;
        self.expect("REGISTER VERIFICATION_REQUIRED", |message| {
            starts(message, "REGISTER", "VERIFICATION_REQUIRED")
        })
        .await;
    }

    /// Signs in to an account that [`Self::register`] made; comes back admitted.
    pub async fn sign_in(server: &Server, name: &str) -> Self {
        let mut client = Self::connect(server, name).await;
        client.negotiate(name).await;
        client.sign_in_with(name, PASSWORD).await;
        client
    }

    /// Signs in by SASL PLAIN, after [`Self::negotiate`]; comes back admitted.
    pub async fn sign_in_with(&mut self, account: &str, secret: &str) {
        self.authenticate("PLAIN", format!("\0{account}\0{secret}").as_bytes())
            .await;
        self.expect_numeric("903").await;
        self.send("CAP END").await;
        self.admitted().await;
    }

    /// Tries to sign in, and reads on until the server closes.
    pub async fn sign_in_refused(server: &Server, account: &str, secret: &str) -> Vec<Message> {
        let mut client = Self::try_sign_in(server, "someone", account, secret).await;
        client.send("CAP END").await;
        client.until_closed().await
    }

    /// Gives a name (or email) and a secret by SASL PLAIN; whatever the server says to it is still
    /// to come.
    pub async fn try_sign_in(server: &Server, nick: &str, account: &str, secret: &str) -> Self {
        let mut client = Self::connect(server, nick).await;
        client.negotiate(nick).await;
        client
            .authenticate("PLAIN", format!("\0{account}\0{secret}").as_bytes())
            .await;
        client
    }

    /// `CAP`, `NICK` and `USER`; the handshake goes on until `CAP END`.
    pub async fn negotiate(&mut self, nick: &str) {
        self.send("CAP LS 302").await;
        self.send(&format!("NICK {nick}")).await;
        self.send(&format!("USER {nick} 0 * :{nick} the tester"))
            .await;
        self.expect("CAP LS", |message| {
            starts(message, "CAP", "*") || message.param(1) == Some("LS")
        })
        .await;
        self.send(&format!("CAP REQ :{CAPABILITIES}")).await;
        self.expect("CAP ACK", |message| {
            message.command == "CAP" && message.param(1) == Some("ACK")
        })
        .await;
    }

    /// Begins a SASL exchange and gives its first response.
    pub async fn authenticate(&mut self, mechanism: &str, response: &[u8]) {
        self.send(&format!("AUTHENTICATE {mechanism}")).await;
        self.expect("AUTHENTICATE +", |message| {
            starts(message, "AUTHENTICATE", "+")
        })
        .await;
        self.respond(response).await;
    }

    /// Gives a response of a SASL exchange.
    pub async fn respond(&mut self, response: &[u8]) {
        let text = if response.is_empty() {
            "+".to_owned()
        } else {
            STANDARD.encode(response)
        };
        self.send(&format!("AUTHENTICATE {text}")).await;
    }

    /// Waits for the welcome and for having been joined to the lobby.
    pub async fn admitted(&mut self) {
        self.expect_numeric("001").await;
        self.expect("the lobby", |message| {
            message.command == "366" && message.param(1) == Some("#lobby")
        })
        .await;
    }

    /// What the server showed in the handshake.
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

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(DEADLINE, write).await {
            Ok(Ok(())) => {}
            // What the server said before it closed is for the test to read.
            Ok(Err(error)) => {
                let _ = writeln!(self.transcript, "! not sent: {error}");
            }
            Err(_) => self.fail("the server takes nothing any more"),
        }
    }

    /// The next message; none once the server has closed. Answers `PING` by itself.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                if message.command == "PING" {
                    self.send(&format!("PONG :{}", message.param(0).unwrap_or_default()))
                        .await;
                    continue;
                }
                return Some(message);
            }
            // On the heap: the futures of tests are large enough.
            let mut bytes = Vec::with_capacity(16 * 1024);
            match self.stream.read_buf(&mut bytes).await {
                Ok(0) => return None,
                Ok(_) => self.take(&bytes),
                Err(error) => {
                    let _ = writeln!(self.transcript, "! {error}");
                    return None;
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Self {
            framer,
            waiting,
            transcript,
            ..
        } = self;
        framer.push(bytes, |line| match line {
            Line::Text(text) => {
                let _ = writeln!(transcript, "< {text}");
                waiting.push_back(
                    Message::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")),
                );
            }
            bad => panic!("the server sent a bad line: {bad:?}"),
        });
    }

    /// Waits for a message like that, passing over others.
    pub async fn expect(&mut self, what: &str, is_it: impl Fn(&Message) -> bool) -> Message {
        let find = async {
            loop {
                match self.next().await {
                    Some(message) if is_it(&message) => return Some(message),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        match timeout(DEADLINE, find).await {
            Ok(Some(message)) => message,
            Ok(None) => self.fail(&format!("the connection was closed before {what}")),
            Err(_) => self.fail(&format!("waited too long for {what}")),
        }
    }

    /// Waits for a numeric.
    pub async fn expect_numeric(&mut self, code: &str) -> Message {
        self.expect(code, |message| message.command == code).await
    }

    /// Waits for a message whose last parameter holds `text`.
    pub async fn expect_text(&mut self, text: &str) -> Message {
        self.expect(text, |message| {
            message
                .params
                .last()
                .is_some_and(|last| last.contains(text))
        })
        .await
    }

    /// Waits until someone says `text` to `target`.
    pub async fn expect_said(&mut self, from: &str, target: &str, text: &str) -> Message {
        self.expect(&format!("{from} to {target}: {text}"), |message| {
            message.command == "PRIVMSG"
                && message.source_nick() == Some(from)
                && message.params == [target, text]
        })
        .await
    }

    /// Sends, and waits for the echo: what was sent is stored and on its way to everyone.
    pub async fn say(&mut self, target: &str, text: &str) {
        self.send(&format!("PRIVMSG {target} :{text}")).await;
        let name = self.name.clone();
        self.expect_said(&name, target, text).await;
    }

    /// The name given to [`Self::connect`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was read with the last message and nobody has looked at.
    pub fn so_far(&mut self) -> Vec<Message> {
        self.waiting.drain(..).collect()
    }

    /// What has come until the server has answered a `PING`: all that was on its way when this was
    /// called.
    pub async fn heard(&mut self) -> Vec<Message> {
        self.syncs += 1;
        let token = format!("sync-{}", self.syncs);
        self.send(&format!("PING {token}")).await;
        let mut heard = Vec::new();
        let collect = async {
            while let Some(message) = self.next().await {
                if message.command == "PONG" && message.params.contains(&token) {
                    return true;
                }
                heard.push(message);
            }
            false
        };
        match timeout(DEADLINE, collect).await {
            Ok(true) => heard,
            Ok(false) => self.fail("the connection was closed"),
            Err(_) => self.fail("waited too long for PONG"),
        }
    }

    /// Reads until the server closes, and gives what it said before.
    pub async fn until_closed(&mut self) -> Vec<Message> {
        self.until_closed_within(DEADLINE).await
    }

    /// The same with a deadline of its own.
    pub async fn until_closed_within(&mut self, deadline: Duration) -> Vec<Message> {
        let mut heard = Vec::new();
        let collect = async {
            while let Some(message) = self.next().await {
                heard.push(message);
            }
        };
        match timeout(deadline, collect).await {
            Ok(()) => heard,
            Err(_) => self.fail("the server does not close the connection"),
        }
    }

    fn fail(&self, why: &str) -> ! {
        let lines: Vec<&str> = self.transcript.lines().collect();
        let last = &lines[lines.len().saturating_sub(SHOWN)..];
        panic!(
            "{}: {why}\n--- the end of the transcript ---\n{}",
            self.name,
            last.join("\n")
        )
    }
}

/// A connection to the chat port from that address of this machine, on which nothing was said yet.
pub async fn tcp_from(server: &Server, address: IpAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    socket.connect(server.chat()).await.unwrap()
}

/// The address of the account of that name.
pub fn email_of(name: &str) -> String {
    format!("{name}@example.org")
}

/// A device credential like no other.
pub fn device_credential(seed: u8) -> DeviceCredential {
    DeviceCredential::from_random([seed; 32])
}

/// Whether it is that command with that first parameter.
pub fn starts(message: &Message, command: &str, first: &str) -> bool {
    message.command == command && message.param(0) == Some(first)
}
