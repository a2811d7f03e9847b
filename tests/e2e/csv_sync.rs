//! The CSV files that follow the database, the files of the Python original, and import and export.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, device_credential, is_command};
use rookery_tests::server::{Server, ServerBuilder};
use rookery_tests::wait_for;

async fn expect_in_file(file: &Path, part: &str) {
    wait_for(&format!("{part:?} in {}", file.display()), || {
        fs::read_to_string(file)
            .ok()
            .filter(|content| content.contains(part))
    })
    .await;
}

#[tokio::test]
async fn accounts_appear_in_users_csv() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let file = server.path("data/users.csv");
    expect_in_file(&file, "\nalice,alice@example.org,").await;
    assert!(
        fs::read_to_string(file)
            .unwrap()
            .starts_with("name,email,created_at\n")
    );
}

#[tokio::test]
async fn the_files_of_the_original_are_imported_at_the_start() {
    let site = ServerBuilder::new(&[]);
    fs::create_dir(site.path("data")).unwrap();
    fs::write(
        site.path("data/info.csv"),
        "name,email\nolga,olga@example.org\nmallory,mallory@example.org\n",
    )
    .unwrap();
    fs::write(
        site.path("data/list_of_bans.csv"),
        "name,email\nmallory,mallory@example.org\n",
    )
    .unwrap();
    let server = site.start().await;
    assert_eq!(server.database().accounts().len(), 2);
    expect_in_file(&server.path("data/bans.csv"), "mallory@example.org").await;

    // Olga has no password on this server, but can prove her email.
    let mut olga = Client::negotiating(&server, "olga").await;
    olga.authenticate("X-EMAIL-CODE", b"olga\0olga@example.org")
        .await;
    olga.expect("an empty challenge", |message| {
        is_command(message, "AUTHENTICATE", "+")
    })
    .await;
    let code = server.mailbox().code_to("olga@example.org").await;
    olga.respond(format!("{code}\0{}", device_credential(3).expose()).as_bytes())
        .await;
    olga.expect_numeric("903").await;
    olga.send("CAP END").await;
    olga.wait_until_admitted().await;
}

#[tokio::test]
async fn rows_added_by_hand_are_imported_and_bad_ones_are_reported() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let mut alice = Client::register(&server, "alice").await;
    let users = server.path("data/users.csv");
    expect_in_file(&users, "alice").await;
    append(&users, "not a name,nowhere\nolga,olga@example.org,\n");
    append(
        &server.path("data/bans.csv"),
        "bob@example.org,added by hand,,,\n",
    );
    server.sighup().await;

    let log = server.log();
    let reported = log
        .lines()
        .any(|line| line.contains("users.csv") && line.contains('4'));
    assert!(reported, "the bad row is named by its line:\n{log}");
    let names: Vec<String> = server
        .database()
        .accounts()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["bob", "alice", "olga"], "the good row was added");
    assert_eq!(server.database().bans(), ["bob@example.org"]);
    bob.read_until_closed().await;
    alice.say("#lobby", "still here").await;
}

fn append(file: &Path, rows: &str) {
    OpenOptions::new()
        .append(true)
        .open(file)
        .unwrap()
        .write_all(rows.as_bytes())
        .unwrap();
}

#[tokio::test]
async fn users_and_bans_are_exported_and_imported_by_another_server() {
    let (one, other) = (Server::start().await, Server::start().await);
    let (source, destination) = (
        Operator::sign_in(&one, "root").await,
        Operator::sign_in(&other, "root").await,
    );
    drop(Client::register(&one, "alice").await);
    source
        .run_ok(&["ban", "mallory", "--reason", "a \"joke\", he said"])
        .await;
    let mut mallory = Client::register(&other, "mallory").await;
    for what in ["users", "bans"] {
        let file = one.path(&format!("{what}-out.csv"));
        let file = file.to_str().unwrap();
        source.run_ok(&["export", what, file]).await;
        assert_eq!(
            source.run(&["export", what, file]).await.code,
            Some(1),
            "an existing file is not overwritten"
        );
        let before = destination.run_ok(&["export", what]).await;
        destination
            .run_ok(&["import", what, file, "--dry-run"])
            .await;
        assert_eq!(
            destination.run_ok(&["export", what]).await,
            before,
            "a dry run changes nothing"
        );
        destination.run_ok(&["import", what, file]).await;
        let out = fs::read_to_string(file).unwrap();
        let row = out.lines().nth(1).unwrap();
        assert!(
            destination.run_ok(&["export", what]).await.contains(row),
            "{row}"
        );
    }
    let received = mallory.read_until_closed().await;
    assert_eq!(
        received.last().unwrap().to_string(),
        "ERROR :Banned: a \"joke\", he said"
    );
    assert_eq!(other.database().accounts().len(), 2);

    let file = one.path("bad.csv");
    fs::write(&file, "name,email\nbob,bob@example.org\n,nobody\n").unwrap();
    let ended = destination
        .run(&["import", "users", file.to_str().unwrap()])
        .await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    assert!(
        ended.transcript.to_lowercase().contains("line 3"),
        "{}",
        ended.transcript
    );
    assert_eq!(
        other.database().accounts().len(),
        3,
        "the good row was imported"
    );
}

#[tokio::test]
async fn a_reload_reports_a_file_that_is_refused_and_changes_nothing() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "alice").await);
    let users = server.path("data/users.csv");
    expect_in_file(&users, "alice").await;
    for (content, reason) in [
        (
            "name;email;created_at\nolga;olga@example.org;\n",
            "semicolons",
        ),
        ("olga,olga@example.org,\n", "header"),
        ("name,email\nolga@example.org,olga\n", "holds an email"),
    ] {
        fs::write(&users, content).unwrap();
        let ended = operator.run(&["reload"]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.transcript);
        for part in ["users.csv", "line", reason] {
            assert!(ended.transcript.contains(part), "{}", ended.transcript);
        }
        assert_eq!(fs::read_to_string(&users).unwrap(), content);
        assert_eq!(server.database().accounts().len(), 1);
    }
}
