//! Splits a typed line into words. Spaces separate words; quotes and backslashes protect spaces.

/// The words of a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Tokens {
    /// At least one word; the last one is empty if the line is empty or ends with a space.
    pub words: Vec<String>,
    /// The byte offset at which the last word starts.
    pub last_at: usize,
    /// Whether a quote or a backslash at the end is incomplete.
    pub is_open: bool,
}

/// Splits a line. A slash before the first word is removed: `/kick alice` is `kick alice`.
pub fn tokenize(line: &str) -> Tokens {
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
    Tokens {
        words,
        last_at,
        is_open: quote.is_some() || escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_separate_words_unless_they_are_quoted() {
        let words = |line: &str| tokenize(line).words;
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
        assert_eq!(words("list "), ["list", ""], "a new word has started");
        assert_eq!(words(""), [""]);
        assert_eq!(words("/"), ["/"]);
    }

    #[test]
    fn the_offset_of_the_last_word_is_known() {
        assert_eq!(tokenize("kick al").last_at, 5);
        assert_eq!(tokenize("kick ").last_at, 5);
        assert_eq!(tokenize("/ki").last_at, 0);
        assert!(tokenize("announce 'a").is_open && tokenize("announce a\\").is_open);
        assert!(!tokenize("announce 'a'").is_open);
    }
}
