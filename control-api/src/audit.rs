//! The audit trail: its entries, and the result of verifying it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// The reply to `GET /v1/audit`: one page of the audit trail.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// The entries, oldest first.
    pub entries: Vec<AuditRecord>,
    /// Where the next page starts: the value for `after` if the request had one, otherwise for
    /// `before`. `null` on the last page.
    pub next: Option<i64>,
}

/// Whether an act was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditOutcome {
    /// The act was allowed.
    Allowed,
    /// The act was refused.
    Refused,
}

impl AuditOutcome {
    /// Returns the name of the outcome.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
        }
    }
}

/// An entry of the audit trail, and a line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// The number of the entry, counted from 1 without gaps.
    pub id: i64,
    /// When the act was requested.
    #[schema(value_type = text::Time)]
    pub at: Timestamp,
    /// The name of the admin as it was given; empty if none was.
    pub actor: String,
    /// The IP address and port of the request, or `local` for the `rookeryd` command.
    pub origin: String,
    /// The id of the admin's session; empty if the request had none.
    pub session: String,
    /// The act, such as `login`, `verify`, `kick` or `ban`.
    pub act: String,
    /// The user, ban, admin or other object of the act; empty if there is none.
    pub target: String,
    /// Whether the act was allowed.
    pub outcome: AuditOutcome,
    /// The parameters of the act and the reason given for it, or why it was refused.
    pub detail: String,
    /// The hash of the preceding entry, in hexadecimal; zeros for the first entry.
    pub previous: String,
    /// SHA-256 over `previous` and this entry, in hexadecimal.
    pub hash: String,
}

/// The reply to `GET /v1/audit/verify`: the result of verifying the chain of hashes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditVerdict {
    /// Whether no entry was changed and none is missing. The chain does not reveal that the newest
    /// entries were removed; send a `head` noted earlier to detect that.
    pub intact: bool,
    /// The number of intact entries, counted from the first.
    pub entries: u64,
    /// The newest archived entry, which the first one continues; `null` if none was archived.
    pub archived: Option<ChainHead>,
    /// The last intact entry; `null` if there is none.
    pub head: Option<ChainHead>,
    /// The first defect; `null` if the trail is intact.
    pub defect: Option<AuditDefect>,
}

/// A defect of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditDefect {
    /// The number of the defective entry.
    pub id: i64,
    /// What is wrong with the entry.
    pub description: String,
}

/// An entry by number and hash, written `ID:HASH`. An operator who has noted it can verify later
/// that the trail up to this entry is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainHead {
    /// The number of the entry.
    pub id: i64,
    /// The hash of the entry, in hexadecimal.
    pub hash: String,
}

/// The reply to `GET /v1/audit/head`: the newest entry, and an entry that was the newest before.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditHeadReply {
    /// The newest entry, signed; `null` if the trail is empty.
    pub head: Option<SignedHead>,
    /// The hash of the entry with the number `known`; `null` if there is none, or if the request
    /// has no `known`.
    pub known_hash: Option<String>,
}

/// The newest entry of the audit trail at a time, and the newest that was archived, signed by the
/// server. It proves to others that the server had these entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedHead {
    /// The number of the entry.
    pub id: i64,
    /// The hash of the entry, in hexadecimal.
    pub hash: String,
    /// The newest archived entry, which the first one in the database continues; `null` if none was
    /// archived.
    pub archived: Option<ChainHead>,
    /// When it was signed.
    #[schema(value_type = text::Time)]
    pub at: Timestamp,
    /// The server's public key for heads (Ed25519), in hexadecimal.
    pub key: String,
    /// The signature, in hexadecimal.
    pub signature: String,
}

impl SignedHead {
    /// Returns the bytes that are signed.
    pub fn content(head: &ChainHead, archived: Option<&ChainHead>, at: Timestamp) -> String {
        let archived = archived.map_or_else(String::new, |archived| format!("{archived}\n"));
        format!("rookery audit head 1\n{head}\n{at}\n{archived}")
    }

    /// Returns the entry.
    pub fn head(&self) -> ChainHead {
        ChainHead {
            id: self.id,
            hash: self.hash.clone(),
        }
    }

    /// Whether the signature is that of the key in it.
    pub fn is_genuine(&self) -> bool {
        let decode = |text: &str| HEXLOWER.decode(text.as_bytes()).ok();
        let Some((key, signature)) = decode(&self.key).zip(decode(&self.signature)) else {
            return false;
        };
        let content = Self::content(&self.head(), self.archived.as_ref(), self.at);
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(content.as_bytes(), &signature).is_ok()
    }
}

/// The error for a text that is not `ID:HASH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chain head has the form ID:HASH, a number and 64 hexadecimal digits")]
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
