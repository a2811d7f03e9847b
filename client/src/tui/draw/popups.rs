//! Draws what lies over the conversation.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as Row, Span};
use ratatui::widgets::{Block, Clear, Paragraph};
use unicode_width::UnicodeWidthStr as _;

use crate::commands::{COMMANDS, SCREEN_COMMANDS};
use crate::text;
use crate::tui::app::App;
use crate::tui::editor::Editor;
use crate::tui::keys::KEYS;
use crate::tui::password::PasswordChange;
use crate::tui::wrap::cut;

/// Clears a place in the middle of the screen, with a frame around it; gives what is inside.
pub fn window(frame: &mut Frame<'_>, app: &App, title: &str, width: u16, height: u16) -> Rect {
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

/// Draws all keys and commands, from a row on.
pub fn help(frame: &mut Frame<'_>, app: &App, from: usize) {
    let forms = KEYS
        .iter()
        .chain(COMMANDS)
        .chain(SCREEN_COMMANDS)
        .map(|(form, _)| form.width());
    let column = forms
        .max()
        .unwrap_or_default()
        .min(usize::from(frame.area().width) / 2);
    let heading = |words: &'static str| Row::styled(words, app.theme.accent());
    let mut rows = vec![heading("Commands")];
    let width = frame.area().width.min(100);
    let room = usize::from(width).saturating_sub(column + 4).max(1);
    let explain = |rows: &mut Vec<Row<'static>>, list: &[(&'static str, &'static str)]| {
        for (form, what) in list {
            // What does not fit beside the other goes on below it.
            let forms = text::split(form, column.max(1));
            let whats = text::split(what, room);
            for index in 0..forms.len().max(whats.len()) {
                let form = forms.get(index).copied().unwrap_or_default();
                let space = " ".repeat((column + 2).saturating_sub(form.width()));
                rows.push(Row::from(vec![
                    Span::styled(form.to_owned(), Style::new().add_modifier(Modifier::BOLD)),
                    Span::raw(format!(
                        "{space}{}",
                        whats.get(index).copied().unwrap_or_default()
                    )),
                ]));
            }
        }
    };
    explain(&mut rows, COMMANDS);
    explain(&mut rows, SCREEN_COMMANDS);
    rows.push(Row::default());
    rows.push(heading("Keys"));
    explain(&mut rows, KEYS);
    let height = u16::try_from(rows.len() + 2).unwrap_or(u16::MAX);
    let inside = window(
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
pub fn switcher(frame: &mut Frame<'_>, app: &App, query: &Editor, chosen: usize) {
    let found = app.found(query.text());
    let height = u16::try_from(found.len().clamp(1, 10) + 3).unwrap_or(13);
    let inside = window(frame, app, "Go to", 40, height);
    let width = usize::from(inside.width);
    let mut rows = vec![Row::from(cut(&text::plain(query.text()), width))];
    let room = usize::from(inside.height).saturating_sub(1);
    let first = (chosen + 1).saturating_sub(room);
    for (position, &index) in found.iter().enumerate().skip(first).take(room) {
        let Some(buffer) = app.buffers.list().get(index) else {
            continue;
        };
        let (unread, _) = app.buffers.unread(buffer);
        let count = if unread > 0 {
            format!("  {unread}")
        } else {
            String::new()
        };
        let sign = if position == chosen { "›" } else { " " };
        let words = cut(
            &text::plain(&format!("{sign} {}{count}", buffer.conversation.name())),
            width,
        );
        rows.push(if position == chosen {
            Row::styled(words, app.theme.accent())
        } else {
            Row::from(words)
        });
    }
    if found.is_empty() {
        rows.push(Row::styled("nothing of that name", app.theme.faint()));
    }
    frame.render_widget(Paragraph::new(rows), inside);
    let column = u16::try_from(query.text()[..query.cursor()].width()).unwrap_or(u16::MAX);
    let column = column.min(inside.width.saturating_sub(1));
    frame.set_cursor_position(Position::new(inside.x + column, inside.y));
}

/// Draws the question about a paste.
pub fn paste(frame: &mut Frame<'_>, app: &App, pasted: &str) {
    let count = pasted.lines().count();
    let inside = window(frame, app, "Paste", 60, 7);
    let width = usize::from(inside.width);
    let mut rows: Vec<Row<'_>> = pasted
        .lines()
        .take(3)
        .map(|line| Row::styled(cut(&text::plain(line), width), app.theme.faint()))
        .collect();
    rows.push(Row::default());
    rows.push(Row::from(cut(
        &format!("Take these {count} lines as {count} messages? y / n"),
        width,
    )));
    let over = rows.len().saturating_sub(usize::from(inside.height));
    frame.render_widget(Paragraph::new(rows.split_off(over)), inside);
}

/// Draws the window in which a password is set.
pub fn password(frame: &mut Frame<'_>, app: &App, change: &PasswordChange) {
    let inside = window(frame, app, "Password", 66, 7);
    let shown = cut(&change.shown(), usize::from(inside.width).saturating_sub(1));
    let told = change.told.as_deref().map(text::plain).unwrap_or_default();
    let rows = vec![
        Row::styled(change.question(), app.theme.accent()),
        Row::from(shown.clone()),
        Row::styled(told, app.theme.alert()),
        Row::default(),
        Row::styled(change.hint(), app.theme.faint()),
    ];
    frame.render_widget(Paragraph::new(rows), inside);
    let column = u16::try_from(shown.width())
        .unwrap_or(u16::MAX)
        .min(inside.width.saturating_sub(1));
    frame.set_cursor_position(Position::new(inside.x + column, inside.y + 1));
}
