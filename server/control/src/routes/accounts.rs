//! The accounts of chat users: lists, disables, enables and deletes them, and revokes their
//! credentials.

use std::sync::Arc;

use axum::Json;
use rookery_control_api::{
    AccountCredential, AccountEntry, AccountList, AccountReply, CredentialEntry, CredentialList,
    DisableRequest, RevokeRequest, text,
};
use rookery_protocol::AccountName;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::kicks;
use crate::audit::trail::Act;
use crate::auth::operator::{Operator, SignedIn, role_of};
use crate::auth::permission::{Auditor, Moderator, Owner};
use crate::http::extract::{self, JsonBody, PathParams, QueryParams};
use crate::http::pages::{Page, PageOptions};
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_chat::request::{EndAccount, Ended, ForgetAccount};
use rookery_record::{Account, AccountId, Credential, CredentialId, CredentialKind};
use rookery_store::{Result as StoreResult, Store};

/// Returns the routes of the accounts.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(delete))
        .routes(routes!(disable))
        .routes(routes!(enable))
        .routes(routes!(credentials))
        .routes(routes!(revoke))
        .routes(routes!(revoke_one))
}

/// The query of `GET /v1/accounts`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AccountOptions {
    /// Only accounts with this text in their name or email, in any letter case.
    search: Option<String>,
    /// Begins after this name: the `next` of the previous page.
    #[param(inline, value_type = Option<text::Name>)]
    after: Option<String>,
    /// The maximum number of accounts; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// Lists the accounts
#[utoipa::path(
    get, path = "/v1/accounts", tag = "accounts", params(AccountOptions),
    security(("token" = [role_of(list)])),
    responses((status = 200, description = "One page of the accounts, by name", body = AccountList))
)]
async fn list(
    operator: SignedIn<Auditor>,
    query: Result<QueryParams<AccountOptions>, Refusal>,
) -> Result<Json<AccountList>, Refusal> {
    let mut act = operator.act("accounts", "");
    let (search, page): (_, Page<AccountName>) = operator
        .audited(&mut act, async |act| {
            let QueryParams(AccountOptions {
                search,
                after,
                limit,
            }) = query?;
            let search = search.unwrap_or_default();
            act.target.clone_from(&search);
            let page = PageOptions { after, limit };
            let page = page.page_by(|after| AccountName::parse(after).ok())?;
            Ok((search.to_lowercase(), page))
        })
        .await?;
    operator.allow_view(&act, "").await?;
    let list = operator.read_long(move |store| {
        let found = store.find_accounts(&search, page.after.as_ref(), page.fetch_limit())?;
        let (found, next) = page.cut_fetched(found, |account| account.name.to_string());
        let accounts: StoreResult<_> = found
            .iter()
            .map(|account| to_entry(store, account))
            .collect();
        Ok(AccountList {
            accounts: accounts?,
            next,
        })
    });
    Ok(Json(list.await?))
}

/// Disables an account
///
/// No one can sign in to it, and its sessions have ended when the answer is sent. A sign-in with
/// the right secret is answered with the reason. The account keeps its name, email and credentials.
#[utoipa::path(
    post, path = "/v1/accounts/{name}/disable", tag = "accounts",
    security(("token" = [role_of(disable)])),
    params(("name" = String, Path, description = "The account's name")),
    request_body = DisableRequest,
    responses(
        (status = 200, description = "The disabled account", body = AccountReply),
        response::NoSuchAccount,
    )
)]
async fn disable(
    operator: SignedIn<Moderator>,
    name: Result<PathParams<String>, Refusal>,
    body: Result<JsonBody<DisableRequest>, Refusal>,
) -> Result<Json<AccountReply>, Refusal> {
    let mut act = operator.act("disable", "");
    let (name, reason) = operator
        .audited(&mut act, async |act| {
            let PathParams(name) = name?;
            act.target.clone_from(&name);
            let JsonBody(request) = body?;
            Ok((name, extract::reason(request.reason.as_deref())?))
        })
        .await?;
    let change = AccountChange {
        name,
        detail: reason.clone(),
        end_reason: Some(format!("Your account is disabled: {reason}")),
    };
    change
        .apply(&operator, act, move |store, account| {
            store.set_disabled(account.id, Some(&reason))?;
            let account = Account {
                disabled: Some(reason),
                ..account
            };
            to_entry(store, &account)
        })
        .await
}

/// Allows sign-ins to an account again
///
/// Enables the account if it is disabled, and accepts mailed codes for it again if too many were
/// wrong.
#[utoipa::path(
    post, path = "/v1/accounts/{name}/enable", tag = "accounts",
    security(("token" = [role_of(enable)])),
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 200, description = "The enabled account", body = AccountReply),
        response::NoSuchAccount,
    )
)]
async fn enable(
    operator: SignedIn<Moderator>,
    name: Result<PathParams<String>, Refusal>,
) -> Result<Json<AccountReply>, Refusal> {
    let mut act = operator.act("enable", "");
    let name = account_name(&operator, &mut act, name).await?;
    let change = AccountChange {
        name,
        detail: String::new(),
        end_reason: None,
    };
    change
        .apply(&operator, act, |store, account| {
            store.set_disabled(account.id, None)?;
            store.reset_account_codes(account.id)?;
            let account = Account {
                disabled: None,
                ..account
            };
            to_entry(store, &account)
        })
        .await
}

/// Deletes an account
///
/// Its email and credentials are removed, and its sessions end. Its messages stay, so its name
/// cannot be registered again, but its email can. Bans stay as they are: one of the account keeps
/// its email, and refuses it and its mailbox, until the ban is removed.
#[utoipa::path(
    delete, path = "/v1/accounts/{name}", tag = "accounts", security(("token" = [role_of(delete)])),
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 200, description = "The account as it was", body = AccountReply),
        response::NoSuchAccount,
    )
)]
async fn delete(
    operator: SignedIn<Owner>,
    name: Result<PathParams<String>, Refusal>,
) -> Result<Json<AccountReply>, Refusal> {
    let mut act = operator.act("delete-account", "");
    let name = account_name(&operator, &mut act, name).await?;
    let change = AccountChange {
        name,
        detail: String::new(),
        end_reason: Some("Your account was deleted".to_owned()),
    };
    let reply = change
        .apply(&operator, act, |store, account| {
            let entry = to_entry(store, &account)?;
            store.delete_account(&account)?;
            Ok(entry)
        })
        .await?;
    operator.plane.control.csv_sync.users_changed();
    let name = AccountName::parse(&reply.account.name).expect("the name of an account is valid");
    operator.plane.request(ForgetAccount(name)).await?;
    Ok(reply)
}

/// Revokes the credentials of an account: its devices, client certificates and password
///
/// Its sessions have ended when the answer is sent. From then on, it signs in with a mailed code.
#[utoipa::path(
    post, path = "/v1/accounts/{name}/credentials/revoke", tag = "accounts",
    security(("token" = [role_of(revoke)])),
    params(("name" = String, Path, description = "The account's name")),
    request_body = RevokeRequest,
    responses(
        (status = 200, description = "The account as it was", body = AccountReply),
        response::NoSuchAccount,
    )
)]
async fn revoke(
    operator: SignedIn<Owner>,
    name: Result<PathParams<String>, Refusal>,
    body: Result<JsonBody<RevokeRequest>, Refusal>,
) -> Result<Json<AccountReply>, Refusal> {
    let mut act = operator.act("revoke-credentials", "");
    let (name, keep_password) = operator
        .audited(&mut act, async |act| {
            let PathParams(name) = name?;
            act.target.clone_from(&name);
            Ok((name, body?.0.keep_password))
        })
        .await?;
    let detail = if keep_password {
        "all but the password"
    } else {
        "all"
    };
    let end_reason = "The credentials of your account were revoked; sign in with a mailed code";
    let change = AccountChange {
        name,
        detail: detail.to_owned(),
        end_reason: Some(end_reason.to_owned()),
    };
    change
        .apply(&operator, act, move |store, account| {
            let entry = to_entry(store, &account)?;
            store.remove_credentials(account.id)?;
            store.reset_account_codes(account.id)?;
            if !keep_password {
                store.remove_password(account.id)?;
            }
            Ok(entry)
        })
        .await
}

/// Lists the credentials of an account besides its password
#[utoipa::path(
    get, path = "/v1/accounts/{name}/credentials", tag = "accounts",
    security(("token" = [role_of(credentials)])),
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 200, description = "The devices and client certificates, oldest first",
            body = CredentialList),
        response::NoSuchAccount,
    )
)]
async fn credentials(
    operator: SignedIn<Auditor>,
    name: Result<PathParams<String>, Refusal>,
) -> Result<Json<CredentialList>, Refusal> {
    let mut act = operator.act("credentials", "");
    let found = operator
        .audited(&mut act, async |act| {
            let PathParams(name) = name?;
            act.target.clone_from(&name);
            let none = no_such_account(&name);
            let Ok(parsed) = AccountName::parse(&name) else {
                return Err(none);
            };
            let found = operator.read(move |store| {
                let account = store.account_by_name(&parsed)?;
                account
                    .map(|account| store.credentials(account.id))
                    .transpose()
            });
            found.await?.ok_or(none)
        })
        .await?;
    operator.allow_view(&act, "").await?;
    Ok(Json(CredentialList {
        credentials: found.iter().map(to_credential).collect(),
    }))
}

/// Revokes one device or client certificate of an account
///
/// All sessions of the account have ended when the answer is sent; those with other credentials may
/// reconnect at once.
#[utoipa::path(
    delete, path = "/v1/accounts/{name}/credentials/{id}", tag = "accounts",
    security(("token" = [role_of(revoke_one)])),
    params(
        ("name" = String, Path, description = "The account's name"),
        ("id" = i64, Path, description = "The credential's number"),
    ),
    responses(
        (status = 200, description = "The account as it was", body = AccountReply),
        response::NoSuchAccount, response::NoSuchCredential,
    )
)]
async fn revoke_one(
    operator: SignedIn<Owner>,
    path: Result<PathParams<(String, i64)>, Refusal>,
) -> Result<Json<AccountReply>, Refusal> {
    let mut act = operator.act("revoke-credential", "");
    let PathParams((name, id)) = operator.audited(&mut act, async |_| path).await?;
    act.target.clone_from(&name);
    let end_reason = "A device or certificate of your account was revoked; sign in again";
    let change = AccountChange {
        name,
        detail: format!("credential {id}"),
        end_reason: Some(end_reason.to_owned()),
    };
    change
        .try_apply(&operator, act, move |store, account| {
            let entry = to_entry(store, &account)?;
            if store.remove_credential(account.id, CredentialId(id))? {
                return Ok(Ok(entry));
            }
            let detail = format!(
                "{0} has no credential {id}; `admin-cli account credentials {0}` lists them.",
                account.name
            );
            Ok(Err(Kind::NoSuchCredential.with_detail(detail)))
        })
        .await
}

fn to_credential(credential: &Credential) -> CredentialEntry {
    CredentialEntry {
        id: credential.id.0,
        kind: match credential.kind {
            CredentialKind::Device => AccountCredential::Device,
            CredentialKind::Certificate => AccountCredential::Certificate,
        },
        created_at: credential.created_at,
        last_used_at: credential.used_at,
        label: credential.label.clone(),
    }
}

/// A change of one account.
struct AccountChange {
    name: String,
    /// The detail for the trail.
    detail: String,
    /// The reason with which the account's sessions end; none if they do not end.
    end_reason: Option<String>,
}

impl AccountChange {
    /// Applies a change and records it in one transaction, then ends the account's sessions.
    async fn apply(
        self,
        operator: &Operator,
        act: Act,
        work: impl FnOnce(&mut Store, Account) -> StoreResult<AccountEntry> + Send + 'static,
    ) -> Result<Json<AccountReply>, Refusal> {
        self.try_apply(operator, act, |store, account| work(store, account).map(Ok))
            .await
    }

    /// Like [`Self::apply`], for a change that may be refused. In that case, `work` changes
    /// nothing, and the refusal is recorded.
    async fn try_apply(
        self,
        operator: &Operator,
        act: Act,
        work: impl FnOnce(&mut Store, Account) -> StoreResult<Result<AccountEntry, Refusal>>
        + Send
        + 'static,
    ) -> Result<Json<AccountReply>, Refusal> {
        let Self {
            name,
            detail,
            end_reason,
        } = self;
        let none = no_such_account(&name);
        let commit = operator.record(act, move |store, act| {
            let account = match AccountName::parse(&name) {
                Ok(name) => store.account_by_name(&name)?,
                Err(_) => None,
            };
            let Some(account) = account else {
                return Ok(Err(none));
            };
            act.target = account.name.to_string();
            let id = account.id;
            let done = work(store, account)?;
            Ok(done.map(|entry| (detail, (id, entry))))
        });
        let Some(reason) = end_reason else {
            let (_, account) = commit.await?;
            let ended = kicks::to_reply(&Ended::default());
            return Ok(Json(AccountReply { account, ended }));
        };
        let end = |(id, _): &(AccountId, AccountEntry)| EndAccount {
            account: *id,
            reason,
        };
        let core = &operator.plane.control.core;
        let ((_, account), ended) = core.commit_then_request(commit, end).await?;
        let ended = kicks::to_reply(&ended);
        Ok(Json(AccountReply { account, ended }))
    }
}

/// Returns the name in the path, and makes it the act's target.
async fn account_name(
    operator: &Operator,
    act: &mut Act,
    name: Result<PathParams<String>, Refusal>,
) -> Result<String, Refusal> {
    let PathParams(name) = operator.audited(act, async |_| name).await?;
    act.target.clone_from(&name);
    Ok(name)
}

fn no_such_account(name: &str) -> Refusal {
    Kind::NoSuchAccount.with_detail(format!(
        "There is no account {name}; `admin-cli accounts` lists them."
    ))
}

fn to_entry(store: &Store, account: &Account) -> StoreResult<AccountEntry> {
    Ok(AccountEntry {
        name: account.name.to_string(),
        email: account.email.as_ref().map(ToString::to_string),
        created_at: account.created_at,
        has_password: account.password_hash.is_some(),
        credentials: store.credentials(account.id)?.len(),
        disabled: account.disabled.clone(),
    })
}
