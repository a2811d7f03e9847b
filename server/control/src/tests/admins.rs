//! Owners manage the admins.

use super::*;

const OWN_PASSWORD: &str = "lantern kettle marble ox";

fn newcomer(role: &str) -> Value {
    json!({ "name": "Vera", "email": "vera@example.org", "role": role })
}

#[tokio::test]
async fn an_admin_is_added_with_a_password_that_opens_nothing_but_the_choice_of_another() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let reply = house
        .post(&token, "/v1/admins", &newcomer("moderator"))
        .await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    assert_eq!(
        house.last_entry().await,
        "admin add Vera allowed: moderator, vera@example.org"
    );
    let initial = reply.field("initial_password");
    assert_eq!(initial.len(), 29);
    assert!(!format!("{:?}", house.trail().await).contains(&initial));
    let list = house.get(&token, "/v1/admins").await.json()["admins"].clone();
    assert_eq!(
        (&list[1]["name"], &list[1]["role"]),
        (&json!("Vera"), &json!("moderator"))
    );

    let mails = house.code_mails().len();
    let challenge = house.login("vera", &initial).await.field("challenge");
    let code = house.code_of_mail(mails).await;
    let vera = house.verify(&challenge, &code).await.field("token");
    assert_eq!(
        house.get(&vera, "/v1/bans").await.problem(),
        "/problems/password-change-required"
    );
    let change = json!({ "old": initial, "new": OWN_PASSWORD });
    assert_eq!(
        house.put(&vera, "/v1/password", &change).await.status,
        StatusCode::OK
    );
    let vera = house.session_of("vera").await;
    assert_eq!(house.get(&vera, "/v1/bans").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_initial_password_is_good_for_a_day() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let initial = house
        .post(&token, "/v1/admins", &newcomer("auditor"))
        .await
        .field("initial_password");
    house.pass(SignedDuration::from_secs(24 * 3600 - 1));
    assert_eq!(
        house.login("vera", &initial).await.status,
        StatusCode::ACCEPTED
    );
    house.pass(SignedDuration::from_secs(1));
    assert_eq!(
        house.login("vera", &initial).await.problem(),
        "/problems/login-failed"
    );
    assert!(
        house
            .last_entry()
            .await
            .ends_with("the initial password has expired")
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_entered() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    for (body, kind) in [
        (
            json!({ "name": "ROOT", "email": "a@example.org", "role": "owner" }),
            "admin-exists",
        ),
        (
            json!({ "name": "two words", "email": "a@example.org", "role": "owner" }),
            "invalid",
        ),
        (
            json!({ "name": "anna", "email": "nobody", "role": "owner" }),
            "invalid",
        ),
        (newcomer("boss"), "invalid"),
    ] {
        assert_eq!(
            house.post(&token, "/v1/admins", &body).await.problem(),
            format!("/problems/{kind}")
        );
        assert!(house.last_entry().await.contains(" refused: "), "{body}");
    }
    let role = json!({ "role": "auditor" });
    for reply in [
        house.put(&token, "/v1/admins/nobody/role", &role).await,
        house.delete(&token, "/v1/admins/nobody").await,
    ] {
        assert_eq!(reply.problem(), "/problems/no-such-admin");
        assert!(
            house
                .last_entry()
                .await
                .contains(" nobody refused: There is no admin nobody")
        );
    }
}

#[tokio::test]
async fn another_role_holds_at_once_and_ends_the_sessions() {
    let house = TestPlane::new().await;
    house.add_admin_as("vera", Role::Auditor).await;
    let (token, vera) = (house.sign_in("root").await, house.session_of("vera").await);
    let reply = house
        .put(
            &token,
            "/v1/admins/VERA/role",
            &json!({ "role": "moderator" }),
        )
        .await;
    assert_eq!(reply.json()["role"], "moderator", "{reply:?}");
    assert_eq!(
        house.last_entry().await,
        "admin role VERA allowed: moderator, before: auditor"
    );
    house.mail_with("the role was changed").await;
    assert_eq!(
        house.get(&vera, "/v1/users").await.problem(),
        "/problems/not-signed-in"
    );
    let vera = house.session_of("vera").await;
    assert_eq!(
        house
            .post(&vera, "/v1/bans", &json!({ "target": "alice" }))
            .await
            .status,
        StatusCode::CREATED
    );

    house.delete(&token, "/v1/admins/vera").await;
    assert_eq!(
        house.get(&vera, "/v1/users").await.problem(),
        "/problems/not-signed-in"
    );
}

#[tokio::test]
async fn an_owner_resets_a_password_without_choosing_it() {
    let house = TestPlane::new().await;
    house.add_admin_as("vera", Role::Moderator).await;
    let vera = house.sign_in("vera").await;
    let token = house.sign_in("root").await;
    let reset = async |name: &str| {
        house
            .post(
                &token,
                &format!("/v1/admins/{name}/password/reset"),
                &json!({}),
            )
            .await
    };
    for (name, problem) in [("nobody", "no-such-admin"), ("root", "last-owner")] {
        assert_eq!(reset(name).await.problem(), format!("/problems/{problem}"));
    }
    let reply = reset("Vera").await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(
        house.last_entry().await,
        "admin reset Vera allowed: all sessions of the admin end"
    );
    assert_eq!(
        house.get(&vera, "/v1/users").await.problem(),
        "/problems/not-signed-in"
    );
    house.mail_with("the password was reset").await;
    assert_eq!(
        house.login("vera", PASSWORD).await.problem(),
        "/problems/login-failed"
    );
    let initial = reply.field("initial_password");
    assert!(!format!("{:?}", house.trail().await).contains(&initial));
    assert_eq!(
        house.login("vera", &initial).await.status,
        StatusCode::ACCEPTED
    );
    let vera = house.session_of("vera").await;
    assert_eq!(
        house.get(&vera, "/v1/users").await.problem(),
        "/problems/password-change-required"
    );
    house.pass(SignedDuration::from_hours(24));
    assert_eq!(
        house.login("vera", &initial).await.problem(),
        "/problems/login-failed"
    );

    let token = house.sign_in("root").await;
    house.add_admin_as("olga", Role::Owner).await;
    let own = house
        .post(&token, "/v1/admins/root/password/reset", &json!({}))
        .await;
    assert_eq!(own.problem(), "/problems/invalid");
    assert!(
        own.field("detail").contains("`admin-cli passwd`"),
        "{own:?}"
    );
}

#[tokio::test]
async fn the_last_owner_stays() {
    let house = TestPlane::new().await;
    house.add_admin_as("vera", Role::Moderator).await;
    let token = house.sign_in("root").await;
    let demote = async || {
        house
            .put(
                &token,
                "/v1/admins/root/role",
                &json!({ "role": "moderator" }),
            )
            .await
    };
    assert_eq!(demote().await.problem(), "/problems/last-owner");
    let reply = house.delete(&token, "/v1/admins/Root").await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (StatusCode::CONFLICT, "/problems/last-owner")
    );
    assert!(
        house
            .last_entry()
            .await
            .contains("admin remove Root refused: root is the only owner")
    );
    let dora = json!({ "name": "dora", "email": "dora@example.org", "role": "owner" });
    assert_eq!(
        house.post(&token, "/v1/admins", &dora).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        demote().await.problem(),
        "/problems/last-owner",
        "an initial password may end unused"
    );
    house
        .put(&token, "/v1/admins/vera/role", &json!({ "role": "owner" }))
        .await;
    assert_eq!(demote().await.status, StatusCode::OK);
    assert_eq!(
        house.get(&token, "/v1/admins").await.problem(),
        "/problems/not-signed-in"
    );
}

#[tokio::test]
async fn a_sign_in_of_ten_minutes_ago_does_not_manage_admins() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    house.pass(SignedDuration::from_mins(10));
    for reply in [
        house.post(&token, "/v1/admins", &newcomer("owner")).await,
        house
            .put(&token, "/v1/admins/root/role", &json!({ "role": "owner" }))
            .await,
        house.delete(&token, "/v1/admins/root").await,
    ] {
        assert_eq!(reply.problem(), "/problems/fresh-sign-in-required");
    }
    assert_eq!(
        house.get(&token, "/v1/admins").await.json()["admins"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
