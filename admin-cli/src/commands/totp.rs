//! `totp`: the operator's own authenticator app (RFC 6238).

use clap::{Subcommand, ValueEnum};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use rookery_control_api::{TotpCode, TotpConfirmed, TotpEnrolment, TotpRequirement, TotpStatus};

use super::sign_in::{SIGN_IN_AGAIN, retry_wrong_codes};
use crate::client::{Client, Reply};
use crate::context::Context;
use crate::failure::Failure;
use crate::prompt::read_code;
use crate::render::{self, Clock, count, printable};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show whether an app is enrolled
    Status,
    /// Enrol an app; it replaces the previous one
    Enrol,
    /// Remove the app; asks for a code from it or a recovery code
    Disable,
    /// Require an authenticator code: on or off
    Require {
        /// With on, mailed codes are not accepted
        switch: Switch,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::Status => {
                let reply: Reply<TotpStatus> = client.get("/v1/totp")?;
                context.show(&reply, status)
            }
            Self::Enrol => enrol(&client, context),
            Self::Disable => {
                let reply: Reply<TotpStatus> =
                    client.post("/v1/totp/disable", &TotpCode { code: read_code()? })?;
                context.store.remove()?;
                context.show(&reply, |_, _| {
                    format!("The authenticator app was removed. {SIGN_IN_AGAIN}")
                })
            }
            Self::Require { switch } => {
                let required = switch == Switch::On;
                let reply: Reply<TotpStatus> =
                    client.put("/v1/totp/required", &TotpRequirement { required })?;
                context.store.remove()?;
                context.show(&reply, |_, _| {
                    let what = if required { "no longer" } else { "again" };
                    format!("Mailed codes are {what} accepted. {SIGN_IN_AGAIN}")
                })
            }
        }
    }
}

fn enrol(client: &Client, context: &Context<'_>) -> Result<(), Failure> {
    let TotpEnrolment {
        uri,
        secret,
        expires_at,
    } = client.post_empty::<TotpEnrolment>("/v1/totp")?.value;
    // Printed on standard error, because the result is the recovery codes.
    if let Some(code) = qr_code(&uri) {
        render::notice(&code);
    }
    let until = Clock::system().time(expires_at);
    render::notice("Scan this with an authenticator app, open");
    render::notice_to_copy(&uri);
    render::notice(&format!(
        "or type the key {} into the app. Then enter a code from the app, until {until}.",
        printable(&secret)
    ));
    let reply: Reply<TotpConfirmed> =
        retry_wrong_codes(|code| client.post("/v1/totp/confirm", &TotpCode { code }))?;
    context.store.remove()?;
    context.show(&reply, |confirmed, _| {
        let codes: Vec<String> = confirmed
            .recovery_codes
            .iter()
            .map(|code| printable(code))
            .collect();
        format!(
            "The app is enrolled. Each of these recovery codes signs you in once without it. They \
             are not shown again; store them away from the phone:\n\n{}\n\n{SIGN_IN_AGAIN}",
            codes.join("\n")
        )
    })
}

fn status(status: &TotpStatus, clock: &Clock) -> String {
    let Some(enrolled_at) = status.enrolled_at else {
        return "No authenticator app is enrolled; codes are mailed.".to_owned();
    };
    let mail = if status.required {
        "are not accepted"
    } else {
        "are accepted too"
    };
    let codes = count(
        status.recovery_codes as usize,
        "recovery code",
        "recovery codes",
    );
    format!(
        "Enrolled {}; mailed codes {mail}; {codes} left.",
        clock.time(enrolled_at)
    )
}

/// Returns the link as a QR code, light on dark as most terminals are. Returns `None` if the link
/// is too long for one.
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
    fn the_qr_code_is_a_square_of_blocks_with_a_light_border() {
        let uri =
            "otpauth://totp/Rookery:root?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Rookery";
        let picture = qr_code(uri).unwrap();
        let lines: Vec<&str> = picture.lines().collect();
        let width = lines[0].chars().count();
        assert!(
            lines.iter().all(|line| line.chars().count() == width),
            "{picture}"
        );
        assert_eq!(width.div_ceil(2), lines.len(), "two rows per line");
        assert!(lines[0].chars().all(|block| block == '█'), "{picture}");
        assert!(width < 80, "it fits a terminal");
        assert!(qr_code(&"x".repeat(10_000)).is_none());
    }
}
