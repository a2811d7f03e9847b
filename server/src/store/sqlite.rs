//! The record in SQLite.

use std::path::Path;

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email};

use super::{Result, Store};
use crate::record::{
    Account, AccountId, Admin, AuditEntry, Ban, BanId, Credential, CredentialId, CredentialKind,
    HistoryEntry, NewAccount, NewAudit, NewBan, Taken,
};

/// One connection to the database file.
pub struct Sqlite {
    connection: rusqlite::Connection,
}

impl Sqlite {
    /// Opens the file for writing, making it and its tables where there are none.
    pub fn open(_file: &Path) -> Result<Self> {
        unimplemented!()
    }

    /// Opens the file for reading only.
    pub fn open_reader(_file: &Path) -> Result<Self> {
        unimplemented!()
    }

    /// Runs `job` in one transaction; with `full`, it is on the disk itself when this returns.
    pub fn transaction<T>(
        &mut self,
        _full: bool,
        _job: impl FnOnce(&mut dyn Store) -> Result<T>,
    ) -> Result<T> {
        unimplemented!()
    }
}

impl Store for Sqlite {
    fn account(&self, _id: AccountId) -> Result<Option<Account>> {
        unimplemented!()
    }
    fn account_by_name(&self, _name: &AccountName) -> Result<Option<Account>> {
        unimplemented!()
    }
    fn account_by_email(&self, _email: &Email) -> Result<Option<Account>> {
        unimplemented!()
    }
    fn account_by_certificate(&self, _fingerprint: &[u8; 32]) -> Result<Option<Account>> {
        unimplemented!()
    }
    fn is_name_taken(&self, _name: &AccountName) -> Result<bool> {
        unimplemented!()
    }
    fn accounts(&self) -> Result<Vec<Account>> {
        unimplemented!()
    }
    fn create_account(&mut self, _account: &NewAccount) -> Result<std::result::Result<Account, Taken>> {
        unimplemented!()
    }
    fn set_password(&mut self, _id: AccountId, _password_hash: &str) -> Result<()> {
        unimplemented!()
    }
    fn set_greeted(&mut self, _id: AccountId) -> Result<()> {
        unimplemented!()
    }
    fn credentials(&self, _account: AccountId) -> Result<Vec<Credential>> {
        unimplemented!()
    }
    fn add_credential(
        &mut self,
        _account: AccountId,
        _kind: CredentialKind,
        _hash: &[u8; 32],
        _at: Timestamp,
    ) -> Result<CredentialId> {
        unimplemented!()
    }
    fn remove_credential(&mut self, _account: AccountId, _id: CredentialId) -> Result<bool> {
        unimplemented!()
    }
    fn set_credential_used(&mut self, _id: CredentialId, _at: Timestamp) -> Result<()> {
        unimplemented!()
    }
    fn bans(&self, _now: Timestamp) -> Result<Vec<Ban>> {
        unimplemented!()
    }
    fn add_ban(&mut self, _ban: &NewBan) -> Result<Ban> {
        unimplemented!()
    }
    fn remove_ban(&mut self, _id: BanId) -> Result<Option<Ban>> {
        unimplemented!()
    }
    fn append_history(&mut self, _entries: &[HistoryEntry]) -> Result<()> {
        unimplemented!()
    }
    fn expire_history(&mut self, _before: Timestamp, _limit: usize) -> Result<usize> {
        unimplemented!()
    }
    fn admin(&self, _name: &str) -> Result<Option<Admin>> {
        unimplemented!()
    }
    fn admins(&self) -> Result<Vec<Admin>> {
        unimplemented!()
    }
    fn add_admin(
        &mut self,
        _name: &str,
        _email: &Email,
        _password_hash: &str,
        _at: Timestamp,
    ) -> Result<bool> {
        unimplemented!()
    }
    fn remove_admin(&mut self, _name: &str) -> Result<bool> {
        unimplemented!()
    }
    fn set_admin_password(&mut self, _name: &str, _password_hash: &str) -> Result<bool> {
        unimplemented!()
    }
    fn append_audit(&mut self, _entry: &NewAudit) -> Result<AuditEntry> {
        unimplemented!()
    }
    fn audit(&self, _limit: usize) -> Result<Vec<AuditEntry>> {
        unimplemented!()
    }
    fn window(&self, _name: &str) -> Result<Option<String>> {
        unimplemented!()
    }
    fn set_window(&mut self, _name: &str, _content: &str) -> Result<()> {
        unimplemented!()
    }
}
