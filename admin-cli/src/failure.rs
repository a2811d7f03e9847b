//! Why a command failed, and the exit code for scripts.

use std::io;

use rookery_control_api::Problem;
use rookery_trust::UnknownCertificate;

/// Why a command failed. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Exit code 1: the server refused the request, or something else failed.
    #[error("{message}")]
    Failed {
        /// What failed, and what to do.
        message: String,
        /// The problem document with which the server replied.
        document: Option<String>,
    },
    /// Exit code 1: the operator must decide whether the server's certificate is trusted.
    #[error("{}", .0.refusal())]
    UnknownCertificate(Box<UnknownCertificate>),
    /// Exit code 2: wrong usage.
    #[error("{0}")]
    Usage(String),
    /// Exit code 3: nobody is signed in, or the sign-in has ended.
    #[error("{why} Sign in with `admin-cli login`.")]
    NotSignedIn {
        why: String,
        /// Whether the request may have been carried out, and have ended the sign-in itself. Then
        /// the operator has to decide whether it is repeated.
        may_be_done: bool,
    },
}

impl Failure {
    /// Creates a failure that does not come from the server.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            document: None,
        }
    }

    /// Creates the failure of a command that needs a sign-in, and may be repeated after it.
    pub fn not_signed_in(why: impl Into<String>) -> Self {
        Self::NotSignedIn {
            why: why.into(),
            may_be_done: false,
        }
    }

    /// Returns the failure of a request of which the answer to a try was lost.
    pub fn after_lost_answer(self) -> Self {
        const MAY_BE_DONE: &str = "An answer was lost, so the request may have been carried out: \
                                   check whether it was.";
        match self {
            Self::Failed { message, document } => Self::Failed {
                message: format!("{message}\n{MAY_BE_DONE}"),
                document,
            },
            Self::NotSignedIn { why, .. } => Self::NotSignedIn {
                why: format!("{why}\n{MAY_BE_DONE}"),
                may_be_done: true,
            },
            // Trusting it would repeat the request.
            Self::UnknownCertificate(unknown) => {
                Self::new(format!("{}\n{MAY_BE_DONE}", unknown.refusal()))
            }
            Self::Usage(_) => self,
        }
    }

    /// The exit code of wrong usage.
    pub const USAGE: u8 = 2;

    /// Returns the exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed { .. } | Self::UnknownCertificate(_) => 1,
            Self::Usage(_) => Self::USAGE,
            Self::NotSignedIn { .. } => 3,
        }
    }

    /// Returns the problem document with which the server replied, if it did.
    pub fn document(&self) -> Option<&str> {
        match self {
            Self::Failed { document, .. } => document.as_deref(),
            Self::UnknownCertificate(_) | Self::Usage(_) | Self::NotSignedIn { .. } => None,
        }
    }

    /// Whether the server refused the request itself: it did not fail to carry it out, and did not
    /// refuse it only because there were too many.
    pub fn is_refusal(&self) -> bool {
        let document = self.document().unwrap_or_default();
        serde_json::from_str(document)
            .is_ok_and(|problem: Problem| problem.status < 500 && problem.status != 429)
    }

    /// Returns whether the server replied with the problem `/problems/KIND`.
    pub fn is_problem(&self, kind: &str) -> bool {
        let document = self.document().unwrap_or_default();
        serde_json::from_str(document)
            .is_ok_and(|problem: Problem| problem.kind.strip_prefix("/problems/") == Some(kind))
    }

    /// Returns whether the server wants the request confirmed.
    pub fn needs_confirmation(&self) -> bool {
        self.is_problem("confirmation-required")
    }
}

/// Returns a function that adds what was being done to an I/O error.
pub fn while_doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::new(format!("{}: {error}", what.into()))
}
