//! Whether a user is away, as its sessions report it.

/// What others read of whoever is away and has not said why.
pub const NOT_HERE: &str = "Nobody is at the keyboard just now";

/// Whether somebody sits at a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AwayState {
    #[default]
    Here,
    /// Gone, and has said why.
    Away(Box<str>),
    /// The client came by itself (`AWAY *`): it counts for nobody.
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
