//! `rook` itself, as fast as a person finds it: start to lobby, key to screen, memory after much
//! talk.

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
/// In the topmost row, where no letter of it stood before: so it is drawn as a whole.
const IN_THE_LOBBY: &str = "#bench · ";
/// What is typed: letters that nobody says, so that each is found in what is drawn.
const LETTERS: [&str; 8] = ["Ж", "Щ", "Ю", "Д", "Ф", "Ц", "Ы", "Э"];
const BACKSPACE: &str = "\u{7f}";
const PAGE_UP: &str = "\u{1b}[5~";
const ESCAPE: &str = "\u{1b}";

/// What is measured, and with what.
pub struct Bench {
    /// The program.
    pub rook: PathBuf,
    /// The server, whose lobby is `#bench`.
    pub address: SocketAddr,
    /// A folder for what `rook` keeps.
    pub home: PathBuf,
}

impl Bench {
    /// All of it, one after the other.
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
            .env("HOME", &self.home);
        for variable in ["XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
            command.env(variable, &self.home);
        }
        command
    }

    /// Makes the account, and the credential of this device.
    fn register(&self) -> Result<()> {
        let mut command = self.command();
        command.args(["--plain", "--name", "bench", "--email", "bench@example.org"]);
        let output = command.stdin(Stdio::null()).output()?;
        ensure!(
            output.status.success(),
            "not registered: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn screen(&self) -> Result<Screen> {
        Screen::start(&mut self.command(), COLUMNS, ROWS)
    }

    fn start_to_lobby(&self, times: usize) -> Result<()> {
        let mut taken = Vec::new();
        let mut cpu = Duration::ZERO;
        for _ in 0..times {
            let begun = Instant::now();
            let mut screen = self.screen()?;
            taken.push(screen.shows(IN_THE_LOBBY)?.duration_since(begun));
            cpu += Process::new(screen.pid()).cpu()?;
        }
        let cpu = cpu.as_secs_f64() * 1e3 / as_f64(times as u64);
        println!(
            "start to lobby, {times} times: {}; {cpu:.1} ms of CPU each",
            spread(&mut taken)
        );
        Ok(())
    }

    async fn key_to_screen(&self, rate: u32, keys: usize) -> Result<()> {
        let mut screen = self.screen()?;
        screen.shows(IN_THE_LOBBY)?;
        let talker = Client::connect(self.address, "talker".to_owned()).await?;
        // For longer than the keys take.
        let talking = tokio::spawn(talker.talk(u64::from(rate) * 600, rate));
        screen.shows("quick brown rook")?;
        std::thread::sleep(Duration::from_secs(2));
        let process = Process::new(screen.pid());
        let (begun, cpu) = (Instant::now(), process.cpu()?);
        let mut taken = Vec::new();
        for key in 0..keys {
            let letter = LETTERS[key % LETTERS.len()];
            let pressed = Instant::now();
            screen.press(letter)?;
            taken.push(screen.shows(letter)?.duration_since(pressed));
            screen.press(BACKSPACE)?;
            // At every point of a frame.
            let pause = Duration::from_micros(30_000 + (key as u64 * 7_919) % 20_000);
            let until = Instant::now() + pause;
            while Instant::now() < until {
                screen.settles(
                    Duration::from_millis(1).min(until.saturating_duration_since(Instant::now())),
                );
            }
        }
        ensure!(!talking.is_finished(), "the talk ended before the keys did");
        talking.abort();
        let used = (process.cpu()?.saturating_sub(cpu)).as_secs_f64()
            / begun.elapsed().as_secs_f64()
            * 100.0;
        println!(
            "key to screen, {keys} keys while {rate} messages a second come: {}; {used:.0} % of one CPU",
            spread(&mut taken)
        );
        Ok(())
    }

    async fn memory(&self, messages: u64) -> Result<()> {
        let mut screen = self.screen()?;
        screen.shows(IN_THE_LOBBY)?;
        let process = Process::new(screen.pid());
        let (empty, cpu) = (process.resident_bytes()?, process.cpu()?);
        let mut talker = Client::connect(self.address, "talker".to_owned()).await?;
        let begun = Instant::now();
        for _ in 0..messages / 100 {
            talker.send(&TEXT.repeat(100)).await?;
        }
        talker.send("PRIVMSG #bench :Ю that was all\r\n").await?;
        screen.shows("Ю that was all")?;
        let (heard, used) = (begun.elapsed(), process.cpu()?.saturating_sub(cpu));
        let after = process.resident_bytes()?;
        let pages = messages / u64::from(ROWS - 5);
        for _ in 0..pages {
            screen.press(PAGE_UP)?;
            screen.settles(Duration::from_millis(2));
        }
        let scrolled = process.resident_bytes()?;
        screen.press(ESCAPE)?;
        screen.shows("Ю that was all")?;
        let mib = |bytes: u64| as_f64(bytes) / 1024.0 / 1024.0;
        println!(
            "memory: {:.1} MiB at first, {:.1} after {messages} messages ({:.1} s, {:.0} µs of CPU each), {:.1} after \
             {pages} pages up",
            mib(empty),
            mib(after),
            heard.as_secs_f64(),
            used.as_secs_f64() * 1e6 / as_f64(messages),
            mib(scrolled),
        );
        Ok(())
    }
}

fn spread(taken: &mut [Duration]) -> String {
    taken.sort_unstable();
    let at = |percent: usize| taken[(taken.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    format!(
        "median {:.1} ms, 95 % {:.1} ms, 99 % {:.1} ms, longest {:.1} ms",
        at(50),
        at(95),
        at(99),
        at(100)
    )
}
