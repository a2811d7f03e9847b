//! Authenticator apps, recovery codes, and the notices about them.

use super::*;
use crate::auth::authenticator::code_at;

/// An authenticator app that an admin has enrolled.
struct App {
    secret: [u8; 20],
    recovery_codes: Vec<String>,
}

impl App {
    fn code(&self, house: &TestPlane) -> String {
        code_at(&self.secret, house.now.get())
    }
}

impl TestPlane {
    async fn secret_waiting(&self, token: &str) -> [u8; 20] {
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

    /// Signs in by mail and enrols an app; the clock goes on to the next of its codes.
    async fn enrol(&self, name: &str) -> App {
        let token = self.sign_in(name).await;
        let secret = self.secret_waiting(&token).await;
        let code = code_at(&secret, self.now.get());
        let reply = self
            .post(&token, "/v1/totp/confirm", &json!({ "code": code }))
            .await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        self.pass(SignedDuration::from_secs(60));
        let codes = reply.json()["recovery_codes"].as_array().unwrap().clone();
        App {
            secret,
            recovery_codes: codes
                .iter()
                .map(|code| code.as_str().unwrap().to_owned())
                .collect(),
        }
    }

    /// The first factor; gives the challenge and the factors that are open.
    async fn factors(&self, name: &str) -> (String, Value) {
        let before = self.code_mails().len();
        let reply = self.login(name, PASSWORD).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
        if reply.json()["sent_to"].is_string() {
            self.code_of_mail(before).await;
        }
        (reply.field("challenge"), reply.json()["factors"].clone())
    }

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
        self.pass(SignedDuration::from_secs(60));
    }
}

#[tokio::test]
async fn an_app_counts_once_a_code_of_it_is_confirmed() {
    let house = TestPlane::new().await;
    assert_eq!(house.factors("root").await.1, json!(["mail"]));
    let token = house.sign_in("root").await;
    let secret = house.secret_waiting(&token).await;
    assert_eq!(
        house.factors("root").await.1,
        json!(["mail"]),
        "not confirmed yet"
    );
    let code = code_at(&secret, house.now.get());
    let wrong = house
        .post(
            &token,
            "/v1/totp/confirm",
            &json!({ "code": another(&code) }),
        )
        .await;
    assert_eq!(wrong.problem(), "/problems/wrong-code");
    let reply = house
        .post(&token, "/v1/totp/confirm", &json!({ "code": code }))
        .await;
    assert_eq!(
        reply.json()["recovery_codes"].as_array().unwrap().len(),
        10,
        "{reply:?}"
    );
    assert_eq!(
        house.last_entry().await,
        "totp confirm  allowed: an authenticator app was enrolled"
    );
    house.mail_with("an authenticator app was enrolled").await;
    assert_eq!(
        house.get(&token, "/v1/totp").await.problem(),
        "/problems/not-signed-in",
        "sessions end"
    );

    assert_eq!(
        house.factors("root").await.1,
        json!(["mail", "totp", "recovery"])
    );
    let (challenge, _) = house.factors("root").await;
    house.pass(SignedDuration::from_secs(60));
    let reply = house
        .verify(&challenge, &code_at(&secret, house.now.get()))
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert!(
        house
            .last_entry()
            .await
            .ends_with("signed in with the authenticator app")
    );
    let status = house.get(&reply.field("token"), "/v1/totp").await.json();
    assert_eq!(
        (&status["required"], &status["recovery_codes"]),
        (&json!(false), &json!(10))
    );
    assert!(status["enrolled_at"].is_string());
    house.sign_in("root").await;
}

#[tokio::test]
async fn five_wrong_codes_or_ten_minutes_end_an_enrolment() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let secret = house.secret_waiting(&token).await;
    let confirm = async |code: &str| {
        house
            .post(&token, "/v1/totp/confirm", &json!({ "code": code }))
            .await
    };
    for _ in 0..5 {
        let wrong = another(&code_at(&secret, house.now.get()));
        assert_eq!(confirm(wrong).await.problem(), "/problems/wrong-code");
    }
    assert_eq!(
        confirm(&code_at(&secret, house.now.get())).await.problem(),
        "/problems/no-authenticator"
    );

    house.pass(SignedDuration::from_mins(10));
    assert_eq!(
        house.post(&token, "/v1/totp", &json!({})).await.problem(),
        "/problems/fresh-sign-in-required",
        "a token that was left open enrols nothing"
    );
}

#[tokio::test]
async fn a_code_of_one_time_step_works_once() {
    let house = TestPlane::new().await;
    let app = house.enrol("root").await;
    let (first, _) = house.factors("root").await;
    let (second, _) = house.factors("root").await;
    let code = app.code(&house);
    assert_eq!(house.verify(&first, &code).await.status, StatusCode::OK);
    assert_eq!(
        house.verify(&second, &code).await.problem(),
        "/problems/wrong-code"
    );
    house.pass(SignedDuration::from_secs(30));
    assert_eq!(
        house.verify(&second, &code).await.problem(),
        "/problems/wrong-code",
        "nor in the next"
    );
    assert_eq!(
        house.verify(&second, &app.code(&house)).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_at_once_with_one_code_of_the_app_one_wins() {
    let house = TestPlane::new().await;
    let app = house.enrol("root").await;
    let mut challenges = Vec::new();
    for _ in 0..4 {
        challenges.push(house.factors("root").await.0);
    }
    assert_eq!(
        house.verify_a_hundred(&challenges, &app.code(&house)).await,
        1
    );
}

#[tokio::test]
async fn a_recovery_code_is_good_once_and_told_of() {
    let house = TestPlane::new().await;
    let app = house.enrol("root").await;
    let (challenge, _) = house.factors("root").await;
    let typed = app.recovery_codes[3].to_uppercase().replace('-', " ");
    let token = house.verify(&challenge, &typed).await.field("token");
    assert_eq!(
        house.get(&token, "/v1/totp").await.json()["recovery_codes"],
        9
    );
    house
        .mail_with("with a recovery code. 9 codes are left")
        .await;
    let (challenge, _) = house.factors("root").await;
    assert_eq!(
        house.verify(&challenge, &typed).await.problem(),
        "/problems/wrong-code"
    );
    assert!(
        house
            .last_entry()
            .await
            .ends_with("the code was used before")
    );
    assert_eq!(
        house
            .verify(&challenge, &app.recovery_codes[4])
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn where_the_app_is_required_no_code_is_mailed() {
    let house = TestPlane::new().await;
    let app = house.enrol("root").await;
    house.require(&app).await;
    let mails = house.code_mails().len();
    let reply = house.login("root", PASSWORD).await;
    assert_eq!(reply.json()["factors"], json!(["totp", "recovery"]));
    assert_eq!(reply.json()["sent_to"], Value::Null);
    let challenge = reply.field("challenge");
    for attempts_left in (0..5).rev() {
        let wrong = another(&app.code(&house));
        assert_eq!(
            house.verify(&challenge, wrong).await.problem(),
            "/problems/wrong-code"
        );
        assert_eq!(
            house.last_entry().await,
            format!("verify  refused: wrong code; attempts left: {attempts_left}")
        );
    }
    assert_eq!(
        house.verify(&challenge, &app.code(&house)).await.problem(),
        "/problems/challenge-expired"
    );
    let (challenge, _) = house.factors("root").await;
    assert_eq!(
        house.verify(&challenge, &app.code(&house)).await.status,
        StatusCode::OK
    );
    assert_eq!(house.code_mails().len(), mails);
}

#[tokio::test]
async fn an_app_is_done_away_with_by_a_fresh_code_of_it() {
    let house = TestPlane::new().await;
    let app = house.enrol("root").await;
    house.require(&app).await;
    let (challenge, _) = house.factors("root").await;
    let code = app.code(&house);
    let token = house.verify(&challenge, &code).await.field("token");
    let disable = async |code: &str| {
        house
            .post(&token, "/v1/totp/disable", &json!({ "code": code }))
            .await
    };
    assert_eq!(
        disable(&code).await.problem(),
        "/problems/wrong-code",
        "used for the sign-in"
    );
    house.pass(SignedDuration::from_secs(30));
    let reply = disable(&app.code(&house)).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    house.mail_with("the authenticator app was removed").await;
    assert_eq!(house.factors("root").await.1, json!(["mail"]));
    let token = house.sign_in("root").await;
    for reply in [
        house
            .post(&token, "/v1/totp/disable", &json!({ "code": "123456" }))
            .await,
        house
            .put(&token, "/v1/totp/required", &json!({ "required": true }))
            .await,
    ] {
        assert_eq!(reply.problem(), "/problems/no-authenticator");
    }
}

#[tokio::test]
async fn without_a_trail_no_factor_changes() {
    let house = TestPlane::new().await;
    let app = house.enrol("root").await;
    let (challenge, _) = house.factors("root").await;
    let token = house.session_of("root").await;
    house.break_trail();
    let code = app.code(&house);
    for reply in [
        house.post(&token, "/v1/totp", &json!({})).await,
        house
            .put(&token, "/v1/totp/required", &json!({ "required": true }))
            .await,
        house
            .post(&token, "/v1/totp/disable", &json!({ "code": code }))
            .await,
        house.verify(&challenge, &code).await,
    ] {
        assert_eq!(reply.problem(), "/problems/audit-unavailable");
    }
    let admin = house
        .database
        .read(|store| store.admin("root"))
        .await
        .unwrap()
        .unwrap();
    let kept = admin.authenticator.unwrap();
    assert!(!kept.required);
    assert!(
        kept.last_step < house.now.get().as_second().unsigned_abs() / 30,
        "the code is not used up"
    );
}

#[tokio::test]
async fn no_secret_of_a_factor_is_entered_in_the_trail() {
    let house = TestPlane::new().await;
    let app = house.enrol("root").await;
    let (challenge, _) = house.factors("root").await;
    let code = app.code(&house);
    house.verify(&challenge, &code).await;
    let token = house.session_of("root").await;
    house
        .post(&token, "/v1/totp/disable", &json!({ "code": 81_728_172 }))
        .await;
    house
        .put(
            &token,
            "/v1/password",
            &json!({ "old": 81_728_172, "new": "x" }),
        )
        .await;
    house.verify(&challenge, &app.recovery_codes[0]).await;
    let trail = format!("{:?}", house.trail().await);
    let secret = crate::auth::authenticator::base32(&app.secret);
    for secret in ["81728172", &code, &app.recovery_codes[0], &secret] {
        assert!(!trail.contains(secret), "{secret} in {trail}");
    }
}

#[tokio::test]
async fn a_sign_in_from_a_new_address_is_told() {
    let house = TestPlane::new().await;
    house.sign_in("root").await;
    house.sign_in("root").await;
    house.come_from("198.51.100.9");
    house.sign_in("root").await;
    let mail = house
        .mail_with("Subject: A sign-in from a new address")
        .await;
    assert!(
        mail.contains("198.51.100.9") && mail.contains("To: root@example.org"),
        "{mail}"
    );
    house.sign_in("root").await;
    house.come_from("192.0.2.1");
    house.sign_in("root").await;
    let told = house
        .mails()
        .iter()
        .filter(|mail| mail.contains("from a new address"))
        .count();
    assert_eq!(told, 1, "both are known now");
}

#[tokio::test]
async fn repeated_failures_are_told_once_an_hour_and_not_to_strangers() {
    let house = TestPlane::new().await;
    for _ in 0..9 {
        house.login("root", "wrong").await;
        house.login("toor", "wrong").await;
    }
    let mail = house.mail_with("Subject: Failed sign-ins").await;
    assert!(
        mail.contains("To: root@example.org") && mail.contains("192.0.2.1"),
        "{mail}"
    );
    house.sign_in("root").await;
    let (challenge, code) = house.challenge("root").await;
    for _ in 0..5 {
        house.verify(&challenge, another(&code)).await;
    }
    let told = house
        .mails()
        .iter()
        .filter(|mail| mail.contains("Failed sign-ins"))
        .count();
    assert_eq!(told, 1);
}
