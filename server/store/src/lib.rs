//! What is durable: accounts, credentials, bans, history, admins and the audit trail. One trait,
//! `SQLite` behind it.
#![allow(missing_docs)]

pub mod audit_chain;
pub mod database;
pub mod sqlite;

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use rookery_control_api::Role;
use rookery_protocol::{AccountName, ChannelName, Email};

pub use database::{Database, Durability};
pub use sqlite::Sqlite;

use rookery_record::{
    Account, AccountId, Admin, AuditEntry, AuditQuery, Authenticator, Ban, BanId, Change,
    ChatSnapshot, Credential, CredentialId, CredentialKind, FoundMessages, HistoryEntry,
    HistoryTarget, Invitation, InvitationId, Maintenance, MessageQuery, NewAccount, NewAdmin,
    NewAudit, NewBan, NewInvitation, PageQuery, ScramKeys, Taken, TargetsQuery,
};

/// The name of the database file in the data folder.
pub const DATABASE_FILE: &str = "rookery.db";

/// Why the record could not be read or written. Each text holds its cause, so none is chained to
/// it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the data folder {path} cannot be made: {error}", path = path.display())]
    Folder { path: PathBuf, error: io::Error },
    #[error("the database file {path} cannot be opened: {reason}", path = path.display())]
    File { path: PathBuf, reason: String },
    #[error("the database says: {0}")]
    Database(rusqlite::Error),
    #[error(
        "the database is of version {found}, made by a newer rookeryd; this one knows up to {known}"
    )]
    TooNew { found: i64, known: i64 },
    #[error("the record holds something unreadable: {0}")]
    Corrupt(String),
    #[error("the file {path} cannot be read or written: {error}", path = path.display())]
    Window { path: PathBuf, error: io::Error },
    #[error("a thread for the store cannot be started: {0}")]
    Thread(io::Error),
    #[error("the store broke off in the middle of this; nothing of it was kept")]
    BrokenOff,
    #[error("the store has stopped")]
    CoreStopped,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// A `Result` of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The record. Whoever has it inside a job has a transaction around it: all of the job is kept, or
/// nothing.
///
/// Times are kept to the millisecond, as the chat language shows them and asks by them.
pub trait Store:
    AccountStore
    + CredentialStore
    + BanStore
    + HistoryStore
    + ChangeStore
    + AdminStore
    + AuditStore
    + InvitationStore
    + MaintenanceStore
    + WindowStore
{
}

/// Names with their verified emails.
pub trait AccountStore {
    fn account(&self, id: AccountId) -> Result<Option<Account>>;
    fn account_by_name(&self, name: &AccountName) -> Result<Option<Account>>;
    fn account_by_email(&self, email: &Email) -> Result<Option<Account>>;
    /// The owner of the client certificate with that SHA-256 fingerprint.
    fn account_by_certificate(&self, fingerprint: &[u8; 32]) -> Result<Option<Account>>;
    /// Whether an account has, or had before it was deleted, that name or one that looks the same.
    fn is_name_taken(&self, name: &AccountName) -> Result<bool>;
    /// By name.
    fn accounts(&self) -> Result<Vec<Account>>;
    fn create_account(
        &mut self,
        account: &NewAccount,
    ) -> Result<std::result::Result<Account, Taken>>;
    /// At most `limit` accounts by name, from the one after `after` on, that have `search` (in
    /// small letters) in their name or email.
    fn find_accounts(
        &self,
        search: &str,
        after: Option<&AccountName>,
        limit: usize,
    ) -> Result<Vec<Account>>;
    /// Disables the account for that reason, or opens it again.
    fn set_disabled(&mut self, id: AccountId, reason: Option<&str>) -> Result<()>;
    /// Puts a password in the place of the one before.
    fn set_password(&mut self, id: AccountId, password_hash: &str, scram: &ScramKeys)
    -> Result<()>;
    /// Also checks the password that the account has already by SCRAM.
    fn set_scram_keys(&mut self, id: AccountId, keys: &ScramKeys) -> Result<()>;
    /// None for an account without a password, or whose password was never told since it could be
    /// kept so.
    fn scram_keys(&self, id: AccountId) -> Result<Option<ScramKeys>>;
    /// Puts an email in the place of the one before. Refused if another account has it.
    fn set_email(
        &mut self,
        id: AccountId,
        email: Option<&Email>,
    ) -> Result<std::result::Result<(), Taken>>;
    /// The secret of that name, made at the first call: 32 random bytes that stay the same.
    fn secret(&mut self, name: &str) -> Result<[u8; 32]>;
    /// From now on no password opens the account.
    fn remove_password(&mut self, id: AccountId) -> Result<()>;
    /// Takes the account away with all that opens it. Its name is not given again.
    fn delete_account(&mut self, account: &Account) -> Result<()>;
    /// The account has been welcomed; it is not new any more.
    fn set_greeted(&mut self, id: AccountId) -> Result<()>;
}

/// What opens an account besides its password.
pub trait CredentialStore {
    /// Oldest first.
    fn credentials(&self, account: AccountId) -> Result<Vec<Credential>>;
    /// One that the account has already is left as it is. One that another account has is an error.
    fn add_credential(
        &mut self,
        account: AccountId,
        kind: CredentialKind,
        hash: &[u8; 32],
        at: Timestamp,
    ) -> Result<CredentialId>;
    /// False if the account has none of that number.
    fn remove_credential(&mut self, account: AccountId, id: CredentialId) -> Result<bool>;
    /// Gives how many there were.
    fn remove_credentials(&mut self, account: AccountId) -> Result<usize>;
    fn set_credential_used(&mut self, id: CredentialId, at: Timestamp) -> Result<()>;
}

/// Who is refused.
pub trait BanStore {
    /// The bans that hold at `now`, newest first.
    fn bans(&self, now: Timestamp) -> Result<Vec<Ban>>;
    /// A ban of a target that has one already replaces it, under the same number.
    fn add_ban(&mut self, ban: &NewBan) -> Result<Ban>;
    /// None if there is no ban of that number.
    fn remove_ban(&mut self, id: BanId) -> Result<Option<Ban>>;
}

/// How far the removal of old messages has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryPoint {
    #[default]
    Beginning,
    /// The places of smaller numbers are done.
    Place(i64),
    Through,
}

/// What was said. A redacted message keeps its id and its position, so that others can be found by
/// it; what it said is gone, and no page has it.
pub trait HistoryStore {
    /// Appending the event of a redaction redacts the message that it names.
    fn append_history(&mut self, entries: &[HistoryEntry]) -> Result<()>;
    /// The message of that id; none if it was redacted.
    fn history_entry(&self, msgid: &str) -> Result<Option<HistoryEntry>>;
    /// Takes away what is older: at most `limit` messages, and of so many places only, that the
    /// others who write need not wait long. Gives where to go on.
    fn expire_history(
        &mut self,
        before: Timestamp,
        from: ExpiryPoint,
        limit: usize,
    ) -> Result<ExpiryPoint>;
    /// A page in the order it was said; what was for those with a status only is left out. None if
    /// there is no message of an id that is asked by.
    fn history_page(&self, query: &PageQuery) -> Result<Option<Vec<HistoryEntry>>>;
    /// What fits among the messages of all channels, newest first.
    fn find_messages(&self, query: &MessageQuery) -> Result<FoundMessages>;
    /// Whether anything was ever said in a channel of that name.
    fn has_history(&self, channel: &ChannelName) -> Result<bool>;
    /// Takes away what was said and done in the channel before then; at most `limit` entries at
    /// once. Gives how many went.
    fn purge_history(
        &mut self,
        channel: &ChannelName,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize>;
    /// By the time of the latest message.
    fn history_targets(&self, query: &TargetsQuery) -> Result<Vec<HistoryTarget>>;
}

/// What the chat keeps of itself over a restart.
pub trait ChangeStore {
    /// From now on it is as the change says.
    fn keep(&mut self, change: &Change) -> Result<()>;
    /// The server has just started: nobody is here, whatever the changes say that came before it
    /// died.
    fn all_gone(&mut self) -> Result<()>;
    /// What all changes so far have left.
    fn restored(&self) -> Result<ChatSnapshot>;
}

/// The operators of the control plane, whose names are compared without letter case.
pub trait AdminStore {
    fn admin(&self, name: &str) -> Result<Option<Admin>>;
    /// By name.
    fn admins(&self) -> Result<Vec<Admin>>;
    /// False if there is one of that name.
    fn add_admin(&mut self, admin: &NewAdmin) -> Result<bool>;
    /// False if there is none of that name.
    fn remove_admin(&mut self, name: &str) -> Result<bool>;
    /// One that the admin chose; or an initial one, and until when it is good. False if there is
    /// none of that name.
    fn set_admin_password(
        &mut self,
        name: &str,
        password_hash: &str,
        initial_until: Option<Timestamp>,
    ) -> Result<bool>;
    /// False if there is none of that name.
    fn set_admin_role(&mut self, name: &str, role: Role) -> Result<bool>;
    /// Puts an authenticator app, and hashes of recovery codes, in the place of those before. False
    /// if there is no admin of that name.
    fn set_authenticator(
        &mut self,
        name: &str,
        app: &Authenticator,
        recovery: &[[u8; 32]],
    ) -> Result<bool>;
    /// Takes the app and the recovery codes away. False if there is no app.
    fn remove_authenticator(&mut self, name: &str) -> Result<bool>;
    /// Whether mail alone no longer suffices. False if there is no app.
    fn require_authenticator(&mut self, name: &str, required: bool) -> Result<bool>;
    /// Uses up a time step of the app. False if a code of it, or of a later one, was taken before.
    fn use_authenticator_step(&mut self, name: &str, step: u64) -> Result<bool>;
    /// Uses up a recovery code. False if there is none of that hash.
    fn use_recovery_code(&mut self, name: &str, hash: &[u8; 32]) -> Result<bool>;
    /// Remembers where an admin signs in from. True if others are remembered, and this one was not.
    fn remember_admin_network(&mut self, name: &str, network: &str, at: Timestamp) -> Result<bool>;
}

/// What was done on the control plane.
pub trait AuditStore {
    /// Chains the entry to the one before.
    fn append_audit(&mut self, entry: &NewAudit) -> Result<AuditEntry>;
    /// The entries that fit, oldest first.
    fn find_audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>>;
    /// The newest `limit` entries, oldest first.
    #[cfg(test)]
    fn audit(&self, limit: usize) -> Result<Vec<AuditEntry>> {
        self.find_audit(&AuditQuery {
            limit,
            ..AuditQuery::default()
        })
    }
}

/// Who may make an account though registration is closed.
pub trait InvitationStore {
    /// At most `limit` of those that have not expired, by number, from the one after `after` on.
    fn invitations(
        &self,
        now: Timestamp,
        after: InvitationId,
        limit: usize,
    ) -> Result<Vec<Invitation>>;
    /// The one of that email, unless it has expired.
    fn invitation_for(&self, email: &Email, now: Timestamp) -> Result<Option<Invitation>>;
    /// In the place of one with the same email. Those that have expired are forgotten.
    fn add_invitation(&mut self, invitation: &NewInvitation) -> Result<Invitation>;
    /// None if there is none of that number.
    fn remove_invitation(&mut self, id: InvitationId) -> Result<Option<Invitation>>;
    /// One code will be looked at. False if none will be any more.
    fn use_invitation_try(&mut self, id: InvitationId) -> Result<bool>;
}

/// Whether nobody new is let in.
pub trait MaintenanceStore {
    /// None when the server is open as usual.
    fn maintenance(&self) -> Result<Option<Maintenance>>;
    /// Turns it on, in the place of what was there, or off.
    fn set_maintenance(&mut self, maintenance: Option<&Maintenance>) -> Result<()>;
}

/// What stands in the CSV windows.
pub trait WindowStore {
    /// What was last written to the CSV window of that name.
    fn window(&self, name: &str) -> Result<Option<String>>;
    fn set_window(&mut self, name: &str, content: &str) -> Result<()>;
}
