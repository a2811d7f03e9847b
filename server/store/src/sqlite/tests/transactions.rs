//! Tests of the database file and its transactions, including failures.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::thread;

use super::*;

#[test]
fn a_connection_is_alone_only_if_no_other_uses_the_database_until_it_is_closed() {
    let (folder, other) = empty_store();
    let file = folder.path().join(DATABASE_FILE);
    assert!(connect_alone(&file).unwrap().is_none());
    drop(other);
    let alone = connect_alone(&file).unwrap().unwrap();
    assert_eq!(checkpoints::copy_log(&alone).unwrap(), 0);
    let reader = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    reader.busy_timeout(Duration::ZERO).unwrap();
    let read = || {
        reader.query_row("SELECT count(*) FROM accounts", [], |row| {
            row.get::<_, i64>(0)
        })
    };
    assert!(is_busy(&read().unwrap_err()));
    drop(alone);
    assert_eq!(read(), Ok(0));
}

#[test]
fn two_concurrent_writers_extend_one_chain_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(DATABASE_FILE);
    fs::write(&file, "").unwrap();
    thread::scope(|scope| {
        for actor in ["server", "local"] {
            let file = &file;
            scope.spawn(move || {
                // Both find an empty file and create the tables at the same time.
                let mut sqlite = Store::open(file).unwrap();
                for index in 0..100 {
                    sqlite
                        .transaction(index % 10 == 0, |store| {
                            store.append_audit(&act(actor, &index.to_string()))?;
                            let id = format!("{actor}-{index}");
                            store.append_history(&[message(
                                &id,
                                noon(),
                                direct(actor, &format!("b{index}")),
                            )])
                        })
                        .unwrap();
                }
            });
        }
    });
    let sqlite = Store::open_reader(&file).unwrap();
    let entries = newest_entries(&sqlite, 1000).unwrap();
    assert_eq!(entries.len(), 200);
    assert_eq!(first_break(&entries), None);
    assert_eq!(count(&sqlite, "history"), 200);
    let orphans = "history WHERE place NOT IN (SELECT id FROM places) OR author NOT IN (SELECT id FROM authors)";
    assert_eq!(count(&sqlite, orphans), 0);
}

#[test]
fn concurrent_openers_of_a_new_file_wait_for_one_another() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE_FILE);
        fs::write(&file, "").unwrap();
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    let mut sqlite = Store::open(&file).unwrap();
                    for _ in 0..20 {
                        sqlite
                            .transaction(false, |store| store.append_audit(&act("root", "")))
                            .unwrap();
                    }
                });
            }
        });
    }
}

#[test]
fn committed_data_survives_a_killed_process_and_uncommitted_data_does_not() {
    let (folder, mut sqlite) = empty_store();
    let copy = tempfile::tempdir().unwrap();
    sqlite
        .transaction(false, |store| {
            store.append_history(&[message("committed", noon(), lobby())])
        })
        .unwrap();
    sqlite
        .transaction(false, |store| {
            store.append_history(&[message("uncommitted", noon(), lobby())])?;
            // A process that is killed now would leave the files in this state.
            for file in fs::read_dir(folder.path()).unwrap() {
                let file = file.unwrap();
                if !file.file_name().to_string_lossy().ends_with("-shm") {
                    fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
                }
            }
            Ok(())
        })
        .unwrap();
    let reopened = Store::open(&copy.path().join(DATABASE_FILE)).unwrap();
    assert_eq!(count(&reopened, "history WHERE msgid = 'committed'"), 1);
    assert_eq!(count(&reopened, "history"), 1);
}

#[test]
fn a_failed_or_panicked_job_is_rolled_back_and_the_next_one_succeeds() {
    let (_folder, mut sqlite) = empty_store();
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
    sqlite
        .transaction(true, |store| store.add_ban(&ban("bob", None)))
        .unwrap();
    assert_eq!(sqlite.bans(noon()).unwrap().len(), 1);
}

#[test]
fn a_commit_is_synced_to_disk_only_on_request() {
    let (_folder, mut sqlite) = empty_store();
    let level = |sqlite: &Store| {
        sqlite
            .connection
            .pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(level(&sqlite), 1, "NORMAL");
    sqlite
        .transaction(true, |store| store.append_audit(&act("root", "")))
        .unwrap();
    assert_eq!(level(&sqlite), 2, "FULL");
    sqlite
        .transaction(false, |store| store.append_audit(&act("root", "")))
        .unwrap();
    assert_eq!(level(&sqlite), 1, "NORMAL");
    let mode: String = sqlite
        .connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_snapshot_does_not_change_while_others_write() {
    let (folder, mut sqlite) = empty_store();
    let reader = Store::open_reader(&folder.path().join(DATABASE_FILE)).unwrap();
    let seen = reader
        .snapshot(|store| {
            let before = store.admins()?.len();
            sqlite
                .transaction(true, |store| {
                    store.add_admin(&admin("root", "r@example.org"))
                })
                .unwrap();
            Ok((before, store.admins()?.len()))
        })
        .unwrap();
    assert_eq!(seen, (0, 0));
    assert_eq!(reader.snapshot(Store::admins).unwrap().len(), 1);
}

#[test]
fn a_reader_cannot_write() {
    let (folder, _sqlite) = empty_store();
    let mut reader = Store::open_reader(&folder.path().join(DATABASE_FILE)).unwrap();
    let refused = reader
        .transaction(false, |store| store.add_ban(&ban("bob", None)))
        .unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
}

#[test]
fn a_newer_schema_is_refused() {
    let (folder, sqlite) = empty_store();
    sqlite
        .connection
        .pragma_update(None, "user_version", 1000)
        .unwrap();
    drop(sqlite);
    let file = folder.path().join(DATABASE_FILE);
    for opened in [Store::open(&file), Store::open_reader(&file)] {
        let refused = opened.err().unwrap();
        assert!(
            matches!(refused, StoreError::TooNew { found: 1000, .. }),
            "{refused}"
        );
        assert!(refused.to_string().contains("newer rookeryd"), "{refused}");
    }
}

#[test]
fn the_error_for_a_file_that_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let not_a_folder = folder.path().join("data");
    fs::write(&not_a_folder, "a file where the folder should be").unwrap();
    let refused = Store::open(&not_a_folder.join(DATABASE_FILE))
        .err()
        .unwrap();
    assert!(matches!(refused, StoreError::Folder { .. }), "{refused}");
    assert!(
        refused.to_string().contains(not_a_folder.to_str().unwrap()),
        "{refused}"
    );

    let not_a_file = folder.path().join(DATABASE_FILE);
    fs::create_dir(&not_a_file).unwrap();
    let refused = Store::open(&not_a_file).err().unwrap();
    assert!(matches!(refused, StoreError::File { .. }), "{refused}");
    assert!(
        refused.to_string().contains(not_a_file.to_str().unwrap()),
        "{refused}"
    );

    let other = folder.path().join("other.db");
    fs::write(
        &other,
        "this is not a database, though it is longer than a header".repeat(10),
    )
    .unwrap();
    let refused = Store::open(&other).err().unwrap();
    assert!(
        refused.to_string().contains("file is not a database"),
        "{refused}"
    );
}

#[test]
fn only_the_owner_can_read_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut sqlite = Store::open(&data.join(DATABASE_FILE)).unwrap();
    sqlite
        .transaction(false, |store| store.append_audit(&act("root", "")))
        .unwrap();
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
fn a_full_disk_is_an_error_and_loses_only_what_did_not_fit() {
    let (_folder, mut sqlite) = empty_store();
    let pages: i64 = sqlite
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    // This pragma returns the new value.
    let limit = |sqlite: &Store, pages: i64| {
        sqlite
            .connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    };
    limit(&sqlite, pages + 2);
    let mut stored = 0;
    let refused = loop {
        let mut entry = message(
            &format!("r-{stored}"),
            noon(),
            direct("alice", &format!("b{stored}")),
        );
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
        .transaction(false, |store| {
            store.append_history(&[message("after", noon(), direct("alice", "bob"))])
        })
        .unwrap();
    assert_eq!(count(&sqlite, "history"), stored + 1);
    assert_eq!(
        count(&sqlite, "places"),
        stored + 1,
        "numbers cached in the failed transaction are not used"
    );
}

#[test]
fn the_error_names_an_unreadable_value() {
    let (_folder, mut sqlite) = empty_store();
    sqlite
        .create_account(&account("alice", "alice@example.org"))
        .unwrap()
        .unwrap();
    sqlite
        .connection
        .execute_batch("UPDATE accounts SET email = 'nobody'")
        .unwrap();
    let refused = sqlite.accounts().unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused}");
    assert!(
        refused.to_string().contains(r#""nobody" as email"#),
        "{refused}"
    );
}
