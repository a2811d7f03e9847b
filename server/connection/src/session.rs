//! One session of a client, from the end of its TLS handshake to the end of its connection.
//!
//! A session is first in the `handshake`, which includes the waiting room, and then `admitted`.
//! This module contains what both states share: the connection, the send queue, the identity, and
//! the close of a session. The core knows admitted sessions only.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use rookery_protocol::framing::MAX_LINE;
use rookery_protocol::{Message, Nick, numeric};
use tokio::runtime::Handle;

use super::flood::SharedFlood;
use super::line_stream::{CLOSED, LineStream, StreamEvent};
use super::socket::Socket;
use rookery_accounts::codes::LIFETIME_MINUTES;
use rookery_accounts::{Accounts, Peer};
use rookery_base::config::{self, Live};
use rookery_chat::event::{Disconnect, Identity, SessionId};
use rookery_chat::line::truncate;
use rookery_engine::handle::{CoreHandle, SessionEvent};
use rookery_engine::quota::{ConnectionLimits, ConnectionPermit, Owner, Stage};
use rookery_engine::sendq::{Rank, Sendq, Sendqs};
use rookery_record::{Network, ban_text};

/// The maximum size of the send queue of a session that is not admitted, in bytes. The replies of a
/// handshake are much shorter.
const STRANGER_SENDQ: usize = 32 << 10;

/// The sections of the config that the chat port depends on.
pub struct ConnectionConfig {
    /// `[accounts]`, for whether nicks are free.
    pub accounts: Live<config::Accounts>,
    /// `[chat]`, for the server's name.
    pub chat: Live<config::Chat>,
    /// `[limits]`, for connections, timeouts, send queues and flood control.
    pub limits: Live<config::Limits>,
    /// `[websocket]`, for the origins of pages that may connect.
    pub websocket: Live<config::WebSocket>,
}

/// The parts of the server that all sessions share.
pub(super) struct Services {
    pub config: ConnectionConfig,
    pub accounts: Arc<Accounts>,
    pub core: CoreHandle,
    pub flood: SharedFlood,
    pub sendqs: Arc<Sendqs>,
}

/// One session.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) peer: Peer,
    pub(super) services: Arc<Services>,
    pub(super) sendq: Arc<Sendq>,
    pub(super) stream: LineStream,
    /// The account it is signed in to; `None` for a guest.
    pub(super) identity: Option<Box<Identity>>,
    /// Counts the connection until the session is dropped.
    pub(super) permit: ConnectionPermit,
    /// Why the session ended. The initial value applies to a session that is dropped before its
    /// end.
    disconnect: Disconnect,
}

/// How a handshake ended.
pub(super) enum HandshakeResult {
    /// The core has admitted the session.
    Admitted,
    /// The connection is closed.
    Closed(Disconnect),
}

impl Session {
    /// Creates the session of a connection whose TLS handshake is done.
    pub fn new(
        services: Arc<Services>,
        id: SessionId,
        peer: Peer,
        socket: Socket,
        permit: ConnectionPermit,
    ) -> Box<Self> {
        let limits = services.config.limits.get();
        let now = Instant::now();
        services.sendqs.set_limit(limits.sendq_total_bytes);
        let sendq = services.sendqs.open(stranger_limit(limits.sendq_bytes));
        let network = Network::of(peer.address.ip());
        let (burst, per_second) = (limits.message_burst, limits.messages_per_second);
        let flood = services.flood.open(network, burst, per_second, now);
        let stream = LineStream::new(socket, Arc::clone(&sendq), flood, now);
        let disconnect = Disconnect::lost(CLOSED);
        Box::new(Self {
            id,
            peer,
            services,
            sendq,
            stream,
            identity: None,
            permit,
            disconnect,
        })
    }

    /// Serves the session until it ends. Rare paths are boxed, so that the task of an idle session
    /// holds no memory for them.
    pub async fn run(mut self: Box<Self>) {
        let disconnect = match Box::pin(self.handshake()).await {
            Ok(HandshakeResult::Admitted) => {
                let network = Network::of(self.peer.address.ip());
                self.stream
                    .admit(&self.services.flood, network, Instant::now());
                self.serve_admitted().await
            }
            Ok(HandshakeResult::Closed(disconnect)) => Ok(disconnect),
            Err(stopped) => Err(stopped),
        };
        self.disconnect =
            disconnect.unwrap_or_else(|stopped| Disconnect::lost(stopped.to_string()));
        Box::pin(self.stream.shut_down()).await;
    }

    /// Returns the numeric that refuses `nick` to the user whose nick is `own`.
    pub(super) fn nick_refused(&self, code: &str, own: &Nick, nick: &Nick, text: &str) -> Message {
        let server = self.services.config.chat.get().server_name.clone();
        Message::new(code, [own.as_str(), nick.as_str(), text]).from_source(server)
    }

    /// Sets the identity that the core has accepted. If the account is new, its welcome is
    /// recorded, so that it is not welcomed again.
    pub(super) async fn set_identity(&mut self, identity: Option<Identity>) {
        if let Some(identity) = identity.as_ref().filter(|identity| identity.new)
            && let Err(error) = self.services.accounts.set_greeted(identity.id).await
        {
            tracing::error!(%error, account = %identity.name, "cannot record a welcome");
        }
        if let Some(identity) = &identity {
            let network = Network::of(self.peer.address.ip());
            let (shared, flood) = (&self.services.flood, self.stream.flood_mut());
            shared.sign_in(flood, identity.id, network, Instant::now());
        }
        self.rank_sendq(identity.as_ref());
        self.identity = identity.map(Box::new);
    }

    /// Sets the send queue's limit and rank to those of an admitted session with this identity.
    pub(super) fn rank_sendq(&self, identity: Option<&Identity>) {
        let limit = self.services.config.limits.get().sendq_bytes;
        let rank = match identity {
            Some(identity) => Rank::Account(identity.id),
            None => Rank::Guest(Network::of(self.peer.address.ip())),
        };
        self.sendq.set_rank(rank, limit);
    }

    /// Returns the owner that an admitted session with this identity has.
    pub(super) fn owner(&self, identity: Option<&Identity>) -> Owner {
        match identity {
            Some(identity) => Owner::Account(identity.id),
            None => Owner::Guests(Network::of(self.peer.address.ip())),
        }
    }

    /// Sends a banned client the reason, and closes.
    pub(super) async fn close_banned(
        &mut self,
        nick: &Nick,
        reason: &str,
        expires_at: Option<Timestamp>,
    ) -> HandshakeResult {
        let refusal = format!("banned: {reason}");
        self.services
            .accounts
            .report_refusal(nick.as_str(), self.peer.address, refusal);
        let server = self.services.config.chat.get().server_name.clone();
        let text = ban_text(reason, expires_at);
        self.send(&[banned(server, nick.as_str(), &text)]);
        self.close(&format!("Banned: {text}")).await
    }

    /// Sends `ERROR` with the reason, and waits until it is sent.
    pub(super) async fn close(&mut self, reason: &str) -> HandshakeResult {
        let error = line(&Message::new("ERROR", [reason]));
        self.sendq.end(error, false);
        while !matches!(
            self.stream.next(None).await,
            StreamEvent::Drained | StreamEvent::Closed(_)
        ) {}
        HandshakeResult::Closed(Disconnect::lost(reason.to_owned()))
    }

    /// Sends messages that do not come from the core.
    pub(super) fn send(&self, messages: &[Message]) {
        self.sendq.push_all(messages.iter().map(line));
    }
}

/// Returns why a connection ends that another one has displaced at this stage.
pub(super) fn displaced(stage: Stage) -> String {
    match stage {
        Stage::WaitingRoom => format!(
            "There are too many connections; connect again. If a code was mailed to you, enter it \
             there; it is valid for {LIFETIME_MINUTES} minutes"
        ),
        Stage::Silent | Stage::Tls | Stage::Irc | Stage::SignIn => {
            "There are too many connections, and your client did not complete the handshake in \
             time; connect again"
                .to_owned()
        }
    }
}

/// Returns the limits on the number of connections.
pub(super) fn connection_limits(limits: &config::Limits) -> ConnectionLimits {
    ConnectionLimits {
        total: limits.connections,
        per_address: limits.connections_per_address,
    }
}

/// Returns the limit of the send queue of a session that is not admitted.
pub(super) fn stranger_limit(sendq_bytes: usize) -> usize {
    match sendq_bytes {
        0 => STRANGER_SENDQ,
        bytes => bytes.min(STRANGER_SENDQ),
    }
}

/// Returns the message as one line with its end. A line that is too long is cut, because clients
/// discard such lines whole. Tags have a limit of their own.
pub(super) fn line(message: &Message) -> Bytes {
    let text = message.to_string();
    let tags = if message.tags.is_empty() {
        0
    } else {
        text.find(' ').map_or(0, |end| end + 1)
    };
    let (tags, rest) = text.split_at(tags);
    format!("{tags}{}\r\n", truncate(rest, MAX_LINE - 2)).into()
}

/// Notifies the core that the session has ended, even if it ended by a panic, so that no user
/// remains without a connection. The core ignores a session that it has not admitted.
impl Drop for Session {
    fn drop(&mut self) {
        // There is no runtime when the whole server stops.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let core = self.services.core.clone();
        let read_until = self.stream.read_until();
        let event = SessionEvent::disconnected(self.id, self.disconnect.clone(), read_until);
        runtime.spawn(async move {
            // The core may have stopped first.
            let _ = core.send(event).await;
        });
    }
}

/// Returns the numeric 465 that a banned client receives, with the text of the ban.
pub(super) fn banned(server: String, nick: &str, text: &str) -> Message {
    let text = format!("You are banned from this server: {text}");
    Message::new(numeric::ERR_YOUREBANNEDCREEP, [nick, &text]).from_source(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_and_still_sent() {
        let short = Message::new("ERROR", ["Banned: spam"]);
        assert_eq!(line(&short), "ERROR :Banned: spam\r\n");
        let labelled = Message::parse("@label=abc ERROR Banned").expect("a message");
        assert_eq!(line(&labelled), "@label=abc ERROR :Banned\r\n");
        let long = line(&Message::new(
            "ERROR",
            [format!("Banned: {}", "ü".repeat(500))],
        ));
        assert_eq!(long.len(), MAX_LINE - 1, "between two characters");
        assert!(long.ends_with("ü\r\n".as_bytes()));
    }

    #[test]
    fn the_text_for_a_displaced_client_fits_a_line_and_says_what_to_do() {
        for stage in [Stage::Irc, Stage::WaitingRoom] {
            let text = displaced(stage);
            assert!(text.contains("connect again"), "{text}");
            let sent = line(&Message::new("ERROR", [&text]));
            assert_eq!(sent, format!("ERROR :{text}\r\n"));
        }
        assert!(displaced(Stage::WaitingRoom).contains("code"));
    }

    /// Most sessions are idle most of the time, and each has this beside its TLS state.
    #[test]
    fn the_memory_of_an_idle_session_is_small() {
        fn future_size<F: Future>(_: fn(Box<Session>) -> F) -> usize {
            size_of::<F>()
        }
        let ours = size_of::<Session>() - size_of::<Socket>();
        assert!(ours <= 448, "{ours} bytes of the session");
        let task = future_size(Session::run);
        assert!(task <= 320, "{task} bytes of its task");
    }
}
