//! `admin-cli` itself: man pages, paged lists, client certificates, hints in errors, and its shell
//! with piped input.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rookery_tests::admin::Operator;
use rookery_tests::control::RawConnection;
use rookery_tests::irc::Client;
use rookery_tests::process::{Exit, Process};
use rookery_tests::server::{Server, ServerBuilder};
use rookery_tests::tls::Identity;
use serde_json::Value;
use tokio::net::TcpListener;

/// Runs `admin-cli shell` with these lines as its input, and waits until it exits.
async fn shell(operator: &Operator, lines: &[&str]) -> Exit {
    let mut shell = operator.start(&["shell"]);
    for line in lines {
        shell.type_line(line);
    }
    shell.close_input();
    shell.wait().await
}

#[tokio::test]
async fn every_command_of_both_programs_has_a_man_page() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let folder = server.path("man");
    operator.run_ok(&["man", folder.to_str().unwrap()]).await;
    assert!(server.rookeryd(&["man", "man"]).status.success());
    let page = |name: &str| {
        fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    assert!(
        page("admin-cli.1").contains("admin\\-cli\\-kick(1)"),
        "it refers to the pages of the commands"
    );
    assert!(page("admin-cli-account-disable.1").contains("\\-\\-reason"));
    assert!(page("rookeryd-admin-add.1").contains("\\-\\-email"));
    let none = operator.run(&["man", "/dev/null/man"]).await;
    assert_eq!(none.code, Some(1), "{}", none.transcript);
}

#[tokio::test]
async fn a_list_is_printed_completely_or_by_pages() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    for name in ["one", "two", "three"] {
        operator.run_ok(&["ban", name]).await;
    }
    let whole = operator.run_ok(&["bans"]).await;
    assert!(
        whole.contains("3 bans") && !whole.contains("--after"),
        "{whole}"
    );
    let page = operator.run_ok(&["bans", "--limit", "2"]).await;
    assert!(
        page.contains("three")
            && page.contains("two")
            && page.contains("2 bans")
            && page.contains("--after 2"),
        "{page}"
    );
    let rest: Value = operator
        .run_json(&["bans", "--limit", "2", "--after", "2"])
        .await;
    assert_eq!(
        (&rest["bans"][0]["target"], &rest["next"]),
        (&"one".into(), &Value::Null),
        "{rest}"
    );
    let wrong = operator.run(&["bans", "--after", "x"]).await;
    assert!(
        wrong.code == Some(1) && wrong.transcript.contains("next"),
        "{}",
        wrong.transcript
    );
}

#[tokio::test]
async fn a_server_that_requires_a_client_certificate_accepts_one_of_its_authority() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let site = ServerBuilder::new(&["admin.client_ca = \"admins.pem\""]);
    fs::write(site.path("admins.pem"), authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &authority).unwrap();
    let (own, secret, both) = (
        site.path("own.pem"),
        site.path("own.key"),
        site.path("both.pem"),
    );
    fs::write(&own, certificate.pem()).unwrap();
    fs::write(&secret, key.serialize_pem()).unwrap();
    fs::write(&both, certificate.pem() + &key.serialize_pem()).unwrap();
    let server = site.start().await;
    let operator = Operator::add(&server, "root");

    let password = server.path("root.password");
    let login = [
        "login",
        "--name",
        "root",
        "--password-file",
        password.to_str().unwrap(),
    ];
    let without = operator.run(&login).await;
    assert_eq!(without.code, Some(1), "{}", without.transcript);
    for part in ["admin.client_ca", "--certificate"] {
        assert!(
            without.transcript.contains(part),
            "it says what to do: {}",
            without.transcript
        );
    }

    // Without a certificate, or with one of another authority, no byte of a request is read.
    let entries = server.database().audit().len();
    for identity in [None, Some(Identity::generate())] {
        let mut connection =
            RawConnection::open_from(&server, [127, 0, 0, 1].into(), identity.as_ref()).await;
        for path in ["/healthz", "/v1/status"] {
            connection
                .send(RawConnection::format_request("GET", path, "", "").as_bytes())
                .await;
        }
        assert!(
            connection.read_response().await.is_none(),
            "there is no response, not even an error"
        );
    }
    assert_eq!(
        server.database().audit().len(),
        entries,
        "nothing has reached the control plane"
    );
    let identity = Identity::new(certificate.der().clone(), key);
    let mut connection =
        RawConnection::open_from(&server, [127, 0, 0, 1].into(), Some(&identity)).await;
    assert_eq!(
        connection
            .request("GET", "/v1/status", "", &Value::Null)
            .await
            .status,
        401,
        "a certificate does not replace the sign-in"
    );

    let files = [
        "--certificate",
        own.to_str().unwrap(),
        "--key",
        secret.to_str().unwrap(),
    ];
    let mut with = operator.start(&[&files[..], &login].concat());
    with.type_line(&server.mailbox().code_to("root@operators.example.org").await);
    let with = with.wait().await;
    assert_eq!(with.code, Some(0), "{}", with.transcript);
    operator
        .run_ok(&["--certificate", both.to_str().unwrap(), "list"])
        .await;
    let half = operator
        .run(&["--certificate", own.to_str().unwrap(), "list"])
        .await;
    assert!(
        half.code == Some(1) && half.transcript.contains("key"),
        "{}",
        half.transcript
    );
    let alone = operator
        .run(&["--key", secret.to_str().unwrap(), "list"])
        .await;
    assert_eq!(alone.code, Some(2), "{}", alone.transcript);
}

#[tokio::test]
async fn a_server_that_closes_connections_is_tried_again_and_the_notice_appears_once() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let arguments = ["--server", &address, "login", "--name", "root"];
    let mut login = operator.command_without_server(&arguments);
    let login = Process::start("admin-cli login", &mut login);
    let closing = tokio::spawn(async move {
        while let Ok(connection) = listener.accept().await {
            drop(connection);
        }
    });
    let ended = login.wait().await;
    closing.abort();
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    for part in ["trying again", "without a reply"] {
        assert_eq!(
            ended.transcript.matches(part).count(),
            1,
            "{part:?} in\n{}",
            ended.transcript
        );
    }
    assert!(
        !ended.transcript.contains("client_ca"),
        "{}",
        ended.transcript
    );
}

#[tokio::test]
async fn errors_say_what_to_do_next() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    for (arguments, hint) in [
        (&["kick", "nobody"][..], "`admin-cli list`"),
        (&["account", "disable", "nobody"], "`admin-cli accounts`"),
        (&["channel", "show", "nowhere"], "`admin-cli channels`"),
        (&["unban", "nobody"], "`admin-cli bans`"),
        (&["sessions", "revoke", "x"], "`admin-cli sessions`"),
        (&["kick", "nobody", "--session", "1"], "`admin-cli list`"),
        (&["whois", "nobody"], "`admin-cli list`"),
        (
            &["announce", "x", "--channel", "nowhere"],
            "`admin-cli channels`",
        ),
        (
            &["account", "delete", "nobody", "--yes"],
            "`admin-cli accounts`",
        ),
        (&["admins", "remove", "nobody"], "`admin-cli admins list`"),
        (&["invitations", "revoke", "9"], "`admin-cli invitations`"),
        (
            &["registrations", "resend", "nobody"],
            "`admin-cli registrations`",
        ),
        (&["redact", "no-such-id"], "`admin-cli messages`"),
        (
            &["channel", "purge", "nowhere", "--yes"],
            "`admin-cli channels`",
        ),
        (&["totp", "require", "on"], "`admin-cli totp enrol`"),
        (&["ban", "*@*"], "--yes"),
        (
            &["import", "bans", "/nowhere/bans.csv"],
            "/nowhere/bans.csv",
        ),
    ] {
        let ended = operator.run(arguments).await;
        assert!(
            ended.code == Some(1) && ended.transcript.contains(hint),
            "{arguments:?}: {}",
            ended.transcript
        );
        assert!(
            !ended.transcript.contains('\u{1b}'),
            "no colours in a pipe: {}",
            ended.transcript
        );
    }
    operator.run_ok(&["logout"]).await;
    let ended = operator.run(&["list"]).await;
    assert!(
        ended.code == Some(3) && ended.transcript.contains("`admin-cli login`"),
        "{}",
        ended.transcript
    );
}

#[tokio::test]
async fn the_shell_runs_commands_from_a_pipe_line_by_line() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let mut charlie = Client::register(&server, "charlie").await;
    let ended = shell(
        &operator,
        &[
            "/list",
            "",
            "/kick alice --reason 'too loud'",
            "/ban charlie",
            "bans --json",
            "/unban charlie",
            "/quit",
            "bans",
        ],
    )
    .await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    for part in [
        "2 users",
        "1 session of alice",
        "Banned charlie",
        "\"target\":\"charlie\"",
        "Unbanned charlie",
    ] {
        assert_eq!(
            ended.transcript.matches(part).count(),
            1,
            "{part:?} in\n{}",
            ended.transcript
        );
    }
    for client in [&mut alice, &mut charlie] {
        client.read_until_closed().await;
    }
    assert!(
        !operator
            .state_folder()
            .join("rookery/admin-cli/history")
            .exists(),
        "a pipe has no history"
    );
}

#[tokio::test]
async fn the_shell_continues_after_a_failed_line_and_reports_it_in_its_exit_code() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let ended = shell(
        &operator,
        &["kick nobody", "nonsense", "announce 'open the", "bans"],
    )
    .await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    for part in [
        "`admin-cli list`",
        "unrecognized subcommand",
        "quot",
        "0 bans",
    ] {
        assert!(
            ended.transcript.contains(part),
            "{part:?} in\n{}",
            ended.transcript
        );
    }
    operator.run_ok(&["logout"]).await;
    let ended = shell(&operator, &["bans", "bans"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.transcript);
    let token = fs::read_dir(operator.state_folder().join("rookery/admin-cli")).unwrap();
    for file in token {
        assert_eq!(
            file.unwrap().metadata().unwrap().permissions().mode() & 0o077,
            0
        );
    }
}
