#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rookery_protocol::{AccountName, Email};
use tempfile::TempDir;

use super::*;
use crate::test_log::HeardLog;
use rookery_base::config::Config;
use rookery_record::HistorySync;
use rookery_record::{Account, BanId, BanTarget, NewAccount, NewBan};
use rookery_store::{DATABASE_FILE, Durability};

const USERS: &str = "name,email,created_at\n";
const BANS: &str = "target,reason,by,created_at,expires_at\n";

struct House {
    folder: TempDir,
    database: Database,
    windows: CsvSync,
}

fn now() -> Timestamp {
    "2026-11-02T12:00:00Z".parse().unwrap()
}

impl House {
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
        let (_, config) = LiveConfig::new(config);
        let windows = CsvSync::new(config, database.clone());
        Self {
            folder,
            database,
            windows,
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

    /// As a person would, at the end of the file.
    fn add(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::OpenOptions::new()
            .append(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    async fn take_in(&self) -> Vec<String> {
        self.windows
            .take_in(now())
            .await
            .unwrap()
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
        self.database.read(|store| store.accounts()).await.unwrap()
    }

    async fn names(&self) -> Vec<String> {
        self.accounts()
            .await
            .iter()
            .map(|account| account.name.to_string())
            .collect()
    }

    /// Oldest first.
    async fn bans(&self) -> Vec<Ban> {
        let mut bans = self.database.read(|store| store.bans(now())).await.unwrap();
        bans.reverse();
        bans
    }
}

#[tokio::test]
async fn the_files_are_made_when_there_are_none_and_are_their_owners_alone() {
    let house = House::new();
    assert!(house.take_in().await.is_empty());
    assert_eq!(house.text("users.csv"), USERS);
    assert_eq!(house.text("bans.csv"), BANS);
    for file in ["users.csv", "bans.csv"] {
        assert_eq!(
            fs::metadata(house.path(file)).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let mut names: Vec<_> = fs::read_dir(house.folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    names.retain(|name| !name.to_string_lossy().starts_with(DATABASE_FILE));
    assert_eq!(names.len(), 2, "nothing else is left: {names:?}");
}

#[tokio::test]
async fn bans_are_in_the_file_when_the_writing_returns() {
    let house = House::new();
    let bob = house.ban("Bob@example.org", "spam, \"again\"").await;
    house.ban("carol", "").await;
    house.windows.write_bans(now()).await.unwrap();
    let both = "Bob@example.org,\"spam, \"\"again\"\"\",root,2026-11-02T12:00:00Z,\n\
                carol,,root,2026-11-02T12:00:00Z,\n";
    assert_eq!(house.text("bans.csv"), format!("{BANS}{both}"));
    house.unban(bob).await;
    house.windows.write_bans(now()).await.unwrap();
    assert_eq!(
        house.text("bans.csv"),
        format!("{BANS}carol,,root,2026-11-02T12:00:00Z,\n")
    );
}

#[tokio::test]
async fn a_mode_that_a_person_gave_a_file_stays() {
    let house = House::new();
    house.take_in().await;
    fs::set_permissions(house.path("bans.csv"), fs::Permissions::from_mode(0o640)).unwrap();
    house.ban("bob", "").await;
    house.windows.write_bans(now()).await.unwrap();
    assert!(house.text("bans.csv").contains("bob"));
    assert_eq!(
        fs::metadata(house.path("bans.csv"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o640
    );
}

#[tokio::test]
async fn changes_of_accounts_come_to_the_file_soon_and_none_is_lost() {
    let house = House::new();
    house.take_in().await;
    let mut expected = USERS.to_owned();
    for index in 10..40 {
        house.register(&format!("user{index}")).await;
        house.windows.users_changed();
        writeln!(
            expected,
            "user{index},user{index}@example.org,2026-11-02T12:00:00Z"
        )
        .unwrap();
        if index == 20 {
            tokio::time::sleep(GATHER).await;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while house.text("users.csv") != expected {
        assert!(Instant::now() < deadline, "{}", house.text("users.csv"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn rows_added_by_hand_are_taken_in_with_what_they_leave_open_filled_in() {
    let house = House::new();
    house.register("alice").await;
    house.take_in().await;
    house.add(
        "users.csv",
        "bob,bob@example.org,\n carol , carol@example.org , 2026-01-31\ndave,dave@example.org\n",
    );
    house.add(
        "bans.csv",
        "mallory@example.org\neve,\"loud, very\",,2026-10-01T00:00:00Z,2026-12-31T18:00:00Z\nalice,,root,,2026-12-31\n",
    );
    assert_eq!(
        house.take_in().await,
        ["mallory@example.org", "eve", "alice"]
    );
    assert_eq!(house.names().await, ["alice", "bob", "carol", "dave"]);
    let accounts = house.accounts().await;
    assert!(!accounts[0].greeted, "alice is as she was");
    for account in &accounts[1..] {
        assert!(account.greeted, "{} is welcomed back", account.name);
        assert_eq!(account.password_hash, None);
    }
    assert_eq!(accounts[1].created_at, now());
    assert_eq!(accounts[2].created_at.to_string(), "2026-01-31T00:00:00Z");
    let bans = house.bans().await;
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
        house.text("users.csv"),
        format!(
            "{USERS}alice,alice@example.org,2026-11-02T12:00:00Z\nbob,bob@example.org,2026-11-02T12:00:00Z\n\
             carol,carol@example.org,2026-01-31T00:00:00Z\ndave,dave@example.org,2026-11-02T12:00:00Z\n"
        )
    );
    assert_eq!(
        house.take_in().await,
        [""; 0],
        "a second time there is nothing new"
    );
    assert_eq!(house.bans().await, bans);
}

#[tokio::test]
async fn a_bad_row_is_named_and_put_away_and_costs_nothing_else() {
    let house = House::new();
    house.take_in().await;
    house.register("alice").await;
    house.put(
        "users.csv",
        "name,email,created_at\n\nbob,bob@example.org\nnot an email,x\nalice,other@example.org,\n\
         someone,ALICE@example.org\nerin,erin@example.org,yesterday\na1ice,look@example.org\n\"oh,oh@example.org,\n\
         frank,frank@example.org,,,\ngrace,grace@example.org,,,more\n,,\nheidi,heidi@example.org",
    );
    let log = HeardLog::listen();
    house.take_in().await;
    let log = log.text();
    assert_eq!(house.names().await, ["alice", "bob", "frank", "heidi"]);
    let rejected = "not an email,x\nalice,other@example.org,\nsomeone,ALICE@example.org\n\
                    erin,erin@example.org,yesterday\na1ice,look@example.org\n\"oh,oh@example.org,\n\
                    grace,grace@example.org,,,more\n";
    assert_eq!(
        house.text("users.rejected.csv"),
        format!("{USERS}{rejected}")
    );
    for (line, reason) in [
        (4, "not allowed"),
        (5, "has the name alice"),
        (6, "is the email of alice"),
        (7, "no time in the form"),
        (8, "looks the same"),
        (9, "quotation mark"),
        (11, "more than 3 columns"),
    ] {
        let named = format!("users.csv, line {line}, is not taken in: ");
        let told = log
            .lines()
            .find(|text| text.contains(&named))
            .unwrap_or_else(|| panic!("{line}: {log}"));
        assert!(told.contains(reason) && told.contains("WARN"), "{told}");
    }
    assert_eq!(log.matches("is not taken in").count(), 7, "{log}");
    assert!(!house.text("users.csv").contains("other@example.org"));

    house.add("users.csv", "not an email,x\n");
    house.take_in().await;
    assert_eq!(
        house.text("users.rejected.csv"),
        format!("{USERS}{rejected}"),
        "it is there already"
    );
    house.add("users.csv", "another one,x\n");
    house.take_in().await;
    assert_eq!(
        house.text("users.rejected.csv"),
        format!("{USERS}{rejected}another one,x\n")
    );
}

#[tokio::test]
async fn bytes_that_are_no_text_and_bans_that_have_ended_are_bad_rows() {
    let house = House::new();
    house.take_in().await;
    let mut text = BANS.as_bytes().to_vec();
    text.extend_from_slice(
        b"bob,caf\xe9,,,\ncarol,,,,2026-11-02T12:00:00Z\nbad target!,,,,\ndave,fine,,,\nerin,a\rb,,,\n",
    );
    fs::write(house.path("bans.csv"), text).unwrap();
    assert_eq!(house.take_in().await, ["dave"]);
    let mut expected = BANS.as_bytes().to_vec();
    expected.extend_from_slice(
        b"bob,caf\xe9,,,\ncarol,,,,2026-11-02T12:00:00Z\nbad target!,,,,\nerin,a\rb,,,\n",
    );
    assert_eq!(fs::read(house.path("bans.rejected.csv")).unwrap(), expected);
}

#[tokio::test]
async fn a_file_saved_by_a_spreadsheet_is_read_as_well() {
    let house = House::new();
    house.register("alice").await;
    house.take_in().await;
    let alice = "\"alice\",\"alice@example.org\",\"2026-11-02T12:00:00Z\"";
    house.put(
        "users.csv",
        &format!("\u{feff}\"Name\",\"Email\",\"created_at\"\r\n{alice}\r\n\"bob\",\"bob@example.org\",\r\n"),
    );
    house.take_in().await;
    assert_eq!(house.names().await, ["alice", "bob"]);
    assert!(!house.path("users.rejected.csv").exists());
    assert!(house.text("users.csv").starts_with(USERS));
}

#[tokio::test]
async fn rows_that_were_not_taken_in_yet_stay_when_the_file_is_written_anew() {
    let house = House::new();
    house.take_in().await;
    house.add("bans.csv", "mallory,by hand\nno target!,,\nbob,by hand,,,");
    house.ban("bob", "by command").await;
    house.windows.write_bans(now()).await.unwrap();
    assert_eq!(
        house.text("bans.csv"),
        format!("{BANS}bob,by command,root,2026-11-02T12:00:00Z,\nmallory,by hand\nno target!,,\n")
    );
    assert_eq!(house.bans().await.len(), 1);
    assert_eq!(house.take_in().await, ["mallory"]);
    assert_eq!(
        house.text("bans.rejected.csv"),
        format!("{BANS}no target!,,\n")
    );
    assert_eq!(house.bans().await.len(), 2);
}

#[tokio::test]
async fn a_lifted_ban_that_stayed_in_the_file_does_not_come_back() {
    let house = House::new();
    let bob = house.ban("bob", "").await;
    let carol = house.ban("carol", "").await;
    house.windows.write_bans(now()).await.unwrap();
    // The server dies before the file is written anew.
    house.unban(bob).await;
    house.unban(carol).await;
    let stale = house
        .text("bans.csv")
        .replace("carol,", "carol,changed by hand")
        .replace("root", "somebody");
    house.put("bans.csv", &format!("{stale}dave,by hand\n"));
    assert!(stale.contains("bob,") && stale.contains("carol,changed"));
    assert_eq!(house.take_in().await, ["dave"]);
    assert_eq!(house.bans().await.len(), 1);
    assert_eq!(
        house.text("bans.csv"),
        format!("{BANS}dave,by hand,file,2026-11-02T12:00:00Z,\n")
    );

    house.add("bans.csv", "bob,by hand\n");
    assert_eq!(
        house.take_in().await,
        ["bob"],
        "put there again, it is a new ban"
    );
}

#[tokio::test]
async fn a_file_that_is_newer_than_what_is_noted_brings_nothing_new() {
    let house = House::new();
    let bob = house.ban("bob", "").await;
    house.windows.write_bans(now()).await.unwrap();
    // The server died between writing the file and noting so.
    house
        .database
        .write(Durability::Record, |store| {
            store.set_csv_content("bans.csv", BANS)
        })
        .await
        .unwrap();
    assert_eq!(house.take_in().await, [""; 0]);
    house.unban(bob).await;
    house.windows.write_bans(now()).await.unwrap();
    assert_eq!(house.text("bans.csv"), BANS);
}

#[tokio::test]
async fn rows_changed_or_deleted_by_hand_come_back_as_they_are_in_the_record() {
    let house = House::new();
    house.register("alice").await;
    house.register("bob").await;
    house
        .ban("carol", "a reason\nof two lines, \"quoted\"")
        .await;
    house.take_in().await;
    let (users, bans) = (house.text("users.csv"), house.text("bans.csv"));
    house.put(
        "users.csv",
        &users
            .replace("alice,", "malice,")
            .replace("bob,bob@example.org", ""),
    );
    fs::remove_file(house.path("bans.csv")).unwrap();
    house.take_in().await;
    assert_eq!(
        (house.text("users.csv"), house.text("bans.csv")),
        (users, bans.clone())
    );
    assert_eq!(house.names().await, ["alice", "bob"]);

    house.add("bans.csv", "dave,\"open\nerin,fine\n");
    assert_eq!(house.take_in().await, ["erin"]);
    assert_eq!(
        house.text("bans.rejected.csv"),
        format!("{BANS}dave,\"open\n")
    );
    assert!(house.text("bans.csv").starts_with(&bans));
}

#[tokio::test]
async fn the_originals_files_are_taken_in_once_and_never_written() {
    let house = House::new();
    house.register("alice").await;
    let info = "Name,Email\r\n\r\nalice,alice@example.org\r\nBob,bob@example.org\r\n\r\ntwo words,w@example.org\r\n";
    let banned = "two words,w@example.org\nBob,bob@example.org\n";
    house.put("info.csv", info);
    house.put("list_of_bans.csv", banned);
    let log = HeardLog::listen();
    assert_eq!(house.take_in().await, ["w@example.org", "bob@example.org"]);
    let log = log.text();
    assert_eq!(house.names().await, ["alice", "Bob"]);
    assert!(house.accounts().await[1].greeted);
    assert_eq!(
        house.bans().await[0].reason,
        "taken over from list_of_bans.csv"
    );
    assert!(log.contains("info.csv, line 6, is not taken in"), "{log}");

    let (bans, accounts) = (house.bans().await, house.names().await);
    assert_eq!(house.take_in().await, [""; 0]);
    assert_eq!(
        (house.bans().await, house.names().await),
        (bans.clone(), accounts)
    );
    house.unban(bans[0].id).await;
    assert_eq!(
        house.take_in().await,
        [""; 0],
        "a ban that was lifted stays lifted"
    );
    assert_eq!(house.bans().await.len(), 1);

    assert_eq!(
        (house.text("info.csv"), house.text("list_of_bans.csv")),
        (info.to_owned(), banned.to_owned())
    );
    house.add("list_of_bans.csv", "new,new@example.org\n");
    assert_eq!(house.take_in().await, ["new@example.org"]);
}

#[tokio::test]
async fn without_windows_nothing_is_written_and_the_originals_are_still_taken_in() {
    let house = House::with_csv(false);
    house.put("list_of_bans.csv", "bob,bob@example.org\nbad\n");
    house.put("users.csv", "name,email\ncarol,carol@example.org\n");
    assert_eq!(house.take_in().await, ["bob@example.org"]);
    house.windows.write_bans(now()).await.unwrap();
    assert!(!house.path("bans.csv").exists());
    assert!(house.names().await.is_empty());
    assert_eq!(
        house.text("users.csv"),
        "name,email\ncarol,carol@example.org\n"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_of_and_harms_nothing_else() {
    let house = House::new();
    fs::create_dir(house.path("bans.csv")).unwrap();
    house.put("users.csv", "bob,bob@example.org\n");
    house.put("list_of_bans.csv", "carol,carol@example.org\n");
    let log = HeardLog::listen();
    assert_eq!(house.take_in().await, ["carol@example.org"]);
    let refused = house.windows.write_bans(now()).await.unwrap_err();
    let log = log.text();
    let path = house.path("bans.csv");
    assert!(
        refused.to_string().contains(path.to_str().unwrap()),
        "{refused}"
    );
    assert_eq!(log.matches("ERROR").count(), 2, "{log}");
    assert_eq!(house.names().await, ["bob"]);
    fs::remove_dir(path).unwrap();
    house.windows.write_bans(now()).await.unwrap();
    assert!(house.text("bans.csv").contains("carol@example.org"));
}

#[tokio::test]
async fn bad_rows_stay_where_they_are_while_they_cannot_be_put_away() {
    let house = House::new();
    fs::create_dir(house.path("users.rejected.csv")).unwrap();
    house.put("users.csv", "nobody\nbob,bob@example.org\n");
    house.take_in().await;
    let bob = "bob,bob@example.org,2026-11-02T12:00:00Z\n";
    assert_eq!(house.text("users.csv"), format!("{USERS}{bob}nobody\n"));
    fs::remove_dir(house.path("users.rejected.csv")).unwrap();
    house.take_in().await;
    assert_eq!(house.text("users.csv"), format!("{USERS}{bob}"));
    assert_eq!(house.text("users.rejected.csv"), format!("{USERS}nobody\n"));
}

#[test]
fn a_file_that_somebody_changed_meanwhile_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bans.csv");
    fs::write(&file, "theirs").unwrap();
    assert!(!disk::replace(&file, Some(b"before"), b"ours").unwrap());
    assert!(!disk::replace(&file, None, b"ours").unwrap());
    assert_eq!(fs::read(&file).unwrap(), b"theirs");
    assert!(disk::replace(&file, Some(b"theirs"), b"ours").unwrap());
    assert_eq!(fs::read(&file).unwrap(), b"ours");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
