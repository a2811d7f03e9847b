//! Sign-in by SASL: passwords, device credentials, mailed codes.

use super::*;
use crate::Reservation;
use crate::codes::{LIFETIME_SECONDS, TRIES};
use crate::password::CHAT_SLOTS;

async fn server_with_alice() -> TestServer {
    server_with_alice_and(|_| {}).await
}

async fn server_with_alice_and(change: impl FnOnce(&mut Config)) -> TestServer {
    let server = TestServer::with(change);
    server
        .account("alice", "alice@example.org", Some(PASSWORD))
        .await;
    server
}

#[tokio::test]
async fn a_password_signs_in_by_name_and_by_email() {
    let server = server_with_alice().await;
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
    let server = server_with_alice().await;
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
    let server = server_with_alice().await;
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
    let server = server_with_alice().await;
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
    let server = server_with_alice().await;
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
async fn failures_are_limited_by_network_and_pause_the_account_briefly() {
    let server = server_with_alice_and(|config| config.limits.failed_sign_ins = 3).await;
    for host in 1..=3 {
        let mut client = server.client_from(&format!("198.51.100.{host}"), None);
        client
            .plain("alice", "wrong horse")
            .await
            .expect("wrong name or password");
    }
    let mut elsewhere = server.client_from("198.51.100.9", None);
    elsewhere.plain("alice", PASSWORD).await.expect(" 904 ");
    elsewhere.advance(10);
    elsewhere.plain("alice", PASSWORD).await.expect(" 903 ");
    for name in ["x1", "x2", "x3"] {
        server
            .client()
            .plain(name, "wrong horse")
            .await
            .expect(" 904 ");
    }
    server
        .client()
        .plain("bob", "wrong horse")
        .await
        .expect("too many failed sign-ins")
        .expect("try again in 10 min");
}

#[tokio::test]
async fn strangers_lock_no_owner_out_of_a_network_that_the_owner_has_used() {
    let server = server_with_alice_and(|config| config.limits.failed_sign_ins = 3).await;
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    for attempt in 0..12 {
        let from = ["198.51.100.1", "198.51.100.2", "192.0.2.1"][attempt % 3];
        let name = if from == "192.0.2.1" { "bob" } else { "alice" };
        let mut stranger = server.client_from(from, None);
        stranger.plain(name, "wrong horse").await.expect(" 904 ");
    }
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    server
        .client_from("203.0.113.1", None)
        .plain("alice", PASSWORD)
        .await
        .expect("too many failed sign-ins");
}

#[tokio::test]
async fn strangers_cannot_use_up_the_codes_of_an_owner() {
    let server = server_with_alice_and(|config| config.limits.mails_per_hour = 6).await;
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    let request = async |from: &str| {
        let mut client = server.client_from(from, None);
        let received = client.request_code("alice", "alice@example.org").await;
        received.has("AUTHENTICATE +")
    };
    let mut mailed = 0;
    for _ in 0..5 {
        mailed += u32::from(request("198.51.100.1").await);
    }
    assert_eq!(mailed, 2, "one network gets a part");
    assert!(request("203.0.113.1").await, "another network");
    for host in 2..9 {
        request(&format!("198.51.100.{host}")).await;
    }
    assert!(!request("203.0.113.2").await, "all are used up");
    assert!(request("192.0.2.1").await, "where the owner has signed in");
}

#[tokio::test]
async fn a_known_device_signs_in_after_an_attacker_has_used_up_the_tries() {
    let server = server_with_alice_and(|config| config.limits.failed_sign_ins = 2).await;
    let mut client = server.client();
    client
        .request_code("alice", "alice@example.org")
        .await
        .expect("AUTHENTICATE +");
    let code = server.code(1).await;
    client.submit_code(&code, &device(1)).await.expect(" 903 ");
    for _ in 0..3 {
        server
            .client()
            .plain("alice", "wrong horse")
            .await
            .expect(" 904 ");
    }
    server
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect("too many failed sign-ins");
    server
        .client()
        .plain("alice", &device(2))
        .await
        .expect(" 904 ");
    server
        .client()
        .plain("alice", &device(1))
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn successful_sign_ins_do_not_count_however_many_at_once() {
    let server = server_with_alice_and(|config| config.limits.failed_sign_ins = 2).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let mut client = server.client();
        tasks.spawn(async move { client.plain("alice", PASSWORD).await.has(" 903 ") });
    }
    assert!(tasks.join_all().await.into_iter().all(|good| good));
}

#[tokio::test]
async fn a_mailed_code_registers_a_new_device() {
    let server = server_with_alice().await;
    let mut client = server.client();
    client.finish_handshake("alice").await.stays();
    client
        .request_code("Alice", "ALICE@example.org")
        .await
        .stays()
        .expect("AUTHENTICATE +");
    let mail = server.mail(1).await;
    assert!(mail.contains("To: alice@example.org"), "{mail}");
    let code = code_in(&mail).unwrap();
    let received = client.submit_code(&code, &device(7)).await;
    received.expect(" 900 ").expect(" 903 ");
    assert_eq!(
        received.admitted().identity.as_ref().unwrap().name.as_str(),
        "alice"
    );
    server
        .client()
        .plain("alice", &device(7))
        .await
        .expect(" 903 ");
    server
        .client()
        .plain("alice@example.org", &device(7))
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn a_secret_of_another_format_may_be_a_device_credential() {
    let server = server_with_alice().await;
    let secret = "an-other-client-made-this-secret-of-40-b";
    let mut client = server.client();
    client.request_code("alice", "alice@example.org").await;
    let code = server.code(1).await;
    client.submit_code(&code, secret).await.expect(" 903 ");
    server.client().plain("alice", secret).await.expect(" 903 ");
}

#[tokio::test]
async fn a_wrong_email_looks_the_same_and_mails_nothing() {
    let server = server_with_alice().await;
    let mut right = server.client();
    let mut wrong = server.client();
    let one = right.request_code("alice", "alice@example.org").await;
    let other = wrong.request_code("alice", "eve@example.org").await;
    assert_eq!(one.lines, other.lines);
    let code = server.code(1).await;
    for _ in 0..=TRIES {
        let one = right.submit_code(another(&code), &device(1)).await;
        let other = wrong.submit_code(another(&code), &device(1)).await;
        assert_eq!(one.lines, other.lines);
        right.send("AUTHENTICATE *").await;
        wrong.send("AUTHENTICATE *").await;
        let one = right.request_code("alice", "alice@example.org").await;
        let other = wrong.request_code("alice", "eve@example.org").await;
        assert_eq!(one.lines, other.lines);
    }
    server
        .client()
        .request_code("nobody", "alice@example.org")
        .await
        .expect(" 904 ")
        .expect("no account");
}

#[tokio::test]
async fn after_a_wrong_code_the_same_one_stays_valid_until_no_tries_are_left() {
    let server = server_with_alice().await;
    let mut client = server.client();
    client.request_code("alice", "alice@example.org").await;
    let code = server.code(1).await;
    client
        .submit_code(another(&code), &device(1))
        .await
        .expect(" 904 ")
        .expect("4 tries are left");
    client
        .request_code("alice", "alice@example.org")
        .await
        .expect("AUTHENTICATE +");
    client.submit_code(&code, &device(1)).await.expect(" 903 ");
    server.mail(1).await;

    let mut client = server.client();
    client.request_code("alice", "alice@example.org").await;
    let code = server.code(2).await;
    for left in (0..TRIES).rev() {
        let received = client.submit_code(another(&code), &device(2)).await;
        received.expect(" 904 ").expect(if left == 0 {
            "request a new one"
        } else {
            " left"
        });
        if left > 0 {
            client
                .request_code("alice", "alice@example.org")
                .await
                .expect("AUTHENTICATE +");
        }
    }
    client
        .request_code("alice", "alice@example.org")
        .await
        .expect("AUTHENTICATE +");
    let fresh = server.code(3).await;
    if fresh != code {
        client.submit_code(&code, &device(2)).await.expect(" 904 ");
    }
}

#[tokio::test]
async fn aborting_discards_the_code() {
    let server = server_with_alice().await;
    let mut client = server.client();
    client.request_code("alice", "alice@example.org").await;
    let old = server.code(1).await;
    client.send("AUTHENTICATE *").await.expect(" 906 ");
    client.request_code("alice", "alice@example.org").await;
    let fresh = server.code(2).await;
    if old != fresh {
        client.submit_code(&old, &device(1)).await.expect(" 904 ");
        client.request_code("alice", "alice@example.org").await;
    }
    client.submit_code(&fresh, &device(1)).await.expect(" 903 ");
}

#[tokio::test]
async fn expired_codes_and_those_of_another_session_are_refused() {
    let server = server_with_alice().await;
    let mut one = server.client();
    one.request_code("alice", "alice@example.org").await;
    let code = server.code(1).await;
    let mut two = server.client();
    two.request_code("alice", "alice@example.org").await;
    if server.code(2).await != code {
        two.submit_code(&code, &device(1)).await.expect(" 904 ");
    }
    one.advance(LIFETIME_SECONDS);
    one.submit_code(&code, &device(1))
        .await
        .expect(" 904 ")
        .expect("request a new one");
}

#[tokio::test]
async fn malformed_code_payloads_are_refused() {
    let server = server_with_alice().await;
    let mut client = server.client();
    for payload in [
        b"alice".as_slice(),
        b"alice\0nonsense",
        b"alice\0a@b.example\0x",
        b"\xff\0a@b.example",
    ] {
        client.sasl("X-EMAIL-CODE", payload).await.expect(" 904 ");
    }
    client.request_code("alice", "alice@example.org").await;
    let code = server.code(1).await;
    client.submit_code(&code, "too short").await.expect(" 904 ");
    client
        .request_code("alice", "alice@example.org")
        .await
        .expect("AUTHENTICATE +");
    client.submit_code(&code, &device(1)).await.expect(" 903 ");
}

#[tokio::test]
async fn codes_are_mailed_within_limits_whether_or_not_the_email_is_right() {
    let server = server_with_alice_and(|config| config.limits.mails_per_hour = 6).await;
    for email in ["alice@example.org", "eve@example.org"] {
        let mut client = server.client_from(
            if email.starts_with('a') {
                "198.51.100.1"
            } else {
                "203.0.113.1"
            },
            None,
        );
        for _ in 0..2 {
            client
                .request_code("alice", email)
                .await
                .expect("AUTHENTICATE +");
            client.send("AUTHENTICATE *").await;
        }
        client
            .request_code("alice", email)
            .await
            .expect(" 904 ")
            .expect("too many codes");
    }
    server.mail(2).await;
}

#[tokio::test]
async fn a_delayed_mail_is_reported_alike_for_right_and_wrong_emails() {
    let server = server_with_alice().await;
    std::fs::write(server.folder.path().join("mail"), "in the way").unwrap();
    let mut notices = Vec::new();
    for email in ["alice@example.org", "eve@example.org"] {
        let mut client = server.client();
        client
            .request_code("alice", email)
            .await
            .expect("AUTHENTICATE +");
        notices.push(client.next_mail_notice().await);
    }
    assert!(
        notices[0][0].contains("NOTE AUTHENTICATE MAIL_DELAYED alice :"),
        "{notices:?}"
    );
    assert_eq!(notices[0], notices[1]);
}

#[tokio::test]
async fn only_the_owner_of_a_disabled_account_gets_the_reason() {
    let server = TestServer::new();
    server
        .account("alice", "alice@example.org", Some(PASSWORD))
        .await;
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
    let server = TestServer::new();
    server
        .account("alice", "alice@example.org", Some(PASSWORD))
        .await;
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
    let server = TestServer::new();
    server
        .account("alice", "alice@example.org", Some(PASSWORD))
        .await;
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
