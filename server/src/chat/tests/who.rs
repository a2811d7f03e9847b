//! WHO, WHOIS, WHOWAS, ISON, USERHOST.

use super::play::*;

#[test]
fn who_finds_a_channel_a_nick_or_a_mask() {
    let mut play = Play::new();
    let (a, b) = (play.user("coolNick", ""), play.user("other", "multi-prefix"));
    play.channel("#chan", &[a, b]);
    play.send(a, "MODE #chan +v coolNick");
    play.send(a, "AWAY :brb");
    assert_eq!(
        play.ask(a, "WHO #CHAN"),
        [
            ":irc.test 352 coolNick #chan ~coolnick users.irc.test irc.test coolNick G@ :0 Real coolNick",
            ":irc.test 352 coolNick #chan ~other users.irc.test irc.test other H :0 Real other",
            ":irc.test 315 coolNick #CHAN :End of WHO",
        ]
    );
    assert!(play.ask(b, "WHO #chan")[0].contains(" coolNick G@+ "));
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
    assert_eq!(commands(&play.ask(b, "WHO * o")), ["315"], "no operator is on this port");
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
            ":irc.test 319 bob Alice :@#open @#shared",
            ":irc.test 312 bob Alice irc.test :Test",
            ":irc.test 330 bob Alice Alice :is logged in as",
            ":irc.test 671 bob Alice :is using a secure connection",
            ":irc.test 317 bob Alice 30 1800000000 :seconds idle, signon time",
            ":irc.test 318 bob ALICE :End of WHOIS",
        ]
    );
    play.send(a, "MODE alice +i");
    play.send(a, "AWAY :brb");
    let heard = play.ask(b, "WHOIS alice");
    assert_eq!(find(&heard, "319"), ":irc.test 319 bob Alice :@#shared");
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
    assert_eq!(heard[0], ":irc.test 314 ann nick2 ~two guests.irc.test * :Real nick2");
    assert_eq!(commands(&play.ask(a, "WHOWAS nick2 1")), ["314", "312", "369"]);
    assert_eq!(commands(&play.ask(a, "WHOWAS nick2 -1")).len(), 5);
    assert_eq!(commands(&play.ask(a, "WHOWAS nobody")), ["406", "369"]);
    assert_eq!(commands(&play.ask(a, "WHOWAS")), ["431"]);
    play.send(a, "NICK anna");
    assert_eq!(commands(&play.ask(a, "WHOWAS ann"))[0], "314", "a nick given up counts");
}

#[test]
fn ison_and_userhost_tell_of_those_who_are_here() {
    let mut play = Play::new();
    let (a, _) = (play.user("Alice", ""), play.guest("bob", ""));
    assert_eq!(play.ask(a, "ISON nobody BOB :alice x"), [":irc.test 303 Alice :bob Alice"]);
    play.send(a, "AWAY :x");
    assert_eq!(
        play.ask(a, "USERHOST alice nobody bob"),
        [":irc.test 302 Alice :Alice=-~alice@users.irc.test bob=+~bob@guests.irc.test"]
    );
}
