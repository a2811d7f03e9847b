//! `rookeryd admin`: the admins, managed where the data folder can be read and written, whether the
//! server runs or not.

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

use rookery_accounts::password::hash_blocking;
use rookery_base::config::Config;
use rookery_control::admin_password;
use rookery_record::{Admin, NewAdmin, NewAudit, Outcome};
use rookery_store::{DATABASE_FILE, Store};

const NO_RECORD: &str = "There was no record in";
const WHERE_TO_RUN: &str =
    "If the server has run before, run this in its folder, or name its config with --config.";

/// What to do with the admins.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Add an admin, who signs in with this name, a password and the codes mailed to this address
    Add {
        /// The name to sign in with
        name: AccountName,
        /// Where the codes are mailed
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
    /// Give an admin another role, which ends the admin's sign-ins
    Role {
        /// The admin's name
        name: AccountName,
        /// owner, moderator or auditor
        role: Role,
    },
    /// Take an admin's authenticator app and recovery codes away: mailed codes suffice again
    ForgetTotp {
        /// The admin's name
        name: AccountName,
    },
    /// Give an admin another password
    Passwd {
        /// The admin's name
        name: AccountName,
        /// Read the password from the first line of a file instead of asking for it
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

/// Does it, and says so on standard output.
pub fn run(config: &Config, command: AdminCommand) -> Result<()> {
    let file = config.data.directory.join(DATABASE_FILE);
    let is_new = !file.exists();
    // Only the first admin may come before the server's first start. Anything else is asked in the
    // wrong folder.
    if is_new && !matches!(command, AdminCommand::Add { .. }) {
        bail!("{NO_RECORD} {}. {WHERE_TO_RUN}", file.display());
    }
    let sqlite = Store::open(&file).context(
        "The record cannot be opened; run this in the server's folder, as the user that runs the server",
    )?;
    let network = config.chat.network.clone();
    Desk {
        sqlite,
        actor: operator(),
        network,
        now: Timestamp::now(),
        out: &mut io::stdout().lock(),
    }
    .serve(command)?;
    if is_new {
        eprintln!(
            "{NO_RECORD} {}: a new one is made. {WHERE_TO_RUN}",
            file.display()
        );
    }
    Ok(())
}

/// Who sits at the terminal, as far as the system says.
fn operator() -> String {
    ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find(|name| !name.is_empty() && name.len() <= 64 && !name.contains(char::is_control))
        .unwrap_or_else(|| "local".to_owned())
}

struct Desk<'a> {
    sqlite: Store,
    actor: String,
    network: String,
    now: Timestamp,
    out: &'a mut dyn Write,
}

impl Desk<'_> {
    fn serve(mut self, command: AdminCommand) -> Result<()> {
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
                "There is an admin named {name} already. `rookeryd admin passwd {name}` gives them another password."
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
                "There are no admins. `rookeryd admin add NAME --email E` adds one."
            )?;
        } else {
            writeln!(self.out, "{}", table(&admins))?;
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
        known(removed, name)?;
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
        known(changed, name)?;
        writeln!(self.out, "The admin {name} is {role} now.")?;
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
        known(done, name)?;
        writeln!(self.out, "The admin {name} signs in with mailed codes.")?;
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
        known(changed, name)?;
        writeln!(self.out, "Changed the password of the admin {name}.")?;
        Ok(())
    }

    /// Puts the act into the audit trail and does it, both or neither; false if it was refused,
    /// which is in the trail too.
    fn act(
        &mut self,
        act: &str,
        target: &str,
        detail: &str,
        only_if: Admins,
        effect: impl FnOnce(&mut Store) -> rookery_store::Result<()>,
    ) -> rookery_store::Result<bool> {
        let allowed = self.entry(act, target, detail, Outcome::Allowed);
        let refused = self.entry(act, target, only_if.otherwise(), Outcome::Refused);
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

/// An error if there was no such admin.
fn known(found: bool, name: &AccountName) -> Result<()> {
    ensure!(
        found,
        "There is no admin named {name}. `rookeryd admin list` shows who there is."
    );
    Ok(())
}

/// What has to hold of the admins' names for an act.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admins {
    HaveOne,
    HaveNone,
}

impl Admins {
    fn otherwise(self) -> &'static str {
        match self {
            Self::HaveOne => "there is no such admin",
            Self::HaveNone => "there is such an admin already",
        }
    }
}

/// From the file; or asked for twice on a terminal; or else the line that comes on standard input.
fn password(file: Option<&Path>, context: &[&str]) -> Result<String> {
    let password = if let Some(path) = file {
        let source = || format!("The password file {} cannot be read", path.display());
        first_line(File::open(path).with_context(source)?).with_context(source)?
    } else if io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password: ")?;
        // Nobody likes to type twice what is too short.
        admin_password::check(&first, context)?;
        if rpassword::prompt_password("The same again: ")? != first {
            bail!("The two passwords are not the same.");
        }
        first
    } else {
        first_line(io::stdin()).context("The password cannot be read from standard input")?
    };
    admin_password::check(&password, context)?;
    Ok(password)
}

/// Without the line's end.
fn first_line(from: impl Read) -> io::Result<String> {
    let mut line = String::new();
    // Enough to see that it is too long.
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
