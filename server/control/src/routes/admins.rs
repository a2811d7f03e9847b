//! The admins, managed by owners.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use jiff::SignedDuration;
use rookery_control_api::{
    AdminEntry, AdminList, AdminRequest, InitialPassword, Role, RoleRequest,
};
use rookery_protocol::{AccountName, Email};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::notices::Notice;
use crate::auth::authenticator::random_letters;
use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::Owner;
use crate::http::extract::{JsonBody, PathParams, QueryParams};
use crate::http::pages::PageOptions;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_accounts::password::{self, Password};
use rookery_record::{Admin, NewAdmin};
use rookery_store::{Result as StoreResult, Store};

/// How long an initial password is valid.
const INITIAL_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Returns the routes of the admins.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(list, add))
        .routes(routes!(remove))
        .routes(routes!(set_role))
        .routes(routes!(reset_password))
}

/// Lists the admins
#[utoipa::path(
    get, path = "/v1/admins", tag = "admins", params(PageOptions),
    security(("token" = [role_of(list)])),
    responses((status = 200, description = "One page of the admins, by name", body = AdminList))
)]
async fn list(
    operator: SignedIn<Owner>,
    query: Result<QueryParams<PageOptions>, Refusal>,
) -> Result<Json<AdminList>, Refusal> {
    let mut act = operator.act("admins", "");
    let page = operator
        .audited(&mut act, async |_| query?.0.page())
        .await?;
    operator.allow_view(&act, "").await?;
    let mut admins = operator.read(Store::admins).await?;
    let key = |admin: &Admin| admin.name.to_lowercase();
    admins.sort_by_cached_key(key);
    let (admins, next) = page.cut(admins, key);
    Ok(Json(AdminList {
        admins: admins.into_iter().map(to_entry).collect(),
        next,
    }))
}

/// Adds an admin
///
/// The answer has an initial password, which the admin has to replace at the first sign-in.
#[utoipa::path(
    post, path = "/v1/admins", tag = "admins", security(("token" = [role_of(add)])),
    request_body = AdminRequest,
    responses(
        (status = 201, description = "The admin can sign in", body = InitialPassword),
        response::AdminExists,
    )
)]
async fn add(
    operator: SignedIn<Owner>,
    body: Result<JsonBody<AdminRequest>, Refusal>,
) -> Result<(StatusCode, Json<InitialPassword>), Refusal> {
    let mut act = operator.act("admin add", "");
    let (name, email, role) = operator
        .audited(&mut act, async |act| {
            let JsonBody(request) = body?;
            act.target.clone_from(&request.name);
            let name = AccountName::parse(&request.name)
                .and_then(|name| name.check_new().map(|()| name))
                .map_err(|error| Kind::Invalid.with_detail(format!("`name`: {error}.")))?;
            name.as_str().clone_into(&mut act.target);
            let email = Email::parse(&request.email)
                .and_then(|email| email.check_new().map(|()| email))
                .map_err(|error| Kind::Invalid.with_detail(format!("`email`: {error}.")))?;
            Ok((name, email, request.role))
        })
        .await?;
    operator.require_fresh_sign_in(&act).await?;

    let initial_password = random_letters();
    let created_at = operator.now();
    let initial_password_expires_at = created_at + INITIAL_LIFETIME;
    let admin = NewAdmin {
        name: name.to_string(),
        email,
        password_hash: password::hash(
            &password::OPERATORS_QUEUE,
            Password::generated(initial_password.clone()),
        )
        .await,
        role,
        created_at,
        initial_password_expires_at: Some(initial_password_expires_at),
    };
    let entry = AdminEntry {
        name: admin.name.clone(),
        email: admin.email.to_string(),
        role,
        totp: false,
        created_at,
        initial_password_expires_at: admin.initial_password_expires_at,
    };
    operator
        .record(act, move |store, _| {
            if store.add_admin(&admin)? {
                return Ok(Ok((format!("{role}, {}", admin.email), ())));
            }
            let detail = format!(
                "An admin named {} already exists. Choose another name.",
                admin.name
            );
            Ok(Err(Kind::AdminExists.with_detail(detail)))
        })
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(InitialPassword {
            admin: entry,
            initial_password,
            initial_password_expires_at,
        }),
    ))
}

/// Removes an admin, which ends the admin's sessions
#[utoipa::path(
    delete, path = "/v1/admins/{name}", tag = "admins", security(("token" = [role_of(remove)])),
    params(("name" = String, Path, description = "The admin's name")),
    responses(
        (status = 200, description = "The removed admin", body = AdminEntry),
        response::NoSuchAdmin, response::LastOwner,
    )
)]
async fn remove(
    operator: SignedIn<Owner>,
    name: Result<PathParams<String>, Refusal>,
) -> Result<Json<AdminEntry>, Refusal> {
    let mut act = operator.act("admin remove", "");
    let PathParams(name) = operator.audited(&mut act, async |_| name).await?;
    act.target.clone_from(&name);
    operator.require_fresh_sign_in(&act).await?;
    let removed = operator.record(act, move |store, _| {
        let admin = match changeable_admin(store, &name, None)? {
            Ok(admin) => admin,
            Err(refusal) => return Ok(Err(refusal)),
        };
        store.remove_admin(&name)?;
        Ok(Ok((String::new(), admin)))
    });
    let admin = removed.await?;
    operator.plane.admin_networks_changed.notify_one();
    let notice = Notice::Changed("the admin was removed");
    operator.plane.notify(&admin, operator.origin(), &notice);
    Ok(Json(to_entry(admin)))
}

/// Sets an admin's role, which ends the admin's sessions
#[utoipa::path(
    put, path = "/v1/admins/{name}/role", tag = "admins", security(("token" = [role_of(set_role)])),
    params(("name" = String, Path, description = "The admin's name")), request_body = RoleRequest,
    responses(
        (status = 200, description = "The admin with the new role", body = AdminEntry),
        response::NoSuchAdmin, response::LastOwner,
    )
)]
async fn set_role(
    operator: SignedIn<Owner>,
    name: Result<PathParams<String>, Refusal>,
    body: Result<JsonBody<RoleRequest>, Refusal>,
) -> Result<Json<AdminEntry>, Refusal> {
    let mut act = operator.act("admin role", "");
    let (name, role) = operator
        .audited(&mut act, async |act| {
            let PathParams(name) = name?;
            act.target.clone_from(&name);
            Ok((name, body?.0.role))
        })
        .await?;
    operator.require_fresh_sign_in(&act).await?;
    let changed = operator.record(act, move |store, _| {
        let admin = match changeable_admin(store, &name, Some(role))? {
            Ok(admin) => admin,
            Err(refusal) => return Ok(Err(refusal)),
        };
        store.set_admin_role(&name, role)?;
        let detail = format!("{role}, before: {}", admin.role);
        Ok(Ok((detail, Admin { role, ..admin })))
    });
    let admin = changed.await?;
    let notice = Notice::Changed("the role was changed");
    operator.plane.notify(&admin, operator.origin(), &notice);
    Ok(Json(to_entry(admin)))
}

/// Resets an admin's password to an initial one, which the admin has to replace
///
/// The previous password is no longer valid, and the admin's sessions end. The other factors stay.
#[utoipa::path(
    post, path = "/v1/admins/{name}/password/reset", tag = "admins",
    security(("token" = [role_of(reset_password)])),
    params(("name" = String, Path, description = "The admin's name, which is not your own")),
    responses(
        (status = 200, description = "The initial password", body = InitialPassword),
        response::NoSuchAdmin, response::LastOwner, response::Invalid,
    )
)]
async fn reset_password(
    operator: SignedIn<Owner>,
    name: Result<PathParams<String>, Refusal>,
) -> Result<Json<InitialPassword>, Refusal> {
    let mut act = operator.act("admin reset", "");
    let PathParams(name) = operator.audited(&mut act, async |_| name).await?;
    act.target.clone_from(&name);
    operator.require_fresh_sign_in(&act).await?;
    let own = operator.name().to_owned();
    let initial_password = random_letters();
    let initial_password_expires_at = operator.now() + INITIAL_LIFETIME;
    let hash = password::hash(
        &password::OPERATORS_QUEUE,
        Password::generated(initial_password.clone()),
    )
    .await;
    let reset = operator.record(act, move |store, _| {
        let admin = match changeable_admin(store, &name, None)? {
            Ok(admin) if admin.name == own => {
                let detail = "Change your own password with PUT /v1/password (`admin-cli passwd`).";
                return Ok(Err(Kind::Invalid.with_detail(detail)));
            }
            Ok(admin) => admin,
            Err(refusal) => return Ok(Err(refusal)),
        };
        store.set_admin_password(&name, &hash, Some(initial_password_expires_at))?;
        let admin = Admin {
            initial_password_expires_at: Some(initial_password_expires_at),
            ..admin
        };
        Ok(Ok(("all sessions of the admin end".to_owned(), admin)))
    });
    let admin = reset.await?;
    let notice = Notice::Changed("the password was reset; an owner has an initial one for you");
    operator.plane.notify(&admin, operator.origin(), &notice);
    Ok(Json(InitialPassword {
        admin: to_entry(admin),
        initial_password,
        initial_password_expires_at,
    }))
}

/// Returns the admin with a name, who is about to lose access (`role` is none) or to have another
/// role. Refuses if there is no such admin, or if no owner would remain.
fn changeable_admin(
    store: &Store,
    name: &str,
    role: Option<Role>,
) -> StoreResult<Result<Admin, Refusal>> {
    let Some(admin) = store.admin(name)? else {
        let detail = format!("There is no admin {name}; `admin-cli admins list` lists them.");
        return Ok(Err(Kind::NoSuchAdmin.with_detail(detail)));
    };
    let is_demoted = admin.role == Role::Owner && role != Some(Role::Owner);
    // An owner with an initial password does not count, because the password may expire unused.
    let remains = |other: &Admin| {
        other.name != admin.name
            && other.role == Role::Owner
            && other.initial_password_expires_at.is_none()
    };
    if is_demoted && !store.admins()?.iter().any(remains) {
        let detail = format!(
            "{} is the only owner who has chosen a password. First make another admin an owner who \
             has.",
            admin.name
        );
        return Ok(Err(Kind::LastOwner.with_detail(detail)));
    }
    Ok(Ok(admin))
}

fn to_entry(admin: Admin) -> AdminEntry {
    AdminEntry {
        name: admin.name,
        email: admin.email.to_string(),
        role: admin.role,
        totp: admin.authenticator.is_some(),
        created_at: admin.created_at,
        initial_password_expires_at: admin.initial_password_expires_at,
    }
}
