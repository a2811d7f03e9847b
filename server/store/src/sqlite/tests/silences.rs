//! Tests of who may not send accounts direct messages and invitations.

use super::*;
use rookery_record::Change;

#[test]
fn silences_are_stored_whole_and_deleted_with_the_account() {
    let (folder, mut sqlite) = empty_store();
    let alice = sqlite
        .create_account(&account("Alice", "a@b.c"))
        .unwrap()
        .unwrap();
    let masks = |masks: &[&str]| masks.iter().map(ToString::to_string).collect::<Vec<_>>();
    let set = |sqlite: &mut Store, account: &str, list: &[&str]| {
        let (account, masks) = (name(account), masks(list));
        let change = Change::Silences { account, masks };
        sqlite.persist(&change).unwrap();
    };
    set(&mut sqlite, "ALICE", &["x!*@*", "~a:old"]);
    set(&mut sqlite, "alice", &["x!*@*", "~a:Mallory", "a!*@*"]);
    set(&mut sqlite, "nobody", &["x!*@*"]);
    drop(sqlite);
    let mut sqlite = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
    assert_eq!(
        sqlite.chat_snapshot().unwrap().silences,
        [(name("Alice"), masks(&["x!*@*", "~a:Mallory", "a!*@*"]))]
    );
    sqlite.delete_account(&alice).unwrap();
    assert!(sqlite.chat_snapshot().unwrap().silences.is_empty());
    assert_eq!(count(&sqlite, "silences"), 0);
}
