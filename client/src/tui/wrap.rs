//! Styled text in columns: cutting, aligning, wrapping and drawing it, and finding the links in it.

use ratatui::style::Style;
use ratatui::text::{Line as Row, Span};
use ratatui::widgets::Paragraph;
use rookery_terminal::fitted;
pub use rookery_terminal::{columns, cut, wrap};

/// The style of a piece of a message, and the link that the piece belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PieceStyle {
    /// The style.
    pub style: Style,
    /// The index of the link among the links of the message; `None` outside of links.
    pub link: Option<usize>,
}

impl From<Style> for PieceStyle {
    fn from(style: Style) -> Self {
        Self { style, link: None }
    }
}

/// Text in pieces, each of one style. Wrapping it returns one such text for each row.
pub type StyledText = Vec<(PieceStyle, String)>;

/// Converts a row into what ratatui draws.
pub fn spans(row: StyledText) -> impl Iterator<Item = Span<'static>> {
    row.into_iter()
        .map(|(style, text)| Span::styled(text, style.style))
}

/// Returns what draws rows, which are cut and wrapped. No letter or mark of them is left out or
/// drawn over.
pub fn paragraph<'a>(rows: impl IntoIterator<Item = impl Into<Row<'a>>>) -> Paragraph<'a> {
    Paragraph::new(rows.into_iter().map(fitted).collect::<Vec<_>>())
}

/// Wraps rows into rows of up to `width` columns.
pub fn wrapped(rows: &[Row<'_>], width: usize) -> Vec<Row<'static>> {
    let wrap_row = |row: &Row<'_>| {
        let style = row.style;
        let pieces = row.spans.iter();
        let pieces: Vec<_> = pieces
            .map(|span| (span.style, span.content.to_string()))
            .collect();
        let rows = wrap(&pieces, width).into_iter();
        rows.map(move |row| {
            let spans = row.into_iter();
            let spans = spans.map(|(style, text)| Span::styled(text, style));
            spans.collect::<Row<'_>>().style(style)
        })
    };
    rows.iter().flat_map(wrap_row).collect()
}

/// Returns the index of the link at a column of a row.
pub fn link_at(row: &StyledText, column: usize) -> Option<usize> {
    let mut end = 0;
    let found = row.iter().find(|(_, text)| {
        end += columns(text);
        column < end
    });
    found?.0.link
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::widgets::Widget as _;
    use rookery_terminal::{is_stray_selector, is_unsafe};
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::*;
    use crate::text;

    /// Draws text in a row, and returns its cells.
    fn drawn(text: &str) -> Vec<String> {
        let area = Rect::new(0, 0, 20, 1);
        let mut buffer = Buffer::empty(area);
        paragraph([text::plain(text)]).render(area, &mut buffer);
        let cells = buffer.content.iter();
        cells.map(|cell| cell.symbol().to_owned()).collect()
    }

    #[test]
    fn every_character_that_can_be_shown_is_drawn_where_nothing_else_is() {
        // Han, Hangul, private use and Tangut: they are all alike.
        let is_one_of_many = |char: &char| {
            matches!(
                char,
                '\u{3401}'..='\u{9fff}' | '\u{ac01}'..='\u{d7a3}' | '\u{e001}'..='\u{f8ff}'
                    | '\u{17001}'..='\u{18aff}'
            )
        };
        let is_hidden = |char: char| is_unsafe(char) || is_stray_selector(None, char, None);
        for char in ('!'..'\u{20000}').filter(|char| !is_one_of_many(char) && !is_hidden(*char)) {
            let cells = drawn(&format!("{char}b{char}o b{char}"));
            let mut column = 0;
            for grapheme in text::plain(&format!("{char}b{char}o b{char}")).graphemes(true) {
                let cell = &cells[column];
                // Of a mark that is newer than the rules for graphemes, the place is visible.
                let is_there = cell.contains(grapheme) || cell == "\u{fffd}";
                assert!(is_there, "{char:?}: {grapheme:?} is not in {cells:?}");
                let end = column + columns(grapheme);
                let is_free = cells[column + 1..end].iter().all(|cell| cell == " ");
                assert!(is_free, "{char:?}: {cells:?}");
                column = end;
            }
        }
    }

    #[test]
    fn words_of_every_script_are_drawn_whole() {
        for word in [
            "বাংলায়",
            "हिन्दी",
            "தமிழ்",
            "ไทยน้ำ",
            "العَرَبِيَّة",
            "שָׁלוֹם",
            "한국",
            "한",
            "日本",
            "👍🏽",
        ] {
            assert_eq!(drawn(word).concat().replace(' ', ""), word);
        }
    }

    #[test]
    fn a_link_is_found_on_every_row_that_it_covers() {
        let link = PieceStyle {
            style: Style::new(),
            link: Some(0),
        };
        let pieces = [
            (PieceStyle::default(), "日 ".to_owned()),
            (link, "http://a.b".to_owned()),
            (PieceStyle::default(), "!".to_owned()),
        ];
        let rows = wrap(&pieces, 7);
        let columns_of_link: Vec<Vec<usize>> = rows
            .iter()
            .map(|row| {
                (0..9)
                    .filter(|&column| link_at(row, column) == Some(0))
                    .collect()
            })
            .collect();
        assert_eq!(columns_of_link, [vec![], (0..7).collect(), vec![0, 1, 2]]);
    }
}
