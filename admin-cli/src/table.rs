//! Tables without lines, for people.
//!
//! A table is never wider than the terminal: the widest columns are narrowed, and a cell that does
//! not fit continues on the next line, so that no part of a name or an id is lost. Of longer text,
//! which users choose, the beginning is shown. In a pipe, each row is one line, and complete.

use rookery_control_api::count;
use rookery_terminal::{cut_line, line_columns, wrap_line};

use crate::colour;
use crate::render::{printable, terminal_width};

/// The number of columns between two cells.
const GAP: usize = 2;
/// The number of columns before the text below a row.
const INDENT: usize = 4;
/// The number of columns before what continues a cell of the first column.
const CONTINUATION_INDENT: usize = 2;
/// The most lines of a cell, so that nobody can fill the screen of operators with a long name.
const MAX_LINES: usize = 5;
/// The columns of text that a cell has even if that takes more lines. Every address, nick and id is
/// shorter.
const MIN_TEXT: usize = 48;

/// A table: its header, and rows of as many cells.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Creates a table.
pub fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Table {
    Table {
        header: header.map(str::to_owned).into(),
        rows: rows
            .map(|row| row.map(|cell| printable(&cell)).into())
            .collect(),
    }
}

/// Returns the table, unless it is empty, and a line with the number of entries.
pub fn with_count(table: &Table, number: usize, one: &str, many: &str) -> String {
    let line = count(number, one, many);
    if number == 0 {
        line
    } else {
        format!("{}\n\n{line}", table_text(table, |_| false))
    }
}

/// Returns the table as text. The rows for whose index `is_alarming` returns `true` are red.
pub fn table_text(table: &Table, is_alarming: impl Fn(usize) -> bool) -> String {
    table_text_with(table, is_alarming, |_| None)
}

/// Like [`table_text`], with the text that `more` returns for its index below each row.
pub fn table_text_with(
    table: &Table,
    is_alarming: impl Fn(usize) -> bool,
    more: impl Fn(usize) -> Option<String>,
) -> String {
    table.lines(terminal_width(), is_alarming, more).join("\n")
}

impl Table {
    fn lines(
        &self,
        width: Option<usize>,
        is_alarming: impl Fn(usize) -> bool,
        more: impl Fn(usize) -> Option<String>,
    ) -> Vec<String> {
        let widths = self.widths(width);
        let header = cells(&self.header, &widths);
        let mut lines: Vec<String> = header.iter().map(|line| colour::bold(line)).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let mut of_row = cells(row, &widths);
            if let Some(text) = more(index) {
                let width = width.map_or(usize::MAX, |width| width.saturating_sub(INDENT).max(1));
                let indented = |line| format!("{:INDENT$}{line}", "");
                of_row.extend(wrap_line(&text, width).into_iter().map(indented));
            }
            if is_alarming(index) {
                of_row = of_row.iter().map(|line| colour::red(line)).collect();
            }
            lines.append(&mut of_row);
        }
        lines
    }

    /// Returns the widths of the columns. If they do not fit together, the widest are narrowed.
    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths = vec![1; self.header.len()];
        for row in std::iter::once(&self.header).chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = line_columns(cell).max(*width);
            }
        }
        let gaps = GAP * widths.len().saturating_sub(1);
        let limit = limit.map_or(usize::MAX, |limit| limit.saturating_sub(gaps));
        while widths.iter().sum::<usize>() > limit {
            match widths.iter_mut().max() {
                Some(widest) if *widest > 1 => *widest -= 1,
                _ => break,
            }
        }
        widths
    }
}

/// Returns the lines of one row. Only the first of them has text in the first columns: another
/// would look like a row.
fn cells(row: &[String], widths: &[usize]) -> Vec<String> {
    let mut cells: Vec<Vec<String>> = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| cell_lines(cell, *width))
        .collect();
    if let (Some(lines), Some(&width)) = (cells.first_mut(), widths.first())
        && lines.len() > 1
    {
        let indent = CONTINUATION_INDENT.min(width / 2);
        *lines = cell_lines(&row[0], width - indent);
        for line in lines.iter_mut().skip(1) {
            line.insert_str(0, &" ".repeat(indent));
        }
    }
    let height = cells.iter().map(Vec::len).max().unwrap_or_default();
    let line = |at: usize| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let part = cell.get(at).map_or("", String::as_str);
            line.push_str(part);
            line.push_str(&" ".repeat(width.saturating_sub(line_columns(part)) + GAP));
        }
        line.trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

/// Returns the lines of a cell, the last of which ends with `…` if there is more text.
fn cell_lines(cell: &str, width: usize) -> Vec<String> {
    let mut lines = wrap_line(cell, width);
    let shortest = wrap_line(&cut_line(cell, MIN_TEXT), width);
    let limit = shortest.len().max(MAX_LINES);
    if lines.len() > limit {
        lines.truncate(limit);
        if let Some(last) = lines.last_mut() {
            *last = cut_line(&format!("{last}…"), width);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(table: &Table, width: usize, more: Option<&str>) -> Vec<String> {
        let more = |_| more.map(str::to_owned);
        table.lines(Some(width), |_| false, more)
    }

    fn row(cells: [&str; 5]) -> [String; 5] {
        cells.map(str::to_owned)
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_nothing_is_lost() {
        let name = "a-name-of-thirty-characters-00";
        let address = "2001:0db8:1111:2222:3333:4444:5555:6666";
        let line = "a long reason, which says more than fits a line of the terminal, ";
        let (reason, more) = (&line[..MIN_TEXT], line.repeat(4));
        let header = ["ID", "TIME", "ADMIN", "ADDRESS", "REASON"];
        let rows = [
            row(["1234", "2026-11-22 09:00:00", name, address, reason]),
            row([
                "7",
                "2026-11-22 09:00:00",
                "日本語日本語日本語日本語日本語",
                "::1",
                "",
            ]),
        ];
        let table = table(header, rows.iter().cloned());
        let joined = |lines: &[String]| -> String {
            let mut letters: Vec<char> = lines.concat().chars().collect();
            letters.retain(|letter| !letter.is_whitespace());
            letters.sort_unstable();
            letters.into_iter().collect()
        };
        let more = Some(&*more);
        let whole = joined(&table.lines(None, |_| false, |_| more.map(str::to_owned)));
        for width in [200, 120, 80, 40, 20] {
            let lines = lines(&table, width, more);
            for line in &lines {
                assert!(line_columns(line) <= width, "{width}: {line:?}");
            }
            assert_eq!(joined(&lines), whole, "{width}");
        }
    }

    #[test]
    fn a_long_cell_does_not_fill_the_screen_of_a_terminal() {
        // Of words that are wider than half of the column, each is a line.
        for long in ["x".repeat(200), vec!["x".repeat(13); 15].join(" ")] {
            let table = table(
                ["NICK", "CLIENT"],
                [["eve".to_owned(), long.clone()]].into_iter(),
            );
            let shown = table.lines(Some(30), |_| false, |_| None);
            assert_eq!(shown.len(), 1 + MAX_LINES, "{shown:?}");
            assert!(shown[MAX_LINES].ends_with('…'), "{shown:?}");
            assert!(
                shown.iter().all(|line| line_columns(line) <= 30),
                "{shown:?}"
            );
            let piped = table.lines(None, |_| false, |_| None);
            assert!(piped[1].ends_with(&long), "a pipe gets it all: {piped:?}");
        }
    }

    #[test]
    fn signs_that_some_terminals_draw_in_columns_of_their_own_count_as_columns() {
        for sign in ["\u{9be}", "\u{dcf}", "\u{605}"] {
            let nick = format!("a{}", sign.repeat(400));
            let table = table(["NICK", "ID"], [[nick, "1".to_owned()]].into_iter());
            let shown = lines(&table, 30, None);
            assert_eq!(shown.len(), 1 + MAX_LINES, "{sign:?}");
            let is_narrow = |line: &String| line.chars().count() <= 30;
            assert!(shown.iter().all(is_narrow), "{sign:?}: {shown:?}");
        }
    }

    #[test]
    fn only_rows_begin_at_the_start_of_a_line() {
        for name in [
            "mallory_________alice",
            "mallory alice bob carol",
            "日本語日本語日本語",
        ] {
            let rows = [[name, "x"], ["bob", "y"]].map(|row| row.map(str::to_owned));
            let table = table(["NAME", "EMAIL"], rows.into_iter());
            for width in [9, 12, 16, 20] {
                let shown = table.lines(Some(width), |_| false, |_| None);
                let begins = |line: &&String| !line.starts_with(' ');
                let rows: Vec<&String> = shown.iter().filter(begins).collect();
                assert_eq!(rows.len(), 3, "{width}: {shown:?}");
            }
        }
    }

    #[test]
    fn a_row_that_fits_is_one_line() {
        let rows = [row(["1", "a b", "", "c", "d"])];
        let table = table(["ID", "B", "C", "D", "E"], rows.into_iter());
        let expected = ["ID  B    C  D  E", "1   a b     c  d"];
        assert_eq!(lines(&table, 80, None), expected);
        assert_eq!(table.lines(None, |_| false, |_| None), expected);
    }
}
