//! Text in columns: cut to a width, pushed to the right, wrapped into rows.

use ratatui::style::Style;
use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation as _;
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

/// As much of `text` as fits `width` columns; an ellipsis tells that there is more.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut taken = 1;
    for grapheme in text.graphemes(true) {
        taken += grapheme.width();
        if taken > width {
            break;
        }
        cut.push_str(grapheme);
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// Cuts styled text into rows of up to `width` columns, between words where it can be. Always at
/// least one row.
pub fn wrap(pieces: &[(Ink, String)], width: usize) -> Vec<Wrapped> {
    let letters: Vec<(&str, Ink, usize)> = pieces
        .iter()
        .flat_map(|(ink, text)| {
            text.graphemes(true)
                .map(|letter| (letter, *ink, letter.width()))
        })
        .collect();
    let mut rows = Vec::new();
    let mut start = 0;
    while start < letters.len() {
        let mut end = start;
        let mut taken = 0;
        while end < letters.len() && taken + letters[end].2 <= width {
            taken += letters[end].2;
            end += 1;
        }
        // A letter that is wider than the row is still shown as far as it goes.
        end = end.max(start + 1);
        let mut next = end;
        if end < letters.len() {
            let space = (start + 1..=end).rev().find(|&at| letters[at].0 == " ");
            if let Some(space) = space {
                end = space;
                next = space + 1;
            }
        }
        rows.push(join(&letters[start..end]));
        start = next;
    }
    if rows.is_empty() {
        rows.push(Vec::new());
    }
    rows
}

fn join(letters: &[(&str, Ink, usize)]) -> Wrapped {
    let runs = letters.chunk_by(|one, other| one.1 == other.1);
    runs.map(|run| (run[0].1, run.iter().map(|(letter, ..)| *letter).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, width: usize) -> Vec<String> {
        let wrapped = wrap(&[(Ink::default(), text.to_owned())], width);
        wrapped
            .into_iter()
            .map(|row| row.into_iter().map(|(_, text)| text).collect())
            .collect()
    }

    #[test]
    fn text_is_wrapped_between_words_and_a_long_word_where_it_must() {
        assert_eq!(rows("one two three", 7), ["one two", "three"]);
        assert_eq!(rows("one twothree four", 8), ["one", "twothree", "four"]);
        assert_eq!(rows("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(rows("", 4), [""]);
    }

    #[test]
    fn wide_letters_take_their_room() {
        assert_eq!(rows("日本語です", 4), ["日本", "語で", "す"]);
        assert_eq!(rows("日", 1), ["日"]);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 0), "");
    }

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
