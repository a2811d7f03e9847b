//! Kicks of one session and of all users that match a target, from the operator's command to the
//! kicked client.

use std::net::{IpAddr, Ipv4Addr};

use rookery_tests::admin::Operator;
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use serde_json::Value;

#[tokio::test]
async fn a_kick_of_one_session_leaves_the_others() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut phone = Client::register(&server, "alice").await;
    let mut laptop = Client::sign_in(&server, "alice").await;
    let list: Value = operator.run_json(&["list"]).await;
    let id = list["users"][0]["sessions"][0]["id"].to_string();

    let ended = operator.run(&["kick", "bob", "--session", &id]).await;
    assert_eq!(
        ended.code,
        Some(1),
        "it is not a session of bob: {}",
        ended.transcript
    );
    let kicked = operator
        .run_json(&["kick", "alice", "--session", &id, "--reason", "left open"])
        .await;
    assert_eq!(kicked["sessions"], 1, "{kicked}");
    assert_eq!(
        phone.read_until_closed().await.last().unwrap().to_string(),
        "ERROR :Kicked: left open"
    );
    laptop.say("#lobby", "still here").await;
    bob.expect_privmsg("alice", "#lobby", "still here").await;
    assert_eq!(server.database().count_audit("kick", "refused"), 1);
    assert_eq!(server.database().count_audit("kick", "allowed"), 1);
}

#[tokio::test]
async fn a_kick_by_target_ends_all_matching_sessions_and_they_may_reconnect() {
    let server = Server::with(&["accounts.required=false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register_as_guest(&server, "alice").await;
    let elsewhere = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
    let mut guest = Client::connect_from(&server, "guest", elsewhere).await;
    guest.negotiate("guest").await;
    guest.send("CAP END").await;
    guest.wait_until_admitted().await;

    let preview = operator
        .run_ok(&["kick", "--match", "127.0.0.64/26", "--dry-run"])
        .await;
    assert!(
        preview.contains("guest") && !preview.contains("alice"),
        "{preview}"
    );
    assert!(
        operator.run_ok(&["list"]).await.contains("guest"),
        "a dry run kicks nobody"
    );
    let kicked = operator
        .run_json(&["kick", "--match", "127.0.0.64/26", "--reason", "storm"])
        .await;
    assert_eq!(
        (&kicked["users"][0], &kicked["sessions"]),
        (&"guest".into(), &1.into()),
        "{kicked}"
    );
    assert!(
        !operator.run_ok(&["list"]).await.contains("guest"),
        "success means that the guest is gone"
    );
    assert_eq!(
        guest.read_until_closed().await.last().unwrap().to_string(),
        "ERROR :Kicked: storm"
    );
    alice.say("#lobby", "quiet again").await;
    let mut guest = Client::connect_from(&server, "guest", elsewhere).await;
    guest.negotiate("guest").await;
    guest.send("CAP END").await;
    guest.wait_until_admitted().await;

    for target in ["*@*", "127.0.0.0/8", "root@operators.example.org"] {
        let ended = operator.run(&["kick", "--match", target]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.transcript);
        assert!(ended.transcript.contains("--yes"), "{}", ended.transcript);
    }
    alice.say("#lobby", "still here").await;
    operator.run_ok(&["kick", "--match", "*@*", "--yes"]).await;
    alice.read_until_closed().await;
    for wrong in [
        &["kick"][..],
        &["kick", "bob", "--match", "bob"],
        &["kick", "--match", "bob", "--session", "1"],
    ] {
        assert_eq!(operator.run(wrong).await.code, Some(2), "{wrong:?}");
    }
}
