//! Whether a user is away, as its sessions report it.

/// The away message of users who have not set one.
pub const NOT_HERE: &str = "Nobody is at the keyboard just now";

/// Whether someone is at a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AwayState {
    #[default]
    Here,
    /// Away, with a message.
    Away(Box<str>),
    /// Connected automatically (`AWAY *`): does not count as present.
    Unattended,
}

impl AwayState {
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Away(text) => Some(text),
            Self::Here | Self::Unattended => None,
        }
    }
}
