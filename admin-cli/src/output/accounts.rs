//! Who has an account.

use rookery_control_api::{AccountCredential, AccountList, AccountReply, CredentialList};

use super::{Reader, ended, plain, table, with_count, with_next};

impl Reader {
    /// One page of the accounts.
    pub fn accounts(&self, list: &AccountList) -> String {
        let rows = list.accounts.iter().map(|account| {
            let password = if account.has_password { "yes" } else { "no" };
            [
                account.name.clone(),
                account.email.clone().unwrap_or_else(|| "(none)".to_owned()),
                self.time(account.created_at),
                password.to_owned(),
                account.credentials.to_string(),
                account
                    .disabled
                    .as_ref()
                    .map_or_else(String::new, |reason| format!("disabled: {reason}")),
            ]
        });
        let table = table(
            ["NAME", "EMAIL", "MADE", "PASSWORD", "CREDENTIALS", ""],
            rows,
        );
        let page = with_count(&table, list.accounts.len(), "account", "accounts");
        with_next(page, list.next.as_ref())
    }
}

impl Reader {
    /// What opens an account besides its password.
    pub fn credentials(&self, list: &CredentialList) -> String {
        let rows = list.credentials.iter().map(|credential| {
            let kind = match credential.kind {
                AccountCredential::Device => "device",
                AccountCredential::Certificate => "certificate",
            };
            [
                credential.id.to_string(),
                kind.to_owned(),
                self.time(credential.created_at),
                credential
                    .used_at
                    .map_or_else(|| "never".to_owned(), |at| self.distance(at)),
            ]
        });
        let table = table(["ID", "KIND", "ADDED", "USED"], rows);
        with_count(&table, list.credentials.len(), "credential", "credentials")
    }
}

/// Something that was done to an account.
pub fn account(reply: &AccountReply, done: &str) -> String {
    let account = &reply.account;
    let email = account.email.as_deref().unwrap_or("no email");
    plain(&format!(
        "{} ({email}) {done}; {}.",
        account.name,
        ended(&reply.ended)
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rookery_control_api::{AccountEntry, KickReply};

    use super::*;
    use crate::output::tests::{ago, reader};

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
NAME   EMAIL              MADE                          PASSWORD  CREDENTIALS
alice  alice@example.org  2026-11-22 09:00:00 (1h ago)  yes       2
bo     bo@example.org     2026-11-22 09:00:00 (1h ago)  no        2            disabled: moved

2 accounts; for more, --after bo";
        assert_eq!(reader().accounts(&list), expected);
        list.next = None;
        assert!(reader().accounts(&list).ends_with("\n2 accounts"));
        let ended = KickReply {
            users: vec!["bo".to_owned()],
            sessions: 1,
        };
        let reply = AccountReply {
            account: account("bo", None),
            ended,
        };
        assert_eq!(
            super::account(&reply, "is deleted"),
            "bo (bo@example.org) is deleted; 1 session of bo ended."
        );
    }
}
