//! How busy the server is, as `admin-cli top` tells scripts; its screen has tests of its own, in a
//! real terminal.

use std::process::Command;

use rookery_tests::admin::Operator;
use rookery_tests::control::Control;
use rookery_tests::irc::{Client, PASSWORD};
use rookery_tests::process::Process;
use rookery_tests::screen::line;
use rookery_tests::server::Server;
use serde_json::Value;

/// The next moment for which that holds.
async fn moment(top: &mut Process, what: impl Fn(&Value) -> bool) -> Value {
    loop {
        let moment: Value = serde_json::from_str(&top.expect_line("").await).unwrap();
        if what(&moment) {
            return moment;
        }
    }
}

#[tokio::test]
async fn scripts_read_each_moment_as_a_line() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut top = operator.start(&["--json", "top"]);
    let before = moment(&mut top, |_| true).await;
    assert_eq!(
        (&before["users"], &before["role"]),
        (&2.into(), &"owner".into()),
        "{before}"
    );
    assert_eq!(
        before["busiest_users"],
        Value::Array(Vec::new()),
        "nothing was said yet: {before}"
    );

    for text in ["one", "two", "three"] {
        alice.say("#lobby", text).await;
        bob.expect_said("alice", "#lobby", text).await;
    }
    alice.say("bob", "words for bob alone").await;
    let now = moment(&mut top, |now| now["busiest_users"][0]["messages"] == 4).await;
    assert_eq!(now["busiest_users"][0]["nick"], "alice", "{now}");
    assert_eq!(now["busiest_channels"][0]["name"], "#lobby", "{now}");
    assert_eq!(now["busiest_channels"][0]["messages"], 3, "{now}");
    let counted = |moment: &Value, name: &str| moment["counters"][name].as_u64().unwrap();
    for (name, least) in [
        ("messages_received", 4),
        ("messages_stored", 4),
        ("deliveries", 4),
        ("delivered_bytes", 100),
    ] {
        assert!(
            counted(&now, name) >= counted(&before, name) + least,
            "{name}: {before} {now}"
        );
    }

    let _guesser = Client::try_sign_in(&server, "guesser", "alice", "not her password").await;
    let now = moment(&mut top, |now| now["refused_sign_ins"][0]["port"] == "chat").await;
    assert_eq!(now["refused_sign_ins"][0]["name"], "alice", "{now}");
    let control = Control::new(&server);
    let login = serde_json::json!({"name": "root", "password": "not this either"});
    assert_eq!(control.post("/v1/login", None, login).await.status, 401);
    moment(&mut top, |now| {
        now["refused_sign_ins"][0]["port"] == "control"
    })
    .await;
    let seen = top.transcript();
    assert!(
        !seen.contains("words for") && !seen.contains("not this"),
        "what people say or type is not told:\n{seen}"
    );
    assert_eq!(
        server.record().count_audit("top", "allowed"),
        1,
        "one entry a minute"
    );
}

#[tokio::test]
async fn it_ends_with_its_reader() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let top = line(&operator.command(&["--json", "top"]));
    let mut piped = Command::new("sh");
    piped.args([
        "-c",
        &format!("{{ {top}; echo \"ended with $?\" >&2; }} | head -n 1"),
    ]);
    let ended = Process::start("top | head", &mut piped).ended().await;
    assert!(
        ended.transcript.contains("ended with 0"),
        "{}",
        ended.transcript
    );
}

#[tokio::test]
async fn it_ends_with_the_sign_in() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut top = operator.start(&["--json", "top"]);
    moment(&mut top, |_| true).await;
    operator.done(&["sessions", "revoke", "all"]).await;
    let ended = top.ended().await;
    assert_eq!(ended.code, Some(3), "{}", ended.transcript);
    assert!(
        ended.transcript.contains("Sign in with `admin-cli login`."),
        "{}",
        ended.transcript
    );
    assert_eq!(
        operator.run(&["top"]).await.code,
        Some(3),
        "and without one it does not begin"
    );
    for token in [None, Some("rka1_0"), Some("")] {
        assert_eq!(
            Control::new(&server).get("/v1/top", token).await.status,
            401,
            "{token:?}"
        );
    }
}

#[tokio::test]
async fn where_there_is_no_screen_it_says_what_to_do() {
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
    shell.end_input();
    let ended = shell.ended().await;
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
async fn a_slow_reader_is_told_with_what_waits_for_it() {
    let fast = [
        "limits.messages_per_second = 0",
        "limits.message_burst = 0",
        "limits.sendq_bytes = 0",
    ];
    let server = Server::with(&fast).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    drop(Client::register(&server, "slow").await);
    let mut slow = Client::connect_narrow(&server, "slow").await;
    slow.negotiate("slow").await;
    slow.sign_in_with("slow", PASSWORD).await;
    let mut top = operator.start(&["--json", "top"]);
    moment(&mut top, |now| now["users"] == 2).await;

    let filler = "x".repeat(380);
    let mut number = 0;
    // As many as the system has no more room for.
    let now = loop {
        for _ in 0..500 {
            alice
                .send(&format!("PRIVMSG #lobby :m{number} {filler}"))
                .await;
            number += 1;
        }
        alice
            .expect_said("alice", "#lobby", &format!("m{} {filler}", number - 1))
            .await;
        let now: Value = serde_json::from_str(&operator.done(&["--json", "status"]).await).unwrap();
        if now["largest_sendq_bytes"].as_u64().unwrap() > 50_000 {
            // Moments before this one were seen while alice was sending, and not reading either.
            break moment(&mut top, |now| {
                let first = &now["largest_sendqs"][0];
                first["nick"] == "slow" && first["bytes"].as_u64() > Some(50_000)
            })
            .await;
        }
        assert!(number < 50_000, "it is not slow: {now}");
    };
    assert!(
        now["largest_sendqs"][0]["address"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:"),
        "{now}"
    );
    operator.done(&["kick", "slow"]).await;
    moment(&mut top, |now| {
        now["largest_sendqs"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
    drop(slow);
}
