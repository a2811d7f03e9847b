//! Whether a user is away, as its sessions report it.

/// The away message of users who are away without a message of their own.
pub const DEFAULT_MESSAGE: &str = "Away from keyboard";

/// Whether the user is present at a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AwayState {
    /// Present.
    #[default]
    Here,
    /// Away, with a message.
    Away(Box<str>),
    /// Away without a message, because the client has connected automatically (`AWAY *`).
    Unattended,
}

impl AwayState {
    /// Returns the away message, if there is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Away(text) => Some(text),
            Self::Here | Self::Unattended => None,
        }
    }
}
