//! Password, code, token; and all who have not got them.

use super::*;

impl TestPlane {
    /// The same code a hundred times at once, for those challenges in turn; gives how many win.
    pub(super) async fn verify_a_hundred(&self, challenges: &[String], code: &str) -> usize {
        let arrival = Arrival {
            from: self.from.get(),
            at: self.now.get(),
        };
        let attempts: Vec<_> = challenges
            .iter()
            .cycle()
            .take(100)
            .map(|challenge| {
                let request = Request::post("/v1/login/verify")
                    .header("Content-Type", "application/json")
                    .extension(arrival)
                    .body(Body::from(
                        json!({ "challenge": challenge, "code": code }).to_string(),
                    ))
                    .unwrap();
                let service = TowerToHyperService::new(self.router.clone());
                tokio::spawn(async move { service.call(request).await.unwrap().status() })
            })
            .collect();
        let mut won = 0;
        for attempt in attempts {
            won += usize::from(attempt.await.unwrap() == StatusCode::OK);
        }
        won
    }
}

#[tokio::test]
async fn a_password_and_a_mailed_code_open_the_control_plane() {
    let house = TestPlane::new().await;
    let reply = house.login("Root", PASSWORD).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    assert_eq!(reply.field("sent_to"), "r…@e….org");
    assert_eq!(reply.json()["warning"], Value::Null);
    let expires_at: Timestamp = reply.field("expires_at").parse().unwrap();
    assert_eq!(expires_at, house.now.get() + SignedDuration::from_mins(5));

    let code = house.code_of_mail(0).await;
    let reply = house.verify(&reply.field("challenge"), &code).await;
    let token = reply.field("token");
    let expires_at: Timestamp = reply.field("expires_at").parse().unwrap();
    assert_eq!(expires_at, house.now.get() + SignedDuration::from_mins(60));
    assert_eq!(house.get(&token, "/v1/bans").await.status, StatusCode::OK);
    let mail = house.mails().pop().unwrap();
    assert!(
        mail.contains("root@example.org") && mail.contains("192.0.2.1"),
        "{mail}"
    );

    let trail = house.trail().await;
    let steps: Vec<_> = trail
        .iter()
        .map(|entry| (entry.act.as_str(), entry.outcome))
        .collect();
    let allowed = |act| (act, Outcome::Allowed);
    assert_eq!(
        steps,
        [allowed("login"), allowed("verify"), allowed("bans")]
    );
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
    let house = TestPlane::new().await;
    let wrong = house.login("root", "wrong").await;
    let unknown = house.login("toor", PASSWORD).await;
    assert_eq!(wrong.problem(), "/problems/login-failed");
    assert_eq!(wrong.headers[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!((wrong.status, &wrong.text), (unknown.status, &unknown.text));
    let trail = house.trail().await;
    let refusals: Vec<_> = trail
        .iter()
        .map(|entry| (entry.actor.as_str(), entry.detail.as_str()))
        .collect();
    assert_eq!(
        refusals,
        [("root", "wrong password"), ("toor", "no such admin")]
    );
    assert!(house.mails().is_empty());
}

#[tokio::test]
async fn an_unknown_name_costs_a_hash_like_a_wrong_password() {
    let house = TestPlane::new().await;
    for name in ["root", "toor"] {
        let held = hold_hash_permits().await;
        let mut attempt = pin!(house.login(name, "wrong"));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut attempt).await;
        assert!(early.is_err(), "{name} was answered without a hash");
        drop(held);
        assert_eq!(attempt.await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_code_is_good_once_for_its_own_challenge_from_its_own_address() {
    let house = TestPlane::new().await;
    let (first, first_code) = house.challenge("root").await;
    let (second, second_code) = house.challenge("root").await;

    let crossed = if first_code == second_code {
        another(&first_code).to_owned()
    } else {
        second_code.clone()
    };
    let reply = house.verify(&first, &crossed).await;
    assert_eq!(reply.problem(), "/problems/wrong-code");
    assert!(reply.field("detail").contains("4 attempts"), "{reply:?}");
    assert_eq!(
        house.last_entry().await,
        "verify  refused: wrong code; attempts left: 4"
    );

    house.come_from("192.0.2.99");
    assert_eq!(
        house.verify(&first, &first_code).await.problem(),
        "/problems/challenge-expired"
    );
    assert_eq!(
        house.last_entry().await,
        "verify  refused: the challenge belongs to another address"
    );

    house.come_from("192.0.2.1");
    assert_eq!(
        house.verify(&first, &first_code).await.status,
        StatusCode::OK
    );
    assert_eq!(
        house.verify(&first, &first_code).await.problem(),
        "/problems/challenge-expired"
    );
    let entry = house.trail().await.pop().unwrap();
    assert_eq!(
        (entry.actor.as_str(), entry.outcome),
        ("root", Outcome::Refused)
    );

    house.pass(SignedDuration::from_mins(5));
    assert_eq!(
        house.verify(&second, &second_code).await.problem(),
        "/problems/challenge-expired"
    );
    assert_eq!(
        house.verify("no such challenge", "123456").await.problem(),
        "/problems/challenge-expired"
    );
    assert_eq!(
        house.last_entry().await,
        "verify  refused: no such challenge"
    );
}

#[tokio::test]
async fn five_wrong_codes_kill_the_challenge() {
    let house = TestPlane::new().await;
    let (challenge, code) = house.challenge("root").await;
    for attempts_left in (0..5).rev() {
        assert_eq!(
            house.verify(&challenge, another(&code)).await.problem(),
            "/problems/wrong-code"
        );
        assert_eq!(
            house.last_entry().await,
            format!("verify  refused: wrong code; attempts left: {attempts_left}")
        );
    }
    assert_eq!(
        house.verify(&challenge, &code).await.problem(),
        "/problems/challenge-expired"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_at_once_with_the_right_code_one_wins() {
    let house = TestPlane::new().await;
    let (challenge, code) = house.challenge("root").await;
    assert_eq!(house.verify_a_hundred(&[challenge], &code).await, 1);
    let trail = house.trail().await;
    let verified = |entry: &&NewAudit| entry.act == "verify" && entry.outcome == Outcome::Allowed;
    assert_eq!(trail.iter().filter(verified).count(), 1);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_the_pause_is_told() {
    let house = TestPlane::new().await;
    for _ in 0..10 {
        assert_eq!(
            house.login("root", "guess").await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    for password in ["guess", PASSWORD] {
        let reply = house.login("root", password).await;
        assert_eq!(reply.problem(), "/problems/too-many-attempts");
        assert_eq!(reply.headers[header::RETRY_AFTER], "5");
    }
    assert!(house.code_mails().is_empty());

    house.pass(SignedDuration::from_mins(1));
    house.plane.trail.settle(house.now.get()).await;
    let last = house.last_entry().await;
    assert!(
        last.starts_with("refusals  refused: 2 more since"),
        "the two are in the trail: {last}"
    );
    house.sign_in("root").await;
    assert_eq!(
        house.login("root", "guess").await.status,
        StatusCode::UNAUTHORIZED,
        "a sign-in wipes the slate"
    );
}

#[tokio::test]
async fn nobody_comes_in_without_a_token_that_stands() {
    let house = TestPlane::new().await;
    let forged = format!("rka1_{}", "0".repeat(64));
    for request in [
        Request::get("/v1/users"),
        Request::get("/v1/users").header("Authorization", format!("Bearer {forged}")),
        Request::get("/v1/users").header("Authorization", "Bearer "),
        Request::get("/v1/users").header("Authorization", "Basic cm9vdDpyb290"),
    ] {
        let reply = house.send(request, "").await;
        assert_eq!(reply.problem(), "/problems/not-signed-in");
        assert_eq!(reply.headers[header::WWW_AUTHENTICATE], "Bearer");
    }
    let trail = house.trail().await;
    let whys: Vec<_> = trail.iter().map(|entry| entry.detail.as_str()).collect();
    assert_eq!(
        whys,
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
        let reply = house
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
    let house = TestPlane::new().await;
    for _ in 0..200 {
        assert_eq!(
            house.get("forged", "/v1/users").await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(house.trail().await.len(), 10);
    assert!(
        house
            .last_entry()
            .await
            .ends_with("only counted for a minute")
    );
    let token = house.sign_in("root").await;
    assert_eq!(
        house.get(&token, "/v1/bans").await.status,
        StatusCode::OK,
        "admins are not in the way of it"
    );

    house.pass(SignedDuration::from_mins(1));
    house.plane.trail.settle(house.now.get()).await;
    let entry = house.trail().await.pop().unwrap();
    assert_eq!(entry.origin, "192.0.2.1");
    assert!(
        entry.detail.starts_with("190 more since "),
        "{}",
        entry.detail
    );
}

#[tokio::test]
async fn a_session_ends_with_its_time() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    for _ in 0..5 {
        house.pass(SignedDuration::from_mins(10));
        assert_eq!(house.get(&token, "/v1/bans").await.status, StatusCode::OK);
    }
    house.pass(SignedDuration::from_secs(9 * 60 + 59));
    assert_eq!(house.get(&token, "/v1/bans").await.status, StatusCode::OK);
    house.pass(SignedDuration::from_secs(1));
    assert_eq!(
        house.get(&token, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    let entry = house.trail().await.pop().unwrap();
    assert_eq!(
        (entry.actor.as_str(), entry.detail.as_str()),
        ("root", "the session has expired")
    );
}

#[tokio::test]
async fn a_session_ends_with_logout() {
    let house = TestPlane::new().await;
    let (token, other) = (house.sign_in("root").await, house.sign_in("root").await);
    let reply = house.post(&token, "/v1/logout", &json!({})).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(
        reply.field("session"),
        house.trail().await.pop().unwrap().session
    );
    assert_eq!(
        house.get(&token, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    assert_eq!(
        house.get(&other, "/v1/bans").await.status,
        StatusCode::OK,
        "the other session stands"
    );
}

#[tokio::test]
async fn a_session_ends_with_its_admin_or_the_admins_password() {
    let house = TestPlane::new().await;
    house.add_admin("other").await;
    let (root, other) = (house.sign_in("root").await, house.sign_in("other").await);
    let hash = password::hash("another".to_owned()).await;
    let change = move |store: &mut dyn rookery_store::Store| {
        store.set_admin_password("root", &hash, None)?;
        store.remove_admin("other")
    };
    assert!(
        house
            .database
            .write(Durability::Record, change)
            .await
            .unwrap()
    );
    for token in [root, other] {
        assert_eq!(
            house.get(&token, "/v1/bans").await.problem(),
            "/problems/not-signed-in"
        );
        let last = house.last_entry().await;
        assert!(
            last.ends_with(
                "refused: the admin was removed, or has another password, role or factor"
            ),
            "{last}"
        );
    }
}

#[tokio::test]
async fn no_secret_is_entered_in_the_trail() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let (challenge, code) = house.challenge("root").await;
    let request = |path| Request::post(path).header("Content-Type", "application/json");
    // Of a wrong type, so that the refusal's own text repeats it.
    house
        .send(
            request("/v1/login"),
            r#"{"name":"root","password":81728172}"#,
        )
        .await;
    house
        .send(
            request("/v1/login/verify"),
            format!(r#"{{"challenge":"{challenge}","code":{code}}}"#),
        )
        .await;
    house.get(&format!("{token}x"), "/v1/users").await;
    let trail = format!("{:?}", house.trail().await);
    for secret in [PASSWORD, "81728172", &code, &token, &challenge] {
        assert!(!trail.contains(secret), "{secret} in {trail}");
    }
}

#[tokio::test]
async fn what_a_stranger_calls_himself_cannot_spoil_the_trail() {
    let house = TestPlane::new().await;
    house
        .login(&format!("\u{1b}[2J\r\nroot{}", "x".repeat(10_000)), "x")
        .await;
    let entry = house.trail().await.pop().unwrap();
    assert!(
        entry.actor.starts_with("\u{fffd}[2J\u{fffd}\u{fffd}root"),
        "{}",
        entry.actor
    );
    assert_eq!(entry.actor.chars().count(), 254);
}

#[tokio::test]
async fn without_a_trail_nobody_signs_in() {
    let house = TestPlane::new().await;
    let (challenge, code) = house.challenge("root").await;
    house.break_trail();
    assert_eq!(
        house.login("root", PASSWORD).await.problem(),
        "/problems/audit-unavailable"
    );
    assert_eq!(
        house.login("root", "wrong").await.problem(),
        "/problems/audit-unavailable"
    );
    assert_eq!(
        house.verify(&challenge, &code).await.problem(),
        "/problems/audit-unavailable"
    );
    assert_eq!(house.mails().len(), 1, "no code goes out");
}

#[tokio::test]
async fn mail_that_does_not_get_through_is_told() {
    let house = TestPlane::new().await;
    fs::write(house.folder.path().join("mail"), "not a folder").unwrap();
    house.login("root", PASSWORD).await;
    eventually("the mail to fail", || {
        house.plane.control.mailer.health().err()
    })
    .await;
    let reply = house.login("root", PASSWORD).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    assert!(
        reply.field("warning").starts_with("Mail is delayed"),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_code_that_cannot_be_judged_is_in_the_trail_too() {
    let house = TestPlane::new().await;
    let (challenge, code) = house.challenge("root").await;
    let record = rusqlite::Connection::open(house.data().join("rookery.db")).unwrap();
    record
        .execute_batch("ALTER TABLE admins RENAME TO away")
        .unwrap();
    let reply = house.verify(&challenge, &code).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    record
        .execute_batch("ALTER TABLE away RENAME TO admins")
        .unwrap();
    let trail = house.trail().await;
    let last = trail.last().unwrap();
    assert_eq!(
        (last.act.as_str(), last.outcome),
        ("verify", Outcome::Refused)
    );
    assert_eq!(last.detail, "the database cannot be read");
}
