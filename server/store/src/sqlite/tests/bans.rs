//! Tests of bans, and of the stored content of the CSV files.

use super::*;

#[test]
fn a_ban_replaces_an_earlier_one_of_the_same_target() {
    let (_folder, mut sqlite) = empty_store();
    let first = sqlite.add_ban(&ban("Bob@Example.org", None)).unwrap();
    let name = sqlite.add_ban(&ban("bob", None)).unwrap();
    let end = noon() + jiff::SignedDuration::from_hours(1);
    let second = sqlite.add_ban(&ban("bob@example.ORG", Some(end))).unwrap();
    assert_eq!(second.id, first.id);
    assert_eq!(second.expires_at, Some(end));
    assert_eq!(sqlite.bans(noon()).unwrap(), [name.clone(), second.clone()]);

    assert_eq!(
        sqlite.bans(end).unwrap(),
        std::slice::from_ref(&name),
        "it has expired"
    );
    assert_eq!(sqlite.remove_ban(name.id).unwrap(), Some(name.clone()));
    assert_eq!(sqlite.remove_ban(name.id).unwrap(), None);
    assert_ne!(
        sqlite.add_ban(&ban("bob", None)).unwrap().id,
        name.id,
        "a number is never used twice"
    );
}

#[test]
fn the_last_content_of_a_csv_file_is_stored() {
    let (_folder, mut sqlite) = empty_store();
    assert_eq!(sqlite.csv_content("bans.csv").unwrap(), None);
    sqlite.set_csv_content("bans.csv", "first").unwrap();
    sqlite.set_csv_content("bans.csv", "second").unwrap();
    assert_eq!(
        sqlite.csv_content("bans.csv").unwrap().as_deref(),
        Some("second")
    );
    assert_eq!(sqlite.csv_content("users.csv").unwrap(), None);
}
