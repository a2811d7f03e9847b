//! The token for each server, in a file that only its owner can read.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::address::ServerAddress;
use crate::failure::{Failure, while_doing};

/// A token and when it expires.
#[derive(Serialize, Deserialize)]
pub struct SavedToken {
    pub token: String,
    pub expires_at: Timestamp,
}

/// The token of one server: a file in the user's state folder.
pub struct TokenStore {
    folder: PathBuf,
    file: PathBuf,
}

impl TokenStore {
    /// Returns the store in `$XDG_STATE_HOME/rookery/admin-cli`.
    pub fn of_user(server: &ServerAddress) -> Result<Self, Failure> {
        let places = etcetera::choose_base_strategy().map_err(|error| {
            Failure::new(format!(
                "there is no home folder to store the token in: {error}"
            ))
        })?;
        let state = places.state_dir().unwrap_or_else(|| places.data_dir());
        Ok(Self::inside(
            state.join("rookery").join("admin-cli"),
            server,
        ))
    }

    fn inside(folder: PathBuf, server: &ServerAddress) -> Self {
        let safe = |char: char| {
            if char.is_alphanumeric() || ".-".contains(char) {
                char
            } else {
                '_'
            }
        };
        let name: String = server.to_string().chars().map(safe).collect();
        let file = folder.join(format!("{name}.json"));
        Self { folder, file }
    }

    /// Returns the token, if there is one. A damaged file counts as none.
    pub fn load(&self) -> Result<Option<SavedToken>, Failure> {
        match fs::read(&self.file) {
            Ok(content) => Ok(serde_json::from_slice(&content).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed_to("read")(error)),
        }
    }

    /// Stores the token. The file is replaced as a whole or not at all.
    pub fn save(&self, token: &SavedToken) -> Result<(), Failure> {
        let content = serde_json::to_vec(token).map_err(|error| Failure::new(error.to_string()))?;
        self.write(&content).map_err(self.failed_to("write"))
    }

    /// Removes the token.
    pub fn remove(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed_to("remove")(error))
            }
            _ => Ok(()),
        }
    }

    /// Returns the folder, which only its owner can read. It is created if it does not exist.
    pub fn folder(&self) -> Result<&Path, Failure> {
        let failed = while_doing(format!(
            "cannot create the folder {}",
            self.folder.display()
        ));
        self.create_folder().map_err(failed)?;
        Ok(&self.folder)
    }

    fn create_folder(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        // It may have existed before, with another mode.
        fs::set_permissions(&self.folder, Permissions::from_mode(0o700))
    }

    fn write(&self, content: &[u8]) -> io::Result<()> {
        self.create_folder()?;
        // `tempfile` creates it readable by its owner only.
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(&self.file)?;
        Ok(())
    }

    fn failed_to(&self, verb: &str) -> impl FnOnce(io::Error) -> Failure + use<> {
        while_doing(format!(
            "cannot {verb} the token file {}",
            self.file.display()
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn token(text: &str) -> SavedToken {
        SavedToken {
            token: text.to_owned(),
            expires_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn each_server_has_its_own_token() {
        let home = tempfile::tempdir().unwrap();
        let store =
            |server: &str| TokenStore::inside(home.path().join("a/b"), &server.parse().unwrap());
        assert!(store("one:1").load().unwrap().is_none());
        store("one:1").save(&token("first")).unwrap();
        store("[::1]:1").save(&token("second")).unwrap();
        store("one:1").save(&token("third")).unwrap();
        assert_eq!(store("one:1").load().unwrap().unwrap().token, "third");
        assert_eq!(store("[::1]:1").load().unwrap().unwrap().token, "second");
        store("one:1").remove().unwrap();
        store("one:1").remove().unwrap();
        assert!(store("one:1").load().unwrap().is_none());
        assert!(store("[::1]:1").load().unwrap().is_some());
    }

    #[test]
    fn only_its_owner_can_read_the_token() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("admin-cli");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let store = TokenStore::inside(folder.clone(), &"one:1".parse().unwrap());
        store.save(&token("secret")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&store.file), 0o600);
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn a_damaged_file_is_no_token() {
        let home = tempfile::tempdir().unwrap();
        let store = TokenStore::inside(home.path().to_owned(), &"one:1".parse().unwrap());
        fs::write(&store.file, "{").unwrap();
        assert!(store.load().unwrap().is_none());
    }
}
