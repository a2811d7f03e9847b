//! Parsers of argument values that several families of commands use.

use std::error::Error;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;
use rookery_control_api::{parse_duration, parse_time};

/// Returns a parser that accepts one of `words`. Because clap knows the words, `--help`, shell
/// completions and man pages list them.
pub fn one_of<T>(words: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// Parses a time or a day, or a duration that means as long ago.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let ago = parse_duration(text)
        .ok()
        .and_then(|duration| Timestamp::now().checked_sub(duration).ok());
    let moment = ago.or_else(|| parse_time(text).ok());
    moment.ok_or_else(|| {
        "use a duration such as 90s, 15m, 12h, 7d or 2w, a day such as 2026-11-22 (from 0:00 UTC), \
         or a time such as 2026-11-22T10:00:00Z"
            .to_owned()
    })
}

/// Checks a duration and returns it as it was written. The server parses it again.
pub fn duration(text: &str) -> Result<String, String> {
    parse_duration(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago_it_was() {
        let hour = jiff::SignedDuration::from_hours(1);
        let expected = Timestamp::now() - hour;
        let parsed = moment("1h").unwrap();
        assert!(parsed >= expected && parsed < expected + hour, "{parsed}");
        assert_eq!(
            moment("1970-01-01T00:00:00Z").unwrap(),
            Timestamp::UNIX_EPOCH
        );
        assert_eq!(
            moment("2026-11-29").unwrap(),
            moment("2026-11-29T00:00:00Z").unwrap()
        );
        assert!(moment("yesterday").unwrap_err().contains("7d"));
    }
}
