//! Text from the network must not control the terminal that shows it.

use std::fmt::Write as _;

use icu_properties::CodePointSetData;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};

use crate::width::{NO_BASE, category, is_joiner, is_mark};

/// Returns whether a terminal might obey the character instead of showing it, or hide it.
///
/// These are the control characters (C0, DEL and C1), the line and paragraph separators, the
/// characters that control the direction of text (Unicode Standard Annex #9), and the others that
/// are not displayed (Unicode's `Default_Ignorable_Code_Point`, and the controls of interlinear
/// annotations and of hieroglyphs), with which one name can pass for another or text can be hidden.
/// The joiners U+200C and U+200D are not among them, because scripts
/// and emoji need them, nor are variation selectors; see [`is_stray_selector`].
pub fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{2028}'..='\u{202e}' | '\u{fff9}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}'
        )
        || !is_joiner(char)
            && !is_selector(char)
            && CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(char)
}

/// Returns whether the character is a variation selector that selects nothing, and so is invisible.
/// Those that select are after a symbol, such as an emoji, after a Han character, or in a keycap.
pub fn is_stray_selector(before: Option<char>, char: char, after: Option<char>) -> bool {
    is_selector(char)
        && !before.is_some_and(|before| {
            let is_symbol = !before.is_ascii()
                && !before.is_alphanumeric()
                && !before.is_whitespace()
                && !is_selector(before)
                && !is_unsafe(before)
                && !is_joiner(before);
            let is_keycap = matches!(before, '0'..='9' | '#' | '*') && after == Some('\u{20e3}');
            is_symbol || is_han(before) || is_keycap
        })
}

/// Returns whether the character is a mark that is over nothing: `before`, the last character
/// before it that is shown and no joiner, is none, a space or punctuation. A terminal would draw
/// such a mark over that, so that a name which begins with it would look like the name without it;
/// it is shown over [`NO_BASE`] instead.
pub fn is_mark_alone(before: Option<char>, char: char) -> bool {
    use GeneralCategory as C;
    let is_base = |before: char| match category(before) {
        C::MathSymbol | C::CurrencySymbol | C::ModifierSymbol => !before.is_ascii(),
        C::OtherSymbol => before != '\u{2800}',
        C::SpaceSeparator
        | C::LineSeparator
        | C::ParagraphSeparator
        | C::Control
        | C::Format
        | C::ConnectorPunctuation
        | C::DashPunctuation
        | C::OpenPunctuation
        | C::ClosePunctuation
        | C::InitialPunctuation
        | C::FinalPunctuation
        | C::OtherPunctuation => false,
        C::UppercaseLetter
        | C::LowercaseLetter
        | C::TitlecaseLetter
        | C::ModifierLetter
        | C::OtherLetter
        | C::NonspacingMark
        | C::SpacingMark
        | C::EnclosingMark
        | C::DecimalNumber
        | C::LetterNumber
        | C::OtherNumber
        | C::Unassigned
        | C::PrivateUse
        | C::Surrogate => true,
    };
    let is_keycap = |before| char == '\u{20e3}' && matches!(before, '#' | '*');
    is_mark(char)
        && !is_selector(char)
        && !before.is_some_and(|before| is_base(before) || is_keycap(before))
}

fn is_selector(char: char) -> bool {
    matches!(char, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

fn is_han(char: char) -> bool {
    matches!(char, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Returns each character of the text with whether it is unsafe there.
fn judged(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut before = None;
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        let char = chars.next()?;
        let is_stray = is_stray_selector(before, char, chars.peek().copied());
        before = Some(char);
        Some((char, is_stray || is_unsafe(char)))
    })
}

/// Returns the text with a replacement character (U+FFFD) in place of each unsafe character,
/// including line breaks, and with a dotted circle (U+25CC) under each mark that is over nothing.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    let mut before = None;
    for (char, is_unsafe) in judged(text) {
        let char = if is_unsafe {
            char::REPLACEMENT_CHARACTER
        } else {
            char
        };
        if is_mark_alone(before, char) {
            printable.push(NO_BASE);
        }
        printable.push(char);
        if !is_joiner(char) {
            before = Some(char);
        }
    }
    printable
}

/// Returns text in quotation marks, which cannot end in it: to set what users chose apart from the
/// words of the program around it. In the text, an apostrophe stands for what looks like a mark, be
/// it several characters.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from('“');
    let mut chars = text.chars().peekable();
    let mut before = '“';
    while let Some(char) = chars.next() {
        let mut strokes = strokes_of_mark(before, char);
        before = char;
        while strokes > 0
            && let Some(&next) = chars.peek()
        {
            // What is not displayed does not keep marks apart.
            let is_displayed = !is_joiner(next) && !is_selector(next);
            let more = strokes_of_mark(before, next);
            if is_displayed && more == 0 {
                break;
            }
            if is_displayed {
                before = next;
            }
            strokes += more;
            chars.next();
        }
        quoted.push(if strokes > 1 { '\'' } else { char });
    }
    quoted.push('”');
    quoted
}

/// Characters that look like one of the two strokes of a quotation mark.
const HALF_MARKS: &str = "'`\u{b4}\u{2b9}\u{2bb}\u{2bc}\u{2bd}\u{2be}\u{2bf}\u{2c8}\u{2ca}\u{2cb}\
    \u{2f4}\u{374}\u{384}\u{559}\u{55a}\u{55b}\u{55d}\u{5f3}\u{7f4}\u{7f5}\u{1fbd}\u{1fbf}\
    \u{1fef}\u{1ffd}\u{1ffe}\u{2018}\u{2019}\u{201a}\u{201b}\u{2032}\u{2035}\u{275b}\u{275c}\
    \u{275f}\u{a78b}\u{a78c}\u{ff07}\u{ff40}\u{16f51}\u{16f52}";

/// Characters that look like a quotation mark.
const MARKS: &str = "\"\u{2ba}\u{2dd}\u{2ee}\u{2f5}\u{2f6}\u{5f4}\u{1cd3}\u{201c}\u{201d}\u{201e}\
    \u{201f}\u{2033}\u{2034}\u{2036}\u{2037}\u{2057}\u{275d}\u{275e}\u{2760}\u{2e42}\u{3003}\
    \u{301d}\u{301e}\u{301f}\u{ff02}\u{1f676}\u{1f677}\u{1f678}";

/// Returns how many strokes of a quotation mark a character looks like, after another one. A
/// combining mark that combines with no letter may look like any mark.
fn strokes_of_mark(before: char, char: char) -> usize {
    let is_mark = |char: char| MARKS.contains(char) || HALF_MARKS.contains(char);
    let is_alone = before.is_whitespace() || before == '\u{2800}' || is_mark(before);
    if MARKS.contains(char) || is_alone && category(char) == GeneralCategory::NonspacingMark {
        2
    } else {
        usize::from(HALF_MARKS.contains(char))
    }
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
    for (char, is_unsafe) in judged(json) {
        match char {
            '\n' => safe.push(char),
            // In valid JSON, these are between tokens.
            '\r' | '\t' => safe.push(' '),
            char if is_unsafe => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(safe, "\\u{unit:04x}");
                }
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
                          \u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{ad}\u{34f}\u{115f}\u{1160}\
                          \u{17b4}\u{17b5}\u{180b}\u{180e}\u{180f}\u{3164}\u{ffa0}\u{fff0}\
                          \u{fff9}\u{fffb}\u{13430}\
                          \u{1d173}\u{e0001}\u{e0041}\u{e007f}";

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
    fn quoted_text_cannot_end_its_quotation() {
        assert_eq!(quoted("back soon"), "“back soon”");
        assert_eq!(quoted("a”, \"b„ ＂c"), "“a', 'b' 'c”");
        for mark in [
            "＇＇",
            "ʼʼ",
            "′′",
            "‵‵",
            "’’",
            "''",
            "’\u{200d}’",
            "’\u{fe0f}’",
            "'”'",
            "˶",
            "〃",
            "⹂",
            "ߵߵ",
            "ꞌꞌ",
            "'\u{30b}",
        ] {
            let forged = format!("x{mark}) · bob left");
            assert_eq!(quoted(&forged), "“x') · bob left”", "{mark:?}");
        }
        assert_eq!(quoted("x \u{30b}) · bob left"), "“x ') · bob left”");
        assert_eq!(quoted("\u{30e}"), "“'”");
        assert_eq!(
            quoted("don’t use `ls`, u\u{30b}"),
            "“don’t use `ls`, u\u{30b}”"
        );
    }

    #[test]
    fn variation_selectors_remain_where_they_select_something() {
        for text in ["❤️", "🏳️‍🌈", "👁️‍🗨️", "1️⃣", "葛\u{e0100}", "☺\u{fe0e} ok"]
        {
            assert_eq!(printable(text), text, "{text}");
        }
        for text in [
            "a\u{fe0f}",
            "é\u{fe0f}",
            " \u{fe0f}",
            "\u{fe0f}",
            "1\u{fe0f}1",
            "a\u{e0100}",
        ] {
            assert!(printable(text).contains('\u{fffd}'), "{text:?}");
        }
        assert_eq!(printable("❤\u{fe0f}\u{fe0f}"), "❤\u{fe0f}\u{fffd}");
    }

    #[test]
    fn a_mark_over_nothing_is_over_a_dotted_circle() {
        for (text, shown) in [
            ("\u{323}bob", "\u{25cc}\u{323}bob"),
            ("<\u{301}bob> hi", "<\u{25cc}\u{301}bob> hi"),
            ("#\u{9be}lobby", "#\u{25cc}\u{9be}lobby"),
            ("· \u{20dd}\u{301}bob", "· \u{25cc}\u{20dd}\u{301}bob"),
            ("\u{200d}\u{323}bob", "\u{200d}\u{25cc}\u{323}bob"),
            ("\u{1b}\u{323}", "\u{fffd}\u{323}"),
        ] {
            assert_eq!(printable(text), shown, "{text:?}");
        }
        for text in [
            "e\u{301}\u{323}",
            "বাংলায়",
            "हिन्दी",
            "น้ำ",
            "שָׁלוֹם",
            "#️⃣ 1️⃣",
            "क्\u{200d}षा",
            "ー\u{3099}",
        ] {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn printable_json_escapes_characters_beyond_16_bits_as_surrogates() {
        let safe = printable_json("\"a\u{e0041}\u{ad}b\"");
        assert_eq!(safe, "\"a\\udb40\\udc41\\u00adb\"");
    }

    #[test]
    fn printable_json_has_the_same_value() {
        let json = "{\"a\":\t\"\u{7f}\u{9b}\u{202e}\u{200f}日\",\r\n\"b\": 1}";
        let safe = "{\"a\": \"\\u007f\\u009b\\u202e\\u200f日\", \n\"b\": 1}";
        assert_eq!(printable_json(json), safe);
    }
}
