//! Who is kept out: by a ban, or with everyone new while the server is under maintenance.

use std::sync::Arc;

use crate::state::bans::Bans;

/// What those look at who let people in.
#[derive(Clone, Debug, Default)]
pub struct AdmissionPolicy {
    pub bans: Bans,
    /// While there is maintenance: what whoever is new is told.
    pub maintenance: Option<Arc<str>>,
}
