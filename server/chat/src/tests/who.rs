//! WHO, WHOIS, WHOWAS, ISON, USERHOST.

use super::play::*;

#[test]
fn who_finds_a_channel_a_nick_or_a_mask() {
    let mut play = Play::new();
    let (a, b) = (
        play.user("coolNick", ""),
        play.user("other", "multi-prefix"),
    );
    play.channel("#chan", &[a, b]);
    play.send(a, "MODE #chan +v coolNick");
    play.send(a, "AWAY :brb");
    assert_eq!(
        play.ask(a, "WHO #CHAN"),
        [
            ":irc.test 352 coolNick #chan ~coolnick users.irc.test irc.test coolNick G~ :0 Real coolNick",
            ":irc.test 352 coolNick #chan ~other users.irc.test irc.test other H :0 Real other",
            ":irc.test 315 coolNick #CHAN :End of /WHO list",
        ]
    );
    assert!(play.ask(b, "WHO #chan")[0].contains(" coolNick G~@+ "));
    for mask in ["coolNick", "coolnick", "coolni*"] {
        let heard = play.ask(b, &format!("WHO {mask}"));
        assert_eq!(heard.len(), 2, "{mask}");
        assert_eq!(
            heard[0],
            ":irc.test 352 other * ~coolnick users.irc.test irc.test coolNick G :0 Real coolNick"
        );
    }
    assert_eq!(commands(&play.ask(b, "WHO *")), ["352", "352", "315"]);
    assert_eq!(commands(&play.ask(b, "WHO nobody")), ["315"]);
    assert_eq!(
        commands(&play.ask(b, "WHO * o")),
        ["315"],
        "no operator is on this port"
    );
}

#[test]
fn invisible_users_are_found_by_their_whole_nick_or_their_fellows() {
    let mut play = Play::new();
    let (evan, shiv) = (play.user("evan", ""), play.user("shiv", ""));
    play.send(evan, "MODE evan +i");
    assert_eq!(commands(&play.ask(shiv, "WHO eva*")), ["315"]);
    assert_eq!(commands(&play.ask(shiv, "WHO evan")), ["352", "315"]);
    play.channel("#x", &[evan, shiv]);
    assert_eq!(commands(&play.ask(shiv, "WHO eva*")), ["352", "315"]);
}

#[test]
fn whois_tells_what_may_be_known() {
    let mut play = Play::new();
    let (a, b) = (play.user("Alice", ""), play.guest("bob", ""));
    play.channel("#open,#hidden,#shared", &[a]);
    play.channel("#shared", &[b]);
    play.send(a, "MODE #hidden +s");
    play.wait(30);
    let heard = play.ask(b, "WHOIS irc.test ALICE");
    assert_eq!(
        heard,
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
    play.send(a, "MODE alice +i");
    play.send(a, "AWAY :brb");
    let heard = play.ask(b, "WHOIS alice");
    assert_eq!(find(&heard, "319"), ":irc.test 319 bob Alice :~#shared");
    assert_eq!(find(&heard, "301"), ":irc.test 301 bob Alice :brb");
    assert!(!commands(&play.ask(a, "WHOIS bob")).contains(&"330".to_owned()));
    assert_eq!(commands(&play.ask(b, "WHOIS nobody")), ["401", "318"]);
    assert_eq!(commands(&play.ask(b, "WHOIS")), ["431"]);
}

#[test]
fn whowas_remembers_the_last_first() {
    let mut play = Play::new();
    let a = play.guest("ann", "");
    for username in ["one", "two"] {
        let mut candidate = Play::candidate("nick2", None, "");
        candidate.username = username.to_owned();
        let (session, _) = play.try_admit(candidate);
        play.gone(session);
    }
    let heard = play.ask(a, "WHOWAS NICK2");
    assert_eq!(commands(&heard), ["314", "312", "314", "312", "369"]);
    assert_eq!(
        heard[0],
        ":irc.test 314 ann nick2 ~two guests.irc.test * :Real nick2"
    );
    assert_eq!(
        commands(&play.ask(a, "WHOWAS nick2 1")),
        ["314", "312", "369"]
    );
    assert_eq!(commands(&play.ask(a, "WHOWAS nick2 -1")).len(), 5);
    assert_eq!(commands(&play.ask(a, "WHOWAS nobody")), ["406", "369"]);
    assert_eq!(commands(&play.ask(a, "WHOWAS")), ["431"]);
    play.send(a, "NICK anna");
    assert_eq!(
        commands(&play.ask(a, "WHOWAS ann"))[0],
        "314",
        "a nick given up counts"
    );
}

#[test]
fn ison_and_userhost_tell_of_those_who_are_here() {
    let mut play = Play::new();
    let (a, _) = (play.user("Alice", ""), play.guest("bob", ""));
    assert_eq!(
        play.ask(a, "ISON nobody BOB :alice x"),
        [":irc.test 303 Alice :bob Alice"]
    );
    play.send(a, "AWAY :x");
    assert_eq!(
        play.ask(a, "USERHOST alice nobody bob"),
        [":irc.test 302 Alice :Alice=-~alice@users.irc.test bob=+~bob@guests.irc.test"]
    );
}

#[test]
fn whox_answers_what_was_asked_in_its_own_order() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", ""), play.guest("bob", ""));
    play.channel("#chan", &[a]);
    play.wait(30);
    assert_eq!(
        play.ask(b, "WHO alice %raodlfnshiuct,123"),
        [
            ":irc.test 354 bob 123 * ~alice 255.255.255.255 users.irc.test irc.test alice H 0 30 alice n/a :Real alice",
            ":irc.test 315 bob alice :End of /WHO list",
        ]
    );
    assert_eq!(
        play.ask(b, "WHO #chan %cfn")[0],
        ":irc.test 354 bob #chan alice H~"
    );
    assert_eq!(
        play.ask(b, "WHO bob %na")[0],
        ":irc.test 354 bob bob 0",
        "a guest has no account"
    );
    assert_eq!(
        play.ask(b, "WHO bob %tn,12345")[0],
        ":irc.test 354 bob 0 bob",
        "a token has three digits"
    );
    assert_eq!(
        commands(&play.ask(b, "WHO * o%n")),
        ["315"],
        "no operator is on this port"
    );
}

#[test]
fn a_bot_says_so_and_is_known_by_it() {
    let mut play = Play::new();
    let (bot, a) = (
        play.user("robot", "echo-message message-tags"),
        play.user("alice", "message-tags"),
    );
    let plain = play.user("paul", "");
    play.channel("#x", &[bot, a, plain]);
    assert_eq!(
        play.ask(bot, "MODE robot +B"),
        [":robot!~robot@users.irc.test MODE robot +B"]
    );
    assert_eq!(play.ask(bot, "MODE robot"), [":irc.test 221 robot +B"]);
    let echo = play.ask(bot, "PRIVMSG #x :beep");
    assert!(echo[0].contains(";bot :robot!"), "{echo:?}");
    assert!(play.heard(a)[0].contains(";bot :robot!"));
    assert_eq!(
        play.heard(plain),
        [":robot!~robot@users.irc.test PRIVMSG #x :beep"]
    );
    assert!(
        play.entries.last().unwrap().tags.contains("bot"),
        "the history knows it too"
    );
    find(&play.ask(plain, "WHOIS robot"), "335");
    assert!(play.ask(plain, "WHO robot")[0].contains(" robot HB :"));
    play.send(bot, "MODE robot -B+i");
    assert_eq!(
        play.heard(bot),
        [":robot!~robot@users.irc.test MODE robot +i-B"]
    );
    play.send(bot, "PRIVMSG #x :I am a person now");
    assert!(!play.heard(a)[0].contains("bot :"));
}
