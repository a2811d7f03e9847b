//! Colour, on a terminal unless `NO_COLOR` or `TERM=dumb` forbids it.

use std::env;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether standard output is coloured; `false` until [`detect`] is called.
static ON_STDOUT: AtomicBool = AtomicBool::new(false);

/// Determines once whether standard output is coloured.
pub fn detect() {
    ON_STDOUT.store(is_allowed() && io::stdout().is_terminal(), Relaxed);
}

fn is_allowed() -> bool {
    let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Returns the first code in text for standard output that [`bold`] or [`red`] writes, and its
/// offset.
pub fn first_code(text: &str) -> Option<(usize, &'static str)> {
    let codes = ["\u{1b}[1m", "\u{1b}[31m", "\u{1b}[0m"];
    let found = codes
        .into_iter()
        .filter_map(|code| Some((text.find(code)?, code)));
    found.min().filter(|_| is_on())
}

/// Returns whether standard output is coloured.
pub fn is_on() -> bool {
    ON_STDOUT.load(Relaxed)
}

/// Returns text in bold, for a heading on standard output.
pub fn bold(text: &str) -> String {
    styled(text, "1", is_on())
}

/// Returns text in red, for a refusal or failure on standard output.
pub fn red(text: &str) -> String {
    styled(text, "31", is_on())
}

/// Returns text in red, for standard error.
pub fn red_on_stderr(text: &str) -> String {
    styled(text, "31", is_allowed() && io::stderr().is_terminal())
}

fn styled(text: &str, code: &str, on: bool) -> String {
    if on {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_ends_with_its_text_and_is_left_out_without_a_terminal() {
        assert_eq!(styled("no", "31", true), "\u{1b}[31mno\u{1b}[0m");
        assert_eq!(styled("no", "31", false), "no");
        assert_eq!(red("no"), "no", "nothing is coloured before detection");
    }
}
