//! Tests of the chat's persistent state: channels, devices, metadata, read markers and presences.

use jiff::SignedDuration;
use rookery_protocol::{ChannelName, DeviceName, Nick};

use super::*;
use rookery_record::{
    Access, AccessLevel, Account, AccountId, Change, CredentialKind, Device, DeviceKey, DeviceMark,
    ListedMask, Mark, Membership, Metadata, PersistentChannel, PersistentTopic, Presence,
    message_number,
};

fn channel(channel: &str, founder: &str) -> PersistentChannel {
    PersistentChannel {
        name: ChannelName::parse(channel).unwrap(),
        former_names: ["#z", "#A"]
            .map(|name| ChannelName::parse(name).unwrap())
            .to_vec(),
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
        metadata: metadata(),
    }
}

fn metadata() -> Metadata {
    Metadata::from([
        ("url".to_owned(), "https://a.b".to_owned()),
        ("x".to_owned(), String::new()),
    ])
}

fn access(account: &str, level: AccessLevel) -> Access {
    Access {
        account: name(account),
        level,
        by: "a!b@c".into(),
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
fn persistent_channels_are_stored_whole_and_deleted_with_their_founder() {
    let (folder, mut sqlite) = empty_store();
    let alice = sqlite
        .create_account(&account("Alice", "a@b.c"))
        .unwrap()
        .unwrap();
    sqlite
        .create_account(&account("bob", "b@b.c"))
        .unwrap()
        .unwrap();
    let bare = PersistentChannel {
        former_names: vec![],
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
    let stored = |sqlite: &Store| sqlite.chat_snapshot().unwrap().channels;
    drop(sqlite);
    let mut sqlite = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
    assert_eq!(
        stored(&sqlite),
        [channel("#a", "bob"), bare.clone(), channel("#X", "Alice")],
        "sorted by name"
    );

    let only = access("carol", AccessLevel::Voice);
    let changed = PersistentChannel {
        former_names: vec![ChannelName::parse("#q").unwrap()],
        lists: vec![listed("new")],
        access: vec![only.clone()],
        ..channel("#x", "bob")
    };
    sqlite.persist(&Change::Channel(changed.clone())).unwrap();
    sqlite
        .persist(&Change::ChannelRemoved(ChannelName::parse("#A").unwrap()))
        .unwrap();
    assert_eq!(
        stored(&sqlite),
        [bare.clone(), changed.clone()],
        "nothing of the earlier state is left"
    );
    let carol = sqlite
        .create_account(&account("Carol", "c@b.c"))
        .unwrap()
        .unwrap();
    sqlite.delete_account(&carol).unwrap();
    assert_eq!(
        stored(&sqlite)[1],
        PersistentChannel {
            access: vec![],
            ..changed
        },
        "a deleted account no longer has access"
    );

    sqlite
        .persist(&Change::Channel(channel("#x", "ALICE")))
        .unwrap();
    sqlite.delete_account(&alice).unwrap();
    assert_eq!(stored(&sqlite), std::slice::from_ref(&bare));
    sqlite
        .persist(&Change::Channel(channel("#y", "alice")))
        .unwrap();
    sqlite
        .persist(&Change::Channel(PersistentChannel {
            founder: name("alice"),
            ..bare
        }))
        .unwrap();
    assert!(
        stored(&sqlite).is_empty(),
        "channels without an owner are not stored"
    );
    assert_eq!(count(&sqlite, "channel_lists"), 0);
    assert_eq!(count(&sqlite, "channel_former_names"), 0);
}

#[test]
fn entries_of_lists_that_stay_are_not_written_again() {
    let (_folder, mut sqlite) = empty_store();
    sqlite
        .create_account(&account("alice", "a@b.c"))
        .unwrap()
        .unwrap();
    let with = |names: &[&str], topic: &str| {
        let topic = PersistentTopic {
            text: topic.to_owned(),
            by: "a!b@c".to_owned(),
            at: noon(),
        };
        Change::Channel(PersistentChannel {
            lists: names.iter().copied().map(listed).collect(),
            access: names
                .iter()
                .map(|name| access(name, AccessLevel::Voice))
                .collect(),
            topic: Some(topic),
            ..channel("#x", "alice")
        })
    };
    let rows = |sqlite: &Store| {
        let sql = "SELECT channel_lists.id, mask, channel_access.id, account
             FROM channel_lists JOIN channel_access ON account = mask ORDER BY channel_lists.id";
        let rows: Vec<(i64, String, i64, String)> = list(&sqlite.connection, sql, [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
        rows
    };
    sqlite.persist(&with(&["a", "b", "c"], "one")).unwrap();
    let before = rows(&sqlite);
    sqlite.persist(&with(&["a", "b", "c"], "two")).unwrap();
    assert_eq!(rows(&sqlite), before);
    sqlite.persist(&with(&["a", "c", "d"], "two")).unwrap();
    let after = rows(&sqlite);
    assert_eq!([&after[0], &after[1]], [&before[0], &before[2]]);
    assert_eq!((&*after[2].1, &*after[2].3), ("d", "d"));
    assert_eq!(after.len(), 3);
}

#[test]
fn device_marks_are_stored_until_the_device_is_revoked() {
    let (_folder, mut sqlite) = empty_store();
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
    let desk = DeviceName::parse("desk").unwrap();
    let devices = [
        Device {
            account: alice.id,
            key: DeviceKey::Password,
        },
        Device {
            account: alice.id,
            key: DeviceKey::Credential(phone),
        },
        Device {
            account: bob.id,
            key: DeviceKey::Password,
        },
        Device {
            account: bob.id,
            key: DeviceKey::PasswordWithPlayback,
        },
        Device {
            account: bob.id,
            key: DeviceKey::Named(desk.clone()),
        },
        // These two are not stored: the credential is of another account, or the account is
        // unknown.
        Device {
            account: bob.id,
            key: DeviceKey::Credential(phone),
        },
        Device {
            account: AccountId(99),
            key: DeviceKey::Named(desk.clone()),
        },
    ];
    let msgid = |seconds: i64| format!("run-{}", 100_000_000_000 + seconds);
    let later = |seconds| Mark {
        message: message_number(&msgid(seconds)).unwrap(),
        at: noon() + SignedDuration::from_secs(seconds),
    };
    for (seconds, device) in (1..).zip(devices.clone()) {
        let mark = DeviceMark {
            device,
            received: later(seconds),
        };
        sqlite.persist(&Change::Device(mark)).unwrap();
    }
    let stored = |sqlite: &Store| sqlite.chat_snapshot().unwrap().devices;
    let [
        by_password,
        on_phone,
        bobs,
        bobs_with_playback,
        bobs_desk,
        ..,
    ] = devices;
    let all = [
        (by_password.clone(), later(1)),
        (bobs, later(3)),
        (bobs_with_playback, later(4)),
        (bobs_desk, later(5)),
        (on_phone, later(2)),
    ];
    assert_eq!(stored(&sqlite), all);

    let forgotten = Change::DeviceForgotten(alice.id, desk.clone());
    sqlite.persist(&forgotten).unwrap();
    assert_eq!(stored(&sqlite), all, "that is another account's");
    let forgotten = Change::DeviceForgotten(bob.id, desk);
    sqlite.persist(&forgotten).unwrap();
    assert_eq!(stored(&sqlite).len(), 4);
    sqlite.remove_credential(alice.id, phone).unwrap();
    sqlite.delete_account(&bob).unwrap();
    assert_eq!(stored(&sqlite), [(by_password, later(1))]);
}

#[test]
fn the_migration_to_password_devices_preserves_marks() {
    let (_folder, store) = migrated_store(
        14,
        "INSERT INTO accounts (name, name_folded, name_skeleton, created_at, greeted, heard_until)
         VALUES ('alice', 'alice', 'allce', 0, 1, 5), ('bob', 'bob', 'bob', 0, 1, NULL)",
    );
    let alices = Device {
        account: AccountId(1),
        key: DeviceKey::Password,
    };
    let received = Mark {
        message: 0,
        at: Timestamp::from_millisecond(5).unwrap(),
    };
    let devices = store.chat_snapshot().unwrap().devices;
    assert_eq!(devices, [(alices, received)]);
}

#[test]
fn the_migration_to_named_devices_preserves_the_marks_of_the_others() {
    let (_folder, mut store) = migrated_store(
        16,
        "INSERT INTO accounts (name, name_folded, name_skeleton, created_at, greeted)
         VALUES ('alice', 'alice', 'allce', 0, 1);
         INSERT INTO password_devices VALUES (1, 1, 5, 0)",
    );
    let at = Timestamp::from_millisecond(5).unwrap();
    let received = Mark { message: 0, at };
    let of = |key| Device {
        account: AccountId(1),
        key,
    };
    let with_playback = of(DeviceKey::PasswordWithPlayback);
    let stored = |store: &Store| store.chat_snapshot().unwrap().devices;
    assert_eq!(stored(&store), [(with_playback.clone(), received)]);
    let phone = of(DeviceKey::Named(DeviceName::parse("phone").unwrap()));
    let mark = DeviceMark {
        device: phone.clone(),
        received,
    };
    store.persist(&Change::Device(mark)).unwrap();
    assert_eq!(
        stored(&store),
        [(with_playback, received), (phone, received)]
    );
}

#[test]
fn account_metadata_is_stored_whole_and_deleted_with_the_account() {
    let (folder, mut sqlite) = empty_store();
    let alice = sqlite
        .create_account(&account("Alice", "a@b.c"))
        .unwrap()
        .unwrap();
    sqlite
        .create_account(&account("bob", "b@b.c"))
        .unwrap()
        .unwrap();
    let set_metadata = |sqlite: &mut Store, account: &str, metadata: Metadata| {
        sqlite
            .persist(&Change::AccountMetadata {
                account: name(account),
                metadata,
            })
            .unwrap();
    };
    set_metadata(&mut sqlite, "bob", metadata());
    set_metadata(&mut sqlite, "ALICE", metadata());
    set_metadata(
        &mut sqlite,
        "bob",
        Metadata::from([("url".to_owned(), "new".to_owned())]),
    );
    set_metadata(&mut sqlite, "nobody", metadata());
    drop(sqlite);
    let mut sqlite = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
    let stored = sqlite.chat_snapshot().unwrap().metadata;
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0], (name("Alice"), metadata()));
    assert_eq!(
        stored[1].1.len(),
        1,
        "the last change replaces the earlier ones"
    );
    sqlite.delete_account(&alice).unwrap();
    set_metadata(&mut sqlite, "bob", Metadata::new());
    assert!(sqlite.chat_snapshot().unwrap().metadata.is_empty());
}

#[test]
fn a_change_of_an_always_on_user_writes_only_the_channels_that_have_changed() {
    let (_folder, mut sqlite) = empty_store();
    let alice = sqlite.create_account(&account("alice", "a@b.c"));
    let alice = alice.unwrap().unwrap();
    let membership = |number: i64| Membership {
        channel: ChannelName::parse(&format!("#c{number}")).unwrap(),
        joined_at: noon() + SignedDuration::from_millis(number),
        operator: false,
        voice: false,
    };
    let mut presence = presence(&alice, (0..100).map(membership).collect());
    // Returns how many rows were written, the user's own among them.
    let mut written = |presence: &Presence| {
        let before = sqlite.connection.total_changes();
        let change = Change::Presence(presence.clone());
        sqlite.persist(&change).unwrap();
        let stored = sqlite.chat_snapshot().unwrap().presences;
        assert_eq!(&stored, std::slice::from_ref(presence));
        sqlite.connection.total_changes() - before
    };
    assert_eq!(written(&presence), 101);
    presence.channels[7].voice = true;
    assert_eq!(written(&presence), 2, "a mode");
    presence.channels.remove(50);
    assert_eq!(written(&presence), 2, "a part");
    presence.channels.push(membership(50));
    assert_eq!(written(&presence), 2, "a join");
    presence.channels.remove(3);
    presence.channels.push(Membership {
        joined_at: noon() + SignedDuration::from_secs(9),
        ..membership(3)
    });
    assert_eq!(written(&presence), 3, "both");
    presence.channels[20].channel = ChannelName::parse("#renamed").unwrap();
    assert_eq!(written(&presence), 2, "a new name");
    presence.channels.remove(0);
    presence.channels.remove(0);
    presence.channels[0].operator = true;
    assert_eq!(written(&presence), 4, "the first ones");
    presence.channels.swap(10, 20);
    written(&presence);
}

#[test]
fn a_renamed_or_removed_channel_is_stored_for_the_accounts_named_and_no_others() {
    let (_folder, mut sqlite) = empty_store();
    let membership = |channel: &str, at| Membership {
        channel: ChannelName::parse(channel).unwrap(),
        joined_at: at,
        operator: true,
        voice: false,
    };
    let later = noon() + SignedDuration::from_hours(1);
    let latest = later + SignedDuration::from_hours(1);
    let mut presences: Vec<Presence> = ["alice", "bob", "carol"]
        .into_iter()
        .map(|name| {
            let new = account(name, &format!("{name}@b.c"));
            let created = sqlite.create_account(&new).unwrap().unwrap();
            Presence {
                account: created.id,
                name: created.name,
                email: created.email,
                nick: Nick::parse(name).unwrap(),
                username: String::new(),
                realname: String::new(),
                modes: String::new(),
                away: None,
                since: noon(),
                channels: vec![
                    membership("#a", noon()),
                    membership("#X", noon()),
                    membership("#z", latest),
                ],
            }
        })
        .collect();
    for presence in &presences {
        sqlite.persist(&Change::Presence(presence.clone())).unwrap();
    }
    let moved = |accounts: &[AccountId], channel, renamed: Option<&str>| Change::Memberships {
        accounts: accounts.to_vec(),
        channel: ChannelName::parse(channel).unwrap(),
        renamed: renamed.map(|name| (ChannelName::parse(name).unwrap(), later)),
    };
    let [alice, bob, carol] = [0, 1, 2].map(|index| presences[index].account);
    let before = sqlite.connection.total_changes();
    for change in [
        moved(&[alice, bob, AccountId(99)], "#X", Some("#Y")),
        moved(&[alice], "#z", Some("#Z")),
        moved(&[carol, alice], "#a", None),
        moved(&[bob], "#none", None),
    ] {
        sqlite.persist(&change).unwrap();
    }
    assert_eq!(sqlite.connection.total_changes() - before, 5, "rows");
    presences[0].channels = vec![membership("#Y", later), membership("#Z", latest)];
    presences[1].channels[1] = membership("#Y", later);
    presences[2].channels.remove(0);
    assert_eq!(sqlite.chat_snapshot().unwrap().presences, presences);
}

#[test]
fn read_markers_always_on_settings_and_presences_are_deleted_with_the_account() {
    let (_folder, mut sqlite) = empty_store();
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
    let unknown = Account {
        id: AccountId(99),
        ..alice.clone()
    };
    for change in [
        marker(alice.id, "#x", Some(noon())),
        marker(alice.id, "bob", Some(noon())),
        marker(alice.id, "#x", Some(at("2026-11-22T13:00:00.5Z"))),
        marker(alice.id, "bob", None),
        marker(bob.id, "#x", Some(noon())),
        marker(unknown.id, "#x", Some(noon())),
        Change::AlwaysOn(alice.id, Some(false)),
        Change::AlwaysOn(bob.id, Some(true)),
        Change::AlwaysOn(unknown.id, Some(true)),
        Change::Presence(presence(&alice, None)),
        Change::Presence(presence(&alice, Some("lunch"))),
        Change::Presence(presence(&bob, None)),
        Change::Presence(presence(&unknown, None)),
    ] {
        sqlite.persist(&change).unwrap();
    }
    let stored = sqlite.chat_snapshot().unwrap();
    let read = |account, at| (account, "#x".to_owned(), at);
    assert_eq!(
        stored.read_markers,
        [
            read(alice.id, at("2026-11-22T13:00:00.5Z")),
            read(bob.id, noon())
        ]
    );
    assert_eq!(stored.always_on, [(alice.id, false), (bob.id, true)]);
    assert_eq!(
        stored.presences,
        [presence(&alice, Some("lunch")), presence(&bob, None)]
    );

    sqlite.persist(&Change::AlwaysOn(bob.id, None)).unwrap();
    sqlite.set_disabled(bob.id, Some("spam")).unwrap();
    assert_eq!(
        sqlite.chat_snapshot().unwrap().presences.len(),
        1,
        "the user of a disabled account is not restored"
    );
    sqlite.persist(&Change::PresenceRemoved(bob.id)).unwrap();
    sqlite.delete_account(&alice).unwrap();
    sqlite.set_disabled(bob.id, None).unwrap();
    let stored = sqlite.chat_snapshot().unwrap();
    assert_eq!(
        (stored.read_markers, stored.always_on),
        (vec![read(bob.id, noon())], vec![])
    );
    assert!(stored.presences.is_empty());
}
