//! What is known about the clock, and what is deleted by time.

use jiff::SignedDuration;

use super::*;
use rookery_record::{ClockRecord, Network, NewInvitation, NewTime};

#[test]
fn what_is_known_about_the_clock_is_stored() {
    let (_folder, mut sqlite) = empty_store();
    assert_eq!(sqlite.clock().unwrap(), ClockRecord::default());
    let new_time = NewTime {
        at: at("2030-01-01T00:00:00Z"),
        steady: SignedDuration::from_hours(5),
    };
    for new_time in [Some(new_time), None] {
        let record = ClockRecord {
            confirmed_at: Some(noon()),
            new_time,
        };
        sqlite.set_clock(record).unwrap();
        assert_eq!(sqlite.clock().unwrap(), record);
    }
}

#[test]
fn the_newest_entry_of_an_older_database_is_the_last_time_that_is_known() {
    let (_folder, sqlite) = migrated_store(
        22,
        "INSERT INTO places (id, first, second, first_folded, second_folded)
             VALUES (1, '#x', '', '#x', '');
         INSERT INTO authors (id, account, source) VALUES (1, '', 'alice!a@host');
         INSERT INTO history (place, author, at, msgid, command, text, tags)
             VALUES (1, 1, 1800000000123, 'one', 'PRIVMSG', '', ''),
                    (1, 1, 1700000000123, 'two', 'PRIVMSG', '', '');",
    );
    let confirmed_at = Timestamp::from_millisecond(1_800_000_000_123).ok();
    assert_eq!(sqlite.clock().unwrap().confirmed_at, confirmed_at);
}

#[test]
fn an_invitation_that_has_expired_by_the_clock_is_valid_again_once_the_clock_is_right() {
    let (_folder, mut sqlite) = empty_store();
    let invite = |sqlite: &mut Store, invited: &str, at: Timestamp| {
        let new = NewInvitation {
            email: email(invited),
            code_hash: String::new(),
            attempts: 5,
            by: "root".to_owned(),
            created_at: at,
            expires_at: at + SignedDuration::from_hours(24 * 7),
        };
        sqlite.add_invitation(&new).unwrap();
    };
    let is_valid = |sqlite: &Store, at| {
        let found = sqlite.invitation_for(&email("bob@example.org"), at);
        found.unwrap().is_some()
    };
    invite(&mut sqlite, "bob@example.org", noon());
    let ahead = noon() + SignedDuration::from_hours(24 * 40);
    assert!(!is_valid(&sqlite, ahead));
    invite(&mut sqlite, "carol@example.org", ahead);
    assert!(is_valid(&sqlite, noon()));
    sqlite.expire_invitations(ahead).unwrap();
    assert!(!is_valid(&sqlite, noon()), "the clock was right");
}

#[test]
fn the_network_of_the_last_sign_in_is_known_also_after_the_clock_was_ahead() {
    let (_folder, mut sqlite) = empty_store();
    let created = sqlite.create_account(&account("alice", "alice@example.org"));
    let id = created.unwrap().unwrap().id;
    let admin = NewAdmin {
        name: "root".to_owned(),
        email: email("root@example.org"),
        password_hash: String::new(),
        role: Role::Owner,
        created_at: noon(),
        initial_password_expires_at: None,
    };
    sqlite.add_admin(&admin).unwrap();
    let ahead = noon() + SignedDuration::from_hours(24 * 40);
    for number in 0..99 {
        let network = Network::of([192, 0, 2, number].into());
        let at = if number < 80 { ahead } else { noon() };
        sqlite.set_account_network(id, network, at).unwrap();
        let text = network.to_string();
        sqlite.remember_admin_network("root", &text, at).unwrap();
        assert!(sqlite.account_network(id, network).unwrap().is_some());
        assert!(sqlite.is_admin_network(&text).unwrap(), "{number}");
    }
}
