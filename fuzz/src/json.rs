//! The target of the control plane's requests.

use rookery_control_api as api;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Parses a body. What it contains is the same after it was written and parsed again.
fn body<T: Serialize + DeserializeOwned>(json: &[u8]) {
    let Ok(parsed) = serde_json::from_slice::<T>(json) else {
        return;
    };
    let Ok(written) = serde_json::to_value(&parsed) else {
        panic!("what was parsed can be written");
    };
    let again: T = serde_json::from_value(written.clone()).expect("what was written can be parsed");
    assert_eq!(serde_json::to_value(&again).ok(), Some(written));
}

/// The types of bodies.
const BODIES: &[fn(&[u8])] = &[
    body::<api::DisableRequest>,
    body::<api::RevokeRequest>,
    body::<api::AdminRequest>,
    body::<api::RoleRequest>,
    body::<api::AnnouncementRequest>,
    body::<api::AuditRecord>,
    body::<api::BanRequest>,
    body::<api::CloseRequest>,
    body::<api::PurgeRequest>,
    body::<api::InvitationRequest>,
    body::<api::MaintenanceRequest>,
    body::<api::RedactRequest>,
    body::<api::RedactAuthorRequest>,
    body::<api::LoginRequest>,
    body::<api::VerifyRequest>,
    body::<api::PasswordRequest>,
    body::<api::TotpCode>,
    body::<api::TotpRequirement>,
    body::<api::KickRequest>,
    body::<api::MassKickRequest>,
];

/// The body of a request of the control plane. The first byte selects the type.
pub fn bodies(data: &[u8]) {
    if let Some((&kind, json)) = data.split_first() {
        BODIES[usize::from(kind) % BODIES.len()](json);
    }
}
