//! Accounts.

use rookery_protocol::{AccountName, Email};
use rusqlite::{Connection, Row, params};

use super::{Store, execute, find, list, optional, parsed, timestamp};
use crate::Result;
use crate::taken_names::TakenNames;
use rookery_record::{
    Account, AccountConflict, AccountId, EmailAliases, NewAccount, ScramVerifier, mailbox_key,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT accounts.id, name, email, password_hash, accounts.created_at, greeted, disabled FROM accounts ",
            $rest
        )
    };
}

fn read(row: &Row<'_>) -> Result<Account> {
    Ok(Account {
        id: AccountId(row.get(0)?),
        name: parsed(row, 1)?,
        email: optional(row, 2)?,
        password_hash: row.get(3)?,
        created_at: timestamp(row, 4)?,
        greeted: row.get(5)?,
        disabled: row.get(6)?,
    })
}

impl Store {
    /// Returns the account with that number.
    pub fn account(&self, id: AccountId) -> Result<Option<Account>> {
        find(&self.connection, select!("WHERE id = ?1"), [id.0], read)
    }

    /// Returns the account with that name; names are compared in their folded form.
    pub fn account_by_name(&self, name: &AccountName) -> Result<Option<Account>> {
        find(
            &self.connection,
            select!("WHERE name_folded = ?1"),
            [name.folded()],
            read,
        )
    }

    /// Returns the account with that email; emails are compared in their folded form.
    pub fn account_by_email(&self, email: &Email) -> Result<Option<Account>> {
        find(
            &self.connection,
            select!("WHERE email_folded = ?1"),
            [email.folded()],
            read,
        )
    }

    /// Returns the accounts whose emails lead to the same mailbox as `email`: that with this very
    /// email first, then the oldest.
    pub fn accounts_of_mailbox(
        &self,
        email: &Email,
        aliases: &EmailAliases,
    ) -> Result<Vec<Account>> {
        let mut accounts = list(
            &self.connection,
            select!("WHERE mailbox_key = ?1 ORDER BY email_folded <> ?2, id"),
            params![mailbox_key(email), email.folded()],
            read,
        )?;
        let mailbox = aliases.mailbox(email);
        accounts.retain(|account| {
            let own = account.email.as_ref();
            own.is_some_and(|own| aliases.mailbox(own) == mailbox)
        });
        Ok(accounts)
    }

    /// Returns the account that the client certificate with that SHA-256 fingerprint belongs to.
    pub fn account_by_certificate(&self, fingerprint: &[u8; 32]) -> Result<Option<Account>> {
        find(
            &self.connection,
            select!(
                "JOIN credentials ON credentials.account = accounts.id WHERE hash = ?1 AND kind = 'certificate'"
            ),
            [fingerprint],
            read,
        )
    }

    /// Whether an existing or deleted account has that name, or one that looks the same.
    pub fn is_name_taken(&self, name: &AccountName) -> Result<bool> {
        let mut statement = self.connection.prepare_cached(
            "SELECT 1 FROM accounts WHERE name_folded = ?1 OR name_skeleton = ?2
             UNION ALL SELECT 1 FROM retired_names WHERE folded = ?1 OR skeleton = ?2",
        )?;
        Ok(statement.exists([name.folded(), &name.skeleton()])?)
    }

    /// Returns an account with a name that looks like this one.
    pub fn account_that_looks_like(&self, name: &AccountName) -> Result<Option<Account>> {
        let sql = select!("WHERE name_skeleton = ?1");
        find(&self.connection, sql, [name.skeleton()], read)
    }

    /// Returns the pairs of accounts with names that look alike. They can exist only if they are
    /// older than the rule by which their names look alike.
    pub fn accounts_that_look_alike(&self) -> Result<Vec<[AccountName; 2]>> {
        let beyond_ascii = "SELECT name, name_skeleton FROM accounts
            WHERE name_skeleton GLOB '*[^ -~]*' ORDER BY name_folded";
        let mut pairs = Vec::new();
        for (name, stored) in list(&self.connection, beyond_ascii, [], |row| {
            Ok((parsed::<AccountName>(row, 0)?, row.get::<_, String>(1)?))
        })? {
            if name.skeleton() != stored {
                let other = self.account_that_looks_like(&name)?;
                pairs.extend(other.map(|other| [name, other.name]));
            }
        }
        Ok(pairs)
    }

    /// Returns all accounts, sorted by name.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        list(&self.connection, select!("ORDER BY name_folded"), [], read)
    }

    /// Creates an account. Returns [`AccountConflict`] if its name or email is not available.
    pub fn create_account(
        &mut self,
        account: &NewAccount,
    ) -> Result<std::result::Result<Account, AccountConflict>> {
        if self.is_name_taken(&account.name)? {
            return Ok(Err(AccountConflict::Name));
        }
        if let Some(email) = &account.email
            && self.account_by_email(email)?.is_some()
        {
            return Ok(Err(AccountConflict::Email));
        }
        let skeleton = account.name.skeleton();
        self.taken_names.add(account.name.folded(), &skeleton);
        let created = find(
            &self.connection,
            "INSERT INTO accounts
                (name, name_folded, name_skeleton, email, email_folded, mailbox_key, password_hash, created_at, greeted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             RETURNING id, name, email, password_hash, created_at, greeted, disabled",
            params![
                account.name.as_str(),
                account.name.folded(),
                skeleton,
                account.email.as_ref().map(Email::as_str),
                account.email.as_ref().map(Email::folded),
                account.email.as_ref().map(mailbox_key),
                account.password_hash,
                account.created_at.as_millisecond(),
                account.greeted,
            ],
            read,
        )?;
        Ok(Ok(created.expect("an INSERT that succeeds returns its row")))
    }

    /// Returns at most `limit` accounts whose name or email contains `search` (in lower case),
    /// sorted by name and starting after `after`.
    pub fn find_accounts(
        &self,
        search: &str,
        after: Option<&AccountName>,
        limit: usize,
    ) -> Result<Vec<Account>> {
        list(
            &self.connection,
            select!(
                "WHERE name_folded > ?1 AND (instr(name_folded, ?2) > 0 OR instr(email_folded, ?2) > 0)
                 ORDER BY name_folded LIMIT ?3"
            ),
            params![
                after.map_or("", AccountName::folded),
                search,
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            read,
        )
    }

    /// Disables the account for `reason`; `None` enables it again.
    pub fn set_disabled(&mut self, id: AccountId, reason: Option<&str>) -> Result<()> {
        let sql = "UPDATE accounts SET disabled = ?2 WHERE id = ?1";
        execute(&self.connection, sql, params![id.0, reason]).map(drop)
    }

    /// Replaces the hash and the SCRAM verifier of the account's password.
    pub fn set_password(
        &mut self,
        id: AccountId,
        password_hash: &str,
        scram: &ScramVerifier,
    ) -> Result<()> {
        let sql = "UPDATE accounts SET password_hash = ?2 WHERE id = ?1";
        execute(&self.connection, sql, params![id.0, password_hash])?;
        self.set_scram_verifier(id, scram)
    }

    /// Stores the SCRAM verifier of the password that the account already has.
    pub fn set_scram_verifier(&mut self, id: AccountId, verifier: &ScramVerifier) -> Result<()> {
        let sql =
            "INSERT OR REPLACE INTO scram_verifiers (account, salt, iterations, encrypted_keys)
             VALUES (?1, ?2, ?3, ?4)";
        let ScramVerifier {
            salt,
            iterations,
            encrypted_keys,
        } = verifier;
        execute(
            &self.connection,
            sql,
            params![id.0, salt, iterations, encrypted_keys],
        )
        .map(drop)
    }

    /// Returns the account's SCRAM verifier; `None` if it has no password, or if the password was
    /// set before the server stored such verifiers and has not been used since.
    pub fn scram_verifier(&self, id: AccountId) -> Result<Option<ScramVerifier>> {
        let sql = "SELECT salt, iterations, encrypted_keys FROM scram_verifiers WHERE account = ?1";
        find(&self.connection, sql, [id.0], |row| {
            Ok(ScramVerifier {
                salt: row.get(0)?,
                iterations: row.get(1)?,
                encrypted_keys: row.get(2)?,
            })
        })
    }

    /// Whether any account has a SCRAM verifier.
    pub fn has_scram_verifiers(&self) -> Result<bool> {
        let sql = "SELECT 1 FROM scram_verifiers";
        Ok(self.connection.prepare_cached(sql)?.exists([])?)
    }

    /// Replaces the account's email. Returns [`AccountConflict::Email`] if another account has it.
    pub fn set_email(
        &mut self,
        id: AccountId,
        email: Option<&Email>,
    ) -> Result<std::result::Result<(), AccountConflict>> {
        if let Some(email) = email
            && self
                .account_by_email(email)?
                .is_some_and(|owner| owner.id != id)
        {
            return Ok(Err(AccountConflict::Email));
        }
        let sql =
            "UPDATE accounts SET email = ?2, email_folded = ?3, mailbox_key = ?4 WHERE id = ?1";
        let (text, folded) = (email.map(Email::as_str), email.map(Email::folded));
        let params = params![id.0, text, folded, email.map(mailbox_key)];
        execute(&self.connection, sql, params)?;
        Ok(Ok(()))
    }

    /// Returns the secret with that name: 32 random bytes, created at the first call and never
    /// changed afterwards.
    pub fn secret(&mut self, name: &str) -> Result<[u8; 32]> {
        let sql = "SELECT value FROM secrets WHERE name = ?1";
        if let Some(known) = find(&self.connection, sql, [name], |row| Ok(row.get(0)?))? {
            return Ok(known);
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("the operating system has a random source");
        execute(
            &self.connection,
            "INSERT INTO secrets (name, value) VALUES (?1, ?2)",
            params![name, secret],
        )?;
        Ok(secret)
    }

    /// Removes the account's password, so that nobody can sign in with one.
    pub fn remove_password(&mut self, id: AccountId) -> Result<()> {
        execute(
            &self.connection,
            "DELETE FROM scram_verifiers WHERE account = ?1",
            [id.0],
        )?;
        execute(
            &self.connection,
            "UPDATE accounts SET password_hash = NULL WHERE id = ?1",
            [id.0],
        )
        .map(drop)
    }

    /// Deletes the account and all its credentials. Its name stays reserved.
    pub fn delete_account(&mut self, account: &Account) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO retired_names (folded, skeleton) VALUES (?1, ?2)";
        let (folded, skeleton) = (account.name.folded(), account.name.skeleton());
        self.taken_names.add(folded, &skeleton);
        execute(&self.connection, sql, [folded, &skeleton])?;
        let sql = "DELETE FROM channel_access WHERE account_folded = ?1";
        execute(&self.connection, sql, [account.name.folded()])?;
        // A ban of the account still covers its mailbox, from which it could register again.
        let sql =
            "UPDATE bans SET deleted_account_email = ?1, email_key = ?2 WHERE target_folded = ?3";
        let email = account.email.as_ref();
        let (folded, key) = (email.map(Email::folded), email.map(mailbox_key));
        let params = params![folded, key, account.name.folded()];
        execute(&self.connection, sql, params)?;
        execute(
            &self.connection,
            "DELETE FROM accounts WHERE id = ?1",
            [account.id.0],
        )
        .map(drop)
    }

    /// Marks the account as greeted, so that it is no longer treated as new.
    pub fn set_greeted(&mut self, id: AccountId) -> Result<()> {
        execute(
            &self.connection,
            "UPDATE accounts SET greeted = 1 WHERE id = ?1",
            [id.0],
        )
        .map(drop)
    }
}

/// Returns the names of all accounts, existing or deleted.
pub(super) fn taken_names(connection: &Connection) -> Result<TakenNames> {
    let names = TakenNames::default();
    let mut statement = connection.prepare(
        "SELECT name_folded, name_skeleton FROM accounts
         UNION ALL SELECT folded, skeleton FROM retired_names",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        names.add(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?);
    }
    Ok(names)
}
