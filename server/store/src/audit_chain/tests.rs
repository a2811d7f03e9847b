#![allow(clippy::unwrap_used)]

use jiff::Timestamp;

use super::*;
use crate::{DATABASE_FILE, Store};
use rookery_record::{NewAudit, Outcome};

/// Returns an entry for the kick of `user{number}`.
pub fn entry(number: usize) -> NewAudit {
    NewAudit {
        at: Timestamp::UNIX_EPOCH,
        actor: "root".to_owned(),
        origin: "local".to_owned(),
        session: String::new(),
        act: "kick".to_owned(),
        target: format!("user{number}"),
        outcome: Outcome::Allowed,
        detail: String::new(),
    }
}

/// Returns a trail of `length` entries, chained as the store chains them.
fn trail(length: usize) -> Vec<AuditEntry> {
    let mut previous = [0; 32];
    (1..=length)
        .map(|number| {
            let entry = entry(number);
            let hash = entry.hash(&previous);
            let before = std::mem::replace(&mut previous, hash);
            AuditEntry {
                id: number.try_into().unwrap(),
                entry,
                previous: before,
                hash,
            }
        })
        .collect()
}

fn head(entry: &AuditEntry) -> ChainHead {
    ChainHead {
        id: entry.id,
        hash: HEXLOWER.encode(&entry.hash),
    }
}

fn verify(trail: &[AuditEntry], expected: Option<ChainHead>) -> AuditVerdict {
    let mut verifier = ChainVerifier::new(expected);
    for entry in trail {
        verifier.check(entry);
    }
    verifier.verdict()
}

/// Returns the number of the entry at which the chain breaks, and how it breaks.
fn defect(trail: &[AuditEntry], expected: Option<ChainHead>) -> (i64, String) {
    let verdict = verify(trail, expected);
    assert!(!verdict.intact);
    let AuditDefect { id, description } = verdict.defect.unwrap();
    (id, description)
}

#[test]
fn an_unchanged_trail_is_intact() {
    let trail = trail(5);
    let verdict = verify(&trail, Some(head(&trail[2])));
    assert_eq!(
        (verdict.intact, verdict.entries, verdict.defect),
        (true, 5, None)
    );
    assert_eq!(verdict.head, Some(head(&trail[4])));
    assert!(verify(&[], None).intact, "an empty trail is intact");
}

#[test]
fn a_change_of_any_field_is_reported_at_its_entry() {
    let changes: [fn(&mut AuditEntry); 9] = [
        |entry| entry.entry.at = Timestamp::MAX,
        |entry| entry.entry.actor.push('x'),
        |entry| entry.entry.origin.clear(),
        |entry| entry.entry.session.push('x'),
        |entry| entry.entry.act = "ban".to_owned(),
        |entry| entry.entry.target = "someone else".to_owned(),
        |entry| entry.entry.outcome = Outcome::Refused,
        |entry| entry.entry.detail.push('x'),
        |entry| entry.hash[31] ^= 1,
    ];
    for change in changes {
        let mut trail = trail(5);
        change(&mut trail[2]);
        assert_eq!(defect(&trail, None), (3, Defect::Changed.to_string()));
    }
}

#[test]
fn a_change_with_a_recomputed_hash_is_reported_at_the_next_entry() {
    let mut trail = trail(5);
    trail[2].entry.target = "someone else".to_owned();
    trail[2].hash = trail[2].entry.hash(&trail[2].previous);
    assert_eq!(
        defect(&trail, None),
        (4, Defect::Discontinued { after: 3 }.to_string())
    );
}

#[test]
fn removed_entries_are_reported() {
    let mut one = trail(5);
    one.remove(2);
    assert_eq!(
        defect(&one, None),
        (4, "entry 3 is missing before it".to_owned())
    );
    let mut first = trail(5);
    first.drain(..2);
    assert_eq!(
        defect(&first, None),
        (3, "entries 1 to 2 are missing before it".to_owned())
    );
    let mut renumbered = trail(5);
    renumbered.remove(2);
    renumbered[2].id = 3;
    assert_eq!(
        defect(&renumbered, None),
        (3, Defect::Discontinued { after: 2 }.to_string())
    );
    let mut beheaded = trail(5);
    beheaded.remove(0);
    beheaded[0].id = 1;
    assert_eq!(
        defect(&beheaded, None),
        (1, Defect::NotTheFirst.to_string())
    );
}

#[test]
fn reordered_entries_are_reported() {
    let mut swapped = trail(5);
    swapped.swap(2, 3);
    assert_eq!(defect(&swapped, None).0, 4);
    let mut twice = trail(3);
    twice.push(twice[1].clone());
    assert_eq!(
        defect(&twice, None),
        (2, Defect::OutOfOrder { after: 3 }.to_string())
    );
    // In the database, the numbers define the order.
    let mut renumbered = trail(5);
    renumbered.swap(2, 3);
    (renumbered[2].id, renumbered[3].id) = (3, 4);
    assert_eq!(
        defect(&renumbered, None),
        (3, Defect::Discontinued { after: 2 }.to_string())
    );
}

#[test]
fn only_a_known_head_reveals_removed_newest_entries_or_a_recomputed_trail() {
    let whole = trail(5);
    assert!(verify(&whole[..3], None).intact);
    assert_eq!(
        defect(&whole[..3], Some(head(&whole[4]))),
        (5, Defect::CutOff { newest: 3 }.to_string())
    );
    let mut forged = trail(5);
    let mut previous = [0; 32];
    for entry in &mut forged {
        entry.entry.actor = "nobody".to_owned();
        entry.previous = previous;
        entry.hash = entry.entry.hash(&previous);
        previous = entry.hash;
    }
    assert!(verify(&forged, None).intact);
    assert_eq!(
        defect(&forged, Some(head(&whole[3]))),
        (4, Defect::Rewritten.to_string())
    );
}

#[test]
fn a_stored_trail_is_checked_page_by_page_and_an_unreadable_entry_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(DATABASE_FILE);
    let mut sqlite = Store::open(&file).unwrap();
    sqlite
        .transaction(false, |store| {
            (0..=PAGE * 2).try_for_each(|number| store.append_audit(&entry(number)).map(drop))
        })
        .unwrap();
    let verdict = || {
        let mut verifier = ChainVerifier::new(None);
        verifier.begin_store(&sqlite).unwrap();
        while verifier.check_page(&sqlite).unwrap() {}
        verifier.verdict()
    };
    assert_eq!((verdict().intact, verdict().entries), (true, 2001));

    let other = rusqlite::Connection::open(&file).unwrap();
    other
        .execute_batch("PRAGMA ignore_check_constraints = 1")
        .unwrap();
    for (change, undo, id) in [
        (
            "INSERT INTO audit SELECT -5, at, actor, origin, session, act, target, outcome, detail, previous, hash FROM audit WHERE id = 1",
            "DELETE FROM audit WHERE id < 1",
            -5,
        ),
        (
            "UPDATE audit SET detail = 'x' WHERE id = 1500",
            "UPDATE audit SET detail = '' WHERE id = 1500",
            1500,
        ),
        (
            "UPDATE audit SET outcome = 'maybe' WHERE id = 7",
            "UPDATE audit SET outcome = 'allowed' WHERE id = 7",
            7,
        ),
        ("UPDATE audit SET hash = x'00' WHERE id = 1", "", 1),
    ] {
        other.execute_batch(change).unwrap();
        let found = verdict().defect.unwrap();
        assert_eq!(found.id, id, "{found:?}");
        if change.contains("maybe") {
            assert!(
                found.description.contains("in entry 7 of the audit trail"),
                "{found:?}"
            );
        }
        other.execute_batch(undo).unwrap();
    }
}

/// Verifies a stored trail, after other entries or from its beginning.
fn verify_store(before: &[AuditEntry], store: &Store, expected: Option<ChainHead>) -> AuditVerdict {
    let mut verifier = ChainVerifier::new(expected);
    for entry in before {
        verifier.check(entry);
    }
    verifier.begin_store(store).unwrap();
    while verifier.check_page(store).unwrap() {}
    verifier.verdict()
}

#[test]
fn a_trail_continues_its_archive_and_only_with_the_act_that_removed_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(DATABASE_FILE);
    let mut store = Store::open(&file).unwrap();
    let append = |store: &mut Store, number| {
        store.transaction(false, |store| store.append_audit(&entry(number)))
    };
    let entries: Vec<_> = (0..5)
        .map(|number| append(&mut store, number).unwrap())
        .collect();
    let (archived, newest) = (&entries[..3], (entries[2].id, entries[2].hash));

    let verdict = verify_store(archived, &store, None);
    let defect = verdict.defect.unwrap();
    assert_eq!(defect.id, 1, "nothing was removed yet");
    assert_eq!(
        defect.description,
        Defect::NotRemoved { newest: 3 }.to_string()
    );

    // A server that knows entry 2 as the newest one goes on after it was archived.
    let mut other = Store::open(&file).unwrap();
    let archive = |store: &mut Store, count, newest| {
        store.transaction(true, |store| store.archive_audit(count, newest, &entry(9)))
    };
    assert!(!archive(&mut other, 2, newest).unwrap(), "another number");
    assert!(
        !archive(&mut other, 3, (3, [0; 32])).unwrap(),
        "another hash"
    );
    assert!(archive(&mut other, 3, newest).unwrap());
    append(&mut store, 6).unwrap();

    for (before, entries) in [(archived, 7), (&[][..], 4)] {
        let verdict = verify_store(before, &store, None);
        assert!(verdict.intact, "{:?}", verdict.defect);
        assert_eq!(verdict.entries, entries);
        assert_eq!(verdict.head.unwrap().id, 7);
        let is_known = before.is_empty().then(|| head(&archived[2]));
        assert_eq!(verdict.archived, is_known);
    }
    let verdict = verify_store(&archived[..2], &store, None);
    assert_eq!(
        verdict.defect.unwrap().id,
        4,
        "an archived entry is missing"
    );
    for (known, defect) in [
        (&archived[0], Some(Defect::Archived)),
        (&archived[2], None),
        (&entries[4], None),
    ] {
        let verdict = verify_store(&[], &store, Some(head(known)));
        let description = verdict.defect.map(|defect| defect.description);
        assert_eq!(description, defect.map(|defect| defect.to_string()));
        assert!(verify_store(archived, &store, Some(head(known))).intact);
    }

    // Entries that were removed without the act are missing.
    let other = rusqlite::Connection::open(&file).unwrap();
    other
        .execute_batch("DELETE FROM audit WHERE id = 4")
        .unwrap();
    let defect = verify_store(&[], &store, None).defect.unwrap();
    assert_eq!(defect.id, 5);
    assert!(
        defect.description.contains("entries 1 to 4 are missing"),
        "{defect:?}"
    );
}

#[test]
fn a_server_goes_on_after_all_that_it_knows_was_archived_and_refuses_if_it_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(DATABASE_FILE);
    let mut server = Store::open(&file).unwrap();
    let append =
        |store: &mut Store| store.transaction(false, |store| store.append_audit(&entry(0)));
    for _ in 0..2 {
        append(&mut server).unwrap();
    }
    let mut other = Store::open(&file).unwrap();
    let AuditEntry { id, hash, .. } = append(&mut other).unwrap();
    let archived = other.transaction(true, |store| store.archive_audit(3, (id, hash), &entry(9)));
    assert!(archived.unwrap());
    append(&mut server).unwrap();
    assert!(verify_store(&[], &server, None).intact);
    let sql = rusqlite::Connection::open(&file).unwrap();
    sql.execute_batch("DELETE FROM audit WHERE id = 5").unwrap();
    let refused = append(&mut server).unwrap_err();
    assert!(
        matches!(refused, StoreError::AuditCutOff { .. }),
        "{refused}"
    );
}
