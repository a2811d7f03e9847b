//! The person, or the script, at the stdin: lines from standard input, and the wish to stop.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::text;

/// A longer line is taken in pieces.
const MAX_TYPED: u64 = 64 * 1024;

/// What came from standard input.
#[derive(Debug, PartialEq, Eq)]
pub enum StdinEvent {
    /// A line without its end.
    Line(String),
    /// A line that is not UTF-8.
    InvalidUtf8,
    /// There will be no more.
    Eof,
}

/// Standard input, read no faster than it is asked for.
pub struct StdinReader {
    lines: mpsc::Receiver<StdinEvent>,
    terminal: bool,
}

impl StdinReader {
    /// Starts to read. A thread of its own does it: nothing else can wait for standard input and
    /// still be interrupted.
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

    /// Whether a person is likely to sit there.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The next line.
    pub async fn next(&mut self) -> StdinEvent {
        self.lines.recv().await.unwrap_or(StdinEvent::Eof)
    }
}

fn read_line(input: &mut std::io::StdinLock<'_>) -> StdinEvent {
    let mut line = Vec::new();
    // An input that cannot be read has ended.
    if !matches!(input.take(MAX_TYPED).read_until(b'\n', &mut line), Ok(1..)) {
        return StdinEvent::Eof;
    }
    match String::from_utf8(line) {
        Ok(line) => StdinEvent::Line(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(_) => StdinEvent::InvalidUtf8,
    }
}

/// Ctrl-C, a polite request of the system to end, or the terminal gone.
pub struct Interrupt {
    asked: Signal,
    ordered: Signal,
    gone: Signal,
}

impl Interrupt {
    /// From now on.
    pub fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("cannot listen for Ctrl-C");
        Ok(Self {
            asked: catch(SignalKind::interrupt())?,
            ordered: catch(SignalKind::terminate())?,
            gone: catch(SignalKind::hangup())?,
        })
    }

    /// Waits for it.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.asked.recv() => {}
            _ = self.ordered.recv() => {}
            _ = self.gone.recv() => {}
        }
    }
}

/// Says something on standard error, where it does not mix with the chat.
pub fn notice(words: &str) {
    for line in words.lines() {
        write_to_stderr(&format!("{}\n", text::plain(line)));
    }
}

/// Asks something on standard error; the answer is the next line of standard input. A person ends
/// the line by answering it.
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
    // Whoever closed standard error does not want to be told.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
