//! `login`, `logout`, `passwd` and `sessions`: the operator's own sign-in.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use rookery_control_api::{
    AdminSessionList, Factor, LoginReply, LoginRequest, LogoutReply, PasswordRequest,
    SessionsEnded, VerifyReply, VerifyRequest,
};
use serde_json::json;

use crate::audit_head;
use crate::client::{Reply, segment};
use crate::context::Context;
use crate::failure::Failure;
use crate::pages;
use crate::prompt::{ask_password, read_code, read_line, read_password_file};
use crate::render::{self, Clock, printable};
use crate::table::{table, with_count};
use crate::token_store::{SavedDevice, SavedToken};
use crate::trust;

/// Follows the text of a command that ends the operator's own sessions.
pub const SIGN_IN_AGAIN: &str =
    "All your sessions have ended; sign in again with `admin-cli login`.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign in with a password and a code: mailed, from an authenticator app, or a recovery code
    ///
    /// The code is asked for on a terminal, and otherwise read from standard input.
    Login(LoginOptions),
    /// Sign out
    Logout,
    /// Change your password, which ends all your sessions
    Passwd(PasswdOptions),
    /// List your sessions (an owner sees everyone's), or end them
    Sessions {
        #[command(subcommand)]
        command: Option<SessionsCommand>,
    },
}

#[derive(Debug, Default, Args)]
pub struct LoginOptions {
    /// The admin's name; asked for if left out
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// File that holds the password and nothing else; asked for if left out
    #[arg(long, value_name = "F")]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PasswdOptions {
    /// File that holds the current password and nothing else; asked for if left out
    #[arg(long, value_name = "F")]
    password_file: Option<PathBuf>,
    /// File that holds the new password and nothing else; asked for if left out
    #[arg(long, value_name = "F")]
    new_password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// End a session
    Revoke {
        /// The session's id, or `all` for all your own sessions
        id: String,
    },
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        match self {
            Self::Login(options) => login(options, context),
            Self::Logout => logout(context),
            Self::Passwd(options) => passwd(&options, context),
            Self::Sessions { command } => sessions(command, context),
        }
    }
}

/// Signs in with name, password and code, and stores the token.
pub fn login(options: LoginOptions, context: &Context<'_>) -> Result<(), Failure> {
    let client = context.anonymous;
    let LoginOptions {
        name,
        password_file,
    } = options;
    // The operator types a password only if it can be sent.
    trust::check_connection(context)?;
    let name = name.map_or_else(ask_name, Ok)?;
    let device = context.store.load_device(&name)?;
    let send = |password| {
        let request = LoginRequest {
            name: name.clone(),
            password,
            device: device.clone(),
        };
        client.post("/v1/login", &request)
    };
    let reply = if let Some(file) = password_file {
        send(read_password_file(&file)?)
    } else {
        let ask = || ask_password("Password: ", "--password-file");
        retry(ask, send, "login-failed")
    };
    let LoginReply {
        challenge,
        factors,
        sent_to,
        expires_at,
        warning,
    } = reply?.value;
    let until = Clock::system().time(expires_at);
    let instruction = code_instruction(&factors, sent_to.as_deref());
    render::notice(&format!("{instruction} It is accepted until {until}."));
    if let Some(warning) = warning {
        render::notice(&warning);
    }

    let reply: Reply<VerifyReply> = retry_wrong_codes(|code| {
        let request = VerifyRequest {
            challenge: challenge.clone(),
            code,
        };
        client.post("/v1/login/verify", &request)
    })?;
    let VerifyReply {
        token,
        expires_at,
        device,
    } = reply.value;
    let signed_in = client.with_token(token.clone());
    context.store.save(&SavedToken { token, expires_at })?;
    context.store.save_device(&SavedDevice {
        admin: name,
        device,
    })?;
    context.endpoint.save(context.store.folder())?;
    audit_head::warn(&signed_in, context);
    if context.json {
        // The server's reply contains the token, which must not be printed.
        return render::print_json(&json!({ "expires_at": expires_at }).to_string());
    }
    render::print(&format!(
        "Signed in to {} until {}.",
        client.server(),
        Clock::system().time(expires_at)
    ))
}

/// Returns which code to enter.
fn code_instruction(factors: &[Factor], sent_to: Option<&str>) -> String {
    let mailed = sent_to.map(|sent_to| format!("A code was mailed to {sent_to}."));
    let others: Vec<&str> = factors
        .iter()
        .filter_map(|factor| match factor {
            Factor::Mail => None,
            Factor::Totp => Some("a code from your authenticator app"),
            Factor::Recovery => Some("a recovery code"),
        })
        .collect();
    match (mailed, others.join(" or ")) {
        (Some(mailed), others) if others.is_empty() => mailed,
        (Some(mailed), others) => format!("{mailed} Enter it, or {others}."),
        (None, others) => format!("Enter {others}."),
    }
}

/// Reads a code and sends it. On a terminal, a wrong code can be corrected.
pub fn retry_wrong_codes<T>(
    send: impl Fn(String) -> Result<Reply<T>, Failure>,
) -> Result<Reply<T>, Failure> {
    retry(read_code, send, "wrong-code")
}

/// Asks for a secret and sends it. On a terminal, it is asked for again while the server replies
/// with the problem `/problems/KIND`.
fn retry<T>(
    ask: impl Fn() -> Result<String, Failure>,
    send: impl Fn(String) -> Result<Reply<T>, Failure>,
    kind: &str,
) -> Result<Reply<T>, Failure> {
    loop {
        match send(ask()?) {
            Err(failure) if io::stdin().is_terminal() && failure.is_problem(kind) => {
                render::notice(&failure.to_string());
            }
            result => return result,
        }
    }
}

/// Ends the session on the server and removes the stored token.
fn logout(context: &Context<'_>) -> Result<(), Failure> {
    let client = context.client()?;
    let reply: Result<Reply<LogoutReply>, Failure> = client.post_empty("/v1/logout");
    // A token that the server no longer accepts is useless here too.
    if matches!(reply, Ok(_) | Err(Failure::NotSignedIn { .. })) {
        context.store.remove()?;
    }
    context.show(&reply?, |_, _| {
        format!("Signed out of {}.", client.server())
    })
}

fn ask_name() -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "there is no terminal to ask for the admin's name: pass it with --name".to_owned(),
        ));
    }
    read_line("Name: ")
}

fn passwd(options: &PasswdOptions, context: &Context<'_>) -> Result<(), Failure> {
    let client = context.client()?;
    let (old, new) = (
        options.password_file.as_deref(),
        options.new_password_file.as_deref(),
    );
    let ask_old = || match old {
        Some(file) => read_password_file(file),
        None => ask_password("Current password: ", "--password-file"),
    };
    let ask_new = || new.map_or_else(ask_new_password, read_password_file);
    let mut request = PasswordRequest {
        old: ask_old()?,
        new: ask_new()?,
    };
    // On a terminal, the password that is not accepted is asked for again.
    let reply: Reply<SessionsEnded> = loop {
        let failure = match client.put("/v1/password", &request) {
            Ok(reply) => break reply,
            Err(failure) if !io::stdin().is_terminal() => return Err(failure),
            Err(failure) => failure,
        };
        if failure.is_problem("wrong-password") && old.is_none() {
            render::notice(&failure.to_string());
            request.old = ask_old()?;
        } else if failure.is_problem("invalid") && new.is_none() {
            render::notice(&failure.to_string());
            request.new = ask_new()?;
        } else {
            return Err(failure);
        }
    };
    context.store.remove()?;
    context.show(&reply, |_, _| {
        format!("Your password was changed. {SIGN_IN_AGAIN}")
    })
}

fn ask_new_password() -> Result<String, Failure> {
    let ask = |prompt| ask_password(prompt, "--new-password-file");
    loop {
        let first = ask("New password: ")?;
        if ask("Repeat the new password: ")? == first {
            return Ok(first);
        }
        render::notice("The passwords do not match. Try again.");
    }
}

fn sessions(command: Option<SessionsCommand>, context: &Context<'_>) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        None => {
            let reply: Reply<AdminSessionList> = pages::get_all(&client, "/v1/sessions")?;
            context.show(&reply, session_table)
        }
        Some(SessionsCommand::Revoke { id }) if id == "all" => {
            let reply: Reply<SessionsEnded> = client.delete("/v1/sessions")?;
            context.store.remove()?;
            context.show(&reply, |_, _| SIGN_IN_AGAIN.to_owned())
        }
        Some(SessionsCommand::Revoke { id }) => {
            let reply: Reply<SessionsEnded> =
                client.delete(&format!("/v1/sessions/{}", segment(&id)))?;
            context.show(&reply, |_, _| printable(&format!("Ended session {id}.")))
        }
    }
}

fn session_table(list: &AdminSessionList, clock: &Clock) -> String {
    let rows = list.sessions.iter().map(|session| {
        let this = if session.current { " (this one)" } else { "" };
        [
            format!("{}{this}", session.id),
            session.admin.clone(),
            session.address.clone(),
            clock.time(session.since),
            clock.distance(session.last_used_at),
            clock.distance(session.expires_at),
        ]
    });
    let header = [
        "ID",
        "ADMIN",
        "ADDRESS",
        "SIGNED IN",
        "LAST USED",
        "EXPIRES",
    ];
    with_count(
        &table(header, rows),
        list.sessions.len(),
        "session",
        "sessions",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instruction_names_every_accepted_code() {
        use Factor::{Mail, Recovery, Totp};
        assert_eq!(
            code_instruction(&[Mail], Some("a…@e….org")),
            "A code was mailed to a…@e….org."
        );
        assert_eq!(
            code_instruction(&[Mail, Totp, Recovery], Some("a…@e….org")),
            "A code was mailed to a…@e….org. Enter it, or a code from your authenticator app or a \
             recovery code."
        );
        assert_eq!(
            code_instruction(&[Totp], None),
            "Enter a code from your authenticator app."
        );
    }
}
