//! PEM files, with errors that say what is wrong in words.

use std::path::Path;

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// All certificates in the file; at least one.
pub(super) fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let content = std::fs::read(file)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&content)
        .collect::<Result<_, _>>()
        .map_err(|error| in_words(&error))?;
    anyhow::ensure!(
        !chain.is_empty(),
        "there is no certificate in it (PEM, BEGIN CERTIFICATE)"
    );
    Ok(chain)
}

/// The first private key in the file.
pub(super) fn private_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&std::fs::read(file)?).map_err(|error| match error {
        Error::NoItemsFound => {
            anyhow::anyhow!(
                "there is no private key in it (PEM, BEGIN PRIVATE KEY, without a passphrase)"
            )
        }
        other => in_words(&other),
    })
}

fn in_words(error: &Error) -> anyhow::Error {
    match error {
        Error::MissingSectionEnd { .. } => {
            anyhow::anyhow!("broken PEM: a BEGIN line has no END line")
        }
        Error::IllegalSectionStart { .. } => {
            anyhow::anyhow!("broken PEM: a BEGIN line is cut short")
        }
        Error::Base64Decode(_) => {
            anyhow::anyhow!("broken PEM: what stands between BEGIN and END is not base64")
        }
        other => anyhow::anyhow!("broken PEM: {other}"),
    }
}
