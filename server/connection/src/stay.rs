//! An admitted session: its messages go to the core, its sign-in commands to the accounts, its
//! silence is noticed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rookery_control_api::DisconnectReason;
use rookery_protocol::{Message, Nick};

use super::session::Session;
use super::wire::{CLOSED, Input, Wake};
use rookery_accounts::reply_format::Replies;
use rookery_accounts::sign_in::{self, SignIn};
use rookery_base::metrics::METRICS;
use rookery_chat::event::{Answer, Disconnect, Event};
use rookery_chat::{labels, playback};
use rookery_engine::handle::{Admission, CoreStopped};

/// How long a client may be silent.
struct IdleTimer {
    /// Zero for ever.
    limit: Duration,
    check_at: Option<Instant>,
    /// Whether a `PING` waits for its answer.
    asked: bool,
}

impl Session {
    /// Serves an admitted session; gives how it ended. What is rare is boxed, so that an idle
    /// session keeps no room for it.
    pub(super) async fn stay(&mut self) -> Result<Disconnect, CoreStopped> {
        let mut silence = IdleTimer::new(self.services.config.get().limits.ping_seconds);
        let mut sign_in: Option<Box<SignIn>> = None;
        loop {
            let wake = match &mut sign_in {
                None => self.wire.next(silence.check_at).await,
                Some(sign_in) => Box::pin(self.next_but_for_news(sign_in, silence.check_at)).await,
            };
            let event = match wake {
                Wake::Input(Input::Message(message)) if self.is_for_the_core(&message) => {
                    Event::Command {
                        session: self.id,
                        message,
                    }
                }
                Wake::Input(Input::Message(message)) => {
                    match Box::pin(self.take(&mut sign_in, message)).await? {
                        Some(disconnect) => return Ok(disconnect),
                        None => continue,
                    }
                }
                Wake::Input(Input::Fault(fault)) => Event::BadLine {
                    session: self.id,
                    fault,
                },
                Wake::Deadline => match self.check_idle(&mut silence) {
                    None => continue,
                    Some(disconnect) => {
                        Box::pin(self.close(&disconnect.words)).await;
                        return Ok(disconnect);
                    }
                },
                Wake::Ended => return Ok(Disconnect::lost(CLOSED)),
                Wake::Broken(disconnect) => return Ok(disconnect),
            };
            if let Some(event) = self.services.core.try_send(event)? {
                Box::pin(self.services.core.send(*event)).await?;
            }
            METRICS.messages_received.increment();
        }
    }

    /// Waits for the next thing to do, and tells the client of the mails that it waits for
    /// meanwhile.
    async fn next_but_for_news(&mut self, sign_in: &mut SignIn, deadline: Option<Instant>) -> Wake {
        loop {
            tokio::select! {
                biased;
                wake = self.wire.next(deadline) => return wake,
                news = sign_in.next_mail_notice() => self.tell(&news),
            }
        }
    }

    /// Whether nothing has to be asked or waited for before the core may have it.
    fn is_for_the_core(&self, message: &Message) -> bool {
        !sign_in::COMMANDS.contains(&message.command.as_str())
            && !asks_for_history(message)
            && !self.may_rename(message)
    }

    fn may_rename(&self, message: &Message) -> bool {
        let nick_is_free =
            self.identity.is_none() || self.services.config.get().accounts.free_nicks;
        message.command == "NICK" && nick_is_free
    }

    /// Takes a message that something has to be asked or waited for. Gives how the session ends, if
    /// it does with that.
    async fn take(
        &mut self,
        sign_in: &mut Option<Box<SignIn>>,
        message: Message,
    ) -> Result<Option<Disconnect>, CoreStopped> {
        if sign_in::COMMANDS.contains(&message.command.as_str()) {
            return self.prove(sign_in, message).await;
        }
        if asks_for_history(&message) {
            return self.read_history(message).await;
        }
        if !self.is_refused(&message).await? {
            METRICS.messages_received.increment();
            self.services
                .core
                .send(Event::Command {
                    session: self.id,
                    message,
                })
                .await?;
        }
        Ok(None)
    }

    /// Sends a command that has history read. Nothing more is read until the reply is on its way,
    /// so that one session has one page read at a time, and has its answers in order. Gives how the
    /// session ends, if it does meanwhile.
    async fn read_history(&mut self, message: Message) -> Result<Option<Disconnect>, CoreStopped> {
        tokio::select! {
            answer = self.services.core.ask_history(self.id, message) => answer.map(|_| None),
            over = self.wire.send_on() => Ok(Some(match over {
                Wake::Broken(disconnect) => disconnect,
                _ => Disconnect::lost(CLOSED),
            })),
        }
    }

    /// Takes a command that proves or changes an identity. Gives how the session ends, if it does
    /// with that.
    async fn prove(
        &mut self,
        sign_in: &mut Option<Box<SignIn>>,
        message: Message,
    ) -> Result<Option<Disconnect>, CoreStopped> {
        let machine = sign_in.get_or_insert_with(|| {
            let accounts = Arc::clone(&self.services.accounts);
            Box::new(SignIn::admitted(
                accounts,
                self.peer.clone(),
                self.identity.as_deref().cloned(),
            ))
        });
        // The core knows these, which may change at any time.
        let Answer::Form { nick, capabilities } = self.services.core.ask_form(self.id).await?
        else {
            return Ok(None);
        };
        let label = labels::of(&message, capabilities).map(str::to_owned);
        let server = self.services.config.get().chat.server_name.clone();
        let mut replies = Replies::new(server, nick.as_str(), label);
        let proved = machine
            .handle(Timestamp::now(), &mut replies, &message)
            .await;
        self.tell(&replies.finish());
        let Some(proved) = proved else {
            return Ok(None);
        };
        let name = proved.name.to_nick();
        match self.services.core.sign_in(self.id, proved.clone()).await? {
            Admission::NickInUse => {
                let text =
                    "Somebody whose name looks like yours is here; you stay who you are for now";
                self.tell(&[self.refuse_nick(&nick, &name, text)]);
                *sign_in = None;
            }
            Admission::Banned { reason, expires_at } => {
                self.refuse_banned(&name, &reason, expires_at).await;
                return Ok(Some(Disconnect {
                    why: DisconnectReason::Banned,
                    words: "Banned".into(),
                }));
            }
            Admission::Refused { reason } => {
                self.close(&reason).await;
                return Ok(Some(Disconnect {
                    why: DisconnectReason::AccountEnded,
                    words: reason.into(),
                }));
            }
            Admission::Admitted => self.welcome(Some(proved)).await,
        }
        Ok(None)
    }

    /// Whether the name of an account, other than the session's own, stands against the nick that
    /// it asks for; it is told.
    async fn is_refused(&self, message: &Message) -> Result<bool, CoreStopped> {
        // The core says what is wrong with what is no nick.
        let Some(Ok(nick)) = message.param(0).map(Nick::parse) else {
            return Ok(false);
        };
        let own = self.identity.as_ref().map(|own| &own.name);
        let text = match self.services.accounts.is_reserved(&nick, own).await {
            Ok(false) => return Ok(false),
            Ok(true) => {
                "That is the name of another's account, or looks like one; sign in if it is yours"
            }
            Err(error) => {
                tracing::error!(%error, "a nick could not be checked");
                "The nick could not be checked just now; try again later"
            }
        };
        let Answer::Form {
            nick: own,
            capabilities,
        } = self.services.core.ask_form(self.id).await?
        else {
            return Ok(true);
        };
        let label = labels::of(message, capabilities).map(str::to_owned);
        let server = self.services.config.get().chat.server_name.clone();
        let mut replies = Replies::new(server, own.as_str(), label);
        replies.push(self.refuse_nick(&own, &nick, text));
        self.tell(&replies.finish());
        Ok(true)
    }

    /// The time to check has come. Gives how the session ends, if the client is taken for lost.
    fn check_idle(&self, silence: &mut IdleTimer) -> Option<Disconnect> {
        let heard_at = self.wire.heard_at();
        let silent = heard_at.elapsed();
        if silent < silence.limit {
            silence.asked = false;
            silence.check_at = Some(heard_at + silence.limit);
            return None;
        }
        if silence.asked {
            let words = format!("Ping timeout: {} seconds", silent.as_secs());
            return Some(Disconnect {
                why: DisconnectReason::PingTimeout,
                words: words.into(),
            });
        }
        silence.asked = true;
        silence.check_at = Some(Instant::now() + silence.limit);
        let server = self.services.config.get().chat.server_name.clone();
        self.tell(&[Message::new("PING", [server])]);
        None
    }
}

/// Whether the answer may have to be read from the record.
fn asks_for_history(message: &Message) -> bool {
    match message.command.as_str() {
        "CHATHISTORY" | "REDACT" => true,
        "PRIVMSG" => message.param(0).is_some_and(playback::is_meant),
        _ => false,
    }
}

impl IdleTimer {
    fn new(seconds: u32) -> Self {
        let limit = Duration::from_secs(seconds.into());
        let check_at = (!limit.is_zero()).then(|| Instant::now() + limit);
        Self {
            limit,
            check_at,
            asked: false,
        }
    }
}
