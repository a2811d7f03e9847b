//! `rookeryd admin`, over a real record.
#![allow(clippy::unwrap_used)]

use std::fs;

use argon2::Argon2;
use argon2::password_hash::{PasswordVerifier as _, phc::PasswordHash};
use clap::Parser;
use tempfile::TempDir;

use super::*;
use rookery_record::AuditEntry;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: AdminCommand,
}

struct House(TempDir);

impl House {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn sqlite(&self) -> Store {
        Store::open(&self.0.path().join("data").join(DATABASE_FILE)).unwrap()
    }

    /// `rookeryd admin` with these words; PASSWORD is a file with that content.
    fn run_with(&self, words: &str, password: &str) -> Result<String> {
        let file = self.0.path().join("password");
        fs::write(&file, password).unwrap();
        let words = words.replace("PASSWORD", file.to_str().unwrap());
        let Arguments { command } = Arguments::try_parse_from(format!("admin {words}").split(' '))?;
        let mut out = Vec::new();
        let now = "2026-11-02T12:00:00Z".parse().unwrap();
        let (actor, network) = ("carla".to_owned(), "Rookery".to_owned());
        AdminDatabase {
            sqlite: self.sqlite(),
            actor,
            network,
            now,
            out: &mut out,
        }
        .run(command)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn run(&self, words: &str) -> Result<String> {
        self.run_with(words, "correct horse battery\n")
    }

    fn trail(&self) -> Vec<String> {
        let line = |AuditEntry { entry, .. }| {
            assert_eq!(
                (&*entry.actor, &*entry.origin, &*entry.session),
                ("carla", "local", "")
            );
            format!(
                "{} {} {:?} {}",
                entry.act, entry.target, entry.outcome, entry.detail
            )
        };
        self.sqlite()
            .find_audit(&rookery_record::AuditQuery {
                limit: 100,
                ..rookery_record::AuditQuery::default()
            })
            .unwrap()
            .into_iter()
            .map(line)
            .collect()
    }

    fn password_is(&self, name: &str, password: &str) -> bool {
        let hash = self.sqlite().admin(name).unwrap().unwrap().password_hash;
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        Argon2::default()
            .verify_password(password.as_bytes(), &PasswordHash::new(&hash).unwrap())
            .is_ok()
    }
}

#[test]
fn admins_are_added_listed_and_removed() {
    let house = House::new();
    assert!(house.run("list").unwrap().contains("There are no admins"));
    house
        .run("add Anna --email anna@example.org --password-file PASSWORD")
        .unwrap();
    let second =
        "add operations --email ops@a-longer.example.org --role auditor --password-file PASSWORD";
    assert!(
        house
            .run(second)
            .unwrap()
            .contains("Added the admin operations")
    );
    assert!(house.password_is("anna", "correct horse battery"));
    assert_eq!(
        house.run("list").unwrap(),
        "NAME        ROLE     EMAIL                     CREATED\n\
         Anna        owner    anna@example.org          2026-11-02 12:00 UTC\n\
         operations  auditor  ops@a-longer.example.org  2026-11-02 12:00 UTC\n"
    );
    house.run("remove anna").unwrap();
    assert!(!house.run("list").unwrap().contains("anna"));
    assert_eq!(
        house.trail(),
        [
            "admin list  Allowed ",
            "admin add Anna Allowed owner, anna@example.org",
            "admin add operations Allowed auditor, ops@a-longer.example.org",
            "admin list  Allowed ",
            "admin remove anna Allowed ",
            "admin list  Allowed ",
        ]
    );
}

#[test]
fn the_actor_is_the_real_user_and_only_root_may_name_another() {
    assert_eq!(actor(1000, None), "uid 1000");
    assert_eq!(actor(1000, Some("1001")), "uid 1000");
    assert_eq!(actor(0, Some("1001")), "uid 0, by sudo of uid 1001");
    assert_eq!(actor(0, Some("root\n")), "uid 0");
}

#[test]
fn an_admin_is_unlocked() {
    let house = House::new();
    house
        .run("add anna --email anna@example.org --password-file PASSWORD")
        .unwrap();
    while house.sqlite().count_tried_code("anna").unwrap() {}
    assert_eq!(
        house.run("unlock ANNA").unwrap(),
        "The admin ANNA can sign in with codes again.\n"
    );
    assert!(house.sqlite().count_tried_code("anna").unwrap());
    assert!(house.run("unlock bob").is_err());
    assert_eq!(
        house.trail()[1..],
        [
            "admin unlock ANNA Allowed ",
            "admin unlock bob Refused there is no such admin",
        ]
    );
}

#[test]
fn a_role_is_changed() {
    let house = House::new();
    house
        .run("add anna --email anna@example.org --password-file PASSWORD")
        .unwrap();
    assert_eq!(
        house.run("role ANNA moderator").unwrap(),
        "The admin ANNA is now moderator.\n"
    );
    assert_eq!(
        house.sqlite().admin("anna").unwrap().unwrap().role,
        Role::Moderator
    );
    assert!(
        house
            .run("role anna boss")
            .unwrap_err()
            .to_string()
            .contains("owner, moderator or auditor")
    );
    assert!(
        house
            .run("role bob auditor")
            .unwrap_err()
            .to_string()
            .contains("There is no admin named bob")
    );
    assert_eq!(
        house.trail()[1..],
        [
            "admin role ANNA Allowed moderator",
            "admin role bob Refused there is no such admin",
        ]
    );
}

#[test]
fn nothing_but_the_first_admin_makes_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.data.directory = folder.path().join("data");
    let refused = run(&config, AdminCommand::List).unwrap_err().to_string();
    assert!(
        refused.contains("rookery.db. If the server has run before"),
        "{refused}"
    );
    assert!(!config.data.directory.exists());
}

#[test]
fn a_password_is_changed() {
    let house = House::new();
    house
        .run("add anna --email anna@example.org --password-file PASSWORD")
        .unwrap();
    house
        .run_with(
            "passwd ANNA --password-file PASSWORD",
            "another, longer one\r\nnot this",
        )
        .unwrap();
    assert!(house.password_is("anna", "another, longer one"));
    assert!(!house.password_is("anna", "correct horse battery"));
    assert_eq!(house.trail()[1], "admin passwd ANNA Allowed ");
}

#[test]
fn what_cannot_be_done_is_refused_changes_nothing_and_is_in_the_trail() {
    let house = House::new();
    house
        .run("add anna --email anna@example.org --password-file PASSWORD")
        .unwrap();
    let again = "add ANNA --email other@example.org --password-file PASSWORD";
    let told = house
        .run_with(again, "a different password")
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("There is an admin named ANNA already"),
        "{told}"
    );
    let imitation = "add \u{430}nna --email other@example.org --password-file PASSWORD";
    let told = house.run(imitation).unwrap_err().to_string();
    assert!(told.contains("\u{430}nna is not accepted"), "{told}");
    for words in ["remove bob", "passwd bob --password-file PASSWORD"] {
        let told = house.run(words).unwrap_err().to_string();
        assert!(told.contains("There is no admin named bob"), "{told}");
    }
    assert!(house.password_is("anna", "correct horse battery"));
    assert_eq!(
        house.trail()[1..],
        [
            "admin add ANNA Refused there is an admin of that name already",
            "admin remove bob Refused there is no such admin",
            "admin passwd bob Refused there is no such admin",
        ]
    );
}

#[test]
fn a_short_or_missing_password_is_refused_clearly() {
    let house = House::new();
    let add = "add anna --email anna@example.org --password-file PASSWORD";
    for (password, reason) in [
        ("eleven char\nand a second line", "at least 12 characters"),
        ("", "at least 12 characters"),
        ("öööööö", "at least 12 characters"),
        (&"x".repeat(5000), "at most 1024 bytes"),
    ] {
        let told = house.run_with(add, password).unwrap_err().to_string();
        assert!(told.contains(reason), "{told}");
        assert!(!told.contains("eleven"), "a password is never shown");
    }
    let told = house
        .run("add anna --email anna@example.org --password-file /nowhere/p")
        .unwrap_err();
    assert!(told.to_string().contains("/nowhere/p"), "{told}");
    assert!(house.sqlite().admins().unwrap().is_empty());
}

#[test]
fn names_and_emails_are_checked() {
    let house = House::new();
    for words in [
        "add two@words --email anna@example.org --password-file PASSWORD",
        "add anna --email nobody --password-file PASSWORD",
        "add anna --password-file PASSWORD",
        "remove #anna",
    ] {
        let told = house.run(words).unwrap_err();
        assert_eq!(
            told.downcast_ref::<clap::Error>().unwrap().exit_code(),
            2,
            "{told}"
        );
    }
}

#[test]
fn an_act_that_cannot_be_put_into_the_trail_is_not_done() {
    let house = House::new();
    house
        .run("add anna --email anna@example.org --password-file PASSWORD")
        .unwrap();
    let file = house.0.path().join("data").join(DATABASE_FILE);
    let connection = rusqlite::Connection::open(file).unwrap();
    connection
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END",
        )
        .unwrap();
    let told = house.run("remove anna").unwrap_err().to_string();
    assert!(told.contains("no room"), "{told}");
    assert!(house.run("list").is_err());
    assert!(house.password_is("anna", "correct horse battery"));
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let house = House::new();
    let mut config = Config::default();
    config.data.directory = house.0.path().join("data");
    fs::write(&config.data.directory, "in the way").unwrap();
    let told = format!("{:#}", run(&config, AdminCommand::List).unwrap_err());
    assert!(
        told.contains(config.data.directory.to_str().unwrap()),
        "{told}"
    );
}
