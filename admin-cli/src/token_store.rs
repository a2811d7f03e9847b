//! The token for each server, in a file that only its owner can read.

use std::fs;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::ServerAddress;
use crate::failure::{Failure, while_doing};
use crate::state_folder::StateFolder;

/// A token and when it expires.
#[derive(Serialize, Deserialize)]
pub struct SavedToken {
    pub token: String,
    pub expires_at: Timestamp,
}

/// The token of one server: a file in the state folder.
pub struct TokenStore {
    folder: StateFolder,
    file: PathBuf,
}

impl TokenStore {
    /// Returns the store for a server.
    pub fn new(folder: StateFolder, server: &ServerAddress) -> Self {
        let safe = |char: char| {
            if char.is_alphanumeric() || ".-".contains(char) {
                char
            } else {
                '_'
            }
        };
        let name: String = server.to_string().chars().map(safe).collect();
        let file = folder.path().join(format!("{name}.json"));
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
        self.folder
            .write(&self.file, &content)
            .map_err(self.failed_to("write"))
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

    /// Returns the folder of the store.
    pub fn folder(&self) -> &StateFolder {
        &self.folder
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
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    fn store(folder: &Path, server: &str) -> TokenStore {
        TokenStore::new(StateFolder::at(folder.to_owned()), &server.parse().unwrap())
    }

    fn token(text: &str) -> SavedToken {
        SavedToken {
            token: text.to_owned(),
            expires_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn each_server_has_its_own_token() {
        let home = tempfile::tempdir().unwrap();
        let store = |server: &str| store(&home.path().join("a/b"), server);
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
        let store = store(&folder, "one:1");
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
        let store = store(home.path(), "one:1");
        fs::write(&store.file, "{").unwrap();
        assert!(store.load().unwrap().is_none());
    }
}
