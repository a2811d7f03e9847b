//! Maintenance.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `PUT /v1/maintenance`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceRequest {
    /// Whether nobody new is let in from now on.
    pub on: bool,
    /// What whoever connects is told, in one line; a general one when left out. Only with `on`.
    #[serde(default)]
    pub message: Option<String>,
}

/// `GET /v1/maintenance`, and what a `PUT` has made of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MaintenanceState {
    /// Whether nobody new is let in.
    pub on: bool,
    /// What whoever connects is told.
    pub message: Option<String>,
    /// The admin who turned it on.
    pub by: Option<String>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
}
