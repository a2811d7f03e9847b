//! Text on its way to a terminal and on its way to the wire: what may not be shown, and what does not fit one line.

/// The text with nothing in it that a terminal would obey: no formatting codes, no control characters (escape
/// sequences begin with one), and nothing that turns the direction of what follows.
pub fn plain(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            // mIRC colours: up to two digits, then perhaps a comma and up to two more.
            '\u{3}' => skip_colour(&mut chars, 2, char::is_ascii_digit),
            // The same with six hexadecimal digits.
            '\u{4}' => skip_colour(&mut chars, 6, char::is_ascii_hexdigit),
            '\t' | '\u{2028}' | '\u{2029}' => clean.push(' '),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            _ if char.is_control() => {}
            _ => clean.push(char),
        }
    }
    clean
}

fn skip_colour(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    digits: usize,
    is_digit: impl Fn(&char) -> bool,
) {
    let skip = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        (0..digits).take_while(|_| chars.next_if(&is_digit).is_some()).count()
    };
    if skip(chars) == 0 {
        return;
    }
    let mut ahead = chars.clone();
    if ahead.next() == Some(',') && ahead.peek().is_some_and(&is_digit) {
        chars.next();
        skip(chars);
    }
}

/// Cuts `text` into pieces of up to `limit` bytes, between words where it can be.
pub fn split(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let end = (1..=limit).rev().find(|&end| rest.is_char_boundary(end));
        // A limit smaller than a character still has to make progress.
        let end = end.unwrap_or_else(|| rest.chars().next().map_or(rest.len(), char::len_utf8));
        let space = if rest[end..].starts_with(' ') { Some(end) } else { rest[..end].rfind(' ') };
        let cut = space.filter(|&cut| !rest[..cut].trim().is_empty()).unwrap_or(end);
        pieces.extend(Some(rest[..cut].trim_end()).filter(|piece| !piece.is_empty()));
        rest = rest[cut..].trim_start_matches(' ');
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_goes_and_the_words_stay() {
        assert_eq!(
            plain("\u{2}bold\u{2} \u{3}04,12red\u{3} \u{3}7,x \u{4}ff00aa,001122hex\u{f}"),
            "bold red ,x hex"
        );
        assert_eq!(plain("\u{3}123 \u{3}, tab\there"), "3 , tab here");
        assert_eq!(plain("Ärger → 🦜"), "Ärger → 🦜");
    }

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
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
            let turned = |char: char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(
                !clean.chars().any(|char| char.is_control() || turned(char)),
                "{attack:?} gave {clean:?}"
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
        }
        assert_eq!(split("🦜🦜", 1).concat(), "🦜🦜");
    }

    #[test]
    fn leading_spaces_make_no_empty_piece() {
        assert!(
            split("          word and word", 6).iter().all(|piece| !piece.is_empty() && piece.len() <= 6)
        );
    }
}
