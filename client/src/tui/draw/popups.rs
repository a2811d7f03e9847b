//! Draws the pop-ups over the conversation.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as Row, Span};
use ratatui::widgets::{Block, Clear};

use crate::model::{Conversation, MessageKind};
use crate::text;
use crate::tui::account_change::AccountChange;
use crate::tui::app::App;
use crate::tui::editor::Editor;
use crate::tui::help::{self, HelpRow};
use crate::tui::overlay::LinkList;
use crate::tui::wrap::{columns, cut, paragraph, wrapped};

/// The most rows of a list of links.
const MAX_LINK_ROWS: usize = 12;

/// Draws the help on commands and keys, scrolled to a row.
pub fn help(frame: &mut Frame<'_>, app: &App, from: usize) {
    let screen = frame.area().width;
    let row = |row| match row {
        HelpRow::Heading(text) => Row::styled(text, app.theme.accent()),
        HelpRow::Usage(form, help) => Row::from(vec![
            Span::styled(form, Style::new().add_modifier(Modifier::BOLD)),
            Span::raw(help),
        ]),
    };
    let mut rows: Vec<Row<'_>> = help::rows(screen).into_iter().map(row).collect();
    let height = u16::try_from(rows.len() + 2).unwrap_or(u16::MAX);
    let title = "Help: Up and Down scroll, Esc closes";
    let inside = popup(frame, app, title, help::popup_width(screen), height);
    // The screen may have become larger since.
    let last = rows.len().saturating_sub(usize::from(inside.height));
    frame.render_widget(paragraph(rows.split_off(from.min(last))), inside);
}

/// Draws the quick switcher.
pub fn switcher(frame: &mut Frame<'_>, app: &App, query: &Editor, selected: Option<&Conversation>) {
    let matches = app.switcher_matches(query.text());
    let selected = matches.iter().position(|found| Some(found) == selected);
    let height = u16::try_from(matches.len().clamp(1, 10) + 3).unwrap_or(13);
    let inside = popup(frame, app, "Switch to", 40, height);
    let width = usize::from(inside.width);
    let mut rows = vec![Row::from(cut(&text::plain(query.text()), width))];
    let room = usize::from(inside.height).saturating_sub(1);
    let first = selected.map_or(0, |position| (position + 1).saturating_sub(room));
    for (position, found) in matches.iter().enumerate().skip(first).take(room) {
        let index = app.buffers.position(found);
        let unread = index.map(|index| app.buffers.unread(&app.buffers.list()[index]).0);
        let note = match unread {
            None => "  not open".to_owned(),
            Some(0) => String::new(),
            Some(unread) => format!("  {unread}"),
        };
        let is_selected = Some(position) == selected;
        let name = text::plain(found.name());
        rows.push(list_row(app, &format!("{name}{note}"), is_selected, width));
    }
    if matches.is_empty() {
        rows.push(Row::styled("no match", app.theme.faint()));
    }
    frame.render_widget(paragraph(rows), inside);
    let column = u16::try_from(columns(&query.text()[..query.cursor()])).unwrap_or(u16::MAX);
    let column = column.min(inside.width.saturating_sub(1));
    frame.set_cursor_position(Position::new(inside.x + column, inside.y));
}

/// Draws a list of links.
pub fn links(frame: &mut Frame<'_>, app: &App, list: &LinkList) {
    let height = u16::try_from(list.links.len().min(MAX_LINK_ROWS) + 2).unwrap_or(u16::MAX);
    let title = "Links: Enter opens, c copies, Esc closes";
    let inside = popup(frame, app, title, 100, height);
    let width = usize::from(inside.width);
    let room = usize::from(inside.height);
    let first = (list.selected + 1).saturating_sub(room);
    let links = list.links.iter().enumerate().skip(first).take(room);
    let rows: Vec<Row<'_>> = links
        .map(|(index, link)| list_row(app, link.as_str(), index == list.selected, width))
        .collect();
    frame.render_widget(paragraph(rows), inside);
}

/// Draws the confirmation before a paste is inserted.
pub fn paste(frame: &mut Frame<'_>, app: &App, pasted: &str) {
    let count = pasted.lines().count();
    let target = app.buffers.current().conversation.name();
    let sent = app
        .model
        .text_messages(target, pasted, MessageKind::Message)
        .len();
    let messages = match sent {
        0 | 1 => "one message".to_owned(),
        _ => format!("{sent} messages"),
    };
    let inside = popup(frame, app, "Paste", 60, 8);
    let width = usize::from(inside.width);
    let mut rows: Vec<Row<'_>> = pasted
        .lines()
        .take(3)
        .map(|line| Row::styled(cut(&text::plain(line), width), app.theme.faint()))
        .collect();
    rows.push(Row::default());
    for text in [
        format!("Send these {count} lines as {messages}?"),
        "y: send · n: keep in the message box · Esc: discard".to_owned(),
    ] {
        rows.push(Row::from(cut(&text, width)));
    }
    let over = rows.len().saturating_sub(usize::from(inside.height));
    frame.render_widget(paragraph(rows.split_off(over)), inside);
}

/// Draws the dialog that changes the password or the email.
pub fn account_change(frame: &mut Frame<'_>, app: &App, change: &AccountChange) {
    let inside = popup(frame, app, change.title(), 66, 8);
    let shown = cut(
        &change.masked_input(),
        usize::from(inside.width).saturating_sub(1),
    );
    let message = change.message().map(text::plain).unwrap_or_default();
    let rows = vec![
        Row::styled(change.question(), app.theme.accent()),
        Row::from(shown.clone()),
        Row::styled(change.hint(), app.theme.faint()),
        Row::default(),
        Row::styled(message, app.theme.alert()),
    ];
    let rows = wrapped(&rows, usize::from(inside.width));
    frame.render_widget(paragraph(rows), inside);
    let column = u16::try_from(columns(&shown))
        .unwrap_or(u16::MAX)
        .min(inside.width.saturating_sub(1));
    frame.set_cursor_position(Position::new(inside.x + column, inside.y + 1));
}

/// Draws an empty pop-up with a border; returns the area inside.
fn popup(frame: &mut Frame<'_>, app: &App, title: &str, width: u16, height: u16) -> Rect {
    let screen = frame.area();
    let (width, height) = (width.min(screen.width), height.min(screen.height));
    let area = Rect {
        x: (screen.width - width) / 2,
        y: (screen.height - height) / 3,
        width,
        height,
    };
    let block = Block::bordered()
        .title(format!(" {title} "))
        .border_style(app.theme.accent());
    let inside = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    inside
}

fn list_row(app: &App, text: &str, is_selected: bool, width: usize) -> Row<'static> {
    let marker = if is_selected { "›" } else { " " };
    let text = cut(&format!("{marker} {text}"), width);
    if is_selected {
        Row::styled(text, app.theme.accent())
    } else {
        Row::from(text)
    }
}
