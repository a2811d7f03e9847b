//! Draws the pop-ups over the conversation.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as Row, Span};
use ratatui::widgets::{Block, Clear, Paragraph};
use unicode_width::UnicodeWidthStr as _;

use crate::commands::Usage;
use crate::text;
use crate::tui::app::App;
use crate::tui::app::keys::KEYS;
use crate::tui::app::screen_commands;
use crate::tui::editor::Editor;
use crate::tui::overlay::LinkList;
use crate::tui::password::PasswordChange;
use crate::tui::wrap::cut;

/// The most rows of a list of links.
const MAX_LINK_ROWS: usize = 12;

/// Draws the help on commands and keys, scrolled to a row.
pub fn help(frame: &mut Frame<'_>, app: &App, from: usize) {
    let commands: Vec<Usage> = screen_commands::help().collect();
    let forms = commands.iter().chain(KEYS).map(|(form, _)| form.width());
    let column = forms
        .max()
        .unwrap_or_default()
        .min(usize::from(frame.area().width) / 2);
    let heading = |text: &'static str| Row::styled(text, app.theme.accent());
    let mut rows = vec![heading("Commands")];
    let width = frame.area().width.min(100);
    let room = usize::from(width).saturating_sub(column + 4).max(1);
    let add_usages = |rows: &mut Vec<Row<'static>>, usages: &[Usage]| {
        for (form, help) in usages {
            // Text that does not fit into one row continues in the next.
            let forms = text::split(form, column.max(1));
            let helps = text::split(help, room);
            for index in 0..forms.len().max(helps.len()) {
                let form = forms.get(index).copied().unwrap_or_default();
                let help = helps.get(index).copied().unwrap_or_default();
                let space = " ".repeat((column + 2).saturating_sub(form.width()));
                rows.push(Row::from(vec![
                    Span::styled(form.to_owned(), Style::new().add_modifier(Modifier::BOLD)),
                    Span::raw(format!("{space}{help}")),
                ]));
            }
        }
    };
    add_usages(&mut rows, &commands);
    rows.push(Row::default());
    rows.push(heading("Keys"));
    add_usages(&mut rows, KEYS);
    let height = u16::try_from(rows.len() + 2).unwrap_or(u16::MAX);
    let inside = popup(
        frame,
        app,
        "Help: Up and Down scroll, Esc closes",
        width,
        height,
    );
    let last = rows.len().saturating_sub(usize::from(inside.height));
    frame.render_widget(Paragraph::new(rows.split_off(from.min(last))), inside);
}

/// Draws the quick switcher.
pub fn switcher(frame: &mut Frame<'_>, app: &App, query: &Editor, selected: usize) {
    let matches = app.switcher_matches(query.text());
    let height = u16::try_from(matches.len().clamp(1, 10) + 3).unwrap_or(13);
    let inside = popup(frame, app, "Switch to", 40, height);
    let width = usize::from(inside.width);
    let mut rows = vec![Row::from(cut(&text::plain(query.text()), width))];
    let room = usize::from(inside.height).saturating_sub(1);
    let first = (selected + 1).saturating_sub(room);
    for (position, &index) in matches.iter().enumerate().skip(first).take(room) {
        let Some(buffer) = app.buffers.list().get(index) else {
            continue;
        };
        let (unread, _) = app.buffers.unread(buffer);
        let count = if unread > 0 {
            format!("  {unread}")
        } else {
            String::new()
        };
        let is_selected = position == selected;
        let name = text::plain(buffer.conversation.name());
        rows.push(list_row(app, &format!("{name}{count}"), is_selected, width));
    }
    if matches.is_empty() {
        rows.push(Row::styled("no match", app.theme.faint()));
    }
    frame.render_widget(Paragraph::new(rows), inside);
    let column = u16::try_from(query.text()[..query.cursor()].width()).unwrap_or(u16::MAX);
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
    frame.render_widget(Paragraph::new(rows), inside);
}

/// Draws the confirmation before a paste is inserted.
pub fn paste(frame: &mut Frame<'_>, app: &App, pasted: &str) {
    let count = pasted.lines().count();
    let inside = popup(frame, app, "Paste", 60, 8);
    let width = usize::from(inside.width);
    let mut rows: Vec<Row<'_>> = pasted
        .lines()
        .take(3)
        .map(|line| Row::styled(cut(&text::plain(line), width), app.theme.faint()))
        .collect();
    rows.push(Row::default());
    for text in [
        format!("Send these {count} lines as {count} messages?"),
        "y: send · n: keep in the message box · Esc: discard".to_owned(),
    ] {
        rows.push(Row::from(cut(&text, width)));
    }
    let over = rows.len().saturating_sub(usize::from(inside.height));
    frame.render_widget(Paragraph::new(rows.split_off(over)), inside);
}

/// Draws the dialog that sets a password.
pub fn password(frame: &mut Frame<'_>, app: &App, change: &PasswordChange) {
    let inside = popup(frame, app, "Password", 66, 7);
    let shown = cut(
        &change.masked_input(),
        usize::from(inside.width).saturating_sub(1),
    );
    let message = change.message().map(text::plain).unwrap_or_default();
    let rows = vec![
        Row::styled(change.question(), app.theme.accent()),
        Row::from(shown.clone()),
        Row::styled(message, app.theme.alert()),
        Row::default(),
        Row::styled(change.hint(), app.theme.faint()),
    ];
    frame.render_widget(Paragraph::new(rows), inside);
    let column = u16::try_from(shown.width())
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
