//! Reading the audit trail: page by page with filters, and along its chain of hashes.

use axum::Json;
use jiff::Timestamp;
use rookery_control_api::{AuditList, AuditOutcome, AuditRecord, AuditVerdict, ChainHead};
use serde::Deserialize;

use super::extract::Options;
use super::permission::{Auditor, Signed};
use super::problem::{Kind, Refusal};
use data_encoding::HEXLOWER;
use rookery_record::{AuditEntry, AuditPage, AuditQuery, Outcome};
use rookery_store::audit_chain::Walk;

/// Entries that `GET /v1/audit` gives when it is not told how many.
const DEFAULT_LIMIT: u16 = 50;
/// The most it gives.
const MAX_LIMIT: u16 = 1000;

/// What `GET /v1/audit` may be told. Texts are compared as a whole, letter case aside.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditOptions {
    /// Only entries of this admin.
    actor: Option<String>,
    /// Only entries of this act, as `kick`.
    act: Option<String>,
    /// Only entries about this user, ban or admin.
    target: Option<String>,
    /// Only what was let through, or only what was refused.
    outcome: Option<AuditOutcome>,
    /// Only entries from then on.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only entries before then.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// The newest of the entries before this one, instead of the newest of all.
    before: Option<i64>,
    /// The oldest of the entries after this one, instead of the newest of all; 0 begins at the
    /// first.
    after: Option<i64>,
    /// How many entries at most; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

impl AuditOptions {
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
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(
                Kind::BadRequest.with_detail(format!("`limit` is between 1 and {MAX_LIMIT}."))
            );
        }
        let page = match (before, after) {
            (Some(_), Some(_)) => {
                return Err(Kind::BadRequest.with_detail("Give `before` or `after`, not both."));
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
            limit: limit.into(),
        })
    }
}

/// One page of the audit trail
///
/// Without `before` and `after`, the newest entries. Reading the trail is entered in it as well.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", params(AuditOptions), security(("token" = ["auditor"])),
    responses((status = 200, description = "The entries that fit, oldest first", body = AuditList))
)]
pub async fn list(
    operator: Signed<Auditor>,
    options: Result<Options<AuditOptions>, Refusal>,
) -> Result<Json<AuditList>, Refusal> {
    let step = operator.step("audit", "");
    let query = match options.and_then(|Options(options)| options.query()) {
        Ok(query) => query,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    // One more than is shown tells whether there is another page.
    let (page, limit) = (query.page, query.limit);
    let query = AuditQuery {
        limit: limit + 1,
        ..query
    };
    let mut entries = operator.read(move |store| store.find_audit(&query)).await?;
    let more = entries.len() > limit;
    let next = if let AuditPage::After(_) = page {
        entries.truncate(limit);
        entries.last()
    } else {
        entries.drain(..usize::from(more));
        entries.first()
    };
    let next = next.filter(|_| more).map(|entry| entry.id);
    Ok(Json(AuditList {
        entries: entries.into_iter().map(to_record).collect(),
        next,
    }))
}

/// What `GET /v1/audit/verify` may be told.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerifyOptions {
    /// An entry that was noted before, as `ID:HASH`: it has to be there still.
    #[param(pattern = "^[1-9][0-9]{0,17}:[0-9a-fA-F]{64}$")]
    head: Option<String>,
}

/// Whether the audit trail is as it was written
///
/// Walks along the whole chain of hashes. What is wrong is told in the answer, whose status is 200
/// all the same.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit", params(VerifyOptions), security(("token" = ["auditor"])),
    responses((status = 200, description = "What was found", body = AuditVerdict))
)]
pub async fn verify(
    operator: Signed<Auditor>,
    options: Result<Options<VerifyOptions>, Refusal>,
) -> Result<Json<AuditVerdict>, Refusal> {
    let step = operator.step("audit verify", "");
    let head = options.and_then(|Options(options)| {
        let head = options
            .head
            .map(|head| head.parse::<ChainHead>())
            .transpose();
        head.map_err(|error| Kind::BadRequest.with_detail(format!("`head`: {error}.")))
    });
    let head = match head {
        Ok(head) => head,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    let mut walk = Walk::new(head);
    // A page at a time, so that others read in between.
    loop {
        let (next, more) = operator
            .read(move |store| walk.page(store).map(|more| (walk, more)))
            .await?;
        walk = next;
        if !more {
            return Ok(Json(walk.verdict()));
        }
    }
}

/// As the control plane shows it.
pub fn to_record(
    AuditEntry {
        id,
        entry,
        previous,
        hash,
    }: AuditEntry,
) -> AuditRecord {
    AuditRecord {
        id,
        at: entry.at,
        actor: entry.actor,
        origin: entry.origin,
        session: entry.session,
        act: entry.act,
        target: entry.target,
        outcome: match entry.outcome {
            Outcome::Allowed => AuditOutcome::Allowed,
            Outcome::Refused => AuditOutcome::Refused,
        },
        detail: entry.detail,
        previous: HEXLOWER.encode(&previous),
        hash: HEXLOWER.encode(&hash),
    }
}
