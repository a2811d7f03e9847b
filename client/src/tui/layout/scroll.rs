//! Scroll positions: moving by rows, and what is in view at a position.
//!
//! A position refers to a line and not to a row number, so it stays at the same message when lines
//! are inserted or dropped elsewhere. It never refers to a gap, which vanishes once it is filled.

use super::Layout;
use crate::model::{Body, Buffer, Line, LineId};
use crate::tui::wrap::link_at;

/// The lowest visible row of a conversation that is not scrolled to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrollPosition {
    /// The line of that row.
    pub line: LineId,
    /// The number of rows of that line down to it: 1 for the line's first row.
    pub rows: usize,
}

/// The lines that scrolling up does not pass, since the user has not had a chance to read them.
#[derive(Debug)]
pub struct Unseen {
    /// The lines after this one were added after the conversation was last drawn.
    pub drawn: LineId,
    /// The gaps that are being loaded.
    pub loading: Vec<LineId>,
}

impl Unseen {
    fn contains(&self, line: &Line) -> bool {
        line.id > self.drawn || self.loading.contains(&line.id)
    }
}

/// A [`ScrollPosition`] with the index of the line, valid while no lines are added or dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct RowPosition {
    /// The index of the line.
    pub(super) index: usize,
    /// The number of rows of that line down to this one: 1 for the line's first row.
    pub(super) rows: usize,
}

impl Layout<'_> {
    /// Returns the index of the lowest visible line.
    pub fn lowest_index(&self, buffer: &Buffer, scroll: Option<ScrollPosition>) -> Option<usize> {
        Some(self.lowest(buffer, scroll)?.index)
    }

    /// Whether a line is entirely visible.
    pub fn is_visible(
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
        let top = self.row_above(buffer, lowest, height.saturating_sub(1));
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
        let at = self.row_above(buffer, self.lowest(buffer, scroll)?, up);
        let line = self.lay_out(buffer.lines().get(at.index)?);
        let rules = self.height(buffer, at.index).checked_sub(line.rows.len())?;
        let row = line.rows.get((at.rows - 1).checked_sub(rules)?)?;
        Some((at.index, link_at(row, column.checked_sub(line.indent)?)?))
    }

    /// Returns the scroll position `by` rows further up, or less far where unseen lines are above:
    /// then the line below them is the lowest. The first row of the conversation stays at the top
    /// of the `height` visible rows, if there are enough rows.
    pub fn scrolled_up(
        &self,
        buffer: &Buffer,
        scroll: Option<ScrollPosition>,
        height: usize,
        by: usize,
        unseen: &Unseen,
    ) -> Option<ScrollPosition> {
        let lines = buffer.lines();
        let mut from = self.lowest(buffer, scroll)?;
        if scroll.is_none() {
            // The lines appended since the end was drawn are below what the user sees.
            let drawn = lines.iter().rposition(|line| line.id <= unseen.drawn)?;
            if drawn < from.index {
                from = self.last_row(buffer, drawn);
            }
        }
        if unseen.loading.contains(&lines[from.index].id) {
            return scroll;
        }
        let mut at = self.row_above(buffer, from, by);
        let mut passed = (at.index..from.index).rev();
        if let Some(stop) = passed.find(|&index| unseen.contains(&lines[index])) {
            at = if stop + 1 == from.index {
                from
            } else {
                self.last_row(buffer, stop + 1)
            };
        } else if lines[at.index].body == Body::Gap {
            at = self.row_above(buffer, at, 1);
        }
        let first = RowPosition { index: 0, rows: 1 };
        if self.row_above(buffer, at, height.saturating_sub(1)) == first {
            at = self.row_below(buffer, first, height.saturating_sub(1));
        }
        self.scroll_position(buffer, at)
    }

    /// Returns the scroll position `by` rows further down.
    pub fn scrolled_down(
        &self,
        buffer: &Buffer,
        scroll: Option<ScrollPosition>,
        by: usize,
    ) -> Option<ScrollPosition> {
        let from = self.lowest(buffer, Some(scroll?))?;
        self.scroll_position(buffer, self.row_below(buffer, from, by))
    }

    /// Returns the scroll position with a line in the middle.
    pub fn centered_on(
        &self,
        buffer: &Buffer,
        line: LineId,
        height: usize,
    ) -> Option<ScrollPosition> {
        let index = buffer.index_of(line)?;
        let last_row = self.last_row(buffer, index);
        self.scroll_position(buffer, self.row_below(buffer, last_row, height / 2))
    }

    /// Returns the last row of a line.
    fn last_row(&self, buffer: &Buffer, index: usize) -> RowPosition {
        RowPosition {
            index,
            rows: self.height(buffer, index),
        }
    }

    /// Returns the lowest visible row; `None` if there are no rows.
    fn lowest(&self, buffer: &Buffer, scroll: Option<ScrollPosition>) -> Option<RowPosition> {
        let last = buffer.lines().len().checked_sub(1)?;
        Some(scroll.map_or_else(
            || self.last_row(buffer, last),
            |scroll| {
                let at = row_position(buffer, scroll);
                // The line may have lost a rule since.
                let rows = at.rows.min(self.height(buffer, at.index));
                RowPosition { rows, ..at }
            },
        ))
    }

    /// Returns the row that is `by` rows above `from`, or the first row.
    fn row_above(&self, buffer: &Buffer, from: RowPosition, mut by: usize) -> RowPosition {
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

    /// Returns the row that is `by` rows below `from`, or the last row.
    fn row_below(&self, buffer: &Buffer, from: RowPosition, by: usize) -> RowPosition {
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

    /// Returns the scroll position of a row, or of the next one if it is a gap; `None` for the last
    /// row, where new messages are followed.
    fn scroll_position(&self, buffer: &Buffer, mut at: RowPosition) -> Option<ScrollPosition> {
        if buffer.lines().get(at.index)?.body == Body::Gap {
            at = self.row_below(buffer, at, 1);
        }
        let line = buffer.lines().get(at.index)?;
        let at_end =
            at.index + 1 == buffer.lines().len() && at.rows >= self.height(buffer, at.index);
        (!at_end).then_some(ScrollPosition {
            line: line.id,
            rows: at.rows,
        })
    }
}

/// Returns the position of a row. If its line was dropped, that is the oldest row.
pub(super) fn row_position(buffer: &Buffer, scroll: ScrollPosition) -> RowPosition {
    match buffer.index_of(scroll.line) {
        Some(index) => RowPosition {
            index,
            rows: scroll.rows,
        },
        None => RowPosition { index: 0, rows: 1 },
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
    let lowest = scroll.map_or(end.saturating_sub(1), |scroll| {
        row_position(buffer, scroll).index
    });
    let highest = lowest.saturating_sub(height * 2);
    let near = indices
        .into_iter()
        .filter(|(index, _)| (highest..=lowest).contains(index));
    near.map(|(_, line)| line).collect()
}
