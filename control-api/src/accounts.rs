//! Accounts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::users::KickReply;

/// `GET /v1/accounts`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountList {
    /// By name.
    pub accounts: Vec<AccountEntry>,
    /// Where the next page begins, for `after`; none when this was the last.
    pub next: Option<String>,
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountEntry {
    /// Its name.
    pub name: String,
    /// Its email; none for an account that was made without one.
    pub email: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Whether a password opens it.
    pub has_password: bool,
    /// How many devices and client certificates open it.
    pub credentials: usize,
    /// Why an admin has disabled it; none for one that is open.
    pub disabled: Option<String>,
}

/// `POST /v1/accounts/{name}/disable`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisableRequest {
    /// Told to the owner; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
}

/// `POST /v1/accounts/{name}/credentials/revoke`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Whether the password stays good.
    #[serde(default)]
    pub keep_password: bool,
}

/// `GET /v1/accounts/{name}/credentials`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CredentialList {
    /// Oldest first.
    pub credentials: Vec<CredentialEntry>,
}

/// Something that opens an account besides its password.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CredentialEntry {
    /// For `DELETE /v1/accounts/{name}/credentials/{id}`.
    pub id: i64,
    /// What it is.
    pub kind: AccountCredential,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last opened the account; never when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub used_at: Option<Timestamp>,
}

/// The kinds of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccountCredential {
    /// A random secret that `rook` keeps for one device.
    Device,
    /// A client certificate.
    Certificate,
}

/// What was done to an account is done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountReply {
    /// The account as it stands; for one that was deleted or whose credentials were revoked, as it
    /// was before.
    pub account: AccountEntry,
    /// Who was online and is gone.
    pub ended: KickReply,
}
