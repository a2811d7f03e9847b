//! How busy the server is, and who and what it comes from: what `admin-cli top` shows, moment by
//! moment.

use std::cmp::Reverse;

use axum::Json;
use rookery_control_api::{BusyChannel, BusyUser, RefusedSignIn, Top, WaitingSendq};

use super::Plane;
use super::permission::{Auditor, Signed};
use super::problem::Refusal;
use rookery_base::metrics::METRICS;
use rookery_chat::views;
use rookery_chat::views::Busy;
use rookery_engine::probes::Activity;

/// The most of each kind that are told.
const MOST: usize = 20;

/// How busy the server is now
///
/// Counters go up only, from zero at the server's start: what they gain between two answers is how
/// fast things go. For whoever asks every second; that is entered in the trail once a minute.
#[utoipa::path(
    get, path = "/v1/top", tag = "status", security(("token" = ["auditor"])),
    responses((status = 200, description = "The counters, and up to 20 each of those who are busiest", body = Top))
)]
pub async fn top(operator: Signed<Auditor>) -> Result<Json<Top>, Refusal> {
    operator.look(&operator.step("top", "")).await?;
    let probes = &operator.plane.control.probes;
    let Activity {
        connections,
        core_queue_events,
        journal,
        busy,
    } = probes.activity(MOST).await?;
    let Busy {
        users,
        guests,
        sessions,
        channels,
        busiest_channels,
        busiest_users,
        owners,
    } = busy;
    let largest_sendqs = journal
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
        commit_queue_batches: journal.waiting_batches,
        busiest_channels: busiest_channels.into_iter().map(to_busy_channel).collect(),
        busiest_users: busiest_users.into_iter().map(to_busy_user).collect(),
        largest_sendqs: largest_sendqs.collect(),
        refused_sign_ins: refused_sign_ins(&operator.plane),
    }))
}

fn to_busy_channel(channel: views::BusyChannel) -> BusyChannel {
    let views::BusyChannel {
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

fn to_busy_user(user: views::BusyUser) -> BusyUser {
    let views::BusyUser {
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

/// Of both ports, the newest first.
fn refused_sign_ins(plane: &Plane) -> Vec<RefusedSignIn> {
    let mut refused = plane.control.accounts.refused.last();
    refused.extend(plane.trail.refused.last());
    refused.sort_by_key(|refused| Reverse(refused.at));
    refused.truncate(MOST);
    refused
}
