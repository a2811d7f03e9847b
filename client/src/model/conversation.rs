//! Where things are said.

use rookery_protocol::{ChannelName, Nick};

/// Where something was said. In the order in which places are listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conversation {
    /// By the server, to us alone.
    Server,
    /// In a channel.
    Channel(ChannelName),
    /// Between one person and us.
    Person(Nick),
}

impl Conversation {
    /// From the name of a channel or a nick.
    pub fn named(name: &str) -> Option<Self> {
        if name.starts_with('#') {
            Self::channel(name)
        } else {
            Self::person(name)
        }
    }

    /// From the name of a channel.
    pub fn channel(name: &str) -> Option<Self> {
        ChannelName::parse(name).ok().map(Self::Channel)
    }

    /// From a nick.
    pub fn person(nick: &str) -> Option<Self> {
        Nick::parse(nick).ok().map(Self::Person)
    }

    /// As it is listed.
    pub fn name(&self) -> &str {
        match self {
            Self::Server => "server",
            Self::Channel(channel) => channel.as_str(),
            Self::Person(nick) => nick.as_str(),
        }
    }
}
