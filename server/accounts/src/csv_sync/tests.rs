//! The CSV files and the database, over real files.
#![allow(clippy::unwrap_used)]

mod importing;
mod refusals;
mod rewriting;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use rookery_protocol::{AccountName, Email};
use tempfile::TempDir;

use super::*;
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
