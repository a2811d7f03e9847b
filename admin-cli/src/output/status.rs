//! How the server fares, and what it was told to say to everyone.

use rookery_protocol::control::{AnnouncementReply, Status};

use super::{Reader, count, facts};

impl Reader {
    /// How the server fares.
    pub fn status(&self, status: &Status) -> String {
        let users = count(status.users, "user", "users");
        let sessions = count(status.sessions, "session", "sessions");
        let connections = count(status.connections, "connection", "connections");
        let certificate = status
            .certificate_expires_at
            .map_or_else(|| "end unknown".to_owned(), |end| format!("ends {}", self.time(end)));
        let queues = format!(
            "{} at the inlet, {} at the journal, largest sendq {}",
            status.inlet_waiting,
            status.journal_waiting,
            bytes(status.largest_sendq_bytes as u64)
        );
        let lines = [
            ("Server", format!("{}, version {}", status.server_name, status.version)),
            ("Started", self.time(status.started_at)),
            ("Online", format!("{users}, {sessions}, {connections}")),
            ("Channels", status.channels.to_string()),
            ("Bans", status.bans.to_string()),
            ("Messages", format!("{} stored since the start", status.messages_stored)),
            ("Queues", queues),
            ("Store", format!("{} on disk", bytes(status.store_bytes))),
            ("Mail", status.mail.clone()),
            ("Certificate", certificate),
        ];
        facts(lines)
    }
}

/// An announcement that is on its way.
pub fn announced(reply: &AnnouncementReply) -> String {
    format!("Announced to {}.", count(reply.sessions, "session", "sessions"))
}

/// A size in the largest unit that fits.
fn bytes(bytes: u64) -> String {
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
