//! The required roles as types, for the extractor [`SignedIn`](super::operator::SignedIn).

use rookery_control_api::Role;

/// A requirement on the admin who uses an operation.
pub trait Permission: Send {
    /// The lowest role that may use the operation.
    const ROLE: Role;
    /// Whether an admin who still has an initial password may use the operation.
    const WITH_INITIAL_PASSWORD: bool = false;
}

/// Any role, even with an initial password.
pub struct AnyAdmin;

/// The role [`Role::Auditor`] or a higher one.
pub struct Auditor;

/// The role [`Role::Moderator`] or a higher one.
pub struct Moderator;

/// The role [`Role::Owner`].
pub struct Owner;

impl Permission for AnyAdmin {
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
