//! An admitted session. Most messages are sent directly to the core; those that concern accounts,
//! or whose reply may be long, are handled here first. A client that is silent for too long is
//! disconnected.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rookery_control_api::DisconnectReason;
use rookery_protocol::{Message, Nick, numeric};
use tokio::time::timeout_at;

use super::line_stream::{CLOSED, Input, StreamEvent};
use super::session::Session;
use rookery_accounts::reply_format::Replies;
use rookery_accounts::sign_in::{self, Outcome, SignIn};
use rookery_base::metrics::METRICS;
use rookery_chat::event::Disconnect;
use rookery_chat::request::{Admission, ReplyFormat};
use rookery_chat::{Weight, labels};
use rookery_engine::handle::{CoreStopped, SessionEvent};

/// Finds clients that no longer respond: sends `PING` after a time of silence, and gives up after
/// the same time again.
struct IdleTimer {
    /// How long a client may be silent; zero means without limit.
    limit: Duration,
    check_at: Option<Instant>,
    /// When the last `PING` was sent, unless something was received since.
    pinged_at: Option<Instant>,
}

/// What [`IdleTimer::check`] finds.
#[derive(Debug, PartialEq, Eq)]
enum Idle {
    /// The client has sent something recently.
    No,
    /// A `PING` is due.
    Ping,
    /// The client has not responded to the last `PING`.
    TimedOut,
}

impl Session {
    /// Serves an admitted session. Returns why it ended. Rare paths are boxed, so that the task of
    /// an idle session holds no memory for them.
    pub(super) async fn serve_admitted(&mut self) -> Result<Disconnect, CoreStopped> {
        let mut idle = IdleTimer::new(self.services.config.limits.get().ping_seconds);
        let mut sign_in: Option<Box<SignIn>> = None;
        loop {
            let next = match &mut sign_in {
                None => self.stream.next(idle.check_at).await,
                Some(sign_in) => Box::pin(self.next_or_mail_notice(sign_in, idle.check_at)).await,
            };
            let event = match next {
                StreamEvent::Input(Input::Message(message)) if self.is_for_the_core(&message) => {
                    SessionEvent::command(self.id, message)
                }
                StreamEvent::Input(Input::Message(message)) => {
                    match Box::pin(self.handle(&mut sign_in, message)).await? {
                        Some(disconnect) => return Ok(disconnect),
                        None => continue,
                    }
                }
                StreamEvent::Input(Input::Fault(fault)) => SessionEvent::bad_line(self.id, fault),
                StreamEvent::Deadline => match self.check_idle(&mut idle) {
                    None => continue,
                    Some(disconnect) => {
                        Box::pin(self.close(&disconnect.text)).await;
                        return Ok(disconnect);
                    }
                },
                end @ (StreamEvent::Drained | StreamEvent::Closed(_)) => {
                    return Ok(Box::pin(self.ended(end)).await);
                }
            };
            if let Some(event) = self.services.core.try_send(event)? {
                Box::pin(self.services.core.send(*event)).await?;
            }
            METRICS.messages_received.increment();
        }
    }

    /// Waits for the next event, and meanwhile notifies the client of the delivery of a mail that
    /// was sent for its sign-in.
    async fn next_or_mail_notice(
        &mut self,
        sign_in: &mut SignIn,
        deadline: Option<Instant>,
    ) -> StreamEvent {
        loop {
            tokio::select! {
                biased;
                event = self.stream.next(deadline) => return event,
                notice = sign_in.next_mail_notice() => self.send(&notice),
            }
        }
    }

    /// Whether the message can be sent to the core at once.
    fn is_for_the_core(&self, message: &Message) -> bool {
        message.command != "PONG"
            && !sign_in::COMMANDS.contains(&message.command.as_str())
            && !rookery_chat::has_long_reply(message)
            && !self.may_change_nick(message)
    }

    fn may_change_nick(&self, message: &Message) -> bool {
        let nick_is_free =
            self.identity.is_none() || self.services.config.accounts.get().free_nicks;
        message.command == "NICK" && nick_is_free
    }

    /// Handles a message that cannot be sent to the core at once. Returns why the session ends, if
    /// it does.
    async fn handle(
        &mut self,
        sign_in: &mut Option<Box<SignIn>>,
        message: Message,
    ) -> Result<Option<Disconnect>, CoreStopped> {
        if sign_in::COMMANDS.contains(&message.command.as_str()) {
            return self.authenticate(sign_in, message).await;
        }
        if rookery_chat::has_long_reply(&message) {
            return self.await_reply(message).await;
        }
        if let Some(until) = self.stream.answer(&message) {
            let event = SessionEvent::received(self.id, until);
            self.services.core.send(event).await?;
        }
        if !self.may_change_nick(&message) || !self.refuse_reserved_nick(&message).await? {
            METRICS.messages_received.increment();
            let event = SessionEvent::command(self.id, message);
            self.services.core.send(event).await?;
        }
        Ok(None)
    }

    /// Sends the core a command whose reply may be long, once the session has paid for its earlier
    /// long replies and its send queue has room. Until the reply is in the send queue, nothing more
    /// is read from the client, so that one session has one long reply at a time and receives its
    /// replies in order. Returns why the session ends, if it does.
    async fn await_reply(&mut self, message: Message) -> Result<Option<Disconnect>, CoreStopped> {
        METRICS.messages_received.increment();
        if let Some(ready_at) = self.stream.flood_mut().long_reply_at(Instant::now())
            && let Ok(end) = timeout_at(ready_at.into(), self.stream.send_until_closed()).await
        {
            return Ok(Some(self.ended(end).await));
        }
        if let Err(end) = self.stream.wait_for_room().await {
            return Ok(Some(self.ended(end).await));
        }
        let before = self.stream.queued_in_total();
        let to_join = rookery_chat::channels_to_join(&message);
        let replied = tokio::select! {
            replied = self.services.core.awaited_command(self.id, message) => replied?,
            end = self.stream.send_until_closed() => {
                // It may have joined them all, or will.
                self.stream.count_joins(to_join);
                return Ok(Some(self.ended(end).await));
            }
        };
        self.stream.count_joins(replied.shown_joins);
        let sent_bytes = self.stream.queued_in_total().saturating_sub(before);
        let flood = self.stream.flood_mut();
        flood.count_long_reply(
            Instant::now(),
            Weight::of_reply(sent_bytes.max(replied.read_bytes)),
        );
        Ok(None)
    }

    /// Handles a command that proves or changes an identity. Returns why the session ends, if it
    /// does.
    async fn authenticate(
        &mut self,
        sign_in: &mut Option<Box<SignIn>>,
        mut message: Message,
    ) -> Result<Option<Disconnect>, CoreStopped> {
        let machine = sign_in.get_or_insert_with(|| {
            let accounts = Arc::clone(&self.services.accounts);
            Box::new(SignIn::admitted(
                accounts,
                self.peer.clone(),
                self.identity.as_deref().cloned(),
            ))
        });
        // Both may change at any time, so the core is asked for them each time.
        let Some(ReplyFormat { nick, capabilities }) =
            self.services.core.reply_format(self.id).await?
        else {
            return Ok(None);
        };
        let label = labels::of(&message, capabilities).map(str::to_owned);
        let server = self.services.config.chat.get().server_name.clone();
        let mut replies = Replies::new(server, nick.as_str(), label);
        let before = machine.identity().cloned();
        let outcome = {
            let mut handled = pin!(machine.handle(Timestamp::now(), &mut replies, &message));
            // It may wait for its turn, for seconds. What has begun is completed even if the
            // connection ends, which the next wait for the stream returns as well.
            tokio::select! {
                biased;
                outcome = &mut handled => outcome,
                _ = self.stream.send_until_closed() => {
                    self.peer.ending.notify_one();
                    handled.await
                }
            }
        };
        sign_in::wipe_secrets(&mut message);
        let revoked = machine.take_revoked();
        self.send(&replies.finish());
        if let Some(revoked) = revoked {
            let by = Some(self.id);
            self.services.core.access_revoked(revoked, by).await?;
        }
        let identity = match outcome {
            None => return Ok(None),
            Some(Outcome::SignedIn(identity) | Outcome::EmailChanged(identity)) => *identity,
        };
        let name = identity.name.to_nick();
        match self
            .services
            .core
            .sign_in(self.id, identity.clone())
            .await?
        {
            Admission::NickInUse => {
                let text = "A user whose nick looks like your account's name is online; \
                            you are not signed in";
                self.send(&[self.nick_refused(numeric::ERR_NICKNAMEINUSE, &nick, &name, text)]);
                let accounts = Arc::clone(&self.services.accounts);
                **machine = SignIn::admitted(accounts, self.peer.clone(), before);
            }
            Admission::Banned { reason, expires_at } => {
                self.close_banned(&name, &reason, expires_at).await;
                return Ok(Some(Disconnect {
                    reason: DisconnectReason::Banned,
                    text: "Banned".into(),
                }));
            }
            Admission::Stale { reason } | Admission::Closed { reason } => {
                self.close(&reason).await;
                return Ok(Some(Disconnect {
                    reason: DisconnectReason::AccountEnded,
                    text: reason.into(),
                }));
            }
            Admission::Admitted => {
                self.permit.set_owner(self.owner(Some(&identity)));
                self.set_identity(Some(identity)).await;
            }
        }
        Ok(None)
    }

    /// Refuses a nick that is reserved, that belongs to another account or looks like its name, or
    /// that is not allowed for a new nick. Returns whether it was refused.
    async fn refuse_reserved_nick(&self, message: &Message) -> Result<bool, CoreStopped> {
        // The core replies to what is not a nick.
        let Some(Ok(nick)) = message.param(0).map(Nick::parse) else {
            return Ok(false);
        };
        let own = self.identity.as_ref().map(|own| &own.name);
        let (code, text) = match self.services.accounts.reservation(&nick, own).await {
            Ok(None) => return Ok(false),
            Ok(Some(reservation)) => reservation.refusal(),
            Err(error) => {
                tracing::error!(%error, "cannot check a nick");
                let text = "The nick cannot be checked now; try again later";
                (numeric::ERR_NICKNAMEINUSE, text.to_owned())
            }
        };
        let Some(ReplyFormat {
            nick: own,
            capabilities,
        }) = self.services.core.reply_format(self.id).await?
        else {
            return Ok(true);
        };
        let label = labels::of(message, capabilities).map(str::to_owned);
        let server = self.services.config.chat.get().server_name.clone();
        let mut replies = Replies::new(server, own.as_str(), label);
        replies.push(self.nick_refused(code, &own, &nick, &text));
        self.send(&replies.finish());
        Ok(true)
    }

    /// Returns why the session ends, after the connection or the core has ended it. In the latter
    /// case, waits for the client's answer first, if it was asked what it has received.
    async fn ended(&mut self, end: StreamEvent) -> Disconnect {
        if let StreamEvent::Closed(disconnect) = end {
            return disconnect;
        }
        self.stream.await_answer().await;
        self.stream.set_read();
        Disconnect::lost(CLOSED)
    }

    /// Checks whether the client still responds. Returns why the session ends if it does not.
    fn check_idle(&mut self, idle: &mut IdleTimer) -> Option<Disconnect> {
        let last_received = self.stream.last_received_at();
        match idle.check(Instant::now(), last_received) {
            Idle::No => None,
            Idle::Ping => {
                let chat = self.services.config.chat.get();
                self.stream.ping(&chat.server_name);
                None
            }
            Idle::TimedOut => {
                let seconds = last_received.elapsed().as_secs();
                Some(Disconnect {
                    reason: DisconnectReason::PingTimeout,
                    text: format!("Ping timeout: {seconds} seconds").into(),
                })
            }
        }
    }
}

impl IdleTimer {
    /// Returns how long a client may be silent.
    fn limit(seconds: u32) -> Duration {
        Duration::from_secs(seconds.into())
    }

    fn new(seconds: u32) -> Self {
        let limit = Self::limit(seconds);
        let check_at = (!limit.is_zero()).then(|| Instant::now() + limit);
        Self {
            limit,
            check_at,
            pinged_at: None,
        }
    }

    /// Checks, at `now`, a client that last sent something at `last_received`, and sets the time of
    /// the next check.
    fn check(&mut self, now: Instant, last_received: Instant) -> Idle {
        // Any response counts, however soon after the `PING` it arrived.
        let responded = self.pinged_at.is_none_or(|sent| last_received >= sent);
        if !responded {
            return Idle::TimedOut;
        }
        if now < last_received + self.limit {
            self.pinged_at = None;
            self.check_at = Some(last_received + self.limit);
            return Idle::No;
        }
        self.pinged_at = Some(now);
        self.check_at = Some(now + self.limit);
        Idle::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(2);

    #[test]
    fn a_client_that_responds_at_once_is_never_timed_out() {
        let connected = Instant::now();
        for delay in [0, 1, 1_000_000] {
            let mut timer = IdleTimer::new(120);
            let mut last_received = connected;
            let mut now = connected + LIMIT;
            for _ in 0..10 {
                match timer.check(now, last_received) {
                    Idle::Ping => last_received = now + Duration::from_nanos(delay),
                    Idle::No => {}
                    Idle::TimedOut => panic!("it responded after {delay} ns"),
                }
                now = timer.check_at.expect("the next check");
            }
        }
    }

    #[test]
    fn a_silent_client_is_pinged_after_the_limit_and_timed_out_after_as_long_again() {
        let connected = Instant::now();
        let mut timer = IdleTimer::new(120);
        assert_eq!(timer.check(connected + LIMIT, connected), Idle::Ping);
        assert_eq!(timer.check_at, Some(connected + 2 * LIMIT));
        assert_eq!(
            timer.check(connected + 2 * LIMIT, connected),
            Idle::TimedOut
        );
    }

    #[test]
    fn a_client_that_has_sent_something_is_checked_again_after_the_limit() {
        let connected = Instant::now();
        let sent = connected + Duration::from_secs(100);
        let mut timer = IdleTimer::new(120);
        assert_eq!(timer.check(connected + LIMIT, sent), Idle::No);
        assert_eq!(timer.check_at, Some(sent + LIMIT));
    }
}
