//! `WHO`, `WHOIS`, `WHOWAS`, `ISON` and `USERHOST`.

use super::harness::*;

#[test]
fn who_finds_a_channel_a_nick_or_a_mask() {
    let mut harness = Harness::new();
    let (a, b) = (
        harness.user("coolNick", ""),
        harness.user("other", "multi-prefix"),
    );
    harness.channel("#chan", &[a, b]);
    harness.send(a, "MODE #chan +v coolNick");
    harness.send(a, "AWAY :brb");
    assert_eq!(
        harness.request(a, "WHO #CHAN"),
        [
            ":irc.test 352 coolNick #chan ~coolnick users.irc.test irc.test coolNick G~ :0 Real coolNick",
            ":irc.test 352 coolNick #chan ~other users.irc.test irc.test other H :0 Real other",
            ":irc.test 315 coolNick #CHAN :End of /WHO list",
        ]
    );
    assert!(harness.request(b, "WHO #chan")[0].contains(" coolNick G~@+ "));
    for mask in ["coolNick", "coolnick", "coolni*"] {
        let received = harness.request(b, &format!("WHO {mask}"));
        assert_eq!(received.len(), 2, "{mask}");
        assert_eq!(
            received[0],
            ":irc.test 352 other * ~coolnick users.irc.test irc.test coolNick G :0 Real coolNick"
        );
    }
    assert_eq!(
        commands(&harness.request(b, "WHO *")),
        ["352", "352", "315"]
    );
    assert_eq!(commands(&harness.request(b, "WHO nobody")), ["315"]);
    assert_eq!(
        commands(&harness.request(b, "WHO * o")),
        ["315"],
        "there are no operators on this port"
    );
}

#[test]
fn a_mask_finds_names_however_they_are_typed() {
    let mut harness = Harness::new();
    let zoe = harness.user("Zoé", "");
    let other = harness.user("other", "");
    harness.send(zoe, "SETNAME :Zoé CAFÉ");
    for mask in [
        "zo\u{e9}*",
        "ZOE\u{301}*",
        "*cafe\u{301}",
        "*ＣＡＦÉ",
        "~zo*",
    ] {
        let found = harness.request(other, &format!("WHO {mask}"));
        assert_eq!(commands(&found), ["352", "315"], "{mask}");
    }
    assert_eq!(commands(&harness.request(other, "WHO zoe*")), ["315"]);
}

#[test]
fn invisible_users_are_found_by_their_exact_nick_or_in_a_shared_channel() {
    let mut harness = Harness::new();
    let (evan, shiv) = (harness.user("evan", ""), harness.user("shiv", ""));
    harness.send(evan, "MODE evan +i");
    assert_eq!(commands(&harness.request(shiv, "WHO eva*")), ["315"]);
    assert_eq!(commands(&harness.request(shiv, "WHO evan")), ["352", "315"]);
    harness.channel("#x", &[evan, shiv]);
    assert_eq!(commands(&harness.request(shiv, "WHO eva*")), ["352", "315"]);
}

#[test]
fn whois_discloses_only_public_information() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("Alice", ""), harness.guest("bob", ""));
    harness.channel("#open,#hidden,#shared", &[a]);
    harness.channel("#shared", &[b]);
    harness.send(a, "MODE #hidden +s");
    harness.advance(30);
    let received = harness.request(b, "WHOIS irc.test ALICE");
    assert_eq!(
        received,
        [
            ":irc.test 311 bob Alice ~alice users.irc.test * :Real Alice",
            ":irc.test 319 bob Alice :~#open ~#shared",
            ":irc.test 312 bob Alice irc.test :Test",
            ":irc.test 330 bob Alice Alice :is logged in as",
            ":irc.test 671 bob Alice :is using a secure connection",
            ":irc.test 317 bob Alice 30 1800000000 :seconds idle, signon time",
            ":irc.test 318 bob ALICE :End of /WHOIS list",
        ]
    );
    harness.send(a, "MODE alice +i");
    harness.send(a, "AWAY :brb");
    let received = harness.request(b, "WHOIS alice");
    assert_eq!(find(&received, "319"), ":irc.test 319 bob Alice :~#shared");
    assert_eq!(find(&received, "301"), ":irc.test 301 bob Alice :brb");
    assert!(!commands(&harness.request(a, "WHOIS bob")).contains(&"330".to_owned()));
    assert_eq!(
        commands(&harness.request(b, "WHOIS nobody")),
        ["401", "318"]
    );
    assert_eq!(commands(&harness.request(b, "WHOIS")), ["431"]);
}

#[test]
fn whowas_lists_the_latest_user_first() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", "");
    for username in ["one", "two"] {
        let mut candidate = Harness::candidate("nick2", None, "");
        candidate.username = username.to_owned();
        let (session, _) = harness.try_admit(candidate);
        harness.disconnect(session);
    }
    let received = harness.request(a, "WHOWAS NICK2");
    assert_eq!(commands(&received), ["314", "312", "314", "312", "369"]);
    assert_eq!(
        received[0],
        ":irc.test 314 ann nick2 ~two guests.irc.test * :Real nick2"
    );
    assert_eq!(
        commands(&harness.request(a, "WHOWAS nick2 1")),
        ["314", "312", "369"]
    );
    assert_eq!(commands(&harness.request(a, "WHOWAS nick2 -1")).len(), 5);
    assert_eq!(
        commands(&harness.request(a, "WHOWAS nobody")),
        ["406", "369"]
    );
    assert_eq!(commands(&harness.request(a, "WHOWAS")), ["431"]);
    harness.send(a, "NICK anna");
    assert_eq!(
        commands(&harness.request(a, "WHOWAS ann"))[0],
        "314",
        "a former nick counts"
    );
}

#[test]
fn ison_and_userhost_list_connected_users() {
    let mut harness = Harness::new();
    let (a, _) = (harness.user("Alice", ""), harness.guest("bob", ""));
    assert_eq!(
        harness.request(a, "ISON nobody BOB :alice x"),
        [":irc.test 303 Alice :bob Alice"]
    );
    harness.send(a, "AWAY :x");
    assert_eq!(
        harness.request(a, "USERHOST alice nobody bob"),
        [":irc.test 302 Alice :Alice=-~alice@users.irc.test bob=+~bob@guests.irc.test"]
    );
}

#[test]
fn whox_returns_the_requested_fields_in_the_fixed_order() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", ""), harness.guest("bob", ""));
    harness.channel("#chan", &[a]);
    harness.advance(30);
    assert_eq!(
        harness.request(b, "WHO alice %raodlfnshiuct,123"),
        [
            ":irc.test 354 bob 123 * ~alice 255.255.255.255 users.irc.test irc.test alice H 0 30 alice n/a :Real alice",
            ":irc.test 315 bob alice :End of /WHO list",
        ]
    );
    assert_eq!(
        harness.request(b, "WHO #chan %cfn")[0],
        ":irc.test 354 bob #chan alice H~"
    );
    assert_eq!(
        harness.request(b, "WHO bob %na")[0],
        ":irc.test 354 bob bob 0",
        "a guest has no account"
    );
    assert_eq!(
        harness.request(b, "WHO bob %tn,12345")[0],
        ":irc.test 354 bob 0 bob",
        "a token has three digits"
    );
    assert_eq!(
        commands(&harness.request(b, "WHO * o%n")),
        ["315"],
        "there are no operators on this port"
    );
}

#[test]
fn a_bot_is_marked_in_messages_who_and_whois() {
    let mut harness = Harness::new();
    let (bot, a) = (
        harness.user("robot", "echo-message message-tags"),
        harness.user("alice", "message-tags"),
    );
    let plain = harness.user("paul", "");
    harness.channel("#x", &[bot, a, plain]);
    assert_eq!(
        harness.request(bot, "MODE robot +B"),
        [":robot!~robot@users.irc.test MODE robot +B"]
    );
    assert_eq!(
        harness.request(bot, "MODE robot"),
        [":irc.test 221 robot +B"]
    );
    let echo = harness.request(bot, "PRIVMSG #x :beep");
    assert!(echo[0].contains(";bot :robot!"), "{echo:?}");
    assert!(harness.received(a)[0].contains(";bot :robot!"));
    assert_eq!(
        harness.received(plain),
        [":robot!~robot@users.irc.test PRIVMSG #x :beep"]
    );
    assert!(
        harness.entries.last().unwrap().tags.contains("bot"),
        "the mark is stored in the history"
    );
    find(&harness.request(plain, "WHOIS robot"), "335");
    assert!(harness.request(plain, "WHO robot")[0].contains(" robot HB :"));
    harness.send(bot, "MODE robot -B+i");
    assert_eq!(
        harness.received(bot),
        [":robot!~robot@users.irc.test MODE robot +i-B"]
    );
    harness.send(bot, "PRIVMSG #x :no longer a bot");
    assert!(!harness.received(a)[0].contains("bot :"));
}
