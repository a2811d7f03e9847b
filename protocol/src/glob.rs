//! Patterns in which `*` matches any text and `?` matches one character.

/// Whether the whole of `text` matches `pattern`.
///
/// The comparison is case-sensitive. Only the last star met is ever tried again, so the number of
/// steps is at worst the product of both lengths, however many stars there are. Apart from one pass
/// over the pattern, it is also at worst the square of the length of `text`, because each
/// comparison ends where the text does.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern_rest, mut text_rest) = (pattern.chars(), text.chars());
    // Where to resume after a mismatch: behind the last star, and one character further in the
    // text.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let text_before = text_rest.clone();
        match (pattern_rest.next(), text_rest.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((pattern_rest.clone(), text_before.clone()));
                text_rest = text_before;
                continue;
            }
            (Some('?'), Some(_)) => continue,
            (Some(wanted), Some(found)) if wanted == found => continue,
            _ => {}
        }
        let Some((after_star, mut tried)) = retry.take() else {
            return false;
        };
        if tried.next().is_none() {
            return false;
        }
        pattern_rest = after_star.clone();
        text_rest = tried.clone();
        retry = Some((after_star, tried));
    }
}

/// Whether the text contains a wildcard, `*` or `?`.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a?", "a"),
            ("a*c", "abcd"),
            ("*an3", "#chan1"),
            ("?", ""),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_pathological_pattern_is_matched_quickly() {
        let pattern = "*a".repeat(200);
        assert!(!matches(&pattern, &"a".repeat(199)));
    }
}
