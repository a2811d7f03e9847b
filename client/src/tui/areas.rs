//! Divides the screen into its parts, depending on its size.

use ratatui::layout::Rect;
use rookery_terminal::{cells, room_for};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::text;

/// The width from which on the list of conversations is shown.
const MIN_WIDTH_FOR_LIST: u16 = 64;
/// The width from which on the members are shown too.
const MIN_WIDTH_FOR_MEMBERS: u16 = 96;
/// The width of the list of conversations.
const LIST_WIDTH: u16 = 18;
/// The width of the column of members.
const MEMBERS_WIDTH: u16 = 18;
/// The most rows of the message box.
const MAX_INPUT_ROWS: u16 = 6;

/// The parts of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Areas {
    /// The list of conversations, with the line at its right.
    pub list: Option<Rect>,
    /// The members, with the line at their left.
    pub members: Option<Rect>,
    /// The topic: one row, or none on a very low screen.
    pub topic: Rect,
    /// The lines of the current conversation.
    pub conversation: Rect,
    /// The status line: one row, or none on a very low screen.
    pub status: Rect,
    /// The message box: at least one row.
    pub input: Rect,
}

impl Areas {
    /// Divides a screen of a given size while `typed` is in the message box. `members` sets whether
    /// the members are shown; with `None` they are if the screen is wide enough.
    pub fn of(size: Rect, typed: &str, members: Option<bool>) -> Self {
        let Rect { width, height, .. } = size;
        let has_list = width >= MIN_WIDTH_FOR_LIST;
        let has_members = has_list && members.unwrap_or(width >= MIN_WIDTH_FOR_MEMBERS);
        let left = if has_list { LIST_WIDTH } else { 0 };
        let right = if has_members { MEMBERS_WIDTH } else { 0 };
        let wanted = u16::try_from(input_rows(typed, 0, usize::from(width)).0.len())
            .unwrap_or(MAX_INPUT_ROWS);
        let input = wanted.clamp(1, MAX_INPUT_ROWS.min((height / 3).max(1)));
        let topic = u16::from(height >= 6);
        let status = u16::from(height >= 3);
        let middle = height.saturating_sub(input + topic + status);
        let column = |x, width| Rect {
            x,
            y: topic,
            width,
            height: middle,
        };
        Self {
            list: has_list.then(|| column(0, left)),
            members: has_members.then(|| column(width - right, right)),
            topic: Rect {
                x: 0,
                y: 0,
                width,
                height: topic,
            },
            conversation: column(left, width - left - right),
            status: Rect {
                x: 0,
                y: topic + middle,
                width,
                height: status,
            },
            input: Rect {
                x: 0,
                y: height.saturating_sub(input),
                width,
                height: input.min(height),
            },
        }
    }
}

/// Returns the rows of typed text at a given width, and the column and row of the cursor.
pub fn input_rows(text: &str, cursor: usize, width: usize) -> (Vec<String>, (usize, usize)) {
    let mut rows = vec![String::new()];
    let mut column = 0;
    let mut position = (0, 0);
    for (at, letter) in text.grapheme_indices(true) {
        // A formatting code is shown as one letter.
        let letter_width = if letter.chars().all(|char| text::code_letter(char).is_some()) {
            1
        } else {
            cells(letter)
        };
        // One column stays free for the cursor at the end of a row.
        let is_full = column + letter_width >= width
            || column + room_for(letter, letter_width, width) > width;
        if letter != "\n" && is_full && column > 0 {
            rows.push(String::new());
            column = 0;
        }
        if at == cursor {
            position = (column, rows.len() - 1);
        }
        if letter == "\n" {
            rows.push(String::new());
            column = 0;
        } else if let Some(row) = rows.last_mut() {
            row.push_str(letter);
            column += letter_width;
        }
    }
    if cursor >= text.len() {
        position = (column, rows.len() - 1);
    }
    (rows, position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_filled_without_overlap() {
        for width in 0..130 {
            for height in 0..40 {
                for typed in ["", "a\nb\nc\nd\ne\nf\ng\nh"] {
                    let areas = Areas::of(Rect::new(0, 0, width, height), typed, None);
                    let parts = [areas.topic, areas.conversation, areas.status, areas.input];
                    let rows: u16 = parts.iter().map(|part| part.height).sum();
                    assert_eq!(
                        rows,
                        height.max(areas.input.height),
                        "{width}x{height}: {areas:?}"
                    );
                    let sides = [areas.list, areas.members]
                        .into_iter()
                        .flatten()
                        .map(|side| side.width);
                    assert_eq!(areas.conversation.width + sides.sum::<u16>(), width);
                    assert!(
                        parts.iter().all(|part| part.bottom() <= height.max(1)),
                        "{areas:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn narrow_screens_have_no_side_columns() {
        let of = |width| Areas::of(Rect::new(0, 0, width, 24), "", None);
        assert!(of(40).list.is_none() && of(40).members.is_none());
        assert!(of(80).list.is_some() && of(80).members.is_none());
        assert!(of(120).list.is_some() && of(120).members.is_some());
        assert!(
            Areas::of(Rect::new(0, 0, 80, 24), "", Some(true))
                .members
                .is_some()
        );
    }

    #[test]
    fn typed_text_is_cut_into_rows_and_the_cursor_is_placed() {
        assert_eq!(input_rows("", 0, 10), (vec![String::new()], (0, 0)));
        let (rows, position) = input_rows("abcdef\ng", 8, 4);
        assert_eq!(rows, ["abc", "def", "g"]);
        assert_eq!(position, (1, 2));
        assert_eq!(input_rows("ab\ncd", 2, 10).1, (2, 0));
        assert_eq!(input_rows("日本", 6, 5).1, (4, 0));
        assert_eq!(input_rows("\u{2}a\u{2}b", 4, 5).1, (4, 0));
        let (rows, position) = input_rows("বাবা", "বাবা".len(), 4);
        assert_eq!((&*rows.concat(), rows.len(), position), ("বাবা", 2, (2, 1)));
        let (rows, position) = input_rows("abc🇩🇪🇩🇪", "abc🇩🇪🇩🇪".len(), 8);
        assert_eq!(
            (rows, position),
            (vec!["abc🇩🇪".into(), "🇩🇪".into()], (2, 1))
        );
    }
}
