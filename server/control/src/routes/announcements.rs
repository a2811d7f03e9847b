//! Announcements: notices from the server to all users, to a channel or to an account.

use std::sync::Arc;

use axum::Json;
use rookery_control_api::{AnnouncementReply, AnnouncementRequest, MAX_ANNOUNCEMENT, ServerEvent};
use rookery_protocol::{AccountName, ChannelName};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::Moderator;
use crate::http::extract::JsonBody;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_chat::request::{Announce, Announced, Audience};

/// Returns the route of the announcements.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default().routes(routes!(announce))
}

/// Sends an announcement to all users, to a channel or to an account
///
/// It is sent as a notice from the server and is not stored: users who are offline do not receive
/// it.
#[utoipa::path(
    post, path = "/v1/announcements", tag = "announcements",
    security(("token" = [role_of(announce)])),
    request_body = AnnouncementRequest,
    responses(
        (status = 200, description = "The number of sessions it was sent to",
            body = AnnouncementReply),
        response::NoSuchChannel, response::NotOnline,
    )
)]
async fn announce(
    operator: SignedIn<Moderator>,
    body: Result<JsonBody<AnnouncementRequest>, Refusal>,
) -> Result<Json<AnnouncementReply>, Refusal> {
    let mut act = operator.act("announce", "");
    let (to, text) = operator
        .audited(&mut act, async |act| {
            let JsonBody(request) = body?;
            let target = request.channel.as_ref().or(request.account.as_ref());
            act.target = target.cloned().unwrap_or_default();
            Ok((audience(&request)?, one_line(&request.text)?))
        })
        .await?;
    operator.allow(&act, text.as_str()).await?;
    match operator
        .plane
        .request(Announce {
            to: to.clone(),
            text,
        })
        .await?
    {
        Announced::Sent { sessions } => {
            let to = match to {
                Audience::All => None,
                Audience::Channel(name) => Some(name.to_string()),
                Audience::Account(name) => Some(name.to_string()),
            };
            let by = operator.name().to_owned();
            operator
                .plane
                .control
                .events
                .publish_now(ServerEvent::Announced { by, to, sessions });
            Ok(Json(AnnouncementReply { sessions }))
        }
        Announced::NoRecipient => Err(operator.refuse(&act, no_recipient(&to)).await),
    }
}

fn no_recipient(to: &Audience) -> Refusal {
    match to {
        Audience::Channel(name) => Kind::NoSuchChannel
            .with_detail(format!("There is no channel {name}, or nobody is in it.")),
        Audience::Account(name) => {
            Kind::NotOnline.with_detail(format!("Nobody online is signed in to {name}."))
        }
        Audience::All => Kind::NotOnline.with_detail("No user is online."),
    }
}

fn audience(request: &AnnouncementRequest) -> Result<Audience, Refusal> {
    match (&request.channel, &request.account) {
        (None, None) => Ok(Audience::All),
        (Some(channel), None) => ChannelName::parse(channel)
            .map(Audience::Channel)
            .map_err(|error| Kind::Invalid.with_detail(format!("`channel`: {error}."))),
        (None, Some(account)) => AccountName::parse(account)
            .map(Audience::Account)
            .map_err(|error| Kind::Invalid.with_detail(format!("`account`: {error}."))),
        (Some(_), Some(_)) => {
            Err(Kind::Invalid.with_detail("Send `channel` or `account`, not both."))
        }
    }
}

/// Checks the text of an announcement, which becomes one IRC line.
fn one_line(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Kind::Invalid.with_detail("The announcement is empty."));
    }
    if text.len() > MAX_ANNOUNCEMENT {
        return Err(Kind::Invalid.with_detail(format!(
            "An announcement may have up to {MAX_ANNOUNCEMENT} bytes."
        )));
    }
    if text.contains(char::is_control) {
        return Err(Kind::Invalid
            .with_detail("An announcement is a single line without control characters."));
    }
    Ok(text.to_owned())
}
