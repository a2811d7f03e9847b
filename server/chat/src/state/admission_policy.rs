//! Who is refused before admission: those who are banned and, during maintenance, everyone.

use std::sync::Arc;

use crate::state::bans::Bans;

/// The rules by which the server admits users.
#[derive(Clone, Debug, Default)]
pub struct AdmissionPolicy {
    pub bans: Bans,
    /// During maintenance: the reason that new sessions are given.
    pub maintenance: Option<Arc<str>>,
}
