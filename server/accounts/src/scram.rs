//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side: the client proves a password without
//! sending it. Channel binding (`SCRAM-SHA-256-PLUS`) is not offered.
//!
//! This module holds the messages and the arithmetic; it knows neither accounts nor limits.

use std::num::NonZeroU32;

use aws_lc_rs::{hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::password::Password;
use super::random;
use super::sasl::{Claim, Login, Malformed};

/// The most that Cyrus SASL accepts, which many clients use. It does not suffice against offline
/// guessing, so the keys are stored encrypted ([`verifier_key`](super::verifier_key)).
const ITERATIONS: NonZeroU32 = NonZeroU32::new(65_536).expect("more than none");
/// The maximum length of a client's nonce in bytes.
const MAX_NONCE: usize = 256;
const SERVER_NONCE_BYTES: usize = 18;

/// The keys that a password is checked with (RFC 5802 §3).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ScramKeys {
    /// The salt of the password.
    pub salt: [u8; 16],
    /// The number of PBKDF2 iterations.
    pub iterations: u32,
    /// The key that the client's proof is checked with.
    pub stored_key: [u8; 32],
    /// The key that the server signs with.
    pub server_key: [u8; 32],
}

impl ScramKeys {
    /// Returns whether they were derived with the number of iterations that is used now.
    pub fn are_current(&self) -> bool {
        self.iterations == ITERATIONS.get()
    }
}

/// Derives the keys of a password with a new salt. Takes tens of milliseconds.
pub fn keys_of(password: &Password) -> ScramKeys {
    keys(password, random(), ITERATIONS)
}

/// Returns keys that no password matches, for a claim without an account. As with real keys, the
/// salt is always the same for one claim.
pub fn decoy_keys(secret: &[u8; 32], claim: &Claim) -> ScramKeys {
    let sum = sign(secret, claim.folded().as_bytes());
    let mut salt = [0; 16];
    salt.copy_from_slice(&sum[..16]);
    ScramKeys {
        salt,
        iterations: ITERATIONS.get(),
        stored_key: random(),
        server_key: random(),
    }
}

fn keys(password: &Password, salt: [u8; 16], iterations: NonZeroU32) -> ScramKeys {
    // Clients prepare a password by SASLprep (RFC 5802 §2.2), and use one that it prohibits as it
    // is.
    let password = password.as_str();
    let prepared = stringprep::saslprep(password).unwrap_or(password.into());
    let prepared = Zeroizing::new(prepared.into_owned());
    let mut salted = Zeroizing::new([0_u8; 32]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        &salt,
        prepared.as_bytes(),
        &mut *salted,
    );
    ScramKeys {
        salt,
        iterations: iterations.get(),
        stored_key: Sha256::digest(sign(&salted, b"Client Key")).into(),
        server_key: sign(&salted, b"Server Key"),
    }
}

fn sign(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    tag.as_ref().try_into().expect("a SHA-256 tag has 32 bytes")
}

/// The client's first message.
pub struct ClientFirst {
    /// What the client signs in as.
    pub login: Login,
    /// The GS2 header, such as `n,,`, which the client repeats under its signature.
    header: String,
    bare: String,
    nonce: String,
}

impl ClientFirst {
    /// Parses the message. It is malformed, too, if it requires an extension or a channel binding,
    /// or names another authorization identity.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let form = Malformed::Form;
        let text = std::str::from_utf8(payload).map_err(|_| form)?;
        let mut parts = text.splitn(3, ',');
        let mut part = || parts.next().ok_or(form);
        let (binding, authzid, bare) = (part()?, part()?, part()?);
        // `y`: the client supports channel binding, but believes that the server does not.
        if !matches!(binding, "n" | "y") {
            return Err(form);
        }
        let mut fields = bare.split(',');
        let mut field = |name: &str| {
            let field = fields.next().and_then(|field| field.strip_prefix(name));
            field.ok_or(form)
        };
        let login = Login::parse(&unescape(field("n=")?).ok_or(form)?)?;
        let nonce = field("r=")?;
        let is_nonce = (1..=MAX_NONCE).contains(&nonce.len())
            && nonce.bytes().all(|byte| byte.is_ascii_graphic());
        let is_authorized = match authzid.strip_prefix("a=") {
            None => authzid.is_empty(),
            Some(authzid) => login.is_authzid(&unescape(authzid).ok_or(form)?)?,
        };
        if !is_nonce || !is_authorized {
            return Err(form);
        }
        let header = text[..text.len() - bare.len()].to_owned();
        Ok(Self {
            login,
            header,
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
        })
    }

    /// Returns the server's first message, and the challenge that checks the client's proof. No
    /// proof is accepted unless the keys are real.
    pub fn challenge(self, keys: ScramKeys, is_real: bool) -> (String, Challenge) {
        let own: [u8; SERVER_NONCE_BYTES] = random();
        self.challenge_with(&STANDARD.encode(own), keys, is_real)
    }

    pub fn challenge_with(self, own: &str, keys: ScramKeys, is_real: bool) -> (String, Challenge) {
        let nonce = format!("{}{own}", self.nonce);
        let answer = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(keys.salt),
            keys.iterations
        );
        let binding = STANDARD.encode(self.header);
        let first_messages = format!("{},{answer}", self.bare);
        (
            answer,
            Challenge {
                nonce,
                binding,
                first_messages,
                keys,
                is_real,
            },
        )
    }
}

/// An exchange that waits for the client's proof.
pub struct Challenge {
    nonce: String,
    /// The value of `c=` that the client must send.
    binding: String,
    /// The part of the signed text that both first messages form.
    first_messages: String,
    keys: ScramKeys,
    is_real: bool,
}

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// The message is malformed, or belongs to another exchange.
    BadForm,
    /// The password is wrong, or the keys are not real.
    Wrong,
}

impl Challenge {
    /// Checks the proof in constant time. Returns the server's final message, which proves that the
    /// server has the password's keys.
    pub fn check(&self, payload: &[u8]) -> Result<String, ProofError> {
        let text = std::str::from_utf8(payload).map_err(|_| ProofError::BadForm)?;
        let (signed, proof) = text.rsplit_once(",p=").ok_or(ProofError::BadForm)?;
        let proof: [u8; 32] = STANDARD
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or(ProofError::BadForm)?;
        let mut fields = signed.split(',');
        let mut field = |name: &str| fields.next().and_then(|field| field.strip_prefix(name));
        if field("c=") != Some(&self.binding) || field("r=") != Some(&self.nonce) {
            return Err(ProofError::BadForm);
        }
        let whole = format!("{},{signed}", self.first_messages);
        let mut client_key = Zeroizing::new(sign(&self.keys.stored_key, whole.as_bytes()));
        for (byte, proof) in client_key.iter_mut().zip(proof) {
            *byte ^= proof;
        }
        let right = bool::from(
            Sha256::digest(*client_key)
                .as_slice()
                .ct_eq(&self.keys.stored_key),
        );
        if !(right && self.is_real) {
            return Err(ProofError::Wrong);
        }
        Ok(format!(
            "v={}",
            STANDARD.encode(sign(&self.keys.server_key, whole.as_bytes()))
        ))
    }
}

/// Decodes `=2C` to a comma and `=3D` to an equals sign. Returns `None` for any other use of `=`.
fn unescape(text: &str) -> Option<String> {
    let plain = text.replace("=2C", ",").replace("=3D", "");
    (!plain.contains('=')).then(|| text.replace("=2C", ",").replace("=3D", "="))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The example of RFC 7677 §3.
    fn example() -> (String, Challenge) {
        let salt = STANDARD
            .decode("W22ZaJ0SNY7soEsUEjb6gQ==")
            .unwrap()
            .try_into()
            .unwrap();
        let keys = keys(
            &Password::prepare("pencil").unwrap(),
            salt,
            NonZeroU32::new(4096).unwrap(),
        );
        let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(first.login.claim.folded(), "user");
        first.challenge_with("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", keys, true)
    }

    const PROOF: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_example_of_the_rfc_is_reproduced() {
        let (answer, challenge) = example();
        assert_eq!(
            answer,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        assert_eq!(
            challenge.check(PROOF).unwrap(),
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        let decoy = Challenge {
            is_real: false,
            ..challenge
        };
        assert_eq!(decoy.check(PROOF), Err(ProofError::Wrong));
    }

    #[test]
    fn proofs_that_are_wrong_or_of_another_exchange_are_refused() {
        let (_, challenge) = example();
        let proof = String::from_utf8(PROOF.to_vec()).unwrap();
        let wrong = proof.replace("p=dHzb", "p=eHzb");
        assert_eq!(challenge.check(wrong.as_bytes()), Err(ProofError::Wrong));
        for (from, to) in [
            ("c=biws", "c=eSws"),
            ("r=rOpr", "r=xOpr"),
            (",p=", ",q="),
            ("VQ=", "V"),
        ] {
            assert_eq!(
                challenge.check(proof.replace(from, to).as_bytes()),
                Err(ProofError::BadForm),
                "{to}"
            );
        }
        assert_eq!(challenge.check(b""), Err(ProofError::BadForm));
        let extended = proof.replace(",p=", ",x=more,p=");
        assert_eq!(
            challenge.check(extended.as_bytes()),
            Err(ProofError::Wrong),
            "an addition has to be signed"
        );
    }

    #[test]
    fn first_messages_are_parsed_strictly() {
        for good in [
            "n,,n=user,r=x",
            "y,,n=user,r=x",
            "n,a=USER,n=user,r=x",
            "n,,n=a@b.example,r=x,ext=1",
            "n,a=user,n=user/phone,r=x",
        ] {
            assert!(ClientFirst::parse(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "n,,",
            "p=tls-exporter,,n=user,r=x",
            "n,a=other,n=user,r=x",
            "n,,m=ext,n=user,r=x",
            "n,,n=us=er,r=x",
            "n,,n=user/a b,r=x",
            "n,a=user/phone,n=user,r=x",
            "n,,n=,r=x",
            "n,,n=user,r=",
            "n,,n=user",
            "x,,n=user,r=x",
        ] {
            assert!(ClientFirst::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(ClientFirst::parse(format!("n,,n=user,r={}", "x".repeat(257)).as_bytes()).is_err());
        assert_eq!(unescape("a=2Cb=3Dc").as_deref(), Some("a,b=c"));
        assert_eq!((unescape("a=2"), unescape("=3d")), (None, None));
    }

    #[test]
    fn a_decoy_salt_is_constant_for_one_claim_and_differs_for_others() {
        let salt =
            |secret: u8, name: &str| decoy_keys(&[secret; 32], &Claim::parse(name).unwrap()).salt;
        assert_eq!(salt(1, "alice"), salt(1, "ALICE"));
        assert_ne!(salt(1, "alice"), salt(1, "bob"));
        assert_ne!(salt(1, "alice"), salt(2, "alice"));
    }

    #[test]
    fn passwords_are_prepared_as_clients_prepare_them() {
        let keys = |password: &str| {
            let password = Password::prepare(password).unwrap();
            keys(&password, [0; 16], NonZeroU32::new(1).unwrap()).stored_key
        };
        assert_eq!(keys("\u{2168}"), keys("IX"), "a Roman nine");
        assert_eq!(keys("cafe\u{301}"), keys("caf\u{e9}"), "NFD and NFC");
        assert_ne!(keys("user"), keys("USER"));
        assert_ne!(keys("a\u{1f426}"), keys("a"), "prohibited characters stay");
    }
}
