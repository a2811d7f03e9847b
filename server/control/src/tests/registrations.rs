//! Registrations that wait, and another mail for one of them.

use super::*;
use rookery_accounts::Peer;
use rookery_accounts::registration::Registered;

impl TestPlane {
    /// Somebody registers, and waits for the code.
    async fn register(&self, name: &str, email: &str) {
        let peer = Peer {
            address: self.from.get(),
            certificate: None,
            tls: String::new(),
        };
        let (name, email) = (AccountName::parse(name).unwrap(), Email::parse(email).ok());
        let registered = self
            .accounts
            .register(self.now.get(), &peer, name, email, "correct horse", None)
            .await;
        assert!(matches!(registered, Ok(Registered::CodeMailed { .. })));
    }

    /// Whether that code makes the account.
    async fn takes(&self, name: &str, code: &str) -> bool {
        let peer = Peer {
            address: self.from.get(),
            certificate: None,
            tls: String::new(),
        };
        let name = AccountName::parse(name).unwrap();
        self.accounts
            .verify(self.now.get(), &peer, None, &name, code)
            .await
            .is_ok()
    }

    /// The codes that were mailed for registrations, oldest first; waits until there are so many.
    async fn registration_codes(&self, count: usize) -> Vec<String> {
        let is_code =
            |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        eventually("the mails", || {
            let mails = self.mails();
            let codes = mails
                .iter()
                .filter(|mail| mail.contains("is making the account"));
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
async fn who_registers_is_listed_and_gets_another_code_instead_of_the_first() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    house.register("dora", "dora@example.org").await;
    let list = house.get(&token, "/v1/registrations").await.json();
    let waiting = &list["registrations"][0];
    assert_eq!(
        (&waiting["name"], &waiting["email"]),
        (&json!("dora"), &json!("dora@example.org"))
    );
    assert_eq!(
        (&waiting["attempts_left"], &waiting["email_taken"]),
        (&json!(5), &json!(false))
    );
    let first = house.registration_codes(1).await.remove(0);

    let path = format!("/v1/registrations/{}/resend", waiting["id"]);
    let reply = house.post(&token, &path, &json!({})).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.json()["mail"], "sent");
    assert_eq!(
        house.last_entry().await,
        "resend dora allowed: dora@example.org"
    );
    let second = house.registration_codes(2).await.remove(1);
    assert!(
        !format!("{:?}", house.trail().await).contains(&second),
        "a code is a secret"
    );
    if first != second {
        assert!(!house.takes("dora", &first).await);
    }
    assert!(house.takes("dora", &second).await);
    assert_eq!(
        house.get(&token, "/v1/registrations").await.json(),
        json!({ "registrations": [], "next": null })
    );
    assert_eq!(
        house.post(&token, &path, &json!({})).await.problem(),
        "/problems/no-such-registration"
    );
    assert!(house.last_entry().await.starts_with("resend registration "));
}

#[tokio::test]
async fn whose_email_is_taken_is_told_so_again_and_gets_no_code() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    house.add_account("alice").await;
    house.register("alicia", "alice@example.org").await;
    let waiting = house.get(&token, "/v1/registrations").await.json()["registrations"][0].clone();
    assert_eq!(waiting["email_taken"], true);
    house
        .post(
            &token,
            &format!("/v1/registrations/{}/resend", waiting["id"]),
            &json!({}),
        )
        .await;
    let told = || {
        house
            .mails()
            .iter()
            .filter(|mail| mail.contains("You have an account on"))
            .count()
    };
    eventually("two mails", || (told() == 2).then_some(())).await;
    assert!(house.registration_codes(0).await.is_empty());
}

#[tokio::test]
async fn registrations_are_listed_page_by_page_until_their_codes_end() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    for name in ["ann", "bea", "cid"] {
        house.register(name, &format!("{name}@example.org")).await;
    }
    let first = house.get(&token, "/v1/registrations?limit=2").await.json();
    assert_eq!(first["registrations"].as_array().unwrap().len(), 2);
    let rest = house
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
        let reply = house.get(&token, &format!("/v1/registrations?{bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad}");
    }
    house.pass(SignedDuration::from_mins(5));
    assert_eq!(
        house.get(&token, "/v1/registrations").await.json()["registrations"],
        json!([])
    );
}
