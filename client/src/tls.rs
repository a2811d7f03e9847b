//! The way to the server: a TCP connection, TLS over it, and the decision whether the certificate
//! is to be trusted.
//!
//! With an authority given, only its certificates will do. Otherwise the system's roots are asked;
//! a certificate they do not vouch for is pinned the first time, and has to be the same one from
//! then on, or one for the same key.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

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
use crate::fingerprint::{CertificatePin, Fingerprint};

/// How long a connection and its TLS handshake may take together.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whom to believe that the server is the right one.
#[derive(Clone, Debug)]
pub enum Trust {
    /// This authority, and nobody else.
    Authority(Authority),
    /// The system's roots, or the certificate pinned before.
    SystemOr(PinPolicy),
}

/// What is known of a certificate that no authority vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinPolicy {
    /// It was this one.
    Known(CertificatePin),
    /// Nothing; the first one is pinned.
    TrustFirst,
    /// Nothing, but there is a credential, won when an authority vouched for the server: it is not
    /// shown to strangers.
    Refuse,
}

/// A connection, and what to pin.
pub struct TlsConnection {
    /// Ready to carry the chat.
    pub stream: TlsStream<TcpStream>,
    /// To be pinned from now on, where that is not pinned already.
    pub pin: Option<CertificatePin>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No answer, or none that leads anywhere. Another time may be better.
    #[error("cannot connect to {server}: {cause}")]
    Unreachable {
        /// Where to.
        server: String,
        /// What went wrong.
        cause: String,
    },
    /// The certificate is not one to trust.
    #[error("the certificate of {server} is not trusted: {cause}")]
    Untrusted {
        /// Whose.
        server: String,
        /// What is wrong with it.
        cause: String,
    },
    /// No authority vouches for it, it is not pinned, and there is a credential to lose.
    #[error("no authority vouches for the certificate of {server}, as one did when you signed in")]
    NoLongerVouched {
        /// Whose.
        server: String,
        /// What it shows.
        shown: Fingerprint,
    },
    /// It is another one than was pinned.
    #[error("the certificate of {server} has changed")]
    Changed {
        /// Whose.
        server: String,
        /// What was pinned.
        pinned: Fingerprint,
        /// What it shows.
        shown: Fingerprint,
    },
}

/// Connects to `server`.
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
        let stream = TcpStream::connect((server.host(), server.port())).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::new(config))
            .connect(server.name(), stream)
            .await
    };
    let connected = tokio::time::timeout(PATIENCE, connecting).await;
    let server = server.to_string();
    let error = match connected {
        Err(_) => {
            return Err(unreachable(format!(
                "no answer within {} seconds",
                PATIENCE.as_secs()
            )));
        }
        Ok(Err(error)) => error,
        Ok(Ok(stream)) => {
            let pin = match verifier.verdict.get() {
                Some(Verdict::Pin(pinned)) => Some(*pinned),
                _ => None,
            };
            return Ok(TlsConnection { stream, pin });
        }
    };
    Err(match verifier.verdict.get() {
        Some(&Verdict::Changed { pinned, shown }) => ConnectError::Changed {
            server,
            pinned,
            shown,
        },
        Some(&Verdict::Unvouched(shown)) => ConnectError::NoLongerVouched { server, shown },
        Some(Verdict::Refused(cause)) => ConnectError::Untrusted {
            server,
            cause: cause.clone(),
        },
        _ => unreachable(error.to_string()),
    })
}

/// What was found of the server's certificate; told beside rustls, whose errors carry only text.
#[derive(Debug)]
enum Verdict {
    Trusted,
    /// Trusted on first use, or as a new certificate for the key that is pinned.
    Pin(CertificatePin),
    Unvouched(Fingerprint),
    Changed {
        pinned: Fingerprint,
        shown: Fingerprint,
    },
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

    /// Whoever may vouch for a server; none when there is no root at all.
    fn authorities(&self) -> Option<Arc<WebPkiServerVerifier>> {
        let roots = match &self.trust {
            Trust::Authority(authority) => authority.roots(),
            Trust::SystemOr(_) => {
                let mut roots = RootCertStore::empty();
                // A root that cannot be read vouches for nobody; the rest still do.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots
            }
        };
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .ok()
    }

    /// What to do about a certificate that nobody vouches for.
    fn judge(&self, shown: CertificatePin, refusal: &TlsError) -> Verdict {
        let Trust::SystemOr(pin) = &self.trust else {
            return Verdict::Refused(refusal.to_string());
        };
        match *pin {
            PinPolicy::Known(pinned)
                if pinned.certificate == shown.certificate
                    || (pinned.key.is_some() && pinned.key == shown.key) =>
            {
                Verdict::Pin(shown)
            }
            PinPolicy::Known(pinned) => Verdict::Changed {
                pinned: pinned.certificate,
                shown: shown.certificate,
            },
            PinPolicy::TrustFirst => Verdict::Pin(shown),
            PinPolicy::Refuse => Verdict::Unvouched(shown.certificate),
        }
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
        // It is known again: nobody has to vouch for it, and reading the system's roots takes its
        // time.
        if matches!(&self.trust, Trust::SystemOr(PinPolicy::Known(pinned)) if *pinned == shown) {
            self.verdict.get_or_init(|| Verdict::Trusted);
            return Ok(ServerCertVerified::assertion());
        }
        let vouched = match self.authorities() {
            Some(authorities) => authorities.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let verdict = match &vouched {
            Ok(_) => Verdict::Trusted,
            Err(refusal) => self.judge(shown, refusal),
        };
        match self.verdict.get_or_init(|| verdict) {
            Verdict::Trusted | Verdict::Pin(_) => Ok(ServerCertVerified::assertion()),
            _ => Err(vouched
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
