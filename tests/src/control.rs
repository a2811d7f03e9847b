//! Clients of the control plane other than `admin-cli`: plain HTTPS, and raw bytes over TLS.

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
pub struct ControlClient {
    agent: Agent,
    base: String,
}

/// A response: its status, and its JSON, which is null if there is none.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub content_type: String,
    pub body: Value,
}

impl ControlClient {
    /// Creates a client. It does not connect yet.
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

    /// Sends a `GET` request.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Response {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        run(move || request.call()).await
    }

    /// Sends a `POST` request.
    pub async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Response {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        run(move || request.send_json(body)).await
    }

    /// Signs in with the first factor, the password, and returns the challenge.
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

    /// Sends the second factor, a code.
    pub async fn verify(&self, challenge: &str, code: &str) -> Response {
        self.post(
            "/v1/login/verify",
            None,
            json!({"challenge": challenge, "code": code}),
        )
        .await
    }

    /// Signs in with both factors and returns the token.
    pub async fn sign_in(&self, server: &Server, name: &str) -> String {
        let challenge = self.login(name).await;
        let code = server.mailbox().code_to(&admin_email(name)).await;
        let reply = self.verify(&challenge, &code).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        reply.body["token"].as_str().unwrap().to_owned()
    }
}

/// A connection to the control plane on which a test writes arbitrary bytes: from a chosen address,
/// with a client certificate, several requests at once, or half of one.
#[derive(Debug)]
pub struct RawConnection(TlsStream<TcpStream>);

/// A response on a [`RawConnection`].
#[derive(Debug)]
pub struct RawResponse {
    pub status: u16,
    /// The status line and headers.
    pub head: String,
    /// The JSON, or null if the body is not JSON.
    pub body: Value,
}

impl RawConnection {
    /// Connects from 127.0.0.1.
    pub async fn open(server: &Server) -> Self {
        Self::open_from(server, Ipv4Addr::LOCALHOST.into(), None).await
    }

    /// Connects to another port of the server.
    pub async fn open_at(server: &Server, port: SocketAddr) -> Self {
        Self::over(TcpStream::connect(port).await.unwrap(), server, None).await
    }

    /// Connects from `address`, and presents a client certificate if the server requests one.
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

    /// Returns the text of a request. `headers` are complete lines with their line ends.
    pub fn format_request(method: &str, path: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }

    /// Sends bytes unchanged. Errors are ignored: the response shows whether the bytes arrived.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }

    /// Reads a response. Returns `None` if the server closes the connection instead.
    pub async fn read_response(&mut self) -> Option<RawResponse> {
        timeout(DEADLINE, self.read_response_without_timeout())
            .await
            .expect("a response or the end of the connection")
    }

    /// Like [`Self::read_response`], without a deadline.
    pub async fn read_response_without_timeout(&mut self) -> Option<RawResponse> {
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
        Some(RawResponse {
            status,
            head,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }

    /// Sends a request and reads the response.
    pub async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &Value,
    ) -> RawResponse {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(Self::format_request(method, path, headers, &body).as_bytes())
            .await;
        let response = self.read_response().await;
        response.unwrap_or_else(|| {
            panic!("the connection was closed without a response to {method} {path}")
        })
    }
}

impl RawResponse {
    /// Returns the value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Returns the problem type (RFC 9457) without its path, or an empty string.
    pub fn problem(&self) -> &str {
        self.body["type"]
            .as_str()
            .and_then(|kind| kind.strip_prefix("/problems/"))
            .unwrap_or_default()
    }
}

/// Returns the header line that carries a token.
pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Runs a blocking request on another thread, so that the test's other clients are not delayed.
async fn run(
    call: impl FnOnce() -> Result<http::Response<Body>, ureq::Error> + Send + 'static,
) -> Response {
    tokio::task::spawn_blocking(move || {
        let mut response = call().unwrap();
        let content_type = response
            .headers()
            .get("content-type")
            .map(|value| value.to_str().unwrap().to_owned());
        let text = response.body_mut().read_to_string().unwrap();
        Response {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        }
    })
    .await
    .unwrap()
}

/// Returns a six-digit code that is not `code`.
pub fn wrong_code(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}
