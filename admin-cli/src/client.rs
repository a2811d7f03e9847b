//! HTTPS requests to the control plane, and explanations of what may fail.
//!
//! The client knows paths and JSON, not commands. Every failure becomes a [`Failure`] that says
//! what to do next.

use std::fmt::{self, Display};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rookery_control_api::{CSV_TYPE, Problem};
use rookery_terminal::certificate_problem;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{AlertDescription, CertificateError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::address::ServerAddress;
use crate::failure::Failure;

/// The time limit of a request; the server takes less for its slowest reply.
const TIMEOUT: Duration = Duration::from_mins(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit of a read from a stream, in which the server sends something every 15 seconds.
const STREAM_READ_TIMEOUT: Duration = Duration::from_secs(45);
/// The authority that the server creates at its first start, relative to the folder it starts in.
const LOCAL_AUTHORITY: &str = "certs/ca.pem";
const JSON_TYPE: &str = "application/json";
/// The most bytes that a reply may have.
const MAX_REPLY: u64 = 16 << 20;

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
    trusted: Trusted,
    /// Whether it has a client certificate.
    has_certificate: bool,
}

/// A client certificate with its key, for a server that requires one of operators.
pub struct ClientKey(ClientCert);

impl ClientKey {
    /// Reads the certificate, if one is given. Without a `key` file, the key is read from the
    /// certificate's file.
    pub fn read(
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<Option<Self>, Failure> {
        let Some(certificate) = certificate else {
            return match key {
                None => Ok(None),
                Some(_) => Err(Failure::Usage("--key needs --certificate".to_owned())),
            };
        };
        let chain = certificates_in(&certificate, "certificate")?;
        let file = key.unwrap_or(certificate);
        let broken =
            |why: &str| Failure::new(format!("cannot use the key in {}: {why}", file.display()));
        let pem = fs::read(&file).map_err(|error| broken(&error.to_string()))?;
        let key = PrivateKey::from_pem(&pem)
            .map_err(|_| broken("the file holds no key in PEM format"))?;
        Ok(Some(Self(ClientCert::new_with_certs(&chain, key))))
    }
}

/// The authorities that may have signed the server's certificate.
#[derive(Clone)]
enum Trusted {
    File(PathBuf),
    System,
}

impl Client {
    /// Reads the trusted authorities. The first request connects.
    ///
    /// Without `ca`, the authority in `certs/ca.pem` is trusted if that file exists, and the
    /// system's authorities otherwise.
    pub fn new(
        server: ServerAddress,
        ca: Option<PathBuf>,
        key: Option<ClientKey>,
    ) -> Result<Self, Failure> {
        let local = || {
            Path::new(LOCAL_AUTHORITY)
                .exists()
                .then(|| LOCAL_AUTHORITY.into())
        };
        let trusted = ca.or_else(local).map_or(Trusted::System, Trusted::File);
        let has_certificate = key.is_some();
        let tls = TlsConfig::builder()
            .client_cert(key.map(|ClientKey(key)| key))
            .root_certs(RootCerts::new_with_certs(&trusted.certificates()?))
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            // Operators connect directly or through a tunnel, never through a proxy.
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("admin-cli/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            server,
            token: None,
            trusted,
            has_certificate,
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
        let request = config.timeout_per_read(Some(STREAM_READ_TIMEOUT)).build();
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
        let message = match (tls_error(error), error) {
            (Some(rustls::Error::InvalidCertificate(error)), _) => {
                self.trusted.explain(server, error)
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
            (Some(error), _) => format!("no secure connection to {server}: {error}"),
            (None, ureq::Error::Protocol(_)) => format!(
                "{server} does not speak HTTP; is that the control plane's port (`admin.listen` \
                 in config.toml)?"
            ),
            (None, ureq::Error::HostNotFound) => format!("the host of {server} does not exist"),
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

/// A path with query parameters.
pub struct Query {
    path: String,
    separator: char,
}

impl Query {
    /// Creates a query without parameters.
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            separator: '?',
        }
    }

    /// Adds a parameter.
    pub fn set(mut self, name: &str, value: impl Display) -> Self {
        self.path.extend([
            &self.separator.to_string(),
            name,
            "=",
            &segment(&value.to_string()),
        ]);
        self.separator = '&';
        self
    }

    /// Adds a parameter if it has a value.
    pub fn maybe(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Adds `name=true` if `on`.
    pub fn flag(self, name: &str, on: bool) -> Self {
        self.maybe(name, on.then_some(true))
    }
}

impl Display for Query {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.path)
    }
}

/// Converts the server's problem document. Returns `None` if `raw` is no such document.
fn problem(status: StatusCode, raw: String) -> Option<Failure> {
    let problem: Problem = serde_json::from_str(&raw).ok()?;
    // Other problems with that status concern a password or a code.
    if status == StatusCode::UNAUTHORIZED && problem.kind == "/problems/not-signed-in" {
        return Some(Failure::NotSignedIn(
            "The server does not accept the stored sign-in: it has ended.".to_owned(),
        ));
    }
    let message = match next_step(&problem.kind) {
        None => problem.detail,
        Some(step) => format!("{} {step}", problem.detail),
    };
    Some(Failure::Failed {
        message,
        document: Some(raw),
    })
}

/// Returns what to do about a problem in terms of this program's commands, where the server's text
/// cannot say it.
fn next_step(kind: &str) -> Option<&'static str> {
    Some(match kind.strip_prefix("/problems/")? {
        "not-online" => "`admin-cli list` shows who is online.",
        "no-such-account" => "`admin-cli accounts` lists the accounts.",
        "no-such-admin" => "`admin-cli admins list` lists the admins.",
        "no-such-channel" => "`admin-cli channels` lists the channels.",
        "no-such-invitation" => "`admin-cli invitations` lists the open invitations.",
        "no-such-registration" => "`admin-cli registrations` lists the pending registrations.",
        "no-such-message" => "`admin-cli messages` lists messages with their ids.",
        "wrong-password" => "Nothing was changed; try again.",
        "fresh-sign-in-required" => "Sign in with `admin-cli login`.",
        "no-authenticator" => "Enrol one with `admin-cli totp enrol`.",
        "challenge-expired" | "login-failed" => "Start again with `admin-cli login`.",
        _ => return None,
    })
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
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

impl Trusted {
    fn certificates(&self) -> Result<Vec<Certificate<'static>>, Failure> {
        let system = || rustls_native_certs::load_native_certs().certs;
        match self {
            Self::File(file) => certificates_in(file, "authority"),
            Self::System => Ok(system().iter().map(owned).collect()),
        }
    }

    /// Explains why the server's certificate was rejected, and what to do.
    fn explain(&self, server: &ServerAddress, error: &CertificateError) -> String {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        if let NotValidForName | NotValidForNameContext { .. } = error {
            return format!(
                "the certificate of {server} is for other host names. Use one of its names with \
                 --server, or have this one added to `tls.names` in the server's config.toml and a \
                 new certificate made."
            );
        }
        let problem = certificate_problem(error);
        let hint = match self {
            Self::File(file) => format!(
                "The trusted authority is the one in {}. If the server uses another, pass its \
                 certs/ca.pem with --ca FILE.",
                file.display()
            ),
            Self::System => {
                "The system's authorities are trusted. If the server created its own certificate, \
                 copy its certs/ca.pem to this machine and pass it with --ca FILE, or in the \
                 variable ROOKERY_CA."
                    .to_owned()
            }
        };
        format!("the certificate of {server} is not accepted: {problem}. {hint}")
    }
}

/// Reads the certificates in a PEM file, at least one.
fn certificates_in(file: &Path, what: &str) -> Result<Vec<Certificate<'static>>, Failure> {
    let broken = |why: &str| {
        Failure::new(format!(
            "cannot use the {what} in {}: {why}",
            file.display()
        ))
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates = read.map_err(|error| broken(&error.to_string()))?;
    if certificates.is_empty() {
        return Err(broken("the file holds no certificate in PEM format"));
    }
    Ok(certificates.iter().map(owned).collect())
}

fn owned(certificate: &CertificateDer<'_>) -> Certificate<'static> {
    Certificate::from_der(certificate).to_owned()
}

/// The characters that are percent-encoded in a path segment or a query value: all but the
/// unreserved ones (RFC 3986 §2.3).
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns text as one segment of a path, or one value of a query.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reply(status: u16, kind: &str) -> Failure {
        let raw =
            format!(r#"{{"type":"/problems/{kind}","title":"T","status":{status},"detail":"D"}}"#);
        problem(StatusCode::from_u16(status).unwrap(), raw).unwrap()
    }

    #[test]
    fn a_missing_sign_in_has_its_own_exit_code() {
        assert_eq!(reply(401, "not-signed-in").exit_code(), 3);
        assert_eq!(reply(401, "login-failed").exit_code(), 1);
        assert_eq!(reply(401, "wrong-code").exit_code(), 1);
        assert_eq!(reply(404, "not-online").exit_code(), 1);
        assert_eq!(reply(503, "audit-unavailable").exit_code(), 1);
        assert_eq!(reply(404, "no-such-ban").to_string(), "D");
        assert_eq!(
            reply(404, "not-online").to_string(),
            "D `admin-cli list` shows who is online."
        );
        assert!(
            reply(401, "not-signed-in")
                .to_string()
                .contains("`admin-cli login`")
        );
        assert!(reply(401, "wrong-code").is_problem("wrong-code"));
        assert!(!reply(401, "wrong-code").is_problem("wrong"));
        assert!(problem(StatusCode::BAD_GATEWAY, "<html>".to_owned()).is_none());
    }

    #[test]
    fn a_name_stays_one_segment_of_the_path() {
        assert_eq!(segment("alice"), "alice");
        assert_eq!(segment("../v1/bans?x=1"), "..%2Fv1%2Fbans%3Fx%3D1");
        assert_eq!(segment("Ärger [x]"), "%C3%84rger%20%5Bx%5D");
    }

    #[test]
    fn a_query_encodes_its_values() {
        let query = Query::new("/v1/users")
            .set("limit", 100)
            .maybe("search", Some("a&b"))
            .maybe("after", None::<&str>)
            .flag("guests", true)
            .flag("reverse", false);
        assert_eq!(
            query.to_string(),
            "/v1/users?limit=100&search=a%26b&guests=true"
        );
        assert_eq!(Query::new("/v1/bans").to_string(), "/v1/bans");
    }

    #[test]
    fn an_unreadable_authority_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        fs::write(&empty, "nothing").unwrap();
        for file in [folder.path().join("missing.pem"), empty] {
            let Err(failure) = Client::new("h:1".parse().unwrap(), Some(file.clone()), None) else {
                panic!("{file:?} is no authority");
            };
            assert!(
                failure.to_string().contains(&*file.to_string_lossy()),
                "{failure}"
            );
        }
    }

    #[test]
    fn an_unreachable_server_is_reported() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        drop(listener);
        let client = Client::new(server.parse().unwrap(), None, None).unwrap();
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
