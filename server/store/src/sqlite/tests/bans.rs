//! Tests of bans, and of the stored content of the CSV files.

use jiff::Timestamp;
use rookery_record::{Ban, EmailAliases, covers_account};

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
fn a_ban_may_end_in_any_millisecond_of_the_calendar() {
    let (_folder, mut sqlite) = empty_store();
    for end in [Timestamp::MIN, Timestamp::MAX] {
        let ban = sqlite.add_ban(&ban("bob", Some(end))).unwrap();
        let read = ban.expires_at.unwrap();
        assert_eq!(read.as_millisecond(), end.as_millisecond());
    }
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

#[test]
fn every_ban_that_covers_someone_is_found() {
    let (_folder, mut sqlite) = empty_store();
    let deleted = [
        ("gone", "G.one+x@GMAIL.com"),
        ("weg", "Ä.gon@gmail.com"),
        ("left", "post@gil.fastmail.com"),
    ];
    for (name, email) in deleted.into_iter().chain([("bob", "bob@googlemail.com")]) {
        sqlite
            .create_account(&account(name, email))
            .unwrap()
            .unwrap();
        sqlite.add_ban(&ban(name, None)).unwrap();
    }
    for (name, _) in deleted {
        let account = sqlite.account_by_name(&super::name(name)).unwrap().unwrap();
        sqlite.delete_account(&account).unwrap();
    }
    for target in [
        "Alice",
        "a.lice+x@gmail.com",
        "eve@example.org",
        "ä.gon@example.org",
        "+x@gmail.com",
        "d.o-ra@pm.me",
        "shop@fay.fastmail.com",
        "*@sent.com",
        "*@spam.example",
        "bot-?@googlemail.com",
        "*@*.bots.example",
        "mal*@*",
        "*@b\u{fc}cher.example",
        "192.0.2.7",
        "192.0.2.128/25",
        "0.0.0.0/1",
        "2001:db8:5::/64",
        "2001:db8:6::7/128",
        "2001:db8:8000::/33",
    ] {
        sqlite.add_ban(&ban(target, None)).unwrap();
    }
    let list = |domain: &str| vec![domain.to_owned()];
    let aliases = EmailAliases::new(&list("gmail.com"), &list("gmail.com"));
    let all = sqlite.bans(noon()).unwrap();
    for (name, email, address) in [
        ("alice", None, "203.0.113.1"),
        ("new", Some("alice@gmail.com"), "203.0.113.1"),
        ("new", Some("Al.ice+y@googlemail.com"), "203.0.113.1"),
        ("new", Some("EVE@example.org"), "203.0.113.1"),
        ("new", Some("Ä.GON@example.org"), "203.0.113.1"),
        ("new", Some("b.o.b+9@gmail.com"), "203.0.113.1"),
        ("new", Some("gone@gmail.com"), "203.0.113.1"),
        ("new", Some("ägon+1@googlemail.com"), "203.0.113.1"),
        ("new", Some("+x@gmail.com"), "203.0.113.1"),
        ("new", Some("do_ra@proton.me"), "203.0.113.1"),
        ("new", Some("fay@fastmail.com"), "203.0.113.1"),
        ("new", Some("other@fay.fastmail.com"), "203.0.113.1"),
        ("new", Some("gil@fastmail.com"), "203.0.113.1"),
        ("new", Some("shop@hal.sent.com"), "203.0.113.1"),
        ("new", Some("x@SPAM.example"), "203.0.113.1"),
        ("new", Some("bot-7@gmail.com"), "203.0.113.1"),
        ("new", Some("x@the.bots.example"), "203.0.113.1"),
        ("new", Some("mallory@example.com"), "203.0.113.1"),
        ("new", Some("x@xn--bcher-kva.example"), "203.0.113.1"),
        ("new", None, "192.0.2.7"),
        ("new", None, "192.0.2.200"),
        ("new", None, "::ffff:10.0.0.1"),
        ("new", None, "2001:db8:5::9"),
        ("new", None, "2001:db8:6::7"),
        ("new", None, "2001:db8:ffff::1"),
    ] {
        let (name, address) = (super::name(name), address.parse().unwrap());
        let email = email.map(super::email);
        let covers = |ban: &&Ban| {
            let own = ban.account_email.as_ref();
            covers_account(&ban.target, own, &aliases, &name, email.as_ref())
                || ban.target.covers_address(address)
        };
        let found = sqlite.bans_that_may_cover(noon(), &name, email.as_ref(), address);
        let found = found.unwrap();
        let expected: Vec<_> = all.iter().filter(covers).collect();
        assert!(!expected.is_empty(), "{name} {email:?} {address}");
        for ban in expected {
            assert!(
                found.contains(ban),
                "{} for {name} {email:?} {address}",
                ban.target
            );
        }
    }
}

#[test]
fn a_ban_of_an_account_that_was_deleted_earlier_is_found_by_its_mailbox() {
    let (_folder, sqlite) = migrated_store(
        26,
        "INSERT INTO bans (target, target_folded, reason, by, created_at, deleted_account_email)
         VALUES ('gone', 'gone', '', '', 0, 'G.One+x@Gmail.com'),
                ('weg', 'weg', '', '', 0, 'Ägon@Gmail.com')",
    );
    let address = "192.0.2.1".parse().unwrap();
    for (email, banned) in [("go.ne@gmail.com", "gone"), ("ägon+1@gmail.com", "weg")] {
        let email = super::email(email);
        let found = sqlite.bans_that_may_cover(noon(), &name("new"), Some(&email), address);
        let found = found.unwrap().into_iter();
        let targets: Vec<_> = found.map(|ban| ban.target.to_string()).collect();
        assert!(targets.iter().any(|target| target == banned), "{targets:?}");
    }
}

#[test]
fn the_migration_to_the_rules_of_providers_finds_what_is_of_one_mailbox() {
    let (_folder, sqlite) = migrated_store(
        31,
        "INSERT INTO accounts (name, name_folded, name_skeleton, email, email_folded, created_at, greeted)
         VALUES ('fay', 'fay', 'fay', 'Shop@Fay.Fastmail.com', 'shop@fay.fastmail.com', 0, 1);
         INSERT INTO bans (target, target_folded, reason, by, created_at, deleted_account_email)
         VALUES ('fay', 'fay', '', '', 0, NULL),
                ('gone', 'gone', '', '', 0, 'd.o-ra@pm.me'),
                ('E_ve@proton.me', 'e_ve@proton.me', '', '', 0, NULL),
                ('*@Sent.com', '*@sent.com', '', '', 0, NULL),
                ('*@*.example', '*@*.example', '', '', 0, NULL)",
    );
    let address = "192.0.2.1".parse().unwrap();
    for (email, banned) in [
        ("fay+1@fastmail.com", "fay"),
        ("do_ra@proton.me", "gone"),
        ("eve@pm.me", "E_ve@proton.me"),
        ("shop@hal.sent.com", "*@Sent.com"),
        ("x@y.example", "*@*.example"),
    ] {
        let email = super::email(email);
        let found = sqlite.bans_that_may_cover(noon(), &name("new"), Some(&email), address);
        let found = found.unwrap().into_iter();
        let targets: Vec<_> = found.map(|ban| ban.target.to_string()).collect();
        assert!(
            targets.iter().any(|target| target == banned),
            "{email} {targets:?}"
        );
    }
    let mailbox = email("fay@fastmail.com");
    let found = sqlite.accounts_of_mailbox(&mailbox, &EmailAliases::default());
    assert_eq!(found.unwrap().len(), 1);
}
