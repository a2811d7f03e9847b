//! Mail to a real server. TLS goes by rustls on aws-lc-rs, and STARTTLS is asked for or nothing is
//! sent.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::Fault;
use crate::config::{Smtp, SmtpSecurity};

type Transport = AsyncSmtpTransport<Tokio1Executor>;

const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The most that is told of what a server said.
const MAX_REASON: usize = 200;
/// Replies that are about our way in, not about the mail (RFC 4954).
const ABOUT_THE_SIGN_IN: [&str; 4] = ["530", "534", "535", "538"];

/// Hands `message` over, or finds out whether the server would let us in.
pub async fn deliver(config: &Smtp, message: Option<Message>) -> Result<(), Fault> {
    let owned = config.clone();
    // Reads the system's authorities and the password from files.
    let transport = tokio::task::spawn_blocking(move || transport(&owned))
        .await
        .unwrap_or_else(|error| Err(Fault::Way(error.to_string())))?;
    let sent = match message {
        Some(message) => transport.send(message).await.map(drop),
        None => transport.test_connection().await.map(drop),
    };
    sent.map_err(|error| fault(config, &error))
}

fn transport(config: &Smtp) -> Result<Transport, Fault> {
    let (tls, port) = match config.security {
        SmtpSecurity::Tls => (Tls::Wrapper(tls_parameters(config)?), 465),
        SmtpSecurity::StartTls => (Tls::Required(tls_parameters(config)?), 587),
        SmtpSecurity::None => (Tls::None, 25),
    };
    let mut builder = Transport::builder_dangerous(&config.host)
        .port(config.port.unwrap_or(port))
        .tls(tls)
        .timeout(Some(CONNECT_TIME));
    if let Some(username) = &config.username {
        let password = config
            .password_file
            .as_deref()
            .map(read)
            .transpose()?
            .unwrap_or_default();
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        builder = builder.credentials(Credentials::new(username.clone(), password));
    }
    Ok(builder.build())
}

fn tls_parameters(config: &Smtp) -> Result<TlsParameters, Fault> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(file) = &config.ca {
        let certificate = Certificate::from_pem(read(file)?.as_bytes())
            .map_err(|error| Fault::Way(format!("{}: {error}", file.display())))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder
        .build_rustls()
        .map_err(|error| Fault::Way(format!("TLS to the mail server: {error}")))
}

fn read(file: &Path) -> Result<String, Fault> {
    fs::read_to_string(file).map_err(|error| Fault::Way(format!("{}: {error}", file.display())))
}

fn fault(config: &Smtp, error: &Error) -> Fault {
    let said: String = error
        .to_string()
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(MAX_REASON)
        .collect();
    let about_the_way = error
        .status()
        .is_none_or(|code| ABOUT_THE_SIGN_IN.contains(&code.to_string().as_str()));
    if error.is_permanent() && !about_the_way {
        Fault::Refused(format!("the mail server refused it: {said}"))
    } else {
        Fault::Way(format!("the mail server {}: {said}", config.host))
    }
}
