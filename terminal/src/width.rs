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

/// Returns whether every terminal draws the character over the one before it, or not at all.
fn is_drawn_over(char: char) -> bool {
    matches!(char, '\u{200c}' | '\u{200d}')
        || matches!(
            category(char),
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
        )
}

/// Returns the most columns over which a terminal may draw a grapheme.
pub fn spread(symbol: &str) -> usize {
    let parts = symbol.chars().map(|char| match char.width() {
        // Some terminals draw each half of a flag as a symbol of two columns.
        _ if is_half_of_flag(char) => 2,
        // Many terminals draw vowel signs of India, vowels of Hangul and signs before numbers in a
        // column of their own.
        Some(0) if !is_drawn_over(char) => 1,
        width => width.unwrap_or(0),
    });
    parts.sum::<usize>().max(symbol.width())
}
