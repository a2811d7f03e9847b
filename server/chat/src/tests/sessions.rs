//! Several sessions of one user.

use super::harness::*;
use crate::request::Admission;

#[test]
fn a_second_session_receives_its_channels_and_others_see_nothing() {
    let mut harness = Harness::new();
    let first = harness.user("alice", "");
    let bob = harness.user("bob", "");
    harness.channel("#one", &[bob, first]);
    harness.channel("#two", &[first]);
    harness.send(first, "TOPIC #two :Rooks");
    harness.clear_received();

    let (second, answer) = harness.try_admit(Harness::candidate(
        "x",
        Some(identity("alice")),
        "extended-join",
    ));
    assert!(matches!(answer, Admission::Admitted));
    assert!(harness.received(bob).is_empty() && harness.received(first).is_empty());
    let received = harness.received(second);
    assert_eq!(
        received[0],
        ":irc.test 001 alice :Welcome to Test, alice!~alice@users.irc.test"
    );
    let from = received
        .iter()
        .position(|line| line.contains(" JOIN "))
        .unwrap();
    assert_eq!(
        commands(&received[from..]),
        ["JOIN", "353", "366", "JOIN", "332", "333", "353", "366"]
    );
    assert_eq!(
        received[from],
        ":alice!~alice@users.irc.test JOIN #one alice :Real alice"
    );
}

#[test]
fn each_session_of_a_user_sees_the_commands_of_the_others() {
    let mut harness = Harness::new();
    let first = harness.user("alice", "");
    let second = harness.user("alice", "");
    assert_eq!(
        commands(&harness.request(first, "JOIN #x")),
        ["JOIN", "353", "366"]
    );
    assert_eq!(commands(&harness.received(second)), ["JOIN", "353", "366"]);
    harness.send(second, "TOPIC #x :hi");
    assert_eq!(commands(&harness.received(first)), ["TOPIC"]);
    harness.send(second, "PART #x :done");
    assert_eq!(
        harness.received(first),
        [":alice!~alice@users.irc.test PART #x :done"]
    );
}

#[test]
fn other_sessions_receive_a_users_messages_and_the_sender_only_with_echo_message() {
    let mut harness = Harness::new();
    let first = harness.user("alice", "");
    let second = harness.user("alice", "");
    let echoing = harness.user("alice", "echo-message");
    let bob = harness.user("bob", "");
    harness.channel("#x", &[bob, first]);
    for (line, target) in [("PRIVMSG #x :hello", "#x"), ("NOTICE bob :hello", "bob")] {
        harness.send(first, line);
        assert!(harness.received(first).is_empty());
        for session in [second, echoing, bob] {
            let received = harness.received(session);
            assert_eq!(received.len(), 1, "{received:?}");
            assert!(
                received[0].starts_with(":alice!")
                    && received[0].ends_with(&format!(" {target} :hello"))
            );
        }
        harness.send(echoing, line);
        for session in [first, second, echoing, bob] {
            assert_eq!(harness.received(session).len(), 1);
        }
    }
}

#[test]
fn a_direct_message_reaches_all_sessions_of_its_receiver() {
    let mut harness = Harness::new();
    let bob = harness.user("bob", "");
    let sessions = [harness.user("alice", ""), harness.user("alice", "")];
    harness.send(bob, "PRIVMSG alice :hi");
    for session in sessions {
        assert_eq!(
            harness.received(session),
            [":bob!~bob@users.irc.test PRIVMSG alice :hi"]
        );
    }
}

#[test]
fn a_message_to_oneself_reaches_each_session_once_plus_the_echo() {
    let mut harness = Harness::new();
    let plain = harness.user("alice", "");
    let echoing = harness.user("alice", "echo-message");
    harness.send(plain, "PRIVMSG alice :note");
    assert_eq!(
        (
            harness.received(plain).len(),
            harness.received(echoing).len()
        ),
        (1, 1)
    );
    harness.send(echoing, "PRIVMSG alice :note");
    assert_eq!(
        (
            harness.received(plain).len(),
            harness.received(echoing).len()
        ),
        (1, 2)
    );
}

#[test]
fn a_user_stays_until_its_last_session_ends() {
    let mut harness = Harness::new();
    let first = harness.user("alice", "");
    let second = harness.user("alice", "");
    let bob = harness.user("bob", "");
    harness.channel("#x", &[first, bob]);
    harness.disconnect(first);
    assert!(harness.received(bob).is_empty());
    harness.send(bob, "PRIVMSG alice :still here?");
    assert_eq!(harness.received(second).len(), 1);
    harness.send(second, "QUIT :bye");
    assert_eq!(
        harness.received(bob),
        [":alice!~alice@users.irc.test QUIT :Quit: bye"]
    );
    assert_eq!(harness.ended, [(second, "ERROR :Quit: bye".to_owned())]);
    harness.disconnect(second);
    assert!(harness.received(bob).is_empty(), "no second QUIT is sent");
    let counts = harness.counts();
    assert_eq!((counts.users, counts.sessions, counts.channels), (1, 1, 1));
}

#[test]
fn commands_of_a_session_that_has_ended_are_ignored() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    harness.send(alice, "QUIT");
    harness.send(alice, "JOIN #x");
    harness.send(alice, "QUIT");
    assert!(harness.received(alice).is_empty());
    assert_eq!(harness.ended.len(), 1);
}
