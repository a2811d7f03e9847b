//! SCRAM-SHA-256, from a client's side.

use aws_lc_rs::{hmac, pbkdf2};
use rookery_chat::event::SignedInWith;
use rookery_protocol::DeviceName;
use rookery_store::{TriedBy, TriedCode};
use sha2::{Digest as _, Sha256};

use super::*;

const FIRST: &str = "n=alice,r=nonce";

/// Returns the server's message, decoded from base64.
fn decoded(received: &Received) -> String {
    let (_, text) = received.lines[0]
        .split_once("AUTHENTICATE ")
        .unwrap_or_else(|| panic!("{received:?}"));
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

fn sign(key: &[u8], text: &str) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    tag.as_ref().try_into().unwrap()
}

/// Returns the client's final message, and the reply that it expects.
fn proof(challenge: &str, password: &str) -> (String, String) {
    proof_after(FIRST, challenge, password)
}

/// Like [`proof`], after another first message.
fn proof_after(first: &str, challenge: &str, password: &str) -> (String, String) {
    let fields: Vec<&str> = challenge.splitn(3, ',').collect();
    let salt = STANDARD
        .decode(fields[1].strip_prefix("s=").unwrap())
        .unwrap();
    let iterations: u32 = fields[2].strip_prefix("i=").unwrap().parse().unwrap();
    assert_eq!(iterations, 65_536, "the most that Cyrus SASL accepts");
    let mut salted = [0; 32];
    let password = password.as_bytes();
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations.try_into().unwrap(),
        &salt,
        password,
        &mut salted,
    );
    let client_key = sign(&salted, "Client Key");
    let without_proof = format!("c=biws,{}", fields[0]);
    let whole = format!("{first},{challenge},{without_proof}");
    let signature = sign(&Sha256::digest(client_key), &whole);
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(key, signed)| key ^ signed)
        .collect();
    let answer = format!(
        "v={}",
        STANDARD.encode(sign(&sign(&salted, "Server Key"), &whole))
    );
    (
        format!("{without_proof},p={}", STANDARD.encode(proof)),
        answer,
    )
}

async fn begin(client: &mut Client) -> String {
    decoded(
        &client
            .sasl("SCRAM-SHA-256", format!("n,,{FIRST}").as_bytes())
            .await,
    )
}

async fn registered() -> TestServer {
    let server = TestServer::with(|config| config.accounts.verify_email = false);
    server
        .client()
        .send("REGISTER alice alice@example.org :correct horse")
        .await
        .expect("SUCCESS");
    server
}

#[tokio::test]
async fn a_password_is_proved_and_so_is_the_server() {
    let server = registered().await;
    let mut client = server.client();
    let (last, expected) = proof(&begin(&mut client).await, PASSWORD);
    let received = client.respond(last.as_bytes()).await;
    assert_eq!(decoded(&received), expected);
    client
        .send("AUTHENTICATE +")
        .await
        .expect(" 900 * * alice :")
        .expect(" 903 * :");
    assert!(
        client
            .finish_handshake("alice")
            .await
            .admitted()
            .identity
            .is_some()
    );
}

#[tokio::test]
async fn a_malformed_proof_takes_no_turn_of_the_owner() {
    let server = registered().await;
    for host in 1..=10 {
        let mut stranger = server.client_from(&format!("198.51.100.{host}"), None);
        stranger.plain("alice", "wrong horse").await.expect(" 904 ");
    }
    let mut stranger = server.client_from("203.0.113.1", None);
    begin(&mut stranger).await;
    stranger.respond(b"x").await.expect(" 904 ");
    let mut owner = server.client_from("203.0.113.2", None);
    owner.plain("alice", PASSWORD).await.expect(" 903 ");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_look_alike() {
    let server = registered().await;
    server
        .account("bob", "bob@example.org", Some(PASSWORD))
        .await;
    let mut answers = Vec::new();
    for name in ["alice", "bob", "nobody"] {
        let mut client = server.client();
        let first = format!("n,,n={name},r=nonce");
        let salts: Vec<String> = [
            decoded(&client.sasl("SCRAM-SHA-256", first.as_bytes()).await),
            decoded(
                &server
                    .client()
                    .sasl("SCRAM-SHA-256", first.as_bytes())
                    .await,
            ),
        ]
        .iter()
        .map(|challenge| challenge.split(',').nth(1).unwrap().to_owned())
        .collect();
        assert_eq!(salts[0], salts[1], "{name} has one salt");
        let challenge = begin(&mut server.client()).await;
        let (last, _) = proof(&challenge, "wrong horse");
        client.send("AUTHENTICATE *").await;
        let challenge = decoded(&client.sasl("SCRAM-SHA-256", first.as_bytes()).await);
        let nonce = challenge.split(',').next().unwrap();
        let last = format!("c=biws,{nonce},p={}", last.split_once(",p=").unwrap().1);
        answers.push(client.respond(last.as_bytes()).await.lines);
    }
    assert!(answers[0][0].contains(" 904 * :"), "{answers:?}");
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn an_account_without_scram_keys_gets_them_by_signing_in_with_plain() {
    let server = TestServer::with_alice().await;
    let mut client = server.client();
    let (last, _) = proof(&begin(&mut client).await, PASSWORD);
    client
        .respond(last.as_bytes())
        .await
        .expect(" 904 ")
        .expect("PLAIN");
    expect_scram_after_plain(&server).await;
}

/// Returns the server with another key, as if the key file were lost.
fn with_another_key(server: TestServer) -> TestServer {
    TestServer::over(server.folder, |_| {})
}

/// Expects that a sign-in with `PLAIN` succeeds, and that SCRAM does from then on.
async fn expect_scram_after_plain(server: &TestServer) {
    server
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(" 903 ");
    let mut client = server.client();
    let (last, expected) = proof(&begin(&mut client).await, PASSWORD);
    assert_eq!(decoded(&client.respond(last.as_bytes()).await), expected);
}

#[tokio::test]
async fn without_the_key_scram_fails_until_a_sign_in_with_plain() {
    let server = with_another_key(registered().await);
    let mut client = server.client();
    let (last, _) = proof(&begin(&mut client).await, PASSWORD);
    client.respond(last.as_bytes()).await.expect(" 904 ");
    expect_scram_after_plain(&server).await;
}

#[tokio::test]
async fn a_verifier_of_other_iterations_is_not_offered_and_is_replaced() {
    let server = registered().await;
    server
        .change_account("alice", |store, account| {
            let mut old = store.scram_verifier(account.id)?.unwrap();
            old.iterations = 600_000;
            store.set_scram_verifier(account.id, &old)
        })
        .await;
    let challenge = begin(&mut server.client()).await;
    assert!(challenge.ends_with(",i=65536"), "{challenge}");
    expect_scram_after_plain(&server).await;
}

#[tokio::test]
async fn a_password_is_the_same_for_plain_and_scram_however_it_is_encoded() {
    let (composed, decomposed) = ("caf\u{e9} \u{fc}ber", "cafe\u{301} u\u{308}ber");
    let server = TestServer::with(|config| config.accounts.verify_email = false);
    server
        .client()
        .send(&format!("REGISTER alice alice@example.org :{decomposed}"))
        .await
        .expect("SUCCESS");
    for typed in [composed, decomposed] {
        server.client().plain("alice", typed).await.expect(" 903 ");
    }
    // A SCRAM client prepares the password itself (RFC 5802 §2.2).
    let mut client = server.client();
    let (last, expected) = proof(&begin(&mut client).await, composed);
    assert_eq!(decoded(&client.respond(last.as_bytes()).await), expected);
}

#[tokio::test]
async fn failures_are_limited_and_a_disabled_account_is_refused() {
    let server = registered().await;
    server
        .config
        .send_modify(|config| Arc::make_mut(config).limits.failed_sign_ins = 2);
    for _ in 0..2 {
        let mut client = server.client_from("198.51.100.9", None);
        let (last, _) = proof(&begin(&mut client).await, "wrong horse");
        client.respond(last.as_bytes()).await.expect(" 904 ");
    }
    let mut client = server.client_from("198.51.100.9", None);
    client
        .sasl("SCRAM-SHA-256", format!("n,,{FIRST}").as_bytes())
        .await
        .expect("too many failed sign-ins");
    client.advance(601);
    server
        .change_account("alice", |store, account| {
            store.set_disabled(account.id, Some("moved away"))
        })
        .await;
    let (last, _) = proof(&begin(&mut client).await, PASSWORD);
    client
        .respond(last.as_bytes())
        .await
        .expect(" 904 ")
        .expect("disabled: moved away");
}

#[tokio::test]
async fn the_salt_of_an_email_does_not_tell_whose_it_is() {
    let server = registered().await;
    let mut answers = Vec::new();
    for name in ["alice", "alice@example.org"] {
        let mut client = server.client();
        let first = format!("n,,n={name},r=nonce");
        let answer = decoded(&client.sasl("SCRAM-SHA-256", first.as_bytes()).await);
        let (last, _) = proof(&answer, PASSWORD);
        if name.contains('@') {
            client
                .respond(last.as_bytes())
                .await
                .expect(" 904 ")
                .expect("not the email");
        }
        answers.push(answer.split(',').nth(1).unwrap().to_owned());
    }
    assert_ne!(answers[0], answers[1]);
}

#[tokio::test]
async fn malformed_and_repeated_proofs_are_refused() {
    let server = registered().await;
    let mut client = server.client();
    client
        .sasl("SCRAM-SHA-256", b"p=tls-unique,,n=alice,r=x")
        .await
        .expect(" 904 ");
    begin(&mut client).await;
    client.respond(b"").await.expect(" 904 ");
    let (last, _) = proof(&begin(&mut client).await, PASSWORD);
    client
        .respond(last.as_bytes())
        .await
        .expect("AUTHENTICATE ");
    client.respond(b"more").await.expect(" 904 ");
    client.respond(last.as_bytes()).await.expect(" 904 ");
}

/// At admission, the core compares that time with the end of the account's sessions.
#[tokio::test]
async fn the_time_of_a_proof_is_that_of_reading_the_account() {
    let server = registered().await;
    let mut client = server.client();
    let (last, _) = proof(&begin(&mut client).await, PASSWORD);
    client.advance(20);
    client
        .respond(last.as_bytes())
        .await
        .expect("AUTHENTICATE ");
    client.advance(20);
    client.send("AUTHENTICATE +").await.expect(" 903 * :");
    let entered = client.finish_handshake("alice").await;
    assert_eq!(
        entered
            .admitted()
            .identity
            .as_ref()
            .unwrap()
            .authenticated_at,
        start()
    );
}

#[tokio::test]
async fn the_client_may_name_its_device() {
    let server = registered().await;
    let first = "n=alice/Phone,r=nonce";
    let mut client = server.client();
    client.send("CAP REQ sasl").await;
    let message = format!("n,,{first}");
    let challenge = decoded(&client.sasl("SCRAM-SHA-256", message.as_bytes()).await);
    let (message, answer) = proof_after(first, &challenge, PASSWORD);
    let received = client.respond(message.as_bytes()).await;
    assert_eq!(decoded(&received), answer);
    client.send("AUTHENTICATE +").await.expect(" 903 ");
    client.finish_handshake("alice").await.stays();
    let received = client.send("CAP END").await;
    let identity = received.admitted().identity.as_ref().unwrap();
    let named = DeviceName::parse("phone").ok();
    let with = &identity.signed_in_with;
    assert!(
        matches!(with, SignedInWith::Password { device, .. } if *device == named),
        "{with:?}"
    );

    let mut client = server.client();
    client
        .sasl("SCRAM-SHA-256", b"n,,n=alice/a b,r=nonce")
        .await
        .expect(" 904 ")
        .expect("1 to 32");
}

/// A right password makes the account accept mailed codes again.
#[tokio::test]
async fn a_proof_of_a_password_that_was_changed_meanwhile_does_not_accept_codes_again() {
    for is_changed in [false, true] {
        let server = registered().await;
        let mut client = server.client();
        let (last, answer) = proof(&begin(&mut client).await, PASSWORD);
        server
            .change_account("alice", move |store, account| {
                let code = TriedCode::Real;
                assert!(store.count_account_code(account.id, TriedBy::SignedIn, code)?);
                if is_changed {
                    let verifier = store.scram_verifier(account.id)?.unwrap();
                    store.set_password(account.id, "another", &verifier)?;
                }
                Ok(())
            })
            .await;
        let received = client.respond(last.as_bytes()).await;
        assert_eq!(decoded(&received), answer);
        server
            .change_account("alice", move |store, account| {
                assert_eq!(store.has_tried_codes(account.id)?, is_changed);
                Ok(())
            })
            .await;
    }
}
