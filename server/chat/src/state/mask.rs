//! Masks with `*` and `?`, and the entries of channel lists.

pub use rookery_protocol::glob::{is_pattern as is_mask, matches};
use rookery_protocol::names::{fold_text, is_invisible};

use crate::lengths;
use crate::state::user::User;

/// The prefix of extended masks (`EXTBAN`).
pub const EXTENDED: char = '~';
/// Matches users by account: `~a:alice` (`ACCOUNTEXTBAN`).
pub const ACCOUNT: char = 'a';
/// Like the mask that follows, but only prevents speaking: `~m:alice!*@*`.
pub const MUTE: char = 'm';

/// A mask in a channel list.
#[derive(Clone, Debug)]
pub struct Mask {
    /// The whole mask, as it is listed.
    text: Box<str>,
    /// Where the pattern begins in the text.
    start: u8,
    /// The folded pattern if it differs from the one in the text.
    folded: Option<Box<str>>,
    kind: Kind,
    mutes: bool,
}

/// What a pattern is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// `nick!user@host`.
    Source,
    Account,
}

/// A user in the form that masks are compared with.
pub struct Subject {
    source: String,
    account: Option<String>,
}

impl Subject {
    pub fn new(user: &User) -> Self {
        let account = user
            .identity
            .as_ref()
            .map(|identity| identity.name.folded().to_owned());
        Self {
            source: fold_text(&user.source),
            account,
        }
    }
}

impl Mask {
    /// Parses a mask and completes it: `alice` becomes `alice!*@*`, `user@host` becomes
    /// `*!user@host`. Returns `None` for an unknown kind of extended mask.
    pub fn new(given: &str) -> Option<Self> {
        let Some((kind, rest)) = given
            .strip_prefix(EXTENDED)
            .and_then(|given| given.split_once(':'))
        else {
            return Some(Self::unprefixed(Kind::Source, complete(given)));
        };
        let mask = match kind
            .chars()
            .next()
            .filter(|letter| kind.len() == letter.len_utf8() && !rest.is_empty())?
        {
            ACCOUNT => Self::unprefixed(Kind::Account, rest.to_owned()),
            MUTE => Self {
                mutes: true,
                ..Self::new(rest).filter(|inner| !inner.mutes)?
            },
            _ => return None,
        };
        Some(Self {
            text: format!("{EXTENDED}{kind}:{}", mask.text).into(),
            // The kind is one ASCII character.
            start: mask.start + 3,
            ..mask
        })
    }

    fn unprefixed(kind: Kind, text: String) -> Self {
        let folded = fold_text(&text);
        Self {
            start: 0,
            folded: (folded != text).then(|| folded.into()),
            kind,
            mutes: false,
            text: text.into(),
        }
    }

    /// Returns the folded pattern.
    fn pattern(&self) -> &str {
        let listed = || &self.text[usize::from(self.start)..];
        self.folded.as_deref().unwrap_or_else(listed)
    }

    /// Returns the number of bytes of its texts in memory.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.folded.as_deref().map_or(0, str::len)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it only prevents speaking.
    pub fn mutes(&self) -> bool {
        self.mutes
    }

    /// Returns why the mask could not be listed, removed again as it was typed, or match anyone.
    pub fn refusal(&self) -> Option<String> {
        let mask = self.as_str();
        if mask.starts_with(':') {
            return Some("A mask cannot start with a colon".to_owned());
        }
        let is_hidden =
            |&char: &char| is_invisible(char) || char.is_control() || char.is_whitespace();
        if let Some(char) = mask.chars().find(is_hidden) {
            return Some(format!(
                "A mask cannot contain the invisible character U+{:04X}",
                u32::from(char)
            ));
        }
        let pattern = self.pattern();
        let (name, kind) = match self.kind {
            Kind::Source => (pattern.split('!').next().unwrap_or_default(), "nick"),
            Kind::Account => (pattern, "account"),
        };
        if let Some(char) = name.chars().find(|char| ",.:/#\"<>@".contains(*char)) {
            return Some(format!(
                "This mask matches nobody, because no {kind} contains {char}"
            ));
        }
        (mask.len() > lengths::MASK)
            .then(|| format!("A mask can have at most {} bytes", lengths::MASK))
    }

    /// Whether the masks are equal once they are folded.
    pub fn is_same(&self, other: &Self) -> bool {
        self.mutes == other.mutes && self.kind == other.kind && self.pattern() == other.pattern()
    }

    /// Whether it covers every user with this host, which many users share.
    pub fn covers_host(&self, host: &str) -> bool {
        match self.kind {
            Kind::Source => self.pattern().rsplit_once('@').is_some_and(|(who, hosts)| {
                who.chars().all(|char| "*!".contains(char)) && matches(hosts, &host.to_lowercase())
            }),
            Kind::Account => false,
        }
    }

    /// Whether it covers a user with this source and account.
    #[cfg(feature = "test-support")]
    pub fn covers_text(&self, source: &str, account: &str) -> bool {
        self.covers(&Subject {
            source: fold_text(source),
            account: Some(fold_text(account)),
        })
    }

    /// Whether it covers the user.
    pub fn covers(&self, subject: &Subject) -> bool {
        let pattern = self.pattern();
        match self.kind {
            Kind::Source => matches(pattern, &subject.source),
            Kind::Account => subject
                .account
                .as_deref()
                .is_some_and(|account| matches(pattern, account)),
        }
    }
}

fn complete(given: &str) -> String {
    let (nick, rest) = match given.split_once('!') {
        Some((nick, rest)) => (nick, Some(rest)),
        None if given.contains('@') => ("*", Some(given)),
        None => (given, None),
    };
    let (user, host) = rest.map_or(("*", "*"), |rest| {
        rest.split_once('@').unwrap_or((rest, "*"))
    });
    let part = |part: &str| {
        if part.is_empty() {
            "*".to_owned()
        } else {
            part.to_owned()
        }
    };
    format!("{}!{}@{}", part(nick), part(user), part(host))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_completed() {
        let complete = |given: &str| {
            Mask::new(given)
                .map(|mask| mask.as_str().to_owned())
                .unwrap_or_default()
        };
        assert_eq!(complete("bob"), "bob!*@*");
        assert_eq!(complete("u@h"), "*!u@h");
        assert_eq!(complete("bob!u"), "bob!u@*");
        assert_eq!(complete("bob!@"), "bob!*@*");
        assert_eq!(complete("b*!u@h"), "b*!u@h");
        assert_eq!(complete("~a:Bob"), "~a:Bob");
        assert_eq!(complete("~m:bob"), "~m:bob!*@*");
        assert_eq!(complete("~m:~a:bob"), "~m:~a:bob");
        assert_eq!(
            complete("~bob"),
            "~bob!*@*",
            "without a colon, the mask is not extended"
        );
        for bad in [
            "~x:bob",
            "~:bob",
            "~aa:bob",
            "~a:",
            "~m:",
            "~m:~m:bob",
            "~m:~x:bob",
        ] {
            assert_eq!(complete(bad), "", "{bad}");
        }
    }

    #[test]
    fn a_mask_covers_sources_or_accounts() {
        let covers = |mask: &str, account: Option<&str>| {
            let subject = Subject {
                source: "bob!~u@host".to_owned(),
                account: account.map(str::to_owned),
            };
            Mask::new(mask).is_some_and(|mask| mask.covers(&subject))
        };
        assert!(covers("BOB", None) && covers("~m:*!~U@*", None));
        assert!(covers("~a:Bob", Some("bob")) && covers("~m:~a:b*", Some("bob")));
        assert!(!covers("~a:bob", None) && !covers("~a:bob", Some("bobby")));
    }

    #[test]
    fn it_makes_no_difference_how_a_mask_is_typed() {
        let user = Subject {
            source: fold_text("ZOÉ!~u@host"),
            account: Some("bob".to_owned()),
        };
        for mask in [
            "zoé",
            "Zoe\u{301}!*@*",
            "ｚｏé",
            "z?É",
            "~m:ZOE\u{301}",
            "~a:ＢＯＢ",
        ] {
            let mask = Mask::new(mask).unwrap();
            assert!(mask.covers(&user), "{}", mask.as_str());
        }
        let [typed, listed] = ["zoe\u{301}", "ZOÉ!*@*"].map(|mask| Mask::new(mask).unwrap());
        assert!(typed.is_same(&listed), "it can be removed");
    }
}
