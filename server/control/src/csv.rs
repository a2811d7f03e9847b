//! Users and bans as CSV files: out of the record, and into it. The columns are those of
//! `users.csv` and `bans.csv`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use rookery_control_api::{CSV_TYPE, ImportReply, Problem, RejectedRow};
use serde::Deserialize;

use super::audit;
use super::bans::write_window;
use super::extract::{Options, whole_body};
use super::permission::{Auditor, Moderator, Owner, Signed};
use super::problem::{Kind, Refusal};
use super::sessions::Operator;
use super::{targets, unexpected};
use rookery_accounts::csv_sync::{self, Import, Imported};
use rookery_chat::event::{Act, Answer};
use rookery_record::{Ban, Outcome};
use rookery_store::Durability;

/// The most bytes of a file that is imported.
pub const IMPORT_LIMIT: usize = 1024 * 1024;

/// The accounts as CSV
///
/// With the columns `name,email,created_at`, by name.
#[utoipa::path(
    get, path = "/v1/export/users", tag = "accounts", security(("token" = ["owner"])),
    responses((status = 200, description = "All accounts", body = String, content_type = "text/csv"))
)]
pub async fn export_users(operator: Signed<Owner>) -> Result<Response, Refusal> {
    operator
        .allow(&operator.step("export-users", ""), "")
        .await?;
    let content = operator
        .read(|store| Ok(csv_sync::users(&store.accounts()?)))
        .await?;
    Ok(file(content))
}

/// The bans that hold as CSV
///
/// With the columns `target,reason,by,created_at,expires_at`, oldest first.
#[utoipa::path(
    get, path = "/v1/export/bans", tag = "bans", security(("token" = ["auditor"])),
    responses((status = 200, description = "All bans that hold", body = String, content_type = "text/csv"))
)]
pub async fn export_bans(operator: Signed<Auditor>) -> Result<Response, Refusal> {
    operator
        .allow(&operator.step("export-bans", ""), "")
        .await?;
    let now = operator.now();
    let content = operator
        .read(move |store| Ok(csv_sync::bans(&store.bans(now)?)))
        .await?;
    Ok(file(content))
}

fn file(content: String) -> Response {
    ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], content).into_response()
}

/// What an import may be told.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportOptions {
    /// Only tells what would come of it.
    #[serde(default)]
    dry_run: bool,
    /// Imports the bans though one of them covers the world, or the admin who asks.
    #[serde(default)]
    confirm: bool,
}

/// A CSV file.
pub struct CsvFile(Bytes);

impl<S: Send + Sync> FromRequest<S> for CsvFile {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = kind
            .and_then(|kind| kind.split(';').next())
            .unwrap_or_default()
            .trim();
        if !essence.eq_ignore_ascii_case(CSV_TYPE) {
            return Err(Kind::NotCsv.because("Send CSV, with `Content-Type: text/csv`."));
        }
        whole_body(request).await.map(Self)
    }
}

/// Takes accounts in from a CSV file
///
/// With the columns `name,email,created_at`, or `name,email`. Every good row is taken in, every bad
/// one is named by its line. An account that is there already stays as it is; a new one is opened
/// by a mailed code.
#[utoipa::path(
    post, path = "/v1/import/users", tag = "accounts", params(ImportOptions), security(("token" = ["owner"])),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "What came of it", body = ImportReply))
)]
pub async fn import_users(
    operator: Signed<Owner>,
    options: Result<Options<ImportOptions>, Refusal>,
    file: Result<CsvFile, Refusal>,
) -> Result<Json<ImportReply>, Refusal> {
    let reply = import(&operator, csv_sync::Kind::Users, options, file).await?;
    operator.plane.control.windows.users_changed();
    Ok(reply)
}

/// Takes bans in from a CSV file
///
/// With the columns `target,reason,by,created_at,expires_at`, or the original's `name,email`, known
/// by that first line. Every good row is taken in, every bad one is named by its line. A ban that
/// is there already stays as it is. The bans are on disk, and every session they cover is gone,
/// when the answer comes.
#[utoipa::path(
    post, path = "/v1/import/bans", tag = "bans", params(ImportOptions), security(("token" = ["moderator"])),
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 200, description = "What came of it", body = ImportReply),
        (status = 409, description = "A ban covers the world, or the admin who asks: send it again with `confirm`",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn import_bans(
    operator: Signed<Moderator>,
    options: Result<Options<ImportOptions>, Refusal>,
    file: Result<CsvFile, Refusal>,
) -> Result<Json<ImportReply>, Refusal> {
    let reply = import(&operator, csv_sync::Kind::Bans, options, file).await?;
    write_window(&operator.plane, operator.now()).await;
    Ok(reply)
}

async fn import(
    operator: &Operator,
    kind: csv_sync::Kind,
    options: Result<Options<ImportOptions>, Refusal>,
    file: Result<CsvFile, Refusal>,
) -> Result<Json<ImportReply>, Refusal> {
    let act = match kind {
        csv_sync::Kind::Users => "import-users",
        csv_sync::Kind::Bans => "import-bans",
    };
    let step = operator.step(act, "");
    let asked = async {
        let (Options(options), CsvFile(content)) = (options?, file?);
        let import = Import::parse(kind, &content);
        if !options.dry_run && !options.confirm {
            for (line, target) in import.targets() {
                targets::ask_twice(operator, target, "ban")
                    .await
                    .map_err(|refusal| {
                        let detail = format!("Line {line}: {}", refusal.detail);
                        Refusal { detail, ..refusal }
                    })?;
            }
        }
        Ok((import, options.dry_run))
    };
    let (import, dry_run) = match asked.await {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let (rows, now, by) = (import.rows(), operator.now(), operator.name().to_owned());
    let database = &operator.plane.control.database;
    let imported = if dry_run {
        operator
            .allow(&step, format!("dry run, {rows} rows"))
            .await?;
        database
            .rehearse(move |store| import.apply(store, now, &by))
            .await
    } else {
        database
            .write(Durability::Record, move |store| {
                let imported = import.apply(store, now, &by)?;
                let Imported {
                    added,
                    known,
                    rejected,
                    ..
                } = &imported;
                let detail = format!(
                    "{rows} rows: {added} added, {known} known, {} bad",
                    rejected.len()
                );
                store.append_audit(&step.entry(Outcome::Allowed, detail))?;
                Ok(imported)
            })
            .await
    };
    let imported = imported.map_err(|error| audit::unavailable(&error))?;
    let sessions = if dry_run {
        0
    } else {
        enforce(operator, imported.bans).await?
    };
    let rejected = imported
        .rejected
        .into_iter()
        .map(|(line, reason)| RejectedRow { line, reason })
        .collect();
    let (added, known) = (imported.added, imported.known);
    Ok(Json(ImportReply {
        rows,
        added,
        known,
        rejected,
        sessions,
        done: !dry_run,
    }))
}

/// Bans that are on disk come into force; gives how many sessions ended.
async fn enforce(operator: &Operator, bans: Vec<Ban>) -> Result<usize, Refusal> {
    // All of them at once, and then those by whom somebody is hit, one by one.
    match operator.plane.act(Act::KeepBans(bans.clone())).await? {
        Answer::Done => {}
        other => return Err(unexpected(&other)),
    }
    let mut sessions = 0;
    for ban in bans {
        if targets::covered(operator, &ban.target).await?.is_empty() {
            continue;
        }
        match operator.plane.act(Act::AddBan(ban)).await? {
            Answer::Ended {
                sessions: ended, ..
            } => sessions += ended,
            other => return Err(unexpected(&other)),
        }
    }
    Ok(sessions)
}
