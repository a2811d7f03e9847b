//! Reads the fields of a certificate that rustls does not expose: its issuer, its subject, and for
//! how long.
//!
//! They precede the public key, so this module parses only the DER elements up to it
//! (RFC 5280 §4.1).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

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
    pub validity: Validity,
    pub subject: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Returns the fields of a certificate in DER, or `None` if it cannot be parsed.
    pub(super) fn of(certificate: &'a [u8]) -> Option<Self> {
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
        let (_, subject, _) = element(fields)?;
        let (start_tag, start, dates) = element(dates)?;
        let (end_tag, end, _) = element(dates)?;
        let validity = Validity {
            start: time(start_tag, start)?,
            end: time(end_tag, end)?,
        };
        Some(Self {
            issuer,
            validity,
            subject,
        })
    }

    /// Whether the certificate names itself as its issuer, as that of a root authority does.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }
}

/// Returns the validity period of a certificate in DER, or `None` if it cannot be parsed.
pub(super) fn validity(certificate: &[u8]) -> Option<Validity> {
    Fields::of(certificate).map(|fields| fields.validity)
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
