//! Accepts connections to the chat, within limits, and brings each through its TLS and WebSocket
//! handshakes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rookery_protocol::Message;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::plaintext;
use super::session::{self, Services, Session};
use super::socket::Socket;
use super::web;
use rookery_accounts::{Accounts, Peer};
use rookery_base::certificates::Certificates;
use rookery_base::config::LiveConfig;
use rookery_base::metrics::METRICS;
use rookery_base::net::{close_with, is_tls};
use rookery_chat::AdmissionPolicy;
use rookery_chat::event::SessionId;
use rookery_engine::handle::CoreHandle;
use rookery_engine::quota::Connections;

/// Those who are told in words at one time that they are kept out.
const REFUSALS_AT_ONCE: usize = 16;
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(3);
/// A TLS record: fatal alert, `access_denied` (RFC 8446 §6.2).
const ACCESS_DENIED: &[u8] = &[21, 3, 3, 0, 2, 2, 49];

/// The ways into the chat. All lead to the same sessions, under the same limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// IRC over TLS.
    Irc,
    /// WebSocket over TLS.
    Web,
}

/// The chat's door to the outside.
pub struct ChatPort {
    services: Arc<Services>,
    certificates: Arc<Certificates>,
    connections: Arc<Connections>,
    next_session: AtomicU64,
    gate: watch::Receiver<Arc<AdmissionPolicy>>,
    /// For those who are told in words that they are kept out.
    refusals: Semaphore,
}

impl ChatPort {
    /// Ready to serve; `connections` is counted up and down as they come and go.
    pub fn new(
        config: LiveConfig,
        accounts: Arc<Accounts>,
        core: CoreHandle,
        certificates: Arc<Certificates>,
        connections: Arc<Connections>,
        gate: watch::Receiver<Arc<AdmissionPolicy>>,
    ) -> Self {
        let services = Arc::new(Services {
            config,
            accounts,
            core,
        });
        Self {
            services,
            certificates,
            connections,
            next_session: AtomicU64::new(1),
            gate,
            refusals: Semaphore::new(REFUSALS_AT_ONCE),
        }
    }

    /// Serves those who come by that door until the task is dropped.
    pub async fn serve(self: Arc<Self>, door: Door, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => {
                    tokio::spawn(Arc::clone(&self).welcome(door, stream, address));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: it passes when others leave.
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn welcome(self: Arc<Self>, door: Door, stream: TcpStream, address: SocketAddr) {
        let limits = self.services.config.get().limits.clone();
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let place = Connections::enter(
            &self.connections,
            address.ip(),
            limits.connections,
            limits.connections_per_address,
        );
        let Some(place) = place else {
            METRICS.connections_refused.increment();
            tracing::info!(%address, "refused: too many connections");
            return;
        };
        if let Some(last_words) = self.refusal(address) {
            Box::pin(self.refuse(door, stream, address, &last_words)).await;
            return;
        }
        METRICS.connections_accepted.increment();
        let begin = Box::pin(self.begin(door, stream, address));
        let handshake = match limits.tls_handshake_seconds {
            0 => begin.await,
            seconds => match timeout(Duration::from_secs(seconds.into()), begin).await {
                Ok(result) => result,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            },
        };
        match handshake {
            Ok(Some((peer, socket))) => {
                let id = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
                let session = Session::new(Arc::clone(&self.services), id, peer, socket, place);
                // A task of its own: nothing that the TLS handshake needed stays with the session.
                tokio::spawn(session.run());
            }
            Ok(None) => {}
            Err(error) => {
                METRICS.tls_handshakes_failed.increment();
                tracing::debug!(%address, %error, "no TLS or WebSocket handshake");
            }
        }
    }

    /// What whoever comes from there is told instead of being let in; none if the way is free.
    fn refusal(&self, address: SocketAddr) -> Option<Vec<Message>> {
        let gate = Arc::clone(&self.gate.borrow());
        if let Some(ban) = gate.bans.on_address(address.ip(), Timestamp::now()) {
            tracing::info!(%address, target = %ban.target, "refused: banned");
            let why = format!("{} is banned: {}", ban.target, ban.reason);
            self.services.accounts.tell_refused("", address, why);
            let server = self.services.config.get().chat.server_name.clone();
            let told = session::banned(server, "*", &ban.reason, ban.expires_at);
            return Some(vec![
                told,
                Message::new("ERROR", [format!("Banned: {}", ban.reason)]),
            ]);
        }
        gate.maintenance.as_ref().map(|message| {
            tracing::info!(%address, "refused: maintenance");
            self.services
                .accounts
                .tell_refused("", address, "maintenance".to_owned());
            vec![Message::new("ERROR", [&**message])]
        })
    }

    /// Tells whoever is kept out why: in words, which take a TLS handshake, as long as few are to
    /// be told; and else in the seven bytes that TLS has for it.
    async fn refuse(
        &self,
        door: Door,
        mut stream: TcpStream,
        address: SocketAddr,
        last_words: &[Message],
    ) {
        let Ok(_permit) = self.refusals.try_acquire() else {
            return close_with(&mut stream, ACCESS_DENIED).await;
        };
        let in_words = async {
            let Ok(Some((_, mut socket))) = self.begin(door, stream, address).await else {
                return;
            };
            let lines: Vec<u8> = last_words.iter().flat_map(session::line).collect();
            close_with(&mut socket, &lines).await;
        };
        // Whoever is slower than that does without.
        let _ = timeout(REFUSAL_TIMEOUT, in_words).await;
    }

    /// All handshakes that come before IRC; none for someone who does not speak TLS and was told
    /// so.
    async fn begin(
        &self,
        door: Door,
        stream: TcpStream,
        address: SocketAddr,
    ) -> io::Result<Option<(Peer, Socket)>> {
        stream.set_nodelay(true)?;
        if !is_tls(&stream).await? {
            tracing::debug!(%address, "spoke plainly to a TLS port");
            plaintext::answer(stream, door).await;
            return Ok(None);
        }
        let tls = match door {
            Door::Irc => self.certificates.chat_tls(),
            Door::Web => self.certificates.web_tls(),
        };
        let tls = TlsAcceptor::from(tls).accept(stream).await?;
        let peer = peer(address, &tls);
        let socket = match door {
            Door::Irc => Socket::Tls(tls),
            Door::Web => {
                let origins = self.services.config.get().websocket.origins.clone();
                Socket::Web(Box::new(
                    web::accept(tls, &origins).await.map_err(io::Error::other)?,
                ))
            }
        };
        Ok(Some((peer, socket)))
    }
}

fn peer(address: SocketAddr, tls: &TlsStream<TcpStream>) -> Peer {
    let connection = tls.get_ref().1;
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
            .join(" "),
    }
}
