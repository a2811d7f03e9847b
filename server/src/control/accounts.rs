//! The accounts: found, disabled and enabled, deleted, and what opens them revoked.

use axum::Json;
use rookery_control_api::{
    AccountCredential, AccountEntry, AccountList, AccountReply, CredentialEntry, CredentialList,
    DisableRequest, KickReply, Problem, RevokeRequest,
};
use rookery_protocol::AccountName;
use serde::Deserialize;

use super::audit::{self, Step};
use super::extract::{self, Body, Options, Segment};
use super::permission::{Auditor, Moderator, Owner, Signed};
use super::problem::{Kind, Refusal};
use super::sessions::Operator;
use super::{kicks, unexpected};
use crate::chat::event::{Act, Answer};
use crate::record::{Account, AccountId, Credential, CredentialId, CredentialKind, Outcome};
use crate::store::{Durability, Result as StoreResult, Store};

/// Accounts on a page when it is not told how many.
const DEFAULT_LIMIT: u16 = 100;
/// The most on a page.
const MAX_LIMIT: u16 = 1000;

/// What `GET /v1/accounts` may be told.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccountOptions {
    /// Only those with this in their name or email; letter case is of no matter.
    search: Option<String>,
    /// Begins after this name: the `next` of the page before.
    after: Option<String>,
    /// How many accounts at most; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// Who has an account
#[utoipa::path(
    get, path = "/v1/accounts", tag = "accounts", params(AccountOptions), security(("token" = ["auditor"])),
    responses((status = 200, description = "One page of accounts, by name", body = AccountList))
)]
pub async fn list(
    operator: Signed<Auditor>,
    options: Result<Options<AccountOptions>, Refusal>,
) -> Result<Json<AccountList>, Refusal> {
    let mut step = operator.step("accounts", "");
    let asked = options.and_then(|Options(options)| {
        step.target = options.search.clone().unwrap_or_default();
        let limit = options.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Kind::BadRequest.because(format!("`limit` is between 1 and {MAX_LIMIT}.")));
        }
        let after = options.after.as_deref().map(AccountName::parse).transpose();
        let after = after
            .map_err(|_| Kind::BadRequest.because("`after` is the `next` of another page."))?;
        Ok((
            options.search.unwrap_or_default().to_lowercase(),
            after,
            usize::from(limit),
        ))
    });
    let (search, after, limit) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    let page = operator.read(move |store| {
        // One more tells whether there is another page.
        let mut found = store.find_accounts(&search, after.as_ref(), limit + 1)?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found
            .last()
            .filter(|_| has_more)
            .map(|last| last.name.to_string());
        let accounts: StoreResult<_> = found
            .iter()
            .map(|account| to_entry(store, account))
            .collect();
        Ok(AccountList {
            accounts: accounts?,
            next,
        })
    });
    Ok(Json(page.await?))
}

/// Disables an account
///
/// Nobody can sign in to it, whoever tries with the right secret is told why, and its sessions are
/// gone when the answer comes. It keeps its name, its email and all that opens it.
#[utoipa::path(
    post, path = "/v1/accounts/{name}/disable", tag = "accounts", security(("token" = ["moderator"])),
    params(("name" = String, Path, description = "The account's name")), request_body = DisableRequest,
    responses(
        (status = 200, description = "The account is disabled", body = AccountReply),
        (status = 404, description = "There is no account of that name", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn disable(
    operator: Signed<Moderator>,
    name: Result<Segment<String>, Refusal>,
    body: Result<Body<DisableRequest>, Refusal>,
) -> Result<Json<AccountReply>, Refusal> {
    let step = begin(&operator, "disable", &name);
    let reason = body.and_then(|Body(request)| extract::reason(request.reason.as_deref()));
    let (name, reason) = match both(name, reason) {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let last = format!("Your account is disabled: {reason}");
    let change = Change {
        name,
        detail: reason.clone(),
        last: Some(last),
    };
    change
        .make(&operator, step, move |store, account| {
            store.set_disabled(account.id, Some(&reason))?;
            to_entry(
                store,
                &Account {
                    disabled: Some(reason),
                    ..account
                },
            )
        })
        .await
}

/// Opens an account that was disabled
#[utoipa::path(
    post, path = "/v1/accounts/{name}/enable", tag = "accounts", security(("token" = ["moderator"])),
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 200, description = "The account is open", body = AccountReply),
        (status = 404, description = "There is no account of that name", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn enable(
    operator: Signed<Moderator>,
    name: Result<Segment<String>, Refusal>,
) -> Result<Json<AccountReply>, Refusal> {
    let step = begin(&operator, "enable", &name);
    let name = match name {
        Ok(Segment(name)) => name,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let change = Change {
        name,
        detail: String::new(),
        last: None,
    };
    change
        .make(&operator, step, |store, account| {
            store.set_disabled(account.id, None)?;
            to_entry(
                store,
                &Account {
                    disabled: None,
                    ..account
                },
            )
        })
        .await
}

/// Deletes an account
///
/// Its email and all that opens it are gone, and so are its sessions. What was said under its name
/// stays, so nobody else can have the name; the email is free for a new account. Bans stay as they
/// are.
#[utoipa::path(
    delete, path = "/v1/accounts/{name}", tag = "accounts", security(("token" = ["owner"])),
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 200, description = "The account is gone; this is what it was", body = AccountReply),
        (status = 404, description = "There is no account of that name", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn delete(
    operator: Signed<Owner>,
    name: Result<Segment<String>, Refusal>,
) -> Result<Json<AccountReply>, Refusal> {
    let step = begin(&operator, "delete-account", &name);
    let name = match name {
        Ok(Segment(name)) => name,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let last = Some("Your account was deleted".to_owned());
    let change = Change {
        name,
        detail: String::new(),
        last,
    };
    let reply = change
        .make(&operator, step, |store, account| {
            let entry = to_entry(store, &account)?;
            store.delete_account(&account)?;
            Ok(entry)
        })
        .await?;
    operator.plane.control.windows.users_changed();
    let name = AccountName::parse(&reply.account.name).expect("an account has an account's name");
    match operator.plane.act(Act::ForgetAccount(name)).await? {
        Answer::Done => {}
        other => return Err(unexpected(&other)),
    }
    Ok(reply)
}

/// Revokes what opens an account: its devices, its client certificates, and its password
///
/// Its sessions are gone when the answer comes. From then on a mailed code opens it.
#[utoipa::path(
    post, path = "/v1/accounts/{name}/credentials/revoke", tag = "accounts", security(("token" = ["owner"])),
    params(("name" = String, Path, description = "The account's name")), request_body = RevokeRequest,
    responses(
        (status = 200, description = "They open it no more; this is what the account had", body = AccountReply),
        (status = 404, description = "There is no account of that name", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn revoke(
    operator: Signed<Owner>,
    name: Result<Segment<String>, Refusal>,
    body: Result<Body<RevokeRequest>, Refusal>,
) -> Result<Json<AccountReply>, Refusal> {
    let step = begin(&operator, "revoke-credentials", &name);
    let (name, keep_password) = match both(name, body.map(|Body(request)| request.keep_password)) {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let detail = if keep_password {
        "all but the password"
    } else {
        "all"
    };
    let last = Some("What opened your account was revoked; sign in with a mailed code".to_owned());
    let change = Change {
        name,
        detail: detail.to_owned(),
        last,
    };
    change
        .make(&operator, step, move |store, account| {
            let entry = to_entry(store, &account)?;
            store.remove_credentials(account.id)?;
            if !keep_password {
                store.remove_password(account.id)?;
            }
            Ok(entry)
        })
        .await
}

/// What opens an account besides its password
#[utoipa::path(
    get, path = "/v1/accounts/{name}/credentials", tag = "accounts", security(("token" = ["auditor"])),
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 200, description = "Its devices and client certificates, oldest first", body = CredentialList),
        (status = 404, description = "There is no account of that name", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn credentials(
    operator: Signed<Auditor>,
    name: Result<Segment<String>, Refusal>,
) -> Result<Json<CredentialList>, Refusal> {
    let step = begin(&operator, "credentials", &name);
    let asked = async {
        let Segment(name) = name?;
        let none = Kind::NoSuchAccount.because(format!("There is no account {name}."));
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
    };
    let found = match asked.await {
        Ok(found) => found,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    Ok(Json(CredentialList {
        credentials: found.iter().map(to_credential).collect(),
    }))
}

/// Revokes one device or client certificate of an account
///
/// Its sessions are gone when the answer comes; those with other credentials may come back at once.
#[utoipa::path(
    delete, path = "/v1/accounts/{name}/credentials/{id}", tag = "accounts", security(("token" = ["owner"])),
    params(
        ("name" = String, Path, description = "The account's name"),
        ("id" = i64, Path, description = "The credential's number"),
    ),
    responses(
        (status = 200, description = "It opens the account no more; this is what the account had", body = AccountReply),
        (status = 404, description = "There is no account of that name, or no such credential of it", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn revoke_one(
    operator: Signed<Owner>,
    path: Result<Segment<(String, i64)>, Refusal>,
) -> Result<Json<AccountReply>, Refusal> {
    let name = path.as_ref().map_or("", |Segment((name, _))| name.as_str());
    let step = operator.step("revoke-credential", name);
    let (name, id) = match path {
        Ok(Segment(path)) => path,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let last = Some("A device or certificate of your account was revoked; sign in anew".to_owned());
    let change = Change {
        name,
        detail: format!("credential {id}"),
        last,
    };
    change
        .try_make(&operator, step, move |store, account| {
            let entry = to_entry(store, &account)?;
            if store.remove_credential(account.id, CredentialId(id))? {
                return Ok(Ok(entry));
            }
            let detail = format!(
                "{0} has no credential {id}; `admin-cli account credentials {0}` has those there are.",
                account.name
            );
            Ok(Err(Kind::NoSuchCredential.because(detail)))
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
    }
}

/// Something that is done to one account.
struct Change {
    name: String,
    /// For the trail.
    detail: String,
    /// What the account's sessions hear last; none if they stay.
    last: Option<String>,
}

impl Change {
    /// Does `work` and enters it, both or neither; then ends the account's sessions.
    async fn make(
        self,
        operator: &Operator,
        step: Step,
        work: impl FnOnce(&mut dyn Store, Account) -> StoreResult<AccountEntry> + Send + 'static,
    ) -> Result<Json<AccountReply>, Refusal> {
        self.try_make(operator, step, |store, account| {
            work(store, account).map(Ok)
        })
        .await
    }

    /// The same for work that may turn out not to be doable; then it is refused, and changes
    /// nothing.
    async fn try_make(
        self,
        operator: &Operator,
        mut step: Step,
        work: impl FnOnce(&mut dyn Store, Account) -> StoreResult<Result<AccountEntry, Refusal>>
        + Send
        + 'static,
    ) -> Result<Json<AccountReply>, Refusal> {
        let Self { name, detail, last } = self;
        let none = Kind::NoSuchAccount.because(format!("There is no account {name}."));
        let why = none.detail.clone();
        let database = &operator.plane.control.database;
        let written = database.write(Durability::Record, move |store| {
            let account = match AccountName::parse(&name) {
                Ok(name) => store.account_by_name(&name)?,
                Err(_) => None,
            };
            let Some(account) = account else {
                store.append_audit(&step.entry(Outcome::Refused, why))?;
                return Ok(Err(none));
            };
            step.target = account.name.to_string();
            let id = account.id;
            let done = work(store, account)?;
            store.append_audit(&match &done {
                Ok(_) => step.entry(Outcome::Allowed, detail),
                Err(refusal) => step.entry(Outcome::Refused, &refusal.detail),
            })?;
            Ok(done.map(|entry| (id, entry)))
        });
        let commit = async { written.await.map_err(|error| audit::unavailable(&error))? };
        let acts = |(id, _): &(AccountId, AccountEntry)| {
            last.map(|reason| Act::EndAccount {
                account: *id,
                reason,
            })
            .into_iter()
            .collect()
        };
        let ((_, account), answers) = operator
            .plane
            .control
            .inlet
            .commit_and_act(commit, acts)
            .await?;
        let ended = match answers.as_slice() {
            [] => KickReply {
                users: Vec::new(),
                sessions: 0,
            },
            [Answer::Ended { users, sessions }] => kicks::ended(users, *sessions),
            other => return Err(unexpected(&other)),
        };
        Ok(Json(AccountReply { account, ended }))
    }
}

fn begin(operator: &Operator, act: &'static str, name: &Result<Segment<String>, Refusal>) -> Step {
    operator.step(act, name.as_ref().map_or("", |Segment(name)| name.as_str()))
}

fn both<T>(
    name: Result<Segment<String>, Refusal>,
    other: Result<T, Refusal>,
) -> Result<(String, T), Refusal> {
    let Segment(name) = name?;
    Ok((name, other?))
}

fn to_entry(store: &dyn Store, account: &Account) -> StoreResult<AccountEntry> {
    Ok(AccountEntry {
        name: account.name.to_string(),
        email: account.email.as_ref().map(ToString::to_string),
        created_at: account.created_at,
        has_password: account.password_hash.is_some(),
        credentials: store.credentials(account.id)?.len(),
        disabled: account.disabled.clone(),
    })
}
