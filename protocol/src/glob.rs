//! Patterns in which `*` matches any text and `?` matches one character.

/// Whether the whole of `text` matches `pattern`.
///
/// The comparison is case-sensitive. The parts of the pattern between the stars are searched one
/// after the other, each behind the place where the one before it was found. So the number of
/// steps grows with the sum of both lengths, however many stars there are. Only a part with a `?`
/// in it is compared with each place of the text until it is found.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(rest) = after_start(first, text) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    let Some(mut rest) = before_end(last, rest) else {
        return false;
    };
    parts.all(|part| {
        after_first(part, rest).is_some_and(|after| {
            rest = after;
            true
        })
    })
}

/// Returns the text after the part if the text begins with it.
fn after_start<'t>(part: &str, text: &'t str) -> Option<&'t str> {
    let mut rest = text.chars();
    part.chars()
        .all(|wanted| is_match(wanted, rest.next()))
        .then_some(rest.as_str())
}

/// Returns the text before the part if the text ends with it.
fn before_end<'t>(part: &str, text: &'t str) -> Option<&'t str> {
    let mut rest = text.chars();
    part.chars()
        .rev()
        .all(|wanted| is_match(wanted, rest.next_back()))
        .then_some(rest.as_str())
}

/// Returns the text after the first place where the part is found.
fn after_first<'t>(part: &str, text: &'t str) -> Option<&'t str> {
    if !part.contains('?') {
        return text.split_once(part).map(|(_, after)| after);
    }
    // It is not found where less text is left than it is long.
    let last = text.chars().count().checked_sub(part.chars().count())?;
    let places = text.char_indices().map(|(at, _)| &text[at..]);
    places
        .chain([""])
        .take(last + 1)
        .find_map(|rest| after_start(part, rest))
}

fn is_match(wanted: char, found: Option<char>) -> bool {
    #[cfg(test)]
    tests::STEPS.set(tests::STEPS.get() + 1);
    found.is_some_and(|found| wanted == '?' || wanted == found)
}

/// Whether the text contains a wildcard, `*` or `?`.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// The number of characters that were compared.
        pub(super) static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn stars_and_question_marks_are_wildcards() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abbc"),
            ("a?c", "aäc"),
            ("*an1", "#chan1"),
            ("a**b", "ab"),
            ("*a*b*", "xaxbx"),
            ("*?b*", "äb"),
            ("*a?c*c", "aabcc"),
            ("", ""),
            ("???", "äöü"),
            ("*?", "a"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a?", "a"),
            ("a*c", "abcd"),
            ("*an3", "#chan1"),
            ("?", ""),
            ("*?", ""),
            ("ab*b", "ab"),
            ("a*b*c*", "acb"),
            ("*a?c*c", "aabac"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn it_agrees_with_the_definition() {
        fn defined(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern, text) {
                ([], []) => true,
                ([b'*', rest @ ..], _) => {
                    defined(rest, text) || !text.is_empty() && defined(pattern, &text[1..])
                }
                ([b'?', rest @ ..], [_, text @ ..]) => defined(rest, text),
                ([wanted, rest @ ..], [found, text @ ..]) => wanted == found && defined(rest, text),
                _ => false,
            }
        }
        let words = |letters: &'static str, length: u32| {
            let count = letters.len();
            (0..count.pow(length)).map(move |number| {
                let letter = |place| letters.as_bytes()[number / count.pow(place) % count];
                String::from_utf8((0..length).map(letter).collect()).unwrap()
            })
        };
        for pattern in (0..6).flat_map(|length| words("ab*?", length)) {
            for text in (0..6).flat_map(|length| words("ab", length)) {
                let expected = defined(pattern.as_bytes(), text.as_bytes());
                assert_eq!(matches(&pattern, &text), expected, "{pattern} {text}");
            }
        }
    }

    #[test]
    fn hostile_patterns_take_few_steps() {
        let text = "a".repeat(400);
        for (pattern, limit) in [
            ("*a".repeat(200) + "b", 10),
            ("*a".repeat(200) + "*b*", 10),
            (format!("*{}b*", "a".repeat(200)), 10),
            ("*".repeat(500) + "b", 10),
            ("*?".repeat(200) + "*b", 500),
            ("?*".repeat(200) + "*b*", 500),
            ("a".repeat(400) + "*b", 500),
            // The worst: one part with a `?` that is nearly found everywhere.
            (format!("*?{}b*", "a".repeat(200)), 200 * 203),
        ] {
            STEPS.set(0);
            assert!(!matches(&pattern, &text), "{pattern}");
            assert!(STEPS.get() <= limit, "{} steps: {pattern}", STEPS.get());
        }
    }
}
