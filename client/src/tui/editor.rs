//! The editor of the message box: text of one or more lines, a cursor, the text that was last cut,
//! and a history of submitted texts.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::text;

/// The most texts in the history.
const MAX_HISTORY: usize = 500;
/// The longest text in bytes. Longer text would be hundreds of messages.
const MAX_TEXT: usize = 64 * 1024;

/// Text being typed for a conversation that is not the current one.
#[derive(Debug, Default)]
pub struct Draft {
    text: String,
    cursor: usize,
}

impl Draft {
    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Text being typed.
#[derive(Debug, Default)]
pub struct Editor {
    text: String,
    /// The byte offset of the cursor, always on a character boundary.
    cursor: usize,
    /// The text that was last cut.
    cut: String,
    history: Vec<String>,
    /// The index of the recalled text in the history, and the text that was typed before.
    recalled: Option<(usize, String)>,
}

impl Editor {
    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the byte offset of the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Replaces the text.
    pub fn set(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.cursor = self.text.len();
    }

    /// Replaces the text and the cursor with those of a draft, and returns the previous ones.
    pub fn replace(&mut self, draft: Draft) -> Draft {
        self.recalled = None;
        let text = std::mem::replace(&mut self.text, draft.text);
        Draft {
            text,
            cursor: std::mem::replace(&mut self.cursor, draft.cursor),
        }
    }

    /// Removes and returns the text.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        self.recalled = None;
        std::mem::take(&mut self.text)
    }

    /// Removes and returns the text, and adds it to the history.
    pub fn submit(&mut self) -> String {
        let text = self.take();
        if !text.trim().is_empty() && self.history.last() != Some(&text) {
            self.history.push(text.clone());
            if self.history.len() > MAX_HISTORY {
                self.history.remove(0);
            }
        }
        text
    }

    /// Whether more text can be inserted within the limit of length.
    pub fn fits(&self, text: &str) -> bool {
        self.text.len() + text.len() <= MAX_TEXT
    }

    /// Inserts text at the cursor, unless the whole would be too long. Formatting codes are
    /// preserved; other control characters are removed.
    pub fn insert(&mut self, text: &str) {
        let is_allowed = |char: &char| {
            *char == '\n' || text::code_letter(*char).is_some() || !text::is_unsafe(*char)
        };
        let text: String = text.replace('\t', " ").chars().filter(is_allowed).collect();
        if self.fits(&text) {
            self.text.insert_str(self.cursor, &text);
            self.cursor += text.len();
        }
    }

    /// Replaces the text between `start` and the cursor.
    pub fn replace_from(&mut self, start: usize, text: &str) {
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
    }

    /// Moves one character to the left.
    pub fn left(&mut self) {
        self.cursor = self.before();
    }

    /// Moves one character to the right.
    pub fn right(&mut self) {
        self.cursor = self.after();
    }

    /// Moves to the start of the line.
    pub fn home(&mut self) {
        self.cursor = self.line_start();
    }

    /// Moves to the end of the line.
    pub fn end(&mut self) {
        self.cursor = self.line_end();
    }

    /// Moves to the start of the word.
    pub fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    /// Moves to the end of the word.
    pub fn word_right(&mut self) {
        self.cursor = self.word_after();
    }

    /// Deletes the character before the cursor.
    pub fn backspace(&mut self) {
        let start = self.before();
        self.replace_from(start, "");
    }

    /// Deletes the character after the cursor.
    pub fn delete(&mut self) {
        let end = self.after();
        self.text.replace_range(self.cursor..end, "");
    }

    /// Swaps the characters before and after the cursor, and moves to the right; at the end of a
    /// line, swaps the last two characters.
    pub fn swap(&mut self) {
        let at_end = self.cursor == self.line_end();
        let middle = if at_end { self.before() } else { self.cursor };
        let line = &self.text[self.line_start()..self.line_end()];
        let middle_in_line = middle.saturating_sub(self.line_start());
        let before = line[..middle_in_line]
            .graphemes(true)
            .next_back()
            .unwrap_or_default()
            .to_owned();
        let after = line[middle_in_line..]
            .graphemes(true)
            .next()
            .unwrap_or_default()
            .to_owned();
        if !before.is_empty() {
            let (start, end) = (middle - before.len(), middle + after.len());
            self.text.replace_range(start..end, &(after + &before));
            self.cursor = end;
        }
    }

    /// Cuts to the start of the line.
    pub fn cut_to_start(&mut self) {
        self.cut_between(self.line_start(), self.cursor);
    }

    /// Cuts to the end of the line; returns false if there is nothing to cut.
    pub fn cut_to_end(&mut self) -> bool {
        let end = self.line_end();
        if end == self.cursor {
            return false;
        }
        self.cut_between(self.cursor, end);
        true
    }

    /// Cuts between the last space and the cursor.
    pub fn cut_word_left(&mut self) {
        let before = self.text[..self.cursor].trim_end();
        let start = text::after_last_space(before);
        self.cut_between(start, self.cursor);
    }

    /// Cuts to the end of the word.
    pub fn cut_word_right(&mut self) {
        self.cut_between(self.cursor, self.word_after());
    }

    /// Inserts the text that was last cut.
    pub fn yank(&mut self) {
        self.insert(&self.cut.clone());
    }

    /// Moves one line up; from the first line, recalls the previous text of the history.
    pub fn up(&mut self) {
        let start = self.line_start();
        if start > 0 {
            let above = self.text[..start - 1].rfind('\n').map_or(0, |end| end + 1);
            self.cursor = self.offset_in_line(above, self.text[start..self.cursor].chars().count());
            return;
        }
        let at = self
            .recalled
            .as_ref()
            .map_or(self.history.len(), |(at, _)| *at);
        if at > 0 {
            let draft = self
                .recalled
                .take()
                .map_or_else(|| self.text.clone(), |(_, draft)| draft);
            self.set(&self.history[at - 1].clone());
            self.recalled = Some((at - 1, draft));
        }
    }

    /// Moves one line down; from the last line, recalls the next text of the history.
    pub fn down(&mut self) {
        let end = self.line_end();
        if end < self.text.len() {
            let column = self.text[self.line_start()..self.cursor].chars().count();
            self.cursor = self.offset_in_line(end + 1, column);
            return;
        }
        let Some((at, draft)) = self.recalled.take() else {
            return;
        };
        match self.history.get(at + 1).cloned() {
            Some(later) => {
                self.set(&later);
                self.recalled = Some((at + 1, draft));
            }
            None => self.set(&draft),
        }
    }

    fn cut_between(&mut self, start: usize, end: usize) {
        if start < end {
            self.cut = self.text[start..end].to_owned();
            self.text.replace_range(start..end, "");
            self.cursor = start;
        }
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor]
            .rfind('\n')
            .map_or(0, |end| end + 1)
    }

    fn line_end(&self) -> usize {
        self.text[self.cursor..]
            .find('\n')
            .map_or(self.text.len(), |end| self.cursor + end)
    }

    /// Returns the offset of a column in the line that begins at `start`, or the end of that line.
    fn offset_in_line(&self, start: usize, column: usize) -> usize {
        let line = self.text[start..].split('\n').next().unwrap_or_default();
        start
            + line
                .char_indices()
                .nth(column)
                .map_or(line.len(), |(at, _)| at)
    }

    fn before(&self) -> usize {
        self.cursor
            - self.text[..self.cursor]
                .graphemes(true)
                .next_back()
                .map_or(0, str::len)
    }

    fn after(&self) -> usize {
        self.cursor
            + self.text[self.cursor..]
                .graphemes(true)
                .next()
                .map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let mut words = self.text[..self.cursor].unicode_word_indices();
        words.next_back().map_or(0, |(at, _)| at)
    }

    fn word_after(&self) -> usize {
        let word = self.text[self.cursor..].unicode_word_indices().next();
        word.map_or(self.text.len(), |(at, word)| self.cursor + at + word.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn editor(text: &str) -> Editor {
        let mut editor = Editor::default();
        editor.insert(text);
        editor
    }

    #[test]
    fn characters_of_several_bytes_are_deleted_as_a_whole() {
        let mut editor = editor("aä👩‍👩‍👧e\u{301}");
        for rest in ["aä👩‍👩‍👧", "aä", "a", "", ""] {
            editor.backspace();
            assert_eq!(editor.text(), rest);
        }
    }

    #[test]
    fn words_are_cut_and_yanked() {
        let mut editor = editor("one two-three four");
        editor.cut_word_left();
        editor.cut_word_left();
        assert_eq!(editor.text(), "one ");
        editor.yank();
        assert_eq!(editor.text(), "one two-three ");
        editor.home();
        editor.cut_word_right();
        assert_eq!(editor.text(), " two-three ");
        editor.word_right();
        assert!(editor.cut_to_end());
        assert_eq!(editor.text(), " two");
        assert!(!editor.cut_to_end(), "nothing is left there");
        editor.cut_to_start();
        assert_eq!(editor.text(), "");
        editor.yank();
        assert_eq!(editor.text(), " two");
    }

    #[test]
    fn a_word_after_a_wide_space_is_cut() {
        let mut editor = editor("一\u{3000}二");
        editor.cut_word_left();
        assert_eq!(editor.text(), "一\u{3000}");
    }

    #[test]
    fn characters_are_swapped_within_their_line() {
        let mut editor = editor("one\nab");
        editor.swap();
        assert_eq!((editor.text(), editor.cursor()), ("one\nba", 6));
        editor.left();
        editor.swap();
        assert_eq!((editor.text(), editor.cursor()), ("one\nab", 6));
        editor.home();
        editor.swap();
        assert_eq!(
            (editor.text(), editor.cursor()),
            ("one\nab", 4),
            "nothing is before it in its line"
        );
        let mut editor = Editor::default();
        editor.swap();
        editor.insert("x");
        editor.swap();
        assert_eq!(editor.text(), "x");
    }

    #[test]
    fn the_cursor_moves_by_words() {
        let mut editor = editor("one two");
        editor.word_left();
        assert_eq!(editor.cursor(), 4);
        editor.word_left();
        assert_eq!(editor.cursor(), 0);
        editor.word_right();
        assert_eq!(editor.cursor(), 3);
        editor.delete();
        assert_eq!(editor.text(), "onetwo");
        editor.right();
        editor.left();
        editor.left();
        editor.insert("X");
        assert_eq!(editor.text(), "onXetwo");
    }

    #[test]
    fn up_and_down_move_through_lines_and_then_the_history() {
        let mut editor = editor("first");
        assert_eq!(editor.submit(), "first");
        editor.insert("second");
        editor.submit();
        editor.insert("dra\nft");
        editor.up();
        assert_eq!(editor.cursor(), 2, "the line above, same column");
        editor.up();
        assert_eq!(editor.text(), "second");
        editor.up();
        editor.up();
        assert_eq!(editor.text(), "first");
        editor.down();
        editor.down();
        assert_eq!(editor.text(), "dra\nft");
        editor.down();
        assert_eq!(editor.text(), "dra\nft");
        editor.home();
        editor.end();
        assert_eq!(editor.cursor(), 6);
    }

    #[test]
    fn the_history_has_no_repeats_and_no_empty_text() {
        let mut editor = Editor::default();
        for text in ["a", "a", "  "] {
            editor.set(text);
            editor.submit();
        }
        editor.up();
        assert_eq!(editor.text(), "a");
        editor.up();
        assert_eq!(editor.text(), "a");
    }

    #[test]
    fn control_characters_are_removed_except_formatting() {
        let editor = editor("a\tb\u{1b}[2Jc\u{2}d\u{3}4e\u{202e}\nf\u{0}");
        assert_eq!(editor.text(), "a b[2Jc\u{2}d\u{3}4e\nf");
    }

    #[test]
    fn too_long_text_is_not_inserted() {
        let mut editor = Editor::default();
        editor.insert(&"x".repeat(MAX_TEXT));
        editor.insert("y");
        assert_eq!(editor.text().len(), MAX_TEXT);
    }
}
