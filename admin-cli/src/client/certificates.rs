//! The files of a connection: the client's own certificate, and the authority that it trusts.

use std::path::{Path, PathBuf};

use rookery_trust::{
    Authority, DAMAGED_CERTIFICATE, NotOwn, PinPolicy, Trust, certificate_problem, open_own,
    pem_problem,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error as TlsError};

use super::tls::ClientKey;
use crate::address::ServerAddress;
use crate::failure::Failure;

/// The file of an authority, whose certificates alone are trusted.
pub struct AuthorityFile {
    pub path: PathBuf,
    /// Whether the operator has named it. Otherwise it is read only if no other user of the machine
    /// can have written it.
    pub is_named: bool,
}

impl AuthorityFile {
    fn read(&self) -> Result<Authority, String> {
        if self.is_named {
            Authority::read(&self.path)
        } else {
            let file = open_own(&self.path).map_err(|why| match why {
                NotOwn::Foreign { .. } | NotOwn::WritableByAll(_) | NotOwn::WritableByGroup(..) => {
                    format!("{why}. Name it with --ca if you trust it nevertheless.")
                }
                NotOwn::NotAFile(_) | NotOwn::Unreadable(..) => why.to_string(),
            })?;
            Authority::read_from(file)
        }
    }
}

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
        let file = key.unwrap_or_else(|| certificate.clone());
        let broken =
            |why: &str| Failure::new(format!("cannot use the key in {}: {why}", file.display()));
        let key = PrivateKeyDer::from_pem_file(&file).map_err(|error| match error {
            PemError::NoItemsFound => broken("the file holds no key in PEM format"),
            error => broken(&pem_problem(&error)),
        })?;
        let provider = aws_lc_rs::default_provider();
        match CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider) {
            Ok(_) => Ok(Some(Self { chain, key })),
            Err(TlsError::InconsistentKeys(_)) => Err(broken(&format!(
                "it is not the key of the certificate in {}",
                certificate.display()
            ))),
            Err(TlsError::InvalidCertificate(_)) => {
                Err(broken_certificate(&certificate, DAMAGED_CERTIFICATE))
            }
            Err(_) => Err(broken("it is damaged, or not an RSA, ECDSA or Ed25519 key")),
        }
    }
}

/// Returns which certificates of the server are trusted: those of the authority in the file, or as
/// far as `policy` allows.
pub(super) fn trust(ca: Option<&AuthorityFile>, policy: PinPolicy) -> Result<Trust, Failure> {
    let Some(file) = ca else {
        return Ok(Trust::SystemOr(policy));
    };
    let authority = file.read().map_err(|why| {
        Failure::new(format!(
            "cannot use the authority in {}: {why}",
            file.path.display()
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
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates = read.map_err(|error| broken_certificate(file, &pem_problem(&error)))?;
    if certificates.is_empty() {
        return Err(broken_certificate(
            file,
            "the file holds no certificate in PEM format",
        ));
    }
    Ok(certificates)
}

fn broken_certificate(file: &Path, why: &str) -> Failure {
    Failure::new(format!(
        "cannot use the certificate in {}: {why}",
        file.display()
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_certificate_or_key_that_cannot_be_used_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["own.pem", "own.key"].map(|name| folder.path().join(name));
        let pair = KeyPair::generate().unwrap();
        let signed = CertificateParams::default().self_signed(&pair).unwrap();
        let (own, own_key) = (signed.pem(), pair.serialize_pem());
        let read = |certificate_pem: &str, key_pem: &str| {
            fs::write(&certificate, certificate_pem).unwrap();
            fs::write(&key, key_pem).unwrap();
            ClientKey::read(Some(certificate.clone()), Some(key.clone()))
        };
        assert!(read(&own, &own_key).unwrap().is_some());
        let damaged = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
        let other_key = KeyPair::generate().unwrap().serialize_pem();
        for (certificate_pem, key_pem, words) in [
            ("", &own_key, "own.pem: the file holds no certificate"),
            (
                &own[..200],
                &own_key,
                "own.pem: it is damaged: a BEGIN or END",
            ),
            (
                &damaged("CERTIFICATE"),
                &own_key,
                "own.pem: it is damaged: the text",
            ),
            (&own, &String::new(), "own.key: the file holds no key"),
            (&own, &damaged("PRIVATE KEY"), "own.key: it is damaged"),
            (&own, &other_key, "own.key: it is not the key of the cert"),
        ] {
            let error = read(certificate_pem, key_pem).err().unwrap().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
