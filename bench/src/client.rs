//! A client that does as little as possible, so that measurements show the cost of the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rookery_protocol::framing::MAX_TAGS;
use rookery_protocol::{Line, LineFramer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The line that a sender repeats: a message of 85 characters.
pub const TEXT: &str = "PRIVMSG #bench :The quick brown rook jumps over the lazy crow, \
                        and over it again, and then once more.\r\n";

/// How many clients connect at the same time. `InspIRCd` admits those who have registered once a
/// second, so with few, 15,000 would take it a quarter of an hour.
pub const CONCURRENT_CONNECTS: usize = 128;
/// How many of them connect until the end of the handshake. `ngIRCd` lets the kernel queue ten, and
/// further ones are delayed by seconds.
static HANDSHAKES: Semaphore = Semaphore::const_new(16);
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Connects guests, who are named by a prefix and a number.
pub async fn connect_all(address: SocketAddr, prefix: &str, count: u32) -> Result<Vec<Client>> {
    let mut connecting = JoinSet::new();
    let mut clients = Vec::new();
    for index in 0..count {
        if connecting.len() == CONCURRENT_CONNECTS
            && let Some(client) = connecting.join_next().await
        {
            clients.push(client??);
        }
        connecting.spawn(Client::connect(address, format!("{prefix}{index}")));
    }
    while let Some(client) = connecting.join_next().await {
        clients.push(client??);
    }
    Ok(clients)
}

/// An admitted guest.
pub struct Client {
    stream: TlsStream<TcpStream>,
    framer: LineFramer,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects and waits until the session is admitted.
    pub async fn connect(address: SocketAddr, nick: String) -> Result<Self> {
        let mut client = Self::open(address, Ipv4Addr::LOCALHOST).await?;
        client.register(&nick).await?;
        Ok(client)
    }

    /// Connects from this address without TLS.
    pub async fn dial(address: SocketAddr, source: Ipv4Addr) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((source, 0)))?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Connects from this address with TLS, and sends nothing.
    pub async fn open(address: SocketAddr, source: Ipv4Addr) -> Result<Self> {
        let _permit = HANDSHAKES.acquire().await?;
        let socket = Self::dial(address, source).await?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(tls()).connect(name, socket).await?;
        Ok(Self {
            stream,
            framer: LineFramer::new(MAX_TAGS),
            buffer: vec![0; 16384],
        })
    }

    /// Registers as a guest and waits until the session is admitted.
    pub async fn register(&mut self, nick: &str) -> Result<()> {
        self.send(&format!(
            "NICK {nick}\r\nUSER {nick} 0 * :bench\r\nCAP END\r\n"
        ))
        .await?;
        self.wait_for_any(&[" 422 ", " 376 "]).await
    }

    /// Sends lines, which must include their line ends.
    pub async fn send(&mut self, lines: &str) -> Result<()> {
        self.stream.write_all(lines.as_bytes()).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Reads until a line contains `part`.
    pub async fn wait_for(&mut self, part: &str) -> Result<()> {
        self.wait_for_any(&[part]).await
    }

    /// Reads until a line contains one of the parts.
    async fn wait_for_any(&mut self, parts: &[&str]) -> Result<()> {
        let wanted = |line: &str| parts.iter().any(|part| line.contains(part));
        let waiting = async {
            while !self.read(wanted).await? {}
            anyhow::Ok(())
        };
        timeout(PATIENCE, waiting)
            .await
            .with_context(|| format!("no line with one of {parts:?} arrived"))?
    }

    /// Sends [`TEXT`] `messages` times, `rate` times a second or as fast as possible if `rate` is
    /// zero, and then stays connected.
    pub async fn send_repeatedly(mut self, messages: u64, rate: u32) -> Result<()> {
        if rate == 0 {
            for chunk in 0..messages.div_ceil(100) {
                let count = (messages - chunk * 100).min(100);
                self.send(&TEXT.repeat(usize::try_from(count)?)).await?;
            }
        } else {
            let mut tick = interval(Duration::from_secs(1) / rate);
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for _ in 0..messages {
                tick.tick().await;
                self.send(TEXT).await?;
            }
        }
        while !self.read(|_| false).await? {}
        Ok(())
    }

    /// Reads and drops all lines until the future is ready.
    pub async fn drain_until(&mut self, end: impl Future) -> Result<()> {
        let mut end = pin!(end);
        loop {
            tokio::select! {
                _ = &mut end => return Ok(()),
                read = self.read(|_| false) => read?,
            };
        }
    }

    /// Reads once, and returns whether `wanted` is true for any of the lines.
    pub async fn read(&mut self, mut wanted: impl FnMut(&str) -> bool) -> Result<bool> {
        let length = self.stream.read(&mut self.buffer).await?;
        ensure!(length > 0, "the server closed the connection");
        let mut found = false;
        let mut pings = false;
        self.framer.push(&self.buffer[..length], |line| {
            if let Line::Text(text) = line {
                pings |= text.starts_with("PING");
                found |= wanted(text);
            }
        });
        if pings {
            self.send("PONG :bench\r\n").await?;
        }
        Ok(found)
    }
}

fn tls() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    Arc::clone(CONFIG.get_or_init(|| {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider knows the default versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
            .with_no_client_auth();
        Arc::new(config)
    }))
}

/// Accepts any certificate, as the measured server runs on the same machine.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
