//! Signing in with a password and a code; and requests without a valid token.

use std::collections::BTreeSet;

use futures_util::FutureExt as _;

use super::*;
use rookery_accounts::password::{CHAT_SLOTS, CONTROL_SLOTS, OPERATORS_QUEUE, Password};
use rookery_record::Network;

impl TestPlane {
    /// Whether a connection from an address keeps its place while strangers connect from 3,200
    /// networks.
    pub(super) fn keeps_a_place(&self, address: [u8; 4]) -> bool {
        // So that it is not lost after a while.
        let now = tokio::time::Instant::now() + Duration::from_hours(1);
        let enter = |address: [u8; 4]| {
            let network = Network::of(address.into());
            self.state.places.enter(now, network)
        };
        let own = enter(address);
        let strangers = (0..3200_u16).map(|number| {
            let [high, low] = number.to_be_bytes();
            enter([10, 0, high, low])
        });
        let _strangers: Vec<_> = strangers.collect();
        let lost = pin!(own.lost());
        lost.now_or_never().is_none()
    }

    /// Sends the same code a hundred times concurrently, for the challenges in turn; returns how
    /// many succeed.
    pub(super) async fn verify_a_hundred(&self, challenges: &[String], code: &str) -> usize {
        let origin = self.origin();
        let attempts: Vec<_> = challenges
            .iter()
            .cycle()
            .take(100)
            .map(|challenge| {
                let request = Request::post("/v1/login/verify")
                    .header("Content-Type", "application/json")
                    .extension(origin)
                    .body(Body::from(
                        json!({ "challenge": challenge, "code": code }).to_string(),
                    ))
                    .unwrap();
                let service = TowerToHyperService::new(self.router.clone());
                tokio::spawn(async move { service.call(request).await.unwrap().status() })
            })
            .collect();
        let mut succeeded = 0;
        for attempt in attempts {
            succeeded += usize::from(attempt.await.unwrap() == StatusCode::OK);
        }
        succeeded
    }
}

#[tokio::test]
async fn a_password_and_a_mailed_code_sign_an_admin_in() {
    let plane = TestPlane::new().await;
    let reply = plane.login("Root", PASSWORD).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    assert_eq!(reply.field("sent_to"), "r…@e….org");
    assert_eq!(reply.json()["warning"], Value::Null);
    let expires_at: Timestamp = reply.field("expires_at").parse().unwrap();
    assert_eq!(expires_at, plane.now.get() + SignedDuration::from_mins(10));

    let code = plane.code_of_mail(0).await;
    let reply = plane.verify(&reply.field("challenge"), &code).await;
    let token = reply.field("token");
    let expires_at: Timestamp = reply.field("expires_at").parse().unwrap();
    assert_eq!(expires_at, plane.now.get() + SignedDuration::from_mins(60));
    assert_eq!(plane.get(&token, "/v1/bans").await.status, StatusCode::OK);
    let mail = plane.mails().pop().unwrap();
    assert!(
        mail.contains("root@example.org") && mail.contains("192.0.2.1"),
        "{mail}"
    );

    let trail = plane.trail().await;
    let acts: Vec<_> = trail
        .iter()
        .map(|entry| (entry.act.as_str(), entry.outcome))
        .collect();
    let allowed = |act| (act, Outcome::Allowed);
    assert_eq!(acts, [allowed("login"), allowed("verify"), allowed("bans")]);
    assert!(
        trail
            .iter()
            .all(|entry| entry.actor == "root" && entry.origin == "192.0.2.1:50000")
    );
    assert_eq!(trail[1].session, trail[2].session);
    assert!(!trail[2].session.is_empty() && !token.contains(&trail[2].session));
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_are_answered_alike() {
    let plane = TestPlane::new().await;
    let wrong = plane.login("root", "wrong").await;
    let unknown = plane.login("toor", PASSWORD).await;
    assert_eq!(wrong.problem(), "/problems/login-failed");
    assert_eq!(wrong.headers[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!((wrong.status, &wrong.text), (unknown.status, &unknown.text));
    let trail = plane.trail().await;
    let refusals: Vec<_> = trail
        .iter()
        .map(|entry| (entry.actor.as_str(), entry.detail.as_str()))
        .collect();
    assert_eq!(
        refusals,
        [("root", "wrong password"), ("toor", "no such admin")]
    );
    assert!(plane.mails().is_empty());
}

#[tokio::test]
async fn an_unknown_name_costs_a_hash_like_a_wrong_password() {
    let plane = TestPlane::new().await;
    for name in ["root", "toor"] {
        let permits = CONTROL_SLOTS.occupy_all().await;
        let mut attempt = pin!(plane.login(name, "wrong"));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut attempt).await;
        assert!(early.is_err(), "{name} was answered without a hash");
        drop(permits);
        assert_eq!(attempt.await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_sign_in_does_not_wait_for_the_hashes_of_the_chat() {
    let plane = TestPlane::new().await;
    let _occupied = CHAT_SLOTS.occupy_all().await;
    let signed_in = tokio::time::timeout(Duration::from_secs(20), plane.challenge("root")).await;
    assert!(signed_in.is_ok());
}

#[tokio::test]
async fn places_are_kept_for_the_networks_of_all_sign_ins_while_there_is_the_admin() {
    let plane = TestPlane::new().await;
    plane.add_admin("carol").await;
    let remembered = plane.database.write(Durability::Record, |store| {
        store.remember_admin_network("carol", "192.0.2.9", Timestamp::UNIX_EPOCH)
    });
    remembered.await.unwrap();
    let state = Arc::clone(&plane.state);
    tokio::spawn(async move { crate::housekeeping(&state).await });
    let has = |address, expected| {
        let is_kept = plane.keeps_a_place(address);
        (is_kept == expected).then_some(())
    };
    eventually("a place at the start", || has([192, 0, 2, 9], true)).await;
    has([192, 0, 2, 1], false).unwrap();
    let token = plane.sign_in("root").await;
    eventually("a place after a sign-in", || has([192, 0, 2, 1], true)).await;
    plane.delete(&token, "/v1/admins/carol").await;
    eventually("no place after the removal", || has([192, 0, 2, 9], false)).await;
    has([192, 0, 2, 1], true).unwrap();
}

#[tokio::test]
async fn a_code_is_valid_once_for_its_challenge_from_its_address() {
    let plane = TestPlane::new().await;
    let (first, first_code) = plane.challenge("root").await;
    let (second, second_code) = plane.challenge("root").await;

    let crossed = if first_code == second_code {
        another(&first_code).to_owned()
    } else {
        second_code.clone()
    };
    let reply = plane.verify(&first, &crossed).await;
    assert_eq!(reply.problem(), "/problems/wrong-code");
    assert!(reply.field("detail").contains("4 attempts"), "{reply:?}");
    assert_eq!(
        plane.last_entry().await,
        "verify  refused: wrong code; attempts left: 4"
    );

    plane.set_address("192.0.2.99");
    assert_eq!(
        plane.verify(&first, &first_code).await.problem(),
        "/problems/challenge-expired"
    );
    assert_eq!(
        plane.last_entry().await,
        "verify  refused: the challenge belongs to another address"
    );

    plane.set_address("192.0.2.1");
    assert_eq!(
        plane.verify(&first, &first_code).await.status,
        StatusCode::OK
    );
    assert_eq!(
        plane.verify(&first, &first_code).await.problem(),
        "/problems/challenge-expired"
    );
    let entry = plane.trail().await.pop().unwrap();
    assert_eq!(
        (entry.actor.as_str(), entry.outcome),
        ("root", Outcome::Refused)
    );

    plane.advance(SignedDuration::from_mins(10));
    assert_eq!(
        plane.verify(&second, &second_code).await.problem(),
        "/problems/challenge-expired"
    );
    assert_eq!(
        plane.verify("no such challenge", "123456").await.problem(),
        "/problems/challenge-expired"
    );
    assert_eq!(
        plane.last_entry().await,
        "verify  refused: no such challenge"
    );
}

#[tokio::test]
async fn five_wrong_codes_exhaust_the_challenge() {
    let plane = TestPlane::new().await;
    let (challenge, code) = plane.challenge("root").await;
    for attempts_left in (0..5).rev() {
        assert_eq!(
            plane.verify(&challenge, another(&code)).await.problem(),
            "/problems/wrong-code"
        );
        assert_eq!(
            plane.last_entry().await,
            format!("verify  refused: wrong code; attempts left: {attempts_left}")
        );
    }
    assert_eq!(
        plane.verify(&challenge, &code).await.problem(),
        "/problems/challenge-expired"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_concurrent_uses_of_one_mailed_code_one_succeeds() {
    let plane = TestPlane::new().await;
    let (challenge, code) = plane.challenge("root").await;
    assert_eq!(plane.verify_a_hundred(&[challenge], &code).await, 1);
    let trail = plane.trail().await;
    let verified = |entry: &&NewAudit| entry.act == "verify" && entry.outcome == Outcome::Allowed;
    assert_eq!(trail.iter().filter(verified).count(), 1);
}

#[tokio::test]
async fn a_request_without_a_valid_token_is_refused() {
    let plane = TestPlane::new().await;
    let forged = format!("rka1_{}", "0".repeat(64));
    for request in [
        Request::get("/v1/users"),
        Request::get("/v1/users").header("Authorization", format!("Bearer {forged}")),
        Request::get("/v1/users").header("Authorization", "Bearer "),
        Request::get("/v1/users").header("Authorization", "Basic cm9vdDpyb290"),
    ] {
        let reply = plane.send(request, "").await;
        assert_eq!(reply.problem(), "/problems/not-signed-in");
        assert_eq!(reply.headers[header::WWW_AUTHENTICATE], "Bearer");
    }
    let trail = plane.trail().await;
    let reasons: Vec<_> = trail.iter().map(|entry| entry.detail.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "no token",
            "no session has that token",
            "no session has that token",
            "no token"
        ]
    );
    assert!(
        trail
            .iter()
            .all(|entry| entry.target == "GET /v1/users" && entry.outcome == Outcome::Refused)
    );
    for (method, path) in [
        ("POST", "/v1/logout"),
        ("POST", "/v1/users/alice/kick"),
        ("GET", "/v1/bans"),
        ("POST", "/v1/bans"),
        ("DELETE", "/v1/bans/1"),
        ("GET", "/v1/audit"),
        ("GET", "/v1/status"),
    ] {
        let reply = plane
            .send(Request::builder().method(method).uri(path), "")
            .await;
        assert_eq!(
            reply.problem(),
            "/problems/not-signed-in",
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_flood_of_forged_tokens_cannot_fill_the_disk() {
    let plane = TestPlane::new().await;
    for _ in 0..200 {
        assert_eq!(
            plane.get("forged", "/v1/users").await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(plane.trail().await.len(), 10);
    assert!(
        plane
            .last_entry()
            .await
            .ends_with("only counted for a minute")
    );
    let token = plane.sign_in("root").await;
    assert_eq!(
        plane.get(&token, "/v1/bans").await.status,
        StatusCode::OK,
        "refusals of admins are recorded"
    );

    plane.advance(SignedDuration::from_mins(1));
    plane.state.trail.record_counts(plane.now.get()).await;
    let entry = plane.trail().await.pop().unwrap();
    assert_eq!(entry.origin, "192.0.2.1");
    assert!(
        entry.detail.starts_with("190 more since "),
        "{}",
        entry.detail
    );
}

#[tokio::test]
async fn a_session_expires() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for _ in 0..5 {
        plane.advance(SignedDuration::from_mins(10));
        assert_eq!(plane.get(&token, "/v1/bans").await.status, StatusCode::OK);
    }
    plane.advance(SignedDuration::from_secs(9 * 60 + 59));
    assert_eq!(plane.get(&token, "/v1/bans").await.status, StatusCode::OK);
    plane.advance(SignedDuration::from_secs(1));
    assert_eq!(
        plane.get(&token, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    let entry = plane.trail().await.pop().unwrap();
    assert_eq!(
        (entry.actor.as_str(), entry.detail.as_str()),
        ("root", "the session has expired")
    );
}

#[tokio::test]
async fn a_session_ends_with_logout() {
    let plane = TestPlane::new().await;
    let (token, other) = (plane.sign_in("root").await, plane.sign_in("root").await);
    let reply = plane.post(&token, "/v1/logout", &json!({})).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(
        reply.field("session"),
        plane.trail().await.pop().unwrap().session
    );
    assert_eq!(
        plane.get(&token, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    assert_eq!(
        plane.get(&other, "/v1/bans").await.status,
        StatusCode::OK,
        "the other session is still valid"
    );
}

#[tokio::test]
async fn a_session_ends_with_its_admin_or_the_admins_password() {
    let plane = TestPlane::new().await;
    plane.add_admin("other").await;
    let (root, other) = (plane.sign_in("root").await, plane.sign_in("other").await);
    let hash = password::hash(&OPERATORS_QUEUE, Password::prepare("another").unwrap()).await;
    let change = move |store: &mut rookery_store::Store| {
        store.set_admin_password("root", &hash, None)?;
        store.remove_admin("other")
    };
    assert!(
        plane
            .database
            .write(Durability::Record, change)
            .await
            .unwrap()
    );
    for token in [root, other] {
        assert_eq!(
            plane.get(&token, "/v1/bans").await.problem(),
            "/problems/not-signed-in"
        );
        let last = plane.last_entry().await;
        assert!(
            last.ends_with(
                "refused: the admin was removed, or has another password, role or factor"
            ),
            "{last}"
        );
    }
}

#[tokio::test]
async fn no_secret_is_written_to_the_trail() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let (challenge, code) = plane.challenge("root").await;
    let request = |path| Request::post(path).header("Content-Type", "application/json");
    // A wrong type, so that the text of the rejection quotes it.
    plane
        .send(
            request("/v1/login"),
            r#"{"name":"root","password":81728172}"#,
        )
        .await;
    plane
        .send(
            request("/v1/login/verify"),
            format!(r#"{{"challenge":"{challenge}","code":{code}}}"#),
        )
        .await;
    plane.get(&format!("{token}x"), "/v1/users").await;
    let trail = format!("{:?}", plane.trail().await);
    for secret in [PASSWORD, "81728172", &code, &token, &challenge] {
        assert!(!trail.contains(secret), "{secret} in {trail}");
    }
}

#[tokio::test]
async fn names_sent_without_a_sign_in_cannot_corrupt_the_trail() {
    let plane = TestPlane::new().await;
    plane
        .login(&format!("\u{1b}[2J\r\nroot{}", "x".repeat(10_000)), "x")
        .await;
    let entry = plane.trail().await.pop().unwrap();
    assert!(
        entry.actor.starts_with("\u{fffd}[2J\u{fffd}\u{fffd}root"),
        "{}",
        entry.actor
    );
    assert_eq!(entry.actor.chars().count(), 254);
}

#[tokio::test]
async fn without_a_trail_no_one_signs_in() {
    let plane = TestPlane::new().await;
    let (challenge, code) = plane.challenge("root").await;
    plane.break_trail();
    assert_eq!(
        plane.login("root", PASSWORD).await.problem(),
        "/problems/audit-unavailable"
    );
    assert_eq!(
        plane.login("root", "wrong").await.problem(),
        "/problems/audit-unavailable"
    );
    assert_eq!(
        plane.verify(&challenge, &code).await.problem(),
        "/problems/audit-unavailable"
    );
    assert_eq!(plane.mails().len(), 1, "no other code was mailed");
}

#[tokio::test]
async fn a_sign_in_warns_that_mail_is_delayed() {
    let plane = TestPlane::new().await;
    fs::write(plane.folder.path().join("mail"), "not a folder").unwrap();
    plane.login("root", PASSWORD).await;
    eventually("the mail to fail", || {
        plane.state.control.mailer.health().err()
    })
    .await;
    let reply = plane.login("root", PASSWORD).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    assert!(
        reply.field("warning").starts_with("Mail is delayed"),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_code_that_cannot_be_checked_is_recorded_too() {
    let plane = TestPlane::new().await;
    let (challenge, code) = plane.challenge("root").await;
    let connection = rusqlite::Connection::open(plane.data().join("rookery.db")).unwrap();
    connection
        .execute_batch("ALTER TABLE admins RENAME TO away")
        .unwrap();
    let reply = plane.verify(&challenge, &code).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    connection
        .execute_batch("ALTER TABLE away RENAME TO admins")
        .unwrap();
    let trail = plane.trail().await;
    let last = trail.last().unwrap();
    assert_eq!(
        (last.act.as_str(), last.outcome),
        ("verify", Outcome::Refused)
    );
    assert_eq!(last.detail, "the database cannot be read");
}

#[tokio::test]
async fn few_codes_are_mailed_at_a_time_and_the_newest_stays_valid() {
    let plane = TestPlane::new().await;
    let mut newest = String::new();
    for _ in 0..5 {
        newest = plane.challenge("root").await.1;
    }
    let mut challenges = Vec::new();
    let mut ends = BTreeSet::new();
    for _ in 0..3 {
        let reply = plane.login("root", PASSWORD).await;
        assert!(reply.field("warning").contains("newest"), "{reply:?}");
        challenges.push(reply.field("challenge"));
        ends.insert(reply.field("expires_at"));
        plane.advance(SignedDuration::from_secs(1));
    }
    assert_eq!(ends.len(), 1, "a challenge ends with its code: {ends:?}");
    assert_eq!(plane.code_mails().len(), 5);
    assert!(
        plane
            .last_entry()
            .await
            .contains("the code that was mailed last")
    );
    let reply = plane.verify(&challenges[0], &newest).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let reply = plane.verify(&challenges[1], &newest).await;
    assert_eq!(
        reply.problem(),
        "/problems/wrong-code",
        "a code is valid once, also if several challenges have it"
    );
    plane.sign_in("root").await;
}

#[tokio::test]
async fn a_wrong_code_after_the_right_password_is_notified_at_once() {
    let plane = TestPlane::new().await;
    let (challenge, code) = plane.challenge("root").await;
    for _ in 0..3 {
        plane.verify(&challenge, another(&code)).await;
    }
    let mail = plane.mail_with("Subject: A wrong code").await;
    assert!(
        mail.contains("To: root@example.org") && mail.contains("192.0.2.1"),
        "{mail}"
    );
    plane.sign_in("root").await;
    let notices = plane
        .mails()
        .iter()
        .filter(|mail| mail.contains("Subject: A wrong code"))
        .count();
    assert_eq!(notices, 1);
}

#[tokio::test]
async fn after_fifty_wrong_codes_no_code_signs_the_admin_in_until_unlocked() {
    let plane = TestPlane::new().await;
    for _ in 0..10 {
        let (challenge, code) = plane.challenge("root").await;
        for _ in 0..5 {
            let reply = plane.verify(&challenge, another(&code)).await;
            assert_eq!(reply.problem(), "/problems/wrong-code");
        }
        plane.advance(SignedDuration::from_mins(10));
        plane.state.trail.record_counts(plane.now.get()).await;
    }
    let (challenge, code) = plane.challenge("root").await;
    let reply = plane.verify(&challenge, &code).await;
    assert_eq!(reply.problem(), "/problems/wrong-code");
    assert!(
        reply.field("detail").contains("rookeryd admin unlock root"),
        "{reply:?}"
    );
    assert_eq!(
        plane.last_entry().await,
        "verify  refused: too many codes led to no sign-in"
    );

    let unlock = |store: &mut rookery_store::Store| store.unlock_admin("root");
    assert!(
        plane
            .database
            .write(Durability::Record, unlock)
            .await
            .unwrap()
    );
    plane.sign_in("root").await;
}
