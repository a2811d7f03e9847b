//! The life of one session: handshake and waiting room, then admitted, then gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use rookery_protocol::{Message, Nick, numeric};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::flood::Flood;
use super::wire::{Input, Wake, Wire};
use crate::accounts::handshake::{Handshake, Next};
use crate::accounts::sign_in::{self, SignIn};
use crate::accounts::{Accounts, Peer};
use crate::chat::event::{Answer, Candidate, Event, Identity, SessionId};
use crate::config::LiveConfig;
use crate::inlet::{Inlet, Stopped};
use crate::sendq::Sendq;

/// What every session works with.
pub struct Services {
    pub config: LiveConfig,
    pub accounts: Arc<Accounts>,
    pub inlet: Inlet,
}

/// One session's own.
struct Session {
    id: SessionId,
    peer: Peer,
    services: Arc<Services>,
    sendq: Arc<Sendq>,
    wire: Wire,
}

/// How a session came through the handshake.
enum Admission {
    Admitted { identity: Option<Identity> },
    Over { reason: String },
}

/// Serves one session from the end of its TLS handshake to its own end.
pub async fn serve(services: Arc<Services>, id: SessionId, peer: Peer, tls: TlsStream<TcpStream>) {
    let limits = services.config.get().limits.clone();
    let now = Instant::now();
    let sendq = Arc::new(Sendq::new(limits.sendq_bytes));
    let flood = Flood::new(limits.message_burst, limits.messages_per_second, now);
    let wire = Wire::new(tls, Arc::clone(&sendq), flood, now);
    let mut session = Session { id, peer, services, sendq, wire };
    // Boxed, so that an admitted session does not keep the room that its handshake needed.
    let reason = match Box::pin(session.handshake()).await {
        Ok(Admission::Admitted { identity }) => {
            session.admitted(identity).await.unwrap_or_else(|stopped| stopped.to_string())
        }
        Ok(Admission::Over { reason }) => reason,
        Err(stopped) => stopped.to_string(),
    };
    // Whoever was not admitted is unknown to the core, which takes no notice then.
    let gone = Event::Gone { session: id, reason };
    let inlet = session.services.inlet.clone();
    Box::pin(session.wire.close()).await;
    // The core may have stopped first.
    let _ = inlet.send(gone).await;
}

impl Session {
    async fn handshake(&mut self) -> Result<Admission, Stopped> {
        let mut handshake = Handshake::new(Arc::clone(&self.services.accounts), self.peer.clone());
        let started = Instant::now();
        loop {
            let limits = &self.services.config.get().limits;
            let (seconds, late) = if handshake.is_waiting_room() {
                (limits.waiting_room_seconds, "You have been in the waiting room for too long")
            } else {
                (limits.handshake_seconds, "The handshake took too long")
            };
            let deadline = after(started, seconds);
            let wake = tokio::select! {
                biased;
                wake = self.wire.next(deadline) => wake,
                news = handshake.news() => {
                    self.tell(&news);
                    continue;
                }
            };
            let input = match wake {
                Wake::Input(input) => input,
                Wake::Deadline => return Ok(self.close(late).await),
                Wake::Ended => return Ok(over("Connection closed")),
                Wake::Broken(reason) => return Ok(Admission::Over { reason }),
            };
            let message = match input {
                Input::Message(message) => message,
                Input::Fault(fault) => {
                    let replies = handshake.take_fault(fault);
                    self.tell(&replies);
                    continue;
                }
            };
            let step = handshake.take(Timestamp::now(), message).await;
            self.tell(&step.replies);
            match step.next {
                Next::Stay => {}
                Next::Close(reason) => return Ok(self.close(&reason).await),
                Next::Admit(candidate) => {
                    let identity = candidate.identity.clone();
                    if let Some(admission) = self.admit(&mut handshake, candidate, identity).await? {
                        return Ok(admission);
                    }
                }
            }
        }
    }

    /// Asks the core. None: the handshake goes on.
    async fn admit(
        &mut self,
        handshake: &mut Handshake,
        candidate: Box<Candidate>,
        identity: Option<Identity>,
    ) -> Result<Option<Admission>, Stopped> {
        let nick = candidate.nick.clone();
        let answer = self.services.inlet.admit(self.id, Arc::clone(&self.sendq), candidate).await?;
        Ok(match answer {
            Answer::NickInUse => {
                let replies = handshake.nick_in_use();
                self.tell(&replies);
                None
            }
            Answer::Banned { reason, expires_at } => {
                Some(self.refuse_banned(&nick, &reason, expires_at).await)
            }
            _ => {
                self.greeted(identity.as_ref()).await;
                Some(Admission::Admitted { identity })
            }
        })
    }

    /// Serves an admitted session; gives the reason why it ended.
    async fn admitted(&mut self, mut identity: Option<Identity>) -> Result<String, Stopped> {
        let ping = Duration::from_secs(self.services.config.get().limits.ping_seconds.into());
        let mut check_at = (!ping.is_zero()).then(|| Instant::now() + ping);
        let mut asked = false;
        let mut sign_in: Option<Box<SignIn>> = None;
        loop {
            let wake = match &mut sign_in {
                None => self.wire.next(check_at).await,
                Some(sign_in) => tokio::select! {
                    biased;
                    wake = self.wire.next(check_at) => wake,
                    news = sign_in.news() => {
                        self.tell(&news);
                        continue;
                    }
                },
            };
            let message = match wake {
                Wake::Input(Input::Message(message)) => message,
                Wake::Input(Input::Fault(fault)) => {
                    self.services.inlet.send(Event::BadLine { session: self.id, fault }).await?;
                    continue;
                }
                Wake::Deadline => {
                    let silent = self.wire.heard_at().elapsed();
                    if silent < ping {
                        asked = false;
                        check_at = Some(self.wire.heard_at() + ping);
                    } else if asked {
                        let reason = format!("Ping timeout: {} seconds", silent.as_secs());
                        self.close(&reason).await;
                        return Ok(reason);
                    } else {
                        asked = true;
                        check_at = Some(Instant::now() + ping);
                        let server = self.services.config.get().chat.server_name.clone();
                        self.tell(&[Message::new("PING", [server])]);
                    }
                    continue;
                }
                Wake::Ended => return Ok("Connection closed".to_owned()),
                Wake::Broken(reason) => return Ok(reason),
            };
            if message.command == "PONG" {
                continue;
            }
            if sign_in::COMMANDS.contains(&message.command.as_str()) {
                let machine = sign_in.get_or_insert_with(|| {
                    Box::new(SignIn::new(
                        Arc::clone(&self.services.accounts),
                        self.peer.clone(),
                        identity.clone(),
                    ))
                });
                let name =
                    identity.as_ref().map_or_else(|| "*".to_owned(), |identity| identity.name.to_string());
                let (replies, proved) = Box::pin(machine.take(Timestamp::now(), &name, message)).await;
                self.tell(&replies);
                let Some(proved) = proved else { continue };
                let nick = proved.name.to_nick();
                match self.services.inlet.sign_in(self.id, proved.clone()).await? {
                    Answer::NickInUse => {
                        let text = "Somebody whose name looks like yours is here; you stay a guest for now";
                        self.tell(&[self.refuse_nick(&nick, text)]);
                        sign_in = None;
                    }
                    Answer::Banned { reason, expires_at } => {
                        self.refuse_banned(&nick, &reason, expires_at).await;
                        return Ok("Banned".to_owned());
                    }
                    _ => {
                        self.greeted(Some(&proved)).await;
                        identity = Some(proved);
                    }
                }
                continue;
            }
            if identity.is_none()
                && message.command == "NICK"
                && let Some(refusal) = Box::pin(self.reserved(&message)).await
            {
                self.tell(&[refusal]);
                continue;
            }
            self.services.inlet.send(Event::Command { session: self.id, message }).await?;
        }
    }

    /// Why a guest may not have the nick it asks for, if an account's name stands against it.
    async fn reserved(&self, message: &Message) -> Option<Message> {
        let nick = Nick::parse(message.param(0)?).ok()?;
        match self.services.accounts.is_reserved(&nick).await {
            Ok(false) => None,
            Ok(true) => Some(self.refuse_nick(
                &nick,
                "That is the name of an account, or looks like one; sign in if it is yours",
            )),
            Err(error) => {
                tracing::error!(%error, "a nick could not be checked");
                Some(self.refuse_nick(&nick, "The nick could not be checked just now; try again later"))
            }
        }
    }

    fn refuse_nick(&self, nick: &Nick, text: &str) -> Message {
        let server = self.services.config.get().chat.server_name.clone();
        Message::new(numeric::ERR_NICKNAMEINUSE, ["*", nick.as_str(), text]).from_source(server)
    }

    async fn greeted(&self, identity: Option<&Identity>) {
        if let Some(identity) = identity.filter(|identity| identity.new)
            && let Err(error) = self.services.accounts.set_greeted(identity.id).await
        {
            tracing::error!(%error, account = %identity.name, "a welcome could not be noted");
        }
    }

    async fn refuse_banned(&mut self, nick: &Nick, reason: &str, expires_at: Option<Timestamp>) -> Admission {
        let until = expires_at.map_or_else(String::new, |end| format!(" (until {end:.0})"));
        let server = self.services.config.get().chat.server_name.clone();
        let text = format!("You are banned from this server: {reason}{until}");
        self.tell(&[Message::new(numeric::ERR_YOUREBANNEDCREEP, [nick.as_str(), &text]).from_source(server)]);
        self.close(&format!("Banned: {reason}")).await
    }

    /// Sends `ERROR` with the reason and sees it out.
    async fn close(&mut self, reason: &str) -> Admission {
        self.tell(&[Message::new("ERROR", [reason])]);
        self.sendq.end();
        while !matches!(self.wire.next(None).await, Wake::Ended | Wake::Broken(_)) {}
        over(reason)
    }

    /// Sends lines that do not come from the core.
    fn tell(&self, messages: &[Message]) {
        self.sendq.push_all(messages.iter().map(|message| Bytes::from(format!("{message}\r\n"))));
    }
}

fn over(reason: &str) -> Admission {
    Admission::Over { reason: reason.to_owned() }
}

/// `seconds` after `start`; never for 0.
fn after(start: Instant, seconds: u32) -> Option<Instant> {
    (seconds > 0).then(|| start + Duration::from_secs(seconds.into()))
}
