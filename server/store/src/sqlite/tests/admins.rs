//! Tests of admins and the audit trail.

use super::*;

#[test]
fn admins_are_found_by_name_ignoring_case() {
    let (_folder, mut sqlite) = empty_store();
    assert!(
        sqlite
            .add_admin(&admin("Root", "root@example.org"))
            .unwrap()
    );
    assert!(
        !sqlite
            .add_admin(&admin("rOOT", "other@example.org"))
            .unwrap()
    );
    assert!(
        sqlite
            .add_admin(&admin("anna", "anna@example.org"))
            .unwrap()
    );
    assert!(
        sqlite
            .set_admin_password("ROOT", "another", Some(noon()))
            .unwrap()
    );
    let root = sqlite.admin("root").unwrap().unwrap();
    assert_eq!(
        (root.name.as_str(), root.password_hash.as_str()),
        ("Root", "another")
    );
    assert_eq!(
        (root.email.as_str(), root.created_at),
        ("root@example.org", noon())
    );
    assert_eq!(root.initial_password_expires_at, Some(noon()));
    assert!(sqlite.set_admin_password("root", "own", None).unwrap());
    assert_eq!(
        sqlite
            .admin("root")
            .unwrap()
            .unwrap()
            .initial_password_expires_at,
        None
    );
    let names: Vec<String> = sqlite
        .admins()
        .unwrap()
        .into_iter()
        .map(|admin| admin.name)
        .collect();
    assert_eq!(names, ["anna", "Root"]);
    for unknown in ["", "nobody", "' OR 1=1 --"] {
        assert!(sqlite.admin(unknown).unwrap().is_none());
        assert!(!sqlite.remove_admin(unknown).unwrap());
        assert!(!sqlite.set_admin_password(unknown, "hash", None).unwrap());
    }
    assert!(sqlite.remove_admin("root").unwrap());
    assert!(sqlite.admin("Root").unwrap().is_none());
}

#[test]
fn a_change_of_the_audit_trail_breaks_its_hash_chain() {
    let (_folder, mut sqlite) = empty_store();
    for detail in ["first", "second", "third", "fourth"] {
        sqlite.append_audit(&act("root", detail)).unwrap();
    }
    let entries = newest_entries(&sqlite, 100).unwrap();
    assert_eq!(
        entries
            .iter()
            .map(|entry| &*entry.entry.detail)
            .collect::<Vec<_>>()[1..3],
        ["second", "third"]
    );
    assert_eq!(entries[0].entry, act("root", "first"));
    assert_eq!(first_break(&entries), None);
    assert_eq!(
        newest_entries(&sqlite, 2).unwrap(),
        entries[2..],
        "the newest entries, oldest first"
    );

    for (change, broken) in [
        ("UPDATE audit SET outcome = 'allowed' WHERE id = 2", 2),
        (
            "UPDATE audit SET actor = 'roo', origin = 'tlocal' WHERE id = 2",
            2,
        ),
        ("UPDATE audit SET at = at + 1 WHERE id = 3", 3),
        ("DELETE FROM audit WHERE id = 1", 2),
    ] {
        sqlite.connection.execute_batch("SAVEPOINT intact").unwrap();
        sqlite.connection.execute_batch(change).unwrap();
        assert_eq!(
            first_break(&newest_entries(&sqlite, 100).unwrap()),
            Some(broken),
            "{change}"
        );
        sqlite
            .connection
            .execute_batch("ROLLBACK TO intact; RELEASE intact")
            .unwrap();
    }
    assert_eq!(first_break(&newest_entries(&sqlite, 100).unwrap()), None);
}

#[test]
fn nothing_is_appended_to_a_trail_whose_newest_entries_were_cut_off() {
    let (folder, mut sqlite) = empty_store();
    let file = folder.path().join(DATABASE_FILE);
    let append = |sqlite: &mut Store, detail: &str| {
        sqlite.transaction(false, |store| store.append_audit(&act("root", detail)))
    };
    append(&mut sqlite, "first").unwrap();
    let newest = append(&mut sqlite, "second").unwrap();
    let rolled_back = sqlite.transaction(false, |store| {
        store.append_audit(&act("root", "rolled back"))?;
        Err::<(), _>(StoreError::Stopped)
    });
    assert!(rolled_back.is_err());
    sqlite
        .dry_run(|store| store.append_audit(&act("root", "tried")))
        .unwrap();
    append(&mut sqlite, "after a rollback").unwrap();
    let mut other = Store::open(&file).unwrap();
    append(&mut other, "of another process").unwrap();
    append(&mut sqlite, "after another process").unwrap();

    let cut = format!("DELETE FROM audit WHERE id >= {}", newest.id);
    sqlite.connection.execute_batch(&cut).unwrap();
    for _ in 0..2 {
        let refused = append(&mut sqlite, "on a trail that was cut off");
        assert!(
            matches!(refused, Err(StoreError::AuditCutOff { .. })),
            "{refused:?}"
        );
    }
    // Another trail of the same length does not help.
    let mut forger = Store::open(&file).unwrap();
    for _ in 0..4 {
        append(&mut forger, "forged").unwrap();
    }
    assert!(append(&mut sqlite, "on a forged trail").is_err());
    drop(sqlite);
    append(&mut Store::open(&file).unwrap(), "after a restart").unwrap();
}

#[test]
fn after_fifty_codes_without_a_sign_in_an_admin_is_locked_until_unlocked() {
    let (folder, mut sqlite) = empty_store();
    sqlite
        .add_admin(&admin("Root", "root@example.org"))
        .unwrap();
    sqlite
        .add_admin(&admin("anna", "anna@example.org"))
        .unwrap();
    for _ in 0..50 {
        assert!(sqlite.count_tried_code("root").unwrap());
    }
    assert!(!sqlite.count_tried_code("ROOT").unwrap());
    assert!(sqlite.count_tried_code("anna").unwrap(), "another admin");
    drop(sqlite);
    let mut sqlite = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
    assert!(!sqlite.count_tried_code("root").unwrap(), "after a restart");
    assert!(sqlite.unlock_admin("rOOT").unwrap());
    assert!(sqlite.count_tried_code("root").unwrap());
    assert!(!sqlite.unlock_admin("nobody").unwrap());
    assert!(!sqlite.count_tried_code("nobody").unwrap());
}
