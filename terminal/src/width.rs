//! The width of a grapheme, as different terminals see it.

use icu_properties::props::{ExtendedPictographic, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
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
    matches!(char, '\u{200c}' | ZERO_WIDTH_JOINER)
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
/// for an emoji of several parts those of one symbol, as most terminals draw it. The backend of the
/// screen draws what follows over the other parts.
pub fn cells(symbol: &str) -> usize {
    if is_emoji_of_parts(symbol) {
        symbol.width()
    } else {
        spread(symbol)
    }
}

/// Returns the columns that must be left in a row of `width` columns where a grapheme that takes
/// `columns` begins. A terminal that draws it over more loses none of its parts at the end of the
/// row, unless it is wider than the whole row.
pub fn room_for(symbol: &str, columns: usize, width: usize) -> usize {
    let spread = spread(symbol);
    if spread > width { columns } else { spread }
}

/// Returns whether a grapheme is an emoji of several parts: a joined one, a flag, or one with a
/// skin tone. Other graphemes of several characters, such as syllables of Hangul or an emoji with a
/// vowel sign, are none: what follows must not be drawn over part of them.
fn is_emoji_of_parts(symbol: &str) -> bool {
    let pictographic = CodePointSetData::new::<ExtendedPictographic>();
    let is_base = |char| pictographic.contains(char) || is_half_of_flag(char);
    let is_part = |char| is_base(char) || matches!(char, '\u{1f3fb}'..='\u{1f3ff}');
    let is_between = |char| {
        matches!(
            char,
            ZERO_WIDTH_JOINER | '\u{fe00}'..='\u{fe0f}' | '\u{20e3}'
        )
    };
    let mut others = symbol.chars();
    others.next().is_some_and(is_base)
        && others.clone().any(is_part)
        && others.all(|char| is_part(char) || is_between(char))
}

/// The character that joins emoji.
pub const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// The dotted circle, over which a mark is shown that is over nothing.
pub const NO_BASE: char = '\u{25cc}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emoji_of_several_parts_takes_the_columns_of_one_symbol() {
        for emoji in [
            "👨‍👩‍👧",
            "👍🏽",
            "🇩🇪",
            "🤷‍♂️",
            "🤷🏽‍♂️",
            "🏃‍♀️",
            "🧑‍⚕️",
            "❤️‍🔥",
            "🏳️‍🌈",
            "🏴‍☠️",
            "🕵🏽",
            "✌🏽",
            "☝🏽",
        ] {
            assert_eq!(cells(emoji), 2, "{emoji}");
            assert!(spread(emoji) > 2, "{emoji}");
        }
    }

    #[test]
    fn what_follows_a_grapheme_that_is_no_emoji_is_not_drawn_over_it() {
        // A syllable with two wide consonants, and emoji with a vowel sign and a voicing mark.
        for symbol in ["\u{1112}\u{1112}\u{1161}", "👍🏽\u{93f}", "👍🏽\u{ff9e}"] {
            assert_eq!(cells(symbol), 5, "{symbol}");
        }
    }
}
