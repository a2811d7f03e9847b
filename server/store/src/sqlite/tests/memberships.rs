//! Memberships of always-on users whose channels' names were stored by an earlier server.

use super::*;
use rookery_record::{Change, Membership};

#[test]
fn a_membership_from_before_names_were_composed_is_renamed_and_removed() {
    let (_folder, mut sqlite) = empty_store();
    let new = account("alice", "alice@b.c");
    let alice = sqlite.create_account(&new).unwrap().unwrap();
    let channel = |name: &str| ChannelName::parse(name).unwrap();
    let cafe = Membership {
        channel: channel("#café"),
        joined_at: noon(),
        operator: false,
        voice: false,
    };
    let mut presence = presence(&alice, vec![cafe]);
    let to_tea = Some((channel("#tea"), noon()));
    for (renamed, names_left) in [(to_tea, vec!["#tea"]), (None, vec![])] {
        sqlite.persist(&Change::Presence(presence.clone())).unwrap();
        let sql = "UPDATE presence_channels SET channel = ?1";
        execute(&sqlite.connection, sql, ["#cafe\u{301}"]).unwrap();
        let stored = sqlite.chat_snapshot().unwrap().presences;
        assert_eq!(stored[0].channels[0].channel.as_str(), "#café");
        let change = Change::Memberships {
            accounts: vec![alice.id],
            channel: channel("#café"),
            renamed,
        };
        sqlite.persist(&change).unwrap();
        presence = sqlite.chat_snapshot().unwrap().presences.remove(0);
        let left = presence.channels.iter().map(|left| left.channel.as_str());
        assert_eq!(left.collect::<Vec<_>>(), names_left);
    }
}
