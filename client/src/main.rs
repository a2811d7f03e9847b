//! `rook`, the Rookery chat client.

mod address;
mod chat;
mod cli;
mod commands;
mod connection;
mod ending;
mod fingerprint;
mod link;
mod model;
mod person;
mod plain;
mod receipts;
mod send;
mod session;
mod sign_in;
mod state;
mod text;
mod tls;
mod tui;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use jiff::tz::TimeZone;

use cli::{Cli, Command};
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

fn run(cli: Cli) -> anyhow::Result<Ending> {
    let server = cli.server();
    let options = link::Options { server, ca: cli.ca, name: cli.name, email: cli.email };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = match cli.command {
        Some(Command::Send { target, text }) => {
            if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
                Cli::refuse("there is nothing to send");
            }
            runtime.block_on(send::run(options, target, text))
        }
        None if !cli.plain && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() => {
            runtime.block_on(tui::run(options))
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
