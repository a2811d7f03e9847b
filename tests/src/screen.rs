//! A real terminal (tmux), seen as a person sees it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::DEADLINE;
use crate::rook::Device;
use crate::server::Server;

/// A terminal with a program in it; both are ended when dropped.
#[derive(Debug)]
pub struct Screen {
    folder: TempDir,
}

impl Screen {
    /// Starts a program in a terminal of 80 × 24 characters. When it exits, its exit code is shown.
    pub fn start(program: &Command) -> Self {
        Self::run(&format!(
            "{}; echo \"exit code $?\"; cat",
            shell_command(program)
        ))
    }

    /// Runs a line of shell in a terminal of 80 × 24 characters.
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

    /// Starts `rook` on a device on which alice has signed in before, and waits for the lobby.
    pub async fn signed_in_as_alice(server: &Server, device: &Device) -> Self {
        device.sign_in_and_quit(server, "alice").await;
        let screen = Self::start(&device.command(server, &[]));
        screen.expect("#lobby").await;
        screen.expect("lag").await;
        screen
    }

    /// Runs a tmux command and returns its output.
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

    /// Types text.
    pub fn type_text(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
    }

    /// Presses a key, given by its tmux name.
    pub fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Types text and presses Enter.
    pub fn enter_line(&self, text: &str) {
        self.type_text(text);
        self.press("Enter");
    }

    /// Resizes the terminal, in characters.
    pub fn resize(&self, width: u16, height: u16) {
        self.tmux(&[
            "resize-window",
            "-x",
            &width.to_string(),
            "-y",
            &height.to_string(),
        ]);
    }

    /// Returns the text on the screen.
    pub fn contents(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until `part` is on the screen, and returns the text on the screen.
    pub async fn expect(&self, part: &str) -> String {
        self.wait_for(part, DEADLINE)
            .await
            .unwrap_or_else(|last| panic!("{part:?} is not on the screen:\n{last}"))
    }

    /// Waits until `part` is on the screen, for `limit` at most. Returns the text on the screen, as
    /// an error if `part` is not there.
    pub async fn wait_for(&self, part: &str, limit: Duration) -> Result<String, String> {
        let start = Instant::now();
        loop {
            let text = self.contents();
            if text.contains(part) {
                return Ok(text);
            }
            if start.elapsed() >= limit {
                return Err(text);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns three flags: whether the alternate screen is active, whether the program captures
    /// the mouse, and whether the cursor is visible.
    pub fn terminal_state(&self) -> String {
        let state = self.tmux(&[
            "display-message",
            "-p",
            "#{alternate_on} #{mouse_any_flag} #{cursor_flag}",
        ]);
        state.trim().to_owned()
    }

    /// Sends a signal to the processes that the shell has started.
    pub fn send_signal(&self, name: &str) {
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

    /// Waits until the program exits, checks that it has restored the terminal, and returns the
    /// text on the screen.
    pub async fn expect_exit(&self, code: u8) -> String {
        let screen = self.expect(&format!("exit code {code}")).await;
        assert!(
            !screen.contains("│"),
            "the screen is not restored:\n{screen}"
        );
        assert_eq!(
            self.terminal_state(),
            "0 0 1",
            "main screen, no mouse, visible cursor"
        );
        // The terminal echoes input again.
        self.type_text("echoed");
        self.expect("echoed").await
    }
}

/// Returns a command as a line of shell.
pub fn shell_command(command: &Command) -> String {
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
            eprintln!("--- the screen ---\n{}", self.contents());
        }
        self.tmux(&["kill-server"]);
    }
}
