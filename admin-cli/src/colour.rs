//! Colour, on a terminal unless `NO_COLOR` or `TERM=dumb` forbids it.

use std::env;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether standard output is coloured; `false` until [`detect`] is called.
static ON_STDOUT: AtomicBool = AtomicBool::new(false);

const BOLD: &str = "\u{1b}[1m";
const RED: &str = "\u{1b}[31m";
/// Ends a colour.
const END: &str = "\u{1b}[0m";
const CODES: [&str; 3] = [BOLD, RED, END];

/// Determines once whether standard output is coloured.
pub fn detect() {
    ON_STDOUT.store(is_allowed() && io::stdout().is_terminal(), Relaxed);
}

fn is_allowed() -> bool {
    let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Splits text for standard output where [`bold`] or [`red`] begins or ends: returns each piece
/// with the code of its colour, which is empty if it has none.
pub fn pieces(text: &str) -> impl Iterator<Item = (&'static str, &str)> {
    let mut rest = Some(text);
    let mut code = "";
    std::iter::from_fn(move || {
        let text = rest?;
        let found = CODES
            .into_iter()
            .filter_map(|code| Some((text.find(code)?, code)))
            .min()
            .filter(|_| is_on());
        let Some((at, next)) = found else {
            rest = None;
            return Some((code, text));
        };
        rest = Some(&text[at + next.len()..]);
        let current = std::mem::replace(&mut code, if next == END { "" } else { next });
        Some((current, &text[..at]))
    })
}

/// Returns text in the colour of a code of [`pieces`].
pub fn coloured(text: &str, code: &str) -> String {
    if code.is_empty() {
        text.to_owned()
    } else {
        format!("{code}{text}{END}")
    }
}

/// Returns whether standard output is coloured.
pub fn is_on() -> bool {
    ON_STDOUT.load(Relaxed)
}

/// Returns text in bold, for a heading on standard output.
pub fn bold(text: &str) -> String {
    styled(text, BOLD, is_on())
}

/// Returns text in red, for a refusal or failure on standard output.
pub fn red(text: &str) -> String {
    styled(text, RED, is_on())
}

/// Returns text in red, for standard error.
pub fn red_on_stderr(text: &str) -> String {
    styled(text, RED, is_allowed() && io::stderr().is_terminal())
}

fn styled(text: &str, code: &str, on: bool) -> String {
    coloured(text, if on { code } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_ends_with_its_text_and_is_left_out_without_a_terminal() {
        assert_eq!(styled("no", RED, true), "\u{1b}[31mno\u{1b}[0m");
        assert_eq!(styled("no", RED, false), "no");
        assert_eq!(red("no"), "no", "nothing is coloured before detection");
    }
}
