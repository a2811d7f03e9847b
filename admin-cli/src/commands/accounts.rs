//! `accounts` and `account`: the chat accounts.

use clap::{Args, Subcommand};
use rookery_control_api::{
    AccountCredential, AccountList, AccountReply, CredentialList, DisableRequest, RevokeRequest,
};

use crate::client::{Client, Query, Reply, segment};
use crate::context::Context;
use crate::failure::Failure;
use crate::prompt::confirm;
use crate::render::{Clock, ended_sessions, printable, with_next};
use crate::table::{table, with_count};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the accounts
    Accounts(ListOptions),
    /// Disable, enable or delete an account, or show and revoke its credentials
    #[command(subcommand)]
    Account(AccountCommand),
}

#[derive(Debug, Args)]
pub struct ListOptions {
    /// Only accounts with this text in their name or email
    #[arg(long, value_name = "S")]
    search: Option<String>,
    /// Start after this name; the previous page names it
    #[arg(long, value_name = "NAME")]
    after: Option<String>,
    /// Entries per page
    #[arg(
        long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    limit: u16,
}

#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Refuse sign-ins to the account and end its sessions
    Disable {
        /// The account's name
        name: String,
        /// Shown to the account's owner
        #[arg(long, value_name = "R")]
        reason: Option<String>,
    },
    /// Allow sign-ins to the account again, and accept mailed codes for it if too many were wrong
    Enable {
        /// The account's name
        name: String,
    },
    /// Delete the account and its credentials; its messages stay in the history
    Delete {
        /// The account's name
        name: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Revoke the account's devices, certificates and password, and end its sessions; the owner can
    /// sign in again with a mailed code
    Revoke {
        /// The account's name
        name: String,
        /// Keep the password
        #[arg(long, conflicts_with = "credential")]
        keep_password: bool,
        /// Only this device or certificate, by its id (see `account credentials`)
        #[arg(long, value_name = "ID")]
        credential: Option<i64>,
    },
    /// List the account's devices and client certificates
    Credentials {
        /// The account's name
        name: String,
    },
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::Accounts(options) => {
                let ListOptions {
                    search,
                    after,
                    limit,
                } = options;
                let query = Query::new("/v1/accounts")
                    .set("limit", limit)
                    .maybe("search", search)
                    .maybe("after", after);
                let reply: Reply<AccountList> = client.get(&query)?;
                context.show(&reply, account_table)
            }
            Self::Account(command) => account(&client, command, context),
        }
    }
}

fn path(name: &str) -> String {
    format!("/v1/accounts/{}", segment(name))
}

fn account(client: &Client, command: AccountCommand, context: &Context<'_>) -> Result<(), Failure> {
    let (reply, done): (Reply<AccountReply>, _) = match command {
        AccountCommand::Disable { name, reason } => {
            let path = format!("{}/disable", path(&name));
            let reply = client.post(&path, &DisableRequest { reason })?;
            (reply, "Disabled")
        }
        AccountCommand::Enable { name } => {
            let path = format!("{}/enable", path(&name));
            (client.post_empty(&path)?, "Enabled")
        }
        AccountCommand::Delete { name, yes } => {
            let warning = format!("Account {name} and its credentials will be deleted for good.");
            if !yes && !confirm(&warning)? {
                return Err(Failure::new(
                    "not confirmed, nothing was deleted (--yes skips the question)",
                ));
            }
            (client.delete(&path(&name))?, "Deleted")
        }
        AccountCommand::Revoke {
            name,
            credential: Some(id),
            ..
        } => {
            let path = format!("{}/credentials/{id}", path(&name));
            (client.delete(&path)?, "Revoked one credential of")
        }
        AccountCommand::Revoke {
            name,
            keep_password,
            credential: None,
        } => {
            let path = format!("{}/credentials/revoke", path(&name));
            let done = if keep_password {
                "Revoked all devices and certificates of"
            } else {
                "Revoked all credentials of"
            };
            (client.post(&path, &RevokeRequest { keep_password })?, done)
        }
        AccountCommand::Credentials { name } => {
            let reply: Reply<CredentialList> =
                client.get(format!("{}/credentials", path(&name)))?;
            return context.show(&reply, credential_table);
        }
    };
    context.show(&reply, |reply, _| changed(reply, done))
}

fn account_table(list: &AccountList, clock: &Clock) -> String {
    let rows = list.accounts.iter().map(|account| {
        let password = if account.has_password { "yes" } else { "no" };
        let status = match &account.disabled {
            None => "active".to_owned(),
            Some(reason) => format!("disabled: {reason}"),
        };
        [
            account.name.clone(),
            account.email.clone().unwrap_or_else(|| "(none)".to_owned()),
            clock.time(account.created_at),
            password.to_owned(),
            account.credentials.to_string(),
            status,
        ]
    });
    let header = [
        "NAME",
        "EMAIL",
        "CREATED",
        "PASSWORD",
        "CREDENTIALS",
        "STATUS",
    ];
    let page = with_count(
        &table(header, rows),
        list.accounts.len(),
        "account",
        "accounts",
    );
    with_next(page, list.next.as_ref())
}

fn credential_table(list: &CredentialList, clock: &Clock) -> String {
    let rows = list.credentials.iter().map(|credential| {
        let kind = match credential.kind {
            AccountCredential::Device => "device",
            AccountCredential::Certificate => "certificate",
        };
        let last_used = credential
            .last_used_at
            .map_or_else(|| "never".to_owned(), |at| clock.distance(at));
        [
            credential.id.to_string(),
            kind.to_owned(),
            clock.time(credential.created_at),
            last_used,
            credential.label.clone().unwrap_or_default(),
        ]
    });
    let table = table(["ID", "KIND", "CREATED", "LAST USED", "LABEL"], rows);
    with_count(&table, list.credentials.len(), "credential", "credentials")
}

/// Returns what was done to an account, and whose sessions ended.
fn changed(reply: &AccountReply, done: &str) -> String {
    let account = &reply.account;
    let email = account.email.as_deref().unwrap_or("no email");
    printable(&format!(
        "{done} {} ({email}); {}",
        account.name,
        ended_sessions(&reply.ended)
    ))
}

#[cfg(test)]
mod tests {
    use rookery_control_api::{AccountEntry, KickReply};

    use super::*;
    use crate::render::tests::{ago, clock};

    #[test]
    fn a_page_of_accounts_says_how_to_see_the_next() {
        let account = |name: &str, disabled: Option<&str>| AccountEntry {
            name: name.to_owned(),
            email: Some(format!("{name}@example.org")),
            created_at: ago(3_600),
            has_password: disabled.is_none(),
            credentials: 2,
            disabled: disabled.map(str::to_owned),
        };
        let mut list = AccountList {
            accounts: vec![account("alice", None), account("bo", Some("moved"))],
            next: Some("bo".to_owned()),
        };
        let expected = "\
NAME   EMAIL              CREATED                       PASSWORD  CREDENTIALS  STATUS
alice  alice@example.org  2026-11-22 09:00:00 (1h ago)  yes       2            active
bo     bo@example.org     2026-11-22 09:00:00 (1h ago)  no        2            disabled: moved

2 accounts; for more, --after bo";
        assert_eq!(account_table(&list, &clock()), expected);
        list.next = None;
        assert!(account_table(&list, &clock()).ends_with("\n2 accounts"));
        let ended = KickReply {
            users: vec!["bo".to_owned()],
            sessions: 1,
        };
        let reply = AccountReply {
            account: account("bo", None),
            ended,
        };
        assert_eq!(
            changed(&reply, "Deleted"),
            "Deleted bo (bo@example.org); 1 session of bo ended."
        );
    }
}
