//! A real terminal (tmux), as a person sees it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::DEADLINE;
use crate::rook::Device;
use crate::server::Server;

/// A terminal with a program in it; both end when dropped.
#[derive(Debug)]
pub struct Screen {
    folder: TempDir,
}

impl Screen {
    /// Starts the program in a terminal of 80 × 24. When it ends, its exit code is shown.
    pub fn start(rook: &Command) -> Self {
        Self::run(&format!("{}; echo \"rook ended with $?\"; cat", line(rook)))
    }

    /// The same with a line for a shell.
    pub fn run(line: &str) -> Self {
        let screen = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        screen.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
            line,
        ]);
        screen
    }

    /// Straight in, on a device that knows alice.
    pub async fn of_alice(server: &Server, device: &Device) -> Self {
        device.knows(server, "alice").await;
        let screen = Self::start(&device.command(server, &[]));
        screen.shows("#lobby").await;
        screen.shows("lag").await;
        screen
    }

    pub fn tmux(&self, arguments: &[&str]) -> String {
        let socket = self.folder.path().join("tmux");
        let mut command = Command::new("tmux");
        command
            .arg("-S")
            .arg(socket)
            .args(arguments)
            .env("LANG", "C.UTF-8")
            .env_remove("TMUX");
        let output = command
            .stdin(Stdio::null())
            .output()
            .expect("tmux is installed");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Types letters.
    pub fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Presses a key, as tmux names it.
    pub fn presses(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Types a line.
    pub fn enters(&self, text: &str) {
        self.types(text);
        self.presses("Enter");
    }

    pub fn resizes(&self, width: u16, height: u16) {
        self.tmux(&[
            "resize-window",
            "-x",
            &width.to_string(),
            "-y",
            &height.to_string(),
        ]);
    }

    pub fn now(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until `part` is on the screen, and gives the whole.
    pub async fn shows(&self, part: &str) -> String {
        let mut last = String::new();
        let start = Instant::now();
        while start.elapsed() < DEADLINE {
            last = self.now();
            if last.contains(part) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{part:?} is not on the screen:\n{last}");
    }

    /// Whether there is a second screen, the mouse is taken, and there is a cursor.
    pub fn state(&self) -> String {
        let state = self.tmux(&[
            "display-message",
            "-p",
            "#{alternate_on} #{mouse_any_flag} #{cursor_flag}",
        ]);
        state.trim().to_owned()
    }

    /// Sends a signal to what the shell has started.
    pub fn signals(&self, name: &str) {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children =
            std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {children}")])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end, on a terminal that is as it was: gives what stands there.
    pub async fn ended(&self, code: u8) -> String {
        let screen = self.shows(&format!("rook ended with {code}")).await;
        assert!(
            !screen.contains("│"),
            "the chat is gone from the screen:\n{screen}"
        );
        assert_eq!(
            self.state(),
            "0 0 1",
            "no second screen, no mouse, a cursor"
        );
        // Echo, as a shell left it.
        self.types("echoed");
        self.shows("echoed").await
    }
}

/// A command as one types it.
pub fn line(command: &Command) -> String {
    let quoted =
        |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap().replace('\'', r"'\''"));
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?, value?)));
    let variables: Vec<String> = variables
        .map(|(name, value)| format!("{name}={}", quoted(value)))
        .collect();
    let words: Vec<String> = [command.get_program()]
        .into_iter()
        .chain(command.get_args())
        .map(quoted)
        .collect();
    format!("env {} {}", variables.join(" "), words.join(" "))
}

impl Drop for Screen {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the screen ---\n{}", self.now());
        }
        self.tmux(&["kill-server"]);
    }
}
