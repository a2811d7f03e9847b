//! The admins and their roles.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// What an admin may do. Each role includes the permissions of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May read.
    Auditor,
    /// May also kick, ban and announce.
    Moderator,
    /// May do everything, including managing admins.
    Owner,
}

impl Role {
    /// All roles, the least powerful first.
    pub const ALL: [Self; 3] = [Self::Auditor, Self::Moderator, Self::Owner];

    /// Returns the name of the role.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// The error for a text that is not the name of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is owner, moderator or auditor")]
pub struct InvalidRole;

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(InvalidRole)
    }
}

/// The reply to `GET /v1/admins`: one page of the admins.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminList {
    /// The admins, sorted by name.
    pub admins: Vec<AdminEntry>,
    /// Where the next page starts, for `after`; `null` on the last page.
    pub next: Option<String>,
}

/// An operator of the control plane.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminEntry {
    /// The name with which the admin signs in.
    pub name: String,
    /// The address to which codes and notices are mailed.
    pub email: String,
    /// The role of the admin.
    pub role: Role,
    /// Whether an authenticator app is enrolled.
    pub totp: bool,
    /// When the admin was added.
    #[schema(value_type = text::Time)]
    pub created_at: Timestamp,
    /// Until when the initial password is valid; `null` if the admin has set a password.
    #[schema(value_type = Option<text::Time>)]
    pub initial_password_expires_at: Option<Timestamp>,
}

/// The body of `POST /v1/admins`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminRequest {
    /// The name with which the admin signs in; the rules for account names apply.
    #[schema(value_type = text::Name)]
    pub name: String,
    /// The address to which codes and notices are mailed.
    #[schema(value_type = text::Email)]
    pub email: String,
    /// The role of the admin.
    pub role: Role,
}

/// The reply to `POST /v1/admins` and `POST /v1/admins/{name}/password/reset`.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct InitialPassword {
    /// The admin.
    pub admin: AdminEntry,
    /// The initial password, to be passed on by a channel other than mail. It cannot be retrieved
    /// again, and only permits to set a new password.
    pub initial_password: String,
    /// Until when the initial password is valid.
    #[schema(value_type = text::Time)]
    pub initial_password_expires_at: Timestamp,
}

impl fmt::Debug for InitialPassword {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("InitialPassword")
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// The body of `PUT /v1/admins/{name}/role`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// The new role.
    pub role: Role,
}
