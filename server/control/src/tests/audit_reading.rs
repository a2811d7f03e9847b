//! Reading and verifying the audit trail.

use super::*;

/// Adds `count` kicks to the trail, of `user1`, `user2`, …
async fn add_kicks(plane: &TestPlane, count: usize) {
    let append = move |store: &mut rookery_store::Store| {
        (1..=count).try_for_each(|number| store.append_audit(&entry(number)).map(drop))
    };
    plane
        .database
        .write(Durability::Message, append)
        .await
        .unwrap();
}

#[tokio::test]
async fn every_entry_is_on_exactly_one_page_in_either_direction() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    add_kicks(&plane, 25).await;
    let expected: Vec<String> = (1..=25).map(|number| format!("user{number}")).collect();
    for (cursor, start) in [("before", ""), ("after", "&after=0")] {
        let (mut found, mut sizes, mut options) = (Vec::new(), Vec::new(), start.to_owned());
        loop {
            let page = plane
                .get(&token, &format!("/v1/audit?act=kick&limit=10{options}"))
                .await
                .json();
            let entries = page["entries"].as_array().unwrap();
            let targets: Vec<String> = entries
                .iter()
                .map(|entry| entry["target"].as_str().unwrap().to_owned())
                .collect();
            sizes.push(targets.len());
            let at = if cursor == "before" { 0 } else { found.len() };
            found.splice(at..at, targets);
            let Some(next) = page["next"].as_i64() else {
                break;
            };
            options = format!("&{cursor}={next}");
        }
        assert_eq!(found, expected, "{cursor}");
        assert_eq!(sizes, [10, 10, 5]);
    }
    let newest = plane
        .get(&token, "/v1/audit?act=kick&limit=25")
        .await
        .json();
    assert!(newest["next"].is_null(), "a full page may be the last one");
}

#[tokio::test]
async fn each_filter_is_recorded_once_and_searched_while_other_reads_have_connections() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let turn = plane.state.long_read.lock().await;
    let path = |target| format!("/v1/audit?target={target}&outcome=allowed");
    let searches = ["alice", "bob"].map(|target| {
        let (path, token) = (path(target), token.clone());
        let plane = &plane;
        async move { plane.get(&token, &path).await.status }
    });
    let mut searches = std::pin::pin!(futures_util::future::join_all(searches));
    let others = async {
        let page = plane.get(&token, "/v1/audit").await.json();
        (page["entries"].as_array().unwrap().len(), turn)
    };
    tokio::select! {
        _ = &mut searches => panic!("a search has not waited for its turn"),
        (count, _) = others => assert!(count > 0),
    }
    assert_eq!(searches.await, [StatusCode::OK; 2]);
    plane.get(&token, &path("bob")).await;
    let views = plane.get(&token, "/v1/audit?act=audit").await.json();
    let mut details: Vec<&str> = views["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["detail"].as_str().unwrap())
        .collect();
    details.sort_unstable();
    let filter = |target| format!("target {target}, outcome allowed");
    assert_eq!(details, ["", "act audit", &filter("alice"), &filter("bob")]);
}

#[tokio::test]
async fn an_invalid_filter_is_refused_and_recorded() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for bad in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "before=1&after=1",
        "since=yesterday",
        "outcome=maybe",
        "colour=red",
    ] {
        let reply = plane.get(&token, &format!("/v1/audit?{bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad}");
        assert!(
            plane.last_entry().await.starts_with("audit  refused: "),
            "{bad}"
        );
    }
    for bad in ["head=x", "head=0:00", "tail=1"] {
        let reply = plane.get(&token, &format!("/v1/audit/verify?{bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad}");
        assert!(
            plane
                .last_entry()
                .await
                .starts_with("audit verify  refused: "),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_trail_of_many_pages_is_verified_to_its_end() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    add_kicks(&plane, 2500).await;
    let verdict = plane.get(&token, "/v1/audit/verify").await.json();
    let entries = plane.trail().await.len();
    assert_eq!(
        (&verdict["intact"], &verdict["entries"]),
        (&json!(true), &json!(entries)),
        "{verdict}"
    );
    assert!(verdict["defect"].is_null());

    let connection = rusqlite::Connection::open(plane.data().join("rookery.db")).unwrap();
    connection
        .execute_batch("UPDATE audit SET detail = 'spam' WHERE target = 'user2000'")
        .unwrap();
    let verdict = plane.get(&token, "/v1/audit/verify").await.json();
    let target: String = connection
        .query_row(
            "SELECT target FROM audit WHERE id = ?1",
            [verdict["defect"]["id"].as_i64()],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(
        (&verdict["intact"], target.as_str()),
        (&json!(false), "user2000"),
        "{verdict}"
    );
}

/// Returns the entry of a kick of the user with a number.
fn entry(number: usize) -> NewAudit {
    NewAudit {
        at: Timestamp::UNIX_EPOCH,
        actor: "root".to_owned(),
        origin: "local".to_owned(),
        session: String::new(),
        act: "kick".to_owned(),
        target: format!("user{number}"),
        outcome: Outcome::Allowed,
        detail: String::new(),
    }
}

#[tokio::test]
async fn an_admin_who_may_only_read_cannot_flood_the_trail() {
    let plane = TestPlane::new().await;
    plane.add_admin_as("audi", Role::Auditor).await;
    let (token, root) = (plane.sign_in("audi").await, plane.sign_in("root").await);
    let before = plane.trail().await.len();
    let mut refused = 0;
    for number in 0..400 {
        let search = format!("/v1/accounts?search=magpie{number}");
        let reply = plane.get(&token, &search).await;
        if reply.status != StatusCode::OK {
            assert_eq!(reply.problem(), "/problems/too-many-requests");
            assert_eq!(reply.headers[header::RETRY_AFTER], "60");
            refused += 1;
        }
        plane.get(&token, "/v1/accounts?limit=0").await;
        let ban = json!({ "target": format!("magpie{number}") });
        plane.post(&token, "/v1/bans", &ban).await;
    }
    assert_eq!(refused, 400 - 120);
    let entries = plane.trail().await.len() - before;
    assert_eq!(entries, 120 + 60, "reads and refusals");
    let reply = plane.get(&root, "/v1/accounts?search=magpie").await;
    assert_eq!(
        reply.status,
        StatusCode::OK,
        "another admin is not affected"
    );

    plane.advance(SignedDuration::from_secs(60));
    plane.state.trail.record_counts(plane.now.get()).await;
    let count = plane.trail().await.pop().unwrap();
    assert_eq!((&*count.actor, &*count.act), ("audi", "refusals"));
    let counted = 400 - 120 + 2 * 400 - 60;
    assert!(
        count.detail.starts_with(&format!("{counted} more since ")),
        "{}",
        count.detail
    );
    let reply = plane.get(&token, "/v1/accounts?search=magpie1").await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn a_list_that_is_read_again_within_a_minute_is_recorded_once() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let before = plane.trail().await.len();
    for _ in 0..300 {
        let reply = plane.get(&token, "/v1/audit?limit=1").await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    assert_eq!(plane.trail().await.len() - before, 1);
    plane.advance(SignedDuration::from_secs(60));
    plane.get(&token, "/v1/audit?limit=1").await;
    assert_eq!(plane.trail().await.len() - before, 2);
    plane.set_clock(plane.now.get() - SignedDuration::from_secs(60));
    plane.get(&token, "/v1/audit?limit=1").await;
    assert_eq!(
        plane.trail().await.len() - before,
        3,
        "the clock was set back"
    );
}
