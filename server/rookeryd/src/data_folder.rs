//! The data folder: its lock, the database and the keys, which are created at the first start.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use rookery_accounts::verifier_key::{KEY_FILE, VerifierKey};
use rookery_base::config::Config;
use rookery_control::head_key::{self, HeadKey};
use rookery_store::{DATABASE_FILE, Database, Store};
use rookery_terminal::printable_lines;

/// Fails if the database is missing or empty although a key in the folder shows that there was one.
/// A new one would have no accounts, bans and admins, and everyone could register their names.
pub fn refuse_lost_database(folder: &Path) -> Result<()> {
    let file = folder.join(DATABASE_FILE);
    let problem = match file.metadata() {
        Ok(metadata) if metadata.len() > 0 => return Ok(()),
        Ok(_) => "is empty",
        Err(error) if error.kind() == io::ErrorKind::NotFound => "is missing",
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let keys = [head_key::KEY_FILE, KEY_FILE].map(|key| folder.join(key));
    if let Some(key) = keys.iter().find(|key| key.exists()) {
        bail!(
            "the database {} {problem}, but {} shows that there was one: restore it from a \
             backup, as data/README.md explains. To start again without accounts, bans and admins, \
             move what is left in the folder away",
            file.display(),
            key.display()
        );
    }
    Ok(())
}

pub fn open_database(config: &Config) -> Result<Database> {
    let folder = &config.data.directory;
    let file = folder.join(DATABASE_FILE);
    refuse_lost_database(folder)?;
    let is_new = !file.exists();
    let database = Database::open(&file, config.history.sync).with_context(|| {
        format!(
            "cannot use the data folder {} (data.directory)",
            folder.display()
        )
    })?;
    if is_new {
        tracing::info!(
            file = %std::path::absolute(&file)?.display(),
            "there was no database, created a new one"
        );
    }
    Ok(database)
}

/// Locks the data folder for this server until the returned file is closed, and creates it if
/// necessary. Two servers on one database would overwrite each other's state.
pub fn lock(config: &Config) -> Result<File> {
    let folder = &config.data.directory;
    let lock = || {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let file = File::open(folder)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => bail!("another server is running in it"),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    };
    lock().with_context(|| {
        format!(
            "cannot use the data folder {} (data.directory)",
            folder.display()
        )
    })
}

/// Prints what is lost if a server was killed and its write-ahead log damaged since. A command
/// calls this before it opens a database, because the server's start cannot tell afterwards.
pub fn report_lost_changes(database: &Path) -> Result<()> {
    // SQLite follows links too.
    let Ok(database) = database.canonicalize() else {
        return Ok(());
    };
    if let Some(lost) = Store::lost_changes(&database)? {
        eprintln!("rookeryd: warning: {}", printable_lines(&lost.to_string()));
    }
    Ok(())
}

/// Reads the key that encrypts SCRAM verifiers, or creates it at the first start.
pub async fn open_verifier_key(config: &Config, database: &Database) -> Result<VerifierKey> {
    let folder = &config.data.directory;
    let file = || {
        format!(
            "cannot use the key file {}",
            folder.join(KEY_FILE).display()
        )
    };
    if let Some(key) = VerifierKey::load(folder).with_context(file)? {
        return Ok(key);
    }
    if database.read(Store::has_scram_verifiers).await? {
        tracing::warn!(
            file = %folder.join(KEY_FILE).display(),
            "the key of the SCRAM verifiers is missing, and a new one was created: SCRAM-SHA-256 \
             fails for every account until its owner signs in once with PLAIN; to avoid this, stop \
             the server and restore the file from a backup"
        );
    }
    VerifierKey::create(folder).with_context(file)
}

/// Reads the key that signs the newest entry of the audit trail, or creates it at the first start.
pub fn open_head_key(config: &Config) -> Result<HeadKey> {
    let folder = &config.data.directory;
    let file = folder.join(head_key::KEY_FILE);
    let context = || format!("cannot use the key file {}", file.display());
    if let Some(key) = HeadKey::load(folder).with_context(context)? {
        return Ok(key);
    }
    let key = HeadKey::create(folder).with_context(context)?;
    tracing::info!(
        file = %file.display(),
        "created the key that signs the newest entry of the audit trail"
    );
    Ok(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_missing_or_empty_database_beside_a_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join(DATABASE_FILE);
        refuse_lost_database(folder.path()).expect("a first start");
        fs::write(&database, "").unwrap();
        refuse_lost_database(folder.path()).expect("an interrupted first start");
        HeadKey::create(folder.path()).unwrap();
        let refused = |problem: &str| {
            let error = refuse_lost_database(folder.path()).unwrap_err().to_string();
            assert!(
                error.contains(problem) && error.contains("restore it from a backup"),
                "{error}"
            );
        };
        refused("rookery.db is empty");
        fs::remove_file(&database).unwrap();
        refused("rookery.db is missing");
        fs::write(&database, "content").unwrap();
        refuse_lost_database(folder.path()).expect("it is found to be damaged when it is opened");
    }
}
