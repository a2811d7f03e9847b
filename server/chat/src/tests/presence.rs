//! `NICK`, `AWAY`, `SETNAME` and `MONITOR`.

use super::harness::*;
use crate::state::away::AwayState;

#[test]
fn a_nick_change_is_sent_to_those_who_share_a_channel() {
    let mut harness = Harness::new();
    let (a, b, far) = (
        harness.guest("ann", ""),
        harness.guest("bob", ""),
        harness.guest("far", ""),
    );
    harness.channel("#x", &[a, b]);
    let line = ":ann!~ann@guests.irc.test NICK anna";
    assert_eq!(harness.request(a, "NICK anna"), [line]);
    assert_eq!(harness.received(b), [line]);
    assert!(harness.received(far).is_empty());
    assert_eq!(
        harness.request(a, "NICK ANNA"),
        [":anna!~ann@guests.irc.test NICK ANNA"]
    );
    assert!(harness.request(a, "NICK ANNA").is_empty());
    assert_eq!(
        harness.request(far, "PRIVMSG ann :hi")[0],
        ":irc.test 401 far ann :No such nick"
    );
}

#[test]
fn invalid_nicks_are_refused() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", "");
    harness.guest("bob", "");
    for (line, code) in [
        ("NICK", "431"),
        ("NICK :", "431"),
        ("NICK :a b", "432"),
        ("NICK 1a", "432"),
        ("NICK bob", "433"),
        ("NICK BOB", "433"),
        ("NICK b0b", "433"),
    ] {
        assert_eq!(commands(&harness.request(a, line)), [code], "{line}");
    }
}

#[test]
fn a_signed_in_user_cannot_change_its_nick() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "");
    assert!(
        harness.request(a, "NICK queen")[0]
            .starts_with(":irc.test 447 alice :Your nick is the name of your account")
    );
    assert_eq!(commands(&harness.request(a, "NICK ALICE")), ["447"]);
    assert!(harness.request(a, "NICK alice").is_empty());
}

#[test]
fn away_is_announced_when_all_sessions_are_away() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "away-notify");
    let sibling = harness.user("alice", "away-notify");
    assert_eq!(
        commands(&harness.request(sibling, "AWAY :lunch break")),
        ["306"]
    );
    assert!(
        harness
            .request(a, "WHOIS alice")
            .iter()
            .all(|line| !line.contains(" 301 ")),
        "the user is present at the other session"
    );
    let (b, c, far) = (
        harness.user("bob", "away-notify"),
        harness.user("carl", ""),
        harness.user("far", "away-notify"),
    );
    harness.channel("#x", &[a, b, c]);
    harness.channel("#y", &[a, b]);
    assert_eq!(commands(&harness.request(a, "AWAY :lunch")), ["306"]);
    assert_eq!(
        harness.received(b),
        [":alice!~alice@users.irc.test AWAY :lunch"]
    );
    assert_eq!(harness.received(sibling).len(), 1);
    assert!(harness.received(c).is_empty() && harness.received(far).is_empty());
    assert_eq!(commands(&harness.request(a, "AWAY :lunch")), ["306"]);
    assert!(harness.received(b).is_empty(), "nothing has changed");
    assert_eq!(commands(&harness.request(a, "AWAY :")), ["305"]);
    assert_eq!(harness.received(b), [":alice!~alice@users.irc.test AWAY"]);
}

#[test]
fn setname_is_sent_to_clients_with_the_capability() {
    let mut harness = Harness::new();
    let (a, b, c) = (
        harness.user("alice", "setname"),
        harness.user("bob", "setname"),
        harness.user("carl", ""),
    );
    harness.channel("#x", &[a, b, c]);
    let line = ":alice!~alice@users.irc.test SETNAME :Alice L.";
    assert_eq!(harness.request(a, "SETNAME :Alice L."), [line]);
    assert_eq!(harness.received(b), [line]);
    assert!(harness.received(c).is_empty());
    assert!(find(&harness.request(b, "WHOIS alice"), "311").ends_with(":Alice L."));
    for bad in [
        "SETNAME :".to_owned(),
        format!("SETNAME :{}", "x".repeat(129)),
    ] {
        assert!(
            harness.request(a, &bad)[0].starts_with(":irc.test FAIL SETNAME INVALID_REALNAME :")
        );
    }
    assert!(harness.request(c, "SETNAME :Carl").is_empty());
}

#[test]
fn monitors_report_who_connects_and_disconnects() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", "");
    assert_eq!(
        harness.request(a, "MONITOR + Bob,carl"),
        [":irc.test 731 ann :Bob,carl"]
    );
    let bob = harness.guest("bob", "");
    assert_eq!(
        harness.received(a),
        [":irc.test 730 ann :bob!~bob@guests.irc.test"]
    );
    harness.send(bob, "NICK BOB");
    assert!(harness.received(a).is_empty());
    harness.send(bob, "NICK carl");
    assert_eq!(
        harness.received(a),
        [
            ":irc.test 731 ann :BOB",
            ":irc.test 730 ann :carl!~bob@guests.irc.test"
        ]
    );
    assert_eq!(
        harness.request(a, "MONITOR S"),
        [
            ":irc.test 730 ann :carl!~bob@guests.irc.test",
            ":irc.test 731 ann :Bob"
        ]
    );
    assert_eq!(
        harness.request(a, "MONITOR L"),
        [
            ":irc.test 732 ann :Bob,carl",
            ":irc.test 733 ann :End of MONITOR list"
        ]
    );
    assert!(harness.request(a, "MONITOR - carl").is_empty());
    harness.disconnect(bob);
    assert!(harness.received(a).is_empty());
    assert!(harness.request(a, "MONITOR C").is_empty());
    assert_eq!(commands(&harness.request(a, "MONITOR L")), ["733"]);
}

#[test]
fn monitors_are_limited_and_end_with_their_session() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", "");
    let received = harness.request(a, "MONITOR + n1,n2,n3,n4,n5,n6,n7");
    assert_eq!(
        received[0],
        ":irc.test 734 ann 5 n6,n7 :Your monitor list is full"
    );
    assert_eq!(
        commands(&harness.request(a, "MONITOR + *!user@host")),
        ["432"]
    );
    for bad in ["MONITOR", "MONITOR +", "MONITOR ?"] {
        assert_eq!(commands(&harness.request(a, bad)), ["461"]);
    }
    harness.disconnect(a);
    harness.guest("n1", "");
    assert!(harness.received(a).is_empty());
}

#[test]
fn a_quit_includes_the_reason() {
    let mut harness = Harness::new();
    let (a, b) = (harness.guest("ann", ""), harness.guest("bob", ""));
    harness.channel("#x", &[a, b]);
    harness.channel("#y", &[a, b]);
    harness.send(a, "QUIT :Kicked: not really");
    assert_eq!(
        harness.received(b),
        [":ann!~ann@guests.irc.test QUIT :Quit: Kicked: not really"]
    );
    assert_eq!(harness.ended[0].1, "ERROR :Quit: Kicked: not really");
    let c = harness.guest("ann", "");
    harness.channel("#x", &[c]);
    harness.disconnect(c);
    assert_eq!(
        harness.received(b),
        [":ann!~ann@guests.irc.test QUIT :Connection closed"]
    );
}

#[test]
fn extended_monitor_requires_both_capabilities() {
    let mut harness = Harness::new();
    let all = "extended-monitor away-notify setname account-notify chghost";
    let (watcher, plain) = (
        harness.user("watcher", all),
        harness.user("plain", "away-notify setname"),
    );
    let fellow = harness.user("fellow", all);
    let few = harness.user("few", "extended-monitor");
    let bob = harness.user("bob", "");
    for session in [watcher, plain, fellow, few] {
        harness.send(session, "MONITOR + bob");
    }
    harness.channel("#x", &[bob, fellow]);
    harness.send(bob, "AWAY :afk");
    harness.send(bob, "SETNAME :New Bob");
    let notices = [
        ":bob!~bob@users.irc.test AWAY :afk",
        ":bob!~bob@users.irc.test SETNAME :New Bob",
    ];
    assert_eq!(harness.received(watcher), notices);
    assert_eq!(
        harness.received(fellow),
        notices,
        "once, although it also shares a channel"
    );
    assert!(harness.received(plain).is_empty() && harness.received(few).is_empty());
}

#[test]
fn a_new_host_after_sign_in_is_sent_to_clients_with_chghost() {
    let mut harness = Harness::new();
    let (guest, new, old) = (
        harness.guest("eve", ""),
        harness.user("new", "chghost"),
        harness.user("old", ""),
    );
    harness.channel("#x", &[guest, new, old]);
    harness.sign_in(guest, identity("eve"));
    assert_eq!(
        harness.received(new),
        [":eve!~eve@guests.irc.test CHGHOST ~eve users.irc.test"]
    );
    assert!(harness.received(old).is_empty());
}

#[test]
fn an_unattended_session_does_not_count_as_present() {
    let mut harness = Harness::new();
    let bob = harness.user("bob", "away-notify");
    let mut candidate = Harness::candidate("alice", Some(identity("alice")), "draft/pre-away");
    candidate.away_state = AwayState::Unattended;
    let (phone, _) = harness.try_admit(candidate.clone());
    harness.channel("#x", &[bob, phone]);
    let away_message = |harness: &mut Harness| {
        let received = harness.request(bob, "WHOIS alice");
        received.iter().find_map(|line| {
            line.split_once(" 301 bob alice :")
                .map(|(_, text)| text.to_owned())
        })
    };
    assert_eq!(
        away_message(&mut harness).as_deref(),
        Some("Away from keyboard")
    );
    let desk = harness.user("alice", "");
    assert_eq!(harness.received(bob), [":alice!~alice@users.irc.test AWAY"]);
    assert_eq!(commands(&harness.request(desk, "AWAY :lunch")), ["306"]);
    let (script, _) = harness.try_admit(candidate);
    assert_eq!(
        harness.received(bob),
        [":alice!~alice@users.irc.test AWAY :lunch"],
        "the unattended session changes nothing"
    );
    harness.disconnect(desk);
    assert_eq!(away_message(&mut harness).as_deref(), Some("lunch"));
    harness.send(phone, "AWAY");
    assert_eq!(away_message(&mut harness), None);
    harness.send(phone, "AWAY :back soon");
    harness.send(phone, "AWAY *");
    assert_eq!(
        away_message(&mut harness).as_deref(),
        Some("Away from keyboard")
    );
    let plain = harness.user("carl", "");
    harness.send(plain, "AWAY *");
    assert!(
        harness
            .request(bob, "WHOIS carl")
            .iter()
            .any(|line| line.ends_with(" 301 bob carl :*")),
        "an ordinary message without the capability"
    );
    harness.disconnect(script);
}
