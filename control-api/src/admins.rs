//! The admins and their roles.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an admin may do on the control plane. Each role may do all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read only.
    Auditor,
    /// Kick, ban, announce.
    Moderator,
    /// Manage the admins.
    Owner,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Auditor, Self::Moderator, Self::Owner];

    /// As it is written.
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

/// A text that names no role.
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

/// `GET /v1/admins`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminList {
    /// By name.
    pub admins: Vec<AdminEntry>,
    /// Where the next page begins, for `after`; none when this was the last.
    pub next: Option<String>,
}

/// An admin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminEntry {
    /// For signing in.
    pub name: String,
    /// Where codes and notices go.
    pub email: String,
    /// What the admin may do.
    pub role: Role,
    /// Whether an authenticator app is enrolled.
    pub totp: bool,
    /// When the admin was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Until when the initial password is good; none for whoever has chosen one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub initial_password_expires_at: Option<Timestamp>,
}

/// `POST /v1/admins`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminRequest {
    /// For signing in; written like an account's name.
    pub name: String,
    /// Where codes and notices go.
    pub email: String,
    /// What the admin may do.
    pub role: Role,
}

/// `POST /v1/admins` or `POST /v1/admins/{name}/password/reset` is done.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct InitialPassword {
    /// Whose it is.
    pub admin: AdminEntry,
    /// To be given to the admin by a way other than mail. It is not shown again, and opens nothing
    /// but the choice of another one.
    pub initial_password: String,
    /// Until when it is good.
    #[schema(value_type = String, format = DateTime)]
    pub initial_password_expires_at: Timestamp,
}

impl fmt::Debug for InitialPassword {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("InitialPassword")
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// `PUT /v1/admins/{name}/role`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// What the admin may do from now on.
    pub role: Role,
}
