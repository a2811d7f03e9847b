//! Text for the terminal and for the wire: removes characters that must not be shown, parses IRC's
//! formatting codes, and splits text that does not fit one message.

pub use rookery_terminal::is_unsafe;
use rookery_terminal::{NO_BASE, is_joiner, is_mark_alone, is_stray_selector};
use unicode_segmentation::UnicodeSegmentation as _;

/// The format of a piece of text, as set by IRC's formatting codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each field is one code")]
pub struct Format {
    /// Code 0x02.
    pub bold: bool,
    /// Code 0x1D.
    pub italic: bool,
    /// Code 0x1F.
    pub underline: bool,
    /// Code 0x1E.
    pub strike: bool,
    /// Code 0x11.
    pub monospace: bool,
    /// Code 0x16.
    pub reverse: bool,
    /// The colour of the letters.
    pub foreground: Option<Colour>,
    /// The colour behind them.
    pub background: Option<Colour>,
}

/// The format of the letter that stands for a code while text is typed.
const CODE_FORMAT: Format = Format {
    bold: false,
    italic: false,
    underline: false,
    strike: false,
    monospace: false,
    reverse: true,
    foreground: None,
    background: None,
};

/// A colour in a formatting code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// One of the sixteen colours of mIRC.
    Numbered(u8),
    /// Red, green and blue.
    Exact(u8, u8, u8),
}

/// Returns the text without anything that a terminal would interpret: formatting codes, control
/// characters (with which escape sequences begin), and characters that change the direction of the
/// text after them. Lines are joined by spaces. A mark that is over nothing is shown over a dotted
/// circle.
pub fn plain(text: &str) -> String {
    formatted(text)
        .into_iter()
        .map(|(_, piece)| piece.replace('\n', " "))
        .collect()
}

/// Returns text that a user chose as [`plain`] text in quotation marks. What is left out of it
/// cannot keep apart what then looks like the mark at the end.
pub fn quoted(text: &str) -> String {
    rookery_terminal::quoted(&plain(text))
}

/// Formats a reason that a user gave to follow a sentence: ` (“too loud”)`, or nothing without one.
pub fn reason(reason: Option<&str>) -> String {
    reason.map_or(String::new(), |reason| format!(" ({})", quoted(reason)))
}

/// Returns the same text in pieces, each with the format that the formatting codes set for it. The
/// line feeds between lines stay.
pub fn formatted(text: &str) -> Vec<(Format, String)> {
    pieces(text, &mut Format::default(), false)
}

/// Formats text for the user who is typing it: each formatting code is shown as a highlighted
/// letter. `format` is the format at the start of the text, and is updated to the one at its end.
pub fn formatted_with_codes(text: &str, format: &mut Format) -> Vec<(Format, String)> {
    pieces(text, format, true)
}

/// The formatting codes, each with the letter that stands for it while text is typed, and with its
/// description in the status line.
pub const CODES: [(char, char, &str); 9] = [
    ('\u{2}', 'B', "bold"),
    ('\u{1d}', 'I', "italic"),
    ('\u{1f}', 'U', "underlined"),
    ('\u{1e}', 'S', "struck"),
    ('\u{11}', 'M', "monospace"),
    ('\u{16}', 'R', "reversed"),
    ('\u{3}', 'C', "colour 4,1"),
    ('\u{4}', 'X', "ff8800"),
    ('\u{f}', 'O', "off"),
];

/// Returns the letter that stands for a formatting code; `None` for other characters.
pub fn code_letter(code: char) -> Option<char> {
    CODES
        .iter()
        .find(|(one, ..)| *one == code)
        .map(|(_, letter, _)| *letter)
}

/// Returns the formatting code of a letter; upper and lower case are the same.
pub fn code_of_letter(letter: char) -> Option<char> {
    CODES
        .iter()
        .find(|(_, one, _)| one.eq_ignore_ascii_case(&letter))
        .map(|(code, ..)| *code)
}

/// Splits text into pieces of one format each. With `with_codes`, each formatting code becomes a
/// piece of its own, which shows its letter.
fn pieces(text: &str, format: &mut Format, with_codes: bool) -> Vec<(Format, String)> {
    let mut pieces: Vec<(Format, String)> = Vec::new();
    let mut add = |format: Format, text: &str| match pieces.last_mut() {
        Some((last, piece)) if *last == format => piece.push_str(text),
        _ => pieces.push((format, text.to_owned())),
    };
    let mut letter = [0; 4];
    let mut chars = text.chars().peekable();
    let (mut before, mut shown) = (None, None);
    while let Some(char) = chars.next() {
        let is_stray = is_stray_selector(before, char, chars.peek().copied());
        before = Some(char);
        let is_removed = is_stray || is_unsafe(char) && !char.is_control() && !char.is_whitespace();
        // While text is typed, the message box does this, since it counts the columns.
        if !is_removed && !with_codes && is_mark_alone(shown, char) {
            add(*format, NO_BASE.encode_utf8(&mut letter));
        }
        if !is_removed && !is_joiner(char) {
            shown = Some(char);
        }
        let mut digits = [String::new(), String::new()];
        match char {
            '\u{2}' => format.bold ^= true,
            '\u{1d}' => format.italic ^= true,
            '\u{1f}' => format.underline ^= true,
            '\u{1e}' => format.strike ^= true,
            '\u{11}' => format.monospace ^= true,
            '\u{16}' => format.reverse ^= true,
            '\u{f}' => *format = Format::default(),
            // mIRC colours: up to two digits, then perhaps a comma and up to two more.
            '\u{3}' => {
                digits = colour_digits(&mut chars, 2, char::is_ascii_digit);
                set_colours(format, &digits, parse_number);
            }
            // The same with six hexadecimal digits.
            '\u{4}' => {
                digits = colour_digits(&mut chars, 6, char::is_ascii_hexdigit);
                set_colours(format, &digits, parse_hexadecimal);
            }
            '\t' | '\u{2028}' | '\u{2029}' => add(*format, " "),
            '\n' => add(*format, "\n"),
            _ if is_stray || is_unsafe(char) => {}
            _ => add(*format, char.encode_utf8(&mut letter)),
        }
        if let Some(code) = code_letter(char).filter(|_| with_codes) {
            let [foreground, background] = digits;
            let comma = if background.is_empty() { "" } else { "," };
            add(
                CODE_FORMAT,
                &format!("{code}{foreground}{comma}{background}"),
            );
        }
    }
    pieces
}

/// Reads the digits of a colour code: those of the foreground, and after a comma those of the
/// background.
fn colour_digits(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    digits: usize,
    is_digit: impl Fn(&char) -> bool,
) -> [String; 2] {
    let read = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| -> String {
        (0..digits)
            .map_while(|_| chars.next_if(&is_digit))
            .collect()
    };
    let foreground = read(chars);
    let mut ahead = chars.clone();
    if !foreground.is_empty() && ahead.next() == Some(',') && ahead.peek().is_some_and(&is_digit) {
        chars.next();
        return [foreground, read(chars)];
    }
    [foreground, String::new()]
}

/// Sets the colours to which the digits refer. A code without digits resets both.
fn set_colours(format: &mut Format, digits: &[String; 2], parse: impl Fn(&str) -> Option<Colour>) {
    let [foreground, background] = digits;
    if foreground.is_empty() {
        (format.foreground, format.background) = (None, None);
        return;
    }
    format.foreground = parse(foreground);
    if !background.is_empty() {
        format.background = parse(background);
    }
}

/// Parses the number of a mIRC colour. 99, the terminal's default colour, is `None`.
fn parse_number(digits: &str) -> Option<Colour> {
    let number: u8 = digits.parse().ok()?;
    match number {
        0..16 => Some(Colour::Numbered(number)),
        _ => MORE_COLOURS
            .get(usize::from(number) - 16)
            .copied()
            .map(exact),
    }
}

fn parse_hexadecimal(digits: &str) -> Option<Colour> {
    u32::from_str_radix(digits, 16)
        .ok()
        .filter(|_| digits.len() == 6)
        .map(exact)
}

fn exact(number: u32) -> Colour {
    let [_, red, green, blue] = number.to_be_bytes();
    Colour::Exact(red, green, blue)
}

/// The colours 16 to 98: six shades of twelve hues, from dark to light, and eleven greys.
#[rustfmt::skip]
const MORE_COLOURS: [u32; 83] = [
    0x47_00_00, 0x47_21_00, 0x47_47_00, 0x32_47_00, 0x00_47_00, 0x00_47_2c,
    0x00_47_47, 0x00_27_47, 0x00_00_47, 0x2e_00_47, 0x47_00_47, 0x47_00_2a,
    0x74_00_00, 0x74_3a_00, 0x74_74_00, 0x51_74_00, 0x00_74_00, 0x00_74_49,
    0x00_74_74, 0x00_40_74, 0x00_00_74, 0x4b_00_74, 0x74_00_74, 0x74_00_45,
    0xb5_00_00, 0xb5_63_00, 0xb5_b5_00, 0x7d_b5_00, 0x00_b5_00, 0x00_b5_71,
    0x00_b5_b5, 0x00_63_b5, 0x00_00_b5, 0x75_00_b5, 0xb5_00_b5, 0xb5_00_6b,
    0xff_00_00, 0xff_8c_00, 0xff_ff_00, 0xb2_ff_00, 0x00_ff_00, 0x00_ff_a0,
    0x00_ff_ff, 0x00_8c_ff, 0x00_00_ff, 0xa5_00_ff, 0xff_00_ff, 0xff_00_98,
    0xff_59_59, 0xff_b4_59, 0xff_ff_71, 0xcf_ff_60, 0x6f_ff_6f, 0x65_ff_c9,
    0x6d_ff_ff, 0x59_b4_ff, 0x59_59_ff, 0xc4_59_ff, 0xff_66_ff, 0xff_59_bc,
    0xff_9c_9c, 0xff_d3_9c, 0xff_ff_9c, 0xe2_ff_9c, 0x9c_ff_9c, 0x9c_ff_db,
    0x9c_ff_ff, 0x9c_d3_ff, 0x9c_9c_ff, 0xdc_9c_ff, 0xff_9c_ff, 0xff_94_d3,
    0x00_00_00, 0x13_13_13, 0x28_28_28, 0x36_36_36, 0x4d_4d_4d, 0x65_65_65,
    0x81_81_81, 0x9f_9f_9f, 0xbc_bc_bc, 0xe2_e2_e2, 0xff_ff_ff,
];

/// Formats each line of a text, except blank ones, and returns them as lines.
pub fn each_line(text: &str, format: impl Fn(&str) -> String) -> String {
    let is_blank = |line: &str| line.trim().is_empty();
    // Even a blank message is shown.
    if is_blank(text) {
        return format(text);
    }
    let lines = text.lines().filter(|line| !is_blank(line));
    lines.map(format).collect::<Vec<_>>().join("\n")
}

/// Returns the byte offset after the last space of any kind; 0 if there is none.
pub fn after_last_space(text: &str) -> usize {
    text.trim_end_matches(|char: char| !char.is_whitespace())
        .len()
}

/// Splits `text` into pieces of up to `limit` bytes, between words where that is possible. What is
/// shown as one character, such as an emoji of several code points, is split only if it exceeds the
/// limit.
pub fn split(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let end = fitting(rest, limit);
        let space = if rest[end..].starts_with(' ') {
            Some(end)
        } else {
            rest[..end].rfind(' ')
        };
        let cut = space
            .filter(|&cut| !rest[..cut].trim().is_empty())
            .unwrap_or(end);
        pieces.extend(Some(rest[..cut].trim_end()).filter(|piece| !piece.is_empty()));
        rest = rest[cut..].trim_start_matches(' ');
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// Splits `text` like [`split`], but with all spaces: the pieces together are the text. Returns at
/// least one piece.
pub fn split_whole(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let end = fitting(rest, limit);
        let after_space = rest[..end].rfind(' ').map(|space| space + 1);
        let cut = after_space
            .filter(|&cut| !rest[..cut].trim().is_empty())
            .unwrap_or(end);
        let (piece, after) = rest.split_at(cut);
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// Returns the length of what fits `limit` bytes of a longer text, without splitting what is shown
/// as one character unless it exceeds the limit.
fn fitting(text: &str, limit: usize) -> usize {
    text.grapheme_indices(true)
        .map(|(at, shown)| at + shown.len())
        .take_while(|&end| end <= limit)
        .last()
        .unwrap_or_else(|| first_chars(text, limit))
}

/// Returns the length of the longest prefix of at most `limit` bytes; of the first character if
/// even that exceeds the limit.
fn first_chars(text: &str, limit: usize) -> usize {
    match text.floor_char_boundary(limit) {
        0 => text.chars().next().map_or(0, char::len_utf8),
        end => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_is_removed_and_the_words_stay() {
        assert_eq!(
            plain("\u{2}bold\u{2} \u{3}04,12red\u{3} \u{3}7,x \u{4}ff00aa,001122hex\u{f}"),
            "bold red ,x hex"
        );
        assert_eq!(plain("one\ntwo"), "one two");
        assert_eq!(plain("\u{3}123 \u{3}, tab\there"), "3 , tab here");
        assert_eq!(plain("Ärger → 🦜"), "Ärger → 🦜");
    }

    #[test]
    fn formatting_codes_do_not_hide_the_end_of_a_quotation() {
        for code in ["\u{2}", "\u{3}04", "\u{4}ff0000", "\u{200b}"] {
            let forged = format!("x’{code}’) · bob left");
            assert_eq!(reason(Some(&forged)), " (“x') · bob left”)", "{code:?}");
        }
    }

    #[test]
    fn a_mark_over_nothing_is_over_a_dotted_circle() {
        assert_eq!(plain("\u{323}bob"), "\u{25cc}\u{323}bob");
        assert_eq!(plain("· \u{9be}bob joined"), "· \u{25cc}\u{9be}bob joined");
        assert_eq!(
            plain("e\u{2}\u{301}\t\u{301}"),
            "e\u{25cc}\u{301} \u{25cc}\u{301}"
        );
        assert_eq!(plain("e\u{301}\u{34f}\u{323} \u{34f}"), "e\u{301}\u{323} ");
    }

    #[test]
    fn formatting_codes_apply_to_the_text_after_them() {
        let bold = Format {
            bold: true,
            ..Format::default()
        };
        let red = Format {
            foreground: Some(Colour::Numbered(4)),
            background: Some(Colour::Exact(0, 17, 34)),
            ..Format::default()
        };
        let plain = Format::default();
        let text = "a\u{2}b\u{1d}c\u{f}d\u{3}04\u{4}ff0000,001122x\u{3}4y\u{3}z";
        let piece = |format, text: &str| (format, text.to_owned());
        let hex = Format {
            foreground: Some(Colour::Exact(255, 0, 0)),
            ..red
        };
        let bold_italic = Format {
            italic: true,
            ..bold
        };
        let wanted = [
            piece(plain, "a"),
            piece(bold, "b"),
            piece(bold_italic, "c"),
            piece(plain, "d"),
            piece(hex, "x"),
            piece(red, "y"),
            piece(plain, "z"),
        ];
        assert_eq!(formatted(text), wanted);
        assert_eq!(formatted("\u{3}99x"), [piece(plain, "x")]);
        let coloured = |colour| Format {
            foreground: Some(colour),
            ..Format::default()
        };
        for (number, colour) in [
            (16, (71, 0, 0)),
            (53, (255, 140, 0)),
            (87, (255, 148, 211)),
            (98, (255, 255, 255)),
        ] {
            let (red, green, blue) = colour;
            let wanted = [piece(coloured(Colour::Exact(red, green, blue)), "x")];
            assert_eq!(formatted(&format!("\u{3}{number}x")), wanted, "{number}");
        }
    }

    #[test]
    fn codes_are_shown_while_typing_and_apply_to_the_next_row() {
        let mut format = Format::default();
        let bold = Format {
            bold: true,
            ..Format::default()
        };
        let red = Format {
            foreground: Some(Colour::Numbered(4)),
            ..bold
        };
        let piece = |format, text: &str| (format, text.to_owned());
        assert_eq!(
            formatted_with_codes("a\u{2}b\u{3}04,c", &mut format),
            [
                piece(Format::default(), "a"),
                piece(CODE_FORMAT, "B"),
                piece(bold, "b"),
                piece(CODE_FORMAT, "C04"),
                piece(red, ",c")
            ]
        );
        assert_eq!(
            formatted_with_codes("d\u{f}e", &mut format),
            [
                piece(red, "d"),
                piece(CODE_FORMAT, "O"),
                piece(Format::default(), "e")
            ]
        );
        let all = "\u{2}\u{1d}\u{1f}\u{1e}\u{11}\u{16}\u{f}\u{3}1,2\u{4}aabbcc";
        assert_eq!(
            formatted_with_codes(all, &mut format),
            [piece(CODE_FORMAT, "BIUSMROC1,2Xaabbcc")]
        );
        assert_eq!(plain(all), "");
    }

    #[test]
    fn nothing_is_left_that_a_terminal_interprets() {
        let attacks = [
            "\u{1b}[2J\u{1b}]0;title\u{7}",
            "\u{9b}31m",
            "a\rb\nc\u{8}\u{7f}\0",
            "\u{202e}drow\u{202c}\u{2066}x\u{2069}",
            "\u{3}\u{1b}[1m",
            "\u{4}12345\u{1b}c",
        ];
        for attack in attacks {
            let clean = plain(attack);
            let changes_direction =
                |char: char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(
                !clean
                    .chars()
                    .any(|char| char.is_control() || changes_direction(char)),
                "{attack:?} became {clean:?}"
            );
        }
    }

    #[test]
    fn long_text_is_cut_between_words() {
        assert_eq!(split("one two three", 7), ["one two", "three"]);
        assert_eq!(split("one two three", 8), ["one two", "three"]);
        assert_eq!(split("short", 5), ["short"]);
        assert_eq!(split("", 5), [""; 0]);
    }

    #[test]
    fn a_long_word_is_cut_between_characters_and_nothing_is_lost() {
        let word = "äöü🦜".repeat(40);
        for limit in 4..30 {
            let pieces = split(&word, limit);
            assert!(pieces.iter().all(|piece| piece.len() <= limit), "{limit}");
            assert_eq!(pieces.concat(), word);
            assert_eq!(split_whole(&word, limit), pieces);
        }
        assert_eq!(split("🦜🦜", 1).concat(), "🦜🦜");
    }

    #[test]
    fn an_emoji_of_several_code_points_is_not_cut() {
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        for shown in [family, "🇦🇹", "👍🏽", "e\u{301}", "1\u{fe0f}\u{20e3}"] {
            let text = format!("a{}", shown.repeat(30));
            for limit in shown.len()..100 {
                let pieces = split(&text, limit);
                assert_eq!(pieces.concat(), text);
                for piece in pieces {
                    assert!(piece.len() <= limit, "{limit}");
                    let rest = piece.strip_prefix('a').unwrap_or(piece);
                    assert_eq!(rest.replace(shown, ""), "", "{limit}");
                }
            }
        }
        let pieces = split(family, 10);
        assert_eq!(pieces.concat(), family);
        assert!(pieces.iter().all(|piece| piece.len() <= 10), "{pieces:?}");
    }

    #[test]
    fn a_line_is_cut_after_a_space_which_stays() {
        assert_eq!(split_whole("one two three", 8), ["one two ", "three"]);
        assert_eq!(split_whole("one  two", 4), ["one ", " two"]);
        assert_eq!(split_whole("", 4), [""]);
        assert_eq!(split_whole("      x", 4), ["    ", "  x"]);
    }

    #[test]
    fn leading_spaces_make_no_empty_piece() {
        assert!(
            split("          word and word", 6)
                .iter()
                .all(|piece| !piece.is_empty() && piece.len() <= 6)
        );
    }
}
