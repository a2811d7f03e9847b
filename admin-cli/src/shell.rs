//! `shell`: reads commands from a terminal or a pipe and runs them with one sign-in.
//!
//! On a terminal, Tab completes commands and names, and lines are stored in a history. A line that
//! is no command is not stored, because it may be a password typed at the wrong prompt.

mod complete;
mod names;
mod tokenize;

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{CommandFactory as _, Parser, Subcommand};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Editor, Helper};

use crate::commands;
use crate::commands::sign_in::{self, LoginOptions};
use crate::context::Context;
use crate::failure::{Failure, while_doing};
use crate::help;
use crate::render;
use names::ServerNames;
use tokenize::{Tokens, tokenize};

const PROMPT: &str = "admin-cli> ";
const GREETING: &str = "`help` lists the commands; Tab completes commands and names; Ctrl-D quits.";
/// The most lines in the history.
const HISTORY: usize = 1000;

/// A line of the shell.
#[derive(Debug, Parser)]
#[command(name = "", no_binary_name = true, override_usage = USAGE)]
#[command(about = ABOUT, after_help = AFTER_HELP)]
pub struct Line {
    /// Print the server's reply as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const USAGE: &str = "COMMAND [OPTIONS]";
const ABOUT: &str = "One command per line, as on the command line after admin-cli";
const AFTER_HELP: &str =
    "A slash before a command is ignored: /kick alice. Tab completes, Ctrl-D quits.";

impl Line {
    fn parse_tokens(tokens: &Tokens) -> Result<Self, clap::Error> {
        help::parse(&tokens.words)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Server(commands::Command),
    /// Quit the shell without signing out
    #[command(alias = "exit")]
    Quit,
}

/// The shell.
pub struct Shell<'a> {
    pub context: Context<'a>,
    /// The options with which a child process reaches the same server.
    pub global_options: Vec<OsString>,
}

/// What to do after a line.
enum Next {
    Continue,
    Quit,
}

impl Shell<'_> {
    /// Runs commands from the terminal or from a pipe until the input ends.
    pub fn run(&self) -> Result<(), Failure> {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            self.run_on_terminal()
        } else {
            self.run_from_pipe()
        }
    }

    /// Runs every line of a pipe, also after a failure, and reports the first failure at the end.
    fn run_from_pipe(&self) -> Result<(), Failure> {
        let mut first = None;
        loop {
            // Standard input is not locked while a command runs, which may read a code from it.
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            if read.map_err(while_doing("cannot read standard input"))? == 0 {
                break;
            }
            match self.run_line(line.trim()) {
                Ok(Next::Continue) => {}
                Ok(Next::Quit) => break,
                Err(failure @ Failure::NotSignedIn { .. }) => return Err(failure),
                Err(failure) => {
                    render::report(&failure);
                    first.get_or_insert(failure);
                }
            }
        }
        first.map_or(Ok(()), |failure| {
            Err(Failure::new(format!(
                "not every line succeeded; the first failure: {failure}"
            )))
        })
    }

    fn run_on_terminal(&self) -> Result<(), Failure> {
        let broken =
            |error: ReadlineError| Failure::new(format!("cannot use the terminal: {error}"));
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(broken)?
            .build();
        let mut editor: Editor<Completion<'_>, FileHistory> =
            Editor::with_config(config).map_err(broken)?;
        editor.set_helper(Some(Completion::new(self.context)));
        let file = self.history_file()?;
        // The file does not exist at first.
        let _ = editor.load_history(&file);
        if self.context.store.load()?.is_none() {
            self.sign_in()?;
        }
        render::notice(GREETING);
        loop {
            let line = match editor.readline(PROMPT) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(broken(error)),
            };
            let line = line.trim();
            // Anything else may be a password typed at the wrong prompt.
            if Line::parse_tokens(&tokenize(line)).is_ok() {
                let stored = editor
                    .add_history_entry(line)
                    .and_then(|_| editor.append_history(&file));
                if let Err(error) = stored {
                    render::notice(&format!(
                        "Cannot write the history {}: {error}",
                        file.display()
                    ));
                }
            }
            match self.run_line_signed_in(line) {
                Ok(Next::Continue) => {}
                Ok(Next::Quit) => return Ok(()),
                Err(failure) => render::report(&failure),
            }
        }
    }

    /// Runs a line. If the sign-in has ended, signs in again and runs it once more, unless it may
    /// have been carried out already.
    fn run_line_signed_in(&self, line: &str) -> Result<Next, Failure> {
        match self.run_line(line) {
            Err(Failure::NotSignedIn {
                why,
                may_be_done: false,
            }) => {
                render::notice(&why);
                self.sign_in()?;
                self.run_line(line)
            }
            result => result,
        }
    }

    fn sign_in(&self) -> Result<(), Failure> {
        sign_in::login(LoginOptions::default(), &self.context)
    }

    fn run_line(&self, line: &str) -> Result<Next, Failure> {
        let tokens = tokenize(line);
        if tokens.is_open {
            return Err(Failure::Usage("a quote is left open".to_owned()));
        }
        if line.is_empty() {
            return Ok(Next::Continue);
        }
        let Line { json, command } = match Line::parse_tokens(&tokens) {
            Ok(line) => line,
            Err(error) if error.use_stderr() => return Err(Failure::Usage(explain(&error))),
            Err(help) => {
                render::print(help.to_string().trim_end())?;
                return Ok(Next::Continue);
            }
        };
        let context = Context {
            json: json || self.context.json,
            ..self.context
        };
        match command {
            Command::Quit => return Ok(Next::Quit),
            // Ctrl-C must end the command but not the shell.
            Command::Server(command) if command.runs_until_interrupted() => {
                self.run_in_child(&tokens.words, context.json)?;
            }
            Command::Server(command) => command.run(&context).inspect_err(|failure| {
                if context.json {
                    render::print_document(failure);
                }
            })?,
        }
        Ok(Next::Continue)
    }

    /// Runs a command in a child process. Ctrl-C reaches both processes and ends the child.
    fn run_in_child(&self, words: &[String], json: bool) -> Result<(), Failure> {
        let failed = |error| while_doing("cannot run the command")(error);
        let interrupted = Arc::new(AtomicBool::new(false));
        let registered = signal_hook::flag::register(signal_hook::consts::SIGINT, interrupted)
            .map_err(failed)?;
        let mut command = process::Command::new(env::current_exe().map_err(failed)?);
        command
            .args(&self.global_options)
            .args(json.then_some("--json"))
            .args(words);
        let ended = command.status();
        signal_hook::low_level::unregister(registered);
        ended.map(drop).map_err(failed)
    }

    fn history_file(&self) -> Result<PathBuf, Failure> {
        let folder = self.context.store.folder();
        let failed = while_doing(format!("cannot create {}", folder.path().display()));
        folder.create().map_err(failed)?;
        Ok(folder.path().join("history"))
    }
}

/// Returns why a line is no command, with the shell's own way to help.
fn explain(error: &clap::Error) -> String {
    let text = error.to_string();
    let (reason, _) = text
        .split_once("\n\nFor more information")
        .unwrap_or((&text, ""));
    let reason = reason.trim_end().replace("error: ", "");
    format!("{reason}\n\n`help` lists the commands; `help COMMAND` explains one.")
}

/// Completion with Tab.
struct Completion<'a> {
    root: clap::Command,
    names: ServerNames<'a>,
}

impl<'a> Completion<'a> {
    fn new(context: Context<'a>) -> Self {
        let mut root = Line::command();
        root.build();
        Self {
            root,
            names: ServerNames::new(context),
        }
    }
}

impl Helper for Completion<'_> {}
impl Highlighter for Completion<'_> {}
impl Validator for Completion<'_> {}

impl Hinter for Completion<'_> {
    type Hint = String;
}

impl Completer for Completion<'_> {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete::complete(&self.root, &line[..at], &self.names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{bans, users};

    #[test]
    fn a_line_is_parsed_like_the_command_line() {
        let parse = |line: &str| Line::parse_tokens(&tokenize(line));
        let command = |line: &str| match parse(line) {
            Ok(Line {
                command: Command::Server(command),
                ..
            }) => Some(command),
            _ => None,
        };
        assert!(matches!(
            command("/kick alice"),
            Some(commands::Command::Users(users::Command::Kick(_)))
        ));
        assert!(matches!(
            command("/list"),
            Some(commands::Command::Users(users::Command::List(_)))
        ));
        assert!(matches!(
            command("/ban charlie"),
            Some(commands::Command::Bans(bans::Command::Ban(_)))
        ));
        assert!(matches!(
            command("/unban charlie"),
            Some(commands::Command::Bans(bans::Command::Unban { .. }))
        ));
        for line in ["/quit", "exit"] {
            let quits = matches!(
                parse(line),
                Ok(Line {
                    command: Command::Quit,
                    ..
                })
            );
            assert!(quits, "{line:?}");
        }
        assert!(parse("bans --json").is_ok_and(|line| line.json));
        assert_eq!(
            explain(&parse("frob").unwrap_err()),
            "unrecognized subcommand 'frob'\n\nUsage: COMMAND [OPTIONS]\n\n\
             `help` lists the commands; `help COMMAND` explains one."
        );
        for bad in [
            "",
            "123456",
            "correct horse battery staple",
            "kick",
            "shell",
            "completions bash",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
