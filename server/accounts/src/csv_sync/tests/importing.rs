//! Rows that people added, and the files of the original server.

use super::*;
use crate::test_log::TestLog;

#[tokio::test]
async fn added_rows_are_imported_and_empty_fields_are_filled_in() {
    let files = TestFiles::new();
    files.register("alice").await;
    files.sync().await;
    files.add(
        "users.csv",
        "bob,bob@example.org,\n carol , carol@example.org , 2026-01-31\ndave,dave@example.org\n",
    );
    files.add(
        "bans.csv",
        "mallory@example.org\neve,\"loud, very\",,2026-10-01T00:00:00Z,2026-12-31T18:00:00Z\nalice,,root,,2026-12-31\n",
    );
    assert_eq!(files.sync().await, ["mallory@example.org", "eve", "alice"]);
    assert_eq!(files.names().await, ["alice", "bob", "carol", "dave"]);
    let accounts = files.accounts().await;
    assert!(!accounts[0].greeted, "alice is unchanged");
    for account in &accounts[1..] {
        assert!(account.greeted, "{} is welcomed back", account.name);
        assert_eq!(account.password_hash, None);
    }
    assert_eq!(accounts[1].created_at, now());
    assert_eq!(accounts[2].created_at.to_string(), "2026-01-31T00:00:00Z");
    let bans = files.bans().await;
    assert_eq!(
        (&*bans[0].target.to_string(), &*bans[0].reason, &*bans[0].by),
        ("eve", "loud, very", "file")
    );
    assert_eq!(
        bans[0].expires_at.unwrap().to_string(),
        "2026-12-31T18:00:00Z"
    );
    assert_eq!(
        (&*bans[1].by, bans[1].created_at, bans[1].expires_at),
        ("file", now(), None)
    );
    assert_eq!(bans[2].by, "root");
    assert_eq!(
        files.text("users.csv"),
        format!(
            "{USERS}alice,alice@example.org,2026-11-02T12:00:00Z\nbob,bob@example.org,2026-11-02T12:00:00Z\n\
             carol,carol@example.org,2026-01-31T00:00:00Z\ndave,dave@example.org,2026-11-02T12:00:00Z\n"
        )
    );
    assert_eq!(
        files.sync().await,
        [""; 0],
        "a second time there is nothing new"
    );
    assert_eq!(files.bans().await, bans);
}

#[tokio::test]
async fn a_copy_of_the_accounts_is_restored_with_emails_that_are_refused_for_new_ones() {
    let files = TestFiles::new();
    let copy = format!("{USERS}alice,a%b@example.org,2026-01-31T00:00:00Z\n");
    files.put("users.csv", &copy);
    files.add("users.csv", "bob,b%c@example.org\ncarol,c%d@example.org,\n");
    files.sync().await;
    assert_eq!(files.text("users.csv"), copy);
    assert_eq!(
        files.text("users.rejected.csv"),
        format!("{USERS}bob,b%c@example.org\ncarol,c%d@example.org,\n")
    );
}

#[tokio::test]
async fn every_imported_row_is_in_the_audit_trail_by_the_file() {
    let files = TestFiles::new();
    fs::write(files.path("bans.csv"), format!("{BANS}bob,spam,root,,\n")).unwrap();
    fs::write(
        files.path("users.csv"),
        format!("{USERS}carol,carol@example.org,\n"),
    )
    .unwrap();
    // The second time, there is nothing new.
    for _ in 0..2 {
        files.csv.sync(now()).await.unwrap();
    }
    let query = rookery_record::AuditQuery {
        limit: 10,
        ..Default::default()
    };
    let entries = files
        .database
        .read(move |store| store.find_audit(&query))
        .await
        .unwrap();
    let mut acts: Vec<(String, String, String)> = entries
        .into_iter()
        .map(|entry| (entry.entry.actor, entry.entry.act, entry.entry.target))
        .collect();
    acts.sort();
    let act = |act: &str, target: &str| ("file".to_owned(), act.to_owned(), target.to_owned());
    assert_eq!(acts, [act("add-account", "carol"), act("ban", "bob")]);
}

#[tokio::test]
async fn a_file_saved_by_a_spreadsheet_is_imported() {
    let files = TestFiles::new();
    files.register("alice").await;
    files.sync().await;
    let alice = "\"alice\",\"alice@example.org\",\"2026-11-02T12:00:00Z\"";
    files.put(
        "users.csv",
        &format!("\u{feff}\"Name\",\"Email\",\"created_at\"\r\n{alice}\r\n\"bob\",\"bob@example.org\",\r\n"),
    );
    files.sync().await;
    assert_eq!(files.names().await, ["alice", "bob"]);
    assert!(!files.path("users.rejected.csv").exists());
    assert!(files.text("users.csv").starts_with(USERS));
}

#[tokio::test]
async fn a_lifted_ban_that_is_still_in_the_file_is_not_imported() {
    let files = TestFiles::new();
    let bob = files.ban("bob", "").await;
    let carol = files.ban("carol", "").await;
    files.csv.write_bans(now()).await.unwrap();
    // The server is killed before the file is rewritten.
    files.unban(bob).await;
    files.unban(carol).await;
    let stale = files
        .text("bans.csv")
        .replace("carol,", "carol,changed by hand")
        .replace("root", "somebody");
    files.put("bans.csv", &format!("{stale}dave,by hand\n"));
    assert!(stale.contains("bob,") && stale.contains("carol,changed"));
    assert_eq!(files.sync().await, ["dave"]);
    assert_eq!(files.bans().await.len(), 1);
    assert_eq!(
        files.text("bans.csv"),
        format!("{BANS}dave,by hand,file,2026-11-02T12:00:00Z,\n")
    );

    files.add("bans.csv", "bob,by hand\n");
    assert_eq!(files.sync().await, ["bob"], "added again, it is a new ban");
}

#[tokio::test]
async fn a_file_newer_than_the_stored_content_imports_nothing() {
    let files = TestFiles::new();
    let bob = files.ban("bob", "").await;
    files.csv.write_bans(now()).await.unwrap();
    // The server was killed between writing the file and storing its content.
    files
        .database
        .write(Durability::Record, |store| {
            store.set_csv_content("bans.csv", BANS)
        })
        .await
        .unwrap();
    assert_eq!(files.sync().await, [""; 0]);
    files.unban(bob).await;
    files.csv.write_bans(now()).await.unwrap();
    assert_eq!(files.text("bans.csv"), BANS);
}

#[tokio::test]
async fn the_files_of_the_original_server_are_imported_once_and_never_written() {
    let files = TestFiles::new();
    files.register("alice").await;
    let info = "Name,Email\r\n\r\nalice,alice@example.org\r\nBob,bob@example.org\r\n\r\ntwo words,w@example.org\r\n";
    let banned = "name,email\ntwo words,w@example.org\nBob,bob@example.org\n";
    files.put("info.csv", info);
    files.put("list_of_bans.csv", banned);
    let log = TestLog::capture();
    assert_eq!(files.sync().await, ["w@example.org", "bob@example.org"]);
    let log = log.text();
    assert_eq!(files.names().await, ["alice", "Bob"]);
    assert!(files.accounts().await[1].greeted);
    assert_eq!(
        files.bans().await[0].reason,
        "imported from list_of_bans.csv"
    );
    assert!(log.contains("info.csv, line 6, was rejected"), "{log}");

    let (bans, accounts) = (files.bans().await, files.names().await);
    assert_eq!(files.sync().await, [""; 0]);
    assert_eq!(
        (files.bans().await, files.names().await),
        (bans.clone(), accounts)
    );
    files.unban(bans[0].id).await;
    assert_eq!(
        files.sync().await,
        [""; 0],
        "a ban that was lifted stays lifted"
    );
    assert_eq!(files.bans().await.len(), 1);

    assert_eq!(
        (files.text("info.csv"), files.text("list_of_bans.csv")),
        (info.to_owned(), banned.to_owned())
    );
    files.add("list_of_bans.csv", "new,new@example.org\n");
    assert_eq!(files.sync().await, ["new@example.org"]);
}

#[tokio::test]
async fn with_csv_off_nothing_is_written_and_the_original_files_are_still_imported() {
    let files = TestFiles::with_csv(false);
    files.put("list_of_bans.csv", "name,email\nbob,bob@example.org\nbad\n");
    files.put("users.csv", "name,email\ncarol,carol@example.org\n");
    assert_eq!(files.sync().await, ["bob@example.org"]);
    files.csv.write_bans(now()).await.unwrap();
    assert!(!files.path("bans.csv").exists());
    assert!(files.names().await.is_empty());
    assert_eq!(
        files.text("users.csv"),
        "name,email\ncarol,carol@example.org\n"
    );
}

#[tokio::test]
async fn the_header_may_lack_columns_at_its_end_and_an_empty_file_has_no_rows() {
    let files = TestFiles::new();
    files.put(
        "users.csv",
        "\u{feff}\r\nName,EMAIL,\r\n,,\r\nbob,bob@example.org\r\n",
    );
    files.put("bans.csv", "\u{feff}target\neve\n\"a;b\"\n");
    assert_eq!(files.sync().await, ["eve", "a;b"]);
    assert_eq!(files.names().await, ["bob"]);
    let text = files.text("bans.csv");
    assert!(text.contains("\n\"a;b\",\"\",\"file\","), "{text}");
    files.put("bans.csv", "");
    assert_eq!(files.sync().await, [""; 0]);
    assert_eq!(files.text("bans.csv"), text);
}
