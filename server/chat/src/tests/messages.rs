//! Messages: who receives them, and that they are stored first.

use rookery_protocol::{AccountName, ChannelName};

use super::harness::*;
use crate::event::{Output, Settings};
use rookery_record::{Participant, Place};

#[test]
fn all_other_members_receive_a_channel_message_once() {
    let mut harness = Harness::new();
    let (a, b, c, outside) = (
        harness.user("alice", ""),
        harness.user("bob", ""),
        harness.guest("carl", ""),
        harness.guest("dora", ""),
    );
    harness.channel("#x", &[a, b, c]);
    harness.send(a, "PRIVMSG #X :hello :there ");
    let line = ":alice!~alice@users.irc.test PRIVMSG #x :hello :there ";
    assert_eq!(harness.received(b), [line]);
    assert_eq!(harness.received(c), [line]);
    assert!(harness.received(a).is_empty() && harness.received(outside).is_empty());
}

#[test]
fn a_message_is_delivered_only_after_it_is_stored() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "echo-message");
    let sibling = harness.user("alice", "");
    let b = harness.user("bob", "");
    harness.channel("#x", &[a, b]);
    for line in [
        "PRIVMSG #x :one",
        "NOTICE bob :two",
        "@label=l PRIVMSG #x :three",
    ] {
        let outputs = harness.outputs_of(a, line);
        let [
            Output::Store {
                deliveries,
                on_failure: Some(refusal),
                ..
            },
        ] = outputs.as_slice()
        else {
            panic!("{outputs:?}")
        };
        let mut to: Vec<_> = deliveries
            .iter()
            .flat_map(|delivery| &delivery.to)
            .copied()
            .collect();
        to.sort();
        assert_eq!(to, [a, sibling, b]);
        assert_eq!(refusal.to, [a]);
    }
}

#[test]
fn a_message_is_stored_as_it_was_sent() {
    let mut harness = Harness::new();
    let a = harness.user("Alice", "message-tags");
    let b = harness.guest("bob", "message-tags server-time account-tag");
    harness.channel("#X", &[a, b]);
    harness.send(
        a,
        "@+draft/reply=a\\sb;x=y PRIVMSG #x :\u{1}ACTION waves\u{1}",
    );
    harness.send(b, "NOTICE alice :psst");
    let [first, second] = harness.entries.as_slice() else {
        panic!("{:?}", harness.entries)
    };
    assert_eq!(
        first.place,
        Place::Channel(ChannelName::parse("#x").unwrap())
    );
    assert_eq!(first.source, "Alice!~alice@users.irc.test");
    assert_eq!(
        first.account.as_ref().map(AccountName::as_str),
        Some("Alice")
    );
    assert_eq!(
        (first.command.as_str(), first.text.as_str()),
        ("PRIVMSG", "\u{1}ACTION waves\u{1}")
    );
    assert_eq!(
        (first.tags.as_str(), first.at),
        ("+draft/reply=a\\sb", START)
    );
    assert_eq!(
        second.place,
        Place::Direct {
            from: Participant::Guest(nick("bob")),
            to: Participant::Account(nick("Alice")),
        }
    );
    assert!(second.account.is_none());
    assert_ne!(first.msgid, second.msgid);
    assert!(first.msgid.starts_with("run-"));
    let (first, second) = (first.msgid.clone(), second.msgid.clone());
    assert_eq!(
        harness.received(b),
        [format!(
            "@time=2027-01-15T08:00:00.000Z;account=Alice;msgid={first};+draft/reply=a\\sb \
             :Alice!~alice@users.irc.test PRIVMSG #X :\u{1}ACTION waves\u{1}"
        )]
    );
    assert_eq!(
        harness.received(a),
        [format!(
            "@msgid={second} :bob!~bob@guests.irc.test NOTICE Alice :psst"
        )]
    );
}

#[test]
fn ids_do_not_show_how_many_messages_others_send() {
    let ids = |others: usize| {
        let mut harness = Harness::new();
        let (a, b) = (harness.user("alice", ""), harness.user("bob", ""));
        harness.channel("#x", &[a]);
        harness.channel("#y", &[b]);
        harness.entries.clear();
        harness.send(a, "PRIVMSG #x :one");
        harness.advance(1);
        for _ in 0..others {
            harness.send(b, "PRIVMSG #y :hidden");
        }
        harness.advance(1);
        harness.send(a, "PRIVMSG #x :two");
        let ends = [harness.entries.first(), harness.entries.last()];
        ends.map(|entry| entry.unwrap().msgid.clone())
    };
    assert_eq!(ids(0), ids(50));
}

#[test]
fn a_sender_that_has_had_its_share_stored_is_refused_until_the_day_has_passed() {
    let mut harness = Harness::with(Settings {
        stored_bytes_per_day: 1000,
        ..settings()
    });
    let a = harness.user("alice", "standard-replies");
    let sibling = harness.user("alice", "standard-replies");
    let b = harness.user("bob", "");
    harness.channel("#x", &[a, b]);
    let text = "x".repeat(200);
    let is_sent = |harness: &mut Harness, session, target: &str| {
        harness.clear_received();
        harness.send(session, &format!("PRIVMSG {target} :{text}"));
        match harness.received(session).first() {
            None => true,
            Some(refusal) => {
                let start = format!(":irc.test FAIL PRIVMSG MESSAGE_NOT_STORED {target} :");
                assert!(refusal.starts_with(&start), "{refusal}");
                assert!(harness.received(b).is_empty());
                false
            }
        }
    };
    assert!(is_sent(&mut harness, a, "#x") && is_sent(&mut harness, a, "#x"));
    assert!(!is_sent(&mut harness, a, "#x") && !is_sent(&mut harness, a, "bob"));
    assert!(
        !is_sent(&mut harness, sibling, "bob"),
        "it is the same account"
    );
    assert!(is_sent(&mut harness, b, "alice"), "others are not affected");
    harness.advance(12 * 60 * 60);
    assert!(is_sent(&mut harness, a, "#x") && !is_sent(&mut harness, a, "#x"));
    // A clock that was ahead neither extends the wait nor ends it.
    harness.advance(40 * 24 * 60 * 60);
    while is_sent(&mut harness, a, "#x") {}
    harness.advance(-40 * 24 * 60 * 60);
    assert!(!is_sent(&mut harness, a, "#x"));
    harness.advance(24 * 60 * 60);
    assert!(is_sent(&mut harness, a, "#x") && is_sent(&mut harness, a, "#x"));
}

#[test]
fn a_message_that_cannot_be_stored_is_delivered_to_no_one_and_refused() {
    let mut harness = Harness::new();
    let plain = harness.user("alice", "echo-message");
    let modern = harness.user("carl", "standard-replies echo-message");
    let b = harness.user("bob", "");
    harness.channel("#x", &[plain, modern, b]);
    harness.store_works = false;
    harness.send(plain, "PRIVMSG #x :lost");
    let received = harness.received(plain);
    assert!(
        received.len() == 1
            && received[0].starts_with(":irc.test NOTICE alice :#x: The server could not store")
    );
    harness.send(modern, "NOTICE bob :lost");
    let received = harness.received(modern);
    assert!(
        received.len() == 1
            && received[0].starts_with(":irc.test FAIL NOTICE MESSAGE_NOT_STORED bob :")
    );
    assert!(harness.received(b).is_empty());
}

#[test]
fn without_history_messages_are_delivered_at_once() {
    let mut off = settings();
    off.history = false;
    let mut harness = Harness::with(off);
    let (a, b) = (
        harness.user("alice", "echo-message"),
        harness.user("bob", ""),
    );
    harness.send(a, "PRIVMSG bob :hi");
    assert!(harness.entries.is_empty());
    assert_eq!(
        (harness.received(a).len(), harness.received(b).len()),
        (1, 1)
    );
}

#[test]
fn a_typing_notification_reaches_only_clients_with_tags_and_is_not_stored() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "message-tags echo-message");
    let (b, c) = (
        harness.user("bob", "message-tags"),
        harness.user("carl", "server-time"),
    );
    harness.channel("#x", &[a, b, c]);
    harness.send(a, "@+typing=active;secret=no TAGMSG #x");
    assert!(harness.received(c).is_empty() && harness.entries.is_empty());
    let received = harness.received(b);
    assert!(
        received[0].ends_with(";+typing=active :alice!~alice@users.irc.test TAGMSG #x"),
        "{received:?}"
    );
    assert_eq!(harness.received(a), received, "the echo has the same msgid");
    assert_eq!(
        commands(&harness.request(a, "@+typing=active TAGMSG nobody")),
        ["401"]
    );
    harness.send(c, "@+typing=active PRIVMSG bob :hi");
    assert!(
        !harness.received(b)[0].contains("typing"),
        "tags are accepted only from clients with message-tags"
    );
}

#[test]
fn long_tags_are_relayed_but_only_the_first_are_stored() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "message-tags");
    let b = harness.user("bob", "message-tags");
    let long = format!("+baz={}", "x".repeat(4000));
    let tags = format!("+a=\\:b;+c=d;{long}");
    harness.send(a, &format!("@{tags} PRIVMSG bob :hi"));
    assert!(harness.received(b)[0].contains(&tags));
    assert_eq!(harness.entries.pop().unwrap().tags, "+a=\\:b;+c=d");
    harness.send(a, &format!("@{long} PRIVMSG bob :hi"));
    assert!(harness.received(b)[0].contains(&long));
    assert_eq!(harness.entries.pop().unwrap().tags, "");
    harness.send(a, &format!("@{long} TAGMSG bob"));
    assert!(harness.received(b)[0].contains(&long));
    assert!(harness.entries.is_empty(), "there is nothing to store");
    for (length, stored) in [(512, 512), (513, 0)] {
        let tag = format!("+t={}", "x".repeat(length - 3));
        harness.send(a, &format!("@{tag} PRIVMSG bob :hi"));
        assert_eq!(harness.entries.pop().unwrap().tags.len(), stored);
    }
}

#[test]
fn the_sender_of_a_message_that_is_cut_is_warned_unless_its_client_sees_or_confuses_it() {
    // The source `alice!~alice@users.irc.test` leaves these bytes of the receivers' lines.
    for (start, room) in [
        ("PRIVMSG #x", 469),
        ("NOTICE #x", 470),
        ("PRIVMSG bob", 468),
    ] {
        let command = start.split(' ').next().unwrap();
        for (capabilities, replies) in [
            ("standard-replies", vec!["WARN"]),
            ("standard-replies echo-message", vec![command, "WARN"]),
            ("message-tags", vec!["NOTICE"]),
            ("message-tags echo-message", vec![command]),
            ("", vec![]),
        ] {
            let mut harness = Harness::new();
            let (alice, bob) = (harness.user("alice", capabilities), harness.user("bob", ""));
            harness.channel("#x", &[alice, bob]);
            let fits = harness.request(alice, &format!("{start} :{}", "n".repeat(room)));
            assert!(fits.iter().all(|line| !line.contains(" cut to ")));
            let long = harness.request(alice, &format!("{start} :{}", "n".repeat(room + 1)));
            assert_eq!(commands(&long), replies, "{start} {capabilities}");
            let received = harness.received(bob);
            assert_eq!([received[0].len(), received[1].len()], [510; 2]);
        }
    }
}

#[test]
fn a_long_text_is_stored_as_it_is_delivered_cut() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", ""), harness.user("bob", ""));
    harness.send(a, &format!("PRIVMSG bob :{}", "\u{e4}".repeat(250)));
    let received = harness.received(b);
    assert!(received[0].len() >= 509 && received[0].ends_with('\u{e4}'));
    assert!(received[0].ends_with(&format!(" :{}", harness.entries[0].text)));
}

#[test]
fn messages_that_cannot_be_sent_are_answered() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", ""), harness.user("bob", ""));
    harness.channel("#x", &[b]);
    for (line, code) in [
        ("PRIVMSG", "411"),
        ("PRIVMSG bob", "412"),
        ("PRIVMSG bob :", "412"),
        ("PRIVMSG nobody :hi", "401"),
        ("PRIVMSG ne*ody :hi", "401"),
        ("PRIVMSG #none :hi", "403"),
        ("PRIVMSG # :hi", "403"),
        ("PRIVMSG #x :hi", "404"),
        ("TAGMSG", "461"),
    ] {
        assert_eq!(commands(&harness.request(a, line)), [code], "{line}");
    }
    for line in [
        "NOTICE",
        "NOTICE bob",
        "NOTICE nobody :hi",
        "NOTICE #none :hi",
        "NOTICE #x :hi",
    ] {
        assert!(
            harness.request(a, line).is_empty(),
            "a notice gets no reply: {line}"
        );
    }
    assert!(harness.received(b).is_empty() && harness.entries.is_empty());
}

#[test]
fn several_targets_receive_one_message_each_up_to_the_limit() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "");
    let others = ["bob", "carl", "dora", "emil", "fred"].map(|name| harness.user(name, ""));
    let received = harness.request(a, "PRIVMSG bob,bob,carl,nobody,dora,emil :hi");
    assert_eq!(commands(&received), ["401", "407"]);
    let counts = others.map(|other| harness.received(other).len());
    assert_eq!(counts, [1, 1, 1, 0, 0]);
    assert_eq!(harness.entries.len(), 3);
}

#[test]
fn a_message_to_a_status_reaches_only_members_with_it() {
    let mut harness = Harness::new();
    let (op, voiced, plain) = (
        harness.user("op", ""),
        harness.user("vic", ""),
        harness.user("pat", ""),
    );
    harness.channel("#x", &[op, voiced, plain]);
    harness.send(op, "MODE #x +v vic");
    harness.clear_received();
    harness.entries.clear();
    harness.send(plain, "PRIVMSG @#x :help");
    assert_eq!(
        harness.received(op),
        [":pat!~pat@users.irc.test PRIVMSG @#x :help"]
    );
    assert!(harness.received(voiced).is_empty());
    harness.send(plain, "PRIVMSG +#x :hm");
    assert_eq!(
        (harness.received(op).len(), harness.received(voiced).len()),
        (1, 1)
    );
    let tags: Vec<&str> = harness
        .entries
        .iter()
        .map(|entry| entry.tags.as_str())
        .collect();
    assert_eq!(
        tags,
        ["statusmsg=@", "statusmsg=+"],
        "so that other members cannot read it in the history"
    );
}

#[test]
fn the_sender_of_a_message_to_an_away_user_receives_the_away_message() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", ""), harness.user("bob", ""));
    harness.send(b, "AWAY :gone fishing");
    assert_eq!(
        harness.request(a, "PRIVMSG bob :hi"),
        [":irc.test 301 alice bob :gone fishing"]
    );
    assert!(harness.request(a, "NOTICE bob :hi").is_empty());
    harness.send(b, "AWAY");
    assert!(harness.request(a, "PRIVMSG bob :hi").is_empty());
}

#[test]
fn silenced_users_cannot_speak() {
    let mut harness = Harness::new();
    let (op, pat, out) = (
        harness.user("op", ""),
        harness.user("pat", ""),
        harness.user("out", ""),
    );
    harness.channel("#x", &[op, pat]);
    harness.send(op, "MODE #x +m");
    assert_eq!(commands(&harness.request(pat, "PRIVMSG #x :hi")), ["404"]);
    harness.send(op, "MODE #x +v pat");
    assert!(harness.request(pat, "PRIVMSG #x :hi").is_empty());
    harness.send(op, "MODE #x -v-m+b pat pat");
    assert_eq!(commands(&harness.request(pat, "PRIVMSG #x :hi")), ["404"]);
    harness.send(op, "MODE #x +e *!*@users.irc.test");
    assert!(harness.request(pat, "PRIVMSG #x :hi").is_empty());
    assert_eq!(commands(&harness.request(out, "PRIVMSG #x :hi")), ["404"]);
    harness.send(op, "MODE #x -n");
    harness.clear_received();
    assert!(harness.request(out, "PRIVMSG #x :hi").is_empty());
    assert_eq!(harness.received(pat).len(), 1);
}

#[test]
fn a_channel_may_refuse_ctcp_except_actions() {
    let mut harness = Harness::new();
    let (op, b) = (harness.user("op", ""), harness.user("bob", ""));
    harness.channel("#x", &[op, b]);
    harness.send(b, "PRIVMSG #x :\u{1}PING 1\u{1}");
    assert_eq!(commands(&harness.received(op)), ["PRIVMSG"]);
    harness.send(op, "MODE #x +C");
    harness.clear_received();
    for text in [
        "\u{1}PING 1\u{1}",
        "\u{1}VERSION\u{1}",
        "\u{1}ACTION\u{1}VERSION\u{1}",
        "\u{1}ACTION waves\u{1}\u{1}VERSION\u{1}",
    ] {
        let refused = harness.request(b, &format!("PRIVMSG #x :{text}"));
        assert_eq!(commands(&refused), ["404"], "{text:?}");
    }
    assert!(harness.received(op).is_empty());
    for text in [
        "\u{1}ACTION waves\u{1}",
        "\u{1}ACTION",
        "a \u{1}VERSION\u{1}",
    ] {
        harness.send(b, &format!("PRIVMSG #x :{text}"));
        assert_eq!(commands(&harness.received(op)), ["PRIVMSG"], "{text:?}");
    }
}

#[test]
fn a_text_whose_colon_was_left_out_is_taken_whole() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", ""), harness.user("bob", "setname"));
    harness.channel("#x", &[a, b]);
    for (typed, whole) in [
        ("PRIVMSG #x one two three", "PRIVMSG #x :one two three"),
        ("NOTICE #x one two three", "NOTICE #x :one two three"),
        ("TOPIC #x one two three", "TOPIC #x :one two three"),
        ("SETNAME one two three", "SETNAME :one two three"),
        ("PART #x one two three", "PART #x :one two three"),
    ] {
        harness.send(a, typed);
        let received = harness.received(b);
        let line = format!(":alice!~alice@users.irc.test {whole}");
        assert_eq!(received, [line], "{typed}");
    }
}

#[test]
fn long_tags_weigh_as_much_as_the_messages_that_would_have_them() {
    let weight = |targets: &str, tags: usize| {
        let line = format!("@+t={} TAGMSG {targets}", "x".repeat(tags - 2));
        crate::weight(&rookery_protocol::Message::parse(&line).unwrap())
    };
    assert_eq!(weight("#x", 512), crate::Weight::messages(1));
    assert_eq!(weight("#x", 513), crate::Weight::messages(2));
    assert_eq!(weight("#x,#y", 4000), crate::Weight::messages(16));
}
