//! Reads the fields of a certificate that rustls does not expose: its issuer, its subject, and for
//! how long. Verifies its signature alone, whatever else is wrong with it.
//!
//! Only the DER elements up to the public key, and the signature, are parsed (RFC 5280 §4.1).

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::alg_id::RSA_ENCRYPTION;

const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The validity period of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// The fields of a certificate that this module reads. Names are in DER, to be compared only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub issuer: &'a [u8],
    /// The dates in DER.
    dates: &'a [u8],
    pub subject: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Returns the fields of a certificate in DER, or `None` if it cannot be parsed.
    pub(super) fn of(certificate: &'a [u8]) -> Option<Self> {
        Self::and_key(certificate).map(|(fields, _key)| fields)
    }

    /// Returns the fields of a certificate in DER, and its public key.
    fn and_key(certificate: &'a [u8]) -> Option<(Self, Value<'a>)> {
        let (_, certificate, _) = element(certificate)?;
        let (_, mut fields, _) = element(certificate)?;
        if let (VERSION, _, rest) = element(fields)? {
            fields = rest;
        }
        for _serial_signature in 0..2 {
            (_, _, fields) = element(fields)?;
        }
        let (_, issuer, fields) = element(fields)?;
        let (_, dates, fields) = element(fields)?;
        let (_, subject, fields) = element(fields)?;
        let (_, key, _) = element(fields)?;
        let fields = Self {
            issuer,
            dates,
            subject,
        };
        Some((fields, Value::of(key)?))
    }

    /// Returns the validity period, or `None` if it cannot be parsed.
    pub(super) fn validity(&self) -> Option<Validity> {
        let (start_tag, start, dates) = element(self.dates)?;
        let (end_tag, end, _) = element(dates)?;
        Some(Validity {
            start: time(start_tag, start)?,
            end: time(end_tag, end)?,
        })
    }

    /// Whether the certificate names itself as its issuer, as that of a root authority does.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }
}

/// Whether the key of `issuer` has made the signature of `certificate`, both in DER. `None` if that
/// is unknown, because one of them cannot be parsed or the algorithm is not supported.
pub(super) fn is_signed_with_key_of(certificate: &[u8], issuer: &[u8]) -> Option<bool> {
    let (_, key) = Fields::and_key(issuer)?;
    let (_, parts, _) = element(certificate)?;
    let (_, _, rest) = element(parts)?;
    let signed = &parts[..parts.len() - rest.len()];
    let signature = Value::of(rest)?;
    if key.algorithm == RSA_ENCRYPTION.as_ref() && !RSA_KEY_BYTES.contains(&key.bits.len()) {
        return None;
    }
    let provider = aws_lc_rs::default_provider();
    let algorithms = provider.signature_verification_algorithms.all.iter();
    let verified: Vec<bool> = algorithms
        .filter(|algorithm| {
            *algorithm.signature_alg_id() == *signature.algorithm
                && *algorithm.public_key_alg_id() == *key.algorithm
        })
        .map(|algorithm| {
            let verified = algorithm.verify_signature(key.bits, signed, signature.bits);
            verified.is_ok()
        })
        .collect();
    (!verified.is_empty()).then(|| verified.contains(&true))
}

/// The bytes of the RSA keys with which signatures are verified: those of 2048 to 8192 bits.
const RSA_KEY_BYTES: RangeInclusive<usize> = 256..=1100;

/// A public key or a signature.
struct Value<'a> {
    algorithm: &'a [u8],
    bits: &'a [u8],
}

impl<'a> Value<'a> {
    /// Parses an algorithm and a `BIT STRING` that follow each other.
    fn of(input: &'a [u8]) -> Option<Self> {
        let (_, algorithm, rest) = element(input)?;
        let (_, bits, _) = element(rest)?;
        // The first byte is the number of unused bits.
        let (&0, bits) = bits.split_first()? else {
            return None;
        };
        Some(Self { algorithm, bits })
    }
}

/// Returns the validity period of a certificate in DER, or `None` if it cannot be parsed.
pub(super) fn validity(certificate: &[u8]) -> Option<Validity> {
    Fields::of(certificate)?.validity()
}

/// Splits off the first DER element. Returns its tag, its content, and the rest of the input.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = input.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (
                bytes
                    .iter()
                    .fold(0, |length, &byte| length << 8 | usize::from(byte)),
                rest,
            )
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Parses a `UTCTime` or a `GeneralizedTime` (RFC 5280 §4.1.2.5).
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let century = match tag {
        UTC_TIME if text < "5" => "20",
        UTC_TIME => "19",
        GENERALIZED_TIME => "",
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", format!("{century}{text}")).ok()?;
    // "99991231235959Z" means that the certificate does not expire. It is later than the largest
    // timestamp.
    Some(
        time.to_zoned(TimeZone::UTC)
            .map_or(Timestamp::MAX, |zoned| zoned.timestamp()),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_time_formats_are_parsed() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(time(UTC_TIME, b"260102030405Z"), at("2026-01-02T03:04:05Z"));
        assert_eq!(time(UTC_TIME, b"500102030405Z"), at("1950-01-02T03:04:05Z"));
        assert_eq!(
            time(GENERALIZED_TIME, b"20510102030405Z"),
            at("2051-01-02T03:04:05Z")
        );
        assert_eq!(
            time(GENERALIZED_TIME, b"99991231235959Z"),
            Some(Timestamp::MAX)
        );
        assert_eq!(time(UTC_TIME, b"yesterday"), None);
        assert_eq!(time(0x0c, b"260102030405Z"), None);
    }

    #[test]
    fn a_truncated_certificate_cannot_be_parsed() {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = pair.cert.der();
        assert!(Fields::of(der).is_some_and(|fields| fields.is_self_issued()));
        for length in 0..der.len() {
            assert_eq!(Fields::of(&der[..length]), None, "{length} bytes");
        }
        assert_eq!(Fields::of(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
