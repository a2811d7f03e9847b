//! The life of one session: handshake and waiting room, then admitted, then gone. What it shares
//! over all of them.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use rookery_protocol::framing::MAX_LINE;
use rookery_protocol::{Message, Nick, numeric};
use tokio::runtime::Handle;

use super::flood::Flood;
use super::socket::Socket;
use super::wire::{CLOSED, Wake, Wire};
use rookery_accounts::{Accounts, Peer};
use rookery_base::config::LiveConfig;
use rookery_chat::event::{Disconnect, Event, Identity, SessionId};
use rookery_chat::line::truncate;
use rookery_engine::handle::CoreHandle;
use rookery_engine::quota::ConnectionPlace;
use rookery_engine::sendq::Sendq;

/// What every session works with.
pub struct Services {
    pub config: LiveConfig,
    pub accounts: Arc<Accounts>,
    pub core: CoreHandle,
}

/// One session, from the end of its TLS handshake to its own end.
pub struct Session {
    pub(super) id: SessionId,
    pub(super) peer: Peer,
    pub(super) services: Arc<Services>,
    pub(super) sendq: Arc<Sendq>,
    pub(super) wire: Wire,
    /// Who it has been admitted as, or has proved to be since.
    pub(super) identity: Option<Box<Identity>>,
    /// Counts as a connection until the session is dropped.
    _place: ConnectionPlace,
    /// How it ended.
    disconnect: Disconnect,
}

/// How a session came through the handshake.
pub(super) enum Admission {
    Admitted,
    Over(Disconnect),
}

impl Session {
    /// The session of a connection whose TLS handshake is done.
    pub fn new(
        services: Arc<Services>,
        id: SessionId,
        peer: Peer,
        socket: Socket,
        place: ConnectionPlace,
    ) -> Box<Self> {
        let limits = services.config.get().limits.clone();
        let now = Instant::now();
        let sendq = Arc::new(Sendq::new(limits.sendq_bytes));
        let flood = Flood::new(limits.message_burst, limits.messages_per_second, now);
        let wire = Wire::new(socket, Arc::clone(&sendq), flood, now);
        let disconnect = Disconnect::lost(CLOSED);
        Box::new(Self {
            id,
            peer,
            services,
            sendq,
            wire,
            identity: None,
            _place: place,
            disconnect,
        })
    }

    /// Serves it to its end. What is rare is boxed, so that an idle session does not keep room for
    /// it.
    pub async fn run(mut self: Box<Self>) {
        let disconnect = match Box::pin(self.enter()).await {
            Ok(Admission::Admitted) => self.stay().await,
            Ok(Admission::Over(disconnect)) => Ok(disconnect),
            Err(stopped) => Err(stopped),
        };
        self.disconnect =
            disconnect.unwrap_or_else(|stopped| Disconnect::lost(stopped.to_string()));
        Box::pin(self.wire.close()).await;
    }

    /// Tells a session that is `own` that it cannot be `nick`.
    pub(super) fn refuse_nick(&self, own: &Nick, nick: &Nick, text: &str) -> Message {
        let server = self.services.config.get().chat.server_name.clone();
        Message::new(
            numeric::ERR_NICKNAMEINUSE,
            [own.as_str(), nick.as_str(), text],
        )
        .from_source(server)
    }

    /// The core knows it as that from now on. Notes that the account was welcomed, if it was the
    /// first time.
    pub(super) async fn welcome(&mut self, identity: Option<Identity>) {
        if let Some(identity) = identity.as_ref().filter(|identity| identity.new)
            && let Err(error) = self.services.accounts.set_greeted(identity.id).await
        {
            tracing::error!(%error, account = %identity.name, "a welcome could not be noted");
        }
        self.identity = identity.map(Box::new);
    }

    /// Tells a banned account why it may not come in, and closes.
    pub(super) async fn refuse_banned(
        &mut self,
        nick: &Nick,
        reason: &str,
        expires_at: Option<Timestamp>,
    ) -> Admission {
        let why = format!("banned: {reason}");
        self.services
            .accounts
            .report_refusal(nick.as_str(), self.peer.address, why);
        let server = self.services.config.get().chat.server_name.clone();
        self.tell(&[banned(server, nick.as_str(), reason, expires_at)]);
        self.close(&format!("Banned: {reason}")).await
    }

    /// Sends `ERROR` with the reason and sees it out.
    pub(super) async fn close(&mut self, reason: &str) -> Admission {
        self.tell(&[Message::new("ERROR", [reason])]);
        self.sendq.end();
        while !matches!(self.wire.next(None).await, Wake::Ended | Wake::Broken(_)) {}
        Admission::Over(Disconnect::lost(reason.to_owned()))
    }

    /// Sends lines that do not come from the core.
    pub(super) fn tell(&self, messages: &[Message]) {
        self.sendq.push_all(messages.iter().map(line));
    }
}

/// The message as one line, its end included. What is too long for a line is cut: a client leaves
/// such a line out. Tags have room of their own.
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

/// However it ends, by a panic even, the core hears of it: nobody stays behind as a ghost. Whoever
/// was not admitted is unknown to the core, which takes no notice then.
impl Drop for Session {
    fn drop(&mut self) {
        // None while the whole server goes down.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let core = self.services.core.clone();
        let (disconnect, lost) = (self.disconnect.clone(), !self.wire.has_left());
        let gone = Event::Gone {
            session: self.id,
            disconnect,
            lost,
        };
        runtime.spawn(async move {
            // The core may have stopped first.
            let _ = core.send(gone).await;
        });
    }
}

/// What numeric 465 says to whoever is banned.
pub(super) fn banned(
    server: String,
    nick: &str,
    reason: &str,
    expires_at: Option<Timestamp>,
) -> Message {
    let until = expires_at.map_or_else(String::new, |end| format!(" (until {end:.0})"));
    let text = format!("You are banned from this server: {reason}{until}");
    Message::new(numeric::ERR_YOUREBANNEDCREEP, [nick, &text]).from_source(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_and_still_arrives() {
        let short = Message::new("ERROR", ["Banned: spam"]);
        assert_eq!(line(&short), "ERROR :Banned: spam\r\n");
        let labelled = Message::parse("@label=abc ERROR Banned").expect("a message");
        assert_eq!(line(&labelled), "@label=abc ERROR Banned\r\n");
        let long = line(&Message::new(
            "ERROR",
            [format!("Banned: {}", "ü".repeat(500))],
        ));
        assert_eq!(long.len(), MAX_LINE - 1, "between two characters");
        assert!(long.ends_with("ü\r\n".as_bytes()));
    }

    /// Most sessions wait most of the time, and each keeps this beside its TLS.
    #[test]
    fn what_an_idle_session_keeps_is_small() {
        fn future_size<F: Future>(_: fn(Box<Session>) -> F) -> usize {
            size_of::<F>()
        }
        let ours = size_of::<Session>() - size_of::<Socket>();
        assert!(ours <= 448, "{ours} bytes of the session");
        let task = future_size(Session::run);
        assert!(task <= 320, "{task} bytes of its task");
    }
}
