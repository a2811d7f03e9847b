//! Tests against a client of rustls, over a wire in memory. Nothing waits, so they need no runtime.

mod misbehaviour;
mod random;
mod traffic;

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::task::Waker;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::*;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A certificate of both sides, and its key.
static PAIR: LazyLock<(CertificateDer<'static>, Vec<u8>)> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["irc.test".to_owned()]).unwrap();
    (made.cert.der().clone(), made.signing_key.serialize_der())
});

/// The socket of the server.
struct Wire {
    /// What has arrived.
    input: VecDeque<u8>,
    /// How many bytes one call reads at most.
    step: usize,
    /// Whether the client has closed the connection.
    is_closed: bool,
    /// What was written.
    output: Vec<u8>,
    /// How many more bytes can be written.
    room: usize,
    is_shut: bool,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.input.is_empty() && !self.is_closed {
            return Poll::Pending;
        }
        let count = self.step.min(self.input.len()).min(buffer.remaining());
        for byte in self.input.drain(..count) {
            buffer.put_slice(&[byte]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!self.is_shut, "nothing is written after a shutdown");
        let count = bytes.len().min(self.room);
        if count == 0 {
            return Poll::Pending;
        }
        self.room -= count;
        self.output.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut = true;
        Poll::Ready(Ok(()))
    }
}

fn server_config() -> ServerConfig {
    let (cert, key) = &*PAIR;
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(cert.clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
    let key = PrivateKeyDer::try_from(key.clone()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![cert.clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"irc".to_vec()];
    config
}

/// Returns the configuration of a client with a certificate.
fn client_config(version: &'static SupportedProtocolVersion) -> ClientConfig {
    let (cert, key) = &*PAIR;
    let mut roots = RootCertStore::empty();
    roots.add(cert.clone()).unwrap();
    let key = PrivateKeyDer::try_from(key.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![cert.clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"irc".to_vec()];
    config
}

fn new_client(config: ClientConfig) -> ClientConnection {
    ClientConnection::new(Arc::new(config), "irc.test".try_into().unwrap()).unwrap()
}

/// A connection that is being established.
fn new_server(config: ServerConfig, step: usize) -> TlsStream<Wire> {
    let wire = Wire {
        input: VecDeque::new(),
        step,
        is_closed: false,
        output: Vec::new(),
        room: usize::MAX,
        is_shut: false,
    };
    TlsStream::new(Arc::new(config), wire).unwrap()
}

/// Both ends of a connection.
struct Pair {
    server: TlsStream<Wire>,
    client: ClientConnection,
    /// What the client has received and the test has not read.
    received: Vec<u8>,
}

impl Pair {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        Self::with(
            new_client(client_config(version)),
            server_config(),
            usize::MAX,
        )
    }

    fn starting(client: ClientConnection, server: ServerConfig, step: usize) -> Self {
        Self {
            server: new_server(server, step),
            client,
            received: Vec::new(),
        }
    }

    /// Performs the handshake. The server reads `step` bytes at a time.
    fn with(client: ClientConnection, server: ServerConfig, step: usize) -> Self {
        let mut pair = Self::starting(client, server, step);
        while pair.poll_handshake().unwrap().is_pending() {
            pair.deliver_to_client();
        }
        pair.deliver_to_client();
        assert!(!pair.client.is_handshaking());
        assert_idle(&pair.server);
        pair
    }

    /// Delivers what the client sends, and continues the handshake.
    fn poll_handshake(&mut self) -> io::Result<Poll<()>> {
        self.deliver_to_server();
        match self.server.poll_handshake(&mut context()) {
            Poll::Ready(result) => result.map(Poll::Ready),
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// Returns the records that the client sends.
    fn sent_by_client(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Returns the records of a message of the client.
    fn sealed_by_client(&mut self, plaintext: &[u8]) -> Vec<u8> {
        io::Write::write_all(&mut self.client.writer(), plaintext).unwrap();
        self.sent_by_client()
    }

    /// Delivers what the client sends.
    fn deliver_to_server(&mut self) {
        let bytes = self.sent_by_client();
        self.server.stream.input.extend(bytes);
    }

    /// Delivers what the server has sent. Fails if the client does not accept it.
    fn try_deliver_to_client(&mut self) -> Result<(), rustls::Error> {
        let output = mem::take(&mut self.server.stream.output);
        let mut bytes = output.as_slice();
        while !bytes.is_empty() {
            self.client.read_tls(&mut bytes).unwrap();
            self.client.process_new_packets()?;
            // It reports that nothing is left as an error.
            let _ = io::Read::read_to_end(&mut self.client.reader(), &mut self.received);
        }
        Ok(())
    }

    fn deliver_to_client(&mut self) {
        self.try_deliver_to_client().unwrap();
    }

    /// Returns what the client has received since the last call.
    fn read_by_client(&mut self) -> Vec<u8> {
        mem::take(&mut self.received)
    }

    fn write(&mut self, plaintext: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.server).poll_write(&mut context(), plaintext)
    }

    fn flush(&mut self) -> Poll<io::Result<()>> {
        Pin::new(&mut self.server).poll_flush(&mut context())
    }

    fn shut_down(&mut self) -> Poll<io::Result<()>> {
        Pin::new(&mut self.server).poll_shutdown(&mut context())
    }

    /// Reads at most `size` bytes.
    fn read(&mut self, size: usize) -> Poll<io::Result<Vec<u8>>> {
        let mut bytes = vec![0; size];
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut self.server).poll_read(&mut context(), &mut buffer);
        read.map_ok(|()| buffer.filled().to_vec())
    }

    /// Reads until nothing is left that has arrived.
    fn read_all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Poll::Ready(read) = self.read(4096) {
            let read = read.unwrap();
            assert!(!read.is_empty(), "the end of the stream");
            all.extend(read);
        }
        all
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Asserts that a connection has no buffer.
fn assert_idle(server: &TlsStream<Wire>) {
    let buffers = [&server.incomplete, &server.unread, &server.unsent];
    assert_eq!(buffers.map(BytesMut::capacity), [0; 3]);
}

#[test]
fn handshakes_succeed_in_pieces_and_records_of_any_size() {
    for version in VERSIONS {
        for record in [None, Some(32), Some(300)] {
            for step in [1, 7, 100, usize::MAX] {
                let mut config = client_config(version);
                config.max_fragment_size = record;
                let pair = Pair::with(new_client(config), server_config(), step);
                let connection = pair.server.connection();
                assert_eq!(connection.protocol_version(), Some(version.version));
                assert_eq!(connection.alpn_protocol(), Some(b"irc".as_slice()));
                assert_eq!(connection.peer_certificates().unwrap()[0], PAIR.0);
                assert!(connection.negotiated_key_exchange_group().is_some());
            }
        }
    }
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    for version in VERSIONS {
        let (client, mut server) = (Arc::new(client_config(version)), server_config());
        server.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let name = "irc.test".try_into().unwrap();
            let client = ClientConnection::new(Arc::clone(&client), name).unwrap();
            let pair = Pair::with(client, server.clone(), 100);
            kinds.push(pair.server.connection().handshake_kind().unwrap());
        }
        let [first, second] = kinds.try_into().unwrap();
        assert_eq!(first, rustls::HandshakeKind::Full);
        assert_eq!(second, rustls::HandshakeKind::Resumed);
    }
}

#[test]
fn a_handshake_waits_until_its_replies_are_sent() {
    for version in VERSIONS {
        let mut pair = Pair::starting(new_client(client_config(version)), server_config(), 4096);
        pair.server.stream.room = 0;
        let mut steps = 0;
        while pair.poll_handshake().unwrap().is_pending() {
            pair.deliver_to_client();
            pair.server.stream.room = 10;
            steps += 1;
        }
        pair.deliver_to_client();
        assert!(!pair.client.is_handshaking());
        assert!(steps > 50, "{steps} writes of ten bytes");
        assert_idle(&pair.server);
    }
}
