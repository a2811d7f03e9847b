//! The bans: lists, adds and removes them.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use rookery_control_api::{
    BanEntry, BanList, BanPreview, BanReply, BanRequest, UnbanReply, parse_duration,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{kicks, targets};
use crate::auth::operator::{Operator, SignedIn, role_of};
use crate::auth::permission::{Auditor, Moderator};
use crate::http::extract::{self, JsonBody, PathParams, QueryParams};
use crate::http::pages::NumberPageOptions;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_chat::request::{AddBans, RemoveBan};
use rookery_record::{Account, Ban, BanId, BanTarget, NewBan, covers_account, other_domains};

/// Returns the routes of the bans.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(list, add))
        .routes(routes!(remove))
}

/// Lists the bans in force
#[utoipa::path(
    get, path = "/v1/bans", tag = "bans", params(NumberPageOptions),
    security(("token" = [role_of(list)])),
    responses((status = 200, description = "One page of the bans, newest first", body = BanList))
)]
async fn list(
    operator: SignedIn<Auditor>,
    query: Result<QueryParams<NumberPageOptions>, Refusal>,
) -> Result<Json<BanList>, Refusal> {
    let mut act = operator.act("bans", "");
    let page = operator
        .audited(&mut act, async |_| query?.0.page())
        .await?;
    operator.allow_view(&act, "").await?;
    let (now, limit) = (operator.now(), page.fetch_limit());
    let before = page.after.map(BanId);
    let bans = operator
        .read(move |store| store.bans_before(now, before, limit))
        .await?;
    let (bans, next) = page.cut_fetched(bans, |ban| ban.id.0);
    Ok(Json(BanList {
        bans: bans.into_iter().map(to_entry).collect(),
        next,
    }))
}

/// Bans an account, an email, an email pattern, an IP address or a network
///
/// The ban is stored and the sessions it covers have ended when the answer is sent. It replaces an
/// earlier ban of the same target. With `dry_run`, nothing is done, and the answer lists the users
/// who would be affected now. A name without an account is refused if it looks like that of an
/// account, or while another user has it as nick.
#[utoipa::path(
    post, path = "/v1/bans", tag = "bans", security(("token" = [role_of(add)])),
    request_body = BanRequest,
    responses(
        (status = 201, description = "The ban is in force", body = BanReply),
        (status = 200, description = "Dry run: the users who would be affected", body = BanPreview),
        response::ConfirmationRequired,
    )
)]
async fn add(
    operator: SignedIn<Moderator>,
    body: Result<JsonBody<BanRequest>, Refusal>,
) -> Result<Response, Refusal> {
    let mut act = operator.act("ban", "");
    let (ban, dry_run, note) = operator
        .audited(&mut act, async |act| {
            let JsonBody(request) = body?;
            act.target.clone_from(&request.target);
            let ban = parse_ban(&operator, &request)?;
            let note = targets::ensure_account_is_meant(&operator, &ban.target, "ban").await?;
            if !request.dry_run && !request.confirm {
                targets::ensure_confirmed(&operator, &ban.target, "ban").await?;
            }
            Ok((ban, request.dry_run, note))
        })
        .await?;
    if dry_run {
        operator.allow(&act, "dry run").await?;
        return Ok(Json(preview(&operator, ban.target, note).await?).into_response());
    }

    let duration = ban
        .expires_at
        .map_or_else(|| "permanent".to_owned(), |end| format!("until {end:.0}"));
    let detail = format!("{duration}: {}", ban.reason);
    let commit = operator.record(act, move |store, _| Ok(Ok((detail, store.add_ban(&ban)?))));
    let core = &operator.plane.control.core;
    let (ban, ended) = core
        .commit_then_request(commit, |ban| AddBans(vec![ban.clone()]))
        .await?;
    write_csv(&operator.plane, operator.now()).await;
    let reply = BanReply {
        ban: to_entry(ban),
        ended: kicks::to_reply(&ended),
        note,
    };
    Ok((StatusCode::CREATED, Json(reply)).into_response())
}

/// Returns the users and accounts that a ban of the target would affect now.
async fn preview(
    operator: &Operator,
    target: BanTarget,
    note: Option<String>,
) -> Result<BanPreview, Refusal> {
    let email = targets::account_email(operator, &target).await?;
    let users = targets::covered(operator, &target, email.clone()).await?;
    let doubt = targets::doubt(operator, &target).await?;
    let aliases = operator.plane.control.config.accounts.get().email_aliases();
    let text = target.to_string();
    let other_domains = other_domains(&target).map(str::to_owned).collect();
    let accounts = operator.read_long(move |store| {
        let covered = |account: &Account| {
            let (name, own) = (&account.name, account.email.as_ref());
            covers_account(&target, email.as_ref(), &aliases, name, own)
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
        other_domains,
        doubt,
        note,
    })
}

/// Removes a ban
#[utoipa::path(
    delete, path = "/v1/bans/{id}", tag = "bans", security(("token" = [role_of(remove)])),
    params(("id" = i64, Path, description = "The ban's number")),
    responses(
        (status = 200, description = "The removed ban", body = UnbanReply),
        response::NoSuchBan,
    )
)]
async fn remove(
    operator: SignedIn<Moderator>,
    id: Result<PathParams<i64>, Refusal>,
) -> Result<Json<UnbanReply>, Refusal> {
    let mut act = operator.act("unban", "");
    let PathParams(id) = operator.audited(&mut act, async |_| id).await?;

    // The target replaces this text in the transaction, which reads the ban.
    act.target = format!("ban {id}");
    let commit = operator.record(act, move |store, act| {
        let Some(ban) = store.remove_ban(BanId(id))? else {
            let detail = format!("There is no ban {id}; `admin-cli bans` lists those in force.");
            return Ok(Err(Kind::NoSuchBan.with_detail(detail)));
        };
        act.target = ban.target.to_string();
        let detail = format!("ban {id}, by {}: {}", ban.by, ban.reason);
        Ok(Ok((detail, ban)))
    });
    let core = &operator.plane.control.core;
    let (ban, ()) = core
        .commit_then_request(commit, |ban: &Ban| RemoveBan(ban.id))
        .await?;
    write_csv(&operator.plane, operator.now()).await;
    Ok(Json(UnbanReply { ban: to_entry(ban) }))
}

fn parse_ban(operator: &Operator, request: &BanRequest) -> Result<NewBan, Refusal> {
    let now = operator.now();
    let target = targets::parse(&request.target)?;
    let expires_at = match (request.expires_at, request.duration.as_deref()) {
        (Some(_), Some(_)) => {
            return Err(Kind::Invalid.with_detail("Send `expires_at` or `duration`, not both."));
        }
        (None, None) => None,
        (None, Some(duration)) => {
            let duration = parse_duration(duration)
                .map_err(|error| Kind::Invalid.with_detail(format!("`duration`: {error}.")))?;
            Some(now + duration)
        }
        (Some(end), None) if end <= now => {
            return Err(Kind::Invalid.with_detail("`expires_at` is in the past."));
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

/// Writes `bans.csv`. A failure is only logged, because the bans are stored and in force.
pub async fn write_csv(plane: &ControlPlane, now: Timestamp) {
    if let Err(error) = plane.control.csv_sync.write_bans(now).await {
        tracing::error!(%error, "cannot write bans.csv; the bans themselves are stored");
    }
}

/// Returns a ban in the form of the API.
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
