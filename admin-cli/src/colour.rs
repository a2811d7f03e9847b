//! Colour, where there is a terminal to show it and nobody has said no (`NO_COLOR`).

use std::env;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether what goes to standard output is coloured; not before [`decide`] was asked.
static OUTPUT: AtomicBool = AtomicBool::new(false);

/// Looks once what standard output is.
pub fn decide() {
    OUTPUT.store(is_wanted() && io::stdout().is_terminal(), Relaxed);
}

/// Whether anybody has said no.
fn is_wanted() -> bool {
    let says_no = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !says_no && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Whether there is colour on standard output.
pub fn is_on() -> bool {
    OUTPUT.load(Relaxed)
}

/// A heading on standard output.
pub fn bold(text: &str) -> String {
    painted(text, "1", is_on())
}

/// What should be noticed on standard output: a refusal, something that fails.
pub fn red(text: &str) -> String {
    painted(text, "31", is_on())
}

/// What should be noticed on standard error.
pub fn red_error(text: &str) -> String {
    painted(text, "31", is_wanted() && io::stderr().is_terminal())
}

fn painted(text: &str, code: &str, on: bool) -> String {
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
    fn paint_ends_where_it_should_and_is_not_there_where_nobody_sees_it() {
        assert_eq!(painted("no", "31", true), "\u{1b}[31mno\u{1b}[0m");
        assert_eq!(painted("no", "31", false), "no");
        assert_eq!(red("no"), "no", "nothing is coloured before it was decided");
    }
}
