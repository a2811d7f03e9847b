//! The SHA-256 fingerprint of a certificate, in the form that people compare, and the pin that
//! identifies a known certificate.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The SHA-256 hash of a certificate or of its public key, in DER.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

/// The fingerprints that identify a pinned certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatePin {
    /// The fingerprint of the certificate.
    pub certificate: Fingerprint,
    /// The fingerprint of its public key (`SubjectPublicKeyInfo`), which a renewed certificate may
    /// share.
    pub key: Option<Fingerprint>,
}

/// The error for a text that is not 64 hexadecimal digits, with or without colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 fingerprint")]
pub struct InvalidFingerprint;

impl Fingerprint {
    /// Returns the fingerprint of a certificate or key in DER.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

impl CertificatePin {
    /// Returns the pin of a certificate, without its key if that cannot be parsed.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let key = ParsedCertificate::try_from(certificate).ok();
        let key = key.map(|parsed| Fingerprint::of(&parsed.subject_public_key_info()));
        Self {
            certificate: Fingerprint::of(certificate),
            key,
        }
    }
}

/// Formats the fingerprint like `openssl x509 -fingerprint -sha256`.
impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index > 0 { ":" } else { "" };
            write!(out, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let digits: Vec<u8> = text.bytes().filter(|&byte| byte != b':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return Err(InvalidFingerprint);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
            let value = high
                .zip(low)
                .map(|(high, low)| high * 16 + low)
                .ok_or(InvalidFingerprint)?;
            *byte = u8::try_from(value).map_err(|_| InvalidFingerprint)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;
    fn try_from(text: String) -> Result<Self, InvalidFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_formatted_like_openssl_and_parsed_in_any_form() {
        let fingerprint = Fingerprint::of(b"abc");
        let text = fingerprint.to_string();
        assert!(text.starts_with("BA:78:16:BF:8F:01"), "{text}");
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(
            text.replace(':', "").to_lowercase().parse(),
            Ok(fingerprint)
        );
        for bad in [
            "",
            "BA:78",
            &text.replace("BA", "XY"),
            &format!("{text}:00"),
        ] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(InvalidFingerprint), "{bad}");
        }
    }
}
