//! What the chat keeps of itself.

use rookery_protocol::{ChannelName, Nick};

use super::*;
use rookery_record::{
    Access, AccessLevel, Account, AccountId, Change, CredentialKind, Device, DeviceMark,
    ListedMask, Membership, Metadata, PersistentChannel, PersistentTopic, Place, Presence,
};

fn channel(channel: &str, founder: &str) -> PersistentChannel {
    PersistentChannel {
        name: ChannelName::parse(channel).unwrap(),
        founder: name(founder),
        created_at: noon(),
        named_at: noon(),
        topic: Some(PersistentTopic {
            text: "what: \"it\" is".to_owned(),
            by: "a!b@c".to_owned(),
            at: noon(),
        }),
        modes: "imn".to_owned(),
        key: Some("sesame".to_owned()),
        limit: Some(u32::MAX),
        lists: ["a!*@*", "~a:b"].map(listed).to_vec(),
        access: vec![
            access("Carol", AccessLevel::Operator),
            access("bob", AccessLevel::Voice),
        ],
        metadata: said(),
    }
}

fn said() -> Metadata {
    Metadata::from([
        ("url".to_owned(), "https://a.b".to_owned()),
        ("x".to_owned(), String::new()),
    ])
}

fn access(account: &str, level: AccessLevel) -> Access {
    Access {
        account: name(account),
        level,
        by: "a!b@c".to_owned(),
        at: noon(),
    }
}

fn listed(mask: &str) -> ListedMask {
    ListedMask {
        list: 'b',
        mask: mask.to_owned(),
        by: "a!b@c".to_owned(),
        at: noon(),
    }
}

#[test]
fn channels_that_last_are_kept_whole_and_go_with_their_founder() {
    let (folder, mut sqlite) = fresh();
    let alice = sqlite
        .create_account(&account("Alice", "a@b.c"))
        .unwrap()
        .unwrap();
    sqlite
        .create_account(&account("bob", "b@b.c"))
        .unwrap()
        .unwrap();
    let bare = PersistentChannel {
        topic: None,
        key: None,
        limit: None,
        lists: vec![],
        access: vec![],
        metadata: Metadata::new(),
        ..channel("#b", "bob")
    };
    for change in [channel("#X", "alice"), channel("#a", "bob"), bare.clone()] {
        sqlite.persist(&Change::Channel(change)).unwrap();
    }
    let kept = |sqlite: &Store| sqlite.chat_snapshot().unwrap().channels;
    drop(sqlite);
    let mut sqlite = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
    assert_eq!(
        kept(&sqlite),
        [channel("#a", "bob"), bare.clone(), channel("#X", "Alice")],
        "by name"
    );

    let only = access("carol", AccessLevel::Voice);
    let changed = PersistentChannel {
        lists: vec![listed("new")],
        access: vec![only.clone()],
        ..channel("#x", "bob")
    };
    sqlite.persist(&Change::Channel(changed.clone())).unwrap();
    sqlite
        .persist(&Change::ChannelGone(ChannelName::parse("#A").unwrap()))
        .unwrap();
    assert_eq!(
        kept(&sqlite),
        [bare.clone(), changed.clone()],
        "nothing of what it was is left"
    );
    let carol = sqlite
        .create_account(&account("Carol", "c@b.c"))
        .unwrap()
        .unwrap();
    sqlite.delete_account(&carol).unwrap();
    assert_eq!(
        kept(&sqlite)[1],
        PersistentChannel {
            access: vec![],
            ..changed
        },
        "she has no access any more"
    );

    sqlite
        .persist(&Change::Channel(channel("#x", "ALICE")))
        .unwrap();
    sqlite.delete_account(&alice).unwrap();
    assert_eq!(kept(&sqlite), std::slice::from_ref(&bare));
    sqlite
        .persist(&Change::Channel(channel("#y", "alice")))
        .unwrap();
    sqlite
        .persist(&Change::Channel(PersistentChannel {
            founder: name("alice"),
            ..bare
        }))
        .unwrap();
    assert!(kept(&sqlite).is_empty(), "nobody owns them any more");
    let lists: i64 = sqlite
        .connection
        .query_row("SELECT count(*) FROM channel_lists", [], |row| row.get(0))
        .unwrap();
    assert_eq!(lists, 0);
}

#[test]
fn what_devices_have_heard_is_kept_until_they_are_revoked() {
    let (_folder, mut sqlite) = fresh();
    let alice = sqlite
        .create_account(&account("Alice", "a@b.c"))
        .unwrap()
        .unwrap();
    let bob = sqlite
        .create_account(&account("bob", "b@b.c"))
        .unwrap()
        .unwrap();
    let phone = sqlite
        .add_credential(alice.id, CredentialKind::Device, &[1; 32], noon())
        .unwrap();
    let devices = [
        Device {
            account: alice.id,
            credential: None,
        },
        Device {
            account: alice.id,
            credential: Some(phone),
        },
        Device {
            account: bob.id,
            credential: None,
        },
        // Another account's credential is no device of his, and nothing of a stranger is kept.
        Device {
            account: bob.id,
            credential: Some(phone),
        },
        Device {
            account: AccountId(99),
            credential: None,
        },
    ];
    let later = |seconds| noon() + jiff::SignedDuration::from_secs(seconds);
    for (seconds, device) in (1..).zip(devices) {
        let is_here = device.account == bob.id;
        let mark = DeviceMark {
            device,
            heard_until: later(seconds),
            is_here,
        };
        sqlite.persist(&Change::Device(mark)).unwrap();
    }
    let kept = |sqlite: &Store| sqlite.chat_snapshot().unwrap().devices;
    let [by_password, on_phone, bobs, ..] = devices;
    let before = [
        (by_password, later(1)),
        (bobs, later(3)),
        (on_phone, later(2)),
    ];
    assert_eq!(kept(&sqlite), before);

    // The server has died: bob was here, and has heard what was said last.
    for (msgid, seconds) in [("m1", 60), ("m2", 90)] {
        let place = Place::Channel(ChannelName::parse("#x").unwrap());
        sqlite
            .append_history(&[message(msgid, later(seconds), place)])
            .unwrap();
        sqlite.mark_all_disconnected().unwrap();
        assert_eq!(
            kept(&sqlite),
            [
                (by_password, later(1)),
                (bobs, later(60)),
                (on_phone, later(2))
            ]
        );
    }
    sqlite.remove_credential(alice.id, phone).unwrap();
    sqlite.delete_account(&bob).unwrap();
    assert_eq!(kept(&sqlite), [(by_password, later(1))]);
}

#[test]
fn what_accounts_say_of_themselves_is_kept_whole_and_goes_with_them() {
    let (folder, mut sqlite) = fresh();
    let alice = sqlite
        .create_account(&account("Alice", "a@b.c"))
        .unwrap()
        .unwrap();
    sqlite
        .create_account(&account("bob", "b@b.c"))
        .unwrap()
        .unwrap();
    let says = |sqlite: &mut Store, who: &str, metadata: Metadata| {
        sqlite
            .persist(&Change::AccountMetadata {
                account: name(who),
                metadata,
            })
            .unwrap();
    };
    says(&mut sqlite, "bob", said());
    says(&mut sqlite, "ALICE", said());
    says(
        &mut sqlite,
        "bob",
        Metadata::from([("url".to_owned(), "new".to_owned())]),
    );
    says(&mut sqlite, "nobody", said());
    drop(sqlite);
    let mut sqlite = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
    let kept = sqlite.chat_snapshot().unwrap().metadata;
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0], (name("Alice"), said()));
    assert_eq!(kept[1].1.len(), 1, "the last one says it all");
    sqlite.delete_account(&alice).unwrap();
    says(&mut sqlite, "bob", Metadata::new());
    assert!(sqlite.chat_snapshot().unwrap().metadata.is_empty());
}

#[test]
fn what_owners_of_accounts_have_read_and_chosen_is_kept_with_the_account() {
    let (_folder, mut sqlite) = fresh();
    let alice = sqlite
        .create_account(&account("Alice", "a@b.c"))
        .unwrap()
        .unwrap();
    let bob = sqlite
        .create_account(&account("bob", "b@b.c"))
        .unwrap()
        .unwrap();
    let marker = |account, target: &str, read_until| Change::ReadMarker {
        account,
        target: target.to_owned(),
        read_until,
    };
    let membership = |channel: &str, operator| Membership {
        channel: ChannelName::parse(channel).unwrap(),
        joined_at: noon(),
        operator,
        voice: !operator,
    };
    let presence = |account: &Account, away: Option<&str>| Presence {
        account: account.id,
        name: account.name.clone(),
        email: account.email.clone(),
        nick: Nick::parse("rook").unwrap(),
        username: "~a".to_owned(),
        realname: "Alice: \"L.\"".to_owned(),
        modes: "Bi".to_owned(),
        away: away.map(str::to_owned),
        since: noon(),
        channels: vec![membership("#X", true), membership("#a", false)],
    };
    let stranger = Account {
        id: AccountId(99),
        ..alice.clone()
    };
    for change in [
        marker(alice.id, "#x", Some(noon())),
        marker(alice.id, "bob", Some(noon())),
        marker(alice.id, "#x", Some(at("2026-11-22T13:00:00.5Z"))),
        marker(alice.id, "bob", None),
        marker(bob.id, "#x", Some(noon())),
        marker(stranger.id, "#x", Some(noon())),
        Change::AlwaysOn(alice.id, Some(false)),
        Change::AlwaysOn(bob.id, Some(true)),
        Change::AlwaysOn(stranger.id, Some(true)),
        Change::Presence(presence(&alice, None)),
        Change::Presence(presence(&alice, Some("lunch"))),
        Change::Presence(presence(&bob, None)),
        Change::Presence(presence(&stranger, None)),
    ] {
        sqlite.persist(&change).unwrap();
    }
    let kept = sqlite.chat_snapshot().unwrap();
    let read = |account, at| (account, "#x".to_owned(), at);
    assert_eq!(
        kept.read_markers,
        [
            read(alice.id, at("2026-11-22T13:00:00.5Z")),
            read(bob.id, noon())
        ]
    );
    assert_eq!(kept.always_on, [(alice.id, false), (bob.id, true)]);
    assert_eq!(
        kept.presences,
        [presence(&alice, Some("lunch")), presence(&bob, None)]
    );

    sqlite.persist(&Change::AlwaysOn(bob.id, None)).unwrap();
    sqlite.set_disabled(bob.id, Some("spam")).unwrap();
    assert_eq!(
        sqlite.chat_snapshot().unwrap().presences.len(),
        1,
        "a disabled account's user does not come back"
    );
    sqlite.persist(&Change::PresenceGone(bob.id)).unwrap();
    sqlite.delete_account(&alice).unwrap();
    sqlite.set_disabled(bob.id, None).unwrap();
    let kept = sqlite.chat_snapshot().unwrap();
    assert_eq!(
        (kept.read_markers, kept.always_on),
        (vec![read(bob.id, noon())], vec![])
    );
    assert!(kept.presences.is_empty());
}
