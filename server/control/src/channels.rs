//! The channels: which there are, who is in them, and how to close one.

use axum::Json;
use jiff::Timestamp;
use rookery_control_api::{
    ChannelEntry, ChannelList, ChannelMember, ChannelReply, CloseReply, CloseRequest, Problem,
    PurgeReply, PurgeRequest,
};
use rookery_protocol::ChannelName;

use super::extract::{self, Body, Options, Segment};
use super::pages::PageOptions;
use super::permission::{Auditor, Moderator, Signed};
use super::problem::{Kind, Refusal};
use super::sessions::Operator;
use super::unexpected;
use rookery_chat::event::{Act, Answer, Audience, ChannelView};
use rookery_store::Durability;

/// The entries that go in one transaction.
const PURGED_AT_ONCE: usize = 500;

/// Which channels there are
#[utoipa::path(
    get, path = "/v1/channels", tag = "channels", params(PageOptions), security(("token" = ["auditor"])),
    responses((status = 200, description = "One page of the channels, by name", body = ChannelList))
)]
pub async fn list(
    operator: Signed<Auditor>,
    options: Result<Options<PageOptions>, Refusal>,
) -> Result<Json<ChannelList>, Refusal> {
    let step = operator.step("channels", "");
    let page = match options.and_then(|Options(options)| options.page()) {
        Ok(page) => page,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    let channels = find(&operator, Act::ListChannels).await?;
    let (channels, next) = page.cut(channels, |channel| channel.name.clone());
    let next = next.map(|name| name.to_string());
    Ok(Json(ChannelList {
        channels: channels.iter().map(to_entry).collect(),
        next,
    }))
}

/// Who is in a channel
#[utoipa::path(
    get, path = "/v1/channels/{name}", tag = "channels", security(("token" = ["auditor"])),
    params(PageOptions, ("name" = String, Path, description = "The channel's name, with its #")),
    responses(
        (status = 200, description = "The channel and one page of its members", body = ChannelReply),
        (status = 404, description = "There is no channel of that name", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn show(
    operator: Signed<Auditor>,
    name: Result<Segment<String>, Refusal>,
    options: Result<Options<PageOptions>, Refusal>,
) -> Result<Json<ChannelReply>, Refusal> {
    let mut step = operator.step("channel", "");
    let asked = async {
        let Segment(name) = name?;
        step.target.clone_from(&name);
        let Options(options) = options?;
        Ok((existing(&operator, &name).await?, options.page()?))
    };
    let (channel, page) = match asked.await {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    let (members, next) = page.cut(&channel.members, |member| member.nick.clone());
    let members = members.into_iter().map(|member| ChannelMember {
        nick: member.nick.to_string(),
        operator: member.operator,
        voice: member.voice,
    });
    let (members, next) = (members.collect(), next.map(|nick| nick.to_string()));
    Ok(Json(ChannelReply {
        channel: to_entry(&channel),
        members,
        next,
    }))
}

/// Closes a channel
///
/// Everyone is kicked out of it with the reason, and its topic and modes are gone, also if it is
/// one that lasts: its founder owns it no more. Whoever joins it again makes it anew.
#[utoipa::path(
    post, path = "/v1/channels/{name}/close", tag = "channels", security(("token" = ["moderator"])),
    params(("name" = String, Path, description = "The channel's name, with its #")), request_body = CloseRequest,
    responses(
        (status = 200, description = "The channel is gone", body = CloseReply),
        (status = 404, description = "There is no channel of that name", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn close(
    operator: Signed<Moderator>,
    name: Result<Segment<String>, Refusal>,
    body: Result<Body<CloseRequest>, Refusal>,
) -> Result<Json<CloseReply>, Refusal> {
    let mut step = operator.step("close-channel", "");
    if let Ok(Segment(name)) = &name {
        step.target.clone_from(name);
    }
    let asked = async {
        let (Segment(name), Body(request)) = (name?, body?);
        let reason = extract::reason(request.reason.as_deref())?;
        Ok((existing(&operator, &name).await?.name, reason))
    };
    let (name, reason) = match asked.await {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, reason.as_str()).await?;
    match operator
        .plane
        .act(Act::CloseChannel {
            name: name.clone(),
            reason,
        })
        .await?
    {
        Answer::Emptied { members } => Ok(Json(CloseReply {
            channel: name.to_string(),
            members: members.iter().map(ToString::to_string).collect(),
        })),
        other => Err(unexpected(&other)),
    }
}

/// Removes what was said and done in a channel
///
/// From the history and from the disk; nothing of it can be read back. The channel and its members
/// stay as they are.
#[utoipa::path(
    post, path = "/v1/channels/{name}/purge", tag = "channels", security(("token" = ["moderator"])),
    params(("name" = String, Path, description = "The channel's name, with its #")), request_body = PurgeRequest,
    responses(
        (status = 200, description = "It is gone", body = PurgeReply),
        (status = 404, description = "There is no channel of that name, and there was none", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn purge(
    operator: Signed<Moderator>,
    name: Result<Segment<String>, Refusal>,
    body: Result<Body<PurgeRequest>, Refusal>,
) -> Result<Json<PurgeReply>, Refusal> {
    let mut step = operator.step("purge-channel", "");
    if let Ok(Segment(name)) = &name {
        step.target.clone_from(name);
    }
    let asked = async {
        let (Segment(name), Body(request)) = (name?, body?);
        let reason = extract::reason(request.reason.as_deref())?;
        let none = || {
            Kind::NoSuchChannel.with_detail(format!("Nothing was ever said in a channel {name}."))
        };
        let channel = ChannelName::parse(&name).map_err(|_| none())?;
        let looked_for = channel.clone();
        if !operator
            .read(move |store| store.has_history(&looked_for))
            .await?
        {
            return Err(none());
        }
        Ok((channel, request.before, reason))
    };
    let (channel, before, reason) = match asked.await {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let what = before.map_or_else(|| "all".to_owned(), |before| format!("before {before:.0}"));
    let before = before.map_or(operator.now(), |before| before.min(operator.now()));
    operator.allow(&step, format!("{what}: {reason}")).await?;
    let entries = remove_history(&operator, &channel, before).await?;
    let text = format!("An operator of the server has removed this channel's history: {reason}");
    operator
        .plane
        .act(Act::Announce {
            to: Audience::Channel(channel.clone()),
            text,
        })
        .await?;
    Ok(Json(PurgeReply {
        channel: channel.to_string(),
        entries,
    }))
}

/// A few at a time, for the chat to go on between two.
async fn remove_history(
    operator: &Operator,
    channel: &ChannelName,
    before: Timestamp,
) -> Result<usize, Refusal> {
    let mut entries = 0;
    loop {
        let channel = channel.clone();
        let database = &operator.plane.control.database;
        let gone = database.write(Durability::Record, move |store| {
            store.purge_history(&channel, before, PURGED_AT_ONCE)
        });
        let gone = gone.await.map_err(|error| {
            tracing::error!(%error, "a channel's history could not be removed");
            Kind::StoreUnavailable.with_detail(format!(
                "{entries} entries are gone, and then the record could not be written. The server's log says why."
            ))
        })?;
        entries += gone;
        if gone < PURGED_AT_ONCE {
            return Ok(entries);
        }
    }
}

async fn existing(operator: &Operator, name: &str) -> Result<ChannelView, Refusal> {
    let none = || Kind::NoSuchChannel.with_detail(format!("There is no channel {name}."));
    let parsed = ChannelName::parse(name).map_err(|_| none())?;
    find(operator, Act::FindChannel(parsed))
        .await?
        .pop()
        .ok_or_else(none)
}

async fn find(operator: &Operator, act: Act) -> Result<Vec<ChannelView>, Refusal> {
    match operator.plane.act(act).await? {
        Answer::Channels(channels) => Ok(channels),
        other => Err(unexpected(&other)),
    }
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
