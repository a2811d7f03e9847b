//! An operator who runs `admin-cli` by hand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Exit, Process};
use crate::programs;
use crate::server::Server;

/// The password of every admin that tests create.
pub const PASSWORD: &str = "a password for the control plane";

/// An operator with a separate home folder, where `admin-cli` stores its state.
#[derive(Debug)]
pub struct Operator {
    name: String,
    server: SocketAddr,
    ca: PathBuf,
    home: TempDir,
}

impl Operator {
    /// Creates an admin with `rookeryd admin add`, without signing in.
    pub fn add(server: &Server, name: &str) -> Self {
        let password = server.path(&format!("{name}.password"));
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        let file = password.to_str().unwrap();
        let output = server.rookeryd(&[
            "admin",
            "add",
            name,
            "--email",
            &admin_email(name),
            "--password-file",
            file,
        ]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self::existing(server, name)
    }

    /// Returns an operator for an existing admin whose password is in `NAME.password`, without
    /// signing in.
    pub fn existing(server: &Server, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            server: server.admin(),
            ca: server.ca(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// Creates an admin and signs in with password and mailed code.
    pub async fn sign_in(server: &Server, name: &str) -> Self {
        let operator = Self::add(server, name);
        operator.login(server).await;
        operator
    }

    /// Signs in with password and mailed code.
    pub async fn login(&self, server: &Server) {
        let mut login = self.start_login(server);
        login.type_line(&server.mailbox().code_to(&admin_email(&self.name)).await);
        let exit = login.wait().await;
        assert_eq!(exit.code, Some(0), "{}", exit.transcript);
    }

    /// Starts to sign in with the password. The returned process waits for the code.
    pub fn start_login(&self, server: &Server) -> Process {
        let password = server.path(&format!("{}.password", self.name));
        self.start(&[
            "login",
            "--name",
            &self.name,
            "--password-file",
            password.to_str().unwrap(),
        ])
    }

    /// Starts `admin-cli` with these arguments.
    pub fn start(&self, arguments: &[&str]) -> Process {
        self.spawn(Command::new(programs::path("admin-cli")), arguments)
    }

    /// Returns the command for `admin-cli` with these arguments, without starting it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.configure(Command::new(programs::path("admin-cli")), arguments)
    }

    /// Starts `admin-cli` in a terminal, where Ctrl-C can be typed.
    pub fn start_in_terminal(&self, arguments: &[&str]) -> Process {
        self.spawn(Self::in_terminal(), arguments)
    }

    /// Starts `admin-cli` in a terminal, in the operator's home folder, with the server named but
    /// not its authority.
    pub fn start_in_terminal_without_ca(&self, arguments: &[&str]) -> Process {
        let mut command = Self::in_terminal();
        let server = self.server.to_string();
        command.args(["--server", &server]).args(arguments);
        command.current_dir(self.home.path());
        self.at_home(&mut command);
        Process::start(&format!("admin-cli {}", arguments.join(" ")), &mut command)
    }

    /// Returns the command for `admin-cli` in a terminal, to which its arguments can be added.
    fn in_terminal() -> Command {
        let mut command = Command::new("env");
        // A test run in the background may ignore SIGINT, which child processes inherit.
        command.args(["--default-signal=INT", "sh"]);
        // `script` (util-linux) takes the command as one line, so each word is quoted and added to
        // it.
        let line = "line=; for word in \"$@\"; do line=\"$line '$word'\"; done; \
                    exec script -qec \"$line\" /dev/null";
        command
            .args(["-c", line, "sh"])
            .arg(programs::path("admin-cli"));
        command
    }

    fn spawn(&self, command: Command, arguments: &[&str]) -> Process {
        let name = format!("admin-cli {}", arguments.join(" "));
        Process::start(&name, &mut self.configure(command, arguments))
    }

    fn configure(&self, mut command: Command, arguments: &[&str]) -> Command {
        command
            .arg("--server")
            .arg(self.server.to_string())
            .arg("--ca")
            .arg(&self.ca)
            .args(arguments);
        self.at_home(&mut command);
        command
    }

    /// Returns the command for `admin-cli` in the operator's home folder, with neither the server
    /// nor its authority named.
    pub fn command_without_server(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::path("admin-cli"));
        command.current_dir(self.home.path()).args(arguments);
        self.at_home(&mut command);
        command
    }

    fn at_home(&self, command: &mut Command) {
        command
            .env("HOME", self.home.path())
            .env("XDG_STATE_HOME", self.home.path().join("state"));
    }

    /// Runs `admin-cli` with empty input and waits until it exits.
    pub async fn run(&self, arguments: &[&str]) -> Exit {
        let mut process = self.start(arguments);
        process.close_input();
        process.wait().await
    }

    /// Runs `admin-cli`, which must succeed, and returns its output.
    pub async fn run_ok(&self, arguments: &[&str]) -> String {
        let exit = self.run(arguments).await;
        assert_eq!(
            exit.code,
            Some(0),
            "admin-cli {}:\n{}",
            arguments.join(" "),
            exit.transcript
        );
        exit.transcript
    }

    /// Runs `admin-cli --json`, which must succeed, and returns its JSON.
    pub async fn run_json(&self, arguments: &[&str]) -> Value {
        let output = self.run_ok(&[&["--json"], arguments].concat()).await;
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error} in {output}"))
    }

    /// Returns the folder in which `admin-cli` stores its state.
    pub fn state_folder(&self) -> PathBuf {
        self.home.path().join("state")
    }
}

/// Returns the email address of the admin with this name.
pub fn admin_email(name: &str) -> String {
    format!("{name}@operators.example.org")
}
