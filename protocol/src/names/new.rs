//! What a new name must be, beyond what every name is: it does not look like another.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use precis_profiles::UsernameCasePreserved;
use precis_profiles::precis_core::profile::Profile as _;
use unicode_security::mixed_script::AugmentedScriptSet;

use super::{IN_EMAILS, Name, NameError, skeleton};

/// Checks a nick, an account's name or a channel's name.
///
/// No word of it may begin with a combining mark: it is drawn over the character before the name,
/// or not at all, so that the name looks like the one without the mark. No word may have letters or
/// marks of several scripts, except for plain Latin letters beside those of East Asia: some signs
/// are not drawn beside letters of another script. A word consists of letters, digits and marks, so
/// that a name may have words of different scripts, such as `Саша_dev`.
pub(super) fn check_name(name: &Name) -> Result<(), NameError> {
    // Folding turns half-width voicing marks, which are letters, into combining ones.
    check_words(&name.text)?;
    check_words(&name.folded)
}

fn check_words(text: &str) -> Result<(), NameError> {
    if text.is_ascii() {
        return Ok(());
    }
    for word in text.split(|char| !is_in_word(char)) {
        if let Some(mark) = word.chars().next().filter(|first| is_mark(*first)) {
            return Err(NameError::MarkFirst(mark));
        }
        if mixes_scripts(word) || has_foreign_mark(word) {
            return Err(NameError::MixedScripts);
        }
    }
    Ok(())
}

/// Whether a plain letter or digit has a mark that Latin does not have, or any character has a
/// spacing mark of no script: a sign of musical notation.
fn has_foreign_mark(word: &str) -> bool {
    let mut is_plain = false;
    word.chars().any(|char| {
        if !is_mark(char) {
            is_plain = char.is_ascii();
            return false;
        }
        let is_musical = category(char) == GeneralCategory::SpacingMark
            && AugmentedScriptSet::for_char(char).is_all();
        let on_latin = AugmentedScriptSet::for_str(&String::from_iter(['a', char]));
        is_musical || is_plain && on_latin.is_empty()
    })
}

/// Whether the character is part of a word. A joiner does not separate what it joins.
fn is_in_word(char: char) -> bool {
    char.is_alphanumeric() || is_mark(char) || matches!(char, '\u{200c}' | '\u{200d}')
}

fn is_mark(char: char) -> bool {
    matches!(
        category(char),
        GeneralCategory::NonspacingMark
            | GeneralCategory::SpacingMark
            | GeneralCategory::EnclosingMark
    )
}

fn category(char: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(char)
}

/// Checks an email.
///
/// Refuses before the `@` what some mail servers do not take for a mailbox: `!` and `%`, which name
/// a further server, and `|`, which names a program. Also refuses what looks like another email:
/// invisible characters, wide forms of letters, and letters of several scripts, except for plain
/// Latin ones beside those of East Asia. The scripts of a tag, which begins with the first `+`, are
/// checked apart from those of the name before it: a mix of scripts deceives within a word.
pub(super) fn check_email(email: &Name) -> Result<(), NameError> {
    let (local, domain) = email.text.rsplit_once('@').unwrap_or_default();
    if let Some(char) = local.chars().find(|char| "!%|".contains(*char)) {
        return Err(NameError::BadCharacter(char, IN_EMAILS));
    }
    let is_unchanged = |text: &str| {
        let prepared = UsernameCasePreserved::new().enforce(text);
        prepared.is_ok_and(|prepared| prepared == text)
    };
    if !is_unchanged(local) {
        let is_refused = |char: &char| !is_unchanged(char.encode_utf8(&mut [0; 4]));
        return Err(match local.chars().find(is_refused) {
            Some(char) => NameError::BadCharacter(char, IN_EMAILS),
            None => NameError::BadCombination,
        });
    }
    let (name, tag) = local.split_once('+').unwrap_or((local, ""));
    if [name, tag].into_iter().any(mixes_scripts) {
        return Err(NameError::BadCombination);
    }
    check_domain(domain)
}

/// Checks the domain of an email: no label may mix scripts, and the domain may not look like one of
/// ASCII characters, as `аррӏе.com` in Cyrillic letters does. Emails are shown as they were typed,
/// so that the ASCII form of any domain (`xn--80ak6aa92e.com`) deceives nobody.
fn check_domain(domain: &str) -> Result<(), NameError> {
    if domain.is_ascii() {
        return Ok(());
    }
    let (domain, _) = idna::domain_to_unicode(domain);
    // Letters of Danish, French and other languages, which nobody takes for two letters.
    let has_ligature = domain.contains(['æ', 'œ']);
    let looks_like_ascii = !domain.is_ascii() && !has_ligature && skeleton(&domain).is_ascii();
    if looks_like_ascii || domain.split('.').any(mixes_scripts) {
        return Err(NameError::MisleadingDomain);
    }
    Ok(())
}

/// Whether the text has letters of several scripts, other than plain Latin ones beside those of
/// East Asia.
fn mixes_scripts(text: &str) -> bool {
    let other_than_ascii: String = text.chars().filter(|char| !char.is_ascii()).collect();
    let beside_latin = AugmentedScriptSet::for_str(&other_than_ascii);
    let is_east_asian = beside_latin.hanb || beside_latin.jpan || beside_latin.kore;
    AugmentedScriptSet::for_str(text).is_empty() && !is_east_asian
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{AccountName, ChannelName, Email, Nick};

    #[test]
    fn a_word_of_a_new_name_has_one_script_and_begins_with_no_mark() {
        for good in [
            "Zoé",
            "zoe\u{301}",
            "łódź",
            "Işıl",
            "Саша",
            "Саша_dev",
            "b0b[русский-rust]",
            "Ελένη",
            "דוד",
            "محمد_2",
            "राजेश",
            "क्\u{200d}ष",
            "ক্যাম্পাস",
            "สมชาย",
            "tanaka田中さん",
            "ガｶﾞが",
            "김철수",
            "Ａlice",
        ] {
            assert_eq!(
                AccountName::parse(good).unwrap().check_new(),
                Ok(()),
                "{good}"
            );
            let channel = ChannelName::parse(&format!("#{good}")).unwrap();
            assert_eq!(channel.check_new(), Ok(()), "{good}");
        }
        let mark = |mark| Err(NameError::MarkFirst(mark));
        let mixed = Err(NameError::MixedScripts);
        for (bad, refusal) in [
            ("\u{323}bob", mark('\u{323}')),
            ("\u{f7c}", mark('\u{f7c}')),
            ("\u{9be}bob", mark('\u{9be}')),
            ("bob_\u{323}", mark('\u{323}')),
            ("bob-\u{301}x", mark('\u{301}')),
            ("ﾞbob", mark('\u{3099}')),
            ("bоb", mixed),
            ("Ωmega", mixed),
            ("x_bоb", mixed),
            ("bob\u{9be}", mixed),
            ("b\u{9be}ob", mixed),
            ("bob\u{d4e}", mixed),
            ("bob\u{a953}", mixed),
            ("bob\u{302a}", mixed),
            ("b0\u{302a}b", mixed),
            ("bobﾞ", mixed),
            ("боб\u{1d165}", mixed),
            ("क्\u{200d}b", mixed),
        ] {
            assert_eq!(Nick::parse(bad).unwrap().check_new(), refusal, "{bad:?}");
            let channel = ChannelName::parse(&format!("#{bad}")).unwrap();
            assert_eq!(channel.check_new(), refusal, "{bad:?}");
        }
        let error = Nick::parse("\u{323}bob").unwrap().check_new().unwrap_err();
        assert!(error.to_string().contains(" the mark U+0323, "), "{error}");
    }

    #[test]
    fn the_domain_of_a_new_email_does_not_look_like_another() {
        let checked = |domain: &str| {
            let email = Email::parse(&format!("bob@{domain}")).unwrap();
            email.check_new()
        };
        for good in [
            "bücher.example",
            "BÜCHER.example",
            "почта.рф",
            "оса.рф",
            "пример.срб",
            "例え.jp",
            "ソニーstore.example",
            "læge.example",
            "straße.example",
            "παράδειγμα.ελ",
            "xn--80ak6aa92e.com",
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for bad in [
            "аррӏе.com",
            "АРРӀЕ.com",
            "аррӏе。com",
            "mail.аррӏе.com",
            "ɡmail.com",
            "gꝏgle.com",
            "exаmple.org",
            "bücher.exаmple",
            "bob\u{9be}.example",
        ] {
            assert_eq!(checked(bad), Err(NameError::MisleadingDomain), "{bad}");
        }
    }

    #[test]
    fn a_new_email_routes_no_mail_and_does_not_look_like_another() {
        let checked = |local: &str| {
            let email = Email::parse(&format!("{local}@b.example")).unwrap();
            email.check_new()
        };
        for good in [
            "conan.o'brien+list_1-x",
            "r&d",
            "grüße",
            "иван.петров",
            "διονύσης",
            "דוד.כהן7",
            "محمد",
            "用户",
            "tanaka田中さん",
            "김철수",
            "жук+news",
            "zhuk+новости",
            "жук+2026",
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        let refused = |char| Err(NameError::BadCharacter(char, IN_EMAILS));
        for char in "!%|\u{3164}\u{115f}\u{1160}\u{ffa0}ａ𝐚ªﬁ".chars() {
            assert_eq!(checked(&format!("a{char}lice")), refused(char), "{char:?}");
        }
        let error = checked("alice\u{3164}").unwrap_err().to_string();
        assert!(error.contains("the character U+3164"), "{error}");
        for mixed in ["аlice", "gοοd", "іван.smith", "аlice+news", "жук+nеws"] {
            let refused = Err(NameError::BadCombination);
            assert_eq!(checked(mixed), refused, "{mixed}");
        }
    }
}
