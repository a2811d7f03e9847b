//! The core of the chat server: sessions, users, channels, permissions, and the routing of
//! messages.
//!
//! The core does no I/O. It has no sockets, no clock, no store and no threads. The engine passes it
//! an [`Event`] together with the current time, and [`Chat::handle`] appends the resulting
//! [`Output`]s, in order. It is deterministic: the same state, time and event always produce the
//! same outputs. That makes it testable by simulation, and its state reproducible from a log of
//! events.
//!
//! Operations that have to wait happen outside of the core, and their results arrive as events. A
//! page of history is requested with [`Output::Fetch`] and arrives as [`Event::Fetched`]; signing
//! in happens in the accounts crate and results in [`Event::Admit`] or [`Event::SignIn`]. A message
//! that is to be stored is output as [`Output::Store`], and the engine delivers it once it is on
//! disk.
//!
//! # The path of a message
//!
//! [`Chat::handle`] → `dispatch::command` → `features::find` → the handler of the command,
//! such as `features::messages::privmsg` → `Context::send` and related methods, or an [`Output`].
//!
//! # Layers
//!
//! Each of these modules uses only those before it:
//! - `ids`, `settings`, `lengths`: plain data; `clock`: the times of messages; `line`, `multiline`:
//!   lines on their way to clients.
//! - `state`: users, sessions, channels and memberships. It changes them and keeps them consistent,
//!   but sends nothing.
//! - `event`, `request`, `ticket`: the inputs and outputs of the core.
//! - `outputs`: collects outputs, and adds labels to replies; `context`: the context in which one
//!   event is handled, and the ways to send lines; `long_reply`: replies that are sent in slices.
//! - `shares`: divides the room for earlier messages, also for the crates above.
//! - `features`: the commands with their rules.
//! - `control` and `busy`: requests of the control plane; `reload`: a new configuration.
//! - `token_bucket`: the limits on rates, also for the crates above.
//! - `dispatch`: finds the command of each message.
//!
//! This crate may depend on the protocol, on `control-api` and on `record`; never on tokio,
//! rusqlite or rustls.

mod busy;
pub mod capabilities;
mod channel_quota;
mod clock;
mod command;
mod context;
mod control;
mod dispatch;
pub mod event;
mod features;
#[cfg(feature = "test-support")]
pub mod fuzz;
#[cfg(any(test, feature = "test-support"))]
#[cfg_attr(not(test), allow(dead_code, reason = "only the tests use all of it"))]
#[allow(clippy::unwrap_used)]
mod harness;
mod ids;
#[cfg(any(test, feature = "test-support"))]
#[allow(clippy::unwrap_used)]
mod invariants;
pub mod isupport;
pub mod labels;
mod lengths;
pub mod line;
mod long_reply;
mod multiline;
mod outputs;
mod params;
mod reload;
pub mod request;
mod settings;
pub mod shares;
mod state;
mod storage_quota;
#[cfg(test)]
mod tests;
pub mod ticket;
pub mod token_bucket;

pub use command::{Command, Handler, Weight};
pub use features::channels::weights::{channels_to_join, of_joins as weight_of_joins};
pub use features::metadata::subscriptions;
pub use features::{WeightForOthers, away, commands, has_long_reply, weight, weight_for_others};
pub use long_reply::{MIN_SENDQ, SLICE_ROWS, slice_rows};
pub use state::admission_policy::AdmissionPolicy;
pub use state::away::AwayState;
pub use state::bans::Bans;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rookery_control_api::TimedEvent;
use rookery_record::ChatSnapshot;

use clock::MessageClock;
use context::{Context, Stamp};
use event::{Event, Output, SessionId};
use features::{admission, always_on, catch_up, quit};
use long_reply::LongReplies;
use outputs::Outputs;
use request::ReplyFormat;
use settings::Settings;
use state::State;
use state::channel::Channel;
use state::mask::Mask;

/// The whole state of the chat.
pub struct Chat {
    state: State,
    settings: Settings,
    stamp: Stamp,
    clock: MessageClock,
    long_replies: LongReplies,
    /// The number of rows that long replies may send before the next slice.
    rows_left: usize,
}

impl Chat {
    /// Creates a chat from the persisted state. `run` must differ between any two starts of the
    /// server, because it is the prefix of message ids.
    pub fn new(
        settings: Settings,
        run: String,
        policy: Arc<AdmissionPolicy>,
        snapshot: ChatSnapshot,
        now: Timestamp,
    ) -> Self {
        let clock = MessageClock::new(now, latest_time(&snapshot));
        let mut state = State::new(run, policy, now);
        // The lobby has no owner, even if a channel of its name was persisted.
        let channels = snapshot
            .channels
            .into_iter()
            .filter(|channel| !settings.lobby.contains(&channel.name));
        state.restore_channels(channels.map(Channel::restored));
        state.account_metadata = snapshot.metadata.into_iter().collect();
        let silences = snapshot.silences.into_iter().map(|(account, masks)| {
            let masks = masks.iter().filter_map(|mask| Mask::new(mask));
            (account, masks.collect())
        });
        state.account_silences = silences.collect();
        for (account, target, read_until) in snapshot.read_markers {
            state.markers.restore(account, &target, read_until);
        }
        state.always_on = snapshot.always_on.into_iter().collect();
        state.restore_presences(snapshot.presences, &settings, now);
        state.restore_devices(snapshot.devices, clock.now());
        Self {
            rows_left: settings.slice_rows,
            state,
            settings,
            stamp: Stamp::default(),
            clock,
            long_replies: LongReplies::default(),
        }
    }

    /// Handles `event` and appends the resulting outputs to `out`.
    pub fn handle(&mut self, now: Timestamp, event: Event, out: &mut Vec<Output>) {
        let before = self.stamp.at;
        self.stamp.set(now);
        self.clock.advance(now);
        if now < before {
            self.state.set_clock_back(before, now);
            control::reapply_bans(&mut self.context(out), before);
        }
        match event {
            Event::Reload(settings) => {
                let old = std::mem::replace(&mut self.settings, *settings);
                reload::reload(&mut self.context(out), &old);
            }
            event => apply(&mut self.context(out), event),
        }
        let ctx = &mut self.context(out);
        always_on::persist_presences(ctx);
        ctx.report_waiting_replies();
        let at = self.stamp.at;
        out.extend(
            self.state
                .server_events
                .drain(..)
                .map(|event| Output::ServerEvent(TimedEvent { at, event })),
        );
    }

    /// Lets the events that follow send one slice of long replies at once, all of them together.
    /// The rest waits for [`Self::continue_replies`].
    pub fn start_batch(&mut self) {
        self.rows_left = self.settings.slice_rows;
    }

    /// Whether replies are not complete, so that [`Self::continue_replies`] has to be called. Those
    /// that wait for [`Self::resume_replies`] do not count.
    pub fn has_incomplete_replies(&self) -> bool {
        self.long_replies.has_turns()
    }

    /// Sends one slice of the replies that are not complete, and appends the resulting outputs to
    /// `out`. To the core, this is an input like an event: the result depends on when it is called.
    pub fn continue_replies(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        self.stamp.set(now.max(self.stamp.at));
        self.start_batch();
        self.context(out).continue_replies();
    }

    /// Lets [`Self::continue_replies`] continue the replies to a session, as an
    /// [`Output::AwaitRoom`] has requested.
    pub fn resume_replies(&mut self, session: SessionId) {
        self.long_replies.resume(session);
    }

    fn context<'a>(&'a mut self, out: &'a mut Vec<Output>) -> Context<'a> {
        Context {
            state: &mut self.state,
            settings: &self.settings,
            stamp: &self.stamp,
            clock: &mut self.clock,
            out: Outputs::new(out),
            ticket: None,
            shown_joins: 0,
            long_replies: &mut self.long_replies,
            rows_left: &mut self.rows_left,
        }
    }
}

/// Returns a time that messages have to be later than, so that they are later than those that are
/// stored, and visible to the members of their channels.
fn latest_time(snapshot: &ChatSnapshot) -> Option<Timestamp> {
    let named = snapshot.channels.iter().map(|channel| channel.named_at);
    let memberships = snapshot.presences.iter().flat_map(|user| &user.channels);
    let joined = memberships.map(|member| member.joined_at);
    // A message may be from the moment at which the channel was named, or joined.
    let before = |at: Timestamp| at.checked_sub(SignedDuration::from_millis(1)).ok();
    let since = named.chain(joined).filter_map(before);
    // A device that has received everything until then must find later messages after it, even if
    // the system's clock was set back in the meantime.
    let received = snapshot.devices.iter().map(|(_, mark)| mark.at);
    since.chain(received).chain(snapshot.newest_message).max()
}

/// Dispatches the event to the module that handles it.
fn apply(ctx: &mut Context<'_>, event: Event) {
    match event {
        Event::Admit {
            ticket,
            session,
            candidate,
        } => admission::admit(ctx, ticket, session, *candidate),
        Event::SignIn {
            ticket,
            session,
            identity,
        } => admission::sign_in(ctx, ticket, session, identity),
        Event::GetReplyFormat { ticket, session } => {
            let format = ctx.caller(session).map(|caller| ReplyFormat {
                nick: ctx.state.user(caller.user).nick.clone(),
                capabilities: caller.capabilities,
            });
            ctx.answer(ticket, format);
        }
        Event::Command { session, message } => {
            dispatch::command(ctx, session, &message);
            catch_up::resume(ctx, session);
        }
        Event::AwaitedCommand {
            ticket,
            session,
            message,
        } => {
            dispatch::awaited_command(ctx, ticket, session, &message);
            catch_up::resume(ctx, session);
        }
        Event::Received { session, until } => catch_up::record_received(ctx, session, until),
        Event::Fetched { fetch, found } => dispatch::fetched(ctx, *fetch, found),
        Event::BadLine { session, fault } => dispatch::bad_line(ctx, session, fault),
        Event::Disconnected {
            session,
            disconnect,
            received,
        } => {
            ctx.long_replies.resume(session);
            quit::disconnected(ctx, session, &disconnect, received);
        }
        Event::Displaced(session) => quit::displaced(ctx, session),
        Event::AccessRevoked { revoked, by } => quit::access_revoked(ctx, revoked, by),
        Event::Control(request) => control::control(ctx, request),
        // Replaces the settings that the context borrows, so `Chat::handle` does it.
        Event::Reload(_) => {}
    }
}
