//! Runs `rook`, mostly in its plain line mode.

use std::process::Command;

use tempfile::TempDir;

use crate::irc::email_of;
use crate::process::Process;
use crate::programs;
use crate::server::Server;

/// A device of a user: the home folder in which `rook` stores its state.
#[derive(Debug)]
pub struct Device {
    home: TempDir,
}

impl Device {
    /// Creates a device on which `rook` has never run.
    pub fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// Starts `rook --plain` for a user, without waiting for anything.
    pub fn start(&self, server: &Server, name: &str) -> Process {
        let mut command = self.command(
            server,
            &["--plain", "--name", name, "--email", &email_of(name)],
        );
        Process::start(&format!("rook of {name}"), &mut command)
    }

    /// Starts `rook --plain` on a new device, enters the mailed code, and waits for the greeting.
    pub async fn sign_in(&self, server: &Server, name: &str) -> Process {
        let mut rook = self.start(server, name);
        rook.type_line(&server.mailbox().code_to(&email_of(name)).await);
        rook.expect_line("Welcome").await;
        rook
    }

    /// Signs in, which stores a device credential, and quits.
    pub async fn sign_in_and_quit(&self, server: &Server, name: &str) {
        let mut rook = self.sign_in(server, name).await;
        rook.type_line("/quit");
        assert_eq!(rook.wait().await.code, Some(0));
    }

    /// Writes the config of the user.
    pub fn configure(&self, config: &str) {
        let folder = self.home.path().join("config/rookery");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("rook.toml"), config).unwrap();
    }

    /// Returns the command for `rook` with these arguments, trusting the server's own authority.
    pub fn command(&self, server: &Server, arguments: &[&str]) -> Command {
        let mut command = self.command_without_ca(server, arguments);
        command.arg("--ca").arg(server.ca());
        command
    }

    /// Trusts the certificate of the server if it has this fingerprint.
    pub async fn trust(&self, server: &Server, fingerprint: &str) {
        let mut command = Command::new(programs::path("rook"));
        command.args(["trust", &server.chat().to_string(), fingerprint]);
        let exit = Process::start("rook trust", self.at_home(&mut command))
            .wait()
            .await;
        assert_eq!(exit.code, Some(0), "{}", exit.transcript);
    }

    /// Like [`Self::command`], without an authority to trust.
    pub fn command_without_ca(&self, server: &Server, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::path("rook"));
        command
            .args(["--server", &server.chat().to_string()])
            .args(arguments);
        self.at_home(&mut command);
        command
    }

    /// Lets a command use the home folder of this device.
    fn at_home<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("HOME", self.home.path()).env("TZ", "UTC");
        for (variable, folder) in [
            ("XDG_STATE_HOME", "state"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
        ] {
            command.env(variable, self.home.path().join(folder));
        }
        command
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}
