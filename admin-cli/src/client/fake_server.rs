//! A server for the tests of the client, which closes connections and answers as a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rookery_trust::{CertificatePin, PinPolicy};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::NoClientAuth;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Client;

type TlsStream = StreamOwned<ServerConnection, TcpStream>;

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

/// The answer of a busy server.
pub const BUSY: Act = Act::Reply(
    "503 Service Unavailable",
    "Retry-After: 1\r\n",
    r#"{"type":"/problems/busy","title":"","status":503,"detail":"Wait."}"#,
);
/// An answer without content.
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

/// Returns a configuration with a new certificate, and the certificate.
pub fn server_config(verifier: Arc<dyn ClientCertVerifier>) -> (Arc<ServerConfig>, CertificatePin) {
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
pub fn start(
    config: Arc<ServerConfig>,
    mut serve: impl FnMut(TlsStream) + Send + 'static,
) -> String {
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
