//! NICK, AWAY, SETNAME, MONITOR.

use super::play::*;

#[test]
fn a_guest_changes_its_nick_before_all_eyes() {
    let mut play = Play::new();
    let (a, b, far) = (
        play.guest("ann", ""),
        play.guest("bob", ""),
        play.guest("far", ""),
    );
    play.channel("#x", &[a, b]);
    let line = ":ann!~ann@guests.irc.test NICK anna";
    assert_eq!(play.ask(a, "NICK anna"), [line]);
    assert_eq!(play.heard(b), [line]);
    assert!(play.heard(far).is_empty());
    assert_eq!(
        play.ask(a, "NICK ANNA"),
        [":anna!~ann@guests.irc.test NICK ANNA"]
    );
    assert!(play.ask(a, "NICK ANNA").is_empty());
    assert_eq!(
        play.ask(far, "PRIVMSG ann :hi")[0],
        ":irc.test 401 far ann :No such nick"
    );
}

#[test]
fn nicks_that_cannot_be_are_refused() {
    let mut play = Play::new();
    let a = play.guest("ann", "");
    play.guest("bob", "");
    for (line, code) in [
        ("NICK", "431"),
        ("NICK :", "431"),
        ("NICK :a b", "432"),
        ("NICK 1a", "432"),
        ("NICK bob", "433"),
        ("NICK BOB", "433"),
        ("NICK b0b", "433"),
    ] {
        assert_eq!(commands(&play.ask(a, line)), [code], "{line}");
    }
}

#[test]
fn whoever_is_signed_in_keeps_the_name_of_the_account() {
    let mut play = Play::new();
    let a = play.user("alice", "");
    assert!(
        play.ask(a, "NICK queen")[0]
            .starts_with(":irc.test 400 alice NICK :Your nick is the name of your account")
    );
    assert_eq!(commands(&play.ask(a, "NICK ALICE")), ["400"]);
    assert!(play.ask(a, "NICK alice").is_empty());
}

#[test]
fn away_is_told_to_those_who_share_a_channel_once_all_sessions_are() {
    let mut play = Play::new();
    let a = play.user("alice", "away-notify");
    let sibling = play.user("alice", "away-notify");
    assert_eq!(
        commands(&play.ask(sibling, "AWAY :not at this one")),
        ["306"]
    );
    assert!(
        play.ask(a, "WHOIS alice")
            .iter()
            .all(|line| !line.contains(" 301 ")),
        "at the other one"
    );
    let (b, c, far) = (
        play.user("bob", "away-notify"),
        play.user("carl", ""),
        play.user("far", "away-notify"),
    );
    play.channel("#x", &[a, b, c]);
    play.channel("#y", &[a, b]);
    assert_eq!(commands(&play.ask(a, "AWAY :lunch")), ["306"]);
    assert_eq!(play.heard(b), [":alice!~alice@users.irc.test AWAY :lunch"]);
    assert_eq!(play.heard(sibling).len(), 1);
    assert!(play.heard(c).is_empty() && play.heard(far).is_empty());
    assert_eq!(commands(&play.ask(a, "AWAY :lunch")), ["306"]);
    assert!(play.heard(b).is_empty(), "no news");
    assert_eq!(commands(&play.ask(a, "AWAY :")), ["305"]);
    assert_eq!(play.heard(b), [":alice!~alice@users.irc.test AWAY"]);
}

#[test]
fn setname_changes_the_real_name_for_those_who_care() {
    let mut play = Play::new();
    let (a, b, c) = (
        play.user("alice", "setname"),
        play.user("bob", "setname"),
        play.user("carl", ""),
    );
    play.channel("#x", &[a, b, c]);
    let line = ":alice!~alice@users.irc.test SETNAME :Alice L.";
    assert_eq!(play.ask(a, "SETNAME :Alice L."), [line]);
    assert_eq!(play.heard(b), [line]);
    assert!(play.heard(c).is_empty());
    assert!(find(&play.ask(b, "WHOIS alice"), "311").ends_with(":Alice L."));
    for bad in [
        "SETNAME :".to_owned(),
        format!("SETNAME :{}", "x".repeat(129)),
    ] {
        assert!(play.ask(a, &bad)[0].starts_with(":irc.test FAIL SETNAME INVALID_REALNAME :"));
    }
    assert!(play.ask(c, "SETNAME :Carl").is_empty());
}

#[test]
fn monitors_tell_who_comes_and_goes() {
    let mut play = Play::new();
    let a = play.guest("ann", "");
    assert_eq!(
        play.ask(a, "MONITOR + Bob,carl"),
        [":irc.test 731 ann :Bob,carl"]
    );
    let bob = play.guest("bob", "");
    assert_eq!(
        play.heard(a),
        [":irc.test 730 ann :bob!~bob@guests.irc.test"]
    );
    play.send(bob, "NICK BOB");
    assert!(play.heard(a).is_empty());
    play.send(bob, "NICK carl");
    assert_eq!(
        play.heard(a),
        [
            ":irc.test 731 ann :BOB",
            ":irc.test 730 ann :carl!~bob@guests.irc.test"
        ]
    );
    assert_eq!(
        play.ask(a, "MONITOR S"),
        [
            ":irc.test 730 ann :carl!~bob@guests.irc.test",
            ":irc.test 731 ann :Bob"
        ]
    );
    assert_eq!(
        play.ask(a, "MONITOR L"),
        [
            ":irc.test 732 ann :Bob,carl",
            ":irc.test 733 ann :End of MONITOR list"
        ]
    );
    assert!(play.ask(a, "MONITOR - carl").is_empty());
    play.gone(bob);
    assert!(play.heard(a).is_empty());
    assert!(play.ask(a, "MONITOR C").is_empty());
    assert_eq!(commands(&play.ask(a, "MONITOR L")), ["733"]);
}

#[test]
fn monitors_are_bounded_and_go_with_their_session() {
    let mut play = Play::new();
    let a = play.guest("ann", "");
    let heard = play.ask(a, "MONITOR + n1,n2,n3,n4,n5,n6,n7");
    assert_eq!(
        heard[0],
        ":irc.test 734 ann 5 n6,n7 :Your monitor list is full"
    );
    assert_eq!(commands(&play.ask(a, "MONITOR + *!user@host")), ["432"]);
    for bad in ["MONITOR", "MONITOR +", "MONITOR ?"] {
        assert_eq!(commands(&play.ask(a, bad)), ["461"]);
    }
    play.gone(a);
    play.guest("n1", "");
    assert!(play.heard(a).is_empty());
}

#[test]
fn a_quit_says_why() {
    let mut play = Play::new();
    let (a, b) = (play.guest("ann", ""), play.guest("bob", ""));
    play.channel("#x", &[a, b]);
    play.channel("#y", &[a, b]);
    play.send(a, "QUIT :Kicked: not really");
    assert_eq!(
        play.heard(b),
        [":ann!~ann@guests.irc.test QUIT :Quit: Kicked: not really"]
    );
    assert_eq!(play.ended[0].1, "ERROR :Quit: Kicked: not really");
    let c = play.guest("ann", "");
    play.channel("#x", &[c]);
    play.gone(c);
    assert_eq!(
        play.heard(b),
        [":ann!~ann@guests.irc.test QUIT :Connection closed"]
    );
}

#[test]
fn extended_monitor_tells_more_to_whoever_asked_for_both() {
    let mut play = Play::new();
    let all = "extended-monitor away-notify setname account-notify chghost";
    let (watcher, plain) = (
        play.user("watcher", all),
        play.user("plain", "away-notify setname"),
    );
    let fellow = play.user("fellow", all);
    let few = play.user("few", "extended-monitor");
    let bob = play.user("bob", "");
    for session in [watcher, plain, fellow, few] {
        play.send(session, "MONITOR + bob");
    }
    play.channel("#x", &[bob, fellow]);
    play.send(bob, "AWAY :afk");
    play.send(bob, "SETNAME :New Bob");
    let told = [
        ":bob!~bob@users.irc.test AWAY :afk",
        ":bob!~bob@users.irc.test SETNAME :New Bob",
    ];
    assert_eq!(play.heard(watcher), told);
    assert_eq!(
        play.heard(fellow),
        told,
        "once, though there are two reasons"
    );
    assert!(play.heard(plain).is_empty() && play.heard(few).is_empty());
}

#[test]
fn a_guest_who_signs_in_gets_another_host_before_all_eyes() {
    let mut play = Play::new();
    let (guest, new, old) = (
        play.guest("eve", ""),
        play.user("new", "chghost"),
        play.user("old", ""),
    );
    play.channel("#x", &[guest, new, old]);
    play.sign_in(guest, identity("eve"));
    assert_eq!(
        play.heard(new),
        [":eve!~eve@guests.irc.test CHGHOST ~eve users.irc.test"]
    );
    assert!(play.heard(old).is_empty());
}

#[test]
fn a_session_that_nobody_sits_at_counts_for_nobody() {
    let mut play = Play::new();
    let bob = play.user("bob", "away-notify");
    let mut candidate = Play::candidate("alice", Some(identity("alice")), "draft/pre-away");
    candidate.away_state = crate::state::away::AwayState::Unattended;
    let (phone, _) = play.try_admit(candidate.clone());
    play.channel("#x", &[bob, phone]);
    let whois = |play: &mut Play| {
        let heard = play.ask(bob, "WHOIS alice");
        heard.iter().find_map(|line| {
            line.split_once(" 301 bob alice :")
                .map(|(_, text)| text.to_owned())
        })
    };
    assert_eq!(
        whois(&mut play).as_deref(),
        Some("Nobody is at the keyboard just now")
    );
    let desk = play.user("alice", "");
    assert_eq!(play.heard(bob), [":alice!~alice@users.irc.test AWAY"]);
    assert_eq!(commands(&play.ask(desk, "AWAY :lunch")), ["306"]);
    let (script, _) = play.try_admit(candidate);
    assert_eq!(
        play.heard(bob),
        [":alice!~alice@users.irc.test AWAY :lunch"],
        "no news of the other"
    );
    play.gone(desk);
    assert_eq!(whois(&mut play).as_deref(), Some("lunch"));
    play.send(phone, "AWAY");
    assert_eq!(whois(&mut play), None);
    play.send(phone, "AWAY :back soon");
    play.send(phone, "AWAY *");
    assert_eq!(
        whois(&mut play).as_deref(),
        Some("Nobody is at the keyboard just now")
    );
    let plain = play.user("carl", "");
    play.send(plain, "AWAY *");
    assert!(
        play.ask(bob, "WHOIS carl")
            .iter()
            .any(|line| line.ends_with(" 301 bob carl :*")),
        "a word like any"
    );
    play.gone(script);
}
