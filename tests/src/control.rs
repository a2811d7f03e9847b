//! The control plane without `admin-cli`: requests as anyone could send them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, http};

use crate::admin::{PASSWORD, admin_email};
use crate::server::Server;
use crate::tls::Identity;
use crate::{DEADLINE, tls};

/// An HTTPS client that trusts the server's own authority.
#[derive(Clone, Debug)]
pub struct Control {
    agent: Agent,
    base: String,
}

/// What came back: the status, and the JSON (null if there is none).
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    pub body: Value,
}

impl Control {
    /// Nothing is sent yet.
    pub fn new(server: &Server) -> Self {
        let ca = std::fs::read(server.ca()).unwrap();
        let roots = RootCerts::new_with_certs(&[Certificate::from_pem(&ca).unwrap().to_owned()]);
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(tls::provider())
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(DEADLINE))
            .http_status_as_error(false)
            .build();
        Self {
            agent: config.into(),
            base: format!("https://localhost:{}", server.admin().port()),
        }
    }

    /// `GET`.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Reply {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        run(move || request.call()).await
    }

    /// `POST`.
    pub async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Reply {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        run(move || request.send_json(body)).await
    }

    /// The first factor; gives the challenge.
    pub async fn login(&self, name: &str) -> String {
        let reply = self
            .post(
                "/v1/login",
                None,
                json!({"name": name, "password": PASSWORD}),
            )
            .await;
        assert_eq!(reply.status, 202, "{:?}", reply.body);
        reply.body["challenge"].as_str().unwrap().to_owned()
    }

    /// The second factor.
    pub async fn verify(&self, challenge: &str, code: &str) -> Reply {
        self.post(
            "/v1/login/verify",
            None,
            json!({"challenge": challenge, "code": code}),
        )
        .await
    }

    /// Both factors; gives the token.
    pub async fn sign_in(&self, server: &Server, name: &str) -> String {
        let challenge = self.login(name).await;
        let code = server.mailbox().code_to(&admin_email(name)).await;
        let reply = self.verify(&challenge, &code).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        reply.body["token"].as_str().unwrap().to_owned()
    }
}

/// One connection to the admin port, and what is written on it: from an address of one's choice,
/// with a certificate of one's own, several requests at once, or half of one.
#[derive(Debug)]
pub struct Wire(TlsStream<TcpStream>);

/// What came back over a [`Wire`].
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Its status line and headers.
    pub head: String,
    /// Null if it is no JSON.
    pub body: Value,
}

impl Wire {
    /// From this machine's usual address.
    pub async fn open(server: &Server) -> Self {
        Self::open_from(server, Ipv4Addr::LOCALHOST.into(), None).await
    }

    /// To another port of the server.
    pub async fn open_at(server: &Server, port: SocketAddr) -> Self {
        Self::over(TcpStream::connect(port).await.unwrap(), server, None).await
    }

    /// From that address of this machine, with a client certificate for a server that asks for one.
    pub async fn open_from(server: &Server, address: IpAddr, identity: Option<&Identity>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        Self::over(
            socket.connect(server.admin()).await.unwrap(),
            server,
            identity,
        )
        .await
    }

    async fn over(tcp: TcpStream, server: &Server, identity: Option<&Identity>) -> Self {
        tcp.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(tls::client_config(&server.ca(), identity));
        let name = ServerName::try_from("localhost").unwrap();
        Self(
            timeout(DEADLINE, connector.connect(name, tcp))
                .await
                .unwrap()
                .unwrap(),
        )
    }

    /// A request as it stands on the wire. `headers` are whole lines, each with its line end.
    pub fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    }

    /// Sends bytes as they are. Whether they arrive shows in the answer.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }

    /// Reads one answer; none if the server closes instead.
    pub async fn answer(&mut self) -> Option<Answer> {
        timeout(DEADLINE, self.answer_at_last())
            .await
            .expect("an answer, or the end of the connection")
    }

    /// The same, for as long as the test likes to wait.
    pub async fn answer_at_last(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.ok()?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer {
            status,
            head,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }

    /// Asks for something, and reads the answer.
    pub async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &Value) -> Answer {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(Self::request(method, path, headers, &body).as_bytes())
            .await;
        let answer = self.answer().await;
        answer.unwrap_or_else(|| {
            panic!("the connection was closed instead of an answer to {method} {path}")
        })
    }
}

impl Answer {
    /// The value of a header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Which problem it tells of, without the path before.
    pub fn problem(&self) -> &str {
        self.body["type"]
            .as_str()
            .and_then(|kind| kind.strip_prefix("/problems/"))
            .unwrap_or_default()
    }
}

/// The header that shows a token.
pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Requests block; a test's own clients must not wait for them.
async fn run(
    call: impl FnOnce() -> Result<http::Response<Body>, ureq::Error> + Send + 'static,
) -> Reply {
    tokio::task::spawn_blocking(move || {
        let mut response = call().unwrap();
        let content_type = response
            .headers()
            .get("content-type")
            .map(|value| value.to_str().unwrap().to_owned());
        let text = response.body_mut().read_to_string().unwrap();
        Reply {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        }
    })
    .await
    .unwrap()
}

/// Six digits that are not `code`.
pub fn other_than(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}
