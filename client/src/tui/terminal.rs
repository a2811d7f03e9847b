//! The terminal: taken whole, and given back as it was, however the program ends.

use std::io::{self, Stdout, Write as _, stdout};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{
    self, DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture, Event,
};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use tokio::sync::mpsc;

use crate::config::Notify;
use crate::text;

/// The longest text of a notification.
const MAX_NOTIFICATION: usize = 200;
const BELL: &str = "\u{7}";

/// The terminal, as long as this lives.
pub struct Screen {
    /// To draw on.
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal. A panic gives it back before it is told.
    pub fn take() -> io::Result<Self> {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            tell(panic);
        }));
        enable_raw_mode()?;
        // From here on, an error gives back what was taken.
        let screen = execute!(
            stdout(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableFocusChange,
            EnableMouseCapture
        )
        .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match screen {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Also what was never taken: it does no harm. A terminal that is gone cannot be given back.
fn give_back() {
    let _ = execute!(
        stdout(),
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        ratatui::crossterm::cursor::Show
    );
    let _ = disable_raw_mode();
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
        text::plain(text).replace(';', ",").chars().take(MAX_NOTIFICATION).collect()
    };
    let (nick, words) = (clean(nick), clean(words));
    let asks = if ["linux", "screen", "tmux", "dumb"].iter().any(|other| term.starts_with(other)) {
        String::new()
    } else if vte || term.starts_with("foot") || term.starts_with("rxvt") {
        format!("\u{1b}]777;notify;{nick};{words}\u{1b}\\")
    } else {
        format!("\u{1b}]9;{nick}: {words}\u{1b}\\")
    };
    format!("{BELL}{asks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_holds_nothing_else_to_obey() {
        let evil = "a\u{1b}\\\u{7}\u{9c}b;c\n";
        assert_eq!(notification(evil, evil, "xterm-256color", false), "\u{7}\u{1b}]9;a\\b,c: a\\b,c\u{1b}\\");
        let told = notification("bob", &"x".repeat(1000), "foot", false);
        assert!(told.starts_with("\u{7}\u{1b}]777;notify;bob;xxx") && told.len() < 300, "{told:?}");
        assert_eq!(notification("bob", "hi", "tmux-256color", false), "\u{7}");
    }
}
