//! Running a server: starting, reloading, stopping.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use rookery_tests::irc::Client;
use rookery_tests::server::{Server, ServerBuilder};

#[tokio::test]
async fn sigterm_stops_the_server_cleanly_and_loses_nothing() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    alice.say("#lobby", "last words").await;
    let _connecting = Client::negotiating(&server, "bob").await;
    let status = server.sigterm().await;
    assert!(status.success(), "{status}");
    assert!(!server.log().contains("panicked"), "{}", server.log());
    let received = alice.read_until_closed().await;
    assert!(
        received.iter().any(|message| message.command == "ERROR"),
        "clients are notified: {received:?}"
    );
    assert_eq!(server.database().messages(), ["last words"]);
    server.restart().await;
    Client::sign_in(&server, "alice").await;
}

#[tokio::test]
async fn sighup_reloads_config_and_certificate_and_ends_no_session() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let before = alice.server_certificate();
    server.set("chat.motd = \"Mind the step.\"");
    server.set("tls.names = [\"chat.localhost\"]");
    server.sighup().await;

    alice.say("#lobby", "still here").await;
    let mut later = Client::connect(&server, "bob").await;
    assert_ne!(
        later.server_certificate(),
        before,
        "the certificate was renewed for the new name"
    );
    later.send("QUIT").await;
    alice.send("MOTD").await;
    alice.expect_text("Mind the step.").await;
}

#[tokio::test]
async fn a_reload_with_an_invalid_config_changes_nothing_and_says_why() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    server.set("chat.motd = \"Not to be seen.\"");
    server.set("limits.sendq_bites = 1");
    server.sighup().await;
    assert!(
        server.log().contains("limits.sendq_bites: "),
        "{}",
        server.log()
    );
    alice.send("MOTD").await;
    let received = alice.sync().await;
    assert!(
        received
            .iter()
            .all(|message| !message.to_string().contains("Not to be seen")),
        "{received:?}"
    );
    assert!(!server.rookeryd(&["check"]).status.success());
}

#[tokio::test]
async fn a_reload_with_an_empty_config_changes_nothing_and_says_why() {
    let server = Server::with(&["chat.motd = \"Mind the step.\""]).await;
    let mut alice = Client::register(&server, "alice").await;
    std::fs::write(server.path("config.toml"), "\n").unwrap();
    server.sighup().await;
    server
        .expect_log(&["not reloaded", "config.toml is empty"], 1)
        .await;
    alice.send("MOTD").await;
    alice.expect_text("Mind the step.").await;
    let warned = String::from_utf8(server.rookeryd(&["check"]).stderr).unwrap();
    assert!(warned.contains("config.toml is empty: "), "{warned}");
}

#[tokio::test]
async fn secrets_that_every_user_can_read_are_warned_of() {
    let server = Server::start().await;
    let warnings = |server: &Server| {
        let errors = server.rookeryd(&["check"]).stderr;
        String::from_utf8(errors).unwrap()
    };
    assert_eq!(warnings(&server), "", "what the server creates is private");
    let key = server.path("certs/server.key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    for warned in [warnings(&server), {
        server.sighup().await;
        server.log()
    }] {
        assert!(warned.contains("server.key: every user"), "{warned}");
    }
}

#[tokio::test]
async fn in_the_sandbox_the_server_works_and_reaches_no_other_file() {
    let mut server = Server::with(&["process.sandbox = true"]).await;
    let mut alice = Client::register(&server, "alice").await;
    alice.say("#lobby", "from within").await;
    server.set("tls.names = [\"chat.localhost\"]");
    server.sighup().await;
    assert_ne!(
        Client::connect(&server, "bob").await.server_certificate(),
        alice.server_certificate(),
        "the certificate was renewed"
    );

    server.sigterm().await;
    server.restart().await;
    Client::sign_in(&server, "alice").await;
    assert_eq!(server.database().messages(), ["from within"]);

    // A file that every other process may read.
    server.set("admin.client_ca = \"/etc/passwd\"");
    server.sighup().await;
    assert!(
        server
            .log()
            .contains("admin.client_ca: /etc/passwd: Permission denied"),
        "{}",
        server.log()
    );
}

#[tokio::test]
async fn check_reports_whether_a_config_is_valid_without_starting() {
    let mut server = Server::start().await;
    let output = server.rookeryd(&["check"]);
    assert!(output.status.success(), "{output:?}");
    server.set("log.format = \"xml\"");
    let output = server.rookeryd(&["check"]);
    assert!(!output.status.success());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("log.format: ") && errors.contains("text, json"),
        "{errors}"
    );
}

#[tokio::test]
async fn check_looks_at_the_data_and_mail_folders() {
    let mut server = Server::start().await;
    server.sigterm().await;
    let failure = |server: &Server| {
        let output = server.rookeryd(&["check"]);
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let database = server.path("data/rookery.db");
    let valid = std::fs::read(&database).unwrap();
    // The schema version is at byte 60 (SQLite file format, 1.3).
    let newer = [&valid[..60], &1000_u32.to_be_bytes(), &valid[64..]].concat();
    for (content, words) in [
        (newer.as_slice(), "schema version 1000"),
        (b"not a database", "not a database"),
    ] {
        std::fs::write(&database, content).unwrap();
        let error = failure(&server);
        assert!(error.contains(words), "{error}");
    }
    std::fs::write(&database, &valid).unwrap();
    std::fs::write(&database, "").unwrap();
    assert!(failure(&server).contains("rookery.db is empty, but"));
    std::fs::write(&database, &valid).unwrap();
    std::fs::write(server.path("data/verifier.key"), "short").unwrap();
    assert!(failure(&server).contains("verifier.key"));

    std::fs::write(server.path("mails"), "").unwrap();
    server.set("mail.directory = \"mails\"");
    assert!(failure(&server).contains("mail.directory"));
}

#[tokio::test]
async fn a_data_folder_has_one_server() {
    let mut first = Server::start().await;
    let folder = format!("data.directory = {:?}", first.path("data"));
    let second = ServerBuilder::new(&[&folder]);
    let (code, log) = second.fail_to_start().await;
    assert_eq!(code, 1);
    assert!(log.contains("another server is running in it"), "{log}");
    // The first one is not affected, and a crash leaves no lock behind.
    Client::register(&first, "alice").await;
    first.kill9();
    first.restart().await;
    Client::sign_in(&first, "alice").await;
}

#[tokio::test]
async fn admins_are_managed_locally_while_the_server_runs() {
    let server = Server::start().await;
    rookery_tests::admin::Operator::add(&server, "root");
    let listed = String::from_utf8(server.rookeryd(&["admin", "list"]).stdout).unwrap();
    assert!(
        listed.contains("root") && listed.contains("root@operators.example.org"),
        "{listed}"
    );
    let again = server.rookeryd(&[
        "admin",
        "add",
        "Root",
        "--email",
        "x@example.org",
        "--password-file",
        "root.password",
    ]);
    assert!(!again.status.success(), "the name is taken");
    assert!(
        server
            .rookeryd(&["admin", "remove", "root"])
            .status
            .success()
    );
    assert!(
        !server
            .rookeryd(&["admin", "remove", "root"])
            .status
            .success()
    );
}
