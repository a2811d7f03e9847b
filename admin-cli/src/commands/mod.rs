//! What each command does.

mod accounts;
mod admins;
mod audit;
mod bans;
mod channels;
mod invitations;
mod own;
mod server;
mod sign_in;
mod users;
mod watch;

use std::io::{self, IsTerminal as _};

use clap::CommandFactory as _;

use crate::cli::{Act, Arguments, Command};
use crate::client::{Client, Reply, problem_kind};
use crate::failure::Failure;
use crate::output;
use crate::token_store::TokenStore;

/// Runs the command that was given.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { server, ca, json, command } = arguments;
    match command {
        Command::Act(act) => {
            let store = TokenStore::of_user(&server)?;
            perform(act, &Client::new(server, ca)?, &store, &Show { json })
        }
        Command::Completions { shell } => completions(shell),
    }
}

fn perform(act: Act, stranger: &Client, store: &TokenStore, show: &Show) -> Result<(), Failure> {
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
        Act::Bans => bans::list(&client()?, show),
        Act::Accounts(options) => accounts::list(&client()?, &options, show),
        Act::Account(command) => accounts::run(&client()?, command, show),
        Act::Invite { email } => invitations::invite(&client()?, email, show),
        Act::Invitations(options) => invitations::run(&client()?, &options, show),
        Act::Registrations(options) => invitations::registrations(&client()?, &options, show),
        Act::Channels => channels::list(&client()?, show),
        Act::Channel(command) => channels::run(&client()?, command, show),
        Act::Announce(options) => server::announce(&client()?, options, show),
        Act::Maintenance { command } => server::maintenance(&client()?, command, show),
        Act::Reload => server::reload(&client()?, show),
        Act::Audit(options) => audit::run(&client()?, options, show),
        Act::Status => server::status(&client()?, show),
        Act::Watch(options) => watch::run(&client()?, &options, show),
    }
}

/// The client of whoever is signed in.
fn signed_in(stranger: &Client, store: &TokenStore) -> Result<Client, Failure> {
    let none = || Failure::NotSignedIn(format!("There is no sign-in to {}.", stranger.server()));
    Ok(stranger.with_token(store.load()?.ok_or_else(none)?.token))
}

/// Shows results as they are asked for: to people, or to scripts.
struct Show {
    json: bool,
}

impl Show {
    fn result<T>(&self, reply: &Reply<T>, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json { output::print(reply.raw.trim_end()) } else { output::print(&text(&reply.value)) }
    }
}

/// Sends something that the server may want to be confirmed; then the operator is asked.
fn ask_twice<T>(
    send: impl Fn(bool) -> Result<Reply<T>, Failure>,
    confirmed: bool,
) -> Result<Reply<T>, Failure> {
    match send(confirmed) {
        Err(failure)
            if problem_kind(&failure).as_deref() == Some("/problems/needs-confirmation")
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

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "admin-cli", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}
