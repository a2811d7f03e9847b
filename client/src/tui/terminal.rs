//! The terminal apart from drawing: input events, suspending, the clipboard, the bell and
//! notifications.

use std::io::{self, Write as _, stdout};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use ratatui::crossterm::event::{self, Event};
use rookery_terminal::Screen;
use rustix::process::kill_current_process_group;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;

use crate::config::Notify;
use crate::text;

/// The longest text of a notification, in characters.
const MAX_NOTIFICATION: usize = 200;
/// The time within which the process is stopped after SIGTSTP.
const STOP_TIMEOUT: Duration = Duration::from_millis(200);
/// The signal with which a stopped process continues.
pub const CONTINUED: i32 = rustix::process::Signal::CONT.as_raw();
const BELL: &str = "\u{7}";

/// Restores the terminal and stops the process, as Ctrl-Z does with other programs. Once the
/// process continues, opens the screen again and returns.
pub async fn suspend(screen: &mut Screen, continued: &mut Signal) -> io::Result<()> {
    screen.release();
    // The terminal would stop the whole process group too.
    kill_current_process_group(rustix::process::Signal::TSTP)?;
    // The shell may have no job control, so that the process is not stopped: then it continues
    // after the timeout.
    let _ = tokio::time::timeout(STOP_TIMEOUT, continued.recv()).await;
    screen.reopen()
}

/// Returns the input events of the terminal. Starts a thread that waits for them.
pub fn events() -> mpsc::UnboundedReceiver<Event> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Copies text to the clipboard, by asking the terminal to do so (OSC 52).
pub fn copy(text: &str) -> io::Result<()> {
    stdout().write_all(format!("\u{1b}]52;c;{}\u{7}", BASE64.encode(text)).as_bytes())?;
    stdout().flush()
}

/// Rings the bell and asks the terminal for a notification, as far as `notify` allows.
pub fn notify(notify: Notify, nick: &str, message: &str) -> io::Result<()> {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let sequence = match notify {
        Notify::Terminal => {
            notification(nick, message, &var("TERM"), !var("VTE_VERSION").is_empty())
        }
        Notify::Bell => BELL.to_owned(),
        Notify::Nothing => return Ok(()),
    };
    stdout().write_all(sequence.as_bytes())?;
    stdout().flush()
}

/// Returns the bell and the escape sequence of a notification: OSC 777 where the terminal supports
/// it, else OSC 9; none for terminals that would show the sequence as text.
fn notification(nick: &str, message: &str, term: &str, is_vte: bool) -> String {
    let clean = |text: &str| -> String {
        text::plain(text)
            .replace(';', ",")
            .chars()
            .take(MAX_NOTIFICATION)
            .collect()
    };
    let (nick, message) = (clean(nick), clean(message));
    let sequence = if ["linux", "screen", "tmux", "dumb"]
        .iter()
        .any(|unsupported| term.starts_with(unsupported))
    {
        String::new()
    } else if is_vte || term.starts_with("foot") || term.starts_with("rxvt") {
        format!("\u{1b}]777;notify;{nick};{message}\u{1b}\\")
    } else {
        format!("\u{1b}]9;{nick}: {message}\u{1b}\\")
    };
    format!("{BELL}{sequence}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_contains_no_other_escape_sequence() {
        let evil = "a\u{1b}\\\u{7}\u{9c}b;c\n";
        assert_eq!(
            notification(evil, evil, "xterm-256color", false),
            "\u{7}\u{1b}]9;a\\b,c : a\\b,c \u{1b}\\"
        );
        let sequence = notification("bob", &"x".repeat(1000), "foot", false);
        assert!(
            sequence.starts_with("\u{7}\u{1b}]777;notify;bob;xxx") && sequence.len() < 300,
            "{sequence:?}"
        );
        assert_eq!(notification("bob", "hi", "tmux-256color", false), "\u{7}");
    }
}
