//! Bans of every kind of target, dry runs, and bans that have to be confirmed.

use std::pin::Pin;

use super::*;

#[tokio::test]
async fn every_kind_of_target_is_banned_listed_and_unbanned_in_one_form() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let kinds = [
        ("Alice", "Alice"),
        ("bob@example.org", "bob@example.org"),
        ("*@spam.example", "*@spam.example"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.99/24", "203.0.113.0/24"),
        ("2001:DB8::/32", "2001:db8::/32"),
    ];
    for (given, stored) in kinds {
        let reply = plane
            .post(
                &token,
                "/v1/bans",
                &json!({ "target": given, "reason": "spam" }),
            )
            .await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        assert_eq!(reply.json()["ban"]["target"], stored);
    }
    let csv = fs::read_to_string(plane.data().join("bans.csv")).unwrap();
    for (_, stored) in kinds {
        assert!(
            csv.contains(&format!("\n{stored},spam,root,")),
            "{stored} in {csv}"
        );
    }
    let list = plane.get(&token, "/v1/bans").await.json();
    for ban in list["bans"].as_array().unwrap() {
        let reply = plane
            .delete(&token, &format!("/v1/bans/{}", ban["id"]))
            .await;
        assert_eq!(reply.json()["ban"]["target"], ban["target"]);
    }
    assert!(plane.bans().await.is_empty());
}

#[tokio::test]
async fn a_ban_of_an_address_ends_its_sessions_and_refuses_new_ones() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    let reply = plane
        .post(&token, "/v1/bans", &json!({ "target": "198.51.100.0/28" }))
        .await;
    assert_eq!(
        reply.json()["ended"],
        json!({ "users": ["alice"], "sessions": 1 })
    );
    assert!(
        alice
            .await
            .unwrap()
            .contains(" 465 alice :You are banned from this server")
    );
    assert!(matches!(
        plane.admission("bob").await,
        Admission::Banned { .. }
    ));
}

#[tokio::test]
async fn of_many_concurrent_bans_of_one_target_the_core_applies_the_stored_one() {
    let plane = TestPlane::new().await;
    plane.add_admin("rival").await;
    let tokens = [
        plane.open_session("root").await,
        plane.open_session("rival").await,
    ];
    for round in 0..10 {
        let requests: Vec<Value> = (0..6)
            .map(|number| json!({ "target": "alice", "reason": format!("round {round}, number {number}") }))
            .collect();
        let bans = requests.iter().zip(tokens.iter().cycle());
        let bans: Vec<_> = bans
            .map(|(request, token)| Box::pin(plane.post(token, "/v1/bans", request)))
            .collect();
        for reply in join_all(bans).await {
            assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        }
        let Admission::Banned { reason, .. } = plane.admission("alice").await else {
            panic!("not banned")
        };
        assert_eq!(reason, plane.bans().await[0].reason);
    }
}

/// Runs all requests concurrently.
async fn join_all<F: Future<Output = Reply> + Unpin>(mut futures: Vec<F>) -> Vec<Reply> {
    let mut replies = Vec::new();
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| match Pin::new(future).poll(context) {
            Poll::Ready(reply) => {
                replies.push(reply);
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    replies
}

#[tokio::test]
async fn a_dry_run_lists_the_affected_users_and_changes_nothing() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    plane.add_account("carol").await;
    let preview = |target: &'static str| {
        let request = json!({ "target": target, "dry_run": true });
        let (plane, token) = (&plane, &token);
        async move {
            let reply = plane.post(token, "/v1/bans", &request).await;
            assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
            reply.json()
        }
    };
    let affected = preview("*@Example.org").await;
    assert_eq!(affected["users"][0]["nick"], "alice");
    assert_eq!(
        affected["users"][0]["sessions"][0]["address"],
        "198.51.100.7:6000"
    );
    assert_eq!(
        (&affected["accounts"], &affected["target"]),
        (&json!(1), &json!("*@Example.org"))
    );
    assert_eq!(preview("198.51.100.7").await["users"][0]["nick"], "alice");
    assert_eq!(preview("0.0.0.0/0").await["accounts"], 0);
    let others = preview("*@googlemail.com").await["other_domains"].clone();
    assert_eq!(others, json!(["gmail.com"]));
    assert_eq!(
        preview("nobody").await,
        json!({ "target": "nobody", "users": [], "accounts": 0, "other_domains": [], "doubt": null })
    );
    assert_eq!(plane.last_entry().await, "ban nobody allowed: dry run");
    assert!(plane.bans().await.is_empty());
    assert!(!alice.is_finished());
}

#[tokio::test]
async fn a_ban_of_everyone_or_of_oneself_has_to_be_confirmed() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("root").await;
    for target in [
        "*@*",
        "*@*.org",
        "0.0.0.0/0",
        "::/0",
        "192.0.2.1",
        "192.0.2.0/24",
        "root",
        "ROOT@example.org",
        "r*@example.org",
    ] {
        let reply = plane
            .post(&token, "/v1/bans", &json!({ "target": target }))
            .await;
        assert_eq!(reply.status, StatusCode::CONFLICT, "{target}: {reply:?}");
        assert_eq!(reply.problem(), "/problems/confirmation-required");
        assert!(
            plane
                .last_entry()
                .await
                .starts_with(&format!("ban {target} refused: "))
        );
        assert!(plane.bans().await.is_empty());
        let request = json!({ "target": target, "dry_run": true });
        let preview = plane.post(&token, "/v1/bans", &request).await.json();
        let doubt = preview["doubt"].as_str().unwrap_or_default();
        assert!(doubt.contains("covers"), "{target}: {preview}");
    }
    let reply = plane
        .post(
            &token,
            "/v1/bans",
            &json!({ "target": "*@*", "confirm": true }),
        )
        .await;
    assert_eq!(reply.status, StatusCode::CREATED);
    assert!(matches!(
        plane.admission("alice").await,
        Admission::Banned { .. }
    ));
    let reply = plane
        .post(&token, "/v1/bans", &json!({ "target": "192.0.2.2" }))
        .await;
    assert_eq!(
        reply.status,
        StatusCode::CREATED,
        "a neighbouring address needs no confirmation"
    );
}

#[tokio::test]
async fn a_name_that_only_looks_like_an_accounts_is_refused_with_that_account() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("liam").await;
    for (path, request) in [
        ("/v1/bans", json!({ "target": "Iiam", "confirm": true })),
        ("/v1/bans", json!({ "target": "Iiam", "dry_run": true })),
        ("/v1/kick", json!({ "match": "Iiam", "confirm": true })),
    ] {
        let reply = plane.post(&token, path, &request).await;
        assert_eq!(reply.problem(), "/problems/invalid", "{request}");
        assert!(reply.field("detail").contains("the account liam"));
    }
    let ban = plane
        .post(&token, "/v1/bans", &json!({ "target": "mia" }))
        .await;
    assert_eq!(ban.status, StatusCode::CREATED, "nobody looks like that");
}

#[tokio::test]
async fn the_nick_of_somebody_online_is_not_taken_for_an_account() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for (nick, identity) in [("zed", None), ("yves", Some(identity("mallory")))] {
        let candidate = Candidate {
            nick: rookery_protocol::Nick::parse(nick).unwrap(),
            identity,
            ..candidate(super::identity(nick))
        };
        let (_, _, admission) = plane.admit(candidate).await;
        assert!(matches!(admission, Admission::Admitted), "{admission:?}");
    }
    let cases = [
        ("zed", "a guest from 198.51.100.7. To", "name 198.51.100.7."),
        ("Yves", "the account mallory. To", "name mallory."),
    ];
    for (name, holder, advice) in cases {
        let requests = [
            ("/v1/bans", json!({ "target": name, "confirm": true })),
            ("/v1/bans", json!({ "target": name, "dry_run": true })),
            ("/v1/kick", json!({ "match": name, "confirm": true })),
        ];
        for (path, request) in requests {
            let reply = plane.post(&token, path, &request).await;
            assert_eq!(reply.problem(), "/problems/invalid", "{request}");
            let detail = reply.field("detail");
            let start = format!("There is no account {name}, but {name} is now the nick of ");
            assert!(detail.starts_with(&(start + holder)), "{detail}");
            assert!(detail.ends_with(advice), "{detail}");
            let entry = plane.last_entry().await;
            assert!(entry.contains(&format!(" {name} refused: ")), "{entry}");
        }
        assert!(plane.bans().await.is_empty());

        // An account that exists is meant, and the answer names who has its name as nick.
        plane.add_account(name).await;
        let notice = format!("This applies to the account {name}; the nick {name} is in use by ");
        let dry_run = json!({ "target": name, "dry_run": true });
        let preview = plane.post(&token, "/v1/bans", &dry_run).await.json();
        let kick = plane
            .post(&token, "/v1/kick", &json!({ "match": name }))
            .await;
        let ban = plane
            .post(&token, "/v1/bans", &json!({ "target": name }))
            .await;
        for note in [&preview["note"], &kick.json()["note"], &ban.json()["note"]] {
            assert!(note.as_str().unwrap().starts_with(&notice), "{note}");
        }
        assert_eq!(ban.json()["ended"]["sessions"], 0);
        let id = &ban.json()["ban"]["id"];
        plane.delete(&token, &format!("/v1/bans/{id}")).await;
    }
}
