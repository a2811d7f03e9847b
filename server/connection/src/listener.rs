//! Accepts connections to the chat, and brings each through its TLS and WebSocket handshakes.
//!
//! Connections are refused here, before they use resources, if there are too many, if their network
//! connects too fast, if their address is banned, or during maintenance. Each of the others becomes
//! a [`Session`] on a task of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rookery_protocol::Message;
use sha2::{Digest as _, Sha256};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::connect_rate::ConnectRates;
use super::flood::SharedFlood;
use super::metered::MeteredStream;
use super::plaintext;
use super::refusal_log::RefusalLog;
use super::session::{self, ConnectionConfig, Services, Session};
use super::socket::Socket;
use super::tls_stream::TlsStream;
use super::websocket;
use rookery_accounts::{Accounts, Peer};
use rookery_base::certificates::Certificates;
use rookery_base::metrics::METRICS;
use rookery_base::net::{close_with, is_tls};
use rookery_base::turns::Turns;
use rookery_chat::AdmissionPolicy;
use rookery_chat::event::SessionId;
use rookery_engine::handle::CoreHandle;
use rookery_engine::quota::{ConnectionPermit, Connections, NewConnection, Stage};
use rookery_record::{Network, ban_text};

/// How many refused clients are sent the reason at the same time.
const REFUSALS_AT_ONCE: usize = 16;
/// How long sending the reason of a refusal may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How many bytes the kernel accepts for a client beyond those that are on their way to it. Without
/// this limit, it would accept megabytes for a client that reads nothing, beside the send queue.
#[cfg(target_os = "linux")]
const MAX_UNSENT: u32 = 32 << 10;
/// A TLS record: fatal alert, `access_denied` (RFC 8446 §6.2).
const ACCESS_DENIED: &[u8] = &[21, 3, 3, 0, 2, 2, 49];

/// The protocol of a chat port. The sessions of all ports are of one kind, under the same limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// IRC over TLS.
    Irc,
    /// IRC over WebSocket over TLS.
    WebSocket,
}

/// Serves the chat on its ports.
pub struct ChatPort {
    services: Arc<Services>,
    certificates: Arc<Certificates>,
    connections: Arc<Connections>,
    next_session: AtomicU64,
    policy: watch::Receiver<Arc<AdmissionPolicy>>,
    /// The runtime of the sessions. The ports and the handshakes are on another one, so that no
    /// message waits for them.
    sessions: Handle,
    /// Limits how many refused clients are sent the reason.
    refusals: Semaphore,
    connect_rates: ConnectRates,
    /// TLS handshakes need much more CPU than messages, which must not wait for many of them.
    handshake_turns: Turns,
    too_many: RefusalLog,
    too_fast: RefusalLog,
    banned: RefusalLog,
    maintenance: RefusalLog,
}

impl ChatPort {
    /// Creates a port that admits sessions to `core` and counts its connections in `connections`.
    /// The sessions run on the runtime `sessions`.
    pub fn new(
        config: ConnectionConfig,
        accounts: Arc<Accounts>,
        core: CoreHandle,
        certificates: Arc<Certificates>,
        connections: Arc<Connections>,
        policy: watch::Receiver<Arc<AdmissionPolicy>>,
        sessions: Handle,
    ) -> Self {
        let now = Instant::now();
        let services = Arc::new(Services {
            config,
            accounts,
            core,
            flood: SharedFlood::new(now),
            sendqs: Arc::default(),
        });
        Self {
            services,
            certificates,
            connections,
            next_session: AtomicU64::new(1),
            policy,
            sessions,
            refusals: Semaphore::new(REFUSALS_AT_ONCE),
            connect_rates: ConnectRates::new(now),
            handshake_turns: Turns::on_half_of_the_cores(),
            too_many: RefusalLog::default(),
            too_fast: RefusalLog::default(),
            banned: RefusalLog::default(),
            maintenance: RefusalLog::default(),
        }
    }

    /// Accepts connections until the task is dropped.
    pub async fn serve(self: Arc<Self>, transport: Transport, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => {
                    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                    // What is not counted is closed here and now: on a task, it would be one more
                    // open file until that task runs.
                    if let Some(connection) = self.count(address) {
                        let port = Arc::clone(&self);
                        tokio::spawn(port.accept(transport, stream, address, connection));
                    }
                }
                Err(error) => {
                    // Most likely there are no file descriptors left, until some connections end.
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Counts a new connection. Returns `None` if its network connects too fast, or if there are
    /// too many.
    fn count(&self, address: SocketAddr) -> Option<NewConnection> {
        let limits = self.services.config.limits.get();
        let now = Instant::now();
        let (rate, burst) = (limits.connect_rate, limits.connect_burst);
        if !self
            .connect_rates
            .try_connect(now, address.ip(), burst, rate)
        {
            METRICS.connections_refused.increment();
            if let Some(refusals) = self.too_fast.count(now) {
                tracing::info!(%address, refusals, "refused: connects too fast");
            }
            return None;
        }
        let quota = session::connection_limits(&limits);
        let connection = Connections::open(&self.connections, now, address.ip(), quota);
        if connection.is_none() {
            self.report_too_many(address);
        }
        connection
    }

    fn report_too_many(&self, address: SocketAddr) {
        METRICS.connections_refused.increment();
        if let Some(refusals) = self.too_many.count(Instant::now()) {
            tracing::info!(%address, refusals, "refused: too many connections");
        }
    }

    /// Performs the handshakes of a connection and starts its session, or refuses it.
    async fn accept(
        self: Arc<Self>,
        transport: Transport,
        stream: TcpStream,
        address: SocketAddr,
        connection: NewConnection,
    ) {
        let Some(permit) = connection.place().await else {
            return self.report_too_many(address);
        };
        if let Some(reason) = self.refusal(address) {
            Box::pin(self.refuse(transport, stream, address, &permit, &reason)).await;
            return;
        }
        METRICS.connections_accepted.increment();
        let handshakes = Box::pin(async {
            tokio::select! {
                result = self.handshakes(transport, stream, address, &permit) => result,
                () = permit.displaced() => Err(io::Error::other("displaced")),
            }
        });
        let result = match self.services.config.limits.get().tls_handshake_seconds {
            0 => handshakes.await,
            seconds => match timeout(Duration::from_secs(seconds.into()), handshakes).await {
                Ok(result) => result,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            },
        };
        match result {
            Ok(Some((peer, socket))) => {
                let id = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
                let session = {
                    // Its timer belongs to the runtime on which it runs.
                    let _entered = self.sessions.enter();
                    Session::new(Arc::clone(&self.services), id, peer, socket, permit)
                };
                self.sessions.spawn(session.run());
            }
            Ok(None) => {}
            Err(error) => {
                METRICS.tls_handshakes_failed.increment();
                tracing::debug!(%address, %error, "a TLS or WebSocket handshake failed");
            }
        }
    }

    /// Returns the messages for a client from this address if it is refused, and reports the
    /// refusal. Returns `None` if it is not refused.
    fn refusal(&self, address: SocketAddr) -> Option<Vec<Message>> {
        let policy = Arc::clone(&self.policy.borrow());
        if let Some(ban) = policy.bans.on_address(address.ip(), Timestamp::now()) {
            if let Some(refusals) = self.banned.count(Instant::now()) {
                tracing::info!(%address, target = %ban.target, refusals, "refused: banned");
            }
            let reason = format!("{} is banned: {}", ban.target, ban.reason);
            self.services.accounts.report_refusal("", address, reason);
            let server = self.services.config.chat.get().server_name.clone();
            let text = ban_text(&ban.reason, ban.expires_at);
            let banned = session::banned(server, "*", &text);
            let error = Message::new("ERROR", [format!("Banned: {text}")]);
            return Some(vec![banned, error]);
        }
        policy.maintenance.as_ref().map(|message| {
            if let Some(refusals) = self.maintenance.count(Instant::now()) {
                tracing::info!(%address, refusals, "refused: maintenance");
            }
            self.services
                .accounts
                .report_refusal("", address, "maintenance".to_owned());
            vec![Message::new("ERROR", [&**message])]
        })
    }

    /// Sends a refused client the reason, for which the handshakes are necessary. If many clients
    /// are refused at once, the rest receive a TLS alert of seven bytes instead.
    async fn refuse(
        &self,
        transport: Transport,
        mut stream: TcpStream,
        address: SocketAddr,
        connection: &ConnectionPermit,
        reason: &[Message],
    ) {
        let permit = self.refusals.try_acquire();
        METRICS.connections_refused.increment();
        let Ok(_permit) = permit else {
            return close_with(&mut stream, ACCESS_DENIED).await;
        };
        let send = async {
            let handshakes = self.handshakes(transport, stream, address, connection);
            let Ok(Some((_, mut socket))) = handshakes.await else {
                return;
            };
            let lines: Vec<u8> = reason.iter().flat_map(session::line).collect();
            close_with(&mut socket, &lines).await;
        };
        // A client that is slower is disconnected without the reason.
        let _ = timeout(REFUSAL_TIMEOUT, send).await;
    }

    /// Performs the handshakes that precede that of IRC. Returns `None` for a client that does not
    /// speak TLS; it has received a reply in plaintext.
    async fn handshakes(
        &self,
        transport: Transport,
        stream: TcpStream,
        address: SocketAddr,
        permit: &ConnectionPermit,
    ) -> io::Result<Option<(Peer, Socket)>> {
        stream.set_nodelay(true)?;
        #[cfg(target_os = "linux")]
        SockRef::from(&stream).set_tcp_notsent_lowat(MAX_UNSENT)?;
        if !is_tls(&stream).await? {
            tracing::debug!(%address, "a client connected without TLS");
            plaintext::refuse(stream, transport).await;
            return Ok(None);
        }
        permit.set_stage(Instant::now(), Stage::Tls);
        let tls = match transport {
            Transport::Irc => self.certificates.chat_tls(),
            Transport::WebSocket => self.certificates.web_tls(),
        };
        let stream = MeteredStream::new(stream);
        let handshake = TlsStream::accept(tls, stream);
        let network = Network::of(address.ip());
        let tls = self.handshake_turns.take(network, handshake).await?;
        let tls = tls.try_map(|stream| stream.move_to(&self.sessions))?;
        let peer = peer(address, &tls);
        let socket = match transport {
            Transport::Irc => Socket::Tls(tls),
            Transport::WebSocket => {
                let origins = self.services.config.websocket.get().origins.clone();
                let lines = websocket::accept(tls, &origins).await;
                Socket::WebSocket(Box::new(lines.map_err(io::Error::other)?))
            }
        };
        Ok(Some((peer, socket)))
    }
}

/// Returns what the TLS handshake has revealed about the client.
fn peer(address: SocketAddr, tls: &TlsStream<MeteredStream>) -> Peer {
    let connection = tls.connection();
    let version = connection
        .protocol_version()
        .map(|version| format!("{version:?}").replace('_', "."));
    let group = connection
        .negotiated_key_exchange_group()
        .map(|group| format!("{:?}", group.name()));
    let certificate = connection
        .peer_certificates()
        .and_then(|chain| chain.first());
    Peer {
        address,
        certificate: certificate.map(|certificate| Sha256::digest(certificate).into()),
        tls: [version, group]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
            .into(),
        ending: Arc::default(),
    }
}
