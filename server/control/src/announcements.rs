//! Notices of the server to everyone, to a channel, to an account.

use axum::Json;
use rookery_control_api::{
    AnnouncementReply, AnnouncementRequest, MAX_ANNOUNCEMENT, Problem, ServerEvent,
};
use rookery_protocol::{AccountName, ChannelName};

use super::extract::Body;
use super::permission::{Moderator, Signed};
use super::problem::{Kind, Refusal};
use rookery_chat::request::{Announce, Announced, Audience};

/// Tells everyone something, or all in a channel, or one account
///
/// It comes as a notice of the server, and is not kept: who is not online does not hear it.
#[utoipa::path(
    post, path = "/v1/announcements", tag = "announcements", security(("token" = ["moderator"])),
    request_body = AnnouncementRequest,
    responses(
        (status = 200, description = "It is on its way", body = AnnouncementReply),
        (status = 404, description = "There is no such channel, or nobody of that account is online",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn announce(
    operator: Signed<Moderator>,
    body: Result<Body<AnnouncementRequest>, Refusal>,
) -> Result<Json<AnnouncementReply>, Refusal> {
    let mut step = operator.step("announce", "");
    let asked = body.and_then(|Body(request)| {
        step.target = request
            .channel
            .clone()
            .or(request.account.clone())
            .unwrap_or_default();
        Ok((audience(&request)?, line(&request.text)?))
    });
    let (to, text) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, text.as_str()).await?;
    match operator
        .plane
        .ask(Announce {
            to: to.clone(),
            text,
        })
        .await?
    {
        Announced::Sent { sessions } => {
            let to = Some(step.target).filter(|to| !to.is_empty());
            let by = operator.name().to_owned();
            operator
                .plane
                .control
                .events
                .publish_now(ServerEvent::Announced { by, to, sessions });
            Ok(Json(AnnouncementReply { sessions }))
        }
        Announced::NoRecipient => Err(operator.refuse(&step, nobody(&to)).await),
    }
}

fn nobody(to: &Audience) -> Refusal {
    match to {
        Audience::Channel(name) => {
            Kind::NoSuchChannel.because(format!("There is no channel {name} with anyone in it."))
        }
        Audience::Account(name) => Kind::NotOnline.because(format!("Nobody is online as {name}.")),
        Audience::All => Kind::NotOnline.because("Nobody is online."),
    }
}

fn audience(request: &AnnouncementRequest) -> Result<Audience, Refusal> {
    match (&request.channel, &request.account) {
        (None, None) => Ok(Audience::All),
        (Some(channel), None) => ChannelName::parse(channel)
            .map(Audience::Channel)
            .map_err(|error| Kind::Invalid.because(format!("`channel`: {error}."))),
        (None, Some(account)) => AccountName::parse(account)
            .map(Audience::Account)
            .map_err(|error| Kind::Invalid.because(format!("`account`: {error}."))),
        (Some(_), Some(_)) => Err(Kind::Invalid.because("Give `channel` or `account`, not both.")),
    }
}

/// The text of an announcement: it becomes one IRC line.
fn line(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Kind::Invalid.because("There is nothing to announce."));
    }
    if text.len() > MAX_ANNOUNCEMENT {
        return Err(Kind::Invalid.because(format!(
            "An announcement may have up to {MAX_ANNOUNCEMENT} bytes."
        )));
    }
    if text.contains(char::is_control) {
        return Err(
            Kind::Invalid.because("An announcement is one line, without control characters.")
        );
    }
    Ok(text.to_owned())
}
