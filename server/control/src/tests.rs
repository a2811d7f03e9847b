//! Tests of the control plane as a whole: the real router with a real store, core and mail folder.
//!
//! [`TestPlane`] is set up in `test_plane`; `requests` has its client, and `chat_users` the users
//! on the other port. Every other module tests one part of the API.
#![allow(clippy::unwrap_used)]

mod accounts;
mod acts;
mod admins;
mod announcements;
mod audit_reading;
mod bans;
mod channels;
mod chat_users;
mod commit_order;
mod csv;
mod events;
mod factors;
mod guessing;
mod idempotency;
mod invitations;
mod kicks;
mod listener;
mod maintenance;
mod messages;
mod own_sessions;
mod pages;
mod problems;
mod registrations;
mod requests;
mod roles;
mod signing_in;
mod simulation;
mod test_plane;
mod top;
mod users;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use jiff::{SignedDuration, Timestamp};
use rookery_control_api::Role;
use rookery_protocol::{AccountName, Capabilities, Email};
use serde_json::{Value, json};

use crate::http::extract::RequestOrigin;
use chat_users::{candidate, identity};
use requests::Reply;
use rookery_accounts::password;
use rookery_base::metrics::METRICS;
use rookery_chat::event::{Candidate, Identity, SessionId};
use rookery_chat::request::{Admission, ListChannels};
use rookery_engine::sendq::Sendq;
use rookery_record::{AccountId, NewAudit, Outcome};
use rookery_store::Durability;
use test_plane::TestPlane;

/// The password of every admin.
const PASSWORD: &str = "correct horse battery staple";

/// Waits until `check` returns a value; fails after twenty seconds.
async fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "timed out waiting for {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns a code that is not `code`.
fn another(code: &str) -> &'static str {
    if code == "123456" { "654321" } else { "123456" }
}
