//! What people say, who hears it, and that it is stored first.

use rookery_protocol::ChannelName;
use rookery_protocol::Nick;

use super::play::*;
use crate::event::{Event, Output};
use rookery_record::{Party, Place};

#[test]
fn all_others_in_the_channel_hear_a_message_once() {
    let mut play = Play::new();
    let (a, b, c, outside) = (
        play.user("alice", ""),
        play.user("bob", ""),
        play.guest("carl", ""),
        play.guest("dora", ""),
    );
    play.channel("#x", &[a, b, c]);
    play.send(a, "PRIVMSG #X :hello :there ");
    let line = ":alice!~alice@users.irc.test PRIVMSG #x :hello :there ";
    assert_eq!(play.heard(b), [line]);
    assert_eq!(play.heard(c), [line]);
    assert!(play.heard(a).is_empty() && play.heard(outside).is_empty());
}

#[test]
fn nothing_of_a_message_is_out_before_it_is_stored() {
    let mut play = Play::new();
    let a = play.user("alice", "echo-message");
    let sibling = play.user("alice", "");
    let b = play.user("bob", "");
    play.channel("#x", &[a, b]);
    for line in [
        "PRIVMSG #x :one",
        "NOTICE bob :two",
        "@label=l PRIVMSG #x :three",
    ] {
        let message = rookery_protocol::Message::parse(line).unwrap();
        let mut outputs = Vec::new();
        play.chat.handle(
            play.now,
            Event::Command {
                session: a,
                message,
            },
            &mut outputs,
        );
        let [
            Output::Store {
                then,
                otherwise: Some(refusal),
                ..
            },
        ] = outputs.as_slice()
        else {
            panic!("{outputs:?}")
        };
        let mut to: Vec<_> = then
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
fn what_is_stored_is_what_was_said() {
    let mut play = Play::new();
    let a = play.user("Alice", "message-tags");
    let b = play.guest("bob", "message-tags server-time account-tag");
    play.channel("#X", &[a, b]);
    play.send(
        a,
        "@+draft/reply=a\\sb;x=y PRIVMSG #x :\u{1}ACTION waves\u{1}",
    );
    play.send(b, "NOTICE alice :psst");
    let [first, second] = play.entries.as_slice() else {
        panic!("{:?}", play.entries)
    };
    assert_eq!(
        first.place,
        Place::Channel(ChannelName::parse("#x").unwrap())
    );
    assert_eq!(first.source, "Alice!~alice@users.irc.test");
    assert_eq!(
        first
            .account
            .as_ref()
            .map(rookery_protocol::AccountName::as_str),
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
            from: Party::Guest(Nick::parse("bob").unwrap()),
            to: Party::Account(Nick::parse("Alice").unwrap()),
        }
    );
    assert!(second.account.is_none());
    assert_ne!(first.msgid, second.msgid);
    assert!(first.msgid.starts_with("run-"));
    let (first, second) = (first.msgid.clone(), second.msgid.clone());
    assert_eq!(
        play.heard(b),
        [format!(
            "@time=2027-01-15T08:00:00.000Z;account=Alice;msgid={first};+draft/reply=a\\sb \
             :Alice!~alice@users.irc.test PRIVMSG #X :\u{1}ACTION waves\u{1}"
        )]
    );
    assert_eq!(
        play.heard(a),
        [format!(
            "@msgid={second} :bob!~bob@guests.irc.test NOTICE Alice :psst"
        )]
    );
}

#[test]
fn a_message_that_cannot_be_stored_reaches_nobody_and_its_sender_is_told() {
    let mut play = Play::new();
    let plain = play.user("alice", "echo-message");
    let modern = play.user("carl", "standard-replies echo-message");
    let b = play.user("bob", "");
    play.channel("#x", &[plain, modern, b]);
    play.stores = false;
    play.send(plain, "PRIVMSG #x :lost");
    let heard = play.heard(plain);
    assert!(
        heard.len() == 1
            && heard[0].starts_with(":irc.test NOTICE alice :#x: The server could not store")
    );
    play.send(modern, "NOTICE bob :lost");
    let heard = play.heard(modern);
    assert!(
        heard.len() == 1 && heard[0].starts_with(":irc.test FAIL NOTICE MESSAGE_NOT_STORED bob :")
    );
    assert!(play.heard(b).is_empty());
}

#[test]
fn without_history_messages_go_straight_out() {
    let mut off = settings();
    off.history = false;
    let mut play = Play::with(off);
    let (a, b) = (play.user("alice", "echo-message"), play.user("bob", ""));
    play.send(a, "PRIVMSG bob :hi");
    assert!(play.entries.is_empty());
    assert_eq!((play.heard(a).len(), play.heard(b).len()), (1, 1));
}

#[test]
fn a_tagmsg_reaches_those_who_read_tags_and_is_not_stored() {
    let mut play = Play::new();
    let a = play.user("alice", "message-tags echo-message");
    let (b, c) = (
        play.user("bob", "message-tags"),
        play.user("carl", "server-time"),
    );
    play.channel("#x", &[a, b, c]);
    play.send(a, "@+typing=active;secret=no TAGMSG #x");
    assert!(play.heard(c).is_empty() && play.entries.is_empty());
    let heard = play.heard(b);
    assert!(
        heard[0].ends_with(";+typing=active :alice!~alice@users.irc.test TAGMSG #x"),
        "{heard:?}"
    );
    assert_eq!(play.heard(a), heard, "the echo has the same msgid");
    assert_eq!(
        commands(&play.ask(a, "@+typing=active TAGMSG nobody")),
        ["401"]
    );
    play.send(c, "@+typing=active PRIVMSG bob :hi");
    assert!(
        !play.heard(b)[0].contains("typing"),
        "only from those who have message-tags"
    );
}

#[test]
fn an_over_long_text_is_cut_and_stored_as_cut() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", ""), play.user("bob", ""));
    play.send(a, &format!("PRIVMSG bob :{}", "\u{e4}".repeat(250)));
    let heard = play.heard(b);
    assert!(heard[0].len() >= 509 && heard[0].ends_with('\u{e4}'));
    assert!(heard[0].ends_with(&format!(" :{}", play.entries[0].text)));
}

#[test]
fn what_cannot_be_sent_is_answered() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", ""), play.user("bob", ""));
    play.channel("#x", &[b]);
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
        assert_eq!(commands(&play.ask(a, line)), [code], "{line}");
    }
    for line in [
        "NOTICE",
        "NOTICE bob",
        "NOTICE nobody :hi",
        "NOTICE #none :hi",
        "NOTICE #x :hi",
    ] {
        assert!(
            play.ask(a, line).is_empty(),
            "an answer to a notice: {line}"
        );
    }
    assert!(play.heard(b).is_empty() && play.entries.is_empty());
}

#[test]
fn several_targets_get_a_message_each_up_to_the_bound() {
    let mut play = Play::new();
    let a = play.user("alice", "");
    let others = ["bob", "carl", "dora", "emil", "fred"].map(|name| play.user(name, ""));
    let heard = play.ask(a, "PRIVMSG bob,bob,carl,nobody,dora,emil :hi");
    assert_eq!(commands(&heard), ["401", "407"]);
    let counts = others.map(|other| play.heard(other).len());
    assert_eq!(counts, [1, 1, 1, 0, 0]);
    assert_eq!(play.entries.len(), 3);
}

#[test]
fn a_message_to_those_with_a_status_reaches_only_them() {
    let mut play = Play::new();
    let (op, voiced, plain) = (
        play.user("op", ""),
        play.user("vic", ""),
        play.user("pat", ""),
    );
    play.channel("#x", &[op, voiced, plain]);
    play.send(op, "MODE #x +v vic");
    play.forget();
    play.entries.clear();
    play.send(plain, "PRIVMSG @#x :help");
    assert_eq!(
        play.heard(op),
        [":pat!~pat@users.irc.test PRIVMSG @#x :help"]
    );
    assert!(play.heard(voiced).is_empty());
    play.send(plain, "PRIVMSG +#x :hm");
    assert_eq!((play.heard(op).len(), play.heard(voiced).len()), (1, 1));
    let tags: Vec<&str> = play
        .entries
        .iter()
        .map(|entry| entry.tags.as_str())
        .collect();
    assert_eq!(
        tags,
        ["statusmsg=@", "statusmsg=+"],
        "so that it is never read back by all"
    );
}

#[test]
fn whoever_writes_to_someone_away_is_told() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", ""), play.user("bob", ""));
    play.send(b, "AWAY :gone fishing");
    assert_eq!(
        play.ask(a, "PRIVMSG bob :hi"),
        [":irc.test 301 alice bob :gone fishing"]
    );
    assert!(play.ask(a, "NOTICE bob :hi").is_empty());
    play.send(b, "AWAY");
    assert!(play.ask(a, "PRIVMSG bob :hi").is_empty());
}

#[test]
fn silenced_users_are_not_heard() {
    let mut play = Play::new();
    let (op, pat, out) = (
        play.user("op", ""),
        play.user("pat", ""),
        play.user("out", ""),
    );
    play.channel("#x", &[op, pat]);
    play.send(op, "MODE #x +m");
    assert_eq!(commands(&play.ask(pat, "PRIVMSG #x :hi")), ["404"]);
    play.send(op, "MODE #x +v pat");
    assert!(play.ask(pat, "PRIVMSG #x :hi").is_empty());
    play.send(op, "MODE #x -v-m+b pat pat");
    assert_eq!(commands(&play.ask(pat, "PRIVMSG #x :hi")), ["404"]);
    play.send(op, "MODE #x +e *!*@users.irc.test");
    assert!(play.ask(pat, "PRIVMSG #x :hi").is_empty());
    assert_eq!(commands(&play.ask(out, "PRIVMSG #x :hi")), ["404"]);
    play.send(op, "MODE #x -n");
    play.forget();
    assert!(play.ask(out, "PRIVMSG #x :hi").is_empty());
    assert_eq!(play.heard(pat).len(), 1);
}

#[test]
fn a_channel_may_be_closed_to_ctcp_but_not_to_actions() {
    let mut play = Play::new();
    let (op, b) = (play.user("op", ""), play.user("bob", ""));
    play.channel("#x", &[op, b]);
    play.send(b, "PRIVMSG #x :\u{1}PING 1\u{1}");
    assert_eq!(commands(&play.heard(op)), ["PRIVMSG"]);
    play.send(op, "MODE #x +C");
    play.forget();
    assert_eq!(
        commands(&play.ask(b, "PRIVMSG #x :\u{1}PING 1\u{1}")),
        ["404"]
    );
    assert_eq!(
        commands(&play.ask(b, "PRIVMSG #x :\u{1}VERSION\u{1}")),
        ["404"]
    );
    assert!(play.heard(op).is_empty());
    play.send(b, "PRIVMSG #x :\u{1}ACTION waves\u{1}");
    assert_eq!(commands(&play.heard(op)), ["PRIVMSG"]);
}
