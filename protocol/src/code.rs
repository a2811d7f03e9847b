//! One-time codes as people type them.

use crate::names::is_invisible;

/// Returns a code without the spaces and dashes that apps, mails and people write between its
/// characters, and without the invisible characters that are copied with it. Full-width characters,
/// which East Asian input methods produce, become plain ones.
pub fn without_separators(code: &str) -> String {
    code.chars()
        .map(|char| match char {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(char) - 0xfee0).unwrap_or(char),
            char => char,
        })
        .filter(|&char| {
            let is_dash = matches!(char, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
            !is_dash && !char.is_whitespace() && !is_invisible(char)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_dashes_of_every_kind_are_dropped_and_nothing_else() {
        for typed in [
            "123456",
            " 123 456\t",
            "123-456",
            "12\u{a0}34\u{2011}56",
            "123 \u{2013} 456",
            "１２３４５６",
            "１２３　－　４５６",
            "\u{202a}123456\u{202c}",
            "123\u{200b}456\u{feff}",
        ] {
            assert_eq!(without_separators(typed), "123456", "{typed:?}");
        }
        assert_eq!(without_separators("abcd-ef+1.2"), "abcdef+1.2");
    }
}
