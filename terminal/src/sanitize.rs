//! Text from the network must not control the terminal that shows it.

/// Returns whether a terminal might obey the character instead of showing it, or whether it
/// changes the direction of the text that follows.
pub fn is_unsafe(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the text with a replacement character (U+FFFD) in place of each unsafe character.
///
/// The marks U+200E and U+200F are replaced too: in a table they would move text between columns.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            '\u{200e}' | '\u{200f}' => char::REPLACEMENT_CHARACTER,
            char if is_unsafe(char) => char::REPLACEMENT_CHARACTER,
            char => char,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_has_no_control_characters_and_no_direction_changes() {
        assert_eq!(printable("Ärger → 🦜"), "Ärger → 🦜");
        assert_eq!(
            printable("a\u{1b}[2J\r\nb"),
            "a\u{fffd}[2J\u{fffd}\u{fffd}b"
        );
        for char in "\u{0}\u{7f}\u{9b}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}".chars() {
            assert_eq!(printable(&char.to_string()), "\u{fffd}", "{char:?}");
        }
    }
}
