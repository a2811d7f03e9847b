//! Splits a typed line into words.
//!
//! Names of users, accounts and channels may contain single quotes and backslashes, but no spaces.
//! So these characters are removed only where they protect a space, and every name is typed as it
//! is shown: `kick al\ice` must not mean `alice`. No name begins with a double quote.

use std::borrow::Cow;

/// The words of a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Tokens {
    /// At least one word; the last one is empty if the line is empty or ends with a space.
    pub words: Vec<String>,
    /// The byte offset at which the last word starts.
    pub last_at: usize,
    /// Whether a quote at the end is incomplete.
    pub is_open: bool,
}

/// Splits a line at its spaces. A word, or the value after the `=` of an option, may be in quotes,
/// which end before a space or the end of the line. Single quotes are removed only if there is a
/// space between them, or nothing. Within double quotes, `\"` is a quote and `\\` a backslash. A
/// slash before the first word is removed: `/kick alice` is `kick alice`.
pub fn tokenize(line: &str) -> Tokens {
    let mut words = Vec::new();
    let mut at = 0;
    let (last_at, is_open) = loop {
        at = line.len() - line[at..].trim_start().len();
        let word = word_at(&line[at..]);
        words.push(word.text);
        if at + word.length == line.len() {
            break (at, word.is_open);
        }
        at += word.length;
    };
    if words[0].len() > 1 && words[0].starts_with('/') {
        words[0].remove(0);
    }
    Tokens {
        words,
        last_at,
        is_open,
    }
}

/// A word at the beginning of a text.
struct Word {
    text: String,
    /// How many bytes it takes, with its quotes.
    length: usize,
    is_open: bool,
}

/// Returns the word at the beginning of a text that does not begin with a space.
fn word_at(text: &str) -> Word {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let option = text[..end].find('=').filter(|_| text.starts_with("--"));
    let (head, value) = text.split_at(option.map_or(0, |at| at + 1));
    let plain = Word {
        text: text[..end].to_owned(),
        length: end,
        is_open: false,
    };
    let Some(quote) = value
        .chars()
        .next()
        .filter(|char| ['\'', '"'].contains(char))
    else {
        return plain;
    };
    let Some(length) = closing(&value[1..], quote) else {
        // Without a space, it is a name that begins with a quote.
        return if end == text.len() {
            plain
        } else {
            Word {
                text: text.to_owned(),
                length: text.len(),
                is_open: true,
            }
        };
    };
    let quoted = &value[1..=length];
    if quote == '\'' && !quoted.is_empty() && !quoted.contains(char::is_whitespace) {
        return plain;
    }
    Word {
        text: format!("{head}{}", unescaped(quoted, quote)),
        length: head.len() + quoted.len() + 2,
        is_open: false,
    }
}

/// Returns the byte offset of the quote that closes the one before `text`.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let is_last = chars.peek().is_none_or(|(_, next)| next.is_whitespace());
        if char == quote && is_last {
            return Some(at);
        }
        if quote == '"' && char == '\\' {
            chars.next_if(|(_, next)| ['"', '\\'].contains(next));
        }
    }
    None
}

fn unescaped(text: &str, quote: char) -> Cow<'_, str> {
    if quote == '\'' || !text.contains('\\') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = chars.next_if(|next| char == '\\' && ['"', '\\'].contains(next));
        plain.push(escaped.unwrap_or(char));
    }
    plain.into()
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
            words(r#"announce "it's \"late\" now \"" x"#),
            ["announce", "it's \"late\" now \"", "x"]
        );
        assert_eq!(
            words("ban bob --reason='too loud' --for \"7d\""),
            ["ban", "bob", "--reason=too loud", "--for", "7d"]
        );
        assert_eq!(
            words("channel close #lobby"),
            ["channel", "close", "#lobby"]
        );
        assert_eq!(words("topic ''"), ["topic", ""]);
        assert_eq!(words("list "), ["list", ""], "a new word has started");
        assert_eq!(words(""), [""]);
        assert_eq!(words("/"), ["/"]);
    }

    #[test]
    fn a_name_is_typed_as_it_is_shown() {
        for name in [
            r"al\ice",
            r"alice\",
            r"\\alice",
            "al'ice",
            "al''ice",
            "'alice'",
            "'alice",
            "''alice''",
            r"#wo\rk",
            "`alice`",
        ] {
            let Tokens { words, is_open, .. } = tokenize(&format!("kick {name}"));
            assert_eq!(
                (words, is_open),
                (vec!["kick".to_owned(), name.to_owned()], false)
            );
            let Tokens { words, is_open, .. } = tokenize(&format!("kick {name} --reason x"));
            assert!(is_open || words[1] == name, "{words:?}");
        }
    }

    #[test]
    fn the_offset_of_the_last_word_is_known() {
        assert_eq!(tokenize("kick al").last_at, 5);
        assert_eq!(tokenize("kick ").last_at, 5);
        assert_eq!(tokenize("/ki").last_at, 0);
        assert!(tokenize("announce 'a b").is_open);
        assert!(!tokenize("announce 'a'").is_open);
    }
}
