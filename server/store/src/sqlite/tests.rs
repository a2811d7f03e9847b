//! Tests of the store with a real database file.
#![allow(clippy::unwrap_used)]

mod accounts;
mod admins;
mod audit;
mod bans;
mod changes;
mod clock;
mod history;
mod memberships;
mod silences;
mod transactions;

use rookery_control_api::Role;
use rookery_protocol::{AccountName, ChannelName, Email, Nick};
use tempfile::TempDir;

use super::*;
use crate::*;
use rookery_record::{
    Account, AuditEntry, AuditQuery, BanTarget, HistoryEntry, Membership, NewAccount, NewAdmin,
    NewAudit, NewBan, Outcome, Participant, Place, Presence,
};

/// Creates an empty store in a temporary folder.
pub(super) fn empty_store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
    (folder, sqlite)
}

/// Opens a store that was created when there were `version` migrations, and filled by `sql` then.
pub(super) fn migrated_store(version: usize, sql: &str) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(DATABASE_FILE);
    let old = Connection::open(&file).unwrap();
    migrations::add_functions(&old).unwrap();
    for step in &migrations::STEPS[..version] {
        old.execute_batch(step).unwrap();
    }
    old.pragma_update(None, "user_version", i64::try_from(version).unwrap())
        .unwrap();
    old.execute_batch(sql).unwrap();
    drop(old);
    (folder, Store::open(&file).unwrap())
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn noon() -> Timestamp {
    at("2026-11-02T12:00:00.123Z")
}

fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn account(account: &str, address: &str) -> NewAccount {
    NewAccount {
        name: name(account),
        email: Some(email(address)),
        password_hash: Some("$argon2id$…".to_owned()),
        created_at: noon(),
        greeted: false,
    }
}

/// Returns an always-on user who is in these channels.
fn presence(account: &Account, channels: Vec<Membership>) -> Presence {
    Presence {
        account: account.id,
        name: account.name.clone(),
        email: account.email.clone(),
        nick: Nick::parse(account.name.as_str()).unwrap(),
        username: String::new(),
        realname: String::new(),
        modes: String::new(),
        away: None,
        since: noon(),
        channels,
    }
}

fn ban(target: &str, expires_at: Option<Timestamp>) -> NewBan {
    NewBan {
        target: BanTarget::parse(target).unwrap(),
        reason: "spam, \"again\"".to_owned(),
        by: "root".to_owned(),
        created_at: noon(),
        expires_at,
    }
}

fn act(actor: &str, detail: &str) -> NewAudit {
    NewAudit {
        at: noon(),
        actor: actor.to_owned(),
        origin: "local".to_owned(),
        session: String::new(),
        act: "kick".to_owned(),
        target: "bob".to_owned(),
        outcome: Outcome::Refused,
        detail: detail.to_owned(),
    }
}

pub(super) fn message(msgid: &str, at: Timestamp, place: Place) -> HistoryEntry {
    HistoryEntry {
        msgid: msgid.to_owned(),
        at,
        place,
        source: "alice!alice@rookery".to_owned(),
        account: Some(name("alice")),
        command: "PRIVMSG".to_owned(),
        text: "hello there".to_owned(),
        tags: String::new(),
    }
}

pub(super) fn lobby() -> Place {
    Place::Channel(ChannelName::parse("#lobby").unwrap())
}

pub(super) fn direct(from: &str, to: &str) -> Place {
    let participant = |nick| Participant::Account(Nick::parse(nick).unwrap());
    Place::Direct {
        from: participant(from),
        to: participant(to),
    }
}

fn count(sqlite: &Store, table: &str) -> i64 {
    sqlite
        .connection
        .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })
        .unwrap()
}

/// Returns the number of the first entry that breaks the hash chain.
fn first_break(entries: &[AuditEntry]) -> Option<i64> {
    let mut previous = [0; 32];
    for entry in entries {
        if entry.previous != previous || entry.hash != entry.entry.hash(&previous) {
            return Some(entry.id);
        }
        previous = entry.hash;
    }
    None
}

fn admin(name: &str, address: &str) -> NewAdmin {
    NewAdmin {
        name: name.to_owned(),
        email: email(address),
        password_hash: "hash".to_owned(),
        role: Role::Owner,
        created_at: noon(),
        initial_password_expires_at: None,
    }
}

/// Returns the newest `limit` entries of the audit trail, oldest first.
fn newest_entries(store: &Store, limit: usize) -> Result<Vec<AuditEntry>> {
    store.find_audit(&AuditQuery {
        limit,
        ..AuditQuery::default()
    })
}
