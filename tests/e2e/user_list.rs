//! Users who are online: the list with its filters, orders and pages, the details of one user, and
//! the list that refreshes itself.

use rookery_tests::admin::Operator;
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use serde_json::{Value, json};

async fn nicks(operator: &Operator, options: &[&str]) -> Vec<String> {
    let list = operator
        .run_ok(&[&["--json", "list"], options].concat())
        .await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let users = list["users"].as_array().unwrap();
    users
        .iter()
        .map(|user| user["nick"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_user_list_is_sorted_filtered_and_paged() {
    let server = Server::with(&["accounts.required=false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register_as_guest(&server, "alice").await;
    let _bob = Client::register_as_guest(&server, "bob").await;
    let _bob_too = Client::sign_in(&server, "bob").await;
    let mut guest = Client::handshake(&server, "zoe").await;
    guest.wait_until_admitted().await;
    alice.send("JOIN #plots").await;
    alice
        .expect("the join", |message| {
            message.command == "366" && message.param(1) == Some("#plots")
        })
        .await;

    assert_eq!(nicks(&operator, &[]).await, ["alice", "bob", "zoe"]);
    assert_eq!(
        nicks(&operator, &["--reverse"]).await,
        ["zoe", "bob", "alice"]
    );
    assert_eq!(
        nicks(&operator, &["--sort", "sessions"]).await,
        ["bob", "alice", "zoe"]
    );
    assert_eq!(
        nicks(&operator, &["--sort", "since"]).await,
        ["alice", "bob", "zoe"]
    );
    assert_eq!(
        nicks(&operator, &["--sort", "idle"]).await.last().unwrap(),
        "alice"
    );
    assert_eq!(nicks(&operator, &["--channel", "plots"]).await, ["alice"]);
    assert_eq!(
        nicks(&operator, &["--match", "b*@example.org"]).await,
        ["bob"]
    );
    assert_eq!(nicks(&operator, &["--search", "ALICE@"]).await, ["alice"]);
    assert_eq!(nicks(&operator, &["--guests"]).await, ["zoe"]);
    assert_eq!(
        nicks(&operator, &["--limit", "1", "--after", "alice"]).await,
        ["bob"]
    );
    let page = operator.run_ok(&["list", "--limit", "2"]).await;
    assert!(
        page.contains("3 users") && page.contains("--after bob"),
        "{page}"
    );
    assert_eq!(
        operator.run(&["list", "--sort", "size"]).await.code,
        Some(2)
    );
    assert_eq!(
        operator.run(&["list", "--match", "no target"]).await.code,
        Some(1)
    );
}

#[tokio::test]
async fn whois_shows_all_details_of_a_user() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let _alice = Client::register(&server, "alice").await;
    let text = operator.run_ok(&["whois", "ALICE"]).await;
    for part in [
        "alice (alice@example.org)",
        "127.0.0.1:",
        "TLSv1.3 ",
        "#lobby",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let user: Value = operator.run_json(&["whois", "alice"]).await;
    let sessions = &user["user"]["sessions"];
    assert_eq!(sessions.as_array().map(Vec::len), Some(1), "{user}");
    assert!(user["user"]["active_at"].is_string(), "{user}");
    assert_eq!(user["user"]["sessions"][0]["username"], "alice", "{user}");
    assert!(
        user["user"]["sessions"][0]["realname"].is_string(),
        "{user}"
    );
    let nobody = operator.run(&["--json", "whois", "bob"]).await;
    assert_eq!(nobody.code, Some(1), "{}", nobody.transcript);
    assert!(
        nobody.transcript.contains("/problems/not-online"),
        "{}",
        nobody.transcript
    );
}

#[tokio::test]
async fn a_refreshing_list_shows_new_users_until_ctrl_c() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    assert_eq!(
        operator.run(&["list", "--watch"]).await.code,
        Some(2),
        "it needs a terminal"
    );
    let mut watch = operator.start_in_terminal(&["list", "--watch"]);
    watch.expect_text("0 users").await;
    let _alice = Client::register(&server, "alice").await;
    watch.expect_text("alice@example.org").await;
    watch.expect_text("1 user").await;
    watch.type_line("\u{3}");
    let ended = watch.wait().await;
    assert_eq!(ended.code, Some(130), "{}", ended.transcript);
}

#[tokio::test]
async fn an_always_on_user_is_listed_without_sessions_and_removed_by_a_kick() {
    let server = Server::with(&["accounts.always_on = true"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut alice = Client::register(&server, "alice").await;
    alice.send("QUIT").await;
    alice.read_until_closed().await;
    assert_eq!(nicks(&operator, &[]).await, ["alice", "bob"]);
    let shown = operator.run_json(&["whois", "alice"]).await;
    assert_eq!(shown["user"]["sessions"], json!([]), "{shown}");
    assert!(shown.to_string().contains("#lobby"), "{shown}");
    let kicked = operator
        .run_json(&["kick", "--match", "127.0.0.64/26"])
        .await;
    assert_eq!(kicked["sessions"], 0, "{kicked}");
    assert_eq!(
        nicks(&operator, &[]).await,
        ["alice", "bob"],
        "a user without a session has no address"
    );

    let kicked = operator
        .run_json(&["kick", "alice", "--reason", "too quiet"])
        .await;
    assert_eq!(kicked["sessions"], 0, "{kicked}");
    assert_eq!(nicks(&operator, &[]).await, ["bob"]);
    let quit = bob
        .expect("alice's QUIT", |message| message.command == "QUIT")
        .await;
    assert_eq!(quit.params.last().unwrap(), "Kicked: too quiet");
    Client::sign_in(&server, "alice").await;

    bob.send("QUIT").await;
    bob.read_until_closed().await;
    operator.run_ok(&["ban", "bob"]).await;
    assert_eq!(
        nicks(&operator, &[]).await,
        ["alice"],
        "a ban also removes such a user"
    );
}
