//! No output of the operators' programs contains a character that a terminal obeys, no matter
//! who wrote it; JSON has the same value.

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, is_command};
use rookery_tests::server::Server;
use serde_json::Value;

/// Control characters (U+009B begins an escape sequence), characters that change the direction of
/// text, and invisible ones.
const HOSTILE: &str =
    "a\u{1b}[31mb\u{7f}c\u{9b}31md\u{61c}\u{200b}\u{200e}\u{200f}\u{202e}\u{2066}\u{feff}e";

/// Returns the characters of an output that a terminal could obey.
fn unsafe_characters(output: &str) -> Vec<char> {
    output
        .chars()
        .filter(|&char| {
            (char.is_control() && char != '\n') || (HOSTILE.contains(char) && !char.is_ascii())
        })
        .collect()
}

#[track_caller]
fn expect_safe(what: &str, output: &str) {
    let found = unsafe_characters(output);
    assert!(found.is_empty(), "{what} prints {found:?}:\n{output:?}");
}

#[tokio::test]
async fn no_output_steers_the_terminal() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut lines = operator.start(&["watch"]);
    let mut json_lines = operator.start(&["--json", "watch"]);
    lines.expect_line("watch allowed").await;
    json_lines.expect_line("watch").await;

    let mut alice = Client::register(&server, "alice").await;
    alice.send(&format!("PRIVMSG #lobby :{HOSTILE}")).await;
    alice
        .expect("her message", |message| {
            is_command(message, "PRIVMSG", "#lobby")
        })
        .await;
    alice.send("JOIN #nest").await;
    alice.send(&format!("TOPIC #nest :{HOSTILE}")).await;
    alice
        .expect("the topic", |message| is_command(message, "TOPIC", "#nest"))
        .await;
    alice.send(&format!("AWAY :{HOSTILE}")).await;
    alice.sync().await;
    // Neither is allowed, and both are in an error and in the audit trail.
    for name in [HOSTILE, &format!("#{HOSTILE}")] {
        let refused = operator.run(&["channel", "show", name]).await;
        assert_ne!(refused.code, Some(0));
        expect_safe("an error", &refused.transcript);
        let refused = operator.run(&["--json", "kick", name]).await;
        assert_ne!(refused.code, Some(0));
        expect_safe("an error as JSON", &refused.transcript);
    }
    let wrong = operator.run(&["list", HOSTILE]).await;
    assert_eq!(wrong.code, Some(2));
    expect_safe("wrong usage", &wrong.transcript);
    let mut stranger =
        operator.start(&["login", "--name", HOSTILE, "--password-file", "/dev/null"]);
    stranger.close_input();
    expect_safe("a refused sign-in", &stranger.wait().await.transcript);
    // The server may refuse such a reason; then the error is printed.
    let ban = operator.run(&["ban", "mallory", "--reason", HOSTILE]).await;
    expect_safe("ban", &ban.transcript);

    for command in [
        &["list"][..],
        &["whois", "alice"],
        &["channels"],
        &["channel", "show", "nest"],
        &["messages"],
        &["accounts"],
        &["bans"],
        &["audit"],
        &["audit", "export"],
        &["sessions"],
        &["status"],
        &["help"],
    ] {
        let plain = operator.run_ok(command).await;
        expect_safe(&command.join(" "), &plain);
        if !matches!(command, ["help"] | ["audit", "export"]) {
            let json = operator.run_ok(&[&["--json"], command].concat()).await;
            expect_safe(&format!("{} --json", command.join(" ")), &json);
        }
    }
    let messages: Value = operator.run_json(&["messages"]).await;
    assert!(
        messages
            .to_string()
            .contains(&Value::from(HOSTILE).to_string()),
        "the value is unchanged: {messages}"
    );

    let terminal = operator.start_in_terminal(&["export", "bans"]);
    let shown = terminal.wait().await.transcript.replace('\r', "");
    expect_safe("export on a terminal", &shown);

    operator.run_ok(&["announce", "the end"]).await;
    lines.expect_line("announced").await;
    json_lines.expect_line("announced").await;
    expect_safe("watch", &lines.transcript());
    expect_safe("watch --json", &json_lines.transcript());
}
