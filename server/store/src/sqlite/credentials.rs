//! Credentials of accounts other than the password.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::{Store, execute, find, list, optional_timestamp, timestamp};
use crate::{Result, StoreError};
use rookery_record::{AccountId, Credential, CredentialId, CredentialKind, Network};

/// The number of networks of an account that are stored.
const MAX_ACCOUNT_NETWORKS: i64 = 20;
/// The number of mailed codes that may be tried for an account one after the other without a
/// sign-in: in networks in which its owner has signed in before, and as many elsewhere. NIST SP
/// 800-63B §5.2.2 permits 100 altogether. As many may be tried by those who are signed in.
const MAX_TRIED_CODES: u32 = 50;

/// Who tries a mailed code for an account. Each has a count of its own, so that strangers do not
/// use up the tries of an owner who is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriedBy {
    /// A session that is signed in to the account.
    SignedIn,
    /// Anyone else, in this network.
    Anyone(Network),
}

/// What is counted of a mailed code for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriedCode {
    /// A code that is about to be checked.
    Real,
    /// A code that no code would match. It is not counted, but as much is written, so that the time
    /// of the answer does not disclose it.
    Decoy,
    /// A code that was counted, and was right.
    Right,
}

fn kind_name(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Device => "device",
        CredentialKind::Certificate => "certificate",
    }
}

fn read(row: &Row<'_>) -> Result<Credential> {
    let kind: String = row.get(1)?;
    Ok(Credential {
        id: CredentialId(row.get(0)?),
        kind: match kind.as_str() {
            "device" => CredentialKind::Device,
            "certificate" => CredentialKind::Certificate,
            _ => {
                return Err(StoreError::Corrupt(format!(
                    "{kind:?} as the kind of a credential"
                )));
            }
        },
        hash: row.get(2)?,
        created_at: timestamp(row, 3)?,
        used_at: optional_timestamp(row, 4)?,
        label: row.get(5)?,
    })
}

impl Store {
    /// Returns when the owner of the account last signed in from the network, if it is one of the
    /// most recent.
    pub fn account_network(
        &self,
        account: AccountId,
        network: Network,
    ) -> Result<Option<Timestamp>> {
        find(
            &self.connection,
            "SELECT used_at FROM account_networks WHERE account = ?1 AND network = ?2",
            params![account.0, network.to_string()],
            |row| timestamp(row, 0),
        )
    }

    /// Returns the column that counts the codes tried for the account.
    fn tried_codes(&self, account: AccountId, by: TriedBy) -> Result<&'static str> {
        Ok(match by {
            TriedBy::SignedIn => "tried_codes_signed_in",
            TriedBy::Anyone(network) => match self.account_network(account, network)? {
                Some(_) => "tried_codes_known",
                None => "tried_codes_elsewhere",
            },
        })
    }

    /// Counts a mailed code that is tried for the account. Returns false, and counts nothing, if
    /// the account accepts no code from there: too many led to no sign-in. A code counts before it
    /// is checked, so that simultaneous attempts cannot evade the limit.
    pub fn count_account_code(
        &mut self,
        account: AccountId,
        by: TriedBy,
        code: TriedCode,
    ) -> Result<bool> {
        let column = self.tried_codes(account, by)?;
        let (step, max) = match code {
            TriedCode::Real => (1, MAX_TRIED_CODES),
            TriedCode::Decoy => (0, MAX_TRIED_CODES),
            TriedCode::Right => (-1, u32::MAX),
        };
        let sql = format!(
            "UPDATE accounts SET {column} = max({column} + ?2, 0) WHERE id = ?1 AND {column} < ?3"
        );
        Ok(execute(&self.connection, &sql, params![account.0, step, max])? > 0)
    }

    /// Whether the account accepts mailed codes in the network.
    pub fn accepts_codes(&self, account: AccountId, network: Network) -> Result<bool> {
        let column = self.tried_codes(account, TriedBy::Anyone(network))?;
        let sql = format!("SELECT {column} < ?2 FROM accounts WHERE id = ?1");
        let values = params![account.0, MAX_TRIED_CODES];
        let accepts = find(&self.connection, &sql, values, |row| Ok(row.get(0)?))?;
        Ok(accepts.unwrap_or(false))
    }

    /// Whether codes were tried for the account since [`Self::reset_account_codes`].
    pub fn has_tried_codes(&self, account: AccountId) -> Result<bool> {
        let sql = "SELECT max(tried_codes_known, tried_codes_elsewhere, tried_codes_signed_in) > 0
             FROM accounts WHERE id = ?1";
        let tried = find(&self.connection, sql, [account.0], |row| Ok(row.get(0)?))?;
        Ok(tried.unwrap_or(false))
    }

    /// Resets the counts of tried codes, after a sign-in or at an operator's request.
    pub fn reset_account_codes(&mut self, account: AccountId) -> Result<()> {
        let sql = "UPDATE accounts SET tried_codes_known = 0, tried_codes_elsewhere = 0,
             tried_codes_signed_in = 0 WHERE id = ?1";
        execute(&self.connection, sql, [account.0]).map(drop)
    }

    /// Records that the owner of the account has signed in from the network. The networks used most
    /// recently are stored.
    pub fn set_account_network(
        &mut self,
        account: AccountId,
        network: Network,
        at: Timestamp,
    ) -> Result<()> {
        // The account may have been deleted since. The last network is the newest, even if the
        // clock was ahead before.
        execute(
            &self.connection,
            "INSERT INTO account_networks (account, network, used_at)
             SELECT id, ?2, max(?3, (SELECT ifnull(max(used_at) + 1, ?3) FROM account_networks
                                     WHERE account = ?1))
             FROM accounts WHERE id = ?1
             ON CONFLICT (account, network) DO UPDATE SET used_at = excluded.used_at",
            params![account.0, network.to_string(), at.as_millisecond()],
        )?;
        execute(
            &self.connection,
            "DELETE FROM account_networks WHERE account = ?1 AND network NOT IN
             (SELECT network FROM account_networks WHERE account = ?1
              ORDER BY used_at DESC LIMIT ?2)",
            params![account.0, MAX_ACCOUNT_NETWORKS],
        )
        .map(drop)
    }

    /// Returns the account's credentials, oldest first.
    pub fn credentials(&self, account: AccountId) -> Result<Vec<Credential>> {
        list(
            &self.connection,
            "SELECT id, kind, hash, created_at, used_at, label FROM credentials
             WHERE account = ?1 ORDER BY id",
            [account.0],
            read,
        )
    }

    /// Adds a credential and returns its number. If the account already has this credential,
    /// nothing changes. It is an error if the credential belongs to another account.
    pub fn add_credential(
        &mut self,
        account: AccountId,
        kind: CredentialKind,
        hash: &[u8; 32],
        at: Timestamp,
    ) -> Result<CredentialId> {
        let kind = kind_name(kind);
        let known = find(
            &self.connection,
            "SELECT id FROM credentials WHERE hash = ?1 AND kind = ?2 AND account = ?3",
            params![hash, kind, account.0],
            |row| Ok(CredentialId(row.get(0)?)),
        )?;
        if let Some(id) = known {
            return Ok(id);
        }
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO credentials (account, kind, hash, created_at) VALUES (?1, ?2, ?3, ?4)",
        )?;
        Ok(CredentialId(statement.insert(params![
            account.0,
            kind,
            hash,
            at.as_millisecond()
        ])?))
    }

    /// Removes one credential. Returns whether the account had it.
    pub fn remove_credential(&mut self, account: AccountId, id: CredentialId) -> Result<bool> {
        let sql = "DELETE FROM credentials WHERE id = ?1 AND account = ?2";
        Ok(execute(&self.connection, sql, [id.0, account.0])? > 0)
    }

    /// Removes all credentials of the account and returns how many there were.
    pub fn remove_credentials(&mut self, account: AccountId) -> Result<usize> {
        execute(
            &self.connection,
            "DELETE FROM credentials WHERE account = ?1",
            [account.0],
        )
    }

    /// Sets the label of the credential.
    pub fn set_credential_label(&mut self, id: CredentialId, label: &str) -> Result<()> {
        let sql = "UPDATE credentials SET label = ?2 WHERE id = ?1";
        execute(&self.connection, sql, params![id.0, label]).map(drop)
    }

    /// Records that the credential was used at `at`.
    pub fn set_credential_used(&mut self, id: CredentialId, at: Timestamp) -> Result<()> {
        let sql = "UPDATE credentials SET used_at = ?2 WHERE id = ?1";
        execute(&self.connection, sql, [id.0, at.as_millisecond()]).map(drop)
    }
}
