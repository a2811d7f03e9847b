//! Acts on whomever a target covers: reading it, who that is now, and what is asked twice.

use rookery_control_api::OnlineUser;

use super::problem::{Kind, Refusal};
use super::sessions::Operator;
use super::users;
use rookery_chat::event::Act;
use rookery_record::BanTarget;

/// Reads a target.
pub fn parse(text: &str) -> Result<BanTarget, Refusal> {
    BanTarget::parse(text)
        .map_err(|error| Kind::Invalid.with_detail(format!("The target is {error}.")))
}

/// Who is online and covered, with the sessions that are; by nick.
pub async fn covered(operator: &Operator, target: &BanTarget) -> Result<Vec<OnlineUser>, Refusal> {
    let mut users = users::find(operator, Act::FindCovered(target.clone())).await?;
    users.sort_by(|one, other| one.nick.cmp(&other.nick));
    Ok(users.into_iter().map(users::to_online_user).collect())
}

/// A refusal if `act` (`ban` or `kick`) would be of a kind that is done by a slip of the hand.
pub async fn ask_twice(operator: &Operator, target: &BanTarget, act: &str) -> Result<(), Refusal> {
    let why = if target.is_sweeping() {
        format!("{target} is the world, or a good part of it.")
    } else if target.covers_address(operator.address()) {
        format!(
            "{target} covers the address you come from, {}.",
            operator.address()
        )
    } else if covers_admin(operator, target).await? {
        format!("{target} covers your own account.")
    } else {
        return Ok(());
    };
    Err(Kind::ConfirmationRequired.with_detail(format!(
        "{why} To {act} it all the same, send `confirm` along (`admin-cli {act} --yes`)."
    )))
}

/// Whether that target covers the account that has the admin's mailbox.
async fn covers_admin(operator: &Operator, target: &BanTarget) -> Result<bool, Refusal> {
    let aliases = operator.plane.control.config.get().accounts.email_aliases();
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
