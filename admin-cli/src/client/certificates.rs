//! The certificates of a connection: the client's own, and the authorities that it trusts.

use std::fs;
use std::path::{Path, PathBuf};

use rookery_terminal::certificate_problem;
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use ureq::tls::{Certificate, ClientCert, PrivateKey};

use crate::address::ServerAddress;
use crate::failure::Failure;

/// A client certificate with its key, for a server that requires one of operators.
pub struct ClientKey(pub(super) ClientCert);

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
        let chain = certificates_in(&certificate, "certificate")?;
        let file = key.unwrap_or(certificate);
        let broken =
            |why: &str| Failure::new(format!("cannot use the key in {}: {why}", file.display()));
        let pem = fs::read(&file).map_err(|error| broken(&error.to_string()))?;
        let key = PrivateKey::from_pem(&pem)
            .map_err(|_| broken("the file holds no key in PEM format"))?;
        Ok(Some(Self(ClientCert::new_with_certs(&chain, key))))
    }
}

/// The authorities that may have signed the server's certificate.
#[derive(Clone)]
pub(super) enum Trusted {
    File(PathBuf),
    System,
}

impl Trusted {
    /// Reads the authorities.
    pub(super) fn certificates(&self) -> Result<Vec<Certificate<'static>>, Failure> {
        let system = || rustls_native_certs::load_native_certs().certs;
        match self {
            Self::File(file) => certificates_in(file, "authority"),
            Self::System => Ok(system().iter().map(owned).collect()),
        }
    }

    /// Explains why the server's certificate was rejected, and what to do.
    pub(super) fn explain(&self, server: &ServerAddress, error: &CertificateError) -> String {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        if let NotValidForName | NotValidForNameContext { .. } = error {
            return format!(
                "the certificate of {server} is for other host names. Use one of its names with \
                 --server, or have this one added to `tls.names` in the server's config.toml and a \
                 new certificate made."
            );
        }
        let problem = certificate_problem(error);
        let hint = match self {
            Self::File(file) => format!(
                "The trusted authority is the one in {}. If the server uses another, pass its \
                 certs/ca.pem with --ca FILE.",
                file.display()
            ),
            Self::System => {
                "The system's authorities are trusted. If the server created its own certificate, \
                 copy its certs/ca.pem to this machine and pass it with --ca FILE, or in the \
                 variable ROOKERY_CA."
                    .to_owned()
            }
        };
        format!("the certificate of {server} is not accepted: {problem}. {hint}")
    }
}

/// Reads the certificates in a PEM file, at least one.
fn certificates_in(file: &Path, what: &str) -> Result<Vec<Certificate<'static>>, Failure> {
    let broken = |why: &str| {
        Failure::new(format!(
            "cannot use the {what} in {}: {why}",
            file.display()
        ))
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates = read.map_err(|error| broken(&error.to_string()))?;
    if certificates.is_empty() {
        return Err(broken("the file holds no certificate in PEM format"));
    }
    Ok(certificates.iter().map(owned).collect())
}

fn owned(certificate: &CertificateDer<'_>) -> Certificate<'static> {
    Certificate::from_der(certificate).to_owned()
}
