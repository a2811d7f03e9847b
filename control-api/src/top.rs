//! Server activity: counters, rates, the busiest channels and users.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Role;
use crate::text;

/// The reply to `GET /v1/top`: a snapshot of the server. The rate of a counter is its growth
/// between two snapshots, divided by the time between them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Top {
    /// The time of the snapshot by the server's clock.
    #[schema(value_type = text::Time)]
    pub at: Timestamp,
    /// When the server started. The counters started from zero then.
    #[schema(value_type = text::Time)]
    pub started_at: Timestamp,
    /// The role of the admin who sent the request.
    pub role: Role,
    /// The number of online users, guests included.
    pub users: usize,
    /// The number of guests among them.
    pub guests: usize,
    /// The number of admitted sessions.
    pub sessions: usize,
    /// The number of connections to the chat port, in any state.
    pub connections: usize,
    /// The number of channels, including persistent channels without members.
    pub channels: usize,
    /// The counters since the start.
    pub counters: Counters,
    /// The number of events queued for the core.
    pub core_queue_events: usize,
    /// The number of batches queued to be committed.
    pub commit_queue_batches: usize,
    /// The channels with the most messages in the last minute, busiest first. Channels without
    /// messages are left out.
    #[schema(max_items = 20)]
    pub busiest_channels: Vec<BusyChannel>,
    /// The users with the most messages in the last minute, busiest first. Users without messages
    /// are left out.
    #[schema(max_items = 20)]
    pub busiest_users: Vec<BusyUser>,
    /// The sessions with the largest send queues, largest first. Empty queues are left out.
    #[schema(max_items = 20)]
    pub largest_sendqs: Vec<WaitingSendq>,
    /// The most recent refused sign-ins at either port, newest first.
    #[schema(max_items = 20)]
    pub refused_sign_ins: Vec<RefusedSignIn>,
}

/// Counters since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counters {
    /// IRC messages of any kind from admitted sessions.
    pub messages_received: u64,
    /// Messages stored in the history.
    pub messages_stored: u64,
    /// Lines added to send queues.
    pub deliveries: u64,
    /// Bytes added to send queues.
    pub delivered_bytes: u64,
    /// Connections to the chat port.
    pub connections_accepted: u64,
    /// Sign-ins at either port.
    pub sign_ins: u64,
    /// Sign-ins refused at either port.
    pub sign_ins_refused: u64,
}

impl Counters {
    /// Returns the rates since `before`, which is `seconds` older. A counter that was reset in
    /// between has the rate 0.
    pub fn rates_since(&self, before: &Self, seconds: f64) -> Rates {
        #[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
        let rate = |now: u64, before: u64| {
            let rate = now.saturating_sub(before) as f64 / seconds;
            if rate.is_finite() && rate >= 0.0 {
                (rate * 100.0).round() / 100.0
            } else {
                0.0
            }
        };
        Rates {
            messages_received: rate(self.messages_received, before.messages_received),
            messages_stored: rate(self.messages_stored, before.messages_stored),
            deliveries: rate(self.deliveries, before.deliveries),
            delivered_bytes: rate(self.delivered_bytes, before.delivered_bytes),
            connections_accepted: rate(self.connections_accepted, before.connections_accepted),
            sign_ins: rate(self.sign_ins, before.sign_ins),
            sign_ins_refused: rate(self.sign_ins_refused, before.sign_ins_refused),
        }
    }
}

/// Rates per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rates {
    /// IRC messages of any kind from admitted sessions.
    pub messages_received: f64,
    /// Messages stored in the history.
    pub messages_stored: f64,
    /// Lines added to send queues.
    pub deliveries: f64,
    /// Bytes added to send queues.
    pub delivered_bytes: f64,
    /// Connections to the chat port.
    pub connections_accepted: f64,
    /// Sign-ins at either port.
    pub sign_ins: f64,
    /// Sign-ins refused at either port.
    pub sign_ins_refused: f64,
}

/// A busy channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BusyChannel {
    /// The name of the channel, with its `#`.
    pub name: String,
    /// The number of members.
    pub members: usize,
    /// The number of messages in about the last minute.
    pub messages: u32,
}

/// A busy user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BusyUser {
    /// The nick.
    pub nick: String,
    /// The account; `null` for a guest.
    pub account: Option<String>,
    /// The IP address and port of the newest session; `null` if the user is not connected.
    pub address: Option<String>,
    /// The number of sessions.
    pub sessions: usize,
    /// The number of messages in about the last minute, to channels and users.
    pub messages: u32,
}

/// A session with a send queue that is not empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingSendq {
    /// The user's nick.
    pub nick: String,
    /// The user's account; `null` for a guest.
    pub account: Option<String>,
    /// The id of the session, as in the list of users.
    pub session: u64,
    /// The IP address and port.
    pub address: String,
    /// The size of the send queue, in bytes.
    pub bytes: usize,
}

/// A refused sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedSignIn {
    /// When the sign-in was refused.
    #[schema(value_type = text::Time)]
    pub at: Timestamp,
    /// The port at which it was refused.
    pub port: Port,
    /// The account name, email or admin name that was given; empty if none was.
    pub name: String,
    /// The IP address and port.
    pub address: String,
    /// Why the sign-in was refused.
    pub reason: String,
}

/// A port of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Port {
    /// The chat port.
    Chat,
    /// The control plane.
    Control,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_growth_of_a_counter_divided_by_the_time() {
        let before = Counters {
            messages_received: 10,
            deliveries: 7,
            sign_ins: 9,
            ..Counters::default()
        };
        let now = Counters {
            messages_received: 40,
            deliveries: 8,
            sign_ins: 2,
            ..before
        };
        let rates = now.rates_since(&before, 3.0);
        let expected = Rates {
            messages_received: 10.0,
            deliveries: 0.33,
            ..Rates::default()
        };
        assert_eq!(rates, expected, "a counter that was reset has no rate");
        for no_time in [0.0, -1.0] {
            assert_eq!(now.rates_since(&before, no_time), Rates::default());
        }
    }
}
