//! Draws the chat on the full screen. Drawing only reads the state.

mod popups;
mod status;

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as Row, Span};

use super::app::{App, Connection};
use super::areas::input_rows;
use super::overlay::Overlay;
use super::wrap::{columns, cut, paragraph};
use crate::model::{Buffer, Conversation};
use crate::text::{self, Format};

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, app: &App) {
    let areas = app.areas();
    let buffer = app.buffers.current();
    let rows = app.layout().visible_rows(
        buffer,
        app.scroll_position(),
        usize::from(areas.conversation.height),
    );
    // If the lines do not fill the area, they are drawn at its bottom, next to the message box.
    let empty = areas
        .conversation
        .height
        .saturating_sub(u16::try_from(rows.len()).unwrap_or(u16::MAX));
    let filled = Rect {
        y: areas.conversation.y + empty,
        height: areas.conversation.height - empty,
        ..areas.conversation
    };
    frame.render_widget(paragraph(rows), filled);
    frame.render_widget(
        paragraph([topic(app, usize::from(areas.topic.width))]).style(app.theme.bar()),
        areas.topic,
    );
    if let Some(area) = areas.list {
        list(frame, app, area);
    }
    if let Some(area) = areas.members {
        members(frame, app, area);
    }
    let width = usize::from(areas.status.width);
    frame.render_widget(
        paragraph([status::row(app, width)]).style(app.theme.bar()),
        areas.status,
    );
    input(frame, app, areas.input);
    match &app.overlay {
        None | Some(Overlay::Search(_) | Overlay::Format | Overlay::Selection(_)) => {}
        Some(Overlay::Help(from)) => popups::help(frame, app, *from),
        Some(Overlay::Switcher(query, selected)) => {
            popups::switcher(frame, app, query, selected.as_ref());
        }
        Some(Overlay::Paste(text)) => popups::paste(frame, app, text),
        Some(Overlay::Links(links)) => popups::links(frame, app, links),
        Some(Overlay::AccountChange(change)) => popups::account_change(frame, app, change),
    }
}

fn topic(app: &App, width: usize) -> String {
    let buffer = app.buffers.current();
    let text = match &buffer.conversation {
        Conversation::Server => format!("{} · messages from the server to you", app.server),
        Conversation::Channel(channel) if app.connection != Connection::Online => {
            channel.to_string()
        }
        Conversation::Channel(channel) if !app.model.is_in(channel) => {
            format!("{channel} · not joined")
        }
        Conversation::Channel(channel) => {
            let count = app.model.members(channel).count();
            let people = if count == 1 {
                "only you".to_owned()
            } else {
                format!("{count} people")
            };
            match app.model.topic(channel) {
                "" => format!("{channel} · {people}"),
                _ if app.buffers.is_ignored(app.model.topic_by(channel)) => {
                    format!("{channel} · {people} · (topic set by somebody you ignore)")
                }
                topic => format!("{channel} · {people} · {topic}"),
            }
        }
        Conversation::Person(nick) => format!("{nick} · private conversation"),
    };
    cut(&format!(" {}", text::plain(&text)), width)
}

fn list(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let height = usize::from(area.height);
    let width = usize::from(area.width).saturating_sub(1);
    let first = app.first_listed(height);
    let entries = app
        .buffers
        .list()
        .iter()
        .enumerate()
        .skip(first)
        .take(height);
    let rows: Vec<Row<'_>> = entries
        .map(|(index, buffer)| list_entry(app, index, buffer, width))
        .collect();
    frame.render_widget(paragraph(rows), area);
    let line = area.right().saturating_sub(1);
    column_line(frame, app, line, area);
    // Marks unread messages in conversations above or below the visible part of the list.
    let mut mark_hidden = |marker: &'static str, hidden: &[Buffer], y: u16| {
        let (unread, highlights) = hidden
            .iter()
            .map(|buffer| app.buffers.unread(buffer))
            .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        if unread > 0 {
            let style = if highlights > 0 {
                app.theme.alert()
            } else {
                app.theme.accent()
            };
            frame.render_widget(
                Span::styled(marker, style),
                Rect {
                    x: line,
                    y,
                    width: 1,
                    height: 1,
                },
            );
        }
    };
    let all = app.buffers.list();
    mark_hidden("▲", &all[..first], area.y);
    mark_hidden(
        "▼",
        all.get(first + height..).unwrap_or_default(),
        area.bottom().saturating_sub(1),
    );
}

fn list_entry(app: &App, index: usize, buffer: &Buffer, width: usize) -> Row<'static> {
    let current = index == app.buffers.index();
    let muted = app.buffers.is_muted(&buffer.conversation);
    let (unread, highlights) = app.buffers.unread(buffer);
    let (count, count_style) = match (highlights, unread) {
        (0, 0) => (String::new(), Style::new()),
        (0, unread) => (unread.min(999).to_string(), app.theme.accent()),
        (highlights, _) => (format!("!{}", highlights.min(999)), app.theme.alert()),
    };
    let number = if index < 9 {
        (index + 1).to_string()
    } else {
        " ".to_owned()
    };
    let marker = if current { "›" } else { " " };
    let room = width.saturating_sub(4 + columns(&count));
    let name = cut(&text::plain(buffer.conversation.name()), room);
    let space = " ".repeat(room.saturating_sub(columns(&name)));
    let style = match (current, unread > 0) {
        (true, _) => app.theme.accent(),
        (_, true) => Style::new().add_modifier(Modifier::BOLD),
        _ if muted => app.theme.faint(),
        _ => Style::new(),
    };
    Row::from(vec![
        Span::styled(
            format!("{number}{marker}"),
            if current { style } else { app.theme.faint() },
        ),
        Span::styled(name, style),
        Span::raw(format!("{space} ")),
        Span::styled(count, count_style),
    ])
}

fn members(frame: &mut Frame<'_>, app: &App, area: Rect) {
    column_line(frame, app, area.x, area);
    let (members, more) = app.listed_members(usize::from(area.height));
    let width = usize::from(area.width).saturating_sub(2);
    let mut rows: Vec<Row<'_>> = members
        .into_iter()
        .map(|(rank, nick)| {
            let nick = text::plain(nick);
            let name = cut(&nick, width.saturating_sub(1));
            Row::from(vec![
                Span::styled(format!("{:1}", rank.prefix()), app.theme.faint()),
                Span::styled(name, app.theme.nick(&nick)),
            ])
        })
        .collect();
    if more > 0 {
        rows.push(Row::styled(format!(" and {more} more"), app.theme.faint()));
    }
    let inner = Rect {
        x: area.x + 2,
        width: area.width.saturating_sub(2),
        ..area
    };
    frame.render_widget(paragraph(rows), inner);
}

fn column_line(frame: &mut Frame<'_>, app: &App, x: u16, area: Rect) {
    let rows: Vec<Row<'_>> = (0..area.height)
        .map(|_| Row::styled("│", app.theme.faint()))
        .collect();
    frame.render_widget(
        paragraph(rows),
        Rect {
            x,
            width: 1,
            ..area
        },
    );
}

fn input(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let editor = &app.editor;
    let (rows, (column, row)) = input_rows(editor.text(), editor.cursor(), usize::from(area.width));
    // The row of the cursor is always visible.
    let first = (row + 1).saturating_sub(usize::from(area.height));
    let mut format = Format::default();
    let rows = rows.iter().map(|row| {
        let pieces = text::formatted_with_codes(row, &mut format).into_iter();
        pieces
            .map(|(format, piece)| Span::styled(piece, app.theme.formatted(format)))
            .collect::<Row<'_>>()
    });
    let shown: Vec<Row<'_>> = rows.skip(first).take(usize::from(area.height)).collect();
    if editor.is_empty() {
        let text = cut(&placeholder(app), usize::from(area.width));
        frame.render_widget(paragraph([Span::styled(text, app.theme.faint())]), area);
    } else {
        frame.render_widget(paragraph(shown), area);
    }
    if app.has_text_input() && area.height > 0 && area.width > 0 {
        let column = u16::try_from(column)
            .unwrap_or(u16::MAX)
            .min(area.width - 1);
        let row = u16::try_from(row - first)
            .unwrap_or(u16::MAX)
            .min(area.height - 1);
        frame.set_cursor_position(Position::new(area.x + column, area.y + row));
    }
}

/// Returns the hint in an empty message box.
fn placeholder(app: &App) -> String {
    if let Some(reason) = app.end_reason() {
        return text::plain(reason);
    }
    let hint = match &app.buffers.current().conversation {
        _ if app.connection != Connection::Online => "Not connected yet".to_owned(),
        Conversation::Server => "/join #CHANNEL, or Ctrl-K to switch to one".to_owned(),
        Conversation::Channel(channel) if !app.model.is_in(channel) => {
            format!("/join {channel} to rejoin")
        }
        Conversation::Channel(channel) => format!("Message to {channel}"),
        Conversation::Person(nick) => format!("Message to {nick} only"),
    };
    text::plain(&format!("{hint} · /help"))
}
