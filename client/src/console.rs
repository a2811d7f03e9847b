//! Standard input and error, and the signals that interrupt the program.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::text;

/// The longest line; longer ones are read in pieces.
const MAX_TYPED: u64 = 64 * 1024;

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

/// Reads lines from standard input, only as fast as they are requested.
pub struct StdinReader {
    lines: mpsc::Receiver<StdinEvent>,
    terminal: bool,
}

impl StdinReader {
    /// Starts to read in a thread of its own: a blocking read of standard input cannot be
    /// cancelled.
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

    /// Whether standard input is a terminal, with a person in front of it.
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
    // An input that cannot be read counts as ended.
    if !matches!(input.take(MAX_TYPED).read_until(b'\n', &mut line), Ok(1..)) {
        return StdinEvent::Eof;
    }
    match String::from_utf8(line) {
        Ok(line) => StdinEvent::Line(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(_) => StdinEvent::InvalidUtf8,
    }
}

/// The signals SIGINT, SIGTERM and SIGHUP.
pub struct Interrupt {
    asked: Signal,
    ordered: Signal,
    gone: Signal,
}

impl Interrupt {
    /// Starts to catch the signals.
    pub fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("cannot listen for Ctrl-C");
        Ok(Self {
            asked: catch(SignalKind::interrupt())?,
            ordered: catch(SignalKind::terminate())?,
            gone: catch(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.asked.recv() => {}
            _ = self.ordered.recv() => {}
            _ = self.gone.recv() => {}
        }
    }
}

/// Prints a notice to standard error, where it does not mix with the chat.
pub fn notice(text: &str) {
    for line in text.lines() {
        write_to_stderr(&format!("{}\n", text::plain(line)));
    }
}

/// Prints a question to standard error; the answer is the next line of standard input. On a
/// terminal, the answer's Enter ends the line.
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
    // If standard error is closed, nobody reads it.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
