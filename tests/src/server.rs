//! A server of one's own: a real `rookeryd` in a temporary folder, on ports that nobody else has.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::mailbox::Mailbox;
use crate::record::Record;
use crate::{programs, wait_for};

/// What every test's server goes by, unless the test says otherwise. Each line is a key in full.
const BASE: &[&str] = &[
    "chat.server_name = \"rookery.test\"",
    "limits.mails_per_hour = 0",
    "limits.failed_sign_ins = 0",
    "log.level = \"info,rookeryd=debug\"",
];

/// What the server's clock is ahead of the true one by, in the words of libfaketime; in its folder.
const CLOCK: &str = "clock";

/// A running server; killed when dropped, its folder removed.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    child: Child,
    chat: SocketAddr,
    admin: SocketAddr,
    settings: Vec<String>,
    mailbox: Mailbox,
}

/// A folder for a server that is not started yet, and may never start.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    settings: Vec<String>,
}

impl Site {
    /// With settings like `accounts.required = false`, each in full.
    pub fn new(settings: &[&str]) -> Self {
        let keys: Vec<&str> = settings.iter().map(|line| key(line)).collect();
        let base = BASE.iter().filter(|line| !keys.contains(&key(line)));
        let settings = base.chain(settings).map(|&line| line.to_owned()).collect();
        Self {
            folder: tempfile::tempdir().unwrap(),
            settings,
        }
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same folder with more settings.
    #[must_use]
    pub fn with(mut self, settings: &[&str]) -> Self {
        self.settings
            .extend(settings.iter().map(|&line| line.to_owned()));
        self
    }

    /// The same with a clock that can be set (libfaketime), so that no test waits for days.
    #[must_use]
    pub fn with_clock(self) -> Self {
        fs::write(self.path(CLOCK), "+0s\n").unwrap();
        self
    }

    /// Starts the server and waits until it is open.
    pub async fn start(self) -> Server {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        write_config(self.folder.path(), any, any, &self.settings);
        let mut child = spawn(self.folder.path());
        let [chat, admin] = opened(self.folder.path(), &mut child)
            .await
            .unwrap_or_else(|status| {
                panic!(
                    "rookeryd ended at its start ({status}):\n{}",
                    read_log(self.folder.path())
                )
            });
        // A reload or restart finds the same ports.
        write_config(self.folder.path(), chat, admin, &self.settings);
        let mailbox = Mailbox::new(self.path("data/mail"));
        Server {
            folder: self.folder,
            child,
            chat,
            admin,
            settings: self.settings,
            mailbox,
        }
    }

    /// Starts a server that is expected not to open; gives its exit code and what it wrote.
    pub async fn fail_to_start(&self) -> (i32, String) {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let [chat, admin] = ["chat.listen", "admin.listen"].map(|name| {
            let line = self.settings.iter().find(|line| key(line) == name);
            line.map_or(any, |line| line.split('"').nth(1).unwrap().parse().unwrap())
        });
        let others: Vec<String> = self
            .settings
            .iter()
            .filter(|line| !key(line).ends_with(".listen"))
            .cloned()
            .collect();
        write_config(self.folder.path(), chat, admin, &others);
        let mut child = spawn(self.folder.path());
        let Err(status) = opened(self.folder.path(), &mut child).await else {
            child.kill().unwrap();
            panic!("it opened:\n{}", read_log(self.folder.path()))
        };
        (
            status.code().expect("it ended by itself"),
            read_log(self.folder.path()),
        )
    }
}

impl Server {
    /// With the defaults of the tests.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings like `accounts.required = false`, each in full.
    pub async fn with(settings: &[&str]) -> Self {
        Site::new(settings).start().await
    }

    /// Where clients connect.
    pub fn chat(&self) -> SocketAddr {
        self.chat
    }

    /// Where the control plane listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where web clients connect, if `websocket.listen` is set: the log says it.
    pub fn websocket(&self) -> SocketAddr {
        let log = self.log();
        let (_, after) = log
            .split_once(" websocket=")
            .expect("there is a port for web clients");
        after
            .split_whitespace()
            .next()
            .and_then(|address| address.parse().ok())
            .expect("an address")
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The authority it made for itself.
    pub fn ca(&self) -> PathBuf {
        self.path("certs/ca.pem")
    }

    /// The mails it sent.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// What it keeps.
    pub fn record(&self) -> Record {
        Record::open(&self.path("data/rookery.db"))
    }

    /// Whether a text stands anywhere in its data folder, as far as that is files beside one
    /// another.
    pub fn holds(&self, text: &str) -> bool {
        let files = fs::read_dir(self.path("data"))
            .unwrap()
            .map(|file| file.unwrap().path());
        files.filter(|path| path.is_file()).any(|path| {
            fs::read(path)
                .unwrap()
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
    }

    /// What it logged.
    pub fn log(&self) -> String {
        read_log(self.folder.path())
    }

    /// Waits until the log holds `part`, `times` times.
    pub async fn expect_log(&self, part: &str, times: usize) {
        wait_for(&format!("{part:?} in the log"), || {
            (self.log().matches(part).count() >= times).then_some(())
        })
        .await;
    }

    /// Ends it as a crash would.
    pub fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sets its clock so far ahead of the true one; it has to be a [`Site::with_clock`]'s.
    pub fn set_clock(&self, ahead: Duration) {
        let (clock, next) = (self.path(CLOCK), self.path("next-clock"));
        assert!(clock.exists(), "its clock cannot be set");
        fs::write(&next, format!("+{}s\n", ahead.as_secs())).unwrap();
        fs::rename(next, clock).unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub async fn sigterm(&mut self) -> ExitStatus {
        self.signal("TERM");
        let child = &mut self.child;
        wait_for("the server to stop", || child.try_wait().unwrap()).await
    }

    /// Asks it to reload; waits until it says that it has, or could not.
    pub async fn sighup(&self) {
        let answers = || {
            let log = self.log();
            log.matches("certificates reloaded").count() + log.matches("not reloaded").count()
        };
        let before = answers();
        self.signal("HUP");
        wait_for("the reload", || (answers() > before).then_some(())).await;
    }

    /// From now on no byte goes into any file, as on a disk without room: its database, its log,
    /// its mails.
    pub fn fill_disk(&self) {
        self.limit_files("0");
    }

    /// There is room again.
    pub fn free_disk(&self) {
        self.limit_files("unlimited");
    }

    /// A limit of the process, as anyone may set for their own; a real disk is full for the whole
    /// machine.
    fn limit_files(&self, bytes: &str) {
        let limited = Command::new("prlimit")
            .args([
                "--pid",
                &self.child.id().to_string(),
                &format!("--fsize={bytes}:unlimited"),
            ])
            .status();
        assert!(limited.expect("prlimit (util-linux) is there").success());
    }

    /// Starts it again, after it has ended, on the same ports and data.
    pub async fn restart(&mut self) {
        assert!(self.child.try_wait().unwrap().is_some(), "it still runs");
        let folder = self.folder.path();
        wait_for("the ports to be free again", || {
            (std::net::TcpListener::bind(self.chat).is_ok()
                && std::net::TcpListener::bind(self.admin).is_ok())
            .then_some(())
        })
        .await;
        self.child = spawn(folder);
        if let Err(status) = opened(folder, &mut self.child).await {
            panic!("rookeryd ended at its restart ({status}):\n{}", self.log());
        }
    }

    /// Changes or adds a setting in the config file; a reload or restart puts it in force.
    pub fn set(&mut self, setting: &str) {
        self.settings.retain(|line| key(line) != key(setting));
        self.settings.push(setting.to_owned());
        write_config(self.folder.path(), self.chat, self.admin, &self.settings);
    }

    /// Runs `rookeryd` with the server's config and other arguments, to its end.
    pub fn rookeryd(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(programs::path("rookeryd"));
        command.args(["--config", "config.toml"]).args(arguments);
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status()
            .unwrap();
        assert!(status.success(), "the server is gone");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}

/// The key of `key = value`.
fn key(setting: &str) -> &str {
    setting.split('=').next().unwrap_or_default().trim()
}

fn write_config(folder: &Path, chat: SocketAddr, admin: SocketAddr, settings: &[String]) {
    let listen = format!("chat.listen = \"{chat}\"\nadmin.listen = \"{admin}\"\n");
    fs::write(
        folder.join("config.toml"),
        listen + &settings.join("\n") + "\n",
    )
    .unwrap();
}

fn spawn(folder: &Path) -> Child {
    let log = File::create(folder.join("log")).unwrap();
    let clock = folder.join(CLOCK);
    // What a file cannot take is to be an error as on a full disk (see `fill_disk`), not a signal.
    let mut command = Command::new("sh");
    if clock.exists() {
        // What waits for a length of time waits for it truly; the dates of files stay true as well.
        command
            .env("LD_PRELOAD", programs::faketime())
            .env("FAKETIME_TIMESTAMP_FILE", clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
    }
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(programs::path("rookeryd"))
        .args(["--config", "config.toml"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn read_log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// The two addresses, once the log has them; or how the server ended before.
async fn opened(folder: &Path, child: &mut Child) -> Result<[SocketAddr; 2], ExitStatus> {
    wait_for("the server to open", || {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(Err(status));
        }
        let log = read_log(folder);
        let line = log.lines().find(|line| line.contains("Rookery is open"))?;
        let address = |name: &str| {
            line.split_once(name)?
                .1
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        };
        Some(Ok([address(" chat=")?, address(" control_plane=")?]))
    })
    .await
}
