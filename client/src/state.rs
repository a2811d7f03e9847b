//! The state that `rook` stores for each server: the account that signs in from this device, the
//! trusted certificate, and preferences.
//!
//! Each server has a file of its own, since a device has one account per server. The file contains
//! the device credential, so only its owner may read it, and no error shows its content.
//!
//! Several instances of `rook` may run at the same time. A change is therefore applied to the
//! content of the file at that moment, under a lock, and never to an earlier copy.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rookery_protocol::{AccountName, DeviceCredential, Email, Nick};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::address::ServerAddress;
use crate::config::AutoJoin;
use rookery_trust::{Authority, CertificatePin, Fingerprint};

/// The characters of a server's address that are percent-encoded in the file name.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// The state stored for one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// The fingerprint of the certificate that the user has trusted; `None` if an authority signed
    /// the server's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// The fingerprint of the pinned certificate's public key: a new certificate for the same key
    /// is accepted. `None` if an older version pinned the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    /// The only trusted authority, as last named with `--ca`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<Authority>,
    /// The user's preferences.
    #[serde(flatten)]
    pub preferences: Preferences,
    /// The account that signs in from this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<StoredAccount>,
}

impl ServerState {
    /// Returns the pinned certificate.
    pub fn pinned(&self) -> Option<CertificatePin> {
        self.fingerprint.map(|certificate| CertificatePin {
            certificate,
            key: self.key,
        })
    }

    /// Pins a certificate in place of the previous one or of an authority.
    pub fn pin(&mut self, pinned: CertificatePin) {
        self.fingerprint = Some(pinned.certificate);
        self.key = pinned.key;
        self.authority = None;
    }

    /// Trusts an authority in place of any pin.
    pub fn trust_authority(&mut self, authority: Authority) {
        (self.fingerprint, self.key, self.authority) = (None, None, Some(authority));
    }
}

/// A user's preferences on one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// The channels to join at the next start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<AutoJoin>,
    /// The people whose messages are not shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Nick>,
    /// The channels and people without unread counts and notifications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub muted: Vec<String>,
    /// The people that the user has written to, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written_to: Vec<Nick>,
}

impl Preferences {
    /// Applies the changes that turned `before` into `after`. Other changes, which another instance
    /// may have made, are preserved.
    pub fn apply_changes(&mut self, before: &Self, after: &Self) {
        let is_same_channel = |one: &AutoJoin, other: &AutoJoin| one.channel == other.channel;
        merge(
            &mut self.channels,
            &before.channels,
            &after.channels,
            is_same_channel,
        );
        merge(&mut self.ignored, &before.ignored, &after.ignored, Nick::eq);
        merge(&mut self.muted, &before.muted, &after.muted, String::eq);
        merge(
            &mut self.written_to,
            &before.written_to,
            &after.written_to,
            Nick::eq,
        );
    }
}

/// Removes from `list` the items that are in `before` only, and adds those that are in `after`
/// only, in place of items that are the same in the sense of `is_same`.
fn merge<T: Clone + PartialEq>(
    list: &mut Vec<T>,
    before: &[T],
    after: &[T],
    is_same: impl Fn(&T, &T) -> bool,
) {
    let added = after.iter().filter(|one| !before.contains(one));
    list.retain(|one| {
        let is_removed = before.contains(one) && !after.contains(one);
        !is_removed && !added.clone().any(|new| is_same(one, new))
    });
    list.extend(added.cloned());
}

/// An account with its credential, which signs in without questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAccount {
    /// The account's name.
    pub name: AccountName,
    /// The email to which a code is mailed if the credential is refused.
    pub email: Email,
    /// The device credential.
    #[serde(with = "credential_text")]
    pub credential: DeviceCredential,
}

/// The file that stores a [`ServerState`].
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// Returns the file for a server, in the user's state folder.
    pub fn of(server: &ServerAddress) -> anyhow::Result<Self> {
        let base = etcetera::choose_base_strategy().context("cannot find your home folder")?;
        let state = base.state_dir().unwrap_or_else(|| base.data_dir());
        Ok(Self::within(&state.join("rookery").join("rook"), server))
    }

    fn within(folder: &Path, server: &ServerAddress) -> Self {
        let address = server.to_string();
        let name = utf8_percent_encode(&address, ENCODED);
        Self {
            path: folder.join(format!("{name}.toml")),
        }
    }

    /// Loads the state. Without a file it is empty.
    pub fn load(&self) -> anyhow::Result<ServerState> {
        let damaged = |why: &str| {
            anyhow::anyhow!(
                "{} is damaged ({why}): repair or delete it, and sign in again",
                self.path.display()
            )
        };
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(ServerState::default()),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(damaged("it is not text in UTF-8"));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", self.path.display()));
            }
        };
        // The full error would quote the line, which may be the credential.
        toml::from_str(&text).map_err(|error: toml::de::Error| damaged(error.message()))
    }

    /// Applies a change to the stored state, and returns the result. Other instances wait until it
    /// is stored.
    pub fn update(&self, change: impl FnOnce(&mut ServerState)) -> anyhow::Result<ServerState> {
        let context = || format!("cannot write {}", self.path.display());
        let _lock = self.lock().with_context(context)?;
        let mut state = self.load()?;
        change(&mut state);
        self.write(&state).with_context(context)?;
        Ok(state)
    }

    /// Waits for the lock, which is released when the returned file is closed. The state file is
    /// replaced on every change, so the lock is on a file beside it.
    fn lock(&self) -> anyhow::Result<File> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.folder()?)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path.with_extension("lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn folder(&self) -> anyhow::Result<&Path> {
        self.path.parent().context("the state file has no folder")
    }

    /// Replaces the file atomically. Only its owner may read it.
    fn write(&self, state: &ServerState) -> anyhow::Result<()> {
        let folder = self.folder()?;
        // A temporary file is readable by its owner only, and is deleted on an error.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(toml::to_string(state)?.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        File::open(folder)?.sync_all()?;
        Ok(())
    }
}

/// Serializes the credential as text. Its `Debug` output hides it.
mod credential_text {
    use rookery_protocol::DeviceCredential;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(
        credential: &DeviceCredential,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.serialize_str(credential.expose())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<DeviceCredential, D::Error> {
        let text = String::deserialize(input)?;
        DeviceCredential::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("not a device credential"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn state() -> ServerState {
        ServerState {
            fingerprint: Some(Fingerprint::of(b"a certificate")),
            key: Some(Fingerprint::of(b"its key")),
            authority: None,
            preferences: Preferences {
                channels: vec!["#ops sesame".to_owned().try_into().unwrap()],
                ignored: vec![Nick::parse("eve").unwrap()],
                muted: vec!["#noise".to_owned()],
                written_to: vec![Nick::parse("bob").unwrap()],
            },
            account: Some(StoredAccount {
                name: AccountName::parse("alice").unwrap(),
                email: Email::parse("alice@example.org").unwrap(),
                credential: DeviceCredential::from_random([7; 32]),
            }),
        }
    }

    fn file(folder: &Path, server: &str) -> StateFile {
        StateFile::within(&folder.join("rookery/rook"), &server.parse().unwrap())
    }

    fn store(file: &StateFile) {
        file.update(|stored| *stored = state()).unwrap();
    }

    #[test]
    fn instances_that_change_the_state_at_the_same_time_preserve_all_changes() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|threads| {
            for instance in 0..4 {
                let here = file(folder.path(), "localhost");
                threads.spawn(move || {
                    for number in 0..25 {
                        let muted = format!("#channel{instance}-{number}");
                        here.update(|state| state.preferences.muted.push(muted))
                            .unwrap();
                    }
                });
            }
        });
        let stored = file(folder.path(), "localhost").load().unwrap();
        assert_eq!(stored.preferences.muted.len(), 100);
    }

    #[test]
    fn only_the_changes_of_this_instance_are_applied_to_the_preferences() {
        let preferences = |channels: &[&str], ignored: &[&str], muted: &[&str]| Preferences {
            channels: channels
                .iter()
                .map(|one| (*one).to_owned().try_into().unwrap())
                .collect(),
            ignored: ignored.iter().map(|one| one.parse().unwrap()).collect(),
            muted: muted.iter().map(|one| (*one).to_owned()).collect(),
            written_to: Vec::new(),
        };
        let mut stored = preferences(
            &["#lobby", "#den", "#ops"],
            &["eve", "mallory"],
            &["#noise"],
        );
        stored.apply_changes(
            &preferences(&["#lobby", "#old"], &["eve"], &[]),
            &preferences(&["#lobby", "#ops sesame"], &["trent"], &["bob"]),
        );
        assert_eq!(
            stored,
            preferences(
                &["#lobby", "#den", "#ops sesame"],
                &["mallory", "trent"],
                &["#noise", "bob"]
            )
        );
        let after = stored.clone();
        stored.apply_changes(&Preferences::default(), &after);
        assert_eq!(
            stored, after,
            "a change that is stored already is not repeated"
        );
    }

    #[test]
    fn saved_state_is_loaded_and_each_server_has_its_own_file() {
        let folder = tempfile::tempdir().unwrap();
        let here = file(folder.path(), "localhost:6697");
        assert_eq!(here.load().unwrap(), ServerState::default());
        here.update(|_| {}).unwrap();
        store(&here);
        assert_eq!(here.load().unwrap(), state());
        assert_eq!(
            file(folder.path(), "[::1]:6697").load().unwrap(),
            ServerState::default()
        );
        let folder = std::fs::read_dir(here.path.parent().unwrap()).unwrap();
        let mut files: Vec<_> = folder.map(|file| file.unwrap().file_name()).collect();
        files.sort();
        let wanted = ["localhost%3A6697.lock", "localhost%3A6697.toml"];
        assert_eq!(files, wanted, "no temporary file is left");
    }

    #[test]
    fn only_the_owner_may_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let here = file(folder.path(), "localhost");
        store(&here);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&here.path), 0o600);
        assert_eq!(mode(here.path.parent().unwrap()), 0o700);
    }

    #[test]
    fn a_damaged_file_is_named_without_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let here = file(folder.path(), "localhost");
        store(&here);
        let text = std::fs::read_to_string(&here.path).unwrap();
        std::fs::write(&here.path, text.replace("rkd1_07", "rkd1_0X")).unwrap();
        let error = format!("{:#}", here.load().unwrap_err());
        assert!(error.contains(&here.path.display().to_string()), "{error}");
        assert!(!error.contains("0707"), "{error}");
        assert!(!format!("{:?}", state()).contains("0707"));
        std::fs::write(&here.path, [0xFF]).unwrap();
        let error = format!("{:#}", here.load().unwrap_err());
        assert!(error.contains("repair or delete it"), "{error}");
    }

    #[test]
    fn an_error_on_writing_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rookery"), "in the way").unwrap();
        let error = format!(
            "{:#}",
            file(folder.path(), "localhost").update(|_| {}).unwrap_err()
        );
        assert!(error.contains("localhost%3A6697.toml"), "{error}");
    }
}
