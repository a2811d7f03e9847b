//! The files as the server writes them.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use tokio::task::JoinSet;

use super::*;
use crate::test_log::TestLog;

#[tokio::test]
async fn missing_files_are_created_readable_by_their_owner_only() {
    let files = TestFiles::new();
    assert!(files.sync().await.is_empty());
    assert_eq!(files.text("users.csv"), USERS);
    assert_eq!(files.text("bans.csv"), BANS);
    for file in ["users.csv", "bans.csv"] {
        assert_eq!(
            fs::metadata(files.path(file)).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let mut names: Vec<_> = fs::read_dir(files.folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    names.retain(|name| !name.to_string_lossy().starts_with(DATABASE_FILE));
    assert_eq!(names.len(), 2, "no temporary file is left: {names:?}");
}

#[tokio::test]
async fn bans_are_in_the_file_when_write_bans_returns() {
    let files = TestFiles::new();
    let bob = files.ban("Bob@example.org", "spam, \"again\"").await;
    files.ban("carol", "").await;
    files.csv.write_bans(now()).await.unwrap();
    let both = "Bob@example.org,\"spam, \"\"again\"\"\",root,2026-11-02T12:00:00Z,\n\
                carol,,root,2026-11-02T12:00:00Z,\n";
    assert_eq!(files.text("bans.csv"), format!("{BANS}{both}"));
    files.unban(bob).await;
    files.csv.write_bans(now()).await.unwrap();
    assert_eq!(
        files.text("bans.csv"),
        format!("{BANS}carol,,root,2026-11-02T12:00:00Z,\n")
    );
}

#[tokio::test]
async fn the_mode_of_an_existing_file_is_preserved() {
    let files = TestFiles::new();
    files.sync().await;
    fs::set_permissions(files.path("bans.csv"), fs::Permissions::from_mode(0o640)).unwrap();
    files.ban("bob", "").await;
    files.csv.write_bans(now()).await.unwrap();
    assert!(files.text("bans.csv").contains("bob"));
    assert_eq!(
        fs::metadata(files.path("bans.csv"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o640
    );
}

#[tokio::test]
async fn changes_of_accounts_are_written_soon_and_none_is_lost() {
    let files = TestFiles::new();
    files.sync().await;
    let mut expected = USERS.to_owned();
    for index in 10..40 {
        files.register(&format!("user{index}")).await;
        files.csv.users_changed();
        writeln!(
            expected,
            "user{index},user{index}@example.org,2026-11-02T12:00:00Z"
        )
        .unwrap();
        if index == 20 {
            tokio::time::sleep(USERS_DELAY).await;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while files.text("users.csv") != expected {
        assert!(Instant::now() < deadline, "{}", files.text("users.csv"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn rows_not_imported_yet_stay_when_the_file_is_rewritten() {
    let files = TestFiles::new();
    files.sync().await;
    files.add("bans.csv", "mallory,by hand\nno target!,,\nbob,by hand,,,");
    files.ban("bob", "by command").await;
    files.csv.write_bans(now()).await.unwrap();
    assert_eq!(
        files.text("bans.csv"),
        format!("{BANS}bob,by command,root,2026-11-02T12:00:00Z,\nmallory,by hand\nno target!,,\n")
    );
    assert_eq!(files.bans().await.len(), 1);
    assert_eq!(files.sync().await, ["mallory"]);
    assert_eq!(
        files.text("bans.rejected.csv"),
        format!("{BANS}no target!,,\n")
    );
    assert_eq!(files.bans().await.len(), 2);
}

#[tokio::test]
async fn rows_changed_or_deleted_by_hand_are_restored() {
    let files = TestFiles::new();
    files.register("alice").await;
    files.register("bob").await;
    files
        .ban("carol", "a reason\nof two lines, \"quoted\"")
        .await;
    files.sync().await;
    let (users, bans) = (files.text("users.csv"), files.text("bans.csv"));
    files.put(
        "users.csv",
        &users
            .replace("alice,", "malice,")
            .replace("bob,bob@example.org", ""),
    );
    fs::remove_file(files.path("bans.csv")).unwrap();
    files.sync().await;
    assert_eq!(
        (files.text("users.csv"), files.text("bans.csv")),
        (users, bans.clone())
    );
    assert_eq!(files.names().await, ["alice", "bob"]);

    files.add("bans.csv", "dave,\"open\nerin,fine\n");
    assert_eq!(files.sync().await, ["erin"]);
    assert_eq!(
        files.text("bans.rejected.csv"),
        format!("{BANS}dave,\"open\n")
    );
    assert!(files.text("bans.csv").starts_with(&bans));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_logged_and_affects_no_other() {
    let files = TestFiles::new();
    fs::create_dir(files.path("bans.csv")).unwrap();
    files.put("users.csv", "name,email\nbob,bob@example.org\n");
    files.put("list_of_bans.csv", "name,email\ncarol,carol@example.org\n");
    let log = TestLog::capture();
    assert_eq!(files.sync().await, ["carol@example.org"]);
    let refused = files.csv.write_bans(now()).await.unwrap_err();
    let log = log.text();
    let path = files.path("bans.csv");
    assert!(
        refused.to_string().contains(path.to_str().unwrap()),
        "{refused}"
    );
    assert_eq!(log.matches("ERROR").count(), 2, "{log}");
    assert_eq!(files.names().await, ["bob"]);
    fs::remove_dir(path).unwrap();
    files.csv.write_bans(now()).await.unwrap();
    assert!(files.text("bans.csv").contains("carol@example.org"));
}

#[test]
fn a_file_changed_in_the_meantime_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bans.csv");
    fs::write(&file, "theirs").unwrap();
    assert!(!files::replace(&file, Some(b"before"), b"ours").unwrap());
    assert!(!files::replace(&file, None, b"ours").unwrap());
    assert_eq!(fs::read(&file).unwrap(), b"theirs");
    assert!(files::replace(&file, Some(b"theirs"), b"ours").unwrap());
    assert_eq!(fs::read(&file).unwrap(), b"ours");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn concurrent_changes_of_the_bans_share_a_write() {
    let files = TestFiles::new();
    fs::create_dir(files.path("bans.csv")).unwrap();
    let log = TestLog::capture();
    let mut writes = JoinSet::new();
    for _ in 0..20 {
        let csv = files.csv.clone();
        writes.spawn(async move { csv.write_bans(now()).await });
    }
    let results = writes.join_all().await;
    assert!(
        results.iter().all(std::result::Result::is_err),
        "{results:?}"
    );
    let failures = log.text().matches("ERROR").count();
    assert!((1..=2).contains(&failures), "{failures} writes");
}
