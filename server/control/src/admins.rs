//! How owners manage the admins.

use axum::Json;
use axum::http::StatusCode;
use jiff::SignedDuration;
use rookery_control_api::{
    AdminEntry, AdminList, AdminRequest, InitialPassword, Problem, Role, RoleRequest,
};
use rookery_protocol::{AccountName, Email};

use super::authenticator::grouped_letters;
use super::extract::{Body, Options, Segment};
use super::notices::Notice;
use super::pages::PageOptions;
use super::permission::{Owner, Signed};
use super::problem::{Kind, Refusal};
use rookery_accounts::password;
use rookery_record::{Admin, NewAdmin};
use rookery_store::{Result as StoreResult, Store};

/// How long an initial password is good.
const INITIAL_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The admins
#[utoipa::path(
    get, path = "/v1/admins", tag = "admins", params(PageOptions), security(("token" = ["owner"])),
    responses((status = 200, description = "One page of the admins, by name", body = AdminList))
)]
pub async fn list(
    operator: Signed<Owner>,
    options: Result<Options<PageOptions>, Refusal>,
) -> Result<Json<AdminList>, Refusal> {
    let step = operator.step("admins", "");
    let page = match options.and_then(|Options(options)| options.page()) {
        Ok(page) => page,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    let mut admins = operator.read(|store| store.admins()).await?;
    let place = |admin: &Admin| admin.name.to_lowercase();
    admins.sort_by_cached_key(place);
    let (admins, next) = page.cut(admins, place);
    Ok(Json(AdminList {
        admins: admins.into_iter().map(to_entry).collect(),
        next,
    }))
}

/// Adds an admin, who signs in with the password that this gives and chooses another at once
#[utoipa::path(
    post, path = "/v1/admins", tag = "admins", security(("token" = ["owner"])), request_body = AdminRequest,
    responses(
        (status = 201, description = "The admin can sign in", body = InitialPassword),
        (status = 409, description = "There is an admin of that name", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn add(
    operator: Signed<Owner>,
    body: Result<Body<AdminRequest>, Refusal>,
) -> Result<(StatusCode, Json<InitialPassword>), Refusal> {
    let mut step = operator.step("admin add", "");
    let asked = body.and_then(|Body(request)| {
        step.target.clone_from(&request.name);
        let name = AccountName::parse(&request.name)
            .map_err(|error| Kind::Invalid.with_detail(format!("`name`: {error}.")))?;
        let email = Email::parse(&request.email)
            .map_err(|error| Kind::Invalid.with_detail(format!("`email`: {error}.")))?;
        Ok((name, email, request.role))
    });
    let (name, email, role) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.freshly_signed_in(&step).await?;

    let initial_password = grouped_letters();
    let created_at = operator.now();
    let initial_password_expires_at = created_at + INITIAL_LIFETIME;
    let admin = NewAdmin {
        name: name.to_string(),
        email,
        password_hash: password::hash(initial_password.clone()).await,
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
        .record(step, move |store| {
            if store.add_admin(&admin)? {
                Ok(Ok((format!("{role}, {}", admin.email), ())))
            } else {
                let detail = format!("There is an admin named {} already.", admin.name);
                Ok(Err(Kind::AdminExists.with_detail(detail)))
            }
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

/// Removes an admin, whose sessions end
#[utoipa::path(
    delete, path = "/v1/admins/{name}", tag = "admins", security(("token" = ["owner"])),
    params(("name" = String, Path, description = "The admin's name")),
    responses(
        (status = 200, description = "The admin is one no more", body = AdminEntry),
        (status = 404, description = "There is no admin of that name", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The last owner stays", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn remove(
    operator: Signed<Owner>,
    name: Result<Segment<String>, Refusal>,
) -> Result<Json<AdminEntry>, Refusal> {
    let mut step = operator.step("admin remove", "");
    let name = match name {
        Ok(Segment(name)) => name,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    step.target.clone_from(&name);
    operator.freshly_signed_in(&step).await?;
    let removed = operator.record(step, move |store| {
        let admin = match other_owner_left(store, &name, None)? {
            Ok(admin) => admin,
            Err(refusal) => return Ok(Err(refusal)),
        };
        store.remove_admin(&name)?;
        Ok(Ok((String::new(), admin)))
    });
    let admin = removed.await?;
    operator.plane.notify(
        &admin,
        operator.arrival(),
        &Notice::Changed("you are no admin any more"),
    );
    Ok(Json(to_entry(admin)))
}

/// Gives an admin another role, which ends the admin's sessions
#[utoipa::path(
    put, path = "/v1/admins/{name}/role", tag = "admins", security(("token" = ["owner"])),
    params(("name" = String, Path, description = "The admin's name")), request_body = RoleRequest,
    responses(
        (status = 200, description = "The admin has that role", body = AdminEntry),
        (status = 404, description = "There is no admin of that name", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The last owner stays one", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn set_role(
    operator: Signed<Owner>,
    name: Result<Segment<String>, Refusal>,
    body: Result<Body<RoleRequest>, Refusal>,
) -> Result<Json<AdminEntry>, Refusal> {
    let mut step = operator.step("admin role", "");
    if let Ok(Segment(name)) = &name {
        step.target.clone_from(name);
    }
    let asked = name.and_then(|Segment(name)| Ok((name, body?.0.role)));
    let (name, role) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.freshly_signed_in(&step).await?;
    let changed = operator.record(step, move |store| {
        let admin = match other_owner_left(store, &name, Some(role))? {
            Ok(admin) => admin,
            Err(refusal) => return Ok(Err(refusal)),
        };
        store.set_admin_role(&name, role)?;
        Ok(Ok((
            format!("{role}, before: {}", admin.role),
            Admin { role, ..admin },
        )))
    });
    let admin = changed.await?;
    operator.plane.notify(
        &admin,
        operator.arrival(),
        &Notice::Changed("your role was changed"),
    );
    Ok(Json(to_entry(admin)))
}

/// Resets an admin's password: this gives an initial one, with which the admin signs in and chooses
/// another
///
/// The password before opens nothing any more, and the admin's sessions end. Other factors stay as
/// they are.
#[utoipa::path(
    post, path = "/v1/admins/{name}/password/reset", tag = "admins", security(("token" = ["owner"])),
    params(("name" = String, Path, description = "The admin's name, not one's own")),
    responses(
        (status = 200, description = "The admin can sign in with that", body = InitialPassword),
        (status = 404, description = "There is no admin of that name", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The last owner keeps the password", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "It is one's own", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn reset_password(
    operator: Signed<Owner>,
    name: Result<Segment<String>, Refusal>,
) -> Result<Json<InitialPassword>, Refusal> {
    let mut step = operator.step("admin reset", "");
    let name = match name {
        Ok(Segment(name)) => name,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    step.target.clone_from(&name);
    operator.freshly_signed_in(&step).await?;
    let own = operator.name().to_owned();
    let initial_password = grouped_letters();
    let initial_password_expires_at = operator.now() + INITIAL_LIFETIME;
    let hash = password::hash(initial_password.clone()).await;
    let reset = operator.record(step, move |store| {
        let admin = match other_owner_left(store, &name, None)? {
            Ok(admin) if admin.name == own => {
                let detail =
                    "Your own password is changed with PUT /v1/password (`admin-cli passwd`).";
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
    let notice = Notice::Changed("your password was reset; an owner has another for you");
    operator.plane.notify(&admin, operator.arrival(), &notice);
    Ok(Json(InitialPassword {
        admin: to_entry(admin),
        initial_password,
        initial_password_expires_at,
    }))
}

/// The admin of that name; refused where there is none, or where no owner would be left without it
/// as one.
fn other_owner_left(
    store: &dyn Store,
    name: &str,
    role: Option<Role>,
) -> StoreResult<Result<Admin, Refusal>> {
    let Some(admin) = store.admin(name)? else {
        return Ok(Err(
            Kind::NoSuchAdmin.with_detail(format!("There is no admin named {name}."))
        ));
    };
    let stops = admin.role == Role::Owner && role != Some(Role::Owner);
    // An initial password ends by itself, and whoever has one may never come.
    let stays = |other: &Admin| {
        other.name != admin.name
            && other.role == Role::Owner
            && other.initial_password_expires_at.is_none()
    };
    if stops && !store.admins()?.iter().any(stays) {
        let detail = format!(
            "{} is the only owner with a password of their own. Make another admin an owner first, who has chosen \
             one.",
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
