//! Expiry: sign-ins, codes, bans and pauses, on a server whose clock is set ahead; and a clock that
//! is wrong for a while.

use std::time::{Duration, Instant};

use rookery_tests::DEADLINE;
use rookery_tests::admin::{Operator, PASSWORD, admin_email};
use rookery_tests::control::{ControlClient, RawConnection, RawResponse, bearer};
use rookery_tests::irc::{self, Client, email_of};
use rookery_tests::server::{Server, ServerBuilder};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

async fn server(settings: &[&str]) -> Server {
    ServerBuilder::new(settings).with_clock().start().await
}

/// Sends a request on a new connection, as an open one may end when the clock changes.
async fn request(
    server: &Server,
    method: &str,
    path: &str,
    token: &str,
    body: Value,
) -> RawResponse {
    RawConnection::open(server)
        .await
        .request(method, path, token, &body)
        .await
}

#[tokio::test]
async fn a_session_ends_when_idle_or_expired_and_a_code_expires_sooner() {
    let server = server(&["admin.session_minutes = 60", "admin.idle_minutes = 15"]).await;
    Operator::add(&server, "root");
    let control = ControlClient::new(&server);
    let late = control.login("root").await;
    let code = server.mailbox().code_to(&admin_email("root")).await;
    let used = bearer(&control.sign_in(&server, "root").await);
    let idle = bearer(&control.sign_in(&server, "root").await);
    let status = async |token: &str| {
        request(&server, "GET", "/v1/status", token, Value::Null)
            .await
            .status
    };
    let add = json!({"name": "vera", "email": admin_email("vera"), "role": "auditor"});

    server.set_clock(11 * MINUTE);
    let refused = control.verify(&late, &code).await;
    assert_eq!(
        (refused.status, &refused.body["type"]),
        (401, &json!("/problems/challenge-expired"))
    );
    server.set_clock(12 * MINUTE);
    let refused = request(&server, "POST", "/v1/admins", &used, add).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (403, "fresh-sign-in-required"),
        "the sign-in is no longer fresh"
    );
    // Only one of the sessions is used.
    for minutes in [20, 34, 48, 59] {
        server.set_clock(minutes * MINUTE);
        assert_eq!(status(&used).await, 200, "after {minutes} minutes");
        assert_eq!(status(&idle).await, 401, "after {minutes} minutes");
    }
    server.set_clock(60 * MINUTE);
    assert_eq!(status(&used).await, 401, "even a session in use ends");
    let trail = format!("{:?}", server.database().audit());
    for reason in ["idle", "session has expired", "expired or"] {
        assert!(trail.contains(reason), "{reason}");
    }
}

#[tokio::test]
async fn a_password_does_not_expire() {
    let server = server(&[]).await;
    let operator = Operator::sign_in(&server, "root").await;
    server.set_clock(3 * 365 * DAY);
    operator.login(&server).await;
    operator.run_ok(&["list"]).await;
}

#[tokio::test]
async fn a_pause_between_guesses_ends_by_itself_and_not_by_setting_the_clock() {
    let server = server(&[]).await;
    Operator::add(&server, "root");
    let login = async |password: &str| {
        let body = json!({"name": "root", "password": password});
        request(&server, "POST", "/v1/login", "", body).await
    };
    for _ in 0..10 {
        assert_eq!(login("not this one").await.problem(), "login-failed");
    }
    server.set_clock(HOUR);
    let start = Instant::now();
    let early = login(PASSWORD).await;
    assert_eq!(
        early.problem(),
        "too-many-attempts",
        "even the right password is refused: {early:?}"
    );
    loop {
        let reply = login(PASSWORD).await;
        if reply.status == 202 {
            break;
        }
        assert_eq!(reply.problem(), "too-many-attempts", "{reply:?}");
        assert!(start.elapsed() < DEADLINE, "the pause ends");
    }
}

#[tokio::test]
async fn bans_invitations_and_initial_passwords_expire_and_the_chain_head_is_mailed_daily() {
    let mut server = server(&["accounts.open = false", "admin.mail_chain_head = true"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.run_ok(&["invite", &email_of("bob")]).await;
    let mut bob = Client::handshake(&server, "bob").await;
    bob.send(&format!(
        "REGISTER bob {} :{}",
        email_of("bob"),
        irc::PASSWORD
    ))
    .await;
    let code = server.mailbox().code_to(&email_of("bob")).await;
    bob.send(&format!("VERIFY bob {code}")).await;
    bob.wait_until_admitted().await;
    operator
        .run_ok(&["ban", "bob", "--reason", "spam", "--for", "7d"])
        .await;
    bob.read_until_closed().await;
    operator.run_ok(&["invite", &email_of("dora")]).await;
    let invitation = server.mailbox().code_to(&email_of("dora")).await;
    let added = operator
        .run_ok(&[
            "admins",
            "add",
            "vera",
            "--email",
            &admin_email("vera"),
            "--role",
            "auditor",
        ])
        .await;
    std::fs::write(
        server.path("vera.password"),
        added.lines().find(|line| line.len() == 29).unwrap(),
    )
    .unwrap();

    server.set_clock(DAY + HOUR);
    let vera = Operator::existing(&server, "vera")
        .start_login(&server)
        .wait()
        .await;
    assert_eq!(
        vera.code,
        Some(1),
        "an initial password is valid for a day: {}",
        vera.transcript
    );
    server.set_clock(6 * DAY);
    let received = Client::sign_in_refused(&server, "bob", irc::PASSWORD).await;
    assert!(
        received.iter().any(|message| message.command == "465"),
        "six days later: {received:?}"
    );

    server.set_clock(7 * DAY + HOUR);
    Client::sign_in(&server, "bob").await;
    let mut dora = Client::handshake(&server, "dora").await;
    dora.send(&format!(
        "REGISTER dora {} :{}",
        email_of("dora"),
        irc::PASSWORD
    ))
    .await;
    dora.expect("FAIL REGISTER", |message| {
        irc::is_command(message, "FAIL", "REGISTER")
    })
    .await;
    dora.send(&format!("VERIFY dora {invitation}")).await;
    dora.expect("FAIL VERIFY", |message| message.command == "FAIL")
        .await;

    operator.login(&server).await;
    for list in ["bans", "invitations"] {
        assert_eq!(operator.run_json(&[list]).await[list], json!([]), "{list}");
    }
    let trail = operator.run_ok(&["audit", "--act", "ban"]).await;
    assert!(
        trail.contains("bob"),
        "an expired ban stays in the audit trail: {trail}"
    );
    // The server checks once a minute and at its start whether the head is to be mailed.
    let mailed = server.database().count_audit("mail head", "allowed");
    server.set_clock(9 * DAY);
    server.sigterm().await;
    server.restart().await;
    let newest = loop {
        let mail = server.mailbox().next_mail_to(&admin_email("root")).await;
        let head = mail
            .lines()
            .find(|line| line.split(':').nth(1).is_some_and(|hash| hash.len() == 64));
        if let Some(head) = head {
            break head.to_owned();
        }
    };
    assert_eq!(
        server.database().count_audit("mail head", "allowed"),
        mailed + 1
    );
    operator.login(&server).await;
    operator
        .run_ok(&["audit", "verify", "--head", &newest])
        .await;
}

#[tokio::test]
async fn a_start_with_a_clock_that_is_years_ahead_deletes_nothing_and_locks_nobody_out() {
    let mut server = server(&["history.retention_days = 30"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    alice.say("#lobby", "still here").await;
    alice.sync().await;
    let clock = async || operator.run_json(&["status"]).await["clock"].clone();
    assert_eq!(clock().await, "ok");
    // The clocks of the clients are right.
    for (ahead, is_right) in [(5 * 365 * DAY, false), (Duration::ZERO, true)] {
        server.sigterm().await;
        server.set_clock(ahead);
        server.restart().await;
        operator.login(&server).await;
        assert_eq!(clock().await == "ok", is_right, "{}", clock().await);
        let mut alice = Client::sign_in(&server, "alice").await;
        alice.send("CAP REQ :batch draft/chathistory").await;
        alice.send("CHATHISTORY LATEST #lobby * 10").await;
        alice.expect_privmsg("alice", "#lobby", "still here").await;
    }
}
