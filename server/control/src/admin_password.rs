//! What an admin's password has to be: long, and not what others would try first.

use zxcvbn::{Score, zxcvbn};

/// The fewest characters: it opens everything, and the second factor is only the second lock.
const MIN_CHARACTERS: usize = 12;
/// The most bytes; more is no password but the wrong file.
pub const MAX_BYTES: usize = 1024;

/// The fewest characters beside words that suggest themselves.
const MIN_BESIDE_CONTEXT: usize = 8;
/// What suggests itself on every server of ours.
const OURS: [&str; 3] = ["rookery", "admin", "operator"];

/// Why a password will not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    #[error("An admin's password has at least {MIN_CHARACTERS} characters.")]
    Short,
    #[error("An admin's password has at most {MAX_BYTES} bytes.")]
    Long,
    #[error(
        "That password is too easy to guess: it is a common one, or made of common words, the admin's or the \
         server's name, dates, or rows of keys. Four or five words that do not belong together do well."
    )]
    Common,
}

/// Whether it will do. `context` is what suggests itself: the admin's name and email, the network's
/// name.
pub fn check(password: &str, context: &[&str]) -> Result<(), BadPassword> {
    if password.chars().count() < MIN_CHARACTERS {
        return Err(BadPassword::Short);
    }
    if password.len() > MAX_BYTES {
        return Err(BadPassword::Long);
    }
    let words = context
        .iter()
        .flat_map(|text| text.split(|char: char| !char.is_alphanumeric()));
    // What is too short to suggest anything would count against every password that holds it.
    let words = words.filter(|word| word.chars().count() >= 3).chain(OURS);
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    let rest = words
        .iter()
        .fold(password.to_lowercase(), |rest, word| rest.replace(word, ""));
    let inputs: Vec<&str> = words.iter().map(String::as_str).collect();
    if rest.chars().count() < MIN_BESIDE_CONTEXT || zxcvbn(password, &inputs).score() < Score::Four
    {
        return Err(BadPassword::Common);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: [&str; 3] = ["anastasia", "anastasia@lighthouse.example", "Seagulls"];

    #[test]
    fn a_password_is_long_and_not_endless() {
        assert_eq!(check("eleven char", &CONTEXT), Err(BadPassword::Short));
        assert_eq!(
            check("ööööööööööö", &CONTEXT),
            Err(BadPassword::Short),
            "characters count, not bytes"
        );
        assert_eq!(check(&"x7!k".repeat(257), &CONTEXT), Err(BadPassword::Long));
    }

    #[test]
    fn what_others_would_try_first_is_refused() {
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
    fn a_few_words_that_do_not_belong_together_will_do_and_no_sort_of_character_is_asked_for() {
        for good in [
            "correct horse battery",
            "lantern kettle marble ox",
            "wdkqzhfmbtxvyw",
            "Übermut tut selten gut!",
        ] {
            assert_eq!(check(good, &CONTEXT), Ok(()), "{good}");
        }
    }
}
