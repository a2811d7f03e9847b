//! The requirements on an admin's password: long, and not among the first that an attacker tries.

use rookery_accounts::password::{self, Password};
use zxcvbn::{Score, zxcvbn};

/// The minimum number of characters. An admin's password grants everything, and the second factor
/// only adds to it.
const MIN_CHARACTERS: usize = 12;
/// The maximum number of bytes. A longer text is more likely a wrong file than a password.
pub const MAX_BYTES: usize = 1024;

/// The minimum number of characters without the words that anyone would guess.
const MIN_WITHOUT_CONTEXT: usize = 8;
/// The words that anyone would guess on every server of this kind.
const COMMON_CONTEXT: [&str; 3] = ["rookery", "admin", "operator"];

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// It has too few characters.
    #[error("An admin's password must have at least {MIN_CHARACTERS} characters.")]
    Short,
    /// It has too many bytes.
    #[error("An admin's password may have at most {MAX_BYTES} bytes.")]
    Long,
    /// It is easy to guess.
    #[error(
        "That password is too easy to guess: it is a common one, or made of common words, names, \
         dates or rows of keys. Four or five unrelated words make a good password."
    )]
    Common,
    /// It contains a character that cannot be typed reliably.
    #[error("{0}.")]
    Unprepared(#[from] password::BadPassword),
}

/// Checks a new password as typed, and returns it prepared. `context` has the texts that an
/// attacker would try first: the admin's name and email, and the names of the server and the
/// network.
pub fn check(typed: &str, context: &[&str]) -> Result<Password, BadPassword> {
    let prepared = Password::prepare(typed)?;
    let password = prepared.as_str();
    if password.chars().count() < MIN_CHARACTERS {
        return Err(BadPassword::Short);
    }
    if password.len() > MAX_BYTES {
        return Err(BadPassword::Long);
    }
    let words = context
        .iter()
        .flat_map(|text| text.split(|char: char| !char.is_alphanumeric()));
    // A word of one or two letters is part of most passwords by chance.
    let words = words
        .filter(|word| word.chars().count() >= 3)
        .chain(COMMON_CONTEXT);
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    let rest = words
        .iter()
        .fold(password.to_lowercase(), |rest, word| rest.replace(word, ""));
    let inputs: Vec<&str> = words.iter().map(String::as_str).collect();
    if rest.chars().count() < MIN_WITHOUT_CONTEXT || zxcvbn(password, &inputs).score() < Score::Four
    {
        return Err(BadPassword::Common);
    }
    Ok(prepared)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CONTEXT: [&str; 3] = ["anastasia", "anastasia@lighthouse.example", "Seagulls"];

    #[test]
    fn a_password_has_a_minimum_and_a_maximum_length() {
        assert_eq!(check("eleven char", &CONTEXT), Err(BadPassword::Short));
        assert_eq!(
            check("ööööööööööö", &CONTEXT),
            Err(BadPassword::Short),
            "characters count, not bytes"
        );
        assert_eq!(check(&"x7!k".repeat(257), &CONTEXT), Err(BadPassword::Long));
    }

    #[test]
    fn common_and_guessable_passwords_are_refused() {
        for common in [
            "qwerty123456",
            "1q2w3e4r5t6y",
            "passwordpassword",
            "Password1234",
            "aaaaaaaaaaaaaaaa",
            "abcdefghijklmnop",
            "123456789012",
            "justinbieber",
            "P@ssw0rd2024",
            "letmein123456",
            "anastasia1234",
            "Anastasia2026!",
            "lighthouse1234",
            "Seagulls2026",
            "seagulls-admin",
            "rookeryadmin",
            "rookery-admin-1",
        ] {
            assert_eq!(
                check(common, &CONTEXT),
                Err(BadPassword::Common),
                "{common}"
            );
        }
    }

    #[test]
    fn a_password_is_returned_prepared_or_refused_with_the_character() {
        let decomposed = "U\u{308}bermut tut selten gut!";
        let prepared = check(decomposed, &CONTEXT).unwrap();
        assert_eq!(prepared.as_str(), "Übermut tut selten gut!");
        let refused = check("lantern\tkettle marble ox", &CONTEXT).unwrap_err();
        assert!(refused.to_string().contains("U+0009"), "{refused}");
    }

    #[test]
    fn unrelated_words_are_accepted_without_rules_about_characters() {
        for good in [
            "correct horse battery",
            "lantern kettle marble ox",
            "wdkqzhfmbtxvyw",
            "Übermut tut selten gut!",
        ] {
            assert!(check(good, &CONTEXT).is_ok(), "{good}");
        }
    }
}
