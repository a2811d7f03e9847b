//! Who is online: the list with its filters, orders and pages, one user in full, and the list that
//! is watched.

use rookery_tests::admin::Operator;
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use serde_json::Value;

async fn nicks(operator: &Operator, options: &[&str]) -> Vec<String> {
    let list = operator
        .done(&[&["--json", "list"], options].concat())
        .await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let users = list["users"].as_array().unwrap();
    users
        .iter()
        .map(|user| user["nick"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_list_is_sorted_filtered_and_paged() {
    let server = Server::with(&["accounts.required=false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register_admitted(&server, "alice").await;
    let _bob = Client::register_admitted(&server, "bob").await;
    let _bob_too = Client::sign_in(&server, "bob").await;
    let mut guest = Client::introduce(&server, "zoe").await;
    guest.admitted().await;
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
    let page = operator.done(&["list", "--limit", "2"]).await;
    assert!(
        page.contains("3 users online, 2 shown; for more, --after bob"),
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
async fn one_user_is_shown_with_all_that_an_operator_needs() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let _alice = Client::register(&server, "alice").await;
    let text = operator.done(&["whois", "ALICE"]).await;
    for part in [
        "alice (alice@example.org)",
        "127.0.0.1:",
        "TLSv1.3 ",
        "#lobby",
        "Idle",
        "Sessions     1",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let user: Value =
        serde_json::from_str(&operator.done(&["--json", "whois", "alice"]).await).unwrap();
    assert_eq!(user["user"]["sessions"][0]["username"], "alice", "{user}");
    assert!(
        user["user"]["sessions"][0]["realname"].is_string(),
        "{user}"
    );
    let nobody = operator.run(&["whois", "bob"]).await;
    assert_eq!(nobody.code, Some(1), "{}", nobody.transcript);
    assert!(
        nobody.transcript.contains("Nobody is online as bob"),
        "{}",
        nobody.transcript
    );
}

#[tokio::test]
async fn a_watched_list_shows_who_comes_until_ctrl_c() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    assert_eq!(
        operator.run(&["list", "--watch"]).await.code,
        Some(2),
        "it is for a terminal"
    );
    let mut watch = operator.start_in_terminal(&["list", "--watch"]);
    watch.expect_text("0 users online").await;
    let _alice = Client::register(&server, "alice").await;
    watch.expect_text("alice@example.org").await;
    watch.expect_text("1 user online").await;
    watch.type_line("\u{3}");
    let ended = watch.ended().await;
    assert_eq!(ended.code, Some(130), "{}", ended.transcript);
}

#[tokio::test]
async fn whoever_is_always_on_is_listed_without_a_session_and_gone_once_kicked() {
    let server = Server::with(&["accounts.always_on = true"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut alice = Client::register(&server, "alice").await;
    alice.send("QUIT").await;
    alice.until_closed().await;
    assert_eq!(nicks(&operator, &[]).await, ["alice", "bob"]);
    let shown = operator.done(&["whois", "alice"]).await;
    assert!(
        shown.contains("Sessions     0") && shown.contains("#lobby"),
        "{shown}"
    );
    let told = operator.done(&["kick", "--match", "127.0.0.64/26"]).await;
    assert!(told.contains("no sessions were online"), "{told}");
    assert_eq!(
        nicks(&operator, &[]).await,
        ["alice", "bob"],
        "it is at no address"
    );

    let told = operator
        .done(&["kick", "alice", "--reason", "too quiet"])
        .await;
    assert!(
        told.contains("Kicked alice; no sessions were online"),
        "{told}"
    );
    assert_eq!(nicks(&operator, &[]).await, ["bob"]);
    let quit = bob
        .expect("alice's QUIT", |message| message.command == "QUIT")
        .await;
    assert_eq!(quit.params.last().unwrap(), "Kicked: too quiet");
    Client::sign_in(&server, "alice").await;

    bob.send("QUIT").await;
    bob.until_closed().await;
    operator.done(&["ban", "bob"]).await;
    assert_eq!(nicks(&operator, &[]).await, ["alice"], "a ban ends it too");
}
