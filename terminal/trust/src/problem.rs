//! Why a certificate was rejected, its file cannot be used or a TLS handshake failed, in plain
//! words.

use rustls::pki_types::pem::Error as PemError;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// What is wrong with a file whose PEM is intact, but not the certificate in it.
pub const DAMAGED_CERTIFICATE: &str =
    "it is damaged: the text between BEGIN CERTIFICATE and END is not a certificate";

/// Returns why a PEM file cannot be used, as a clause about "it", or the error of the system.
pub fn pem_problem(error: &PemError) -> String {
    match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "it contains nothing of that kind in PEM format".to_owned(),
        PemError::MissingSectionEnd { .. } | PemError::IllegalSectionStart { .. } => {
            "it is damaged: a BEGIN or END line is missing or incomplete".to_owned()
        }
        PemError::Base64Decode(_) => {
            "it is damaged: the text between BEGIN and END is not Base64".to_owned()
        }
        other => format!("it is damaged: {other}"),
    }
}

/// Returns why there is no TLS connection to a server, as a clause about "it".
pub fn tls_problem(error: &TlsError) -> String {
    use AlertDescription as Alert;
    let text = match error {
        TlsError::InvalidCertificate(error) => {
            return format!(
                "its certificate is not accepted: {}",
                certificate_problem(error)
            );
        }
        TlsError::InvalidMessage(_) => "it does not speak TLS on this port",
        TlsError::PeerIncompatible(_)
        | TlsError::AlertReceived(
            Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity,
        ) => "it has no version of TLS (1.2 or 1.3) or cipher in common with this program",
        TlsError::AlertReceived(Alert::AccessDenied) => {
            "it accepts no connection from here now; try again later"
        }
        TlsError::AlertReceived(Alert::CertificateRequired) => "it asks for a client certificate",
        TlsError::AlertReceived(Alert::UnrecognisedName) => "it does not know this host name",
        other => return format!("the TLS handshake failed: {other}"),
    };
    text.to_owned()
}

/// Returns why a server's certificate was rejected, as a clause about "it".
pub fn certificate_problem(error: &CertificateError) -> String {
    let text = match error {
        CertificateError::UnknownIssuer => "it is signed by an authority that is not trusted here",
        CertificateError::BadSignature => "it is not signed by the trusted authority",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired; its operators must renew it, or this machine's clock is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; check this machine's clock"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for other host names"
        }
        CertificateError::Revoked => "it was revoked",
        other => return format!("it is not valid: {other}"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use rustls::InvalidMessage;

    use super::*;

    #[test]
    fn common_problems_are_explained_and_others_named() {
        assert_eq!(
            certificate_problem(&CertificateError::UnknownIssuer),
            "it is signed by an authority that is not trusted here"
        );
        for (error, part) in [
            (CertificateError::Expired, "expired"),
            (CertificateError::NotValidYet, "clock"),
            (CertificateError::NotValidForName, "host names"),
        ] {
            let problem = certificate_problem(&error);
            assert!(problem.contains(part), "{problem}");
        }
        let other = certificate_problem(&CertificateError::BadEncoding);
        assert!(other.starts_with("it is not valid: "), "{other}");
    }

    #[test]
    fn a_failed_handshake_is_explained_without_the_words_of_the_library() {
        for (error, part) in [
            (
                TlsError::InvalidMessage(InvalidMessage::InvalidContentType),
                "does not speak TLS",
            ),
            (
                TlsError::AlertReceived(AlertDescription::ProtocolVersion),
                "no version of TLS",
            ),
            (
                TlsError::AlertReceived(AlertDescription::AccessDenied),
                "try again later",
            ),
            (CertificateError::Expired.into(), "has expired"),
        ] {
            let problem = tls_problem(&error);
            assert!(problem.contains(part), "{problem}");
        }
    }
}
