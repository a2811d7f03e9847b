//! The description of the control plane, made from its code.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use rookery_control_api::{CSV_TYPE, Problem};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, Required};
use utoipa::{Modify, OpenApi};

use super::problem::{Kind, merge_problems};
use super::{
    accounts, admins, announcements, audit_reading, bans, channels, csv, events, idempotency,
    invitations, kicks, maintenance, messages, password, registrations, reload, sessions, sign_in,
    status, top, totp, users,
};

/// The whole description; rendered once.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    Description::openapi()
        .to_json()
        .expect("the description is plain JSON")
        .into()
});

#[derive(OpenApi)]
#[openapi(
    info(title = "Rookery control plane", description = "For operators of a Rookery chat server."),
    paths(
        sign_in::login, sign_in::verify, sessions::logout, sessions::list, sessions::end_one,
        sessions::end_all, password::change, totp::status, totp::enrol, totp::confirm, totp::disable,
        totp::require, admins::list, admins::add, admins::remove, admins::set_role, admins::reset_password, users::list, users::show,
        kicks::kick, kicks::kick_all, bans::list, bans::add, bans::remove, accounts::list, accounts::disable,
        accounts::enable, accounts::delete, accounts::revoke, accounts::credentials, accounts::revoke_one,
        invitations::list, invitations::add, invitations::revoke, registrations::list, registrations::resend,
        channels::list, channels::show, channels::close, channels::purge, messages::list, messages::redact,
        messages::redact_author, csv::export_users, csv::export_bans, csv::import_users, csv::import_bans,
        announcements::announce, maintenance::show, maintenance::set, reload::reload, audit_reading::list,
        audit_reading::verify, events::events, status::status, status::healthz, top::top, openapi,
    ),
    components(schemas(Problem)),
    modifiers(&Tokens, &Problems)
)]
struct Description;

/// How a request shows who sends it.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token));
    }
}

/// The problems that an operation has because of what it takes, not of what it does.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let changing = [&mut item.post, &mut item.put, &mut item.delete];
            let operations = changing
                .into_iter()
                .map(|it| (it, true))
                .chain([(&mut item.get, false)]);
            for (operation, changes) in operations {
                let Some(operation) = operation else { continue };
                let mut kinds = problems_of(operation);
                if changes && operation.security.is_some() {
                    operation
                        .parameters
                        .get_or_insert_default()
                        .push(RefOr::T(idempotency_key()));
                    kinds.extend([
                        Kind::BadRequest,
                        Kind::InProgress,
                        Kind::IdempotencyKeyReused,
                        Kind::BodyTooLarge,
                        Kind::RequestTimeout,
                    ]);
                }
                merge_problems(&mut operation.responses.responses, kinds);
            }
        }
    }
}

/// What [`idempotency`] takes.
fn idempotency_key() -> Parameter {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255));
    ParameterBuilder::new()
        .name(idempotency::HEADER)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A name of your choice for this request; sent again with it, it is not done again.",
        ))
        .schema(Some(text.pattern(Some("^[!-~]+$"))))
        .build()
}

fn problems_of(operation: &Operation) -> Vec<Kind> {
    let mut kinds = vec![Kind::InternalError, Kind::StillRunning];
    let signed_in = operation.security.is_some();
    if signed_in {
        kinds.extend([
            Kind::NotSignedIn,
            Kind::NotAllowed,
            Kind::PasswordChangeRequired,
            Kind::FreshSignInRequired,
        ]);
    }
    if operation.parameters.is_some() {
        kinds.push(Kind::BadRequest);
    }
    if let Some(RefOr::T(body)) = &operation.request_body {
        let unfit = if body.content.contains_key(CSV_TYPE) {
            Kind::NotCsv
        } else {
            Kind::NotJson
        };
        kinds.extend([
            Kind::BadRequest,
            Kind::RequestTimeout,
            Kind::BodyTooLarge,
            unfit,
            Kind::Invalid,
        ]);
    }
    kinds.extend([
        Kind::AuditUnavailable,
        Kind::StoreUnavailable,
        Kind::ShuttingDown,
    ]);
    kinds
}

/// This description
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "status",
    responses((status = 200, description = "OpenAPI, as JSON", content_type = "application/json"))
)]
pub async fn openapi() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.clone(),
    )
}
