//! The verification of a server's certificate.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error as TlsError,
    RootCertStore, SignatureScheme,
};

use crate::authority::Authority;
use crate::fingerprint::{CertificatePin, Fingerprint};
use crate::problem::certificate_problem;
use crate::unknown_certificate::TrustedBefore;

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

impl PinPolicy {
    /// Returns the policy that accepts, of the certificates that no authority vouches for, only the
    /// one with this fingerprint.
    pub fn expecting(certificate: Fingerprint) -> Self {
        Self::Known(CertificatePin {
            certificate,
            key: None,
        })
    }
}

/// The verdict about a certificate. It is stored in the verifier, since the errors of rustls cannot
/// carry it.
#[derive(Debug)]
pub enum Verdict {
    /// It is trusted.
    Trusted,
    /// Trusted and to be pinned, as a new certificate for the pinned key.
    RenewsPin,
    /// No authority vouches for it, and it is not the pinned one.
    Unknown {
        /// The certificate that the server presents.
        shown: CertificatePin,
        /// What was trusted before.
        before: TrustedBefore,
        /// What is wrong with it beside its authority, as a clause about "it".
        problem: Option<String>,
    },
    /// The named authority did not sign it, or it is invalid.
    Refused {
        /// The certificate that the server presents.
        shown: CertificatePin,
        /// The reason.
        reason: TlsError,
    },
}

/// Decides whether the certificate of one connection is trusted.
#[derive(Debug)]
pub struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    verdict: OnceLock<Verdict>,
}

impl Verifier {
    /// Creates the verifier of a connection.
    pub fn new(trust: Trust) -> Arc<Self> {
        Arc::new(Self {
            trust,
            provider: Arc::new(aws_lc_rs::default_provider()),
            verdict: OnceLock::new(),
        })
    }

    /// Returns the start of a TLS configuration that asks this verifier.
    pub fn config(
        self: &Arc<Self>,
    ) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        Ok(builder
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as Arc<dyn ServerCertVerifier>))
    }

    /// Returns the verdict; `None` before the server has presented a certificate.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.get()
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
            return Verdict::Refused {
                shown,
                reason: refusal.clone(),
            };
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
        let problem = match refusal {
            refusal if is_of_another_authority(refusal) => None,
            TlsError::InvalidCertificate(error) => Some(certificate_problem(error)),
            _ => None,
        };
        Verdict::Unknown {
            shown,
            before,
            problem,
        }
    }
}

/// Whether a certificate is rejected only because another authority signed it than those that are
/// trusted.
pub fn is_of_another_authority(error: &TlsError) -> bool {
    use CertificateError::{BadSignature, UnknownIssuer};
    matches!(
        error,
        TlsError::InvalidCertificate(UnknownIssuer | BadSignature)
    )
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
            Verdict::Unknown { .. } | Verdict::Refused { .. } => Err(verified
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
