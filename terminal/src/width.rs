//! The width of a grapheme, as different terminals see it.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Returns the general category of a character.
pub fn category(char: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(char)
}

/// Returns whether two such characters are a flag.
pub fn is_half_of_flag(char: char) -> bool {
    matches!(char, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Returns whether the character is one of the joiners, which are not displayed.
pub fn is_joiner(char: char) -> bool {
    matches!(char, '\u{200c}' | '\u{200d}')
}

/// Returns whether a character is drawn over the one before it: a combining mark.
pub fn is_mark(char: char) -> bool {
    matches!(
        category(char),
        GeneralCategory::NonspacingMark
            | GeneralCategory::EnclosingMark
            | GeneralCategory::SpacingMark
    )
}

/// Returns whether a mark is newer than Unicode 14, and so than the tables of many terminals, which
/// draw what they do not know in a column of its own.
#[rustfmt::skip]
fn is_new_mark(char: char) -> bool {
    matches!(
        char,
        '\u{5c8}'..='\u{5c9}' | '\u{897}' | '\u{b53}'..='\u{b54}' | '\u{ece}'
            | '\u{1acf}'..='\u{1af0}' | '\u{10d69}'..='\u{10d6d}' | '\u{10ecb}'..='\u{10ecf}'
            | '\u{10ef0}'..='\u{10eff}' | '\u{11241}' | '\u{113bb}'..='\u{113c0}' | '\u{113ce}'
            | '\u{113d0}' | '\u{113d2}' | '\u{113e1}'..='\u{113e2}' | '\u{11b60}'..='\u{11b66}'
            | '\u{11df0}' | '\u{11f00}'..='\u{11f01}' | '\u{11f36}'..='\u{11f42}' | '\u{11f5a}'
            | '\u{13440}' | '\u{13447}'..='\u{13455}' | '\u{1611e}'..='\u{1612f}'
            | '\u{1d127}'..='\u{1d128}' | '\u{1d25b}'..='\u{1d25c}' | '\u{1e08f}'
            | '\u{1e4ec}'..='\u{1e4ef}' | '\u{1e5ee}'..='\u{1e5ef}' | '\u{1e6e3}'..='\u{1e6f5}'
    )
}

/// Returns whether every terminal draws the character over the one before it, or not at all.
fn is_drawn_over(char: char) -> bool {
    is_joiner(char)
        || matches!(
            category(char),
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
        ) && !is_new_mark(char)
}

/// Returns the most columns over which a terminal may draw a character.
pub fn char_spread(char: char) -> usize {
    match char.width() {
        // Some terminals draw each half of a flag as a symbol of two columns.
        _ if is_half_of_flag(char) => 2,
        // Circled numbers, tone marks of Hangul and reading marks of Vietnamese. The GNU C
        // library, which tmux and others ask, counts all characters of their blocks as wide.
        _ if matches!(
            char,
            '\u{302e}' | '\u{302f}' | '\u{3248}'..='\u{324f}' | '\u{16ff0}' | '\u{16ff1}'
        ) =>
        {
            2
        }
        // Many terminals draw vowel signs of India, vowels of Hangul and signs before numbers in a
        // column of their own.
        Some(0) if !is_drawn_over(char) => 1,
        width => width.unwrap_or(0),
    }
}

/// Returns the most columns over which a terminal may draw a grapheme. One without width, such as a
/// mark alone, is drawn over [`NO_BASE`].
pub fn spread(symbol: &str) -> usize {
    let base = usize::from(symbol.width() == 0);
    let parts = symbol.chars().map(char_spread).sum::<usize>();
    // Ratatui counts a column more for each voicing mark of half width.
    let is_counted = |char: &char| matches!(char, '\u{ff9e}' | '\u{ff9f}');
    let counted = symbol.width() + symbol.chars().filter(is_counted).count();
    base + parts.max(counted)
}

/// Returns the columns in which the screen draws a grapheme: as many as any terminal may need, but
/// for an emoji of several parts (a joined one, a flag, one with a skin tone) those of one symbol,
/// as most terminals draw it. The backend of the screen draws what follows over the other parts.
pub fn cells(symbol: &str) -> usize {
    let is_part = |char: &char| char.width() == Some(2) || is_half_of_flag(*char);
    if symbol.chars().filter(is_part).count() > 1 {
        symbol.width()
    } else {
        spread(symbol)
    }
}

/// The dotted circle, over which a mark is shown that is over nothing.
pub const NO_BASE: char = '\u{25cc}';
