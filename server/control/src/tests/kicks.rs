//! Kicks of one session, of one user, and of all users that a target covers.

use super::*;
use rookery_record::NewAccount;

#[tokio::test]
async fn one_session_is_kicked_and_the_other_stays() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let phone = plane.connect("alice").await;
    let desk = plane.connect("alice").await;
    let bob = plane.connect("bob").await;
    let users = plane.get(&token, "/v1/users").await.json()["users"].clone();
    let id = users[0]["sessions"][0]["id"].clone();
    let of_bob = users[1]["sessions"][0]["id"].clone();

    for (name, session) in [
        ("alice", of_bob),
        ("alice", json!(4_000_000)),
        ("bob", id.clone()),
    ] {
        let body = json!({ "session": session });
        let reply = plane
            .post(&token, &format!("/v1/users/{name}/kick"), &body)
            .await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert_eq!(
            reply.problem(),
            "/problems/no-such-session",
            "{name} has no session {session}"
        );
        assert!(
            plane
                .last_entry()
                .await
                .starts_with(&format!("kick {name} refused: "))
        );
    }
    let body = json!({ "session": id, "reason": "left open" });
    let reply = plane.post(&token, "/v1/users/alice/kick", &body).await;
    assert_eq!(reply.json(), json!({ "users": ["alice"], "sessions": 1 }));
    assert_eq!(
        plane.last_entry().await,
        format!("kick alice allowed: session {id}: left open")
    );
    assert!(
        phone
            .await
            .unwrap()
            .contains("ERROR :Kicked: left open\r\n")
    );
    assert!(!desk.is_finished() && !bob.is_finished());
    let users = plane.get(&token, "/v1/users").await.json()["users"].clone();
    assert_eq!(
        users[0]["sessions"].as_array().unwrap().len(),
        1,
        "the sessions have ended when the kick is answered"
    );
    let reply = plane.post(&token, "/v1/users/alice/kick", &body).await;
    assert_eq!(
        reply.problem(),
        "/problems/no-such-session",
        "the session has ended"
    );
}

#[tokio::test]
async fn all_users_that_a_target_covers_are_kicked_and_may_reconnect() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    let bob = plane.connect("bob").await;
    let kick = |body: Value| {
        let (plane, token) = (&plane, &token);
        async move { plane.post(token, "/v1/kick", &body).await }
    };
    let preview = kick(json!({ "match": "A*@Example.org", "dry_run": true }))
        .await
        .json();
    assert_eq!(
        (&preview["match"], &preview["users"][0]["nick"]),
        (&json!("A*@Example.org"), &json!("alice"))
    );
    assert_eq!(preview["users"].as_array().unwrap().len(), 1);
    assert_eq!(
        plane.last_entry().await,
        "kick A*@Example.org allowed: all that match; dry run"
    );
    assert!(!alice.is_finished());

    let reply = kick(json!({ "match": "a*@example.org", "reason": "storm" })).await;
    assert_eq!(reply.json(), json!({ "users": ["alice"], "sessions": 1 }));
    assert_eq!(
        plane.last_entry().await,
        "kick a*@example.org allowed: all that match: storm"
    );
    assert!(alice.await.unwrap().contains("ERROR :Kicked: storm\r\n"));
    assert!(!bob.is_finished());
    let alice = plane.connect("alice").await;

    let reply = kick(json!({ "match": "198.51.100.0/24" })).await;
    assert_eq!(
        reply.json(),
        json!({ "users": ["alice", "bob"], "sessions": 2 })
    );
    alice.await.unwrap();
    bob.await.unwrap();
    assert_eq!(
        kick(json!({ "match": "nobody" })).await.json(),
        json!({ "users": [], "sessions": 0 })
    );
}

#[tokio::test]
async fn a_kick_of_everyone_or_of_oneself_has_to_be_confirmed() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("root").await;
    let alice = plane.connect("alice").await;
    for target in ["*@*", "0.0.0.0/0", "192.0.2.1", "root", "r*@example.org"] {
        let reply = plane
            .post(&token, "/v1/kick", &json!({ "match": target }))
            .await;
        assert_eq!(
            reply.problem(),
            "/problems/confirmation-required",
            "{target}"
        );
        assert!(reply.field("detail").contains("--yes"), "{reply:?}");
        assert!(
            plane
                .last_entry()
                .await
                .starts_with(&format!("kick {target} refused: "))
        );
        let request = json!({ "match": target, "dry_run": true });
        let preview = plane.post(&token, "/v1/kick", &request).await.json();
        let doubt = preview["doubt"].as_str().unwrap_or_default();
        assert!(doubt.contains("covers"), "{target}: {preview}");
    }
    assert!(!alice.is_finished());
    for bad in [
        json!({ "match": "not a name" }),
        json!({ "match": "alice", "reason": "a\nb" }),
        json!({ "target": "alice" }),
        json!({}),
    ] {
        assert_eq!(
            plane.post(&token, "/v1/kick", &bad).await.problem(),
            "/problems/invalid",
            "{bad}"
        );
        assert!(plane.last_entry().await.contains(" refused: "), "{bad}");
    }
    let reply = plane
        .post(
            &token,
            "/v1/kick",
            &json!({ "match": "*@*", "confirm": true }),
        )
        .await;
    assert_eq!(reply.json()["users"], json!(["alice"]));
    alice.await.unwrap();
}

#[tokio::test]
async fn a_kick_and_a_list_of_an_account_cover_its_mailbox_as_a_ban_does() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let account = NewAccount {
        name: AccountName::parse("alice").unwrap(),
        email: Email::parse("alice@gmail.com").ok(),
        password_hash: None,
        created_at: Timestamp::UNIX_EPOCH,
        greeted: true,
    };
    let create = move |store: &mut rookery_store::Store| store.create_account(&account);
    let created = plane.database.write(Durability::Record, create).await;
    created.unwrap().unwrap();
    let second = Identity {
        email: Email::parse("a.lice+2@googlemail.com").ok(),
        ..identity("second")
    };
    let second = plane.connect_as(second).await;
    let bob = plane.connect("bob").await;
    let listed = plane.get(&token, "/v1/users?match=alice").await.json();
    assert_eq!(
        (&listed["total"], &listed["users"][0]["nick"]),
        (&json!(1), &json!("second"))
    );
    let kick = async |body: Value| plane.post(&token, "/v1/kick", &body).await.json();
    let preview = kick(json!({ "match": "alice", "dry_run": true })).await;
    assert_eq!(preview["users"][0]["nick"], "second");
    let kicked = kick(json!({ "match": "alice" })).await;
    assert_eq!(kicked, json!({ "users": ["second"], "sessions": 1 }));
    second.await.unwrap();
    assert!(!bob.is_finished());
}
