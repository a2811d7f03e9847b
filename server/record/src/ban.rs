//! A ban and whom it covers.

use jiff::Timestamp;
use rookery_protocol::{AccountName, BanTarget, Email};

use super::EmailAliases;

/// A ban's number in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BanId(pub i64);

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

/// Whether a ban of `target` covers the account of that name and email, however its email is spelt.
/// An account without an email is covered by none of those.
pub fn covers_account(
    target: &BanTarget,
    aliases: &EmailAliases,
    name: &AccountName,
    email: Option<&Email>,
) -> bool {
    match target {
        BanTarget::Account(banned) => banned == name,
        BanTarget::Email(banned) => {
            email.is_some_and(|email| aliases.mailbox(banned) == aliases.mailbox(email))
        }
        BanTarget::EmailPattern(pattern) => email.is_some_and(|email| {
            pattern.covers(email.folded()) || pattern.covers(&aliases.mailbox(email))
        }),
        BanTarget::Address(_) | BanTarget::Network(_) => false,
    }
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
