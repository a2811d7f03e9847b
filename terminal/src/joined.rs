//! Draws graphemes of several characters so that nothing of them is left over on any terminal.
//!
//! Terminals disagree on joined emoji. One draws a family, three emoji with joiners between them,
//! in two columns; another draws the three one after the other, over the columns that follow. The
//! same is true of flags, of skin tones and of symbols with an emoji variation selector. Such a
//! grapheme is drawn in the columns that the layout counts for it: its columns are cleared before,
//! and the columns over which its parts may be drawn are drawn again after it. Where a terminal
//! does not join the parts, only those stay that fit in the columns. Once the grapheme is gone, all
//! of its columns are drawn again: one that is blank before and after may show a part of it.

use std::io;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::{Buffer, Cell, CellDiffOption};
use ratatui::layout::{Position, Size};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The backend of crossterm, with the cursor placed before and after each doubtful grapheme.
#[derive(Debug)]
pub struct JoinedBackend<W: io::Write>(CrosstermBackend<W>);

impl<W: io::Write> JoinedBackend<W> {
    /// Creates a backend that writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self(CrosstermBackend::new(writer))
    }
}

/// The doubtful graphemes that the terminal shows.
#[derive(Debug, Default)]
pub struct JoinedGraphemes(Vec<Shown>);

/// A doubtful grapheme of the last frame.
#[derive(Debug)]
struct Shown {
    at: Position,
    width: u16,
    symbol: String,
}

impl JoinedGraphemes {
    /// Prepares a finished frame: has the columns after each doubtful grapheme drawn in every
    /// frame, and those of each that is no longer shown in this one.
    pub fn protect(&mut self, buffer: &mut Buffer) {
        for Shown { at, width, symbol } in self.0.drain(..) {
            let is_gone = buffer.cell(at).is_some_and(|cell| cell.symbol() != symbol);
            for column in (at.x..at.x + width).filter(|_| is_gone) {
                if let Some(cell) = buffer.cell_mut((column, at.y)) {
                    cell.set_diff_option(CellDiffOption::AlwaysUpdate);
                }
            }
        }
        protect(buffer, &mut self.0);
    }
}

fn protect(buffer: &mut Buffer, shown: &mut Vec<Shown>) {
    let area = buffer.area;
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            let cell = &mut buffer[(x, y)];
            let symbol = cell.symbol();
            let Some(spread) = spread(symbol) else {
                continue;
            };
            if spread > usize::from(area.right() - x) {
                // The parts would continue in the next row.
                let first: String = symbol.chars().take(1).collect();
                cell.set_symbol(&first);
                continue;
            }
            let width = columns(symbol.width());
            shown.push(Shown {
                at: Position::new(x, y),
                width,
                symbol: symbol.to_owned(),
            });
            for column in x + width..x + columns(spread) {
                buffer[(column, y)].set_diff_option(CellDiffOption::AlwaysUpdate);
            }
        }
    }
}

/// Returns the most columns over which a terminal may draw a grapheme; `None` if all terminals
/// agree on its width.
fn spread(symbol: &str) -> Option<usize> {
    let mut chars = symbol.chars();
    if symbol.is_ascii() || (chars.next().is_some() && chars.next().is_none()) {
        return None;
    }
    let parts = symbol.chars().map(|char| match char {
        // Some terminals draw each half of a flag as a symbol of two columns.
        '\u{1f1e6}'..='\u{1f1ff}' => 2,
        char => char.width().unwrap_or(0),
    });
    let (parts, whole): (usize, usize) = (parts.sum(), symbol.width());
    (parts != whole).then_some(parts.max(whole))
}

fn columns(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

impl<W: io::Write> Backend for JoinedBackend<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let cells: Vec<_> = content.collect();
        let mut rest = cells.as_slice();
        while let Some(next) = rest
            .iter()
            .position(|(.., cell)| spread(cell.symbol()).is_some())
        {
            let (x, y, cell) = rest[next];
            self.0.draw(rest[..next].iter().copied())?;
            let end = x + columns(cell.symbol().width());
            let mut blank = cell.clone();
            blank.set_symbol(" ");
            self.0.draw((x..end).map(|column| (column, y, &blank)))?;
            // Each call places the cursor.
            self.0.draw(std::iter::once((x, y, cell)))?;
            rest = &rest[next + 1..];
            let covered = |(column, row, _): &&(u16, u16, &Cell)| *row == y && *column < end;
            rest = &rest[rest.iter().take_while(covered).count()..];
        }
        self.0.draw(rest.iter().copied())
    }

    fn append_lines(&mut self, lines: u16) -> io::Result<()> {
        self.0.append_lines(lines)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.0.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.0.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.0.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.0.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.0.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.0.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.0.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use ratatui::layout::Rect;
    use ratatui::{Terminal, TerminalOptions, Viewport};
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::*;

    const WIDTH: u16 = 14;

    /// The bytes for the terminal.
    #[derive(Clone, Default)]
    struct Written(Rc<RefCell<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A terminal of two rows. The second half of a wide symbol is an empty text.
    struct Emulator {
        rows: [Vec<String>; 2],
        column: usize,
        row: usize,
        kind: Kind,
    }

    /// How a terminal draws a grapheme of several parts.
    #[derive(Clone, Copy)]
    enum Kind {
        Joining,
        /// One part after the other.
        Splitting {
            /// The columns of one half of a flag.
            half_of_flag: usize,
        },
    }

    /// Most terminals that do not join.
    const SPLITTING: Kind = Kind::Splitting { half_of_flag: 2 };
    /// tmux.
    const WITH_NARROW_FLAGS: Kind = Kind::Splitting { half_of_flag: 1 };

    impl Emulator {
        fn new(kind: Kind) -> Self {
            let row = || vec![" ".to_owned(); usize::from(WIDTH)];
            Self {
                rows: [row(), row()],
                column: 0,
                row: 0,
                kind,
            }
        }

        fn receive(&mut self, output: &str) {
            let mut parts = output.split("\u{1b}[");
            self.print(parts.next().unwrap());
            for part in parts {
                let end = part.find(|char: char| char.is_ascii_alphabetic()).unwrap();
                if let (position, "H") = (&part[..end], &part[end..=end]) {
                    let (row, column) = position.split_once(';').unwrap();
                    self.row = row.parse::<usize>().unwrap() - 1;
                    self.column = column.parse::<usize>().unwrap() - 1;
                }
                self.print(&part[end + 1..]);
            }
        }

        fn print(&mut self, text: &str) {
            for grapheme in text.graphemes(true) {
                let Kind::Splitting { half_of_flag } = self.kind else {
                    self.put(grapheme, grapheme.width());
                    continue;
                };
                for char in grapheme.chars() {
                    let is_half_of_flag = ('\u{1f1e6}'..='\u{1f1ff}').contains(&char);
                    let width = char.width().unwrap_or(0);
                    let width = if is_half_of_flag { half_of_flag } else { width };
                    self.put(&char.to_string(), width);
                }
            }
        }

        fn put(&mut self, symbol: &str, width: usize) {
            let row = &mut self.rows[self.row];
            for column in self.column..self.column + width {
                // What is left of a wide symbol is blank.
                if row[column].is_empty() {
                    row[column - 1] = " ".to_owned();
                }
                if row.get(column + 1).is_some_and(String::is_empty) {
                    row[column + 1] = " ".to_owned();
                }
                row[column] = String::new();
            }
            if width > 0 {
                row[self.column] = symbol.to_owned();
                self.column += width;
            }
        }

        fn row(&self, row: usize) -> String {
            self.rows[row].concat()
        }
    }

    /// Draws frames, each of two rows, and returns the first row on the terminal after each.
    fn drawn(kind: Kind, frames: &[&str]) -> Vec<String> {
        let written = Written::default();
        let viewport = Viewport::Fixed(Rect::new(0, 0, WIDTH, 2));
        let backend = JoinedBackend::new(written.clone());
        let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport }).unwrap();
        let mut emulator = Emulator::new(kind);
        let mut joined = JoinedGraphemes::default();
        let mut rows = Vec::new();
        for text in frames {
            terminal
                .draw(|frame| {
                    let buffer = frame.buffer_mut();
                    buffer.set_string(0, 0, text, ratatui::style::Style::new());
                    buffer.set_string(0, 1, "below", ratatui::style::Style::new());
                    joined.protect(buffer);
                })
                .unwrap();
            let bytes = std::mem::take(&mut *written.0.borrow_mut());
            emulator.receive(&String::from_utf8(bytes).unwrap());
            assert_eq!(emulator.row(1).trim_end(), "below");
            rows.push(emulator.row(0).trim_end().to_owned());
        }
        rows
    }

    #[test]
    fn joined_emoji_leave_nothing_behind() {
        for (joined, first) in [
            ("👨‍👩‍👧", "👨"),
            ("👍🏽", "👍"),
            ("🇩🇪", "🇩"),
            // Where these are drawn in one column, a blank follows.
            ("❤️", "❤ "),
            ("1️⃣", "1 "),
        ] {
            let frames = [
                "before it all|".to_owned(),
                format!("a{joined}x       |"),
                format!("a{joined}{joined}y     |"),
                format!("{joined}x|"),
                "after".to_owned(),
            ];
            let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
            let with = |part: &str| -> Vec<String> {
                frames
                    .iter()
                    .map(|text| text.replace(joined, part))
                    .collect()
            };
            assert_eq!(drawn(Kind::Joining, &frames), frames, "{joined}");
            assert_eq!(drawn(SPLITTING, &frames), with(first), "{joined}");
        }
    }

    #[test]
    fn a_flag_of_two_narrow_halves_leaves_nothing_behind() {
        let frames = ["a🇩🇪bc", "a  bc", "🇩🇪", "", "日🇩🇪", "日"];
        assert_eq!(drawn(WITH_NARROW_FLAGS, &frames), frames);
        assert_eq!(drawn(Kind::Joining, &frames), frames);
    }

    #[test]
    fn a_joined_emoji_at_the_edge_does_not_continue_in_the_next_row() {
        let row = format!("{}👨‍👩‍👧", "x".repeat(12));
        assert_eq!(drawn(SPLITTING, &[&row]), [format!("{}👨", "x".repeat(12))]);
    }

    #[test]
    fn other_text_is_drawn_as_before() {
        let frames = ["e\u{301} 日本 ❤ x", "日e\u{301}"];
        assert_eq!(drawn(Kind::Joining, &frames), frames);
        assert_eq!(spread("e\u{301}"), None);
        assert_eq!(spread("日"), None);
    }
}
