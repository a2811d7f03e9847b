//! The way to the record: one thread owns the writing connection, others read beside it.

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use super::sqlite::Sqlite;
use super::{Result, Store, StoreError};
use crate::config::HistorySync;

/// Pages of history are long reads; two of them do not hold up a sign-in.
const READERS: usize = 3;

/// What a write has to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The death of the server; the config decides about power loss.
    Message,
    /// The loss of power: bans, accounts, the audit trail.
    Record,
}

type ReadJob = Box<dyn FnOnce(&dyn Store) + Send>;
type WriteJob = Box<dyn FnOnce(&mut Sqlite) + Send>;

/// A handle to the record; its clones share the same threads, which end with the last of them.
#[derive(Clone)]
pub struct Database {
    writer: mpsc::Sender<WriteJob>,
    readers: mpsc::Sender<ReadJob>,
    sync: HistorySync,
}

impl Database {
    /// Opens the database file, making it and its tables where there are none.
    pub fn open(file: &Path, sync: HistorySync) -> Result<Self> {
        let mut connection = Sqlite::open(file)?;
        let (writer, jobs) = mpsc::channel::<WriteJob>();
        spawn("store-writer", move || {
            for job in jobs {
                job(&mut connection);
            }
        });
        let (readers, jobs) = mpsc::channel::<ReadJob>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..READERS {
            let connection = Sqlite::open_reader(file)?;
            let jobs = Arc::clone(&jobs);
            spawn("store-reader", move || {
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match job {
                        Ok(job) => job(&connection),
                        Err(mpsc::RecvError) => break,
                    }
                }
            });
        }
        Ok(Self { writer, readers, sync })
    }

    /// Reads on a thread of its own.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&dyn Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |store: &dyn Store| {
            // Whoever asked may have gone.
            let _ = reply.send(job(store));
        });
        self.readers.send(job).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    /// Runs `job` in one transaction: all of it is on disk when this returns, or nothing of it if it fails.
    pub async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        job: impl FnOnce(&mut dyn Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let full = durability == Durability::Record || self.sync == HistorySync::Full;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |store: &mut Sqlite| {
            let _ = reply.send(store.transaction(full, job));
        });
        self.writer.send(job).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("a thread can be started while the server starts");
}
