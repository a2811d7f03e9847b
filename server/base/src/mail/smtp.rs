//! The `smtp` transport: sends mails to a mail server. TLS is rustls with aws-lc-rs. With
//! `security = "starttls"`, no mail is sent if the server does not offer STARTTLS.
//!
//! It sends each command itself rather than the whole mail by one call, because what a refusal
//! means depends on the command that was refused: of the greeting, the sign-in or the sender, it
//! stops every mail; of the receiver or the text, this mail only.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message};

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::bounded::Bounded;
use super::{SendError, compose, timed_out};
use crate::config::{self, Smtp, SmtpSecurity};

/// The timeout of the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may take to end a session.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of characters of a server's reply that are reported.
const MAX_REPLY: usize = 200;
/// The reply of a mail server that is shutting down, whatever the command was (RFC 5321 §3.8).
const CLOSING: u16 = 421;

/// Sends `message` to the mail server, until `deadline`. Without a message, only connects,
/// authenticates and names the sender: if that is refused, no mail can be sent.
pub async fn deliver(
    config: &config::Mail,
    message: Option<Message>,
    deadline: Instant,
) -> Result<(), SendError> {
    let hello_name = hello_name(config);
    let sender = compose::ascii(&config.from)?;
    let config = &config.smtp;
    let broken = |error| SendError::Broken(format!("the mail server {}: {error}", config.host));
    let begun = async {
        let owned = config.clone();
        // On a blocking thread, because this reads the certificate authorities and the password
        // from files.
        let secrets = tokio::task::spawn_blocking(move || Secrets::read(&owned))
            .await
            .unwrap_or_else(|error| Err(SendError::Broken(error.to_string())))?;
        let mut connection = connect(config, &hello_name, secrets)
            .await
            .map_err(broken)?;
        let begun = match message.as_ref().map(Message::envelope) {
            Some(envelope) => begin(&mut connection, envelope.from(), envelope.to()).await,
            None => begin(&mut connection, Some(&sender), &[]).await,
        };
        Ok((connection, begun))
    };
    let begun = timeout_at(deadline, begun);
    let (mut connection, begun) = begun
        .await
        .unwrap_or_else(|_| Err(SendError::Broken(timed_out())))?;
    let sent = match &message {
        Some(message) if begun.is_ok() => timeout_at(deadline, transfer(&mut connection, message))
            .await
            .unwrap_or(Err(Failure::TimedOut)),
        _ => begun,
    };
    // A server that does not answer `QUIT` must not delay or change the outcome.
    tokio::spawn(async move {
        let _ = timeout(QUIT_TIMEOUT, connection.abort()).await;
    });
    sent.map_err(|failure| match failure {
        Failure::OfServer(reply) => broken(reply),
        Failure::TimedOut => SendError::Unanswered(timed_out()),
        Failure::OfMail { reply, is_final } => {
            let reply = format!("the mail server refused the mail: {reply}");
            if is_final {
                SendError::Refused(reply)
            } else {
                SendError::Deferred(reply)
            }
        }
    })
}

/// Why a mail was not transferred, with the mail server's reply.
enum Failure {
    /// No mail would be.
    OfServer(String),
    /// This mail was refused, for now or for good.
    OfMail { reply: String, is_final: bool },
    /// The server did not answer about its receiver or its text in time.
    TimedOut,
}

impl Failure {
    /// The failure if the command was about this mail. Without a reply, the connection failed.
    fn of_mail(error: &Error) -> Self {
        let reply = reported(error);
        match error.status().map(u16::from) {
            None | Some(CLOSING) => Self::OfServer(reply),
            Some(_) => Self::OfMail {
                reply,
                is_final: error.is_permanent(),
            },
        }
    }
}

/// Sends a mail whose sender was named.
async fn transfer(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), Failure> {
    for receiver in message.envelope().to() {
        let command = Rcpt::new(receiver.clone(), Vec::new());
        connection
            .command(command)
            .await
            .map_err(|error| Failure::of_mail(&error))?;
    }
    connection
        .command(Data)
        .await
        .map_err(|error| Failure::of_mail(&error))?;
    let accepted = connection.message(&message.formatted()).await;
    accepted.map(drop).map_err(|error| Failure::of_mail(&error))
}

/// Names the sender of a mail to these receivers.
async fn begin(
    connection: &mut AsyncSmtpConnection,
    sender: Option<&Address>,
    receivers: &[Address],
) -> Result<(), Failure> {
    let mut parameters = Vec::new();
    // Only an address can be other than ASCII: the text and the subject are encoded.
    let mut addresses = sender.into_iter().chain(receivers);
    if !addresses.all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
        if !connection
            .server_info()
            .supports_feature(Extension::SmtpUtfEight)
        {
            return Err(Failure::OfMail {
                reply: "it accepts only ASCII characters before the @".to_owned(),
                is_final: true,
            });
        }
        parameters.push(MailParameter::SmtpUtfEight);
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let named = connection.command(Mail::new(sender.cloned(), parameters));
    named
        .await
        .map(drop)
        .map_err(|error| Failure::OfServer(reported(&error)))
}

/// What the files of the configuration contain.
struct Secrets {
    /// `None` if the connection is not encrypted.
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
}

impl Secrets {
    fn read(config: &Smtp) -> Result<Self, SendError> {
        let tls = match config.security {
            SmtpSecurity::Tls | SmtpSecurity::StartTls => Some(tls_parameters(config)?),
            SmtpSecurity::None => None,
        };
        let credentials = match (&config.username, &config.password_file) {
            (Some(username), Some(file)) => {
                let password = read(file)?;
                let password = password.trim_end_matches(['\r', '\n']).to_owned();
                Some(Credentials::new(username.clone(), password))
            }
            _ => None,
        };
        Ok(Self { tls, credentials })
    }
}

/// Connects, with TLS as configured, and signs in.
async fn connect(
    config: &Smtp,
    name: &ClientId,
    secrets: Secrets,
) -> Result<AsyncSmtpConnection, String> {
    let host = config.host.as_str();
    let mut connection = match config.security {
        SmtpSecurity::Tls => {
            let address = (host, config.port.unwrap_or(465));
            let timeout = Some(CONNECT_TIMEOUT);
            AsyncSmtpConnection::connect_tokio1(address, timeout, name, secrets.tls, None)
                .await
                .map_err(|error| reported(&error))?
        }
        SmtpSecurity::StartTls => {
            let mut connection = connect_in_clear(host, config.port.unwrap_or(587), name).await?;
            if let Some(tls) = secrets.tls {
                let started = connection.starttls(tls, name).await;
                started.map_err(|error| reported(&error))?;
            }
            connection
        }
        SmtpSecurity::None => connect_in_clear(host, config.port.unwrap_or(25), name).await?,
    };
    if let Some(credentials) = &secrets.credentials {
        let signed_in = connection.auth(DEFAULT_MECHANISMS, credentials).await;
        signed_in.map_err(|error| reported(&error))?;
    }
    Ok(connection)
}

/// Connects to a server whose identity is not proven yet.
async fn connect_in_clear(
    host: &str,
    port: u16,
    name: &ClientId,
) -> Result<AsyncSmtpConnection, String> {
    let mut last = "its name has no address".to_owned();
    let addresses = tokio::net::lookup_host((host, port)).await;
    for address in addresses.map_err(|error| error.to_string())? {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let stream = Box::new(Bounded::new(stream));
                return AsyncSmtpConnection::connect_with_transport(stream, name)
                    .await
                    .map_err(|error| reported(&error));
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => "the connection timed out".clone_into(&mut last),
        }
    }
    Err(last)
}

/// Returns the name with which the server introduces itself; the machine's by default.
fn hello_name(config: &config::Mail) -> ClientId {
    match config.hello_name.as_deref().map(str::parse) {
        None => ClientId::default(),
        Some(Ok(IpAddr::V4(address))) => ClientId::Ipv4(address),
        Some(Ok(IpAddr::V6(address))) => ClientId::Ipv6(address),
        Some(Err(_)) => ClientId::Domain(config.hello_name.clone().unwrap_or_default()),
    }
}

fn tls_parameters(config: &Smtp) -> Result<TlsParameters, SendError> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(file) = &config.ca {
        let certificate = Certificate::from_pem(read(file)?.as_bytes())
            .map_err(|error| SendError::Broken(format!("{}: {error}", file.display())))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder
        .build_rustls()
        .map_err(|error| SendError::Broken(format!("TLS to the mail server: {error}")))
}

fn read(file: &Path) -> Result<String, SendError> {
    fs::read_to_string(file)
        .map_err(|error| SendError::Broken(format!("{}: {error}", file.display())))
}

/// Returns an error as it is reported: on one line, and not too long.
fn reported(error: &Error) -> String {
    error
        .to_string()
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(MAX_REPLY)
        .collect()
}
