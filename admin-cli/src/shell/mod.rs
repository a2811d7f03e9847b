//! `shell`: one command after the other, with the sign-in kept, completion, and history without
//! secrets.

mod complete;
mod names;
mod words;

use std::cell::RefCell;
use std::collections::HashMap;
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
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::cli::{Act, LoginOptions};
use crate::client::Client;
use crate::commands::{self, Show};
use crate::failure::{Failure, while_doing};
use crate::token_store::TokenStore;
use crate::{colour, output};
use names::Server;
use words::Split;

const PROMPT: &str = "admin-cli> ";
const GREETING: &str =
    "`help` shows the commands; the tab key completes them, and names; ctrl-d leaves.";
/// Lines that are remembered.
const HISTORY: usize = 1000;

/// A line of the shell.
#[derive(Debug, Parser)]
#[command(name = "", no_binary_name = true, about = ABOUT, after_help = AFTER_HELP)]
pub struct Line {
    /// Print what the server answers, as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const ABOUT: &str = "Commands, one a line, as they stand behind admin-cli";
const AFTER_HELP: &str =
    "A slash before a command is left out: /kick alice. The tab key completes, ctrl-d leaves.";

impl Line {
    fn read(split: &Split) -> Result<Self, clap::Error> {
        Self::try_parse_from(&split.words)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Act(Act),
    /// Leave the shell; the sign-in stays
    #[command(alias = "exit")]
    Quit,
}

/// What the shell works with.
pub struct Shell<'a> {
    pub stranger: &'a Client,
    pub store: &'a TokenStore,
    pub json: bool,
    /// The options that say which server, and how it is reached: for what runs as a program of its
    /// own.
    pub globals: Vec<OsString>,
}

/// What comes after a line.
enum After {
    Next,
    Leave,
}

impl Shell<'_> {
    /// Takes lines from whoever types them, or from a pipe, until there are no more.
    pub fn run(&self) -> Result<(), Failure> {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            self.talk()
        } else {
            self.read()
        }
    }

    /// A pipe: each line is done, whatever came of the one before; the first failure is that of the
    /// whole.
    fn read(&self) -> Result<(), Failure> {
        let mut first = None;
        loop {
            // Not held while a command reads its own input, a code, say.
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            if read.map_err(while_doing("standard input cannot be read"))? == 0 {
                break;
            }
            match self.line(line.trim()) {
                Ok(After::Next) => {}
                Ok(After::Leave) => break,
                Err(failure @ Failure::NotSignedIn(_)) => return Err(failure),
                Err(failure) => {
                    tell(&failure);
                    first.get_or_insert(failure);
                }
            }
        }
        first.map_or(Ok(()), |failure| {
            Err(Failure::new(format!("not all was done; first: {failure}")))
        })
    }

    /// A person at a terminal.
    fn talk(&self) -> Result<(), Failure> {
        let broken =
            |error: ReadlineError| Failure::new(format!("the terminal cannot be used: {error}"));
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(broken)?
            .build();
        let mut editor: Editor<Tab<'_>, FileHistory> =
            Editor::with_config(config).map_err(broken)?;
        editor.set_helper(Some(Tab::new(self)));
        let file = self.history_file()?;
        // There is none at first.
        let _ = editor.load_history(&file);
        if self.store.load()?.is_none() {
            self.sign_in()?;
        }
        eprintln!("{GREETING}");
        loop {
            let line = match editor.readline(PROMPT) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(broken(error)),
            };
            let line = line.trim();
            // What is no command may be a password, typed in the wrong place.
            if Line::read(&words::split(line)).is_ok() {
                let kept = editor
                    .add_history_entry(line)
                    .and_then(|_| editor.append_history(&file));
                if let Err(error) = kept {
                    eprintln!("The history cannot be kept in {}: {error}", file.display());
                }
            }
            match self.line_signed_in(line) {
                Ok(After::Next) => {}
                Ok(After::Leave) => return Ok(()),
                Err(failure) => tell(&failure),
            }
        }
    }

    /// Where the sign-in has ended, asks for another, and then does what was asked for.
    fn line_signed_in(&self, line: &str) -> Result<After, Failure> {
        match self.line(line) {
            Err(Failure::NotSignedIn(why)) => {
                eprintln!("{}", output::plain(&why));
                self.sign_in()?;
                self.line(line)
            }
            done => done,
        }
    }

    fn sign_in(&self) -> Result<(), Failure> {
        let login = Act::Login(LoginOptions {
            name: None,
            password_file: None,
        });
        commands::perform(login, self.stranger, self.store, &Show { json: self.json })
    }

    fn line(&self, line: &str) -> Result<After, Failure> {
        let split = words::split(line);
        if split.is_open {
            return Err(Failure::Usage(
                "a quote or a backslash is left open".to_owned(),
            ));
        }
        if line.is_empty() {
            return Ok(After::Next);
        }
        let Line { json, command } = match Line::read(&split) {
            Ok(line) => line,
            Err(error) if error.use_stderr() => {
                return Err(Failure::Usage(
                    error.to_string().trim_end().replace("error: ", ""),
                ));
            }
            Err(help) => {
                output::print(help.to_string().trim_end())?;
                return Ok(After::Next);
            }
        };
        let show = Show {
            json: json || self.json,
        };
        match command {
            Command::Quit => return Ok(After::Leave),
            // These end by ctrl-c, which is not to end the shell.
            Command::Act(act) if act.goes_on() => self.run_alone(&split.words, show.json)?,
            Command::Act(act) => {
                let done = commands::perform(act, self.stranger, self.store, &show);
                done.inspect_err(|failure| {
                    if show.json {
                        output::document(failure);
                    }
                })?;
            }
        }
        Ok(After::Next)
    }

    /// Runs a command as a program of its own. Ctrl-c reaches both, and ends that one.
    fn run_alone(&self, words: &[String], json: bool) -> Result<(), Failure> {
        let failed = |error| while_doing("the command cannot be run")(error);
        let interrupted = Arc::new(AtomicBool::new(false));
        let registered = signal_hook::flag::register(signal_hook::consts::SIGINT, interrupted)
            .map_err(failed)?;
        let mut command = process::Command::new(env::current_exe().map_err(failed)?);
        command
            .args(&self.globals)
            .args(json.then_some("--json"))
            .args(words);
        let ended = command.status();
        signal_hook::low_level::unregister(registered);
        ended.map(drop).map_err(failed)
    }

    fn history_file(&self) -> Result<PathBuf, Failure> {
        self.store.folder().map(|folder| folder.join("history"))
    }
}

fn tell(failure: &Failure) {
    eprintln!(
        "{} {}",
        colour::red_error("admin-cli:"),
        lines(&failure.to_string())
    );
}

/// Made harmless, line by line: what clap says has several.
fn lines(text: &str) -> String {
    text.lines()
        .map(output::plain)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the tab key does.
struct Tab<'a> {
    root: clap::Command,
    server: Server<'a>,
}

impl<'a> Tab<'a> {
    fn new(shell: &Shell<'a>) -> Self {
        let mut root = Line::command();
        root.build();
        let known = RefCell::new(HashMap::new());
        Self {
            root,
            server: Server {
                stranger: shell.stranger,
                store: shell.store,
                known,
            },
        }
    }
}

impl Helper for Tab<'_> {}
impl Highlighter for Tab<'_> {}
impl Validator for Tab<'_> {}

impl Hinter for Tab<'_> {
    type Hint = String;
}

impl Completer for Tab<'_> {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete::complete(&self.root, &line[..at], &self.server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_the_command_line_is() {
        let read = |line: &str| Line::read(&words::split(line));
        assert!(matches!(
            read("/kick alice"),
            Ok(Line {
                command: Command::Act(Act::Kick(_)),
                ..
            })
        ));
        assert!(matches!(
            read("/ban charlie"),
            Ok(Line {
                command: Command::Act(Act::Ban(_)),
                ..
            })
        ));
        assert!(matches!(
            read("/list"),
            Ok(Line {
                command: Command::Act(Act::List(_)),
                ..
            })
        ));
        assert!(matches!(
            read("/unban charlie"),
            Ok(Line {
                command: Command::Act(Act::Unban { .. }),
                ..
            })
        ));
        assert!(matches!(
            read("/quit"),
            Ok(Line {
                command: Command::Quit,
                ..
            })
        ));
        assert!(matches!(
            read("exit"),
            Ok(Line {
                command: Command::Quit,
                ..
            })
        ));
        assert!(read("bans --json").is_ok_and(|line| line.json));
        for bad in [
            "",
            "123456",
            "correct horse battery staple",
            "kick",
            "shell",
            "completions bash",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
