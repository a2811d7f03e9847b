//! HTTPS requests to the control plane, and explanations of what may fail.
//!
//! The client knows paths and JSON, not commands. Every failure becomes a [`Failure`] that says
//! what to do next.

mod certificates;
mod path;
mod problem;
mod tcp;
mod tls;

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use rookery_control_api::CSV_TYPE;
use rookery_trust::{CertificatePin, PinPolicy, Trust, UnknownCertificate, tls_problem};
use rustls::AlertDescription;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Body};

use crate::address::ServerAddress;
use crate::failure::Failure;

pub use self::certificates::AuthorityFile;
pub use self::path::{Query, segment};
use self::problem::problem;
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
        })
    }

    /// Returns a client that sends the token with each request.
    pub fn with_token(&self, token: String) -> Self {
        Self {
            token: Some(token),
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
        let mut response = self
            .agent
            .run(request)
            .map_err(|error| self.explain(&error))?;
        self.text(&mut response).map(drop)
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
        let mut response = self
            .agent
            .run(request)
            .map_err(|error| self.explain(&error))?;
        if response.status().is_success() {
            return Ok(BufReader::new(response.into_body().into_reader()));
        }
        let raw = self.text(&mut response)?;
        Err(problem(response.status(), raw).unwrap_or_else(|| self.unexpected_reply()))
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
        let mut response = self
            .agent
            .run(request)
            .map_err(|error| self.explain(&error))?;
        let status = response.status();
        let raw = self.text(&mut response)?;
        if status.is_success() {
            return Ok(raw);
        }
        Err(problem(status, raw).unwrap_or_else(|| self.unexpected_reply()))
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
        }
        if let Some((media_type, _)) = body {
            request = request.header("Content-Type", media_type);
        }
        request
            .body(body.map_or(&[][..], |(_, body)| body))
            .map_err(|error| Failure::new(error.to_string()))
    }

    fn text(&self, response: &mut Response<Body>) -> Result<String, Failure> {
        let raw = response
            .body_mut()
            .with_config()
            .limit(MAX_REPLY)
            .read_to_string();
        raw.map_err(|error| self.explain(&error))
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
            (None, ureq::Error::Timeout(_)) => format!(
                "{server} did not reply in time; the request may have been carried out anyway"
            ),
            // If a client certificate is missing, the alert may arrive too late to be read.
            (None, ureq::Error::Io(error)) if is_disconnect(error) => format!(
                "{server} closed the connection without a reply. If it asks operators for a \
                 certificate (`admin.client_ca` in its config.toml), pass yours with \
                 --certificate FILE and --key FILE; otherwise try again."
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
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::sync::{Arc, mpsc};
    use std::{fs, thread};

    use rookery_control_api::Problem;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;

    fn new(server: &str, ca: Option<PathBuf>) -> Result<Client, Failure> {
        let ca = ca.map(|path| AuthorityFile {
            path,
            is_named: true,
        });
        Client::new(server.parse().unwrap(), ca, PinPolicy::FirstUse, None)
    }

    #[test]
    fn an_unreadable_authority_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        fs::write(&empty, "nothing").unwrap();
        for file in [folder.path().join("missing.pem"), empty] {
            let Err(failure) = new("h:1", Some(file.clone())) else {
                panic!("{file:?} is no authority");
            };
            assert!(
                failure.to_string().contains(&*file.to_string_lossy()),
                "{failure}"
            );
        }
    }

    #[test]
    fn an_authority_file_that_was_not_named_is_read_only_while_nobody_else_can_write_it() {
        let folder = tempfile::tempdir().unwrap();
        let set_mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set_mode(folder.path(), 0o700);
        let file = folder.path().join("ca.pem");
        let authority = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        fs::write(&file, authority.cert.pem()).unwrap();
        for (mode, is_named, is_read) in [
            (0o644, false, true),
            (0o646, false, false),
            (0o646, true, true),
        ] {
            set_mode(&file, mode);
            let ca = AuthorityFile {
                path: file.clone(),
                is_named,
            };
            let server = "h:1".parse().unwrap();
            let client = Client::new(server, Some(ca), PinPolicy::FirstUse, None);
            match client.map_err(|failure| failure.to_string()) {
                Ok(_) => assert!(is_read, "{mode:o}"),
                Err(failure) => assert!(!is_read && failure.contains("--ca"), "{failure}"),
            }
        }
    }

    #[test]
    fn the_lines_of_a_stream_are_read_as_they_are_up_to_a_limit() {
        let mut stream = &b"data: 1\r\n\ndata: 2"[..];
        let lines = std::iter::from_fn(|| read_line(&mut stream).unwrap());
        assert_eq!(lines.collect::<Vec<_>>(), ["data: 1", "", "data: 2"]);
        let error = read_line(&mut BufReader::new(io::repeat(b'x'))).unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }

    /// Starts a server that answers nothing but `100 Continue`, without end. Returns its address
    /// and its certificate.
    fn flooding_server() -> (String, CertificatePin) {
        use std::io::Write as _;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let cert = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            while let Ok((tcp, _)) = listener.accept() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, tcp);
                let replies = "HTTP/1.1 100 Continue\r\n\r\n".repeat(500);
                while stream.write_all(replies.as_bytes()).is_ok() {}
            }
        });
        (address, CertificatePin::of(&cert))
    }

    #[test]
    fn a_server_that_never_finishes_its_reply_does_not_keep_a_command_running() {
        let (server, pin) = flooding_server();
        let (sender, failures) = mpsc::channel();
        thread::spawn(move || {
            let short = Duration::from_secs(1);
            let policy = PinPolicy::Known(pin);
            let server = server.parse().unwrap();
            let client = Client::with_timeout(server, None, policy, None, short).unwrap();
            sender
                .send(client.get::<Problem>("/healthz").err())
                .unwrap();
            sender.send(client.stream("/v1/events").err()).unwrap();
        });
        for _ in 0..2 {
            let failure = failures.recv_timeout(Duration::from_secs(30)).unwrap();
            let failure = failure.expect("there is no reply").to_string();
            assert!(failure.contains("did not reply in time"), "{failure}");
        }
    }

    #[test]
    fn an_unreachable_server_is_reported() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        drop(listener);
        let client = new(&server, None).unwrap();
        let Err(failure) = client.get::<Problem>("/healthz") else {
            panic!("no server is running")
        };
        assert!(
            failure.to_string().contains("cannot be reached"),
            "{failure}"
        );
        assert!(failure.to_string().contains(&server), "{failure}");
        assert_eq!(failure.exit_code(), 1);
    }
}
