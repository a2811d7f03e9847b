//! Mails the head of the audit trail's hash chain to all admins once a day. Compared with an
//! earlier mail, a rewritten trail is detected even if the attacker controls the whole machine.

use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use rookery_control_api::ChainHead;

use crate::plane::ControlPlane;
use rookery_base::mail::{Mail, Requester};
use rookery_record::{Admin, AuditQuery, NewAudit, Outcome};
use rookery_store::{Durability, Result, Store};

/// The act under which a mailing is recorded. The next one is due a day after the last such entry.
const ACT: &str = "mail head";
/// How often it is checked whether a mailing is due.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);
/// For how long the delivery of a head is attempted.
const USEFUL_FOR: Duration = Duration::from_hours(12);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Mails the head whenever it is due, until the future is dropped.
pub async fn run(plane: &ControlPlane) {
    let mut checks = tokio::time::interval(CHECK_INTERVAL);
    loop {
        checks.tick().await;
        if plane.control.config.admin.get().mail_chain_head
            && let Err(error) = mail_if_due(plane, Timestamp::now()).await
        {
            tracing::error!(%error, "cannot record the head of the audit trail; it was not mailed");
        }
    }
}

async fn mail_if_due(plane: &ControlPlane, now: Timestamp) -> Result<()> {
    let recorded = plane
        .control
        .database
        .write(Durability::Record, move |store| record_if_due(store, now))
        .await?;
    let Some((head, admins)) = recorded else {
        return Ok(());
    };
    let server = plane.control.config.chat.get().server_name.clone();
    for admin in admins {
        let mail = mail(&server, &head, admin);
        drop(plane.control.mailer.send(mail, Requester::Operator));
    }
    Ok(())
}

/// Records the mailing, if the last one is a day old and there is an admin. Returns the new entry,
/// which is the head to be mailed, and the admins. All of this is one transaction, so that no other
/// entry can become the head in between.
fn record_if_due(store: &mut Store, now: Timestamp) -> Result<Option<(ChainHead, Vec<Admin>)>> {
    let query = AuditQuery {
        act: Some(ACT.to_owned()),
        limit: 1,
        ..AuditQuery::default()
    };
    let last = store.find_audit(&query)?.pop();
    let admins = store.admins()?;
    if admins.is_empty() || last.is_some_and(|last| is_recent(last.entry.at, now)) {
        return Ok(None);
    }
    let names: Vec<&str> = admins.iter().map(|admin| admin.name.as_str()).collect();
    let entry = store.append_audit(&NewAudit {
        at: now,
        actor: String::new(),
        origin: "local".to_owned(),
        session: String::new(),
        act: ACT.to_owned(),
        target: names.join(" "),
        outcome: Outcome::Allowed,
        detail: "this entry's number and hash are mailed".to_owned(),
    })?;
    Ok(Some((
        ChainHead {
            id: entry.id,
            hash: HEXLOWER.encode(&entry.hash),
        },
        admins,
    )))
}

/// Whether less than a day has passed. A time in the future is from a clock that was wrong.
fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at).abs() < DAY
}

fn mail(server: &str, head: &ChainHead, admin: Admin) -> Mail {
    Mail {
        to: admin.email,
        subject: format!("The audit trail of {server}: entry {}", head.id),
        text: format!(
            "The newest entry of the audit trail of {server}, by number and hash:\n\n\
             {head}\n\n\
             Please keep this mail. With it you can check later that no entry up to\n\
             this one was changed or removed:\n\n    \
             admin-cli audit verify --head ID:HASH\n\n\
             Replace ID:HASH by the line above.\n"
        ),
        useful_for: USEFUL_FOR,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rookery_control_api::Role;
    use rookery_record::NewAdmin;

    use super::*;

    #[test]
    fn the_head_is_mailed_daily_also_after_the_clock_was_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("rookery.db")).unwrap();
        let start = Timestamp::UNIX_EPOCH;
        let admin = NewAdmin {
            name: "root".to_owned(),
            email: "root@example.org".parse().unwrap(),
            password_hash: String::new(),
            role: Role::Owner,
            created_at: start,
            initial_password_expires_at: None,
        };
        store.add_admin(&admin).unwrap();
        let due: Vec<_> = [0, 23, 24, 25, 24 * 400, 48, 71, 72]
            .into_iter()
            .filter(|hours| {
                let now = start + SignedDuration::from_hours(*hours);
                record_if_due(&mut store, now).unwrap().is_some()
            })
            .collect();
        assert_eq!(due, [0, 24, 24 * 400, 48, 72]);
    }
}
