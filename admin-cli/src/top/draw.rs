//! Renders the model on a screen of any size.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Margin, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Block, Borders, Clear, Paragraph, RenderDirection, Row as TableRow, Sparkline, Table,
    TableState,
};
use rookery_terminal::{columns, fitted, wrap};

use super::confirm::Dialog;
use super::model::{Model, Notice};
use super::panes::{Pane, Width};
use super::rates::Measure;
use crate::render::{Clock, bytes, count, printable};

/// The smallest size at which all four lists fit.
const WIDE: u16 = 70;
const HIGH: u16 = 16;
/// The columns for the label of a measure and for its rate.
const LABEL: usize = 14;
const RATE: usize = 9;
/// The largest width of the dialog.
const DIALOG: u16 = 64;

/// The style of the screen. Without colour, only weight distinguishes elements.
#[derive(Clone, Copy)]
pub struct Look {
    pub colour: bool,
}

impl Look {
    fn accent(self) -> Style {
        if self.colour {
            Style::new().fg(Color::Cyan)
        } else {
            Style::new()
        }
    }

    fn alarm(self) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        if self.colour {
            bold.fg(Color::Red)
        } else {
            bold
        }
    }

    fn heading(self) -> Style {
        self.accent().add_modifier(Modifier::BOLD)
    }
}

const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, model: &Model, look: Look) {
    let area = frame.area();
    let is_high = area.height >= HIGH;
    let shows_all_panes = is_high && area.width >= WIDE;
    let columns = match area.width {
        0..WIDE => 1,
        WIDE..120 => 2,
        _ => 3,
    };
    let shown = if is_high { Measure::ALL.len() } else { 2 };
    let rates = u16::try_from(shown.div_ceil(columns)).unwrap_or_default();
    let (queues, detail) = (u16::from(is_high), u16::from(area.height >= 12));
    let [head, measures, waiting, lists, about, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rates),
        Constraint::Length(queues),
        Constraint::Min(2),
        Constraint::Length(detail),
        Constraint::Length(1),
    ])
    .areas(area);

    draw_head(frame, head, model, look);
    draw_measures(
        frame,
        measures,
        model,
        look,
        &Measure::ALL[..shown],
        columns,
    );
    frame.render_widget(Line::styled(queues_text(model), FAINT), waiting);
    if shows_all_panes {
        let [above, below] = Layout::vertical([Constraint::Fill(1); 2]).areas(lists);
        let across = Layout::horizontal([Constraint::Fill(1); 2]).spacing(1);
        let areas = [above, below].map(|row| across.areas::<2>(row)).concat();
        for (pane, area) in Pane::ALL.into_iter().zip(areas) {
            draw_pane(frame, area, model, look, pane);
        }
    } else {
        draw_pane(frame, lists, model, look, model.focus);
    }
    if let Some(row) = model.selected_row() {
        frame.render_widget(fitted(printable(&row.detail)), about);
    }
    draw_foot(frame, foot, model, look);
    if let Some(dialog) = &model.dialog {
        draw_dialog(frame, area, dialog, look);
    }
}

/// Draws the numbers of users and so on, as many as fit, and the time of the snapshot or since when
/// the server has not replied.
fn draw_head(frame: &mut Frame<'_>, area: Rect, model: &Model, look: Look) {
    let top = &model.top;
    let clock = Clock {
        now: top.at,
        zone: model.zone.clone(),
    };
    let (time, style) = match &model.unreachable {
        None => (clock.time_of_day(top.at), FAINT),
        Some((since, _)) => (
            format!("no reply since {}", clock.time_of_day(*since)),
            look.alarm(),
        ),
    };
    let up = clock.elapsed(top.started_at);
    let server = Some(model.server.clone());
    let (first, last) = if area.width < WIDE {
        (None, server)
    } else {
        (server, None)
    };
    let counts = [
        count(top.users, "user", "users"),
        count(top.sessions, "session", "sessions"),
        count(top.guests, "guest", "guests"),
        count(top.channels, "channel", "channels"),
        count(top.connections, "connection", "connections"),
        format!("up {up}"),
    ];
    let parts = first.into_iter().chain(counts).chain(last);
    let length = u16::try_from(columns(&time)).unwrap_or(u16::MAX);
    let [left, right] = Layout::horizontal([Constraint::Min(0), Constraint::Length(length)])
        .spacing(1)
        .areas(area);
    let room = usize::from(left.width);
    let mut shown = String::new();
    for part in parts {
        let between = if shown.is_empty() { "" } else { " · " };
        if columns(&shown) + columns(between) + columns(&part) <= room {
            shown += between;
            shown += &part;
        }
    }
    frame.render_widget(fitted(Line::styled(shown, look.heading())), left);
    frame.render_widget(Line::styled(time, style), right);
}

fn queues_text(model: &Model) -> String {
    let top = &model.top;
    let largest = top.largest_sendqs.first().map_or(0, |sendq| sendq.bytes);
    format!(
        "queues: {} for the core, {} to commit; largest sendq {}",
        count(top.core_queue_events, "event", "events"),
        count(top.commit_queue_batches, "batch", "batches"),
        bytes(largest as u64)
    )
}

/// Draws each measure with its rate and a sparkline of past rates.
fn draw_measures(
    frame: &mut Frame<'_>,
    area: Rect,
    model: &Model,
    look: Look,
    measures: &[Measure],
    columns: usize,
) {
    let rows = measures.len().div_ceil(columns);
    let across = Layout::horizontal(vec![Constraint::Fill(1); columns]).spacing(2);
    for (column, area) in measures.chunks(rows).zip(across.split(area).iter()) {
        for (measure, line) in column.iter().zip(area.rows()) {
            let rate = match (model.rates.now(*measure), measure) {
                (None, _) => "…".to_owned(),
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "shown in whole bytes"
                )]
                (Some(rate), Measure::Bytes) => bytes(rate as u64),
                (Some(rate), _) => format!("{rate:.1}"),
            };
            let label = format!("{:<LABEL$}{rate:>RATE$} ", measure.label());
            let room = u16::try_from(label.chars().count()).unwrap_or(u16::MAX);
            let [text, past] =
                Layout::horizontal([Constraint::Length(room), Constraint::Min(0)]).areas(line);
            frame.render_widget(Line::raw(label), text);
            let style = if *measure == Measure::Refused {
                look.alarm()
            } else {
                look.accent()
            };
            let past_rates: Vec<u64> = model
                .rates
                .past(*measure)
                .take(usize::from(past.width))
                .collect();
            // The newest rate is at the right edge.
            let sparkline = Sparkline::default()
                .data(past_rates)
                .direction(RenderDirection::RightToLeft)
                .style(style);
            frame.render_widget(sparkline, past);
        }
    }
}

fn draw_pane(frame: &mut Frame<'_>, area: Rect, model: &Model, look: Look, pane: Pane) {
    let title = if pane == model.focus {
        // The border, which the title is part of, is faint.
        Span::styled(
            format!("▸{} ", pane.title()),
            look.heading().remove_modifier(Modifier::DIM),
        )
    } else {
        Span::styled(format!(" {} ", pane.title()), FAINT)
    };
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(FAINT)
        .title(title);
    let rows = model.rows(pane);
    if rows.is_empty() {
        frame.render_widget(
            Paragraph::new(pane.empty_text()).style(FAINT).block(block),
            area,
        );
        return;
    }
    let mut state = TableState::new().with_selected(model.selected(pane, &rows));
    let is_number = |at: usize| matches!(pane.columns()[at].1, Width::Number(_));
    let cell = |at: usize, text: String| {
        let line = fitted(printable(&text));
        if is_number(at) {
            line.right_aligned()
        } else {
            line
        }
    };
    let rows = rows.into_iter().map(|row| {
        TableRow::new(
            row.cells
                .into_iter()
                .enumerate()
                .map(|(at, text)| cell(at, text))
                .collect::<Vec<_>>(),
        )
    });
    let header = pane
        .columns()
        .iter()
        .enumerate()
        .map(|(at, (name, _))| cell(at, (*name).to_owned()));
    let widths = pane.columns().iter().map(|(_, width)| match *width {
        Width::Number(width) | Width::Fixed(width) => Constraint::Length(width),
        Width::Part(part) => Constraint::Fill(part),
    });
    let table = Table::new(rows, widths)
        .header(TableRow::new(header.collect::<Vec<_>>()).style(FAINT))
        .row_highlight_style(SELECTED)
        .block(block);
    frame.render_stateful_widget(table, area, &mut state);
}

/// Draws the notice, if there is one, and otherwise what the keys do.
fn draw_foot(frame: &mut Frame<'_>, area: Rect, model: &Model, look: Look) {
    let line = match (model.notice(), &model.unreachable) {
        (Some(Notice { text, is_alarming }), _) => Line::styled(
            printable(&text),
            if is_alarming {
                look.alarm()
            } else {
                look.accent()
            },
        ),
        (None, Some((_, why))) => Line::styled(printable(why), look.alarm()),
        (None, None) => {
            let keys = [
                ("↑↓", "select"),
                ("Tab", "next"),
                ("k", "kick"),
                ("b", "ban"),
                ("q", "quit"),
            ];
            let between = if area.width < WIDE { " " } else { "   " };
            let spans = keys.into_iter().flat_map(|(key, action)| {
                [
                    Span::styled(key, look.heading()),
                    Span::styled(format!(" {action}{between}"), FAINT),
                ]
            });
            spans.collect()
        }
    };
    frame.render_widget(fitted(line), area);
}

/// Draws the dialog in the middle of the screen.
fn draw_dialog(frame: &mut Frame<'_>, area: Rect, dialog: &Dialog, look: Look) {
    let width = area.width.min(DIALOG);
    let text = dialog
        .warning
        .clone()
        .unwrap_or_else(|| dialog.action.question());
    let rows: Vec<Line<'_>> = wrap(
        &[((), printable(&text))],
        usize::from(width.saturating_sub(4)),
    )
    .into_iter()
    .map(|row| {
        let spans = row.into_iter().map(|((), text)| Span::raw(text));
        fitted(spans.collect::<Line<'_>>())
    })
    .collect();
    let lines = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let height = area.height.min(lines.saturating_add(5));
    let window = area.centered(Constraint::Length(width), Constraint::Length(height));
    frame.render_widget(Clear, window);
    frame.render_widget(Block::bordered().border_style(look.alarm()), window);
    let window = window.inner(Margin::new(2, 1));
    let [above, _, field, keys] = Layout::vertical([
        Constraint::Fill(1),
        Constraint::Max(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(window);
    frame.render_widget(Paragraph::new(rows), above);
    if dialog.warning.is_some() {
        let help = "y: continue, any other key: cancel";
        frame.render_widget(Line::styled(help, FAINT), keys);
        return;
    }
    let label = "Reason: ";
    let room = usize::from(field.width).saturating_sub(label.len() + 1);
    let reason = end_of(&dialog.action.reason, room);
    let at = label.len() + columns(reason);
    frame.render_widget(fitted(format!("{label}{reason}")), field);
    frame.set_cursor_position((field.x + u16::try_from(at).unwrap_or_default(), field.y));
    frame.render_widget(Line::styled("Enter: confirm, Esc: cancel", FAINT), keys);
}

/// Returns the longest end of a text that fits.
fn end_of(text: &str, room: usize) -> &str {
    let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    starts
        .map(|at| &text[at..])
        .find(|rest| columns(rest) <= room)
        .unwrap_or_default()
}
