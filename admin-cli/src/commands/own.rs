//! What admins do about their own sign-in: `passwd`, `sessions`, `totp`.

use std::io::{self, IsTerminal as _};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use rookery_control_api::{
    AdminSessionList, PasswordRequest, SessionsEnded, TotpCode, TotpConfirmed, TotpEnrolment,
    TotpRequirement, TotpStatus,
};

use super::sign_in::{ask_code, ask_password, may_try_again, read_password};
use super::{Show, pages};
use crate::cli::{PasswdOptions, SessionsCommand, Switch, TotpCommand};
use crate::client::{Client, Reply, segment};
use crate::failure::Failure;
use crate::output::{self, Reader};
use crate::token_store::TokenStore;

const AGAIN: &str = "All your sessions have ended; sign in again with `admin-cli login`.";

/// Changes one's own password.
pub fn passwd(
    client: &Client,
    store: &TokenStore,
    options: &PasswdOptions,
    show: &Show,
) -> Result<(), Failure> {
    let (old, new) = (
        options.password_file.as_deref(),
        options.new_password_file.as_deref(),
    );
    let old = old.map_or_else(
        || ask_password("Present password: ", "--password-file"),
        read_password,
    )?;
    let new = new.map_or_else(ask_new_password, read_password)?;
    let reply: Reply<SessionsEnded> = client.put("/v1/password", &PasswordRequest { old, new })?;
    store.remove()?;
    show.result(&reply, |_| format!("Your password is changed. {AGAIN}"))
}

fn ask_new_password() -> Result<String, Failure> {
    let ask = |prompt| ask_password(prompt, "--new-password-file");
    let first = ask("New password: ")?;
    if ask("The same again: ")? != first {
        return Err(Failure::new("the two new passwords are not the same"));
    }
    Ok(first)
}

/// Lists sessions, or ends them.
pub fn sessions(
    client: &Client,
    store: &TokenStore,
    command: Option<SessionsCommand>,
    show: &Show,
) -> Result<(), Failure> {
    match command {
        None => {
            let reply: Reply<AdminSessionList> = pages::get_all(client, "/v1/sessions")?;
            show.result(&reply, |list| Reader::here().sessions(list))
        }
        Some(SessionsCommand::Revoke { id }) if id == "all" => {
            let reply: Reply<SessionsEnded> = client.delete("/v1/sessions")?;
            store.remove()?;
            show.result(&reply, |_| AGAIN.to_owned())
        }
        Some(SessionsCommand::Revoke { id }) => {
            let reply: Reply<SessionsEnded> =
                client.delete(&format!("/v1/sessions/{}", segment(&id)))?;
            show.result(&reply, |_| {
                output::plain(&format!("The session {id} has ended."))
            })
        }
    }
}

/// One's own authenticator app.
pub fn totp(
    client: &Client,
    store: &TokenStore,
    command: &TotpCommand,
    show: &Show,
) -> Result<(), Failure> {
    match command {
        TotpCommand::Status => {
            let reply: Reply<TotpStatus> = client.get("/v1/totp")?;
            show.result(&reply, |status| Reader::here().totp(status))
        }
        TotpCommand::Enrol => enrol(client, store, show),
        TotpCommand::Disable => {
            let reply: Reply<TotpStatus> =
                client.post("/v1/totp/disable", &TotpCode { code: ask_code()? })?;
            store.remove()?;
            show.result(&reply, |_| {
                format!("No authenticator app is enrolled any more. {AGAIN}")
            })
        }
        TotpCommand::Require { switch } => {
            let required = *switch == Switch::On;
            let reply: Reply<TotpStatus> =
                client.put("/v1/totp/required", &TotpRequirement { required })?;
            store.remove()?;
            show.result(&reply, |_| {
                let what = if required {
                    "no longer suffices"
                } else {
                    "suffices again"
                };
                format!("A mailed code {what}. {AGAIN}")
            })
        }
    }
}

fn enrol(client: &Client, store: &TokenStore, show: &Show) -> Result<(), Failure> {
    let TotpEnrolment {
        uri,
        secret,
        expires_at,
    } = client.post_nothing::<TotpEnrolment>("/v1/totp")?.value;
    // Beside the result: that is the recovery codes.
    if let Some(code) = qr_code(&uri) {
        eprintln!("{code}");
    }
    let until = Reader::here().time(expires_at);
    eprintln!(
        "Scan this with an authenticator app, or open {}\nor type the key {} there. Then enter a code of the app, \
         until {until}.",
        output::plain(&uri),
        output::plain(&secret)
    );
    let reply: Reply<TotpConfirmed> = loop {
        match client.post("/v1/totp/confirm", &TotpCode { code: ask_code()? }) {
            // A slip of the fingers is put right at once.
            Err(failure) if io::stdin().is_terminal() && may_try_again(&failure) => {
                eprintln!("{}", output::plain(&failure.to_string()));
            }
            done => break done?,
        }
    };
    store.remove()?;
    show.result(&reply, |confirmed| {
        let codes: Vec<String> = confirmed.recovery_codes.iter().map(|code| output::plain(code)).collect();
        format!(
            "The app is enrolled. Each of these recovery codes signs you in once without it; they are not shown \
             again. Keep them where the phone is not:\n\n{}\n\n{AGAIN}",
            codes.join("\n")
        )
    })
}

/// The link as a picture: light on dark, as most terminals are. None for a link that is too long.
fn qr_code(uri: &str) -> Option<String> {
    let code = QrCode::new(uri).ok()?;
    Some(
        code.render::<Dense1x2>()
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark)
            .build(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_a_square_of_blocks_with_a_light_border() {
        let uri =
            "otpauth://totp/Rookery:root?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Rookery";
        let picture = qr_code(uri).unwrap();
        let lines: Vec<&str> = picture.lines().collect();
        let width = lines[0].chars().count();
        assert!(
            lines.iter().all(|line| line.chars().count() == width),
            "{picture}"
        );
        assert_eq!(width.div_ceil(2), lines.len(), "two rows a line");
        assert!(lines[0].chars().all(|block| block == '█'), "{picture}");
        assert!(width < 80, "it fits a terminal");
        assert!(qr_code(&"x".repeat(10_000)).is_none());
    }
}
