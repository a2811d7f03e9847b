//! A typed line as words: blanks part them, quotes and backslashes keep them together.

/// The words of a line, and where the last one begins in it: an empty one, if a blank stands before
/// the end.
#[derive(Debug, PartialEq, Eq)]
pub struct Split {
    pub words: Vec<String>,
    pub last_at: usize,
    /// A quote that is not closed.
    pub is_open: bool,
}

/// Takes a line apart. A slash before the first word may be there or not: the first Rookery's
/// admins typed `/kick alice`.
pub fn split(line: &str) -> Split {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quote, mut escaped, mut in_word, mut last_at) = (None, false, false, 0);
    for (at, char) in line.char_indices() {
        if !in_word && !char.is_whitespace() {
            (in_word, last_at) = (true, at);
        }
        match (char, quote) {
            _ if escaped => {
                word.push(char);
                escaped = false;
            }
            ('\\', None | Some('"')) => escaped = true,
            (char, Some(open)) if char == open => quote = None,
            ('\'' | '"', None) => quote = Some(char),
            (char, None) if char.is_whitespace() => {
                if in_word {
                    words.push(std::mem::take(&mut word));
                }
                (in_word, last_at) = (false, at + char.len_utf8());
            }
            (char, _) => word.push(char),
        }
    }
    words.push(word);
    if words[0].len() > 1 && words[0].starts_with('/') {
        words[0].remove(0);
    }
    Split {
        words,
        last_at,
        is_open: quote.is_some() || escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_part_words_and_quotes_keep_them_together() {
        let words = |line: &str| split(line).words;
        assert_eq!(words("kick alice"), ["kick", "alice"]);
        assert_eq!(words("/kick alice"), ["kick", "alice"]);
        assert_eq!(
            words("ban bob --reason 'too loud'  --for\t7d"),
            ["ban", "bob", "--reason", "too loud", "--for", "7d"]
        );
        assert_eq!(
            words(r#"announce "it's \"late\"""#),
            ["announce", "it's \"late\""]
        );
        assert_eq!(words(r"announce two\ words"), ["announce", "two words"]);
        assert_eq!(
            words("channel close #lobby"),
            ["channel", "close", "#lobby"]
        );
        assert_eq!(words("announce ''x"), ["announce", "x"]);
        assert_eq!(words("list "), ["list", ""], "the next word has begun");
        assert_eq!(words(""), [""]);
        assert_eq!(words("/"), ["/"]);
    }

    #[test]
    fn the_last_word_is_known_by_its_place() {
        assert_eq!(split("kick al").last_at, 5);
        assert_eq!(split("kick ").last_at, 5);
        assert_eq!(split("/ki").last_at, 0);
        assert!(split("announce 'a").is_open && split("announce a\\").is_open);
        assert!(!split("announce 'a'").is_open);
    }
}
