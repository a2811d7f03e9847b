//! Invitations where registration is closed, pending registrations, and single credentials, from
//! the operator's command to the user's client.

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, PASSWORD, device_credential, email_of, is_command};
use rookery_tests::rook::Device;
use rookery_tests::server::Server;
use serde_json::Value;

/// Returns the list that a command prints as JSON, found under `name`.
async fn list(operator: &Operator, command: &[&str], name: &str) -> Vec<Value> {
    operator.run_json(command).await[name]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn rook_registers_with_an_invitation_code_even_after_a_restart() {
    let mut server = Server::with(&["accounts.open = false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let output = operator.run_ok(&["invite", &email_of("dora")]).await;
    assert!(output.contains("dora@example.org"), "{output}");
    let code = server.mailbox().code_to(&email_of("dora")).await;
    server.sigterm().await;
    server.restart().await;

    let device = Device::new();
    let mut rook = device.start(&server, "dora");
    rook.expect_text("dora@example.org").await;
    rook.type_line(&code);
    rook.expect_line("Welcome, dora").await;
    drop(rook);
    let mut rook = device.start(&server, "dora");
    rook.expect_line("Welcome back, dora").await;
    operator.login(&server).await;
    assert!(
        list(&operator, &["invitations"], "invitations")
            .await
            .is_empty(),
        "the invitation is used up"
    );
    let trail = format!("{:?}", server.database().audit());
    assert!(
        !trail.contains(&code) && !server.log().contains(&code),
        "a code is a secret"
    );
}

#[tokio::test]
async fn registration_without_a_valid_invitation_is_refused() {
    let server = Server::with(&["accounts.open = false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::handshake(&server, "bob").await;
    let register = format!("REGISTER bob {} :{PASSWORD}", email_of("bob"));
    bob.send(&register).await;
    bob.expect("FAIL REGISTER", |message| {
        is_command(message, "FAIL", "REGISTER")
    })
    .await;

    operator.run_ok(&["invite", &email_of("bob")]).await;
    let code = server.mailbox().code_to(&email_of("bob")).await;
    bob.send(&register).await;
    bob.expect("REGISTER VERIFICATION_REQUIRED", |message| {
        is_command(message, "REGISTER", "VERIFICATION_REQUIRED")
    })
    .await;
    let again = operator.run(&["invite", &email_of("bob")]).await;
    assert_eq!(again.code, Some(1), "too soon: {}", again.transcript);
    let table = operator.run_ok(&["invitations"]).await;
    assert!(
        table.contains("bob@example.org") && table.contains("1 invitation"),
        "{table}"
    );
    let id = list(&operator, &["invitations"], "invitations").await[0]["id"].to_string();
    let output = operator
        .run_ok(&["invitations", "revoke", "BOB@example.org"])
        .await;
    assert!(output.contains("bob@example.org"), "{output}");
    for revoked in [&id, "bob@example.org"] {
        let refused = operator.run(&["invitations", "revoke", revoked]).await;
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
    bob.send(&register).await;
    bob.expect("FAIL REGISTER", |message| {
        is_command(message, "FAIL", "REGISTER")
    })
    .await;
    assert!(server.database().accounts().is_empty());
}

#[tokio::test]
async fn an_invitation_code_used_up_by_wrong_guesses_is_replaced() {
    let server = Server::with(&["accounts.open = false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.run_ok(&["invite", &email_of("dora")]).await;
    let code = server.mailbox().code_to(&email_of("dora")).await;
    let mut mallory = Client::handshake(&server, "mallory").await;
    mallory
        .send(&format!(
            "REGISTER mallory {} :{PASSWORD}",
            email_of("dora")
        ))
        .await;
    let wrong = rookery_tests::control::wrong_code(&code);
    for _ in 0..5 {
        mallory.send(&format!("VERIFY mallory {wrong}")).await;
        mallory
            .expect("FAIL VERIFY", |message| {
                message.command == "FAIL" && message.param(0) == Some("VERIFY")
            })
            .await;
    }
    assert_eq!(
        list(&operator, &["invitations"], "invitations").await[0]["attempts_left"],
        0
    );
    let mut dora = Client::handshake(&server, "dora").await;
    dora.start_registration("dora", &email_of("dora")).await;
    let code = server.mailbox().code_to(&email_of("dora")).await;
    dora.send(&format!("VERIFY dora {code}")).await;
    dora.wait_until_admitted().await;
}

#[tokio::test]
async fn a_registration_code_can_be_mailed_again() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut dora = Client::handshake(&server, "dora").await;
    dora.start_registration("dora", &email_of("dora")).await;
    let lost = server.mailbox().code_to(&email_of("dora")).await;
    let id = list(&operator, &["registrations"], "registrations").await[0]["id"].to_string();
    assert!(
        operator
            .run_ok(&["registrations"])
            .await
            .contains("dora@example.org")
    );
    let output = operator.run_ok(&["registrations", "resend", "Dora"]).await;
    assert!(output.contains("dora@example.org"), "{output}");
    let code = server.mailbox().code_to(&email_of("dora")).await;
    if lost != code {
        dora.send(&format!("VERIFY dora {lost}")).await;
        dora.expect("FAIL VERIFY", |message| message.command == "FAIL")
            .await;
    }
    dora.send(&format!("VERIFY dora {code}")).await;
    dora.wait_until_admitted().await;
    for completed in [&id, "dora"] {
        let refused = operator.run(&["registrations", "resend", completed]).await;
        assert_eq!(refused.code, Some(1), "{}", refused.transcript);
    }
}

#[tokio::test]
async fn revoking_one_device_leaves_the_password_valid() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "alice").await);
    let credential = device_credential(9);
    let mut phone = Client::negotiating(&server, "alice").await;
    phone
        .authenticate("X-EMAIL-CODE", b"alice\0alice@example.org")
        .await;
    let code = server.mailbox().code_to(&email_of("alice")).await;
    phone
        .respond(format!("{code}\0{}", credential.expose()).as_bytes())
        .await;
    phone.expect_numeric("903").await;
    phone.send("CAP END").await;
    phone.wait_until_admitted().await;

    let credentials = list(
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
    let revoked = operator
        .run_json(&["account", "revoke", "alice", "--credential", &id])
        .await;
    assert_eq!(revoked["ended"]["sessions"], 1, "{revoked}");
    phone.read_until_closed().await;
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
        list(
            &operator,
            &["account", "credentials", "alice"],
            "credentials"
        )
        .await
        .is_empty()
    );
}
