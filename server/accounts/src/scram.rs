//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side: a password is proved without being told.
//! Channels are not bound to it: `SCRAM-SHA-256-PLUS` is not offered.

use std::num::NonZeroU32;

use aws_lc_rs::{hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::random;
use super::sasl::Claim;
use rookery_record::ScramKeys;

/// OWASP's recommendation for PBKDF2-HMAC-SHA256.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).expect("more than none");
/// The most bytes of a client's nonce.
const MAX_NONCE: usize = 256;
const SERVER_NONCE_BYTES: usize = 18;

/// The keys of a password; takes some hundred milliseconds.
pub fn keys_of(password: &str) -> ScramKeys {
    keys(password, random(), ITERATIONS)
}

/// Keys that no password has, for an account that is not there: the same for the same name, as real
/// ones are.
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

fn keys(password: &str, salt: [u8; 16], iterations: NonZeroU32) -> ScramKeys {
    // What SASLprep forbids is taken as it is.
    let prepared = stringprep::saslprep(password).unwrap_or(password.into());
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        &salt,
        prepared.as_bytes(),
        &mut salted,
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

/// What a client begins with.
pub struct ClientFirst {
    pub claim: Claim,
    /// `n,,` or the like: the client sends it again, signed.
    header: String,
    bare: String,
    nonce: String,
}

impl ClientFirst {
    /// None for what has not the form, asks for an extension or a channel binding, or to act for
    /// another.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        let mut parts = text.splitn(3, ',');
        let (binding, acts_for, bare) = (parts.next()?, parts.next()?, parts.next()?);
        // `y`: the client could bind, and has seen that this server offers no such thing.
        if !matches!(binding, "n" | "y") {
            return None;
        }
        let mut fields = bare.split(',');
        let claim = Claim::parse(&unescape(fields.next()?.strip_prefix("n=")?)?)?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        let is_nonce = (1..=MAX_NONCE).contains(&nonce.len())
            && nonce.bytes().all(|byte| byte.is_ascii_graphic());
        let acts_for = match acts_for {
            "" => None,
            other => Some(Claim::parse(&unescape(other.strip_prefix("a=")?)?)?),
        };
        if !is_nonce || acts_for.is_some_and(|other| other != claim) {
            return None;
        }
        let header = text[..text.len() - bare.len()].to_owned();
        Some(Self {
            claim,
            header,
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
        })
    }

    /// What the client is answered, and what its proof is then judged by. Without keys no proof
    /// will do.
    pub fn challenge(self, keys: ScramKeys, is_real: bool) -> (String, Challenge) {
        let own: [u8; SERVER_NONCE_BYTES] = random();
        self.challenge_with(&STANDARD.encode(own), keys, is_real)
    }

    fn challenge_with(self, own: &str, keys: ScramKeys, is_real: bool) -> (String, Challenge) {
        let nonce = format!("{}{own}", self.nonce);
        let answer = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(keys.salt),
            keys.iterations
        );
        let binding = STANDARD.encode(self.header);
        let said = format!("{},{answer}", self.bare);
        (
            answer,
            Challenge {
                nonce,
                binding,
                said,
                keys,
                is_real,
            },
        )
    }
}

/// One exchange that waits for the client's proof.
pub struct Challenge {
    nonce: String,
    /// What the client has to repeat in `c=`.
    binding: String,
    /// Both first messages, as they are signed.
    said: String,
    keys: ScramKeys,
    is_real: bool,
}

/// Why a proof is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProof {
    BadForm,
    Wrong,
}

impl Challenge {
    /// Judges the proof in constant time. Gives the server's own proof: that it knows the
    /// password's keys.
    pub fn check(&self, payload: &[u8]) -> Result<String, NoProof> {
        let text = std::str::from_utf8(payload).map_err(|_| NoProof::BadForm)?;
        let (signed, proof) = text.rsplit_once(",p=").ok_or(NoProof::BadForm)?;
        let proof: [u8; 32] = STANDARD
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or(NoProof::BadForm)?;
        let mut fields = signed.split(',');
        let mut field = |name: &str| fields.next().and_then(|field| field.strip_prefix(name));
        if field("c=") != Some(&self.binding) || field("r=") != Some(&self.nonce) {
            return Err(NoProof::BadForm);
        }
        let whole = format!("{},{signed}", self.said);
        let mut client_key = sign(&self.keys.stored_key, whole.as_bytes());
        for (byte, proof) in client_key.iter_mut().zip(proof) {
            *byte ^= proof;
        }
        let right = bool::from(
            Sha256::digest(client_key)
                .as_slice()
                .ct_eq(&self.keys.stored_key),
        );
        if !(right && self.is_real) {
            return Err(NoProof::Wrong);
        }
        Ok(format!(
            "v={}",
            STANDARD.encode(sign(&self.keys.server_key, whole.as_bytes()))
        ))
    }
}

/// `=2C` is a comma and `=3D` an equals sign; none for an equals sign that is neither.
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
        let keys = keys("pencil", salt, NonZeroU32::new(4096).unwrap());
        let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(first.claim.folded(), "user");
        first.challenge_with("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", keys, true)
    }

    const PROOF: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_example_of_the_rfc_comes_out() {
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
        assert_eq!(decoy.check(PROOF), Err(NoProof::Wrong));
    }

    #[test]
    fn proofs_that_are_wrong_or_of_another_exchange_are_refused() {
        let (_, challenge) = example();
        let proof = String::from_utf8(PROOF.to_vec()).unwrap();
        let wrong = proof.replace("p=dHzb", "p=eHzb");
        assert_eq!(challenge.check(wrong.as_bytes()), Err(NoProof::Wrong));
        for (from, to) in [
            ("c=biws", "c=eSws"),
            ("r=rOpr", "r=xOpr"),
            (",p=", ",q="),
            ("VQ=", "V"),
        ] {
            assert_eq!(
                challenge.check(proof.replace(from, to).as_bytes()),
                Err(NoProof::BadForm),
                "{to}"
            );
        }
        assert_eq!(challenge.check(b""), Err(NoProof::BadForm));
        let extended = proof.replace(",p=", ",x=more,p=");
        assert_eq!(
            challenge.check(extended.as_bytes()),
            Err(NoProof::Wrong),
            "what is added has to be signed"
        );
    }

    #[test]
    fn first_messages_are_read_strictly() {
        for good in [
            "n,,n=user,r=x",
            "y,,n=user,r=x",
            "n,a=USER,n=user,r=x",
            "n,,n=a@b.example,r=x,ext=1",
        ] {
            assert!(ClientFirst::parse(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "",
            "n,,",
            "p=tls-exporter,,n=user,r=x",
            "n,a=other,n=user,r=x",
            "n,,m=ext,n=user,r=x",
            "n,,n=us=er,r=x",
            "n,,n=,r=x",
            "n,,n=user,r=",
            "n,,n=user",
            "x,,n=user,r=x",
        ] {
            assert!(ClientFirst::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(
            ClientFirst::parse(format!("n,,n=user,r={}", "x".repeat(257)).as_bytes()).is_none()
        );
        assert_eq!(unescape("a=2Cb=3Dc").as_deref(), Some("a,b=c"));
        assert_eq!((unescape("a=2"), unescape("=3d")), (None, None));
    }

    #[test]
    fn nobody_has_one_salt_for_ever_and_others_have_others() {
        let salt =
            |secret: u8, name: &str| decoy_keys(&[secret; 32], &Claim::parse(name).unwrap()).salt;
        assert_eq!(salt(1, "alice"), salt(1, "ALICE"));
        assert_ne!(salt(1, "alice"), salt(1, "bob"));
        assert_ne!(salt(1, "alice"), salt(2, "alice"));
    }

    #[test]
    fn passwords_are_prepared_as_sasl_has_it() {
        let keys = |password: &str| keys(password, [0; 16], NonZeroU32::new(1).unwrap());
        assert_eq!(keys("I\u{ad}X"), keys("IX"), "a soft hyphen is nothing");
        assert_eq!(keys("\u{2168}"), keys("IX"), "a Roman nine");
        assert_ne!(keys("user"), keys("USER"));
        assert_ne!(keys("a\u{7}"), keys("a"), "what it forbids stays");
    }
}
