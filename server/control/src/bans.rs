//! Who is refused: the list of bans, and how to add to it and take from it.

use std::cmp::Reverse;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use rookery_control_api::{
    BanEntry, BanList, BanPreview, BanReply, BanRequest, Problem, UnbanReply, parse_duration,
};

use super::audit;
use super::extract::{self, Body, Options, Segment};
use super::pages::PageOptions;
use super::permission::{Auditor, Moderator, Signed};
use super::problem::{Kind, Refusal};
use super::sessions::Operator;
use super::{Plane, kicks, targets, unexpected};
use rookery_chat::event::{Act, Answer};
use rookery_record::{Account, Ban, BanId, BanTarget, NewBan, Outcome, covers_account};
use rookery_store::Durability;

/// The bans that hold
#[utoipa::path(
    get, path = "/v1/bans", tag = "bans", params(PageOptions), security(("token" = ["auditor"])),
    responses((status = 200, description = "One page of the bans, newest first", body = BanList))
)]
pub async fn list(
    operator: Signed<Auditor>,
    options: Result<Options<PageOptions>, Refusal>,
) -> Result<Json<BanList>, Refusal> {
    let step = operator.step("bans", "");
    let page = match options.and_then(|Options(options)| options.page::<i64>()) {
        Ok(page) => page.reversed(),
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    let now = operator.now();
    let mut bans = operator.read(move |store| store.bans(now)).await?;
    bans.sort_by_key(|ban| Reverse(ban.id));
    let (bans, next) = page.cut(bans, |ban| Reverse(ban.id.0));
    Ok(Json(BanList {
        bans: bans.into_iter().map(to_entry).collect(),
        next: next.map(|Reverse(id)| id),
    }))
}

/// Bans an account, an email, a pattern of emails, an IP address or a network
///
/// The ban is on disk, and every session it covers is gone, when the answer comes. A ban of the
/// same target is replaced. With `dry_run`, nothing is done: the answer tells who would be hit now.
#[utoipa::path(
    post, path = "/v1/bans", tag = "bans", security(("token" = ["moderator"])), request_body = BanRequest,
    responses(
        (status = 201, description = "The ban holds", body = BanReply),
        (status = 200, description = "Who would be hit now; nothing was done", body = BanPreview),
        (status = 409, description = "It covers the world, or the admin who asks: send it again with `confirm`",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn add(
    operator: Signed<Moderator>,
    body: Result<Body<BanRequest>, Refusal>,
) -> Result<Response, Refusal> {
    let mut step = operator.step("ban", "");
    let asked = async {
        let Body(request) = body?;
        step.target.clone_from(&request.target);
        let ban = read_ban(&operator, &request)?;
        if !request.dry_run && !request.confirm {
            targets::ask_twice(&operator, &ban.target, "ban").await?;
        }
        Ok((ban, request.dry_run))
    };
    let (ban, dry_run) = match asked.await {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    if dry_run {
        operator.allow(&step, "dry run").await?;
        return Ok(Json(preview(&operator, ban.target).await?).into_response());
    }

    let until = ban
        .expires_at
        .map_or("for ever".to_owned(), |end| format!("until {end:.0}"));
    let entry = step.entry(Outcome::Allowed, format!("{until}: {}", ban.reason));
    let database = &operator.plane.control.database;
    let written = database.write(Durability::Record, move |store| {
        store.append_audit(&entry)?;
        store.add_ban(&ban)
    });
    let commit = async { written.await.map_err(|error| audit::unavailable(&error)) };
    let acts = |ban: &Ban| vec![Act::AddBan(ban.clone())];
    let (ban, answers) = operator
        .plane
        .control
        .core
        .commit_and_act(commit, acts)
        .await?;
    let ended = match &answers[..] {
        [Answer::Ended { users, sessions }] => kicks::ended(users, *sessions),
        other => return Err(unexpected(&other)),
    };
    write_window(&operator.plane, operator.now()).await;
    Ok((
        StatusCode::CREATED,
        Json(BanReply {
            ban: to_entry(ban),
            ended,
        }),
    )
        .into_response())
}

/// Whom a ban of that target would hit now.
async fn preview(operator: &Operator, target: BanTarget) -> Result<BanPreview, Refusal> {
    let users = targets::covered(operator, &target).await?;
    let aliases = operator.plane.control.config.get().accounts.email_aliases();
    let text = target.to_string();
    let accounts = operator.read(move |store| {
        let covered = |account: &Account| {
            covers_account(&target, &aliases, &account.name, account.email.as_ref())
        };
        Ok(store
            .accounts()?
            .iter()
            .filter(|account| covered(account))
            .count())
    });
    let accounts = accounts.await?;
    Ok(BanPreview {
        target: text,
        users,
        accounts,
    })
}

/// Takes a ban back
#[utoipa::path(
    delete, path = "/v1/bans/{id}", tag = "bans", security(("token" = ["moderator"])),
    params(("id" = i64, Path, description = "The ban's number")),
    responses(
        (status = 200, description = "The ban holds no more", body = UnbanReply),
        (status = 404, description = "There is no ban of that number", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn remove(
    operator: Signed<Moderator>,
    id: Result<Segment<i64>, Refusal>,
) -> Result<Json<UnbanReply>, Refusal> {
    let mut step = operator.step("unban", "");
    let id = match id {
        Ok(Segment(id)) => BanId(id),
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };

    // Whom the ban is about is known only once it is taken out; the entry and the taking out are
    // one transaction.
    step.target = format!("ban {}", id.0);
    let refusal = Kind::NoSuchBan.with_detail(format!(
        "There is no ban {}. The list has those that hold.",
        id.0
    ));
    let why = refusal.detail.clone();
    let database = &operator.plane.control.database;
    let written = database.write(Durability::Record, move |store| {
        let removed = store.remove_ban(id)?;
        let entry = match &removed {
            Some(ban) => {
                step.target = ban.target.to_string();
                step.entry(
                    Outcome::Allowed,
                    format!("ban {}, by {}: {}", id.0, ban.by, ban.reason),
                )
            }
            None => step.entry(Outcome::Refused, why),
        };
        store.append_audit(&entry)?;
        Ok(removed)
    });
    let commit = async {
        written
            .await
            .map_err(|error| audit::unavailable(&error))?
            .ok_or(refusal)
    };
    let acts = |ban: &Ban| vec![Act::RemoveBan(ban.id)];
    let (ban, _) = operator
        .plane
        .control
        .core
        .commit_and_act(commit, acts)
        .await?;
    write_window(&operator.plane, operator.now()).await;
    Ok(Json(UnbanReply { ban: to_entry(ban) }))
}

fn read_ban(operator: &Operator, request: &BanRequest) -> Result<NewBan, Refusal> {
    let now = operator.now();
    let target = targets::parse(&request.target)?;
    let expires_at = match (request.expires_at, request.duration.as_deref()) {
        (Some(_), Some(_)) => {
            return Err(Kind::Invalid.with_detail("Give `expires_at` or `duration`, not both."));
        }
        (None, None) => None,
        (None, Some(duration)) => {
            let duration = parse_duration(duration)
                .map_err(|error| Kind::Invalid.with_detail(format!("`duration`: {error}.")))?;
            Some(now + duration)
        }
        (Some(end), None) if end <= now => {
            return Err(Kind::Invalid.with_detail("`expires_at` is past already."));
        }
        (Some(end), None) => Some(end),
    };
    let reason = extract::reason(request.reason.as_deref())?;
    Ok(NewBan {
        target,
        reason,
        by: operator.name().to_owned(),
        created_at: now,
        expires_at,
    })
}

/// The record has the ban; a window that cannot be written is for the log.
pub async fn write_window(plane: &Plane, now: Timestamp) {
    if let Err(error) = plane.control.windows.write_bans(now).await {
        tracing::error!(%error, "bans.csv could not be written; the bans themselves stand");
    }
}

/// As the control plane shows it.
pub fn to_entry(ban: Ban) -> BanEntry {
    BanEntry {
        id: ban.id.0,
        target: ban.target.to_string(),
        reason: ban.reason,
        by: ban.by,
        created_at: ban.created_at,
        expires_at: ban.expires_at,
    }
}
