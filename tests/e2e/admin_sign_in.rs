//! Second factors, passwords and sessions of admins, and the limits on guessing them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use futures_util::future::join_all;
use rookery_tests::admin::{Operator, PASSWORD, admin_email};
use rookery_tests::authenticator::App;
use rookery_tests::control::{ControlClient, RawConnection, RawResponse, bearer};
use rookery_tests::process::Process;
use rookery_tests::server::Server;
use rookery_tests::wait_for;
use serde_json::{Value, json};

const NEW_PASSWORD: &str = "lantern kettle marble ox";

/// Enrols an app, and returns it with its recovery codes. Enrolment ends the operator's session.
async fn enrol(server: &Server, operator: &Operator) -> (App, Vec<String>) {
    let mut enrol = operator.start(&["totp", "enrol"]);
    let app = wait_for("the key of the app", || App::scan(&enrol.transcript())).await;
    let output = enrol.transcript();
    assert!(
        output.contains("otpauth://totp/Rookery:root?secret=") && output.contains("█▀"),
        "the link and the QR code are shown: {output}"
    );
    enrol.type_line(&app.code(0));
    let ended = enrol.wait().await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    let is_code = |line: &&String| line.len() == 29 && line.matches('-').count() == 5;
    let recovery: Vec<String> = ended.output.iter().filter(is_code).cloned().collect();
    assert_eq!(recovery.len(), 10, "{}", ended.transcript);
    assert_eq!(
        operator.run(&["list"]).await.code,
        Some(3),
        "the session has ended"
    );
    let notice = server.mailbox().next_mail_to(&admin_email("root")).await;
    assert!(notice.contains("authenticator app"), "{notice}");
    (app, recovery)
}

/// Signs in with a code that is not mailed, and returns the exit code and the output.
async fn login_with(server: &Server, operator: &Operator, code: &str) -> (Option<i32>, String) {
    let mut login = operator.start_login(server);
    login.expect_text("authenticator app").await;
    login.type_line(code);
    login.close_input();
    let ended = login.wait().await;
    (ended.code, ended.transcript)
}

#[tokio::test]
async fn an_authenticator_app_supplements_or_replaces_mail_and_each_code_works_once() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mails = || std::fs::read_dir(server.path("data/mail")).unwrap().count();
    let (app, recovery) = enrol(&server, &operator).await;

    operator.login(&server).await;
    // The code used for the enrolment cannot be used again. The server also accepts the next one.
    let code = app.code(1);
    let (exit, output) = login_with(&server, &operator, &code).await;
    assert_eq!(exit, Some(0), "{output}");
    server.mailbox().code_to(&admin_email("root")).await;
    operator.run_ok(&["totp", "require", "on"]).await;
    server.mailbox().next_mail_to(&admin_email("root")).await;
    let before = mails();
    let (exit, output) = login_with(&server, &operator, &code).await;
    assert_eq!(exit, Some(1), "the code is used up: {output}");
    assert!(!output.contains("mailed"), "{output}");
    let notice = server.mailbox().next_mail_to(&admin_email("root")).await;
    assert!(notice.contains("A wrong code"), "{notice}");
    assert_eq!(
        mails(),
        before + 1,
        "mail no longer suffices, and no code is sent"
    );

    assert_eq!(
        login_with(&server, &operator, &recovery[0]).await.0,
        Some(0)
    );
    let notice = server.mailbox().next_mail_to(&admin_email("root")).await;
    assert!(
        notice.contains("recovery code") && notice.contains('9'),
        "{notice}"
    );
    let status = operator.run_ok(&["totp", "status"]).await;
    assert!(status.contains("9 recovery codes"), "{status}");
    let (exit, output) = login_with(&server, &operator, &recovery[0]).await;
    assert_eq!(exit, Some(1), "a recovery code works once: {output}");

    operator.run_ok(&["totp", "require", "off"]).await;
    server.mailbox().next_mail_to(&admin_email("root")).await;
    operator.login(&server).await;
    let mut disable = operator.start(&["totp", "disable"]);
    disable.type_line(&recovery[1]);
    let ended = disable.wait().await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    assert_eq!(
        operator.run(&["list"]).await.code,
        Some(3),
        "a changed factor ends the session"
    );
    server.mailbox().next_mail_to(&admin_email("root")).await;
    operator.login(&server).await;

    enrol(&server, &operator).await;
    operator.login(&server).await;
    operator.run_ok(&["totp", "require", "on"]).await;
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
    login.expect_text("authenticator app").await;
    drop(login);
    let removed = server.rookeryd(&["admin", "forget-totp", "root"]);
    assert!(removed.status.success(), "{removed:?}");
    operator.login(&server).await;
    let trail = format!("{:?}", server.database().audit());
    for code in recovery {
        let plain = code.replace('-', "");
        assert!(
            !trail.contains(&code) && !server.log().contains(&code),
            "codes are secrets"
        );
        assert!(
            !server.data_contains(&code) && !server.data_contains(&plain),
            "only hashes of them are stored"
        );
    }
}

/// Makes a hundred attempts on one challenge, all sent before the first response, and returns the
/// responses.
async fn a_hundred_attempts(server: &Server, challenge: &str, code: &str) -> Vec<RawResponse> {
    // One address may not open a hundred connections, so each carries ten requests.
    let mut connections = join_all((0..10).map(|_| RawConnection::open(server))).await;
    let body = json!({"challenge": challenge, "code": code}).to_string();
    let requests = RawConnection::format_request("POST", "/v1/login/verify", "", &body).repeat(10);
    join_all(
        connections
            .iter_mut()
            .map(|connection| connection.send(requests.as_bytes())),
    )
    .await;
    let read = connections.into_iter().map(async |mut connection| {
        let mut responses = Vec::new();
        while responses.len() < 10 {
            responses.push(
                connection
                    .read_response()
                    .await
                    .expect("every attempt has a response"),
            );
        }
        responses
    });
    join_all(read).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn of_a_hundred_concurrent_attempts_on_one_challenge_exactly_one_succeeds() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = ControlClient::new(&server);
    let challenge = control.login("root").await;
    let mailed = server.mailbox().code_to(&admin_email("root")).await;
    let answers = a_hundred_attempts(&server, &challenge, &mailed).await;
    let accepted: Vec<&RawResponse> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(accepted.len(), 1, "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|it| it.status == 200 || it.problem() == "challenge-expired"),
        "{answers:?}"
    );
    assert_eq!(server.database().count_audit("verify", "allowed"), 1);

    // The same holds for a code of an authenticator app.
    let mut connection = RawConnection::open(&server).await;
    let token = bearer(accepted[0].body["token"].as_str().unwrap());
    let enrolment = connection
        .request("POST", "/v1/totp", &token, &Value::Null)
        .await;
    let app = App::scan(enrolment.body["uri"].as_str().unwrap()).unwrap();
    let confirmed = connection
        .request(
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
    assert_eq!(server.database().count_audit("verify", "allowed"), 2);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_reported_by_mail_and_locks_nobody_out() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let post = async |from: u8, path: &str, body: Value| {
        RawConnection::open_from(&server, [127, 0, 0, from].into(), None)
            .await
            .request("POST", path, "", &body)
            .await
    };
    let login = async |from, password: &str| {
        post(
            from,
            "/v1/login",
            json!({"name": "root", "password": password}),
        )
        .await
    };

    // A sign-in from a new address is reported by mail.
    let begun = login(78, PASSWORD).await;
    let code = server.mailbox().code_to(&admin_email("root")).await;
    let verify = json!({"challenge": begun.body["challenge"], "code": code});
    let elsewhere = post(79, "/v1/login/verify", verify.clone()).await;
    assert_eq!(
        elsewhere.problem(),
        "challenge-expired",
        "a challenge is bound to its address"
    );
    assert_eq!(post(78, "/v1/login/verify", verify).await.status, 200);
    let notice = server.mailbox().next_mail_to(&admin_email("root")).await;
    assert!(
        notice.contains("root") && notice.contains("127.0.0.78"),
        "{notice}"
    );

    for _ in 0..10 {
        assert_eq!(login(77, "not this one").await.problem(), "login-failed");
    }
    let pause = |response: &RawResponse| {
        response
            .header("retry-after")
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    for guess in ["not this one", PASSWORD] {
        let early = login(77, guess).await;
        assert_eq!(
            (early.status, early.problem()),
            (429, "too-many-attempts"),
            "{early:?}"
        );
        assert!((1..=5).contains(&pause(&early)), "{early:?}");
    }
    // Two guesses from each of many addresses: in the end unknown addresses have to wait a little,
    // and the admin at a known address does not. The last ones are made at the same time, since the
    // first wait may be over before a slow machine makes the next guess.
    let mut attempts = 10;
    while attempts < 98 {
        let response = login(100 + attempts / 2, "not this one").await;
        assert_eq!(response.problem(), "login-failed", "after {attempts}");
        attempts += 1;
    }
    let connect =
        |number: u8| RawConnection::open_from(&server, [127, 0, 0, 150 + number].into(), None);
    let mut connections = join_all((0..10).map(connect)).await;
    let guess = json!({"name": "root", "password": "not this one"});
    let guesses = connections
        .iter_mut()
        .map(|connection| connection.request("POST", "/v1/login", "", &guess));
    let refused = |response: &RawResponse| response.status == 429;
    let stopped = join_all(guesses).await.into_iter().find(refused);
    let stopped = stopped.expect("one has to wait");
    assert!(pause(&stopped) <= 10, "{stopped:?}");
    let notice = server.mailbox().next_mail_to(&admin_email("root")).await;
    assert!(notice.contains("wrong passwords or codes"), "{notice}");
    operator.login(&server).await;
    operator.run_ok(&["list"]).await;
    assert!(
        !format!("{:?}", server.database().audit()).contains("not this one"),
        "a guess may be close to a secret"
    );
}

#[tokio::test]
async fn an_operator_changes_the_password_and_lists_and_ends_sessions() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let sessions = operator.run_ok(&["sessions"]).await;
    assert!(sessions.contains("1 session"), "{sessions}");
    operator.run_ok(&["sessions", "revoke", "all"]).await;
    assert_eq!(operator.run(&["list"]).await.code, Some(3));
    operator.login(&server).await;
    assert_eq!(
        operator.run(&["sessions", "revoke", "unknown"]).await.code,
        Some(1)
    );

    let (old, new) = (server.path("root.password"), server.path("new.password"));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let passwd = ["passwd", "--password-file", old, "--new-password-file", new];
    let locally = ["admin", "passwd", "root", "--password-file", new];
    for (bad, reason) in [("elf letters", "12 characters"), ("qwerty123456", "guess")] {
        std::fs::write(new, format!("{bad}\n")).unwrap();
        let refused = operator.run(&passwd).await;
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.transcript.contains(reason),
            "{}",
            refused.transcript
        );
        let refused = server.rookeryd(&locally);
        let errors = String::from_utf8(refused.stderr).unwrap();
        assert!(
            !refused.status.success() && errors.contains(reason),
            "{errors}"
        );
    }
    let control = ControlClient::new(&server);
    let other = control.sign_in(&server, "root").await;
    std::fs::write(new, format!("{NEW_PASSWORD}\n")).unwrap();
    operator.run_ok(&passwd).await;
    assert_eq!(operator.run(&["list"]).await.code, Some(3));
    assert_eq!(
        control.get("/v1/status", Some(&other)).await.status,
        401,
        "every session has ended"
    );
    let notice = server.mailbox().next_mail_to(&admin_email("root")).await;
    assert!(
        notice.contains("password") && notice.contains("root"),
        "{notice}"
    );
    std::fs::copy(new, old).unwrap();
    operator.login(&server).await;
    std::fs::write(new, "a third password, set on the machine\n").unwrap();
    assert!(server.rookeryd(&locally).status.success());
    assert_eq!(
        operator.run(&["list"]).await.code,
        Some(3),
        "a password set on the server's machine ends every session, too"
    );
    let trail = format!("{:?}", server.database().audit());
    assert!(!trail.contains(PASSWORD) && !trail.contains(NEW_PASSWORD));
}

#[tokio::test]
async fn later_commands_reach_the_server_of_the_last_login_from_any_folder() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    for arguments in [&["list"] as &[_], &["logout"]] {
        let mut command = operator.command_without_server(arguments);
        let exit = Process::start("admin-cli", &mut command).wait().await;
        assert_eq!(exit.code, Some(0), "{arguments:?}: {}", exit.transcript);
    }
}

#[tokio::test]
async fn login_checks_the_connection_before_it_asks_for_anything() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let address = server.admin().to_string();
    // The server's own authority is not among those of the system.
    let mut command = operator.command_without_server(&["--server", &address, "login"]);
    let exit = Process::start("admin-cli login", &mut command).wait().await;
    assert_eq!(exit.code, Some(1), "{}", exit.transcript);
    let remedy = format!(
        "admin-cli --server {address} trust {}",
        server.fingerprint()
    );
    assert!(exit.transcript.contains(&remedy), "{}", exit.transcript);
}

#[tokio::test]
async fn an_unknown_certificate_is_confirmed_once_at_the_terminal() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let password = server.path("root.password");
    let password = password.to_str().unwrap();
    let login = ["login", "--name", "root", "--password-file", password];
    for answer in ["no", "y"] {
        let mut declined = operator.start_in_terminal_without_ca(&login);
        declined.expect_text(&server.fingerprint()).await;
        declined.type_line(answer);
        let exit = declined.wait().await;
        assert_eq!(exit.code, Some(1), "{}", exit.transcript);
    }
    let mut confirmed = operator.start_in_terminal_without_ca(&login);
    confirmed.expect_text(&server.fingerprint()).await;
    confirmed.type_line("yes");
    confirmed.type_line(&server.mailbox().code_to(&admin_email("root")).await);
    let exit = confirmed.wait().await;
    assert_eq!(exit.code, Some(0), "{}", exit.transcript);
    // From then on the server is known, in any folder and without a terminal.
    let mut list = operator.command_without_server(&["list"]);
    let exit = Process::start("admin-cli list", &mut list).wait().await;
    assert_eq!(exit.code, Some(0), "{}", exit.transcript);
}

#[tokio::test]
async fn a_changed_certificate_is_refused_until_it_is_trusted() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let run = async |arguments: &[&str]| {
        let mut command = operator.command_without_server(arguments);
        Process::start("admin-cli", &mut command).wait().await
    };
    // The pin takes the place of the authority that was named at the sign-in.
    let wrong = "00:".repeat(31) + "00";
    let exit = run(&["trust", &wrong]).await;
    assert_eq!(exit.code, Some(1), "{}", exit.transcript);
    assert!(exit.transcript.contains(&server.fingerprint()));
    let before = server.fingerprint();
    let exit = run(&["trust", &before]).await;
    assert_eq!(exit.code, Some(0), "{}", exit.transcript);
    assert_eq!(run(&["list"]).await.code, Some(0));

    server.kill9();
    std::fs::remove_dir_all(server.path("certs")).unwrap();
    server.restart().await;
    let after = server.fingerprint();
    let exit = run(&["list"]).await;
    assert_eq!(exit.code, Some(1), "{}", exit.transcript);
    let remedy = format!("admin-cli --server {} trust {after}", server.admin());
    for part in ["HAS CHANGED", &before, &remedy] {
        assert!(
            exit.transcript.contains(part),
            "{part}: {}",
            exit.transcript
        );
    }
    // Where nobody can answer, `trust` needs the fingerprint, too.
    assert_eq!(run(&["trust"]).await.code, Some(1));
    assert_eq!(run(&["trust", &after]).await.code, Some(0));
    let exit = run(&["list"]).await;
    assert_eq!(
        exit.code,
        Some(3),
        "only the sign-in has ended: {}",
        exit.transcript
    );
}

#[tokio::test]
async fn the_authority_in_the_folder_of_the_server_is_trusted_on_this_machine() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let address = server.admin().to_string();
    let mut command = operator.command_without_server(&["--server", &address, "login"]);
    command.current_dir(server.path("."));
    let exit = Process::start("admin-cli login", &mut command).wait().await;
    assert_eq!(exit.code, Some(2), "{}", exit.transcript);
    assert!(
        exit.transcript.contains("--name"),
        "it has connected and asks for the name: {}",
        exit.transcript
    );
}

#[tokio::test]
async fn an_authority_that_another_user_can_have_left_in_the_folder_is_not_trusted() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let shared = tempfile::tempdir().unwrap();
    let certs = shared.path().join("certs");
    std::fs::create_dir(&certs).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(certs.join("ca.pem"), other.cert.pem()).unwrap();
    let set_mode = |path: &Path, mode| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    set_mode(shared.path(), 0o700);
    set_mode(&certs.join("ca.pem"), 0o644);
    let list = async |mode| {
        set_mode(&certs, mode);
        let mut command = operator.command_without_server(&["list"]);
        command.current_dir(shared.path());
        Process::start("admin-cli list", &mut command).wait().await
    };
    let exit = list(0o777).await;
    assert_eq!(exit.code, Some(0), "{}", exit.transcript);
    let why = format!("may write to {}", certs.display());
    for part in [&*why, "--ca certs/ca.pem"] {
        assert!(exit.transcript.contains(part), "{}", exit.transcript);
    }
    // The operator's own file takes the place of the authority of the last login, which is named.
    let exit = list(0o755).await;
    assert_eq!(exit.code, Some(1), "{}", exit.transcript);
    let before = server.path("certs/ca.pem");
    for part in ["in place of", before.to_str().unwrap(), "is not accepted"] {
        assert!(exit.transcript.contains(part), "{}", exit.transcript);
    }
}
