//! Several sessions of one user.

use super::play::*;
use crate::request::{Admission, Count, Counts};

#[test]
fn a_second_session_is_told_where_its_user_is_and_others_see_nothing() {
    let mut play = Play::new();
    let first = play.user("alice", "");
    let bob = play.user("bob", "");
    play.channel("#one", &[bob, first]);
    play.channel("#two", &[first]);
    play.send(first, "TOPIC #two :Rooks");
    play.forget();

    let (second, answer) = play.try_admit(Play::candidate(
        "x",
        Some(identity("alice")),
        "extended-join",
    ));
    assert!(matches!(answer, Admission::Admitted));
    assert!(play.heard(bob).is_empty() && play.heard(first).is_empty());
    let heard = play.heard(second);
    assert_eq!(
        heard[0],
        ":irc.test 001 alice :Welcome to Test, alice!~alice@users.irc.test"
    );
    let from = heard
        .iter()
        .position(|line| line.contains(" JOIN "))
        .unwrap();
    assert_eq!(
        commands(&heard[from..]),
        ["JOIN", "353", "366", "JOIN", "332", "333", "353", "366"]
    );
    assert_eq!(
        heard[from],
        ":alice!~alice@users.irc.test JOIN #one alice :Real alice"
    );
}

#[test]
fn what_one_session_does_shows_on_the_others() {
    let mut play = Play::new();
    let first = play.user("alice", "");
    let second = play.user("alice", "");
    assert_eq!(
        commands(&play.ask(first, "JOIN #x")),
        ["JOIN", "353", "366"]
    );
    assert_eq!(commands(&play.heard(second)), ["JOIN", "353", "366"]);
    play.send(second, "TOPIC #x :hi");
    assert_eq!(commands(&play.heard(first)), ["TOPIC"]);
    play.send(second, "PART #x :done");
    assert_eq!(
        play.heard(first),
        [":alice!~alice@users.irc.test PART #x :done"]
    );
}

#[test]
fn siblings_hear_what_one_says_and_the_speaker_only_with_echo_message() {
    let mut play = Play::new();
    let first = play.user("alice", "");
    let second = play.user("alice", "");
    let echoing = play.user("alice", "echo-message");
    let bob = play.user("bob", "");
    play.channel("#x", &[bob, first]);
    for (line, target) in [("PRIVMSG #x :hello", "#x"), ("NOTICE bob :hello", "bob")] {
        play.send(first, line);
        assert!(play.heard(first).is_empty());
        for session in [second, echoing, bob] {
            let heard = play.heard(session);
            assert_eq!(heard.len(), 1, "{heard:?}");
            assert!(
                heard[0].starts_with(":alice!") && heard[0].ends_with(&format!(" {target} :hello"))
            );
        }
        play.send(echoing, line);
        for session in [first, second, echoing, bob] {
            assert_eq!(play.heard(session).len(), 1);
        }
    }
}

#[test]
fn a_direct_message_reaches_all_sessions_of_its_receiver() {
    let mut play = Play::new();
    let bob = play.user("bob", "");
    let sessions = [play.user("alice", ""), play.user("alice", "")];
    play.send(bob, "PRIVMSG alice :hi");
    for session in sessions {
        assert_eq!(
            play.heard(session),
            [":bob!~bob@users.irc.test PRIVMSG alice :hi"]
        );
    }
}

#[test]
fn to_oneself_each_session_hears_once_and_an_echo_comes_on_top() {
    let mut play = Play::new();
    let plain = play.user("alice", "");
    let echoing = play.user("alice", "echo-message");
    play.send(plain, "PRIVMSG alice :note");
    assert_eq!((play.heard(plain).len(), play.heard(echoing).len()), (1, 1));
    play.send(echoing, "PRIVMSG alice :note");
    assert_eq!((play.heard(plain).len(), play.heard(echoing).len()), (1, 2));
}

#[test]
fn the_user_stays_until_its_last_session_is_gone() {
    let mut play = Play::new();
    let first = play.user("alice", "");
    let second = play.user("alice", "");
    let bob = play.user("bob", "");
    play.channel("#x", &[first, bob]);
    play.gone(first);
    assert!(play.heard(bob).is_empty());
    play.send(bob, "PRIVMSG alice :still here?");
    assert_eq!(play.heard(second).len(), 1);
    play.send(second, "QUIT :bye");
    assert_eq!(
        play.heard(bob),
        [":alice!~alice@users.irc.test QUIT :Quit: bye"]
    );
    assert_eq!(play.ended, [(second, "ERROR :Quit: bye".to_owned())]);
    play.gone(second);
    assert!(play.heard(bob).is_empty(), "once is enough");
    let count = play.act(Count);
    assert!(matches!(
        play.answer(count),
        Some(Counts {
            users: 1,
            sessions: 1,
            channels: 1,
            ..
        })
    ));
}

#[test]
fn commands_of_a_session_that_has_ended_are_left_alone() {
    let mut play = Play::new();
    let alice = play.user("alice", "");
    play.send(alice, "QUIT");
    play.send(alice, "JOIN #x");
    play.send(alice, "QUIT");
    assert!(play.heard(alice).is_empty());
    assert_eq!(play.ended.len(), 1);
}
