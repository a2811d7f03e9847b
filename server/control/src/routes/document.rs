//! The route of the OpenAPI document.

use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::openapi;
use crate::plane::ControlPlane;

/// The rendered document. It is built for the first request that asks for it: the tree that it is
/// rendered from takes several MB, which a server that is never asked for it should not use.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    openapi::complete(super::description())
        .to_json()
        .expect("the document is plain JSON")
        .into()
});

pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default().routes(routes!(openapi))
}

/// Returns this document
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "status",
    responses((
        status = 200, description = "The OpenAPI document", content_type = "application/json",
    ))
)]
async fn openapi() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.clone(),
    )
}
