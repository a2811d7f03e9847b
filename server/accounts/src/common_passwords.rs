//! Passwords that are guessed first.

use std::collections::HashSet;
use std::sync::LazyLock;

/// The words and patterns that lists of leaked passwords begin with, in lower case.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    include_str!("common_passwords.txt")
        .split_whitespace()
        .collect()
});

/// Digits and the rows of keyboards, in which a password may be a walk.
const WALKS: [&str; 3] = [
    "0123456789012345678901234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
];

/// Whether the password is one of the most common ones, also with other letter case, with digits
/// for letters, or with digits and punctuation at its end; or a walk along the keyboard, or a short
/// piece that is repeated.
pub fn is_common(password: &str) -> bool {
    let folded = password.to_lowercase();
    let letters: String = folded.chars().map(letter_for).collect();
    let word = folded.trim_end_matches(|char: char| !char.is_alphabetic());
    let without_end: String = word.chars().map(letter_for).collect();
    [folded.as_str(), &letters, word, &without_end]
        .iter()
        .any(|form| COMMON.contains(form))
        || is_walk(&folded)
        || is_repetition(&folded)
}

/// Returns the letter that a digit or sign often stands for.
fn letter_for(char: char) -> char {
    match char {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

fn is_walk(text: &str) -> bool {
    let backwards: String = text.chars().rev().collect();
    WALKS
        .iter()
        .any(|walk| walk.contains(text) || walk.contains(&backwards))
}

/// Whether the text is a piece of at most four characters again and again.
fn is_repetition(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=4).any(|length| {
        chars.len() >= 2 * length
            && chars[length..]
                .iter()
                .zip(&chars)
                .all(|(one, two)| one == two)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_passwords_and_their_variations_are_recognized() {
        for common in [
            "password",
            "Password1",
            "P@ssw0rd!",
            "passw0rd123",
            "12345678",
            "87654321",
            "qwertyuiop",
            "letmein2024",
            "aaaaaaaa",
            "abcabcabc",
            "1q2w3e4r",
            "ILoveYou!!",
            "asdfghjkl",
        ] {
            assert!(is_common(common), "{common}");
        }
        for good in [
            "correct horse",
            "battery staple",
            "a-good-passphrase",
            "s3cret-device-credential",
            "passwords are bad",
            "tgwz-1872",
        ] {
            assert!(!is_common(good), "{good}");
        }
    }

    #[test]
    fn every_word_of_the_list_is_in_lower_case_and_listed_once() {
        let list = include_str!("common_passwords.txt");
        assert_eq!(list, list.to_lowercase());
        assert_eq!(list.split_whitespace().count(), COMMON.len());
    }
}
