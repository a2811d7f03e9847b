//! A ban and whom it covers.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email};

/// A ban's number in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BanId(pub i64);

/// Who is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BanTarget {
    Account(AccountName),
    Email(Email),
}

/// Why a text names nobody who could be banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither an account's name nor an email address")]
pub struct BadTarget;

impl BanTarget {
    /// Reads an account's name or, with an `@` inside, an email.
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        if text.contains('@') {
            Email::parse(text).map(Self::Email).map_err(|_| BadTarget)
        } else {
            AccountName::parse(text).map(Self::Account).map_err(|_| BadTarget)
        }
    }

    /// As it is compared. No account's name is an email, so one form never means two targets.
    pub fn folded(&self) -> &str {
        match self {
            Self::Account(name) => name.folded(),
            Self::Email(email) => email.folded(),
        }
    }

    /// Whether it covers the account of that name and email.
    pub fn covers(&self, name: &AccountName, email: &Email) -> bool {
        match self {
            Self::Account(banned) => banned == name,
            Self::Email(banned) => banned == email,
        }
    }
}

impl FromStr for BanTarget {
    type Err = BadTarget;
    fn from_str(text: &str) -> Result<Self, BadTarget> {
        Self::parse(text)
    }
}

impl fmt::Display for BanTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(name) => name.fmt(out),
            Self::Email(email) => email.fmt(out),
        }
    }
}

/// One ban as it stands in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    pub id: BanId,
    pub target: BanTarget,
    pub reason: String,
    /// The admin who made it, or `file` for a row added by hand.
    pub by: String,
    pub created_at: Timestamp,
    /// Never, when none.
    pub expires_at: Option<Timestamp>,
}

impl Ban {
    /// Whether it still holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A ban to be made.
#[derive(Clone, Debug)]
pub struct NewBan {
    pub target: BanTarget,
    pub reason: String,
    pub by: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}
