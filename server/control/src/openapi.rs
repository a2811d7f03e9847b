//! The OpenAPI document: what the handlers declare, and what holds for every operation.

use rookery_control_api::{CSV_TYPE, IDEMPOTENCY_KEY, Problem, ignores_idempotency_key};
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, Components, ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr, Required};

use crate::http::problem::{Kind, merge_problems};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Rookery control plane",
        description = "For operators of a Rookery chat server."
    ),
    components(schemas(Problem))
)]
struct Base;

/// Returns the document without operations.
pub fn base() -> OpenApi {
    let mut api = Base::openapi();
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(token));
    api
}

/// The requests of which at most one of two fields may be given.
const EXCLUSIVE: [(&str, &str, &str); 2] = [
    ("AnnouncementRequest", "channel", "account"),
    ("BanRequest", "expires_at", "duration"),
];

/// Adds a condition to a schema that `utoipa` derived, which cannot relate one field to another.
fn add_condition(components: &mut Components, name: &str, condition: AnyOfBuilder) {
    if let Some(schema) = components.schemas.remove(name) {
        let both = AllOfBuilder::new().item(schema).item(condition);
        components.schemas.insert(name.to_owned(), both.into());
    }
}

/// Returns the schema of an object whose field is missing or `null`.
fn absent(field: &str) -> ObjectBuilder {
    ObjectBuilder::new().property(field, ObjectBuilder::new().schema_type(Type::Null))
}

/// Adds to each operation the header and the problems that it has because of its kind, and to the
/// requests the relations between their fields.
pub fn complete(mut api: OpenApi) -> OpenApi {
    let components = api.components.get_or_insert_default();
    for (name, one, other) in EXCLUSIVE {
        let alternatives = AnyOfBuilder::new().item(absent(one)).item(absent(other));
        add_condition(components, name, alternatives);
    }
    let on = ObjectBuilder::new().enum_values(Some([true]));
    let is_on = ObjectBuilder::new().property("on", on);
    let alternatives = AnyOfBuilder::new().item(absent("message")).item(is_on);
    add_condition(components, "MaintenanceRequest", alternatives);
    for (path, item) in &mut api.paths.paths {
        let accepts_key = !ignores_idempotency_key(path);
        let unsafe_operations = [&mut item.post, &mut item.put, &mut item.delete];
        let operations = unsafe_operations
            .into_iter()
            .map(|operation| (operation, true, accepts_key))
            .chain([(&mut item.get, false, false)]);
        for (operation, is_unsafe, accepts_key) in operations {
            if let Some(operation) = operation {
                complete_operation(operation, is_unsafe, accepts_key);
            }
        }
    }
    api
}

fn complete_operation(operation: &mut Operation, is_unsafe: bool, accepts_key: bool) {
    let mut kinds = general_problems(operation, is_unsafe);
    if accepts_key {
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

/// Returns the header that [`idempotency`](crate::http::idempotency) reads.
fn idempotency_key() -> Parameter {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255));
    ParameterBuilder::new()
        .name(IDEMPOTENCY_KEY)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A name of your choice for this request. A repeated request with the same name is \
             answered again, but not carried out again.",
        ))
        .schema(Some(text.pattern(Some("^[!-~]+$"))))
        .build()
}

/// Returns the problems that follow from what the operation reads.
fn general_problems(operation: &Operation, is_unsafe: bool) -> Vec<Kind> {
    let mut kinds = vec![
        Kind::InternalError,
        Kind::StillRunning,
        Kind::AuditUnavailable,
        Kind::StoreUnavailable,
        Kind::ShuttingDown,
    ];
    if operation.security.is_some() {
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
    if operation.security.is_some() && !is_unsafe {
        kinds.push(Kind::TooManyRequests);
    }
    if let Some(RefOr::T(body)) = &operation.request_body {
        let wrong_type = if body.content.contains_key(CSV_TYPE) {
            Kind::NotCsv
        } else {
            Kind::NotJson
        };
        kinds.extend([
            Kind::BadRequest,
            Kind::RequestTimeout,
            Kind::BodyTooLarge,
            wrong_type,
            Kind::Invalid,
        ]);
    }
    kinds
}
