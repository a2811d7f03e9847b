//! Lists in pages.

use std::collections::BTreeSet;

use super::*;

/// Fetches all entries of a list one by one; returns the field `name` of each.
async fn one_by_one(
    plane: &TestPlane,
    token: &str,
    path: &str,
    list: &str,
    name: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = plane.get(token, &format!("{path}?limit=1{after}")).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let page = page.json();
        let entries = page[list].as_array().unwrap();
        assert!(entries.len() <= 1, "{page}");
        found.extend(
            entries
                .iter()
                .map(|entry| entry[name].as_str().unwrap().to_owned()),
        );
        let next = match &page["next"] {
            Value::Null => return found,
            Value::String(next) => next.replace('#', "%23"),
            next => next.to_string(),
        };
        after = format!("&after={next}");
    }
}

#[tokio::test]
async fn every_list_is_returned_page_by_page_without_a_gap() {
    let plane = TestPlane::new().await;
    plane.add_admin("Vera").await;
    plane.add_admin("anna").await;
    let token = plane.sign_in("root").await;
    let _alice = plane.connect("alice").await;
    let _bob = plane.connect("bob").await;
    for target in ["one", "two", "three"] {
        plane
            .post(&token, "/v1/bans", &json!({ "target": target }))
            .await;
    }
    for _ in 0..2 {
        plane.open_session("root").await;
    }
    assert_eq!(
        one_by_one(&plane, &token, "/v1/bans", "bans", "target").await,
        ["three", "two", "one"]
    );
    assert_eq!(
        one_by_one(&plane, &token, "/v1/admins", "admins", "name").await,
        ["anna", "root", "Vera"]
    );
    assert_eq!(
        one_by_one(&plane, &token, "/v1/channels", "channels", "name").await,
        ["#lobby"]
    );
    let members = one_by_one(&plane, &token, "/v1/channels/%23lobby", "members", "nick").await;
    assert_eq!(members, ["alice", "bob"]);
    let sessions = one_by_one(&plane, &token, "/v1/sessions", "sessions", "id").await;
    assert_eq!(
        sessions.iter().collect::<BTreeSet<_>>().len(),
        3,
        "even those that began at the same time: {sessions:?}"
    );

    for path in [
        "/v1/bans",
        "/v1/admins",
        "/v1/channels",
        "/v1/channels/%23lobby",
        "/v1/sessions",
    ] {
        for options in ["?limit=0", "?limit=1001", "?limit=x", "?nothing=1"] {
            let reply = plane.get(&token, &format!("{path}{options}")).await;
            assert_eq!(reply.problem(), "/problems/bad-request", "{path}{options}");
        }
    }
    assert_eq!(
        plane.get(&token, "/v1/bans?after=x").await.problem(),
        "/problems/bad-request"
    );
    assert_eq!(
        plane
            .get(&token, "/v1/channels?after=lobby")
            .await
            .problem(),
        "/problems/bad-request"
    );
}
