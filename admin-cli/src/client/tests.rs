//! Tests of the client against servers that behave in unusual ways.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use rookery_control_api::Problem;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::*;

type TlsStream = StreamOwned<ServerConnection, TcpStream>;

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

/// Returns a configuration with a new certificate, and the certificate.
fn server_config(verifier: Arc<dyn ClientCertVerifier>) -> (Arc<ServerConfig>, CertificatePin) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let cert = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![cert.clone()], key)
        .unwrap();
    (Arc::new(config), CertificatePin::of(&cert))
}

/// Starts a server. Returns its address.
fn start(config: Arc<ServerConfig>, mut serve: impl FnMut(TlsStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        while let Ok((tcp, _)) = listener.accept() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            serve(StreamOwned::new(connection, tcp));
        }
    });
    address
}

/// Starts a server that answers nothing but `100 Continue`, without end. Returns its address and
/// its certificate.
fn flooding_server() -> (String, CertificatePin) {
    let (config, pin) = server_config(Arc::new(NoClientAuth));
    let address = start(config, |mut stream| {
        let replies = "HTTP/1.1 100 Continue\r\n\r\n".repeat(500);
        while stream.write_all(replies.as_bytes()).is_ok() {}
    });
    (address, pin)
}

/// What a server does with a connection.
#[derive(Clone, Copy)]
pub enum Act {
    /// Closes it before the handshake.
    Close,
    /// Closes it once it has read a request.
    CloseUnanswered,
    /// Answers one request: status, further lines of the head, and the body.
    Reply(&'static str, &'static str, &'static str),
}

pub const BUSY: Act = Act::Reply(
    "503 Service Unavailable",
    "Retry-After: 1\r\n",
    r#"{"type":"/problems/busy","title":"","status":503,"detail":"Wait."}"#,
);
pub const OK: Act = Act::Reply("200 OK", "", "{}");

/// A server that does with each connection what the next act says; the last one is repeated.
pub struct FakeServer {
    pub client: Client,
    /// The connections: what was read of them.
    connections: mpsc::Receiver<String>,
}

impl FakeServer {
    pub fn start(acts: &[Act]) -> Self {
        let (config, pin) = server_config(Arc::new(NoClientAuth));
        let (sender, connections) = mpsc::channel();
        let mut acts = acts.to_vec();
        let address = start(config, move |mut stream| {
            let act = if acts.len() > 1 {
                acts.remove(0)
            } else {
                acts[0]
            };
            let request = match act {
                Act::Close => String::new(),
                Act::CloseUnanswered | Act::Reply(..) => read_request(&mut stream),
            };
            if let Act::Reply(status, head, body) = act {
                let length = body.len();
                let reply = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\
                     {head}\r\n{body}"
                );
                stream.write_all(reply.as_bytes()).unwrap();
            }
            sender.send(request).unwrap();
        });
        let policy = PinPolicy::Known(pin);
        Self {
            client: Client::new(address.parse().unwrap(), None, policy, None).unwrap(),
            connections,
        }
    }

    /// Returns the requests on the connections that it has accepted; an empty one for each on which
    /// it has read nothing.
    pub fn requests(&self, connections: usize) -> Vec<String> {
        let limit = Duration::from_secs(30);
        let requests = (0..connections).map(|_| self.connections.recv_timeout(limit).unwrap());
        let requests = requests.collect();
        assert!(self.connections.try_recv().is_err(), "more connections");
        requests
    }
}

/// Reads the head and the body of a request.
fn read_request(stream: &mut TlsStream) -> String {
    let mut request = String::new();
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    while !request.ends_with("\r\n\r\n") {
        let start = request.len();
        stream.read_line(&mut request).unwrap();
        let line = request[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    stream.take(length).read_to_string(&mut request).unwrap();
    request
}

fn post(client: &Client) -> Result<(), Failure> {
    client.post::<Value>("/v1/bans", &"x").map(drop)
}

#[test]
fn a_request_is_tried_again_after_the_server_has_closed_the_connection_before_it_was_sent() {
    let server = FakeServer::start(&[Act::Close, Act::Close, OK]);
    post(&server.client).unwrap();
    let requests = server.requests(3);
    assert!(requests[..2].concat().is_empty() && requests[2].ends_with("\"x\""));

    let server = FakeServer::start(&[Act::Close]);
    let failure = post(&server.client).unwrap_err().to_string();
    assert!(failure.contains("closed the connection"), "{failure}");
    assert!(!failure.contains("client_ca"), "{failure}");
    server.requests(5);
}

#[test]
fn a_request_that_may_have_been_carried_out_is_tried_again_only_if_it_does_nothing_twice() {
    let server = FakeServer::start(&[Act::CloseUnanswered, OK]);
    let failure = post(&server.client).unwrap_err().to_string();
    assert!(failure.contains("closed the connection"), "{failure}");
    assert!(!failure.contains("client_ca"), "{failure}");
    assert_eq!(server.requests(1).len(), 1);

    let server = FakeServer::start(&[Act::CloseUnanswered, OK]);
    server.client.get::<Value>("/v1/bans").unwrap();
    assert_eq!(server.requests(2).len(), 2);

    let in_progress = r#"{"type":"/problems/in-progress","title":"","status":409,"detail":""}"#;
    let in_progress = Act::Reply("409 Conflict", "", in_progress);
    let server = FakeServer::start(&[Act::CloseUnanswered, in_progress, OK]);
    let signed_in = server.client.with_token("token".to_owned());
    post(&signed_in).unwrap();
    post(&signed_in).unwrap();
    let requests = server.requests(4);
    assert!(requests[0].to_lowercase().contains("idempotency-key: "));
    assert_eq!(requests[..2], requests[1..3], "it has the same key");
    assert_ne!(requests[2], requests[3], "another one has another key");
}

#[test]
fn a_request_without_a_key_is_not_sent_again_and_its_outcome_is_called_unknown() {
    let server = FakeServer::start(&[Act::CloseUnanswered, OK]);
    let signed_in = server.client.with_token("token".to_owned());
    let failure = signed_in.put::<Value>("/v1/password", &"x").err().unwrap();
    let failure = failure.to_string();
    assert!(failure.contains("may have been carried out"), "{failure}");
    let requests = server.requests(1);
    assert!(!requests[0].to_lowercase().contains("idempotency-key"));
}

#[test]
fn a_sign_in_that_has_ended_when_a_request_is_sent_again_may_have_been_ended_by_it() {
    let ended = r#"{"type":"/problems/not-signed-in","title":"","status":401,"detail":""}"#;
    let ended = Act::Reply("401 Unauthorized", "", ended);
    for (first, is_unknown) in [
        (Act::CloseUnanswered, true),
        (Act::Close, false),
        (BUSY, false),
    ] {
        let server = FakeServer::start(&[first, ended]);
        let failure = post(&server.client.with_token("token".to_owned())).unwrap_err();
        server.requests(2);
        let text = failure.to_string();
        assert_eq!(
            text.contains("may have been carried out"),
            is_unknown,
            "{text}"
        );
        assert!(text.contains("`admin-cli login`"), "{text}");
        assert_eq!(failure.exit_code(), 3);
        assert!(
            matches!(failure, Failure::NotSignedIn { may_be_done, .. } if may_be_done == is_unknown)
        );
    }
}

#[test]
fn a_busy_server_is_asked_again_after_the_pause_that_it_asks_for() {
    let Act::Reply(status, _, body) = BUSY else {
        unreachable!()
    };
    let server = FakeServer::start(&[BUSY, OK]);
    let start = Instant::now();
    post(&server.client).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.requests(2).len(), 2);
    for head in ["", "Retry-After: 60\r\n"] {
        let server = FakeServer::start(&[Act::Reply(status, head, body)]);
        assert_eq!(post(&server.client).unwrap_err().to_string(), "Wait.");
        server.requests(1);
    }
}

#[test]
fn a_server_that_requires_a_certificate_is_recognised_even_if_sending_fails() {
    let authority = rcgen::generate_simple_self_signed(["authority".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let (config, pin) = server_config(verifier.build().unwrap());
    let address = start(config, |mut stream| {
        let read = stream.read(&mut [0]);
        assert!(read.is_err(), "there is no certificate");
    });
    let server = address.parse().unwrap();
    let client = Client::new(server, None, PinPolicy::Known(pin), None).unwrap();
    // The server has closed the connection long before all of it is sent.
    let file = vec![b'x'; 64 << 20];
    let failure = client.post_csv::<Value>("/v1/bans/import", &file).err();
    let failure = failure.expect("there is no certificate").to_string();
    assert!(failure.contains("client_ca"), "{failure}");
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
