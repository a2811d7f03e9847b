//! The targets of kicks and bans: the users that they cover, and the targets that have to be
//! confirmed.

use std::net::IpAddr;

use rookery_control_api::OnlineUser;
use rookery_protocol::{AccountName, Email};

use super::users;
use crate::auth::operator::Operator;
use crate::http::problem::{Kind, Refusal};
use rookery_chat::request::{FindCovered, FindUser};
use rookery_record::{BanTarget, EmailAliases};

/// Parses a target.
pub fn parse(text: &str) -> Result<BanTarget, Refusal> {
    BanTarget::parse(text)
        .map_err(|error| Kind::Invalid.with_detail(format!("The target is {error}.")))
}

/// Returns the email of the account that a target names, if it names one: a ban of it covers the
/// other accounts of its mailbox too.
pub async fn account_email(
    operator: &Operator,
    target: &BanTarget,
) -> Result<Option<Email>, Refusal> {
    let BanTarget::Account(name) = target.clone() else {
        return Ok(None);
    };
    let account = operator.read(move |store| store.account_by_name(&name));
    Ok(account.await?.and_then(|account| account.email))
}

/// Returns the online users that a target covers, with their covered sessions, sorted by nick.
/// `account_email` is what [`account_email`] returns.
pub async fn covered(
    operator: &Operator,
    target: &BanTarget,
    account_email: Option<Email>,
) -> Result<Vec<OnlineUser>, Refusal> {
    let find = FindCovered {
        target: target.clone(),
        account_email,
    };
    let mut users = operator.plane.request(find).await?;
    users.sort_by(|one, other| one.nick.cmp(&other.nick));
    Ok(users.into_iter().map(users::to_online_user).collect())
}

/// Refuses an act (`ban` or `kick`) on an account that does not exist if another one looks the
/// same, or somebody online has that name as nick: the operator means that account or user, and the
/// act would not affect it. If the account exists, returns a note about the other user.
pub async fn ensure_account_is_meant(
    operator: &Operator,
    target: &BanTarget,
    act: &str,
) -> Result<Option<String>, Refusal> {
    let BanTarget::Account(name) = target else {
        return Ok(None);
    };
    let own = name.clone();
    let (exists, looks_alike) = operator
        .read(move |store| {
            let exists = store.account_by_name(&own)?.is_some();
            Ok((exists, store.account_that_looks_like(&own)?))
        })
        .await?;
    let Some(user) = operator.plane.request(FindUser(name.to_nick())).await? else {
        return match looks_alike.filter(|_| !exists) {
            None => Ok(None),
            Some(other) => Err(Kind::Invalid.with_detail(format!(
                "There is no account {name}, but the account {} looks the same. To {act} it, copy \
                 its name from here.",
                other.name
            ))),
        };
    };
    let (holder, instead) = match (&user.identity, user.sessions.first()) {
        (Some(identity), _) if identity.name == *name => return Ok(None),
        (Some(identity), _) => {
            let account = identity.name.to_string();
            (format!("the account {account}"), account)
        }
        (None, Some(session)) => {
            let address = session.address.ip().to_string();
            (format!("a guest from {address}"), address)
        }
        (None, None) => ("a guest".to_owned(), "the guest's address".to_owned()),
    };
    if exists {
        return Ok(Some(format!(
            "This applies to the account {name}; the nick {name} is in use by {holder}."
        )));
    }
    Err(Kind::Invalid.with_detail(format!(
        "There is no account {name}, but {name} is now the nick of {holder}. To {act} that user, \
         name {instead}."
    )))
}

/// Refuses an unconfirmed act (`ban` or `kick`) on a target that is probably a mistake: one that
/// covers everyone, or the operator.
pub async fn ensure_confirmed(
    operator: &Operator,
    target: &BanTarget,
    act: &str,
) -> Result<(), Refusal> {
    match doubt(operator, target).await? {
        Some(doubt) => Err(unconfirmed(&doubt, act)),
        None => Ok(()),
    }
}

/// Returns the refusal of an unconfirmed act, given what [`doubt`] returns.
pub fn unconfirmed(doubt: &str, act: &str) -> Refusal {
    Kind::ConfirmationRequired.with_detail(format!(
        "{doubt} To {act} it anyway, confirm it (`confirm` in the request, `--yes` in admin-cli)."
    ))
}

/// Returns why a target is probably a mistake, as a sentence; `None` if it is not.
pub async fn doubt(operator: &Operator, target: &BanTarget) -> Result<Option<String>, Refusal> {
    Ok(Doubts::of(operator).await?.about(target))
}

/// What makes a target doubtful that an operator names. It is read once, for any number of targets.
pub struct Doubts {
    address: IpAddr,
    email: Email,
    aliases: EmailAliases,
    /// The accounts of the operator's mailbox.
    accounts: Vec<AccountName>,
}

impl Doubts {
    /// Reads what belongs to the operator.
    pub async fn of(operator: &Operator) -> Result<Self, Refusal> {
        let aliases = operator.plane.control.config.accounts.get().email_aliases();
        let email = operator.admin().email.clone();
        let (own, rules) = (email.clone(), aliases.clone());
        let accounts = operator.read(move |store| store.accounts_of_mailbox(&own, &rules));
        Ok(Self {
            address: operator.address(),
            email,
            aliases,
            accounts: accounts.await?.into_iter().map(|it| it.name).collect(),
        })
    }

    /// Returns why a target is probably a mistake, as a sentence; `None` if it is not.
    pub fn about(&self, target: &BanTarget) -> Option<String> {
        if target.is_sweeping() {
            Some(format!(
                "{target} covers everyone, or a large part of everyone."
            ))
        } else if target.covers_address(self.address) {
            Some(format!(
                "{target} covers your own address, {}.",
                self.address
            ))
        } else if self.covers_own_account(target) {
            Some(format!("{target} covers your own account."))
        } else {
            None
        }
    }

    /// Whether the target covers the account with the admin's email.
    fn covers_own_account(&self, target: &BanTarget) -> bool {
        match target {
            BanTarget::Account(name) => self.accounts.contains(name),
            BanTarget::Email(email) => {
                self.aliases.mailbox(email) == self.aliases.mailbox(&self.email)
            }
            BanTarget::EmailPattern(pattern) => self.aliases.are_covered(pattern, &self.email),
            BanTarget::Address(_) | BanTarget::Network(_) => false,
        }
    }
}
