//! `rook`, the Rookery chat client.

mod address;
mod authority;
mod chat;
mod cli;
mod commands;
mod config;
mod connection;
mod ending;
mod fingerprint;
mod link;
mod model;
mod person;
mod plain;
mod receipts;
mod refusals;
mod send;
mod session;
mod sign_in;
mod state;
mod tail;
mod text;
mod tls;
mod tui;
mod urls;
mod utterance;

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::tz::TimeZone;

use cli::{Cli, Command, Errand};
use config::Config;
use ending::Ending;

fn main() -> ExitCode {
    let cli = Cli::read();
    let ending = run(cli).unwrap_or_else(|error| Ending::Failed(format!("{error:#}")));
    // The only place where the end is told, once.
    if let Some(words) = ending.words() {
        person::tell(&words);
    }
    ending.exit_code()
}

fn run(mut cli: Cli) -> anyhow::Result<Ending> {
    let errand = match cli.command.take() {
        Some(Command::Completions { shell }) => {
            return match std::io::stdout().write_all(&Cli::completions(shell)) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
                _ => Ok(Ending::Finished),
            };
        }
        Some(Command::Man { folder }) => {
            Cli::write_man_pages(&folder).with_context(|| {
                format!("the man pages cannot be written into {}", folder.display())
            })?;
            return Ok(Ending::Finished);
        }
        Some(Command::Errand(errand)) => Some(errand),
        None => None,
    };
    let config = match Config::load() {
        Ok(config) => config,
        Err(error) => return Ok(Ending::Misconfigured(error.to_string())),
    };
    let server = config.choose(cli.server());
    let options = link::Options {
        server: server.address,
        ca: cli.ca.or(server.ca),
        name: cli.name.or(server.name),
        email: cli.email.or(server.email),
        join: server.join,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = match errand {
        Some(Errand::Send { target, text }) => {
            if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
                Cli::refuse("there is nothing to send");
            }
            runtime.block_on(send::run(options, target, text))
        }
        Some(Errand::Tail {
            target,
            lines,
            json,
        }) => {
            let form = if json {
                tail::Form::Json
            } else {
                tail::Form::Lines
            };
            runtime.block_on(tail::run(
                options,
                target,
                lines,
                form,
                std::io::stdout().lock(),
            ))
        }
        None if !cli.plain && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() => {
            runtime.block_on(tui::run(options, config.colours, config.notify))
        }
        None => {
            let printer = plain::Printer::new(std::io::stdout().lock(), TimeZone::system());
            runtime.block_on(chat::run(options, printer))
        }
    };
    // A look-up of a name may still be under way; nobody waits for it any more.
    runtime.shutdown_background();
    ended
}
