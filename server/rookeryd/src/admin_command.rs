//! `rookeryd admin`: manages the admins of the control plane directly in the database, whether the
//! server runs or not. Every act is in the audit trail, in the same transaction.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Subcommand;
use jiff::Timestamp;
use rookery_control_api::Role;
use rookery_protocol::{AccountName, Email};

use crate::data_folder::{refuse_lost_database, report_lost_changes};
use rookery_accounts::password::{Password, hash_blocking};
use rookery_base::config::Config;
use rookery_control::admin_password;
use rookery_record::{Admin, NewAdmin, NewAudit, Outcome};
use rookery_store::{DATABASE_FILE, Store};
use rookery_terminal::printable_lines;

const NO_DATABASE: &str = "There was no database in";
const WHERE_TO_RUN: &str =
    "If the server has run before, run this in the folder of its config, or name it with --config.";

/// The commands of `rookeryd admin`.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Add an admin, who signs in with a name, a password and mailed codes
    Add {
        /// The name to sign in with
        name: AccountName,
        /// The address that the codes are mailed to
        #[arg(long)]
        email: Email,
        /// What the admin may do: owner (everything), moderator (kick, ban, announce, read) or
        /// auditor (read only)
        #[arg(long, default_value_t = Role::Owner)]
        role: Role,
        /// Read the password from the first line of a file instead of asking for it
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List the admins
    List,
    /// Remove an admin
    Remove {
        /// The admin's name
        name: AccountName,
    },
    /// Change an admin's role, and end the admin's sign-ins
    Role {
        /// The admin's name
        name: AccountName,
        /// owner, moderator or auditor
        role: Role,
    },
    /// Remove an admin's authenticator app and recovery codes; mailed codes are used again
    ForgetTotp {
        /// The admin's name
        name: AccountName,
    },
    /// Let an admin sign in again after too many wrong codes
    Unlock {
        /// The admin's name
        name: AccountName,
    },
    /// Change an admin's password
    Passwd {
        /// The admin's name
        name: AccountName,
        /// Read the password from the first line of a file instead of asking for it
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

/// Runs the command, and prints the result to standard output.
pub fn run(config: &Config, command: AdminCommand) -> Result<()> {
    let file = config.data.directory.join(DATABASE_FILE);
    refuse_lost_database(&config.data.directory)?;
    let is_new = !file.exists();
    // The first admin may be added before the server's first start. Any other command without a
    // database was most likely run in the wrong folder.
    if is_new && !matches!(command, AdminCommand::Add { .. }) {
        bail!("{NO_DATABASE} {}. {WHERE_TO_RUN}", file.display());
    }
    config.data.check_folder()?;
    let sqlite = report_lost_changes(&file)
        .and_then(|()| Ok(Store::open(&file)?))
        .context("Cannot open the database; run this as the user that runs the server")?;
    let network = config.chat.network.clone();
    AdminDatabase {
        sqlite,
        actor: local_actor(),
        network,
        now: Timestamp::now(),
        out: &mut io::stdout().lock(),
    }
    .run(command)?;
    if is_new {
        eprintln!(
            "{NO_DATABASE} {}; a new one was created. {WHERE_TO_RUN}",
            file.display()
        );
    }
    Ok(())
}

/// Returns the actor for the trail: who runs this process.
pub fn local_actor() -> String {
    let sudo_uid = std::env::var("SUDO_UID").ok();
    actor(rustix::process::getuid().as_raw(), sudo_uid.as_deref())
}

/// Returns the actor for the trail: the real user id of this process, which no environment variable
/// can change. Only root is believed about who called `sudo`.
fn actor(uid: u32, sudo_uid: Option<&str>) -> String {
    let called_by = sudo_uid.and_then(|sudo_uid| sudo_uid.parse::<u32>().ok());
    match called_by {
        Some(called_by) if uid == 0 => format!("uid 0, by sudo of uid {called_by}"),
        _ => format!("uid {uid}"),
    }
}

/// The database, and the details that are recorded with every act.
struct AdminDatabase<'a> {
    sqlite: Store,
    actor: String,
    network: String,
    now: Timestamp,
    out: &'a mut dyn Write,
}

impl AdminDatabase<'_> {
    fn run(mut self, command: AdminCommand) -> Result<()> {
        match command {
            AdminCommand::Add {
                name,
                email,
                role,
                password_file,
            } => self.add(&name, &email, role, password_file.as_deref()),
            AdminCommand::Role { name, role } => self.role(&name, role),
            AdminCommand::List => self.list(),
            AdminCommand::Remove { name } => self.remove(&name),
            AdminCommand::ForgetTotp { name } => self.forget_totp(&name),
            AdminCommand::Unlock { name } => self.unlock(&name),
            AdminCommand::Passwd {
                name,
                password_file,
            } => self.passwd(&name, password_file.as_deref()),
        }
    }

    fn add(
        &mut self,
        name: &AccountName,
        email: &Email,
        role: Role,
        password_file: Option<&Path>,
    ) -> Result<()> {
        name.check_new()
            .with_context(|| format!("{name} is not accepted"))?;
        email
            .check_new()
            .with_context(|| format!("{email} is not accepted"))?;
        let admin = NewAdmin {
            name: name.to_string(),
            email: email.clone(),
            password_hash: hash_blocking(&password(
                password_file,
                &[name.as_str(), email.as_str(), &self.network],
            )?),
            role,
            created_at: self.now,
            initial_password_expires_at: None,
        };
        let detail = format!("{role}, {email}");
        let added = self.act(
            "admin add",
            name.as_str(),
            &detail,
            Admins::HaveNone,
            |store| store.add_admin(&admin).map(drop),
        )?;
        if !added {
            bail!(
                "There is an admin named {name} already. `rookeryd admin passwd {name}` changes the password."
            );
        }
        writeln!(
            self.out,
            "Added the admin {name}, {role}. Sign-in codes go to {email}."
        )?;
        Ok(())
    }

    fn list(&mut self) -> Result<()> {
        let entry = self.entry("admin list", "", "", Outcome::Allowed);
        let admins = self.sqlite.transaction(true, |store| {
            store.append_audit(&entry)?;
            store.admins()
        })?;
        if admins.is_empty() {
            writeln!(
                self.out,
                "There are no admins. `rookeryd admin add NAME --email EMAIL` adds one."
            )?;
        } else {
            writeln!(self.out, "{}", printable_lines(&table(&admins)))?;
        }
        Ok(())
    }

    fn remove(&mut self, name: &AccountName) -> Result<()> {
        let removed = self.act(
            "admin remove",
            name.as_str(),
            "",
            Admins::HaveOne,
            |store| store.remove_admin(name.as_str()).map(drop),
        )?;
        ensure_exists(removed, name)?;
        writeln!(self.out, "Removed the admin {name}.")?;
        Ok(())
    }

    fn role(&mut self, name: &AccountName, role: Role) -> Result<()> {
        let changed = self.act(
            "admin role",
            name.as_str(),
            role.as_str(),
            Admins::HaveOne,
            |store| store.set_admin_role(name.as_str(), role).map(drop),
        )?;
        ensure_exists(changed, name)?;
        writeln!(self.out, "The admin {name} is now {role}.")?;
        Ok(())
    }

    fn forget_totp(&mut self, name: &AccountName) -> Result<()> {
        let done = self.act(
            "admin forget-totp",
            name.as_str(),
            "",
            Admins::HaveOne,
            |store| store.remove_authenticator(name.as_str()).map(drop),
        )?;
        ensure_exists(done, name)?;
        writeln!(self.out, "The admin {name} now signs in with mailed codes.")?;
        Ok(())
    }

    fn unlock(&mut self, name: &AccountName) -> Result<()> {
        let done = self.act(
            "admin unlock",
            name.as_str(),
            "",
            Admins::HaveOne,
            |store| store.unlock_admin(name.as_str()).map(drop),
        )?;
        ensure_exists(done, name)?;
        writeln!(self.out, "The admin {name} can sign in with codes again.")?;
        Ok(())
    }

    fn passwd(&mut self, name: &AccountName, password_file: Option<&Path>) -> Result<()> {
        let hash = hash_blocking(&password(password_file, &[name.as_str(), &self.network])?);
        let changed = self.act(
            "admin passwd",
            name.as_str(),
            "",
            Admins::HaveOne,
            |store| {
                store
                    .set_admin_password(name.as_str(), &hash, None)
                    .map(drop)
            },
        )?;
        ensure_exists(changed, name)?;
        writeln!(self.out, "Changed the password of the admin {name}.")?;
        Ok(())
    }

    /// Records the act in the audit trail and performs it, both or neither. Returns whether it was
    /// allowed; a refusal is recorded too.
    fn act(
        &mut self,
        act: &str,
        target: &str,
        detail: &str,
        only_if: Admins,
        effect: impl FnOnce(&mut Store) -> rookery_store::Result<()>,
    ) -> rookery_store::Result<bool> {
        let allowed = self.entry(act, target, detail, Outcome::Allowed);
        let refused = self.entry(act, target, only_if.refusal(), Outcome::Refused);
        self.sqlite.transaction(true, |store| {
            let holds = store.admin(target)?.is_some() == (only_if == Admins::HaveOne);
            store.append_audit(if holds { &allowed } else { &refused })?;
            if holds {
                effect(store)?;
            }
            Ok(holds)
        })
    }

    fn entry(&self, act: &str, target: &str, detail: &str, outcome: Outcome) -> NewAudit {
        NewAudit {
            at: self.now,
            actor: self.actor.clone(),
            origin: "local".to_owned(),
            session: String::new(),
            act: act.to_owned(),
            target: target.to_owned(),
            outcome,
            detail: detail.to_owned(),
        }
    }
}

/// Fails if no such admin was found.
fn ensure_exists(found: bool, name: &AccountName) -> Result<()> {
    ensure!(
        found,
        "There is no admin named {name}. `rookeryd admin list` lists them."
    );
    Ok(())
}

/// Whether an admin with the given name must exist for an act.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admins {
    HaveOne,
    HaveNone,
}

impl Admins {
    /// Returns why an act is refused if the condition is not met.
    fn refusal(self) -> &'static str {
        match self {
            Self::HaveOne => "there is no such admin",
            Self::HaveNone => "there is an admin of that name already",
        }
    }
}

/// Returns the password from the file; without one, prompts for it twice on a terminal, or else
/// reads a line of standard input.
fn password(file: Option<&Path>, context: &[&str]) -> Result<Password> {
    let password = if let Some(path) = file {
        let source = || format!("Cannot read the password file {}", path.display());
        first_line(File::open(path).with_context(source)?).with_context(source)?
    } else if io::stdin().is_terminal() {
        return ask_password(context);
    } else {
        first_line(io::stdin()).context("Cannot read the password from standard input")?
    };
    Ok(admin_password::check(&password, context)?)
}

/// Prompts for a password twice, and again until it is accepted.
fn ask_password(context: &[&str]) -> Result<Password> {
    loop {
        let typed = rpassword::prompt_password("Password: ")?;
        // A weak password is refused before it has to be typed again.
        match admin_password::check(&typed, context) {
            Err(refusal) => eprintln!("{refusal} Try another one, or press Ctrl-C."),
            Ok(password) => {
                if rpassword::prompt_password("Repeat the password: ")? == typed {
                    return Ok(password);
                }
                eprintln!("The passwords do not match. Try again.");
            }
        }
    }
}

/// Returns the first line without its end.
fn first_line(from: impl Read) -> io::Result<String> {
    let mut line = String::new();
    // Enough to find that a password is too long.
    BufReader::new(from.take(admin_password::MAX_BYTES as u64 * 2)).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn table(admins: &[Admin]) -> String {
    let mut rows = vec![["NAME", "ROLE", "EMAIL", "CREATED"].map(str::to_owned)];
    rows.extend(admins.iter().map(|admin| {
        let created = admin.created_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        [
            admin.name.clone(),
            admin.role.to_string(),
            admin.email.to_string(),
            created,
        ]
    }));
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let (first, second, third) = (width(0), width(1), width(2));
    let line = |[name, role, email, created]: &[String; 4]| {
        format!("{name:first$}  {role:second$}  {email:third$}  {created}")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
