//! The wire format of SASL on IRC (IRCv3 sasl 3.2): mechanisms, base64 in chunks, and the payloads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rookery_base::secret::Secret;
use rookery_protocol::{AccountName, DeviceName, Email, InvalidDeviceName};
use zeroize::Zeroizing;

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
    base64: Zeroizing<String>,
}

/// The state of a response after a chunk.
pub enum Chunk {
    /// Another chunk follows.
    More,
    /// The response is complete, and decoded.
    Whole(Zeroizing<Vec<u8>>),
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
            if chunk.len() == CHUNK {
                // All at once: a text that grows leaves copies behind.
                let free = MAX_RESPONSE - self.base64.len();
                self.base64.reserve(free);
            }
            self.base64.push_str(chunk);
            if chunk.len() == CHUNK {
                return Chunk::More;
            }
        }
        let whole = std::mem::take(&mut self.base64);
        STANDARD
            .decode(&*whole)
            .map_or(Chunk::Malformed, |bytes| Chunk::Whole(bytes.into()))
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

/// What a client signs in as: the account that it claims, and the name that it gives its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub claim: Claim,
    /// The name of the device.
    pub device: Option<DeviceName>,
}

/// Why a text or payload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It does not have the form.
    Form,
    /// The text after the slash cannot name a device.
    Device(InvalidDeviceName),
}

impl Login {
    /// Parses `account`, `account/device`, `email` or `email/device`. A slash in the local part of
    /// an email belongs to the email.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let domain = text.find('@').unwrap_or(0);
        let slash = text[domain..].find('/').map(|at| domain + at);
        let (claim, device) = slash.map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])));
        Ok(Self {
            claim: Claim::parse(claim).ok_or(Malformed::Form)?,
            device: device
                .map(DeviceName::parse)
                .transpose()
                .map_err(Malformed::Device)?,
        })
    }

    /// Whether the authorization identity that a client sends is this. Acting for another account
    /// is not supported.
    pub fn is_authzid(&self, authzid: &str) -> Result<bool, Malformed> {
        let Self { claim, device } = Self::parse(authzid)?;
        Ok(claim == self.claim && (device.is_none() || device == self.device))
    }
}

/// Parses `authzid NUL authcid NUL secret`.
pub fn plain(payload: &[u8]) -> Result<(Login, Secret), Malformed> {
    let [authzid, login, secret] = parts(payload).ok_or(Malformed::Form)?;
    let login = Login::parse(login)?;
    let is_accepted = (authzid.is_empty() || login.is_authzid(authzid)?)
        && (1..=MAX_SECRET).contains(&secret.len());
    is_accepted
        .then(|| (login, secret.into()))
        .ok_or(Malformed::Form)
}

/// Parses the response of `EXTERNAL`: the account to sign in to, or nothing. The certificate
/// identifies the device, so a name beside the account is ignored.
pub fn external(payload: &[u8]) -> Result<Option<AccountName>, Malformed> {
    match std::str::from_utf8(payload).map_err(|_| Malformed::Form)? {
        "" => Ok(None),
        text => match Login::parse(text)?.claim {
            Claim::Name(name) => Ok(Some(name)),
            Claim::Email(_) => Err(Malformed::Form),
        },
    }
}

/// Parses `account NUL email`.
pub fn account_and_email(payload: &[u8]) -> Option<(AccountName, Email)> {
    let [account, email] = parts(payload)?;
    Some((AccountName::parse(account).ok()?, Email::parse(email).ok()?))
}

/// Parses `code NUL device-credential`.
pub fn code_and_credential(payload: &[u8]) -> Option<(Secret, Secret)> {
    let [code, credential] = parts(payload)?;
    (MIN_DEVICE_SECRET..=MAX_SECRET)
        .contains(&credential.len())
        .then(|| (code.into(), credential.into()))
}

/// Splits UTF-8 at its NULs into exactly `N` parts.
fn parts<const N: usize>(payload: &[u8]) -> Option<[&str; N]> {
    let parts: Vec<&str> = std::str::from_utf8(payload).ok()?.split('\0').collect();
    parts.try_into().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
            Chunk::Whole(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }

    #[test]
    fn a_response_of_many_chunks_is_limited_and_its_beginning_is_not_copied_for_each() {
        let mut response = Response::default();
        let chunk = "A".repeat(CHUNK);
        let mut places = Vec::new();
        while let Chunk::More = response.push(&chunk) {
            places.push(response.base64.as_ptr());
        }
        assert_eq!(places.len(), MAX_RESPONSE / CHUNK);
        places.dedup();
        assert_eq!(places.len(), 1);
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

    fn login(text: &str) -> Result<Login, Malformed> {
        Login::parse(text)
    }

    #[test]
    fn plain_accepts_a_name_or_an_email_and_no_other_authzid() {
        let secret = |login: Result<Login, Malformed>| Ok((login?, Secret::from("secret")));
        assert_eq!(plain(b"\0alice\0secret"), secret(login("alice")));
        assert_eq!(plain(b"Alice\0alice\0secret"), secret(login("alice")));
        assert_eq!(
            plain(b"\0A@B.Example\0secret"),
            secret(login("a@b.example"))
        );
        for authzid in ["", "alice", "alice/Phone"] {
            let payload = format!("{authzid}\0alice/phone\0secret");
            assert_eq!(plain(payload.as_bytes()), secret(login("alice/phone")));
        }
        let bad: [&[u8]; 10] = [
            b"bob\0alice\0secret",
            b"alice/phone\0alice\0secret",
            b"alice/phone\0alice/desk\0secret",
            b"\0alice\0",
            b"\0\0secret",
            b"alice\0secret",
            b"\0alice\0sec\0ret",
            b"\0al ice\0secret",
            b"\0alice\0\xff\xfe",
            b"",
        ];
        for bad in bad {
            assert_eq!(plain(bad), Err(Malformed::Form), "{bad:?}");
        }
        assert_eq!(
            plain(&[b"\0alice\0".as_slice(), &[b'x'; 301]].concat()),
            Err(Malformed::Form),
            "secrets are bounded"
        );
    }

    #[test]
    fn a_device_is_named_after_a_slash() {
        for (text, claim, device) in [
            ("alice", "alice", None),
            ("alice/phone", "alice", Some("phone")),
            ("Alice/Pocket-PC_2.0", "alice", Some("pocket-pc_2.0")),
            ("a@b.example", "a@b.example", None),
            ("a@b.example/Phone", "a@b.example", Some("phone")),
            ("a/x@b.example", "a/x@b.example", None),
            ("a/x@b.example/phone", "a/x@b.example", Some("phone")),
        ] {
            let login = login(text).unwrap();
            assert_eq!(login.claim.folded(), claim, "{text}");
            let named = login.device.as_ref().map(DeviceName::as_str);
            assert_eq!(named, device, "{text}");
        }
        let too_long = format!("alice/{}", "x".repeat(33));
        for bad in [
            "alice/",
            "alice/a b",
            "alice/a/b",
            "alice/é",
            "a@b.example/",
            "a@b.example/x@y",
            &too_long,
        ] {
            let malformed = Malformed::Device(InvalidDeviceName);
            assert_eq!(login(bad), Err(malformed), "{bad}");
        }
        for bad in ["", "/phone", "al ice/phone", "@b.example/phone", "a@/phone"] {
            assert_eq!(login(bad), Err(Malformed::Form), "{bad}");
        }
        assert_eq!(
            external(b"alice/phone"),
            Ok(AccountName::parse("alice").ok()),
            "a certificate identifies the device"
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
