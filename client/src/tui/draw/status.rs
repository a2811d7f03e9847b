//! Draws the status line: what the keys do just now, else where one is and what is new elsewhere;
//! and the connection.

use jiff::tz::TimeZone;
use ratatui::text::Line as Row;
use tokio::time::Instant;
use unicode_width::UnicodeWidthStr as _;

use crate::commands;
use crate::model::Line;
use crate::text::{self, CODES};
use crate::tui::app::{App, Connection, Overlay};
use crate::tui::wrap::cut;

/// The whole line.
pub fn row(app: &App, width: usize) -> Row<'static> {
    let connection = cut(&format!("{} ", connection(app)), width);
    let room = width.saturating_sub(connection.width() + 1);
    let words = cut(&text::plain(&format!(" {}", words(app))), room);
    let space = " ".repeat((room + 1).saturating_sub(words.width()));
    Row::from(format!("{words}{space}{connection}"))
}

fn connection(app: &App) -> String {
    match app.connection {
        Connection::Connecting => "connecting…".to_owned(),
        Connection::Online => match app.lag {
            Some(lag) => format!("lag {} ms", lag.as_millis()),
            None => "connected".to_owned(),
        },
        Connection::Lost { again_at } => {
            let left = again_at.saturating_duration_since(Instant::now());
            format!("NOT CONNECTED, again in {} s", left.as_secs())
        }
    }
}

/// What matters most just now.
fn words(app: &App) -> String {
    match &app.overlay {
        Some(Overlay::Search(search)) => {
            search.words(app.buffers.current(), |line| time(app, line))
        }
        Some(Overlay::Format) => {
            let codes =
                CODES.map(|(_, letter, what)| format!("{} {what}", letter.to_ascii_lowercase()));
            codes.join(" · ")
        }
        Some(Overlay::Selection(chosen)) => app.choices(chosen),
        _ => {
            let hint = app.hint.clone().or_else(|| command(app.editor.text()));
            hint.or_else(|| app.answered())
                .unwrap_or_else(|| conversation(app))
        }
    }
}

/// How the command is written that is being typed, or which there are that begin so.
fn command(typed: &str) -> Option<String> {
    if !commands::is_command(typed) {
        return None;
    }
    let found = commands::beginning(typed);
    Some(match &found[..] {
        [] => "no command begins like that: /help lists them all".to_owned(),
        [(form, what)] => format!("{form}: {what}"),
        // One command in several forms.
        [(first, _), .., (last, _)] if word(first) == word(last) => found
            .iter()
            .map(|(form, _)| *form)
            .collect::<Vec<_>>()
            .join(" · "),
        _ => {
            let mut words: Vec<&str> = found.iter().map(|(form, _)| word(form)).collect();
            words.dedup();
            format!("{} · Tab completes", words.join(" "))
        }
    })
}

fn word(form: &str) -> &str {
    form.split(' ').next().unwrap_or_default()
}

fn time(app: &App, line: &Line) -> String {
    let zoned = |at: jiff::Timestamp, zone: &TimeZone| at.to_zoned(zone.clone());
    let at = zoned(line.at, &app.zone);
    let today = at.date() == zoned(app.now, &app.zone).date();
    at.strftime(if today { "%H:%M" } else { "%-d %b %Y" })
        .to_string()
}

/// Where one is; before that, where the list of places has no room, what is new elsewhere.
fn conversation(app: &App) -> String {
    let buffer = app.buffers.current();
    let muted = if app.buffers.is_muted(&buffer.conversation) {
        " (muted)"
    } else {
        ""
    };
    let away = if app.model.is_away() { " (away)" } else { "" };
    let mut parts: Vec<String> = Vec::new();
    if app.areas().list.is_none() {
        let elsewhere = app
            .buffers
            .list()
            .iter()
            .map(|other| (other, app.buffers.unread(other)));
        let mut unread: Vec<_> = elsewhere.filter(|(_, (unread, _))| *unread > 0).collect();
        // Whoever calls comes first.
        unread.sort_by_key(|(_, (_, calls))| *calls == 0);
        let told = unread.into_iter().map(|(other, (unread, calls))| {
            let call = if calls > 0 { "!" } else { "" };
            format!("{}:{call}{}", other.conversation.name(), unread.min(999))
        });
        parts.push(told.collect::<Vec<_>>().join(" "));
    }
    if app.scrolled().is_some() {
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
