//! The name that a client gives its device when it signs in.

use rookery_chat::event::SignedInWith;
use rookery_protocol::DeviceName;
use rookery_record::PasswordFingerprint;

use super::*;

/// Returns what a session that has signed in as this account and finished the handshake signed in
/// with; any password counts as the same.
async fn signed_in_with(client: &mut Client, nick: &str) -> SignedInWith {
    let received = client.finish_handshake(nick).await;
    let received = if matches!(received.next, Next::Admit(_)) {
        received
    } else {
        client.send("CAP END").await
    };
    let identity = received.admitted().identity.clone();
    match identity.expect("it is signed in").signed_in_with {
        SignedInWith::Password { device, .. } => SignedInWith::Password {
            fingerprint: PasswordFingerprint::UNKNOWN,
            device,
        },
        credential @ SignedInWith::Credential(_) => credential,
    }
}

fn named(device: &str) -> SignedInWith {
    SignedInWith::Password {
        fingerprint: PasswordFingerprint::UNKNOWN,
        device: Some(DeviceName::parse(device).unwrap()),
    }
}

async fn server_with_wren() -> TestServer {
    let server = TestServer::new();
    server
        .account("Wren", "wren@reeds.example", Some("a good:passphrase"))
        .await;
    server
}

#[tokio::test]
async fn a_client_names_its_device_beside_the_account_or_email() {
    let server = server_with_wren().await;
    for login in ["Wren/Phone", "wren@reeds.example/phone"] {
        let mut client = server.client();
        client.send("CAP REQ sasl").await;
        client
            .plain(login, "a good:passphrase")
            .await
            .expect(" 903 ");
        let with = signed_in_with(&mut client, "wren").await;
        assert_eq!(with, named("phone"), "PLAIN as {login}");

        let mut client = server.client();
        let password = format!("PASS :{login}:a good:passphrase");
        client.send(&password).await.stays();
        let with = signed_in_with(&mut client, "wren").await;
        assert_eq!(with, named("phone"), "PASS as {login}");
    }
    let mut client = server.client();
    client.send("CAP REQ sasl").await;
    client
        .plain("wren", "a good:passphrase")
        .await
        .expect(" 903 ");
    let with = signed_in_with(&mut client, "wren").await;
    assert_eq!(with, SignedInWith::PASSWORD);
}

#[tokio::test]
async fn a_bad_device_name_is_refused_with_what_is_allowed() {
    let server = server_with_wren().await;
    let explained = |received: &Received, code: &str| {
        received.expect(code).expect("malformed").expect("1 to 32");
    };
    for login in ["wren/", "wren/my%phone", "wren@reeds.example/a/b"] {
        let mut client = server.client();
        client.send("CAP REQ sasl").await;
        let received = client.plain(login, "a good:passphrase").await;
        explained(&received, " 904 ");

        let mut client = server.client();
        let password = format!("PASS :{login}:a good:passphrase");
        client.send(&password).await.stays();
        let received = client.finish_handshake("wren").await;
        explained(received.stays(), " 464 wren :");
    }
}

#[tokio::test]
async fn a_name_beside_a_credential_is_ignored() {
    let server = server_with_wren().await;
    let mut client = server.client();
    client.request_code("wren", "wren@reeds.example").await;
    let code = server.code(1).await;
    client.submit_code(&code, &device(1)).await.expect(" 903 ");
    let mut client = server.client();
    client.send("CAP REQ sasl").await;
    client.plain("wren/phone", &device(1)).await.expect(" 903 ");
    let with = signed_in_with(&mut client, "wren").await;
    assert!(matches!(with, SignedInWith::Credential(_)), "{with:?}");
}
