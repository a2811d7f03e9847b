//! The operator's decision about a server's certificate that no authority vouches for: at the first
//! sign-in to the server, or with `admin-cli trust`.

use std::io::{self, IsTerminal as _};

use clap::Args;
use rookery_trust::{Fingerprint, PinPolicy, QUESTION, TrustedBefore, UnknownCertificate};
use serde_json::json;

use crate::context::Context;
use crate::endpoint::save_pin;
use crate::failure::Failure;
use crate::prompt::read_line;
use crate::render;

/// The arguments of `admin-cli trust`.
#[derive(Debug, Args)]
pub struct Options {
    /// The SHA-256 fingerprint that the certificate must have, as `rookeryd fingerprint` prints it;
    /// without it, the fingerprint is shown and asked about, on a terminal only
    fingerprint: Option<Fingerprint>,
}

/// Trusts the certificate that the server presents if it has the expected fingerprint. Without one,
/// the operator at the terminal must confirm it.
pub fn run(options: &Options, context: &Context<'_>) -> Result<(), Failure> {
    let client = context.anonymous;
    let server = client.server();
    if let Some(expected) = options.fingerprint {
        // All addresses of the host are tried for it.
        client.accept(PinPolicy::expecting(expected));
    }
    let connected = client.check_connection();
    let (shown, unknown) = match (client.presented(), connected) {
        // It has the key of that certificate, whatever it replies.
        (Some(shown), _) => (shown, None),
        (None, Err(Failure::UnknownCertificate(unknown))) => (unknown.shown, Some(unknown)),
        (None, Err(failure)) => return Err(failure),
        (None, Ok(())) => {
            return Err(Failure::new(format!(
                "{server} does not present a certificate"
            )));
        }
    };
    match (options.fingerprint, unknown) {
        (Some(expected), _) if expected != shown.certificate => {
            return Err(Failure::new(format!(
                "{server} presents another certificate, which is not trusted:\n  SHA-256 {}",
                shown.certificate
            )));
        }
        (None, Some(unknown)) => confirm(unknown)?,
        (Some(_), _) | (None, None) => {}
    }
    save_pin(context.store.folder(), server, shown)?;
    if context.json {
        let document = json!({ "server": server, "fingerprint": shown.certificate });
        return render::print_json(&document.to_string());
    }
    render::print(&format!(
        "The certificate of {server} is trusted:\n  SHA-256 {}",
        shown.certificate
    ))
}

/// Checks that the server can be reached and is trusted. If it was never connected to, the operator
/// at the terminal may trust its certificate.
pub fn check_connection(context: &Context<'_>) -> Result<(), Failure> {
    let client = context.anonymous;
    match client.check_connection() {
        Err(Failure::UnknownCertificate(unknown)) if unknown.before == TrustedBefore::Nothing => {
            let shown = unknown.shown;
            confirm(unknown)?;
            save_pin(context.store.folder(), client.server(), shown)?;
            client.accept(PinPolicy::Known(shown));
            client.check_connection()
        }
        result => result,
    }
}

/// Asks the operator at the terminal to confirm the certificate.
fn confirm(unknown: Box<UnknownCertificate>) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::UnknownCertificate(unknown));
    }
    render::notice(&unknown.description());
    if read_line(&format!("{QUESTION} "))?.eq_ignore_ascii_case("yes") {
        Ok(())
    } else {
        Err(Failure::new(unknown.declined()))
    }
}
