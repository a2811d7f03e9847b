//! A server for one test: a real `rookeryd` in a temporary folder, on free ports.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::database::Database;
use crate::mailbox::Mailbox;
use crate::{programs, wait_for};

/// The settings of every test's server, unless the test overrides them. Each line has a full key.
const BASE: &[&str] = &[
    "chat.server_name = \"rookery.test\"",
    "limits.mails_per_hour = 0",
    "limits.failed_sign_ins = 0",
    // Covers every crate of the server: the name of each begins with `rookery`.
    "log.level = \"info,rookery=debug\"",
];

/// The file in the server's folder that says how far its clock is ahead, in libfaketime's format.
const CLOCK: &str = "clock";

/// The file in the server's folder with the number of files that it may have open.
const OPEN_FILES: &str = "open-files";

/// A running server. When dropped, it is killed and its folder removed.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    child: Child,
    chat: SocketAddr,
    admin: SocketAddr,
    settings: Vec<String>,
    mailbox: Mailbox,
}

/// The folder and settings of a server that is not started yet.
#[derive(Debug)]
pub struct ServerBuilder {
    folder: TempDir,
    settings: Vec<String>,
}

impl ServerBuilder {
    /// Creates a folder for a server with settings such as `accounts.required = false`.
    pub fn new(settings: &[&str]) -> Self {
        let keys: Vec<&str> = settings.iter().map(|line| key(line)).collect();
        let base = BASE.iter().filter(|line| !keys.contains(&key(line)));
        let settings = base.chain(settings).map(|&line| line.to_owned()).collect();
        Self {
            folder: tempfile::tempdir().unwrap(),
            settings,
        }
    }

    /// Returns a path in the server's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds settings.
    #[must_use]
    pub fn with(mut self, settings: &[&str]) -> Self {
        self.settings
            .extend(settings.iter().map(|&line| line.to_owned()));
        self
    }

    /// Runs the server with a clock that can be set (libfaketime), so that no test waits for days.
    #[must_use]
    pub fn with_clock(self) -> Self {
        fs::write(self.path(CLOCK), "+0s\n").unwrap();
        self
    }

    /// Limits the number of files that the server may have open.
    #[must_use]
    pub fn with_open_files(self, limit: u32) -> Self {
        fs::write(self.path(OPEN_FILES), limit.to_string()).unwrap();
        self
    }

    /// Starts the server and waits until it accepts connections.
    pub async fn start(self) -> Server {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        write_config(self.folder.path(), any, any, &self.settings);
        let mut child = spawn(self.folder.path());
        let [chat, admin] = wait_until_open(self.folder.path(), &mut child)
            .await
            .unwrap_or_else(|status| {
                panic!(
                    "rookeryd exited during its start ({status}):\n{}",
                    read_log(self.folder.path())
                )
            });
        // A reload or restart uses the same ports.
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

    /// Starts a server that is expected to exit during its start, and returns its exit code and its
    /// log.
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
        let Err(status) = wait_until_open(self.folder.path(), &mut child).await else {
            child.kill().unwrap();
            panic!("it started:\n{}", read_log(self.folder.path()))
        };
        (
            status.code().expect("it exited by itself"),
            read_log(self.folder.path()),
        )
    }
}

impl Server {
    /// Starts a server with the default settings of tests.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts a server with settings such as `accounts.required = false`.
    pub async fn with(settings: &[&str]) -> Self {
        ServerBuilder::new(settings).start().await
    }

    /// Returns the address of the chat port.
    pub fn chat(&self) -> SocketAddr {
        self.chat
    }

    /// Returns the address of the control plane.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Returns the address of the port for web clients, which requires `websocket.listen`.
    pub fn websocket(&self) -> SocketAddr {
        logged_address(&self.log(), "websocket").expect("the log has the port for web clients")
    }

    /// Returns the address of the port for metrics, which requires `metrics.listen`.
    pub fn metrics(&self) -> SocketAddr {
        logged_address(&self.log(), "metrics").expect("the log has the port for metrics")
    }

    /// Returns a path in the server's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the certificate of the authority that the server created.
    pub fn ca(&self) -> PathBuf {
        self.path("certs/ca.pem")
    }

    /// Returns the mails that the server sent.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Opens the server's database.
    pub fn database(&self) -> Database {
        Database::open(&self.path("data/rookery.db"))
    }

    /// Whether any file directly in the data folder contains this text.
    pub fn data_contains(&self, text: &str) -> bool {
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

    /// Returns the server's log.
    pub fn log(&self) -> String {
        read_log(self.folder.path())
    }

    /// Waits until at least `count` lines of the log contain all of `words`.
    pub async fn expect_log(&self, words: &[&str], count: usize) {
        wait_for(&format!("{count} log lines with {words:?}"), || {
            let log = self.log();
            let lines = log
                .lines()
                .filter(|line| words.iter().all(|word| line.contains(word)));
            (lines.count() >= count).then_some(())
        })
        .await;
    }

    /// Kills the server without warning, as a crash would.
    pub fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sets the server's clock ahead of the true time. Requires [`ServerBuilder::with_clock`].
    pub fn set_clock(&self, ahead: Duration) {
        let (clock, next) = (self.path(CLOCK), self.path("next-clock"));
        assert!(clock.exists(), "the server was started with_clock");
        fs::write(&next, format!("+{}s\n", ahead.as_secs())).unwrap();
        fs::rename(next, clock).unwrap();
    }

    /// Sends SIGTERM and waits until the server has exited.
    pub async fn sigterm(&mut self) -> ExitStatus {
        self.signal("TERM");
        let child = &mut self.child;
        wait_for("the server to stop", || child.try_wait().unwrap()).await
    }

    /// Sends SIGHUP and waits until the log says that the reload succeeded or failed.
    pub async fn sighup(&self) {
        let outcomes = || {
            let log = self.log().to_lowercase();
            let lines = log
                .lines()
                .filter(|line| line.contains("loaded") || line.contains("reload"));
            lines.count()
        };
        let before = outcomes();
        self.signal("HUP");
        wait_for("the reload", || (outcomes() > before).then_some(())).await;
    }

    /// Makes every write to a file fail, as on a full disk: the database, the log and the mails.
    pub fn fill_disk(&self) {
        self.limit_files("0");
    }

    /// Makes writes succeed again after [`Self::fill_disk`].
    pub fn free_disk(&self) {
        self.limit_files("unlimited");
    }

    /// Limits the file size for the server's process. A real full disk would affect the whole
    /// machine.
    fn limit_files(&self, bytes: &str) {
        let limited = Command::new("prlimit")
            .args([
                "--pid",
                &self.child.id().to_string(),
                &format!("--fsize={bytes}:unlimited"),
            ])
            .status();
        assert!(
            limited
                .expect("prlimit (util-linux) is installed")
                .success()
        );
    }

    /// Starts the server again, after it has exited, with the same ports and data.
    pub async fn restart(&mut self) {
        assert!(
            self.child.try_wait().unwrap().is_some(),
            "the server is still running"
        );
        let folder = self.folder.path();
        wait_for("the ports to be free again", || {
            (std::net::TcpListener::bind(self.chat).is_ok()
                && std::net::TcpListener::bind(self.admin).is_ok())
            .then_some(())
        })
        .await;
        self.child = spawn(folder);
        if let Err(status) = wait_until_open(folder, &mut self.child).await {
            panic!(
                "rookeryd exited during its restart ({status}):\n{}",
                self.log()
            );
        }
    }

    /// Changes or adds a setting in the config file. It takes effect with a reload or restart.
    pub fn set(&mut self, setting: &str) {
        self.settings.retain(|line| key(line) != key(setting));
        self.settings.push(setting.to_owned());
        write_config(self.folder.path(), self.chat, self.admin, &self.settings);
    }

    /// Runs `rookeryd` with the server's config and other arguments, and waits until it exits.
    pub fn rookeryd(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(programs::path("rookeryd"));
        command.args(["--config", "config.toml"]).args(arguments);
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Returns the fingerprint that `rookeryd fingerprint` prints, without the name of the hash.
    pub fn fingerprint(&self) -> String {
        let output = self.rookeryd(&["fingerprint"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let fingerprint = text.trim().strip_prefix("SHA-256 ");
        fingerprint.expect("a SHA-256 fingerprint").to_owned()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status()
            .unwrap();
        assert!(status.success(), "the server is not running");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}

/// Returns the key of a setting `key = value`.
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
    let mut command = Command::new("sh");
    if clock.exists() {
        // Only the wall clock is set ahead. Timeouts and the dates of files stay true.
        command
            .env("LD_PRELOAD", programs::faketime())
            .env("FAKETIME_TIMESTAMP_FILE", clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
    }
    // What others may do with the server's files must not depend on the umask.
    let no_umask = "umask 000";
    let limit_files = format!("if [ -f {OPEN_FILES} ]; then ulimit -n $(cat {OPEN_FILES}); fi");
    command
        .arg("-c")
        .arg(format!("{no_umask}; {limit_files}; exec \"$0\" \"$@\""))
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

/// Returns an address that a server logs as `name=ADDRESS` once it is open.
fn logged_address(log: &str, name: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once(&format!(" {name}="))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Waits until the server is open and returns the addresses of the chat port and the control plane,
/// or the exit status if it exits before.
async fn wait_until_open(folder: &Path, child: &mut Child) -> Result<[SocketAddr; 2], ExitStatus> {
    wait_for("the server to open", || {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(Err(status));
        }
        let log = read_log(folder);
        let chat = logged_address(&log, "chat")?;
        Some(Ok([chat, logged_address(&log, "control_plane")?]))
    })
    .await
}
