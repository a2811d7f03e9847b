//! The files of a connection: the client's own certificate, and the authority that it trusts.

use std::fs;
use std::path::{Path, PathBuf};

use rookery_trust::{Authority, PinPolicy, Trust, certificate_problem};
use rustls::CertificateError;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::tls::ClientKey;
use crate::address::ServerAddress;
use crate::failure::Failure;

impl ClientKey {
    /// Reads the certificate, if one is given. Without a `key` file, the key is read from the
    /// certificate's file.
    pub fn read(
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<Option<Self>, Failure> {
        let Some(certificate) = certificate else {
            return match key {
                None => Ok(None),
                Some(_) => Err(Failure::Usage("--key needs --certificate".to_owned())),
            };
        };
        let chain = certificates_in(&certificate)?;
        let file = key.unwrap_or(certificate);
        let broken =
            |why: &str| Failure::new(format!("cannot use the key in {}: {why}", file.display()));
        let pem = fs::read(&file).map_err(|error| broken(&error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| broken("the file holds no key in PEM format"))?;
        Ok(Some(Self { chain, key }))
    }
}

/// Returns which certificates of the server are trusted: those of the authority in the file, or as
/// far as `policy` allows.
pub(super) fn trust(ca: Option<&Path>, policy: PinPolicy) -> Result<Trust, Failure> {
    let Some(file) = ca else {
        return Ok(Trust::SystemOr(policy));
    };
    let authority = Authority::read(file).map_err(|why| {
        Failure::new(format!(
            "cannot use the authority in {}: {why}",
            file.display()
        ))
    })?;
    Ok(Trust::Authority(authority))
}

/// Explains why a named authority does not vouch for the server's certificate, and what to do.
pub(super) fn refusal(
    server: &ServerAddress,
    ca: Option<&Path>,
    error: &CertificateError,
) -> String {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    if let NotValidForName | NotValidForNameContext { .. } = error {
        return format!(
            "the certificate of {server} is for other host names. Use one of its names with \
             --server, or have this one added to `tls.names` in the server's config.toml and a \
             new certificate made."
        );
    }
    let hint = ca.map_or_else(String::new, |file| {
        format!(
            " The trusted authority is the one in {}. If the server uses another, pass its \
             certs/ca.pem with --ca FILE.",
            file.display()
        )
    });
    let problem = certificate_problem(error);
    format!("the certificate of {server} is not accepted: {problem}.{hint}")
}

/// Reads the certificates in a PEM file, at least one.
fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let broken = |why: &str| {
        Failure::new(format!(
            "cannot use the certificate in {}: {why}",
            file.display()
        ))
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates = read.map_err(|error| broken(&error.to_string()))?;
    if certificates.is_empty() {
        return Err(broken("the file holds no certificate in PEM format"));
    }
    Ok(certificates)
}
