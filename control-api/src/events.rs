//! The events that `GET /v1/events` streams.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;
use crate::{AuditRecord, BanEntry};

/// The data of one server-sent event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimedEvent {
    /// The time of the event.
    #[schema(value_type = text::Time)]
    pub at: Timestamp,
    /// The event.
    #[serde(flatten)]
    pub event: ServerEvent,
}

/// An event. It never contains the text of a chat message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ServerEvent {
    /// The first session of a user was admitted.
    UserConnected {
        /// The nick.
        nick: String,
        /// The account; `null` for a guest.
        account: Option<String>,
        /// The IP address and port.
        address: String,
    },
    /// A user has changed nick.
    UserRenamed {
        /// The new nick.
        nick: String,
        /// The old nick.
        previous_nick: String,
    },
    /// The last session of a user has ended.
    UserDisconnected {
        /// The nick.
        nick: String,
        /// The account; `null` for a guest.
        account: Option<String>,
        /// Why the session ended.
        reason: DisconnectReason,
    },
    /// A sign-in to the chat was refused.
    SignInRefused {
        /// The account name or email that was given; empty if none was.
        name: String,
        /// The IP address and port.
        address: String,
        /// Why the sign-in was refused.
        reason: String,
    },
    /// An account was created.
    AccountCreated {
        /// The name of the account.
        account: String,
        /// The email; `null` if the account has none.
        email: Option<String>,
        /// The IP address and port from which the account was registered.
        address: String,
    },
    /// A user created a channel by joining it.
    ChannelCreated {
        /// The name of the channel.
        channel: String,
        /// The nick of the user.
        by: String,
    },
    /// A channel no longer exists.
    ChannelRemoved {
        /// The name of the channel.
        channel: String,
    },
    /// A ban was added.
    BanAdded {
        /// The ban.
        ban: BanEntry,
    },
    /// A ban was removed or replaced.
    BanRemoved {
        /// The ban.
        ban: BanEntry,
    },
    /// A ban has expired.
    BanExpired {
        /// The ban.
        ban: BanEntry,
    },
    /// An entry was added to the audit trail.
    Audit {
        /// The entry.
        entry: Box<AuditRecord>,
    },
    /// An announcement was sent.
    Announced {
        /// The name of the admin.
        by: String,
        /// The channel or account that receives the announcement; `null` for everyone.
        to: Option<String>,
        /// The number of sessions that receive the announcement.
        sessions: usize,
    },
    /// Maintenance, during which new connections are refused, has started or ended.
    Maintenance {
        /// The name of the admin.
        by: String,
        /// The message with which new connections are refused; `null` if maintenance has ended.
        message: Option<String>,
    },
    /// The config, certificates and CSV files were reloaded.
    Reloaded {
        /// Why the reload failed; `null` if it succeeded.
        problem: Option<String>,
    },
    /// A component of the server has failed.
    ComponentFailed {
        /// The component.
        component: Component,
        /// What went wrong.
        detail: String,
    },
    /// Events were dropped at this point of the stream, because the client reads too slowly.
    EventsDropped {
        /// The number of dropped events.
        events: u64,
    },
    /// The last event of the stream: the admin's session has ended.
    Ended {
        /// Why the session ended.
        reason: String,
    },
}

/// Why a user's last session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DisconnectReason {
    /// The client sent `QUIT`.
    Quit,
    /// The connection was lost, or closed without `QUIT`.
    ConnectionLost,
    /// The client was silent for too long.
    PingTimeout,
    /// The client read too slowly: more than the limit waited for it.
    SendqExceeded,
    /// The client did not read a long reply in time.
    ReadTimeout,
    /// An operator kicked the user.
    Kicked,
    /// A ban covers the user.
    Banned,
    /// The account was disabled or deleted, or its credentials were revoked.
    AccountEnded,
    /// The guest signed in; the session continues as a session of the account's user.
    SignedIn,
    /// The server is stopping.
    ServerStopping,
}

/// A component of the server that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The server's certificate.
    Certificate,
    /// Outgoing mail.
    Mail,
    /// The database: messages or audit entries cannot be written.
    Store,
}

impl DisconnectReason {
    /// Returns a description, such as `ping timeout`.
    pub fn description(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::ConnectionLost => "connection lost",
            Self::PingTimeout => "ping timeout",
            Self::SendqExceeded => "read too slowly",
            Self::ReadTimeout => "did not read what it requested",
            Self::Kicked => "kicked",
            Self::Banned => "banned",
            Self::AccountEnded => "the account was disabled, deleted or revoked",
            Self::SignedIn => "signed in",
            Self::ServerStopping => "the server is stopping",
        }
    }
}

impl Component {
    /// Returns the name of the component.
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
        #[allow(missing_docs)] // `ServerEvent` documents them.
        pub enum EventKind { $($kind),* }

        impl EventKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Returns the name of the kind.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }
        }

        impl ServerEvent {
            /// Returns the kind of the event.
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

/// The error for a text that is not the name of a kind of event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a kind of event; the kinds are {all}", all = all_kinds())]
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
    /// Whether the event names the user, account, ban target or admin `name`. Case is ignored.
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
            .any(|named| named.to_lowercase() == name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object_with_its_kind() {
        let disconnected = ServerEvent::UserDisconnected {
            nick: "alice".to_owned(),
            account: None,
            reason: DisconnectReason::PingTimeout,
        };
        let event = TimedEvent {
            at: Timestamp::UNIX_EPOCH,
            event: disconnected,
        };
        let text = serde_json::to_string(&event).unwrap();
        let expected = r#"{"at":"1970-01-01T00:00:00Z","kind":"user-disconnected","nick":"alice","account":null,"reason":"ping-timeout"}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<TimedEvent>(&text).unwrap(), event);
    }

    #[test]
    fn the_names_of_kinds_are_those_in_the_json() {
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
    fn an_event_is_about_everyone_it_names() {
        let renamed = ServerEvent::UserRenamed {
            nick: "Ann".to_owned(),
            previous_nick: "Änne".to_owned(),
        };
        assert!(renamed.is_about("ann") && renamed.is_about("ÄNNE") && !renamed.is_about("an"));
        assert!(!ServerEvent::Reloaded { problem: None }.is_about(""));
    }
}
