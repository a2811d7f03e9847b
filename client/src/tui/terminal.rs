//! The terminal: taken whole, and given back as it was, however the program ends.

use std::io::{self, Stdout, Write as _, stdout};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
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
        // From here on, an error gives back what was taken.
        let screen = take().and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match screen {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Gives the terminal back and has the shell stop us, as it does with any program on Ctrl-Z;
    /// goes on when it lets us.
    pub async fn suspend(&mut self, continued: &mut Signal) -> io::Result<()> {
        give_back();
        // All of the job, as the terminal would.
        kill_current_process_group(rustix::process::Signal::TSTP)?;
        // Stopped or not (a shell may have no job control), time goes on after this.
        let _ = tokio::time::timeout(STOPS_WITHIN, continued.recv()).await;
        self.take_again()
    }

    /// Takes the terminal again, as someone else may have left it.
    pub fn take_again(&mut self) -> io::Result<()> {
        // Else it is thought to be raw already.
        disable_raw_mode()?;
        take()?;
        self.forget()
    }

    /// Nothing of what is drawn is relied upon any more.
    pub fn forget(&mut self) -> io::Result<()> {
        // `clear` would ask the terminal where the cursor is, and the answer is among the keys.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(
        stdout(),
        EnterAlternateScreen,
        EnableBracketedPaste,
        EnableFocusChange,
        EnableMouseCapture
    )
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

    /// Not a test of its own: [`a_panic_gives_the_terminal_back`] runs it, on a terminal.
    const ON_A_TERMINAL: &str = "ROOK_TEST_ON_A_TERMINAL";

    #[test]
    fn a_panic_gives_the_terminal_back() {
        use std::io::Read as _;
        use std::process::Command;

        use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
        use rustix::termios::{LocalModes, tcgetattr};

        if std::env::var_os(ON_A_TERMINAL).is_some() {
            let _screen = Screen::take().unwrap();
            panic!("as it may happen");
        }
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let ours = openpt(flags).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let theirs = ioctl_tiocgptpeer(&ours, flags).unwrap();
        let end = || theirs.try_clone().unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "tui::terminal::tests::a_panic_gives_the_terminal_back",
            ])
            .env(ON_A_TERMINAL, "yes")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .status()
            .unwrap();
        assert!(!status.success());
        let modes = tcgetattr(&theirs).unwrap().local_modes;
        assert!(
            modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG),
            "{modes:?}"
        );
        drop(theirs);
        let mut written = Vec::new();
        // A terminal that nobody holds any more ends with an error.
        let _ = std::fs::File::from(ours).read_to_end(&mut written);
        let written = String::from_utf8_lossy(&written);
        let at = |part: &str| {
            written
                .find(part)
                .unwrap_or_else(|| panic!("no {part:?} in {written:?}"))
        };
        assert!(
            at("\u{1b}[?1049h") < at("\u{1b}[?1049l"),
            "the second screen is left"
        );
        for off in [
            "\u{1b}[?2004l",
            "\u{1b}[?1004l",
            "\u{1b}[?1000l",
            "\u{1b}[?25h",
        ] {
            assert!(
                at(off) < at("as it may happen"),
                "the panic is told on a terminal that is as it was"
            );
        }
    }
}
