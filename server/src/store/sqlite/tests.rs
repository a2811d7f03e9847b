#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::thread;

use rookery_protocol::control::Role;
use rookery_protocol::{AccountName, ChannelName, Email, Nick};
use tempfile::TempDir;

use super::*;
use crate::record::{
    Access, AccessLevel, Account, AccountId, AuditEntry, BanTarget, Change, CredentialId, CredentialKind,
    Device, DeviceMark, HistoryEntry, LastingChannel, LastingTopic, ListedMask, Membership, Metadata,
    NewAccount, NewAdmin, NewAudit, NewBan, Outcome, Party, Place, Presence, ScramKeys, Taken,
};
use crate::store::*;

pub(super) fn fresh() -> (TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join(DATABASE_FILE)).unwrap();
    (folder, sqlite)
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
    let party = |nick| Party::Account(Nick::parse(nick).unwrap());
    Place::Direct { from: party(from), to: party(to) }
}

fn count(sqlite: &Sqlite, table: &str) -> i64 {
    sqlite.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// The first entry that does not follow from the one before.
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

#[test]
fn an_account_is_found_by_number_name_and_email_after_a_restart() {
    let (folder, mut sqlite) = fresh();
    let made = sqlite.create_account(&account("Alice", "Alice@Example.org")).unwrap().unwrap();
    drop(sqlite);
    let mut sqlite = Sqlite::open(&folder.path().join(DATABASE_FILE)).unwrap();
    for found in [
        sqlite.account(made.id).unwrap(),
        sqlite.account_by_name(&name("aLICE")).unwrap(),
        sqlite.account_by_email(&email("alice@EXAMPLE.org")).unwrap(),
    ] {
        let found = found.unwrap();
        assert_eq!(found.id, made.id);
        assert_eq!(found.name.as_str(), "Alice");
        assert_eq!(found.email.unwrap().as_str(), "Alice@Example.org");
        assert_eq!(found.created_at, noon());
        assert!(!found.greeted);
    }
    sqlite.set_greeted(made.id).unwrap();
    let found = sqlite.account(made.id).unwrap().unwrap();
    assert!(found.greeted);
    assert!(sqlite.account(AccountId(made.id.0 + 1)).unwrap().is_none());
    assert!(sqlite.account_by_name(&name("bob")).unwrap().is_none());
}

#[test]
fn a_name_that_is_the_same_or_looks_the_same_is_taken() {
    let (_folder, mut sqlite) = fresh();
    sqlite.create_account(&account("alice", "alice@example.org")).unwrap().unwrap();
    for taken in ["alice", "ALICE", "a1ice", "\u{430}lice"] {
        assert!(sqlite.is_name_taken(&name(taken)).unwrap(), "{taken}");
        let refused = sqlite.create_account(&account(taken, "other@example.org")).unwrap();
        assert_eq!(refused.unwrap_err(), Taken::Name, "{taken}");
    }
    assert!(!sqlite.is_name_taken(&name("alina")).unwrap());
    let refused = sqlite.create_account(&account("bob", "ALICE@example.ORG")).unwrap();
    assert_eq!(refused.unwrap_err(), Taken::Email);
    assert_eq!(sqlite.accounts().unwrap().len(), 1);
}

#[test]
fn accounts_come_by_name_whatever_the_letter_case() {
    let (_folder, mut sqlite) = fresh();
    for text in ["carol", "Bob", "alice", "Dave"] {
        sqlite.create_account(&account(text, &format!("{text}@example.org"))).unwrap().unwrap();
    }
    let names: Vec<String> = sqlite.accounts().unwrap().iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, ["alice", "Bob", "carol", "Dave"]);
}

#[test]
fn a_certificate_leads_to_its_account_and_to_no_other() {
    let (_folder, mut sqlite) = fresh();
    let alice = sqlite.create_account(&account("alice", "alice@example.org")).unwrap().unwrap().id;
    let bob = sqlite.create_account(&account("bob", "bob@example.org")).unwrap().unwrap().id;
    let certificate = sqlite.add_credential(alice, CredentialKind::Certificate, &[7; 32], noon()).unwrap();
    sqlite.add_credential(bob, CredentialKind::Device, &[8; 32], noon()).unwrap();
    assert_eq!(sqlite.account_by_certificate(&[7; 32]).unwrap().unwrap().id, alice);
    assert!(sqlite.account_by_certificate(&[8; 32]).unwrap().is_none(), "a device's hash is no certificate");

    let again = sqlite.add_credential(alice, CredentialKind::Certificate, &[7; 32], noon()).unwrap();
    assert_eq!(again, certificate);
    assert!(sqlite.add_credential(bob, CredentialKind::Certificate, &[7; 32], noon()).is_err());
    assert!(sqlite.add_credential(AccountId(99), CredentialKind::Device, &[9; 32], noon()).is_err());

    sqlite.set_credential_used(certificate, noon()).unwrap();
    let known = sqlite.credentials(alice).unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].kind, known[0].hash), (CredentialKind::Certificate, [7; 32]));
    assert_eq!(known[0].used_at, Some(noon()));

    assert!(!sqlite.remove_credential(bob, certificate).unwrap(), "it is alice's");
    assert!(sqlite.remove_credential(alice, certificate).unwrap());
    assert!(!sqlite.remove_credential(alice, certificate).unwrap());
    assert!(sqlite.account_by_certificate(&[7; 32]).unwrap().is_none());
    assert!(!sqlite.remove_credential(alice, CredentialId(99)).unwrap());
}

#[test]
fn a_ban_of_the_same_target_takes_the_place_of_the_one_before() {
    let (_folder, mut sqlite) = fresh();
    let first = sqlite.add_ban(&ban("Bob@Example.org", None)).unwrap();
    let name = sqlite.add_ban(&ban("bob", None)).unwrap();
    let end = noon() + jiff::SignedDuration::from_hours(1);
    let second = sqlite.add_ban(&ban("bob@example.ORG", Some(end))).unwrap();
    assert_eq!(second.id, first.id);
    assert_eq!(second.expires_at, Some(end));
    assert_eq!(sqlite.bans(noon()).unwrap(), [name.clone(), second.clone()]);

    assert_eq!(sqlite.bans(end).unwrap(), std::slice::from_ref(&name), "it has ended");
    assert_eq!(sqlite.remove_ban(name.id).unwrap(), Some(name.clone()));
    assert_eq!(sqlite.remove_ban(name.id).unwrap(), None);
    assert_ne!(sqlite.add_ban(&ban("bob", None)).unwrap().id, name.id, "a number is never given twice");
}

#[test]
fn messages_keep_all_that_was_said_and_where() {
    let (_folder, mut sqlite) = fresh();
    let guest = HistoryEntry {
        account: None,
        source: "guest!g@rookery".to_owned(),
        tags: "+typing=done".to_owned(),
        ..message("r-2", noon(), lobby())
    };
    let entries = [
        message("r-1", noon(), lobby()),
        guest,
        message("r-3", noon(), direct("Bob", "alice")),
        message("r-4", noon(), direct("alice", "bob")),
        message("r-5", noon(), direct("alice", "carol")),
    ];
    sqlite.transaction(false, |store| store.append_history(&entries)).unwrap();
    assert_eq!(count(&sqlite, "places"), 3, "the two directions of a conversation are one place");
    assert_eq!(count(&sqlite, "authors"), 2);
    let mut statement = sqlite
        .connection
        .prepare(
            "SELECT msgid, at, first, second, account, source, command, text, tags FROM history
             JOIN places ON places.id = place JOIN authors ON authors.id = author ORDER BY history.id",
        )
        .unwrap();
    let rows: Vec<String> = statement
        .query_map([], |row| {
            let texts: Vec<String> = [2, 3, 4, 5, 6, 7, 8].map(|column| row.get(column).unwrap()).to_vec();
            Ok(format!("{} {} {}", row.get::<_, String>(0)?, row.get::<_, i64>(1)?, texts.join("|")))
        })
        .unwrap()
        .map(rusqlite::Result::unwrap)
        .collect();
    assert_eq!(rows[0], "r-1 1793620800123 #lobby||alice|alice!alice@rookery|PRIVMSG|hello there|");
    assert_eq!(rows[1], "r-2 1793620800123 #lobby|||guest!g@rookery|PRIVMSG|hello there|+typing=done");
    assert_eq!(rows[3], "r-4 1793620800123 alice|Bob|alice|alice!alice@rookery|PRIVMSG|hello there|");
}

#[test]
fn a_place_first_met_in_a_transaction_that_fails_is_made_again() {
    let (_folder, mut sqlite) = fresh();
    let failed = sqlite.transaction(false, |store| {
        store.append_history(&[message("r-1", noon(), lobby())])?;
        store.append_history(&[message("r-1", noon(), lobby())])
    });
    assert!(matches!(failed, Err(StoreError::Database(_))), "a msgid is never stored twice");
    assert_eq!((count(&sqlite, "history"), count(&sqlite, "places"), count(&sqlite, "authors")), (0, 0, 0));
    sqlite.transaction(false, |store| store.append_history(&[message("r-1", noon(), lobby())])).unwrap();
    assert_eq!((count(&sqlite, "history"), count(&sqlite, "places"), count(&sqlite, "authors")), (1, 1, 1));
}

#[test]
fn retention_takes_only_what_is_older_and_never_more_than_asked() {
    let (_folder, mut sqlite) = fresh();
    let (old, new) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    let mut entries = vec![message("future", at("2090-01-01T00:00:00Z"), lobby())];
    for index in 0..10 {
        let place = if index % 2 == 0 { lobby() } else { direct("alice", "bob") };
        entries.push(message(&format!("old-{index}"), old, place.clone()));
        entries.push(message(&format!("new-{index}"), new, place));
    }
    sqlite.append_history(&entries).unwrap();
    let (mut point, mut before) = (ExpiryPoint::Beginning, count(&sqlite, "history"));
    for gone in [4, 4, 2] {
        point = sqlite.expire_history(new, point, 4).unwrap();
        assert_eq!(count(&sqlite, "history"), before - gone);
        before -= gone;
    }
    assert_eq!(point, ExpiryPoint::Through);
    let left = "history WHERE msgid LIKE 'new-%' OR msgid = 'future'";
    assert_eq!((count(&sqlite, "history"), count(&sqlite, left)), (11, 11));
}

/// Whether any of the files in the folder holds these bytes.
fn is_on_disk(folder: &TempDir, text: &str) -> bool {
    let files = fs::read_dir(folder.path()).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[test]
fn what_is_redacted_or_too_old_is_gone_from_the_disk_once_it_is_swept() {
    let (folder, mut sqlite) = fresh();
    let reader = Sqlite::open_reader(&folder.path().join(DATABASE_FILE)).unwrap();
    let said = |msgid: &str, at, text: &str| HistoryEntry {
        text: text.to_owned(),
        tags: format!("+x=tag-{text}"),
        ..message(msgid, at, lobby())
    };
    let (old, new) = (at("2026-01-01T00:00:00Z"), noon());
    let mut entries: Vec<HistoryEntry> =
        (0..50).map(|number| said(&format!("m{number}"), new, &"filling ".repeat(20))).collect();
    entries.insert(7, said("redacted", new, "the-redacted-words"));
    entries.insert(0, said("old", old, "the-old-words"));
    sqlite.transaction(false, |store| store.append_history(&entries)).unwrap();
    let mark = entries[8].redaction(
        crate::record::Redactor { source: "bob!b@rookery".to_owned(), account: None },
        "mark".to_owned(),
        new,
        None,
    );
    assert_eq!(entries[8].msgid, "redacted");
    sqlite.transaction(false, |store| store.append_history(&[mark])).unwrap();
    sqlite
        .transaction(false, |store| store.expire_history(new, ExpiryPoint::Beginning, 99).map(drop))
        .unwrap();
    assert!(is_on_disk(&folder, "the-redacted-words") && is_on_disk(&folder, "the-old-words"));
    reader
        .snapshot(|store| {
            assert_eq!(store.history_entry("old")?, None);
            sqlite.transaction(false, |store| store.append_history(&[message("later", new, lobby())]))?;
            sqlite.sweep()?;
            assert!(sqlite.has_leftovers(), "somebody still reads");
            Ok(())
        })
        .unwrap();
    sqlite.sweep().unwrap();
    assert!(!sqlite.has_leftovers());
    assert!(!is_on_disk(&folder, "the-redacted-words") && !is_on_disk(&folder, "the-old-words"));
    assert!(is_on_disk(&folder, "filling filling"));
}

#[test]
fn retention_takes_redacted_messages_too() {
    let (_folder, mut sqlite) = fresh();
    let said = message("m1", at("2026-01-01T00:00:00Z"), lobby());
    let by = crate::record::Redactor { source: "irc.test".to_owned(), account: None };
    let mark = said.redaction(by, "r1".to_owned(), noon(), None);
    sqlite.append_history(&[said, mark]).unwrap();
    let before = count(&sqlite, "history");
    sqlite.expire_history(noon(), ExpiryPoint::Beginning, 9).unwrap();
    assert_eq!(count(&sqlite, "history"), before - 1);
    assert_eq!(count(&sqlite, "history"), 1);
}

#[test]
fn retention_and_pages_of_history_are_found_by_the_index() {
    let (_folder, sqlite) = fresh();
    for sql in [
        "SELECT history.id FROM places CROSS JOIN history
         WHERE history.place IN (places.id, -places.id) AND history.at < 5 LIMIT 9",
        "SELECT * FROM history WHERE place = 1 AND at < 5 ORDER BY at DESC, id DESC LIMIT 50",
        "SELECT * FROM history WHERE msgid = 'r-1'",
        "SELECT * FROM authors WHERE account = 'alice'",
    ] {
        let mut statement = sqlite.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> =
            statement.query_map([], |row| row.get(3)).unwrap().map(rusqlite::Result::unwrap).collect();
        let plan = plan.join("; ");
        assert!(plan.contains("INDEX") && !plan.contains("SCAN history"), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

fn admin(name: &str, address: &str) -> NewAdmin {
    NewAdmin {
        name: name.to_owned(),
        email: email(address),
        password_hash: "hash".to_owned(),
        role: Role::Owner,
        created_at: noon(),
        initial_until: None,
    }
}

#[test]
fn admins_are_known_without_letter_case() {
    let (_folder, mut sqlite) = fresh();
    assert!(sqlite.add_admin(&admin("Root", "root@example.org")).unwrap());
    assert!(!sqlite.add_admin(&admin("rOOT", "other@example.org")).unwrap());
    assert!(sqlite.add_admin(&admin("anna", "anna@example.org")).unwrap());
    assert!(sqlite.set_admin_password("ROOT", "another").unwrap());
    let root = sqlite.admin("root").unwrap().unwrap();
    assert_eq!((root.name.as_str(), root.password_hash.as_str()), ("Root", "another"));
    assert_eq!((root.email.as_str(), root.created_at), ("root@example.org", noon()));
    let names: Vec<String> = sqlite.admins().unwrap().into_iter().map(|admin| admin.name).collect();
    assert_eq!(names, ["anna", "Root"]);
    for nobody in ["", "nobody", "' OR 1=1 --"] {
        assert!(sqlite.admin(nobody).unwrap().is_none());
        assert!(!sqlite.remove_admin(nobody).unwrap());
        assert!(!sqlite.set_admin_password(nobody, "hash").unwrap());
    }
    assert!(sqlite.remove_admin("root").unwrap());
    assert!(sqlite.admin("Root").unwrap().is_none());
}

#[test]
fn the_audit_trail_is_a_chain_that_shows_where_it_was_changed() {
    let (_folder, mut sqlite) = fresh();
    for detail in ["first", "second", "third", "fourth"] {
        sqlite.append_audit(&act("root", detail)).unwrap();
    }
    let entries = sqlite.audit(100).unwrap();
    assert_eq!(entries.iter().map(|one| &*one.entry.detail).collect::<Vec<_>>()[1..3], ["second", "third"]);
    assert_eq!(entries[0].entry, act("root", "first"));
    assert_eq!(first_break(&entries), None);
    assert_eq!(sqlite.audit(2).unwrap(), entries[2..], "the newest, oldest first");

    for (change, broken) in [
        ("UPDATE audit SET outcome = 'allowed' WHERE id = 2", 2),
        ("UPDATE audit SET actor = 'roo', origin = 'tlocal' WHERE id = 2", 2),
        ("UPDATE audit SET at = at + 1 WHERE id = 3", 3),
        ("DELETE FROM audit WHERE id = 1", 2),
    ] {
        sqlite.connection.execute_batch("SAVEPOINT intact").unwrap();
        sqlite.connection.execute_batch(change).unwrap();
        assert_eq!(first_break(&sqlite.audit(100).unwrap()), Some(broken), "{change}");
        sqlite.connection.execute_batch("ROLLBACK TO intact; RELEASE intact").unwrap();
    }
    assert_eq!(first_break(&sqlite.audit(100).unwrap()), None);
}

#[test]
fn two_processes_that_write_at_once_make_one_chain_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(DATABASE_FILE);
    fs::write(&file, "").unwrap();
    thread::scope(|scope| {
        for actor in ["server", "local"] {
            let file = &file;
            scope.spawn(move || {
                // Both find an empty file and make the tables at the same time.
                let mut sqlite = Sqlite::open(file).unwrap();
                for index in 0..100 {
                    sqlite
                        .transaction(index % 10 == 0, |store| {
                            store.append_audit(&act(actor, &index.to_string()))?;
                            let id = format!("{actor}-{index}");
                            store.append_history(&[message(&id, noon(), direct(actor, &format!("b{index}")))])
                        })
                        .unwrap();
                }
            });
        }
    });
    let sqlite = Sqlite::open_reader(&file).unwrap();
    let entries = sqlite.audit(1000).unwrap();
    assert_eq!(entries.len(), 200);
    assert_eq!(first_break(&entries), None);
    assert_eq!(count(&sqlite, "history"), 200);
    let orphans =
        "history WHERE place NOT IN (SELECT id FROM places) OR author NOT IN (SELECT id FROM authors)";
    assert_eq!(count(&sqlite, orphans), 0);
}

#[test]
fn many_that_open_a_new_file_at_once_wait_for_one_another() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE_FILE);
        fs::write(&file, "").unwrap();
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    let mut sqlite = Sqlite::open(&file).unwrap();
                    for _ in 0..20 {
                        sqlite.transaction(false, |store| store.append_audit(&act("root", ""))).unwrap();
                    }
                });
            }
        });
    }
}

#[test]
fn what_is_committed_survives_the_death_of_the_process_and_what_is_not_leaves_no_trace() {
    let (folder, mut sqlite) = fresh();
    let copy = tempfile::tempdir().unwrap();
    sqlite.transaction(false, |store| store.append_history(&[message("kept", noon(), lobby())])).unwrap();
    sqlite
        .transaction(false, |store| {
            store.append_history(&[message("lost", noon(), lobby())])?;
            // The files as the system has them now are what a killed process leaves behind.
            for file in fs::read_dir(folder.path()).unwrap() {
                let file = file.unwrap();
                if !file.file_name().to_string_lossy().ends_with("-shm") {
                    fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
                }
            }
            Ok(())
        })
        .unwrap();
    let revived = Sqlite::open(&copy.path().join(DATABASE_FILE)).unwrap();
    assert_eq!(count(&revived, "history WHERE msgid = 'kept'"), 1);
    assert_eq!(count(&revived, "history"), 1);
}

#[test]
fn a_job_that_fails_or_panics_leaves_nothing_behind_and_the_next_one_works() {
    let (_folder, mut sqlite) = fresh();
    let failed: Result<()> = sqlite.transaction(true, |store| {
        store.add_ban(&ban("bob", None))?;
        Err(StoreError::Corrupt("on purpose".to_owned()))
    });
    assert!(matches!(failed, Err(StoreError::Corrupt(_))));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _: Result<()> = sqlite.transaction(true, |store| {
            store.add_ban(&ban("bob", None)).unwrap();
            panic!("on purpose");
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(sqlite.bans(noon()).unwrap(), []);
    sqlite.transaction(true, |store| store.add_ban(&ban("bob", None))).unwrap();
    assert_eq!(sqlite.bans(noon()).unwrap().len(), 1);
}

#[test]
fn the_disk_is_waited_for_when_asked_and_only_then() {
    let (_folder, mut sqlite) = fresh();
    let level = |sqlite: &Sqlite| {
        sqlite.connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(level(&sqlite), 1, "NORMAL");
    sqlite.transaction(true, |store| store.append_audit(&act("root", ""))).unwrap();
    assert_eq!(level(&sqlite), 2, "FULL");
    sqlite.transaction(false, |store| store.append_audit(&act("root", ""))).unwrap();
    assert_eq!(level(&sqlite), 1, "NORMAL");
    let mode: String = sqlite.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_snapshot_stands_still_while_others_write() {
    let (folder, mut sqlite) = fresh();
    let reader = Sqlite::open_reader(&folder.path().join(DATABASE_FILE)).unwrap();
    let seen = reader
        .snapshot(|store| {
            let before = store.admins()?.len();
            sqlite.transaction(true, |store| store.add_admin(&admin("root", "r@example.org"))).unwrap();
            Ok((before, store.admins()?.len()))
        })
        .unwrap();
    assert_eq!(seen, (0, 0));
    assert_eq!(reader.snapshot(|store| store.admins()).unwrap().len(), 1);
}

#[test]
fn a_reader_cannot_write() {
    let (folder, _sqlite) = fresh();
    let mut reader = Sqlite::open_reader(&folder.path().join(DATABASE_FILE)).unwrap();
    let refused = reader.transaction(false, |store| store.add_ban(&ban("bob", None))).unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (folder, sqlite) = fresh();
    sqlite.connection.pragma_update(None, "user_version", 1000).unwrap();
    drop(sqlite);
    let file = folder.path().join(DATABASE_FILE);
    for opened in [Sqlite::open(&file), Sqlite::open_reader(&file)] {
        let refused = opened.err().unwrap();
        assert!(matches!(refused, StoreError::TooNew { found: 1000, .. }), "{refused}");
        assert!(refused.to_string().contains("newer rookeryd"), "{refused}");
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("data");
    fs::write(&in_the_way, "a file where the folder should be").unwrap();
    let refused = Sqlite::open(&in_the_way.join(DATABASE_FILE)).err().unwrap();
    assert!(matches!(refused, StoreError::Folder { .. }), "{refused}");
    assert!(refused.to_string().contains(in_the_way.to_str().unwrap()), "{refused}");

    let folder_in_the_way = folder.path().join(DATABASE_FILE);
    fs::create_dir(&folder_in_the_way).unwrap();
    let refused = Sqlite::open(&folder_in_the_way).err().unwrap();
    assert!(matches!(refused, StoreError::File { .. }), "{refused}");

    let other = folder.path().join("other.db");
    fs::write(&other, "this is not a database, though it is longer than a header".repeat(10)).unwrap();
    let refused = Sqlite::open(&other).err().unwrap();
    assert!(refused.to_string().contains("file is not a database"), "{refused}");
}

#[test]
fn the_files_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut sqlite = Sqlite::open(&data.join(DATABASE_FILE)).unwrap();
    sqlite.transaction(false, |store| store.append_audit(&act("root", ""))).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut names = Vec::new();
    for file in fs::read_dir(&data).unwrap() {
        let file = file.unwrap();
        assert_eq!(mode(&file.path()), 0o600, "{}", file.path().display());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["rookery.db", "rookery.db-shm", "rookery.db-wal"]);
}

#[test]
fn a_full_disk_is_told_of_and_costs_only_what_did_not_fit() {
    let (_folder, mut sqlite) = fresh();
    let pages: i64 = sqlite.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    // This pragma answers with the new value.
    let limit = |sqlite: &Sqlite, pages: i64| {
        sqlite.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    limit(&sqlite, pages + 2);
    let mut stored = 0;
    let refused = loop {
        let mut entry = message(&format!("r-{stored}"), noon(), direct("alice", &format!("b{stored}")));
        entry.text = "x".repeat(400);
        match sqlite.transaction(false, |store| store.append_history(&[entry])) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1000, "the disk never fills");
    };
    assert!(refused.to_string().contains("full"), "{refused}");
    assert_eq!(count(&sqlite, "history"), stored);
    limit(&sqlite, 1_000_000);
    sqlite
        .transaction(false, |store| store.append_history(&[message("after", noon(), direct("alice", "bob"))]))
        .unwrap();
    assert_eq!(count(&sqlite, "history"), stored + 1);
    assert_eq!(
        count(&sqlite, "places"),
        stored + 1,
        "numbers from before are not taken for those of rows that are gone"
    );
}

#[test]
fn what_is_unreadable_in_the_record_is_named() {
    let (_folder, mut sqlite) = fresh();
    sqlite.create_account(&account("alice", "alice@example.org")).unwrap().unwrap();
    sqlite.connection.execute_batch("UPDATE accounts SET email = 'nobody'").unwrap();
    let refused = sqlite.accounts().unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused}");
    assert!(refused.to_string().contains(r#""nobody" as email"#), "{refused}");
}

#[test]
fn a_window_keeps_its_last_content() {
    let (_folder, mut sqlite) = fresh();
    assert_eq!(sqlite.window("bans.csv").unwrap(), None);
    sqlite.set_window("bans.csv", "first").unwrap();
    sqlite.set_window("bans.csv", "second").unwrap();
    assert_eq!(sqlite.window("bans.csv").unwrap().as_deref(), Some("second"));
    assert_eq!(sqlite.window("users.csv").unwrap(), None);
}

fn channel(channel: &str, founder: &str) -> LastingChannel {
    LastingChannel {
        name: ChannelName::parse(channel).unwrap(),
        founder: name(founder),
        created_at: noon(),
        named_at: noon(),
        topic: Some(LastingTopic { text: "what: \"it\" is".to_owned(), by: "a!b@c".to_owned(), at: noon() }),
        modes: "imn".to_owned(),
        key: Some("sesame".to_owned()),
        limit: Some(u32::MAX),
        lists: ["a!*@*", "~a:b"].map(listed).to_vec(),
        access: vec![access("Carol", AccessLevel::Operator), access("bob", AccessLevel::Voice)],
        metadata: said(),
    }
}

fn said() -> Metadata {
    Metadata::from([("url".to_owned(), "https://a.b".to_owned()), ("x".to_owned(), String::new())])
}

fn access(account: &str, level: AccessLevel) -> Access {
    Access { account: name(account), level, by: "a!b@c".to_owned(), at: noon() }
}

fn listed(mask: &str) -> ListedMask {
    ListedMask { list: 'b', mask: mask.to_owned(), by: "a!b@c".to_owned(), at: noon() }
}

#[test]
fn channels_that_last_are_kept_whole_and_go_with_their_founder() {
    let (folder, mut sqlite) = fresh();
    let alice = sqlite.create_account(&account("Alice", "a@b.c")).unwrap().unwrap();
    sqlite.create_account(&account("bob", "b@b.c")).unwrap().unwrap();
    let bare = LastingChannel {
        topic: None,
        key: None,
        limit: None,
        lists: vec![],
        access: vec![],
        metadata: Metadata::new(),
        ..channel("#b", "bob")
    };
    for change in [channel("#X", "alice"), channel("#a", "bob"), bare.clone()] {
        sqlite.keep(&Change::Channel(change)).unwrap();
    }
    let kept = |sqlite: &Sqlite| sqlite.restored().unwrap().channels;
    drop(sqlite);
    let mut sqlite = Sqlite::open(&folder.path().join(DATABASE_FILE)).unwrap();
    assert_eq!(kept(&sqlite), [channel("#a", "bob"), bare.clone(), channel("#X", "Alice")], "by name");

    let only = access("carol", AccessLevel::Voice);
    let changed =
        LastingChannel { lists: vec![listed("new")], access: vec![only.clone()], ..channel("#x", "bob") };
    sqlite.keep(&Change::Channel(changed.clone())).unwrap();
    sqlite.keep(&Change::ChannelGone(ChannelName::parse("#A").unwrap())).unwrap();
    assert_eq!(kept(&sqlite), [bare.clone(), changed.clone()], "nothing of what it was is left");
    let carol = sqlite.create_account(&account("Carol", "c@b.c")).unwrap().unwrap();
    sqlite.delete_account(&carol).unwrap();
    assert_eq!(kept(&sqlite)[1], LastingChannel { access: vec![], ..changed }, "she has no access any more");

    sqlite.keep(&Change::Channel(channel("#x", "ALICE"))).unwrap();
    sqlite.delete_account(&alice).unwrap();
    assert_eq!(kept(&sqlite), std::slice::from_ref(&bare));
    sqlite.keep(&Change::Channel(channel("#y", "alice"))).unwrap();
    sqlite.keep(&Change::Channel(LastingChannel { founder: name("alice"), ..bare })).unwrap();
    assert!(kept(&sqlite).is_empty(), "nobody owns them any more");
    let lists: i64 =
        sqlite.connection.query_row("SELECT count(*) FROM channel_lists", [], |row| row.get(0)).unwrap();
    assert_eq!(lists, 0);
}

#[test]
fn what_devices_have_heard_is_kept_until_they_are_revoked() {
    let (_folder, mut sqlite) = fresh();
    let alice = sqlite.create_account(&account("Alice", "a@b.c")).unwrap().unwrap();
    let bob = sqlite.create_account(&account("bob", "b@b.c")).unwrap().unwrap();
    let phone = sqlite.add_credential(alice.id, CredentialKind::Device, &[1; 32], noon()).unwrap();
    let devices = [
        Device { account: alice.id, credential: None },
        Device { account: alice.id, credential: Some(phone) },
        Device { account: bob.id, credential: None },
        // Another account's credential is no device of his, and nothing of a stranger is kept.
        Device { account: bob.id, credential: Some(phone) },
        Device { account: AccountId(99), credential: None },
    ];
    let later = |seconds| noon() + jiff::SignedDuration::from_secs(seconds);
    for (seconds, device) in (1..).zip(devices) {
        let is_here = device.account == bob.id;
        let mark = DeviceMark { device, heard_until: later(seconds), is_here };
        sqlite.keep(&Change::Device(mark)).unwrap();
    }
    let kept = |sqlite: &Sqlite| sqlite.restored().unwrap().devices;
    let [by_password, on_phone, bobs, ..] = devices;
    let before = [(by_password, later(1)), (bobs, later(3)), (on_phone, later(2))];
    assert_eq!(kept(&sqlite), before);

    // The server has died: bob was here, and has heard what was said last.
    for (msgid, seconds) in [("m1", 60), ("m2", 90)] {
        let place = Place::Channel(ChannelName::parse("#x").unwrap());
        sqlite.append_history(&[message(msgid, later(seconds), place)]).unwrap();
        sqlite.all_gone().unwrap();
        assert_eq!(kept(&sqlite), [(by_password, later(1)), (bobs, later(60)), (on_phone, later(2))]);
    }
    sqlite.remove_credential(alice.id, phone).unwrap();
    sqlite.delete_account(&bob).unwrap();
    assert_eq!(kept(&sqlite), [(by_password, later(1))]);
}

#[test]
fn what_accounts_say_of_themselves_is_kept_whole_and_goes_with_them() {
    let (folder, mut sqlite) = fresh();
    let alice = sqlite.create_account(&account("Alice", "a@b.c")).unwrap().unwrap();
    sqlite.create_account(&account("bob", "b@b.c")).unwrap().unwrap();
    let says = |sqlite: &mut Sqlite, who: &str, metadata: Metadata| {
        sqlite.keep(&Change::AccountMetadata { account: name(who), metadata }).unwrap();
    };
    says(&mut sqlite, "bob", said());
    says(&mut sqlite, "ALICE", said());
    says(&mut sqlite, "bob", Metadata::from([("url".to_owned(), "new".to_owned())]));
    says(&mut sqlite, "nobody", said());
    drop(sqlite);
    let mut sqlite = Sqlite::open(&folder.path().join(DATABASE_FILE)).unwrap();
    let kept = sqlite.restored().unwrap().metadata;
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0], (name("Alice"), said()));
    assert_eq!(kept[1].1.len(), 1, "the last one says it all");
    sqlite.delete_account(&alice).unwrap();
    says(&mut sqlite, "bob", Metadata::new());
    assert!(sqlite.restored().unwrap().metadata.is_empty());
}

#[test]
fn what_owners_of_accounts_have_read_and_chosen_is_kept_with_the_account() {
    let (_folder, mut sqlite) = fresh();
    let alice = sqlite.create_account(&account("Alice", "a@b.c")).unwrap().unwrap();
    let bob = sqlite.create_account(&account("bob", "b@b.c")).unwrap().unwrap();
    let marker = |account, target: &str, read_until| Change::ReadMarker {
        account,
        target: target.to_owned(),
        read_until,
    };
    let membership = |channel: &str, operator| Membership {
        channel: ChannelName::parse(channel).unwrap(),
        joined_at: noon(),
        operator,
        voice: !operator,
    };
    let presence = |account: &Account, away: Option<&str>| Presence {
        account: account.id,
        name: account.name.clone(),
        email: account.email.clone(),
        nick: Nick::parse("rook").unwrap(),
        username: "~a".to_owned(),
        realname: "Alice: \"L.\"".to_owned(),
        modes: "Bi".to_owned(),
        away: away.map(str::to_owned),
        since: noon(),
        channels: vec![membership("#X", true), membership("#a", false)],
    };
    let stranger = Account { id: AccountId(99), ..alice.clone() };
    for change in [
        marker(alice.id, "#x", Some(noon())),
        marker(alice.id, "bob", Some(noon())),
        marker(alice.id, "#x", Some(at("2026-11-22T13:00:00.5Z"))),
        marker(alice.id, "bob", None),
        marker(bob.id, "#x", Some(noon())),
        marker(stranger.id, "#x", Some(noon())),
        Change::AlwaysOn(alice.id, Some(false)),
        Change::AlwaysOn(bob.id, Some(true)),
        Change::AlwaysOn(stranger.id, Some(true)),
        Change::Presence(presence(&alice, None)),
        Change::Presence(presence(&alice, Some("lunch"))),
        Change::Presence(presence(&bob, None)),
        Change::Presence(presence(&stranger, None)),
    ] {
        sqlite.keep(&change).unwrap();
    }
    let kept = sqlite.restored().unwrap();
    let read = |account, at| (account, "#x".to_owned(), at);
    assert_eq!(kept.read_markers, [read(alice.id, at("2026-11-22T13:00:00.5Z")), read(bob.id, noon())]);
    assert_eq!(kept.always_on, [(alice.id, false), (bob.id, true)]);
    assert_eq!(kept.presences, [presence(&alice, Some("lunch")), presence(&bob, None)]);

    sqlite.keep(&Change::AlwaysOn(bob.id, None)).unwrap();
    sqlite.set_disabled(bob.id, Some("spam")).unwrap();
    assert_eq!(sqlite.restored().unwrap().presences.len(), 1, "a disabled account's user does not come back");
    sqlite.keep(&Change::PresenceGone(bob.id)).unwrap();
    sqlite.delete_account(&alice).unwrap();
    sqlite.set_disabled(bob.id, None).unwrap();
    let kept = sqlite.restored().unwrap();
    assert_eq!((kept.read_markers, kept.always_on), (vec![read(bob.id, noon())], vec![]));
    assert!(kept.presences.is_empty());
}

#[test]
fn old_messages_of_any_number_of_places_go_a_few_places_at_a_time() {
    let (_folder, mut sqlite) = fresh();
    let old = |number: usize| {
        let place = Place::Channel(ChannelName::parse(&format!("#x{number}")).unwrap());
        message(&format!("m{number}"), noon(), place)
    };
    sqlite.append_history(&(0..2500).map(old).collect::<Vec<_>>()).unwrap();
    let later = noon() + jiff::SignedDuration::from_secs(1);
    let (mut point, mut left) = (ExpiryPoint::Beginning, Vec::new());
    while point != ExpiryPoint::Through {
        point = sqlite.expire_history(later, point, 5000).unwrap();
        left.push(count(&sqlite, "history"));
    }
    assert_eq!(left, [1500, 500, 0]);
}

#[test]
fn accounts_keep_all_that_refers_to_them_when_the_email_becomes_optional() {
    let (folder, sqlite) = fresh();
    let file = folder.path().join("old.db");
    drop(sqlite);
    let old = Connection::open(&file).unwrap();
    let makes_anew = |step: &str| step.contains("CREATE TABLE new_accounts");
    let before = schema::STEPS.iter().position(|step| makes_anew(step)).unwrap();
    for step in &schema::STEPS[..before] {
        old.execute_batch(step).unwrap();
    }
    old.pragma_update(None, "user_version", i64::try_from(before).unwrap()).unwrap();
    old.execute_batch(
        "INSERT INTO accounts (name, name_folded, name_skeleton, email, email_folded, created_at, greeted)
             VALUES ('alice', 'alice', 'allce', 'a@b.example', 'a@b.example', 0, 1), ('bob', 'bob', 'bob', 'b@b.example',
                 'b@b.example', 0, 1);
         DELETE FROM accounts WHERE name = 'bob';
         INSERT INTO credentials (account, kind, hash, created_at) VALUES (1, 'device', zeroblob(32), 0);
         INSERT INTO channels (name, name_folded, founder, created_at, named_at, modes)
             VALUES ('#x', '#x', 1, 0, 0, '');",
    )
    .unwrap();
    drop(old);
    let mut sqlite = Sqlite::open(&file).unwrap();
    let alice = sqlite.account_by_name(&"alice".parse().unwrap()).unwrap().unwrap();
    assert_eq!(alice.email.as_ref().unwrap().as_str(), "a@b.example");
    assert_eq!(sqlite.credentials(alice.id).unwrap().len(), 1);
    let made = sqlite.create_account(&NewAccount { email: None, ..account("carol", "c@b.example") }).unwrap();
    assert_eq!(made.unwrap().id, AccountId(3), "the number of one that is gone is not given again");
    let made = sqlite.create_account(&NewAccount { email: None, ..account("dave", "c@b.example") }).unwrap();
    assert!(made.unwrap().email.is_none(), "several may be without");
    sqlite.delete_account(&alice).unwrap();
    let left = |table: &str| -> i64 {
        sqlite.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((left("credentials"), left("channels")), (0, 0), "what refers to it goes with it again");
}

#[test]
fn secrets_stay_and_passwords_take_their_scram_keys_along() {
    let (_folder, mut sqlite) = fresh();
    let secret = sqlite.secret("one").unwrap();
    assert_eq!(sqlite.secret("one").unwrap(), secret);
    assert_ne!(sqlite.secret("other").unwrap(), secret);
    let alice = sqlite.create_account(&account("alice", "a@b.example")).unwrap().unwrap();
    assert!(sqlite.scram_keys(alice.id).unwrap().is_none());
    let keys = ScramKeys { salt: [1; 16], iterations: 2, stored_key: [3; 32], server_key: [4; 32] };
    sqlite.set_password(alice.id, "hash", &keys).unwrap();
    assert_eq!(sqlite.scram_keys(alice.id).unwrap(), Some(keys));
    assert_eq!(sqlite.account(alice.id).unwrap().unwrap().password_hash.as_deref(), Some("hash"));
    sqlite.remove_password(alice.id).unwrap();
    assert!(sqlite.scram_keys(alice.id).unwrap().is_none());
    let bob = sqlite.create_account(&account("bob", "b@b.example")).unwrap().unwrap();
    let taken = sqlite.set_email(bob.id, Some(&"A@b.example".parse().unwrap())).unwrap();
    assert_eq!(taken, Err(Taken::Email));
    sqlite.set_email(bob.id, None).unwrap().unwrap();
    assert!(sqlite.account(bob.id).unwrap().unwrap().email.is_none());
}
