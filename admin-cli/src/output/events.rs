//! What happens, a line for each event.

use rookery_protocol::control::{AuditOutcome, AuditRecord, BanEntry, Happening, LiveEvent};

use super::{Reader, count, plain};
use crate::colour;

impl Reader {
    /// One event: its time of day, its kind, and what happened.
    pub fn event(&self, event: &LiveEvent) -> String {
        let time = event
            .at
            .to_zoned(self.zone.clone())
            .strftime("%H:%M:%S")
            .to_string();
        let line = plain(&format!(
            "{time}  {:<15}  {}",
            event.what.kind().name(),
            self.happening(&event.what)
        ));
        if is_alarming(&event.what) {
            colour::red(&line)
        } else {
            line
        }
    }

    fn happening(&self, what: &Happening) -> String {
        let known = |account: &Option<String>| if account.is_some() { "" } else { " (guest)" };
        match what {
            Happening::UserCame {
                nick,
                account,
                address,
            } => {
                format!("{nick}{} from {address}", known(account))
            }
            Happening::UserRenamed { nick, before } => format!("{before} is {nick} now"),
            Happening::UserWent { nick, account, why } => {
                format!("{nick}{}: {}", known(account), why.words())
            }
            Happening::SignInRefused { name, address, why } => {
                let name = if name.is_empty() { "someone" } else { name };
                format!("{name} from {address}: {why}")
            }
            Happening::AccountMade {
                account,
                email,
                address,
            } => {
                format!(
                    "{account} ({}) from {address}",
                    email.as_deref().unwrap_or("no email")
                )
            }
            Happening::ChannelMade { channel, by } => format!("{channel} by {by}"),
            Happening::ChannelGone { channel } => channel.clone(),
            Happening::BanMade { ban } => {
                let BanEntry {
                    target,
                    expires_at,
                    by,
                    reason,
                    ..
                } = ban;
                let until = expires_at.map_or_else(
                    || "for ever".to_owned(),
                    |end| format!("ends {}", self.distance(end)),
                );
                format!("{target} by {by}, {until}: {reason}")
            }
            Happening::BanLifted { ban } | Happening::BanExpired { ban } => ban.target.clone(),
            Happening::Audit { entry } => {
                let AuditRecord {
                    actor,
                    origin,
                    act,
                    target,
                    outcome,
                    detail,
                    ..
                } = &**entry;
                let actor = if actor.is_empty() { "someone" } else { actor };
                let what = [act.as_str(), target].join(" ");
                let detail = if detail.is_empty() {
                    String::new()
                } else {
                    format!(": {detail}")
                };
                format!(
                    "{actor} from {origin}, {} {}{detail}",
                    what.trim_end(),
                    outcome.name()
                )
            }
            Happening::Announced { by, to, sessions } => {
                let to = to.as_deref().unwrap_or("everyone");
                format!(
                    "by {by} to {to}, {}",
                    count(*sessions, "session", "sessions")
                )
            }
            Happening::Maintenance {
                by,
                message: Some(message),
            } => {
                format!("begun by {by}; whoever connects is told: {message}")
            }
            Happening::Maintenance { by, message: None } => {
                format!("over, by {by}: people are let in")
            }
            Happening::Reloaded { problem: None } => {
                "config, certificates and CSV files".to_owned()
            }
            Happening::Reloaded {
                problem: Some(problem),
            } => format!("not at all: {problem}"),
            Happening::Trouble { with, detail } => format!("{}: {detail}", with.name()),
            Happening::LeftOut { events } => {
                let events = usize::try_from(*events).unwrap_or(usize::MAX);
                format!(
                    "{}, because this reads too slowly",
                    count(events, "event", "events")
                )
            }
            Happening::Ended { reason } => reason.clone(),
        }
    }
}

/// Whether something was refused, or fails.
fn is_alarming(what: &Happening) -> bool {
    match what {
        Happening::SignInRefused { .. }
        | Happening::Trouble { .. }
        | Happening::LeftOut { .. }
        | Happening::Reloaded { problem: Some(_) } => true,
        Happening::Audit { entry } => entry.outcome == AuditOutcome::Refused,
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rookery_protocol::control::{Part, WhyGone};

    use super::*;
    use crate::output::tests::{ago, reader};

    #[test]
    fn an_event_is_one_harmless_line() {
        let line = |what| reader().event(&LiveEvent { at: ago(0), what });
        let why = WhyGone::Kicked;
        let went = Happening::UserWent {
            nick: "bo\u{1b}[2J".to_owned(),
            account: None,
            why,
        };
        assert_eq!(
            line(went),
            "10:00:00  user-went        bo\u{fffd}[2J (guest): kicked"
        );
        let ban = BanEntry {
            id: 1,
            target: "bo".to_owned(),
            reason: "spam".to_owned(),
            by: "root".to_owned(),
            created_at: ago(0),
            expires_at: None,
        };
        assert_eq!(
            line(Happening::BanMade { ban: ban.clone() }),
            "10:00:00  ban-made         bo by root, for ever: spam"
        );
        let ban = BanEntry {
            expires_at: Some(ago(-60)),
            ..ban
        };
        assert_eq!(
            line(Happening::BanMade { ban }),
            "10:00:00  ban-made         bo by root, ends in 1m: spam"
        );
        let trouble = Happening::Trouble {
            with: Part::Mail,
            detail: "no route\n".to_owned(),
        };
        assert_eq!(
            line(trouble),
            "10:00:00  trouble          mail: no route\u{fffd}"
        );
        assert!(
            line(Happening::LeftOut { events: 1 })
                .ends_with("1 event, because this reads too slowly")
        );
    }
}
