//! The command line: global options, the commands of the server, and those of the program itself.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell as ShellKind;
use serde_json::json;

use crate::address::ServerAddress;
use crate::client::{Client, ClientKey};
use crate::commands;
use crate::context::Context;
use crate::failure::{Failure, while_doing};
use crate::render;
use crate::shell::Shell;
use crate::token_store::TokenStore;

const AFTER_HELP: &str =
    "Exit codes: 0 success, 1 refused or failed, 2 wrong usage, 3 not signed in.";

/// Operate a Rookery server: see who is online, kick, ban, unban, read the audit trail
#[derive(Debug, Parser)]
#[command(name = "admin-cli", version, after_help = AFTER_HELP)]
pub struct Arguments {
    /// Address of the server's control plane
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        default_value = "localhost:6698",
        env = "ROOKERY_SERVER"
    )]
    pub server: ServerAddress,

    /// PEM file with the authority to trust [default: certs/ca.pem if it exists, otherwise the
    /// system's authorities]
    #[arg(long, global = true, value_name = "FILE", env = "ROOKERY_CA")]
    pub ca: Option<PathBuf>,

    /// PEM file with the client certificate that the server requires of operators
    /// (`admin.client_ca`)
    #[arg(long, global = true, value_name = "FILE", env = "ROOKERY_CERTIFICATE")]
    pub certificate: Option<PathBuf>,

    /// PEM file with the key of that certificate [default: the certificate's file]
    #[arg(long, global = true, value_name = "FILE", env = "ROOKERY_KEY")]
    pub key: Option<PathBuf>,

    /// Print the server's reply as JSON
    #[arg(long, global = true)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Server(commands::Command),
    /// Type one command after another, with completion of commands and names
    ///
    /// Lines are read from the terminal or from a pipe. The requests that completion sends appear
    /// in the audit trail too.
    Shell,
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: ShellKind,
    },
    /// Write the man pages of this program and of each command
    Man {
        /// The folder to write to
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
}

/// Runs the command that the arguments name.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        server,
        ca,
        certificate,
        key,
        json,
        command,
    } = arguments;
    match command {
        Command::Server(command) => {
            let store = TokenStore::of_user(&server)?;
            let key = ClientKey::read(certificate, key)?;
            command.run(&Context {
                anonymous: &Client::new(server, ca, key)?,
                store: &store,
                json,
            })
        }
        Command::Shell => {
            let store = TokenStore::of_user(&server)?;
            let files = [
                ("--ca", &ca),
                ("--certificate", &certificate),
                ("--key", &key),
            ];
            let global_options = global_options(&server, files);
            let key = ClientKey::read(certificate, key)?;
            let context = Context {
                anonymous: &Client::new(server, ca, key)?,
                store: &store,
                json,
            };
            Shell {
                context,
                global_options,
            }
            .run()
        }
        Command::Completions { shell } => print_completions(shell, json),
        Command::Man { folder } => write_man_pages(&folder, json),
    }
}

/// Returns the options with which another process reaches the same server.
fn global_options(server: &ServerAddress, files: [(&str, &Option<PathBuf>); 3]) -> Vec<OsString> {
    let files = files
        .into_iter()
        .filter_map(|(option, file)| Some([option.into(), file.as_ref()?.into()]));
    [["--server".into(), server.to_string().into()]]
        .into_iter()
        .chain(files)
        .flatten()
        .collect()
}

/// Writes a man page for the program and one for each command.
fn write_man_pages(folder: &Path, json: bool) -> Result<(), Failure> {
    let failed = while_doing(format!("cannot write man pages to {}", folder.display()));
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder))
        .map_err(failed)?;
    if json {
        return render::print(&json!({ "folder": folder }).to_string());
    }
    render::print(&format!("Wrote the man pages to {}.", folder.display()))
}

fn print_completions(shell: ShellKind, json: bool) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "admin-cli", &mut script);
    let script = String::from_utf8_lossy(&script);
    if json {
        return render::print(&json!({ "shell": shell.to_string(), "script": script }).to_string());
    }
    render::print(script.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
