//! The roles as types, for the extractor [`Signed`](super::operator::Signed).

use rookery_control_api::Role;

/// The lowest role that an operation is for.
pub trait Permission: Send {
    const ROLE: Role;
    /// Whether an admin may use the operation who still has an initial password.
    const WITH_INITIAL_PASSWORD: bool = false;
}

/// Every admin, also one with an initial password.
pub struct Anyone;

/// May read.
pub struct Auditor;

/// May read, kick, ban and announce.
pub struct Moderator;

/// May do everything, and manages the admins.
pub struct Owner;

impl Permission for Anyone {
    const ROLE: Role = Role::Auditor;
    const WITH_INITIAL_PASSWORD: bool = true;
}

impl Permission for Auditor {
    const ROLE: Role = Role::Auditor;
}

impl Permission for Moderator {
    const ROLE: Role = Role::Moderator;
}

impl Permission for Owner {
    const ROLE: Role = Role::Owner;
}
