//! The key with which the server signs the newest entry of the audit trail, its head.
//!
//! Someone who can change the database can cut off its newest entries, or write others and
//! recompute their hashes. An operator who has a signed head from before can prove it, because only
//! the server signs. So the key is in a file of its own, which a copy of the database does not
//! contain.

use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use rookery_control_api::{ChainHead, SignedHead};

use rookery_base::files;

/// The name of the file that holds the key.
pub const KEY_FILE: &str = "audit.key";

/// The key that signs heads of the audit trail.
pub struct HeadKey(Ed25519KeyPair);

impl HeadKey {
    /// Reads the key from its file in `folder`. Returns none if there is no such file.
    ///
    /// # Errors
    /// If the file cannot be read, or does not hold a key.
    pub fn load(folder: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(folder.join(KEY_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let key = Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| {
            let text = "it is damaged: it does not hold an Ed25519 key in the form of PKCS #8. \
                        Restore it from a backup. If there is none, move it away: the server then \
                        creates another key, and admin-cli warns of it at the next sign-in";
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        Ok(Some(Self(key)))
    }

    /// Creates a random key and writes it to its file in `folder`, in the form of PKCS #8.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let key = Ed25519KeyPair::generate().map_err(io::Error::other)?;
        let bytes = key.to_pkcs8().map_err(io::Error::other)?;
        files::write(&folder.join(KEY_FILE), bytes.as_ref(), files::PRIVATE)?;
        Ok(Self(key))
    }

    /// Returns the public key, in hexadecimal.
    pub fn public(&self) -> String {
        HEXLOWER.encode(self.0.public_key().as_ref())
    }

    /// Signs the newest entry, and the newest archived one.
    pub fn sign(&self, head: ChainHead, archived: Option<ChainHead>, at: Timestamp) -> SignedHead {
        let content = SignedHead::content(&head, archived.as_ref(), at);
        let signature = self.0.sign(content.as_bytes());
        SignedHead {
            id: head.id,
            hash: head.hash,
            archived,
            at,
            key: self.public(),
            signature: HEXLOWER.encode(signature.as_ref()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_signed_head_cannot_be_changed_and_outlasts_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        assert!(HeadKey::load(folder.path()).unwrap().is_none());
        let created = HeadKey::create(folder.path()).unwrap();
        let head = ChainHead {
            id: 7,
            hash: "0a".repeat(32),
        };
        let archived = ChainHead {
            id: 3,
            hash: "0c".repeat(32),
        };
        let without = created.sign(head.clone(), None, Timestamp::UNIX_EPOCH);
        assert!(without.is_genuine());
        let signed = created.sign(head, Some(archived.clone()), Timestamp::UNIX_EPOCH);
        assert!(signed.is_genuine());
        for changed in [
            SignedHead {
                id: 8,
                ..signed.clone()
            },
            SignedHead {
                hash: "0b".repeat(32),
                ..signed.clone()
            },
            SignedHead {
                archived: None,
                ..signed.clone()
            },
            SignedHead {
                archived: Some(ChainHead { id: 4, ..archived }),
                ..signed.clone()
            },
            SignedHead {
                at: Timestamp::MAX,
                ..signed.clone()
            },
            SignedHead {
                key: "00".repeat(32),
                ..signed.clone()
            },
            SignedHead {
                signature: "00".repeat(64),
                ..signed.clone()
            },
            SignedHead {
                signature: String::new(),
                ..signed.clone()
            },
        ] {
            assert!(!changed.is_genuine(), "{changed:?}");
        }
        let loaded = HeadKey::load(folder.path()).unwrap().unwrap();
        assert_eq!(loaded.public(), signed.key);
        let file = folder.path().join(KEY_FILE);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let valid = fs::read(&file).unwrap();
        for damaged in [&b""[..], b"short", &valid[..valid.len() / 2]] {
            fs::write(&file, damaged).unwrap();
            let error = HeadKey::load(folder.path()).err().unwrap().to_string();
            assert!(error.contains("Restore it from a backup"), "{error}");
        }
    }
}
