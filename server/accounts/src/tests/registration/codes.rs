//! The mailed codes: which are accepted, from which session, and how often.

use super::*;

#[tokio::test]
async fn the_code_works_from_another_connection_and_once_only() {
    let server = TestServer::new();
    server.client().send(REGISTER).await;
    let code = server.code(1).await;
    server
        .client()
        .verify("ALICE", &code)
        .await
        .expect("VERIFY SUCCESS alice");
    server
        .client()
        .verify("alice", &code)
        .await
        .expect("FAIL VERIFY INVALID_CODE alice :");
}

#[tokio::test]
async fn of_several_that_verify_at_once_one_gets_the_account() {
    let server = TestServer::new();
    server.client().send(REGISTER).await;
    let line = format!("VERIFY alice {}", server.code(1).await);
    let mut clients: Vec<_> = (0..8).map(|_| server.client()).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for mut client in clients.drain(..) {
        let line = line.clone();
        tasks.spawn(async move { client.send(&line).await.has("SUCCESS") });
    }
    let succeeded = tasks.join_all().await;
    assert_eq!(succeeded.iter().filter(|&&succeeded| succeeded).count(), 1);
}

#[tokio::test]
async fn five_wrong_codes_end_the_registration() {
    let server = TestServer::new();
    let mut client = server.client();
    client.send(REGISTER).await;
    let code = server.code(1).await;
    for left in (1..TRIES).rev() {
        let received = client.verify("alice", another(&code)).await;
        received
            .expect("FAIL VERIFY INVALID_CODE alice :")
            .expect(&tries_left(left));
    }
    client
        .verify("alice", another(&code))
        .await
        .expect("REGISTER again");
    client
        .verify("alice", &code)
        .await
        .expect("FAIL VERIFY INVALID_CODE");
    client.send(REGISTER).await.expect("VERIFICATION_REQUIRED");
    let fresh = server.code(2).await;
    client.verify("alice", &fresh).await.expect("SUCCESS");
}

#[tokio::test]
async fn an_expired_code_and_that_of_another_registration_are_refused() {
    let server = TestServer::new();
    let mut alice = server.client();
    alice.send(REGISTER).await;
    let code = server.code(1).await;
    let mut bob = server.client();
    bob.send("REGISTER bob bob@example.org :correct horse")
        .await;
    let bobs = server.code(2).await;
    if bobs != code {
        bob.verify("bob", &code).await.expect("INVALID_CODE");
    }
    alice.advance(LIFETIME_SECONDS);
    alice
        .verify("alice", &code)
        .await
        .expect("FAIL VERIFY INVALID_CODE")
        .expect("expired");
    alice
        .verify("nobody", "123456")
        .await
        .expect("FAIL VERIFY INVALID_CODE nobody :");
    alice.send("VERIFY alice").await.expect(" 461 ");
}

#[tokio::test]
async fn wrong_codes_from_other_sessions_do_not_end_a_registration() {
    let server = TestServer::with(|config| config.limits.failed_sign_ins = 0);
    let mut owner = server.client();
    owner.send(REGISTER).await.expect("VERIFICATION_REQUIRED");
    let code = server.code(1).await;
    let guess = format!("VERIFY alice {}", another(&code));
    for host in 1..=6 {
        let mut attacker = server.client_from(&format!("198.51.100.{host}"), None);
        for left in (0..TRIES).rev() {
            let expected = if left == 0 || host == 6 {
                "no tries are left"
            } else {
                " left"
            };
            attacker
                .send(&guess)
                .await
                .expect("FAIL VERIFY INVALID_CODE")
                .expect(expected);
        }
        attacker
            .verify("alice", &code)
            .await
            .expect("FAIL VERIFY INVALID_CODE");
    }
    owner.send(&guess).await.expect("4 tries are left");
    owner.verify("alice", &code).await.expect("VERIFY SUCCESS");
}

#[tokio::test]
async fn registering_again_replaces_the_code() {
    let server = TestServer::new();
    let mut client = server.client();
    let mut last = String::new();
    // More often than other sessions could register the same name.
    for count in 1..=7 {
        client
            .send(REGISTER)
            .await
            .expect("REGISTER VERIFICATION_REQUIRED alice :");
        let code = server.code(count).await;
        if count > 1 && code != last {
            client
                .verify("alice", &last)
                .await
                .expect("FAIL VERIFY INVALID_CODE");
        }
        last = code;
    }
    client.verify("alice", &last).await.expect("VERIFY SUCCESS");
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
}

#[tokio::test]
async fn the_owner_of_an_email_cannot_be_made_to_confirm_the_password_of_an_attacker() {
    let server = TestServer::new();
    let (mut owner, mut attacker) = (server.client(), server.client_from("198.51.100.7", None));
    owner.send(REGISTER).await;
    let own = server.code(1).await;
    attacker
        .send("REGISTER alice alice@example.org :attackers choice")
        .await
        .expect("VERIFICATION_REQUIRED");
    let attackers = server.code(2).await;
    if attackers != own {
        owner
            .verify("alice", &attackers)
            .await
            .expect("FAIL VERIFY INVALID_CODE");
    }
    owner.verify("alice", &own).await.expect("SUCCESS");
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    server
        .sign_in("alice", "attackers choice")
        .await
        .expect(" 904 ");
}

#[tokio::test]
async fn guessing_codes_from_one_address_is_limited() {
    let server = TestServer::with(|config| config.limits.failed_sign_ins = 2);
    let mut client = server.client();
    client
        .verify("alice", "123456")
        .await
        .expect("INVALID_CODE");
    client
        .verify("alice", "123456")
        .await
        .expect("INVALID_CODE");
    client
        .verify("alice", "123456")
        .await
        .expect("FAIL VERIFY TEMPORARILY_UNAVAILABLE alice :Too many");
    client.advance(600);
    client
        .verify("alice", "123456")
        .await
        .expect("INVALID_CODE");
}

#[tokio::test]
async fn a_ban_made_while_the_code_is_on_its_way_applies() {
    let server = TestServer::new();
    let mut client = server.client();
    client
        .send("REGISTER eve eve@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    let code = server.code(1).await;
    server.ban("*@example.org").await;
    client
        .verify("eve", &code)
        .await
        .expect("FAIL VERIFY UNACCEPTABLE_EMAIL eve :You are banned");
}

#[tokio::test]
async fn failures_of_others_behind_the_same_address_do_not_lock_out_the_owner_of_a_code() {
    let server = TestServer::with(|config| config.limits.failed_sign_ins = 2);
    let mut owner = server.client();
    owner.send(REGISTER).await.expect("VERIFICATION_REQUIRED");
    let code = server.code(1).await;
    let mut attacker = server.client();
    for _ in 0..2 {
        attacker
            .verify("nobody", "123456")
            .await
            .expect("INVALID_CODE");
    }
    let refusal = "TEMPORARILY_UNAVAILABLE";
    attacker.verify("nobody", "123456").await.expect(refusal);
    attacker.verify("alice", &code).await.expect(refusal);
    owner.verify("alice", &code).await.expect("VERIFY SUCCESS");
}

#[tokio::test]
async fn registrations_with_an_email_do_not_use_up_the_codes_of_its_owner() {
    let server = TestServer::with(|config| config.limits.mails_per_hour = 3);
    server.account("alice", "alice@example.org", None).await;
    for (name, host) in [("bob", 1), ("carol", 2), ("dave", 3)] {
        server
            .client_from(&format!("203.0.113.{host}"), None)
            .send(&format!("REGISTER {name} alice@example.org :correct horse"))
            .await
            .expect("VERIFICATION_REQUIRED");
    }
    let mut owner = server.client_from("198.51.100.1", None);
    owner
        .request_code("alice", "alice@example.org")
        .await
        .expect("AUTHENTICATE +");
}

#[tokio::test]
async fn a_code_is_not_used_up_while_no_account_can_be_created_from_there() {
    let server = TestServer::with(|config| config.limits.mails_per_hour = 2);
    let mut waiting = Vec::new();
    for number in 1..=11 {
        let mut client = server.client();
        let line = format!("REGISTER u{number} u{number}@example.org :correct horse");
        client.send(&line).await.expect("VERIFICATION_REQUIRED");
        let verify = format!("VERIFY u{number} {}", server.code(number).await);
        if number < 10 {
            client.send(&verify).await.expect("VERIFY SUCCESS");
            client.advance(3600);
        } else {
            waiting.push((client, verify));
        }
    }
    let (mut last, last_verify) = waiting.pop().unwrap();
    let (mut tenth, verify) = waiting.pop().unwrap();
    tenth.send(&verify).await.expect("VERIFY SUCCESS");
    for _ in 0..2 {
        last.send(&last_verify)
            .await
            .expect("Too many accounts were created from here today");
    }
}
