//! Lays out the lines of a conversation as rows of the screen.
//!
//! One line takes one or more rows, and may have a rule above it (a new day, the first new
//! message). Only the lines in view are laid out: a buffer may have many thousands. This file
//! assembles the visible rows; `line` lays out a single line, and `scroll` computes scroll
//! positions. Nothing here changes the state or draws.

mod line;
mod scroll;

pub use scroll::{ScrollPosition, Unseen, gaps_near};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use ratatui::style::Style;
use ratatui::text::{Line as Row, Span};

use super::theme::Theme;
use super::wrap::{columns, cut, spans};
use crate::model::{Body, Buffer, Conversation, GapState, Line, LineId};
use crate::text;
use line::LaidOutLine;
use scroll::row_position;

/// The settings with which lines are laid out.
#[derive(Debug)]
pub struct Layout<'a> {
    /// The width of the conversation, in columns.
    pub width: usize,
    /// The time zone for times.
    pub zone: &'a TimeZone,
    /// The colours.
    pub theme: Theme,
    /// The line that is highlighted, if one is.
    pub marked: Option<LineId>,
    /// A search term in lower case, whose matches are highlighted; empty without a search.
    pub search: &'a str,
}

impl Layout<'_> {
    /// Returns the rows that fill `height` at a scroll position.
    pub fn visible_rows(
        &self,
        buffer: &Buffer,
        scroll: Option<ScrollPosition>,
        height: usize,
    ) -> Vec<Row<'static>> {
        let end = buffer.lines().len();
        let mut rows = Vec::new();
        let (mut below, mut index) = (end, end);
        if let Some(lowest) = scroll.map(|scroll| row_position(buffer, scroll)) {
            rows = self.rows_of(buffer, lowest.index);
            rows.truncate(lowest.rows);
            (below, index) = (lowest.index + 1, lowest.index);
        }
        while rows.len() < height && index > 0 {
            index -= 1;
            let mut above = self.rows_of(buffer, index);
            above.append(&mut rows);
            rows = above;
        }
        rows.drain(..rows.len().saturating_sub(height));
        // If the screen has become higher since the user scrolled, there is room below.
        while rows.len() < height && below < end {
            rows.extend(self.rows_of(buffer, below));
            below += 1;
        }
        rows.truncate(height);
        rows
    }

    /// Returns the rows of a line, below a rule if it is the first of a day or the first new one.
    fn rows_of(&self, buffer: &Buffer, index: usize) -> Vec<Row<'static>> {
        let Some(line) = buffer.lines().get(index) else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        match line.body {
            Body::Gap => return vec![self.gap(buffer, index, line.id)],
            Body::Beginning => {
                let text = match &buffer.conversation {
                    Conversation::Person(nick) => {
                        format!("beginning of your conversation with {nick}")
                    }
                    conversation => format!("beginning of {}", conversation.name()),
                };
                return vec![self.rule(&text::plain(&text), self.theme.faint())];
            }
            _ => {}
        }
        let day = self.day(line);
        let has_time = |line: &&Line| !matches!(line.body, Body::Gap | Body::Beginning);
        let before = buffer.lines().range(..index).rev().find(has_time);
        if before.is_none_or(|before| self.day(before) != day) {
            rows.push(self.rule(
                &day.strftime("%A, %-d %B %Y").to_string(),
                self.theme.faint(),
            ));
        }
        if buffer.first_new() == Some(line.id) && before.is_some() {
            rows.push(self.rule("new since you left", self.theme.accent()));
        }
        let LaidOutLine {
            head,
            indent,
            rows: text_rows,
        } = self.lay_out(line);
        let mut head = Some(head);
        rows.extend(text_rows.into_iter().map(|row| {
            let head = head
                .take()
                .unwrap_or_else(|| vec![Span::raw(" ".repeat(indent))]);
            head.into_iter().chain(spans(row)).collect::<Row<'_>>()
        }));
        rows
    }

    /// Returns the number of rows of a line, rules included.
    fn height(&self, buffer: &Buffer, index: usize) -> usize {
        self.rows_of(buffer, index).len()
    }

    fn gap(&self, buffer: &Buffer, index: usize, line: LineId) -> Row<'static> {
        let state = buffer
            .gaps()
            .iter()
            .find(|gap| gap.line == line)
            .map(|gap| &gap.state);
        let text = match state {
            Some(GapState::Failed(reason)) => format!("not loaded: {}", text::plain(reason)),
            Some(GapState::Requested) if index == 0 => "loading older messages…".to_owned(),
            Some(GapState::Requested) => "loading missing messages…".to_owned(),
            _ if index == 0 => "older messages".to_owned(),
            _ => "messages are missing here".to_owned(),
        };
        self.rule(&text, self.theme.faint())
    }

    fn day(&self, line: &Line) -> Date {
        line.at.to_zoned(self.zone.clone()).date()
    }

    fn rule(&self, text: &str, style: Style) -> Row<'static> {
        let text = cut(text, self.width.saturating_sub(2));
        let left = self.width.saturating_sub(columns(&text) + 2);
        let dashes = |count: usize| "─".repeat(count);
        Row::styled(
            format!("{} {text} {}", dashes(left / 2), dashes(left - left / 2)),
            style,
        )
    }
}
