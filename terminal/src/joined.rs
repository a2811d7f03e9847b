//! Draws graphemes of whose width terminals have different views, so that nothing of them is left
//! over on any terminal.
//!
//! One terminal draws a family, three emoji with joiners between them, in two columns; another
//! draws the three one after the other, over the columns that follow. The same is true of flags, of
//! skin tones, of Indic conjuncts, and of every other grapheme of several characters, except a
//! letter with marks above or below. Of a character that is newer than its tables, a terminal shows
//! nothing, and what was in its columns stays.
//!
//! Such a grapheme is drawn in the columns that the layout counts for it, which are blank after it:
//! see [`fitted()`](crate::fitted()). They are cleared before, and the cursor is placed after them.
//! Where a terminal draws more, only that stays that fits in the columns, for the rest of the row
//! is drawn afterwards. A row in which there is or was such a grapheme is therefore drawn in full
//! whenever anything in it changes.

use std::collections::BTreeMap;
use std::io;

use icu_properties::props::GeneralCategory;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::{Buffer, Cell, CellDiffOption};
use ratatui::layout::{Position, Rect, Size};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::width::{self, ZERO_WIDTH_JOINER, category, char_spread, is_half_of_flag, spread};

/// The backend of crossterm, with the cursor placed before and after each doubtful grapheme.
#[derive(Debug)]
pub struct JoinedBackend<W: io::Write>(CrosstermBackend<W>);

impl<W: io::Write> JoinedBackend<W> {
    /// Creates a backend that writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self(CrosstermBackend::new(writer))
    }
}

/// The rows with doubtful graphemes that the terminal shows.
#[derive(Debug, Default)]
pub struct JoinedGraphemes {
    area: Rect,
    rows: BTreeMap<u16, Vec<Cell>>,
}

impl JoinedGraphemes {
    /// Prepares a finished frame: has each row with doubtful graphemes, in this frame or in the
    /// last one, drawn in full if it has changed.
    pub fn protect(&mut self, buffer: &mut Buffer) {
        let mut shown = std::mem::take(&mut self.rows);
        if self.area != buffer.area {
            // The terminal was cleared.
            self.area = buffer.area;
            shown.clear();
        }
        for y in self.area.top()..self.area.bottom() {
            let is_doubtful = prepare_row(buffer, y);
            let before = shown.remove(&y);
            if !is_doubtful && before.is_none() {
                continue;
            }
            let columns = self.area.left()..self.area.right();
            let row: Vec<Cell> = columns.clone().map(|x| buffer[(x, y)].clone()).collect();
            if before.as_ref() != Some(&row) {
                for x in columns {
                    buffer[(x, y)].set_diff_option(CellDiffOption::AlwaysUpdate);
                }
            }
            if is_doubtful {
                self.rows.insert(y, row);
            }
        }
    }
}

/// Replaces what would have an effect outside of its columns. Returns whether there are doubtful
/// graphemes in the row.
fn prepare_row(buffer: &mut Buffer, y: u16) -> bool {
    let mut is_doubtful_row = false;
    for x in buffer.area.left()..buffer.area.right() {
        let room = usize::from(buffer.area.right() - x);
        let cell = &mut buffer[(x, y)];
        if !is_doubtful(cell.symbol()) {
            continue;
        }
        is_doubtful_row = true;
        // The parts would continue in the next row.
        if spread(cell.symbol()) > room {
            let mut width = 0;
            let most = room.min(width::cells(cell.symbol()));
            let fits = |char: &char| {
                width += char_spread(*char);
                width <= most
            };
            let first: String = cell.symbol().chars().take_while(fits).collect();
            cell.set_symbol(if first.is_empty() { " " } else { &first });
        }
        // What is drawn after a joiner would be joined to it, wherever the cursor is.
        let joins_nothing = cell.symbol().trim_end_matches(ZERO_WIDTH_JOINER);
        if joins_nothing.len() < cell.symbol().len() {
            let symbol = joins_nothing.to_owned();
            cell.set_symbol(&symbol);
        }
    }
    is_doubtful_row
}

/// Returns whether terminals may have different views of the width of a grapheme.
fn is_doubtful(symbol: &str) -> bool {
    if symbol.is_ascii() {
        return false;
    }
    let mut chars = symbol.chars();
    spread(symbol) != symbol.width()
        || chars.next().is_some_and(is_doubtful_char)
        || !chars.all(is_plain_mark)
}

/// Returns whether a character is a mark that every terminal draws over the one before it.
fn is_plain_mark(char: char) -> bool {
    let is_selector = matches!(char, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    category(char) == GeneralCategory::NonspacingMark && char.width() == Some(0) && !is_selector
}

/// Returns whether terminals may have different views of the width of a single character.
fn is_doubtful_char(char: char) -> bool {
    let is_cjk =
        matches!(char, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{ffff}');
    match char.width() {
        Some(1) => {
            is_half_of_flag(char)
                || matches!(
                    category(char),
                    GeneralCategory::Format
                        | GeneralCategory::Unassigned
                        | GeneralCategory::PrivateUse
                        | GeneralCategory::NonspacingMark
                        | GeneralCategory::SpacingMark
                        | GeneralCategory::EnclosingMark
                )
        }
        // The widths of emoji depend on the version of Unicode.
        _ => !is_cjk,
    }
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
            .position(|(.., cell)| is_doubtful(cell.symbol()))
        {
            let (x, y, cell) = rest[next];
            self.0.draw(rest[..next].iter().copied())?;
            rest = &rest[next + 1..];
            let mut end = x.saturating_add(columns(cell.symbol().width()));
            let widest = x.saturating_add(columns(width::cells(cell.symbol())));
            // The blank columns after it, of which a terminal may need some, belong to it.
            let covered = |(column, row, after): &&(u16, u16, &Cell)| {
                *row == y && (*column < end || *column < widest && after.symbol() == " ")
            };
            let (covered, after) = rest.split_at(rest.iter().take_while(covered).count());
            rest = after;
            end = covered
                .last()
                .map_or(end, |(column, ..)| end.max(column + 1));
            let mut blank = cell.clone();
            blank.set_symbol(" ");
            self.0.draw((x..end).map(|column| (column, y, &blank)))?;
            // Each call places the cursor.
            self.0.draw(std::iter::once((x, y, cell)))?;
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
    use crate::{fitted, wrap};

    const WIDTH: u16 = 24;

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
        Splitting,
        /// One part after the other, each half of a flag in one column. What has no width, or
        /// follows a joiner, is added to the column before the cursor. A new emoji is not drawn.
        Tmux,
    }

    const NEW_EMOJI: &str = "\u{1fae8}";

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
                if let Kind::Joining = self.kind {
                    self.put(grapheme, grapheme.width());
                    continue;
                }
                for char in grapheme.chars() {
                    let width = match char.width().unwrap_or(0) {
                        1 if is_half_of_flag(char) && !matches!(self.kind, Kind::Tmux) => 2,
                        // Terminals draw these signs in a column each.
                        0 if !is_plain_mark(char) && char != ZERO_WIDTH_JOINER => char_spread(char),
                        width => width,
                    };
                    self.put(&char.to_string(), width);
                }
            }
        }

        fn put(&mut self, symbol: &str, width: usize) {
            let row = &mut self.rows[self.row];
            if let Kind::Tmux = self.kind {
                if symbol == NEW_EMOJI {
                    return;
                }
                let before = self.column.checked_sub(1).map(|before| &mut row[before]);
                if let Some(before) = before
                    && (width == 0 || before.ends_with(ZERO_WIDTH_JOINER))
                {
                    before.push_str(symbol);
                    return;
                }
            }
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
                    buffer.set_line(0, 0, &fitted(*text), WIDTH);
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
            ("🤷‍♂️", "🤷"),
            ("🧑‍⚕️", "🧑"),
            // Where these are drawn in one column, a blank follows.
            ("❤️", "❤ "),
            ("1️⃣", "1 "),
            ("❤️‍🔥", "❤ "),
            ("🏳️‍🌈", "🏳 "),
            ("☝🏽", "☝ "),
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
            assert_eq!(drawn(Kind::Splitting, &frames), with(first), "{joined}");
        }
    }

    #[test]
    fn signs_that_a_terminal_draws_in_columns_of_their_own_are_not_drawn_over() {
        for word in ["বাংলায়", "हिन्दी", "தமிழ்", "b\u{9be}ob", "\u{9be}", "한국"]
        {
            let row = format!("{word}|x");
            let drawn = drawn(Kind::Splitting, &[&row]).remove(0);
            let shown = |text: &str| text.replace([' ', '\u{25cc}'], "");
            // The emulator leaves marks out.
            let is_shown = |char: &char| !is_plain_mark(*char);
            let signs: String = row.chars().filter(is_shown).collect();
            assert_eq!(shown(&drawn), signs, "{word}");
        }
    }

    #[test]
    fn graphemes_of_which_terminals_have_different_views_leave_nothing_behind() {
        for doubtful in [
            "กำ่",
            "क्षि",
            "क्‍ष",
            "கொ",
            "한",
            "a\u{200d}",
            "👨‍👩‍👧",
            "👍🏽",
            "\u{600}1",
            "a\u{9be}\u{9be}\u{9be}",
            "a\u{a8fa}",
            "\u{605}\u{605}a",
            NEW_EMOJI,
        ] {
            let end = WIDTH as usize - width::cells(doubtful);
            let frames = [
                "what was there".to_owned(),
                format!("a{doubtful}x|"),
                format!("{doubtful}bcd{doubtful}e"),
                "v: ok0".to_owned(),
                "x".repeat(end) + doubtful,
                "x".repeat(end),
                format!("{doubtful}{doubtful}{doubtful}x"),
                "   x".to_owned(),
                "z".to_owned(),
            ];
            let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
            for kind in [Kind::Joining, Kind::Splitting, Kind::Tmux] {
                let rows = drawn(kind, &frames);
                for (row, frame) in rows.iter().zip(&frames) {
                    if frame.contains(doubtful) {
                        let end = frame.rsplit(doubtful).next().unwrap();
                        assert!(row.ends_with(end), "{doubtful}: {row:?} for {frame:?}");
                    } else {
                        assert_eq!(row, frame, "after {doubtful}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_flag_of_two_narrow_halves_leaves_nothing_behind() {
        let frames = ["a🇩🇪bc", "a  bc", "🇩🇪", "", "日🇩🇪", "日"];
        assert_eq!(drawn(Kind::Tmux, &frames), frames);
        assert_eq!(drawn(Kind::Joining, &frames), frames);
    }

    #[test]
    fn a_joined_emoji_at_the_edge_does_not_continue_in_the_next_row() {
        for signs in [
            "a".to_owned() + &"\u{9be}".repeat(40),
            "\u{605}".repeat(40) + "a",
        ] {
            drawn(Kind::Tmux, &[&signs]);
        }
        // Nothing of it fits.
        let before = "x".repeat(usize::from(WIDTH) - 1);
        let frames = ["x".repeat(usize::from(WIDTH)), format!("{before}\u{3248}")];
        assert_eq!(
            drawn(Kind::Tmux, &frames.each_ref().map(String::as_str))[1],
            before
        );
        let before = "x".repeat(usize::from(WIDTH) - 4);
        let row = format!("{before}👨‍👩‍👧");
        assert_eq!(drawn(Kind::Splitting, &[&row]), [format!("{before}👨")]);
    }

    #[test]
    fn no_part_of_wrapped_text_is_lost_at_the_end_of_a_row() {
        for symbol in ["👨‍👩‍👧", "👍🏽", "🇩🇪", "🤷‍♂️", "👍🏽\u{ff9e}", "ᄒ\u{1112}\u{1161}"]
        {
            for before in 0..=usize::from(WIDTH) {
                let text = "x".repeat(before) + &symbol.repeat(12);
                let rows = wrap(&[((), text.clone())], WIDTH.into());
                let rows = rows.iter().flatten();
                let drawn = rows.flat_map(|((), row)| drawn(Kind::Joining, &[row]));
                assert_eq!(drawn.collect::<String>().replace(' ', ""), text);
            }
        }
    }

    #[test]
    fn other_text_is_drawn_as_before() {
        let frames = ["e\u{301} 日本 ❤ x", "日e\u{301}"];
        assert_eq!(drawn(Kind::Joining, &frames), frames);
        for agreed in ["e\u{301}", "日", "é", "│", "カ\u{3099}", "ש\u{5bc}", "ไ"] {
            assert!(!is_doubtful(agreed), "{agreed}");
        }
    }
}
