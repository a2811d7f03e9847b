//! `SETPASS` and `SETEMAIL`.

use super::*;
use crate::password::StoredPassword;
use rookery_chat::event::Revoked;

async fn signed_in(server: &TestServer) -> Client {
    let mut client = server.client();
    client.plain("alice", PASSWORD).await.expect(" 903 ");
    client
}

#[tokio::test]
async fn a_password_is_changed_with_the_current_one_and_the_owner_is_notified() {
    let server = TestServer::with_alice().await;
    let mut client = signed_in(&server).await;
    client.send("SETPASS :wrong horse").await.expect(" 461 ");
    client
        .send("SETPASS wrong :battery staple")
        .await
        .expect("FAIL SETPASS INVALID_PASSWORD alice :");
    client
        .send("SETPASS correct short")
        .await
        .expect("FAIL SETPASS WEAK_PASSWORD alice :");
    let present = StoredPassword::derive(
        &server.accounts.verifier_key,
        &AccountName::parse("alice").unwrap(),
        prepared("present"),
    )
    .await;
    server
        .change_account("alice", move |store, account| {
            store.set_password(account.id, &present.hash, &present.scram)
        })
        .await;
    let mut client = server.client();
    client.plain("alice", "present").await.expect(" 903 ");
    client
        .send("SETPASS present :battery staple")
        .await
        .expect("SETPASS SUCCESS alice :");
    let mail = server.mail(1).await;
    assert!(
        mail.contains("To: alice@example.org") && mail.contains("was changed"),
        "{mail}"
    );
    server
        .client()
        .plain("alice", "battery staple")
        .await
        .expect(" 903 ");
    server
        .client()
        .plain("alice", "present")
        .await
        .expect(" 904 ");
}

#[tokio::test]
async fn a_forgotten_password_is_changed_by_a_mailed_code() {
    let server = TestServer::with_alice().await;
    let mut client = signed_in(&server).await;
    client
        .send("SETPASS * :battery staple")
        .await
        .expect("SETPASS VERIFICATION_REQUIRED alice :");
    let code = server.code(1).await;
    client
        .send(&format!("VERIFY alice {}", another(&code)))
        .await
        .expect("4 tries are left");
    server
        .client()
        .plain("alice", "battery staple")
        .await
        .expect(" 904 ");
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("VERIFY SUCCESS alice :");
    server.mail(2).await;
    server
        .client()
        .plain("alice", "battery staple")
        .await
        .expect(" 903 ");
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("FAIL VERIFY ALREADY_AUTHENTICATED");
}

#[tokio::test]
async fn guessing_the_current_password_is_limited() {
    let server = TestServer::with_alice().await;
    server
        .config
        .send_modify(|config| Arc::make_mut(config).limits.failed_sign_ins = 2);
    let mut client = signed_in(&server).await;
    for _ in 0..3 {
        client
            .send("SETPASS wrong :battery staple")
            .await
            .expect("INVALID_PASSWORD");
    }
    let ending = Arc::clone(&client.ending);
    let guess = tokio::spawn(async move { client.send("SETPASS correct :battery staple").await });
    server.waiting_attempts(1).await;
    ending.notify_one();
    guess
        .await
        .unwrap()
        .expect("FAIL SETPASS TEMPORARILY_UNAVAILABLE alice :");
}

#[tokio::test]
async fn an_email_is_changed_by_a_code_to_the_new_one_and_the_old_one_is_notified() {
    let server = TestServer::with_alice().await;
    let mut client = signed_in(&server).await;
    client
        .send("SETEMAIL nonsense")
        .await
        .expect("FAIL SETEMAIL INVALID_EMAIL alice :");
    client
        .send("SETEMAIL *")
        .await
        .expect("FAIL SETEMAIL INVALID_EMAIL alice :");
    client
        .send("SETEMAIL ALICE@example.org :correct horse")
        .await
        .expect("FAIL SETEMAIL UNACCEPTABLE_EMAIL alice :");
    client
        .send("SETEMAIL new@example.org :correct horse")
        .await
        .expect("SETEMAIL VERIFICATION_REQUIRED alice :");
    let mail = server.mail(1).await;
    assert!(mail.contains("To: new@example.org"), "{mail}");
    let code = code_in(&mail).unwrap();
    server
        .client()
        .plain("new@example.org", PASSWORD)
        .await
        .expect(" 904 ");
    client
        .send(&format!("VERIFY * {code}"))
        .await
        .expect("VERIFY SUCCESS alice :");
    let mail = server.mail(2).await;
    assert!(
        mail.contains("To: alice@example.org") && code_in(&mail).is_none(),
        "{mail}"
    );
    server
        .client()
        .plain("new@example.org", PASSWORD)
        .await
        .expect(" 903 ");
    server
        .client()
        .plain("alice@example.org", PASSWORD)
        .await
        .expect(" 904 ");
    let admitted = client.finish_handshake("alice").await;
    let identity = admitted.admitted().identity.as_ref().unwrap();
    assert_eq!(
        identity.email.as_ref().unwrap().as_str(),
        "new@example.org",
        "bans apply to the new one"
    );
}

#[tokio::test]
async fn the_email_of_another_account_can_be_neither_used_nor_discovered() {
    let server = TestServer::with_alice().await;
    server.account("bob", "bob@example.org", None).await;
    server.ban("*@spam.example").await;
    let mut client = signed_in(&server).await;
    client
        .send("SETEMAIL x@spam.example :correct horse")
        .await
        .expect("FAIL SETEMAIL UNACCEPTABLE_EMAIL alice :You are banned");
    client
        .send("SETEMAIL bob@example.org :correct horse")
        .await
        .expect("SETEMAIL VERIFICATION_REQUIRED alice :");
    let mail = server.mail(1).await;
    assert!(
        mail.contains("To: bob@example.org") && code_in(&mail).is_none(),
        "{mail}"
    );
    for left in (1..crate::codes::TRIES).rev() {
        client
            .send("VERIFY alice 123456")
            .await
            .expect(&crate::registration::tries_left(left));
    }
}

#[tokio::test]
async fn without_verification_an_email_is_changed_or_removed_at_once() {
    let server = TestServer::with_alice_and(|config| config.accounts.verify_email = false).await;
    server.account("bob", "bob@example.org", None).await;
    let mut client = signed_in(&server).await;
    client
        .send("SETEMAIL bob@example.org :correct horse")
        .await
        .expect("FAIL SETEMAIL UNACCEPTABLE_EMAIL alice :");
    client
        .send("SETEMAIL * :correct horse")
        .await
        .expect("SETEMAIL SUCCESS alice :");
    client
        .send("SETPASS * :battery staple")
        .await
        .expect("FAIL SETPASS INVALID_PASSWORD alice :");
    client
        .send("SETEMAIL new@example.org :correct horse")
        .await
        .expect("SETEMAIL SUCCESS alice :");
    server
        .client()
        .plain("new@example.org", PASSWORD)
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn changes_require_a_sign_in() {
    let server = TestServer::with_alice().await;
    for line in [
        "SETPASS * :battery staple",
        "SETEMAIL new@example.org :correct horse",
    ] {
        let command = line.split(' ').next().unwrap();
        server
            .client()
            .send(line)
            .await
            .expect(&format!("FAIL {command} ACCOUNT_REQUIRED * :"));
    }
}

#[tokio::test]
async fn mails_about_changes_are_limited() {
    let server = TestServer::with_alice().await;
    server
        .config
        .send_modify(|config| Arc::make_mut(config).limits.mails_per_hour = 1);
    let mut client = signed_in(&server).await;
    client
        .send("SETEMAIL new@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    client
        .send("SETEMAIL other@example.org :correct horse")
        .await
        .expect("FAIL SETEMAIL TEMPORARILY_UNAVAILABLE alice :");
    client
        .send("SETPASS * :battery staple")
        .await
        .expect("FAIL SETPASS TEMPORARILY_UNAVAILABLE alice :");
}

/// Between sign-in and admission the core does not know the session, so it cannot end it.
#[tokio::test]
async fn a_session_that_lost_access_before_admission_changes_nothing() {
    for revoked in [false, true] {
        let server =
            TestServer::with_alice_and(|config| config.accounts.verify_email = false).await;
        let mut client = server.client_from("192.0.2.1", Some([9; 32]));
        client.plain("alice", PASSWORD).await.expect(" 903 ");
        server
            .change_account("alice", move |store, account| {
                if revoked {
                    store.remove_password(account.id)
                } else {
                    store.set_disabled(account.id, Some("moved away"))
                }
            })
            .await;
        for line in [
            "SETPASS * :battery staple",
            "SETPASS correct :battery staple",
            "SETEMAIL new@example.org :correct horse",
        ] {
            let command = line.split(' ').next().unwrap();
            client
                .send(line)
                .await
                .expect(&format!("FAIL {command} ACCOUNT_REQUIRED alice :"));
        }
        client
            .send("CREDENTIAL ADD")
            .await
            .expect("FAIL CREDENTIAL ACCOUNT_REQUIRED ADD :");
        server
            .client()
            .plain("alice", "battery staple")
            .await
            .expect(" 904 ");
    }
}

#[tokio::test]
async fn a_device_revoked_before_admission_changes_nothing() {
    let server = TestServer::with(|config| config.accounts.verify_email = false);
    let mut client = server.client();
    client
        .send(&format!("REGISTER alice alice@example.org {}", device(1)))
        .await
        .expect("SUCCESS");
    client
        .send("SETEMAIL new@example.org")
        .await
        .expect("SETEMAIL VERIFICATION_REQUIRED alice :");
    let code = server.code(1).await;
    server
        .change_account("alice", |store, account| {
            store.remove_credentials(account.id).map(drop)
        })
        .await;
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("FAIL VERIFY ACCOUNT_REQUIRED alice :");
    client
        .send("SETPASS * :battery staple")
        .await
        .expect("FAIL SETPASS ACCOUNT_REQUIRED alice :");
    client
        .send("CREDENTIAL LIST")
        .await
        .expect("FAIL CREDENTIAL ACCOUNT_REQUIRED LIST :");
}

#[tokio::test]
async fn without_the_password_an_email_changes_only_by_a_code_to_the_old_one() {
    let server = TestServer::with_alice().await;
    let mut client = signed_in(&server).await;
    client
        .send("SETEMAIL thief@example.net :wrong horse")
        .await
        .expect("FAIL SETEMAIL INVALID_PASSWORD alice :");
    client
        .send("SETEMAIL new@example.org correct horse")
        .await
        .expect("FAIL SETEMAIL UNACCEPTABLE_PASSWORD alice :");
    client
        .send("SETEMAIL new@example.org")
        .await
        .expect("VERIFICATION_REQUIRED alice :A code was mailed to alice@example.org");
    let mail = server.mail(1).await;
    assert!(mail.contains("To: alice@example.org"), "{mail}");
    let code = code_in(&mail).unwrap();
    client
        .verify("alice", &code)
        .await
        .expect("VERIFY VERIFICATION_REQUIRED alice :A code was mailed to new@example.org");
    let code = server.code(2).await;
    client
        .verify("alice", &code)
        .await
        .expect("VERIFY SUCCESS alice :");
}

/// The core compares that time with the end of the account's sessions.
#[tokio::test]
async fn a_change_does_not_renew_the_time_of_the_proof() {
    let server = TestServer::with_alice_and(|config| config.accounts.verify_email = false).await;
    let mut client = signed_in(&server).await;
    client.advance(20);
    client
        .send("SETEMAIL new@example.org :correct horse")
        .await
        .expect("SETEMAIL SUCCESS alice :");
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
async fn an_email_banned_while_its_code_is_on_the_way_is_refused() {
    let server = TestServer::with_alice().await;
    let mut client = signed_in(&server).await;
    client
        .send("SETEMAIL new@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    let code = server.code(1).await;
    server.ban("new@example.org").await;
    let received = client.send(&format!("VERIFY alice {code}")).await;
    received.expect("FAIL VERIFY UNACCEPTABLE_EMAIL alice :You are banned");
    server
        .client()
        .plain("alice@example.org", PASSWORD)
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn an_email_of_the_mailbox_of_another_account_is_not_accepted() {
    for verify_email in [true, false] {
        let server = TestServer::with(|config| config.accounts.verify_email = verify_email);
        server
            .account("alice", "alice@gmail.com", Some(PASSWORD))
            .await;
        server.account("bob", "bob@gmail.com", None).await;
        let mut client = signed_in(&server).await;
        let received = client
            .send(&format!("SETEMAIL b.o.b+2@googlemail.com :{PASSWORD}"))
            .await;
        if verify_email {
            received.expect("SETEMAIL VERIFICATION_REQUIRED alice :");
            let mail = server.mail(1).await;
            assert!(
                mail.contains("To: bob@gmail.com") && code_in(&mail).is_none(),
                "{mail}"
            );
        } else {
            received.expect("FAIL SETEMAIL UNACCEPTABLE_EMAIL alice :");
        }
        let own = format!("SETEMAIL al.ice+chat@gmail.com :{PASSWORD}");
        let received = client.send(&own).await;
        if verify_email {
            received.expect("SETEMAIL VERIFICATION_REQUIRED alice :");
            let code = server.code(2).await;
            let verified = client.verify("alice", &code).await;
            verified.expect("VERIFY SUCCESS alice :");
        } else {
            received.expect("SETEMAIL SUCCESS alice :");
        }
    }
}

#[tokio::test]
async fn an_email_that_is_changed_during_the_handshake_ends_the_other_sessions() {
    let server = TestServer::with_alice_and(|config| config.accounts.verify_email = false).await;
    let mut client = signed_in(&server).await;
    assert!(client.machine.take_revoked().is_none());
    client
        .send(&format!("SETEMAIL new@example.org :{PASSWORD}"))
        .await
        .expect("SETEMAIL SUCCESS alice :");
    let revoked = client.machine.take_revoked();
    assert!(matches!(revoked, Some(Revoked::Email(_))), "{revoked:?}");
}

/// Each has proved the password that it replaces, which only the first still can.
#[tokio::test]
async fn of_two_changes_of_the_password_at_once_only_one_is_made() {
    let server = TestServer::new();
    server
        .account("alice", "alice@example.org", Some("present"))
        .await;
    let (mut first, mut second) = (server.client(), server.client());
    for client in [&mut first, &mut second] {
        client.plain("alice", "present").await.expect(" 903 ");
    }
    let new = ["battery staple", "lantern kettle"];
    let [one, two] = new.map(|new| format!("SETPASS present :{new}"));
    let (one, two) = tokio::join!(first.send(&one), second.send(&two));
    let has_changed = [&one, &two].map(|received| received.has("SETPASS SUCCESS"));
    assert!(has_changed[0] != has_changed[1], "{one:?} {two:?}");
    for (new, has_changed) in new.into_iter().zip(has_changed) {
        let reply = if has_changed { " 903 " } else { " 904 " };
        server.sign_in("alice", new).await.expect(reply);
    }
}

#[tokio::test]
async fn a_code_does_not_complete_a_change_after_another_one() {
    const CHANGES: [&str; 3] = [
        "SETPASS * :battery staple",
        "SETEMAIL new@example.org :correct horse",
        "SETEMAIL newer@example.org",
    ];
    for change in CHANGES {
        for other in CHANGES {
            let server = TestServer::with_alice().await;
            let (mut first, mut second) = (signed_in(&server).await, signed_in(&server).await);
            second.send(change).await.expect("VERIFICATION_REQUIRED");
            let code = server.code(1).await;
            first.send(other).await.expect("VERIFICATION_REQUIRED");
            let mut mails = 2;
            let mut verified = first.verify("alice", &server.code(mails).await).await;
            if verified.has("VERIFICATION_REQUIRED") {
                mails += 1;
                verified = first.verify("alice", &server.code(mails).await).await;
            }
            verified.expect("VERIFY SUCCESS alice :");
            server.mail(mails + 1).await;
            let refused = second.verify("alice", &code).await;
            refused.expect("FAIL VERIFY ACCOUNT_CHANGED alice :");
            refused.expect("changed in the meantime");
        }
    }
}

/// The core ends such sessions once they are admitted, but does not know those in their handshakes.
#[tokio::test]
async fn a_session_that_proved_what_the_owner_has_changed_changes_nothing() {
    for change in [
        "SETPASS present :battery staple",
        "SETEMAIL new@example.org :present",
    ] {
        let server = TestServer::with(|config| config.accounts.verify_email = false);
        server
            .account("alice", "alice@example.org", Some("present"))
            .await;
        let [mut owner, mut thief] =
            [8, 9].map(|seed| server.client_from("192.0.2.1", Some([seed; 32])));
        for client in [&mut owner, &mut thief] {
            client.plain("alice", "present").await.expect(" 903 ");
        }
        owner.send("CREDENTIAL ADD").await.expect("ADDED 1 :");
        owner.send(change).await.expect("SUCCESS alice :");
        for act in ["ADD", "LIST", "REVOKE 1"] {
            let refused = thief.send(&format!("CREDENTIAL {act}")).await;
            refused.expect("FAIL CREDENTIAL ACCOUNT_REQUIRED");
        }
        let refused = thief.send("SETEMAIL thief@example.org :present").await;
        refused.expect("FAIL SETEMAIL ACCOUNT_REQUIRED alice :");
        owner.send("CREDENTIAL LIST").await.expect("END 1");
    }
}
