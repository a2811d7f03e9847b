//! Operators with `admin-cli`: sign-in, list, kick, ban, accounts, channels and announcements.

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::control::{ControlClient, wrong_code};
use rookery_tests::irc::{Client, PASSWORD, device_credential};
use rookery_tests::server::Server;
use serde_json::{Value, json};

#[tokio::test]
async fn an_operator_signs_in_with_password_and_mailed_code_and_lists_the_users() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let ended = operator.run(&["list"]).await;
    assert_eq!(ended.code, Some(3), "not signed in: {}", ended.transcript);
    operator.login(&server).await;

    let _alice = Client::register(&server, "alice").await;
    let table = operator.run_ok(&["list"]).await;
    assert!(
        table.contains("alice") && table.contains("alice@example.org"),
        "{table}"
    );
    let json: Value = operator.run_json(&["list"]).await;
    assert_eq!(json["users"][0]["nick"], "alice", "{json}");
    assert_eq!(json["users"][0]["channels"], json!(["#lobby"]), "{json}");
    operator.run_ok(&["status"]).await;
    operator.run_ok(&["logout"]).await;
    assert_eq!(operator.run(&["list"]).await.code, Some(3));
}

#[tokio::test]
async fn the_stored_token_is_readable_only_by_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut folders = vec![operator.state_folder()];
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
async fn wrong_usage_and_refusals_have_different_exit_codes() {
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
        .run_ok(&["kick", "bob", "--reason", "too loud"])
        .await;
    let list = operator.run_ok(&["list"]).await;
    assert!(
        !list.contains("bob"),
        "success means that bob is gone:\n{list}"
    );
    let received = bob.read_until_closed().await;
    assert_eq!(
        received.last().unwrap().to_string(),
        "ERROR :Kicked: too loud"
    );
    alice
        .expect("bob's QUIT", |message| {
            message.command == "QUIT" && message.source_nick() == Some("bob")
        })
        .await;
    let mut bob = Client::sign_in(&server, "bob").await;
    bob.say("#lobby", "back").await;
    let kicks = server
        .database()
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
async fn a_ban_is_stored_survives_a_restart_and_ends_with_unban() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut alice = Client::register(&server, "alice").await;

    operator
        .run_ok(&["ban", "bob@example.org", "--reason", "spam"])
        .await;
    assert_eq!(server.database().bans(), ["bob@example.org"]);
    let csv = std::fs::read_to_string(server.path("data/bans.csv")).unwrap();
    assert!(csv.contains("bob@example.org,spam,root,"), "{csv}");
    let list = operator.run_ok(&["list"]).await;
    assert!(
        !list.contains("bob"),
        "success means that bob is gone:\n{list}"
    );
    let received = bob.read_until_closed().await;
    assert!(
        received.last().unwrap().params[0].contains("spam"),
        "{received:?}"
    );
    assert_banned(&server, "bob", PASSWORD, "spam").await;
    alice.say("#lobby", "quiet again").await;

    server.sigterm().await;
    server.restart().await;
    assert_banned(&server, "bob", PASSWORD, "spam").await;

    operator.login(&server).await;
    assert!(operator.run_ok(&["bans"]).await.contains("bob@example.org"));
    operator.run_ok(&["unban", "bob@example.org"]).await;
    assert!(server.database().bans().is_empty());
    assert!(
        !std::fs::read_to_string(server.path("data/bans.csv"))
            .unwrap()
            .contains("bob")
    );
    let mut bob = Client::sign_in(&server, "bob").await;
    bob.say("#lobby", "sorry").await;
}

#[tokio::test]
async fn a_banned_account_is_refused_with_every_credential() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "bob").await);
    let credential = device_credential(5);
    let mut bob = Client::negotiating(&server, "bob").await;
    bob.authenticate("X-EMAIL-CODE", b"bob\0bob@example.org")
        .await;
    let code = server.mailbox().code_to("bob@example.org").await;
    bob.respond(format!("{code}\0{}", credential.expose()).as_bytes())
        .await;
    bob.expect_numeric("903").await;
    bob.send("CAP END").await;
    bob.wait_until_admitted().await;

    operator
        .run_ok(&["ban", "BOB", "--reason", "spam", "--for", "7d"])
        .await;
    bob.read_until_closed().await;
    assert_banned(&server, "bob", PASSWORD, "spam").await;
    assert_banned(&server, "bob", credential.expose(), "spam").await;
    assert_banned(&server, "bob@example.org", PASSWORD, "spam").await;
}

async fn assert_banned(server: &Server, account: &str, secret: &str, reason: &str) {
    let received = Client::sign_in_refused(server, account, secret).await;
    let refusal = received.iter().find(|message| message.command == "465");
    let refusal = refusal.unwrap_or_else(|| panic!("no 465 in {received:?}"));
    assert!(
        refusal.params.last().unwrap().contains(reason),
        "{refusal:?}"
    );
    assert!(
        received.iter().all(|message| message.command != "001"),
        "{received:?}"
    );
}

#[tokio::test]
async fn the_server_keeps_running_when_the_admin_leaves_first() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    operator.run_ok(&["list"]).await;
    operator.run_ok(&["logout"]).await;
    drop(operator);
    alice.say("#lobby", "still here").await;
    bob.expect_privmsg("alice", "#lobby", "still here").await;
    Client::register(&server, "carol").await;
}

#[tokio::test]
async fn five_wrong_codes_end_the_challenge_and_every_attempt_is_audited() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = ControlClient::new(&server);
    let challenge = control.login("root").await;
    let code = server.mailbox().code_to(&admin_email("root")).await;
    for _ in 0..5 {
        assert_eq!(
            control.verify(&challenge, &wrong_code(&code)).await.status,
            401
        );
    }
    assert_eq!(
        control.verify(&challenge, &code).await.status,
        401,
        "the challenge has expired, even for the right code"
    );
    assert_eq!(server.database().count_audit("verify", "refused"), 6);
    assert_eq!(server.database().count_audit("verify", "allowed"), 0);
    assert!(
        !format!("{:?}", server.database().audit()).contains(&code),
        "a code is a secret"
    );
}

#[tokio::test]
async fn a_code_works_once_and_only_for_its_own_challenge() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = ControlClient::new(&server);
    let first = control.login("root").await;
    let first_code = server.mailbox().code_to(&admin_email("root")).await;
    let second = control.login("root").await;
    let second_code = server.mailbox().code_to(&admin_email("root")).await;
    if first_code != second_code {
        assert_eq!(
            control.verify(&second, &first_code).await.status,
            401,
            "the code belongs to another challenge"
        );
    }
    assert_eq!(control.verify(&second, &second_code).await.status, 200);
    assert_eq!(
        control.verify(&second, &second_code).await.status,
        401,
        "the code is used up"
    );
    assert_eq!(
        control
            .verify("no-such-challenge", &first_code)
            .await
            .status,
        401
    );
    assert_ne!(first, second);
    assert!(server.database().count_audit("verify", "refused") >= 2);
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_get_the_same_response_and_no_mail() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = ControlClient::new(&server);
    let mut responses = Vec::new();
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
        responses.push(reply.body);
    }
    assert_eq!(responses[0], responses[1]);
    control.login("root").await;
    server.mailbox().code_to(&admin_email("root")).await;
    let mails = std::fs::read_dir(server.path("data/mail")).unwrap().count();
    assert_eq!(
        mails, 1,
        "a code is mailed only for the right name and password"
    );
    assert_eq!(server.database().count_audit("login", "refused"), 2);
}

#[tokio::test]
async fn every_audit_entry_contains_the_hash_of_the_previous_one() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.run(&["kick", "nobody"]).await;
    operator.run_ok(&["ban", "mallory@example.org"]).await;
    let trail = server.database().audit();
    assert!(trail.len() >= 4, "{trail:?}");
    assert_eq!(trail[0].previous, [0; 32]);
    for pair in trail.windows(2) {
        assert_eq!(pair[1].previous, pair[0].hash);
    }
}

#[tokio::test]
async fn a_wrong_code_at_the_prompt_is_refused() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let mut login = operator.start_login(&server);
    let code = server.mailbox().code_to(&admin_email("root")).await;
    login.type_line(&wrong_code(&code));
    login.close_input();
    let ended = login.wait().await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    assert_eq!(operator.run(&["list"]).await.code, Some(3));
}

#[tokio::test]
async fn an_account_is_found_disabled_enabled_revoked_and_deleted() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    drop(Client::register(&server, "alice").await);
    let table = operator.run_ok(&["accounts", "--search", "BOB@"]).await;
    assert!(
        table.contains("bob@example.org") && !table.contains("alice"),
        "{table}"
    );

    let page = operator.run_ok(&["accounts", "--limit", "1"]).await;
    assert!(
        page.contains("alice@example.org") && page.contains("--after alice"),
        "{page}"
    );
    let rest = operator
        .run_ok(&["accounts", "--limit", "1", "--after", "alice"])
        .await;
    assert!(
        rest.contains("bob@example.org") && !rest.contains("--after"),
        "{rest}"
    );

    let disabled = operator
        .run_json(&["account", "disable", "bob", "--reason", "on leave"])
        .await;
    assert_eq!(
        disabled["account"]["email"], "bob@example.org",
        "{disabled}"
    );
    assert_eq!(disabled["ended"]["sessions"], 1, "{disabled}");
    let received = bob.read_until_closed().await;
    let error = received.last().unwrap();
    assert!(
        error.command == "ERROR" && error.params[0].ends_with("disabled: on leave"),
        "{error}"
    );
    let mut refused = Client::try_sign_in(&server, "bob", "bob", PASSWORD).await;
    let refusal = refused.expect_numeric("904").await;
    assert!(
        refusal
            .params
            .last()
            .unwrap()
            .ends_with("disabled: on leave"),
        "{refusal}"
    );
    operator.run_ok(&["account", "enable", "bob"]).await;
    let mut bob = Client::sign_in(&server, "bob").await;

    operator.run_ok(&["account", "revoke", "bob"]).await;
    bob.read_until_closed().await;
    let mut refused = Client::try_sign_in(&server, "bob", "bob", PASSWORD).await;
    refused.expect_numeric("904").await;

    assert_eq!(
        operator.run(&["account", "delete", "bob"]).await.code,
        Some(1),
        "it must be confirmed"
    );
    let deleted = operator
        .run_json(&["account", "delete", "bob", "--yes"])
        .await;
    assert_eq!(deleted["account"]["email"], "bob@example.org", "{deleted}");
    assert!(!operator.run_ok(&["accounts"]).await.contains("bob"));
    assert_eq!(
        operator.run(&["account", "enable", "bob"]).await.code,
        Some(1)
    );
    let acts = server
        .database()
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
    let table = operator.run_ok(&["channels"]).await;
    assert!(
        table.contains("#lobby") && table.contains("#plots") && table.contains("gunpowder"),
        "{table}"
    );
    let shown = operator.run_ok(&["channel", "show", "plots"]).await;
    assert!(
        shown.contains("@bob") && shown.contains("gunpowder"),
        "{shown}"
    );
    operator
        .run_ok(&[
            "channel",
            "close",
            "#plots",
            "--reason",
            "against the rules",
        ])
        .await;
    assert!(
        !operator.run_ok(&["channels"]).await.contains("#plots"),
        "success means that the channel is gone"
    );
    let kick = bob
        .expect("the end of #plots", |message| message.command == "KICK")
        .await;
    assert_eq!(kick.params[..2], ["#plots", "bob"]);
    assert!(kick.params[2].contains("against the rules"), "{kick}");
    bob.say("#lobby", "still here").await;
    assert_eq!(
        operator.run(&["channel", "close", "plots"]).await.code,
        Some(1)
    );
}

#[tokio::test]
async fn an_announcement_reaches_exactly_its_audience() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    operator
        .run_ok(&["announce", "only alice", "--account", "alice"])
        .await;
    operator.run_ok(&["announce", "tea", "time"]).await;
    operator
        .run_ok(&["announce", "in the lobby", "--channel", "lobby"])
        .await;
    alice.expect_text("in the lobby").await;
    let received = bob.sync().await;
    let texts: Vec<&str> = received
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
async fn a_reload_applies_the_config_or_reports_what_is_wrong_with_it() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    server.set("chat.motd = \"Mind the step.\"");
    operator.run_ok(&["reload"]).await;
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
        ended.transcript.contains("limits.sendq_bites: "),
        "{}",
        ended.transcript
    );
    let reloads = server
        .database()
        .audit()
        .into_iter()
        .filter(|entry| entry.act == "reload")
        .count();
    assert_eq!(
        reloads, 3,
        "the failed reload has an entry for the request and one for the failure"
    );
}

#[tokio::test]
async fn a_reload_that_fails_only_for_the_csv_files_applies_the_rest_and_says_so() {
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
    assert!(
        ended.transcript.contains("CSV files"),
        "{}",
        ended.transcript
    );
    alice.send("MOTD").await;
    alice.expect_text("Mind the step.").await;
    database
        .execute_batch("ALTER TABLE elsewhere RENAME TO windows")
        .unwrap();
    operator.run_ok(&["reload"]).await;
}
