//! Lines on a terminal: one that is wider than the terminal continues below with an indent.
//!
//! The terminal itself would continue it in the first column. A user who chose part of its text
//! could fill the rest of the row with spaces, and the continuation would look like another line.

use std::io;
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

use crate::layout::{line_columns, rows};
use crate::width::spread;

/// The columns before the continuation of a line. No line of the programs begins like that.
const INDENT: usize = 8;
/// The length of a SHA-256 fingerprint.
const FINGERPRINT_BYTES: usize = 32;

/// Returns the width of the terminal that standard output is, in columns; `None` if it is none, or
/// if the terminal does not report its width.
pub fn stdout_width() -> Option<usize> {
    width_of(io::stdout())
}

/// Returns the width of the terminal that standard error is, in columns; `None` if it is none, or
/// if the terminal does not report its width.
pub fn stderr_width() -> Option<usize> {
    width_of(io::stderr())
}

fn width_of(output: impl AsFd) -> Option<usize> {
    let width = tcgetwinsize(&output).ok()?.ws_col;
    (width > 0).then(|| width.into())
}

/// Wraps a line, in pieces of one style each, into rows of up to `width` columns, as wide as any
/// terminal might draw them. Each row after the first is indented. A fingerprint at the end stays
/// whole, so that it can be copied.
pub fn hanging_pieces<S>(pieces: &[(S, String)], width: usize) -> Vec<Vec<(S, String)>>
where
    S: Copy + Default + PartialEq,
{
    let indent = INDENT.min(width / 2);
    let mut pieces = pieces.to_vec();
    let fingerprint = take_fingerprint(&mut pieces, width);
    let mut wrapped = rows(&pieces, width, width - indent, spread);
    wrapped.extend(fingerprint.map(|fingerprint| vec![fingerprint]));
    for row in wrapped.iter_mut().skip(1) {
        row.insert(0, (S::default(), " ".repeat(indent)));
    }
    wrapped
}

/// Removes and returns the fingerprint at the end of a line that is wider than the terminal.
fn take_fingerprint<S: Copy>(pieces: &mut [(S, String)], width: usize) -> Option<(S, String)> {
    let line: usize = pieces.iter().map(|(_, text)| line_columns(text)).sum();
    let (style, last) = pieces.last_mut()?;
    let start = last.rfind(' ')? + 1;
    let mut bytes = last[start..].split(':');
    let is_byte = |byte: &str| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok();
    let is_fingerprint = bytes.clone().count() == FINGERPRINT_BYTES && bytes.all(is_byte);
    (line > width && is_fingerprint).then(|| (*style, last.split_off(start)))
}

/// Wraps each line of a text for a terminal of `width` columns; see [`hanging_pieces`]. Without a
/// terminal, returns the text as it is.
pub fn hanging(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else {
        return text.to_owned();
    };
    let lines = text.split('\n').flat_map(|line| {
        let rows = hanging_pieces(&[((), line.to_owned())], width);
        rows.into_iter()
            .map(|row| row.into_iter().map(|((), text)| text).collect::<String>())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the text with one space in place of each run of white space, with which text could be
/// moved to where the program writes its own. Joiners within such a run, which are invisible and
/// join nothing there, are left out.
pub fn compact(text: &str) -> String {
    let is_blank = |char: char| char.is_whitespace() || char == BLANK_PATTERN;
    let is_joiner = |char| matches!(char, '\u{200c}' | '\u{200d}');
    let mut compact = String::with_capacity(text.len());
    for char in text.chars() {
        let is_in_run = compact.ends_with(' ') && (is_blank(char) || is_joiner(char));
        if !is_in_run {
            compact.push(if is_blank(char) { ' ' } else { char });
        }
    }
    compact
}

/// The pattern of Braille without dots, which looks like a space.
const BLANK_PATTERN: char = '\u{2800}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_continuation_of_a_line_does_not_begin_where_lines_begin() {
        let forged = format!("13:16 <eve> hi{}13:16 <bob> come to 0000", " ".repeat(26));
        let shown = hanging(&forged, Some(40));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert!(lines[0].starts_with("13:16 <eve> hi"), "{shown}");
        assert_eq!(lines[1], "        13:16 <bob> come to 0000");
        assert_eq!(
            hanging(&forged, None),
            forged,
            "a pipe gets lines as they are"
        );
        assert_eq!(hanging("a\n\nb", Some(40)), "a\n\nb");
    }

    #[test]
    fn a_fingerprint_at_the_end_of_a_line_stays_whole() {
        let fingerprint = ["A7"; 32].join(":");
        let shown = hanging(&format!("  SHA-256 {fingerprint}"), Some(80));
        assert!(
            shown.ends_with(&format!("\n        {fingerprint}")),
            "{shown}"
        );
        let forged = format!("{fingerprint}:13:16 <bob> hi");
        assert!(
            !hanging(&forged, Some(80)).contains(&forged[..95]),
            "{forged}"
        );
    }

    #[test]
    fn no_row_is_wider_than_any_terminal_draws_it() {
        let drawn = |char| match char {
            '日' | '本' | '👩' | '👧' | '🇦' | '🇹' | '\u{3248}' | '\u{302e}' => 2,
            _ => 1,
        };
        for text in [
            "👩\u{200d}👩\u{200d}👧".repeat(30),
            "日本".repeat(30),
            "🇦🇹".repeat(30),
            // Vowel signs and signs before numbers, which many terminals draw in a column each.
            "\u{9be}".repeat(30),
            "\u{605}".repeat(30),
            // Characters that the C library of GNU counts as wide, and a mark that is new.
            "\u{3248}".repeat(30),
            "a\u{302e}".repeat(30),
            "\u{897}".repeat(30),
        ] {
            for width in [15, 20, 80] {
                for row in hanging(&text, Some(width)).lines() {
                    let drawn = row
                        .chars()
                        .filter(|char| *char != '\u{200d}')
                        .map(drawn)
                        .sum::<usize>();
                    assert!(drawn <= width, "{width}: {row}");
                }
            }
        }
    }

    #[test]
    fn white_space_of_any_kind_is_one_space() {
        assert_eq!(compact("a \u{a0}\u{3000}\u{2003}\u{2800} b  c "), "a b c ");
        assert_eq!(compact("a \u{200c} \u{200d}\u{200c} b"), "a b");
        assert_eq!(compact("می\u{200c}خواهم"), "می\u{200c}خواهم");
    }
}
