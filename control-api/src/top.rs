//! How busy the server is: what is counted, how fast that goes, and who and what it comes from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Role;

/// `GET /v1/top`: the server at one moment. Ask again for the next; what the counters have gained
/// between two is how fast things go.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Top {
    /// The moment, by the server's clock.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When the server started, and its counters with it.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// What whoever asks may do.
    pub role: Role,
    /// Users online, guests included.
    pub users: usize,
    /// Guests among them.
    pub guests: usize,
    /// Admitted sessions.
    pub sessions: usize,
    /// Connections, in whatever state.
    pub connections: usize,
    /// Channels, those included that last with nobody in them.
    pub channels: usize,
    /// Since the start.
    pub counters: Counters,
    /// Events that wait for the core.
    pub core_queue_events: usize,
    /// Batches that wait to be committed.
    pub commit_queue_batches: usize,
    /// The channels in which most was said in the last minute, the busiest first; none in which
    /// nothing was.
    #[schema(max_items = 20)]
    pub busiest_channels: Vec<BusyChannel>,
    /// The users who said most in the last minute, the busiest first; none who said nothing.
    #[schema(max_items = 20)]
    pub busiest_users: Vec<BusyUser>,
    /// The sessions for which most waits to be sent, the most first; none for which nothing does.
    #[schema(max_items = 20)]
    pub largest_sendqs: Vec<WaitingSendq>,
    /// The sign-ins that were refused last, at either port, the newest first.
    #[schema(max_items = 20)]
    pub refused_sign_ins: Vec<RefusedSignIn>,
}

/// What has been counted since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counters {
    /// IRC messages from admitted sessions, of whatever kind.
    pub messages_received: u64,
    /// Messages put into the history.
    pub messages_stored: u64,
    /// Lines put into the sendqs of sessions.
    pub deliveries: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Connections to the chat port.
    pub connections_accepted: u64,
    /// Sign-ins at either port.
    pub sign_ins: u64,
    /// Sign-ins refused at either port.
    pub sign_ins_refused: u64,
}

impl Counters {
    /// How much each gained a second, if so much time has passed since `before`. Counters that
    /// began anew meanwhile have gained nothing.
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

/// How much of what is counted there was in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rates {
    /// IRC messages from admitted sessions, of whatever kind.
    pub messages_received: f64,
    /// Messages put into the history.
    pub messages_stored: f64,
    /// Lines put into the sendqs of sessions.
    pub deliveries: f64,
    /// Their bytes.
    pub delivered_bytes: f64,
    /// Connections to the chat port.
    pub connections_accepted: f64,
    /// Sign-ins at either port.
    pub sign_ins: f64,
    /// Sign-ins refused at either port.
    pub sign_ins_refused: f64,
}

/// A channel in which something was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BusyChannel {
    /// With its `#`.
    pub name: String,
    /// Who is in it.
    pub members: usize,
    /// Messages of about the last minute.
    pub messages: u32,
}

/// A user who said something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BusyUser {
    /// The nick shown.
    pub nick: String,
    /// The account's name; none for a guest.
    pub account: Option<String>,
    /// IP address and port of its newest session, if it is connected.
    pub address: Option<String>,
    /// How many are connected.
    pub sessions: usize,
    /// Messages of about the last minute, to whomever.
    pub messages: u32,
}

/// A session that has yet to be sent something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingSendq {
    /// The nick of its user.
    pub nick: String,
    /// The name of its user's account; none for a guest.
    pub account: Option<String>,
    /// Its number, as in the list of users.
    pub session: u64,
    /// IP address and port.
    pub address: String,
    /// What waits.
    pub bytes: usize,
}

/// Someone was not let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedSignIn {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// At which port.
    pub port: Port,
    /// The account, email or admin that was claimed; empty where it did not come to that.
    pub name: String,
    /// IP address and port.
    pub address: String,
    /// For what reason.
    pub reason: String,
}

/// One of the server's two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Port {
    /// The port for those who talk.
    Chat,
    /// The port for admins.
    Control,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_was_gained_by_the_time_it_took() {
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
        assert_eq!(rates, expected, "and what began anew has gained nothing");
        for no_time in [0.0, -1.0] {
            assert_eq!(now.rates_since(&before, no_time), Rates::default());
        }
    }
}
