//! The key that encrypts the SCRAM verifiers in the database.
//!
//! A SCRAM verifier (RFC 5802 §3) is as good as a fast hash of the password: someone who has it can
//! try passwords offline, and clients limit the number of iterations that would slow this down. So
//! the keys in it are encrypted with a key in a file beside the database, which a stolen database
//! or a copy made with `.backup` does not contain.
//!
//! If the file is lost, verifiers can no longer be decrypted, and SCRAM fails for their accounts as
//! for an account without one. The next sign-in with the password by `PLAIN` stores a new verifier.

use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use rookery_base::files;
use rookery_base::random::random;
use rookery_protocol::AccountName;
use rookery_record::ScramVerifier;

use super::scram::ScramKeys;
use zeroize::Zeroizing;

/// The name of the file that holds the key.
pub const KEY_FILE: &str = "verifier.key";

const KEY_BYTES: usize = 32;

/// The key that encrypts the SCRAM verifiers.
pub struct VerifierKey(RandomizedNonceKey);

impl VerifierKey {
    /// Reads the key from its file in `folder`. Returns none if there is no such file.
    ///
    /// # Errors
    /// If the file cannot be read, or does not hold a key.
    pub fn load(folder: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(folder.join(KEY_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|bytes: Vec<u8>| {
            let text = format!(
                "it is damaged: it has {} instead of {KEY_BYTES} bytes. Restore it from a backup. \
                 If there is none, move it away: the server then creates another key, and \
                 SCRAM-SHA-256 fails for an account until its owner has signed in once with PLAIN",
                bytes.len()
            );
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        Ok(Some(Self::new(&bytes)))
    }

    /// Creates a random key and writes it to its file in `folder`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let bytes: [u8; KEY_BYTES] = random();
        files::write(&folder.join(KEY_FILE), &bytes, files::PRIVATE)?;
        Ok(Self::new(&bytes))
    }

    fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes);
        Self(key.expect("AES-256 accepts a key of 32 bytes"))
    }

    /// Returns the verifier to store for the keys of the account's password. It can be decrypted
    /// for that account only.
    pub(crate) fn encrypt(&self, account: &AccountName, keys: &ScramKeys) -> ScramVerifier {
        let mut encrypted = [keys.stored_key, keys.server_key].concat();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(account.folded()), &mut encrypted)
            .expect("AES-GCM encrypts 64 bytes");
        ScramVerifier {
            salt: keys.salt,
            iterations: keys.iterations,
            encrypted_keys: [nonce.as_ref().as_slice(), &encrypted].concat(),
        }
    }

    /// Returns the keys in the account's verifier; none if they were encrypted with another key or
    /// for another account.
    pub(crate) fn decrypt(
        &self,
        account: &AccountName,
        verifier: &ScramVerifier,
    ) -> Option<ScramKeys> {
        let (nonce, encrypted) = verifier.encrypted_keys.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut encrypted = Zeroizing::new(encrypted.to_vec());
        let keys = self
            .0
            .open_in_place(nonce, Aad::from(account.folded()), &mut encrypted)
            .ok()?;
        let (stored_key, server_key) = keys.split_at_checked(32)?;
        Some(ScramKeys {
            salt: verifier.salt,
            iterations: verifier.iterations,
            stored_key: stored_key.try_into().ok()?,
            server_key: server_key.try_into().ok()?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn keys() -> ScramKeys {
        ScramKeys {
            salt: [1; 16],
            iterations: 2,
            stored_key: [3; 32],
            server_key: [4; 32],
        }
    }

    fn name(text: &str) -> AccountName {
        AccountName::parse(text).unwrap()
    }

    #[test]
    fn a_verifier_is_decrypted_for_its_account_with_its_key_only() {
        let folder = tempfile::tempdir().unwrap();
        assert!(VerifierKey::load(folder.path()).unwrap().is_none());
        let key = VerifierKey::create(folder.path()).unwrap();
        let verifier = key.encrypt(&name("alice"), &keys());
        for secret in [[3; 32], [4; 32]] {
            let stored = &verifier.encrypted_keys;
            assert!(!stored.windows(32).any(|window| window == secret));
        }
        let loaded = VerifierKey::load(folder.path()).unwrap().unwrap();
        assert!(loaded.decrypt(&name("ALICE"), &verifier).unwrap() == keys());
        assert!(loaded.decrypt(&name("bob"), &verifier).is_none());
        let other = VerifierKey::create(folder.path()).unwrap();
        assert!(other.decrypt(&name("alice"), &verifier).is_none());
        for length in [0, 11, 12, 91] {
            let mut cut = verifier.clone();
            cut.encrypted_keys.truncate(length);
            assert!(loaded.decrypt(&name("alice"), &cut).is_none(), "{length}");
        }
    }

    #[test]
    fn the_file_is_private_and_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        VerifierKey::create(folder.path()).unwrap();
        let file = folder.path().join(KEY_FILE);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, files::PRIVATE);
        fs::write(&file, b"short").unwrap();
        let error = VerifierKey::load(folder.path()).err().unwrap();
        assert!(
            error.to_string().contains("5 instead of 32 bytes")
                && error.to_string().contains("Restore it from a backup"),
            "{error}"
        );
    }
}
