//! Bans, and the windows they are shown in.

use super::*;

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

    assert_eq!(
        sqlite.bans(end).unwrap(),
        std::slice::from_ref(&name),
        "it has ended"
    );
    assert_eq!(sqlite.remove_ban(name.id).unwrap(), Some(name.clone()));
    assert_eq!(sqlite.remove_ban(name.id).unwrap(), None);
    assert_ne!(
        sqlite.add_ban(&ban("bob", None)).unwrap().id,
        name.id,
        "a number is never given twice"
    );
}

#[test]
fn a_window_keeps_its_last_content() {
    let (_folder, mut sqlite) = fresh();
    assert_eq!(sqlite.csv_content("bans.csv").unwrap(), None);
    sqlite.set_csv_content("bans.csv", "first").unwrap();
    sqlite.set_csv_content("bans.csv", "second").unwrap();
    assert_eq!(
        sqlite.csv_content("bans.csv").unwrap().as_deref(),
        Some("second")
    );
    assert_eq!(sqlite.csv_content("users.csv").unwrap(), None);
}
