//! The file, its transactions, and what befalls them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::thread;

use super::*;

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
fn what_is_committed_survives_the_death_of_the_process_and_what_is_not_leaves_no_trace() {
    let (folder, mut sqlite) = fresh();
    let copy = tempfile::tempdir().unwrap();
    sqlite
        .transaction(false, |store| {
            store.append_history(&[message("kept", noon(), lobby())])
        })
        .unwrap();
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
    let revived = Store::open(&copy.path().join(DATABASE_FILE)).unwrap();
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
    sqlite
        .transaction(true, |store| store.add_ban(&ban("bob", None)))
        .unwrap();
    assert_eq!(sqlite.bans(noon()).unwrap().len(), 1);
}

#[test]
fn the_disk_is_waited_for_when_asked_and_only_then() {
    let (_folder, mut sqlite) = fresh();
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
fn a_snapshot_stands_still_while_others_write() {
    let (folder, mut sqlite) = fresh();
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
    assert_eq!(reader.snapshot(|store| store.admins()).unwrap().len(), 1);
}

#[test]
fn a_reader_cannot_write() {
    let (folder, _sqlite) = fresh();
    let mut reader = Store::open_reader(&folder.path().join(DATABASE_FILE)).unwrap();
    let refused = reader
        .transaction(false, |store| store.add_ban(&ban("bob", None)))
        .unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (folder, sqlite) = fresh();
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
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("data");
    fs::write(&in_the_way, "a file where the folder should be").unwrap();
    let refused = Store::open(&in_the_way.join(DATABASE_FILE)).err().unwrap();
    assert!(matches!(refused, StoreError::Folder { .. }), "{refused}");
    assert!(
        refused.to_string().contains(in_the_way.to_str().unwrap()),
        "{refused}"
    );

    let folder_in_the_way = folder.path().join(DATABASE_FILE);
    fs::create_dir(&folder_in_the_way).unwrap();
    let refused = Store::open(&folder_in_the_way).err().unwrap();
    assert!(matches!(refused, StoreError::File { .. }), "{refused}");

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
fn the_files_are_their_owners_alone() {
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
fn a_full_disk_is_told_of_and_costs_only_what_did_not_fit() {
    let (_folder, mut sqlite) = fresh();
    let pages: i64 = sqlite
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    // This pragma answers with the new value.
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
        "numbers from before are not taken for those of rows that are gone"
    );
}

#[test]
fn what_is_unreadable_in_the_record_is_named() {
    let (_folder, mut sqlite) = fresh();
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
