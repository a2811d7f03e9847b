//! What `rook` keeps for each server: the account it signs in with on this device, and the
//! certificate it trusts.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use rookery_protocol::{AccountName, DeviceCredential, Email, Nick};
use serde::{Deserialize, Serialize};

use crate::address::ServerAddress;
use crate::authority::Authority;
use crate::config::AutoJoin;
use crate::fingerprint::{CertificatePin, Fingerprint};

/// What is kept for one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// The certificate pinned on first use; none for a server that an authority vouches for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// Its public key: a new certificate for the same key is the same server. None when an older
    /// version pinned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    /// The authority that alone vouches for the server, since it was named with `--ca`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<Authority>,
    /// How the person has arranged things.
    #[serde(flatten)]
    pub preferences: Preferences,
    /// Who signs in from this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<StoredAccount>,
}

impl ServerState {
    /// The certificate that is pinned, if one is.
    pub fn pinned(&self) -> Option<CertificatePin> {
        self.fingerprint.map(|certificate| CertificatePin {
            certificate,
            key: self.key,
        })
    }

    /// Pins a certificate in place of the one before.
    pub fn pin(&mut self, pinned: CertificatePin) {
        self.fingerprint = Some(pinned.certificate);
        self.key = pinned.key;
    }

    /// Remembers the authority in place of any pin; false when there is nothing new in it.
    pub fn remember(&mut self, authority: Authority) -> bool {
        if self.authority.as_ref() == Some(&authority) {
            return false;
        }
        (self.fingerprint, self.key, self.authority) = (None, None, Some(authority));
        true
    }
}

/// How a person has arranged things on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// The channels to be in again the next time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<AutoJoin>,
    /// Of whom nothing is to be heard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Nick>,
    /// The channels and people that are not to ring a bell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub muted: Vec<String>,
}

/// An account that signs in without questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAccount {
    /// The account's name.
    pub name: AccountName,
    /// For the next mailed code, should the credential be refused.
    pub email: Email,
    /// The secret of this device.
    #[serde(with = "credential_text")]
    pub credential: DeviceCredential,
}

/// The file in which [`ServerState`] is kept.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// The file for `server` in the user's state folder.
    pub fn of(server: &ServerAddress) -> anyhow::Result<Self> {
        let base =
            etcetera::choose_base_strategy().context("cannot tell where your home folder is")?;
        let state = base.state_dir().unwrap_or_else(|| base.data_dir());
        Ok(Self::within(&state.join("rookery").join("rook"), server))
    }

    fn within(folder: &Path, server: &ServerAddress) -> Self {
        use std::fmt::Write as _;
        let mut name = String::new();
        for byte in server.to_string().bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
                name.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(name, "%{byte:02X}");
            }
        }
        Self {
            path: folder.join(name + ".toml"),
        }
    }

    /// Where it is, to be told to a person.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it; without a file, nothing is kept.
    pub fn load(&self) -> anyhow::Result<ServerState> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(ServerState::default()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", self.path.display()));
            }
        };
        // The error of toml shows the line it stumbles over, which may be the credential: tell only
        // where it is.
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            anyhow::anyhow!(
                "{} is damaged ({}): mend or remove it, and sign in anew",
                self.path.display(),
                error.message()
            )
        })
    }

    /// Writes it whole or not at all, for its owner's eyes only.
    pub fn save(&self, kept: &ServerState) -> anyhow::Result<()> {
        self.write(kept)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn write(&self, kept: &ServerState) -> anyhow::Result<()> {
        let folder = self.path.parent().context("the state file has no folder")?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let new = self
            .path
            .with_extension(format!("{}.new", std::process::id()));
        // Left behind by a process of the same number that died half-way.
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        let written = file
            .write_all(toml::to_string(kept)?.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&new, &self.path));
        if written.is_err() {
            // The first error is the one to tell.
            let _ = std::fs::remove_file(&new);
        }
        written?;
        File::open(folder)?.sync_all()?;
        Ok(())
    }
}

/// The credential as text, in this file and nowhere else.
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

    fn kept() -> ServerState {
        ServerState {
            fingerprint: Some(Fingerprint::of(b"a certificate")),
            key: Some(Fingerprint::of(b"its key")),
            authority: None,
            preferences: Preferences {
                channels: vec!["#ops sesame".to_owned().try_into().unwrap()],
                ignored: vec![Nick::parse("eve").unwrap()],
                muted: vec!["#noise".to_owned()],
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

    #[test]
    fn what_was_saved_is_loaded_and_each_server_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let here = file(folder.path(), "localhost:6697");
        assert_eq!(here.load().unwrap(), ServerState::default());
        here.save(&ServerState::default()).unwrap();
        here.save(&kept()).unwrap();
        assert_eq!(here.load().unwrap(), kept());
        assert_eq!(
            file(folder.path(), "[::1]:6697").load().unwrap(),
            ServerState::default()
        );
        let files = std::fs::read_dir(here.path().parent().unwrap())
            .unwrap()
            .count();
        assert_eq!(files, 1, "no half-written file is left");
    }

    #[test]
    fn only_the_owner_may_look() {
        let folder = tempfile::tempdir().unwrap();
        let here = file(folder.path(), "localhost");
        here.save(&kept()).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(here.path()), 0o600);
        assert_eq!(mode(here.path().parent().unwrap()), 0o700);
    }

    #[test]
    fn a_damaged_file_is_named_and_its_secret_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let here = file(folder.path(), "localhost");
        here.save(&kept()).unwrap();
        let text = std::fs::read_to_string(here.path()).unwrap();
        std::fs::write(here.path(), text.replace("rkd1_07", "rkd1_0X")).unwrap();
        let error = format!("{:#}", here.load().unwrap_err());
        assert!(
            error.contains(&here.path().display().to_string()),
            "{error}"
        );
        assert!(!error.contains("0707"), "{error}");
        assert!(!format!("{:?}", kept()).contains("0707"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rookery"), "in the way").unwrap();
        let error = format!(
            "{:#}",
            file(folder.path(), "localhost").save(&kept()).unwrap_err()
        );
        assert!(error.contains("localhost%3A6697.toml"), "{error}");
    }
}
