//! The wire format of SASL on IRC (IRCv3 sasl 3.2): mechanisms, base64 in chunks, and the payloads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rookery_protocol::{AccountName, Email, NameError};

/// The length of a full chunk, which is followed by another.
pub const CHUNK: usize = 400;
/// The maximum length of one response in base64: two names and a secret of maximum length fit.
pub const MAX_RESPONSE: usize = 2000;
/// The minimum length of a device credential in bytes.
const MIN_DEVICE_SECRET: usize = 32;
/// The maximum length of any secret in bytes.
pub const MAX_SECRET: usize = 300;

/// The SASL mechanisms that the server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616: a name or email, and a password or device credential.
    Plain,
    /// RFC 7677: a password, proved without being sent.
    ScramSha256,
    /// RFC 4422 appendix A: the client certificate of the connection.
    External,
    /// A mechanism of this server: a mailed code for a new device. The client sends `account NUL
    /// email`; the server mails a code and answers `AUTHENTICATE +`; the client sends `code NUL
    /// device-credential`. After a wrong code (904) the client may start again with the same
    /// account and email, and the same code stays valid; after aborting with `*` it gets a new one.
    EmailCode,
}

impl Mechanism {
    /// All mechanisms, in order of preference.
    pub const ALL: [Self; 4] = [
        Self::Plain,
        Self::ScramSha256,
        Self::External,
        Self::EmailCode,
    ];

    /// Returns the name of the mechanism.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::External => "EXTERNAL",
            Self::EmailCode => "X-EMAIL-CODE",
        }
    }

    /// Returns the mechanism with this name, ignoring letter case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }
}

/// Returns the names of all mechanisms, as in `CAP LS 302` and numeric 908.
pub fn mechanism_list() -> String {
    Mechanism::ALL.map(Mechanism::name).join(",")
}

/// A response that is received in chunks.
#[derive(Default)]
pub struct Response {
    base64: String,
}

/// The state of a response after a chunk.
pub enum Chunk {
    /// Another chunk follows.
    More,
    /// The response is complete, and decoded.
    Whole(Vec<u8>),
    /// The chunk is too long.
    TooLong,
    /// The response is not base64, or too long.
    Malformed,
}

impl Response {
    /// Returns the length in bytes of what has been received of the response.
    #[cfg(feature = "test-support")]
    pub fn len(&self) -> usize {
        self.base64.len()
    }

    /// Adds the parameter of one `AUTHENTICATE`.
    pub fn push(&mut self, chunk: &str) -> Chunk {
        if chunk.len() > CHUNK {
            return Chunk::TooLong;
        }
        if self.base64.len() + chunk.len() > MAX_RESPONSE {
            return Chunk::Malformed;
        }
        if chunk != "+" {
            self.base64.push_str(chunk);
            if chunk.len() == CHUNK {
                return Chunk::More;
            }
        }
        let whole = std::mem::take(&mut self.base64);
        STANDARD
            .decode(whole)
            .map_or(Chunk::Malformed, Chunk::Whole)
    }
}

/// The account that a client claims, by name or by email.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The name of the account.
    Name(AccountName),
    /// The email of the account.
    Email(Email),
}

impl Claim {
    /// Parses a claim: an email contains an `@`, a name never does.
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains('@') {
            Email::parse(text).ok().map(Self::Email)
        } else {
            AccountName::parse(text).ok().map(Self::Name)
        }
    }

    /// Returns the case-folded form, by which claims are compared.
    pub fn folded(&self) -> &str {
        match self {
            Self::Name(name) => name.folded(),
            Self::Email(email) => email.folded(),
        }
    }
}

/// Parses `authzid NUL authcid NUL secret`. Acting for another account is not supported, so an
/// `authzid` must equal the `authcid`.
pub fn plain(payload: &[u8]) -> Option<(Claim, String)> {
    let [authzid, claim, secret] = parts(payload)?;
    let claim = Claim::parse(claim)?;
    if !authzid.is_empty() && Claim::parse(authzid)? != claim {
        return None;
    }
    (!secret.is_empty() && secret.len() <= MAX_SECRET).then(|| (claim, secret.to_owned()))
}

/// Parses the response of `EXTERNAL`: the account to sign in to, or nothing.
pub fn external(payload: &[u8]) -> Result<Option<AccountName>, NameError> {
    match std::str::from_utf8(payload).map_err(|_| NameError::NotUtf8)? {
        "" => Ok(None),
        name => AccountName::parse(name).map(Some),
    }
}

/// Parses `account NUL email`.
pub fn account_and_email(payload: &[u8]) -> Option<(AccountName, Email)> {
    let [account, email] = parts(payload)?;
    Some((AccountName::parse(account).ok()?, Email::parse(email).ok()?))
}

/// Parses `code NUL device-credential`.
pub fn code_and_credential(payload: &[u8]) -> Option<(String, String)> {
    let [code, credential] = parts(payload)?;
    (MIN_DEVICE_SECRET..=MAX_SECRET)
        .contains(&credential.len())
        .then(|| (code.to_owned(), credential.to_owned()))
}

/// Splits UTF-8 at its NULs into exactly `N` parts.
fn parts<const N: usize>(payload: &[u8]) -> Option<[&str; N]> {
    let parts: Vec<&str> = std::str::from_utf8(payload).ok()?.split('\0').collect();
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(chunks: &[&str]) -> Option<Vec<u8>> {
        let mut response = Response::default();
        let (last, before) = chunks.split_last()?;
        assert!(
            before
                .iter()
                .all(|chunk| matches!(response.push(chunk), Chunk::More))
        );
        match response.push(last) {
            Chunk::Whole(bytes) => Some(bytes),
            _ => None,
        }
    }

    #[test]
    fn a_chunk_of_400_is_followed_by_another() {
        let bytes = [7; 600];
        let text = STANDARD.encode(bytes);
        assert_eq!(
            whole(&[&text[..400], &text[400..], "+"]),
            Some(bytes.to_vec())
        );
        let text = STANDARD.encode(&bytes[..500]);
        assert_eq!(
            whole(&[&text[..400], &text[400..]]),
            Some(bytes[..500].to_vec())
        );
        assert_eq!(whole(&["+"]), Some(Vec::new()));
    }

    #[test]
    fn a_response_is_bounded_and_checked() {
        assert!(matches!(
            Response::default().push(&"A".repeat(401)),
            Chunk::TooLong
        ));
        let mut endless = Response::default();
        let mut taken = 0;
        while matches!(endless.push(&"A".repeat(400)), Chunk::More) {
            taken += 1;
            assert!(taken < 10, "somewhere is an end");
        }
        for bad in ["%%%%", "QQ", "QQ==QQ==", "a b"] {
            assert!(
                matches!(Response::default().push(bad), Chunk::Malformed),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn plain_accepts_a_name_or_an_email_and_no_other_authzid() {
        let name = Claim::parse("alice");
        let email = Claim::parse("a@b.example");
        assert_eq!(
            plain(b"\0alice\0secret"),
            name.clone().map(|name| (name, "secret".to_owned()))
        );
        assert_eq!(
            plain(b"Alice\0alice\0secret"),
            name.map(|name| (name, "secret".to_owned()))
        );
        assert_eq!(
            plain(b"\0A@B.Example\0secret"),
            email.map(|email| (email, "secret".to_owned()))
        );
        let bad: [&[u8]; 8] = [
            b"bob\0alice\0secret",
            b"\0alice\0",
            b"\0\0secret",
            b"alice\0secret",
            b"\0alice\0sec\0ret",
            b"\0al ice\0secret",
            b"\0alice\0\xff\xfe",
            b"",
        ];
        for bad in bad {
            assert_eq!(plain(bad), None, "{bad:?}");
        }
        assert_eq!(
            plain(&[b"\0alice\0".as_slice(), &[b'x'; 301]].concat()),
            None,
            "secrets are bounded"
        );
    }

    #[test]
    fn a_device_credential_is_long_enough_to_be_random() {
        assert!(code_and_credential(&[b"123456\0".as_slice(), &[b'x'; 32]].concat()).is_some());
        assert!(code_and_credential(&[b"123456\0".as_slice(), &[b'x'; 31]].concat()).is_none());
        assert!(code_and_credential(&[b"123456\0".as_slice(), &[b'x'; 301]].concat()).is_none());
        assert!(code_and_credential(b"123456").is_none());
        assert!(account_and_email(b"alice\0a@b.example").is_some());
        assert!(account_and_email(b"a@b.example\0alice").is_none());
        assert!(account_and_email(b"alice\0a@b.example\0x").is_none());
    }
}
