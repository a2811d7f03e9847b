//! What happens, a line for each event.

use rookery_control_api::{AuditOutcome, AuditRecord, BanEntry, ServerEvent, TimedEvent};

use super::{Reader, count, plain};
use crate::colour;

impl Reader {
    /// One event: its time of day, its kind, and what happened.
    pub fn event(&self, event: &TimedEvent) -> String {
        let time = event
            .at
            .to_zoned(self.zone.clone())
            .strftime("%H:%M:%S")
            .to_string();
        let line = plain(&format!(
            "{time}  {:<17}  {}",
            event.what.kind().name(),
            self.happening(&event.what)
        ));
        if is_alarming(&event.what) {
            colour::red(&line)
        } else {
            line
        }
    }

    fn happening(&self, what: &ServerEvent) -> String {
        let known = |account: &Option<String>| if account.is_some() { "" } else { " (guest)" };
        match what {
            ServerEvent::UserConnected {
                nick,
                account,
                address,
            } => {
                format!("{nick}{} from {address}", known(account))
            }
            ServerEvent::UserRenamed {
                nick,
                previous_nick,
            } => format!("{previous_nick} is {nick} now"),
            ServerEvent::UserDisconnected {
                nick,
                account,
                reason,
            } => {
                format!("{nick}{}: {}", known(account), reason.words())
            }
            ServerEvent::SignInRefused {
                name,
                address,
                reason,
            } => {
                let name = if name.is_empty() { "someone" } else { name };
                format!("{name} from {address}: {reason}")
            }
            ServerEvent::AccountCreated {
                account,
                email,
                address,
            } => {
                format!(
                    "{account} ({}) from {address}",
                    email.as_deref().unwrap_or("no email")
                )
            }
            ServerEvent::ChannelCreated { channel, by } => format!("{channel} by {by}"),
            ServerEvent::ChannelRemoved { channel } => channel.clone(),
            ServerEvent::BanAdded { ban } => {
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
            ServerEvent::BanRemoved { ban } | ServerEvent::BanExpired { ban } => ban.target.clone(),
            ServerEvent::Audit { entry } => {
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
            ServerEvent::Announced { by, to, sessions } => {
                let to = to.as_deref().unwrap_or("everyone");
                format!(
                    "by {by} to {to}, {}",
                    count(*sessions, "session", "sessions")
                )
            }
            ServerEvent::Maintenance {
                by,
                message: Some(message),
            } => {
                format!("begun by {by}; whoever connects is told: {message}")
            }
            ServerEvent::Maintenance { by, message: None } => {
                format!("over, by {by}: people are let in")
            }
            ServerEvent::Reloaded { problem: None } => {
                "config, certificates and CSV files".to_owned()
            }
            ServerEvent::Reloaded {
                problem: Some(problem),
            } => format!("not at all: {problem}"),
            ServerEvent::ComponentFailed { component, detail } => {
                format!("{}: {detail}", component.name())
            }
            ServerEvent::EventsDropped { events } => {
                let events = usize::try_from(*events).unwrap_or(usize::MAX);
                format!(
                    "{}, because this reads too slowly",
                    count(events, "event", "events")
                )
            }
            ServerEvent::Ended { reason } => reason.clone(),
        }
    }
}

/// Whether something was refused, or fails.
fn is_alarming(what: &ServerEvent) -> bool {
    match what {
        ServerEvent::SignInRefused { .. }
        | ServerEvent::ComponentFailed { .. }
        | ServerEvent::EventsDropped { .. }
        | ServerEvent::Reloaded { problem: Some(_) } => true,
        ServerEvent::Audit { entry } => entry.outcome == AuditOutcome::Refused,
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rookery_control_api::{Component, DisconnectReason};

    use super::*;
    use crate::output::tests::{ago, reader};

    #[test]
    fn an_event_is_one_harmless_line() {
        let line = |what| reader().event(&TimedEvent { at: ago(0), what });
        let reason = DisconnectReason::Kicked;
        let went = ServerEvent::UserDisconnected {
            nick: "bo\u{1b}[2J".to_owned(),
            account: None,
            reason,
        };
        assert_eq!(
            line(went),
            "10:00:00  user-disconnected  bo\u{fffd}[2J (guest): kicked"
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
            line(ServerEvent::BanAdded { ban: ban.clone() }),
            "10:00:00  ban-added          bo by root, for ever: spam"
        );
        let ban = BanEntry {
            expires_at: Some(ago(-60)),
            ..ban
        };
        assert_eq!(
            line(ServerEvent::BanAdded { ban }),
            "10:00:00  ban-added          bo by root, ends in 1m: spam"
        );
        let trouble = ServerEvent::ComponentFailed {
            component: Component::Mail,
            detail: "no route\n".to_owned(),
        };
        assert_eq!(
            line(trouble),
            "10:00:00  component-failed   mail: no route\u{fffd}"
        );
        assert!(
            line(ServerEvent::EventsDropped { events: 1 })
                .ends_with("1 event, because this reads too slowly")
        );
    }
}
