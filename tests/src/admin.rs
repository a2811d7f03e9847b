//! An operator with `admin-cli`, as it is run by hand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::process::{Ended, Process};
use crate::programs;
use crate::server::Server;

/// The password of every admin that tests make.
pub const PASSWORD: &str = "a password for the other door";

/// One operator with a state folder of their own.
#[derive(Debug)]
pub struct Operator {
    name: String,
    server: SocketAddr,
    ca: PathBuf,
    home: TempDir,
}

impl Operator {
    /// Makes an admin with `rookeryd admin add`; nobody is signed in yet.
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
        Self::known(server, name)
    }

    /// Someone who is an admin already, whose password is in `NAME.password`; nobody is signed in
    /// yet.
    pub fn known(server: &Server, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            server: server.admin(),
            ca: server.ca(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// Makes an admin and signs in with password and mailed code.
    pub async fn sign_in(server: &Server, name: &str) -> Self {
        let operator = Self::add(server, name);
        operator.login(server).await;
        operator
    }

    /// Signs in with password and mailed code.
    pub async fn login(&self, server: &Server) {
        let mut login = self.start_login(server);
        login.type_line(&server.mailbox().code_to(&admin_email(&self.name)).await);
        let ended = login.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    }

    /// Begins to sign in; the code is to be typed.
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

    /// `admin-cli` with these arguments, to be started elsewhere.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.prepared(Command::new(programs::path("admin-cli")), arguments)
    }

    /// The same in a terminal of its own, where ctrl-c can be typed.
    pub fn start_in_terminal(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new("env");
        // Who runs the tests in the background may ignore ctrl-c, and would hand that on.
        command.args(["--default-signal=INT", "sh"]);
        // `script` (util-linux) takes one line; what follows it is made into that line, each word
        // quoted.
        let line = "line=; for word in \"$@\"; do line=\"$line '$word'\"; done; exec script -qec \"$line\" /dev/null";
        command
            .args(["-c", line, "sh"])
            .arg(programs::path("admin-cli"));
        self.spawn(command, arguments)
    }

    fn spawn(&self, command: Command, arguments: &[&str]) -> Process {
        let name = format!("admin-cli {}", arguments.join(" "));
        Process::start(&name, &mut self.prepared(command, arguments))
    }

    fn prepared(&self, mut command: Command, arguments: &[&str]) -> Command {
        command
            .arg("--server")
            .arg(self.server.to_string())
            .arg("--ca")
            .arg(&self.ca)
            .args(arguments);
        command
            .env("HOME", self.home.path())
            .env("XDG_STATE_HOME", self.home.path().join("state"));
        command
    }

    /// Runs `admin-cli` to its end, with nothing to read.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let mut process = self.start(arguments);
        process.end_input();
        process.ended().await
    }

    /// Runs `admin-cli`, which must succeed; gives what it wrote.
    pub async fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(
            ended.code,
            Some(0),
            "admin-cli {}:\n{}",
            arguments.join(" "),
            ended.transcript
        );
        ended.transcript
    }

    /// Where its state is.
    pub fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }
}

/// The address of the admin of that name.
pub fn admin_email(name: &str) -> String {
    format!("{name}@operators.example.org")
}
