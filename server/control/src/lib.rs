//! The control plane: an HTTP API on a port of its own, for the operators of the server.
//!
//! # What it owns
//! - the control port: its listener, its TLS, its limits (`http`);
//! - the admins' sign-in and everything that grants access (`auth`);
//! - the audit trail (`audit`): every act is recorded before it takes effect;
//! - one module per resource, with its routes (`routes`). The OpenAPI document is generated from
//!   them (`openapi`).
//!
//! # What it must not do
//! It changes no chat state itself: it sends requests to the core ([`handle`]), after it has
//! written to the database if the change is persistent. Nothing on the chat port reaches this
//! crate, and no credential of the chat is valid here.
//!
//! # What it may depend on
//! Everything below it: the engine's handles, the accounts, and the crates under those. Only
//! `rookeryd` depends on it.
//!
//! # A request
//! The listener adds the origin and the time to each request. The extractor
//! `auth::operator::SignedIn` authenticates it and checks the role. The handler then checks the
//! parameters (`Operator::audited` records a refusal), records the act, and only then performs it.
//! A refused request is answered with a problem document (`http::problem`).

mod audit;
mod auth;
mod fair_limit;
pub mod handle;
mod health;
mod http;
mod import_turns;
mod openapi;
mod plane;
mod requests_in_progress;
mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;

pub use audit::head_key;
pub use auth::password as admin_password;
pub use plane::{Control, ControlConfig, ReloadRequest};

use plane::ControlPlane;

/// How often the counts of refused requests are written to the audit trail.
const COUNT_INTERVAL: Duration = Duration::from_secs(10);

/// Serves the control plane on a listener until the future is dropped.
pub async fn serve(control: Control, listener: TcpListener) {
    let plane = Arc::new(ControlPlane::new(control));
    tokio::join!(
        http::listener::run(Arc::clone(&plane), listener),
        housekeeping(&plane)
    );
}

/// Does what no request causes, until the future is dropped.
async fn housekeeping(plane: &ControlPlane) {
    let record_counts = async {
        let mut ticks = tokio::time::interval(COUNT_INTERVAL);
        loop {
            ticks.tick().await;
            plane.trail.record_counts(Timestamp::now()).await;
        }
    };
    tokio::join!(
        plane.keep_places_for_known_networks(),
        record_counts,
        http::idempotency::forget_old_answers(&plane.answers),
        audit::chain_mail::run(plane)
    );
}
