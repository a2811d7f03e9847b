//! The command line: global options, the commands of the server, and those of the program itself.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell as ShellKind;
use serde_json::json;

use crate::address::ServerAddress;
use crate::client::{AuthorityFile, Client, ClientKey};
use crate::commands;
use crate::context::Context;
use crate::endpoint::{Endpoint, KnownEndpoints, Named, Resolved};
use crate::failure::{Failure, while_doing};
use crate::render;
use crate::shell::Shell;
use crate::state_folder::StateFolder;
use crate::token_store::TokenStore;
use crate::trust;

/// The heading of the options that every command has.
const CONNECTION: &str = "Connection";
const AFTER_HELP: &str =
    "Exit codes: 0 success, 1 refused or failed, 2 wrong usage, 3 not signed in.";

/// Operate a Rookery server: see who is online, kick, ban, unban, read the audit trail
#[derive(Debug, Parser)]
#[command(name = "admin-cli", version, after_help = AFTER_HELP)]
pub struct Arguments {
    /// Address of the server's control plane [default: that of the last login, or localhost:6698]
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        help_heading = CONNECTION,
        env = "ROOKERY_SERVER"
    )]
    pub server: Option<ServerAddress>,

    /// PEM file with the authority to trust [default: for a server on this machine certs/ca.pem if
    /// it exists and no other user can have written it, else that of the last login to the server,
    /// else the system's authorities]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = CONNECTION,
        env = "ROOKERY_CA"
    )]
    pub ca: Option<PathBuf>,

    /// PEM file with the client certificate that the server requires of operators
    /// (`admin.client_ca`) [default: that of the last login to this server]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = CONNECTION,
        env = "ROOKERY_CERTIFICATE"
    )]
    pub certificate: Option<PathBuf>,

    /// PEM file with the key of that certificate [default: the certificate's file]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = CONNECTION,
        env = "ROOKERY_KEY"
    )]
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
    /// Trust the certificate that the server presents, in place of what was trusted before
    Trust(trust::Options),
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
    let named = Named {
        server,
        ca,
        certificate,
        key,
    };
    match command {
        Command::Server(command) => with_context(named, json, |context| command.run(&context)),
        Command::Shell => with_context(named, json, |context| {
            Shell {
                context,
                global_options: global_options(context.endpoint),
            }
            .run()
        }),
        Command::Trust(options) => {
            // A known authority is ignored: the pin will take its place.
            let without_authority = |resolved: Resolved| Endpoint {
                ca: None,
                ca_is_named: false,
                ..resolved.endpoint
            };
            with_endpoint(named, json, without_authority, |context| {
                trust::run(&options, &context)
            })
        }
        Command::Completions { shell } => print_completions(shell, json),
        Command::Man { folder } => write_man_pages(&folder, json),
    }
}

/// Runs `run` with the endpoint that the operator named, completed by what earlier logins stored.
fn with_context(
    named: Named,
    json: bool,
    run: impl FnOnce(Context<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let with_notice = |Resolved { endpoint, notice }| {
        if let Some(notice) = notice {
            render::notice(&notice);
        }
        endpoint
    };
    with_endpoint(named, json, with_notice, run)
}

/// Like [`with_context`], with the endpoint that `choose` returns.
fn with_endpoint(
    named: Named,
    json: bool,
    choose: impl FnOnce(Resolved) -> Endpoint,
    run: impl FnOnce(Context<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let state = StateFolder::of_user()?;
    let folder = env::current_dir().map_err(while_doing("cannot find the current folder"))?;
    let known = KnownEndpoints::load(&state)?;
    let endpoint = choose(known.clone().resolve(named, &folder));
    let policy = known.pin_policy(&endpoint.server);
    let Endpoint {
        server,
        ca,
        ca_is_named,
        certificate,
        key,
        pin: _,
    } = endpoint.clone();
    let ca = ca.map(|path| AuthorityFile {
        path,
        is_named: ca_is_named,
    });
    let store = TokenStore::new(state, &server);
    let key = ClientKey::read(certificate, key)?;
    run(Context {
        anonymous: &Client::new(server, ca, policy, key)?,
        endpoint: &endpoint,
        store: &store,
        json,
    })
}

/// Returns the options with which another process reaches the same server.
fn global_options(endpoint: &Endpoint) -> Vec<OsString> {
    let Endpoint {
        server,
        ca,
        ca_is_named,
        certificate,
        key,
        pin: _,
    } = endpoint;
    // An authority that was found is found by the other process too, and checked again.
    let ca = ca.as_ref().filter(|_| *ca_is_named);
    let files = [
        ("--ca", ca),
        ("--certificate", certificate.as_ref()),
        ("--key", key.as_ref()),
    ];
    let files = files
        .into_iter()
        .filter_map(|(option, file)| Some([option.into(), file?.into()]));
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
        return render::print_json(&json!({ "folder": folder }).to_string());
    }
    render::print(&format!("Wrote the man pages to {}.", folder.display()))
}

fn print_completions(shell: ShellKind, json: bool) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "admin-cli", &mut script);
    let script = String::from_utf8_lossy(&script);
    if json {
        return render::print_json(
            &json!({ "shell": shell.to_string(), "script": script }).to_string(),
        );
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
