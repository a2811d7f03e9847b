//! Why a certificate was rejected, in plain words.

use rustls::CertificateError;

/// Returns why a server's certificate was rejected, as a clause about "it".
pub fn certificate_problem(error: &CertificateError) -> String {
    let text = match error {
        CertificateError::UnknownIssuer => "it is signed by an authority that is not trusted here",
        CertificateError::BadSignature => "it is not signed by the trusted authority",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
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
    use super::*;

    #[test]
    fn common_problems_are_explained_and_others_named() {
        assert_eq!(
            certificate_problem(&CertificateError::UnknownIssuer),
            "it is signed by an authority that is not trusted here"
        );
        let other = certificate_problem(&CertificateError::BadEncoding);
        assert!(other.starts_with("it is not valid: "), "{other}");
    }
}
