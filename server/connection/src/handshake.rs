//! A session before it is admitted: the IRC handshake, and the waiting room.
//!
//! The state machine of the handshake is in `rookery-accounts`. This module passes it the messages
//! of the client, sends its replies, enforces the time limits, and asks the core for admission when
//! the machine is done.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::line_stream::{CLOSED, Input, StreamEvent};
use super::session::{HandshakeResult, Session, connection_limits, displaced, stranger_limit};
use rookery_accounts::handshake::{Handshake, Next, Step};
use rookery_chat::event::{Candidate, Disconnect};
use rookery_chat::request::Admission;
use rookery_engine::handle::CoreStopped;
use rookery_engine::quota::{NotAdmitted, Stage};
use rookery_engine::sendq::Rank;
use rookery_protocol::Message;

/// Why a session is refused that has completed the handshake.
const TOO_MANY: &str = "There are too many sessions; connect again later";

impl Session {
    /// Runs the handshake until the session is admitted or closed.
    pub(super) async fn handshake(&mut self) -> Result<HandshakeResult, CoreStopped> {
        let mut handshake = Handshake::new(Arc::clone(&self.services.accounts), self.peer.clone());
        let started = Instant::now();
        loop {
            let limits = self.services.config.limits.get();
            let (seconds, too_late) = if handshake.is_waiting_room() {
                (
                    limits.waiting_room_seconds,
                    "You have been in the waiting room for too long",
                )
            } else {
                (limits.handshake_seconds, "The handshake took too long")
            };
            let deadline = after(started, seconds);
            let event = tokio::select! {
                biased;
                event = self.stream.next(deadline) => event,
                notices = handshake.next_mail_notice() => {
                    self.send(&notices);
                    continue;
                }
                () = self.permit.displaced() => {
                    return Ok(self.close(&displaced(stage(&handshake))).await);
                }
            };
            let input = match event {
                StreamEvent::Input(input) => input,
                StreamEvent::Deadline => return Ok(self.close(too_late).await),
                StreamEvent::Drained => {
                    return Ok(HandshakeResult::Closed(Disconnect::lost(CLOSED)));
                }
                StreamEvent::Closed(disconnect) => {
                    return Ok(HandshakeResult::Closed(disconnect));
                }
            };
            let message = match input {
                Input::Message(message) => message,
                Input::Fault(fault) => {
                    let replies = handshake.handle_fault(&fault);
                    self.send(&replies);
                    continue;
                }
            };
            let (step, is_displaced) = self.handle_before_admission(&mut handshake, message).await;
            self.permit.set_stage(Instant::now(), stage(&handshake));
            self.send(&step.replies);
            if let Some(revoked) = handshake.take_revoked() {
                self.services
                    .core
                    .access_revoked(revoked, Some(self.id))
                    .await?;
            }
            if is_displaced {
                return Ok(self.close(&displaced(stage(&handshake))).await);
            }
            match step.next {
                Next::Stay => {}
                Next::Close(reason) => return Ok(self.close(&reason).await),
                Next::Admit(candidate) => {
                    if let Some(result) = self.admit(&mut handshake, candidate).await? {
                        return Ok(result);
                    }
                }
            }
        }
    }

    /// Handles a message of the client. Also returns whether another connection has displaced this
    /// one: an attempt to sign in does not wait for its turn then, but what has begun is completed.
    async fn handle_before_admission(
        &mut self,
        handshake: &mut Handshake,
        message: Message,
    ) -> (Step, bool) {
        let mut handled = pin!(handshake.handle(Timestamp::now(), message));
        tokio::select! {
            biased;
            step = &mut handled => (step, false),
            () = self.permit.displaced() => {
                self.peer.ending.notify_one();
                (handled.await, true)
            }
        }
    }

    /// Asks the core for admission. Returns `None` if the handshake goes on.
    async fn admit(
        &mut self,
        handshake: &mut Handshake,
        candidate: Box<Candidate>,
    ) -> Result<Option<HandshakeResult>, CoreStopped> {
        let (nick, identity) = (candidate.nick.clone(), candidate.identity.clone());
        let limits = connection_limits(&self.services.config.limits.get());
        let owner = self.owner(identity.as_ref());
        match self.permit.can_admit(owner, limits) {
            Ok(()) => {}
            Err(NotAdmitted::Displaced) => {
                return Ok(Some(self.close(&displaced(stage(handshake))).await));
            }
            Err(refused @ NotAdmitted::TooMany) => {
                let (accounts, address) = (&self.services.accounts, self.peer.address);
                accounts.report_refusal(nick.as_str(), address, refused.to_string());
                return Ok(Some(self.close(TOO_MANY).await));
            }
        }
        // The welcome is queued before the reply arrives, and may be long.
        self.rank_sendq(identity.as_ref());
        let admission = self
            .services
            .core
            .admit(self.id, Arc::clone(&self.sendq), candidate)
            .await?;
        Ok(match admission {
            Admission::NickInUse => {
                let limit = self.services.config.limits.get().sendq_bytes;
                self.sendq.set_rank(Rank::Stranger, stranger_limit(limit));
                let replies = handshake.nick_in_use();
                self.send(&replies);
                None
            }
            Admission::Banned { reason, expires_at } => {
                Some(self.close_banned(&nick, &reason, expires_at).await)
            }
            Admission::Stale { reason } | Admission::Closed { reason } => {
                Some(self.close(&reason).await)
            }
            Admission::Admitted => {
                self.set_identity(identity).await;
                // Only now, so that a session that the core refuses displaces no other one.
                match self.permit.admit(self.id, owner, limits) {
                    Ok(None) => {}
                    Ok(Some(displaced)) => self.services.core.displaced(displaced).await?,
                    // Others were admitted, or connected, in the meantime.
                    Err(NotAdmitted::Displaced | NotAdmitted::TooMany) => {
                        self.services.core.displaced(self.id).await?;
                    }
                }
                Some(HandshakeResult::Admitted)
            }
        })
    }
}

/// Returns the stage of a session that is not admitted.
fn stage(handshake: &Handshake) -> Stage {
    if handshake.is_waiting_room() {
        Stage::WaitingRoom
    } else if handshake.is_signing_in() {
        Stage::SignIn
    } else {
        Stage::Irc
    }
}

/// Returns the time `seconds` after `start`, or `None`, for never, if `seconds` is 0.
fn after(start: Instant, seconds: u32) -> Option<Instant> {
    (seconds > 0).then(|| start + Duration::from_secs(seconds.into()))
}
