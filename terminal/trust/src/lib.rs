//! Which certificates of a server are trusted, for `rook` and `admin-cli`.
//!
//! If an authority was named, only its certificates are trusted; otherwise those of the system's
//! authorities are. A certificate that none of these signed is trusted only once the user has
//! confirmed its fingerprint, which pins it. From then on the server must present the same
//! certificate, one for the same key, or one that an authority of the system signed.
//!
//! [`Verifier`] decides about one connection, by what [`Trust`] allows. [`UnknownCertificate`] has
//! the texts for a certificate about which the user must decide. [`open_own`] opens a file only if
//! no other user of the machine can have written it. The programs connect, ask and store; this
//! crate does no I/O but read the system's authorities and the file of another one.

mod authority;
mod fingerprint;
mod own_file;
mod problem;
mod unknown_certificate;
mod verifier;

pub use authority::Authority;
pub use fingerprint::{CertificatePin, Fingerprint, InvalidFingerprint};
pub use own_file::{NotOwn, open_own};
pub use problem::{DAMAGED_CERTIFICATE, certificate_problem, pem_problem, tls_problem};
pub use unknown_certificate::{QUESTION, TrustedBefore, UnknownCertificate};
pub use verifier::{PinPolicy, Trust, Verdict, Verifier, is_of_another_authority};
