//! Operators' factors and sessions, and what those meet who guess.

use futures_util::future::join_all;
use rookery_tests::admin::{Operator, PASSWORD, admin_email};
use rookery_tests::authenticator::App;
use rookery_tests::control::{Answer, Control, Wire, bearer};
use rookery_tests::server::Server;
use serde_json::{Value, json};

const NEW_PASSWORD: &str = "lantern kettle marble ox";

/// Enrols an app; gives it and its recovery codes. The sign-in has ended then.
async fn enrol(server: &Server, operator: &Operator) -> (App, Vec<String>) {
    let mut enrol = operator.start(&["totp", "enrol"]);
    enrol.expect_text("Then enter a code").await;
    let shown = enrol.transcript();
    assert!(
        shown.contains("otpauth://totp/Rookery:root?secret=") && shown.contains("█▀"),
        "{shown}"
    );
    let app = App::scan(&shown);
    enrol.type_line(&app.code(0));
    let ended = enrol.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    let is_code = |line: &&String| line.len() == 29 && line.matches('-').count() == 5;
    let recovery: Vec<String> = ended.output.iter().filter(is_code).cloned().collect();
    assert_eq!(recovery.len(), 10, "{}", ended.transcript);
    assert_eq!(
        operator.run(&["list"]).await.code,
        Some(3),
        "the session has ended"
    );
    let notice = server.mailbox().next_to(&admin_email("root")).await;
    assert!(
        notice.contains("an authenticator app was enrolled"),
        "{notice}"
    );
    (app, recovery)
}

/// Signs in with that code; gives the exit code and all that was said.
async fn login_with(server: &Server, operator: &Operator, code: &str) -> (Option<i32>, String) {
    let mut login = operator.start_login(server);
    login
        .expect_text("a code of your authenticator app or a recovery code")
        .await;
    login.type_line(code);
    login.end_input();
    let ended = login.ended().await;
    (ended.code, ended.transcript)
}

#[tokio::test]
async fn an_app_stands_beside_mail_or_in_its_place_and_each_code_of_it_works_once() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mails = || std::fs::read_dir(server.path("data/mail")).unwrap().count();
    let (app, recovery) = enrol(&server, &operator).await;

    operator.login(&server).await;
    // The half-minute of the enrolment is used up; the server takes the next one's code too.
    let code = app.code(1);
    let (ended, said) = login_with(&server, &operator, &code).await;
    assert_eq!(ended, Some(0), "{said}");
    server.mailbox().code_to(&admin_email("root")).await;
    operator.done(&["totp", "require", "on"]).await;
    server.mailbox().next_to(&admin_email("root")).await;
    let before = mails();
    let (ended, said) = login_with(&server, &operator, &code).await;
    assert_eq!(ended, Some(1), "used up: {said}");
    assert!(!said.contains("mailed"), "{said}");
    assert_eq!(mails(), before, "mail no longer suffices, and none is sent");

    assert_eq!(
        login_with(&server, &operator, &recovery[0]).await.0,
        Some(0)
    );
    let notice = server.mailbox().next_to(&admin_email("root")).await;
    assert!(
        notice.contains("9 codes are left"),
        "{notice}"
    );
    let status = operator.done(&["totp", "status"]).await;
    assert!(
        status.contains("no longer suffices") && status.contains("9 recovery codes left"),
        "{status}"
    );
    let (ended, said) = login_with(&server, &operator, &recovery[0]).await;
    assert_eq!(ended, Some(1), "each is good once: {said}");

    operator.done(&["totp", "require", "off"]).await;
    server.mailbox().next_to(&admin_email("root")).await;
    operator.login(&server).await;
    let mut disable = operator.start(&["totp", "disable"]);
    disable.type_line(&recovery[1]);
    let ended = disable.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    assert_eq!(
        operator.run(&["list"]).await.code,
        Some(3),
        "a changed factor ends the session"
    );
    server.mailbox().next_to(&admin_email("root")).await;
    operator.login(&server).await;

    enrol(&server, &operator).await;
    operator.login(&server).await;
    operator.done(&["totp", "require", "on"]).await;
    assert!(
        server
            .rookeryd(&[
                "admin",
                "passwd",
                "root",
                "--password-file",
                "root.password"
            ])
            .status
            .success()
    );
    let mut login = operator.start_login(&server);
    login
        .expect_text("Enter a code of your authenticator app")
        .await;
    drop(login);
    let lost = server.rookeryd(&["admin", "forget-totp", "root"]);
    assert!(lost.status.success(), "{lost:?}");
    operator.login(&server).await;
    let trail = format!("{:?}", server.record().audit());
    for code in recovery {
        let plain = code.replace('-', "");
        assert!(
            !trail.contains(&code) && !server.log().contains(&code),
            "codes are secrets"
        );
        assert!(
            !server.holds(&code) && !server.holds(&plain),
            "and kept as hashes"
        );
    }
}

/// A hundred attempts on one challenge, all sent before the first is answered; gives what each was
/// answered.
async fn a_hundred_attempts(server: &Server, challenge: &str, code: &str) -> Vec<Answer> {
    // As many connections as one address may have are not enough, so each carries ten requests.
    let mut wires = join_all((0..10).map(|_| Wire::open(server))).await;
    let body = json!({"challenge": challenge, "code": code}).to_string();
    let requests = Wire::request("POST", "/v1/login/verify", "", &body).repeat(10);
    join_all(wires.iter_mut().map(|wire| wire.send(requests.as_bytes()))).await;
    let read = wires.into_iter().map(async |mut wire| {
        let mut answers = Vec::new();
        while answers.len() < 10 {
            answers.push(wire.answer().await.expect("every attempt is answered"));
        }
        answers
    });
    join_all(read).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn of_a_hundred_attempts_at_once_on_one_challenge_exactly_one_wins() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let challenge = control.login("root").await;
    let mailed = server.mailbox().code_to(&admin_email("root")).await;
    let answers = a_hundred_attempts(&server, &challenge, &mailed).await;
    let won: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|it| it.status == 200 || it.problem() == "challenge-expired"),
        "{answers:?}"
    );
    assert_eq!(server.record().count_audit("verify", "allowed"), 1);

    // The same with a code of an authenticator app.
    let mut wire = Wire::open(&server).await;
    let token = bearer(won[0].body["token"].as_str().unwrap());
    let enrolment = wire.ask("POST", "/v1/totp", &token, &Value::Null).await;
    let app = App::scan(enrolment.body["uri"].as_str().unwrap());
    let confirmed = wire
        .ask(
            "POST",
            "/v1/totp/confirm",
            &token,
            &json!({"code": app.code(0)}),
        )
        .await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let challenge = control.login("root").await;
    let answers = a_hundred_attempts(&server, &challenge, &app.code(1)).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 200).count(),
        1,
        "{answers:?}"
    );
    assert!(
        answers
            .iter()
            .all(|answer| [200, 401].contains(&answer.status)),
        "{answers:?}"
    );
    assert_eq!(server.record().count_audit("verify", "allowed"), 2);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_told_by_mail_and_locks_nobody_out() {
    let server = Server::with(&["limits.failed_sign_ins = 2"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let ask = async |from: u8, path: &str, body: Value| {
        Wire::open_from(&server, [127, 0, 0, from].into(), None)
            .await
            .ask("POST", path, "", &body)
            .await
    };
    let password = async |from, password: &str| {
        ask(
            from,
            "/v1/login",
            json!({"name": "root", "password": password}),
        )
        .await
    };

    // From a new address: told by mail.
    let begun = password(78, PASSWORD).await;
    let code = server.mailbox().code_to(&admin_email("root")).await;
    let verify = json!({"challenge": begun.body["challenge"], "code": code});
    let elsewhere = ask(79, "/v1/login/verify", verify.clone()).await;
    assert_eq!(
        elsewhere.problem(),
        "challenge-expired",
        "a challenge is for the address it began at"
    );
    assert_eq!(ask(78, "/v1/login/verify", verify).await.status, 200);
    let notice = server.mailbox().next_to(&admin_email("root")).await;
    assert!(
        notice.contains("Someone signed in as root from 127.0.0.78"),
        "{notice}"
    );

    for _ in 0..2 {
        assert_eq!(password(77, "not this one").await.problem(), "login-failed");
    }
    let pause = |answer: &Answer| {
        answer
            .header("retry-after")
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    for guess in ["not this one", PASSWORD] {
        let early = password(77, guess).await;
        assert_eq!(
            (early.status, early.problem()),
            (429, "too-many-attempts"),
            "{early:?}"
        );
        assert!((1..=5).contains(&pause(&early)), "{early:?}");
    }
    // From everywhere, two at each place: in the end strangers wait a little, and the admin at home
    // does not.
    let mut tried = 2;
    let stopped = loop {
        let answer = password(100 + tried / 2, "not this one").await;
        if answer.status == 429 {
            break answer;
        }
        tried += 1;
    };
    assert!(
        tried <= 20 && pause(&stopped) <= 10,
        "after {tried}: {stopped:?}"
    );
    let notice = server.mailbox().next_to(&admin_email("root")).await;
    assert!(
        notice.contains("wrong passwords or codes, 5 times or more"),
        "{notice}"
    );
    operator.login(&server).await;
    operator.done(&["list"]).await;
    assert!(
        !format!("{:?}", server.record().audit()).contains("not this one"),
        "a guess may be near a secret"
    );
}

#[tokio::test]
async fn an_operator_changes_the_password_and_sees_and_ends_sessions() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let sessions = operator.done(&["sessions"]).await;
    assert!(
        sessions.contains("(this one)") && sessions.contains("1 session"),
        "{sessions}"
    );
    operator.done(&["sessions", "revoke", "all"]).await;
    assert_eq!(operator.run(&["list"]).await.code, Some(3));
    operator.login(&server).await;
    assert_eq!(
        operator.run(&["sessions", "revoke", "nobodys"]).await.code,
        Some(1)
    );

    let (old, new) = (server.path("root.password"), server.path("new.password"));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let passwd = ["passwd", "--password-file", old, "--new-password-file", new];
    let locally = ["admin", "passwd", "root", "--password-file", new];
    for (bad, why) in [
        ("elf letters", "12 characters"),
        ("qwerty123456", "too easy to guess"),
    ] {
        std::fs::write(new, format!("{bad}\n")).unwrap();
        let refused = operator.run(&passwd).await;
        assert_eq!(refused.code, Some(1));
        assert!(refused.transcript.contains(why), "{}", refused.transcript);
        let refused = server.rookeryd(&locally);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains(why), "{said}");
    }
    let control = Control::new(&server);
    let other = control.sign_in(&server, "root").await;
    std::fs::write(new, format!("{NEW_PASSWORD}\n")).unwrap();
    operator.done(&passwd).await;
    assert_eq!(operator.run(&["list"]).await.code, Some(3));
    assert_eq!(
        control.get("/v1/status", Some(&other)).await.status,
        401,
        "every session has ended"
    );
    let notice = server.mailbox().next_to(&admin_email("root")).await;
    assert!(
        notice.contains("The password of root was changed"),
        "{notice}"
    );
    std::fs::copy(new, old).unwrap();
    operator.login(&server).await;
    std::fs::write(new, "a third password, set beside the server\n").unwrap();
    assert!(server.rookeryd(&locally).status.success());
    assert_eq!(
        operator.run(&["list"]).await.code,
        Some(3),
        "so does one that is set on the machine"
    );
    let trail = format!("{:?}", server.record().audit());
    assert!(!trail.contains(PASSWORD) && !trail.contains(NEW_PASSWORD));
}
