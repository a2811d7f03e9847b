//! The list of online users, with its orders, filters and pages; and one user.

use super::*;

impl TestPlane {
    /// Connects a user from an address, until the test ends.
    async fn connect_from(&self, name: &str, account: bool, address: &str) {
        let identity = account.then(|| Identity {
            id: AccountId(self.next_session.get().cast_signed()),
            ..identity(name)
        });
        let candidate = Candidate {
            nick: rookery_protocol::Nick::parse(name).unwrap(),
            username: format!("{name}-phone"),
            realname: "Rook 1.0".to_owned(),
            identity,
            capabilities: Capabilities::default(),
            away_state: rookery_chat::AwayState::Here,
            subscriptions: std::collections::BTreeSet::new(),
            address: address.parse().unwrap(),
            tls: "TLSv1.2 secp256r1".to_owned(),
        };
        let (_, _, admission) = self.admit(candidate).await;
        assert!(matches!(admission, Admission::Admitted), "{admission:?}");
    }

    async fn nicks(&self, token: &str, options: &str) -> Vec<String> {
        let reply = self.get(token, &format!("/v1/users?{options}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{options}: {reply:?}");
        let users = reply.json()["users"].clone();
        users
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["nick"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Starts a control plane with four online users, one of them with two sessions. Returns it with
/// the token of an owner.
async fn plane_with_users() -> (TestPlane, String) {
    let plane = TestPlane::new().await;
    let token = plane.open_session("root").await;
    plane.connect_from("dora", true, "[2001:db8::1]:1000").await;
    plane.connect_from("bob", true, "192.0.2.10:1000").await;
    plane.connect_from("Alice", true, "198.51.100.9:1000").await;
    plane.connect_from("gast", false, "192.0.2.9:1000").await;
    plane.connect_from("bob", true, "203.0.113.1:1000").await;
    (plane, token)
}

#[tokio::test]
async fn users_are_sorted_in_the_requested_order_and_in_reverse() {
    let (plane, token) = plane_with_users().await;
    for (options, expected) in [
        ("", "Alice bob dora gast"),
        ("reverse=true", "gast dora bob Alice"),
        ("sort=since", "dora bob Alice gast"),
        ("sort=idle&reverse=true", "gast Alice bob dora"),
        ("sort=sessions", "bob Alice dora gast"),
        ("sort=address", "gast bob Alice dora"),
    ] {
        assert_eq!(
            plane.nicks(&token, options).await.join(" "),
            expected,
            "{options}"
        );
    }
}

#[tokio::test]
async fn users_are_found_by_channel_target_text_and_kind() {
    let (plane, token) = plane_with_users().await;
    for (options, expected) in [
        ("channel=%23LOBBY", "Alice bob dora gast"),
        ("channel=%23none", ""),
        ("match=192.0.2.0/24", "bob gast"),
        ("match=a*@example.org", "Alice"),
        ("search=GAST", "gast"),
        ("search=alice@EXAMPLE", "Alice"),
        ("search=bob-phone", "bob"),
        ("search=rook+1", "Alice bob dora gast"),
        ("search=2001:db8", "dora"),
        ("guests=true", "gast"),
        ("guests=false&match=192.0.2.0/24", "bob"),
    ] {
        assert_eq!(
            plane.nicks(&token, options).await.join(" "),
            expected,
            "{options}"
        );
    }
    let matched = plane
        .get(&token, "/v1/users?match=203.0.113.1")
        .await
        .json();
    assert_eq!(
        matched["users"][0]["sessions"].as_array().unwrap().len(),
        1,
        "only covered sessions"
    );
}

#[tokio::test]
async fn a_search_finds_letters_with_marks_however_they_are_typed() {
    let plane = TestPlane::new().await;
    let token = plane.open_session("root").await;
    let candidate = Candidate {
        realname: "Zoe\u{301} L.".to_owned(),
        ..candidate(identity("Élan"))
    };
    plane.admit(candidate).await;
    for typed in ["%C3%A9lan", "E%CC%81LAN", "zo%C3%A9+l", "zoe%CC%81+l"] {
        let options = format!("guests=false&search={typed}");
        assert_eq!(plane.nicks(&token, &options).await, ["Élan"], "{typed}");
    }
}

#[tokio::test]
async fn in_every_order_the_pages_have_each_user_once() {
    let (plane, token) = plane_with_users().await;
    for order in ["name", "since", "idle", "sessions", "address"] {
        for reverse in [false, true] {
            let options = format!("sort={order}&reverse={reverse}");
            let all = plane.nicks(&token, &options).await;
            let mut paged = Vec::new();
            let mut after = String::new();
            loop {
                let path = format!("/v1/users?{options}&limit=1{after}");
                let page = plane.get(&token, &path).await.json();
                assert_eq!(
                    (&page["total"], page["users"].as_array().unwrap().len()),
                    (&json!(4), 1)
                );
                paged.push(page["users"][0]["nick"].as_str().unwrap().to_owned());
                let Some(next) = page["next"].as_str() else {
                    break;
                };
                after = format!("&after={next}");
            }
            assert_eq!(paged, all, "{options}");
        }
    }
    for bad in [
        "limit=0",
        "limit=1001",
        "sort=email",
        "after=a%20b",
        "sort=idle&after=alice",
        "match=a%20b",
        "channel=lobby",
        "guests=maybe",
        "order=name",
    ] {
        let reply = plane.get(&token, &format!("/v1/users?{bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad}");
        assert!(plane.last_entry().await.starts_with("users "), "{bad}");
    }
    let reply = plane
        .get(&token, &format!("/v1/users?search={}", "x".repeat(255)))
        .await;
    assert_eq!(reply.problem(), "/problems/bad-request");
}

#[tokio::test]
async fn one_user_is_returned_with_all_sessions() {
    let (plane, token) = plane_with_users().await;
    let user = plane.get(&token, "/v1/users/BOB").await.json()["user"].clone();
    assert_eq!(
        (&user["nick"], &user["email"]),
        (&json!("bob"), &json!("bob@example.org"))
    );
    assert_eq!(user["sessions"][1]["address"], "203.0.113.1:1000");
    assert_eq!(user["sessions"][1]["username"], "bob-phone");
    assert_eq!(user["sessions"][1]["tls"], "TLSv1.2 secp256r1");
    assert_eq!(plane.last_entry().await, "user BOB allowed: ");
    for nobody in ["carol", "not%20a%20nick"] {
        assert_eq!(
            plane
                .get(&token, &format!("/v1/users/{nobody}"))
                .await
                .problem(),
            "/problems/not-online"
        );
    }
    assert!(
        plane
            .last_entry()
            .await
            .starts_with("user not a nick refused: ")
    );
}

#[tokio::test]
async fn a_repeated_list_is_recorded_once_a_minute() {
    let (plane, token) = plane_with_users().await;
    let entries = async || {
        plane
            .trail()
            .await
            .iter()
            .filter(|entry| entry.act == "users")
            .count()
    };
    for _ in 0..5 {
        plane.nicks(&token, "").await;
        plane.advance(SignedDuration::from_secs(2));
    }
    assert_eq!(entries().await, 1);
    plane.nicks(&token, "search=bob").await;
    assert_eq!(entries().await, 2, "another filter is another view");
    let other = plane.open_session("root").await;
    plane.nicks(&other, "").await;
    assert_eq!(entries().await, 3, "and so is another session");
    plane.advance(SignedDuration::from_secs(60));
    plane.nicks(&token, "").await;
    assert_eq!(entries().await, 4);
    plane.break_trail();
    plane.advance(SignedDuration::from_secs(60));
    assert_eq!(
        plane.get(&token, "/v1/users").await.problem(),
        "/problems/audit-unavailable"
    );
}
