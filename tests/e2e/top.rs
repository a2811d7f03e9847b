//! `admin-cli top` for scripts. Tests of its screen are among the external tests, in a real
//! terminal.

use std::process::Command;

use rookery_tests::admin::Operator;
use rookery_tests::control::ControlClient;
use rookery_tests::irc::{Client, PASSWORD};
use rookery_tests::process::Process;
use rookery_tests::screen::shell_command;
use rookery_tests::server::Server;
use serde_json::Value;

/// Waits for a sample that matches, and returns it.
async fn sample(top: &mut Process, matches: impl Fn(&Value) -> bool) -> Value {
    loop {
        let sample: Value = serde_json::from_str(&top.expect_line("").await).unwrap();
        if matches(&sample) {
            return sample;
        }
    }
}

#[tokio::test]
async fn top_prints_each_sample_as_one_line_of_json() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut top = operator.start(&["--json", "top"]);
    let before = sample(&mut top, |_| true).await;
    assert_eq!(
        (&before["users"], &before["role"]),
        (&2.into(), &"owner".into()),
        "{before}"
    );
    assert_eq!(
        before["busiest_users"],
        Value::Array(Vec::new()),
        "there was no message yet: {before}"
    );

    for text in ["one", "two", "three"] {
        alice.say("#lobby", text).await;
        bob.expect_privmsg("alice", "#lobby", text).await;
    }
    alice.say("bob", "words for bob alone").await;
    let now = sample(&mut top, |now| now["busiest_users"][0]["messages"] == 4).await;
    assert_eq!(now["busiest_users"][0]["nick"], "alice", "{now}");
    assert_eq!(now["busiest_channels"][0]["name"], "#lobby", "{now}");
    assert_eq!(now["busiest_channels"][0]["messages"], 3, "{now}");
    let counter = |sample: &Value, name: &str| sample["counters"][name].as_u64().unwrap();
    for (name, least) in [
        ("messages_received", 4),
        ("messages_stored", 4),
        ("deliveries", 4),
        ("delivered_bytes", 100),
    ] {
        assert!(
            counter(&now, name) >= counter(&before, name) + least,
            "{name}: {before} {now}"
        );
    }

    let _guesser = Client::try_sign_in(&server, "guesser", "alice", "not her password").await;
    let now = sample(&mut top, |now| now["refused_sign_ins"][0]["port"] == "chat").await;
    assert_eq!(now["refused_sign_ins"][0]["name"], "alice", "{now}");
    let control = ControlClient::new(&server);
    let login = serde_json::json!({"name": "root", "password": "not this either"});
    assert_eq!(control.post("/v1/login", None, login).await.status, 401);
    sample(&mut top, |now| {
        now["refused_sign_ins"][0]["port"] == "control"
    })
    .await;
    let seen = top.transcript();
    assert!(
        !seen.contains("words for") && !seen.contains("not this"),
        "messages and passwords are not shown:\n{seen}"
    );
    assert_eq!(
        server.database().count_audit("top", "allowed"),
        1,
        "there is one entry per minute"
    );
}

#[tokio::test]
async fn top_ends_when_its_output_is_closed() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let top = shell_command(&operator.command(&["--json", "top"]));
    let mut piped = Command::new("sh");
    piped.args([
        "-c",
        &format!("{{ {top}; echo \"ended with $?\" >&2; }} | head -n 1"),
    ]);
    let ended = Process::start("top | head", &mut piped).wait().await;
    assert!(
        ended.transcript.contains("ended with 0"),
        "{}",
        ended.transcript
    );
}

#[tokio::test]
async fn top_ends_with_its_session() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut top = operator.start(&["--json", "top"]);
    sample(&mut top, |_| true).await;
    operator.run_ok(&["sessions", "revoke", "all"]).await;
    let ended = top.wait().await;
    assert_eq!(ended.code, Some(3), "{}", ended.transcript);
    assert!(
        ended.transcript.contains("`admin-cli login`"),
        "{}",
        ended.transcript
    );
    assert_eq!(
        operator.run(&["top"]).await.code,
        Some(3),
        "it does not start without a session"
    );
    for token in [None, Some("rka1_0"), Some("")] {
        assert_eq!(
            ControlClient::new(&server)
                .get("/v1/top", token)
                .await
                .status,
            401,
            "{token:?}"
        );
    }
}

#[tokio::test]
async fn without_a_terminal_top_says_what_to_do() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let ended = operator.run(&["top"]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.transcript);
    assert!(
        ended.transcript.contains("`admin-cli --json top`"),
        "{}",
        ended.transcript
    );
    assert!(
        !ended.transcript.contains('\u{1b}'),
        "{:?}",
        ended.transcript
    );
    let mut shell = operator.start(&["shell"]);
    shell.type_line("top");
    shell.type_line("bans");
    shell.close_input();
    let ended = shell.wait().await;
    for part in ["`admin-cli --json top`", "0 bans"] {
        assert!(
            ended.transcript.contains(part),
            "{part:?} in\n{}",
            ended.transcript
        );
    }
    for interval in ["0", "61", "-1", "soon"] {
        let wrong = operator.run(&["top", "--interval", interval]).await;
        assert_eq!(wrong.code, Some(2), "{interval}: {}", wrong.transcript);
    }
}

#[tokio::test]
async fn top_shows_a_slow_client_with_its_send_queue() {
    let fast = [
        "limits.messages_per_second = 0",
        "limits.message_burst = 0",
        "limits.sendq_bytes = 0",
    ];
    let server = Server::with(&fast).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    drop(Client::register(&server, "slow").await);
    let mut slow = Client::connect_with_small_buffer(&server, "slow").await;
    slow.negotiate("slow").await;
    slow.sign_in_with("slow", PASSWORD).await;
    let mut top = operator.start(&["--json", "top"]);
    sample(&mut top, |now| now["users"] == 2).await;

    let filler = "x".repeat(380);
    let mut number = 0;
    // Sends until the buffers of the system are full.
    let now = loop {
        for _ in 0..500 {
            alice
                .send(&format!("PRIVMSG #lobby :m{number} {filler}"))
                .await;
            number += 1;
        }
        alice
            .expect_privmsg("alice", "#lobby", &format!("m{} {filler}", number - 1))
            .await;
        let now: Value = operator.run_json(&["status"]).await;
        if now["largest_sendq_bytes"].as_u64().unwrap() > 50_000 {
            // In earlier samples alice may have been slow, too: she was sending without reading.
            break sample(&mut top, |now| {
                let first = &now["largest_sendqs"][0];
                first["nick"] == "slow" && first["bytes"].as_u64() > Some(50_000)
            })
            .await;
        }
        assert!(number < 50_000, "the reader is not slow: {now}");
    };
    assert!(
        now["largest_sendqs"][0]["address"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:"),
        "{now}"
    );
    operator.run_ok(&["kick", "slow"]).await;
    sample(&mut top, |now| {
        now["largest_sendqs"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
    drop(slow);
}
