//! Exporting and importing accounts and bans as CSV files.

use futures_util::FutureExt as _;
use tokio::task::yield_now;

use super::*;
use crate::import_turns::ImportTurns;

impl TestPlane {
    async fn import(&self, token: &str, what: &str, content: impl Into<Body>) -> Reply {
        let request = Request::post(format!("/v1/import/{what}"))
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "text/csv; charset=utf-8");
        self.send(request, content).await
    }

    async fn account_names(&self) -> Vec<String> {
        let accounts = self
            .database
            .read(rookery_store::Store::accounts)
            .await
            .unwrap();
        accounts
            .iter()
            .map(|account| account.name.to_string())
            .collect()
    }
}

#[tokio::test]
async fn an_export_can_be_imported_on_another_server() {
    let (one, other) = (TestPlane::new().await, TestPlane::new().await);
    let (token, other_token) = (one.sign_in("root").await, other.sign_in("root").await);
    for name in ["alice", "Böb", "carl"] {
        one.add_account(name).await;
    }
    for (target, reason) in [
        ("mallory", "he said \"no, never\", twice"),
        ("*@spam.example", "=cmd|' /C calc'!A0, ünwanted"),
    ] {
        let body = json!({ "target": target, "reason": reason, "duration": "7d" });
        assert_eq!(
            one.post(&token, "/v1/bans", &body).await.status,
            StatusCode::CREATED
        );
    }
    for what in ["users", "bans"] {
        let exported = one.get(&token, &format!("/v1/export/{what}")).await;
        assert_eq!(
            exported.headers[header::CONTENT_TYPE],
            "text/csv; charset=utf-8"
        );
        assert_eq!(one.last_entry().await, format!("export-{what}  allowed: "));
        let reply = other
            .import(&other_token, what, exported.text.clone())
            .await
            .json();
        assert_eq!(
            (&reply["known"], &reply["rejected"], &reply["done"]),
            (&json!(0), &json!([]), &json!(true))
        );
        assert_eq!(
            other
                .get(&other_token, &format!("/v1/export/{what}"))
                .await
                .text,
            exported.text
        );
        let rows = exported.text.lines().count() - 1;
        assert_eq!(
            (&reply["rows"], &reply["added"]),
            (&json!(rows), &json!(rows))
        );
        assert_eq!(
            other
                .trail()
                .await
                .iter()
                .filter(|entry| entry.act == format!("import-{what}"))
                .count(),
            1,
            "one entry for the whole import"
        );
        let again = other.import(&other_token, what, exported.text).await.json();
        assert_eq!(
            (&again["added"], &again["known"]),
            (&json!(0), &json!(rows))
        );
    }
    assert_eq!(other.account_names().await, one.account_names().await);
}

#[tokio::test]
async fn every_invalid_row_is_reported_by_its_line_and_the_others_are_imported() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("alice").await;
    let mut content = b"name,email,created_at\nbob,bob@example.org,2026-01-02T03:04:05Z\n".to_vec();
    content.extend(
        b"no mail,\n\nalice,other@example.org\ncarl,carl@example.org\n\xff,x@example.org\n",
    );
    content
        .extend(b"dora,carl@example.org\neve,eve@example.org,yesterday\n\"open,open@example.org\n");
    let reply = plane.import(&token, "users", content).await.json();
    let lines: Vec<_> = reply["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["line"].clone())
        .collect();
    assert_eq!(
        lines,
        [json!(3), json!(5), json!(7), json!(8), json!(9), json!(10)],
        "{reply}"
    );
    assert!(
        reply["rejected"][4]["reason"]
            .as_str()
            .unwrap()
            .contains("created_at"),
        "{reply}"
    );
    assert_eq!(
        (&reply["rows"], &reply["added"], &reply["known"]),
        (&json!(8), &json!(2), &json!(0))
    );
    assert_eq!(plane.account_names().await, ["alice", "bob", "carl"]);
    assert_eq!(
        plane.last_entry().await,
        "import-users  allowed: 8 rows: 2 added, 0 known, 6 bad"
    );
}

#[tokio::test]
async fn a_long_list_of_rows_is_cut_and_the_rest_counted() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let content = format!(
        "target\n{}{}",
        "bad row\n".repeat(1300),
        "*@*\n".repeat(1002)
    );
    for keys in [&[][..], &["one"]] {
        let mut request = Request::post("/v1/import/bans?dry_run=true")
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "text/csv");
        for key in keys {
            request = request.header("Idempotency-Key", *key);
        }
        let reply = plane.send(request, content.clone()).await.json();
        for (list, more, last, count) in [
            ("rejected", "more_rejected", 1001, 300),
            ("doubtful", "more_doubtful", 2301, 2),
        ] {
            let listed = reply[list].as_array().unwrap();
            assert_eq!(
                (listed.len(), &listed[999]["line"], &reply[more]),
                (1000, &json!(last), &json!(count)),
                "{list}"
            );
        }
    }
    plane.import(&token, "bans?confirm=true", content).await;
    assert_eq!(
        plane.last_entry().await,
        "import-bans  allowed: 2302 rows: 1 added, 1001 known, 1300 bad"
    );
}

#[tokio::test]
async fn an_imported_ban_takes_effect_at_once() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let (alice, bob) = (plane.connect("alice").await, plane.connect("bob").await);
    let content = "target,reason,by,created_at,expires_at\n\
        alice,\"spam, spam\",elsewhere,2026-01-02T03:04:05Z,\n\
        bob@example.org,,,,2090-01-01\n\
        old,over,root,,2020-01-01\n";
    let reply = plane.import(&token, "bans", content).await.json();
    assert_eq!(
        (&reply["added"], &reply["sessions"]),
        (&json!(2), &json!(2)),
        "{reply}"
    );
    assert_eq!(
        reply["rejected"][0],
        json!({ "line": 4, "reason": "the ban has already expired" })
    );
    assert!(
        alice
            .await
            .unwrap()
            .contains("ERROR :Banned: spam, spam\r\n")
    );
    assert!(bob.await.unwrap().contains("ERROR :Banned: "));
    assert!(matches!(
        plane.admission("alice").await,
        Admission::Banned { .. }
    ));
    let bans = plane.bans().await;
    let by: Vec<&str> = bans.iter().map(|ban| ban.by.as_str()).collect();
    assert_eq!(
        by,
        ["root", "elsewhere"],
        "an imported ban without an author is by the operator"
    );
}

#[tokio::test]
async fn the_csv_lists_of_the_original_chat_room_are_imported() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let content = "name,email\nAlice,alice@example.org\n";
    let reply = plane.import(&token, "users", content).await.json();
    assert_eq!(
        (&reply["added"], &reply["rejected"]),
        (&json!(1), &json!([]))
    );
    let reply = plane.import(&token, "bans", content).await.json();
    assert_eq!(
        (&reply["added"], &reply["rejected"]),
        (&json!(1), &json!([])),
        "{reply}"
    );
    assert_eq!(
        plane.bans().await[0].target.to_string(),
        "alice@example.org"
    );
}

#[tokio::test]
async fn a_dry_run_reports_everything_and_changes_nothing() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    let content = "target\nalice@example.org\nbad row\nalice@example.org\n";
    let reply = plane
        .import(&token, "bans?dry_run=true", content)
        .await
        .json();
    assert_eq!(
        (&reply["added"], &reply["known"], &reply["done"]),
        (&json!(1), &json!(1), &json!(false))
    );
    assert_eq!(reply["rejected"][0]["line"], json!(3));
    assert!(plane.bans().await.is_empty() && !alice.is_finished());
    assert_eq!(
        plane.last_entry().await,
        "import-bans  allowed: dry run, 3 rows"
    );
    let users = plane
        .import(
            &token,
            "users?dry_run=true",
            "name,email\nalice,alice@example.org\n",
        )
        .await
        .json();
    assert_eq!(users["added"], json!(1));
    assert!(plane.account_names().await.is_empty());
    // The import of the dry run succeeds.
    let users = plane
        .import(&token, "users", "name,email\nalice,alice@example.org\n")
        .await
        .json();
    assert_eq!(users["added"], json!(1));
}

#[tokio::test]
async fn an_import_with_a_ban_of_everyone_has_to_be_confirmed() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let content = "target\nmallory\n*@*\n";
    let reply = plane.import(&token, "bans", content).await;
    assert_eq!(reply.problem(), "/problems/confirmation-required");
    assert!(reply.field("detail").starts_with("Line 3: "), "{reply:?}");
    assert!(plane.bans().await.is_empty());
    for query in ["bans?dry_run=true", "bans?dry_run=true&confirm=true"] {
        let dry_run = plane.import(&token, query, content).await.json();
        let doubtful = dry_run["doubtful"].as_array().unwrap();
        assert_eq!(doubtful.len(), 1, "{dry_run}");
        assert_eq!(doubtful[0]["line"], json!(3));
        let reason = doubtful[0]["reason"].as_str().unwrap();
        assert!(reason.contains("everyone"), "{reason}");
        assert_eq!(dry_run["added"], json!(2));
    }
    plane.import(&token, "bans", content).await;
    assert!(
        plane
            .last_entry()
            .await
            .starts_with("import-bans  refused: Line 3: ")
    );
    assert_eq!(
        plane
            .import(&token, "bans?confirm=true", content)
            .await
            .json()["added"],
        json!(2)
    );
}

#[tokio::test]
async fn an_import_of_another_type_too_large_or_without_a_record_is_refused() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let reply = plane.post(&token, "/v1/import/users", &json!({})).await;
    assert_eq!(reply.problem(), "/problems/not-csv");
    let big = "x".repeat(1024 * 1024 + 1);
    assert_eq!(
        plane.import(&token, "users", big).await.problem(),
        "/problems/body-too-large"
    );
    assert_eq!(
        plane.import(&token, "users?dry=1", "").await.problem(),
        "/problems/bad-request"
    );
    let rows: Vec<String> = (0..3000)
        .map(|number| format!("user{number},user{number}@example.org"))
        .collect();
    let rows = format!("name,email\n{}", rows.join("\n"));
    assert!(rows.len() > 64 * 1024);
    let keyed = Request::post("/v1/import/users")
        .header("Authorization", format!("Bearer {token}"))
        .header("Content-Type", "text/csv")
        .header("Idempotency-Key", "k1");
    assert_eq!(
        plane.send(keyed, rows).await.json()["added"],
        json!(3000),
        "with a key as well"
    );
    plane.break_trail();
    assert_eq!(
        plane
            .import(&token, "users", "name,email\nzoe,zoe@example.org\n")
            .await
            .problem(),
        "/problems/audit-unavailable"
    );
    assert_eq!(plane.account_names().await.len(), 3000);
}

#[tokio::test]
async fn a_file_that_means_something_else_is_refused_whole() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for (what, content, reason) in [
        (
            "users",
            "",
            "Line 1: the first line must be the header name",
        ),
        (
            "bans",
            "\u{feff}\r\n,,\n\n",
            "Line 1: the first line must be the header target",
        ),
        (
            "bans",
            "target;reason\nmagpie;noise\n",
            "Line 1: the columns are separated by",
        ),
        (
            "bans",
            "target,reason\neve,\nmagpie;noise\n",
            "Line 3: the columns are separated by",
        ),
        (
            "bans",
            "magpie,noise\n",
            "Line 1: the first line must be the header target,reason",
        ),
        (
            "users",
            "bob,bob@example.org\n",
            "Line 1: the first line must be the header name,email",
        ),
        (
            "users",
            "name,email\nerin,erin@example.org\nbob@example.org,bob\n",
            "Line 3: the column name holds an email",
        ),
    ] {
        for query in ["", "?dry_run=true", "?confirm=true"] {
            let reply = plane
                .import(&token, &format!("{what}{query}"), content)
                .await;
            assert_eq!(reply.problem(), "/problems/invalid", "{content:?}");
            assert!(reply.field("detail").starts_with(reason), "{reply:?}");
            let entry = plane.last_entry().await;
            assert!(
                entry.starts_with(&format!("import-{what}  refused: {reason}")),
                "{entry}"
            );
        }
    }
    assert!(plane.bans().await.is_empty() && plane.account_names().await.is_empty());
    let accepted = "\u{feff}target\nmagpie\n";
    assert_eq!(
        plane.import(&token, "bans", accepted).await.json()["added"],
        json!(1)
    );
}

#[tokio::test]
async fn the_apostrophe_of_a_spreadsheet_does_not_become_part_of_a_name() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let reply = plane
        .import(&token, "bans", "target\n'=SUM\n'+a@example.org\n'quoted'\n")
        .await
        .json();
    assert_eq!(
        (&reply["added"], &reply["rejected"][1]["line"]),
        (&json!(1), &json!(3)),
        "{reply}"
    );
    let reply = plane
        .import(&token, "users", "name,email\nquail,'+q@example.org\n")
        .await
        .json();
    assert_eq!(reply["rejected"][0]["line"], json!(2), "{reply}");
}

/// Returns a file of bans of `count` accounts, of which one is repeated at the end.
fn many_bans(count: usize) -> String {
    let rows: Vec<String> = (0..count)
        .map(|number| format!("magpie{number}\n"))
        .collect();
    format!("target\n{}magpie0\n", rows.concat())
}

#[tokio::test]
async fn others_write_while_a_long_file_is_imported() {
    const ROWS: usize = 1000;
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let import = async {
        let reply = plane.import(&token, "bans", many_bans(ROWS)).await.json();
        assert_eq!(
            (&reply["added"], &reply["known"]),
            (&json!(ROWS), &json!(1))
        );
    };
    let others = async {
        let (mut seen, now) = (Vec::new(), plane.now.get());
        while seen.last() != Some(&ROWS) {
            let write = move |store: &mut rookery_store::Store| {
                store.set_csv_content("another", "file")?;
                Ok(store.bans(now)?.len())
            };
            seen.push(
                plane
                    .database
                    .write(Durability::Record, write)
                    .await
                    .unwrap(),
            );
        }
        seen.dedup();
        assert!(seen.len() > 3, "nothing was written in between: {seen:?}");
    };
    tokio::join!(import, others);
    let entries = plane.trail().await;
    let details: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.act == "import-bans")
        .map(|entry| entry.detail.as_str())
        .collect();
    let done = "1001 rows: 1000 added, 1 known, 0 bad";
    assert_eq!(details, ["1001 rows: begun", done]);
}

#[tokio::test]
async fn a_dry_run_of_a_long_file_reports_what_its_import_does() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let users: Vec<String> = (0..500)
        .map(|number| format!("quail{number},quail{number}@example.org\n"))
        .collect();
    let users = users.concat();
    let users = format!(
        "name,email\n{users}quail0,quail0@example.org\nother,quail1@example.org\n\
         QUAIL2,other@example.org\n"
    );
    for (what, content, known, rejected) in [
        ("users", users, 1, vec![503, 504]),
        ("bans", many_bans(500), 1, vec![]),
    ] {
        let dry_run = format!("{what}?dry_run=true");
        let mut expected = plane.import(&token, &dry_run, content.clone()).await.json();
        expected["done"] = json!(true);
        assert_eq!(plane.import(&token, what, content).await.json(), expected);
        let lines = expected["rejected"].as_array().unwrap().iter();
        let lines: Vec<_> = lines.map(|row| row["line"].clone()).collect();
        assert_eq!(
            (&expected["known"], json!(lines)),
            (&json!(known), json!(rejected))
        );
    }
}

/// Waits until an import of the admin waits for its turn or runs.
async fn until_begun(turns: &ImportTurns, admin: &str) {
    while !matches!(turns.begin(admin).now_or_never(), Some(Err(_))) {
        yield_now().await;
    }
}

#[tokio::test]
async fn an_admin_has_one_import_at_a_time_and_others_wait_for_their_turn() {
    let plane = TestPlane::new().await;
    plane.add_admin("second").await;
    let (token, other) = (plane.sign_in("root").await, plane.sign_in("second").await);
    let turns = &plane.state.imports;
    let turn = turns.begin("another").await.ok();
    let users = "name,email\ncarol,carol@example.org\n";
    let others = async {
        until_begun(turns, "root").await;
        let again = plane.import(&token, "users", users).await;
        assert_eq!(again.problem(), "/problems/in-progress");
        let release = async {
            until_begun(turns, "second").await;
            assert_eq!(plane.bans().await.len(), 0);
            drop(turn);
        };
        tokio::join!(plane.import(&other, "bans", "target\nmallory\n"), release).0
    };
    let (first, other) = tokio::join!(plane.import(&token, "bans", many_bans(1000)), others);
    assert_eq!(first.json()["added"], json!(1000));
    assert_eq!(other.json()["added"], json!(1));
    let newest = &plane.bans().await[0];
    assert_eq!(
        newest.target.to_string(),
        "mallory",
        "it ran after the first"
    );
    let again = plane.import(&token, "users", users).await.json();
    assert_eq!(again["added"], json!(1));
}

#[tokio::test]
async fn an_import_that_waits_for_its_turn_is_refused_once_its_admin_is_removed() {
    let plane = TestPlane::new().await;
    let owner = plane.sign_in("root").await;
    let turns = &plane.state.imports;
    for (name, rows) in [("second", 10), ("third", 1000)] {
        plane.add_admin(name).await;
        let token = plane.sign_in(name).await;
        let turn = turns.begin("another").await.ok();
        let removal = async {
            until_begun(turns, name).await;
            let removed = plane.delete(&owner, &format!("/v1/admins/{name}")).await;
            assert_eq!(removed.status, StatusCode::OK, "{removed:?}");
            drop(turn);
        };
        let (reply, ()) = tokio::join!(plane.import(&token, "bans", many_bans(rows)), removal);
        assert_eq!(reply.problem(), "/problems/not-signed-in", "{rows}");
        assert_eq!(plane.bans().await.len(), 0, "{rows}");
        let last = plane.last_entry().await;
        assert!(last.contains("You were removed"), "{last}");
    }
}
