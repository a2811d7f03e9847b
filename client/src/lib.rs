//! `rook`, the Rookery chat client, as a library, so that the fuzz targets can run its parts. The
//! program only calls [`main`].
//!
//! It has two front ends (`tui`: the full screen, `plain`: plain lines) and three commands for
//! scripts (`send`, `tail`, `trust`). All but `trust` use one `session`, or a series of sessions
//! (`reconnect`), and pass every message that they receive to the `model`.

mod address;
mod chat_message;
mod cli;
mod commands;
mod config;
mod connection;
mod console;
mod exit;
mod front_end;
#[cfg(feature = "test-support")]
pub mod fuzz;
mod model;
mod plain;
mod receipts;
mod reconnect;
mod refusals;
mod send;
mod session;
mod sign_in;
mod state;
mod tail;
mod text;
mod tls;
mod trust;
mod tui;
mod urls;

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::tz::TimeZone;

use cli::{Cli, Command, ScriptCommand};
use config::Config;
use exit::Exit;

/// Runs the program with the arguments of the process. Returns its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::read();
    let exit = run(cli).unwrap_or_else(|error| Exit::Failed(format!("{error:#}")));
    // This is the only place that prints the reason of the exit.
    if let Some(message) = exit.message() {
        console::notice(&message);
    }
    exit.exit_code()
}

fn run(mut cli: Cli) -> anyhow::Result<Exit> {
    let script = match cli.command.take() {
        Some(Command::Completions { shell }) => {
            return match std::io::stdout().write_all(&Cli::completions(shell)) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
                _ => Ok(Exit::Finished),
            };
        }
        Some(Command::Man { folder }) => {
            Cli::write_man_pages(&folder).with_context(|| {
                format!("the man pages cannot be written to {}", folder.display())
            })?;
            return Ok(Exit::Finished);
        }
        Some(Command::ScriptCommand(script)) => Some(script),
        None => None,
    };
    let config = match Config::load() {
        Ok(config) => config,
        Err(error) => return Ok(Exit::InvalidConfig(error.to_string())),
    };
    let trusted = match &script {
        Some(ScriptCommand::Trust { server, .. }) => Some(server),
        _ => cli.server(),
    };
    let server = config.choose(trusted);
    let options = reconnect::ConnectOptions {
        server: server.address,
        ca: cli.ca.or(server.ca),
        name: cli.name.or(server.name),
        email: cli.email.or(server.email),
        join: server.join,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = match script {
        Some(ScriptCommand::Send {
            target,
            text,
            create,
            literal,
        }) => {
            if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
                Cli::exit_with_usage_error("the message is empty");
            }
            let target = send::Destination {
                target,
                create,
                literal,
            };
            runtime.block_on(send::run(options, target, text))
        }
        Some(ScriptCommand::Tail {
            target,
            lines,
            json,
            create,
        }) => {
            let format = if json {
                tail::OutputFormat::Json
            } else {
                tail::OutputFormat::Lines
            };
            runtime.block_on(tail::run(
                options,
                target,
                create,
                lines,
                format,
                std::io::stdout().lock(),
            ))
        }
        Some(ScriptCommand::Trust { fingerprint, .. }) => {
            runtime.block_on(trust::run(options.server, fingerprint))
        }
        None if !cli.plain && has_screen() => {
            let mouse = config.mouse.unwrap_or(true);
            runtime.block_on(tui::run(options, config.colours, config.notify, mouse))
        }
        None => {
            let width = rookery_terminal::stdout_width;
            let printer = plain::Printer::new(std::io::stdout().lock(), TimeZone::system(), width);
            runtime.block_on(plain::run(options, printer))
        }
    };
    // A name lookup may still be running; the exit does not wait for it.
    runtime.shutdown_background();
    result
}

/// Whether standard input and output are a terminal that can be drawn on. `TERM=dumb` (the shell in
/// Emacs, for example) shows lines only.
fn has_screen() -> bool {
    std::io::stdin().is_terminal()
        && std::io::stdout().is_terminal()
        && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}
