//! `admin-cli` itself: its man pages, its pages of lists, a server that asks it for a certificate,
//! its shell in a pipe.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rookery_tests::admin::Operator;
use rookery_tests::control::Wire;
use rookery_tests::irc::Client;
use rookery_tests::process::Ended;
use rookery_tests::server::{Server, Site};
use rookery_tests::tls::Identity;
use serde_json::Value;

/// Types lines into `admin-cli shell`, to its end.
async fn shell(operator: &Operator, lines: &[&str]) -> Ended {
    let mut shell = operator.start(&["shell"]);
    for line in lines {
        shell.type_line(line);
    }
    shell.end_input();
    shell.ended().await
}

#[tokio::test]
async fn there_is_a_man_page_for_every_command_of_both_programs() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let folder = server.path("man");
    operator.done(&["man", folder.to_str().unwrap()]).await;
    assert!(server.rookeryd(&["man", "man"]).status.success());
    let page = |name: &str| {
        fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    assert!(
        page("admin-cli.1").contains("admin\\-cli\\-kick(1)"),
        "it names the others"
    );
    assert!(page("admin-cli-account-disable.1").contains("Let nobody sign in"));
    assert!(page("rookeryd-admin-add.1").contains("\\-\\-email"));
    let none = operator.run(&["man", "/dev/null/man"]).await;
    assert_eq!(none.code, Some(1), "{}", none.transcript);
}

#[tokio::test]
async fn a_list_is_shown_whole_or_page_by_page() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    for name in ["one", "two", "three"] {
        operator.done(&["ban", name]).await;
    }
    let whole = operator.done(&["bans"]).await;
    assert!(whole.ends_with("\n3 bans\n"), "{whole}");
    let page = operator.done(&["bans", "--limit", "2"]).await;
    assert!(
        page.contains("three")
            && page.contains("two")
            && page.ends_with("2 bans; for more, --after 2\n"),
        "{page}"
    );
    let rest: Value = serde_json::from_str(
        &operator
            .done(&["--json", "bans", "--limit", "2", "--after", "2"])
            .await,
    )
    .unwrap();
    assert_eq!(
        (&rest["bans"][0]["target"], &rest["next"]),
        (&"one".into(), &Value::Null),
        "{rest}"
    );
    let wrong = operator.run(&["bans", "--after", "x"]).await;
    assert!(
        wrong.code == Some(1) && wrong.transcript.contains("`next` of another page"),
        "{}",
        wrong.transcript
    );
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_reached_with_one() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let site = Site::new(&["admin.client_ca = \"admins.pem\""]);
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
    for part in [
        "asks operators for a certificate",
        "`admin.client_ca`",
        "--certificate FILE",
    ] {
        assert!(
            without.transcript.contains(part),
            "it says what to do: {}",
            without.transcript
        );
    }

    // Neither without a certificate nor with one of another authority is a byte of a request looked
    // at.
    let entries = server.record().audit().len();
    for identity in [None, Some(Identity::generate())] {
        let mut wire = Wire::open_from(&server, [127, 0, 0, 1].into(), identity.as_ref()).await;
        for path in ["/healthz", "/v1/status"] {
            wire.send(Wire::request("GET", path, "", "").as_bytes())
                .await;
        }
        assert!(
            wire.answer().await.is_none(),
            "not even an error is answered"
        );
    }
    assert_eq!(
        server.record().audit().len(),
        entries,
        "the control plane has heard nothing"
    );
    let identity = Identity::new(certificate.der().clone(), key);
    let mut wire = Wire::open_from(&server, [127, 0, 0, 1].into(), Some(&identity)).await;
    assert_eq!(
        wire.ask("GET", "/v1/status", "", &Value::Null).await.status,
        401,
        "it replaces no sign-in"
    );

    let files = [
        "--certificate",
        own.to_str().unwrap(),
        "--key",
        secret.to_str().unwrap(),
    ];
    let mut with = operator.start(&[&files[..], &login].concat());
    with.type_line(&server.mailbox().code_to("root@operators.example.org").await);
    let with = with.ended().await;
    assert_eq!(with.code, Some(0), "{}", with.transcript);
    operator
        .done(&["--certificate", both.to_str().unwrap(), "list"])
        .await;
    let half = operator
        .run(&["--certificate", own.to_str().unwrap(), "list"])
        .await;
    assert!(
        half.code == Some(1) && half.transcript.contains("the key in"),
        "{}",
        half.transcript
    );
    let alone = operator
        .run(&["--key", secret.to_str().unwrap(), "list"])
        .await;
    assert_eq!(alone.code, Some(2), "{}", alone.transcript);
}

#[tokio::test]
async fn what_fails_says_what_to_do_next() {
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
            "/nowhere/bans.csv cannot be read",
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
    operator.done(&["logout"]).await;
    let ended = operator.run(&["list"]).await;
    assert!(
        ended.code == Some(3) && ended.transcript.contains("`admin-cli login`"),
        "{}",
        ended.transcript
    );
}

#[tokio::test]
async fn the_shell_does_what_a_pipe_says_line_by_line() {
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
        "2 users online",
        "alice is kicked; 1 session of alice ended.",
        "charlie is banned for ever",
        "\"target\":\"charlie\"",
        "charlie is not banned any more.",
    ] {
        assert_eq!(
            ended.transcript.matches(part).count(),
            1,
            "{part:?} in\n{}",
            ended.transcript
        );
    }
    for client in [&mut alice, &mut charlie] {
        client.until_closed().await;
    }
    assert!(
        !operator.state().join("rookery/admin-cli/history").exists(),
        "a pipe has no history"
    );
}

#[tokio::test]
async fn the_shell_goes_on_after_a_line_that_fails_and_tells_by_its_exit_code() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let ended = shell(
        &operator,
        &["kick nobody", "nonsense", "announce 'open", "bans"],
    )
    .await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    for part in [
        "No user nobody is online",
        "unrecognized subcommand",
        "left open",
        "0 bans",
        "not all was done",
    ] {
        assert!(
            ended.transcript.contains(part),
            "{part:?} in\n{}",
            ended.transcript
        );
    }
    operator.done(&["logout"]).await;
    let ended = shell(&operator, &["bans", "bans"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.transcript);
    let token = fs::read_dir(operator.state().join("rookery/admin-cli")).unwrap();
    for file in token {
        assert_eq!(
            file.unwrap().metadata().unwrap().permissions().mode() & 0o077,
            0
        );
    }
}
