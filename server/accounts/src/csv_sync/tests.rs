//! The CSV files and the database, over real files.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rookery_protocol::{AccountName, Email};
use tempfile::TempDir;

use super::*;
use crate::test_log::TestLog;
use rookery_base::config::{Config, LiveConfig};
use rookery_record::Ban;
use rookery_record::HistorySync;
use rookery_record::{Account, BanId, BanTarget, NewAccount, NewBan};
use rookery_store::{DATABASE_FILE, Durability};

const USERS: &str = "name,email,created_at\n";
const BANS: &str = "target,reason,by,created_at,expires_at\n";

struct TestFiles {
    folder: TempDir,
    database: Database,
    csv: CsvSync,
}

fn now() -> Timestamp {
    "2026-11-02T12:00:00Z".parse().unwrap()
}

impl TestFiles {
    fn new() -> Self {
        Self::with_csv(true)
    }

    fn with_csv(csv: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database =
            Database::open(&folder.path().join(DATABASE_FILE), HistorySync::Normal).unwrap();
        let mut config = Config::default();
        config.data.directory = folder.path().to_owned();
        config.data.csv = csv;
        let (_, live) = LiveConfig::new(config);
        let csv = CsvSync::new(live.section(|config| &config.data), database.clone());
        Self {
            folder,
            database,
            csv,
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    fn put(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// Appends text as a person would.
    fn add(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::OpenOptions::new()
            .append(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    async fn sync(&self) -> Vec<String> {
        self.csv
            .sync(now())
            .await
            .unwrap()
            .bans
            .iter()
            .map(|ban| ban.target.to_string())
            .collect()
    }

    async fn register(&self, name: &str) -> Account {
        let account = NewAccount {
            name: AccountName::parse(name).unwrap(),
            email: Some(Email::parse(&format!("{name}@example.org")).unwrap()),
            password_hash: None,
            created_at: now(),
            greeted: false,
        };
        self.database
            .write(Durability::Record, move |store| {
                store.create_account(&account)
            })
            .await
            .unwrap()
            .unwrap()
    }

    async fn ban(&self, target: &str, reason: &str) -> BanId {
        let ban = NewBan {
            target: BanTarget::parse(target).unwrap(),
            reason: reason.to_owned(),
            by: "root".to_owned(),
            created_at: now(),
            expires_at: None,
        };
        self.database
            .write(Durability::Record, move |store| store.add_ban(&ban))
            .await
            .unwrap()
            .id
    }

    async fn unban(&self, id: BanId) {
        self.database
            .write(Durability::Record, move |store| store.remove_ban(id))
            .await
            .unwrap()
            .unwrap();
    }

    async fn accounts(&self) -> Vec<Account> {
        self.database
            .read(rookery_store::Store::accounts)
            .await
            .unwrap()
    }

    async fn names(&self) -> Vec<String> {
        self.accounts()
            .await
            .iter()
            .map(|account| account.name.to_string())
            .collect()
    }

    /// Returns the bans, oldest first.
    async fn bans(&self) -> Vec<Ban> {
        let mut bans = self.database.read(|store| store.bans(now())).await.unwrap();
        bans.reverse();
        bans
    }
}

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
async fn a_bad_row_is_logged_and_moved_and_affects_no_other() {
    let files = TestFiles::new();
    files.sync().await;
    files.register("alice").await;
    files.put(
        "users.csv",
        "name,email,created_at\n\nbob,bob@example.org\nnot an email,x\nalice,other@example.org,\n\
         someone,ALICE@example.org\nerin,erin@example.org,yesterday\na1ice,look@example.org\n\"oh,oh@example.org,\n\
         frank,frank@example.org,,,\ngrace,grace@example.org,,,more\n,,\nheidi,heidi@example.org",
    );
    let log = TestLog::capture();
    files.sync().await;
    let log = log.text();
    assert_eq!(files.names().await, ["alice", "bob", "frank", "heidi"]);
    let rejected = "not an email,x\nalice,other@example.org,\nsomeone,ALICE@example.org\n\
                    erin,erin@example.org,yesterday\na1ice,look@example.org\n\"oh,oh@example.org,\n\
                    grace,grace@example.org,,,more\n";
    assert_eq!(
        files.text("users.rejected.csv"),
        format!("{USERS}{rejected}")
    );
    for (line, reason) in [
        (4, "cannot contain a space"),
        (5, "has the name alice"),
        (6, "is the email of alice"),
        (7, "neither a time"),
        (8, "looks the same"),
        (9, "quotation mark"),
        (11, "more than 3 columns"),
    ] {
        let named = format!("users.csv, line {line}, was rejected: ");
        let warning = log
            .lines()
            .find(|text| text.contains(&named))
            .unwrap_or_else(|| panic!("{line}: {log}"));
        assert!(
            warning.contains(reason) && warning.contains("WARN"),
            "{warning}"
        );
    }
    assert_eq!(log.matches("was rejected").count(), 7, "{log}");
    assert!(!files.text("users.csv").contains("other@example.org"));

    files.add("users.csv", "not an email,x\n");
    files.sync().await;
    assert_eq!(
        files.text("users.rejected.csv"),
        format!("{USERS}{rejected}"),
        "it is there already"
    );
    files.add("users.csv", "another one,x\n");
    files.sync().await;
    assert_eq!(
        files.text("users.rejected.csv"),
        format!("{USERS}{rejected}another one,x\n")
    );
}

#[tokio::test]
async fn invalid_utf8_and_expired_bans_are_bad_rows() {
    let files = TestFiles::new();
    files.sync().await;
    let mut text = BANS.as_bytes().to_vec();
    text.extend_from_slice(
        b"bob,caf\xe9,,,\ncarol,,,,2026-11-02T12:00:00Z\nbad target!,,,,\ndave,fine,,,\nerin,a\rb,,,\n",
    );
    fs::write(files.path("bans.csv"), text).unwrap();
    assert_eq!(files.sync().await, ["dave"]);
    let mut expected = BANS.as_bytes().to_vec();
    expected.extend_from_slice(
        b"bob,caf\xe9,,,\ncarol,,,,2026-11-02T12:00:00Z\nbad target!,,,,\nerin,a\rb,,,\n",
    );
    assert_eq!(fs::read(files.path("bans.rejected.csv")).unwrap(), expected);
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

#[tokio::test]
async fn bad_rows_stay_in_the_file_while_they_cannot_be_moved() {
    let files = TestFiles::new();
    fs::create_dir(files.path("users.rejected.csv")).unwrap();
    files.put("users.csv", "name,email\nnobody\nbob,bob@example.org\n");
    files.sync().await;
    let bob = "bob,bob@example.org,2026-11-02T12:00:00Z\n";
    assert_eq!(files.text("users.csv"), format!("{USERS}{bob}nobody\n"));
    fs::remove_dir(files.path("users.rejected.csv")).unwrap();
    files.sync().await;
    assert_eq!(files.text("users.csv"), format!("{USERS}{bob}"));
    assert_eq!(files.text("users.rejected.csv"), format!("{USERS}nobody\n"));
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
async fn a_file_that_means_something_else_is_refused_whole_and_stays_as_it_is() {
    for (name, content, reason) in [
        (
            "bans.csv",
            "mallory,spam\n",
            "line 1: the first line must be the header target,",
        ),
        (
            "bans.csv",
            "name,email,created_at\nbob,bob@example.org,\n",
            "line 1: the first line",
        ),
        (
            "bans.csv",
            "target,expires_at\nbob,2026-12-31\n",
            "line 1: the first line",
        ),
        (
            "bans.csv",
            "\n\ntarget;reason\nbob;spam\n",
            "line 3: the columns are separated by semi",
        ),
        (
            "bans.csv",
            "sep=;\ntarget;reason\nbob;spam\n",
            "line 1: the columns are separated by semi",
        ),
        (
            "bans.csv",
            "target\treason\nbob\tspam\n",
            "line 1: the columns are separated by tabs",
        ),
        (
            "bans.csv",
            "target,reason\neve,\nbob;spam, spam\n",
            "line 3: the columns are separated",
        ),
        (
            "bans.csv",
            "t\0a\0r\0g\0e\0t\0",
            "line 1: it contains a control character",
        ),
        (
            "users.csv",
            "bob,bob@example.org\n",
            "line 1: the first line must be the header name,",
        ),
        (
            "users.csv",
            "name\nbob\n",
            "line 1: the first line must be the header name,",
        ),
        (
            "users.csv",
            "\"name\";\"email\"\n",
            "line 1: the columns are separated by semicolons",
        ),
        (
            "users.csv",
            "email,name\nbob@example.org,bob\n",
            "line 1: the first line",
        ),
        (
            "users.csv",
            "name,email\nerin,erin@example.org\nbob@example.org,bob\n",
            "line 3: the column name holds an email",
        ),
        (
            "info.csv",
            "name,email\nbob@example.org,bob\n",
            "line 2: the column name holds",
        ),
        (
            "list_of_bans.csv",
            "bob,bob@example.org\n",
            "line 1: the first line must be the header",
        ),
        (
            "list_of_bans.csv",
            "name;email\nbob;bob@example.org\n",
            "line 1: the columns are",
        ),
    ] {
        for bom in ["", "\u{feff}"] {
            let files = TestFiles::new();
            let content = format!("{bom}{content}");
            files.put(name, &content);
            let log = TestLog::capture();
            let Synced { bans, problems } = files.csv.sync(now()).await.unwrap();
            assert!(
                bans.is_empty() && files.names().await.is_empty(),
                "{content:?}"
            );
            let [problem] = &problems[..] else {
                panic!("{content:?}: {problems:?}");
            };
            let reason = format!("{name}: {reason}");
            assert!(problem.contains(&reason), "{content:?}: {problem}");
            let log = log.text();
            assert!(log.contains("ERROR") && log.contains(problem), "{log}");
            // Not even a change of the database replaces it.
            let _ = files.csv.write_bans(now()).await;
            assert_eq!(files.text(name), content);
            assert!(!files.path("bans.rejected.csv").exists());
            assert!(!files.path("users.rejected.csv").exists());
        }
    }
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
