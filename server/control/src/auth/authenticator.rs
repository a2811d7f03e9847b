//! Authenticator apps (TOTP, RFC 6238): their secrets and codes, and the recovery codes that
//! replace a lost app.

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use totp_rs::{Algorithm, Builder, Secret, Totp};

use rookery_base::random::random;
use rookery_protocol::code::without_separators;
use rookery_record::Authenticator;
use rookery_store::{Result as StoreResult, Store};

/// The number of recovery codes of an admin.
const RECOVERY_CODES: usize = 10;
/// The number of random bytes of a recovery code: 120 bits. A code of at least 112 bits may be
/// stored with a fast hash (OWASP ASVS 6.5.2).
const RECOVERY_BYTES: usize = 15;
/// The number of letters of a recovery code; base32 encodes five bits in each.
const RECOVERY_LETTERS: usize = 24;
/// The characters that a URI component has to encode: all but the unreserved ones (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns a secret for a new app, of the length that RFC 4226 §4 recommends.
pub fn new_secret() -> [u8; 20] {
    random()
}

/// Returns the time step that a code belongs to: the current one or an adjacent one (RFC 6238
/// §5.2). Returns none if the code is wrong.
pub fn step_of(secret: &[u8; 20], code: &str, now: Timestamp) -> Option<u64> {
    totp(secret).check(&without_separators(code), now.as_second().unsigned_abs())
}

fn totp(secret: &[u8; 20]) -> Totp {
    // The parameters that every app supports: SHA-1, six digits, thirty seconds.
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(30)
        .with_secret(secret.to_vec())
        .build()
        .expect("six digits from a secret of 20 bytes follow RFC 6238")
}

/// Returns the secret in base32, to be typed into an app.
pub fn base32(secret: &[u8; 20]) -> String {
    Secret::from(secret.to_vec()).to_base32()
}

/// Returns the `otpauth` URI of a secret, which an app reads as a QR code.
pub fn uri(secret: &[u8; 20], issuer: &str, admin: &str) -> String {
    let issuer = utf8_percent_encode(issuer, RESERVED).to_string();
    let admin = utf8_percent_encode(admin, RESERVED);
    let secret = base32(secret);
    format!(
        "otpauth://totp/{issuer}:{admin}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6\
         &period=30"
    )
}

/// A code of an admin's app, or one of the recovery codes that replace it.
pub enum Proof {
    /// A code of this time step.
    App(u64),
    /// The hash of a recovery code. Only the store knows whether it is valid.
    Recovery([u8; 32]),
}

impl Proof {
    /// Parses a code. Returns none if it is wrong, or if its time step or a later one was used.
    pub fn parse(app: &Authenticator, code: &str, now: Timestamp) -> Option<Self> {
        if let Some(hash) = recovery_hash(code) {
            return Some(Self::Recovery(hash));
        }
        step_of(&app.secret, code, now)
            .filter(|step| app.accepts_step(*step))
            .map(Self::App)
    }

    /// Marks the code as used. Returns false if it was used before or is not valid.
    pub fn use_up(&self, store: &mut Store, admin: &str) -> StoreResult<bool> {
        match self {
            Self::App(step) => store.use_authenticator_step(admin, *step),
            Self::Recovery(hash) => store.use_recovery_code(admin, hash),
        }
    }
}

/// Returns new recovery codes as they are displayed, and their hashes, which are stored.
pub fn recovery_codes() -> (Vec<String>, Vec<[u8; 32]>) {
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| random_letters()).collect();
    let hashes = codes
        .iter()
        .filter_map(|code| recovery_hash(code))
        .collect();
    (codes, hashes)
}

/// Returns 120 random bits that people can copy: `abcd-efgh-ijkl-mnop-qrst-uvwx`.
pub fn random_letters() -> String {
    let letters = BASE32_NOPAD
        .encode(&random::<RECOVERY_BYTES>())
        .to_ascii_lowercase();
    let groups: Vec<&str> = (0..RECOVERY_LETTERS)
        .step_by(4)
        .map(|at| &letters[at..at + 4])
        .collect();
    groups.join("-")
}

/// Returns the hash of a recovery code, whatever its grouping and letter case. Returns none if the
/// text does not have the form of one.
fn recovery_hash(code: &str) -> Option<[u8; 32]> {
    let letters = without_separators(code).to_ascii_lowercase();
    let is_code =
        letters.len() == RECOVERY_LETTERS && BASE32_NOPAD_NOCASE.decode(letters.as_bytes()).is_ok();
    is_code.then(|| Sha256::digest(&letters).into())
}

/// Returns the code that the app displays at `now`.
#[cfg(test)]
pub fn code_at(secret: &[u8; 20], now: Timestamp) -> String {
    totp(secret)
        .generate(now.as_second().unsigned_abs())
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    #[test]
    fn codes_match_the_test_vectors_of_the_rfc() {
        // RFC 6238, appendix B: the last six digits of its eight.
        let secret = *b"12345678901234567890";
        assert_eq!(code_at(&secret, at(59)), "287082");
        assert_eq!(code_at(&secret, at(1_111_111_109)), "081804");
        assert_eq!(
            step_of(&secret, "081804", at(1_111_111_109)),
            Some(37_037_036)
        );
    }

    #[test]
    fn a_code_is_valid_in_its_time_step_and_the_two_adjacent_ones() {
        let secret = *b"12345678901234567890";
        let code = code_at(&secret, at(3000));
        for (second, step) in [
            (2969, None),
            (2970, Some(100)),
            (3000, Some(100)),
            (3059, Some(100)),
            (3060, None),
        ] {
            let grouped = format!(" {} {}", &code[..3], &code[3..]);
            for typed in [&code, &grouped, &grouped.replace(' ', "-")] {
                assert_eq!(
                    step_of(&secret, typed, at(second)),
                    step,
                    "{typed:?} at {second}"
                );
            }
        }
        for odd in ["", "12345", "1234567", "abcdef", "１２３４５６", "+12345"] {
            assert_eq!(step_of(&secret, odd, at(3000)), None, "{odd:?}");
        }
    }

    #[test]
    fn a_used_time_step_and_all_earlier_ones_are_rejected() {
        let mut app = Authenticator {
            secret: new_secret(),
            enrolled_at: at(0),
            last_step: 99,
            required: false,
        };
        let code = code_at(&app.secret, at(3000));
        assert!(matches!(
            Proof::parse(&app, &code, at(3000)),
            Some(Proof::App(100))
        ));
        for last_step in [100, 102] {
            app.last_step = last_step;
            assert!(Proof::parse(&app, &code, at(3000)).is_none());
        }
        app.last_step = 103;
        assert!(
            Proof::parse(&app, &code, at(3000)).is_some(),
            "that one was used while the clock was ahead"
        );
        assert!(!format!("{app:?}").contains("secret"));
    }

    #[test]
    fn the_uri_names_the_issuer_and_the_admin() {
        let uri = uri(b"12345678901234567890", "Möwen & Co", "anna");
        assert_eq!(
            uri,
            "otpauth://totp/M%C3%B6wen%20%26%20Co:anna?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=M%C3%B6wen%20%26%20Co&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn the_ten_recovery_codes_differ_and_are_recognized_in_every_grouping() {
        let (codes, hashes) = recovery_codes();
        assert_eq!((codes.len(), hashes.len()), (10, 10));
        assert_eq!(
            hashes
                .iter()
                .collect::<std::collections::HashSet<_>>()
                .len(),
            10
        );
        assert_eq!(codes[0].len(), 29);
        let typed = format!(" {} ", codes[0].to_uppercase().replace('-', " "));
        assert_eq!(recovery_hash(&typed), Some(hashes[0]));
        for odd in [
            "123456",
            "",
            "abcd-efgh-ijkl-mnop-qrst-uvw",
            "abcd-efgh-ijkl-mnop-qrst-uvw1",
            "abcd-efgh-ijkl-mnop-qrst-uvwxy",
        ] {
            assert_eq!(recovery_hash(odd), None, "{odd}");
        }
    }
}
