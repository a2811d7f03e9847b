//! Text in columns: cut to a width, wrapped into rows.
//!
//! A line is measured as wide as any terminal might draw it. On the screen, an emoji of several
//! parts takes the columns of one symbol, since the screen draws what follows over the rest of it;
//! but it begins only where all of its parts have room in the row.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::width::{cells, room_for, spread};

/// Returns the columns that a text takes on the screen.
pub fn columns(text: &str) -> usize {
    measured(text, cells)
}

/// Returns the most columns over which a terminal may draw part of a line.
pub fn line_columns(text: &str) -> usize {
    measured(text, spread)
}

/// Returns `text` cut to `width` columns of the screen, with an ellipsis at the end if anything was
/// cut off.
pub fn cut(text: &str, width: usize) -> String {
    cut_by(text, width, cells)
}

/// Cuts part of a line like [`cut`], as wide as any terminal might draw it.
pub fn cut_line(text: &str, width: usize) -> String {
    cut_by(text, width, spread)
}

fn measured(text: &str, measure: impl Fn(&str) -> usize) -> usize {
    text.graphemes(true).map(measure).sum()
}

fn cut_by(text: &str, width: usize, measure: impl Fn(&str) -> usize) -> String {
    if fitting(text, width, &measure) == text {
        return text.to_owned();
    }
    width.checked_sub(1).map_or_else(String::new, |room| {
        format!("{}…", fitting(text, room, measure))
    })
}

/// Returns as much of the start of a text as a row of `width` columns has room for.
fn fitting(text: &str, width: usize, measure: impl Fn(&str) -> usize) -> &str {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        let columns = measure(grapheme);
        if used + room_for(grapheme, columns, width) > width {
            return &text[..at];
        }
        used += columns;
    }
    text
}

/// Wraps pieces of text into rows of up to `width` columns of the screen, at line feeds, and at
/// spaces where possible. Each piece keeps its style. Returns at least one row.
pub fn wrap<S: Copy + PartialEq>(pieces: &[(S, String)], width: usize) -> Vec<Vec<(S, String)>> {
    rows(pieces, width, width, cells)
}

/// Wraps part of a line into rows of up to `width` columns, as wide as any terminal might draw
/// them.
pub fn wrap_line(text: &str, width: usize) -> Vec<String> {
    let rows = rows(&[((), text.to_owned())], width, width, spread);
    let join = |row: Vec<((), String)>| row.into_iter().map(|((), text)| text).collect();
    rows.into_iter().map(join).collect()
}

/// Wraps text like [`wrap`], with a width of its own for the first row, and the width of each
/// grapheme as `measure` returns it.
pub fn rows<S: Copy + PartialEq>(
    pieces: &[(S, String)],
    first: usize,
    others: usize,
    measure: impl Fn(&str) -> usize,
) -> Vec<Vec<(S, String)>> {
    // A grapheme with marks that a terminal draws in columns of their own may be of any length.
    let parts = |grapheme| match measure(grapheme) {
        width if width > first.min(others) => grapheme.split_inclusive(|_: char| true).collect(),
        _ => vec![grapheme],
    };
    let graphemes: Vec<(&str, S, usize)> = pieces
        .iter()
        .flat_map(|(style, text)| {
            let parts = text.graphemes(true).flat_map(parts);
            parts.map(|part| (part, *style, measure(part)))
        })
        .collect();
    let mut rows = Vec::new();
    let mut start = 0;
    while start < graphemes.len() {
        let width = if rows.is_empty() { first } else { others };
        let mut end = start;
        let mut used = 0;
        while let Some(&(grapheme, _, columns)) = graphemes.get(end)
            && grapheme != "\n"
            && used + room_for(grapheme, columns, width) <= width
        {
            used += columns;
            end += 1;
        }
        if graphemes.get(end).is_some_and(|next| next.0 == "\n") {
            rows.push(join(&graphemes[start..end]));
            start = end + 1;
            continue;
        }
        // A grapheme that is wider than the row has a row to itself.
        end = end.max(start + 1);
        let mut next = end;
        if end < graphemes.len() {
            let space = (start + 1..=end).rev().find(|&at| graphemes[at].0 == " ");
            if let Some(space) = space {
                end = space;
                next = space + 1;
            }
        }
        rows.push(join(&graphemes[start..end]));
        start = next;
    }
    if rows.is_empty() {
        rows.push(Vec::new());
    }
    rows
}

/// Joins neighbouring graphemes of one style.
fn join<S: Copy + PartialEq>(graphemes: &[(&str, S, usize)]) -> Vec<(S, String)> {
    let runs = graphemes.chunk_by(|one, other| one.1 == other.1);
    runs.map(|run| (run[0].1, run.iter().map(|(text, ..)| *text).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, width: usize) -> Vec<String> {
        let wrapped = wrap(&[((), text.to_owned())], width);
        wrapped
            .into_iter()
            .map(|row| row.into_iter().map(|((), text)| text).collect())
            .collect()
    }

    #[test]
    fn text_is_wrapped_between_words_and_inside_a_word_only_if_it_is_too_long() {
        assert_eq!(rows("one two three", 7), ["one two", "three"]);
        assert_eq!(rows("one twothree four", 8), ["one", "twothree", "four"]);
        assert_eq!(rows("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(rows("", 4), [""]);
    }

    #[test]
    fn a_line_feed_begins_a_row() {
        assert_eq!(rows("a b\n\ncde f", 3), ["a b", "", "cde", "f"]);
        assert_eq!(rows("abc\nd", 3), ["abc", "d"]);
    }

    #[test]
    fn wide_letters_take_two_columns() {
        assert_eq!(rows("日本語です", 4), ["日本", "語で", "す"]);
        assert_eq!(rows("日", 1), ["日"]);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn an_emoji_begins_only_where_all_of_its_parts_have_room() {
        assert_eq!(rows("abc🇩🇪", 7), ["abc🇩🇪"]);
        assert_eq!(rows("abc🇩🇪", 6), ["abc", "🇩🇪"]);
        assert_eq!(rows("ab 🇩🇪🇩🇪", 6), ["ab", "🇩🇪🇩🇪"]);
        assert_eq!(cut("abc🇩🇪", 7), "abc🇩🇪");
        assert_eq!(cut("abc🇩🇪", 6), "abc…");
        assert_eq!(cut("abc🇩🇪def", 7), "abc…");
        // No row has room for all of them.
        assert_eq!(rows("👨‍👩‍👧👨‍👩‍👧x", 5), ["👨‍👩‍👧👨‍👩‍👧x"]);
        assert_eq!(rows("🇩🇪", 1).concat(), "🇩🇪");
        assert_eq!(cut_line("👨‍👩‍👧", 5), "…");
    }

    #[test]
    fn pieces_keep_their_style_across_rows() {
        let pieces = [('a', "one tw".to_owned()), ('b', "o three".to_owned())];
        let piece = |style, text: &str| (style, text.to_owned());
        assert_eq!(
            wrap(&pieces, 7),
            [
                vec![piece('a', "one tw"), piece('b', "o")],
                vec![piece('b', "three")]
            ]
        );
    }
}
