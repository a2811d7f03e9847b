//! Text from the network must not control the terminal that shows it.

use std::fmt::Write as _;

/// Returns whether a terminal might obey the character instead of showing it.
///
/// These are the control characters (C0, DEL and C1), the line and paragraph separators, the
/// characters that control the direction of text (Unicode Standard Annex #9), and invisible
/// characters of no width with which one name can pass for another. The joiners U+200C and U+200D
/// are not among them: scripts and emoji need them.
pub fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

/// Returns the text with a replacement character (U+FFFD) in place of each unsafe character,
/// including line breaks.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|char| {
            if is_unsafe(char) {
                char::REPLACEMENT_CHARACTER
            } else {
                char
            }
        })
        .collect()
}

/// Returns a text of several lines, each as [`printable`] returns it.
pub fn printable_lines(text: &str) -> String {
    text.split('\n')
        .map(printable)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns a JSON document with an escape in place of each unsafe character, so that it has the
/// same value. Line breaks between its tokens remain.
pub fn printable_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            '\n' => safe.push(char),
            // In valid JSON, these are between tokens.
            '\r' | '\t' => safe.push(' '),
            char if is_unsafe(char) => {
                // All of these are within 16 bits. Writing to a String cannot fail.
                let _ = write!(safe, "\\u{:04x}", u32::from(char));
            }
            char => safe.push(char),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSAFE: &str = "\u{0}\u{7f}\u{9b}\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{202a}\
                          \u{202e}\u{2060}\u{2066}\u{2069}\u{feff}";

    #[test]
    fn printable_text_has_no_control_characters_and_no_direction_changes() {
        assert_eq!(printable("Ärger → 🦜"), "Ärger → 🦜");
        assert_eq!(printable("👩‍👧"), "👩‍👧", "joined emoji remain whole");
        assert_eq!(
            printable("a\u{1b}[2J\r\nb"),
            "a\u{fffd}[2J\u{fffd}\u{fffd}b"
        );
        assert_eq!(printable_lines("a\r\n\u{1b}b\n"), "a\u{fffd}\n\u{fffd}b\n");
        for char in UNSAFE.chars() {
            assert_eq!(printable(&char.to_string()), "\u{fffd}", "{char:?}");
        }
    }

    #[test]
    fn printable_json_has_the_same_value() {
        let json = "{\"a\":\t\"\u{7f}\u{9b}\u{202e}\u{200f}日\",\r\n\"b\": 1}";
        let safe = "{\"a\": \"\\u007f\\u009b\\u202e\\u200f日\", \n\"b\": 1}";
        assert_eq!(printable_json(json), safe);
    }
}
