//! The admins, managed by an owner.

use super::*;

const OWN_PASSWORD: &str = "lantern kettle marble ox";

/// Returns the request to add the admin Vera.
fn new_admin(role: &str) -> Value {
    json!({ "name": "Vera", "email": "vera@example.org", "role": role })
}

#[tokio::test]
async fn a_new_admins_initial_password_only_allows_to_choose_another() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let reply = plane
        .post(&token, "/v1/admins", &new_admin("moderator"))
        .await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    assert_eq!(
        plane.last_entry().await,
        "admin add Vera allowed: moderator, vera@example.org"
    );
    let initial = reply.field("initial_password");
    assert_eq!(initial.len(), 29);
    assert!(!format!("{:?}", plane.trail().await).contains(&initial));
    let list = plane.get(&token, "/v1/admins").await.json()["admins"].clone();
    assert_eq!(
        (&list[1]["name"], &list[1]["role"]),
        (&json!("Vera"), &json!("moderator"))
    );

    let mails = plane.code_mails().len();
    let challenge = plane.login("vera", &initial).await.field("challenge");
    let code = plane.code_of_mail(mails).await;
    let vera = plane.verify(&challenge, &code).await.field("token");
    assert_eq!(
        plane.get(&vera, "/v1/bans").await.problem(),
        "/problems/password-change-required"
    );
    let change = json!({ "old": initial, "new": OWN_PASSWORD });
    assert_eq!(
        plane.put(&vera, "/v1/password", &change).await.status,
        StatusCode::OK
    );
    let vera = plane.open_session("vera").await;
    assert_eq!(plane.get(&vera, "/v1/bans").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_initial_password_is_valid_for_a_day() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let initial = plane
        .post(&token, "/v1/admins", &new_admin("auditor"))
        .await
        .field("initial_password");
    plane.advance(SignedDuration::from_secs(24 * 3600 - 1));
    assert_eq!(
        plane.login("vera", &initial).await.status,
        StatusCode::ACCEPTED
    );
    plane.advance(SignedDuration::from_secs(1));
    assert_eq!(
        plane.login("vera", &initial).await.problem(),
        "/problems/login-failed"
    );
    assert!(
        plane
            .last_entry()
            .await
            .ends_with("the initial password has expired")
    );
}

#[tokio::test]
async fn invalid_requests_are_refused_and_recorded() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
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
            json!({ "name": "r\u{43e}ot", "email": "a@example.org", "role": "owner" }),
            "invalid",
        ),
        (
            json!({ "name": "anna", "email": "nobody", "role": "owner" }),
            "invalid",
        ),
        (new_admin("boss"), "invalid"),
    ] {
        assert_eq!(
            plane.post(&token, "/v1/admins", &body).await.problem(),
            format!("/problems/{kind}")
        );
        assert!(plane.last_entry().await.contains(" refused: "), "{body}");
    }
    let role = json!({ "role": "auditor" });
    for reply in [
        plane.put(&token, "/v1/admins/nobody/role", &role).await,
        plane.delete(&token, "/v1/admins/nobody").await,
    ] {
        assert_eq!(reply.problem(), "/problems/no-such-admin");
        assert!(
            plane
                .last_entry()
                .await
                .contains(" nobody refused: There is no admin nobody;")
        );
    }
}

#[tokio::test]
async fn a_new_role_applies_at_once_and_ends_the_sessions() {
    let plane = TestPlane::new().await;
    plane.add_admin_as("vera", Role::Auditor).await;
    let (token, vera) = (
        plane.sign_in("root").await,
        plane.open_session("vera").await,
    );
    let reply = plane
        .put(
            &token,
            "/v1/admins/VERA/role",
            &json!({ "role": "moderator" }),
        )
        .await;
    assert_eq!(reply.json()["role"], "moderator", "{reply:?}");
    assert_eq!(
        plane.last_entry().await,
        "admin role VERA allowed: moderator, before: auditor"
    );
    plane.mail_with("the role was changed").await;
    assert_eq!(
        plane.get(&vera, "/v1/users").await.problem(),
        "/problems/not-signed-in"
    );
    let vera = plane.open_session("vera").await;
    assert_eq!(
        plane
            .post(&vera, "/v1/bans", &json!({ "target": "alice" }))
            .await
            .status,
        StatusCode::CREATED
    );

    plane.delete(&token, "/v1/admins/vera").await;
    assert_eq!(
        plane.get(&vera, "/v1/users").await.problem(),
        "/problems/not-signed-in"
    );
}

#[tokio::test]
async fn an_owner_resets_a_password_without_choosing_it() {
    let plane = TestPlane::new().await;
    plane.add_admin_as("vera", Role::Moderator).await;
    let vera = plane.sign_in("vera").await;
    let token = plane.sign_in("root").await;
    let reset = async |name: &str| {
        plane
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
        plane.last_entry().await,
        "admin reset Vera allowed: all sessions of the admin end"
    );
    assert_eq!(
        plane.get(&vera, "/v1/users").await.problem(),
        "/problems/not-signed-in"
    );
    plane.mail_with("the password was reset").await;
    assert_eq!(
        plane.login("vera", PASSWORD).await.problem(),
        "/problems/login-failed"
    );
    let initial = reply.field("initial_password");
    assert!(!format!("{:?}", plane.trail().await).contains(&initial));
    assert_eq!(
        plane.login("vera", &initial).await.status,
        StatusCode::ACCEPTED
    );
    let vera = plane.open_session("vera").await;
    assert_eq!(
        plane.get(&vera, "/v1/users").await.problem(),
        "/problems/password-change-required"
    );
    plane.advance(SignedDuration::from_hours(24));
    assert_eq!(
        plane.login("vera", &initial).await.problem(),
        "/problems/login-failed"
    );

    let token = plane.sign_in("root").await;
    plane.add_admin_as("olga", Role::Owner).await;
    let own = plane
        .post(&token, "/v1/admins/root/password/reset", &json!({}))
        .await;
    assert_eq!(own.problem(), "/problems/invalid");
    assert!(
        own.field("detail").contains("`admin-cli passwd`"),
        "{own:?}"
    );
}

#[tokio::test]
async fn the_last_owner_cannot_be_removed() {
    let plane = TestPlane::new().await;
    plane.add_admin_as("vera", Role::Moderator).await;
    let token = plane.sign_in("root").await;
    let demote = async || {
        plane
            .put(
                &token,
                "/v1/admins/root/role",
                &json!({ "role": "moderator" }),
            )
            .await
    };
    assert_eq!(demote().await.problem(), "/problems/last-owner");
    let reply = plane.delete(&token, "/v1/admins/Root").await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (StatusCode::CONFLICT, "/problems/last-owner")
    );
    assert!(
        plane
            .last_entry()
            .await
            .contains("admin remove Root refused: root is the only owner")
    );
    let dora = json!({ "name": "dora", "email": "dora@example.org", "role": "owner" });
    assert_eq!(
        plane.post(&token, "/v1/admins", &dora).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        demote().await.problem(),
        "/problems/last-owner",
        "an initial password may expire unused"
    );
    plane
        .put(&token, "/v1/admins/vera/role", &json!({ "role": "owner" }))
        .await;
    assert_eq!(demote().await.status, StatusCode::OK);
    assert_eq!(
        plane.get(&token, "/v1/admins").await.problem(),
        "/problems/not-signed-in"
    );
}

#[tokio::test]
async fn a_session_that_began_while_the_clock_was_ahead_cannot_manage_admins() {
    let plane = TestPlane::new().await;
    let now = plane.origin().at;
    plane.set_clock(now + SignedDuration::from_mins(12));
    let token = plane.sign_in("root").await;
    plane.set_clock(now);
    let reply = plane.delete(&token, "/v1/admins/root").await;
    assert_eq!(reply.problem(), "/problems/fresh-sign-in-required");
}

#[tokio::test]
async fn a_session_of_ten_minutes_cannot_manage_admins() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.advance(SignedDuration::from_mins(10));
    for reply in [
        plane.post(&token, "/v1/admins", &new_admin("owner")).await,
        plane
            .put(&token, "/v1/admins/root/role", &json!({ "role": "owner" }))
            .await,
        plane.delete(&token, "/v1/admins/root").await,
    ] {
        assert_eq!(reply.problem(), "/problems/fresh-sign-in-required");
    }
    assert_eq!(
        plane.get(&token, "/v1/admins").await.json()["admins"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_acts_on_an_admin_are_found_however_the_name_is_typed() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_admin_as("Zoé", Role::Auditor).await;
    plane.login("Zoe\u{301}", "a wrong password").await;
    let (path, role) = ("/v1/admins/Zoe%CC%81", json!({ "role": "moderator" }));
    plane.put(&token, &format!("{path}/role"), &role).await;
    let reset = format!("{path}/password/reset");
    plane.post(&token, &reset, &json!({})).await;
    plane.delete(&token, path).await;
    for typed in ["Zo%C3%A9", "Zoe%CC%81"] {
        for (filter, expected) in [
            ("target", "admin role, admin reset, admin remove"),
            ("actor", "login"),
        ] {
            let path = format!("/v1/audit?{filter}={typed}");
            let entries = plane.get(&token, &path).await.json()["entries"].clone();
            let acts = entries.as_array().unwrap().iter();
            let acts: Vec<_> = acts.map(|entry| entry["act"].as_str().unwrap()).collect();
            assert_eq!(acts.join(", "), expected, "{filter}={typed}");
        }
    }
}
