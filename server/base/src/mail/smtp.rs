//! The `smtp` transport: sends mails to a mail server. TLS is rustls with aws-lc-rs. With
//! `security = "starttls"`, no mail is sent if the server does not offer STARTTLS.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::SendError;
use crate::config::{Smtp, SmtpSecurity};

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// The timeout of the connection and of each command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of characters of a server's reply that are reported.
const MAX_REPLY: usize = 200;
/// Reply codes about the authentication of this server, not about the mail (RFC 4954 §6).
const AUTHENTICATION_REPLIES: [&str; 4] = ["530", "534", "535", "538"];

/// Sends `message` to the mail server. Without a message, only connects and authenticates.
pub async fn deliver(config: &Smtp, message: Option<Message>) -> Result<(), SendError> {
    let owned = config.clone();
    // On a blocking thread, because this reads the certificate authorities and the password from
    // files.
    let transport = tokio::task::spawn_blocking(move || transport(&owned))
        .await
        .unwrap_or_else(|error| Err(SendError::Transient(error.to_string())))?;
    let sent = match message {
        Some(message) => transport.send(message).await.map(drop),
        None => transport.test_connection().await.map(drop),
    };
    sent.map_err(|error| send_error(config, &error))
}

fn transport(config: &Smtp) -> Result<Transport, SendError> {
    let (tls, port) = match config.security {
        SmtpSecurity::Tls => (Tls::Wrapper(tls_parameters(config)?), 465),
        SmtpSecurity::StartTls => (Tls::Required(tls_parameters(config)?), 587),
        SmtpSecurity::None => (Tls::None, 25),
    };
    let mut builder = Transport::builder_dangerous(&config.host)
        .port(config.port.unwrap_or(port))
        .tls(tls)
        .timeout(Some(COMMAND_TIMEOUT));
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

fn tls_parameters(config: &Smtp) -> Result<TlsParameters, SendError> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(file) = &config.ca {
        let certificate = Certificate::from_pem(read(file)?.as_bytes())
            .map_err(|error| SendError::Transient(format!("{}: {error}", file.display())))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder
        .build_rustls()
        .map_err(|error| SendError::Transient(format!("TLS to the mail server: {error}")))
}

fn read(file: &Path) -> Result<String, SendError> {
    fs::read_to_string(file)
        .map_err(|error| SendError::Transient(format!("{}: {error}", file.display())))
}

/// Classifies an error. Only a permanent error reply about the mail itself is final.
fn send_error(config: &Smtp, error: &Error) -> SendError {
    let reply: String = error
        .to_string()
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(MAX_REPLY)
        .collect();
    let is_about_the_mail = error
        .status()
        .is_some_and(|code| !AUTHENTICATION_REPLIES.contains(&code.to_string().as_str()));
    if error.is_permanent() && is_about_the_mail {
        SendError::Refused(format!("the mail server refused the mail: {reply}"))
    } else {
        SendError::Transient(format!("the mail server {}: {reply}", config.host))
    }
}
