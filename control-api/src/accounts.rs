//! Chat accounts and their credentials.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;
use crate::users::KickReply;

/// The reply to `GET /v1/accounts`: one page of the accounts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountList {
    /// The accounts, sorted by name.
    pub accounts: Vec<AccountEntry>,
    /// Where the next page starts, for `after`; `null` on the last page.
    pub next: Option<String>,
}

/// A chat account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountEntry {
    /// The name of the account, which is also its nick.
    pub name: String,
    /// The email; `null` if the account has none.
    pub email: Option<String>,
    /// When the account was created.
    #[schema(value_type = text::Time)]
    pub created_at: Timestamp,
    /// Whether a password is set.
    pub has_password: bool,
    /// The number of devices and client certificates with which the user can sign in.
    pub credentials: usize,
    /// Why an admin has disabled the account; `null` if it is active.
    pub disabled: Option<String>,
}

/// The body of `POST /v1/accounts/{name}/disable`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisableRequest {
    /// The reason, which the owner of the account sees. A default is used if left out.
    #[serde(default)]
    #[schema(value_type = Option<text::Line>)]
    pub reason: Option<String>,
}

/// The body of `POST /v1/accounts/{name}/credentials/revoke`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Whether the password stays valid.
    #[serde(default)]
    pub keep_password: bool,
}

/// The reply to `GET /v1/accounts/{name}/credentials`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CredentialList {
    /// The credentials, oldest first.
    pub credentials: Vec<CredentialEntry>,
}

/// A credential of an account other than its password.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CredentialEntry {
    /// The id for `DELETE /v1/accounts/{name}/credentials/{id}`.
    pub id: i64,
    /// The kind of credential.
    pub kind: AccountCredential,
    /// When the credential was created.
    #[schema(value_type = text::Time)]
    pub created_at: Timestamp,
    /// When the credential was last used to sign in; `null` if never.
    #[schema(value_type = Option<text::Time>)]
    pub last_used_at: Option<Timestamp>,
    /// How the client describes the device; `null` if it does not.
    pub label: Option<String>,
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccountCredential {
    /// A device credential: a random secret that `rook` stores on one device.
    Device,
    /// A TLS client certificate.
    Certificate,
}

/// The reply after an account was changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountReply {
    /// The account after the change. If it was deleted or its credentials were revoked, the account
    /// before the change.
    pub account: AccountEntry,
    /// The sessions that were ended.
    pub ended: KickReply,
}
