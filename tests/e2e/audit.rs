//! The audit trail: reading, exporting and verifying it, and mailing the head of its chain.

use std::fs;
use std::path::PathBuf;

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::server::Server;
use serde_json::Value;

/// Starts a server on which an operator has done a few things.
async fn server_with_entries() -> (Server, Operator) {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    operator
        .run_ok(&["ban", "mallory", "--reason", "spam"])
        .await;
    operator.run(&["kick", "nobody"]).await;
    operator.run_ok(&["unban", "mallory"]).await;
    (server, operator)
}

/// Changes the database without the server's knowledge.
fn tamper(server: &Server, sql: &str) {
    let connection = rusqlite::Connection::open(server.path("data/rookery.db")).unwrap();
    connection.busy_timeout(rookery_tests::DEADLINE).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// Returns the file of `admin-cli` whose path matches.
fn state_file(operator: &Operator, matches: impl Fn(&str) -> bool) -> PathBuf {
    let files = fs::read_dir(operator.state_folder().join("rookery/admin-cli")).unwrap();
    files
        .map(|file| file.unwrap().path())
        .find(|file| matches(file.to_str().unwrap()))
        .unwrap()
}

/// Runs `rookeryd audit` with these arguments, and returns its exit code and output.
fn rookeryd_audit(server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let output = server.rookeryd(&[&["audit"], arguments].concat());
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Whether the output names the entry with this number, in any wording.
fn names_entry(output: &str, id: i64) -> bool {
    let output = output.to_lowercase();
    let name = format!("entry {id}");
    output
        .split(&name)
        .skip(1)
        .any(|rest| !rest.starts_with(|char: char| char.is_ascii_digit()))
}

#[tokio::test]
async fn entries_are_found_by_admin_act_target_outcome_and_time() {
    let (server, root) = server_with_entries().await;
    let carla = Operator::sign_in(&server, "carla").await;
    carla.run_ok(&["ban", "eve"]).await;
    let find = async |filters: &[&str]| -> Vec<String> {
        let json = root.run_ok(&[&["--json", "audit"], filters].concat()).await;
        let list: Value = serde_json::from_str(&json).unwrap();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        let line = |entry| {
            ["actor", "act", "target", "outcome"]
                .map(|key| text(entry, key))
                .join(" ")
        };
        list["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(line)
            .collect()
    };
    // An entry says who acted, from where, in which session, and when.
    let sessions: Value = carla.run_json(&["sessions"]).await;
    let own = sessions["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|session| session["admin"] == "carla");
    let list = root
        .run_ok(&["--json", "audit", "--actor", "carla", "--act", "ban"])
        .await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let entry = &list["entries"][0];
    assert_eq!(entry["session"], own.unwrap()["id"], "{entry}");
    assert!(
        entry["origin"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{entry}"
    );
    let at: jiff::Timestamp = entry["at"].as_str().unwrap().parse().unwrap();
    assert!(
        jiff::Timestamp::now().duration_since(at).as_secs() < 60,
        "{entry}"
    );
    assert_eq!(
        find(&["--actor", "CARLA", "--act", "ban"]).await,
        ["carla ban eve allowed"]
    );
    assert_eq!(
        find(&["--act", "ban"]).await,
        ["root ban mallory allowed", "carla ban eve allowed"]
    );
    let about_mallory = ["root ban mallory allowed", "root unban mallory allowed"];
    assert_eq!(
        find(&["--target", "Mallory", "--since", "1h"]).await,
        about_mallory
    );
    assert_eq!(
        find(&["--outcome", "refused"]).await,
        ["root kick nobody refused"]
    );
    assert!(find(&["--until", "1h"]).await.is_empty());
    assert!(find(&["--since", "2100-01-01T00:00:00Z"]).await.is_empty());
    assert_eq!(
        root.run(&["audit", "--since", "yesterday"]).await.code,
        Some(2)
    );

    let table = root
        .run_ok(&["audit", "--act", "ban", "--limit", "1"])
        .await;
    assert!(
        table.contains("eve") && !table.contains("mallory"),
        "{table}"
    );
    let before = table
        .split("--before ")
        .nth(1)
        .expect("there is more")
        .trim();
    let table = root
        .run_ok(&["audit", "--act", "ban", "--limit", "1", "--before", before])
        .await;
    assert!(
        table.contains("mallory") && table.contains("1 entry") && !table.contains("--before"),
        "{table}"
    );
}

#[tokio::test]
async fn an_export_contains_every_entry_and_is_verified_without_the_server() {
    let (mut server, operator) = server_with_entries().await;
    let file = server.path("trail.jsonl");
    let output = operator
        .run_ok(&["audit", "export", file.to_str().unwrap()])
        .await;
    let export = fs::read_to_string(&file).unwrap();
    let exported = export.lines().count();
    assert!(output.contains(&format!("{exported} entries")), "{output}");
    assert_eq!(exported, server.database().audit().len());
    assert_eq!(
        operator
            .run(&["audit", "export", file.to_str().unwrap()])
            .await
            .code,
        Some(1),
        "an existing file is not overwritten"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), export);
    assert!(
        operator
            .run_ok(&["audit", "export"])
            .await
            .starts_with(&export),
        "the same on standard output"
    );

    server.kill9();
    let (code, output) = rookeryd_audit(&server, &["verify", "trail.jsonl"]);
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains(&format!("{exported} entries")), "{output}");
    let lines: Vec<&str> = export.lines().collect();
    let without = |number: usize| [&lines[..number - 1], &lines[number..]].concat();
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    let changed = export.replacen("mallory", "malory", 1);
    for (name, content, entry) in [
        ("changed", changed, 4),
        ("removed", without(3).join("\n"), 4),
        ("reordered", swapped.join("\n"), 5),
        (
            "cut off in a line",
            export[..export.len() - 20].to_owned(),
            exported,
        ),
    ] {
        fs::write(server.path("other.jsonl"), content).unwrap();
        let (code, output) = rookeryd_audit(&server, &["verify", "other.jsonl"]);
        assert_eq!(code, Some(1), "{name}: {output}");
        assert!(
            names_entry(&output, entry.try_into().unwrap()),
            "{name}: {output}"
        );
    }
    let (code, output) = rookeryd_audit(&server, &["verify", "nowhere.jsonl"]);
    assert_eq!(code, Some(1));
    assert!(output.contains("nowhere.jsonl"), "{output}");
}

#[tokio::test]
async fn changes_to_the_trail_are_detected_online_and_offline() {
    let (mut server, operator) = server_with_entries().await;
    operator.run_ok(&["audit", "verify"]).await;
    assert_eq!(rookeryd_audit(&server, &["verify"]).0, Some(0));
    let (_, head) = rookeryd_audit(&server, &["head"]);
    let head = head.trim();
    assert_eq!(
        rookeryd_audit(&server, &["verify", "--head", head]).0,
        Some(0)
    );
    operator.run_ok(&["audit", "verify", "--head", head]).await;
    tamper(&server, "CREATE TABLE whole AS SELECT * FROM audit");

    let swap = "UPDATE audit SET id = -1 WHERE id = 3; UPDATE audit SET id = 3 WHERE id = 4; \
                UPDATE audit SET id = 4 WHERE id = -1";
    for (change, undo, entry) in [
        (
            "UPDATE audit SET target = 'alice' WHERE id = 4",
            "DELETE FROM audit WHERE id = 4; INSERT INTO audit SELECT * FROM whole WHERE id = 4",
            4,
        ),
        (
            "DELETE FROM audit WHERE id = 3",
            "INSERT INTO audit SELECT * FROM whole WHERE id = 3",
            4,
        ),
        (swap, swap, 3),
    ] {
        tamper(&server, change);

        let ended = operator.run(&["audit", "verify"]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.transcript);
        assert!(
            names_entry(&ended.transcript, entry),
            "{change}: {}",
            ended.transcript
        );
        let (code, output) = rookeryd_audit(&server, &["verify"]);
        assert_eq!(code, Some(1));
        assert!(names_entry(&output, entry), "{change}: {output}");
        tamper(&server, undo);
        operator.run_ok(&["audit", "verify"]).await;
    }

    // A change that moves the newest entry is noticed at once: nothing can be recorded.
    tamper(
        &server,
        "CREATE TABLE newest AS SELECT * FROM audit WHERE id >= 3; DELETE FROM audit WHERE id = 3; \
         UPDATE audit SET id = id - 1 WHERE id > 3",
    );
    let ended = operator.run(&["audit", "verify"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    assert!(names_entry(&ended.transcript, 3), "{}", ended.transcript);
    let ended = operator.run(&["announce", "to be recorded"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    assert!(
        ended.transcript.contains("removed or changed"),
        "{}",
        ended.transcript
    );
    let (code, output) = rookeryd_audit(&server, &["verify"]);
    assert_eq!(code, Some(1));
    assert!(names_entry(&output, 3), "{output}");
    tamper(
        &server,
        "DELETE FROM audit WHERE id >= 3; INSERT INTO audit SELECT * FROM newest",
    );
    operator.run_ok(&["audit", "verify"]).await;

    // The chain alone does not show that its end was removed if the counter was set back as well.
    // The running server and an earlier head do.
    tamper(
        &server,
        "DELETE FROM audit WHERE id > 3; UPDATE sqlite_sequence SET seq = 3 WHERE name = 'audit'",
    );
    for act in [&["kick", "nobody"][..], &["audit", "verify"]] {
        let ended = operator.run(act).await;
        assert!(
            ended.code == Some(1) && ended.transcript.contains("removed or changed"),
            "{}",
            ended.transcript
        );
    }
    assert!(server.log().contains("rookeryd audit verify --head"));
    server.sigterm().await;
    server.restart().await;
    let operator = Operator::existing(&server, "root");
    operator.login(&server).await;
    operator.run_ok(&["audit", "verify"]).await;
    let id: i64 = head.split(':').next().unwrap().parse().unwrap();
    let ended = operator.run(&["audit", "verify", "--head", head]).await;
    assert_eq!(ended.code, Some(1));
    assert!(names_entry(&ended.transcript, id), "{}", ended.transcript);
    assert_eq!(
        operator
            .run(&["audit", "verify", "--head", "nonsense"])
            .await
            .code,
        Some(2)
    );
}

#[tokio::test]
async fn newest_entries_that_were_cut_off_are_missed_at_the_next_sign_in() {
    let (mut server, operator) = server_with_entries().await;
    operator.run_ok(&["audit"]).await;
    let seen = state_file(&operator, |name| name.ends_with(".audit-head.json"));
    let file = seen.to_str().unwrap();
    let before: Value = serde_json::from_str(&fs::read_to_string(&seen).unwrap()).unwrap();
    let id = before["id"].as_i64().unwrap();
    let before = format!("{id}:{}", before["hash"].as_str().unwrap());
    let (code, output) = rookeryd_audit(&server, &["verify", "--signed-head", file]);
    assert_eq!(code, Some(0), "{output}");

    server.sigterm().await;
    tamper(
        &server,
        "DELETE FROM audit WHERE id > 3; UPDATE sqlite_sequence SET seq = 3 WHERE name = 'audit'",
    );
    let (_, cut_off) = rookeryd_audit(&server, &["head"]);
    assert!(cut_off.starts_with("3:"), "{cut_off}");
    assert_eq!(rookeryd_audit(&server, &["verify"]).0, Some(0), "no gap");
    let (code, output) = rookeryd_audit(&server, &["verify", "--signed-head", file]);
    assert!(code == Some(1) && names_entry(&output, id), "{output}");
    server.restart().await;

    let warned = |output: &str| output.contains(&before) && output.contains(file);
    let mut login = operator.start_login(&server);
    login.type_line(&server.mailbox().code_to(&admin_email("root")).await);
    let exit = login.wait().await;
    assert!(
        exit.code == Some(0) && warned(&exit.transcript),
        "{}",
        exit.transcript
    );
    let verified = operator.run(&["audit", "verify"]).await;
    assert!(
        verified.code == Some(1) && warned(&verified.transcript),
        "{}",
        verified.transcript
    );
    // However many entries follow, the one that was there before is missing.
    while server.database().audit().len() <= usize::try_from(id).unwrap() {
        operator.run(&["kick", "nobody"]).await;
    }
    let list = operator.run_ok(&["audit"]).await;
    assert!(warned(&list), "{list}");
    let (code, output) = rookeryd_audit(&server, &["verify", "--signed-head", file]);
    assert!(code == Some(1) && names_entry(&output, id), "{output}");
    // Nor does a damaged file hide that, or keep the operator from working.
    fs::write(&seen, "{").unwrap();
    let warned = |output: &str| output.contains("WARNING") && output.contains(file);
    let list = operator.run_ok(&["audit"]).await;
    assert!(warned(&list) && list.contains("kick"), "{list}");
    let verified = operator.run(&["audit", "verify"]).await;
    assert!(
        verified.code == Some(1) && warned(&verified.transcript),
        "{}",
        verified.transcript
    );
    fs::remove_file(&seen).unwrap();
    let list = operator.run_ok(&["audit"]).await;
    assert!(!list.contains("WARNING"), "{list}");
    operator.run_ok(&["audit", "verify"]).await;
}

#[tokio::test]
async fn the_oldest_entries_are_archived_while_the_server_runs_and_the_chain_stays_provable() {
    let (server, operator) = server_with_entries().await;
    let (_, old_head) = rookeryd_audit(&server, &["head"]);
    let archive = server.path("archive.jsonl");
    let (archive, database) = (archive.to_str().unwrap(), server.path("data/rookery.db"));
    let database = database.to_str().unwrap();
    let run = ["archive", "--before", "2100-01-01", "--to", archive];
    let (code, output) = rookeryd_audit(&server, &run);
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains(old_head.trim()), "{output}");
    let (code, output) = rookeryd_audit(&server, &run);
    assert!(
        code == Some(1) && output.contains("exists already"),
        "{output}"
    );

    operator.run_ok(&["ban", "eve"]).await;
    let list = operator.run_ok(&["audit", "--act", "audit archive"]).await;
    assert!(list.contains("uid "), "{list}");
    // The entry that the operator has seen is only in the archive.
    assert!(list.contains("was archived since"), "{list}");
    let kept = state_file(&operator, |name| {
        name.contains(".audit-head.") && !name.ends_with(".audit-head.json")
    });
    let kept = kept.to_str().unwrap();
    assert!(list.contains(kept), "{list}");
    let files = ["verify", archive, database, "--signed-head", kept];
    let (code, output) = rookeryd_audit(&server, &files);
    assert_eq!(code, Some(0), "{output}");
    let verified = operator.run_ok(&["audit", "verify"]).await;
    assert!(!verified.contains("was archived since"), "{verified}");
    assert!(verified.contains(old_head.trim()), "{verified}");
    for (files, expected) in [
        (&[][..], 0),
        (&[archive], 0),
        (&[archive, database], 0),
        (&[database, archive], 1),
    ] {
        let (code, output) = rookeryd_audit(&server, &[&["verify"], files].concat());
        assert_eq!(code, Some(expected), "{files:?}: {output}");
    }

    // A head from before is proven by the archive.
    let first: Value = fs::read_to_string(archive)
        .unwrap()
        .lines()
        .next()
        .map(|line| serde_json::from_str(line).unwrap())
        .unwrap();
    let first = format!("1:{}", first["hash"].as_str().unwrap());
    let (code, output) = rookeryd_audit(&server, &["verify", "--head", &first]);
    assert!(code == Some(1) && output.contains("archive"), "{output}");
    let files = ["verify", "--head", &first, archive, database];
    let (code, output) = rookeryd_audit(&server, &files);
    assert_eq!(code, Some(0), "{output}");

    // Entries that are removed without the act are missing.
    tamper(
        &server,
        "DELETE FROM audit WHERE id = (SELECT min(id) FROM audit)",
    );
    let (code, output) = rookeryd_audit(&server, &["verify"]);
    assert!(
        code == Some(1) && output.contains("are missing"),
        "{output}"
    );
}

#[tokio::test]
async fn the_head_of_the_chain_is_mailed_to_every_admin_once_a_day() {
    let mut server = Server::start().await;
    let root = Operator::add(&server, "root");
    Operator::add(&server, "carla");
    server.set("admin.mail_chain_head = true");
    server.sigterm().await;
    server.restart().await;
    let mail = server.mailbox().next_mail_to(&admin_email("carla")).await;
    let head = mail
        .lines()
        .find(|line| line.split(':').nth(1).is_some_and(|hash| hash.len() == 64));
    let head = head
        .unwrap_or_else(|| panic!("no head in this mail:\n{mail}"))
        .to_owned();
    assert!(
        server
            .mailbox()
            .next_mail_to(&admin_email("root"))
            .await
            .contains(&head),
        "all admins get the same head"
    );
    assert_eq!(server.database().count_audit("mail head", "allowed"), 1);

    server.sigterm().await;
    server.restart().await;
    root.login(&server).await;
    root.run_ok(&["audit", "verify", "--head", &head]).await;
    assert_eq!(
        server.database().count_audit("mail head", "allowed"),
        1,
        "it is not mailed again on the same day"
    );
    tamper(&server, "DELETE FROM audit WHERE id >= 3");
    assert_eq!(
        root.run(&["audit", "verify", "--head", &head]).await.code,
        Some(1)
    );
}
