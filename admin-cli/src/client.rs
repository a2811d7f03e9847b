//! The way to the control plane: HTTPS, JSON, and what to say when either fails.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rookery_control_api::{CSV_TYPE, Problem};
use rookery_terminal::certificate_problem;
use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::cli::ServerAddress;
use crate::failure::Failure;

/// Longer than the server takes for its slowest answer.
const TIMEOUT: Duration = Duration::from_mins(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The server says something at least every 15 seconds in a stream.
const LONGEST_SILENCE: Duration = Duration::from_secs(45);
/// What the server makes at its first start, seen from where it was started.
const LOCAL_AUTHORITY: &str = "certs/ca.pem";
const JSON_TYPE: &str = "application/json";
/// The most an answer may hold.
const LONGEST_ANSWER: u64 = 16 << 20;

/// What the server answered, as it came and as it is understood.
pub struct Reply<T> {
    pub raw: String,
    pub value: T,
}

/// A connection to one control plane.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    server: ServerAddress,
    token: Option<String>,
    trusted: Trusted,
    /// Whether it has a certificate of its own.
    shows_certificate: bool,
}

/// A certificate with its key, for a server that asks operators for one.
pub struct ClientKey(ClientCert);

impl ClientKey {
    /// Reads it, if there is one; the key may stand in the certificate's file.
    pub fn read(
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<Option<Self>, Failure> {
        let Some(certificate) = certificate else {
            return match key {
                None => Ok(None),
                Some(_) => Err(Failure::Usage(
                    "--key is of no use without --certificate".to_owned(),
                )),
            };
        };
        let chain = certificates_in(&certificate, "certificate")?;
        let file = key.unwrap_or(certificate);
        let broken = |why: &str| Failure::new(format!("the key in {}: {why}", file.display()));
        let pem = fs::read(&file).map_err(|error| broken(&error.to_string()))?;
        let key =
            PrivateKey::from_pem(&pem).map_err(|_| broken("there is none in that file (PEM)"))?;
        Ok(Some(Self(ClientCert::new_with_certs(&chain, key))))
    }
}

/// Whom the server's certificate has to come from.
#[derive(Clone)]
enum Trusted {
    File(PathBuf),
    System,
}

impl Client {
    /// Reads the authorities to trust; connects with the first request.
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
        let shows_certificate = key.is_some();
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
            // The control plane is reached directly, or through a tunnel of the operator's own.
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
            shows_certificate,
        })
    }

    /// The same, for whoever holds that token.
    pub fn with_token(&self, token: String) -> Self {
        Self {
            token: Some(token),
            ..self.clone()
        }
    }

    /// The server this goes to.
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<T>, Failure> {
        self.send(&Method::GET, path, None)
    }

    pub fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<T>, Failure> {
        self.send(&Method::DELETE, path, None)
    }

    /// A `POST` without a body.
    pub fn post_nothing<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<T>, Failure> {
        self.send(&Method::POST, path, None)
    }

    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Reply<T>, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::new(error.to_string()))?;
        self.send(&Method::POST, path, Some((JSON_TYPE, &body)))
    }

    pub fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Reply<T>, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::new(error.to_string()))?;
        self.send(&Method::PUT, path, Some((JSON_TYPE, &body)))
    }

    /// A `GET` whose answer goes on: what comes, as it comes.
    pub fn stream(&self, path: &str) -> Result<impl BufRead + use<>, Failure> {
        let request = self.request(&Method::GET, path, None)?;
        let config = self.agent.configure_request(request).timeout_global(None);
        let request = config.timeout_per_read(Some(LONGEST_SILENCE)).build();
        let mut response = self
            .agent
            .run(request)
            .map_err(|error| self.explain(&error))?;
        if response.status().is_success() {
            return Ok(BufReader::new(response.into_body().into_reader()));
        }
        let raw = self.text(&mut response)?;
        Err(refusal(response.status(), raw).unwrap_or_else(|| self.no_control_plane()))
    }

    /// A `POST` of a CSV file.
    pub fn post_csv<T: DeserializeOwned>(
        &self,
        path: &str,
        file: &[u8],
    ) -> Result<Reply<T>, Failure> {
        self.send(&Method::POST, path, Some((CSV_TYPE, file)))
    }

    /// A `GET` of something that is not JSON.
    pub fn get_text(&self, path: &str) -> Result<String, Failure> {
        self.answer_to(&Method::GET, path, None)
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<Reply<T>, Failure> {
        let raw = self.answer_to(method, path, body)?;
        match serde_json::from_str(&raw) {
            Ok(value) => Ok(Reply { raw, value }),
            Err(_) => Err(self.no_control_plane()),
        }
    }

    /// What is answered with success; the body comes with its media type.
    fn answer_to(
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
        Err(refusal(status, raw).unwrap_or_else(|| self.no_control_plane()))
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
        if let Some((kind, _)) = body {
            request = request.header("Content-Type", kind);
        }
        request
            .body(body.map_or(&[][..], |(_, body)| body))
            .map_err(|error| Failure::new(error.to_string()))
    }

    fn text(&self, response: &mut Response<Body>) -> Result<String, Failure> {
        let raw = response
            .body_mut()
            .with_config()
            .limit(LONGEST_ANSWER)
            .read_to_string();
        raw.map_err(|error| self.explain(&error))
    }

    fn no_control_plane(&self) -> Failure {
        Failure::new(format!(
            "{} answers, but not like a Rookery control plane of this version",
            self.server
        ))
    }

    fn explain(&self, error: &ureq::Error) -> Failure {
        let server = &self.server;
        match (tls_fault(error), error) {
            (Some(rustls::Error::InvalidCertificate(fault)), _) => {
                Failure::new(self.trusted.explain(server, fault))
            }
            (Some(rustls::Error::InvalidMessage(_)), _) => Failure::new(format!(
                "{server} does not speak TLS; is that the control plane's port (`admin.listen` in config.toml)?"
            )),
            (Some(rustls::Error::AlertReceived(alert)), _) if is_about_certificate(*alert) => {
                let what = if self.shows_certificate {
                    "does not accept the certificate in --certificate"
                } else {
                    "asks operators for a certificate"
                };
                Failure::new(format!(
                    "{server} {what}: it has to be signed by the authority in `admin.client_ca` of the server's \
                     config.toml. Pass it with --certificate FILE and --key FILE."
                ))
            }
            (Some(fault), _) => Failure::new(format!("no secure connection to {server}: {fault}")),
            (None, ureq::Error::Protocol(_)) => Failure::new(format!(
                "{server} does not speak HTTP; is that the control plane's port (`admin.listen` in config.toml)?"
            )),
            (None, ureq::Error::HostNotFound) => {
                Failure::new(format!("there is no host of the name in {server}"))
            }
            (None, ureq::Error::Timeout(_)) => Failure::new(format!(
                "{server} does not answer in time; what was asked for may be done all the same"
            )),
            // Whoever lacks a certificate hears of it only when the request is written, if not too
            // late.
            (None, ureq::Error::Io(error)) if has_hung_up(error) => Failure::new(format!(
                "{server} ended the connection without an answer. If it asks operators for a certificate \
                 (`admin.client_ca` in its config.toml), pass yours with --certificate FILE and --key FILE; else try \
                 again."
            )),
            (None, error) => Failure::new(format!(
                "{server} cannot be reached: {error}. Is the server running, and is that its control plane's address \
                 (`admin.listen` in config.toml)?"
            )),
        }
    }
}

/// What the server's problem document means for the operator; none if it is no such document.
fn refusal(status: StatusCode, raw: String) -> Option<Failure> {
    let problem: Problem = serde_json::from_str(&raw).ok()?;
    // Other refusals of that status are about a password or a code.
    if status == StatusCode::UNAUTHORIZED && problem.kind == "/problems/not-signed-in" {
        return Some(Failure::NotSignedIn(
            "The server knows no sign-in for the token here.".to_owned(),
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

/// What to do about a problem, in this program's commands, where the server's words do not say.
fn next_step(kind: &str) -> Option<&'static str> {
    Some(match kind.strip_prefix("/problems/")? {
        "not-online" => "`admin-cli list` shows who is online.",
        "no-such-account" => "`admin-cli accounts` shows who there is.",
        "no-such-admin" => "`admin-cli admins list` shows who there is.",
        "no-such-channel" => "`admin-cli channels` shows which there are.",
        "no-such-invitation" => "`admin-cli invitations` shows those that are good.",
        "no-such-registration" => "`admin-cli registrations` shows those that wait for a code.",
        "no-such-message" => "`admin-cli messages` shows what was said, with the ids.",
        "wrong-password" => "Nothing was changed; try again.",
        "fresh-sign-in-required" => "`admin-cli login` does that.",
        "no-authenticator" => "`admin-cli totp enrol` makes one known.",
        "challenge-expired" | "login-failed" => "Begin anew with `admin-cli login`.",
        _ => return None,
    })
}

/// The kind of problem in a failure, as a URI reference.
pub fn problem_kind(failure: &Failure) -> Option<String> {
    serde_json::from_str(failure.document()?)
        .map(|problem: Problem| problem.kind)
        .ok()
}

/// What a server says that does not like the client's certificate, or that there is none.
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

/// Whether the other side has ended the connection.
fn has_hung_up(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    let kinds = [
        Kind::BrokenPipe,
        Kind::ConnectionReset,
        Kind::ConnectionAborted,
        Kind::UnexpectedEof,
    ];
    kinds.contains(&error.kind())
}

fn tls_fault(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(fault) => Some(fault),
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

    fn explain(&self, server: &ServerAddress, fault: &rustls::CertificateError) -> String {
        use rustls::CertificateError as Fault;
        if let Fault::NotValidForName | Fault::NotValidForNameContext { .. } = fault {
            return format!(
                "the certificate of {server} is for other host names. Use one of its names with \
                 --server, or have this one added to `tls.names` in the server's config.toml and a \
                 new certificate made."
            );
        }
        let problem = certificate_problem(fault);
        let hint = match self {
            Self::File(file) => format!(
                "The authority trusted is the one in {}. If the server has another, pass it with --ca FILE: it is \
                 the certs/ca.pem beside the server.",
                file.display()
            ),
            Self::System => {
                "Trusted are the system's authorities. If the server made its own certificate, copy its \
                 certs/ca.pem here and pass it with --ca FILE, or in the variable ROOKERY_CA."
                    .to_owned()
            }
        };
        format!("the certificate of {server} is not accepted: {problem}. {hint}")
    }
}

/// All certificates in a PEM file; there is one at least.
fn certificates_in(file: &Path, what: &str) -> Result<Vec<Certificate<'static>>, Failure> {
    let broken = |why: &str| Failure::new(format!("the {what} in {}: {why}", file.display()));
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates = read.map_err(|error| broken(&error.to_string()))?;
    if certificates.is_empty() {
        return Err(broken("there is no certificate in that file"));
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

    fn answer(status: u16, kind: &str) -> Failure {
        let raw =
            format!(r#"{{"type":"/problems/{kind}","title":"T","status":{status},"detail":"D"}}"#);
        refusal(StatusCode::from_u16(status).unwrap(), raw).unwrap()
    }

    #[test]
    fn exit_codes_tell_a_missing_sign_in_from_a_refusal() {
        assert_eq!(answer(401, "not-signed-in").exit_code(), 3);
        assert_eq!(answer(401, "login-failed").exit_code(), 1);
        assert_eq!(answer(401, "wrong-code").exit_code(), 1);
        assert_eq!(answer(404, "not-online").exit_code(), 1);
        assert_eq!(answer(503, "audit-unavailable").exit_code(), 1);
        assert_eq!(answer(404, "no-such-ban").to_string(), "D");
        assert_eq!(
            answer(404, "not-online").to_string(),
            "D `admin-cli list` shows who is online."
        );
        assert!(
            answer(401, "not-signed-in")
                .to_string()
                .contains("`admin-cli login`")
        );
        assert_eq!(
            problem_kind(&answer(401, "wrong-code")).as_deref(),
            Some("/problems/wrong-code")
        );
        assert!(refusal(StatusCode::BAD_GATEWAY, "<html>".to_owned()).is_none());
    }

    #[test]
    fn a_name_stays_one_segment_of_the_path() {
        assert_eq!(segment("alice"), "alice");
        assert_eq!(segment("../v1/bans?x=1"), "..%2Fv1%2Fbans%3Fx%3D1");
        assert_eq!(segment("Ärger [x]"), "%C3%84rger%20%5Bx%5D");
    }

    #[test]
    fn an_authority_that_cannot_be_read_is_named() {
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
    fn a_server_that_is_not_there_is_said_to_be_so() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        drop(listener);
        let client = Client::new(server.parse().unwrap(), None, None).unwrap();
        let Err(failure) = client.get::<Problem>("/healthz") else {
            panic!("there is no server")
        };
        assert!(
            failure.to_string().contains("cannot be reached"),
            "{failure}"
        );
        assert!(failure.to_string().contains(&server), "{failure}");
        assert_eq!(failure.exit_code(), 1);
    }
}
