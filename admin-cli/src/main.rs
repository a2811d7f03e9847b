//! `admin-cli`, the operators' tool for the control plane of a Rookery server.
//!
//! Each family of commands is one file in `commands/`: its arguments, its requests and what it
//! prints. What families share lies beneath them: [`context`] (the sign-in and the output format),
//! [`client`] (HTTPS and JSON), [`render`] and [`table`] (text for people), [`prompt`] (questions
//! to the operator), [`pages`] (lists) and [`args`] (parsers of arguments). `cli` and `shell` lie
//! above them: the command line and the interactive shell run the same commands.

mod address;
mod args;
mod audit_head;
mod cli;
mod client;
mod colour;
mod commands;
mod context;
mod endpoint;
mod failure;
mod help;
mod pages;
mod prompt;
mod render;
mod shell;
mod state_folder;
mod table;
mod token_store;
mod top;
mod trust;

use std::env;
use std::process::ExitCode;

use failure::Failure;

fn main() -> ExitCode {
    colour::detect();
    render::detect_terminal();
    let arguments = match help::parse::<cli::Arguments>(env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            // The message quotes arguments, which may come from anywhere.
            render::notice(error.to_string().trim_end());
            return ExitCode::from(Failure::USAGE);
        }
        Err(help) => help.exit(),
    };
    let json = arguments.json;
    match cli::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if json {
                render::print_document(&failure);
            }
            render::report(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
