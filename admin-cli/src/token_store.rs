//! What is stored for each server, in files that only their owner can read: the token, the newest
//! entry of its audit trail, and for each of its admins the device token for the next sign-in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rookery_control_api::SignedHead;
use serde::de::DeserializeOwned;
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

/// What the server recognizes this computer by when an admin signs in.
#[derive(Serialize, Deserialize)]
pub struct SavedDevice {
    /// The admin's name.
    pub admin: String,
    /// The device token.
    pub device: String,
}

/// The tokens of one server: files in the state folder.
pub struct TokenStore {
    folder: StateFolder,
    /// The name of the server, as part of a file's name.
    server: String,
    file: PathBuf,
}

impl TokenStore {
    /// Returns the store for a server.
    pub fn new(folder: StateFolder, server: &ServerAddress) -> Self {
        let server = file_name(&server.to_string());
        let file = folder.path().join(format!("{server}.json"));
        Self {
            folder,
            server,
            file,
        }
    }

    /// Returns the file of an admin's device token. The server ignores the case of a name.
    fn device_file(&self, admin: &str) -> PathBuf {
        let admin = file_name(&admin.to_lowercase());
        let name = format!("{}.{admin}.device.json", self.server);
        self.folder.path().join(name)
    }

    /// Returns the token, if there is one. A damaged file counts as none.
    pub fn load(&self) -> Result<Option<SavedToken>, Failure> {
        read(&self.file)
    }

    /// Returns the device token of an admin, if there is one. A damaged file counts as none.
    pub fn load_device(&self, admin: &str) -> Result<Option<String>, Failure> {
        let saved: Option<SavedDevice> = read(&self.device_file(admin))?;
        // Two names may have the same file.
        let saved = saved.filter(|saved| saved.admin.to_lowercase() == admin.to_lowercase());
        Ok(saved.map(|saved| saved.device))
    }

    /// Stores the token. The file is replaced as a whole or not at all.
    pub fn save(&self, token: &SavedToken) -> Result<(), Failure> {
        self.write(&self.file, token)
    }

    /// Stores the device token of an admin, beside those of others. `logout` leaves it.
    pub fn save_device(&self, device: &SavedDevice) -> Result<(), Failure> {
        self.write(&self.device_file(&device.admin), device)
    }

    /// Returns the file of the newest entry of the audit trail.
    pub fn head_file(&self) -> PathBuf {
        let name = format!("{}.audit-head.json", self.server);
        self.folder.path().join(name)
    }

    /// Returns the newest entry of the audit trail that was seen, if one was.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged. It does not count as none, because then nothing
    /// would show that the trail was cut off.
    pub fn load_head(&self) -> Result<Option<SignedHead>, Failure> {
        let file = self.head_file();
        let Some(content) = read_bytes(&file)? else {
            return Ok(None);
        };
        let damaged = || Failure::new(format!("the file {} is damaged", file.display()));
        let head: SignedHead = serde_json::from_slice(&content).map_err(|_| damaged())?;
        if head.is_genuine() {
            Ok(Some(head))
        } else {
            Err(damaged())
        }
    }

    /// Stores an earlier newest entry of the audit trail beside the newest one. Returns the file.
    pub fn save_archived_head(&self, head: &SignedHead) -> Result<PathBuf, Failure> {
        let name = format!("{}.audit-head.{}.json", self.server, head.id);
        let file = self.folder.path().join(name);
        self.write(&file, head)?;
        Ok(file)
    }

    /// Stores the newest entry of the audit trail, unless another program has stored a newer one in
    /// the meantime. `logout` leaves it.
    pub fn save_head(&self, head: &SignedHead) -> Result<(), Failure> {
        match self.load_head()? {
            Some(stored) if stored.id > head.id => Ok(()),
            _ => self.write(&self.head_file(), head),
        }
    }

    fn write(&self, file: &Path, content: &impl Serialize) -> Result<(), Failure> {
        let content =
            serde_json::to_vec(content).map_err(|error| Failure::new(error.to_string()))?;
        self.folder
            .write(file, &content)
            .map_err(failed_to("write", file))
    }

    /// Removes the token.
    pub fn remove(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed_to("remove", &self.file)(error))
            }
            _ => Ok(()),
        }
    }

    /// Returns the folder of the store.
    pub fn folder(&self) -> &StateFolder {
        &self.folder
    }
}

/// Returns a text without the characters that a file's name may not have.
fn file_name(text: &str) -> String {
    let safe = |char: char| {
        if char.is_alphanumeric() || ".-".contains(char) {
            char
        } else {
            '_'
        }
    };
    text.chars().map(safe).collect()
}

/// Returns the content of the file, if there is one. A damaged file counts as none.
fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, Failure> {
    let content = read_bytes(file)?;
    Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
}

fn read_bytes(file: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(file) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed_to("read", file)(error)),
    }
}

fn failed_to(verb: &str, file: &Path) -> impl FnOnce(io::Error) -> Failure + use<> {
    while_doing(format!("cannot {verb} the token file {}", file.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

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
    fn each_admin_has_a_device_token_that_is_private_and_outlasts_a_logout() {
        let home = tempfile::tempdir().unwrap();
        let store = store(home.path(), "one:1");
        assert!(store.load_device("root").unwrap().is_none());
        for (admin, device) in [("root", "rkd1_0"), ("Jörg", "rkd1_1"), ("a|b", "rkd1_2")] {
            let (admin, device) = (admin.to_owned(), device.to_owned());
            store.save_device(&SavedDevice { admin, device }).unwrap();
        }
        store.remove().unwrap();
        assert_eq!(store.load_device("Root").unwrap().unwrap(), "rkd1_0");
        assert_eq!(store.load_device("JÖRG").unwrap().unwrap(), "rkd1_1");
        assert_eq!(store.load_device("a|b").unwrap().unwrap(), "rkd1_2");
        assert!(store.load_device("a/b").unwrap().is_none());
        assert!(store.load_device("other").unwrap().is_none());
        let file = store.device_file("root");
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_no_token() {
        let home = tempfile::tempdir().unwrap();
        let store = store(home.path(), "one:1");
        fs::write(&store.file, "{").unwrap();
        assert!(store.load().unwrap().is_none());
    }

    #[test]
    fn a_damaged_file_of_the_newest_audit_entry_is_an_error_that_names_it() {
        let home = tempfile::tempdir().unwrap();
        let store = store(home.path(), "one:1");
        assert!(store.load_head().unwrap().is_none());
        let forged = format!(
            r#"{{"id":1,"hash":"{0}","at":"1970-01-01T00:00:00Z","key":"{0}","signature":"{0}{0}"}}"#,
            "00".repeat(32)
        );
        for content in ["", "{", "{}", &forged] {
            fs::write(store.head_file(), content).unwrap();
            let error = store.load_head().unwrap_err().to_string();
            let file = store.head_file();
            assert!(error.contains(file.to_str().unwrap()), "{error}");
        }
    }
}
