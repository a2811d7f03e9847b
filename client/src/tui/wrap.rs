//! Text in columns: cut to a width, pushed to the right, wrapped into rows.

use ratatui::style::Style;
use ratatui::text::Span;
pub use rookery_terminal::{cut, wrap};
use unicode_width::UnicodeWidthStr as _;

/// What a piece of a message is: its look, and which of the message's links it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ink {
    /// The look.
    pub style: Style,
    /// The index of the link.
    pub link: Option<usize>,
}

impl From<Style> for Ink {
    fn from(style: Style) -> Self {
        Self { style, link: None }
    }
}

/// One row of a message, in pieces.
pub type Wrapped = Vec<(Ink, String)>;

/// As it is drawn.
pub fn spans(row: Wrapped) -> impl Iterator<Item = Span<'static>> {
    row.into_iter()
        .map(|(ink, text)| Span::styled(text, ink.style))
}

/// The link that stands in that column.
pub fn link_at(row: &Wrapped, column: usize) -> Option<usize> {
    let mut end = 0;
    let found = row.iter().find(|(_, text)| {
        end += text.width();
        column < end
    });
    found?.0.link
}

/// `text` at the right end of `width` columns, cut if it is longer.
pub fn right(text: &str, width: usize) -> String {
    let cut = cut(text, width);
    " ".repeat(width.saturating_sub(cut.width())) + &cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_on_every_row_that_it_takes() {
        let link = Ink {
            style: Style::new(),
            link: Some(0),
        };
        let pieces = [
            (Ink::default(), "日 ".to_owned()),
            (link, "http://a.b".to_owned()),
            (Ink::default(), "!".to_owned()),
        ];
        let rows = wrap(&pieces, 7);
        let hits: Vec<Vec<usize>> = rows
            .iter()
            .map(|row| {
                (0..9)
                    .filter(|&column| link_at(row, column) == Some(0))
                    .collect()
            })
            .collect();
        assert_eq!(hits, [vec![], (0..7).collect(), vec![0, 1, 2]]);
    }
}
