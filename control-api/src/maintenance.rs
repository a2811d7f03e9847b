//! Maintenance, during which new connections are refused.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// The body of `PUT /v1/maintenance`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceRequest {
    /// Whether to refuse new connections.
    pub on: bool,
    /// The message to those who are refused, on one line. A default is used if left out. Allowed
    /// only with `on`.
    #[serde(default)]
    #[schema(value_type = Option<text::Line>)]
    pub message: Option<String>,
}

/// The reply to `GET` and `PUT /v1/maintenance`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MaintenanceState {
    /// Whether new connections are refused.
    pub on: bool,
    /// The message to those who are refused; `null` if maintenance is off.
    pub message: Option<String>,
    /// The admin who started the maintenance; `null` if it is off.
    pub by: Option<String>,
    /// When the maintenance started; `null` if it is off.
    #[schema(value_type = Option<text::Time>)]
    pub since: Option<Timestamp>,
}
