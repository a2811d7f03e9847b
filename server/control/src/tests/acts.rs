//! Acts on users: listing, kicking, banning and unbanning; and the record of each.

use super::*;

#[tokio::test]
async fn online_users_are_listed_with_all_details() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let nobody = json!({ "users": [], "total": 0, "next": null });
    assert_eq!(plane.get(&token, "/v1/users").await.json(), nobody);
    let _bob = plane.connect("bob").await;
    let _alice = plane.connect("alice").await;
    let users = plane.get(&token, "/v1/users").await.json()["users"].clone();
    let nicks: Vec<_> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["nick"])
        .collect();
    assert_eq!(nicks, ["alice", "bob"]);
    assert_eq!(users[0]["account"], "alice");
    assert_eq!(users[0]["email"], "alice@example.org");
    assert_eq!(users[0]["channels"], json!(["#lobby"]));
    assert_eq!(users[0]["sessions"][0]["address"], "198.51.100.7:6000");
    assert_eq!(users[0]["sessions"][0]["tls"], "TLSv1.3 X25519MLKEM768");
    assert_eq!(users[0]["sessions"][0]["realname"], "alice");
    assert_eq!(plane.last_entry().await, "users  allowed: ");

    let status = plane.get(&token, "/v1/status").await.json();
    assert_eq!(
        (&status["users"], &status["sessions"], &status["channels"]),
        (&json!(2), &json!(2), &json!(1))
    );
    assert_eq!(
        (&status["bans"], &status["mail"]),
        (&json!(0), &json!("ok"))
    );
    assert!(status["certificate_expires_at"].is_string(), "{status}");
}

#[tokio::test]
async fn a_kicked_user_is_disconnected_and_may_reconnect() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    let reply = plane
        .post(
            &token,
            "/v1/users/ALICE/kick",
            &json!({ "reason": "enough" }),
        )
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.json(), json!({ "users": ["alice"], "sessions": 1 }));
    eventually("the end of the session", || {
        alice.is_finished().then_some(())
    })
    .await;
    let received = alice.await.unwrap();
    assert!(received.contains("ERROR :Kicked: enough\r\n"), "{received}");
    assert_eq!(plane.last_entry().await, "kick alice allowed: enough");
    plane.connect("alice").await;
}

#[tokio::test]
async fn a_kick_of_an_offline_user_is_refused_and_recorded() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for name in ["nobody", "not%20a%20nick"] {
        let reply = plane
            .post(&token, &format!("/v1/users/{name}/kick"), &json!({}))
            .await;
        assert_eq!(reply.problem(), "/problems/not-online");
    }
    assert_eq!(
        plane.last_entry().await,
        "kick not a nick refused: No user not a nick is online."
    );
    let reply = plane
        .post(
            &token,
            "/v1/users/nobody/kick",
            &json!({ "reason": "a\r\nQUIT" }),
        )
        .await;
    assert_eq!(reply.problem(), "/problems/invalid");
    assert!(
        plane
            .last_entry()
            .await
            .starts_with("kick nobody refused: A reason is a single line")
    );
}

#[tokio::test]
async fn text_sent_by_admins_cannot_corrupt_the_trail() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let name = format!("a%0D%0Ab%1B[2J{}", "x".repeat(10_000));
    plane
        .post(&token, &format!("/v1/users/{name}/kick"), &json!({}))
        .await;
    plane
        .post(
            &token,
            "/v1/bans",
            &json!({ "target": "a", "a\u{1b}\nb": 1 }),
        )
        .await;
    for entry in plane.trail().await {
        assert!(!entry.detail.contains(char::is_control), "{entry:?}");
        assert!(entry.detail.len() < 2000, "{entry:?}");
    }
    let email = format!("{}@{}.example.org", "a".repeat(64), "b".repeat(60));
    plane
        .post(&token, "/v1/bans", &json!({ "target": email }))
        .await;
    assert!(
        plane
            .last_entry()
            .await
            .starts_with(&format!("ban {email} allowed: ")),
        "the target"
    );
}

#[tokio::test]
async fn a_ban_is_stored_and_its_sessions_have_ended_when_it_is_answered() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    let bob = plane.connect("bob").await;
    let request = json!({ "target": "Alice@Example.org", "reason": "flooding", "duration": "7d" });
    let reply = plane.post(&token, "/v1/bans", &request).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    let ended = json!({ "users": ["alice"], "sessions": 1 });
    assert_eq!(reply.json()["ended"], ended);

    let bans = plane.bans().await;
    assert_eq!(bans.len(), 1);
    assert_eq!(
        (bans[0].by.as_str(), bans[0].reason.as_str()),
        ("root", "flooding")
    );
    let expected = plane.now.get() + SignedDuration::from_hours(7 * 24);
    assert_eq!(
        bans[0].expires_at.unwrap().as_millisecond(),
        expected.as_millisecond()
    );
    let csv = fs::read_to_string(plane.data().join("bans.csv")).unwrap();
    assert!(
        csv.to_lowercase()
            .contains("alice@example.org,flooding,root,"),
        "{csv}"
    );
    assert!(
        plane
            .last_entry()
            .await
            .starts_with("ban Alice@Example.org allowed: until ")
    );
    alice.await.unwrap();
    assert!(!bob.is_finished(), "other users are not affected");
    assert!(matches!(
        plane.admission("alice").await,
        Admission::Banned { .. }
    ));

    let list = plane.get(&token, "/v1/bans").await.json();
    assert_eq!(list["bans"][0]["id"], reply.json()["ban"]["id"]);
}

#[tokio::test]
async fn an_unbanned_account_may_sign_in_again() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let reply = plane
        .post(&token, "/v1/bans", &json!({ "target": "alice" }))
        .await;
    assert_eq!(reply.json()["ended"], json!({ "users": [], "sessions": 0 }));
    assert_eq!(
        plane.last_entry().await,
        "ban alice allowed: permanent: no reason given"
    );
    assert!(matches!(
        plane.admission("alice").await,
        Admission::Banned { .. }
    ));

    let path = format!("/v1/bans/{}", reply.json()["ban"]["id"]);
    let reply = plane.delete(&token, &path).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.json()["ban"]["target"], "alice");
    assert!(
        plane
            .last_entry()
            .await
            .starts_with("unban alice allowed: ")
    );
    assert!(plane.bans().await.is_empty());
    assert!(
        !fs::read_to_string(plane.data().join("bans.csv"))
            .unwrap()
            .contains("alice")
    );
    plane.connect("alice").await;

    assert_eq!(
        plane.delete(&token, &path).await.problem(),
        "/problems/no-such-ban"
    );
    assert!(
        plane.last_entry().await.starts_with("unban ban "),
        "{}",
        plane.last_entry().await
    );
}

#[tokio::test]
async fn an_invalid_ban_is_refused_and_recorded() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let future = plane.now.get() + SignedDuration::from_hours(1);
    for bad in [
        json!({ "target": "not a name" }),
        json!({ "target": "@" }),
        json!({ "target": "" }),
        json!({ "target": "alice", "duration": "7 days" }),
        json!({ "target": "alice", "duration": "0s" }),
        json!({ "target": "alice", "duration": "9999999w" }),
        json!({ "target": "alice", "duration": "7d", "expires_at": future }),
        json!({ "target": "alice", "expires_at": plane.now.get() }),
        json!({ "target": "alice", "reason": "x".repeat(301) }),
        json!({ "target": "alice", "reason": "a\nb" }),
        json!({ "target": "alice", "until": "tomorrow" }),
        json!({ "reason": "nobody" }),
    ] {
        let before = plane.trail().await.len();
        let reply = plane.post(&token, "/v1/bans", &bad).await;
        assert_eq!(reply.problem(), "/problems/invalid", "{bad}");
        assert_eq!(plane.trail().await.len(), before + 1, "{bad}");
        assert!(plane.last_entry().await.contains(" refused: "), "{bad}");
    }
    assert!(plane.bans().await.is_empty());
    let reply = plane
        .post(
            &token,
            "/v1/bans",
            &json!({ "target": "alice", "expires_at": future }),
        )
        .await;
    assert_eq!(reply.status, StatusCode::CREATED);
}

#[tokio::test]
async fn no_act_without_a_record() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let ban = plane
        .post(&token, "/v1/bans", &json!({ "target": "mallory" }))
        .await
        .json()["ban"]["id"]
        .clone();
    let alice = plane.connect("alice").await;
    plane.break_trail();
    let replies = [
        plane
            .post(&token, "/v1/bans", &json!({ "target": "alice" }))
            .await,
        plane.post(&token, "/v1/users/alice/kick", &json!({})).await,
        plane
            .post(&token, "/v1/users/nobody/kick", &json!({}))
            .await,
        plane.delete(&token, &format!("/v1/bans/{ban}")).await,
        plane.get(&token, "/v1/users").await,
        plane.get(&token, "/v1/bans").await,
        plane.get(&token, "/v1/audit").await,
        plane.get(&token, "/v1/status").await,
        plane.post(&token, "/v1/logout", &json!({})).await,
        plane.get("forged", "/v1/users").await,
    ];
    for reply in replies {
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
        assert_eq!(reply.problem(), "/problems/audit-unavailable");
    }
    assert_eq!(plane.bans().await.len(), 1);
    assert!(!alice.is_finished());
}

#[tokio::test]
async fn an_act_is_completed_even_if_its_caller_disconnects() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    {
        let request = json!({ "target": "alice" });
        let mut ban = pin!(plane.post(&token, "/v1/bans", &request));
        let begun = std::future::poll_fn(|context| Poll::Ready(ban.as_mut().poll(context))).await;
        assert!(begun.is_pending(), "it is in progress");
    }
    let received = tokio::time::timeout(Duration::from_secs(20), alice)
        .await
        .unwrap()
        .unwrap();
    assert!(received.contains("ERROR :"), "{received}");
    assert_eq!(plane.bans().await.len(), 1);
}

#[tokio::test]
async fn a_ban_is_in_force_even_if_its_file_cannot_be_written() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    fs::create_dir_all(plane.data().join("bans.csv/in the way")).unwrap();
    let reply = plane
        .post(&token, "/v1/bans", &json!({ "target": "alice" }))
        .await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    assert!(matches!(
        plane.admission("alice").await,
        Admission::Banned { .. }
    ));
}

#[tokio::test]
async fn the_newest_entries_of_the_trail_can_be_read() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane
        .post(
            &token,
            "/v1/bans",
            &json!({ "target": "alice", "reason": "flooding" }),
        )
        .await;
    let entries = plane.get(&token, "/v1/audit?limit=2").await.json()["entries"].clone();
    let acts: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["act"])
        .collect();
    assert_eq!(acts, ["ban", "audit"], "including the request itself");
    assert_eq!(entries[0]["actor"], "root");
    assert_eq!(entries[0]["outcome"], "allowed");
    assert_eq!(entries[0]["hash"], entries[1]["previous"]);
    assert_eq!(entries[0]["hash"].as_str().unwrap().len(), 64);
    plane.advance(SignedDuration::from_mins(1));
    assert_eq!(
        plane.get(&token, "/v1/audit").await.json()["entries"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    for bad in ["0", "1001", "-1", "many", ""] {
        let reply = plane.get(&token, &format!("/v1/audit?limit={bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad:?}");
    }
    assert_eq!(
        plane.get(&token, "/v1/audit?since=1").await.problem(),
        "/problems/bad-request"
    );
}
