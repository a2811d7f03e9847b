//! Lines of a conversation as rows of the screen. Only what is visible is laid out.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use ratatui::style::Style;
use ratatui::text::{Line as Row, Span};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::buffers::{Body, Buffer, Line, Move, Scroll};
use super::theme::Theme;
use crate::model::Manner;
use crate::text;

/// The width of a nick, where there is room for a column of nicks.
const NICK: usize = 12;
/// Narrower than this, nicks stand in the text instead.
const NARROW: usize = 56;
/// The width of `14:03 `.
const TIME: usize = 6;
/// Names told of one kind of move.
const MAX_NAMES: usize = 5;

/// How lines become rows.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The width there is.
    pub width: usize,
    /// For the time of day.
    pub zone: &'a TimeZone,
    /// For colours.
    pub theme: Theme,
}

impl Setting<'_> {
    /// The rows that fill `height`, at the buffer's scroll position.
    pub fn visible(&self, buffer: &Buffer, height: usize) -> Vec<Row<'static>> {
        let numbers = buffer.numbers();
        let mut rows = Vec::new();
        let (mut below, mut number) = match buffer.scroll {
            None => (numbers.end, numbers.end),
            Some(scroll) => {
                let mut shown = self.block(buffer, scroll.line);
                shown.truncate(scroll.rows);
                rows = shown;
                (scroll.line + 1, scroll.line)
            }
        };
        while rows.len() < height && number > numbers.start {
            number -= 1;
            let mut above = self.block(buffer, number);
            above.append(&mut rows);
            rows = above;
        }
        rows.drain(..rows.len().saturating_sub(height));
        // The window has grown since someone scrolled.
        while rows.len() < height && below < numbers.end {
            rows.extend(self.block(buffer, below));
            below += 1;
        }
        rows.truncate(height);
        rows
    }

    /// The scroll position so many rows further up.
    pub fn up(&self, buffer: &Buffer, height: usize, by: usize) -> Option<Scroll> {
        let numbers = buffer.numbers();
        if numbers.is_empty() {
            return None;
        }
        let last = numbers.end - 1;
        let from = buffer.scroll.unwrap_or_else(|| Scroll { line: last, rows: self.height(buffer, last) });
        let mut at = self.climb(buffer, from, by);
        // The first row there is does not go further down than the top.
        let top = Scroll { line: numbers.start, rows: 1 };
        if self.climb(buffer, at, height.saturating_sub(1)) == top {
            at = self.descend(buffer, top, height.saturating_sub(1));
        }
        self.unless_last(buffer, at)
    }

    /// The scroll position so many rows further down.
    pub fn down(&self, buffer: &Buffer, by: usize) -> Option<Scroll> {
        self.unless_last(buffer, self.descend(buffer, buffer.scroll?, by))
    }

    fn climb(&self, buffer: &Buffer, from: Scroll, mut by: usize) -> Scroll {
        let mut at = from;
        while by >= at.rows {
            if at.line == buffer.numbers().start {
                return Scroll { rows: 1, ..at };
            }
            by -= at.rows;
            at.line -= 1;
            at.rows = self.height(buffer, at.line);
        }
        Scroll { rows: at.rows - by, ..at }
    }

    fn descend(&self, buffer: &Buffer, from: Scroll, by: usize) -> Scroll {
        let mut at = Scroll { rows: from.rows + by, ..from };
        loop {
            let height = self.height(buffer, at.line);
            if at.rows <= height || at.line + 1 >= buffer.numbers().end {
                return Scroll { rows: at.rows.min(height), ..at };
            }
            at.rows -= height;
            at.line += 1;
        }
    }

    /// At the end, what comes next is followed.
    fn unless_last(&self, buffer: &Buffer, at: Scroll) -> Option<Scroll> {
        let at_end = at.line + 1 >= buffer.numbers().end && at.rows >= self.height(buffer, at.line);
        (!at_end).then_some(at)
    }

    fn height(&self, buffer: &Buffer, number: u64) -> usize {
        self.block(buffer, number).len()
    }

    /// The rows of one line, with what stands above it: a new day, or the beginning of what is new.
    fn block(&self, buffer: &Buffer, number: u64) -> Vec<Row<'static>> {
        let Some(line) = buffer.line(number) else { return Vec::new() };
        let mut rows = Vec::new();
        let day = self.day(line);
        let before = number.checked_sub(1).and_then(|before| buffer.line(before));
        if before.is_none_or(|before| self.day(before) != day) {
            rows.push(self.rule(&day.strftime("%A, %-d %B %Y").to_string(), self.theme.faint()));
        }
        if buffer.new_from == Some(number) && before.is_some() {
            rows.push(self.rule("new since you left", self.theme.accent()));
        }
        self.line(line, &mut rows);
        rows
    }

    fn day(&self, line: &Line) -> Date {
        line.at.to_zoned(self.zone.clone()).date()
    }

    fn rule(&self, words: &str, style: Style) -> Row<'static> {
        let left = self.width.saturating_sub(words.width() + 2);
        let dashes = |count: usize| "─".repeat(count);
        Row::styled(format!("{} {words} {}", dashes(left / 2), dashes(left - left / 2)), style)
    }

    fn line(&self, line: &Line, rows: &mut Vec<Row<'static>>) {
        let time = line.at.to_zoned(self.zone.clone()).strftime("%H:%M ").to_string();
        let mut head = vec![Span::styled(time, self.theme.faint())];
        let mut pieces: Vec<(Style, String)> = Vec::new();
        let column = if self.width < NARROW { 0 } else { NICK };
        match &line.body {
            Body::Said { nick, manner, text, called } => {
                let nick = text::plain(nick);
                let style = self.theme.nick(&nick);
                let (shown, style) = match manner {
                    Manner::Message => (nick, style),
                    Manner::Action => ("*".to_owned(), style),
                    Manner::Notice => (format!("-{nick}-"), style),
                };
                if *called {
                    // At the time, where it does not hide whose words they are.
                    head[0].style = self.theme.alert();
                }
                if column == 0 {
                    pieces.push((style, format!("{shown} ")));
                } else {
                    head.push(Span::styled(right(&shown, column), style));
                    head.push(Span::raw(" "));
                }
                if *manner == Manner::Action {
                    pieces.push((self.theme.nick(&shown_name(line)), format!("{} ", shown_name(line))));
                }
                pieces.extend(
                    text::formatted(text)
                        .into_iter()
                        .map(|(format, piece)| (self.theme.formatted(format), piece)),
                );
            }
            Body::Moves(moves) => {
                aside(&mut head, &mut pieces, column, "↔", self.theme.faint(), &told(moves));
            }
            Body::Info(words) => aside(&mut head, &mut pieces, column, "·", self.theme.faint(), words),
            Body::Refused(words) => {
                aside(&mut head, &mut pieces, column, "!", self.theme.alert(), words);
            }
        }
        let indent = if column == 0 { TIME } else { TIME + column + 1 };
        let room = self.width.saturating_sub(indent).max(1);
        let mut head = Some(head);
        for row in wrap(&pieces, room) {
            let mut spans = head.take().unwrap_or_else(|| vec![Span::raw(" ".repeat(indent))]);
            spans.extend(row);
            rows.push(Row::from(spans));
        }
    }
}

/// What nobody said stands behind a sign in place of a nick.
fn aside(
    head: &mut Vec<Span<'static>>,
    pieces: &mut Vec<(Style, String)>,
    column: usize,
    sign: &str,
    style: Style,
    words: &str,
) {
    if column == 0 {
        pieces.push((style, format!("{sign} ")));
    } else {
        head.push(Span::styled(right(sign, column), style));
        head.push(Span::raw(" "));
    }
    pieces.push((style, text::plain(words)));
}

fn shown_name(line: &Line) -> String {
    match &line.body {
        Body::Said { nick, .. } => text::plain(nick),
        _ => String::new(),
    }
}

/// Who came and who went, in one sentence.
fn told(moves: &[Move]) -> String {
    let names = |came: bool| {
        let these: Vec<&Move> = moves.iter().filter(|one| one.came == came).collect();
        let verb = if came { "joined" } else { "left" };
        match these[..] {
            [] => None,
            [one] => {
                let reason = one.reason.as_ref().map_or(String::new(), |why| format!(" ({why})"));
                Some(format!("{} {verb}{reason}", one.nick))
            }
            _ if these.len() > MAX_NAMES => {
                let some: Vec<&str> = these.iter().take(MAX_NAMES - 1).map(|one| &*one.nick).collect();
                Some(format!("{} and {} more {verb}", some.join(", "), these.len() - some.len()))
            }
            _ => {
                let all: Vec<&str> = these.iter().map(|one| &*one.nick).collect();
                Some(format!("{} {verb}", all.join(", ")))
            }
        }
    };
    [names(true), names(false)].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// `text` at the right end of `width` columns, cut if it is longer.
fn right(text: &str, width: usize) -> String {
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

/// Cuts styled text into rows of up to `width` columns, between words where it can be. Always at least one row.
fn wrap(pieces: &[(Style, String)], width: usize) -> Vec<Vec<Span<'static>>> {
    let letters: Vec<(&str, Style, usize)> = pieces
        .iter()
        .flat_map(|(style, text)| text.graphemes(true).map(|letter| (letter, *style, letter.width())))
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

fn join(letters: &[(&str, Style, usize)]) -> Vec<Span<'static>> {
    let runs = letters.chunk_by(|one, other| one.1 == other.1);
    runs.map(|run| Span::styled(run.iter().map(|(letter, ..)| *letter).collect::<String>(), run[0].1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, width: usize) -> Vec<String> {
        let wrapped = wrap(&[(Style::new(), text.to_owned())], width);
        wrapped
            .into_iter()
            .map(|row| row.into_iter().map(|span| span.content.into_owned()).collect())
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
    fn moves_are_told_in_one_sentence() {
        let one = |nick: &str, came, reason: Option<&str>| Move {
            nick: nick.into(),
            came,
            reason: reason.map(Into::into),
        };
        assert_eq!(told(&[one("a", false, Some("bye"))]), "a left (bye)");
        let some = [one("a", true, None), one("b", false, None), one("c", true, None)];
        assert_eq!(told(&some), "a, c joined · b left");
        let many: Vec<Move> = ["a", "b", "c", "d", "e", "f"].map(|nick| one(nick, true, None)).into();
        assert_eq!(told(&many), "a, b, c, d and 2 more joined");
    }
}
