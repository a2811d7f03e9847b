//! Keeps the CSV files and the record in step: takes in what people added, and writes the files
//! anew.
//!
//! A file is written before the record notes what was written. Whatever the server dies in between,
//! a row that is in the file and not in the note is in the record as well; and a row of a lifted
//! ban that stayed in the file is in the note, and so is not taken for one that a person added.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::files;
use super::format::{self, AddedRow, File, Row};
use rookery_base::config::LiveConfig;
use rookery_record::{Ban, NewAccount, NewBan};
use rookery_store::{Database, Durability, Result, Store, StoreError};

/// Who made a ban that a person added to a file without saying so.
const BY_FILE: &str = "file";
/// How often a file is written in vain because somebody changes it meanwhile.
const ATTEMPTS: u32 = 5;

/// The record, and the files in the data folder.
pub struct Synchronizer {
    pub config: LiveConfig,
    pub database: Database,
    /// Stays what it was at the start, as that of the database does.
    pub folder: PathBuf,
}

/// A file that shows the record.
#[derive(Clone, Copy)]
pub enum SyncedFile {
    Users,
    /// As of that time: bans that have ended are not shown.
    Bans(Timestamp),
}

impl SyncedFile {
    fn file(self) -> File {
        match self {
            Self::Users => File::Users,
            Self::Bans(_) => File::Bans,
        }
    }

    fn content(self, store: &dyn Store) -> Result<String> {
        Ok(match self {
            Self::Users => format::of_users(&store.accounts()?),
            Self::Bans(now) => format::of_bans(&store.bans(now)?),
        })
    }
}

/// What came of the rows that people added to a file.
#[derive(Default)]
pub(super) struct Outcome {
    /// How many rows made an account or a ban.
    pub added: usize,
    pub bans: Vec<Ban>,
    pub accepted: Vec<Vec<u8>>,
    pub rejected: Vec<(u64, Vec<u8>, String)>,
}

/// What a good row is.
enum Taken {
    /// In the record already.
    Known,
    Account,
    Ban(Ban),
}

impl Synchronizer {
    /// Takes in every file and writes the windows anew. A file that cannot be read or written is
    /// told of in the log and keeps none of the others from it.
    pub async fn sync(&self, now: Timestamp) -> Result<Vec<Ban>> {
        let mut bans = Vec::new();
        for file in [File::OriginalUsers, File::OriginalBans] {
            bans.extend(log_file_error(self.import_original(file, now).await)?.unwrap_or_default());
        }
        if self.config.get().data.csv {
            for window in [SyncedFile::Users, SyncedFile::Bans(now)] {
                bans.extend(
                    log_file_error(self.import_synced(window, now).await)?.unwrap_or_default(),
                );
            }
        }
        Ok(bans)
    }

    /// Writes a window anew from the record; rows that people added and that were not taken in yet
    /// stay at its end.
    pub async fn write(&self, window: SyncedFile) -> Result<()> {
        if !self.config.get().data.csv {
            return Ok(());
        }
        self.rewrite(window, HashSet::new())
            .await
            .inspect_err(|error| tracing::error!("{error}"))
    }

    async fn import_original(&self, file: File, now: Timestamp) -> Result<Vec<Ban>> {
        let (_, written, added) = self.look(file).await?;
        let taken = self.record(file, added, now).await?;
        if !taken.accepted.is_empty() {
            let mut noted = written;
            for raw in taken.accepted {
                noted.push_str(&String::from_utf8_lossy(&raw));
                noted.push('\n');
            }
            self.note(file, noted).await?;
        }
        Ok(taken.bans)
    }

    async fn import_synced(&self, window: SyncedFile, now: Timestamp) -> Result<Vec<Ban>> {
        let file = window.file();
        let (_, _, added) = self.look(file).await?;
        let taken = self.record(file, added, now).await?;
        let rejected: Vec<Vec<u8>> = taken.rejected.into_iter().map(|(_, raw, _)| raw).collect();
        // Once they are put away safely, and only then, they leave the file.
        let put_away = log_file_error(self.put_away(file, rejected.clone()).await)?.is_some();
        let dropped = if put_away {
            rejected.into_iter().collect()
        } else {
            HashSet::new()
        };
        log_file_error(self.rewrite(window, dropped).await)?;
        Ok(taken.bans)
    }

    /// What stands in the file, what the server wrote there, and what people added.
    async fn look(&self, file: File) -> Result<(Option<Vec<u8>>, String, Vec<AddedRow>)> {
        let written = self
            .database
            .read(move |store| store.window(file.name()))
            .await?
            .unwrap_or_default();
        let path = self.path(file.name());
        self.blocking(path, move |path| {
            let content = files::read(path)?;
            let added = format::added(file, content.as_deref().unwrap_or_default(), &written);
            Ok((content, written, added))
        })
        .await
    }

    /// Takes rows in, all in one transaction, and tells of each that cannot be.
    async fn record(&self, file: File, added: Vec<AddedRow>, now: Timestamp) -> Result<Outcome> {
        if added.is_empty() {
            return Ok(Outcome::default());
        }
        let taken = self
            .database
            .write(Durability::Record, move |store| {
                import_rows(store, added, now, BY_FILE)
            })
            .await?;
        let path = self.path(file.name());
        let path = path.display();
        for (line, _, reason) in &taken.rejected {
            tracing::warn!("{path}, line {line}, is not taken in: {reason}");
        }
        if !taken.accepted.is_empty() {
            tracing::info!(
                rows = taken.accepted.len(),
                new_bans = taken.bans.len(),
                "{path} was taken in"
            );
        }
        Ok(taken)
    }

    async fn put_away(&self, file: File, rejected: Vec<Vec<u8>>) -> Result<()> {
        let Some(name) = file.rejected().filter(|_| !rejected.is_empty()) else {
            return Ok(());
        };
        self.blocking(self.path(name), move |path| {
            files::append(path, file.header().join(",").as_bytes(), &rejected)
        })
        .await
    }

    async fn rewrite(&self, window: SyncedFile, dropped: HashSet<Vec<u8>>) -> Result<()> {
        let file = window.file();
        for _ in 0..ATTEMPTS {
            let (before, written, added) = self.look(file).await?;
            let content = self
                .database
                .read(move |store| window.content(store))
                .await?;
            let mut whole = content.clone().into_bytes();
            for added in format::without_those_in(file, &added, &content) {
                if !dropped.contains(&added.raw) {
                    whole.extend_from_slice(&added.raw);
                    whole.push(b'\n');
                }
            }
            let is_in_place = before.as_ref() == Some(&whole)
                || self
                    .blocking(self.path(file.name()), move |path| {
                        files::replace(path, before.as_deref(), &whole)
                    })
                    .await?;
            if is_in_place {
                return if content == written {
                    Ok(())
                } else {
                    self.note(file, content).await
                };
            }
        }
        let error = io::Error::other("somebody else keeps changing it");
        Err(StoreError::Window {
            path: self.path(file.name()),
            error,
        })
    }

    async fn note(&self, file: File, content: String) -> Result<()> {
        self.database
            .write(Durability::Record, move |store| {
                store.set_window(file.name(), &content)
            })
            .await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        path: PathBuf,
        job: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        tokio::task::spawn_blocking(move || {
            job(&path).map_err(|error| StoreError::Window { path, error })
        })
        .await
        .map_err(|_| StoreError::BrokenOff)?
    }
}

/// None for a fault of one file, once it is in the log; a fault of the record goes on.
fn log_file_error<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ StoreError::Window { .. }) => {
            tracing::error!("{error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Takes every good row in. Bans that do not say who made them are `by`'s.
pub(super) fn import_rows(
    store: &mut dyn Store,
    added: Vec<AddedRow>,
    now: Timestamp,
    by: &str,
) -> Result<Outcome> {
    let mut taken = Outcome::default();
    let mut banned: HashSet<String> = store
        .bans(now)?
        .iter()
        .map(|ban| ban.target.folded().into_owned())
        .collect();
    for AddedRow { line, raw, row } in added {
        let outcome = match row {
            Err(reason) => Err(reason),
            Ok(row) => import_row(store, row, now, by, &mut banned)?,
        };
        match outcome {
            Ok(row) => {
                taken.added += usize::from(!matches!(row, Taken::Known));
                if let Taken::Ban(ban) = row {
                    taken.bans.push(ban);
                }
                taken.accepted.push(raw);
            }
            Err(reason) => taken.rejected.push((line, raw, reason)),
        }
    }
    Ok(taken)
}

/// What became of the row; or why it cannot be taken in.
fn import_row(
    store: &mut dyn Store,
    row: Row,
    now: Timestamp,
    by: &str,
    banned: &mut HashSet<String>,
) -> Result<std::result::Result<Taken, String>> {
    match row {
        Row::User {
            name,
            email,
            created_at,
        } => {
            let Some(email) = email else {
                // Nobody could ever open it.
                return Ok(Err("it has no email".to_owned()));
            };
            if let Some(known) = store.account_by_email(&email)? {
                let same = known.name == name;
                return Ok(if same {
                    Ok(Taken::Known)
                } else {
                    Err(format!("{email} is the email of {}", known.name))
                });
            }
            let account = NewAccount {
                name,
                email: Some(email),
                password_hash: None,
                created_at: created_at.unwrap_or(now),
                greeted: true,
            };
            let created = store.create_account(&account)?;
            Ok(created.map(|_| Taken::Account).map_err(|_| {
                format!(
                    "an account with another email has the name {}, or one that looks the same",
                    account.name
                )
            }))
        }
        Row::Ban {
            target,
            reason,
            by: made_by,
            created_at,
            expires_at,
        } => {
            if expires_at.is_some_and(|end| end <= now) {
                return Ok(Err("the ban has ended already".to_owned()));
            }
            if !banned.insert(target.folded().into_owned()) {
                return Ok(Ok(Taken::Known));
            }
            let by = made_by.unwrap_or_else(|| by.to_owned());
            let created_at = created_at.unwrap_or(now);
            store
                .add_ban(&NewBan {
                    target,
                    reason,
                    by,
                    created_at,
                    expires_at,
                })
                .map(|ban| Ok(Taken::Ban(ban)))
        }
    }
}
