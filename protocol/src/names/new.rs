//! What a new name must be, beyond what every name is: it does not look like another.

use std::borrow::Cow;

use icu_properties::props::{GeneralCategory, Script, SoftDotted};
use icu_properties::{CodePointMapData, CodePointSetData};
use precis_profiles::UsernameCasePreserved;
use precis_profiles::precis_core::profile::Profile as _;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::mixed_script::AugmentedScriptSet;

use super::{IN_EMAILS, Name, NameError, composed, skeleton};
use super::{parse_channel_as_spelled, parse_nick_as_spelled};

/// The marks of no script of their own that a name may contain: those that Unicode composes with
/// letters (`é`, `ợ`, `が`), as it does with those of most alphabets of today. For others, such as
/// U+20D6, many terminals draw nothing, and the name looks like the one without the mark.
#[rustfmt::skip]
const COMPOSED_MARKS: [char; 29] = [
    '\u{300}', '\u{301}', '\u{302}', '\u{303}', '\u{304}', '\u{306}', '\u{307}', '\u{308}',
    '\u{309}', '\u{30a}', '\u{30b}', '\u{30c}', '\u{30f}', '\u{311}', '\u{313}', '\u{314}',
    '\u{31b}', '\u{323}', '\u{324}', '\u{325}', '\u{326}', '\u{327}', '\u{328}', '\u{32d}',
    '\u{32e}', '\u{330}', '\u{331}', '\u{3099}', '\u{309a}',
];

/// The maximum number of marks on a letter, as in `ᾂ`. More are drawn over what is above them.
const MAX_MARKS: usize = 3;

const DOT_ABOVE: char = '\u{307}';

/// Checks a nick or an account's name.
pub(super) fn check_nick(name: &Name) -> Result<(), NameError> {
    check_words(&name.text)?;
    check_composed(name, parse_nick_as_spelled)
}

/// Checks a channel's name.
pub(super) fn check_channel(name: &Name) -> Result<(), NameError> {
    check_words(&name.text)?;
    check_composed(name, parse_channel_as_spelled)
}

/// Checks that the composed form of a name can be parsed, if the name is not spelled like that.
fn check_composed(
    name: &Name,
    parse: fn(&str) -> Result<Name, NameError>,
) -> Result<(), NameError> {
    match composed(&name.text) {
        Cow::Borrowed(_) => Ok(()),
        Cow::Owned(composed) => parse(&composed).map(drop),
    }
}

/// Checks the words of a name. A word consists of letters, digits and marks, so that a name may
/// have words of different scripts, such as `Саша_dev`.
///
/// No word may begin with a combining mark: it is drawn over the character before the name, or not
/// at all, so that the name looks like the one without the mark. No word may have letters of
/// several scripts, except for plain Latin letters beside those of East Asia: some signs are not
/// drawn beside letters of another script. A mark must be drawn, and change how its letter looks.
fn check_words(text: &str) -> Result<(), NameError> {
    if text.is_ascii() {
        return Ok(());
    }
    // What is compared has plain letters in place of wide ones. Half-width voicing marks, which are
    // letters, become marks.
    let composed: String = text.nfkc().collect();
    for word in composed.split(|char| !is_in_word(char)) {
        if let Some(mark) = word.chars().next().filter(|first| is_mark(*first)) {
            return Err(NameError::MarkFirst(mark));
        }
        if mixes_scripts(word) {
            return Err(NameError::MixedScripts);
        }
        if let Some(mark) = foreign_mark(word).or_else(|| unseen_mark(word)) {
            return Err(NameError::BadMark(mark));
        }
    }
    Ok(())
}

/// Returns the first mark that may not be on its letter.
fn foreign_mark(word: &str) -> Option<char> {
    let mut letter = ' ';
    word.chars().find(|&char| {
        let is_foreign = is_mark(char) && !is_mark_of(char, letter);
        if !is_mark(char) && !is_joiner(char) {
            letter = char;
        }
        is_foreign
    })
}

/// Whether names may have the mark on this letter, with which Unicode does not compose it.
fn is_mark_of(mark: char, letter: char) -> bool {
    let scripts_shared_with =
        |other: char| AugmentedScriptSet::for_str(&String::from_iter([letter, other]));
    let is_composed = COMPOSED_MARKS.contains(&mark);
    // Latin, Greek, Cyrillic, Armenian and Georgian. Fonts draw such a mark within some of their
    // letters, where it is not seen, unless the letter has another one, as the `ẹ` of `ẹ̀`. Digits
    // are of no script, and so of these.
    if ['a', 'α', 'а', 'ա', 'ა']
        .into_iter()
        .any(|other| !scripts_shared_with(other).is_empty())
    {
        let has_mark = std::iter::once(letter).nfd().any(is_mark);
        return is_composed && has_mark && !matches!(mark, '\u{3099}' | '\u{309a}');
    }
    // Unicode assigns the Arabic vowel signs to no script, because Syriac uses some of them, too.
    let is_arabic = matches!(mark, '\u{64b}'..='\u{655}' | '\u{670}');
    let script = CodePointMapData::<Script>::new().get(mark);
    let has_script = is_arabic || !matches!(script, Script::Common | Script::Inherited);
    let is_used =
        !AugmentedScriptSet::for_char(mark).is_all() && !scripts_shared_with(mark).base.is_empty();
    (is_composed || has_script) && is_used
}

/// Returns the first mark that changes nothing visible: one that the letter has already, one on top
/// of too many, and a dot above what has one, or looks like a letter that has one without it (`ı`).
fn unseen_mark(word: &str) -> Option<char> {
    let (mut letter, mut marks) = (' ', Vec::new());
    word.nfd().find(|&char| {
        if !is_mark(char) {
            letter = char;
            marks.clear();
            return false;
        }
        let is_too_many = COMPOSED_MARKS.contains(&char) && marks.len() >= MAX_MARKS;
        let is_unseen = is_too_many
            || marks.contains(&char)
            || char == DOT_ABOVE && looks_dotted_with_dot(letter);
        marks.push(char);
        is_unseen
    })
}

/// Whether the letter looks like `i` or `j` with a dot above it. `İ` does not.
fn looks_dotted_with_dot(letter: char) -> bool {
    let is_like_i_or_j = || matches!(&*skeleton(letter.encode_utf8(&mut [0; 4])), "l" | "j");
    CodePointSetData::new::<SoftDotted>().contains(letter)
        || !letter.is_uppercase() && is_like_i_or_j()
}

/// Whether the character is part of a word. A joiner does not separate what it joins.
fn is_in_word(char: char) -> bool {
    char.is_alphanumeric() || is_mark(char) || is_joiner(char)
}

fn is_joiner(char: char) -> bool {
    matches!(char, '\u{200c}' | '\u{200d}')
}

fn is_mark(char: char) -> bool {
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(char),
        GeneralCategory::NonspacingMark
            | GeneralCategory::SpacingMark
            | GeneralCategory::EnclosingMark
    )
}

/// Checks an email.
///
/// Refuses before the `@` what some mail servers do not take for a mailbox: `!` and `%`, which name
/// a further server, and `|`, which names a program. Also refuses what looks like another email:
/// invisible characters, wide forms of letters, marks that new names may not contain, letters of
/// several scripts, except for plain Latin ones beside those of East Asia, and what looks as if it
/// were of ASCII characters. A tag, which begins with the first `+`, is checked apart from the name
/// before it: a mix of scripts deceives within a word.
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
    for part in [name, tag] {
        if mixes_scripts(part) {
            return Err(NameError::BadCombination);
        }
        check_words(part)?;
        if looks_ascii(part) {
            return Err(NameError::MisleadingMailbox);
        }
    }
    check_domain(domain)
}

/// Checks the labels of the domain of an email: none may mix scripts, or look like one of ASCII
/// characters, as the first of `аррӏе.com` in Cyrillic letters does. Emails are shown as they were
/// typed, so that the ASCII form of any domain (`xn--80ak6aa92e.com`) deceives nobody.
fn check_domain(domain: &str) -> Result<(), NameError> {
    if domain.is_ascii() {
        return Ok(());
    }
    let (domain, _) = idna::domain_to_unicode(domain);
    let is_misleading = |label: &str| {
        mixes_scripts(label)
            || check_words(label).is_err()
            || looks_ascii(label) && !is_explained(label, &domain)
    };
    if domain.split('.').any(is_misleading) {
        return Err(NameError::MisleadingDomain);
    }
    Ok(())
}

/// Whether the label has the script of the last one, and the labels of this script show together
/// which it is, as in `оса.рф` and `пример.срб`.
fn is_explained(label: &str, domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or_default();
    let has_script = |label: &str| !mixes_scripts(&format!("{label}{last}"));
    // Letters of Cyrillic that hardly any language with a top-level domain has. `ӏ` is like an l.
    let is_rare = |char| matches!(char, '\u{460}'..='\u{52f}');
    let of_script: String = domain
        .split('.')
        .filter(|label| has_script(label))
        .collect();
    !is_latin(last) && has_script(label) && !label.contains(is_rare) && !looks_ascii(&of_script)
}

/// Whether the text looks as if it were of ASCII characters, but is not: its letters look like
/// them, or, in another script than Latin, like them with marks (`ёсо`).
fn looks_ascii(text: &str) -> bool {
    // Letters of Danish, French and other languages, which nobody takes for two letters.
    let text = text.replace(['æ', 'œ'], "");
    if text.is_ascii() {
        return false;
    }
    let looks = skeleton(&text);
    looks.is_ascii()
        || !is_latin(&text) && looks.chars().all(|char| char.is_ascii() || is_mark(char))
}

/// Whether all letters of the text are Latin.
fn is_latin(text: &str) -> bool {
    !AugmentedScriptSet::for_str(&format!("a{text}")).is_empty()
}

/// Whether the text has letters of several scripts, other than plain Latin ones beside those of
/// East Asia. What marks they may have is checked for each.
fn mixes_scripts(text: &str) -> bool {
    let letters: String = text.chars().filter(|char| !is_mark(*char)).collect();
    let other_than_ascii: String = letters.chars().filter(|char| !char.is_ascii()).collect();
    let beside_latin = AugmentedScriptSet::for_str(&other_than_ascii);
    let is_east_asian = beside_latin.hanb || beside_latin.jpan || beside_latin.kore;
    AugmentedScriptSet::for_str(&letters).is_empty() && !is_east_asian
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{AccountName, ChannelName, Email, Nick};

    #[test]
    fn a_word_of_a_new_name_has_one_script_and_begins_with_no_mark() {
        for good in [
            "Nguyễn",
            "Nguye\u{302}\u{303}n",
            "Đặng",
            "Zoë",
            "Łukasz",
            "Dvořák",
            "Gökçe",
            "İpek",
            "I\u{307}pek",
            "ışık",
            "Óðinn",
            "Ŵyn",
            "Ángel",
            "Jõgi",
            "Ķēniņš",
            "Mężyk",
            "Ẹ\u{300}bùn",
            "E\u{323}\u{300}bu\u{300}n",
            "हिन्दी",
            "தமிழ்",
            "বাংলা",
            "ไทย",
            "မြို့",
            "བསྒྲུབས",
            "محمد",
            "أهلا\u{64b}",
            "Алексей",
            "Їжак",
            "Γιώργος",
            "ᾂδης",
            "Հայկ",
            "გიორგი",
            "አበበ",
            "か\u{3099}あ\u{3099}",
            "c++",
            "日本語-chat",
            "русский-rust",
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
        let bad_mark = |mark| Err(NameError::BadMark(mark));
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
            ("bob\u{9be}", bad_mark('\u{9be}')),
            ("b\u{9be}ob", bad_mark('\u{9be}')),
            ("bob\u{d4e}", mixed),
            ("bob\u{a953}", bad_mark('\u{a953}')),
            ("bob\u{302a}", bad_mark('\u{302a}')),
            ("b0\u{302a}b", bad_mark('\u{302a}')),
            ("bobﾞ", bad_mark('\u{3099}')),
            ("боб\u{1d165}", bad_mark('\u{1d165}')),
            ("田中\u{1d165}", bad_mark('\u{1d165}')),
            ("राज2\u{93f}", bad_mark('\u{93f}')),
            ("राज\u{31b}", bad_mark('\u{31b}')),
            ("田\u{3099}", bad_mark('\u{3099}')),
            ("g\u{323}reg", bad_mark('\u{323}')),
            ("bob7\u{307}", bad_mark('\u{307}')),
            ("Т\u{304}ом", bad_mark('\u{304}')),
            ("Γ\u{304}ιώργος", bad_mark('\u{304}')),
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
    fn a_mark_of_a_new_name_is_drawn_on_its_letter() {
        let not_drawn = [
            '\u{346}',
            '\u{34e}',
            '\u{363}',
            '\u{485}',
            '\u{951}',
            '\u{1cd0}',
            '\u{1dc4}',
            '\u{1de1}',
            '\u{20d0}',
            '\u{20d6}',
            '\u{302a}',
            '\u{fe20}',
            '\u{1d167}',
            '\u{1d1aa}',
        ];
        let mut bad = Vec::new();
        for mark in not_drawn {
            for letter in ["bob", "боб", "Ελένη", "გიორგი", "田中", "राम"]
            {
                bad.push((format!("{letter}{mark}"), mark));
            }
        }
        // Historic marks of a script, and a Greek one on a letter that never has it.
        bad.extend(["боб\u{483}", "боб\u{2de0}", "Ελ\u{345}ένη"].map(with_last_mark));
        let dot = "ali\u{307}ce Ni\u{307}ckServ j\u{307}ana alị\u{307}ce ali\u{323}\u{307}ce \
            alį\u{307}ce ali\u{301}\u{307}ce alï\u{307}ce alı\u{307}ce ȷ\u{307}ana i\u{307}pek \
            ｉ\u{307}pek і\u{307}рина ј\u{307}ана ι\u{307}ος al\u{307}ice";
        bad.extend(dot.split(' ').map(with_last_mark));
        let repeated = "José\u{301} Jose\u{301}\u{301} Jose\u{301}\u{323}\u{301} Ngọ\u{323}c \
            नीी วี่่";
        bad.extend(repeated.split(' ').map(with_last_mark));
        bad.push(with_last_mark("e\u{323}\u{302}\u{301}\u{308}"));
        for (name, mark) in bad {
            let refusal = Err(NameError::BadMark(mark));
            assert_eq!(Nick::parse(&name).unwrap().check_new(), refusal, "{name:?}");
        }
        let error = Nick::parse("bob\u{20d6}").unwrap().check_new();
        assert!(error.unwrap_err().to_string().contains(" U+20D6"));
    }

    fn with_last_mark(name: &str) -> (String, char) {
        let mark = name.chars().rfind(|char| is_mark(*char));
        (name.to_owned(), mark.unwrap())
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
            "ёсо.рф",
            "mæil.example",
            "почта.example",
            "ёжик.com",
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
            "ёсо.com",
            "bücher.аррӏе.com",
            "mæil.аррӏе.com",
            "аррӏе.рф",
            "аррӏе.bücher.рф",
            "оса.орг",
            "оса.срб",
            "ёсо.срб",
            "оса.bücher.срб",
            "ɡmail.schön",
            "оса.example",
            "mæil.ɡmæil.com",
            "ӕ.com",
            "аррӏе\u{301}.com",
            "gmai\u{307}l.com",
            "İnfo.com",
            "apple\u{20d6}.com",
            "exa\u{301}\u{301}mple.org",
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
            "læge",
            "ёжик",
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
        for like_another in ["сосо", "ёсо", "сосо+news", "coco+оса", "ɡmail", "ılıca"]
        {
            let refused = Err(NameError::MisleadingMailbox);
            assert_eq!(checked(like_another), refused, "{like_another}");
        }
    }
}
