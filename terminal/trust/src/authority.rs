//! A certificate authority that is no authority of the system.

use std::fs::File;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use crate::problem::{DAMAGED_CERTIFICATE, pem_problem};

/// The certificates of an authority: at least one, all of them usable as roots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Authority(Vec<CertificateDer<'static>>);

impl Authority {
    /// Reads the certificates in a PEM file; other items in it are ignored.
    pub fn read(file: &Path) -> Result<Self, String> {
        let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
        Self::of(certificates.map_err(|error| pem_problem(&error))?)
    }

    /// Like [`Authority::read`], for an open file.
    pub fn read_from(file: File) -> Result<Self, String> {
        let certificates: Result<_, _> = CertificateDer::pem_reader_iter(file).collect();
        Self::of(certificates.map_err(|error| pem_problem(&error))?)
    }

    /// Returns the certificates as a root store for rustls.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.0.iter().cloned());
        roots
    }

    fn of(certificates: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots
                .add(certificate.clone())
                .map_err(|_| DAMAGED_CERTIFICATE.to_owned())?;
        }
        if roots.is_empty() {
            return Err("it contains no certificate".to_owned());
        }
        Ok(Self(certificates))
    }
}

impl TryFrom<Vec<String>> for Authority {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        let decode = |text: String| BASE64.decode(text).map(CertificateDer::from);
        let certificates: Result<Vec<_>, _> = texts.into_iter().map(decode).collect();
        Self::of(certificates.map_err(|_| "not a Base64-encoded certificate".to_owned())?)
    }
}

impl From<Authority> for Vec<String> {
    fn from(authority: Authority) -> Self {
        authority
            .0
            .iter()
            .map(|certificate| BASE64.encode(certificate))
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said_in_plain_words() {
        let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
        let error = Authority::read(Path::new("/")).unwrap_err();
        assert!(error.contains("directory"), "{error}");
        for (content, words) in [
            (String::new(), "it contains no certificate"),
            ("no PEM".to_owned(), "it contains no certificate"),
            (format!("{begin}\nMIIB\n"), "a BEGIN or END line is missing"),
            (format!("{begin}\nM!!B\n{end}\n"), "is not Base64"),
            (format!("{begin}\nAAAA\n{end}\n"), "is not a certificate"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            let error = Authority::read(file.path()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
