//! The channels: lists them and their members, closes them and purges their history.

use std::sync::Arc;

use axum::Json;
use jiff::Timestamp;
use rookery_control_api::{
    ChannelEntry, ChannelList, ChannelMember, ChannelReply, CloseReply, CloseRequest, PurgeReply,
    PurgeRequest, count,
};
use rookery_protocol::ChannelName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::trail::Act;
use crate::auth::operator::{Operator, SignedIn, role_of};
use crate::auth::permission::{Auditor, Moderator};
use crate::http::extract::{self, JsonBody, PathParams, QueryParams};
use crate::http::pages::{ChannelPageOptions, NamePageOptions, PageOptions};
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_chat::request::{
    Announce, Audience, ChannelView, CloseChannel, FindChannel, ListChannels,
};
use rookery_store::{Durability, Store};

/// The maximum number of history entries that one transaction removes.
const PURGE_BATCH: usize = 500;

/// Returns the routes of the channels.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(close))
        .routes(routes!(purge))
}

/// Lists the channels
#[utoipa::path(
    get, path = "/v1/channels", tag = "channels", params(ChannelPageOptions),
    security(("token" = [role_of(list)])),
    responses((status = 200, description = "One page of the channels, by name", body = ChannelList))
)]
async fn list(
    operator: SignedIn<Auditor>,
    query: Result<QueryParams<ChannelPageOptions>, Refusal>,
) -> Result<Json<ChannelList>, Refusal> {
    let mut act = operator.act("channels", "");
    let page = operator
        .audited(&mut act, async |_| PageOptions::from(query?.0).page())
        .await?;
    operator.allow_view(&act, "").await?;
    let channels = operator.plane.request(ListChannels).await?;
    let (channels, next) = page.cut(channels, |channel| channel.name.clone());
    Ok(Json(ChannelList {
        channels: channels.iter().map(to_entry).collect(),
        next: next.map(|name| name.to_string()),
    }))
}

/// Returns a channel with its members
#[utoipa::path(
    get, path = "/v1/channels/{name}", tag = "channels", security(("token" = [role_of(show)])),
    params(NamePageOptions, ("name" = String, Path, description = "The channel's name, with its #")),
    responses(
        (status = 200, description = "The channel and a page of its members", body = ChannelReply),
        response::NoSuchChannel,
    )
)]
async fn show(
    operator: SignedIn<Auditor>,
    name: Result<PathParams<String>, Refusal>,
    query: Result<QueryParams<NamePageOptions>, Refusal>,
) -> Result<Json<ChannelReply>, Refusal> {
    let mut act = operator.act("channel", "");
    let (channel, page) = operator
        .audited(&mut act, async |act| {
            let PathParams(name) = name?;
            act.target.clone_from(&name);
            let QueryParams(options) = query?;
            Ok((
                existing(&operator, &name).await?,
                PageOptions::from(options).page()?,
            ))
        })
        .await?;
    operator.allow_view(&act, "").await?;
    let (members, next) = page.cut(&channel.members, |member| member.nick.clone());
    let members = members.into_iter().map(|member| ChannelMember {
        nick: member.nick.to_string(),
        operator: member.operator,
        voice: member.voice,
    });
    Ok(Json(ChannelReply {
        channel: to_entry(&channel),
        members: members.collect(),
        next: next.map(|nick| nick.to_string()),
    }))
}

/// Closes a channel
///
/// All members are kicked from it with the reason, and its topic and modes are removed. A
/// persistent channel loses its founder. A user who joins it later creates it again.
#[utoipa::path(
    post, path = "/v1/channels/{name}/close", tag = "channels",
    security(("token" = [role_of(close)])),
    params(("name" = String, Path, description = "The channel's name, with its #")),
    request_body = CloseRequest,
    responses(
        (status = 200, description = "The members who were kicked", body = CloseReply),
        response::NoSuchChannel,
    )
)]
async fn close(
    operator: SignedIn<Moderator>,
    name: Result<PathParams<String>, Refusal>,
    body: Result<JsonBody<CloseRequest>, Refusal>,
) -> Result<Json<CloseReply>, Refusal> {
    let mut act = operator.act("close-channel", "");
    let (name, reason) = operator
        .audited(&mut act, async |act| {
            let PathParams(name) = name?;
            act.target.clone_from(&name);
            let JsonBody(request) = body?;
            let reason = extract::reason(request.reason.as_deref())?;
            Ok((existing(&operator, &name).await?.name, reason))
        })
        .await?;
    operator.allow(&act, reason.as_str()).await?;
    let request = CloseChannel {
        name: name.clone(),
        reason,
    };
    let closed = operator.plane.request(request).await?;
    Ok(Json(CloseReply {
        channel: name.to_string(),
        members: closed.members.iter().map(ToString::to_string).collect(),
    }))
}

/// Purges the history of a channel
///
/// The entries are removed from the database and cannot be recovered. The channel and its members
/// stay as they are.
#[utoipa::path(
    post, path = "/v1/channels/{name}/purge", tag = "channels",
    security(("token" = [role_of(purge)])),
    params(("name" = String, Path, description = "The channel's name, with its #")),
    request_body = PurgeRequest,
    responses(
        (status = 200, description = "The number of removed entries", body = PurgeReply),
        response::NoSuchChannel,
    )
)]
async fn purge(
    operator: SignedIn<Moderator>,
    name: Result<PathParams<String>, Refusal>,
    body: Result<JsonBody<PurgeRequest>, Refusal>,
) -> Result<Json<PurgeReply>, Refusal> {
    let mut act = operator.act("purge-channel", "");
    let (channel, before, reason) = operator
        .audited(&mut act, async |act| {
            let PathParams(name) = name?;
            act.target.clone_from(&name);
            let JsonBody(request) = body?;
            let reason = extract::reason(request.reason.as_deref())?;
            let none = || {
                let detail = format!("The channel {name} has no history.");
                Kind::NoSuchChannel.with_detail(detail)
            };
            let channel = ChannelName::parse(&name).map_err(|_| none())?;
            let searched = channel.clone();
            if !operator
                .read(move |store| store.has_history(&searched))
                .await?
            {
                return Err(none());
            }
            Ok((channel, request.before, reason))
        })
        .await?;
    let extent = before.map_or_else(|| "all".to_owned(), |before| format!("before {before:.0}"));
    // The times of entries may be later than now, after a burst or a change of the clock.
    let before = before.unwrap_or(Timestamp::MAX);
    operator.allow(&act, format!("{extent}: {reason}")).await?;
    let entries = remove_history(&operator, &act, &channel, before).await?;
    let text = format!("An operator of the server has removed this channel's history: {reason}");
    operator
        .plane
        .request(Announce {
            to: Audience::Channel(channel.clone()),
            text,
        })
        .await?;
    Ok(Json(PurgeReply {
        channel: channel.to_string(),
        entries,
    }))
}

/// Removes the entries before a time that exist now, in small transactions, so that messages can be
/// stored in between. Returns the number of entries. If the admin has changed in the meantime, the
/// rest is refused.
async fn remove_history(
    operator: &Operator,
    act: &Act,
    channel: &ChannelName,
    before: Timestamp,
) -> Result<usize, Refusal> {
    let newest = operator.read(Store::newest_entry).await?;
    let mut entries = 0;
    loop {
        let channel = channel.clone();
        let database = &operator.plane.control.database;
        let (act, authority) = (act.clone(), operator.authority());
        let so_far = format!("Removed {}", count(entries, "entry", "entries"));
        let removed = database.write(Durability::Record, move |store| {
            Ok(match authority.check_step(store, &act, &so_far)? {
                Ok(()) => Ok(store.purge_history(&channel, before, newest, PURGE_BATCH)?),
                Err(refusal) => Err(refusal),
            })
        });
        let removed = removed.await.map_err(|error| {
            tracing::error!(%error, "cannot remove a channel's history");
            Kind::StoreUnavailable.with_detail(format!(
                "Removed {} before the database failed; see the server's log.",
                count(entries, "entry", "entries")
            ))
        })??;
        entries += removed;
        if removed < PURGE_BATCH {
            return Ok(entries);
        }
    }
}

async fn existing(operator: &Operator, name: &str) -> Result<ChannelView, Refusal> {
    let none = || {
        let detail = format!("There is no channel {name}; `admin-cli channels` lists them.");
        Kind::NoSuchChannel.with_detail(detail)
    };
    let parsed = ChannelName::parse(name).map_err(|_| none())?;
    let found = operator.plane.request(FindChannel(parsed)).await?;
    found.ok_or_else(none)
}

fn to_entry(channel: &ChannelView) -> ChannelEntry {
    ChannelEntry {
        name: channel.name.to_string(),
        members: channel.members.len(),
        founder: channel.founder.as_ref().map(ToString::to_string),
        topic: channel.topic.clone(),
        modes: channel.modes.clone(),
        created_at: channel.created_at,
    }
}
