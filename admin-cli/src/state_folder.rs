//! The folder in which the program stores its state. Only its owner can read it.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A folder for state.
#[derive(Clone, Debug)]
pub struct StateFolder {
    path: PathBuf,
}

impl StateFolder {
    /// Returns `$XDG_STATE_HOME/rookery/admin-cli`.
    pub fn of_user() -> Result<Self, Failure> {
        let places = etcetera::choose_base_strategy().map_err(|error| {
            Failure::new(format!(
                "there is no home folder to store state in: {error}"
            ))
        })?;
        let state = places.state_dir().unwrap_or_else(|| places.data_dir());
        Ok(Self::at(state.join("rookery").join("admin-cli")))
    }

    /// Returns a folder that may not exist yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the folder if it does not exist.
    pub fn create(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)?;
        // It may have existed before, with another mode.
        fs::set_permissions(&self.path, Permissions::from_mode(0o700))
    }

    /// Replaces a file in the folder, as a whole or not at all.
    pub fn write(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        self.create()?;
        // `tempfile` creates it readable by its owner only.
        let mut temporary = NamedTempFile::new_in(&self.path)?;
        temporary.write_all(content)?;
        temporary.as_file().sync_all()?;
        temporary.persist(file)?;
        Ok(())
    }
}
