//! Signing in by SASL SCRAM-SHA-256 (RFC 7677), which proves the password without sending it.

use aws_lc_rs::{hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rookery_tests::irc::{Client, PASSWORD};
use rookery_tests::server::Server;
use sha2::{Digest as _, Sha256};

const FIRST: &str = "n=alice,r=a-nonce";

fn sign(key: &[u8], text: &str) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    tag.as_ref().try_into().unwrap()
}

/// Returns the client's final message for a challenge, and the final message of a server that knows
/// the password (RFC 5802 §3).
fn proof(challenge: &str, password: &str) -> (String, String) {
    let field = |name: &str| {
        challenge
            .split(',')
            .find_map(|field| field.strip_prefix(name))
            .unwrap()
    };
    let salt = STANDARD.decode(field("s=")).unwrap();
    let rounds: u32 = field("i=").parse().unwrap();
    let mut salted = [0; 32];
    let password = password.as_bytes();
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        rounds.try_into().unwrap(),
        &salt,
        password,
        &mut salted,
    );
    let client_key = sign(&salted, "Client Key");
    let without_proof = format!("c=biws,r={}", field("r="));
    let auth_message = format!("{FIRST},{challenge},{without_proof}");
    let signature = sign(&Sha256::digest(client_key), &auth_message);
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(key, signed)| key ^ signed)
        .collect();
    let server_signature = STANDARD.encode(sign(&sign(&salted, "Server Key"), &auth_message));
    (
        format!("{without_proof},p={}", STANDARD.encode(proof)),
        format!("v={server_signature}"),
    )
}

/// Performs the exchange up to the proof, and returns the response expected from the server.
async fn prove(client: &mut Client, password: &str) -> String {
    client
        .authenticate("SCRAM-SHA-256", format!("n,,{FIRST}").as_bytes())
        .await;
    let challenge = read_challenge(client).await;
    let (proof, expected) = proof(&challenge, password);
    client.respond(proof.as_bytes()).await;
    expected
}

/// Waits for the next message of the exchange and decodes it.
async fn read_challenge(client: &mut Client) -> String {
    let message = client
        .expect("a challenge", |message| message.command == "AUTHENTICATE")
        .await;
    String::from_utf8(STANDARD.decode(message.param(0).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn scram_signs_in_even_after_a_restart() {
    let mut server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    server.kill9();
    server.restart().await;
    let mut alice = Client::negotiating(&server, "alice").await;
    let expected = prove(&mut alice, PASSWORD).await;
    assert_eq!(
        read_challenge(&mut alice).await,
        expected,
        "the server knows the password too"
    );
    alice.respond(b"").await;
    alice.expect_numeric("903").await;
    alice.send("CAP END").await;
    alice.expect_text("Welcome back, alice").await;
}

#[tokio::test]
async fn scram_refuses_a_wrong_password_and_accepts_the_right_one_afterwards() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut alice = Client::negotiating(&server, "alice").await;
    prove(&mut alice, "not the password").await;
    alice.expect_numeric("904").await;
    let expected = prove(&mut alice, PASSWORD).await;
    assert_eq!(read_challenge(&mut alice).await, expected);
    alice.respond(b"").await;
    alice.expect_numeric("903").await;
}
