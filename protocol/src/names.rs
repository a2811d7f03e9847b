//! The names that people choose: nicks, accounts, channels and emails.
//!
//! A name is checked once, when it is parsed. It keeps its owner's spelling, composed (in Unicode's
//! normalization form C), and is compared by a folded form, in which letter case makes no
//! difference. A new name must also pass `check_new`, which is stricter.

mod new;
mod skeleton;

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use precis_profiles::precis_core::profile::Profile as _;
use precis_profiles::{Nickname, UsernameCaseMapped};
use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

pub use skeleton::{skeleton, with_sorted_marks};

/// The maximum length of a nick or account name in bytes.
pub const MAX_NICK: usize = 32;
/// The maximum length of a channel name in bytes, including its `#`.
pub const MAX_CHANNEL: usize = 64;
/// The maximum length of an email address in bytes (RFC 5321 §4.5.3.1.3).
pub const MAX_EMAIL: usize = 254;

/// The characters of nicks and account names, for people.
const IN_NICKS: &str = "letters, digits and symbols other than , * ? ! @ . : / # \" < >";
/// The characters of channel names, for people.
const IN_CHANNELS: &str = "letters, digits and symbols other than , : * ?";

/// The characters of emails before the `@`, for people.
const IN_EMAILS: &str = "letters, digits and any of # $ & ' + - / = ^ _ ` { } ~ . before the @";

/// The reason why a name is refused. The messages are shown to the person who chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("the name is empty")]
    Empty,
    /// The name exceeds the maximum length, given in bytes.
    #[error("the name is longer than {0} bytes")]
    TooLong(usize),
    /// The first character has another meaning in the protocol.
    #[error("a name cannot start with a digit or any of $ : # & ~ @ % + -")]
    BadStart,
    /// A character is not allowed by the protocol or by PRECIS (RFC 8265). The text says which are.
    #[error("a name cannot contain {}; use {}", shown(*.0), .1)]
    BadCharacter(char, &'static str),
    /// Each character is allowed, but not with the others: letters of several scripts, or of
    /// bidirectional text in this order (RFC 8265).
    #[error("the letters of this name cannot be combined; use letters of one script")]
    BadCombination,
    /// A word of a new name begins with this combining mark.
    #[error("a word cannot begin with the mark U+{:04X}, which is drawn over the character before it",
        u32::from(*.0))]
    MarkFirst(char),
    /// A word of a new name has letters of several scripts.
    #[error("the letters of a word must be of one script")]
    MixedScripts,
    /// A new name has this mark on a letter that does not have it, or on which nobody would see it.
    #[error("the mark U+{:04X} may not be visible on the letter before it; leave it out",
        u32::from(*.0))]
    BadMark(char),
    /// The part of a new email before the `@` looks like one in Latin letters.
    #[error("what is before the @ looks like another one, in Latin letters")]
    MisleadingMailbox,
    /// The domain of a new email looks like another domain.
    #[error("its domain looks like another one; write it in its ASCII form, with xn--")]
    MisleadingDomain,
    /// The name is not valid UTF-8.
    #[error("the name is not valid UTF-8")]
    NotUtf8,
    /// A channel name does not start with `#`.
    #[error("a channel name must start with #")]
    NotAChannel,
    /// The text does not have the form `local@domain`.
    #[error("not a valid email address")]
    NotAnEmail,
}

/// A name in its owner's spelling, with the folded form by which it is compared.
#[derive(Clone)]
struct Name {
    text: Arc<str>,
    folded: Arc<str>,
}

impl Name {
    fn new(text: &str, folded: String) -> Self {
        let text: Arc<str> = text.into();
        let folded = if *text == *folded {
            Arc::clone(&text)
        } else {
            folded.into()
        };
        Self { text, folded }
    }
}

macro_rules! name_type {
    ($name:ident, $doc:literal, $parse:path, $check_new:path) => {
        #[doc = $doc]
        ///
        /// Equality, order and hashing use the folded form only.
        #[derive(Clone, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Name);

        impl $name {
            /// Checks and folds `text`.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                $parse(text).map(Self)
            }

            /// Checks that something new may have this name. [`Self::parse`] accepts more,
            /// because what exists may have other names already.
            ///
            /// # Errors
            ///
            /// What would make the name look like another.
            pub fn check_new(&self) -> Result<(), NameError> {
                $check_new(&self.0)
            }

            /// Returns the name in its owner's spelling.
            pub fn as_str(&self) -> &str {
                &self.0.text
            }

            /// Returns the form in which names are compared.
            pub fn folded(&self) -> &str {
                &self.0.folded
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.folded == other.0.folded
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.0.folded.cmp(&other.0.folded)
            }
        }
        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.folded.hash(state);
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0.text)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{:?}", &*self.0.text)
            }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }
    };
}

name_type!(
    Nick,
    "The name under which a user appears to others.",
    parse_nick,
    new::check_nick
);
name_type!(
    AccountName,
    "The name of an account. Every account name is also a valid nick.",
    parse_nick,
    new::check_nick
);
name_type!(
    ChannelName,
    "The name of a channel, including its `#`.",
    parse_channel,
    new::check_channel
);
name_type!(
    Email,
    "An email address. Its folded form is in lower case and has its domain in ASCII.",
    parse_email,
    new::check_email
);

impl Nick {
    /// Returns the skeleton of the name (UTS #39 §4). Two names with the same skeleton look alike,
    /// so that one could be mistaken for the other.
    pub fn skeleton(&self) -> String {
        skeleton(self.as_str())
    }
}

impl Nick {
    /// Returns the name of the account that this nick would belong to.
    pub fn to_account(&self) -> AccountName {
        AccountName(self.0.clone())
    }
}

impl ChannelName {
    /// Returns the skeleton of the name (UTS #39 §4). Two names with the same skeleton look alike,
    /// so that one could be mistaken for the other.
    pub fn skeleton(&self) -> String {
        skeleton(self.as_str())
    }
}

impl AccountName {
    /// Returns the skeleton of the name (UTS #39 §4). Two names with the same skeleton look alike,
    /// so that one could be mistaken for the other.
    pub fn skeleton(&self) -> String {
        skeleton(self.as_str())
    }

    /// Returns the account name as a nick.
    pub fn to_nick(&self) -> Nick {
        Nick(self.0.clone())
    }
}

fn parse_nick(text: &str) -> Result<Name, NameError> {
    parse_composed(text, parse_nick_as_spelled)
}

fn parse_channel(text: &str) -> Result<Name, NameError> {
    parse_composed(text, parse_channel_as_spelled)
}

/// Parses the composed form of the text: some terminals do not draw a combining mark that is
/// encoded separately from its letter. What is valid only as it is spelled keeps its spelling,
/// since what exists may have such a name.
fn parse_composed(
    text: &str,
    parse: fn(&str) -> Result<Name, NameError>,
) -> Result<Name, NameError> {
    match composed(text) {
        Cow::Borrowed(text) => parse(text),
        Cow::Owned(composed) => {
            parse(&composed).or_else(|refusal| parse(text).map_err(|_| refusal))
        }
    }
}

/// Returns the text in Unicode's normalization form C (UAX #15), in which names are spelled. Some
/// systems send what is typed with each mark encoded separately from its letter.
pub fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc(text) {
        return text.into();
    }
    text.nfc().collect()
}

fn parse_nick_as_spelled(text: &str) -> Result<Name, NameError> {
    if text.len() > MAX_NICK {
        return Err(NameError::TooLong(MAX_NICK));
    }
    check_nick(text)?;
    let folded = fold(text, IN_NICKS)?;
    // Folding turns full-width characters into plain ones: `＠` becomes `@`.
    check_nick(&folded)?;
    Ok(Name::new(text, folded))
}

fn check_nick(text: &str) -> Result<(), NameError> {
    let first = text.chars().next().ok_or(NameError::Empty)?;
    if first.is_ascii_digit() || "$:#&~@%+-".contains(first) {
        return Err(NameError::BadStart);
    }
    let not_allowed = [
        ' ', ',', '*', '?', '!', '@', '.', ':', '/', '#', '"', '<', '>',
    ];
    match text.chars().find(|char| not_allowed.contains(char)) {
        Some(char) => Err(NameError::BadCharacter(char, IN_NICKS)),
        None => Ok(()),
    }
}

fn parse_channel_as_spelled(text: &str) -> Result<Name, NameError> {
    let rest = text.strip_prefix('#').ok_or(NameError::NotAChannel)?;
    if text.len() > MAX_CHANNEL {
        return Err(NameError::TooLong(MAX_CHANNEL));
    }
    if rest.is_empty() {
        return Err(NameError::Empty);
    }
    let folded = fold(rest, IN_CHANNELS)?;
    // Folding turns full-width characters into plain ones: `，` becomes a comma.
    let not_allowed = [' ', ',', ':', '*', '?'];
    let mut chars = rest.chars().chain(folded.chars());
    if let Some(char) = chars.find(|char| not_allowed.contains(char)) {
        return Err(NameError::BadCharacter(char, IN_CHANNELS));
    }
    Ok(Name::new(text, format!("#{folded}")))
}

fn parse_email(text: &str) -> Result<Name, NameError> {
    if text.len() > MAX_EMAIL {
        return Err(NameError::TooLong(MAX_EMAIL));
    }
    let (local, domain) = text.rsplit_once('@').ok_or(NameError::NotAnEmail)?;
    // RFC 5321 permits them, but a ban of such an email would read as a pattern.
    if let Some(char) = text.chars().find(|char| matches!(char, '*' | '?')) {
        return Err(NameError::BadCharacter(char, IN_EMAILS));
    }
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local
            .chars()
            .all(|char| char.is_alphanumeric() || "!#$%&'+-/=^_`{|}~.".contains(char));
    // IDNA ignores them, so that two addresses would be one.
    if domain.contains(is_invisible) {
        return Err(NameError::NotAnEmail);
    }
    let domain = idna::domain_to_ascii_strict(domain).map_err(|_| NameError::NotAnEmail)?;
    if !local_ok || domain.is_empty() || domain.split('.').any(str::is_empty) {
        return Err(NameError::NotAnEmail);
    }
    Ok(Name::new(
        text,
        format!("{}@{domain}", local.to_lowercase()),
    ))
}

/// Whether the character is not shown, or changes how others are.
pub fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{feff}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
    )
}

/// Applies PRECIS `UsernameCaseMapped` (RFC 8265 §3.3), with a fast path for ASCII. `allowed` says
/// which characters are allowed.
fn fold(text: &str, allowed: &'static str) -> Result<String, NameError> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_ascii_lowercase());
    }
    let profile = UsernameCaseMapped::new();
    profile.enforce(text).map(Cow::into_owned).map_err(|_| {
        let is_refused = |char: &char| profile.enforce(char.to_string()).is_err();
        match text.chars().find(is_refused) {
            Some(char) => NameError::BadCharacter(char, allowed),
            None => NameError::BadCombination,
        }
    })
}

/// Returns text that contains names, such as a mask, in the form in which names are compared: in
/// lower case, and whichever way its letters are encoded. Full-width `*`, `?`, `!` and `@` stay as
/// they are, since they do not have the meaning of the plain ones.
pub fn fold_text(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let lower = text.to_lowercase();
    let special = |text: &str| text.matches(['*', '?', '!', '@']).count();
    match Nickname::new().enforce(lower.as_str()) {
        Ok(folded) if special(&folded) == special(&lower) => folded.to_lowercase(),
        _ => lower,
    }
}

/// Returns how a character that is not allowed is shown: as it is if it is visible on its own.
fn shown(char: char) -> String {
    // The fillers of Hangul are letters.
    let is_filler = matches!(char, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    match char {
        ' ' => "a space".to_owned(),
        char if is_filler => format!("the character U+{:04X}", u32::from(char)),
        char if char.is_ascii_graphic() || char.is_alphanumeric() => char.to_string(),
        char => format!("the character U+{:04X}", u32::from(char)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_letter_case() {
        assert_eq!(Nick::parse("Alice").unwrap(), Nick::parse("aLICE").unwrap());
        assert_eq!(Nick::parse("Ärger").unwrap(), Nick::parse("ärger").unwrap());
        assert_eq!(ChannelName::parse("#Lobby").unwrap().folded(), "#lobby");
        assert_eq!(Nick::parse("Alice").unwrap().as_str(), "Alice");
    }

    #[test]
    fn a_name_is_spelled_with_composed_letters() {
        for (typed, spelled) in [
            ("Zoe\u{301}", "Zoé"),
            ("Nguye\u{302}\u{303}n", "Nguyễn"),
            ("e\u{301}\u{323}", "ẹ\u{301}"),
            ("か\u{3099}", "が"),
            // Their decompositions are not composed again.
            ("a\u{344}", "ä\u{301}"),
            ("\u{958}", "क\u{93c}"),
            ("ｶﾞ", "ｶﾞ"),
            ("Ａlice", "Ａlice"),
        ] {
            let nick = Nick::parse(typed).unwrap();
            assert_eq!((nick.as_str(), nick.check_new()), (spelled, Ok(())));
            assert_eq!(nick, Nick::parse(spelled).unwrap());
            let channel = ChannelName::parse(&format!("#{typed}")).unwrap();
            assert_eq!(channel.as_str(), format!("#{spelled}"));
            assert_eq!(channel.check_new(), Ok(()));
        }
    }

    #[test]
    fn the_length_of_a_new_name_is_that_of_its_composed_letters() {
        let nick = Nick::parse(&"e\u{301}".repeat(16)).unwrap();
        assert_eq!((nick.as_str().len(), nick.check_new()), (MAX_NICK, Ok(())));
        let too_long = Nick::parse(&"e\u{301}".repeat(17));
        assert_eq!(too_long, Err(NameError::TooLong(MAX_NICK)));
        // Four bytes, which are composed to five.
        let (longer, rest) = ("é\u{323}", "b".repeat(MAX_NICK - 4));
        let existing = Nick::parse(&format!("{longer}{rest}")).unwrap();
        assert_eq!(existing.as_str(), format!("{longer}{rest}"));
        assert_eq!(existing.check_new(), Err(NameError::TooLong(MAX_NICK)));
        let rest = "b".repeat(MAX_CHANNEL - 5);
        let existing = ChannelName::parse(&format!("#{longer}{rest}")).unwrap();
        let refused = Err(NameError::TooLong(MAX_CHANNEL));
        assert_eq!(existing.check_new(), refused);
    }

    #[test]
    fn composing_a_name_does_not_change_how_it_is_compared() {
        for letter in '\u{80}'..='\u{31ff}' {
            for mark in ["", "\u{301}", "\u{323}", "\u{345}", "\u{3099}"] {
                let text = format!("Σ{letter}{mark}");
                if let Ok(typed) = parse_nick_as_spelled(&text) {
                    assert_eq!(*typed.folded, *Nick::parse(&text).unwrap().folded());
                }
            }
        }
    }

    #[test]
    fn text_is_folded_as_names_are() {
        for name in ["Alice", "ZOÉ", "zoe\u{301}", "ＢＯＢ", "ｶﾞ", "ÅSA", "Straße"] {
            let folded = fold_text(name);
            assert_eq!(folded, Nick::parse(name).unwrap().folded(), "{name}");
            assert_eq!(fold_text(&folded), folded, "{name}");
        }
        assert_eq!(fold_text("Zoe\u{301}*!?@ＨOST"), "zoé*!?@host");
        assert_eq!(fold_text("ＢＯＢ＊"), "ｂｏｂ＊", "not a wildcard");
    }

    #[test]
    fn names_that_would_break_the_protocol_are_refused() {
        for bad in [
            "",
            "a b",
            "a,b",
            "#a",
            "@a",
            "a!b",
            "a@b",
            "1a",
            "-a",
            "a.b",
            ":a",
            "a\u{7}",
            "a\u{200b}b",
        ] {
            assert!(Nick::parse(bad).is_err(), "{bad:?}");
        }
        for wide in ["bob＠example．org", "a！b＠c", "＃a", "１a", "a，b", "a＊"] {
            assert!(
                Nick::parse(wide).is_err(),
                "{wide:?} folds to a form that is not allowed"
            );
        }
        assert!(ChannelName::parse("#a，b").is_err());
    }

    #[test]
    fn a_refusal_names_the_character_and_those_that_are_allowed() {
        let refusal = |text: &str| Nick::parse(text).unwrap_err().to_string();
        assert!(refusal("a.b").starts_with("a name cannot contain .; use letters, digits"));
        assert!(refusal("a b").starts_with("a name cannot contain a space; "));
        assert!(
            refusal("a\u{200b}b").contains(" U+200B; "),
            "{}",
            refusal("a\u{200b}b")
        );
        assert!(refusal("a\u{7}").contains(" U+0007; "));
        assert!(refusal("ärger😀").contains(" U+1F600; "));
        let channel = ChannelName::parse("#a:b").unwrap_err().to_string();
        assert!(
            channel.starts_with("a name cannot contain :; use letters"),
            "{channel}"
        );
        assert!(!channel.contains('!'), "which channel names may contain");
    }

    #[test]
    fn names_have_a_maximum_length() {
        assert_eq!(
            Nick::parse(&"a".repeat(33)),
            Err(NameError::TooLong(MAX_NICK))
        );
        for bad in ["", "lobby", "#", "#a b", "#a,b", "#a\u{7}b"] {
            assert!(ChannelName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn emails_are_compared_without_letter_case() {
        let email = Email::parse("Bob.Smith@Example.ORG").unwrap();
        assert_eq!(email, Email::parse("bob.smith@example.org").unwrap());
        assert_eq!(
            Email::parse("a@bücher.example").unwrap().folded(),
            "a@xn--bcher-kva.example"
        );
        for bad in [
            "",
            "a",
            "@b.c",
            "a@",
            "a b@c.d",
            "a@ex\u{200b}ample.org",
            "a@example.org\u{feff}",
            "a@b..c",
            "a@b c",
            "a\r\n@b.c",
            "<a@b.c>",
            "*@b.c",
            "a?@b.c",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }
}
