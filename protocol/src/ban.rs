//! What a ban can target: an account, an email, a pattern of emails, an IP address or a network.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use crate::glob;
use crate::names::{AccountName, Email, MAX_EMAIL};

/// The shortest prefix of an IPv4 and of an IPv6 network whose ban is not sweeping.
const SWEEPING_BITS: (u8, u8) = (8, 16);
/// The prefix of the IPv6 network that one customer usually has.
const CUSTOMER_BITS: u8 = 64;

/// The users that a ban refuses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BanTarget {
    /// One account, by its name.
    Account(AccountName),
    /// Accounts with this email.
    Email(Email),
    /// Accounts whose email matches.
    EmailPattern(EmailPattern),
    /// Connections from this IP address.
    Address(IpAddr),
    /// Connections from this network.
    Network(Network),
}

/// The text has none of the forms of a [`BanTarget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an account name, email address, email pattern (*@spam.example), IP address or network \
     (192.0.2.0/24)"
)]
pub struct BadTarget;

impl BanTarget {
    /// Parses a target of any form.
    ///
    /// The forms cannot be confused: only emails and email patterns contain an `@`, only networks
    /// contain a `/`, and no account name is an IP address.
    ///
    /// An IPv6 address means its /64 network, all addresses of which one customer usually has; with
    /// `/128` it means only itself.
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        if text.contains('@') {
            if glob::is_pattern(text) {
                return EmailPattern::parse(text).map(Self::EmailPattern);
            }
            return Email::parse(text).map(Self::Email).map_err(|_| BadTarget);
        }
        if text.contains('/') {
            return Network::parse(text).map(|network| {
                network
                    .single_address()
                    .map_or(Self::Network(network), Self::Address)
            });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(match address.to_canonical() {
                v6 @ IpAddr::V6(_) => Self::Network(Network::of(v6, CUSTOMER_BITS)),
                v4 @ IpAddr::V4(_) => Self::Address(v4),
            });
        }
        AccountName::parse(text)
            .map(Self::Account)
            .map_err(|_| BadTarget)
    }

    /// Returns the targets that cover the address: itself, and each network that contains it.
    pub fn all_at(address: IpAddr) -> impl Iterator<Item = Self> {
        let address = address.to_canonical();
        let all = if address.is_ipv4() { 32 } else { 128 };
        let networks = (0..all).map(move |bits| Self::Network(Network::of(address, bits)));
        networks.chain([Self::Address(address)])
    }

    /// Returns the form in which targets are compared. Different targets never share it.
    pub fn folded(&self) -> Cow<'_, str> {
        match self {
            Self::Account(name) => name.folded().into(),
            Self::Email(email) => email.folded().into(),
            Self::EmailPattern(pattern) => pattern.folded().into(),
            Self::Address(_) | Self::Network(_) => self.to_string().into(),
        }
    }

    /// Whether the target is this address or a network that contains it.
    pub fn covers_address(&self, address: IpAddr) -> bool {
        match self {
            Self::Address(banned) => *banned == address.to_canonical(),
            Self::Network(network) => network.contains(address),
            Self::Account(_) | Self::Email(_) | Self::EmailPattern(_) => false,
        }
    }

    /// Whether the target covers so much that an operator should confirm it: an IPv4 network with a
    /// prefix shorter than 8 bits, an IPv6 network with one shorter than 16 bits, or all emails of
    /// a top-level domain.
    pub fn is_sweeping(&self) -> bool {
        match self {
            Self::EmailPattern(pattern) => pattern.is_sweeping(),
            Self::Network(network) => network.is_sweeping(),
            Self::Account(_) | Self::Email(_) | Self::Address(_) => false,
        }
    }
}

impl FromStr for BanTarget {
    type Err = BadTarget;
    fn from_str(text: &str) -> Result<Self, BadTarget> {
        Self::parse(text)
    }
}

impl fmt::Display for BanTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(name) => name.fmt(out),
            Self::Email(email) => email.fmt(out),
            Self::EmailPattern(pattern) => pattern.fmt(out),
            Self::Address(address @ IpAddr::V4(_)) => address.fmt(out),
            Self::Address(address @ IpAddr::V6(_)) => write!(out, "{address}/128"),
            Self::Network(network) => network.fmt(out),
        }
    }
}

/// A pattern of emails such as `*@spam.example`.
///
/// Equality and hashing use the folded form only.
#[derive(Clone)]
pub struct EmailPattern {
    text: Arc<str>,
    /// The pattern in lower case, with domain labels without wildcards in ASCII, so that it can be
    /// matched against the folded form of an email.
    folded: Arc<str>,
}

impl EmailPattern {
    /// Parses `local@domain`, in which `*` matches any text and `?` matches one character.
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        let (local, domain) = text.rsplit_once('@').ok_or(BadTarget)?;
        let local_ok = !local.is_empty()
            && local
                .chars()
                .all(|char| char.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(char));
        if text.len() > MAX_EMAIL || !local_ok {
            return Err(BadTarget);
        }
        let labels: Result<Vec<String>, BadTarget> = domain.split('.').map(fold_label).collect();
        let folded = format!("{}@{}", local.to_lowercase(), labels?.join("."));
        Ok(Self {
            text: text.into(),
            folded: folded.into(),
        })
    }

    /// Returns the form in which patterns are compared.
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// Whether an email, given in its folded form, matches the pattern.
    pub fn covers(&self, email: &str) -> bool {
        glob::matches(&self.folded, email)
    }

    /// Whether the pattern fixes at most the last label of the domain, as `*@*` and `*@*.com` do.
    fn is_sweeping(&self) -> bool {
        let is_open =
            |part: &str| part.contains('*') && part.chars().all(|char| "*?.".contains(char));
        let (local, domain) = self.folded.rsplit_once('@').unwrap_or_default();
        is_open(local)
            && (is_open(domain)
                || domain
                    .rsplit_once('.')
                    .is_some_and(|(rest, _)| is_open(rest)))
    }
}

/// Folds one label of a pattern's domain. A label with wildcards must be ASCII, as a part of an
/// internationalized label has no ASCII form.
fn fold_label(label: &str) -> Result<String, BadTarget> {
    if !glob::is_pattern(label) {
        let ascii = idna::domain_to_ascii_strict(label).map_err(|_| BadTarget)?;
        return if ascii.is_empty() {
            Err(BadTarget)
        } else {
            Ok(ascii)
        };
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-*?".contains(&byte);
    if label.bytes().all(plain) {
        Ok(label.to_ascii_lowercase())
    } else {
        Err(BadTarget)
    }
}

impl PartialEq for EmailPattern {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}
impl Eq for EmailPattern {}
impl Hash for EmailPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}
impl fmt::Display for EmailPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}
impl fmt::Debug for EmailPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", &*self.text)
    }
}

/// An IP network such as `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// The network address: all bits behind the prefix are zero.
    first: IpAddr,
    bits: u8,
}

impl Network {
    /// Parses CIDR notation. Bits of the address behind the prefix are ignored.
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        let (address, bits) = text.split_once('/').ok_or(BadTarget)?;
        let address: IpAddr = address.parse().map_err(|_| BadTarget)?;
        if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadTarget);
        }
        let bits: u8 = bits.parse().map_err(|_| BadTarget)?;
        match (address, address.to_canonical()) {
            (IpAddr::V4(_), _) if bits > 32 => Err(BadTarget),
            (IpAddr::V6(_), _) if bits > 128 => Err(BadTarget),
            // An IPv4-mapped IPv6 network.
            (IpAddr::V6(_), inner @ IpAddr::V4(_)) if bits >= 96 => Ok(Self::of(inner, bits - 96)),
            _ => Ok(Self::of(address, bits)),
        }
    }

    fn of(address: IpAddr, bits: u8) -> Self {
        let first = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        };
        Self { first, bits }
    }

    /// Whether the address belongs to the network. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && Self::of(address, self.bits) == *self
    }

    /// Returns the address if the network consists of only one.
    fn single_address(&self) -> Option<IpAddr> {
        let all = if self.first.is_ipv4() { 32 } else { 128 };
        (self.bits == all).then_some(self.first)
    }

    fn is_sweeping(&self) -> bool {
        self.bits
            < if self.first.is_ipv4() {
                SWEEPING_BITS.0
            } else {
                SWEEPING_BITS.1
            }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn target(text: &str) -> BanTarget {
        BanTarget::parse(text).unwrap_or_else(|_| panic!("{text} is a target"))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_form_is_recognized_and_parses_back_to_itself() {
        assert!(matches!(target("alice"), BanTarget::Account(_)));
        assert!(matches!(target("alice@example.org"), BanTarget::Email(_)));
        assert!(matches!(
            target("*@spam.example"),
            BanTarget::EmailPattern(_)
        ));
        assert!(matches!(target("192.0.2.7"), BanTarget::Address(_)));
        assert!(matches!(target("2001:db8::7"), BanTarget::Network(_)));
        assert!(matches!(target("2001:db8::7/128"), BanTarget::Address(_)));
        assert!(matches!(target("192.0.2.0/24"), BanTarget::Network(_)));
        for (text, shown) in [
            ("Alice", "Alice"),
            ("*@*.Spam.example", "*@*.Spam.example"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("2001:db8:5::7", "2001:db8:5::/64"),
            ("2001:db8:5::7/128", "2001:db8:5::7/128"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
            ("2001:DB8:1::9/48", "2001:db8:1::/48"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(target(text).to_string(), shown);
            assert_eq!(target(shown), target(text), "{text}");
            assert_eq!(target(shown).folded(), target(text).folded(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "@",
            "*",
            "*@",
            "@*",
            "a b@*",
            "*@spam..example",
            "*@sp am.example",
            "*@ä*.example",
            "192.0.2",
            "192.0.2.0/33",
            "192.0.2.0/",
            "192.0.2.0/+4",
            "192.0.2.0/-1",
            "192.0.2.0/24/7",
            "::/129",
            "/24",
            "alice/24",
            "192.0.2.256",
            "1.2.3.4.5",
        ] {
            assert_eq!(BanTarget::parse(bad), Err(BadTarget), "{bad:?}");
        }
    }

    #[test]
    fn a_network_contains_its_addresses_in_every_notation() {
        let network = target("192.0.2.128/25");
        for inside in ["192.0.2.128", "192.0.2.255", "::ffff:192.0.2.200"] {
            assert!(network.covers_address(ip(inside)), "{inside}");
        }
        for outside in ["192.0.2.127", "192.0.3.128", "2001:db8::1"] {
            assert!(!network.covers_address(ip(outside)), "{outside}");
        }
        assert!(target("2001:db8::/32").covers_address(ip("2001:db8:ffff::1")));
        assert!(!target("2001:db8::/32").covers_address(ip("2001:db9::1")));
        assert!(target("0.0.0.0/0").covers_address(ip("203.0.113.9")));
        assert!(!target("0.0.0.0/0").covers_address(ip("2001:db8::1")));
        assert!(target("::ffff:192.0.2.7").covers_address(ip("192.0.2.7")));
        assert!(!target("alice").covers_address(ip("192.0.2.7")));
    }

    #[test]
    fn all_targets_at_an_address_cover_it() {
        for (address, count) in [("192.0.2.7", 33), ("2001:db8::7", 129)] {
            let targets: Vec<_> = BanTarget::all_at(ip(address)).collect();
            assert_eq!(
                targets.len(),
                count,
                "each once, from the whole internet to itself"
            );
            for at in targets {
                assert!(at.covers_address(ip(address)), "{at}");
                assert_eq!(target(&at.to_string()), at, "in the form of a stored ban");
            }
        }
        assert!(BanTarget::all_at(ip("::ffff:192.0.2.7")).any(|at| at == target("192.0.2.7")));
    }

    #[test]
    fn a_pattern_matches_emails_in_their_folded_form() {
        let covers = |pattern: &str, email: &str| {
            let BanTarget::EmailPattern(pattern) = target(pattern) else {
                panic!("{pattern}")
            };
            pattern.covers(Email::parse(email).unwrap().folded())
        };
        assert!(covers("*@Spam.Example", "Bob@SPAM.example"));
        assert!(!covers("*@spam.example", "bob@not-spam.example"));
        assert!(covers("*@*.spam.example", "bob@mail.spam.example"));
        assert!(!covers("*@*.spam.example", "bob@spam.example"));
        assert!(covers("bot-??@example.org", "bot-17@example.org"));
        assert!(!covers("bot-??@example.org", "bot-170@example.org"));
        assert!(covers("*@bücher.example", "a@xn--bcher-kva.example"));
        assert_eq!(target("*@SPAM.example"), target("*@spam.example"));
    }

    #[test]
    fn a_target_that_covers_too_much_is_recognized() {
        for sweeping in [
            "*@*",
            "?*@*.*",
            "*@*.com",
            "**@**",
            "0.0.0.0/0",
            "128.0.0.0/1",
            "::/0",
            "2000::/3",
        ] {
            assert!(target(sweeping).is_sweeping(), "{sweeping}");
        }
        for narrow in [
            "*@spam.com",
            "bob@*",
            "*bot@*",
            "*@*.spam.com",
            "10.0.0.0/8",
            "2001:db8::/32",
            "alice",
            "192.0.2.1",
        ] {
            let narrow = BanTarget::parse(narrow).unwrap();
            assert!(!narrow.is_sweeping(), "{narrow}");
        }
    }
}
