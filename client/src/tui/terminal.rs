//! What `rook` asks of the terminal besides drawing: input events, suspending, the clipboard, the
//! bell and notifications.

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

/// The longest text of a notification.
const MAX_NOTIFICATION: usize = 200;
/// How soon a program stops that is asked to.
const STOPS_WITHIN: Duration = Duration::from_millis(200);
/// The signal to go on after that.
pub const CONTINUED: i32 = rustix::process::Signal::CONT.as_raw();
const BELL: &str = "\u{7}";

/// Restores the terminal and has the shell stop this program, as it does with any program on
/// Ctrl-Z; returns once it continues and the screen is open again.
pub async fn suspend(screen: &mut Screen, continued: &mut Signal) -> io::Result<()> {
    screen.release();
    // The whole job, as the terminal itself would.
    kill_current_process_group(rustix::process::Signal::TSTP)?;
    // Stopped or not (a shell may have no job control), the program goes on after this.
    let _ = tokio::time::timeout(STOPS_WITHIN, continued.recv()).await;
    screen.reopen()
}

/// Keys and the like, as they come. A thread of its own waits for them.
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

/// Asks the terminal to put text where a paste takes it from (OSC 52).
pub fn copy(text: &str) -> io::Result<()> {
    stdout().write_all(format!("\u{1b}]52;c;{}\u{7}", BASE64.encode(text)).as_bytes())?;
    stdout().flush()
}

/// Rings the bell, and asks the terminal for a notification; or less, where less is wished.
pub fn notify(how: Notify, nick: &str, words: &str) -> io::Result<()> {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let sequence = match how {
        Notify::Terminal => notification(nick, words, &var("TERM"), !var("VTE_VERSION").is_empty()),
        Notify::Bell => BELL.to_owned(),
        Notify::Nothing => return Ok(()),
    };
    stdout().write_all(sequence.as_bytes())?;
    stdout().flush()
}

/// OSC 777 where that is understood, else OSC 9; nothing but the bell where neither is.
fn notification(nick: &str, words: &str, term: &str, vte: bool) -> String {
    let clean = |text: &str| -> String {
        text::plain(text)
            .replace(';', ",")
            .chars()
            .take(MAX_NOTIFICATION)
            .collect()
    };
    let (nick, words) = (clean(nick), clean(words));
    let asks = if ["linux", "screen", "tmux", "dumb"]
        .iter()
        .any(|other| term.starts_with(other))
    {
        String::new()
    } else if vte || term.starts_with("foot") || term.starts_with("rxvt") {
        format!("\u{1b}]777;notify;{nick};{words}\u{1b}\\")
    } else {
        format!("\u{1b}]9;{nick}: {words}\u{1b}\\")
    };
    format!("{BELL}{asks}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_holds_nothing_else_to_obey() {
        let evil = "a\u{1b}\\\u{7}\u{9c}b;c\n";
        assert_eq!(
            notification(evil, evil, "xterm-256color", false),
            "\u{7}\u{1b}]9;a\\b,c: a\\b,c\u{1b}\\"
        );
        let told = notification("bob", &"x".repeat(1000), "foot", false);
        assert!(
            told.starts_with("\u{7}\u{1b}]777;notify;bob;xxx") && told.len() < 300,
            "{told:?}"
        );
        assert_eq!(notification("bob", "hi", "tmux-256color", false), "\u{7}");
    }
}
