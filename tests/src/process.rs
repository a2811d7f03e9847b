//! A program with piped input and output.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::{DEADLINE, POLL_INTERVAL};

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<String>,
    readers: Vec<JoinHandle<()>>,
    /// Everything that it has written to standard output and standard error.
    transcript: Arc<Mutex<String>>,
}

/// The exit code and the output of a program.
#[derive(Debug)]
pub struct Exit {
    pub code: Option<i32>,
    /// Standard output and standard error together, in the order of arrival.
    pub transcript: String,
    /// The lines of standard output that no call has waited for.
    pub output: Vec<String>,
}

impl Process {
    /// Starts a program. `name` is shown if the test fails.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let transcript = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = mpsc::unbounded_channel();
        let readers = vec![
            follow(
                child.stdout.take().unwrap(),
                Arc::clone(&transcript),
                Some(sender),
            ),
            follow(child.stderr.take().unwrap(), Arc::clone(&transcript), None),
        ];
        Self {
            name: name.to_owned(),
            input: child.stdin.take(),
            child,
            lines,
            readers,
            transcript,
        }
    }

    /// Writes a line to standard input.
    pub fn type_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}")
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", self.name, self.transcript()));
    }

    /// Closes standard input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for a line on standard output that contains `part`.
    pub async fn expect_line(&mut self, part: &str) -> String {
        let find = async {
            loop {
                match self.lines.recv().await {
                    Some(line) if line.contains(part) => return Some(line),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        let found = tokio::time::timeout(DEADLINE, find).await.ok().flatten();
        found.unwrap_or_else(|| {
            panic!(
                "{} did not write {part:?}:\n{}",
                self.name,
                self.transcript()
            )
        })
    }

    /// Waits for text in either output, even in an incomplete line such as a prompt.
    pub async fn expect_text(&mut self, part: &str) {
        let start = Instant::now();
        while !self.transcript().contains(part) {
            assert!(
                start.elapsed() < DEADLINE,
                "{} did not write {part:?}:\n{}",
                self.name,
                self.transcript()
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Returns everything written so far to standard output and standard error.
    pub fn transcript(&self) -> String {
        self.transcript.lock().unwrap().clone()
    }

    /// Waits until the program exits by itself.
    pub async fn wait(mut self) -> Exit {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "{} does not exit:\n{}",
                self.name,
                self.transcript()
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        };
        for reader in self.readers.drain(..) {
            tokio::task::spawn_blocking(|| reader.join().unwrap())
                .await
                .unwrap();
        }
        let output = std::iter::from_fn(|| self.lines.try_recv().ok()).collect();
        Exit {
            code: status.code(),
            transcript: self.transcript(),
            output,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(
    output: impl Read + Send + 'static,
    transcript: Arc<Mutex<String>>,
    lines: Option<mpsc::UnboundedSender<String>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            let part = match output.fill_buf() {
                Ok([]) | Err(_) => break,
                Ok(part) => part
                    .split_inclusive(|&byte| byte == b'\n')
                    .next()
                    .unwrap_or_default()
                    .to_vec(),
            };
            output.consume(part.len());
            transcript
                .lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&part));
            line.extend_from_slice(&part);
            if line.ends_with(b"\n") {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if let Some(lines) = &lines {
                    // The receiver may have been dropped at the end of a test.
                    let _ = lines.send(text);
                }
            }
        }
    })
}
