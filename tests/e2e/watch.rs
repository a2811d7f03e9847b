//! `admin-cli watch`, which prints events as they happen.

use std::process::Command;

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, email_of};
use rookery_tests::process::Process;
use rookery_tests::screen::shell_command;
use rookery_tests::server::Server;
use serde_json::Value;

/// Starts to watch, and waits until the server sends events.
async fn watch(operator: &Operator, options: &[&str]) -> Process {
    let mut watch = operator.start(&[&["watch"], options].concat());
    watch.expect_line("watch allowed").await;
    watch
}

/// Waits for an event of this kind whose line contains all of these words.
async fn expect_event(watch: &mut Process, kind: &str, words: &[&str]) {
    loop {
        let line = watch.expect_line(kind).await;
        let is_kind = line.split_whitespace().any(|word| word == kind);
        if is_kind && words.iter().all(|word| line.contains(word)) {
            return;
        }
    }
}

#[tokio::test]
async fn watch_shows_every_event_but_no_messages() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut watch = watch(&operator, &[]).await;
    let mut alice = Client::register(&server, "alice").await;
    expect_event(
        &mut watch,
        "account-created",
        &["alice", &email_of("alice")],
    )
    .await;
    expect_event(&mut watch, "user-connected", &["alice", "127.0.0.1:"]).await;
    let mut bob = Client::register(&server, "bob").await;
    alice.say("#lobby", "words for everyone").await;
    bob.expect_privmsg("alice", "#lobby", "words for everyone")
        .await;
    alice.send("JOIN #nest").await;
    expect_event(&mut watch, "channel-created", &["#nest", "alice"]).await;
    alice.send("PART #nest :words in parting").await;
    operator.run_ok(&["channel", "close", "nest"]).await;
    expect_event(&mut watch, "channel-removed", &["#nest"]).await;
    alice.send("QUIT :last words").await;
    expect_event(&mut watch, "user-disconnected", &["alice", "quit"]).await;

    let _guesser = Client::try_sign_in(&server, "guesser", "alice", "not her password").await;
    expect_event(&mut watch, "sign-in-refused", &["alice", "127.0.0.1:"]).await;
    operator
        .run_ok(&["ban", "bob", "--reason", "spam", "--for", "7d"])
        .await;
    expect_event(&mut watch, "user-disconnected", &["bob", "banned"]).await;
    expect_event(&mut watch, "ban-added", &["bob", "root", "7d", "spam"]).await;
    operator.run_ok(&["unban", "bob"]).await;
    expect_event(&mut watch, "ban-removed", &["bob"]).await;
    operator
        .run_ok(&["maintenance", "on", "back", "at", "noon"])
        .await;
    expect_event(&mut watch, "maintenance", &["root", "back at noon"]).await;
    operator.run_ok(&["maintenance", "off"]).await;
    expect_event(&mut watch, "maintenance", &["root"]).await;
    operator.run_ok(&["announce", "hello"]).await;
    expect_event(&mut watch, "announced", &["root", "0 sessions"]).await;

    // An admin who is added by another process, `rookeryd admin add`.
    Operator::add(&server, "vera");
    expect_event(&mut watch, "audit", &["vera", "allowed"]).await;
    server.set("chat.motd = 7");
    server.sighup().await;
    expect_event(&mut watch, "reloaded", &["chat.motd"]).await;
    let seen = watch.transcript();
    assert!(!seen.contains("words"), "messages are not shown:\n{seen}");
    assert!(!seen.contains('\u{1b}'), "no colours in a pipe:\n{seen}");
}

#[tokio::test]
async fn watch_filters_events_and_prints_json_for_scripts() {
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
    operator.run_ok(&["audit", "--act", "watch"]).await;
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
async fn watch_ends_with_its_session() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let watch = watch(&operator, &[]).await;
    operator.run_ok(&["sessions", "revoke", "all"]).await;
    let ended = watch.wait().await;
    assert_eq!(ended.code, Some(3), "{}", ended.transcript);
    assert!(
        ended.transcript.contains("session"),
        "it says why: {}",
        ended.transcript
    );
    let again = operator.run(&["watch"]).await;
    assert_eq!(again.code, Some(3), "{}", again.transcript);
}

#[tokio::test]
async fn watch_ends_with_the_server() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let watch = watch(&operator, &[]).await;
    assert!(server.sigterm().await.success());
    let ended = watch.wait().await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
}

#[tokio::test]
async fn watch_ends_when_its_output_is_closed() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let watch = shell_command(&operator.command(&["watch"]));
    let mut piped = Command::new("sh");
    piped.args([
        "-c",
        &format!("{{ {watch}; echo \"ended with $?\" >&2; }} | head -n 1"),
    ]);
    let mut piped = Process::start("watch | head", &mut piped);
    piped.expect_line("watch allowed").await;
    // It notices although no event follows.
    let ended = piped.wait().await;
    assert!(
        ended.transcript.contains("ended with 0"),
        "{}",
        ended.transcript
    );
}
