//! The admission policy: bans and, during maintenance, the refusal of everyone.

use std::sync::Arc;

use crate::state::bans::Bans;

/// The rules by which the server admits users.
#[derive(Clone, Debug, Default)]
pub struct AdmissionPolicy {
    /// The bans in force.
    pub bans: Bans,
    /// During maintenance, the reason that is sent to new sessions.
    pub maintenance: Option<Arc<str>>,
}
