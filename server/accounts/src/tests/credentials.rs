//! Client certificates and `CREDENTIAL`.

use super::*;
use crate::device_hash;
use crate::throttle::SIGN_INS_OF_ACCOUNT;
use rookery_chat::event::Revoked;
use rookery_record::{CredentialId, CredentialKind};

const CERTIFICATE: [u8; 32] = [9; 32];

async fn signed_in(server: &TestServer, name: &str, certificate: Option<[u8; 32]>) -> Client {
    let mut client = server.client_from("192.0.2.1", certificate);
    client.plain(name, PASSWORD).await.expect(" 903 ");
    client
}

async fn server_with_two_accounts() -> TestServer {
    let server = TestServer::with_alice().await;
    server
        .account("bob", "bob@example.org", Some(PASSWORD))
        .await;
    server
}

#[tokio::test]
async fn an_added_certificate_signs_in_until_it_is_revoked() {
    let server = server_with_two_accounts().await;
    server
        .client_from("192.0.2.1", Some(CERTIFICATE))
        .sasl("EXTERNAL", b"")
        .await
        .expect(" 904 ");
    let mut alice = signed_in(&server, "alice", Some(CERTIFICATE)).await;
    alice
        .send("CREDENTIAL ADD")
        .await
        .expect("CREDENTIAL ADDED 1 :");
    alice
        .send("CREDENTIAL ADD")
        .await
        .expect("CREDENTIAL ADDED 1 :");
    for payload in [b"".as_slice(), b"alice"] {
        let mut client = server.client_from("192.0.2.1", Some(CERTIFICATE));
        client
            .sasl("EXTERNAL", payload)
            .await
            .expect(" 900 * * alice :")
            .expect(" 903 ");
    }
    server
        .client_from("192.0.2.1", Some(CERTIFICATE))
        .sasl("EXTERNAL", b"bob")
        .await
        .expect(" 904 ");
    server
        .client_from("192.0.2.1", Some([8; 32]))
        .sasl("EXTERNAL", b"")
        .await
        .expect(" 904 ");
    server
        .client()
        .sasl("EXTERNAL", b"")
        .await
        .expect("no client certificate");
    let mut bob = signed_in(&server, "bob", Some(CERTIFICATE)).await;
    bob.send("CREDENTIAL ADD")
        .await
        .expect("FAIL CREDENTIAL CERTIFICATE_IN_USE ADD :");
    bob.send("CREDENTIAL REVOKE 1")
        .await
        .expect("FAIL CREDENTIAL NO_SUCH_CREDENTIAL 1 :");
    alice
        .send("CREDENTIAL REVOKE 1")
        .await
        .expect("CREDENTIAL REVOKED 1 :");
    server
        .client_from("192.0.2.1", Some(CERTIFICATE))
        .sasl("EXTERNAL", b"")
        .await
        .expect(" 904 ");
}

#[tokio::test]
async fn a_revoked_device_cannot_sign_in() {
    let server = server_with_two_accounts().await;
    let mut client = server.client();
    client.request_code("alice", "alice@example.org").await;
    let code = server.code(1).await;
    client.submit_code(&code, &device(1)).await.expect(" 903 ");
    client
        .send("CREDENTIAL LIST")
        .await
        .expect("CREDENTIAL LIST 1 device 2027-01-15T08:00:00.000Z * here");
    server
        .client()
        .plain("alice", &device(1))
        .await
        .expect(" 903 ");
    let received = client.send("CREDENTIAL LIST").await;
    received
        .expect("CREDENTIAL LIST 1 device 2027-01-15T08:00:00.000Z 2027-01-15T08:00:00.000Z here");
    received.expect("CREDENTIAL END 1");
    client.send("CREDENTIAL REVOKE 1").await.expect("REVOKED");
    client
        .send("CREDENTIAL LIST")
        .await
        .expect("FAIL CREDENTIAL ACCOUNT_REQUIRED LIST :");
    server
        .client()
        .plain("alice", &device(1))
        .await
        .expect(" 904 ");
}

#[tokio::test]
async fn a_device_has_the_label_that_its_client_sets() {
    let server = server_with_two_accounts().await;
    let mut phone = server.client();
    phone.request_code("alice", "alice@example.org").await;
    let code = server.code(1).await;
    phone.submit_code(&code, &device(1)).await.expect(" 903 ");
    phone
        .send("CREDENTIAL LABEL :rook on nest")
        .await
        .expect("CREDENTIAL LABELLED 1 :rook on nest");
    phone
        .send("CREDENTIAL LIST")
        .await
        .expect("CREDENTIAL LIST 1 device 2027-01-15T08:00:00.000Z * here :rook on nest");
    let mut laptop = signed_in(&server, "alice", None).await;
    laptop
        .send("CREDENTIAL LIST")
        .await
        .expect("CREDENTIAL LIST 1 device 2027-01-15T08:00:00.000Z * * :rook on nest");
    laptop
        .send("CREDENTIAL LABEL :mine")
        .await
        .expect("FAIL CREDENTIAL NO_SUCH_CREDENTIAL LABEL :");
    let long = format!("CREDENTIAL LABEL :{}", "x".repeat(65));
    for line in ["CREDENTIAL LABEL : ", "CREDENTIAL LABEL :a\u{1}b", &long] {
        phone
            .send(line)
            .await
            .expect("FAIL CREDENTIAL INVALID_LABEL LABEL :");
    }
    phone.send("CREDENTIAL REVOKE 1").await.expect("REVOKED");
    phone
        .send("CREDENTIAL LABEL :again")
        .await
        .expect("FAIL CREDENTIAL ACCOUNT_REQUIRED LABEL :");
}

#[tokio::test]
async fn a_revoked_device_can_revoke_nothing_even_before_its_session_ends() {
    let server = server_with_two_accounts().await;
    let mut phone = server.client();
    phone.request_code("alice", "alice@example.org").await;
    let code = server.code(1).await;
    phone.submit_code(&code, &device(1)).await.expect(" 903 ");
    let mut desktop = signed_in(&server, "alice", Some(CERTIFICATE)).await;
    desktop
        .send("CREDENTIAL ADD")
        .await
        .expect("CREDENTIAL ADDED 2 :");
    desktop
        .send("CREDENTIAL REVOKE 1")
        .await
        .expect("CREDENTIAL REVOKED 1 :");
    assert!(desktop.machine.take_revoked().is_some());
    phone
        .send("CREDENTIAL REVOKE 2")
        .await
        .expect("FAIL CREDENTIAL ACCOUNT_REQUIRED 2 :");
    assert!(phone.machine.take_revoked().is_none());
}

#[tokio::test]
async fn the_list_marks_the_device_of_the_session() {
    let server = server_with_two_accounts().await;
    let mut new = server.client();
    new.request_code("alice", "alice@example.org").await;
    let code = server.code(1).await;
    new.submit_code(&code, &device(1)).await.expect(" 903 ");
    let listed = new.send("CREDENTIAL LIST").await;
    listed.expect("CREDENTIAL LIST 1 device 2027-01-15T08:00:00.000Z * here");
    let mut by_password = signed_in(&server, "alice", None).await;
    let listed = by_password.send("CREDENTIAL LIST").await;
    assert!(!format!("{listed:?}").contains("here"), "{listed:?}");
}

#[tokio::test]
async fn the_command_requires_a_sign_in_and_reports_bad_parameters() {
    let server = server_with_two_accounts().await;
    server
        .client()
        .send("CREDENTIAL LIST")
        .await
        .expect("FAIL CREDENTIAL ACCOUNT_REQUIRED * :");
    let mut alice = signed_in(&server, "alice", None).await;
    alice.send("CREDENTIAL").await.expect(" 461 * CREDENTIAL :");
    alice
        .send("CREDENTIAL FLY")
        .await
        .expect("FAIL CREDENTIAL UNKNOWN_SUBCOMMAND FLY :");
    alice
        .send("CREDENTIAL ADD")
        .await
        .expect("FAIL CREDENTIAL NO_CERTIFICATE ADD :");
    alice.send("CREDENTIAL REVOKE").await.expect(" 461 ");
    alice
        .send("CREDENTIAL REVOKE x")
        .await
        .expect("FAIL CREDENTIAL NO_SUCH_CREDENTIAL");
}

#[tokio::test]
async fn an_account_that_signed_in_too_often_with_its_password_still_has_its_devices() {
    let server = TestServer::with_alice().await;
    server
        .account("bob", "bob@example.org", Some(PASSWORD))
        .await;
    let device = device(1);
    let hash = device_hash(&device);
    server
        .change_account("alice", move |store, account| {
            let kind = CredentialKind::Device;
            store
                .add_credential(account.id, kind, &hash, start())
                .map(drop)
        })
        .await;
    let mut client = server.client();
    client.plain("alice", PASSWORD).await.expect(" 903 ");
    let accounts = &server.accounts;
    server
        .change_account("alice", {
            let accounts = Arc::clone(accounts);
            move |_, account| {
                for _ in 1..SIGN_INS_OF_ACCOUNT {
                    accounts.throttle.add_sign_in(account.id);
                }
                Ok(())
            }
        })
        .await;
    let refused = server.sign_in("alice", PASSWORD).await;
    refused.expect(" 904 * :SASL authentication failed: too many sign-ins with the password");
    server.sign_in("alice", &device).await.expect(" 903 ");
    server.sign_in("bob", PASSWORD).await.expect(" 903 ");
    client.advance(600);
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
}

#[tokio::test]
async fn a_device_that_a_new_one_displaces_is_revoked() {
    let server = server_with_two_accounts().await;
    server
        .change_account("alice", |store, account| {
            for number in 0..50 {
                let kind = CredentialKind::Device;
                store.add_credential(account.id, kind, &[number; 32], start())?;
            }
            // All but the seventh have been used since.
            for credential in store.credentials(account.id)? {
                if credential.hash != [6; 32] {
                    let used_at = start() + SignedDuration::from_secs(1);
                    store.set_credential_used(credential.id, used_at)?;
                }
            }
            Ok(())
        })
        .await;
    let mut client = server.client();
    client.request_code("alice", "alice@example.org").await;
    assert!(client.machine.take_revoked().is_none());
    let code = server.code(1).await;
    client.submit_code(&code, &device(1)).await.expect(" 903 ");
    let revoked = client.machine.take_revoked();
    assert!(
        matches!(revoked, Some(Revoked::Credential(CredentialId(7)))),
        "{revoked:?}"
    );
    assert!(client.machine.take_revoked().is_none());
}
