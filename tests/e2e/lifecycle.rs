//! Running a server: starting, reloading, stopping.

use rookery_tests::irc::Client;
use rookery_tests::server::Server;

#[tokio::test]
async fn sigterm_stops_it_cleanly_and_nothing_is_lost() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    alice.say("#lobby", "last words").await;
    let status = server.sigterm().await;
    assert!(status.success(), "{status}");
    let heard = alice.until_closed().await;
    assert!(
        heard.iter().any(|message| message.command == "ERROR"),
        "told before it ends: {heard:?}"
    );
    assert_eq!(server.record().messages(), ["last words"]);
    server.restart().await;
    Client::sign_in(&server, "alice").await;
}

#[tokio::test]
async fn sighup_takes_config_and_certificate_anew_and_drops_no_session() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let before = alice.server_certificate();
    server.set("chat.motd = \"Mind the step.\"");
    server.set("tls.names = [\"chat.example.org\"]");
    server.sighup().await;

    alice.say("#lobby", "still here").await;
    let mut later = Client::connect(&server, "bob").await;
    assert_ne!(
        later.server_certificate(),
        before,
        "it was renewed for the new name"
    );
    later.send("QUIT").await;
    alice.send("MOTD").await;
    alice.expect_text("Mind the step.").await;
}

#[tokio::test]
async fn a_reload_with_a_fault_changes_nothing_and_says_why() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    server.set("chat.motd = \"Not to be seen.\"");
    server.set("limits.sendq_bites = 1");
    server.sighup().await;
    assert!(
        server.log().contains("limits.sendq_bites: unknown key"),
        "{}",
        server.log()
    );
    alice.send("MOTD").await;
    let heard = alice.heard().await;
    assert!(
        heard
            .iter()
            .all(|message| !message.to_string().contains("Not to be seen")),
        "{heard:?}"
    );
    assert!(!server.rookeryd(&["check"]).status.success());
}

#[tokio::test]
async fn check_says_whether_a_config_is_valid_and_starts_nothing() {
    let mut server = Server::start().await;
    let output = server.rookeryd(&["check"]);
    assert!(output.status.success(), "{output:?}");
    server.set("log.format = \"xml\"");
    let output = server.rookeryd(&["check"]);
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("log.format: must be one of text, json"),
        "{said}"
    );
}

#[tokio::test]
async fn admins_are_managed_beside_a_running_server() {
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
    assert!(!again.status.success(), "there is one of that name");
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
