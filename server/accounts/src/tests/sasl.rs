//! Sign-in by SASL: the exchange, passwords, and the state of the account.

mod codes;
mod limits;

use super::*;
use crate::Reservation;
use crate::password::CHAT_SLOTS;

#[tokio::test]
async fn a_password_signs_in_by_name_and_by_email() {
    let server = TestServer::with_alice().await;
    for claim in ["alice", "ALICE", "alice@example.org", "Alice@Example.Org"] {
        let mut client = server.client();
        client.send("CAP REQ sasl").await;
        let received = client.plain(claim, PASSWORD).await;
        received
            .stays()
            .expect(" 900 * * alice :")
            .expect(" 903 * :");
        client.finish_handshake("someone").await.stays();
        let received = client.send("CAP END").await;
        let identity = received.admitted().identity.clone().unwrap();
        assert_eq!(identity.name.as_str(), "alice");
        assert!(!identity.new);
    }
}

#[tokio::test]
async fn signing_in_from_the_waiting_room_admits() {
    let server = TestServer::with_alice().await;
    let mut client = server.client();
    client.finish_handshake("alice").await.stays();
    let received = client.plain("alice", PASSWORD).await;
    received
        .expect(" 900 alice alice!*@* alice :")
        .expect(" 903 alice :")
        .admitted();
}

#[tokio::test]
async fn wrong_secrets_and_unknown_names_get_the_same_reply() {
    let server = TestServer::with_alice().await;
    server.account("bob", "bob@example.org", None).await;
    let wrong = server.client().plain("alice", "wrong horse").await.lines;
    assert!(wrong[0].contains(" 904 * :"), "{wrong:?}");
    for claim in ["bob", "nobody", "nobody@example.org", "alice@example.org"] {
        assert_eq!(
            server.client().plain(claim, "wrong horse").await.lines,
            wrong,
            "{claim}"
        );
    }
}

#[tokio::test]
async fn an_unknown_name_or_email_costs_a_hash_like_a_wrong_password() {
    let server = TestServer::with_alice().await;
    server.account("bob", "bob@example.org", None).await;
    for claim in ["alice", "bob", "nobody", "nobody@example.org"] {
        let held = CHAT_SLOTS.occupy_all().await;
        let mut client = server.client();
        let mut attempt = Box::pin(client.plain(claim, "wrong horse"));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut attempt).await;
        assert!(early.is_err(), "{claim} was answered without a hash");
        drop(held);
        attempt.await.expect(" 904 ");
    }
}

#[tokio::test]
async fn malformed_exchanges_fail_and_leave_the_session_unchanged() {
    let server = TestServer::with_alice().await;
    let mut client = server.client();
    client
        .send("AUTHENTICATE")
        .await
        .expect(" 461 * AUTHENTICATE :");
    let received = client.send("AUTHENTICATE SCRAM-SHA-1").await;
    received
        .expect(" 908 * PLAIN,SCRAM-SHA-256,EXTERNAL,X-EMAIL-CODE :")
        .expect(" 904 * :");
    for payload in [
        b"".as_slice(),
        b"alice",
        b"\0alice",
        b"\0alice\0a\0b",
        b"bob\0alice\0correct horse",
        b"\0\xff\0x",
    ] {
        client
            .sasl("PLAIN", payload)
            .await
            .stays()
            .expect(" 904 * :");
    }
    client
        .send("AUTHENTICATE plain")
        .await
        .expect("AUTHENTICATE +");
    client.send("AUTHENTICATE !!!!").await.expect(" 904 * :");
    client.send("AUTHENTICATE PLAIN").await;
    client
        .send(&format!("AUTHENTICATE {}", "A".repeat(401)))
        .await
        .expect(" 905 * :");
    client.send("AUTHENTICATE PLAIN").await;
    client.send("AUTHENTICATE *").await.expect(" 906 * :");
    client
        .send("AUTHENTICATE PLAIN")
        .await
        .expect("AUTHENTICATE +");
    let mut received = client
        .send(&format!("AUTHENTICATE {}", "A".repeat(400)))
        .await;
    for _ in 0..10 {
        if received.has(" 904 ") {
            break;
        }
        received = client
            .send(&format!("AUTHENTICATE {}", "A".repeat(400)))
            .await;
    }
    received.expect(" 904 * :");
    client.plain("alice", PASSWORD).await.expect(" 903 ");
    client
        .plain("alice", PASSWORD)
        .await
        .expect(" 900 * * alice :")
        .expect(" 903 * :");
}

#[tokio::test]
async fn long_secrets_are_sent_in_chunks() {
    let server = TestServer::new();
    let secret = "ü".repeat(150);
    let payload = format!("alice\0alice\0{secret}");
    assert!(STANDARD.encode(&payload).len() > 400);
    server
        .account("alice", "alice@example.org", Some(&secret))
        .await;
    server
        .client()
        .sasl("PLAIN", payload.as_bytes())
        .await
        .expect(" 903 ");
    // A response of exactly one chunk ends with an empty one.
    let secret = "x".repeat(300 - "bob\0bob\0".len());
    server
        .account("bob", "bob@example.org", Some(&secret))
        .await;
    let payload = format!("bob\0bob\0{secret}");
    assert_eq!(STANDARD.encode(&payload).len(), 400);
    server
        .client()
        .sasl("PLAIN", payload.as_bytes())
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn only_the_owner_of_a_disabled_account_gets_the_reason() {
    let server = TestServer::with_alice().await;
    server
        .change_account("alice", |store, account| {
            store.set_disabled(account.id, Some("moved away"))
        })
        .await;
    let expected = " 904 * :SASL authentication failed: the account is disabled: moved away";
    server
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(expected);
    server
        .client()
        .plain("alice", "wrong password")
        .await
        .expect("wrong name or password");
    let mut client = server.client();
    client.request_code("alice", "alice@example.org").await;
    let code = server.code(1).await;
    client.submit_code(&code, &device(1)).await.expect(expected);
    server
        .client()
        .plain("alice", &device(1))
        .await
        .expect("wrong name or password");

    server
        .change_account("alice", |store, account| {
            store.set_disabled(account.id, None)
        })
        .await;
    server
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn a_revoked_account_accepts_only_a_mailed_code() {
    let server = TestServer::with_alice().await;
    let mut client = server.client();
    client.request_code("alice", "alice@example.org").await;
    client
        .submit_code(&server.code(1).await, &device(1))
        .await
        .expect(" 903 ");
    server
        .change_account("alice", |store, account| {
            assert_eq!(store.remove_credentials(account.id)?, 1);
            store.remove_password(account.id)
        })
        .await;
    server
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(" 904 ");
    server
        .client()
        .plain("alice", &device(1))
        .await
        .expect(" 904 ");
    let mut client = server.client();
    client.request_code("alice", "alice@example.org").await;
    client
        .submit_code(&server.code(2).await, &device(2))
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn the_name_of_a_deleted_account_stays_reserved_and_its_email_is_free() {
    let server = TestServer::with_alice().await;
    server
        .change_account("alice", |store, account| store.delete_account(&account))
        .await;
    server
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(" 904 ");
    for name in ["Alice", "a1ice"] {
        let received = server
            .client()
            .send(&format!("REGISTER {name} eve@example.org :correct horse"))
            .await;
        received.expect("FAIL REGISTER ACCOUNT_EXISTS");
    }
    let nick = "alice".parse().unwrap();
    let reservation = server.accounts.reservation(&nick, None).await.unwrap();
    assert_eq!(reservation, Some(Reservation::Account));
    let mut client = server.client();
    client
        .send("REGISTER alina alice@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    client
        .send(&format!("VERIFY alina {}", server.code(1).await))
        .await
        .expect("VERIFY SUCCESS");
}
