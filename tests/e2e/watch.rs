//! Watching what happens, as it happens: `admin-cli watch`.

use std::process::Command;

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, email_of};
use rookery_tests::process::Process;
use rookery_tests::screen::line;
use rookery_tests::server::Server;
use serde_json::Value;

/// Watches from now on.
async fn watch(operator: &Operator, options: &[&str]) -> Process {
    let mut watch = operator.start(&[&["watch"], options].concat());
    watch.expect_line("watch allowed").await;
    watch
}

#[tokio::test]
async fn everything_but_what_people_say_is_seen_as_it_happens() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut watch = watch(&operator, &[]).await;
    let mut alice = Client::register(&server, "alice").await;
    watch
        .expect_line(&format!("account-created    alice ({})", email_of("alice")))
        .await;
    watch
        .expect_line("user-connected     alice from 127.0.0.1:")
        .await;
    let mut bob = Client::register(&server, "bob").await;
    alice.say("#lobby", "words for the room").await;
    bob.expect_said("alice", "#lobby", "words for the room")
        .await;
    alice.send("JOIN #nest").await;
    watch.expect_line("channel-created    #nest by alice").await;
    alice.send("PART #nest :words in parting").await;
    operator.done(&["channel", "close", "nest"]).await;
    watch.expect_line("channel-removed    #nest").await;
    alice.send("QUIT :last words").await;
    watch.expect_line("user-disconnected  alice: quit").await;

    let _guesser = Client::try_sign_in(&server, "guesser", "alice", "not her password").await;
    watch
        .expect_line("sign-in-refused    alice from 127.0.0.1:")
        .await;
    operator
        .done(&["ban", "bob", "--reason", "spam", "--for", "7d"])
        .await;
    watch.expect_line("user-disconnected  bob: banned").await;
    watch.expect_line("bob by root, expires in 7d: spam").await;
    operator.done(&["unban", "bob"]).await;
    watch.expect_line("ban-removed        bob").await;
    operator
        .done(&["maintenance", "on", "back", "at", "noon"])
        .await;
    watch
        .expect_line(
            "maintenance        started by root; new connections are refused with: back at noon",
        )
        .await;
    operator.done(&["maintenance", "off"]).await;
    watch.expect_line("maintenance        ended by root").await;
    operator.done(&["announce", "Hear me"]).await;
    watch
        .expect_line("announced          by root to everyone, 0 sessions")
        .await;

    // Made beside the server, by another process.
    Operator::add(&server, "vera");
    watch
        .expect_line("from local, admin add vera allowed")
        .await;
    server.set("chat.motd = 7");
    server.sighup().await;
    watch
        .expect_line("reloaded           failed, nothing was changed: ")
        .await;
    let seen = watch.transcript();
    assert!(
        !seen.contains("words"),
        "what people say is not seen:\n{seen}"
    );
    assert!(!seen.contains('\u{1b}'), "no colours in a pipe:\n{seen}");
}

#[tokio::test]
async fn a_watcher_chooses_what_it_sees_and_scripts_read_json() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut watch = operator.start(&[
        "--json",
        "watch",
        "--kind",
        "user-connected",
        "--user",
        "bob",
    ]);
    let mut trail = operator.start(&["watch", "--kind", "audit"]);
    trail.expect_line("watch allowed: audit").await;
    operator.done(&["audit", "--act", "watch"]).await;
    let _alice = Client::register(&server, "alice").await;
    let _bob = Client::register(&server, "bob").await;
    let first: Value = serde_json::from_str(&watch.expect_line("").await).unwrap();
    assert_eq!(
        (&first["kind"], &first["nick"]),
        (&"user-connected".into(), &"bob".into()),
        "{first}"
    );
    let wrong = operator.run(&["watch", "--kind", "kick"]).await;
    assert_eq!(wrong.code, Some(2), "{}", wrong.transcript);
    assert!(
        wrong.transcript.contains("user-disconnected"),
        "the kinds are named: {}",
        wrong.transcript
    );
}

#[tokio::test]
async fn watching_ends_with_the_sign_in() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let watch = watch(&operator, &[]).await;
    operator.done(&["sessions", "revoke", "all"]).await;
    let ended = watch.ended().await;
    assert_eq!(ended.code, Some(3), "{}", ended.transcript);
    assert!(
        ended
            .transcript
            .contains("The session has ended: the session was ended."),
        "{}",
        ended.transcript
    );
    let again = operator.run(&["watch"]).await;
    assert_eq!(again.code, Some(3), "{}", again.transcript);
}

#[tokio::test]
async fn watching_ends_with_the_server() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let watch = watch(&operator, &[]).await;
    assert!(server.sigterm().await.success());
    let ended = watch.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
}

#[tokio::test]
async fn watching_ends_with_its_reader() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let watch = line(&operator.command(&["watch"]));
    let mut piped = Command::new("sh");
    piped.args([
        "-c",
        &format!("{{ {watch}; echo \"ended with $?\" >&2; }} | head -n 1"),
    ]);
    let mut piped = Process::start("watch | head", &mut piped);
    piped.expect_line("watch allowed").await;
    // It learns with the next event that nobody reads.
    for _ in 0..20 {
        operator.done(&["bans"]).await;
        if piped.transcript().contains("ended with") {
            break;
        }
    }
    let ended = piped.ended().await;
    assert!(
        ended.transcript.contains("ended with 0"),
        "{}",
        ended.transcript
    );
}
