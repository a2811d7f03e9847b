//! Accounts and bans as CSV files, exported and imported. The columns are those of `users.csv` and
//! `bans.csv`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use rookery_control_api::{CSV_TYPE, DoubtfulRow, ImportReply, RejectedRow, count};
use serde::Deserialize;
use tokio::task::spawn_blocking;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bans::write_csv;
use super::targets::{self, Doubts};
use crate::audit::trail::Act;
use crate::auth::operator::{Operator, SignedIn, role_of};
use crate::auth::permission::{Auditor, Moderator, Owner};
use crate::http::extract::{QueryParams, whole_body};
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_accounts::csv_sync::{self, Import, Imported, MAX_LISTED, RefusedFile};
use rookery_chat::request::AddBans;
use rookery_record::Outcome;
use rookery_store::Durability;

/// The maximum number of bytes of a file to import.
pub const IMPORT_LIMIT: usize = 1024 * 1024;

/// Returns the routes of the exports.
pub fn export_routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(export_users))
        .routes(routes!(export_bans))
}

/// Returns the routes of the imports, whose bodies may have [`IMPORT_LIMIT`] bytes.
pub fn import_routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(import_users))
        .routes(routes!(import_bans))
}

/// Exports the accounts as CSV
///
/// With the columns `name,email,created_at`, by name.
#[utoipa::path(
    get, path = "/v1/export/users", tag = "accounts", security(("token" = [role_of(export_users)])),
    responses((
        status = 200, description = "All accounts", body = String, content_type = "text/csv",
    ))
)]
async fn export_users(operator: SignedIn<Owner>) -> Result<Response, Refusal> {
    let act = operator.act("export-users", "");
    operator.allow_read(&act, "").await?;
    let content = operator
        .read_long(|store| Ok(csv_sync::users(&store.accounts()?)))
        .await?;
    Ok(file(content))
}

/// Exports the bans in force as CSV
///
/// With the columns `target,reason,by,created_at,expires_at`, oldest first.
#[utoipa::path(
    get, path = "/v1/export/bans", tag = "bans", security(("token" = [role_of(export_bans)])),
    responses((
        status = 200, description = "All bans in force", body = String, content_type = "text/csv",
    ))
)]
async fn export_bans(operator: SignedIn<Auditor>) -> Result<Response, Refusal> {
    let act = operator.act("export-bans", "");
    operator.allow_read(&act, "").await?;
    let now = operator.now();
    let content = operator
        .read_long(move |store| Ok(csv_sync::bans(&store.bans(now)?)))
        .await?;
    Ok(file(content))
}

fn file(content: String) -> Response {
    ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], content).into_response()
}

/// The query of an import.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImportOptions {
    /// Imports nothing. The answer has what the import would do.
    #[serde(default)]
    dry_run: bool,
    /// Imports the bans even if one of them covers everyone, or the admin who requests it.
    #[serde(default)]
    confirm: bool,
}

/// A body with the content type CSV.
struct CsvBody(Bytes);

impl<S: Send + Sync> FromRequest<S> for CsvBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        let content_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = content_type
            .and_then(|content_type| content_type.split(';').next())
            .unwrap_or_default()
            .trim();
        if !essence.eq_ignore_ascii_case(CSV_TYPE) {
            return Err(Kind::NotCsv.with_detail("Send CSV, with `Content-Type: text/csv`."));
        }
        whole_body(request).await.map(Self)
    }
}

/// Imports accounts from a CSV file
///
/// The first line must be the header `name,email,created_at`, or `name,email`. Every valid row is
/// imported, and every invalid one is reported with the number of its line. An account that exists
/// stays as it is. A new account signs in with a mailed code. A file without its header, with other
/// separators than commas or with emails for names is refused whole.
///
/// The rows are checked before the first is imported, and imported in steps. If the server stops
/// in between, send the file again: rows that were imported change nothing. One import runs at a
/// time, and an admin may have one that runs or waits for its turn.
#[utoipa::path(
    post, path = "/v1/import/users", tag = "accounts", params(ImportOptions),
    security(("token" = [role_of(import_users)])),
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 200, description = "The result of the import", body = ImportReply),
        response::InProgress,
    )
)]
async fn import_users(
    operator: SignedIn<Owner>,
    query: Result<QueryParams<ImportOptions>, Refusal>,
    file: Result<CsvBody, Refusal>,
) -> Result<Json<ImportReply>, Refusal> {
    let reply = import(&operator, csv_sync::Kind::Users, query, file).await?;
    operator.plane.control.csv_sync.users_changed();
    Ok(reply)
}

/// Imports bans from a CSV file
///
/// The first line must be the header `target,reason,by,created_at,expires_at` (columns at the end
/// may be missing) or `name,email`. Every valid row is imported, and every invalid one is reported
/// with the number of its line. A ban that exists stays as it is. When the answer is sent, the bans
/// are stored and the sessions that they cover have ended. A file without its header or with other
/// separators than commas is refused whole.
///
/// The rows are checked before the first is imported, and imported in steps. If the server stops
/// in between, send the file again: rows that were imported change nothing. One import runs at a
/// time, and an admin may have one that runs or waits for its turn.
#[utoipa::path(
    post, path = "/v1/import/bans", tag = "bans", params(ImportOptions),
    security(("token" = [role_of(import_bans)])),
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 200, description = "The result of the import", body = ImportReply),
        response::ConfirmationRequired, response::InProgress,
    )
)]
async fn import_bans(
    operator: SignedIn<Moderator>,
    query: Result<QueryParams<ImportOptions>, Refusal>,
    file: Result<CsvBody, Refusal>,
) -> Result<Json<ImportReply>, Refusal> {
    let reply = import(&operator, csv_sync::Kind::Bans, query, file).await?;
    write_csv(&operator.plane, operator.now()).await;
    Ok(reply)
}

async fn import(
    operator: &Operator,
    kind: csv_sync::Kind,
    query: Result<QueryParams<ImportOptions>, Refusal>,
    file: Result<CsvBody, Refusal>,
) -> Result<Json<ImportReply>, Refusal> {
    let name = match kind {
        csv_sync::Kind::Users => "import-users",
        csv_sync::Kind::Bans => "import-bans",
    };
    let mut act = operator.act(name, "");
    let (turn, import, mut doubtful, dry_run) = operator
        .audited(&mut act, async |_| {
            let (QueryParams(options), CsvBody(content)) = (query?, file?);
            let turn = operator.plane.imports.begin(operator.name()).await?;
            let doubts = if options.dry_run || !options.confirm {
                Some(Doubts::of(operator).await?)
            } else {
                None
            };
            let (now, author) = (operator.now(), operator.name().to_owned());
            let parsed = spawn_blocking(move || {
                let import = Import::parse(kind, &content, now, &author)?;
                let doubtful = doubts.map(|doubts| doubtful(&doubts, &import));
                Ok((import, doubtful.unwrap_or_default()))
            });
            let (import, doubtful) = parsed.await.expect("parsing does not panic").map_err(
                |RefusedFile { line, reason }| {
                    let detail = format!("Line {line}: {reason}. Nothing was imported.");
                    Kind::Invalid.with_detail(detail)
                },
            )?;
            match doubtful.first() {
                Some(DoubtfulRow { line, reason }) if !options.dry_run => Err(
                    targets::unconfirmed(&format!("Line {line}: {reason}"), "ban"),
                ),
                _ => Ok((turn, import, doubtful, options.dry_run)),
            }
        })
        .await?;
    let rows = import.remaining();
    let (imported, sessions) = if dry_run {
        let counted = count(rows, "row", "rows");
        operator.allow(&act, format!("dry run, {counted}")).await?;
        (dry_run_steps(operator, import).await?, 0)
    } else {
        apply_steps(operator, act, import).await?
    };
    drop(turn);
    let Imported {
        added,
        known,
        rejected,
        more_rejected,
    } = imported;
    let more_doubtful = doubtful.len().saturating_sub(MAX_LISTED);
    doubtful.truncate(MAX_LISTED);
    let rejected = rejected.into_iter();
    Ok(Json(ImportReply {
        rows,
        added,
        known,
        rejected: rejected
            .map(|(line, reason)| RejectedRow { line, reason })
            .collect(),
        more_rejected,
        doubtful,
        more_doubtful,
        sessions,
        done: !dry_run,
    }))
}

/// Returns the bans that are probably a mistake.
fn doubtful(doubts: &Doubts, import: &Import) -> Vec<DoubtfulRow> {
    let rows = import.targets().filter_map(|(line, target)| {
        let reason = doubts.about(target)?;
        Some(DoubtfulRow { line, reason })
    });
    rows.collect()
}

/// Returns what [`apply_steps`] would do, without the sessions that would end.
async fn dry_run_steps(operator: &Operator, mut import: Import) -> Result<Imported, Refusal> {
    let mut imported = Imported::default();
    while import.remaining() > 0 {
        let step = operator.read(move |store| {
            import.dry_run_step(store, &mut imported)?;
            Ok((import, imported))
        });
        (import, imported) = step.await?;
    }
    Ok(imported)
}

/// Imports the rows in steps, between which others can write. After each, its bans are in force.
/// Returns also the number of sessions that ended.
///
/// An import of several steps has an entry in the trail before the first of them. The last step
/// includes the entry that says how many rows did what. If the admin has changed in the meantime,
/// the rest is refused.
async fn apply_steps(
    operator: &Operator,
    act: Act,
    mut import: Import,
) -> Result<(Imported, usize), Refusal> {
    let rows = import.remaining();
    let counted = count(rows, "row", "rows");
    if rows > csv_sync::STEP {
        operator.allow(&act, format!("{counted}: begun")).await?;
    }
    let control = &operator.plane.control;
    let (mut imported, mut sessions) = (Imported::default(), 0);
    loop {
        let done = rows - import.remaining();
        let (act, counted, authority) = (act.clone(), counted.clone(), operator.authority());
        let before = format!("The first {done} of {rows} rows were imported");
        let commit = async {
            let step = control.database.write(Durability::Record, move |store| {
                if let Err(refusal) = authority.check_step(store, &act, &before)? {
                    return Ok(Err(refusal));
                }
                let bans = import.apply_step(store, &mut imported)?;
                if import.remaining() == 0 {
                    let Imported {
                        added,
                        known,
                        rejected,
                        more_rejected,
                    } = &imported;
                    let rejected = rejected.len() + more_rejected;
                    let detail = format!("{counted}: {added} added, {known} known, {rejected} bad");
                    store.append_audit(&act.entry(Outcome::Allowed, detail))?;
                }
                Ok(Ok((import, imported, bans)))
            });
            let step = step.await.map_err(|error| {
                let mut refusal = operator.plane.trail.unavailable(&error);
                if done > 0 {
                    refusal.detail = format!(
                        "The first {done} of {rows} rows were imported, and the others were not, \
                         because the database cannot be written; see the server's log. Send the \
                         file again later: rows that were imported change nothing."
                    );
                }
                refusal
            });
            step?
        };
        let ((rest, so_far, _), ended) = control
            .core
            .commit_then_request(commit, |(_, _, bans)| AddBans(bans.clone()))
            .await?;
        sessions += ended.sessions;
        (import, imported) = (rest, so_far);
        if import.remaining() == 0 {
            return Ok((imported, sessions));
        }
    }
}
