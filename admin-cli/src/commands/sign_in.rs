//! `login` and `logout`.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use rookery_control_api::{
    Factor, LoginReply, LoginRequest, LogoutReply, VerifyReply, VerifyRequest,
};
use serde_json::json;

use super::Show;
use crate::cli::LoginOptions;
use crate::client::{Client, Reply, problem_kind};
use crate::failure::{Failure, while_doing};
use crate::output::{self, Reader};
use crate::token_store::{SavedToken, TokenStore};

/// Name and password, then a code; keeps the token.
pub fn login(
    client: &Client,
    store: &TokenStore,
    options: LoginOptions,
    show: &Show,
) -> Result<(), Failure> {
    let LoginOptions {
        name,
        password_file,
    } = options;
    let name = name.map_or_else(ask_name, Ok)?;
    let password = password_file.map_or_else(
        || ask_password("Password: ", "--password-file"),
        |file| read_password(&file),
    )?;
    let LoginReply {
        challenge,
        factors,
        sent_to,
        expires_at,
        warning,
    } = client
        .post("/v1/login", &LoginRequest { name, password })?
        .value;
    let until = Reader::here().time(expires_at);
    let asked = asked_for(&factors, sent_to.as_deref());
    eprintln!(
        "{}",
        output::plain(&format!("{asked} The sign-in waits for it until {until}."))
    );
    if let Some(warning) = warning {
        eprintln!("{}", output::plain(&warning));
    }

    let reply: Reply<VerifyReply> = loop {
        let request = VerifyRequest {
            challenge: challenge.clone(),
            code: ask_code()?,
        };
        match client.post("/v1/login/verify", &request) {
            // A slip of the fingers is put right at once.
            Err(failure) if io::stdin().is_terminal() && may_try_again(&failure) => {
                eprintln!("{}", output::plain(&failure.to_string()));
            }
            done => break done?,
        }
    };
    let VerifyReply { token, expires_at } = reply.value;
    store.save(&SavedToken { token, expires_at })?;
    if show.json {
        // The server's answer holds the token, and that is for nobody's eyes.
        return output::print(&json!({ "expires_at": expires_at }).to_string());
    }
    output::print(&format!(
        "Signed in to {} until {}.",
        client.server(),
        Reader::here().time(expires_at)
    ))
}

/// What to enter.
fn asked_for(factors: &[Factor], sent_to: Option<&str>) -> String {
    let mailed = sent_to.map(|sent_to| format!("A code was mailed to {sent_to}."));
    let others: Vec<&str> = factors
        .iter()
        .filter_map(|factor| match factor {
            Factor::Mail => None,
            Factor::Totp => Some("a code of your authenticator app"),
            Factor::Recovery => Some("a recovery code"),
        })
        .collect();
    match (mailed, others.join(" or ")) {
        (Some(mailed), others) if others.is_empty() => mailed,
        (Some(mailed), others) => format!("{mailed} Enter it, or {others}."),
        (None, others) => format!("Enter {others}."),
    }
}

/// Whether only the code was wrong.
pub fn may_try_again(failure: &Failure) -> bool {
    problem_kind(failure).as_deref() == Some("/problems/wrong-code")
}

/// Ends the sign-in on the server, and forgets the token.
pub fn logout(client: &Client, store: &TokenStore, show: &Show) -> Result<(), Failure> {
    let reply: Result<Reply<LogoutReply>, Failure> = client.post_nothing("/v1/logout");
    // Where the server knows the token no more, it is of no use here either.
    if matches!(reply, Ok(_) | Err(Failure::NotSignedIn(_))) {
        store.remove()?;
    }
    show.result(&reply?, |_| format!("Signed out of {}.", client.server()))
}

fn ask_name() -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "without a terminal, give the admin's name with --name".to_owned(),
        ));
    }
    read_line("Name: ")
}

/// A password, typed unseen; `option` is the way to give it where there is nobody to ask.
pub fn ask_password(prompt: &str, option: &str) -> Result<String, Failure> {
    let nobody =
        || format!("without a terminal, give a file that holds the password with {option}");
    rpassword::prompt_password(prompt).map_err(|_| Failure::Usage(nobody()))
}

/// The file's line end is no part of the password.
pub fn read_password(file: &Path) -> Result<String, Failure> {
    let content = fs::read_to_string(file).map_err(while_doing(format!(
        "the password file {} cannot be read",
        file.display()
    )))?;
    let line = content.strip_suffix('\n').unwrap_or(&content);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// A code, typed or piped.
pub fn ask_code() -> Result<String, Failure> {
    read_line("Code: ")
}

/// One line of standard input; asked for where there is someone to ask.
pub fn read_line(prompt: &str) -> Result<String, Failure> {
    let broken = || while_doing("standard input cannot be read");
    if io::stdin().is_terminal() {
        let mut err = io::stderr();
        err.write_all(prompt.as_bytes())
            .and_then(|()| err.flush())
            .map_err(broken())?;
    }
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line).map_err(broken())? == 0 {
        return Err(Failure::new("standard input ended before all was asked"));
    }
    Ok(line.trim().to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_what_would_do() {
        use Factor::{Mail, Recovery, Totp};
        assert_eq!(
            asked_for(&[Mail], Some("a…@e….org")),
            "A code was mailed to a…@e….org."
        );
        assert_eq!(
            asked_for(&[Mail, Totp, Recovery], Some("a…@e….org")),
            "A code was mailed to a…@e….org. Enter it, or a code of your authenticator app or a recovery code."
        );
        assert_eq!(
            asked_for(&[Totp], None),
            "Enter a code of your authenticator app."
        );
    }

    #[test]
    fn a_password_file_holds_the_password_and_at_most_a_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for (content, password) in [
            ("pass word", "pass word"),
            ("a \n", "a "),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
        ] {
            fs::write(&file, content).unwrap();
            assert_eq!(read_password(&file).unwrap(), password);
        }
        let missing = read_password(&folder.path().join("missing")).unwrap_err();
        assert!(
            missing.to_string().contains("missing cannot be read"),
            "{missing}"
        );
    }
}
