//! Sign-in with mailed codes.

use super::*;
use crate::codes::{LIFETIME_SECONDS, TRIES};

#[tokio::test]
async fn a_mailed_code_registers_a_new_device() {
    let server = TestServer::with_alice().await;
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
    let server = TestServer::with_alice().await;
    let secret = "an-other-client-made-this-secret-of-40-b";
    let mut client = server.client();
    client.request_code("alice", "alice@example.org").await;
    let code = server.code(1).await;
    client.submit_code(&code, secret).await.expect(" 903 ");
    server.client().plain("alice", secret).await.expect(" 903 ");
}

#[tokio::test]
async fn a_wrong_email_looks_the_same_and_mails_nothing() {
    let server = TestServer::with_alice().await;
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
    let server = TestServer::with_alice().await;
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
    let server = TestServer::with_alice().await;
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
    let server = TestServer::with_alice().await;
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
    let server = TestServer::with_alice().await;
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
async fn a_delayed_mail_is_reported_alike_for_right_and_wrong_emails() {
    let server = TestServer::with_alice().await;
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
