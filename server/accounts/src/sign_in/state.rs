//! What a session has proved, and how far its registration has progressed.

use std::mem;

use rookery_protocol::AccountName;

use crate::credentials_change::PendingChange;
use crate::pending::{AttemptId, Registration};
use rookery_chat::event::Identity;

/// Whether the core knows the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Handshake,
    /// Under the identity that the sign-in has.
    Admitted,
}

/// What the session has proved.
pub(super) enum State {
    SignedOut(RegistrationState),
    SignedIn {
        identity: Identity,
        /// A change of password or email that waits for its code.
        change: Option<Box<PendingChange>>,
    },
}

/// How far this session's own registration has progressed.
pub(super) enum RegistrationState {
    /// No `REGISTER` has been accepted.
    Idle,
    /// A code was mailed.
    CodeMailed(Attempt),
    /// The email is invited: the code of the invitation completes the registration.
    Invited {
        registration: Box<Registration>,
        /// Whether the session has not tried a code for it yet.
        is_untried: bool,
        /// An earlier registration of the session, whose mailed code is still valid.
        earlier: Option<Attempt>,
    },
}

/// A registration that waits for a mailed code.
pub(super) struct Attempt {
    pub(super) name: AccountName,
    pub(super) id: AttemptId,
}

impl RegistrationState {
    /// Returns the attempt that waits for a mailed code.
    pub(super) fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Idle => None,
            Self::CodeMailed(attempt) => Some(attempt),
            Self::Invited { earlier, .. } => earlier.as_ref(),
        }
    }

    /// Returns the id of the attempt at `name` that waits for a mailed code.
    pub(super) fn attempt_at(&self, name: &AccountName) -> Option<AttemptId> {
        self.attempt()
            .filter(|attempt| attempt.name == *name)
            .map(|attempt| attempt.id)
    }

    /// Returns the registration of `name` that an invitation completes, for which a code is tried
    /// now, and whether it is the first one.
    pub(super) fn try_invitation(&mut self, name: &AccountName) -> Option<(Registration, bool)> {
        match self {
            Self::Invited {
                registration,
                is_untried,
                ..
            } if registration.name == *name => {
                Some((Registration::clone(registration), mem::take(is_untried)))
            }
            Self::Idle | Self::CodeMailed(_) | Self::Invited { .. } => None,
        }
    }

    pub(super) fn into_attempt(self) -> Option<Attempt> {
        match self {
            Self::Idle => None,
            Self::CodeMailed(attempt) => Some(attempt),
            Self::Invited { earlier, .. } => earlier,
        }
    }
}
