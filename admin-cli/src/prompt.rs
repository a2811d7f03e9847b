//! Questions to the operator. Prompts go to standard error, so that standard output holds results
//! only.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use crate::client::Reply;
use crate::failure::{Failure, while_doing};
use crate::render::{self, printable};

/// Follows, in the result of a dry run, the reason for which the act is probably a mistake.
pub const NEEDS_CONFIRMATION: &str = "The real run will ask for a confirmation (--yes).";

/// Reads one line of standard input. On a terminal, `prompt` is printed first.
pub fn read_line(prompt: &str) -> Result<String, Failure> {
    let broken = || while_doing("cannot read standard input");
    if io::stdin().is_terminal() {
        let mut err = io::stderr();
        err.write_all(printable(prompt).as_bytes())
            .and_then(|()| err.flush())
            .map_err(broken())?;
    }
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line).map_err(broken())? == 0 {
        return Err(Failure::new("standard input ended before the answer"));
    }
    Ok(line.trim().to_owned())
}

/// Reads a sign-in code, typed or piped.
pub fn read_code() -> Result<String, Failure> {
    read_line("Code: ")
}

/// Asks for a password without echo. `option` names the option to use where there is no terminal.
pub fn ask_password(prompt: &str, option: &str) -> Result<String, Failure> {
    rpassword::prompt_password(prompt).map_err(|_| {
        Failure::Usage(format!(
            "there is no terminal to ask for the password: pass a file that holds it with {option}"
        ))
    })
}

/// Reads a password from a file. One line end after it does not belong to the password.
pub fn read_password_file(file: &Path) -> Result<String, Failure> {
    let content = fs::read_to_string(file).map_err(while_doing(format!(
        "cannot read the password file {}",
        file.display()
    )))?;
    let line = content.strip_suffix('\n').unwrap_or(&content);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// Shows a warning and asks whether to continue. Returns `false` where there is no terminal.
pub fn confirm(warning: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    render::notice(warning);
    let answer = read_line("Continue? [y/N] ")?;
    Ok(["y", "yes"].contains(&answer.to_lowercase().as_str()))
}

/// Sends a request that the server may want confirmed. `send` is called with `confirmed`; if the
/// server asks for a confirmation and the operator gives it, `send` is called with `true`.
pub fn send_confirmed<T>(
    send: impl Fn(bool) -> Result<Reply<T>, Failure>,
    confirmed: bool,
) -> Result<Reply<T>, Failure> {
    match send(confirmed) {
        Err(failure) if failure.needs_confirmation() && io::stdin().is_terminal() => {
            if !confirm(&failure.to_string())? {
                return Err(Failure::new("not confirmed, nothing was changed"));
            }
            send(true)
        }
        result => result,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_holds_the_password_and_at_most_one_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for (content, password) in [
            ("pass word", "pass word"),
            ("a \n", "a "),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
        ] {
            fs::write(&file, content).unwrap();
            assert_eq!(read_password_file(&file).unwrap(), password);
        }
        let missing = read_password_file(&folder.path().join("missing")).unwrap_err();
        assert!(
            missing.to_string().contains("cannot read") && missing.to_string().contains("missing"),
            "{missing}"
        );
    }
}
