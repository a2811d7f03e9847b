//! Why a command failed, and the exit code that scripts go by.

use std::io;

/// A command that did not come to its good end. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Exit code 1: the server refused, or something on the way there failed.
    #[error("{message}")]
    Failed {
        message: String,
        /// What the server answered, as it came.
        document: Option<String>,
    },
    /// Exit code 2: what was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Exit code 3: there is no sign-in, or none that stands any more.
    #[error("{0} Sign in with `admin-cli login`.")]
    NotSignedIn(String),
}

impl Failure {
    /// Something failed on this side.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            document: None,
        }
    }

    /// For the shell.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed { .. } => 1,
            Self::Usage(_) => 2,
            Self::NotSignedIn(_) => 3,
        }
    }

    /// What the server answered, if that is where the failure comes from.
    pub fn document(&self) -> Option<&str> {
        match self {
            Self::Failed { document, .. } => document.as_deref(),
            Self::Usage(_) | Self::NotSignedIn(_) => None,
        }
    }
}

/// Adds what was being done to an error of the system.
pub fn while_doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::new(format!("{}: {error}", what.into()))
}
