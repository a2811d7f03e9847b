//! Connects by TCP and TLS, and decides whether the server's certificate is trusted.
//!
//! If an authority was named, only its certificates are trusted; otherwise those of the system's
//! authorities are. A certificate that none of these signed is trusted only once the user has
//! confirmed its fingerprint, which pins it. From then on the server must present the same
//! certificate, or one for the same key.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rookery_terminal::certificate_problem;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::ServerAddress;
use crate::authority::Authority;
use crate::fingerprint::CertificatePin;
use crate::unknown_certificate::{TrustedBefore, UnknownCertificate};

/// The timeout for connecting and the TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Which certificates of the server are trusted.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those of this authority only.
    Authority(Authority),
    /// Those of the system's authorities, and others as far as the policy allows.
    SystemOr(PinPolicy),
}

/// The policy for a certificate that no authority vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinPolicy {
    /// It must be this one, or one for the same key.
    Known(CertificatePin),
    /// It is unknown: the server was never connected to.
    FirstUse,
    /// It is unknown: an authority vouched for the server when the stored credential was issued, so
    /// the credential must not be sent to this one.
    VouchedBefore,
}

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
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Verifier::new(trust, &provider));
    let unreachable = |cause: String| ConnectError::Unreachable {
        server: server.to_string(),
        cause,
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unreachable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let connecting = async {
        let stream = rookery_dial::connect(server.host(), server.port()).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::new(config))
            .connect(server.name(), stream)
            .await
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    let server = server.to_string();
    let error = match connected {
        Err(_) => {
            return Err(unreachable(format!(
                "no answer within {} seconds",
                CONNECT_TIMEOUT.as_secs()
            )));
        }
        Ok(Err(error)) => error,
        Ok(Ok(stream)) => {
            let (_, tls) = stream.get_ref();
            let Some(certificate) = tls.peer_certificates().and_then(<[_]>::first) else {
                return Err(unreachable("it presents no certificate".to_owned()));
            };
            return Ok(TlsConnection {
                certificate: CertificatePin::of(certificate),
                renews_pin: matches!(verifier.verdict.get(), Some(Verdict::RenewsPin)),
                stream,
            });
        }
    };
    Err(match verifier.verdict.get() {
        Some(&Verdict::Unknown { shown, before }) => ConnectError::Unknown(UnknownCertificate {
            server,
            shown,
            before,
        }),
        Some(Verdict::Refused(cause)) => ConnectError::Untrusted {
            server,
            cause: cause.clone(),
        },
        _ => unreachable(error.to_string()),
    })
}

/// The verdict about a certificate. It is stored in the verifier, since the errors of rustls cannot
/// carry it.
#[derive(Debug)]
enum Verdict {
    Trusted,
    /// Trusted and to be pinned, as a new certificate for the pinned key.
    RenewsPin,
    /// No authority vouches for it, and it is not the pinned one.
    Unknown {
        shown: CertificatePin,
        before: TrustedBefore,
    },
    /// The named authority did not sign it, or it is invalid, for this reason.
    Refused(String),
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    verdict: OnceLock<Verdict>,
}

impl Verifier {
    fn new(trust: &Trust, provider: &Arc<CryptoProvider>) -> Self {
        Self {
            trust: trust.clone(),
            provider: Arc::clone(provider),
            verdict: OnceLock::new(),
        }
    }

    /// Returns a verifier for the trusted authorities; `None` if there are none.
    fn authorities(&self) -> Option<Arc<WebPkiServerVerifier>> {
        let roots = match &self.trust {
            Trust::Authority(authority) => authority.roots(),
            Trust::SystemOr(_) => {
                let mut roots = RootCertStore::empty();
                // Roots that cannot be parsed are skipped.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots
            }
        };
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .ok()
    }

    /// Decides about a certificate that no trusted authority signed.
    fn decide(&self, shown: CertificatePin, refusal: &TlsError) -> Verdict {
        let Trust::SystemOr(pin) = &self.trust else {
            return Verdict::Refused(match refusal {
                TlsError::InvalidCertificate(error) => certificate_problem(error),
                other => other.to_string(),
            });
        };
        let before = match *pin {
            PinPolicy::Known(pinned)
                if pinned.certificate == shown.certificate
                    || (pinned.key.is_some() && pinned.key == shown.key) =>
            {
                return Verdict::RenewsPin;
            }
            PinPolicy::Known(pinned) => TrustedBefore::Pinned(pinned.certificate),
            PinPolicy::FirstUse => TrustedBefore::Nothing,
            PinPolicy::VouchedBefore => TrustedBefore::Authority,
        };
        Verdict::Unknown { shown, before }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let shown = CertificatePin::of(end_entity);
        // The pinned certificate is trusted without loading the system's roots, which is slow.
        if matches!(&self.trust, Trust::SystemOr(PinPolicy::Known(pinned)) if *pinned == shown) {
            self.verdict.get_or_init(|| Verdict::Trusted);
            return Ok(ServerCertVerified::assertion());
        }
        let verified = match self.authorities() {
            Some(authorities) => authorities.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let verdict = match &verified {
            Ok(_) => Verdict::Trusted,
            Err(refusal) => self.decide(shown, refusal),
        };
        match self.verdict.get_or_init(|| verdict) {
            Verdict::Trusted | Verdict::RenewsPin => Ok(ServerCertVerified::assertion()),
            Verdict::Unknown { .. } | Verdict::Refused(_) => Err(verified
                .err()
                .unwrap_or_else(|| CertificateError::ApplicationVerificationFailure.into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
