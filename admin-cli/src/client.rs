//! HTTPS requests to the control plane, and explanations of what may fail.
//!
//! The client knows paths and JSON, not commands. Every failure becomes a [`Failure`] that says
//! what to do next.

mod certificates;
mod path;
mod problem;
mod retry;
mod tcp;
mod tls;

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rookery_control_api::{CSV_TYPE, IDEMPOTENCY_KEY, ignores_idempotency_key};
use rookery_trust::{CertificatePin, PinPolicy, Trust, UnknownCertificate, tls_problem};
use rustls::AlertDescription;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Body};

use crate::address::ServerAddress;
use crate::failure::Failure;
use crate::render;

pub use self::certificates::AuthorityFile;
pub use self::path::{Query, segment};
use self::problem::problem;
use self::retry::{Retries, Tries, TryError};
pub use self::tls::ClientKey;
use self::tls::{SharedTrust, Tls, Unknown};

/// The time limit of a request; the slowest reply of the server needs less.
const TIMEOUT: Duration = Duration::from_mins(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit of a read from a stream, in which the server sends something every 15 seconds.
const STREAM_READ_TIMEOUT: Duration = Duration::from_secs(45);
const JSON_TYPE: &str = "application/json";
/// The maximum size of a reply, in bytes.
const MAX_REPLY: u64 = 16 << 20;
/// The maximum size of a line of a stream, in bytes: many times what the longest event takes.
const MAX_LINE: u64 = 1 << 20;

/// A reply of the server.
pub struct Reply<T> {
    /// The JSON as it was received.
    pub raw: String,
    /// The JSON as a value.
    pub value: T,
}

/// A client of one control plane.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    server: ServerAddress,
    token: Option<String>,
    trust: SharedTrust,
    /// The file of the only trusted authority, if one is known.
    ca: Option<PathBuf>,
    /// Whether it has a client certificate.
    has_certificate: bool,
    /// The time limit of a request, or of the head of a stream.
    timeout: Duration,
    retries: Retries,
}

/// Reads the next line of a stream, without its end; `None` at the end of the stream.
pub fn read_line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.take(MAX_LINE).read_line(&mut line)?;
    if line.ends_with('\n') {
        let end = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(end);
    } else if read as u64 == MAX_LINE {
        return Err(io::Error::other("the server sent a line that is too long"));
    }
    Ok((read > 0).then_some(line))
}

impl Client {
    /// Creates a client. The first request connects.
    ///
    /// `ca` is the file of the only trusted authority; without it, the system's authorities are
    /// trusted, and other certificates as far as `policy` allows.
    pub fn new(
        server: ServerAddress,
        ca: Option<AuthorityFile>,
        policy: PinPolicy,
        key: Option<ClientKey>,
    ) -> Result<Self, Failure> {
        Self::with_timeout(server, ca, policy, key, TIMEOUT)
    }

    fn with_timeout(
        server: ServerAddress,
        ca: Option<AuthorityFile>,
        policy: PinPolicy,
        key: Option<ClientKey>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let trust = SharedTrust::new(certificates::trust(ca.as_ref(), policy)?);
        let has_certificate = key.is_some();
        let config = Agent::config_builder()
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            // Operators connect directly or through a tunnel, never through a proxy.
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(timeout))
            .user_agent(concat!("admin-cli/", env!("CARGO_PKG_VERSION")))
            .build();
        let connector = Tls {
            trust: trust.clone(),
            key,
        };
        let agent = Agent::with_parts(config, connector, DefaultResolver::default());
        Ok(Self {
            agent,
            server,
            token: None,
            trust,
            ca: ca.map(|file| file.path),
            has_certificate,
            timeout,
            retries: Retries::Announced,
        })
    }

    /// Returns a client that sends the token with each request.
    pub fn with_token(&self, token: String) -> Self {
        Self {
            token: Some(token),
            ..self.clone()
        }
    }

    /// Returns a client that prints nothing while it tries a request again.
    pub fn without_notices(&self) -> Self {
        Self {
            retries: Retries::Silent,
            ..self.clone()
        }
    }

    /// Returns a client that tries each request only once.
    pub fn without_retries(&self) -> Self {
        Self {
            retries: Retries::None,
            ..self.clone()
        }
    }

    /// Returns the address of the server.
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// Trusts what this policy allows from now on, in place of what was trusted before.
    pub fn accept(&self, policy: PinPolicy) {
        self.trust
            .with(|state| state.trust = Trust::SystemOr(policy));
    }

    /// Returns the certificate that the server presented last; `None` if none was trusted.
    pub fn presented(&self) -> Option<CertificatePin> {
        self.trust.with(|state| state.presented)
    }

    /// Checks that the server can be reached and is trusted, whatever it replies.
    pub fn check_connection(&self) -> Result<(), Failure> {
        let request = self.request(&Method::GET, "/healthz", None)?;
        self.run(&request, |response| Ok(text(response)?)).map(drop)
    }

    /// Sends a `GET` request.
    pub fn get<T: DeserializeOwned>(&self, path: impl Display) -> Result<Reply<T>, Failure> {
        self.send(&Method::GET, &path.to_string(), None)
    }

    /// Sends a `DELETE` request.
    pub fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<T>, Failure> {
        self.send(&Method::DELETE, path, None)
    }

    /// Sends a `POST` request without a body.
    pub fn post_empty<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<T>, Failure> {
        self.send(&Method::POST, path, None)
    }

    /// Sends a `POST` request with a JSON body.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Reply<T>, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::new(error.to_string()))?;
        self.send(&Method::POST, path, Some((JSON_TYPE, &body)))
    }

    /// Sends a `PUT` request with a JSON body.
    pub fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Reply<T>, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::new(error.to_string()))?;
        self.send(&Method::PUT, path, Some((JSON_TYPE, &body)))
    }

    /// Sends a `GET` request whose reply is a stream without end.
    pub fn stream(&self, path: &str) -> Result<impl BufRead + use<>, Failure> {
        let request = self.request(&Method::GET, path, None)?;
        let config = self.agent.configure_request(request).timeout_global(None);
        let request = config
            .timeout_recv_response(Some(self.timeout))
            .timeout_per_read(Some(STREAM_READ_TIMEOUT))
            .build();
        self.run(&request, |response| {
            if response.status().is_success() {
                Ok(BufReader::new(response.into_body().into_reader()))
            } else {
                Err(self.refusal(response))
            }
        })
    }

    /// Sends a `POST` request with a CSV file as its body.
    pub fn post_csv<T: DeserializeOwned>(
        &self,
        path: impl Display,
        file: &[u8],
    ) -> Result<Reply<T>, Failure> {
        self.send(&Method::POST, &path.to_string(), Some((CSV_TYPE, file)))
    }

    /// Sends a `GET` request whose reply is not JSON.
    pub fn get_text(&self, path: &str) -> Result<String, Failure> {
        self.exchange(&Method::GET, path, None)
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<Reply<T>, Failure> {
        let raw = self.exchange(method, path, body)?;
        match serde_json::from_str(&raw) {
            Ok(value) => Ok(Reply { raw, value }),
            Err(_) => Err(self.unexpected_reply()),
        }
    }

    /// Sends a request and returns the body of a successful reply. `body` is a media type with the
    /// bytes.
    fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<String, Failure> {
        let request = self.request(method, path, body)?;
        self.run(&request, |response| {
            if response.status().is_success() {
                Ok(text(response)?)
            } else {
                Err(self.refusal(response))
            }
        })
    }

    fn request<'b>(
        &self,
        method: &Method,
        path: &str,
        body: Option<(&str, &'b [u8])>,
    ) -> Result<Request<&'b [u8]>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.server));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
            if method != Method::GET
                && !ignores_idempotency_key(path)
                && let Ok(key) = getrandom::u64()
            {
                request = request.header(IDEMPOTENCY_KEY, format!("{key:016x}"));
            }
        }
        if let Some((media_type, _)) = body {
            request = request.header("Content-Type", media_type);
        }
        request
            .body(body.map_or(&[][..], |(_, body)| body))
            .map_err(|error| Failure::new(error.to_string()))
    }

    /// Sends a request, and reads the response with `read`.
    ///
    /// It is sent again if the server is busy, or has closed the connection and does nothing twice:
    /// because the request was not sent before, or only reads, or is recognised by its key.
    fn run<T>(
        &self,
        request: &Request<&[u8]>,
        read: impl Fn(Response<Body>) -> Result<T, TryError>,
    ) -> Result<T, Failure> {
        let is_repeatable =
            request.method() == Method::GET || request.headers().contains_key(IDEMPOTENCY_KEY);
        // Without a token it is a sign-in, of which nothing remains to be checked.
        let changes_something = request.method() != Method::GET && self.token.is_some();
        let mut tries = Tries::begin();
        // Whether a try was not answered, and may have been carried out.
        let mut may_be_done = false;
        let failure = loop {
            let response = self.agent.run(request.clone());
            let error = match response.map_err(TryError::from).and_then(&read) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let (failure, obstacle, asked) = match error {
                TryError::NoReply { error, was_sent } => {
                    may_be_done |= was_sent && changes_something && is_lost_answer(&error);
                    let failure = self.explain(&error);
                    match disconnect(&error) {
                        Some(obstacle) if is_repeatable || !was_sent => (failure, obstacle, None),
                        _ => break failure,
                    }
                }
                TryError::Busy(failure, pause) => (failure, "is busy", Some(pause)),
                TryError::Refused(failure) if may_be_done && failure.is_problem("in-progress") => {
                    let failure = format!("{} is still carrying out the request.", self.server);
                    (Failure::new(failure), "is carrying out the request", None)
                }
                // By the key of the request, it would be the answer to the first try otherwise.
                TryError::Refused(failure) if failure.is_refusal() => return Err(failure),
                TryError::Refused(failure) => {
                    // Something other than the server, such as a proxy, may have replied.
                    let is_of_server = failure.document().is_some()
                        || matches!(failure, Failure::NotSignedIn { .. });
                    may_be_done |= changes_something && !is_of_server;
                    break failure;
                }
            };
            if self.retries == Retries::None {
                break failure;
            }
            let is_first = tries.is_first();
            let Some(pause) = tries.next_pause(asked) else {
                break failure;
            };
            if is_first && self.retries == Retries::Announced {
                render::notice(&format!("{} {obstacle}; trying again …", self.server));
            }
            thread::sleep(pause);
        };
        Err(if may_be_done {
            failure.after_lost_answer()
        } else {
            failure
        })
    }

    /// Returns the refusal in a response.
    fn refusal(&self, response: Response<Body>) -> TryError {
        let status = response.status();
        let pause = retry::asked_pause(response.headers());
        let raw = match text(response) {
            Ok(raw) => raw,
            Err(error) => return error.into(),
        };
        let failure = problem(status, raw).unwrap_or_else(|| self.unexpected_reply());
        match pause {
            Some(pause)
                if status == StatusCode::SERVICE_UNAVAILABLE && failure.is_problem("busy") =>
            {
                TryError::Busy(failure, pause)
            }
            _ => TryError::Refused(failure),
        }
    }

    fn unexpected_reply(&self) -> Failure {
        Failure::new(format!(
            "{} replied, but not as a Rookery control plane of this version does",
            self.server
        ))
    }

    /// Explains why there is no reply.
    fn explain(&self, error: &ureq::Error) -> Failure {
        let server = &self.server;
        if let Some(Unknown {
            shown,
            before,
            problem,
        }) = cause(error)
        {
            return Failure::UnknownCertificate(Box::new(UnknownCertificate {
                server: server.to_string(),
                command: format!("admin-cli --server {server} trust"),
                shown: *shown,
                before: *before,
                problem: problem.clone(),
            }));
        }
        let message = match (tls_error(error), error) {
            (Some(rustls::Error::InvalidCertificate(error)), _) => {
                certificates::refusal(server, self.ca.as_deref(), error)
            }
            (Some(rustls::Error::InvalidMessage(_)), _) => format!(
                "{server} does not speak TLS; is that the control plane's port (`admin.listen` in \
                 config.toml)?"
            ),
            (Some(rustls::Error::AlertReceived(alert)), _) if is_about_certificate(*alert) => {
                let what = if self.has_certificate {
                    "rejects the certificate in --certificate"
                } else {
                    "asks operators for a certificate"
                };
                format!(
                    "{server} {what}: it must be signed by the authority in `admin.client_ca` of \
                     the server's config.toml. Pass it with --certificate FILE and --key FILE."
                )
            }
            (Some(error), _) => format!("cannot connect to {server}: {}", tls_problem(error)),
            (None, ureq::Error::Protocol(_)) => format!(
                "{server} does not speak HTTP; is that the control plane's port (`admin.listen` \
                 in config.toml)?"
            ),
            (None, ureq::Error::HostNotFound) => format!("the host of {server} does not exist"),
            (None, ureq::Error::Timeout(ureq::Timeout::Connect)) => format!(
                "{server} cannot be reached: no answer within {} seconds",
                CONNECT_TIMEOUT.as_secs()
            ),
            (None, ureq::Error::Timeout(_)) => format!("{server} did not reply in time."),
            (None, ureq::Error::Io(error)) if is_disconnect(error) => format!(
                "{server} closed the connection without a reply. It may be stopping, or making \
                 room for other connections."
            ),
            (None, error) => format!(
                "{server} cannot be reached: {error}. Is the server running, and is that the \
                 address of its control plane (`admin.listen` in config.toml)?"
            ),
        };
        Failure::new(message)
    }
}

/// Returns whether a TLS alert means that the client certificate is missing or rejected.
fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnknownCA
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::DecryptError
            | Alert::AccessDenied
    )
}

/// Returns whether the error means that the server closed the connection.
fn is_disconnect(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    let kinds = [
        Kind::BrokenPipe,
        Kind::ConnectionReset,
        Kind::ConnectionAborted,
        Kind::UnexpectedEof,
    ];
    kinds.contains(&error.kind())
}

/// Returns what the server does, if the error means that it refuses or closes connections.
fn disconnect(error: &ureq::Error) -> Option<&'static str> {
    match error {
        ureq::Error::Io(error) if is_disconnect(error) => Some("closed the connection"),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Some("refuses connections")
        }
        _ => None,
    }
}

/// Whether a request that was sent may have been carried out.
fn is_lost_answer(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(timeout) => *timeout != ureq::Timeout::Connect,
        error => disconnect(error).is_some(),
    }
}

fn text(mut response: Response<Body>) -> Result<String, ureq::Error> {
    let body = response.body_mut().with_config().limit(MAX_REPLY);
    body.read_to_string()
}

fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        error => cause(error),
    }
}

/// Returns the cause of an I/O error, if it is of this type.
fn cause<E: std::error::Error + 'static>(error: &ureq::Error) -> Option<&E> {
    match error {
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod fake_server;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
