//! Finds nicks in text. A nick may contain characters that are punctuation elsewhere, so the
//! boundaries of words are those of nicks, here and in completion.

/// Pairs of characters that may enclose a nick although they may also be part of one.
const ENCLOSING: [(char, char); 4] = [('[', ']'), ('{', '}'), ('`', '`'), ('|', '|')];

/// Whether a character beside a nick makes another nick of it: a letter, a digit, or a special
/// character of nicks (RFC 2812 §2.3.1). The server allows a few others, but in text they are
/// punctuation, as in `alice's`.
fn is_nick_char(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '-' | '['..='`' | '{'..='}')
}

/// Whether a text without formatting codes contains a nick that is not part of another one. In
/// brackets it still is that nick, even if there is another that includes them: both are mentioned.
pub fn mentions(text: &str, nick: &str) -> bool {
    let (text, nick) = (text.to_lowercase(), nick.to_lowercase());
    if nick.is_empty() {
        return false;
    }
    text.match_indices(&nick).any(|(mut start, found)| {
        let mut end = start + found.len();
        loop {
            let before = text[..start].chars().next_back();
            let after = text[end..].chars().next();
            if ![before, after].into_iter().flatten().any(is_nick_char) {
                return true;
            }
            let enclosing = before.zip(after).filter(|pair| ENCLOSING.contains(pair));
            let Some((open, close)) = enclosing else {
                return false;
            };
            (start, end) = (start - open.len_utf8(), end + close.len_utf8());
        }
    })
}

/// Returns the byte offset at which the nick that ends the text begins.
pub fn start_of_last_nick(text: &str) -> usize {
    text.trim_end_matches(is_nick_char).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicks_with_special_characters_are_found_and_no_part_of_another_nick_is() {
        let nicks = [
            "fox", "fox[m]", "[fox]", "fox|away", "fox^", "fox`", "{fox}", "fox\\", "fox-1",
            "_fox", "Füchsin",
        ];
        for nick in nicks {
            for text in [
                "NICK: hi",
                "hi NICK",
                "hi, NICK!",
                "@NICK",
                "(NICK)",
                "NICK's",
                "\"NICK\", she said",
                "xNICK NICK",
            ] {
                let text = text.replace("NICK", nick);
                for other in nicks {
                    let is_enclosed = other == "fox" && ["[fox]", "{fox}"].contains(&nick);
                    let found = mentions(&text, other);
                    assert_eq!(found, other == nick || is_enclosed, "{other} in {text}");
                }
                assert!(mentions(&text.to_uppercase(), nick), "{text}");
            }
        }
    }

    #[test]
    fn a_nick_in_brackets_is_found() {
        for text in [
            "[fox]",
            "see `fox`",
            "```fox```",
            "{fox}?",
            "||fox||",
            "[{fox}]",
        ] {
            assert!(mentions(text, "fox"), "{text}");
        }
        for text in ["[fox", "fox]", "[fox]x", "[fox}", "fox^", ""] {
            assert!(!mentions(text, "fox"), "{text}");
        }
        assert!(!mentions("fox", ""));
    }

    #[test]
    fn the_last_nick_begins_after_a_character_that_cannot_be_in_it() {
        for (text, start) in [
            ("hi @fo", 4),
            ("[fo", 0),
            ("(fo", 1),
            ("a,b|c", 2),
            ("hi ", 3),
            ("", 0),
        ] {
            assert_eq!(start_of_last_nick(text), start, "{text}");
        }
    }
}
