//! Invitations where registration is closed, registrations that wait, and credentials one by one:
//! from the operator's command to what people hear.

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, PASSWORD, device_credential, email_of};
use rookery_tests::rook::Device;
use rookery_tests::server::Server;
use serde_json::Value;

/// The list that a command gives, under that name.
async fn listed(operator: &Operator, command: &[&str], name: &str) -> Vec<Value> {
    let list = operator.done(&[&["--json"], command].concat()).await;
    serde_json::from_str::<Value>(&list).unwrap()[name]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn rook_comes_in_with_the_code_of_an_invitation_also_after_a_restart() {
    let mut server = Server::with(&["accounts.open = false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let told = operator.done(&["invite", &email_of("dora")]).await;
    assert!(
        told.contains("Invited dora@example.org until ") && told.contains("the mail: sent"),
        "{told}"
    );
    let code = server.mailbox().code_to(&email_of("dora")).await;
    server.sigterm().await;
    server.restart().await;

    let device = Device::new();
    let mut rook = device.start(&server, "dora");
    rook.expect_text("dora@example.org").await;
    rook.type_line(&code);
    rook.expect_line("Welcome, dora. You are new here.").await;
    let again = device.start(&server, "dora");
    drop((rook, again));
    operator.login(&server).await;
    assert!(
        listed(&operator, &["invitations"], "invitations")
            .await
            .is_empty(),
        "it is used up"
    );
    let trail = format!("{:?}", server.record().audit());
    assert!(
        !trail.contains(&code) && !server.log().contains(&code),
        "a code is a secret"
    );
}

#[tokio::test]
async fn who_is_not_invited_or_not_any_more_is_told_so() {
    let server = Server::with(&["accounts.open = false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::introduce(&server, "bob").await;
    bob.expect_text("Registration is closed").await;
    let ask = format!("REGISTER bob {} :{PASSWORD}", email_of("bob"));
    bob.send(&ask).await;
    bob.expect_text("that email is not invited").await;

    operator.done(&["invite", &email_of("bob")]).await;
    let code = server.mailbox().code_to(&email_of("bob")).await;
    bob.send(&ask).await;
    bob.expect_text("You are invited").await;
    let again = operator.run(&["invite", &email_of("bob")]).await;
    assert_eq!(again.code, Some(1), "a moment ago: {}", again.transcript);
    let table = operator.done(&["invitations"]).await;
    assert!(
        table.contains("bob@example.org") && table.contains("1 invitation"),
        "{table}"
    );
    let id = listed(&operator, &["invitations"], "invitations").await[0]["id"].to_string();
    let told = operator
        .done(&["invitations", "revoke", "BOB@example.org"])
        .await;
    assert!(
        told.contains("Revoked the invitation of bob@example.org"),
        "{told}"
    );
    for gone in [&id, "bob@example.org"] {
        let refused = operator.run(&["invitations", "revoke", gone]).await;
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.transcript.contains("`admin-cli invitations`"),
            "{}",
            refused.transcript
        );
    }
    bob.send(&format!("VERIFY bob {code}")).await;
    bob.expect("FAIL VERIFY", |message| message.command == "FAIL")
        .await;
    bob.send(&ask).await;
    bob.expect_text("that email is not invited").await;
    assert!(server.record().accounts().is_empty());
}

#[tokio::test]
async fn a_code_that_a_stranger_used_up_is_followed_by_another() {
    let server = Server::with(&["accounts.open = false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.done(&["invite", &email_of("dora")]).await;
    let code = server.mailbox().code_to(&email_of("dora")).await;
    let mut stranger = Client::introduce(&server, "mallory").await;
    stranger
        .send(&format!(
            "REGISTER mallory {} :{PASSWORD}",
            email_of("dora")
        ))
        .await;
    let wrong = rookery_tests::control::other_than(&code);
    for _ in 0..5 {
        stranger.send(&format!("VERIFY mallory {wrong}")).await;
        stranger
            .expect("FAIL VERIFY", |message| message.command == "FAIL")
            .await;
    }
    assert_eq!(
        listed(&operator, &["invitations"], "invitations").await[0]["attempts_left"],
        0
    );
    let mut dora = Client::introduce(&server, "dora").await;
    dora.ask_to_register("dora", &email_of("dora")).await;
    let code = server.mailbox().code_to(&email_of("dora")).await;
    dora.send(&format!("VERIFY dora {code}")).await;
    dora.admitted().await;
}

#[tokio::test]
async fn a_code_that_did_not_arrive_is_mailed_again() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut dora = Client::introduce(&server, "dora").await;
    dora.ask_to_register("dora", &email_of("dora")).await;
    let lost = server.mailbox().code_to(&email_of("dora")).await;
    let id = listed(&operator, &["registrations"], "registrations").await[0]["id"].to_string();
    assert!(
        operator
            .done(&["registrations"])
            .await
            .contains("dora@example.org")
    );
    let told = operator.done(&["registrations", "resend", "Dora"]).await;
    assert!(
        told.contains("New code for dora to dora@example.org: sent"),
        "{told}"
    );
    let code = server.mailbox().code_to(&email_of("dora")).await;
    if lost != code {
        dora.send(&format!("VERIFY dora {lost}")).await;
        dora.expect("FAIL VERIFY", |message| message.command == "FAIL")
            .await;
    }
    dora.send(&format!("VERIFY dora {code}")).await;
    dora.admitted().await;
    for made in [&id, "dora"] {
        let refused = operator.run(&["registrations", "resend", made]).await;
        assert_eq!(refused.code, Some(1), "it is made: {}", refused.transcript);
    }
}

#[tokio::test]
async fn one_device_is_revoked_and_the_password_stays_good() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "alice").await);
    let credential = device_credential(9);
    let mut phone = Client::connect(&server, "alice").await;
    phone.negotiate("alice").await;
    phone
        .authenticate("X-EMAIL-CODE", b"alice\0alice@example.org")
        .await;
    let code = server.mailbox().code_to(&email_of("alice")).await;
    phone
        .respond(format!("{code}\0{}", credential.expose()).as_bytes())
        .await;
    phone.expect_numeric("903").await;
    phone.send("CAP END").await;
    phone.admitted().await;

    let credentials = listed(
        &operator,
        &["account", "credentials", "alice"],
        "credentials",
    )
    .await;
    assert_eq!(
        (credentials.len(), &credentials[0]["kind"]),
        (1, &Value::from("device"))
    );
    let id = credentials[0]["id"].to_string();
    let told = operator
        .done(&["account", "revoke", "alice", "--credential", &id])
        .await;
    assert!(
        told.contains(
            "Revoked one credential of alice (alice@example.org); 1 session of alice ended"
        ),
        "{told}"
    );
    phone.until_closed().await;
    let mut refused = Client::try_sign_in(&server, "alice", "alice", credential.expose()).await;
    refused.expect_numeric("904").await;
    Client::sign_in(&server, "alice").await;
    assert_eq!(
        operator
            .run(&["account", "revoke", "alice", "--credential", &id])
            .await
            .code,
        Some(1)
    );
    assert!(
        operator
            .done(&["account", "credentials", "alice"])
            .await
            .contains("0 credentials")
    );
}
