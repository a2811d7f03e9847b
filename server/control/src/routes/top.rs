//! The activity of the server: the counters, and the busiest users and channels. `admin-cli top`
//! displays it every second.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use rookery_control_api::{BusyChannel, BusyUser, RefusedSignIn, Top, WaitingSendq};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::Auditor;
use crate::http::problem::Refusal;
use crate::plane::ControlPlane;
use rookery_base::metrics::METRICS;
use rookery_chat::request::{self, Busy};
use rookery_engine::probes::Activity;

/// The maximum number of entries of each kind.
const MAX_ENTRIES: usize = 20;

/// Returns the route of the activity.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default().routes(routes!(top))
}

/// Returns the current activity of the server
///
/// Counters start at zero with the server and only increase: the difference between two answers is
/// the rate. A repeated request is recorded in the audit trail once a minute.
#[utoipa::path(
    get, path = "/v1/top", tag = "status", security(("token" = [role_of(top)])),
    responses((
        status = 200, description = "The counters, and up to 20 of the busiest of each kind",
        body = Top,
    ))
)]
async fn top(operator: SignedIn<Auditor>) -> Result<Json<Top>, Refusal> {
    operator.allow_view(&operator.act("top", ""), "").await?;
    let probes = &operator.plane.control.probes;
    let Activity {
        connections,
        core_queue_events,
        commit_queue,
        busy,
    } = probes.activity(MAX_ENTRIES).await?;
    let Busy {
        users,
        guests,
        sessions,
        channels,
        busiest_channels,
        busiest_users,
        owners,
    } = busy;
    let largest_sendqs = commit_queue
        .largest_sendqs
        .iter()
        .filter_map(|(session, bytes)| {
            let owner = owners.iter().find(|owner| owner.session == *session)?;
            Some(WaitingSendq {
                nick: owner.nick.to_string(),
                account: owner.account.as_ref().map(ToString::to_string),
                session: session.0,
                address: owner.address.to_string(),
                bytes: *bytes,
            })
        });
    Ok(Json(Top {
        at: operator.now(),
        started_at: probes.started_at,
        role: operator.admin().role,
        users,
        guests,
        sessions,
        connections,
        channels,
        counters: METRICS.counters(),
        core_queue_events,
        commit_queue_batches: commit_queue.waiting_batches,
        busiest_channels: busiest_channels.into_iter().map(to_busy_channel).collect(),
        busiest_users: busiest_users.into_iter().map(to_busy_user).collect(),
        largest_sendqs: largest_sendqs.collect(),
        refused_sign_ins: refused_sign_ins(&operator.plane),
    }))
}

fn to_busy_channel(channel: request::BusyChannel) -> BusyChannel {
    let request::BusyChannel {
        name,
        members,
        messages,
    } = channel;
    BusyChannel {
        name: name.to_string(),
        members,
        messages,
    }
}

fn to_busy_user(user: request::BusyUser) -> BusyUser {
    let request::BusyUser {
        nick,
        account,
        address,
        sessions,
        messages,
    } = user;
    BusyUser {
        nick: nick.to_string(),
        account: account.map(|account| account.to_string()),
        address: address.map(|address| address.to_string()),
        sessions,
        messages,
    }
}

/// Returns the last refused sign-ins of both ports, newest first.
fn refused_sign_ins(plane: &ControlPlane) -> Vec<RefusedSignIn> {
    let mut refused = plane.control.accounts.refused.list();
    refused.extend(plane.trail.refused.list());
    refused.sort_by_key(|refused| Reverse(refused.at));
    refused.truncate(MAX_ENTRIES);
    refused
}
