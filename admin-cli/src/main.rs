//! `admin-cli`, the operator's tool for a Rookery server's control plane.

mod cli;
mod client;
mod colour;
mod commands;
mod failure;
mod output;
mod shell;
mod token_store;
mod top;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    colour::decide();
    let json = arguments.json;
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if json {
                output::document(&failure);
            }
            let name = colour::red_error("admin-cli:");
            eprintln!("{name} {}", output::plain(&failure.to_string()));
            ExitCode::from(failure.exit_code())
        }
    }
}
