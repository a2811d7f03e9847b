//! Text for the widgets of ratatui, of which no letter or mark is left out or drawn over.
//!
//! The widgets drop a grapheme without width, and place the next one after as many columns as
//! Unicode's tables count, although many terminals draw vowel signs in columns of their own. Of an
//! emoji of several parts, such terminals show the first part: the next grapheme is drawn over the
//! others.

use ratatui::buffer::CellWidth as _;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::width::{NO_BASE, cells};

/// Returns a row with blank columns after each grapheme for what a terminal may draw there, and
/// with a dotted circle under what has no width. The backend of [`Screen`](crate::Screen) draws
/// nothing in these columns. Text must be cut and wrapped before.
pub fn fitted<'a>(row: impl Into<Line<'a>>) -> Line<'a> {
    let mut row = row.into();
    for span in &mut row.spans {
        if !span.content.is_ascii() {
            *span = Span::styled(fit(&span.content), span.style);
        }
    }
    row
}

fn fit(text: &str) -> String {
    let mut fitted = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        if grapheme.is_ascii() {
            fitted.push_str(grapheme);
            continue;
        }
        let start = fitted.len();
        if grapheme.width() == 0 {
            fitted.push_str(&with_base(grapheme));
        } else {
            fitted.push_str(grapheme);
        }
        let drawn = usize::from(fitted[start..].cell_width());
        fitted.extend(std::iter::repeat_n(
            ' ',
            cells(grapheme).saturating_sub(drawn),
        ));
    }
    fitted
}

/// Returns a grapheme without width together with a dotted circle, before or after it. What joins
/// neither, because it is newer than the rules for graphemes, becomes a replacement character.
fn with_base(grapheme: &str) -> String {
    [
        format!("{NO_BASE}{grapheme}"),
        format!("{grapheme}{NO_BASE}"),
    ]
    .into_iter()
    .find(|joined| joined.graphemes(true).count() == 1)
    .unwrap_or_else(|| char::REPLACEMENT_CHARACTER.to_string())
}
