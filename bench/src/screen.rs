//! A program in a pseudo-terminal, with the time at which it drew each piece of output.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long to wait for output before the measurement fails.
const DEADLINE: Duration = Duration::from_mins(2);

/// A running program and its terminal.
pub struct Screen {
    child: Child,
    keys: File,
    drawn: Receiver<(Instant, Vec<u8>)>,
    /// The end of the output, to find text that is split between two reads.
    last: Vec<u8>,
}

impl Screen {
    /// Starts a program in a terminal of this size.
    pub fn start(command: &mut Command, columns: u16, rows: u16) -> Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let ours = openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        tcsetwinsize(
            &ours,
            Winsize {
                ws_col: columns,
                ws_row: rows,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )?;
        let theirs = ioctl_tiocgptpeer(&ours, flags)?;
        command
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .env_remove("NO_COLOR");
        command
            .stdin(theirs.try_clone()?)
            .stdout(theirs.try_clone()?)
            .stderr(theirs);
        let child = command.spawn()?;
        let keys = File::from(ours);
        let mut output = keys.try_clone()?;
        let (sender, drawn) = channel();
        // The thread ends with the program, which closes its side of the terminal.
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if sender
                    .send((Instant::now(), buffer[..length].to_vec()))
                    .is_err()
                {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            keys,
            drawn,
            last: Vec::new(),
        })
    }

    /// Returns the process number of the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        Ok(self.keys.write_all(keys.as_bytes())?)
    }

    /// Waits until `part` is drawn, and returns the time at which it was.
    pub fn expect(&mut self, part: &str) -> Result<Instant> {
        let until = Instant::now() + DEADLINE;
        let part = part.as_bytes();
        loop {
            let Ok((at, bytes)) = self
                .drawn
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            else {
                bail!(
                    "{:?} was not drawn; the last output is {:?}",
                    String::from_utf8_lossy(part),
                    String::from_utf8_lossy(&self.last)
                );
            };
            self.last.extend(bytes);
            let found = self.last.windows(part.len()).any(|window| window == part);
            let keep = if found { 0 } else { self.last.len().min(4096) };
            self.last.drain(..self.last.len() - keep);
            if found {
                return Ok(at);
            }
        }
    }

    /// Waits until nothing has been drawn for `silence`.
    pub fn settle(&mut self, silence: Duration) {
        while let Ok(_) | Err(RecvTimeoutError::Disconnected) = self.drawn.recv_timeout(silence) {}
        self.last.clear();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
