//! The style check: words that `docs/style.md` replaces, and lines over 100 columns.
//!
//! The word list is a table in `docs/style.md`; this module holds no words of its own. Patterns
//! are matched against the text with its line breaks and comment markers removed, so a phrase that
//! runs over two lines of a comment is found as well. An identifier is also matched as the words it
//! consists of: `SignInScreen` is matched as "Sign In Screen".

use std::path::Path;

use anyhow::{Context as _, bail};
use regex::Regex;

use crate::files::{self, Finding};

/// The document that holds the word list. It quotes the words, so they are allowed in it.
const GUIDE: &str = "docs/style.md";
/// The heading of the word list.
const HEADING: &str = "| pattern | write instead |";
/// The longest line of code, comment or prose, in columns.
const MAX_COLUMNS: usize = 100;

/// The kinds of file that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Rust,
    Markdown,
    Toml,
    Sql,
}

impl Language {
    /// Returns the language of a path, or `None` for a file that is not checked.
    fn of(path: &str) -> Option<Self> {
        match Path::new(path).extension()?.to_str()? {
            "rs" => Some(Self::Rust),
            "md" => Some(Self::Markdown),
            "toml" => Some(Self::Toml),
            "sql" => Some(Self::Sql),
            _ => None,
        }
    }

    /// Returns the marker of a line comment.
    fn comment_marker(self) -> Option<&'static str> {
        match self {
            Self::Rust => Some("//"),
            Self::Toml => Some("#"),
            Self::Sql => Some("--"),
            Self::Markdown => None,
        }
    }
}

/// Checks every file that git tracks.
pub fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let guide = files::read(root, GUIDE)?;
    let words = word_list(&guide)?;
    let mut findings = Vec::new();
    for file in files::tracked(root)? {
        let Some(language) = Language::of(&file) else {
            continue;
        };
        let text = files::read(root, &file)?;
        let words = if file == GUIDE { &[][..] } else { &words };
        let mut found = check_text(language, &text, words);
        found.sort();
        findings.extend(found.into_iter().map(|(line, message)| Finding {
            file: file.clone(),
            line,
            message,
        }));
    }
    Ok(findings)
}

/// A phrase to avoid.
#[derive(Debug)]
struct Phrase {
    pattern: Regex,
    instead: String,
}

/// Reads the word list of the guide. A pattern without a capital letter ignores case.
fn word_list(guide: &str) -> anyhow::Result<Vec<Phrase>> {
    let (_, table) = guide
        .split_once(HEADING)
        .with_context(|| format!("{GUIDE} has no table with the heading {HEADING}"))?;
    let rows = table
        .lines()
        .skip(2)
        .map_while(|row| row.strip_prefix("| `"));
    let phrases: anyhow::Result<Vec<Phrase>> = rows
        .map(|row| {
            let (pattern, instead) = row
                .split_once("` | ")
                .with_context(|| format!("{GUIDE}: this row has no second cell: {row}"))?;
            // A bar inside a cell of a table is escaped.
            let pattern = pattern.replace("\\|", "|");
            let ignore_case = !pattern.contains(char::is_uppercase);
            let flags = if ignore_case { "(?i)" } else { "" };
            let pattern = Regex::new(&format!("{flags}{pattern}"))
                .with_context(|| format!("{GUIDE}: {pattern} is not a regular expression"))?;
            let instead = instead.trim_end_matches(['|', ' ']).to_owned();
            Ok(Phrase { pattern, instead })
        })
        .collect();
    let phrases = phrases?;
    if phrases.is_empty() {
        bail!("{GUIDE}: the word list is empty");
    }
    Ok(phrases)
}

/// Returns the findings in one text, as line number and message.
fn check_text(language: Language, text: &str, words: &[Phrase]) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = widths(language, text)
        .into_iter()
        .enumerate()
        .filter(|(_, width)| *width > MAX_COLUMNS)
        .map(|(index, width)| (index + 1, format!("{width} columns; at most {MAX_COLUMNS}")))
        .collect();
    let names = identifiers(text);
    for phrase in words {
        for (line, name) in &names {
            if phrase.pattern.is_match(&words_of(name)) {
                found.push((*line, format!("`{name}`; write {}", phrase.instead)));
            }
        }
    }
    let prose = Prose::new(language, text);
    for phrase in words {
        for place in phrase.pattern.find_iter(&prose.text) {
            let message = format!("\"{}\"; write {}", place.as_str().trim(), phrase.instead);
            found.push((prose.line_of(place.start()), message));
        }
    }
    found
}

/// Returns the identifiers of several words in a text, each with the number of its line.
fn identifiers(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let names = line.split(|char: char| !(char.is_alphanumeric() || char == '_'));
        let names = names.filter(|name| words_of(name).contains(' '));
        found.extend(names.map(|name| (index + 1, name)));
    }
    found
}

/// Splits an identifier at each `_` and change of case, and returns its words as a sentence with a
/// full stop, which some patterns need to see where a phrase ends.
fn words_of(name: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    let mut chars = name.trim_matches('_').chars().peekable();
    while let Some(char) = chars.next() {
        let next_is_lower = chars.peek().is_some_and(|next| next.is_lowercase());
        let begins_word = char.is_uppercase()
            && (before.is_lowercase()
                || before.is_numeric()
                || (before.is_uppercase() && next_is_lower));
        if begins_word {
            words.push(' ');
        }
        words.push(if char == '_' { ' ' } else { char });
        before = char;
    }
    words.push('.');
    words
}

/// A text on one line, without indentation and comment markers.
struct Prose {
    text: String,
    /// Where each line of the original begins in `text`.
    starts: Vec<usize>,
}

impl Prose {
    fn new(language: Language, original: &str) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut starts = Vec::new();
        for line in original.lines() {
            starts.push(text.len());
            text.push_str(without_marker(language, line));
            text.push(' ');
        }
        Self { text, starts }
    }

    /// Returns the number of the line, from 1, that a position of `text` belongs to.
    fn line_of(&self, position: usize) -> usize {
        self.starts.partition_point(|start| *start <= position)
    }
}

/// Returns a line without its indentation and the marker of its comment.
fn without_marker(language: Language, line: &str) -> &str {
    let line = line.trim();
    let Some(marker) = language.comment_marker() else {
        return line;
    };
    let Some(rest) = line.strip_prefix(marker) else {
        return line;
    };
    rest.trim_start_matches(['/', '!']).trim_start()
}

/// Returns how many columns of each line count towards the limit.
fn widths(language: Language, text: &str) -> Vec<usize> {
    match language {
        Language::Rust => rust_widths(text),
        Language::Markdown => markdown_widths(text),
        Language::Toml => text.lines().map(toml_width).collect(),
        Language::Sql => text.lines().map(|line| line.chars().count()).collect(),
    }
}

/// Tables, code blocks and the addresses of links do not count.
fn markdown_widths(text: &str) -> Vec<usize> {
    let mut in_code = false;
    let mut widths = Vec::new();
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        let counts = !in_code && !is_fence && !line.trim_start().starts_with('|');
        widths.push(if counts { prose_width(line) } else { 0 });
        in_code ^= is_fence;
    }
    widths
}

/// Returns the width of a line without the addresses in it, which cannot be broken.
fn prose_width(line: &str) -> usize {
    let mut width = 0;
    let mut rest = line;
    while let Some((before, link)) = rest.split_once("](") {
        width += before.chars().count() + 4;
        rest = link.split_once(')').map_or("", |(_, after)| after);
    }
    let words = rest.split(' ').filter(|word| !word.contains("://"));
    width
        + words
            .map(|word| word.chars().count() + 1)
            .sum::<usize>()
            .saturating_sub(1)
}

/// Returns the width of a line of TOML without the contents of its strings.
fn toml_width(line: &str) -> usize {
    if line.trim_start().starts_with('#') {
        return prose_width(line);
    }
    let outside = line.split('"').step_by(2);
    outside
        .map(|piece| piece.chars().count() + 2)
        .sum::<usize>()
        .saturating_sub(2)
}

/// Where a scan of Rust source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scan {
    Code,
    LineComment,
    /// Nested to this depth.
    BlockComment(usize),
    String,
    /// Ends at a quotation mark with this many `#` behind it.
    RawString(usize),
}

/// The contents of string literals do not count: rustfmt does not break them.
fn rust_widths(text: &str) -> Vec<usize> {
    let chars: Vec<char> = text.chars().collect();
    let starts_with = |at: usize, what: &str| {
        what.chars()
            .enumerate()
            .all(|(offset, char)| chars.get(at + offset) == Some(&char))
    };
    let mut scan = Scan::Code;
    let mut widths = Vec::new();
    let mut line = String::new();
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        if char == '\n' {
            widths.push(prose_width(&line));
            line.clear();
            if scan == Scan::LineComment {
                scan = Scan::Code;
            }
            at += 1;
            continue;
        }
        // How many characters are read at once, and whether they count.
        let (length, counts, next) = match scan {
            Scan::Code if starts_with(at, "//") => (2, true, Scan::LineComment),
            Scan::Code if starts_with(at, "/*") => (2, true, Scan::BlockComment(1)),
            Scan::Code if char == '"' => (1, true, Scan::String),
            Scan::Code if char == '\'' => (char_literal(&chars[at..]), true, scan),
            Scan::Code => match raw_string(&chars, at) {
                Some(hashes) => (hashes + 2, true, Scan::RawString(hashes)),
                None => (1, true, scan),
            },
            Scan::BlockComment(depth) if starts_with(at, "/*") => {
                (2, true, Scan::BlockComment(depth + 1))
            }
            Scan::BlockComment(1) if starts_with(at, "*/") => (2, true, Scan::Code),
            Scan::BlockComment(depth) if starts_with(at, "*/") => {
                (2, true, Scan::BlockComment(depth - 1))
            }
            Scan::LineComment | Scan::BlockComment(_) => (1, true, scan),
            Scan::String if char == '\\' && chars.get(at + 1) != Some(&'\n') => (2, false, scan),
            Scan::String if char == '"' => (1, true, Scan::Code),
            Scan::RawString(hashes) if starts_with(at, &format!("\"{}", "#".repeat(hashes))) => {
                (hashes + 1, true, Scan::Code)
            }
            Scan::String | Scan::RawString(_) => (1, false, scan),
        };
        if counts {
            line.extend(&chars[at..(at + length).min(chars.len())]);
        }
        scan = next;
        at += length;
    }
    if !line.is_empty() {
        widths.push(prose_width(&line));
    }
    widths
}

/// Returns the length of the character literal that begins here; 1 for a lifetime.
fn char_literal(chars: &[char]) -> usize {
    match chars {
        ['\'', '\\', escaped, rest @ ..] if *escaped != '\n' => {
            let closing = rest.iter().take(10).position(|char| *char == '\'');
            closing.map_or(1, |offset| offset + 4)
        }
        ['\'', char, '\'', ..] if *char != '\n' => 3,
        _ => 1,
    }
}

/// Returns the number of `#` of the raw string whose first character is at this position.
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let inside_word = at
        .checked_sub(1)
        .is_some_and(|before| chars[before].is_alphanumeric() && chars[before] != 'b');
    let rest = chars
        .get(at + 1..)
        .filter(|_| chars[at] == 'r' && !inside_word)?;
    let hashes = rest.iter().take_while(|char| **char == '#').count();
    (rest.get(hashes) == Some(&'"')).then_some(hashes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TABLE: &str = "\
# Guide

| pattern | write instead |
|---|---|
| `\\bforsooth\\b` | indeed |
| `\\bby (?:my\\|your) troth\\b` | nothing at all |
| `Behold ` | \"Returns\" |

| `\\bindeed\\b` | this is another table |
";

    fn lines(language: Language, text: &str) -> Vec<usize> {
        let mut lines: Vec<usize> = check_text(language, text, &word_list(TABLE).unwrap())
            .into_iter()
            .map(|(line, _)| line)
            .collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn the_word_list_of_the_guide_is_valid() {
        let guide = include_str!("../../docs/style.md");
        let words = word_list(guide).unwrap();
        assert!(words.len() > 10, "{words:?}");
        assert!(words.iter().all(|phrase| !phrase.instead.is_empty()));
    }

    #[test]
    fn a_guide_without_a_word_list_is_an_error() {
        assert!(word_list("# Guide").is_err());
        assert!(word_list(&format!("{HEADING}\n|---|---|\n")).is_err());
        assert!(word_list(&format!("{HEADING}\n|---|---|\n| `(` | x |\n")).is_err());
    }

    #[test]
    fn a_phrase_is_found_in_code_comments_and_strings_with_its_line_and_replacement() {
        let text = "/// Forsooth, it works.\nfn f() {\n    say(\"yes, forsooth\");\n}\n";
        let found = check_text(Language::Rust, text, &word_list(TABLE).unwrap());
        let expected = [
            (1, "\"Forsooth\"; write indeed".to_owned()),
            (3, "\"forsooth\"; write indeed".to_owned()),
        ];
        assert_eq!(found, expected);
        assert_eq!(lines(Language::Rust, "fn forsoothsayer() {}\n"), [0; 0]);
    }

    #[test]
    fn a_phrase_inside_an_identifier_is_found() {
        let found = "fn forsooth_it_works() {}\nstruct SoForsooth;\nconst BY_MY_TROTH: u8 = 1;\n";
        assert_eq!(lines(Language::Rust, found), [1, 2, 3]);
        assert_eq!(
            lines(Language::Rust, "_is_forsooth(HTTPForsooth);\n"),
            [1, 1]
        );
        let allowed = "fn forsoothsayer_of(by_my: u8, troth: u8) {}\nstruct Forsoothsayer;\n";
        assert_eq!(lines(Language::Rust, allowed), [0; 0]);
    }

    #[test]
    fn a_phrase_over_a_line_break_is_found_on_its_first_line() {
        assert_eq!(
            lines(Language::Rust, "    /// It is by\n    /// my troth.\n"),
            [1]
        );
        assert_eq!(lines(Language::Rust, "//! By your\n//! troth.\n"), [1]);
        assert_eq!(lines(Language::Toml, "# By\n# my troth.\n"), [1]);
        assert_eq!(
            lines(Language::Sql, "SELECT 1;\n-- By\n-- my troth.\n"),
            [2]
        );
        assert_eq!(lines(Language::Markdown, "By\nyour\ntroth\n"), [1]);
    }

    #[test]
    fn a_pattern_with_a_capital_letter_heeds_case() {
        assert_eq!(lines(Language::Rust, "/// Behold the sum.\n"), [1]);
        assert_eq!(
            lines(Language::Rust, "/// Those who behold the sum.\n"),
            [0; 0]
        );
    }

    #[test]
    fn a_long_line_of_code_or_comment_is_found_but_not_a_long_string() {
        let long = "x".repeat(101);
        assert_eq!(
            lines(Language::Rust, &format!("let a = 1;\n// {long}\n")),
            [2]
        );
        assert_eq!(lines(Language::Rust, &format!("let {long} = 1;\n")), [1]);
        for literal in [
            format!("\"{long}\""),
            format!("\"{long}\\\n     {long} \\\" {long}\""),
            format!("r#\"{long} \" {long}\"#"),
            format!("br\"{long}\""),
        ] {
            let text = format!("let a = {literal};\nlet b = 'a';\n");
            assert_eq!(lines(Language::Rust, &text), [0; 0], "{text}");
            let text = format!("let a = {literal};\nlet {long} = 1;\n");
            assert_eq!(lines(Language::Rust, &text).len(), 1, "{text}");
        }
    }

    #[test]
    fn characters_lifetimes_and_comments_do_not_begin_a_string() {
        let long = "x".repeat(101);
        for before in [
            "let a = '\"';",
            "let a = b'\\'';",
            "let a = '\\u{22}';",
            "fn a<'b>(c: &'b str) {}",
            "// a \" in a comment",
            "/* a \" in /* a */ \" comment */",
            "let for_r = r;",
        ] {
            let text = format!("{before}\nlet {long} = 1;\n");
            assert_eq!(lines(Language::Rust, &text), [2], "{text}");
        }
    }

    #[test]
    fn a_long_line_of_markdown_is_found_but_not_a_table_code_or_an_address() {
        let long = "word ".repeat(21);
        assert_eq!(lines(Language::Markdown, &long), [1]);
        assert_eq!(lines(Language::Markdown, &format!("| {long} |")), [0; 0]);
        let text = format!("```text\n{long}\n```\n{long}\n");
        assert_eq!(lines(Language::Markdown, &text), [4]);
        let address = format!("https://example.org/{}", "x".repeat(100));
        assert_eq!(
            lines(Language::Markdown, &format!("See {address} for it.")),
            [0; 0]
        );
        assert_eq!(
            lines(Language::Markdown, &format!("See [it]({address}).")),
            [0; 0]
        );
    }

    #[test]
    fn long_lines_of_toml_and_sql_are_found() {
        let long = "word ".repeat(21);
        assert_eq!(lines(Language::Toml, &format!("a = 1\n# {long}\n")), [2]);
        assert_eq!(lines(Language::Toml, &format!("a = \"{long}\"\n")), [0; 0]);
        assert_eq!(lines(Language::Sql, &format!("-- {long}\n")), [1]);
    }
}
