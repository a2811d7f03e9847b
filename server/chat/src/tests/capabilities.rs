//! CAP after admission, and what each capability changes.

use rookery_protocol::{Capabilities, Capability};

use super::play::*;
use crate::event::{Event, Settings};

#[test]
fn capabilities_change_while_one_is_here() {
    let mut play = Play::new();
    let a = play.guest("ann", "");
    assert_eq!(
        play.ask(a, "CAP REQ :server-time multi-prefix"),
        ["@time=2027-01-15T08:00:00.000Z :irc.test CAP ann ACK :server-time multi-prefix"]
    );
    assert!(play.ask(a, "PING x")[0].starts_with("@time=2027-01-15T08:00:00.000Z "));
    assert_eq!(
        play.ask(a, "CAP REQ -server-time"),
        [":irc.test CAP ann ACK -server-time"]
    );
    assert_eq!(
        play.ask(a, "CAP LIST"),
        [":irc.test CAP ann LIST multi-prefix"]
    );
    assert_eq!(
        play.ask(a, "CAP REQ :batch nonsense"),
        [":irc.test CAP ann NAK :batch nonsense"]
    );
    assert!(play.ask(a, "CAP END").is_empty());
    assert_eq!(commands(&play.ask(a, "CAP FLY")), ["410"]);
}

#[test]
fn the_time_is_that_of_the_event() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", "server-time"), play.user("bob", ""));
    play.wait(1);
    play.send(b, "PRIVMSG alice :hi");
    assert!(play.heard(a)[0].starts_with("@time=2027-01-15T08:00:01.000Z :bob!"));
}

#[test]
fn account_tags_are_on_all_that_a_user_does() {
    let mut play = Play::new();
    let (a, b, guest) = (
        play.user("Alice", ""),
        play.user("bob", "account-tag"),
        play.guest("gus", ""),
    );
    play.channel("#x", &[a, b, guest]);
    for line in [
        "PRIVMSG #x :hi",
        "TOPIC #x :t",
        "MODE #x +m",
        "INVITE bob #y",
        "PART #x",
        "JOIN #x",
        "KICK #x gus",
    ] {
        play.send(a, line);
    }
    play.send(a, "JOIN #y");
    play.send(a, "INVITE bob #y");
    for line in play
        .heard(b)
        .iter()
        .filter(|line| !line.starts_with(":irc.test"))
    {
        assert!(line.starts_with("@account=Alice :Alice!"), "{line}");
    }
}

#[test]
fn a_reload_tells_of_new_and_withdrawn_capabilities() {
    let mut few = settings();
    few.capabilities = Capabilities::of(&[
        Capability::Batch,
        Capability::CapNotify,
        Capability::EchoMessage,
    ]);
    let mut play = Play::with(few.clone());
    let modern = play.guest("ann", "cap-notify echo-message");
    let old = play.guest("bob", "echo-message");
    let capabilities =
        Capabilities::of(&[Capability::Batch, Capability::CapNotify, Capability::Sasl]);
    play.event(Event::Reload(Box::new(Settings {
        capabilities,
        ..few
    })));
    assert_eq!(
        play.heard(modern),
        [
            ":irc.test CAP ann DEL :echo-message",
            ":irc.test CAP ann NEW :sasl=PLAIN,SCRAM-SHA-256,EXTERNAL,X-EMAIL-CODE"
        ]
    );
    assert!(play.heard(old).is_empty());
    assert!(
        play.ask(old, "PRIVMSG ann :hi").is_empty(),
        "no echo any more"
    );
    assert_eq!(play.ask(old, "CAP LIST"), [":irc.test CAP bob LIST :"]);
}
