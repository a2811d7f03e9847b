//! How the server fares, and what it was told to say to everyone.

use rookery_control_api::{AnnouncementReply, MaintenanceState, Rates, Status};

use super::{Reader, count, facts, plain};

impl Reader {
    /// How the server fares.
    pub fn status(&self, status: &Status) -> String {
        let users = count(status.users, "user", "users");
        let sessions = count(status.sessions, "session", "sessions");
        let connections = count(status.connections, "connection", "connections");
        let certificate = status.certificate_expires_at.map_or_else(
            || "end unknown".to_owned(),
            |end| format!("ends {}", self.time(end)),
        );
        let queues = format!(
            "{} at the inlet, {} at the journal, largest sendq {}",
            status.core_queue_events,
            status.commit_queue_batches,
            bytes(status.largest_sendq_bytes as u64)
        );
        let lines = [
            ("Server", status.server_name.clone()),
            (
                "Versions",
                format!(
                    "rookeryd {}, admin-cli {}",
                    status.version,
                    env!("CARGO_PKG_VERSION")
                ),
            ),
            ("Started", self.time(status.started_at)),
            ("Online", format!("{users}, {sessions}, {connections}")),
            ("Channels", status.channels.to_string()),
            ("Bans", status.bans.to_string()),
            (
                "Maintenance",
                status
                    .maintenance
                    .clone()
                    .unwrap_or_else(|| "off".to_owned()),
            ),
            (
                "Messages",
                format!("{} stored since the start", status.messages_stored),
            ),
            ("Rates", rates(&status.rates)),
            ("Queues", queues),
            ("Store", format!("{} on disk", bytes(status.store_bytes))),
            ("Mail", status.mail.clone()),
            ("Certificate", certificate),
        ];
        facts(lines)
    }

    /// Whether anyone new is let in.
    pub fn maintenance(&self, state: &MaintenanceState) -> String {
        let MaintenanceState {
            on,
            message,
            by,
            since,
        } = state;
        if !on {
            return "There is no maintenance: people are let in.".to_owned();
        }
        let since = since.map_or_else(String::new, |since| format!(" since {}", self.time(since)));
        let by = by
            .as_ref()
            .map_or_else(String::new, |by| format!(", by {by}"));
        let message = message.as_deref().unwrap_or_default();
        plain(&format!(
            "Under maintenance{since}{by}: nobody new is let in, and is told: {message}"
        ))
    }
}

/// What there was in a second, on average.
fn rates(rates: &Rates) -> String {
    let Rates {
        messages_received,
        deliveries,
        delivered_bytes,
        connections_accepted,
        ..
    } = rates;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "shown in whole bytes"
    )]
    let size = bytes(*delivered_bytes as u64);
    format!(
        "{messages_received} messages, {deliveries} deliveries ({size}), {connections_accepted} connections a second; {} \
         sign-ins, {} refused",
        rates.sign_ins, rates.sign_ins_refused
    )
}

/// An announcement that is on its way.
pub fn announced(reply: &AnnouncementReply) -> String {
    format!(
        "Announced to {}.",
        count(reply.sessions, "session", "sessions")
    )
}

/// A size in the largest unit that fits.
pub fn bytes(bytes: u64) -> String {
    let in_unit = |shift: u32, unit: &str| {
        let tenths = (u128::from(bytes) * 10) >> shift;
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => in_unit(10, "KiB"),
        0x10_0000..0x4000_0000 => in_unit(20, "MiB"),
        _ => in_unit(30, "GiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::{ago, reader};

    #[test]
    fn rates_are_told_in_one_line() {
        let of = Rates {
            messages_received: 1.5,
            deliveries: 200.0,
            delivered_bytes: 20_480.4,
            connections_accepted: 0.25,
            ..Rates::default()
        };
        let expected = "1.5 messages, 200 deliveries (20.0 KiB), 0.25 connections a second; 0 sign-ins, 0 refused";
        assert_eq!(rates(&of), expected);
    }

    #[test]
    fn maintenance_is_told_with_its_words() {
        let off = MaintenanceState {
            on: false,
            message: None,
            by: None,
            since: None,
        };
        assert_eq!(
            reader().maintenance(&off),
            "There is no maintenance: people are let in."
        );
        let on = MaintenanceState {
            on: true,
            message: Some("moving house".to_owned()),
            by: Some("root".to_owned()),
            since: Some(ago(60)),
        };
        assert_eq!(
            reader().maintenance(&on),
            "Under maintenance since 2026-11-22 09:59:00 (1m ago), by root: nobody new is let in, and is told: moving house"
        );
    }
}
