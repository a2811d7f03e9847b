//! `accounts` and `account`.

use rookery_control_api::{
    AccountList, AccountReply, CredentialList, DisableRequest, RevokeRequest,
};

use super::{Show, ask};
use crate::cli::{AccountCommand, AccountsOptions};
use crate::client::{Client, Reply, segment};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// One page of the accounts.
pub fn list(client: &Client, options: &AccountsOptions, show: &Show) -> Result<(), Failure> {
    let AccountsOptions {
        search,
        after,
        limit,
    } = options;
    let option = |name: &str, value: &Option<String>| {
        value
            .as_deref()
            .map(|value| format!("&{name}={}", segment(value)))
            .unwrap_or_default()
    };
    let (search, after) = (option("search", search), option("after", after));
    let reply: Reply<AccountList> =
        client.get(&format!("/v1/accounts?limit={limit}{search}{after}"))?;
    show.result(&reply, |list| Reader::here().accounts(list))
}

/// Does something to one account.
pub fn run(client: &Client, command: AccountCommand, show: &Show) -> Result<(), Failure> {
    let path = |name: &str| format!("/v1/accounts/{}", segment(name));
    let (reply, done): (Reply<AccountReply>, _) = match command {
        AccountCommand::Disable { name, reason } => {
            let path = format!("{}/disable", path(&name));
            (
                client.post(&path, &DisableRequest { reason })?,
                "is disabled",
            )
        }
        AccountCommand::Enable { name } => (
            client.post_nothing(&format!("{}/enable", path(&name)))?,
            "is open again",
        ),
        AccountCommand::Delete { name, yes } => {
            let warning =
                format!("The account {name} and all that opens it will be gone for good.");
            if !yes && !ask(&warning)? {
                return Err(Failure::new(
                    "not deleted: that takes a yes at the terminal, or --yes",
                ));
            }
            (client.delete(&path(&name))?, "is deleted")
        }
        AccountCommand::Credentials { name } => return credentials(client, &path(&name), show),
        AccountCommand::Revoke {
            name,
            credential: Some(id),
            ..
        } => {
            let path = format!("{}/credentials/{id}", path(&name));
            (client.delete(&path)?, "has lost a device or certificate")
        }
        AccountCommand::Revoke {
            name,
            keep_password,
            credential: None,
        } => {
            let path = format!("{}/credentials/revoke", path(&name));
            let lost = if keep_password {
                "has lost its devices and certificates"
            } else {
                "has lost all that opened it"
            };
            (client.post(&path, &RevokeRequest { keep_password })?, lost)
        }
    };
    show.result(&reply, |reply| output::account(reply, done))
}

fn credentials(client: &Client, account: &str, show: &Show) -> Result<(), Failure> {
    let reply: Reply<CredentialList> = client.get(&format!("{account}/credentials"))?;
    show.result(&reply, |list| Reader::here().credentials(list))
}
