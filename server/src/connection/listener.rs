//! Accepts connections to the chat, within limits, and brings each through its TLS and WebSocket
//! handshakes.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
use crate::accounts::{Accounts, Peer, network};
use crate::certificates::Certificates;
use crate::chat::event::SessionId;
use crate::chat::gate::Gate;
use crate::config::LiveConfig;
use crate::inlet::Inlet;
use crate::metrics::METRICS;

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
    gate: watch::Receiver<Arc<Gate>>,
    /// For those who are told in words that they are kept out.
    refusals: Semaphore,
}

impl ChatPort {
    /// Ready to serve; `connections` is counted up and down as they come and go.
    pub fn new(
        config: LiveConfig,
        accounts: Arc<Accounts>,
        inlet: Inlet,
        certificates: Arc<Certificates>,
        connections: Arc<Connections>,
        gate: watch::Receiver<Arc<Gate>>,
    ) -> Self {
        let services = Arc::new(Services {
            config,
            accounts,
            inlet,
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
            return plaintext::close_with(&mut stream, ACCESS_DENIED).await;
        };
        let in_words = async {
            let Ok(Some((_, mut socket))) = self.begin(door, stream, address).await else {
                return;
            };
            let lines: Vec<u8> = last_words.iter().flat_map(session::line).collect();
            plaintext::close_with(&mut socket, &lines).await;
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
        if !plaintext::is_tls(&stream).await? {
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

/// Who is connected, in whatever state, by address; a [`network`] of IPv6 counts as one address.
#[derive(Debug, Default)]
pub struct Connections {
    inside: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place; free again when dropped.
#[derive(Debug)]
pub struct ConnectionPlace {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().all
    }

    /// A place for one more, unless a limit (0: none) is reached.
    pub fn enter(
        this: &Arc<Self>,
        address: IpAddr,
        limit: usize,
        limit_per_address: usize,
    ) -> Option<ConnectionPlace> {
        let address = network(address);
        let mut counts = this.lock();
        let here = counts.by_address.get(&address).copied().unwrap_or(0);
        let full = |count, limit| limit > 0 && count >= limit;
        if full(counts.all, limit) || full(here, limit_per_address) {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, here + 1);
        drop(counts);
        Some(ConnectionPlace {
            connections: Arc::clone(this),
            address,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        // No code inside can panic half-way.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut counts = self.connections.lock();
        counts.all -= 1;
        if let Some(here) = counts.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let connections = Arc::new(Connections::default());
        let enter = |address: &str| {
            Connections::enter(&connections, address.parse().expect("an address"), 0, 1)
        };
        let _first = enter("2001:db8::1").expect("there is room");
        assert!(enter("2001:db8::ffff:2").is_none());
        assert!(enter("2001:db8:0:1::1").is_some());
    }

    #[test]
    fn limits_hold_for_all_and_for_each_address_and_places_come_back() {
        let connections = Arc::new(Connections::default());
        let [one, two]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let enter = |address| Connections::enter(&connections, address, 3, 2);
        let first = enter(one).expect("there is room");
        let _second = enter(one).expect("there is room");
        assert!(enter(one).is_none(), "two for each address");
        let _third = enter(two).expect("there is room");
        assert!(enter(two).is_none(), "three in all");
        drop(first);
        assert!(enter(one).is_some());
        assert_eq!(connections.count(), 2);
        assert!(
            Connections::enter(&connections, one, 0, 0).is_some(),
            "0 is no limit"
        );
    }
}
