//! Bans, and the accounts that they cover.

use jiff::Timestamp;
use rookery_protocol::{AccountName, BanTarget, Email};

use super::EmailAliases;

/// The number of a ban in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BanId(pub i64);

/// A stored ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Its number.
    pub id: BanId,
    /// The account, email, pattern, address or network that it covers.
    pub target: BanTarget,
    /// The email of the banned account, if it has one: the ban covers the other accounts of its
    /// mailbox too.
    pub account_email: Option<Email>,
    /// The reason, as shown to the banned person.
    pub reason: String,
    /// The admin who made it, or `file` for a row that was added to the CSV file.
    pub by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `None` if it does not.
    pub expires_at: Option<Timestamp>,
}

/// Returns the reason of a ban and its end, if it has one, as shown to the banned person.
pub fn ban_text(reason: &str, expires_at: Option<Timestamp>) -> String {
    match expires_at {
        Some(end) => format!("{reason} (until {end:.0})"),
        None => reason.to_owned(),
    }
}

/// Returns whether a ban of `target` covers the account with this name and email. All spellings of
/// an email that lead to the same mailbox are covered. A ban of an email covers no account without
/// one. For a banned account, `account_email` is its email.
pub fn covers_account(
    target: &BanTarget,
    account_email: Option<&Email>,
    aliases: &EmailAliases,
    name: &AccountName,
    email: Option<&Email>,
) -> bool {
    let is_mailbox_of = |banned: &Email| {
        email.is_some_and(|email| aliases.mailbox(banned) == aliases.mailbox(email))
    };
    match target {
        BanTarget::Account(banned) => banned == name || account_email.is_some_and(is_mailbox_of),
        BanTarget::Email(banned) => is_mailbox_of(banned),
        BanTarget::EmailPattern(pattern) => {
            email.is_some_and(|email| aliases.are_covered(pattern, email))
        }
        BanTarget::Address(_) | BanTarget::Network(_) => false,
    }
}

impl Ban {
    /// Returns whether the ban is in force at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A ban to be stored.
#[derive(Clone, Debug)]
pub struct NewBan {
    /// The account, email, pattern, address or network that it covers.
    pub target: BanTarget,
    /// The reason, as shown to the banned person.
    pub reason: String,
    /// The admin who makes it.
    pub by: String,
    /// When it is made.
    pub created_at: Timestamp,
    /// When it ends; `None` if it does not.
    pub expires_at: Option<Timestamp>,
}
