//! Lays out the lines of a conversation as rows of the screen. Only visible lines are laid out.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as Row, Span};
use unicode_width::UnicodeWidthStr as _;

use super::theme::Theme;
use super::wrap::{Ink, Wrapped, cut, link_at, right, spans, wrap};
use crate::model::{
    Body, Buffer, Conversation, GapState, Line, LineId, MembershipChange, MessageKind,
};
use crate::text::{self, Format};
use crate::urls;

/// The width of the column of nicks.
const NICK: usize = 12;
/// Below this width, nicks are part of the text instead of a column.
const NARROW: usize = 56;
/// The width of `14:03 `.
const TIME: usize = 6;
/// The most nicks in one line of joins or parts.
const MAX_NAMES: usize = 5;

/// The lowest visible row, if it is not the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrollPosition {
    /// Its line.
    pub line: LineId,
    /// How many rows of that line are visible.
    pub rows: usize,
}

/// How lines are laid out.
#[derive(Debug)]
pub struct Layout<'a> {
    /// The width of the conversation.
    pub width: usize,
    /// The time zone for times.
    pub zone: &'a TimeZone,
    /// The colours.
    pub theme: Theme,
    /// A line that is highlighted.
    pub marked: Option<LineId>,
    /// A search term in lower case; its matches are highlighted.
    pub search: &'a str,
}

/// A [`ScrollPosition`] with the index of the line, valid while no lines are added.
#[derive(Clone, Copy, PartialEq, Eq)]
struct RowPosition {
    index: usize,
    rows: usize,
}

/// A line as it is laid out.
struct LaidOutLine {
    /// The time and the nick, on the first row.
    head: Vec<Span<'static>>,
    /// The columns to the left of the text.
    indent: usize,
    /// The rows of text.
    rows: Vec<Wrapped>,
}

impl Layout<'_> {
    /// Returns the rows that fill `height` at a scroll position.
    pub fn visible(
        &self,
        buffer: &Buffer,
        scroll: Option<ScrollPosition>,
        height: usize,
    ) -> Vec<Row<'static>> {
        let end = buffer.lines().len();
        let mut rows = Vec::new();
        let (mut below, mut index) = (end, end);
        if let Some(spot) = scroll.map(|scroll| spot(buffer, scroll)) {
            rows = self.block(buffer, spot.index);
            rows.truncate(spot.rows);
            (below, index) = (spot.index + 1, spot.index);
        }
        while rows.len() < height && index > 0 {
            index -= 1;
            let mut above = self.block(buffer, index);
            above.append(&mut rows);
            rows = above;
        }
        rows.drain(..rows.len().saturating_sub(height));
        // The screen may have become higher since then.
        while rows.len() < height && below < end {
            rows.extend(self.block(buffer, below));
            below += 1;
        }
        rows.truncate(height);
        rows
    }

    /// Returns the index of the lowest visible line.
    pub fn lowest_index(&self, buffer: &Buffer, scroll: Option<ScrollPosition>) -> Option<usize> {
        Some(self.lowest(buffer, scroll)?.index)
    }

    /// Whether a line is entirely visible.
    pub fn shows(
        &self,
        buffer: &Buffer,
        scroll: Option<ScrollPosition>,
        height: usize,
        line: LineId,
    ) -> bool {
        let (Some(lowest), Some(index)) = (self.lowest(buffer, scroll), buffer.index_of(line))
        else {
            return false;
        };
        let top = self.climb(buffer, lowest, height.saturating_sub(1));
        let begins = index > top.index || (index == top.index && top.rows == 1);
        let ends = index < lowest.index
            || (index == lowest.index && lowest.rows == self.height(buffer, lowest.index));
        begins && ends
    }

    /// Returns the link in a column of the row that is `up` rows above the lowest: the index of its
    /// line, and of the link in the line.
    pub fn link_at(
        &self,
        buffer: &Buffer,
        scroll: Option<ScrollPosition>,
        up: usize,
        column: usize,
    ) -> Option<(usize, usize)> {
        let at = self.climb(buffer, self.lowest(buffer, scroll)?, up);
        let laid = self.lay(buffer.lines().get(at.index)?);
        let above = self.height(buffer, at.index).checked_sub(laid.rows.len())?;
        let row = laid.rows.get((at.rows - 1).checked_sub(above)?)?;
        Some((at.index, link_at(row, column.checked_sub(laid.indent)?)?))
    }

    /// Returns the scroll position `by` rows further up.
    pub fn up(
        &self,
        buffer: &Buffer,
        scroll: Option<ScrollPosition>,
        height: usize,
        by: usize,
    ) -> Option<ScrollPosition> {
        let mut at = self.climb(buffer, self.lowest(buffer, scroll)?, by);
        // The first row does not move below the top.
        let top = RowPosition { index: 0, rows: 1 };
        if self.climb(buffer, at, height.saturating_sub(1)) == top {
            at = self.descend(buffer, top, height.saturating_sub(1));
        }
        self.unless_last(buffer, at)
    }

    /// Returns the scroll position `by` rows further down.
    pub fn down(
        &self,
        buffer: &Buffer,
        scroll: Option<ScrollPosition>,
        by: usize,
    ) -> Option<ScrollPosition> {
        self.unless_last(buffer, self.descend(buffer, spot(buffer, scroll?), by))
    }

    /// Returns the scroll position with that line in the middle.
    pub fn around(&self, buffer: &Buffer, line: LineId, height: usize) -> Option<ScrollPosition> {
        let index = buffer.index_of(line)?;
        let spot = RowPosition {
            index,
            rows: self.height(buffer, index),
        };
        self.unless_last(buffer, self.descend(buffer, spot, height / 2))
    }

    /// Returns the lowest visible row; `None` if there are no rows.
    fn lowest(&self, buffer: &Buffer, scroll: Option<ScrollPosition>) -> Option<RowPosition> {
        let last = buffer.lines().len().checked_sub(1)?;
        let end = || RowPosition {
            index: last,
            rows: self.height(buffer, last),
        };
        Some(scroll.map_or_else(end, |scroll| spot(buffer, scroll)))
    }

    fn climb(&self, buffer: &Buffer, from: RowPosition, mut by: usize) -> RowPosition {
        let mut at = from;
        while by >= at.rows {
            if at.index == 0 {
                return RowPosition { index: 0, rows: 1 };
            }
            by -= at.rows;
            at.index -= 1;
            at.rows = self.height(buffer, at.index);
        }
        RowPosition {
            rows: at.rows - by,
            ..at
        }
    }

    fn descend(&self, buffer: &Buffer, from: RowPosition, by: usize) -> RowPosition {
        let mut at = RowPosition {
            rows: from.rows + by,
            ..from
        };
        loop {
            let height = self.height(buffer, at.index);
            if at.rows <= height || at.index + 1 >= buffer.lines().len() {
                return RowPosition {
                    rows: at.rows.min(height),
                    ..at
                };
            }
            at.rows -= height;
            at.index += 1;
        }
    }

    /// Returns the scroll position; `None` at the end, where new messages are followed.
    fn unless_last(&self, buffer: &Buffer, at: RowPosition) -> Option<ScrollPosition> {
        let line = buffer.lines().get(at.index)?;
        let at_end =
            at.index + 1 == buffer.lines().len() && at.rows >= self.height(buffer, at.index);
        (!at_end).then_some(ScrollPosition {
            line: line.id,
            rows: at.rows,
        })
    }

    fn height(&self, buffer: &Buffer, index: usize) -> usize {
        self.block(buffer, index).len()
    }

    /// Returns the rows of a line, below a rule if it is the first of a day or the first new one.
    fn block(&self, buffer: &Buffer, index: usize) -> Vec<Row<'static>> {
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
        let is_dated = |line: &&Line| !matches!(line.body, Body::Gap | Body::Beginning);
        let before = buffer.lines().range(..index).rev().find(is_dated);
        if before.is_none_or(|before| self.day(before) != day) {
            rows.push(self.rule(
                &day.strftime("%A, %-d %B %Y").to_string(),
                self.theme.faint(),
            ));
        }
        if buffer.new_from() == Some(line.id) && before.is_some() {
            rows.push(self.rule("new since you left", self.theme.accent()));
        }
        let LaidOutLine {
            head,
            indent,
            rows: said,
        } = self.lay(line);
        let mut head = Some(head);
        rows.extend(said.into_iter().map(|row| {
            let head = head
                .take()
                .unwrap_or_else(|| vec![Span::raw(" ".repeat(indent))]);
            head.into_iter().chain(spans(row)).collect::<Row<'_>>()
        }));
        rows
    }

    fn gap(&self, buffer: &Buffer, index: usize, line: LineId) -> Row<'static> {
        let state = buffer
            .gaps()
            .iter()
            .find(|gap| gap.line == line)
            .map(|gap| &gap.state);
        let text = match state {
            Some(GapState::Failed(why)) => format!("not loaded: {}", text::plain(why)),
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
        let left = self.width.saturating_sub(text.width() + 2);
        let dashes = |count: usize| "─".repeat(count);
        Row::styled(
            format!("{} {text} {}", dashes(left / 2), dashes(left - left / 2)),
            style,
        )
    }

    fn lay(&self, line: &Line) -> LaidOutLine {
        let time = line
            .at
            .to_zoned(self.zone.clone())
            .strftime("%H:%M ")
            .to_string();
        let is_marked = self.marked == Some(line.id);
        let marked = self.theme.accent().add_modifier(Modifier::REVERSED);
        let mut head = vec![Span::styled(
            time,
            if is_marked {
                marked
            } else {
                self.theme.faint()
            },
        )];
        let mut pieces: Wrapped = Vec::new();
        let column = if self.width < NARROW { 0 } else { NICK };
        match &line.body {
            Body::Said {
                nick,
                kind,
                text,
                highlight,
                ..
            } => {
                let nick = text::plain(nick);
                let style = self.theme.nick(&nick);
                let (shown, style) = match kind {
                    MessageKind::Message => (nick, style),
                    MessageKind::Action => ("*".to_owned(), style),
                    MessageKind::Notice => (format!("-{nick}-"), style),
                };
                if *highlight && !is_marked {
                    // The time is highlighted, since the nick has its own colour.
                    head[0].style = self.theme.alert();
                }
                if column == 0 {
                    pieces.push((style.into(), format!("{shown} ")));
                } else {
                    head.push(Span::styled(right(&shown, column), style));
                    head.push(Span::raw(" "));
                }
                if *kind == MessageKind::Action {
                    pieces.push((
                        self.theme.nick(&shown_name(line)).into(),
                        format!("{} ", shown_name(line)),
                    ));
                }
                let said = self.linked(text::formatted(text));
                pieces.extend(said.flat_map(|(ink, piece)| self.mark_matches(ink, piece)));
            }
            Body::Redacted { nick, by, reason } => {
                let because = reason
                    .as_ref()
                    .map_or(String::new(), |why| format!(" ({why})"));
                let text = if by == nick {
                    format!("{nick} deleted a message{because}")
                } else {
                    format!("{by} deleted a message by {nick}{because}")
                };
                self.aside(
                    &mut head,
                    &mut pieces,
                    column,
                    "·",
                    self.theme.faint(),
                    &text,
                );
            }
            Body::Gap | Body::Beginning => {}
            Body::Membership(moves) => {
                self.aside(
                    &mut head,
                    &mut pieces,
                    column,
                    "↔",
                    self.theme.faint(),
                    &describe_membership(moves),
                );
            }
            Body::Info(text) => self.aside(
                &mut head,
                &mut pieces,
                column,
                "·",
                self.theme.faint(),
                text,
            ),
            Body::Refused(text) => {
                self.aside(
                    &mut head,
                    &mut pieces,
                    column,
                    "!",
                    self.theme.alert(),
                    text,
                );
            }
        }
        let indent = if column == 0 { TIME } else { TIME + column + 1 };
        let room = self.width.saturating_sub(indent).max(1);
        LaidOutLine {
            head,
            indent,
            rows: wrap(&pieces, room),
        }
    }

    /// Underlines links, and marks them to be recognised by a click.
    fn linked(&self, pieces: Vec<(Format, String)>) -> impl Iterator<Item = (Ink, String)> {
        urls::split_at_links(pieces)
            .into_iter()
            .map(|(format, link, piece)| {
                let format = Format {
                    underline: format.underline || link.is_some(),
                    ..format
                };
                (
                    Ink {
                        style: self.theme.formatted(format),
                        link,
                    },
                    piece,
                )
            })
    }

    /// Splits a piece at the matches of the search term.
    fn mark_matches(&self, ink: Ink, piece: String) -> Wrapped {
        let small = piece.to_lowercase();
        // If a letter has another length in lower case, which is rare, nothing is highlighted.
        if self.search.is_empty() || small.len() != piece.len() || !small.contains(self.search) {
            return vec![(ink, piece)];
        }
        let marked = Ink {
            style: ink.style.add_modifier(Modifier::REVERSED),
            ..ink
        };
        let mut pieces = Vec::new();
        let mut from = 0;
        for (at, _) in small.match_indices(self.search) {
            let end = at + self.search.len();
            let parts = piece.get(from..at).zip(piece.get(at..end));
            let Some((before, found)) = parts else {
                return vec![(ink, piece)];
            };
            pieces.extend([(ink, before.to_owned()), (marked, found.to_owned())]);
            from = end;
        }
        pieces.push((ink, piece[from..].to_owned()));
        pieces
    }

    /// Lays out a line that is not a message: a sign takes the place of the nick.
    fn aside(
        &self,
        head: &mut Vec<Span<'static>>,
        pieces: &mut Wrapped,
        column: usize,
        sign: &str,
        style: Style,
        text: &str,
    ) {
        if column == 0 {
            pieces.push((style.into(), format!("{sign} ")));
        } else {
            head.push(Span::styled(right(sign, column), style));
            head.push(Span::raw(" "));
        }
        pieces.extend(self.linked(vec![(Format::default(), text::plain(text))]));
    }
}

/// Returns the gaps in view or within a page above.
pub fn gaps_near(buffer: &Buffer, scroll: Option<ScrollPosition>, height: usize) -> Vec<LineId> {
    let end = buffer.lines().len();
    let indices = buffer
        .gaps()
        .iter()
        .filter_map(|gap| Some((buffer.index_of(gap.line)?, gap.line)));
    let indices: Vec<(usize, LineId)> = indices.collect();
    if indices.is_empty() {
        return Vec::new();
    }
    let lowest = scroll.map_or(end.saturating_sub(1), |scroll| spot(buffer, scroll).index);
    let highest = lowest.saturating_sub(height * 2);
    let near = indices
        .into_iter()
        .filter(|(index, _)| (highest..=lowest).contains(index));
    near.map(|(_, line)| line).collect()
}

/// Returns the position of a row. If its line was dropped, that is the oldest row.
fn spot(buffer: &Buffer, scroll: ScrollPosition) -> RowPosition {
    match buffer.index_of(scroll.line) {
        Some(index) => RowPosition {
            index,
            rows: scroll.rows,
        },
        None => RowPosition { index: 0, rows: 1 },
    }
}

fn shown_name(line: &Line) -> String {
    match &line.body {
        Body::Said { nick, .. } => text::plain(nick),
        _ => String::new(),
    }
}

/// Describes joins and parts in one sentence.
fn describe_membership(moves: &[MembershipChange]) -> String {
    let names = |joined: bool| {
        let these: Vec<&MembershipChange> =
            moves.iter().filter(|one| one.joined == joined).collect();
        let verb = if joined { "joined" } else { "left" };
        match these[..] {
            [] => None,
            [one] => {
                let reason = one
                    .reason
                    .as_ref()
                    .map_or(String::new(), |why| format!(" ({why})"));
                Some(format!("{} {verb}{reason}", one.nick))
            }
            _ if these.len() > MAX_NAMES => {
                let some: Vec<&str> = these
                    .iter()
                    .take(MAX_NAMES - 1)
                    .map(|one| &*one.nick)
                    .collect();
                Some(format!(
                    "{} and {} more {verb}",
                    some.join(", "),
                    these.len() - some.len()
                ))
            }
            _ => {
                let all: Vec<&str> = these.iter().map(|one| &*one.nick).collect();
                Some(format!("{} {verb}", all.join(", ")))
            }
        }
    };
    [names(true), names(false)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Colours;

    #[test]
    fn matches_of_a_search_are_highlighted() {
        let zone = TimeZone::UTC;
        let (theme, marked) = (Theme::new(Colours::None), None);
        let shown = |text: &str| -> String {
            let layout = Layout {
                width: 80,
                zone: &zone,
                theme,
                marked,
                search: "twig",
            };
            let pieces = layout
                .mark_matches(Ink::default(), text.to_owned())
                .into_iter();
            let written = pieces.map(|(ink, piece)| {
                if ink == Ink::default() {
                    piece
                } else {
                    format!("<{piece}>")
                }
            });
            written.collect()
        };
        assert_eq!(shown("Twigs, no TWIG"), "<Twig>s, no <TWIG>");
        assert_eq!(shown("eggs"), "eggs");
        assert_eq!(shown("İ twig"), "İ twig", "small, that letter is longer");
    }

    #[test]
    fn joins_and_parts_are_described_in_one_sentence() {
        let one = |nick: &str, joined, reason: Option<&str>| MembershipChange {
            nick: nick.into(),
            joined,
            reason: reason.map(Into::into),
        };
        assert_eq!(
            describe_membership(&[one("a", false, Some("bye"))]),
            "a left (bye)"
        );
        let some = [
            one("a", true, None),
            one("b", false, None),
            one("c", true, None),
        ];
        assert_eq!(describe_membership(&some), "a, c joined · b left");
        let many: Vec<MembershipChange> = ["a", "b", "c", "d", "e", "f"]
            .map(|nick| one(nick, true, None))
            .into();
        assert_eq!(describe_membership(&many), "a, b, c, d and 2 more joined");
    }
}
