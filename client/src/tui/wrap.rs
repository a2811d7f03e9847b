//! Styled text in columns: cutting, aligning and wrapping it, and finding the links in it.

use ratatui::style::Style;
use ratatui::text::Span;
pub use rookery_terminal::{cut, wrap};
use unicode_width::UnicodeWidthStr as _;

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

/// Returns the index of the link at a column of a row.
pub fn link_at(row: &StyledText, column: usize) -> Option<usize> {
    let mut end = 0;
    let found = row.iter().find(|(_, text)| {
        end += text.width();
        column < end
    });
    found?.0.link
}

#[cfg(test)]
mod tests {
    use super::*;

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
