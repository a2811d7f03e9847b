//! The CSV files beside the record, and those of the Python original.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, device_credential, starts};
use rookery_tests::server::{Server, Site};
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
async fn accounts_show_in_users_csv() {
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
async fn the_originals_files_are_taken_in_at_the_start() {
    let site = Site::new(&[]);
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
    assert_eq!(server.record().accounts().len(), 2);
    expect_in_file(&server.path("data/bans.csv"), "mallory@example.org").await;

    // Olga has no password here, but her email.
    let mut olga = Client::connect(&server, "olga").await;
    olga.negotiate("olga").await;
    olga.authenticate("X-EMAIL-CODE", b"olga\0olga@example.org")
        .await;
    olga.expect("an empty challenge", |message| {
        starts(message, "AUTHENTICATE", "+")
    })
    .await;
    let code = server.mailbox().code_to("olga@example.org").await;
    olga.respond(format!("{code}\0{}", device_credential(3).expose()).as_bytes())
        .await;
    olga.expect_numeric("903").await;
    olga.send("CAP END").await;
    olga.admitted().await;
}

#[tokio::test]
async fn rows_added_by_hand_are_taken_in_and_bad_ones_are_named() {
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
    let told = log
        .lines()
        .any(|line| line.contains("users.csv") && line.contains('4'));
    assert!(told, "the bad row is named by line:\n{log}");
    let names: Vec<String> = server
        .record()
        .accounts()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["bob", "alice", "olga"], "nothing else is lost");
    assert_eq!(server.record().bans(), ["bob@example.org"]);
    bob.until_closed().await;
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
async fn users_and_bans_move_from_one_server_to_another_by_hand() {
    let (one, other) = (Server::start().await, Server::start().await);
    let (here, there) = (
        Operator::sign_in(&one, "root").await,
        Operator::sign_in(&other, "root").await,
    );
    drop(Client::register(&one, "alice").await);
    here.done(&["ban", "mallory", "--reason", "a \"joke\", he said"])
        .await;
    let mut mallory = Client::register(&other, "mallory").await;
    for what in ["users", "bans"] {
        let file = one.path(&format!("{what}-out.csv"));
        let file = file.to_str().unwrap();
        here.done(&["export", what, file]).await;
        assert_eq!(
            here.run(&["export", what, file]).await.code,
            Some(1),
            "it is not written over"
        );
        assert!(
            there
                .done(&["import", what, file, "--dry-run"])
                .await
                .contains("Nothing was changed.")
        );
        there.done(&["import", what, file]).await;
        let out = fs::read_to_string(file).unwrap();
        let row = out.lines().nth(1).unwrap();
        assert!(there.done(&["export", what]).await.contains(row), "{row}");
    }
    let heard = mallory.until_closed().await;
    assert_eq!(
        heard.last().unwrap().to_string(),
        "ERROR :Banned: a \"joke\", he said"
    );
    assert_eq!(other.record().accounts().len(), 2);

    let file = one.path("bad.csv");
    fs::write(&file, "name,email\nbob,bob@example.org\n,nobody\n").unwrap();
    let ended = there
        .run(&["import", "users", file.to_str().unwrap()])
        .await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    assert!(
        ended.transcript.contains("Line 3: "),
        "{}",
        ended.transcript
    );
    assert_eq!(other.record().accounts().len(), 3, "the good row is in");
}
