//! Measures `rook` as its user experiences it: the time from start to lobby, the time from key to
//! screen, and memory after many messages.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::as_f64;
use crate::client::{Client, TEXT};
use crate::process::Process;
use crate::screen::Screen;

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
/// A text in the top row of the lobby. The row was empty before, so the text is drawn at once.
const LOBBY_HEADER: &str = "#bench · ";
/// The letters that are typed. No message contains them, so each is recognized when it is drawn.
const LETTERS: [&str; 8] = ["Ж", "Щ", "Ю", "Д", "Ф", "Ц", "Ы", "Э"];
const BACKSPACE: &str = "\u{7f}";
const PAGE_UP: &str = "\u{1b}[5~";
const ESCAPE: &str = "\u{1b}";

/// The measurements and what they need.
pub struct Bench {
    /// The path of `rook`.
    pub rook: PathBuf,
    /// The chat port of a server whose lobby is `#bench`.
    pub address: SocketAddr,
    /// A home folder for `rook`.
    pub home: PathBuf,
    /// The authority of the server's certificate.
    pub ca: PathBuf,
}

impl Bench {
    /// Runs all measurements one after the other.
    pub async fn run(&self) -> Result<()> {
        self.register()?;
        self.start_to_lobby(20)?;
        self.key_to_screen(1000, 400).await?;
        self.memory(100_000).await
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.rook);
        command
            .args(["--server", &self.address.to_string()])
            .arg("--ca")
            .arg(&self.ca)
            .env("HOME", &self.home);
        for variable in ["XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
            command.env(variable, &self.home);
        }
        command
    }

    /// Registers the account, which also stores a device credential.
    fn register(&self) -> Result<()> {
        let mut command = self.command();
        command.args(["--plain", "--name", "bench", "--email", "bench@example.org"]);
        let output = command.stdin(Stdio::null()).output()?;
        ensure!(
            output.status.success(),
            "registration failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn screen(&self) -> Result<Screen> {
        Screen::start(&mut self.command(), COLUMNS, ROWS)
    }

    fn start_to_lobby(&self, times: usize) -> Result<()> {
        let mut durations = Vec::new();
        let mut cpu = Duration::ZERO;
        for _ in 0..times {
            let start = Instant::now();
            let mut screen = self.screen()?;
            durations.push(screen.expect(LOBBY_HEADER)?.duration_since(start));
            cpu += Process::new(screen.pid()).cpu()?;
        }
        let cpu = cpu.as_secs_f64() * 1e3 / as_f64(times as u64);
        println!(
            "start to lobby, {times} times: {}; {cpu:.1} ms of CPU each",
            distribution(&mut durations)
        );
        Ok(())
    }

    async fn key_to_screen(&self, rate: u32, keys: usize) -> Result<()> {
        let mut screen = self.screen()?;
        screen.expect(LOBBY_HEADER)?;
        let sender = Client::connect(self.address, "sender".to_owned()).await?;
        // Longer than typing the keys takes.
        let sending = tokio::spawn(sender.send_repeatedly(u64::from(rate) * 600, rate));
        screen.expect("quick brown rook")?;
        std::thread::sleep(Duration::from_secs(2));
        let process = Process::new(screen.pid());
        let (start, cpu) = (Instant::now(), process.cpu()?);
        let mut durations = Vec::new();
        for key in 0..keys {
            let letter = LETTERS[key % LETTERS.len()];
            let pressed = Instant::now();
            screen.press(letter)?;
            durations.push(screen.expect(letter)?.duration_since(pressed));
            screen.press(BACKSPACE)?;
            // Varies the pause, so that keys are pressed at every point of a frame.
            let pause = Duration::from_micros(30_000 + (key as u64 * 7_919) % 20_000);
            let until = Instant::now() + pause;
            while Instant::now() < until {
                screen.settle(
                    Duration::from_millis(1).min(until.saturating_duration_since(Instant::now())),
                );
            }
        }
        ensure!(
            !sending.is_finished(),
            "the messages ended before the keys did"
        );
        sending.abort();
        let used = (process.cpu()?.saturating_sub(cpu)).as_secs_f64()
            / start.elapsed().as_secs_f64()
            * 100.0;
        println!(
            "key to screen, {keys} keys at {rate} messages per second: {}; {used:.0} % of one CPU",
            distribution(&mut durations)
        );
        Ok(())
    }

    async fn memory(&self, messages: u64) -> Result<()> {
        let mut screen = self.screen()?;
        screen.expect(LOBBY_HEADER)?;
        let process = Process::new(screen.pid());
        let (empty, cpu) = (process.resident_bytes()?, process.cpu()?);
        let mut sender = Client::connect(self.address, "sender".to_owned()).await?;
        let start = Instant::now();
        for _ in 0..messages / 100 {
            sender.send(&TEXT.repeat(100)).await?;
        }
        sender
            .send("PRIVMSG #bench :Ю the last message\r\n")
            .await?;
        screen.expect("Ю the last message")?;
        let (elapsed, used) = (start.elapsed(), process.cpu()?.saturating_sub(cpu));
        let after = process.resident_bytes()?;
        let pages = messages / u64::from(ROWS - 5);
        for _ in 0..pages {
            screen.press(PAGE_UP)?;
            screen.settle(Duration::from_millis(2));
        }
        let scrolled = process.resident_bytes()?;
        screen.press(ESCAPE)?;
        screen.expect("Ю the last message")?;
        let mib = |bytes: u64| as_f64(bytes) / 1024.0 / 1024.0;
        println!(
            "memory: {:.1} MiB at first, {:.1} after {messages} messages ({:.1} s, {:.0} µs of CPU \
             each), {:.1} after {pages} pages up",
            mib(empty),
            mib(after),
            elapsed.as_secs_f64(),
            used.as_secs_f64() * 1e6 / as_f64(messages),
            mib(scrolled),
        );
        Ok(())
    }
}

/// Describes the distribution of durations in milliseconds.
fn distribution(durations: &mut [Duration]) -> String {
    durations.sort_unstable();
    let at = |percent: usize| durations[(durations.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    format!(
        "median {:.1} ms, 95 % {:.1} ms, 99 % {:.1} ms, longest {:.1} ms",
        at(50),
        at(95),
        at(99),
        at(100)
    )
}
