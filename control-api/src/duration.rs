//! Durations such as `7d`.

use jiff::SignedDuration;

/// The longest duration: a hundred years.
const MAX_DURATION_SECONDS: i64 = 100 * 366 * 86_400;

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// The text is not a whole number and a unit.
    #[error("a duration is a whole number and a unit, such as 90s, 15m, 12h, 7d or 2w")]
    Form,
    /// The duration is zero or longer than a hundred years.
    #[error("a duration is at least one second and at most a hundred years")]
    Range,
}

/// Parses a duration, such as `90s`, `15m`, `12h`, `7d` or `2w`.
pub fn parse_duration(text: &str) -> Result<SignedDuration, InvalidDuration> {
    let unit = text.chars().next_back().ok_or(InvalidDuration::Form)?;
    let seconds_per_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(InvalidDuration::Form),
    };
    let number = &text[..text.len() - unit.len_utf8()];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidDuration::Form);
    }
    // A number too large for the type is out of range too.
    let number: i64 = number.parse().map_err(|_| InvalidDuration::Range)?;
    match number.checked_mul(seconds_per_unit) {
        Some(seconds @ 1..=MAX_DURATION_SECONDS) => Ok(SignedDuration::from_secs(seconds)),
        _ => Err(InvalidDuration::Range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_in_every_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("12h", 43_200),
            ("7d", 604_800),
            ("2w", 1_209_600),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(SignedDuration::from_secs(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", "7", "d", "7 d", "-7d", "+7d", "1.5h", "7D", "7días", "٧d", "1d12h", "7d ",
        ] {
            assert_eq!(parse_duration(text), Err(InvalidDuration::Form), "{text:?}");
        }
        for text in [
            "0s",
            "0w",
            "36601d",
            "9223372036854775807w",
            "99999999999999999999s",
        ] {
            assert_eq!(
                parse_duration(text),
                Err(InvalidDuration::Range),
                "{text:?}"
            );
        }
    }
}
