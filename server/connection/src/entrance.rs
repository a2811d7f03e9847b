//! A session on its way in: it drives the handshake, and asks the core when that is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::session::{Admission, Session};
use super::wire::{CLOSED, Input, Wake};
use rookery_accounts::handshake::{Handshake, Next};
use rookery_chat::event::{Candidate, Disconnect};
use rookery_engine::handle::{self, CoreStopped};

impl Session {
    /// Brings the session through its handshake, or to its end.
    pub(super) async fn enter(&mut self) -> Result<Admission, CoreStopped> {
        let mut handshake = Handshake::new(Arc::clone(&self.services.accounts), self.peer.clone());
        let started = Instant::now();
        loop {
            let limits = &self.services.config.get().limits;
            let (seconds, late) = if handshake.is_waiting_room() {
                (
                    limits.waiting_room_seconds,
                    "You have been in the waiting room for too long",
                )
            } else {
                (limits.handshake_seconds, "The handshake took too long")
            };
            let deadline = after(started, seconds);
            let wake = tokio::select! {
                biased;
                wake = self.wire.next(deadline) => wake,
                news = handshake.next_mail_notice() => {
                    self.tell(&news);
                    continue;
                }
            };
            let input = match wake {
                Wake::Input(input) => input,
                Wake::Deadline => return Ok(self.close(late).await),
                Wake::Ended => return Ok(Admission::Over(Disconnect::lost(CLOSED))),
                Wake::Broken(disconnect) => return Ok(Admission::Over(disconnect)),
            };
            let message = match input {
                Input::Message(message) => message,
                Input::Fault(fault) => {
                    let replies = handshake.handle_fault(&fault);
                    self.tell(&replies);
                    continue;
                }
            };
            let step = handshake.handle(Timestamp::now(), message).await;
            self.tell(&step.replies);
            match step.next {
                Next::Stay => {}
                Next::Close(reason) => return Ok(self.close(&reason).await),
                Next::Admit(candidate) => {
                    if let Some(admission) = self.admit(&mut handshake, candidate).await? {
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
    ) -> Result<Option<Admission>, CoreStopped> {
        let (nick, identity) = (candidate.nick.clone(), candidate.identity.clone());
        let admission = self
            .services
            .core
            .admit(self.id, Arc::clone(&self.sendq), candidate)
            .await?;
        Ok(match admission {
            handle::Admission::NickInUse => {
                let replies = handshake.nick_in_use();
                self.tell(&replies);
                None
            }
            handle::Admission::Banned { reason, expires_at } => {
                Some(self.refuse_banned(&nick, &reason, expires_at).await)
            }
            handle::Admission::Refused { reason } => Some(self.close(&reason).await),
            handle::Admission::Admitted => {
                self.welcome(identity).await;
                Some(Admission::Admitted)
            }
        })
    }
}

/// `seconds` after `start`; never for 0.
fn after(start: Instant, seconds: u32) -> Option<Instant> {
    (seconds > 0).then(|| start + Duration::from_secs(seconds.into()))
}
