//! Reads PEM files. Error messages say what is wrong with the file.

use std::path::Path;

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

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

/// Returns the first private key in the file.
pub fn private_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&std::fs::read(file)?).map_err(|error| match error {
        Error::NoItemsFound => {
            anyhow::anyhow!(
                "no private key found; expected PEM with BEGIN PRIVATE KEY, without a passphrase"
            )
        }
        other => describe(&other),
    })
}

fn describe(error: &Error) -> anyhow::Error {
    match error {
        Error::MissingSectionEnd { .. } => {
            anyhow::anyhow!("broken PEM: a BEGIN line has no END line")
        }
        Error::IllegalSectionStart { .. } => {
            anyhow::anyhow!("broken PEM: a BEGIN line is incomplete")
        }
        Error::Base64Decode(_) => {
            anyhow::anyhow!("broken PEM: the text between BEGIN and END is not base64")
        }
        other => anyhow::anyhow!("broken PEM: {other}"),
    }
}
