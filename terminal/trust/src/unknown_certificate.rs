//! A certificate that there is no reason to trust: what is known about it, and what the user can
//! do. Every program shows these texts, and only the user's answer makes the certificate trusted.

use crate::fingerprint::{CertificatePin, Fingerprint};

/// The question to a user at a terminal; only this answer trusts the certificate.
pub const QUESTION: &str = "Trust it from now on? Type yes:";

/// A server's certificate that no authority vouches for and that is not the pinned one. The
/// connection was ended before anything was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCertificate {
    /// The server, as the program takes it on the command line.
    pub server: String,
    /// The command that trusts the certificate whose fingerprint follows it.
    pub command: String,
    /// The certificate that the server presents.
    pub shown: CertificatePin,
    /// What was trusted before.
    pub before: TrustedBefore,
    /// What is wrong with it beside its authority, as a clause about "it".
    pub problem: Option<String>,
}

/// What was trusted before a server presented an unknown certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedBefore {
    /// Nothing: this is the first connection to the server.
    Nothing,
    /// The authority that vouched for the server when the user signed in.
    Authority,
    /// The only authority that was named as trusted.
    NamedAuthority,
    /// The pinned certificate.
    Pinned(Fingerprint),
}

impl UnknownCertificate {
    /// Returns why the certificate is not trusted, with its fingerprint, on several lines.
    pub fn description(&self) -> String {
        let (server, shown) = (&self.server, self.shown.certificate);
        let problem = match &self.problem {
            Some(problem) => format!(": {problem}"),
            None => String::new(),
        };
        match self.before {
            TrustedBefore::Nothing => format!(
                "No authority vouches for the certificate of {server}{problem}. Its \
                 fingerprint is\n  SHA-256 {shown}\n\
                 Trust it only if `rookeryd fingerprint` prints the same on the server."
            ),
            TrustedBefore::Authority => format!(
                "No authority vouches for the certificate of {server}, as one did when you signed \
                 in{problem}. Its fingerprint is\n  SHA-256 {shown}\n\
                 If you signed in with `--ca FILE`, use that option again. Otherwise, trust it \
                 only if `rookeryd fingerprint` prints the same on the server."
            ),
            TrustedBefore::NamedAuthority => format!(
                "The certificate of {server} is not trusted: it is not signed by the authority \
                 that was named with --ca. Its fingerprint is\n  SHA-256 {shown}\n\
                 Nothing was sent to it. Either the server has another authority now, or someone \
                 intercepts your connection. Name the new authority with `--ca FILE`, or trust \
                 the certificate if `rookeryd fingerprint` prints the same on the server."
            ),
            TrustedBefore::Pinned(pinned) => format!(
                "THE CERTIFICATE OF {server} HAS CHANGED.\n\
                 \x20 presented now:\n  SHA-256 {shown}\n\
                 \x20 trusted before:\n  SHA-256 {pinned}\n\
                 Nothing was sent to it. Either the server has a new certificate, or someone intercepts your connection. \
                 Trust it only if `rookeryd fingerprint` prints the same on the server."
            ),
        }
    }

    /// Returns the reason for which a script, which cannot be asked, is not connected.
    pub fn refusal(&self) -> String {
        let Self { command, shown, .. } = self;
        format!(
            "{}\nTo trust it, run: {command} {}",
            self.description(),
            shown.certificate
        )
    }

    /// Returns the reason of the exit after a user has not trusted the certificate.
    pub fn declined(&self) -> String {
        format!(
            "the certificate of {} is not trusted: nothing was sent",
            self.server
        )
    }
}
