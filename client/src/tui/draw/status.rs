//! The status line: on the left a hint about the keys or the current conversation, on the right the
//! state of the connection.

use jiff::tz::TimeZone;
use ratatui::text::Line as Row;
use tokio::time::Instant;

use crate::commands::{self, split_word};
use crate::model::Line;
use crate::text::{self, CODES};
use crate::tui::app::{App, Connection, Removal, screen_commands};
use crate::tui::overlay::Overlay;
use crate::tui::wrap::{columns, cut};

/// Returns the status line.
pub fn row(app: &App, width: usize) -> Row<'static> {
    let connection = cut(&format!("{} ", connection(app)), width);
    let room = width.saturating_sub(columns(&connection) + 1);
    let left = cut(&text::plain(&format!(" {}", left(app))), room);
    let space = " ".repeat((room + 1).saturating_sub(columns(&left)));
    Row::from(format!("{left}{space}{connection}"))
}

fn connection(app: &App) -> String {
    match app.connection {
        Connection::Connecting => "connecting…".to_owned(),
        Connection::Online => match app.lag {
            Some(lag) => format!("lag {} ms", lag.as_millis()),
            None => "connected".to_owned(),
        },
        Connection::Lost { retry_at } => {
            let left = retry_at.saturating_duration_since(Instant::now());
            format!("NOT CONNECTED, retry in {} s", left.as_secs())
        }
        Connection::Ended(Removal::Kicked) => "KICKED, r: reconnect".to_owned(),
        Connection::Ended(Removal::Displaced) => "DISCONNECTED, r: reconnect".to_owned(),
        Connection::Ended(Removal::BannedForAWhile) => "BANNED, r: try again".to_owned(),
        Connection::Ended(Removal::Banned) => "BANNED".to_owned(),
    }
}

/// Returns the left part: the most important of the possible hints.
fn left(app: &App) -> String {
    match &app.overlay {
        Some(Overlay::Search(search)) => {
            search.status(app.buffers.current(), |line| time(app, line))
        }
        Some(Overlay::Format) => {
            let codes =
                CODES.map(|(_, letter, name)| format!("{} {name}", letter.to_ascii_lowercase()));
            codes.join(" · ")
        }
        Some(Overlay::Selection(selection)) => app.selection_hint(selection),
        _ => app
            .hint
            .clone()
            .or_else(|| command_hint(app.editor.text()))
            .or_else(|| app.reply_hint())
            .unwrap_or_else(|| location(app)),
    }
}

/// Returns the syntax of the command being typed, or the commands that begin like it.
fn command_hint(typed: &str) -> Option<String> {
    if !commands::is_command(typed) {
        return None;
    }
    let name = |form: &'static str| split_word(form).0;
    let matches = commands::matching(typed, screen_commands::usages());
    Some(match &matches[..] {
        [] => "no such command: /help lists all commands".to_owned(),
        [(form, help)] => format!("{form}: {help}"),
        // All matches are forms of one command.
        [(first, _), .., (last, _)] if name(first) == name(last) => {
            let forms: Vec<&str> = matches.iter().map(|(form, _)| *form).collect();
            forms.join(" · ")
        }
        _ => {
            let mut names: Vec<&str> = matches.iter().map(|(form, _)| name(form)).collect();
            names.dedup();
            format!("{} · Tab completes", names.join(" "))
        }
    })
}

fn time(app: &App, line: &Line) -> String {
    let zoned = |at: jiff::Timestamp, zone: &TimeZone| at.to_zoned(zone.clone());
    let at = zoned(line.at, &app.zone);
    let today = at.date() == zoned(app.now, &app.zone).date();
    at.strftime(if today { "%H:%M" } else { "%-d %b %Y" })
        .to_string()
}

/// Returns the current conversation. On a screen without the list of conversations, unread messages
/// elsewhere come first.
fn location(app: &App) -> String {
    let buffer = app.buffers.current();
    let muted = if app.buffers.is_muted(&buffer.conversation) {
        " (muted)"
    } else {
        ""
    };
    let away = if app.model.is_away() { " (away)" } else { "" };
    let mut parts: Vec<String> = Vec::new();
    if app.areas().list.is_none() {
        parts.push(unread_elsewhere(app));
    }
    if app.scroll_position().is_some() {
        parts.push("more below: Esc".to_owned());
    }
    parts.push(format!(
        "{}@{}{away} {}{muted}",
        app.model.nick(),
        app.server,
        buffer.conversation.name()
    ));
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// Returns the conversations with unread messages, those with highlights first.
fn unread_elsewhere(app: &App) -> String {
    let counted = app.buffers.list().iter().map(|buffer| {
        let (unread, highlights) = app.buffers.unread(buffer);
        (buffer, unread, highlights)
    });
    let mut unread: Vec<_> = counted.filter(|(_, unread, _)| *unread > 0).collect();
    unread.sort_by_key(|(_, _, highlights)| *highlights == 0);
    let parts = unread.into_iter().map(|(buffer, unread, highlights)| {
        let mark = if highlights > 0 { "!" } else { "" };
        format!("{}:{mark}{}", buffer.conversation.name(), unread.min(999))
    });
    parts.collect::<Vec<_>>().join(" ")
}
