//! What the operator sees: tables and lines as text. Whatever came over the wire is made harmless
//! for a terminal.

mod accounts;
mod admins;
mod audit;
mod bans;
mod channels;
mod csv;
mod events;
mod invitations;
mod messages;
mod status;
mod users;

pub use accounts::account;
pub use audit::verdict;
pub use channels::{closed, purged};
pub use csv::imported;
pub use invitations::resent;
pub use messages::{redacted, redacted_author};
pub use status::{announced, bytes};
pub use users::kick;

pub use rookery_terminal::printable as plain;

use std::io::{self, Write as _};

use comfy_table::Table;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rookery_control_api::KickReply;

use crate::colour;
use crate::failure::{Failure, while_doing};

/// Writes to standard output, and ends the line. Whoever stops reading early has seen enough.
pub fn print(text: &str) -> Result<(), Failure> {
    print_on(text).map(drop)
}

/// The same, for what goes on without end: gives whether anyone still reads.
pub fn print_on(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
    {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(while_doing("standard output cannot be written")(error)),
    }
}

/// Writes what the server answered to standard output, for scripts, where it was a refusal.
pub fn document(failure: &Failure) {
    if let Some(document) = failure.document() {
        // Where even that cannot be written, the exit code has to do.
        let _ = print(document);
    }
}

/// Shows `text` in the place of all that the terminal shows. What it shows already is written over,
/// so that nothing flickers.
pub fn redraw(text: &str) -> Result<(), Failure> {
    // To the first place; after each line, the rest of it is wiped; after the last, the rest of the
    // screen.
    print(&format!(
        "\u{1b}[H{}\u{1b}[K\n\u{1b}[J",
        text.replace('\n', "\u{1b}[K\n")
    ))
}

/// The moment and place of the reader, by which times are told.
pub struct Reader {
    pub now: Timestamp,
    pub zone: TimeZone,
}

impl Reader {
    /// Here and now.
    pub fn here() -> Self {
        Self {
            now: Timestamp::now(),
            zone: TimeZone::system(),
        }
    }

    /// Local time, and how far away that is: `2026-11-22 10:08:15 (5m ago)`.
    pub fn time(&self, at: Timestamp) -> String {
        let local = at
            .to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string();
        format!("{local} ({})", self.distance(at))
    }

    /// `5m ago`, or `in 5m`, in the largest unit that fits. What is to come is rounded: a ban for
    /// seven days ends in 7d, also a second after it was made.
    pub fn distance(&self, at: Timestamp) -> String {
        let seconds = self.now.duration_since(at).as_secs();
        let whole = |unit: u64| {
            if seconds < 0 {
                (seconds.unsigned_abs() + unit / 2) / unit
            } else {
                seconds.unsigned_abs() / unit
            }
        };
        let length = match seconds.unsigned_abs() {
            0..60 => format!("{}s", whole(1)),
            60..3_600 => format!("{}m", whole(60)),
            3_600..86_400 => format!("{}h", whole(3_600)),
            _ => format!("{}d", whole(86_400)),
        };
        if seconds < 0 {
            format!("in {length}")
        } else {
            format!("{length} ago")
        }
    }

    /// How long ago that was, without the word: `5m`.
    pub fn length(&self, since: Timestamp) -> String {
        self.distance(since).trim_end_matches(" ago").to_owned()
    }
}

/// Whose sessions ended with it.
fn ended(reply: &KickReply) -> String {
    match reply.sessions {
        0 => "no session was online".to_owned(),
        sessions => format!(
            "{} of {} ended",
            count(sessions, "session", "sessions"),
            reply.users.join(", ")
        ),
    }
}

pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What it says of the page behind this one.
fn with_next(page: String, next: Option<&impl ToString>) -> String {
    match next {
        None => page,
        Some(next) => format!("{page}; for more, --after {}", plain(&next.to_string())),
    }
}

/// The table, if there is anything in it, and a line that says how much.
fn with_count(table: &Table, number: usize, one: &str, many: &str) -> String {
    let line = count(number, one, many);
    if number == 0 {
        line
    } else {
        format!("{}\n\n{line}", shown(table, |_| false))
    }
}

/// The table as text; rows that are `alarming`, by number, stand out.
fn shown(table: &Table, alarming: impl Fn(usize) -> bool) -> String {
    let text = table.trim_fmt();
    let lines = text
        .lines()
        .enumerate()
        .map(|(at, line)| match at.checked_sub(1) {
            None => colour::bold(line),
            Some(row) if alarming(row) => colour::red(line),
            Some(_) => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// Columns without lines, two spaces apart.
fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| plain(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Names and values, one a line.
fn facts<const N: usize>(facts: [(&str, String); N]) -> String {
    facts
        .map(|(name, value)| format!("{}{}", colour::bold(&format!("{name:<13}")), plain(&value)))
        .join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::SignedDuration;
    use rookery_control_api::{OnlineSession, OnlineUser};

    use super::*;

    pub(super) fn reader() -> Reader {
        Reader {
            now: "2026-11-22T10:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        }
    }

    pub(super) fn ago(seconds: i64) -> Timestamp {
        reader().now - SignedDuration::from_secs(seconds)
    }

    pub(super) fn user(nick: &str, email: Option<&str>, sessions: u64) -> OnlineUser {
        let session = |id| OnlineSession {
            id,
            address: format!("192.0.2.1:100{id}"),
            tls: "TLSv1.3 X25519MLKEM768".to_owned(),
            since: ago(300),
            username: nick.to_owned(),
            realname: "Rook 1.0".to_owned(),
        };
        OnlineUser {
            nick: nick.to_owned(),
            account: email.map(|_| nick.to_owned()),
            email: email.map(str::to_owned),
            since: ago(300),
            active_at: ago(4),
            channels: vec!["#lobby".to_owned()],
            sessions: (1..=sessions).map(session).collect(),
        }
    }

    #[test]
    fn distances_are_told_in_one_unit() {
        let told: Vec<String> = [
            0, 59, 60, 3_599, 3_600, 86_399, 86_400, 8_640_000, -30, -119, -604_799,
        ]
        .map(|s| reader().distance(ago(s)))
        .into();
        assert_eq!(
            told,
            [
                "0s ago", "59s ago", "1m ago", "59m ago", "1h ago", "23h ago", "1d ago",
                "100d ago", "in 30s", "in 2m", "in 7d"
            ]
        );
    }
}
