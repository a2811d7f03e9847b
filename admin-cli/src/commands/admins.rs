//! `admins`: who operates the server.

use clap::Subcommand;
use rookery_control_api::{
    AdminEntry, AdminList, AdminRequest, InitialPassword, Role, RoleRequest,
};

use crate::args::one_of;
use crate::client::{Reply, segment};
use crate::context::Context;
use crate::failure::Failure;
use crate::pages;
use crate::render::{Clock, printable};
use crate::table::{table, with_count};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the admins
    List,
    /// Add an admin; prints an initial password, which the admin replaces at the first sign-in
    Add {
        /// The admin's name
        name: String,
        /// Where codes and notices are mailed
        #[arg(long, value_name = "E")]
        email: String,
        /// owner (everything), moderator (kick, ban, announce, read) or auditor (read only)
        #[arg(long, value_parser = one_of::<Role>(Role::ALL.map(Role::as_str)))]
        role: Role,
    },
    /// Remove an admin and end the admin's sessions
    Remove {
        /// The admin's name
        name: String,
    },
    /// Reset a forgotten password; prints an initial password, which the admin replaces at the next
    /// sign-in
    Reset {
        /// The admin's name
        name: String,
    },
    /// Change an admin's role and end the admin's sessions
    Role {
        /// The admin's name
        name: String,
        /// The new role
        #[arg(value_parser = one_of::<Role>(Role::ALL.map(Role::as_str)))]
        role: Role,
    },
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::List => {
                let reply: Reply<AdminList> = pages::get_all(&client, "/v1/admins")?;
                context.show(&reply, admin_table)
            }
            Self::Add { name, email, role } => {
                let reply: Reply<InitialPassword> =
                    client.post("/v1/admins", &AdminRequest { name, email, role })?;
                context.show(&reply, added)
            }
            Self::Remove { name } => {
                let reply: Reply<AdminEntry> =
                    client.delete(&format!("/v1/admins/{}", segment(&name)))?;
                context.show(&reply, |admin, _| {
                    printable(&format!("Removed admin {}.", admin.name))
                })
            }
            Self::Reset { name } => {
                let path = format!("/v1/admins/{}/password/reset", segment(&name));
                let reply: Reply<InitialPassword> = client.post_empty(&path)?;
                context.show(&reply, password_reset)
            }
            Self::Role { name, role } => {
                let path = format!("/v1/admins/{}/role", segment(&name));
                let reply: Reply<AdminEntry> = client.put(&path, &RoleRequest { role })?;
                context.show(&reply, |admin, _| {
                    printable(&format!("{} is now {}.", admin.name, admin.role))
                })
            }
        }
    }
}

fn admin_table(list: &AdminList, clock: &Clock) -> String {
    let rows = list.admins.iter().map(|admin| {
        let factors = if admin.totp { "mail, totp" } else { "mail" };
        let password = match admin.initial_password_expires_at {
            None => "set".to_owned(),
            Some(end) if end > clock.now => format!("initial, expires {}", clock.distance(end)),
            Some(_) => "initial, expired".to_owned(),
        };
        [
            admin.name.clone(),
            admin.role.to_string(),
            admin.email.clone(),
            factors.to_owned(),
            password,
            clock.time(admin.created_at),
        ]
    });
    let table = table(
        ["NAME", "ROLE", "EMAIL", "FACTORS", "PASSWORD", "ADDED"],
        rows,
    );
    with_count(&table, list.admins.len(), "admin", "admins")
}

fn added(added: &InitialPassword, clock: &Clock) -> String {
    let AdminEntry { name, role, .. } = &added.admin;
    format!(
        "Added {} as {role}. {}",
        printable(name),
        initial_password(added, clock)
    )
}

fn password_reset(reset: &InitialPassword, clock: &Clock) -> String {
    format!(
        "Reset the password of {}; the old one is no longer valid. {}",
        printable(&reset.admin.name),
        initial_password(reset, clock)
    )
}

fn initial_password(reply: &InitialPassword, clock: &Clock) -> String {
    format!(
        "The initial password, valid until {}, is\n\n{}\n\n\
         Pass it on, but not by mail: the codes are mailed there. The admin signs in with it and \
         then sets a new one with `admin-cli passwd`.",
        clock.time(reply.initial_password_expires_at),
        printable(&reply.initial_password)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::{ago, clock};

    #[test]
    fn the_table_says_who_still_has_an_initial_password() {
        let admin = |name: &str, initial_password_expires_at| AdminEntry {
            name: name.to_owned(),
            email: format!("{name}@example.org"),
            role: Role::Owner,
            totp: name == "root",
            created_at: ago(3_600),
            initial_password_expires_at,
        };
        let admins = vec![
            admin("root", None),
            admin("olga", Some(ago(-82_800))),
            admin("vera", Some(ago(60))),
        ];
        let expected = "\
NAME  ROLE   EMAIL             FACTORS     PASSWORD                 ADDED
root  owner  root@example.org  mail, totp  set                      2026-11-22 09:00:00 (1h ago)
olga  owner  olga@example.org  mail        initial, expires in 23h  2026-11-22 09:00:00 (1h ago)
vera  owner  vera@example.org  mail        initial, expired         2026-11-22 09:00:00 (1h ago)

3 admins";
        let list = AdminList { admins, next: None };
        assert_eq!(admin_table(&list, &clock()), expected);
    }
}
