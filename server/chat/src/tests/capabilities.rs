//! `CAP` after admission, and the effect of each capability.

use rookery_protocol::{Capabilities, Capability};

use super::harness::*;
use crate::event::{Event, Settings};

#[test]
fn capabilities_change_during_a_session() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", "");
    assert_eq!(
        harness.request(a, "CAP REQ :server-time multi-prefix"),
        ["@time=2027-01-15T08:00:00.000Z :irc.test CAP ann ACK :server-time multi-prefix"]
    );
    assert!(harness.request(a, "PING x")[0].starts_with("@time=2027-01-15T08:00:00.000Z "));
    assert_eq!(
        harness.request(a, "CAP REQ -server-time"),
        [":irc.test CAP ann ACK :-server-time"]
    );
    assert_eq!(
        harness.request(a, "CAP LIST"),
        [":irc.test CAP ann LIST :multi-prefix"]
    );
    assert_eq!(
        harness.request(a, "CAP REQ :batch nonsense"),
        [":irc.test CAP ann NAK :batch nonsense"]
    );
    assert!(harness.request(a, "CAP END").is_empty());
    assert_eq!(commands(&harness.request(a, "CAP FLY")), ["410"]);
}

#[test]
fn the_time_is_that_of_the_event() {
    let mut harness = Harness::new();
    let (a, b) = (
        harness.user("alice", "server-time"),
        harness.user("bob", ""),
    );
    harness.advance(1);
    harness.send(b, "PRIVMSG alice :hi");
    assert!(harness.received(a)[0].starts_with("@time=2027-01-15T08:00:01.000Z :bob!"));
}

#[test]
fn account_tags_are_on_every_message_of_a_user() {
    let mut harness = Harness::new();
    let (a, b, guest) = (
        harness.user("Alice", ""),
        harness.user("bob", "account-tag"),
        harness.guest("gus", ""),
    );
    harness.channel("#x", &[a, b, guest]);
    for line in [
        "PRIVMSG #x :hi",
        "TOPIC #x :t",
        "MODE #x +m",
        "INVITE bob #y",
        "PART #x",
        "JOIN #x",
        "KICK #x gus",
    ] {
        harness.send(a, line);
    }
    harness.send(a, "JOIN #y");
    harness.send(a, "INVITE bob #y");
    for line in harness
        .received(b)
        .iter()
        .filter(|line| !line.starts_with(":irc.test"))
    {
        assert!(line.starts_with("@account=Alice :Alice!"), "{line}");
    }
}

#[test]
fn a_reload_announces_new_and_withdrawn_capabilities() {
    let mut few = settings();
    few.capabilities = Capabilities::of(&[
        Capability::Batch,
        Capability::CapNotify,
        Capability::EchoMessage,
    ]);
    let mut harness = Harness::with(few.clone());
    let modern = harness.guest("ann", "cap-notify echo-message");
    let old = harness.guest("bob", "echo-message");
    let capabilities =
        Capabilities::of(&[Capability::Batch, Capability::CapNotify, Capability::Sasl]);
    harness.event(Event::Reload(Box::new(Settings {
        capabilities,
        ..few
    })));
    assert_eq!(
        harness.received(modern),
        [
            ":irc.test CAP ann DEL :echo-message",
            ":irc.test CAP ann NEW :sasl=PLAIN,SCRAM-SHA-256,EXTERNAL,X-EMAIL-CODE"
        ]
    );
    assert!(harness.received(old).is_empty());
    assert!(
        harness.request(old, "PRIVMSG ann :hi").is_empty(),
        "no echo after that"
    );
    assert_eq!(
        harness.request(old, "CAP LIST"),
        [":irc.test CAP bob LIST :"]
    );
}
