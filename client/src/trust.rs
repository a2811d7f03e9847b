//! `rook trust`: pins the certificate that a server presents, in place of what was trusted before.

use tokio::io::AsyncWriteExt as _;

use crate::address::ServerAddress;
use crate::console::{self, Interrupt, StdinEvent, StdinReader};
use crate::exit::Exit;
use crate::session;
use crate::state::StateFile;
use crate::tls::{self, ConnectError};
use rookery_trust::{Fingerprint, PinPolicy, QUESTION, Trust};

/// Trusts the certificate that the server presents if it has the fingerprint `expected`.
/// Without one, the user at the terminal must confirm it.
pub async fn run(server: ServerAddress, expected: Option<Fingerprint>) -> anyhow::Result<Exit> {
    let state_file = StateFile::of(&server)?;
    let state = state_file.load()?;
    let mut interrupt = Interrupt::catch()?;
    // A stored authority is ignored: the pin will take its place. All addresses of the host are
    // tried for an expected certificate.
    let policy = expected.map_or_else(|| session::pin_policy(&state), PinPolicy::expecting);
    let trust = Trust::SystemOr(policy);
    let connected = tokio::select! {
        connected = tls::connect(&server, &trust) => connected,
        () = interrupt.wait() => return Ok(Exit::Failed("interrupted".to_owned())),
    };
    let (shown, unknown) = match connected {
        Ok(mut connection) => {
            // Whether the server learns of the end does not matter.
            let _ = connection.stream.shutdown().await;
            (connection.certificate, None)
        }
        Err(ConnectError::Unknown(unknown)) => (unknown.shown, Some(unknown)),
        Err(error) => return Ok(Exit::Failed(error.to_string())),
    };
    match (expected, unknown) {
        (Some(expected), _) if expected != shown.certificate => {
            return Ok(Exit::Failed(format!(
                "{server} presents another certificate, which is not trusted:\n  SHA-256 {}",
                shown.certificate
            )));
        }
        (None, Some(unknown)) => {
            let mut stdin = StdinReader::start();
            if !stdin.is_terminal() {
                return Ok(Exit::Failed(unknown.refusal()));
            }
            console::notice(&unknown.description());
            console::prompt(QUESTION);
            let answer = tokio::select! {
                answer = stdin.next() => answer,
                () = interrupt.wait() => StdinEvent::Eof,
            };
            if !answer.is_yes() {
                return Ok(Exit::Failed(unknown.declined()));
            }
        }
        (Some(_), _) | (None, None) => {}
    }
    state_file.update(|state| state.pin(shown))?;
    console::notice(&format!(
        "The certificate of {server} is trusted:\n  SHA-256 {}",
        shown.certificate
    ));
    Ok(Exit::Finished)
}
