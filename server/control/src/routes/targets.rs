//! The targets of kicks and bans: the users that they cover, and the targets that have to be
//! confirmed.

use rookery_control_api::OnlineUser;
use rookery_protocol::Email;

use super::users;
use crate::auth::operator::Operator;
use crate::http::problem::{Kind, Refusal};
use rookery_chat::request::FindCovered;
use rookery_record::BanTarget;

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
    Ok(if target.is_sweeping() {
        Some(format!(
            "{target} covers everyone, or a large part of everyone."
        ))
    } else if target.covers_address(operator.address()) {
        Some(format!(
            "{target} covers your own address, {}.",
            operator.address()
        ))
    } else if covers_admin(operator, target).await? {
        Some(format!("{target} covers your own account."))
    } else {
        None
    })
}

/// Whether the target covers the account with the admin's email.
async fn covers_admin(operator: &Operator, target: &BanTarget) -> Result<bool, Refusal> {
    let aliases = operator.plane.control.config.accounts.get().email_aliases();
    let (target, admin) = (target.clone(), operator.name().to_owned());
    let covers = operator.read(move |store| {
        let Some(admin) = store.admin(&admin)? else {
            return Ok(false);
        };
        Ok(match &target {
            BanTarget::Account(name) => store
                .account_by_name(name)?
                .and_then(|account| account.email)
                .is_some_and(|email| aliases.mailbox(&email) == aliases.mailbox(&admin.email)),
            BanTarget::Email(email) => aliases.mailbox(email) == aliases.mailbox(&admin.email),
            BanTarget::EmailPattern(pattern) => {
                pattern.covers(admin.email.folded())
                    || pattern.covers(&aliases.mailbox(&admin.email))
            }
            BanTarget::Address(_) | BanTarget::Network(_) => false,
        })
    });
    covers.await
}
