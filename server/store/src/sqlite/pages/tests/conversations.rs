//! Tests of the channels and conversations in which there are messages.

use super::*;

#[test]
fn targets_are_selected_by_the_time_of_their_latest_message() {
    let (_folder, mut sqlite) = empty_store();
    let channel = |name: &str| ChannelName::parse(name).unwrap();
    let guest = Place::Direct {
        from: Participant::Guest("carol".parse().unwrap()),
        to: Participant::Account("alice".parse().unwrap()),
    };
    let mut status = message("9", second(9), lobby());
    status.tags = "statusmsg=+".to_owned();
    let entries = [
        message("1", second(1), lobby()),
        message("2", second(2), direct("Bob", "alice")),
        message("3", second(3), Place::Channel(channel("#late"))),
        message("4", second(4), direct("alice", "Carol")),
        message("5", second(5), direct("alice", "alice")),
        message("6", second(6), guest),
        message("7", second(7), direct("bob", "carol")),
        status,
    ];
    sqlite.append_history(&entries).unwrap();
    let all = TargetsQuery {
        channels: vec![
            (channel("#Lobby"), Timestamp::MIN),
            (channel("#late"), second(4)),
            (channel("#new"), Timestamp::MIN),
        ],
        account: Some(AccountName::parse("alice").unwrap().to_nick()),
        from: second(-9),
        to: second(99),
        limit: 99,
    };
    let names = |query: &TargetsQuery| -> Vec<(String, i64)> {
        let targets = sqlite.history_targets(query).unwrap();
        targets
            .into_iter()
            .map(|target| (target.name, target.at.as_second() - second(0).as_second()))
            .collect()
    };
    let expected = [("#Lobby", 1), ("Bob", 2), ("alice", 5), ("Carol", 6)]
        .map(|(name, at)| (name.to_owned(), at));
    assert_eq!(names(&all), expected);
    assert_eq!(
        names(&TargetsQuery {
            limit: 2,
            ..all.clone()
        }),
        expected[..2]
    );
    let backwards = TargetsQuery {
        from: all.to,
        to: all.from,
        limit: 2,
        ..all.clone()
    };
    assert_eq!(names(&backwards), expected[2..]);
    let within = TargetsQuery {
        from: second(1),
        to: second(6),
        ..all.clone()
    };
    assert_eq!(names(&within), expected[1..3], "both ends are excluded");
    let guest = TargetsQuery {
        account: None,
        ..all
    };
    assert_eq!(names(&guest), expected[..1]);
}

#[test]
fn a_page_of_targets_does_not_end_between_two_with_the_same_time() {
    let (_folder, mut sqlite) = empty_store();
    // Two channels in each second.
    let channel = |number: i64| Place::Channel(format!("#{number}").parse().unwrap());
    let entries: Vec<HistoryEntry> = (0..10)
        .map(|number| message(&format!("m{number}"), second(number / 2), channel(number)))
        .collect();
    sqlite.append_history(&entries).unwrap();
    let channels: Vec<_> = (0..10)
        .map(|number| (format!("#{number}").parse().unwrap(), Timestamp::MIN))
        .collect();
    for (limit, forward) in [(1, true), (3, true), (1, false), (3, false)] {
        let mut names = Vec::new();
        let (mut from, to) = if forward {
            (second(-1), second(9))
        } else {
            (second(9), second(-1))
        };
        loop {
            let query = TargetsQuery {
                channels: channels.clone(),
                account: None,
                from,
                to,
                limit,
            };
            let mut page = sqlite.history_targets(&query).unwrap();
            if !forward {
                page.reverse();
            }
            let Some(last) = page.last() else { break };
            assert!(page.len() >= limit.min(2) && page.len() <= limit + 1);
            from = last.at;
            names.extend(page.into_iter().map(|target| target.name));
        }
        names.sort();
        let all: Vec<String> = (0..10).map(|number| format!("#{number}")).collect();
        assert_eq!(names, all);
    }
}

#[test]
fn a_guest_of_many_nicks_takes_no_place_of_an_account_among_the_targets() {
    let (_folder, mut sqlite) = empty_store();
    let guest = |number: i64| Place::Direct {
        from: Participant::Guest(format!("guest{number}").parse().unwrap()),
        to: Participant::Account("alice".parse().unwrap()),
    };
    let mut entries = vec![message("m", second(1), direct("bob", "alice"))];
    entries.extend((2..500).map(|at| message(&at.to_string(), second(at), guest(at))));
    sqlite.append_history(&entries).unwrap();
    let query = TargetsQuery {
        channels: Vec::new(),
        account: Some("alice".parse().unwrap()),
        from: second(1000),
        to: second(0),
        limit: 200,
    };
    let found = sqlite.history_targets(&query).unwrap();
    assert_eq!((found.len(), &*found[0].name), (101, "bob"));
    assert_eq!(found[1].name, "guest400");
    let next_page = TargetsQuery {
        from: second(400),
        ..query
    };
    let found = sqlite.history_targets(&next_page).unwrap();
    let names: Vec<&str> = found.iter().map(|target| &*target.name).collect();
    assert_eq!(
        names,
        ["bob"],
        "other guests do not follow on the next page"
    );
}

#[test]
fn of_conversations_with_guests_only_those_that_began_last_are_looked_at() {
    let (_folder, mut sqlite) = empty_store();
    let alice: Nick = "alice".parse().unwrap();
    let guest = |number: i64| Place::Direct {
        from: Participant::Guest(format!("guest{number}").parse().unwrap()),
        to: Participant::Account(alice.clone()),
    };
    let mut entries = vec![message("m", second(1), direct("bob", "alice"))];
    entries
        .extend((2..MAX_GUESTS_READ + 3).map(|at| message(&at.to_string(), second(at), guest(at))));
    entries.push(message("again", second(5000), guest(2)));
    sqlite.append_history(&entries).unwrap();
    let found = sqlite
        .conversations(&alice, second(0), second(9000))
        .unwrap();
    let names: Vec<&str> = found.iter().map(|one| &*one.name).collect();
    assert_eq!(i64::try_from(names.len()).unwrap(), MAX_GUESTS_READ + 1);
    assert!(names.contains(&"bob") && names.contains(&"guest3") && !names.contains(&"guest2"));

    let mut plan = sqlite
        .connection
        .prepare(&format!("EXPLAIN QUERY PLAN {PLACES_OF}"))
        .unwrap();
    let plan = plan.query_map([1; 2], |row| row.get(3)).unwrap();
    let plan: Vec<String> = plan.map(rusqlite::Result::unwrap).collect();
    assert!(
        !plan.iter().any(|step| step.contains("SCAN places")),
        "{plan:?}"
    );
}

#[test]
fn conversations_are_sorted_by_kind_and_by_their_latest_message_between_the_times() {
    let (_folder, mut sqlite) = empty_store();
    let guest = |nick: &str| Place::Direct {
        from: Participant::Guest(nick.parse().unwrap()),
        to: Participant::Account("alice".parse().unwrap()),
    };
    let entries = [
        message("1", second(1), direct("carol", "alice")),
        message("2", second(2), direct("alice", "bob")),
        message("3", second(3), guest("dave")),
        message("4", second(4), guest("carol")),
        message("5", second(5), guest("erin")),
        message("6", second(5), lobby()),
        message("7", second(9), direct("carol", "alice")),
        message("8", second(9), direct("bob", "carol")),
    ];
    sqlite.append_history(&entries).unwrap();
    let found = |after, before| {
        let alice = "alice".parse().unwrap();
        let found = sqlite.conversations(&alice, second(after), second(before));
        let found = found.unwrap().into_iter();
        let found = found.map(|one| (one.name, one.kind, (one.at - second(0)).get_seconds()));
        found.collect::<Vec<_>>()
    };
    let (guest, account) = (TargetKind::Guest, TargetKind::Account);
    let one = |name: &str, kind, at| (name.to_owned(), kind, at);
    // Account and guest of one name are one conversation.
    assert_eq!(
        found(0, 9),
        [
            one("dave", guest, 3),
            one("erin", guest, 5),
            one("bob", account, 2),
            one("carol", account, 4),
        ]
    );
    assert_eq!(found(2, 5), [one("dave", guest, 3), one("carol", guest, 4)]);
    assert_eq!(found(5, 20), [one("carol", account, 9)]);
}
