//! Kicks of one session, of one user, and of all that match, as those hear of them who are hit.

use std::net::{IpAddr, Ipv4Addr};

use rookery_tests::admin::Operator;
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use serde_json::Value;

#[tokio::test]
async fn one_session_ends_and_its_user_stays_with_the_other() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut phone = Client::register(&server, "alice").await;
    let mut desk = Client::sign_in(&server, "alice").await;
    let list: Value = serde_json::from_str(&operator.done(&["--json", "list"]).await).unwrap();
    let id = list["users"][0]["sessions"][0]["id"].to_string();

    let ended = operator.run(&["kick", "bob", "--session", &id]).await;
    assert_eq!(
        ended.code,
        Some(1),
        "it is not of bob: {}",
        ended.transcript
    );
    let told = operator
        .done(&["kick", "alice", "--session", &id, "--reason", "left open"])
        .await;
    assert!(told.contains("1 session of alice ended"), "{told}");
    assert_eq!(
        phone.until_closed().await.last().unwrap().to_string(),
        "ERROR :Kicked: left open"
    );
    desk.say("#lobby", "still here").await;
    bob.expect_said("alice", "#lobby", "still here").await;
    assert_eq!(server.record().count_audit("kick", "refused"), 1);
    assert_eq!(server.record().count_audit("kick", "allowed"), 1);
}

#[tokio::test]
async fn all_that_match_are_gone_when_it_says_so_and_may_come_back() {
    let server = Server::with(&["accounts.required=false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register_admitted(&server, "alice").await;
    let elsewhere = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
    let mut guest = Client::connect_from(&server, "guest", elsewhere).await;
    guest.negotiate("guest").await;
    guest.send("CAP END").await;
    guest.admitted().await;

    let preview = operator
        .done(&["kick", "--match", "127.0.0.64/26", "--dry-run"])
        .await;
    assert!(
        preview.contains("guest") && preview.contains("Nothing was changed"),
        "{preview}"
    );
    assert!(!preview.contains("alice"), "{preview}");
    let told = operator
        .done(&["kick", "--match", "127.0.0.64/26", "--reason", "storm"])
        .await;
    assert!(told.contains("1 session of guest ended"), "{told}");
    assert!(
        !operator.done(&["list"]).await.contains("guest"),
        "done means done"
    );
    assert_eq!(
        guest.until_closed().await.last().unwrap().to_string(),
        "ERROR :Kicked: storm"
    );
    alice.say("#lobby", "quiet again").await;
    let mut guest = Client::connect_from(&server, "guest", elsewhere).await;
    guest.negotiate("guest").await;
    guest.send("CAP END").await;
    guest.admitted().await;

    for target in ["*@*", "127.0.0.0/8", "root@operators.example.org"] {
        let ended = operator.run(&["kick", "--match", target]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.transcript);
        assert!(ended.transcript.contains("--yes"), "{}", ended.transcript);
    }
    alice.say("#lobby", "still here").await;
    operator.done(&["kick", "--match", "*@*", "--yes"]).await;
    alice.until_closed().await;
    for wrong in [
        &["kick"][..],
        &["kick", "bob", "--match", "bob"],
        &["kick", "--match", "bob", "--session", "1"],
    ] {
        assert_eq!(operator.run(wrong).await.code, Some(2), "{wrong:?}");
    }
}
