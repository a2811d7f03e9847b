//! Output: counts and times for people, JSON for scripts. Everything that the program
//! prints goes through this module, which makes it safe for the terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{process, thread};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rookery_control_api::KickReply;
pub use rookery_control_api::count;
use rookery_terminal::{
    compact, hanging, hanging_pieces, printable_json, printable_lines, stderr_width, stdout_width,
};

use crate::colour;
use crate::failure::{Failure, while_doing};

/// Whether standard output is a terminal, whose width limits what is printed.
static ON_TERMINAL: AtomicBool = AtomicBool::new(false);

/// Finds out whether standard output is a terminal. Until then, it counts as none.
pub fn detect_terminal() {
    ON_TERMINAL.store(io::stdout().is_terminal(), Ordering::Relaxed);
}

/// Whether standard output is a terminal, which may not report its width.
fn is_on_terminal() -> bool {
    ON_TERMINAL.load(Ordering::Relaxed)
}

/// Returns the width of the terminal, in columns; `None` if standard output is none, or if the
/// terminal does not report its width.
pub fn terminal_width() -> Option<usize> {
    is_on_terminal().then(stdout_width).flatten()
}

/// Returns text in one line that is safe for the terminal. There, each run of white space is one
/// space, so that text which users choose stays where it is printed.
pub fn printable(text: &str) -> String {
    let text = rookery_terminal::printable(text);
    if is_on_terminal() {
        compact(&text)
    } else {
        text
    }
}

/// Prints text and a line end to standard output. It is no error if the reader has stopped reading.
pub fn print(text: &str) -> Result<(), Failure> {
    print_line(text).map(drop)
}

/// Prints text of endless output. Returns whether something still reads it.
pub fn print_line(text: &str) -> Result<bool, Failure> {
    write(&format!("{}\n", lines(text, terminal_width())))
}

/// Prints a JSON document and a line end to standard output.
pub fn print_json(json: &str) -> Result<(), Failure> {
    print_json_line(json).map(drop)
}

/// Prints a JSON document of endless output. Returns whether something still reads it.
pub fn print_json_line(json: &str) -> Result<bool, Failure> {
    write(&format!("{}\n", printable_json(json.trim_end())))
}

/// Ends the program as soon as nothing reads its endless output any longer, even while there is
/// nothing to print.
pub fn exit_once_unread() {
    if !io::stdout().is_terminal() {
        thread::spawn(|| {
            rookery_terminal::wait_until_output_is_closed();
            process::exit(0);
        });
    }
}

/// Prints the content of a file to standard output: unchanged, except on a terminal.
pub fn print_file(content: &str) -> Result<(), Failure> {
    write(&file(content, is_on_terminal(), terminal_width())).map(drop)
}

fn file(content: &str, is_on_terminal: bool, width: Option<usize>) -> Cow<'_, str> {
    if is_on_terminal {
        hanging(&printable_lines(content), width).into()
    } else {
        content.into()
    }
}

/// Prints text and a line end to standard error, apart from the results on standard output.
pub fn notice(text: &str) {
    // If standard error cannot be written, nothing can be reported.
    let text = hanging(&printable_lines(text), stderr_width());
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints a line to standard error that may be copied, so that only the terminal wraps it.
pub fn notice_to_copy(line: &str) {
    // If standard error cannot be written, nothing can be reported.
    let _ = writeln!(io::stderr(), "{}", printable(line));
}

/// The name of the program, before a failure that it reports.
const NAME: &str = "admin-cli:";

/// Reports a failure to standard error.
pub fn report(failure: &Failure) {
    let text = printable_lines(&format!("{NAME} {failure}"));
    let text = hanging(&text, stderr_width());
    let shown = text.replacen(NAME, &colour::red_on_stderr(NAME), 1);
    let _ = writeln!(io::stderr(), "{shown}");
}

/// Writes text as it is. Returns whether something still reads it.
fn write(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(while_doing("cannot write standard output")(error)),
    }
}

/// Makes text safe for the terminal, except for the colours that this program writes, and wraps its
/// lines if the terminal has a width.
fn lines(text: &str, width: Option<usize>) -> String {
    let lines = text.split('\n').map(|line| {
        let pieces = colour::pieces(line).map(|(code, text)| (code, printable_lines(text)));
        let pieces: Vec<(&str, String)> = pieces.collect();
        let rows = match width {
            Some(width) => hanging_pieces(&pieces, width),
            None => vec![pieces],
        };
        let row = |row: Vec<(&str, String)>| -> String {
            let pieces = row.iter().map(|(code, text)| colour::coloured(text, code));
            pieces.collect()
        };
        rows.into_iter().map(row).collect::<Vec<_>>().join("\n")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Prints the server's problem document, if there is one, for scripts that use `--json`.
pub fn print_document(failure: &Failure) {
    if let Some(document) = failure.document() {
        // If this fails too, the exit code still reports the failure.
        let _ = print_json(document);
    }
}

/// Replaces the content of the screen by `text`. The old content is overwritten, not cleared, so
/// that nothing flickers.
pub fn redraw(text: &str) -> Result<(), Failure> {
    // Cursor to the top left; clear the rest of each line, and after the last line the rest of the
    // screen.
    let text = lines(text, terminal_width()).replace('\n', "\u{1b}[K\n");
    write(&format!("\u{1b}[H{text}\u{1b}[K\n\u{1b}[J")).map(drop)
}

/// The time and time zone in which times are shown.
pub struct Clock {
    pub now: Timestamp,
    pub zone: TimeZone,
}

impl Clock {
    /// Returns the system's current time and time zone.
    pub fn system() -> Self {
        Self {
            now: Timestamp::now(),
            zone: TimeZone::system(),
        }
    }

    /// Returns the local time and its distance from now: `2026-11-22 10:08:15 (5m ago)`.
    pub fn time(&self, at: Timestamp) -> String {
        format!("{} ({})", self.date_and_time(at), self.distance(at))
    }

    /// Returns the local time: `2026-11-22 10:08:15`.
    pub fn date_and_time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string()
    }

    /// Returns the local time of day: `10:08:15`.
    pub fn time_of_day(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%H:%M:%S")
            .to_string()
    }

    /// Returns the distance from now in the largest unit that fits: `5m ago` or `in 5m`. A time in
    /// the future is rounded to the nearest unit, so that a new ban for seven days ends `in 7d`.
    pub fn distance(&self, at: Timestamp) -> String {
        let seconds = self.now.duration_since(at).as_secs();
        let whole = |unit: u64| {
            if seconds < 0 {
                (seconds.unsigned_abs() + unit / 2) / unit
            } else {
                seconds.unsigned_abs() / unit
            }
        };
        let length = match seconds.unsigned_abs() {
            0..60 => format!("{}s", whole(1)),
            60..3_600 => format!("{}m", whole(60)),
            3_600..86_400 => format!("{}h", whole(3_600)),
            _ => format!("{}d", whole(86_400)),
        };
        if seconds < 0 {
            format!("in {length}")
        } else {
            format!("{length} ago")
        }
    }

    /// Returns the time that has passed since then: `5m`.
    pub fn elapsed(&self, since: Timestamp) -> String {
        self.distance(since).trim_end_matches(" ago").to_owned()
    }
}

/// Returns whose sessions a kick or ban has ended, up to the end of the sentence.
pub fn ended_sessions(reply: &KickReply) -> String {
    match reply.sessions {
        0 => "no sessions were online.".to_owned(),
        sessions => format!(
            "{} of {} ended.",
            count(sessions, "session", "sessions"),
            reply.users.join(", ")
        ),
    }
}

/// Appends a note of the server, if there is one.
pub fn with_note(text: String, note: Option<&str>) -> String {
    match note {
        None => text,
        Some(note) => format!("{text} {note}"),
    }
}

/// Says how to ask for the next page. Names that a shell could carry out are not shown so that they
/// can be copied: anyone can choose their own. Neither are names that are not shown as they are.
pub fn for_more(after: &str) -> String {
    let is_harmless = |char: char| char.is_alphanumeric() || "_-.@:".contains(char);
    if after.chars().all(is_harmless) && printable(after) == after {
        format!("for more, --after {after}")
    } else {
        "for more, --after the last name (quoted, in a system shell)".to_owned()
    }
}

/// Appends how to ask for the next page, if there is one.
pub fn with_next(page: String, next: Option<&impl ToString>) -> String {
    match next {
        None => page,
        Some(next) => format!("{page}; {}", for_more(&next.to_string())),
    }
}

/// Returns names and values, one pair per line.
pub fn facts<const N: usize>(facts: [(&str, String); N]) -> String {
    facts
        .map(|(name, value)| {
            let name = colour::bold(&format!("{name:<13}"));
            format!("{name}{}", printable(&value))
        })
        .join("\n")
}

/// Returns a size in the largest binary unit that fits: `1.5 KiB`.
pub fn bytes(bytes: u64) -> String {
    let in_unit = |shift: u32, unit: &str| {
        let tenths = (u128::from(bytes) * 10) >> shift;
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => in_unit(10, "KiB"),
        0x10_0000..0x4000_0000 => in_unit(20, "MiB"),
        _ => in_unit(30, "GiB"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod tests {
    use jiff::SignedDuration;

    use super::*;

    /// Returns a clock that stands still.
    pub fn clock() -> Clock {
        Clock {
            now: "2026-11-22T10:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        }
    }

    /// Returns the time so many seconds before that of [`clock`].
    pub fn ago(seconds: i64) -> Timestamp {
        clock().now - SignedDuration::from_secs(seconds)
    }

    #[test]
    fn a_line_that_is_too_long_for_the_terminal_continues_with_an_indent() {
        let forged = format!("  1: ::1, eve{}  2: 192.0.2.1, eve", " ".repeat(26));
        let shown = lines(&format!("Nick eve\n{forged}"), Some(40));
        let shown: Vec<&str> = shown.lines().collect();
        assert_eq!(shown[0], "Nick eve");
        assert!(shown[1].starts_with("  1: ::1, eve"), "{shown:?}");
        assert!(
            shown[2..].iter().all(|line| line.starts_with("     ")),
            "{shown:?}"
        );
        assert_eq!(
            lines(&forged, None),
            forged,
            "a pipe gets lines as they are"
        );
    }

    #[test]
    fn a_file_is_safe_for_any_terminal_and_unchanged_elsewhere() {
        let content = "reason\nspam\u{202e}maps\n";
        let safe = "reason\nspam\u{fffd}maps\n";
        assert_eq!(file(content, true, Some(40)), safe);
        assert_eq!(file(content, true, None), safe, "a terminal without width");
        assert_eq!(file(content, false, None), content);
    }

    #[test]
    fn distances_are_shown_in_one_unit() {
        let shown: Vec<String> = [
            0, 59, 60, 3_599, 3_600, 86_399, 86_400, 8_640_000, -30, -119, -604_799,
        ]
        .map(|seconds| clock().distance(ago(seconds)))
        .into();
        assert_eq!(
            shown,
            [
                "0s ago", "59s ago", "1m ago", "59m ago", "1h ago", "23h ago", "1d ago",
                "100d ago", "in 30s", "in 2m", "in 7d"
            ]
        );
    }
}
