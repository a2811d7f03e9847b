//! Finds links in messages, and opens them with the program of the user's desktop, never through a
//! shell.

use std::io;
use std::ops::Range;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::text::{self, Format};

/// The program that opens a link.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};
const SCHEMES: [&str; 2] = ["https://", "http://"];

/// A link to the web, `http` or `https`, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// Returns the link as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Opens the link. The output of the program is discarded.
    pub fn open(&self) -> io::Result<()> {
        let mut opener = Command::new(OPENER);
        opener
            .arg(&self.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // A process group of its own, so that Ctrl-C in the chat does not stop the program.
        let mut child = opener.process_group(0).spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot run {OPENER}: {error}"))
        })?;
        std::thread::spawn(move || child.wait());
        Ok(())
    }
}

/// Returns the links in a message, in order.
pub fn find_urls(text: &str) -> Vec<Url> {
    let text = text::plain(text);
    find(&text)
        .into_iter()
        .map(|range| Url(text[range].to_owned()))
        .collect()
}

/// Splits formatted text where links begin and end. Each piece has the index of its link, as in
/// [`find_urls`].
pub fn split_at_links(pieces: Vec<(Format, String)>) -> Vec<(Format, Option<usize>, String)> {
    let whole: String = pieces.iter().map(|(_, piece)| piece.as_str()).collect();
    let found = find(&whole);
    if found.is_empty() {
        return pieces
            .into_iter()
            .map(|(format, piece)| (format, None, piece))
            .collect();
    }
    let mut cuts: Vec<usize> = found
        .iter()
        .flat_map(|range| [range.start, range.end])
        .collect();
    let mut at = 0;
    for (_, piece) in &pieces {
        at += piece.len();
        cuts.push(at);
    }
    cuts.sort_unstable();
    cuts.dedup();
    let mut split = Vec::new();
    let (mut start, mut cuts) = (0, cuts.into_iter().filter(|&cut| cut > 0).peekable());
    let mut end_of_piece = 0;
    for (format, piece) in &pieces {
        end_of_piece += piece.len();
        while let Some(end) = cuts.next_if(|&cut| cut <= end_of_piece) {
            let link = found.iter().position(|range| range.contains(&start));
            split.push((*format, link, whole[start..end].to_owned()));
            start = end;
        }
    }
    split
}

/// Returns the ranges of the links in text without formatting codes.
fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(colon) = text[from..].find("://").map(|at| from + at) {
        from = colon + "://".len();
        let begins = |scheme: &&str| {
            let name = scheme.len() - "://".len();
            colon >= name
                && text
                    .get(colon - name..from)
                    .is_some_and(|word| word.eq_ignore_ascii_case(scheme))
        };
        let Some(scheme) = SCHEMES.iter().find(|scheme| begins(scheme)) else {
            continue;
        };
        let start = from - scheme.len();
        if text[..start].ends_with(|before: char| before.is_alphanumeric()) {
            continue;
        }
        let ends = |char: char| char.is_whitespace() || matches!(char, '<' | '>' | '"' | '`');
        let end = text[from..]
            .find(ends)
            .map_or(text.len(), |length| from + length);
        let end = start + without_punctuation(&text[start..end]).len();
        if end > from {
            found.push(start..end);
            from = end;
        }
    }
    found
}

/// Removes punctuation at the end of a link, which usually belongs to the sentence around it. A
/// closing bracket stays if the link contains the opening one.
fn without_punctuation(link: &str) -> &str {
    // The closing brackets without an opening one; more are not removed.
    let unopened = |opening: char, closing: char| {
        let count = |bracket: char| link.chars().filter(|&char| char == bracket).count();
        count(closing).saturating_sub(count(opening))
    };
    let mut round = unopened('(', ')');
    let mut square = unopened('[', ']');
    let mut curly = unopened('{', '}');
    link.trim_end_matches(|last: char| {
        let unopened = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '…' | '”' | '’' | '»' => {
                return true;
            }
            ')' => &mut round,
            ']' => &mut square,
            '}' => &mut curly,
            _ => return false,
        };
        let is_unopened = *unopened > 0;
        *unopened = unopened.saturating_sub(1);
        is_unopened
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        find_urls(text).into_iter().map(|url| url.0).collect()
    }

    #[test]
    fn links_end_before_the_punctuation_of_the_sentence() {
        for (text, link) in [
            ("see https://a.example/x.", "https://a.example/x"),
            ("(http://a.example/x)", "http://a.example/x"),
            ("https://a.example/x_(y) there", "https://a.example/x_(y)"),
            (
                "<https://a.example/?q=1&r=%20#z>!",
                "https://a.example/?q=1&r=%20#z",
            ),
            ("HTTPS://A.example/…", "HTTPS://A.example/"),
            ("https://日本.example/é, and", "https://日本.example/é"),
            ("\u{2}https://a.\u{2}example\u{f}", "https://a.example"),
        ] {
            assert_eq!(found(text), [link], "{text:?}");
        }
        assert_eq!(
            found("http://a.example and https://b.example"),
            ["http://a.example", "https://b.example"]
        );
    }

    #[test]
    fn brackets_are_counted_once_however_many_follow_a_link() {
        // To count them for each one that is removed would take many minutes.
        let brackets = ")]}".repeat(100_000);
        assert_eq!(
            found(&format!("https://a.example/(x{brackets}")),
            ["https://a.example/(x)"]
        );
        assert_eq!(
            found(&format!("https://a.example/{brackets}")),
            ["https://a.example/"]
        );
    }

    #[test]
    fn only_web_links_are_found_without_control_characters() {
        for text in [
            "",
            "://",
            "https://",
            "http://.",
            "file:///etc/passwd",
            "javascript://x",
            "xhttp://a",
            "ahttps://b",
        ] {
            assert_eq!(found(text), [""; 0], "{text:?}");
        }
        assert_eq!(
            found("https://a.example/\u{1b}]52;c;x\u{7}\u{202e}z"),
            ["https://a.example/]52;c;xz"]
        );
        // It is one argument for the program, whatever it would mean to a shell.
        assert_eq!(found("http://a/$(reboot);x -y"), ["http://a/$(reboot);x"]);
    }

    #[test]
    fn every_piece_of_a_link_refers_to_it() {
        let plain = Format::default();
        let bold = Format {
            bold: true,
            ..plain
        };
        let pieces = split_at_links(text::formatted("a http://b.\u{2}c/d e http://f.g"));
        let piece = |format, link, text: &str| (format, link, text.to_owned());
        let wanted = [
            piece(plain, None, "a "),
            piece(plain, Some(0), "http://b."),
            piece(bold, Some(0), "c/d"),
            piece(bold, None, " e "),
            piece(bold, Some(1), "http://f.g"),
        ];
        assert_eq!(pieces, wanted);
        let whole = split_at_links(text::formatted("http://b.c"));
        assert_eq!(whole, [piece(plain, Some(0), "http://b.c")]);
    }
}
