//! `admin-cli`, the operators' tool for the control plane of a Rookery server.
//!
//! Each family of commands is one file in `commands/`: its arguments, its requests and what it
//! prints. What families share lies beneath them: [`context`] (the sign-in and the output format),
//! [`client`] (HTTPS and JSON), [`render`] (tables and times), [`prompt`] (questions to the
//! operator), [`pages`] (lists) and [`args`] (parsers of arguments). `cli` and `shell` lie above
//! them: the command line and the interactive shell run the same commands.

mod address;
mod args;
mod cli;
mod client;
mod colour;
mod commands;
mod context;
mod endpoint;
mod failure;
mod pages;
mod prompt;
mod render;
mod shell;
mod state_folder;
mod token_store;
mod top;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    colour::detect();
    let json = arguments.json;
    match cli::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if json {
                render::print_document(&failure);
            }
            let name = colour::red_on_stderr("admin-cli:");
            eprintln!("{name} {}", render::printable(&failure.to_string()));
            ExitCode::from(failure.exit_code())
        }
    }
}
