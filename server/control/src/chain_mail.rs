//! Mails the head of the audit trail's chain to all admins, once a day: who has yesterday's mail
//! sees when the trail was rewritten since, even by someone who has the whole machine.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rookery_control_api::ChainHead;

use data_encoding::HEXLOWER;

use super::Plane;
use rookery_base::mail::Mail;
use rookery_record::{Admin, AuditQuery, NewAudit, Outcome};
use rookery_store::{Durability, Result, Store};

/// The act by which the trail remembers when this was done last.
const ACT: &str = "mail head";
/// How often it is looked whether a day is over.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How long a head is worth sending.
const USEFUL_FOR: Duration = Duration::from_hours(12);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Runs until it is dropped.
pub async fn run(plane: &Plane) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        if plane.control.config.get().admin.mail_chain_head
            && let Err(error) = look(plane, Timestamp::now()).await
        {
            tracing::error!(%error, "the audit trail's head could not be entered, and so was not mailed");
        }
    }
}

/// Mails the head, if that was not done for a day and there is someone to mail it to.
async fn look(plane: &Plane, now: Timestamp) -> Result<()> {
    let noted = plane
        .control
        .database
        .write(Durability::Record, move |store| note(store, now))
        .await?;
    let Some((head, admins)) = noted else {
        return Ok(());
    };
    let server = plane.control.config.get().chat.server_name.clone();
    for admin in admins {
        drop(plane.control.mailer.send(mail(&server, &head, admin)));
    }
    Ok(())
}

/// Enters that the head is mailed, if it is due; that entry is the head. One transaction, so that
/// nothing comes between.
fn note(store: &mut Store, now: Timestamp) -> Result<Option<(ChainHead, Vec<Admin>)>> {
    let query = AuditQuery {
        act: Some(ACT.to_owned()),
        limit: 1,
        ..AuditQuery::default()
    };
    let last = store.find_audit(&query)?.pop();
    let admins = store.admins()?;
    if admins.is_empty() || last.is_some_and(|last| now.duration_since(last.entry.at) < DAY) {
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

fn mail(server: &str, head: &ChainHead, admin: Admin) -> Mail {
    Mail {
        to: admin.email,
        subject: format!("The audit trail of {server}: entry {}", head.id),
        text: format!(
            "The newest entry of the audit trail of {server}, by number and hash:\n\n\
             {head}\n\n\
             Keep this mail. To see later that nothing up to that entry was changed\n\
             or taken away:\n\n    \
             admin-cli audit verify --head ID:HASH\n\n\
             with the line above in place of the last word.\n"
        ),
        useful_for: USEFUL_FOR,
    }
}
