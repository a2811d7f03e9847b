//! Conversations: the places with messages, each identified by a channel or a person.

use rookery_protocol::{ChannelName, Nick};

/// The name under which the server is shown. No nick contains an asterisk, so that nobody can take
/// it.
pub const SERVER: &str = "*server*";

/// A conversation. Conversations are listed in the order of this type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conversation {
    /// The notices from the server to us.
    Server,
    /// A channel.
    Channel(ChannelName),
    /// A private conversation with a person.
    Person(Nick),
}

impl Conversation {
    /// Returns the conversation of that name: a channel or a nick.
    pub fn named(name: &str) -> Option<Self> {
        if name.starts_with('#') {
            Self::channel(name)
        } else {
            Self::person(name)
        }
    }

    /// Returns the conversation in a channel.
    pub fn channel(name: &str) -> Option<Self> {
        ChannelName::parse(name).ok().map(Self::Channel)
    }

    /// Returns the conversation with a nick.
    pub fn person(nick: &str) -> Option<Self> {
        Nick::parse(nick).ok().map(Self::Person)
    }

    /// Returns the name as it is listed.
    pub fn name(&self) -> &str {
        match self {
            Self::Server => SERVER,
            Self::Channel(channel) => channel.as_str(),
            Self::Person(nick) => nick.as_str(),
        }
    }
}
