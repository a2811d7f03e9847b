//! Times as people write them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A text is neither a time nor a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "neither a time such as 2026-11-22T10:00:00Z nor a day such as 2026-11-22, which begins at \
     0:00 UTC"
)]
pub struct InvalidTime;

/// Parses a time, or a day, which is its first instant in UTC. Options, arguments and CSV files
/// take both; JSON takes times only.
pub fn parse_time(text: &str) -> Result<Timestamp, InvalidTime> {
    let day = || {
        let day: Date = text.parse().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(day).ok_or(InvalidTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_first_instant_in_utc() {
        let day = parse_time("2026-11-29");
        assert_eq!(day, parse_time("2026-11-29T00:00:00Z"));
        assert_eq!(day, parse_time("2026-11-29T01:00:00+01:00"));
        assert!(day.is_ok());
        for text in ["", "yesterday", "2026-11", "2026-02-30", "29.11.2026"] {
            assert_eq!(parse_time(text), Err(InvalidTime), "{text}");
        }
    }
}
