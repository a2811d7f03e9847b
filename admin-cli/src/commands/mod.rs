//! What each command does.

mod accounts;
mod admins;
mod audit;
mod bans;
mod channels;
mod csv;
mod invitations;
mod messages;
mod own;
mod pages;
mod server;
mod sign_in;
mod users;
mod watch;

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use serde_json::json;

use crate::cli::{Act, Arguments, Command, ServerAddress};
use crate::client::{Client, ClientKey, Reply, problem_kind};
use crate::failure::{Failure, while_doing};
use crate::output;
use crate::shell::Shell;
use crate::token_store::TokenStore;
use crate::top;

/// Runs the command that was given.
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
        Command::Act(act) => {
            let store = TokenStore::of_user(&server)?;
            let key = ClientKey::read(certificate, key)?;
            perform(act, &Client::new(server, ca, key)?, &store, &Show { json })
        }
        Command::Shell => {
            let store = TokenStore::of_user(&server)?;
            let globals = globals(
                &server,
                [
                    ("--ca", &ca),
                    ("--certificate", &certificate),
                    ("--key", &key),
                ],
            );
            let key = ClientKey::read(certificate, key)?;
            let stranger = Client::new(server, ca, key)?;
            Shell {
                stranger: &stranger,
                store: &store,
                json,
                globals,
            }
            .run()
        }
        Command::Completions { shell } => completions(shell, &Show { json }),
        Command::Man { folder } => man(&folder, &Show { json }),
    }
}

/// The options that reach the same server again.
fn globals(server: &ServerAddress, files: [(&str, &Option<PathBuf>); 3]) -> Vec<OsString> {
    let files = files
        .into_iter()
        .filter_map(|(option, file)| Some([option.into(), file.as_ref()?.into()]));
    [["--server".into(), server.to_string().into()]]
        .into_iter()
        .chain(files)
        .flatten()
        .collect()
}

/// Does one thing at the server.
pub fn perform(
    act: Act,
    stranger: &Client,
    store: &TokenStore,
    show: &Show,
) -> Result<(), Failure> {
    let client = || signed_in(stranger, store);
    match act {
        Act::Login(options) => sign_in::login(stranger, store, options, show),
        Act::Logout => sign_in::logout(&client()?, store, show),
        Act::Passwd(options) => own::passwd(&client()?, store, &options, show),
        Act::Sessions { command } => own::sessions(&client()?, store, command, show),
        Act::Totp(command) => own::totp(&client()?, store, &command, show),
        Act::Admins(command) => admins::run(&client()?, command, show),
        Act::List(options) => users::list(&client()?, &options, show),
        Act::Whois { name } => users::whois(&client()?, &name, show),
        Act::Kick(options) => users::kick(&client()?, options, show),
        Act::Ban(options) => bans::ban(&client()?, options, show),
        Act::Unban { target } => bans::unban(&client()?, &target, show),
        Act::Bans(page) => bans::list(&client()?, &page, show),
        Act::Accounts(options) => accounts::list(&client()?, &options, show),
        Act::Account(command) => accounts::run(&client()?, command, show),
        Act::Invite { email } => invitations::invite(&client()?, email, show),
        Act::Invitations(options) => invitations::run(&client()?, &options, show),
        Act::Registrations(options) => invitations::registrations(&client()?, &options, show),
        Act::Channels(page) => channels::list(&client()?, &page, show),
        Act::Channel(command) => channels::run(&client()?, command, show),
        Act::Messages(options) => messages::list(&client()?, options, show),
        Act::Redact(options) => messages::redact(&client()?, options, show),
        Act::Announce(options) => server::announce(&client()?, options, show),
        Act::Maintenance { command } => server::maintenance(&client()?, command, show),
        Act::Export(options) => csv::export(&client()?, &options, show),
        Act::Import(options) => csv::import(&client()?, &options, show),
        Act::Reload => server::reload(&client()?, show),
        Act::Audit(options) => audit::run(&client()?, options, show),
        Act::Status => server::status(&client()?, show),
        Act::Top(options) => top::run(&client()?, &options, show),
        Act::Watch(options) => watch::run(&client()?, &options, show),
    }
}

/// The client of whoever is signed in.
pub fn signed_in(stranger: &Client, store: &TokenStore) -> Result<Client, Failure> {
    let none = || Failure::NotSignedIn(format!("There is no sign-in to {}.", stranger.server()));
    Ok(stranger.with_token(store.load()?.ok_or_else(none)?.token))
}

/// Shows results as they are asked for: to people, or to scripts.
pub struct Show {
    pub json: bool,
}

impl Show {
    fn result<T>(&self, reply: &Reply<T>, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json {
            output::print(reply.raw.trim_end())
        } else {
            output::print(&text(&reply.value))
        }
    }
}

/// Sends something that the server may want to be confirmed; then the operator is asked.
fn ask_twice<T>(
    send: impl Fn(bool) -> Result<Reply<T>, Failure>,
    confirmed: bool,
) -> Result<Reply<T>, Failure> {
    match send(confirmed) {
        Err(failure)
            if problem_kind(&failure).as_deref() == Some("/problems/confirmation-required")
                && ask(&failure.to_string())? =>
        {
            send(true)
        }
        answer => answer,
    }
}

/// Whether something is to be done all the same. Where nobody can be asked, it is not.
fn ask(warning: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    eprintln!("{}", output::plain(warning));
    let answer = sign_in::read_line("Do it all the same? [y/N] ")?;
    Ok(["y", "yes"].contains(&answer.to_lowercase().as_str()))
}

/// A page for this, and one for every command.
fn man(folder: &Path, show: &Show) -> Result<(), Failure> {
    let failed = while_doing(format!(
        "the man pages cannot be written into {}",
        folder.display()
    ));
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder))
        .map_err(failed)?;
    if show.json {
        return output::print(&json!({ "folder": folder }).to_string());
    }
    output::print(&format!("The man pages are in {}.", folder.display()))
}

fn completions(shell: clap_complete::Shell, show: &Show) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "admin-cli", &mut script);
    let script = String::from_utf8_lossy(&script);
    if show.json {
        return output::print(&json!({ "shell": shell.to_string(), "script": script }).to_string());
    }
    output::print(script.trim_end())
}
