//! Masks with `*` and `?`, and the `nick!user@host` form of the channel lists.

/// A mask of a channel list: whole, and in small letters for comparing.
#[derive(Clone, Debug)]
pub struct Mask {
    text: Box<str>,
    folded: Box<str>,
}

impl Mask {
    /// Completes what was given: `alice` is `alice!*@*`, `user@host` is `*!user@host`.
    pub fn new(given: &str) -> Self {
        let (nick, rest) = match given.split_once('!') {
            Some((nick, rest)) => (nick, Some(rest)),
            None if given.contains('@') => ("*", Some(given)),
            None => (given, None),
        };
        let (user, host) = rest.map_or(("*", "*"), |rest| rest.split_once('@').unwrap_or((rest, "*")));
        let part = |part: &str| if part.is_empty() { "*".to_owned() } else { part.to_owned() };
        let text = format!("{}!{}@{}", part(nick), part(user), part(host));
        Self { folded: text.to_lowercase().into(), text: text.into() }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether two masks are the same, letter case aside.
    pub fn is_same(&self, other: &Self) -> bool {
        self.folded == other.folded
    }

    /// Whether it covers `source`, which is in small letters.
    pub fn covers(&self, source: &str) -> bool {
        matches(&self.folded, source)
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for anything and `?` for one character. Takes time in proportion
/// to the product of both lengths at worst.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern_rest, mut text_rest) = (pattern.chars(), text.chars());
    // Where to go on from if the characters differ: after the last star, and one further in the text.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (pattern_before, text_before) = (pattern_rest.clone(), text_rest.clone());
        match (pattern_rest.next(), text_rest.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((pattern_rest.clone(), text_before.clone()));
                text_rest = text_before;
                continue;
            }
            (Some('?'), Some(_)) => continue,
            (Some(wanted), Some(found)) if wanted == found => continue,
            _ => drop(pattern_before),
        }
        let Some((after_star, mut tried)) = retry.take() else { return false };
        if tried.next().is_none() {
            return false;
        }
        pattern_rest = after_star.clone();
        text_rest = tried.clone();
        retry = Some((after_star, tried));
    }
}

/// Whether a text is meant as a mask.
pub fn is_mask(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
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
        for (pattern, text) in [("", "a"), ("a?", "a"), ("a*c", "abcd"), ("*an3", "#chan1"), ("?", "")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn an_evil_mask_ends_soon() {
        let pattern = "*a".repeat(200);
        assert!(!matches(&pattern, &"a".repeat(199)));
    }

    #[test]
    fn masks_are_completed() {
        let complete = |given: &str| Mask::new(given).as_str().to_owned();
        assert_eq!(complete("bob"), "bob!*@*");
        assert_eq!(complete("u@h"), "*!u@h");
        assert_eq!(complete("bob!u"), "bob!u@*");
        assert_eq!(complete("bob!@"), "bob!*@*");
        assert_eq!(complete("b*!u@h"), "b*!u@h");
        assert!(Mask::new("BOB").covers("bob!~u@host"));
    }
}
