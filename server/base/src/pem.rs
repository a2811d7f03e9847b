//! Reads PEM files. Error messages say what is wrong with the file.

use std::path::Path;

use anyhow::anyhow;
use rustls::RootCertStore;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What is wrong with a certificate whose PEM is intact, but not what it encloses.
pub const DAMAGED_CERTIFICATE: &str = "the text between BEGIN CERTIFICATE and END is not an X.509 certificate of version 3; \
     restore the file from a backup, or get a new certificate";

/// What is wrong with a key whose PEM is intact, but not what it encloses.
pub const DAMAGED_KEY: &str = "the text between BEGIN and END is not an RSA, ECDSA or Ed25519 key; \
                               restore the file from a backup";

/// Returns all certificates in the file. Fails if there is none.
pub fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let content = std::fs::read(file)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&content)
        .collect::<Result<_, _>>()
        .map_err(|error| describe(&error))?;
    anyhow::ensure!(
        !chain.is_empty(),
        "no certificate found; expected PEM with BEGIN CERTIFICATE"
    );
    Ok(chain)
}

/// Returns the authorities in the file. Fails if there is none, or if one of them is damaged.
pub fn authorities(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|_| anyhow!(DAMAGED_CERTIFICATE))?;
    }
    Ok(roots)
}

/// Returns the first private key in the file.
pub fn private_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&std::fs::read(file)?).map_err(|error| match error {
        Error::NoItemsFound => {
            anyhow!(
                "no private key found; expected PEM with BEGIN PRIVATE KEY, without a passphrase"
            )
        }
        other => describe(&other),
    })
}

fn describe(error: &Error) -> anyhow::Error {
    match error {
        Error::MissingSectionEnd { .. } => {
            anyhow!("broken PEM: a BEGIN line has no END line")
        }
        Error::IllegalSectionStart { .. } => {
            anyhow!("broken PEM: a BEGIN line is incomplete")
        }
        Error::Base64Decode(_) => {
            anyhow!("broken PEM: the text between BEGIN and END is not base64")
        }
        other => anyhow!("broken PEM: {other}"),
    }
}
