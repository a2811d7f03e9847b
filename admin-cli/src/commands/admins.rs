//! `admins`: who operates the server.

use rookery_control_api::{AdminEntry, AdminList, AdminRequest, InitialPassword, RoleRequest};

use super::{Show, pages};
use crate::cli::AdminsCommand;
use crate::client::{Client, Reply, segment};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// Lists, adds and removes admins, gives them roles, and resets their passwords.
pub fn run(client: &Client, command: AdminsCommand, show: &Show) -> Result<(), Failure> {
    match command {
        AdminsCommand::List => {
            let reply: Reply<AdminList> = pages::get_all(client, "/v1/admins")?;
            show.result(&reply, |list| Reader::here().admins(list))
        }
        AdminsCommand::Add { name, email, role } => {
            let reply: Reply<InitialPassword> =
                client.post("/v1/admins", &AdminRequest { name, email, role })?;
            show.result(&reply, |added| Reader::here().admin_added(added))
        }
        AdminsCommand::Remove { name } => {
            let reply: Reply<AdminEntry> =
                client.delete(&format!("/v1/admins/{}", segment(&name)))?;
            show.result(&reply, |admin| {
                output::plain(&format!("{} is no admin any more.", admin.name))
            })
        }
        AdminsCommand::Reset { name } => {
            let path = format!("/v1/admins/{}/password/reset", segment(&name));
            let reply: Reply<InitialPassword> = client.post_nothing(&path)?;
            show.result(&reply, |reset| Reader::here().password_reset(reset))
        }
        AdminsCommand::Role { name, role } => {
            let path = format!("/v1/admins/{}/role", segment(&name));
            let reply: Reply<AdminEntry> = client.put(&path, &RoleRequest { role })?;
            show.result(&reply, |admin| {
                output::plain(&format!("{} is {} now.", admin.name, admin.role))
            })
        }
    }
}
