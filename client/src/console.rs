//! Standard input, standard error, and the signals that interrupt the program.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use anyhow::Context as _;
use rookery_terminal::{hanging, stderr_width};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::text;

/// The longest line in bytes; longer ones are read in pieces.
const MAX_LINE: u64 = 64 * 1024;

/// What was read from standard input.
#[derive(Debug, PartialEq, Eq)]
pub enum StdinEvent {
    /// A line without its line break.
    Line(String),
    /// A line that is not UTF-8.
    InvalidUtf8,
    /// The end of the input.
    Eof,
}

impl StdinEvent {
    /// Whether it is the answer `yes` to a question.
    pub fn is_yes(&self) -> bool {
        matches!(self, Self::Line(line) if line.trim().eq_ignore_ascii_case("yes"))
    }
}

/// Reads lines from standard input, only as fast as they are requested.
pub struct StdinReader {
    lines: mpsc::Receiver<StdinEvent>,
    terminal: bool,
}

impl StdinReader {
    /// Starts a thread that reads, since a blocking read of standard input cannot be cancelled.
    pub fn start() -> Self {
        let (sender, lines) = mpsc::channel(1);
        std::thread::spawn(move || {
            let mut input = std::io::stdin().lock();
            loop {
                let read = read_line(&mut input);
                if read == StdinEvent::Eof || sender.blocking_send(read).is_err() {
                    return;
                }
            }
        });
        Self {
            lines,
            terminal: std::io::stdin().is_terminal(),
        }
    }

    /// Whether standard input is a terminal, so that a person can answer questions.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Waits for the next line.
    pub async fn next(&mut self) -> StdinEvent {
        self.lines.recv().await.unwrap_or(StdinEvent::Eof)
    }
}

fn read_line(input: &mut std::io::StdinLock<'_>) -> StdinEvent {
    let mut line = Vec::new();
    // A read error counts as the end of the input.
    if !matches!(input.take(MAX_LINE).read_until(b'\n', &mut line), Ok(1..)) {
        return StdinEvent::Eof;
    }
    match String::from_utf8(line) {
        Ok(line) => StdinEvent::Line(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(_) => StdinEvent::InvalidUtf8,
    }
}

/// Returns a channel on which a message arrives once nothing can read standard output.
pub fn output_closed() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        rookery_terminal::wait_until_output_is_closed();
        // The receiver may be gone, at the end of the program.
        let _ = sender.blocking_send(());
    });
    receiver
}

/// The signals SIGINT, SIGTERM and SIGHUP.
pub struct Interrupt {
    sigint: Signal,
    sigterm: Signal,
    sighup: Signal,
}

impl Interrupt {
    /// Starts to catch the signals.
    pub fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        Ok(Self {
            sigint: catch(SignalKind::interrupt())?,
            sigterm: catch(SignalKind::terminate())?,
            sighup: catch(SignalKind::hangup())?,
        })
    }

    /// Waits for one of the signals.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.sigint.recv() => {}
            _ = self.sigterm.recv() => {}
            _ = self.sighup.recv() => {}
        }
    }
}

/// Prints a notice to standard error, apart from the chat on standard output.
pub fn notice(text: &str) {
    for line in text.lines() {
        let line = hanging(&text::plain(line), stderr_width());
        write_to_stderr(&format!("{line}\n"));
    }
}

/// Prints a question to standard error; the answer is the next line of standard input. On a
/// terminal no line break follows, since the user answers on the same line.
pub fn prompt(question: &str) {
    let end = if std::io::stdin().is_terminal() {
        ' '
    } else {
        '\n'
    };
    write_to_stderr(&format!("{}{end}", text::plain(question)));
}

fn write_to_stderr(text: &str) {
    let mut out = std::io::stderr().lock();
    // Nothing can be reported if standard error itself fails.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
