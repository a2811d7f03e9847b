//! What time alone brings about, with a server whose clock is set ahead.

use std::time::Duration;

use rookery_tests::admin::{Operator, PASSWORD, admin_email};
use rookery_tests::control::{Answer, Control, Wire, bearer};
use rookery_tests::irc::{self, Client, email_of};
use rookery_tests::server::{Server, Site};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

async fn server(settings: &[&str]) -> Server {
    Site::new(settings).with_clock().start().await
}

/// A connection of its own: one that is kept may end meanwhile.
async fn ask(server: &Server, method: &str, path: &str, token: &str, body: Value) -> Answer {
    Wire::open(server)
        .await
        .ask(method, path, token, &body)
        .await
}

#[tokio::test]
async fn a_sign_in_ends_when_it_is_idle_and_with_its_time_and_a_code_before_that() {
    let server = server(&["admin.session_minutes = 60", "admin.idle_minutes = 15"]).await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let late = control.login("root").await;
    let code = server.mailbox().code_to(&admin_email("root")).await;
    let used = bearer(&control.sign_in(&server, "root").await);
    let idle = bearer(&control.sign_in(&server, "root").await);
    let status = async |token: &str| {
        ask(&server, "GET", "/v1/status", token, Value::Null)
            .await
            .status
    };
    let add = json!({"name": "vera", "email": admin_email("vera"), "role": "auditor"});

    server.set_clock(6 * MINUTE);
    let refused = control.verify(&late, &code).await;
    assert_eq!(
        (refused.status, &refused.body["type"]),
        (401, &json!("/problems/challenge-expired"))
    );
    server.set_clock(12 * MINUTE);
    let refused = ask(&server, "POST", "/v1/admins", &used, add).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (403, "fresh-sign-in-required"),
        "it is not fresh any more"
    );
    // One goes on being used.
    for minutes in [20, 34, 48, 59] {
        server.set_clock(minutes * MINUTE);
        assert_eq!(status(&used).await, 200, "after {minutes} minutes");
        assert_eq!(status(&idle).await, 401, "after {minutes} minutes");
    }
    server.set_clock(60 * MINUTE);
    assert_eq!(status(&used).await, 401, "however much it is used");
    let trail = format!("{:?}", server.record().audit());
    for why in [
        "the session was idle for too long",
        "the session has expired",
        "used, expired or",
    ] {
        assert!(trail.contains(why), "{why}");
    }
}

#[tokio::test]
async fn a_password_stays_good_for_years() {
    let server = server(&[]).await;
    let operator = Operator::sign_in(&server, "root").await;
    server.set_clock(3 * 365 * DAY);
    operator.login(&server).await;
    operator.done(&["list"]).await;
}

#[tokio::test]
async fn pauses_between_guesses_grow_and_end() {
    let server = server(&["limits.failed_sign_ins = 3"]).await;
    Operator::add(&server, "root");
    let login = async |password: &str| {
        let body = json!({"name": "root", "password": password});
        ask(&server, "POST", "/v1/login", "", body).await
    };
    for _ in 0..3 {
        assert_eq!(login("not this one").await.problem(), "login-failed");
    }
    let (mut ahead, mut pauses) = (0, Vec::new());
    for _ in 0..7 {
        let early = login(PASSWORD).await;
        assert_eq!(
            early.problem(),
            "too-many-attempts",
            "even the right one: {early:?}"
        );
        let pause: u64 = early.header("retry-after").unwrap().parse().unwrap();
        pauses.push(pause);
        ahead += pause;
        server.set_clock(Duration::from_secs(ahead));
        assert_eq!(
            login("not this one").await.problem(),
            "login-failed",
            "after the pause"
        );
    }
    // The clock went on by itself meanwhile.
    for (pause, expected) in pauses.iter().zip([5, 10, 20, 40, 80, 160, 300]) {
        assert!((expected - 4..=expected).contains(pause), "{pauses:?}");
    }
    server.set_clock(Duration::from_secs(ahead + 300));
    assert_eq!(
        login(PASSWORD).await.status,
        202,
        "nobody is locked out for ever"
    );
}

#[tokio::test]
async fn bans_invitations_and_initial_passwords_end_with_their_days_and_the_head_is_mailed_each_day()
 {
    let mut server = server(&["accounts.open = false", "admin.mail_chain_head = true"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.done(&["invite", &email_of("bob")]).await;
    let mut bob = Client::introduce(&server, "bob").await;
    bob.send(&format!(
        "REGISTER bob {} :{}",
        email_of("bob"),
        irc::PASSWORD
    ))
    .await;
    let code = server.mailbox().code_to(&email_of("bob")).await;
    bob.send(&format!("VERIFY bob {code}")).await;
    bob.admitted().await;
    operator
        .done(&["ban", "bob", "--reason", "spam", "--for", "7d"])
        .await;
    bob.until_closed().await;
    operator.done(&["invite", &email_of("dora")]).await;
    let invitation = server.mailbox().code_to(&email_of("dora")).await;
    let added = operator
        .done(&[
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
    let vera = Operator::known(&server, "vera")
        .start_login(&server)
        .ended()
        .await;
    assert_eq!(
        vera.code,
        Some(1),
        "an initial password is good for a day: {}",
        vera.transcript
    );
    server.set_clock(6 * DAY);
    let heard = Client::sign_in_refused(&server, "bob", irc::PASSWORD).await;
    assert!(
        heard.iter().any(|message| message.command == "465"),
        "six days later: {heard:?}"
    );

    server.set_clock(7 * DAY + HOUR);
    Client::sign_in(&server, "bob").await;
    let mut dora = Client::introduce(&server, "dora").await;
    dora.send(&format!(
        "REGISTER dora {} :{}",
        email_of("dora"),
        irc::PASSWORD
    ))
    .await;
    dora.expect_text("that email is not invited").await;
    dora.send(&format!("VERIFY dora {invitation}")).await;
    dora.expect("FAIL VERIFY", |message| message.command == "FAIL")
        .await;

    operator.login(&server).await;
    assert!(operator.done(&["bans"]).await.contains("0 bans"));
    assert!(
        operator
            .done(&["invitations"])
            .await
            .contains("0 invitations")
    );
    let trail = operator.done(&["audit", "--act", "ban"]).await;
    assert!(
        trail.contains("bob"),
        "what has ended stays in the trail: {trail}"
    );
    // It is looked for once a minute, and at the start.
    let mailed = server.record().count_audit("mail head", "allowed");
    server.set_clock(9 * DAY);
    server.sigterm().await;
    server.restart().await;
    let newest = loop {
        let mail = server.mailbox().next_to(&admin_email("root")).await;
        if mail.contains("The newest entry of the audit trail") {
            break mail
                .lines()
                .find(|line| line.split(':').nth(1).is_some_and(|it| it.len() == 64))
                .unwrap()
                .to_owned();
        }
    };
    assert_eq!(
        server.record().count_audit("mail head", "allowed"),
        mailed + 1
    );
    operator.login(&server).await;
    operator.done(&["audit", "verify", "--head", &newest]).await;
}
