//! `watch`: events as they happen.

use clap::Args;
use rookery_control_api::{
    AuditOutcome, AuditRecord, BanEntry, EventKind, ServerEvent, TimedEvent,
};
use rookery_protocol::AccountName;
use rookery_terminal::quoted;

use crate::args::one_of;
use crate::client::{Query, read_line};
use crate::colour;
use crate::context::Context;
use crate::failure::{Failure, while_doing};
use crate::render::{self, Clock, count, printable};

#[derive(Debug, Args)]
pub struct Options {
    /// Only events of this kind, such as user-disconnected; can be repeated
    #[arg(long = "kind", value_name = "K",
        value_parser = one_of::<EventKind>(EventKind::ALL.iter().map(|kind| kind.name())))]
    kinds: Vec<EventKind>,
    /// Only events about this user, account, admin or ban target
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

impl Options {
    /// Prints events until the session or the server ends, or nothing reads them any longer.
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let query = Query::new("/v1/events")
            .maybe("kinds", (!kinds.is_empty()).then(|| kinds.join(",")))
            .maybe("user", self.user);
        let mut stream = client.stream(&query.to_string())?;
        let broke_off = || format!("the stream of events from {} broke off", client.server());
        while let Some(line) =
            read_line(&mut stream).map_err(|error| while_doing(broke_off())(error))?
        {
            // Other lines are comments, or name the event's kind, which the data contains too.
            let Some(data) = line.strip_prefix("data: ") else {
                continue;
            };
            // A newer server may send kinds that this version does not know.
            let Ok(timed) = serde_json::from_str::<TimedEvent>(data) else {
                continue;
            };
            let is_read = if context.json {
                render::print_json_line(data)?
            } else {
                render::print_line(&event_line(&timed, &Clock::system()))?
            };
            if !is_read {
                return Ok(());
            }
            if let ServerEvent::Ended { reason } = timed.event {
                return Err(Failure::not_signed_in(printable(&format!(
                    "The session has ended: {reason}."
                ))));
            }
        }
        Err(Failure::new(format!(
            "{} has ended the stream of events; it may be stopping",
            client.server()
        )))
    }
}

/// Returns the time of day, the kind and a description of an event.
fn event_line(timed: &TimedEvent, clock: &Clock) -> String {
    let line = format!(
        "{}  {:<17}  {}",
        clock.time_of_day(timed.at),
        timed.event.kind().name(),
        printable(&describe(&timed.event, clock))
    );
    if is_alarming(&timed.event) {
        colour::red(&line)
    } else {
        line
    }
}

fn describe(event: &ServerEvent, clock: &Clock) -> String {
    let guest = |account: &Option<String>| if account.is_some() { "" } else { " (guest)" };
    let or_unknown = |name: &str| {
        // Anyone can sign in with any text, such as one that looks like the rest of an event.
        if name.is_empty() {
            "(no name)".to_owned()
        } else if AccountName::parse(name).is_err() {
            quoted(name)
        } else {
            name.to_owned()
        }
    };
    match event {
        ServerEvent::UserConnected {
            nick,
            account,
            address,
        } => format!("{nick}{} from {address}", guest(account)),
        ServerEvent::UserRenamed {
            nick,
            previous_nick,
        } => format!("{previous_nick} is now {nick}"),
        ServerEvent::UserDisconnected {
            nick,
            account,
            reason,
        } => format!("{nick}{}: {}", guest(account), reason.description()),
        ServerEvent::SignInRefused {
            name,
            address,
            reason,
        } => format!("{} from {address}: {reason}", or_unknown(name)),
        ServerEvent::AccountCreated {
            account,
            email,
            address,
        } => format!(
            "{account} ({}) from {address}",
            email.as_deref().unwrap_or("no email")
        ),
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
            let end = expires_at.map_or_else(
                || "permanent".to_owned(),
                |end| format!("expires {}", clock.distance(end)),
            );
            format!("{target} by {by}, {end}: {reason}")
        }
        ServerEvent::BanRemoved { ban } | ServerEvent::BanExpired { ban } => ban.target.clone(),
        ServerEvent::Audit { entry } => describe_audit(entry, &or_unknown(&entry.actor)),
        ServerEvent::Announced { by, to, sessions } => {
            let to = to.as_deref().unwrap_or("everyone");
            let sessions = count(*sessions, "session", "sessions");
            format!("by {by} to {to}, {sessions}")
        }
        ServerEvent::Maintenance {
            by,
            message: Some(message),
        } => format!("started by {by}; new connections are refused with: {message}"),
        ServerEvent::Maintenance { by, message: None } => format!("ended by {by}"),
        ServerEvent::Reloaded { problem: None } => "config, certificates and CSV files".to_owned(),
        ServerEvent::Reloaded {
            problem: Some(problem),
        } => format!("failed: {problem}"),
        ServerEvent::ComponentFailed { component, detail } => {
            format!("{}: {detail}", component.name())
        }
        ServerEvent::EventsDropped { events } => {
            let events = count(*events, "event", "events");
            format!("{events}, because they were read too slowly")
        }
        ServerEvent::Ended { reason } => reason.clone(),
    }
}

fn describe_audit(entry: &AuditRecord, actor: &str) -> String {
    let AuditRecord {
        origin,
        act,
        target,
        outcome,
        detail,
        ..
    } = entry;
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

/// Returns whether the event is a refusal or a failure.
fn is_alarming(event: &ServerEvent) -> bool {
    match event {
        ServerEvent::SignInRefused { .. }
        | ServerEvent::ComponentFailed { .. }
        | ServerEvent::EventsDropped { .. }
        | ServerEvent::Reloaded { problem: Some(_) } => true,
        ServerEvent::Audit { entry } => entry.outcome == AuditOutcome::Refused,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rookery_control_api::{Component, DisconnectReason};

    use super::*;
    use crate::render::tests::{ago, clock};

    #[test]
    fn an_event_is_one_safe_line() {
        let line = |event| event_line(&TimedEvent { at: ago(0), event }, &clock());
        let disconnected = ServerEvent::UserDisconnected {
            nick: "bo\u{1b}[2J".to_owned(),
            account: None,
            reason: DisconnectReason::Kicked,
        };
        assert_eq!(
            line(disconnected),
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
        for (name, shown) in [
            ("bo", "bo"),
            ("", "(no name)"),
            ("root from ::1: ok", "“root from ::1: ok”"),
            // A pattern of Braille without dots looks like a space.
            (
                "root\u{2800}from\u{2800}::1",
                "“root\u{2800}from\u{2800}::1”",
            ),
        ] {
            let refused = ServerEvent::SignInRefused {
                name: name.to_owned(),
                address: "192.0.2.1".to_owned(),
                reason: "wrong password".to_owned(),
            };
            assert_eq!(
                line(refused),
                format!("10:00:00  sign-in-refused    {shown} from 192.0.2.1: wrong password")
            );
        }
        assert_eq!(
            line(ServerEvent::BanAdded { ban: ban.clone() }),
            "10:00:00  ban-added          bo by root, permanent: spam"
        );
        let ban = BanEntry {
            expires_at: Some(ago(-60)),
            ..ban
        };
        assert_eq!(
            line(ServerEvent::BanAdded { ban }),
            "10:00:00  ban-added          bo by root, expires in 1m: spam"
        );
        let failed = ServerEvent::ComponentFailed {
            component: Component::Mail,
            detail: "no route\n".to_owned(),
        };
        assert_eq!(
            line(failed),
            "10:00:00  component-failed   mail: no route\u{fffd}"
        );
        assert!(
            line(ServerEvent::EventsDropped { events: 1 })
                .ends_with("1 event, because they were read too slowly")
        );
    }
}
