//! What happens at the server, as it happens: the events of `GET /v1/events`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AuditRecord, BanEntry};

/// The data of one server-sent event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimedEvent {
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub what: ServerEvent,
}

/// What happened. The words of people in the chat are never part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ServerEvent {
    /// The first session of a user was admitted.
    UserConnected {
        /// The name shown.
        nick: String,
        /// None for a guest.
        account: Option<String>,
        /// IP address and port.
        address: String,
    },
    /// A user is shown under another nick.
    UserRenamed {
        /// From now on.
        nick: String,
        /// Up to now.
        previous_nick: String,
    },
    /// The last session of a user has ended.
    UserDisconnected {
        /// The name shown.
        nick: String,
        /// None for a guest.
        account: Option<String>,
        /// How that came.
        reason: DisconnectReason,
    },
    /// Someone did not get into the chat.
    SignInRefused {
        /// The account's name or the email that was claimed; empty where it did not come to that.
        name: String,
        /// IP address and port.
        address: String,
        /// For what reason.
        reason: String,
    },
    /// There is a new account.
    AccountCreated {
        /// Its name.
        account: String,
        /// Its email, if it has one.
        email: Option<String>,
        /// From where it was registered.
        address: String,
    },
    /// Someone joined a channel that was not there.
    ChannelCreated {
        /// Its name.
        channel: String,
        /// Whoever joined it.
        by: String,
    },
    /// A channel is no more.
    ChannelRemoved {
        /// Its name.
        channel: String,
    },
    /// A ban is in force.
    BanAdded {
        /// That one.
        ban: BanEntry,
    },
    /// A ban was taken back, or another took its place.
    BanRemoved {
        /// That one.
        ban: BanEntry,
    },
    /// A ban has come to its end.
    BanExpired {
        /// That one.
        ban: BanEntry,
    },
    /// An entry was made in the audit trail.
    Audit {
        /// That one.
        entry: Box<AuditRecord>,
    },
    /// The server has said something to everyone, or to some.
    Announced {
        /// The admin.
        by: String,
        /// A channel or an account; none for everyone.
        to: Option<String>,
        /// How many sessions hear it.
        sessions: usize,
    },
    /// Maintenance has begun, or is over: whether anyone new is let in.
    Maintenance {
        /// The admin.
        by: String,
        /// What whoever connects is told from now on; none when people are let in again.
        message: Option<String>,
    },
    /// Config, certificates and CSV files were read anew.
    Reloaded {
        /// Why all stays as it was, if it does.
        problem: Option<String>,
    },
    /// Something that the server needs fails.
    ComponentFailed {
        /// What that is.
        component: Component,
        /// What went wrong.
        detail: String,
    },
    /// Whoever reads these reads too slowly: that many were left out here.
    EventsDropped {
        /// How many.
        events: u64,
    },
    /// The last event: the sign-in it was sent to has ended.
    Ended {
        /// How that came.
        reason: String,
    },
}

/// How a user's last session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DisconnectReason {
    /// By `QUIT`.
    Quit,
    /// The connection broke, or was closed without a word.
    ConnectionLost,
    /// The client was silent for too long.
    PingTimeout,
    /// The client read too slowly.
    SendqExceeded,
    /// By an operator.
    Kicked,
    /// By a ban.
    Banned,
    /// The account was disabled, deleted or its credentials revoked.
    AccountEnded,
    /// The guest signed in, and goes on as a session of its account's user.
    SignedIn,
    /// With the server.
    ServerStopping,
}

/// A part of the server that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The certificate of the server.
    Certificate,
    /// Mail on its way out.
    Mail,
    /// The record: messages or the audit trail cannot be written.
    Store,
}

impl DisconnectReason {
    /// In words that follow a dash.
    pub fn words(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::ConnectionLost => "connection lost",
            Self::PingTimeout => "ping timeout",
            Self::SendqExceeded => "read too slowly",
            Self::Kicked => "kicked",
            Self::Banned => "banned",
            Self::AccountEnded => "the account was disabled, deleted or revoked",
            Self::SignedIn => "signed in",
            Self::ServerStopping => "the server stops",
        }
    }
}

impl Component {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Mail => "mail",
            Self::Store => "store",
        }
    }
}

macro_rules! kinds {
    ($($kind:ident = $name:literal),* $(,)?) => {
        /// A kind of event, by which `?kinds=` filters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs)] // They are documented as events.
        pub enum EventKind { $($kind),* }

        impl EventKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// As it is written everywhere.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }
        }

        impl ServerEvent {
            /// Of which kind it is.
            pub fn kind(&self) -> EventKind {
                match self { $(Self::$kind { .. } => EventKind::$kind),* }
            }
        }
    };
}

kinds! {
    UserConnected = "user-connected",
    UserRenamed = "user-renamed",
    UserDisconnected = "user-disconnected",
    SignInRefused = "sign-in-refused",
    AccountCreated = "account-created",
    ChannelCreated = "channel-created",
    ChannelRemoved = "channel-removed",
    BanAdded = "ban-added",
    BanRemoved = "ban-removed",
    BanExpired = "ban-expired",
    Audit = "audit",
    Announced = "announced",
    Maintenance = "maintenance",
    Reloaded = "reloaded",
    ComponentFailed = "component-failed",
    EventsDropped = "events-dropped",
    Ended = "ended",
}

/// Why a text names no kind of event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are no events of the kind {0:?}; the kinds are {all}", all = all_kinds())]
pub struct UnknownEventKind(String);

fn all_kinds() -> String {
    EventKind::ALL
        .iter()
        .map(|kind| kind.name())
        .collect::<Vec<_>>()
        .join(", ")
}

impl FromStr for EventKind {
    type Err = UnknownEventKind;

    fn from_str(text: &str) -> Result<Self, UnknownEventKind> {
        let found = Self::ALL.iter().find(|kind| kind.name() == text);
        found
            .copied()
            .ok_or_else(|| UnknownEventKind(text.chars().take(40).collect()))
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl ServerEvent {
    /// Whether it is about the user, account, ban target or admin of that name, letter case aside.
    pub fn is_about(&self, name: &str) -> bool {
        let names: [Option<&str>; 2] = match self {
            Self::UserConnected { nick, account, .. }
            | Self::UserDisconnected { nick, account, .. } => [Some(nick), account.as_deref()],
            Self::UserRenamed {
                nick,
                previous_nick,
            } => [Some(nick), Some(previous_nick)],
            Self::SignInRefused { name, .. } => [Some(name), None],
            Self::AccountCreated { account, email, .. } => [Some(account), email.as_deref()],
            Self::ChannelCreated { by, .. } | Self::Maintenance { by, .. } => [Some(by), None],
            Self::BanAdded { ban } | Self::BanRemoved { ban } | Self::BanExpired { ban } => {
                [Some(&ban.target), Some(&ban.by)]
            }
            Self::Audit { entry } => [Some(&entry.actor), Some(&entry.target)],
            Self::Announced { by, to, .. } => [Some(by), to.as_deref()],
            Self::ChannelRemoved { .. }
            | Self::Reloaded { .. }
            | Self::ComponentFailed { .. }
            | Self::EventsDropped { .. }
            | Self::Ended { .. } => [None, None],
        };
        let name = name.to_lowercase();
        names
            .into_iter()
            .flatten()
            .any(|known| known.to_lowercase() == name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object_that_names_its_kind() {
        let what = ServerEvent::UserDisconnected {
            nick: "alice".to_owned(),
            account: None,
            reason: DisconnectReason::PingTimeout,
        };
        let event = TimedEvent {
            at: Timestamp::UNIX_EPOCH,
            what,
        };
        let text = serde_json::to_string(&event).unwrap();
        let expected = r#"{"at":"1970-01-01T00:00:00Z","kind":"user-disconnected","nick":"alice","account":null,"reason":"ping-timeout"}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<TimedEvent>(&text).unwrap(), event);
    }

    #[test]
    fn the_names_of_kinds_are_those_in_the_events() {
        for event in [
            ServerEvent::ChannelRemoved {
                channel: String::new(),
            },
            ServerEvent::SignInRefused {
                name: String::new(),
                address: String::new(),
                reason: String::new(),
            },
            ServerEvent::ComponentFailed {
                component: Component::Mail,
                detail: String::new(),
            },
        ] {
            assert_eq!(
                serde_json::to_value(&event).unwrap()["kind"],
                event.kind().name()
            );
        }
        for kind in EventKind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        let error = "kick".parse::<EventKind>().unwrap_err().to_string();
        assert!(
            error.contains("\"kick\"") && error.contains("user-disconnected"),
            "{error}"
        );
    }

    #[test]
    fn an_event_is_about_whoever_it_names() {
        let renamed = ServerEvent::UserRenamed {
            nick: "Ann".to_owned(),
            previous_nick: "Änne".to_owned(),
        };
        assert!(renamed.is_about("ann") && renamed.is_about("ÄNNE") && !renamed.is_about("an"));
        assert!(!ServerEvent::Reloaded { problem: None }.is_about(""));
    }
}
