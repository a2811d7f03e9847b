//! Authenticator apps: their secret, their codes, and the recovery codes that stand in for a lost
//! one.

use std::fmt::Write as _;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use totp_rs::{Algorithm, Builder, Secret, Totp};

use super::random;
use rookery_record::Authenticator;
use rookery_store::{Result as StoreResult, Store};

/// How many recovery codes an admin gets.
const RECOVERY_CODES: usize = 10;
/// Base32 of RFC 4648, in small letters.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Five bits each: 120. From 112 on, ASVS 6.5.2 asks for no slow hash.
const RECOVERY_LETTERS: usize = 24;

/// A secret for a new app, of the length that RFC 4226 §4 recommends.
pub fn new_secret() -> [u8; 20] {
    random()
}

/// The time step of the code that this is, of now or a neighbouring half-minute (RFC 6238 §5.2);
/// none for a wrong one.
pub fn step_of(secret: &[u8; 20], code: &str, now: Timestamp) -> Option<u64> {
    totp(secret).check(code.trim(), now.as_second().unsigned_abs())
}

fn totp(secret: &[u8; 20]) -> Totp {
    // What every app knows: SHA-1, six digits, thirty seconds.
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(30)
        .with_secret(secret.to_vec())
        .build()
        .expect("six digits from a secret of 20 bytes follow RFC 6238")
}

/// The secret, to be typed into an app.
pub fn base32(secret: &[u8; 20]) -> String {
    Secret::from(secret.to_vec()).to_base32()
}

/// The secret for an app that reads a QR code, with the names that it shows.
pub fn uri(secret: &[u8; 20], issuer: &str, admin: &str) -> String {
    let (issuer, admin) = (percent_encoded(issuer), percent_encoded(admin));
    let secret = base32(secret);
    format!(
        "otpauth://totp/{issuer}:{admin}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    )
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// What shows that an admin holds the app, or one of the codes that stand in for it.
pub enum Proof {
    /// A code of that time step.
    App(u64),
    /// A recovery code, by its hash. Whether it is good is for the record to say.
    Recovery([u8; 32]),
}

impl Proof {
    /// Reads a code; none if it is wrong or of a time step that was used.
    pub fn read(app: &Authenticator, code: &str, now: Timestamp) -> Option<Self> {
        if let Some(hash) = recovery_hash(code) {
            return Some(Self::Recovery(hash));
        }
        step_of(&app.secret, code, now)
            .filter(|step| *step > app.last_step)
            .map(Self::App)
    }

    /// Uses it up; false if it was used before, or is good for nothing.
    pub fn use_up(&self, store: &mut Store, admin: &str) -> StoreResult<bool> {
        match self {
            Self::App(step) => store.use_authenticator_step(admin, *step),
            Self::Recovery(hash) => store.use_recovery_code(admin, hash),
        }
    }
}

/// New recovery codes, as they are shown, with the hashes that are kept. Of 120 random bits each,
/// they need no slow hash.
pub fn recovery_codes() -> (Vec<String>, Vec<[u8; 32]>) {
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| grouped_letters()).collect();
    let hashes = codes
        .iter()
        .filter_map(|code| recovery_hash(code))
        .collect();
    (codes, hashes)
}

/// 120 random bits for people to copy: `abcd-efgh-ijkl-mnop-qrst-uvwx`.
pub fn grouped_letters() -> String {
    let letters =
        random::<RECOVERY_LETTERS>().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

/// The hash of what has the form of a recovery code, however it is grouped.
fn recovery_hash(code: &str) -> Option<[u8; 32]> {
    let letters: String = code
        .chars()
        .filter(|char| !matches!(char, '-' | ' '))
        .map(|char| char.to_ascii_lowercase())
        .collect();
    let formed =
        letters.len() == RECOVERY_LETTERS && letters.bytes().all(|byte| LETTERS.contains(&byte));
    formed.then(|| Sha256::digest(&letters).into())
}

/// The app's code of that moment.
#[cfg(test)]
pub fn code_at(secret: &[u8; 20], now: Timestamp) -> String {
    totp(secret)
        .generate(now.as_second().unsigned_abs())
        .to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    #[test]
    fn codes_are_those_of_the_standard() {
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
    fn a_code_is_good_in_its_half_minute_and_the_ones_beside_it() {
        let secret = *b"12345678901234567890";
        let code = code_at(&secret, at(3000));
        for (second, step) in [
            (2969, None),
            (2970, Some(100)),
            (3000, Some(100)),
            (3059, Some(100)),
            (3060, None),
        ] {
            assert_eq!(
                step_of(&secret, &format!(" {code} "), at(second)),
                step,
                "{second}"
            );
        }
        for odd in ["", "12345", "1234567", "abcdef", "１２３４５６", "+12345"] {
            assert_eq!(step_of(&secret, odd, at(3000)), None, "{odd:?}");
        }
    }

    #[test]
    fn a_time_step_that_was_used_is_used_and_so_are_those_before() {
        let mut app = Authenticator {
            secret: new_secret(),
            enrolled_at: at(0),
            last_step: 99,
            required: false,
        };
        let code = code_at(&app.secret, at(3000));
        assert!(matches!(
            Proof::read(&app, &code, at(3000)),
            Some(Proof::App(100))
        ));
        app.last_step = 100;
        assert!(Proof::read(&app, &code, at(3000)).is_none());
        assert!(!format!("{app:?}").contains("secret"));
    }

    #[test]
    fn apps_are_told_whose_secret_it_is() {
        let uri = uri(b"12345678901234567890", "Möwen & Co", "anna");
        assert_eq!(
            uri,
            "otpauth://totp/M%C3%B6wen%20%26%20Co:anna?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=M%C3%B6wen%20%26%20Co&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn recovery_codes_are_ten_that_differ_and_are_known_however_they_are_typed() {
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
