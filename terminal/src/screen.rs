//! The terminal in full-screen mode.

use std::io::{self, Stdout, stdout};

use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture,
};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Size;
use ratatui::{Frame, Terminal};

use crate::joined::{JoinedBackend, JoinedGraphemes};

/// Which input a program wants from the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Key presses only.
    Keys,
    /// Key presses, pasted text and focus changes. The terminal selects text with the mouse.
    WithoutMouse,
    /// Key presses, pasted text, focus changes and the mouse.
    All,
}

/// The terminal in full-screen mode: raw, on the alternate screen. Dropping it restores the
/// terminal; so does a panic, before its message is printed.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<JoinedBackend<Stdout>>,
    joined: JoinedGraphemes,
    capture: Capture,
}

impl Screen {
    /// Switches the terminal to full-screen mode.
    ///
    /// # Errors
    ///
    /// If standard output is not a terminal or cannot be written. Whatever was changed until then
    /// is restored.
    pub fn open(capture: Capture) -> io::Result<Self> {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            report(panic);
        }));
        let opened = enter(capture).and_then(|()| Terminal::new(JoinedBackend::new(stdout())));
        match opened {
            Ok(terminal) => Ok(Self {
                terminal,
                joined: JoinedGraphemes::default(),
                capture,
            }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Draws a frame.
    ///
    /// # Errors
    ///
    /// If the terminal cannot be written.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(|frame| {
            render(frame);
            self.joined.protect(frame.buffer_mut());
        })?;
        Ok(())
    }

    /// Returns the size of the terminal.
    ///
    /// # Errors
    ///
    /// If the terminal does not report it.
    pub fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    /// Restores the terminal for as long as another program uses it, until [`Screen::reopen`].
    pub fn release(&mut self) {
        restore();
    }

    /// Switches the terminal to full-screen mode again, in whatever mode another program left it.
    pub fn reopen(&mut self) -> io::Result<()> {
        // Otherwise crossterm believes that raw mode is still on.
        disable_raw_mode()?;
        enter(self.capture)?;
        self.invalidate()
    }

    /// Has the next frame drawn in full, because the terminal may no longer show the last one.
    pub fn invalidate(&mut self) -> io::Result<()> {
        // `clear` would ask the terminal for the cursor position, and the reply arrives among the
        // keys.
        let size = self.terminal.size()?;
        self.joined = JoinedGraphemes::default();
        self.terminal.resize(size.into())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn enter(capture: Capture) -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen)?;
    if capture != Capture::Keys {
        execute!(stdout(), EnableBracketedPaste, EnableFocusChange)?;
    }
    if capture == Capture::All {
        execute!(stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// Restores the terminal. Switching off what was never on does no harm, and there is nothing to
/// restore on a terminal that has disappeared.
fn restore() {
    let _ = execute!(
        stdout(),
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Set in the child process of the test below, which runs on a pseudo-terminal.
    const CHILD: &str = "ROOKERY_TERMINAL_TEST_CHILD";

    #[test]
    fn a_panic_restores_the_terminal_before_it_is_reported() {
        use std::io::Read as _;
        use std::process::Command;

        use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
        use rustix::termios::{LocalModes, tcgetattr};

        if std::env::var_os(CHILD).is_some() {
            let _screen = Screen::open(Capture::All).unwrap();
            panic!("an expected panic");
        }
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let controller = openpt(flags).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let terminal = ioctl_tiocgptpeer(&controller, flags).unwrap();
        let end = || terminal.try_clone().unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "screen::tests::a_panic_restores_the_terminal_before_it_is_reported",
            ])
            .env(CHILD, "yes")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .status()
            .unwrap();
        assert!(!status.success());
        let modes = tcgetattr(&terminal).unwrap().local_modes;
        assert!(
            modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG),
            "{modes:?}"
        );
        drop(terminal);
        let mut written = Vec::new();
        // Reading from a terminal that nothing holds open ends with an error.
        let _ = std::fs::File::from(controller).read_to_end(&mut written);
        let written = String::from_utf8_lossy(&written);
        let at = |part: &str| {
            written
                .find(part)
                .unwrap_or_else(|| panic!("no {part:?} in {written:?}"))
        };
        assert!(
            at("\u{1b}[?1049h") < at("\u{1b}[?1049l"),
            "the alternate screen is left"
        );
        for off in [
            "\u{1b}[?1049l",
            "\u{1b}[?2004l",
            "\u{1b}[?1004l",
            "\u{1b}[?1000l",
            "\u{1b}[?25h",
        ] {
            assert!(
                at(off) < at("an expected panic"),
                "{off:?} before the panic is reported"
            );
        }
    }
}
