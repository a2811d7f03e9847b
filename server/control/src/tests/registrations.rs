//! Pending registrations, and another code for one.

use super::*;
use rookery_accounts::Peer;
use rookery_accounts::registration::Registered;

impl TestPlane {
    /// Registers a user who waits for the code.
    async fn register(&self, name: &str, email: &str) {
        let peer = Peer {
            address: self.address.get(),
            certificate: None,
            tls: Box::default(),
            ending: Arc::default(),
        };
        let (name, email) = (AccountName::parse(name).unwrap(), Email::parse(email).ok());
        let registered = self
            .accounts
            .register(self.now.get(), &peer, name, email, "correct horse", None)
            .await;
        assert!(matches!(registered, Ok(Registered::CodeMailed { .. })));
    }

    /// Whether a code completes the registration.
    async fn completes(&self, name: &str, code: &str) -> bool {
        let peer = Peer {
            address: self.address.get(),
            certificate: None,
            tls: Box::default(),
            ending: Arc::default(),
        };
        let name = AccountName::parse(name).unwrap();
        self.accounts
            .verify(self.now.get(), &peer, None, &name, code)
            .await
            .is_ok()
    }

    /// Waits for `count` codes of registrations, and returns them, oldest first.
    async fn registration_codes(&self, count: usize) -> Vec<String> {
        let is_code =
            |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        eventually("the mails", || {
            let mails = self.mails();
            let codes = mails.iter().filter(|mail| mail.contains("VERIFY"));
            let codes: Vec<String> = codes
                .filter_map(|mail| mail.lines().find(is_code))
                .map(str::to_owned)
                .collect();
            (codes.len() == count).then_some(codes)
        })
        .await
    }
}

#[tokio::test]
async fn a_pending_registration_is_listed_and_can_get_another_code() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.register("dora", "dora@example.org").await;
    let list = plane.get(&token, "/v1/registrations").await.json();
    let waiting = &list["registrations"][0];
    assert_eq!(
        (&waiting["name"], &waiting["email"]),
        (&json!("dora"), &json!("dora@example.org"))
    );
    assert_eq!(
        (&waiting["attempts_left"], &waiting["email_taken"]),
        (&json!(5), &json!(false))
    );
    let first = plane.registration_codes(1).await.remove(0);

    let path = format!("/v1/registrations/{}/resend", waiting["id"]);
    let reply = plane.post(&token, &path, &json!({})).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.json()["mail"], "sent");
    assert_eq!(
        plane.last_entry().await,
        "resend dora allowed: dora@example.org"
    );
    let second = plane.registration_codes(2).await.remove(1);
    assert!(
        !format!("{:?}", plane.trail().await).contains(&second),
        "a code is a secret"
    );
    if first != second {
        assert!(!plane.completes("dora", &first).await);
    }
    assert!(plane.completes("dora", &second).await);
    assert_eq!(
        plane.get(&token, "/v1/registrations").await.json(),
        json!({ "registrations": [], "next": null })
    );
    assert_eq!(
        plane.post(&token, &path, &json!({})).await.problem(),
        "/problems/no-such-registration"
    );
    assert!(plane.last_entry().await.starts_with("resend registration "));
}

#[tokio::test]
async fn a_resend_for_a_taken_email_mails_another_notice_and_no_code() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("alice").await;
    plane.register("alicia", "alice@example.org").await;
    let waiting = plane.get(&token, "/v1/registrations").await.json()["registrations"][0].clone();
    assert_eq!(waiting["email_taken"], true);
    plane
        .post(
            &token,
            &format!("/v1/registrations/{}/resend", waiting["id"]),
            &json!({}),
        )
        .await;
    let mails_sent = || {
        plane
            .mails()
            .iter()
            .filter(|mail| mail.contains("You have an account on"))
            .count()
    };
    eventually("two mails", || (mails_sent() == 2).then_some(())).await;
    assert!(plane.registration_codes(0).await.is_empty());
}

#[tokio::test]
async fn registrations_are_listed_page_by_page_until_their_codes_expire() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for name in ["ann", "bea", "cid"] {
        plane.register(name, &format!("{name}@example.org")).await;
    }
    let first = plane.get(&token, "/v1/registrations?limit=2").await.json();
    assert_eq!(first["registrations"].as_array().unwrap().len(), 2);
    let rest = plane
        .get(
            &token,
            &format!("/v1/registrations?after={}", first["next"]),
        )
        .await
        .json();
    assert_eq!(
        (&rest["registrations"][0]["name"], &rest["next"]),
        (&json!("cid"), &Value::Null)
    );
    for bad in ["limit=0", "after=-1", "after=9223372036854775808"] {
        let reply = plane.get(&token, &format!("/v1/registrations?{bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad}");
    }
    plane.advance(SignedDuration::from_mins(10));
    assert_eq!(
        plane.get(&token, "/v1/registrations").await.json()["registrations"],
        json!([])
    );
}
