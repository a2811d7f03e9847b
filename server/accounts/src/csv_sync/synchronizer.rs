//! Synchronizes the CSV files with the database: imports the rows that people added, and rewrites
//! the files.
//!
//! The database stores the content that the server last wrote to each file; a row that is not in it
//! was added by a person. A file is written before that content is stored. If the server is killed
//! in between, a row that is in the file but not in the stored content is in the database as well,
//! so importing it changes nothing; and the row of a lifted ban that is still in the file is in the
//! stored content, so it is not mistaken for a new one.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::files;
use super::format::{self, AddedRow, File};
use super::rows::{Importer, Outcome, STEP};
use rookery_base::config::{Data, Live};
use rookery_record::Ban;
use rookery_store::{Database, Durability, Result, Store, StoreError};

/// How often a file is written again because someone changed it in the meantime.
const ATTEMPTS: u32 = 5;

/// The database, and the files in the data folder.
pub struct Synchronizer {
    pub config: Live<Data>,
    pub database: Database,
    /// The data folder at the start; a reload does not change it, as for the database.
    pub folder: PathBuf,
}

/// A file that is rewritten from the database.
#[derive(Clone, Copy)]
pub enum SyncedFile {
    Users,
    /// The bans in force at this time.
    Bans(Timestamp),
}

impl SyncedFile {
    fn file(self) -> File {
        match self {
            Self::Users => File::Users,
            Self::Bans(_) => File::Bans,
        }
    }

    fn content(self, store: &Store) -> Result<String> {
        Ok(match self {
            Self::Users => format::of_users(&store.accounts()?),
            Self::Bans(now) => format::of_bans(&store.bans(now)?),
        })
    }
}

/// The result of synchronizing all files.
#[derive(Debug, Default)]
pub struct Synced {
    /// The bans that were imported.
    pub bans: Vec<Ban>,
    /// For each file that could not be read or written, or was refused, which and why.
    pub problems: Vec<String>,
}

impl Synced {
    /// Logs and records an error of one file and returns `None` for it; returns an error of the
    /// database.
    fn unless_file_failed<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ StoreError::Csv { .. }) => {
                tracing::error!("{error}");
                self.problems.push(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Synchronizer {
    /// Imports every file and rewrites those of the server. A file that cannot be read or written
    /// is logged, and does not affect the others.
    pub async fn sync(&self, now: Timestamp) -> Result<Synced> {
        let mut synced = Synced::default();
        for file in [File::OriginalUsers, File::OriginalBans] {
            let imported = self.import_original(file, now).await;
            let bans = synced.unless_file_failed(imported)?;
            synced.bans.extend(bans.unwrap_or_default());
        }
        if self.config.get().csv {
            for file in [SyncedFile::Users, SyncedFile::Bans(now)] {
                self.import_synced(file, now, &mut synced).await?;
            }
        }
        Ok(synced)
    }

    /// Rewrites a file from the database; rows that have not been imported yet stay at its end.
    pub async fn write(&self, synced: SyncedFile) -> Result<()> {
        if !self.config.get().csv {
            return Ok(());
        }
        self.rewrite(synced, HashSet::new())
            .await
            .inspect_err(|error| tracing::error!("{error}"))
    }

    async fn import_original(&self, file: File, now: Timestamp) -> Result<Vec<Ban>> {
        let (_, written, added) = self.read_file(file).await?;
        let outcome = self.import(file, added, now).await?;
        if !outcome.accepted.is_empty() {
            let mut whole = written;
            for raw in outcome.accepted {
                whole.push_str(&String::from_utf8_lossy(&raw));
                whole.push('\n');
            }
            self.store_written(file, whole).await?;
        }
        Ok(outcome.bans)
    }

    async fn import_synced(
        &self,
        synced_file: SyncedFile,
        now: Timestamp,
        synced: &mut Synced,
    ) -> Result<()> {
        let file = synced_file.file();
        let read = self.read_file(file).await;
        let Some((_, _, added)) = synced.unless_file_failed(read)? else {
            return Ok(());
        };
        let outcome = self.import(file, added, now).await?;
        synced.bans.extend(outcome.bans);
        let rejected: Vec<Vec<u8>> = outcome
            .rejected
            .into_iter()
            .map(|(_, raw, _)| raw)
            .collect();
        // Rejected rows are removed from the file only once they are stored in the other one.
        let stored = self.store_rejected(file, rejected.clone()).await;
        let dropped = if synced.unless_file_failed(stored)?.is_some() {
            rejected.into_iter().collect()
        } else {
            HashSet::new()
        };
        let rewritten = self.rewrite(synced_file, dropped).await;
        synced.unless_file_failed(rewritten).map(drop)
    }

    /// Returns the content of the file, what the server last wrote to it, and the added rows. A
    /// file that is refused is an error, and stays as it is until someone corrects it.
    async fn read_file(&self, file: File) -> Result<(Option<Vec<u8>>, String, Vec<AddedRow>)> {
        let written = self
            .database
            .read(move |store| store.csv_content(file.name()))
            .await?
            .unwrap_or_default();
        let path = self.path(file.name());
        self.blocking(path, move |path| {
            let content = files::read(path)?;
            let added = format::added(file, content.as_deref().unwrap_or_default(), &written)
                .map_err(|refused| io::Error::new(io::ErrorKind::InvalidData, refused))?;
            Ok((content, written, added))
        })
        .await
    }

    /// Imports rows in steps, and logs each bad one. If it fails, or the server is killed in
    /// between, the rows are still in the file, and those that were imported are present then.
    async fn import(&self, file: File, added: Vec<AddedRow>, now: Timestamp) -> Result<Outcome> {
        let mut importer = Importer::of_data_folder(now);
        let mut outcome = Outcome::default();
        let mut rows = added.into_iter();
        loop {
            let step: Vec<AddedRow> = rows.by_ref().take(STEP).collect();
            if step.is_empty() {
                break;
            }
            let written = self.database.write(Durability::Record, move |store| {
                let later = importer.apply(store, step)?;
                for entry in later.entries(file, now) {
                    store.append_audit(&entry)?;
                }
                Ok((importer, later))
            });
            let later;
            (importer, later) = written.await?;
            outcome.append(later);
        }
        let path = self.path(file.name());
        let path = path.display();
        for (line, _, reason) in &outcome.rejected {
            tracing::warn!("{path}, line {line}, was rejected: {reason}");
        }
        if !outcome.accepted.is_empty() {
            tracing::info!(
                rows = outcome.accepted.len(),
                new_bans = outcome.bans.len(),
                "{path} was imported"
            );
        }
        Ok(outcome)
    }

    async fn store_rejected(&self, file: File, rejected: Vec<Vec<u8>>) -> Result<()> {
        let Some(name) = file.rejected().filter(|_| !rejected.is_empty()) else {
            return Ok(());
        };
        self.blocking(self.path(name), move |path| {
            files::append(path, file.header().join(",").as_bytes(), &rejected)
        })
        .await
    }

    async fn rewrite(&self, synced: SyncedFile, dropped: HashSet<Vec<u8>>) -> Result<()> {
        let file = synced.file();
        for _ in 0..ATTEMPTS {
            let (before, written, added) = self.read_file(file).await?;
            let content = self
                .database
                .read(move |store| synced.content(store))
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
                    self.store_written(file, content).await
                };
            }
        }
        let error = io::Error::other("it keeps being changed while it is written");
        Err(StoreError::Csv {
            path: self.path(file.name()),
            error,
        })
    }

    async fn store_written(&self, file: File, content: String) -> Result<()> {
        self.database
            .write(Durability::Record, move |store| {
                store.set_csv_content(file.name(), &content)
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
            job(&path).map_err(|error| StoreError::Csv { path, error })
        })
        .await
        .map_err(|_| StoreError::JobPanicked)?
    }
}
