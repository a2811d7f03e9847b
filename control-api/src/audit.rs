//! The audit trail as the control plane shows it: its entries, and what was found when it was
//! verified.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/audit`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// Oldest first.
    pub entries: Vec<AuditRecord>,
    /// Where the next page begins, if there is one: the value for `after` if that was given, else
    /// for `before`.
    pub next: Option<i64>,
}

/// Whether an act was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditOutcome {
    /// It was done.
    Allowed,
    /// It was not.
    Refused,
}

impl AuditOutcome {
    /// In one word, as it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
        }
    }
}

/// One entry of the audit trail; also one line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// Counted up from 1.
    pub id: i64,
    /// When the act was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The admin's name as given; empty where nobody was signed in.
    pub actor: String,
    /// IP address and port, or `local` for `rookeryd` itself.
    pub origin: String,
    /// The control-plane session, by its public name; empty where nobody was signed in.
    pub session: String,
    /// `login`, `verify`, `kick`, `ban`, …
    pub act: String,
    /// Whom or what it was about; empty where there is nothing to name.
    pub target: String,
    /// Whether it was let through.
    pub outcome: AuditOutcome,
    /// The reason of the act, or why it was refused.
    pub detail: String,
    /// The hash of the entry before, in hexadecimal; zeros for the first.
    pub previous: String,
    /// SHA-256 over `previous` and this entry, in hexadecimal.
    pub hash: String,
}

/// `GET /v1/audit/verify`: what a walk along the whole chain found.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditVerdict {
    /// Whether every entry is as it was written, and none is missing. The newest entries alone can
    /// be taken away without a trace; `head` shows that.
    pub whole: bool,
    /// How many entries are in order, counted from the first.
    pub entries: u64,
    /// The last entry that is in order.
    pub head: Option<ChainHead>,
    /// The first thing that is not in order.
    pub fault: Option<AuditDefect>,
}

/// The first thing in the trail that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditDefect {
    /// The entry at which it shows.
    pub id: i64,
    /// What is wrong there.
    pub what: String,
}

/// An entry by number and hash: whoever kept this once can tell later whether the trail up to there
/// is still the same. Written `ID:HASH`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainHead {
    /// The entry's number.
    pub id: i64,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

/// Why a text names no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chain head is written ID:HASH, a number and 64 hexadecimal digits")]
pub struct InvalidChainHead;

impl FromStr for ChainHead {
    type Err = InvalidChainHead;

    fn from_str(text: &str) -> Result<Self, InvalidChainHead> {
        let (id, hash) = text.trim().split_once(':').ok_or(InvalidChainHead)?;
        let id = id
            .parse()
            .ok()
            .filter(|id| *id > 0)
            .ok_or(InvalidChainHead)?;
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidChainHead);
        }
        Ok(Self {
            id,
            hash: hash.to_ascii_lowercase(),
        })
    }
}

impl fmt::Display for ChainHead {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.id, self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_head_is_a_number_and_a_hash() {
        let hash = "0aB1".repeat(16);
        let head: ChainHead = format!(" 12:{hash}\n").parse().expect("a head");
        assert_eq!(
            head,
            ChainHead {
                id: 12,
                hash: hash.to_lowercase()
            }
        );
        assert_eq!(head.to_string().parse(), Ok(head));
        let dashes = "-".repeat(64);
        for bad in [
            "",
            "12",
            &hash,
            &format!("0:{hash}"),
            &format!("-1:{hash}"),
            &format!("1:{hash}0"),
            &format!("1:{dashes}"),
        ] {
            assert_eq!(bad.parse::<ChainHead>(), Err(InvalidChainHead), "{bad:?}");
        }
    }
}
