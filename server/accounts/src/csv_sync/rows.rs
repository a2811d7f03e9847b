//! Imports rows into the database, in steps: others can write between two of them.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::format::{AddedRow, File, Row};
use rookery_protocol::AccountName;
use rookery_record::{Ban, NewAccount, NewAudit, NewBan, audit};
use rookery_store::{Result, Store};

/// The author of a ban whose row does not name one, and the actor of its entry in the audit trail.
pub const DEFAULT_AUTHOR: &str = "file";
/// The maximum number of rows that one transaction imports.
pub const STEP: usize = 200;

/// The result of importing rows, or what it would be.
#[derive(Default)]
pub struct Outcome {
    /// The number of rows that created an account or a ban.
    pub added: usize,
    /// The new bans.
    pub bans: Vec<Ban>,
    /// The names of the new accounts.
    pub accounts: Vec<AccountName>,
    /// The good rows, as in the file.
    pub accepted: Vec<Vec<u8>>,
    /// The line number of each bad row, the row as in the file, and the reason.
    pub rejected: Vec<(u64, Vec<u8>, String)>,
}

impl Outcome {
    /// Adds the result of later rows.
    pub fn append(&mut self, mut later: Self) {
        self.added += later.added;
        self.bans.append(&mut later.bans);
        self.accounts.append(&mut later.accounts);
        self.accepted.append(&mut later.accepted);
        self.rejected.append(&mut later.rejected);
    }

    /// Returns the entries of the audit trail for the rows of a file that were imported. The actor
    /// is `file`, even if the row names another author.
    pub fn entries(&self, file: File, at: Timestamp) -> Vec<NewAudit> {
        let entry = |act: &str, target: String, detail: String| NewAudit {
            at,
            actor: DEFAULT_AUTHOR.to_owned(),
            origin: "local".to_owned(),
            session: String::new(),
            act: act.to_owned(),
            target,
            outcome: audit::Outcome::Allowed,
            detail,
        };
        let bans = self.bans.iter().map(|ban| {
            let duration = ban
                .expires_at
                .map_or_else(|| "permanent".to_owned(), |end| format!("until {end:.0}"));
            let detail = format!(
                "{duration}, by {} in {}: {}",
                ban.by,
                file.name(),
                ban.reason
            );
            entry("ban", ban.target.to_string(), detail)
        });
        let accounts = self.accounts.iter().map(|name| {
            let detail = format!("in {}", file.name());
            entry("add-account", name.to_string(), detail)
        });
        bans.chain(accounts).collect()
    }
}

/// Imports the rows of one file, in their order. Importing a file again adds nothing.
pub struct Importer {
    now: Timestamp,
    /// The author of the bans whose rows do not name one.
    author: String,
    /// Whether an operator has confirmed the bans that cover everyone, if there are any.
    is_confirmed: bool,
    /// What earlier rows of the file have added. A dry run stores nothing, so only this shows that
    /// a row repeats an earlier one.
    targets: HashSet<String>,
    names_by_email: HashMap<String, AccountName>,
    name_skeletons: HashSet<String>,
}

/// What importing a good row does.
enum Decision {
    /// Nothing: the database already has it.
    AlreadyPresent,
    Account(NewAccount),
    Ban(NewBan),
}

impl Importer {
    /// Returns the importer of a file in the data folder.
    pub fn of_data_folder(now: Timestamp) -> Self {
        Self::new(now, DEFAULT_AUTHOR, false)
    }

    /// Returns the importer of a file that an operator sent, and whose bans were confirmed where
    /// that is necessary.
    pub fn of_operator(now: Timestamp, operator: &str) -> Self {
        Self::new(now, operator, true)
    }

    fn new(now: Timestamp, author: &str, is_confirmed: bool) -> Self {
        Self {
            now,
            author: author.to_owned(),
            is_confirmed,
            targets: HashSet::new(),
            names_by_email: HashMap::new(),
            name_skeletons: HashSet::new(),
        }
    }

    /// Imports every good row.
    pub fn apply(&mut self, store: &mut Store, rows: Vec<AddedRow>) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for AddedRow { line, raw, row } in rows {
            let mut refusal = None;
            match self.decide(store, row)? {
                Ok(Decision::AlreadyPresent) => {}
                Ok(Decision::Ban(ban)) => {
                    outcome.bans.push(store.add_ban(&ban)?);
                    outcome.added += 1;
                }
                Ok(Decision::Account(account)) => match store.create_account(&account)? {
                    Ok(made) => {
                        outcome.accounts.push(made.name);
                        outcome.added += 1;
                    }
                    Err(_) => refusal = Some(name_is_taken(&account.name)),
                },
                Err(reason) => refusal = Some(reason),
            }
            match refusal {
                None => outcome.accepted.push(raw),
                Some(reason) => outcome.rejected.push((line, raw, reason)),
            }
        }
        Ok(outcome)
    }

    /// Returns what [`Self::apply`] would do, without the new bans and accounts.
    pub fn dry_run(&mut self, store: &Store, rows: Vec<AddedRow>) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for AddedRow { line, raw, row } in rows {
            match self.decide(store, row)? {
                Ok(Decision::AlreadyPresent) => outcome.accepted.push(raw),
                Ok(Decision::Account(_) | Decision::Ban(_)) => {
                    outcome.added += 1;
                    outcome.accepted.push(raw);
                }
                Err(reason) => outcome.rejected.push((line, raw, reason)),
            }
        }
        Ok(outcome)
    }

    /// Returns what importing a row does, or why the row is rejected.
    fn decide(
        &mut self,
        store: &Store,
        row: std::result::Result<Row, String>,
    ) -> Result<std::result::Result<Decision, String>> {
        match row {
            Err(reason) => Ok(Err(reason)),
            Ok(Row::User {
                name,
                email,
                created_at,
            }) => {
                let Some(email) = email else {
                    // No one could ever sign in to an account without an email or a password.
                    return Ok(Err("it has no email".to_owned()));
                };
                let owner = match self.names_by_email.get(email.folded()) {
                    Some(earlier) => Some(earlier.clone()),
                    None => store.account_by_email(&email)?.map(|known| known.name),
                };
                if let Some(owner) = owner {
                    return Ok(if owner == name {
                        Ok(Decision::AlreadyPresent)
                    } else {
                        Err(format!("{email} is the email of {owner}"))
                    });
                }
                // The server writes the time, and people do not: such a row is from a copy of the
                // accounts, some of which may be from before the server was as strict.
                if created_at.is_none() {
                    let refused = |text: &str, error| format!("{text} is not accepted: {error}");
                    let name = name
                        .check_new()
                        .map_err(|error| refused(name.as_str(), error));
                    let email = email
                        .check_new()
                        .map_err(|error| refused(email.as_str(), error));
                    if let Err(reason) = name.and(email) {
                        return Ok(Err(reason));
                    }
                }
                if store.is_name_taken(&name)? || !self.name_skeletons.insert(name.skeleton()) {
                    return Ok(Err(name_is_taken(&name)));
                }
                self.names_by_email
                    .insert(email.folded().to_owned(), name.clone());
                Ok(Ok(Decision::Account(NewAccount {
                    name,
                    email: Some(email),
                    password_hash: None,
                    created_at: created_at.unwrap_or(self.now),
                    greeted: true,
                })))
            }
            Ok(Row::Ban {
                target,
                reason,
                by,
                created_at,
                expires_at,
            }) => {
                if expires_at.is_some_and(|end| end <= self.now) {
                    return Ok(Err("the ban has already expired".to_owned()));
                }
                let is_known = store.is_banned(&target, self.now)?;
                if target.is_sweeping() && !is_known && !self.is_confirmed {
                    return Ok(Err(format!(
                        "{target} covers everyone, or a large part of everyone; if that is what \
                         you mean, use `admin-cli ban {target}`, which asks you to confirm it"
                    )));
                }
                if !self.targets.insert(target.folded().into_owned()) || is_known {
                    return Ok(Ok(Decision::AlreadyPresent));
                }
                Ok(Ok(Decision::Ban(NewBan {
                    target,
                    reason,
                    by: by.unwrap_or_else(|| self.author.clone()),
                    created_at: created_at.unwrap_or(self.now),
                    expires_at,
                })))
            }
        }
    }
}

fn name_is_taken(name: &AccountName) -> String {
    format!("an account with another email has the name {name}, or one that looks the same")
}
