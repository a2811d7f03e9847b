//! Who may not send a user direct messages and invitations: `SILENCE`, and user mode `R`.

use super::harness::*;
use crate::event::{HistoryResult, SessionId};
use crate::request::ForgetAccount;

const SILENCED: &str = "This user does not accept direct messages or invitations from you";

/// Returns a chat with alice, who has silenced mallory's account.
fn silenced(capabilities: &str) -> (Harness, SessionId, SessionId) {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "message-tags");
    let mallory = harness.user("mallory", capabilities);
    assert_eq!(
        harness.request(alice, "SILENCE +~a:Mallory"),
        [":alice!~alice@users.irc.test SILENCE +~a:Mallory"]
    );
    (harness, alice, mallory)
}

#[test]
fn who_is_silenced_reaches_the_user_by_no_kind_of_direct_message() {
    let (mut harness, alice, mallory) =
        silenced("message-tags echo-message batch draft/multiline standard-replies");
    harness.channel("#x", &[mallory]);
    let refused = [format!(":irc.test 531 mallory alice :{SILENCED}")];
    for line in [
        "PRIVMSG alice :hello",
        "@+typing=active TAGMSG alice",
        "INVITE alice #x",
    ] {
        assert_eq!(harness.request(mallory, line), refused, "{line}");
    }
    assert_eq!(
        harness.request(mallory, "NOTICE alice :hello"),
        [""; 0],
        "a notice is never answered"
    );
    harness.send(mallory, "BATCH +1 draft/multiline alice");
    harness.send(mallory, "@batch=1 PRIVMSG alice :one");
    harness.send(mallory, "@batch=1 PRIVMSG alice :two");
    assert_eq!(harness.request(mallory, "BATCH -1"), refused);
    assert_eq!(harness.received(alice), [""; 0]);
    assert!(harness.entries.is_empty(), "nothing is stored");
    assert_eq!(
        commands(&harness.request(alice, "INVITE")),
        ["337"],
        "alice is not invited"
    );

    harness.send(mallory, "PRIVMSG mallory :note to myself");
    let bob = harness.user("bob", "");
    harness.send(bob, "PRIVMSG alice :hello");
    harness.channel("#x", &[alice]);
    harness.send(bob, "JOIN #x");
    harness.send(mallory, "PRIVMSG #x :hello all");
    assert_eq!(
        harness.entries.len(),
        3,
        "others and channels are unaffected"
    );
    harness.send(alice, "SILENCE -~a:MALLORY");
    assert_eq!(
        commands(&harness.request(mallory, "INVITE alice #x")),
        ["443"]
    );
    harness.received(alice);
    harness.send(mallory, "PRIVMSG alice :sorry");
    assert_eq!(commands(&harness.received(alice)), ["PRIVMSG"]);
}

#[test]
fn who_is_silenced_later_redacts_messages_without_a_word() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    let mallory = harness.user("mallory", "draft/message-redaction standard-replies");
    harness.send(mallory, "PRIVMSG alice :hello");
    harness.send(alice, "SILENCE +mallory");
    harness.received(alice);
    harness.fetches.clear();
    let message = harness.entries[0].clone();
    harness.send(mallory, &format!("REDACT alice {} :pay me", message.msgid));
    harness.answer_fetch(HistoryResult::Message(Some(Box::new(message))));
    assert_eq!(
        commands(&harness.received(mallory)),
        ["REDACT", "WARN"],
        "the message is gone, and the warning says that the reason is not sent"
    );
    let received = harness.received(alice);
    assert!(
        received.len() == 1 && !received[0].contains("pay me"),
        "{received:?}"
    );
    assert!(!harness.entries[1].text.contains("pay me"));
}

#[test]
fn the_list_of_an_account_is_shared_by_its_sessions_and_survives_restarts() {
    let (mut harness, alice, _) = silenced("");
    let sibling = harness.user("alice", "");
    harness.send(alice, "SILENCE +spam*!*@*");
    harness.send(alice, "SILENCE +bob");
    harness.send(alice, "SILENCE -BOB!*@*");
    assert_eq!(
        harness.received(sibling),
        ["+spam*!*@*", "+bob!*@*", "-BOB!*@*"]
            .map(|change| format!(":alice!~alice@users.irc.test SILENCE {change}"))
    );
    let list = [
        ":irc.test 271 alice alice ~a:Mallory",
        ":irc.test 271 alice alice spam*!*@*",
        ":irc.test 272 alice :End of the list",
    ];
    assert_eq!(harness.request(sibling, "SILENCE"), list);
    let mut harness = harness.restart(settings());
    let (mallory, alice) = (harness.user("mallory", ""), harness.user("alice", ""));
    assert_eq!(harness.request(alice, "SILENCE"), list);
    let refused = harness.request(mallory, "PRIVMSG alice :again");
    assert_eq!(commands(&refused), ["531"]);

    harness.reply_to(ForgetAccount(identity("alice").name));
    assert_eq!(harness.chat.state.account_silences.len(), 0);
}

#[test]
fn guests_have_a_list_and_can_be_on_one() {
    let mut harness = Harness::new();
    let (guest, other) = (harness.guest("gus", ""), harness.guest("spam1", ""));
    harness.send(guest, "SILENCE +spam*");
    let refused = harness.request(other, "PRIVMSG gus :hello");
    assert_eq!(commands(&refused), ["531"]);
    assert_eq!(commands(&harness.request(other, "NICK ham")), ["NICK"]);
    assert_eq!(harness.request(other, "PRIVMSG gus :hello"), [""; 0]);
    assert!(harness.persisted.is_empty(), "a guest's list ends with it");
}

#[test]
fn bad_masks_and_masks_beyond_the_limit_are_refused() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    for (line, code) in [
        ("SILENCE bob", "INVALID_MASK"),
        ("SILENCE +", "INVALID_MASK"),
        ("SILENCE +~m:bob", "INVALID_MASK"),
        ("SILENCE +~x:bob", "INVALID_MASK"),
        ("SILENCE +bad.nick", "INVALID_MASK"),
        ("SILENCE -bob", "NO_SUCH_ENTRY"),
    ] {
        let received = harness.request(alice, line);
        assert!(
            received[0].starts_with(&format!(":irc.test FAIL SILENCE {code} ")),
            "{line}: {received:?}"
        );
    }
    for number in 0..32 {
        harness.send(alice, &format!("SILENCE +bad{number}"));
    }
    assert_eq!(
        harness.request(alice, "SILENCE +one"),
        [":irc.test 511 alice one!*@* :Your list is full; first remove a mask"]
    );
    assert_eq!(
        commands(&harness.request(alice, "SILENCE +BAD1")),
        ["SILENCE"],
        "it is on the list already"
    );
    assert_eq!(harness.request(alice, "SILENCE").len(), 33);
}

#[test]
fn with_mode_r_only_accounts_can_send_direct_messages_and_invitations() {
    let mut harness = Harness::new();
    let (alice, bob) = (harness.user("alice", ""), harness.user("bob", ""));
    let guest = harness.guest("gus", "");
    harness.channel("#x", &[guest, bob]);
    harness.send(alice, "SET always-on on");
    harness.send(alice, "MODE alice +R");
    assert_eq!(
        harness.request(alice, "MODE alice"),
        [":irc.test 221 alice +R"]
    );
    let text =
        "This user accepts direct messages and invitations only from users with an account (+R)";
    let refused = [format!(":irc.test 486 gus alice :{text}")];
    for mut harness in [harness.restart(settings()), harness] {
        let guest = match harness.chat.state.named("gus") {
            Some(_) => guest,
            None => harness.guest("gus", ""),
        };
        assert_eq!(harness.request(guest, "PRIVMSG alice :hello"), refused);
        let bob = harness.user("bob", "");
        harness.channel("#x", &[guest, bob]);
        assert_eq!(harness.request(guest, "INVITE alice #x"), refused);
        assert_eq!(commands(&harness.request(bob, "INVITE alice #x"))[0], "341");
    }
}
