//! The audit trail: reads its entries, and verifies its chain of hashes.

use std::sync::Arc;

use axum::Json;
use jiff::Timestamp;
use rookery_control_api::{AuditHeadReply, AuditList, AuditOutcome, AuditVerdict, ChainHead, text};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::{AnyAdmin, Auditor};
use crate::http::extract::QueryParams;
use crate::http::pages;
use crate::http::problem::{Kind, Refusal};
use crate::plane::ControlPlane;
use rookery_record::{AuditPage, AuditQuery, Outcome};
use rookery_store::Store;
use rookery_store::audit_chain::{ChainVerifier, to_head, to_record};

/// The number of entries on a page if the request has no `limit`.
const DEFAULT_LIMIT: u16 = 50;
/// The maximum number of entries on a page.
const MAX_LIMIT: u16 = 1000;

/// Returns the routes of the audit trail.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(head))
        .routes(routes!(verify))
}

/// The query of `GET /v1/audit`. Texts match as a whole, in any letter case.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditOptions {
    /// Only entries of this admin.
    actor: Option<String>,
    /// Only entries of this act, such as `kick`.
    act: Option<String>,
    /// Only entries about this user, ban or admin.
    target: Option<String>,
    /// Only entries with this outcome.
    outcome: Option<AuditOutcome>,
    /// Only entries from this time on.
    #[param(inline, value_type = Option<text::Time>)]
    since: Option<Timestamp>,
    /// Only entries before this time.
    #[param(inline, value_type = Option<text::Time>)]
    until: Option<Timestamp>,
    /// The newest entries before this one, instead of the newest of all. Not together with `after`.
    before: Option<i64>,
    /// The oldest entries after this one, instead of the newest of all; 0 begins at the first.
    /// Not together with `before`.
    after: Option<i64>,
    /// The maximum number of entries; 50 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

impl AuditOptions {
    /// Returns the filters for the trail, as the operator sent them.
    fn detail(&self) -> String {
        let Self {
            actor,
            act,
            target,
            outcome,
            since,
            until,
            ..
        } = self;
        let outcome = outcome.map(|outcome| match outcome {
            AuditOutcome::Allowed => "allowed",
            AuditOutcome::Refused => "refused",
        });
        let mut parts = Vec::new();
        parts.extend(actor.as_ref().map(|actor| format!("actor {actor}")));
        parts.extend(act.as_ref().map(|act| format!("act {act}")));
        parts.extend(target.as_ref().map(|target| format!("target {target}")));
        parts.extend(outcome.map(|outcome| format!("outcome {outcome}")));
        parts.extend(since.map(|since| format!("since {since:.0}")));
        parts.extend(until.map(|until| format!("until {until:.0}")));
        parts.join(", ")
    }

    fn query(self) -> Result<AuditQuery, Refusal> {
        let Self {
            actor,
            act,
            target,
            outcome,
            since,
            until,
            before,
            after,
            limit,
        } = self;
        let limit = pages::limit(limit, DEFAULT_LIMIT, MAX_LIMIT)?;
        let page = match (before, after) {
            (Some(_), Some(_)) => {
                return Err(Kind::BadRequest.with_detail("Send `before` or `after`, not both."));
            }
            (Some(id), None) => AuditPage::Before(id),
            (None, Some(id)) => AuditPage::After(id),
            (None, None) => AuditPage::Newest,
        };
        let outcome = outcome.map(|outcome| match outcome {
            AuditOutcome::Allowed => Outcome::Allowed,
            AuditOutcome::Refused => Outcome::Refused,
        });
        Ok(AuditQuery {
            actor,
            act,
            target,
            outcome,
            since,
            until,
            page,
            limit,
        })
    }
}

/// Lists entries of the audit trail
///
/// The newest entries, unless `before` or `after` is set. Reading the trail is recorded in it as
/// well.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", params(AuditOptions),
    security(("token" = [role_of(list)])),
    responses((status = 200, description = "The matching entries, oldest first", body = AuditList))
)]
async fn list(
    operator: SignedIn<Auditor>,
    query: Result<QueryParams<AuditOptions>, Refusal>,
) -> Result<Json<AuditList>, Refusal> {
    let mut act = operator.act("audit", "");
    let (query, detail) = operator
        .audited(&mut act, async |_| {
            let QueryParams(options) = query?;
            let detail = options.detail();
            Ok((options.query()?, detail))
        })
        .await?;
    let is_filtered = !detail.is_empty();
    operator.allow_view(&act, detail).await?;
    // One more entry than requested is read, to know whether there is another page.
    let (page, limit) = (query.page, query.limit);
    let query = AuditQuery {
        limit: limit + 1,
        ..query
    };
    let find = move |store: &Store| store.find_audit(&query);
    // A filter that matches little reads the whole trail.
    let mut entries = if is_filtered {
        operator.read_long(find).await?
    } else {
        operator.read(find).await?
    };
    let has_more = entries.len() > limit;
    let next = if let AuditPage::After(_) = page {
        entries.truncate(limit);
        entries.last()
    } else {
        entries.drain(..usize::from(has_more));
        entries.first()
    };
    let next = next.filter(|_| has_more).map(|entry| entry.id);
    Ok(Json(AuditList {
        entries: entries.into_iter().map(to_record).collect(),
        next,
    }))
}

/// The query of `GET /v1/audit/verify`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VerifyOptions {
    /// An entry noted earlier, as `ID:HASH`, which still has to be part of the trail.
    #[param(pattern = "^[1-9][0-9]{0,17}:[0-9a-fA-F]{64}$")]
    head: Option<String>,
}

/// Verifies that the audit trail is as it was written
///
/// Checks the whole chain of hashes. The status is 200 even if the trail was changed; the answer
/// reports the change.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit", params(VerifyOptions),
    security(("token" = [role_of(verify)])),
    responses((status = 200, description = "The result of the check", body = AuditVerdict))
)]
async fn verify(
    operator: SignedIn<Auditor>,
    query: Result<QueryParams<VerifyOptions>, Refusal>,
) -> Result<Json<AuditVerdict>, Refusal> {
    let mut act = operator.act("audit verify", "");
    let head = operator
        .audited(&mut act, async |_| {
            let QueryParams(VerifyOptions { head }) = query?;
            let head = head.map(|head| head.parse::<ChainHead>()).transpose();
            head.map_err(|error| Kind::BadRequest.with_detail(format!("`head`: {error}.")))
        })
        .await?;
    operator.allow_view(&act, "").await?;
    let mut verifier = ChainVerifier::new(head);
    let begin = move |store: &Store| verifier.begin_store(store).map(|()| verifier);
    let mut verifier = operator.read(begin).await?;
    // Page by page, so that other reads can run in between.
    loop {
        let (next, has_more) = operator
            .read(move |store| {
                verifier
                    .check_page(store)
                    .map(|has_more| (verifier, has_more))
            })
            .await?;
        verifier = next;
        if !has_more {
            return Ok(Json(verifier.verdict()));
        }
    }
}

/// The query of `GET /v1/audit/head`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HeadOptions {
    /// The number of an entry that was the newest before.
    known: Option<i64>,
}

/// Returns the newest entry of the audit trail by number and hash, signed
///
/// With `known`, also returns the hash of an earlier newest entry: if it differs from the one noted
/// then, or is missing without having been archived, entries were changed or cut off. Leaves no
/// audit entry, which would itself be the newest.
#[utoipa::path(
    get, path = "/v1/audit/head", tag = "audit", params(HeadOptions),
    security(("token" = [role_of(head)])),
    responses((status = 200, description = "The newest entry", body = AuditHeadReply))
)]
async fn head(
    operator: SignedIn<AnyAdmin>,
    query: Result<QueryParams<HeadOptions>, Refusal>,
) -> Result<Json<AuditHeadReply>, Refusal> {
    let mut act = operator.act("audit head", "");
    let QueryParams(HeadOptions { known }) = operator.audited(&mut act, async |_| query).await?;
    let read = operator.read(move |store| {
        let known = known
            .map(|id| store.audit_head_at(id))
            .transpose()?
            .flatten();
        Ok((store.newest_audit()?, known, store.newest_archived_audit()?))
    });
    let (newest, known, archived) = read.await?;
    let key = &operator.plane.control.head_key;
    Ok(Json(AuditHeadReply {
        head: newest.map(|newest| {
            let archived = archived.map(to_head);
            key.sign(to_head(newest), archived, operator.now())
        }),
        // It needs no signature. The client has the right hash, which was signed when it was the
        // newest, and only compares. Someone who can change the database can leave the hash of
        // that entry as it was, and the server would sign that, since it signs what it reads:
        // `audit verify` detects that the entries no longer lead to the hash.
        known_hash: known.map(|known| to_head(known).hash),
    }))
}
