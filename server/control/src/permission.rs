//! Who may do what: the role that each handler asks for, in its type.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use rookery_control_api::Role;

use super::Plane;
use super::problem::Refusal;
use super::sessions::Operator;

/// A role as a type, for [`Signed`].
pub trait Permission: Send {
    const ROLE: Role;
    /// Whether also those may who have yet to choose a password of their own.
    const BEFORE_OWN_PASSWORD: bool = false;
}

/// Whoever is signed in, with an initial password too.
pub struct Anyone;

/// May read.
pub struct Auditor;
/// May read, kick, ban and announce.
pub struct Moderator;
/// May do everything, and manages the admins.
pub struct Owner;

impl Permission for Anyone {
    const ROLE: Role = Role::Auditor;
    const BEFORE_OWN_PASSWORD: bool = true;
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

/// The admin behind a request, of that role at least. This is the only way to an [`Operator`]; who
/// is not signed in or may not is refused before the handler begins, and the refusal is in the
/// trail.
///
/// The role stands in the handler's description too: `security(("token" = ["moderator"]))`. A test
/// compares them.
pub struct Signed<P>(Operator, PhantomData<P>);

impl<P> Deref for Signed<P> {
    type Target = Operator;

    fn deref(&self) -> &Operator {
        &self.0
    }
}

impl<P: Permission> FromRequestParts<Arc<Plane>> for Signed<P> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Arc<Plane>) -> Result<Self, Refusal> {
        Operator::admit::<P>(parts, plane)
            .await
            .map(|operator| Self(operator, PhantomData))
    }
}
