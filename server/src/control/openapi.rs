//! The description of the control plane, made from its code.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use rookery_protocol::control::{PROBLEM_TYPE, Problem};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};

use super::problem::Kind;
use super::{audit_reading, bans, sessions, sign_in, status, users};

/// The whole description; rendered once.
static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| Description::openapi().to_json().expect("the description is plain JSON").into());

#[derive(OpenApi)]
#[openapi(
    info(title = "Rookery control plane", description = "For operators of a Rookery chat server."),
    paths(
        sign_in::login, sign_in::verify, sessions::logout, users::list, users::kick, bans::list, bans::add,
        bans::remove, audit_reading::list, audit_reading::verify, status::status, status::healthz, openapi,
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
            for operation in [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten() {
                let kinds = problems_of(operation);
                add_problems(operation, &kinds);
            }
        }
    }
}

fn problems_of(operation: &Operation) -> Vec<Kind> {
    let mut kinds = vec![Kind::Internal, Kind::NotFinished];
    let signed_in = operation.security.is_some();
    let body = operation.request_body.is_some();
    if signed_in {
        kinds.extend([Kind::NotSignedIn, Kind::NotAllowed]);
    }
    if operation.parameters.is_some() {
        kinds.push(Kind::BadRequest);
    }
    if body {
        kinds.extend([Kind::BadRequest, Kind::RequestTimeout, Kind::TooLarge, Kind::NotJson, Kind::Invalid]);
    }
    kinds.extend([Kind::AuditUnavailable, Kind::RecordUnavailable, Kind::Stopping]);
    kinds
}

fn add_problems(operation: &mut Operation, kinds: &[Kind]) {
    let mut titles: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for kind in kinds {
        titles.entry(kind.status().as_str().to_owned()).or_default().push(kind.title());
    }
    for (status, titles) in titles {
        let schema = Ref::from_schema_name(Problem::name());
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response =
            ResponseBuilder::new().description(titles.join("; or: ")).content(PROBLEM_TYPE, content).build();
        // What a handler says of a status itself is more exact.
        operation.responses.responses.entry(status).or_insert(RefOr::T(response));
    }
}

/// This description
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "status",
    responses((status = 200, description = "OpenAPI, as JSON", content_type = "application/json"))
)]
pub async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}
