//! The core: sessions, users, channels, who may do what, who hears what. It knows no sockets, no
//! clock and no store: an event goes in with the time, outputs come out, and the same events always
//! give the same outputs.
#![allow(missing_docs)]

pub mod admission;
pub mod always_on;
pub mod busy;
pub mod capabilities;
pub mod commands;
pub mod control;
pub mod event;
pub mod history;
pub mod ids;
pub mod isupport;
pub mod labels;
pub mod lasting;
pub mod lengths;
pub mod line;
pub mod markers;
pub mod metadata;
pub mod multiline;
pub mod ownership;
pub mod redaction;
pub mod reload;
pub mod replay;
pub mod state;
#[cfg(test)]
mod tests;
pub mod turn;
pub mod views;

pub use commands::{playback, presence};
pub use state::admission_policy::AdmissionPolicy;
pub use state::away::AwayState;
pub use state::bans::Bans;

use std::sync::Arc;

use jiff::Timestamp;
use rookery_control_api::TimedEvent;
use rookery_protocol::numeric::ERR_INPUTTOOLONG;
use rookery_protocol::{Capability, Message};

use event::{Answer, Event, LineFault, Output, Settings};
use ids::SessionId;
use labels::Labelling;
use state::State;
use state::catch_up::Mark;
use state::channel::Channel;
use turn::{Caller, Stamp, Turn};

use rookery_record::ChatSnapshot;

/// The whole state of the chat.
pub struct Chat {
    state: State,
    settings: Settings,
    stamp: Stamp,
}

impl Chat {
    /// A chat with nobody in it. `run` is unlike that of any other start of the server: message ids
    /// begin with it.
    pub fn new(
        settings: Settings,
        run: String,
        gate: Arc<AdmissionPolicy>,
        restored: ChatSnapshot,
        now: Timestamp,
    ) -> Self {
        let mut state = State::new(run, gate, now);
        // A lobby is everyone's, whatever was kept of a channel of its name.
        let channels = restored
            .channels
            .into_iter()
            .filter(|kept| !settings.lobby.contains(&kept.name));
        state.restore_channels(channels.map(Channel::restored));
        state.account_metadata = restored.metadata.into_iter().collect();
        let mark = |at| Mark { at, message: 0 };
        for (account, target, read_until) in restored.read_markers {
            state
                .markers
                .entry(account)
                .or_default()
                .restore(target, read_until);
        }
        state.always_on = restored.always_on.into_iter().collect();
        state.restore_presences(restored.presences, &settings, now);
        state.devices = restored
            .devices
            .into_iter()
            .map(|(device, until)| (device, mark(until)))
            .collect();
        Self {
            state,
            settings,
            stamp: Stamp::default(),
        }
    }

    /// What follows from `event`.
    pub fn handle(&mut self, now: Timestamp, event: Event, out: &mut Vec<Output>) {
        self.stamp.set(now);
        self.take(event, out);
        let at = self.stamp.at;
        out.extend(
            self.state
                .news
                .drain(..)
                .map(|what| Output::Happened(TimedEvent { at, what })),
        );
    }

    fn take(&mut self, event: Event, out: &mut Vec<Output>) {
        let event = match event {
            Event::Reload(settings) => {
                let old = std::mem::replace(&mut self.settings, *settings);
                let mut turn = self.turn(out);
                turn.reload(&old);
                return turn.keep_presences();
            }
            event => event,
        };
        let mut turn = self.turn(out);
        match event {
            Event::Admit {
                ticket,
                session,
                candidate,
            } => turn.admit(ticket, session, *candidate),
            Event::SignIn {
                ticket,
                session,
                identity,
            } => turn.sign_in(ticket, session, identity),
            Event::AskForm { ticket, session } => {
                let form = turn.caller(session).map(|caller| Answer::Form {
                    nick: turn.state.user(caller.user).nick.clone(),
                    capabilities: caller.capabilities,
                });
                turn.answer(ticket, form.unwrap_or(Answer::Done));
            }
            Event::Command { session, message } => {
                turn.command(session, &message);
                turn.catch_up_further(session);
            }
            Event::AskHistory {
                ticket,
                session,
                message,
            } => turn.ask_history(ticket, session, &message),
            Event::Fetched { fetch, found } => turn.fetched(*fetch, found),
            Event::BadLine { session, fault } => turn.bad_line(session, fault),
            Event::Gone {
                session,
                disconnect,
                lost,
            } => turn.gone(session, &disconnect, lost),
            Event::Control { ticket, act } => turn.control(ticket, act),
            Event::Reload(_) => {}
        }
        turn.keep_presences();
    }

    fn turn<'a>(&'a mut self, out: &'a mut Vec<Output>) -> Turn<'a> {
        Turn {
            state: &mut self.state,
            settings: &self.settings,
            stamp: &self.stamp,
            out,
            copies: Vec::new(),
        }
    }
}

impl Turn<'_> {
    /// A session that the core has ended may still have commands on their way: they are left alone.
    fn command(&mut self, session: SessionId, message: &Message) {
        let Some(caller) = self.caller(session) else {
            return;
        };
        self.hear(session);
        let label = label_of(caller, message);
        if commands::batch::is_part(caller, message) {
            // What follows is an answer to all of the batch.
            return commands::batch::take(self, caller, message, label);
        }
        self.labelled(caller, label, |turn| commands::run(turn, caller, message));
    }

    /// Marks what `run` answers the caller with its label, escaped.
    fn labelled(&mut self, caller: Caller, label: Option<String>, run: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        run(self);
        let Some(label) = label else { return };
        if self.state.user_of(caller.session).is_none() {
            // It has quit: nothing is said to it any more.
            return;
        }
        if let Some(Output::Fetch(fetch)) = self.out[start..].last_mut() {
            // The reply is still to come.
            fetch.label = Some(label);
            return;
        }
        Labelling {
            server: &self.settings.server_name,
            session: caller.session,
            label: &label,
            batch: &self.state.next_batch(),
            copies: &self.copies,
            echo: caller.has(Capability::EchoMessage),
        }
        .apply(self.out, start);
    }

    /// A line that could not be taken. If it was to be part of a message of several lines, that is
    /// left out too.
    fn bad_line(&mut self, session: SessionId, fault: LineFault) {
        let Some(caller) = self.caller(session) else {
            return;
        };
        let label = match &fault {
            LineFault::NotUtf8(Some(message)) if !commands::batch::is_part(caller, message) => {
                label_of(caller, message)
            }
            _ => commands::batch::fail(self, caller),
        };
        self.labelled(caller, label, |turn| match fault {
            LineFault::TooLong => {
                turn.reply(
                    caller,
                    ERR_INPUTTOOLONG,
                    &[],
                    "Input line was too long, and was left out",
                );
            }
            // The utf8-only specification gives this code to clients of any capability.
            LineFault::NotUtf8(message) => turn.fail(
                caller,
                message
                    .as_ref()
                    .map_or("*", |message| message.command.as_str()),
                "INVALID_UTF8",
                &[],
                "That line was not UTF-8, and was left out; please set your client to UTF-8",
            ),
            LineFault::Malformed => {
                commands::unknown(turn, caller, "*", "That line is not a command")
            }
        });
    }
}

/// What the answer to the message is to be marked with, escaped.
fn label_of(caller: Caller, message: &Message) -> Option<String> {
    let label = labels::of(message, caller.capabilities)?;
    let mut escaped = String::new();
    // Writing to a String cannot fail.
    let _ = rookery_protocol::message::write_escaped(&mut escaped, label);
    Some(escaped)
}
