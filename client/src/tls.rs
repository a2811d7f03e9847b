//! Connects by TCP and TLS to a server whose certificate is trusted.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use rookery_trust::{
    CertificatePin, Trust, TrustedBefore, UnknownCertificate, Verdict, Verifier,
    certificate_problem, is_of_another_authority, tls_problem,
};
use rustls::{AlertDescription, Error as TlsError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::ServerAddress;

/// The timeout for connecting and the TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A TLS connection.
pub struct TlsConnection {
    /// The stream, ready for messages.
    pub stream: TlsStream<TcpStream>,
    /// The certificate that the server presents.
    pub certificate: CertificatePin,
    /// Whether that certificate is to be pinned, as a new one for the pinned key.
    pub renews_pin: bool,
}

/// The reason for which connecting failed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server cannot be reached. A later attempt may succeed.
    #[error("cannot connect to {server}: {cause}")]
    Unreachable {
        /// The server.
        server: String,
        /// The reason.
        cause: String,
    },
    /// The certificate is not trusted.
    #[error("the certificate of {server} is not trusted: {cause}")]
    Untrusted {
        /// The server.
        server: String,
        /// The reason.
        cause: String,
    },
    /// No authority vouches for the certificate, and it is not the pinned one.
    #[error("{}", .0.refusal())]
    Unknown(UnknownCertificate),
}

/// Connects to a server.
pub async fn connect(server: &ServerAddress, trust: &Trust) -> Result<TlsConnection, ConnectError> {
    let unreachable = |cause: String| ConnectError::Unreachable {
        server: server.to_string(),
        cause,
    };
    let handshake = async |stream: TcpStream| {
        let verifier = Verifier::new(trust.clone());
        let config = verifier.config().map_err(std::io::Error::other)?;
        stream.set_nodelay(true)?;
        let tls = TlsConnector::from(Arc::new(config.with_no_client_auth()));
        match tls.connect(server.name(), stream).await {
            Ok(stream) => Ok((stream, verifier)),
            Err(error) => Err(Failure {
                error,
                verifier: Some(verifier),
            }),
        }
    };
    let connecting = async {
        let addresses = rookery_dial::resolve(server.host(), server.port()).await?;
        rookery_dial::connect(addresses, handshake, Failure::is_about_certificate).await
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    let server = server.to_string();
    let unknown = |shown, before, problem| {
        ConnectError::Unknown(UnknownCertificate {
            server: server.clone(),
            command: format!("rook trust {server}"),
            shown,
            before,
            problem,
        })
    };
    let failure = match connected {
        Err(_) => {
            return Err(unreachable(format!(
                "no answer within {} seconds",
                CONNECT_TIMEOUT.as_secs()
            )));
        }
        Ok(Err(failure)) => failure,
        Ok(Ok((stream, verifier))) => {
            let (_, tls) = stream.get_ref();
            let Some(certificate) = tls.peer_certificates().and_then(<[_]>::first) else {
                return Err(unreachable("it presents no certificate".to_owned()));
            };
            return Ok(TlsConnection {
                certificate: CertificatePin::of(certificate),
                renews_pin: matches!(verifier.verdict(), Some(Verdict::RenewsPin)),
                stream,
            });
        }
    };
    Err(match failure.verdict() {
        Some(Verdict::Unknown {
            shown,
            before,
            problem,
        }) => unknown(*shown, *before, problem.clone()),
        Some(Verdict::Refused { shown, reason }) if is_of_another_authority(reason) => {
            unknown(*shown, TrustedBefore::NamedAuthority, None)
        }
        Some(Verdict::Refused { reason, .. }) => ConnectError::Untrusted {
            server,
            cause: match reason {
                TlsError::InvalidCertificate(error) => certificate_problem(error),
                other => tls_problem(other),
            },
        },
        _ => unreachable(handshake_problem(&failure.error)),
    })
}

/// Why there is no connection to an address, or to the host.
struct Failure {
    error: std::io::Error,
    /// The verifier of the handshake that failed.
    verifier: Option<Arc<Verifier>>,
}

impl Failure {
    fn verdict(&self) -> Option<&Verdict> {
        self.verifier.as_ref()?.verdict()
    }

    fn is_about_certificate(&self) -> bool {
        matches!(
            self.verdict(),
            Some(Verdict::Unknown { .. } | Verdict::Refused { .. })
        )
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self {
            error,
            verifier: None,
        }
    }
}

/// Returns why connecting or the TLS handshake failed, and what to do.
fn handshake_problem(error: &std::io::Error) -> String {
    let Some(tls) = error.get_ref().and_then(|error| error.downcast_ref()) else {
        return match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                "it closed the connection before anything was sent; try again later, and check \
                 that this is the chat's port (6697 if the operators have not changed it)"
                    .to_owned()
            }
            _ => error.to_string(),
        };
    };
    match tls {
        TlsError::InvalidMessage(_) => format!(
            "{}; the chat's port is 6697 if the operators have not changed it",
            tls_problem(tls)
        ),
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => format!(
            "{}, as the operators' control plane may; the chat is on another port",
            tls_problem(tls)
        ),
        tls => tls_problem(tls),
    }
}
