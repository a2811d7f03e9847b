//! Operators with `admin-cli`: list, kick, ban, unban, and the sign-in before.

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::control::{Control, other_than};
use rookery_tests::irc::{Client, PASSWORD, device_credential};
use rookery_tests::server::Server;
use serde_json::{Value, json};

#[tokio::test]
async fn an_operator_signs_in_with_password_and_mailed_code_and_lists_who_is_here() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let ended = operator.run(&["list"]).await;
    assert_eq!(ended.code, Some(3), "not signed in: {}", ended.transcript);
    operator.login(&server).await;

    let _alice = Client::register(&server, "alice").await;
    let table = operator.done(&["list"]).await;
    assert!(
        table.contains("alice") && table.contains("alice@example.org"),
        "{table}"
    );
    let json: Value = serde_json::from_str(&operator.done(&["--json", "list"]).await).unwrap();
    assert_eq!(json["users"][0]["nick"], "alice", "{json}");
    assert_eq!(json["users"][0]["channels"], json!(["#lobby"]), "{json}");
    operator.done(&["status"]).await;
    operator.done(&["logout"]).await;
    assert_eq!(operator.run(&["list"]).await.code, Some(3));
}

#[tokio::test]
async fn the_kept_token_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut folders = vec![operator.state()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                files += 1;
                assert_eq!(
                    entry.metadata().unwrap().permissions().mode() & 0o777,
                    0o600,
                    "{entry:?}"
                );
            }
        }
    }
    assert!(files > 0);
}

#[tokio::test]
async fn wrong_usage_is_told_apart_from_refusals() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    assert_eq!(operator.run(&["fly"]).await.code, Some(2));
    assert_eq!(operator.run(&["kick", "nobody"]).await.code, Some(1));
}

#[tokio::test]
async fn a_kick_ends_every_session_with_its_reason_and_the_user_may_return() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut alice = Client::register(&server, "alice").await;
    operator
        .done(&["kick", "bob", "--reason", "too loud"])
        .await;
    let list = operator.done(&["list"]).await;
    assert!(!list.contains("bob"), "done means done:\n{list}");
    let heard = bob.until_closed().await;
    assert_eq!(heard.last().unwrap().to_string(), "ERROR :Kicked: too loud");
    alice
        .expect("bob's QUIT", |message| {
            message.command == "QUIT" && message.source_nick() == Some("bob")
        })
        .await;
    let mut bob = Client::sign_in(&server, "bob").await;
    bob.say("#lobby", "back").await;
    let kicks = server
        .record()
        .audit()
        .into_iter()
        .filter(|entry| entry.act == "kick")
        .collect::<Vec<_>>();
    assert_eq!(kicks.len(), 1, "{kicks:?}");
    assert_eq!(
        (kicks[0].actor.as_str(), kicks[0].target.as_str()),
        ("root", "bob")
    );
}

#[tokio::test]
async fn a_ban_is_on_disk_holds_after_a_restart_and_ends_with_unban() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut alice = Client::register(&server, "alice").await;

    operator
        .done(&["ban", "bob@example.org", "--reason", "spam"])
        .await;
    assert_eq!(server.record().bans(), ["bob@example.org"]);
    let csv = std::fs::read_to_string(server.path("data/bans.csv")).unwrap();
    assert!(csv.contains("bob@example.org,spam,root,"), "{csv}");
    let list = operator.done(&["list"]).await;
    assert!(!list.contains("bob"), "done means done:\n{list}");
    let heard = bob.until_closed().await;
    assert!(
        heard.last().unwrap().params[0].contains("spam"),
        "{heard:?}"
    );
    assert_banned(&server, "bob", PASSWORD, "spam").await;
    alice.say("#lobby", "quiet again").await;

    server.sigterm().await;
    server.restart().await;
    assert_banned(&server, "bob", PASSWORD, "spam").await;

    operator.login(&server).await;
    assert!(operator.done(&["bans"]).await.contains("bob@example.org"));
    operator.done(&["unban", "bob@example.org"]).await;
    assert!(server.record().bans().is_empty());
    assert!(
        !std::fs::read_to_string(server.path("data/bans.csv"))
            .unwrap()
            .contains("bob")
    );
    let mut bob = Client::sign_in(&server, "bob").await;
    bob.say("#lobby", "sorry").await;
}

#[tokio::test]
async fn a_banned_name_is_refused_with_every_credential_for_its_time() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "bob").await);
    let credential = device_credential(5);
    let mut bob = Client::connect(&server, "bob").await;
    bob.negotiate("bob").await;
    bob.authenticate("X-EMAIL-CODE", b"bob\0bob@example.org")
        .await;
    let code = server.mailbox().code_to("bob@example.org").await;
    bob.respond(format!("{code}\0{}", credential.expose()).as_bytes())
        .await;
    bob.expect_numeric("903").await;
    bob.send("CAP END").await;
    bob.admitted().await;

    operator
        .done(&["ban", "BOB", "--reason", "spam", "--for", "7d"])
        .await;
    bob.until_closed().await;
    assert_banned(&server, "bob", PASSWORD, "spam").await;
    assert_banned(&server, "bob", credential.expose(), "spam").await;
    assert_banned(&server, "bob@example.org", PASSWORD, "spam").await;
}

async fn assert_banned(server: &Server, account: &str, secret: &str, reason: &str) {
    let heard = Client::sign_in_refused(server, account, secret).await;
    let told = heard.iter().find(|message| message.command == "465");
    let told = told.unwrap_or_else(|| panic!("no 465 in {heard:?}"));
    assert!(told.params.last().unwrap().contains(reason), "{told:?}");
    assert!(
        heard.iter().all(|message| message.command != "001"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn the_admin_leaves_first_and_the_server_goes_on() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    operator.done(&["list"]).await;
    operator.done(&["logout"]).await;
    drop(operator);
    alice.say("#lobby", "the boss is gone").await;
    bob.expect_said("alice", "#lobby", "the boss is gone").await;
    Client::register(&server, "carol").await;
}

#[tokio::test]
async fn a_wrong_code_five_times_kills_the_challenge_and_all_is_audited() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let challenge = control.login("root").await;
    let code = server.mailbox().code_to(&admin_email("root")).await;
    for _ in 0..5 {
        assert_eq!(
            control.verify(&challenge, &other_than(&code)).await.status,
            401
        );
    }
    assert_eq!(
        control.verify(&challenge, &code).await.status,
        401,
        "dead, even for the right one"
    );
    assert_eq!(server.record().count_audit("verify", "refused"), 6);
    assert_eq!(server.record().count_audit("verify", "allowed"), 0);
    assert!(
        !format!("{:?}", server.record().audit()).contains(&code),
        "a code is a secret"
    );
}

#[tokio::test]
async fn a_code_opens_once_and_its_own_challenge_only() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let first = control.login("root").await;
    let first_code = server.mailbox().code_to(&admin_email("root")).await;
    let second = control.login("root").await;
    let second_code = server.mailbox().code_to(&admin_email("root")).await;
    if first_code != second_code {
        assert_eq!(
            control.verify(&second, &first_code).await.status,
            401,
            "of another challenge"
        );
    }
    assert_eq!(control.verify(&second, &second_code).await.status, 200);
    assert_eq!(
        control.verify(&second, &second_code).await.status,
        401,
        "used"
    );
    assert_eq!(
        control
            .verify("no-such-challenge", &first_code)
            .await
            .status,
        401
    );
    assert_ne!(first, second);
    assert!(server.record().count_audit("verify", "refused") >= 2);
}

#[tokio::test]
async fn a_wrong_password_or_name_gets_the_same_answer_and_no_mail() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let mut answers = Vec::new();
    for (name, password) in [
        ("root", "wrong"),
        ("nobody", rookery_tests::admin::PASSWORD),
    ] {
        let reply = control
            .post(
                "/v1/login",
                None,
                json!({"name": name, "password": password}),
            )
            .await;
        assert_eq!(
            (reply.status, reply.content_type.as_str()),
            (401, "application/problem+json")
        );
        answers.push(reply.body);
    }
    assert_eq!(answers[0], answers[1]);
    control.login("root").await;
    server.mailbox().code_to(&admin_email("root")).await;
    let mails = std::fs::read_dir(server.path("data/mail")).unwrap().count();
    assert_eq!(
        mails, 1,
        "only the right name and password have a code sent"
    );
    assert_eq!(server.record().count_audit("login", "refused"), 2);
}

#[tokio::test]
async fn every_entry_of_the_trail_carries_the_hash_of_the_one_before() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.run(&["kick", "nobody"]).await;
    operator.done(&["ban", "mallory@example.org"]).await;
    let trail = server.record().audit();
    assert!(trail.len() >= 4, "{trail:?}");
    assert_eq!(trail[0].previous, [0; 32]);
    for pair in trail.windows(2) {
        assert_eq!(pair[1].previous, pair[0].hash);
    }
}

#[tokio::test]
async fn a_wrong_code_at_the_prompt_is_refused_in_words() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let mut login = operator.start_login(&server);
    let code = server.mailbox().code_to(&admin_email("root")).await;
    login.type_line(&other_than(&code));
    login.end_input();
    let ended = login.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    assert_eq!(operator.run(&["list"]).await.code, Some(3));
}

#[tokio::test]
async fn an_account_is_found_disabled_enabled_revoked_and_deleted() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    drop(Client::register(&server, "alice").await);
    let table = operator.done(&["accounts", "--search", "BOB@"]).await;
    assert!(
        table.contains("bob@example.org") && !table.contains("alice"),
        "{table}"
    );

    let page = operator.done(&["accounts", "--limit", "1"]).await;
    assert!(
        page.contains("alice@example.org") && page.contains("for more, --after alice"),
        "{page}"
    );
    let rest = operator
        .done(&["accounts", "--limit", "1", "--after", "alice"])
        .await;
    assert!(
        rest.contains("bob@example.org") && !rest.contains("--after"),
        "{rest}"
    );

    let told = operator
        .done(&["account", "disable", "bob", "--reason", "on leave"])
        .await;
    assert!(
        told.contains("bob (bob@example.org) is disabled; 1 session of bob ended."),
        "{told}"
    );
    let heard = bob.until_closed().await;
    assert_eq!(
        heard.last().unwrap().to_string(),
        "ERROR :Your account is disabled: on leave"
    );
    let mut refused = Client::try_sign_in(&server, "bob", "bob", PASSWORD).await;
    let why = refused.expect_numeric("904").await;
    assert!(
        why.params
            .last()
            .unwrap()
            .ends_with("the account is disabled: on leave"),
        "{why}"
    );
    operator.done(&["account", "enable", "bob"]).await;
    let mut bob = Client::sign_in(&server, "bob").await;

    operator.done(&["account", "revoke", "bob"]).await;
    bob.until_closed().await;
    let mut refused = Client::try_sign_in(&server, "bob", "bob", PASSWORD).await;
    refused.expect_numeric("904").await;

    assert_eq!(
        operator.run(&["account", "delete", "bob"]).await.code,
        Some(1),
        "that takes a yes"
    );
    let reply: Value = serde_json::from_str(
        &operator
            .done(&["--json", "account", "delete", "bob", "--yes"])
            .await,
    )
    .unwrap();
    assert_eq!(reply["account"]["email"], "bob@example.org", "{reply}");
    assert!(!operator.done(&["accounts"]).await.contains("bob"));
    assert_eq!(
        operator.run(&["account", "enable", "bob"]).await.code,
        Some(1)
    );
    let acts = server
        .record()
        .audit()
        .into_iter()
        .filter(|entry| entry.target == "bob");
    let acts: Vec<String> = acts.map(|entry| entry.act).collect();
    assert_eq!(
        acts,
        [
            "disable",
            "enable",
            "revoke-credentials",
            "delete-account",
            "enable"
        ]
    );
}

#[tokio::test]
async fn a_channel_is_listed_shown_and_closed() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    bob.send("JOIN #plots").await;
    bob.expect("the join", |message| {
        message.command == "366" && message.param(1) == Some("#plots")
    })
    .await;
    bob.send("TOPIC #plots :gunpowder").await;
    bob.expect("the topic", |message| message.command == "TOPIC")
        .await;
    let table = operator.done(&["channels"]).await;
    assert!(
        table.contains("#lobby") && table.contains("#plots") && table.contains("gunpowder"),
        "{table}"
    );
    let shown = operator.done(&["channel", "show", "plots"]).await;
    assert!(
        shown.contains("1: @bob") && shown.contains("gunpowder"),
        "{shown}"
    );
    operator
        .done(&[
            "channel",
            "close",
            "#plots",
            "--reason",
            "against the rules",
        ])
        .await;
    assert!(
        !operator.done(&["channels"]).await.contains("#plots"),
        "done means done"
    );
    let kick = bob
        .expect("the end of #plots", |message| message.command == "KICK")
        .await;
    assert_eq!(kick.params, ["#plots", "bob", "Closed: against the rules"]);
    bob.say("#lobby", "still here").await;
    assert_eq!(
        operator.run(&["channel", "close", "plots"]).await.code,
        Some(1)
    );
}

#[tokio::test]
async fn an_announcement_is_heard_by_its_audience() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    operator
        .done(&["announce", "only alice", "--account", "alice"])
        .await;
    operator.done(&["announce", "tea", "time"]).await;
    operator
        .done(&["announce", "in the lobby", "--channel", "lobby"])
        .await;
    alice.expect_text("in the lobby").await;
    let heard = bob.heard().await;
    let texts: Vec<&str> = heard
        .iter()
        .filter_map(|message| message.params.last())
        .map(String::as_str)
        .collect();
    assert!(
        texts.contains(&"in the lobby") && texts.contains(&"tea time"),
        "{texts:?}"
    );
    assert!(!texts.contains(&"only alice"), "{texts:?}");
    assert_eq!(
        operator
            .run(&["announce", "x", "--account", "nobody"])
            .await
            .code,
        Some(1)
    );
    assert_eq!(
        operator
            .run(&["announce", "x", "--account", "a", "--channel", "b"])
            .await
            .code,
        Some(2)
    );
}

#[tokio::test]
async fn a_reload_takes_the_config_anew_or_says_what_is_wrong_with_it() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    server.set("chat.motd = \"Mind the step.\"");
    operator.done(&["reload"]).await;
    alice.send("MOTD").await;
    alice.expect_text("Mind the step.").await;
    server.set("limits.sendq_bites = 1");
    let ended = operator.run(&["reload"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.transcript.contains("config.toml:"),
        "{}",
        ended.transcript
    );
    assert!(
        ended.transcript.contains("limits.sendq_bites: unknown key"),
        "{}",
        ended.transcript
    );
    let reloads = server
        .record()
        .audit()
        .into_iter()
        .filter(|entry| entry.act == "reload")
        .count();
    assert_eq!(
        reloads, 3,
        "the last is entered as asked for, and as failed"
    );
}

#[tokio::test]
async fn a_reload_that_leaves_the_csv_files_out_says_that_the_rest_is_in_force() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    server.set("chat.motd = \"Mind the step.\"");
    let database = rusqlite::Connection::open(server.path("data/rookery.db")).unwrap();
    database
        .execute_batch("ALTER TABLE windows RENAME TO elsewhere")
        .unwrap();
    let ended = operator.run(&["reload"]).await;
    assert_eq!(ended.code, Some(1));
    let expected = "config and certificates reloaded, but not all CSV files: ";
    assert!(ended.transcript.contains(expected), "{}", ended.transcript);
    alice.send("MOTD").await;
    alice.expect_text("Mind the step.").await;
    database
        .execute_batch("ALTER TABLE elsewhere RENAME TO windows")
        .unwrap();
    operator.done(&["reload"]).await;
}
