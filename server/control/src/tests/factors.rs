//! Authenticator apps, recovery codes, and the notices about them.

use super::*;
use crate::auth::authenticator::code_at;

/// An enrolled authenticator app.
struct App {
    secret: [u8; 20],
    recovery_codes: Vec<String>,
}

impl App {
    fn code(&self, plane: &TestPlane) -> String {
        code_at(&self.secret, plane.now.get())
    }
}

impl TestPlane {
    /// Begins an enrolment and returns its secret.
    async fn begin_enrolment(&self, token: &str) -> [u8; 20] {
        let reply = self.post(token, "/v1/totp", &json!({})).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        assert!(
            reply
                .field("uri")
                .contains(&format!("secret={}&issuer=Rookery", reply.field("secret")))
        );
        totp_rs::Secret::try_from_base32(reply.field("secret"))
            .unwrap()
            .as_ref()
            .try_into()
            .unwrap()
    }

    /// Signs in by mail, enrols an app, and advances the clock to its next code.
    async fn enrol(&self, name: &str) -> App {
        let token = self.sign_in(name).await;
        let secret = self.begin_enrolment(&token).await;
        let code = code_at(&secret, self.now.get());
        let reply = self
            .post(&token, "/v1/totp/confirm", &json!({ "code": code }))
            .await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        self.advance(SignedDuration::from_secs(60));
        let codes = reply.json()["recovery_codes"].as_array().unwrap().clone();
        App {
            secret,
            recovery_codes: codes
                .iter()
                .map(|code| code.as_str().unwrap().to_owned())
                .collect(),
        }
    }

    /// Sends the first factor; returns the challenge and its factors.
    async fn factors(&self, name: &str) -> (String, Value) {
        let before = self.code_mails().len();
        let reply = self.login(name, PASSWORD).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
        if reply.json()["sent_to"].is_string() {
            self.code_of_mail(before).await;
        }
        (reply.field("challenge"), reply.json()["factors"].clone())
    }

    /// Requires the app, so that mailed codes are not accepted.
    async fn require(&self, app: &App) {
        let (challenge, _) = self.factors("root").await;
        let token = self
            .verify(&challenge, &app.code(self))
            .await
            .field("token");
        let reply = self
            .put(&token, "/v1/totp/required", &json!({ "required": true }))
            .await;
        assert_eq!(reply.json()["required"], true, "{reply:?}");
        self.advance(SignedDuration::from_secs(60));
    }
}

#[tokio::test]
async fn an_app_takes_effect_when_one_of_its_codes_is_confirmed() {
    let plane = TestPlane::new().await;
    assert_eq!(plane.factors("root").await.1, json!(["mail"]));
    let token = plane.sign_in("root").await;
    let secret = plane.begin_enrolment(&token).await;
    assert_eq!(
        plane.factors("root").await.1,
        json!(["mail"]),
        "not confirmed yet"
    );
    let code = code_at(&secret, plane.now.get());
    let wrong = plane
        .post(
            &token,
            "/v1/totp/confirm",
            &json!({ "code": another(&code) }),
        )
        .await;
    assert_eq!(wrong.problem(), "/problems/wrong-code");
    let reply = plane
        .post(&token, "/v1/totp/confirm", &json!({ "code": code }))
        .await;
    assert_eq!(
        reply.json()["recovery_codes"].as_array().unwrap().len(),
        10,
        "{reply:?}"
    );
    assert_eq!(
        plane.last_entry().await,
        "totp confirm  allowed: an authenticator app was enrolled"
    );
    plane.mail_with("an authenticator app was enrolled").await;
    assert_eq!(
        plane.get(&token, "/v1/totp").await.problem(),
        "/problems/not-signed-in",
        "sessions end"
    );

    assert_eq!(
        plane.factors("root").await.1,
        json!(["mail", "totp", "recovery"])
    );
    let (challenge, _) = plane.factors("root").await;
    plane.advance(SignedDuration::from_secs(60));
    let reply = plane
        .verify(&challenge, &code_at(&secret, plane.now.get()))
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert!(
        plane
            .last_entry()
            .await
            .ends_with("signed in with the authenticator app")
    );
    let status = plane.get(&reply.field("token"), "/v1/totp").await.json();
    assert_eq!(
        (&status["required"], &status["recovery_codes"]),
        (&json!(false), &json!(10))
    );
    assert!(status["enrolled_at"].is_string());
    plane.sign_in("root").await;
}

#[tokio::test]
async fn five_wrong_codes_or_ten_minutes_end_an_enrolment() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let secret = plane.begin_enrolment(&token).await;
    let confirm = async |code: &str| {
        plane
            .post(&token, "/v1/totp/confirm", &json!({ "code": code }))
            .await
    };
    for _ in 0..5 {
        let wrong = another(&code_at(&secret, plane.now.get()));
        assert_eq!(confirm(wrong).await.problem(), "/problems/wrong-code");
    }
    assert_eq!(
        confirm(&code_at(&secret, plane.now.get())).await.problem(),
        "/problems/no-authenticator"
    );

    plane.advance(SignedDuration::from_mins(10));
    assert_eq!(
        plane.post(&token, "/v1/totp", &json!({})).await.problem(),
        "/problems/fresh-sign-in-required",
        "an old session cannot enrol an app"
    );
}

#[tokio::test]
async fn the_code_of_a_time_step_is_valid_once() {
    let plane = TestPlane::new().await;
    let app = plane.enrol("root").await;
    let (first, _) = plane.factors("root").await;
    let (second, _) = plane.factors("root").await;
    let code = app.code(&plane);
    assert_eq!(plane.verify(&first, &code).await.status, StatusCode::OK);
    assert_eq!(
        plane.verify(&second, &code).await.problem(),
        "/problems/wrong-code"
    );
    plane.advance(SignedDuration::from_secs(30));
    assert_eq!(
        plane.verify(&second, &code).await.problem(),
        "/problems/wrong-code",
        "not in the next one either"
    );
    assert_eq!(
        plane.verify(&second, &app.code(&plane)).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_concurrent_uses_of_one_app_code_one_succeeds() {
    let plane = TestPlane::new().await;
    let app = plane.enrol("root").await;
    let mut challenges = Vec::new();
    for _ in 0..4 {
        challenges.push(plane.factors("root").await.0);
    }
    assert_eq!(
        plane.verify_a_hundred(&challenges, &app.code(&plane)).await,
        1
    );
}

#[tokio::test]
async fn a_recovery_code_is_valid_once_and_notified() {
    let plane = TestPlane::new().await;
    let app = plane.enrol("root").await;
    let (challenge, _) = plane.factors("root").await;
    let typed = app.recovery_codes[3].to_uppercase().replace('-', " ");
    let token = plane.verify(&challenge, &typed).await.field("token");
    assert_eq!(
        plane.get(&token, "/v1/totp").await.json()["recovery_codes"],
        9
    );
    plane.mail_with("9 codes are left").await;
    let (challenge, _) = plane.factors("root").await;
    assert_eq!(
        plane.verify(&challenge, &typed).await.problem(),
        "/problems/wrong-code"
    );
    assert!(
        plane
            .last_entry()
            .await
            .ends_with("the code was used before")
    );
    assert_eq!(
        plane
            .verify(&challenge, &app.recovery_codes[4])
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn no_code_is_mailed_if_the_app_is_required() {
    let plane = TestPlane::new().await;
    let app = plane.enrol("root").await;
    plane.require(&app).await;
    let mails = plane.code_mails().len();
    let reply = plane.login("root", PASSWORD).await;
    assert_eq!(reply.json()["factors"], json!(["totp", "recovery"]));
    assert_eq!(reply.json()["sent_to"], Value::Null);
    let challenge = reply.field("challenge");
    for attempts_left in (0..5).rev() {
        let wrong = another(&app.code(&plane));
        assert_eq!(
            plane.verify(&challenge, wrong).await.problem(),
            "/problems/wrong-code"
        );
        assert_eq!(
            plane.last_entry().await,
            format!("verify  refused: wrong code; attempts left: {attempts_left}")
        );
    }
    assert_eq!(
        plane.verify(&challenge, &app.code(&plane)).await.problem(),
        "/problems/challenge-expired"
    );
    let (challenge, _) = plane.factors("root").await;
    assert_eq!(
        plane.verify(&challenge, &app.code(&plane)).await.status,
        StatusCode::OK
    );
    assert_eq!(plane.code_mails().len(), mails);
}

#[tokio::test]
async fn an_app_is_removed_with_a_current_code_of_it() {
    let plane = TestPlane::new().await;
    let app = plane.enrol("root").await;
    plane.require(&app).await;
    let (challenge, _) = plane.factors("root").await;
    let code = app.code(&plane);
    let token = plane.verify(&challenge, &code).await.field("token");
    let disable = async |code: &str| {
        plane
            .post(&token, "/v1/totp/disable", &json!({ "code": code }))
            .await
    };
    assert_eq!(
        disable(&code).await.problem(),
        "/problems/wrong-code",
        "the code was used for the sign-in"
    );
    plane.advance(SignedDuration::from_secs(30));
    let reply = disable(&app.code(&plane)).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    plane.mail_with("the authenticator app was removed").await;
    assert_eq!(plane.factors("root").await.1, json!(["mail"]));
    let token = plane.sign_in("root").await;
    for reply in [
        plane
            .post(&token, "/v1/totp/disable", &json!({ "code": "123456" }))
            .await,
        plane
            .put(&token, "/v1/totp/required", &json!({ "required": true }))
            .await,
    ] {
        assert_eq!(reply.problem(), "/problems/no-authenticator");
    }
}

#[tokio::test]
async fn without_a_trail_no_factor_changes() {
    let plane = TestPlane::new().await;
    let app = plane.enrol("root").await;
    let (challenge, _) = plane.factors("root").await;
    let token = plane.open_session("root").await;
    plane.break_trail();
    let code = app.code(&plane);
    for reply in [
        plane.post(&token, "/v1/totp", &json!({})).await,
        plane
            .put(&token, "/v1/totp/required", &json!({ "required": true }))
            .await,
        plane
            .post(&token, "/v1/totp/disable", &json!({ "code": code }))
            .await,
        plane.verify(&challenge, &code).await,
    ] {
        assert_eq!(reply.problem(), "/problems/audit-unavailable");
    }
    let admin = plane
        .database
        .read(|store| store.admin("root"))
        .await
        .unwrap()
        .unwrap();
    let stored = admin.authenticator.unwrap();
    assert!(!stored.required);
    assert!(
        stored.last_step < plane.now.get().as_second().unsigned_abs() / 30,
        "the code is not used up"
    );
}

#[tokio::test]
async fn no_secret_of_a_factor_is_written_to_the_trail() {
    let plane = TestPlane::new().await;
    let app = plane.enrol("root").await;
    let (challenge, _) = plane.factors("root").await;
    let code = app.code(&plane);
    plane.verify(&challenge, &code).await;
    let token = plane.open_session("root").await;
    plane
        .post(&token, "/v1/totp/disable", &json!({ "code": 81_728_172 }))
        .await;
    plane
        .put(
            &token,
            "/v1/password",
            &json!({ "old": 81_728_172, "new": "x" }),
        )
        .await;
    plane.verify(&challenge, &app.recovery_codes[0]).await;
    let trail = format!("{:?}", plane.trail().await);
    let secret = crate::auth::authenticator::base32(&app.secret);
    for secret in ["81728172", &code, &app.recovery_codes[0], &secret] {
        assert!(!trail.contains(secret), "{secret} in {trail}");
    }
}

#[tokio::test]
async fn a_recovery_code_ends_the_stop_after_fifty_wrong_codes() {
    let plane = TestPlane::new().await;
    let app = plane.enrol("root").await;
    for _ in 0..10 {
        let (challenge, _) = plane.factors("root").await;
        for _ in 0..5 {
            let wrong = another(&app.code(&plane));
            plane.verify(&challenge, wrong).await;
        }
        plane.advance(SignedDuration::from_mins(10));
        plane.state.trail.record_counts(plane.now.get()).await;
    }
    let (challenge, _) = plane.factors("root").await;
    let reply = plane.verify(&challenge, &app.code(&plane)).await;
    assert!(reply.field("detail").contains("recovery code"), "{reply:?}");
    let reply = plane.verify(&challenge, &app.recovery_codes[0]).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    plane.advance(SignedDuration::from_secs(60));
    let (challenge, _) = plane.factors("root").await;
    let reply = plane.verify(&challenge, &app.code(&plane)).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
}

#[tokio::test]
async fn a_sign_in_from_a_new_address_is_notified() {
    let plane = TestPlane::new().await;
    plane.sign_in("root").await;
    plane.sign_in("root").await;
    plane.set_address("198.51.100.9");
    plane.sign_in("root").await;
    let mail = plane
        .mail_with("Subject: A sign-in from a new address")
        .await;
    assert!(
        mail.contains("198.51.100.9") && mail.contains("To: root@example.org"),
        "{mail}"
    );
    plane.sign_in("root").await;
    plane.set_address("192.0.2.1");
    plane.sign_in("root").await;
    let mails_sent = plane
        .mails()
        .iter()
        .filter(|mail| mail.contains("from a new address"))
        .count();
    assert_eq!(mails_sent, 1, "both addresses are known now");
}

#[tokio::test]
async fn repeated_failures_are_notified_once_an_hour_and_only_for_admins() {
    let plane = TestPlane::new().await;
    for rounds in [5, 4] {
        for _ in 0..rounds {
            plane.login("root", "wrong").await;
            plane.login("toor", "wrong").await;
        }
        plane.advance(SignedDuration::from_mins(10));
    }
    let mail = plane.mail_with("Subject: Failed sign-ins").await;
    assert!(
        mail.contains("To: root@example.org") && mail.contains("192.0.2.1"),
        "{mail}"
    );
    plane.sign_in("root").await;
    let (challenge, code) = plane.challenge("root").await;
    for _ in 0..5 {
        plane.verify(&challenge, another(&code)).await;
    }
    let mails_sent = plane
        .mails()
        .iter()
        .filter(|mail| mail.contains("Failed sign-ins"))
        .count();
    assert_eq!(mails_sent, 1);
}
