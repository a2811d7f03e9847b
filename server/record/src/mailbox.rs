//! Spellings of an email that lead to the same mailbox.

use std::borrow::Cow;

use rookery_protocol::{BanTarget, Email, EmailPattern};

/// A mail provider that regards several spellings of an email as the same.
struct Provider {
    domains: &'static [&'static str],
    /// Whether a mailbox has the same name under each of the domains. The first stands for all.
    shares_names: bool,
    /// The characters that it ignores before the `@`, always and not by the config.
    ignored: &'static [char],
    /// Whether `anything@name.domain` leads to the mailbox `name@domain`.
    has_subdomains: bool,
}

const PROVIDERS: &[Provider] = &[
    sharing_names(&["gmail.com", "googlemail.com"]),
    // https://proton.me/support/change-username: the three characters are "transparent".
    Provider {
        ignored: &['.', '-', '_'],
        ..sharing_names(&["proton.me", "protonmail.com", "protonmail.ch", "pm.me"])
    },
    sharing_names(&["icloud.com", "me.com", "mac.com"]),
    sharing_names(&["yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "ya.ru"]),
    // https://www.fastmail.help/hc/en-us/articles/360060591053. One name may belong to different
    // users under two domains.
    Provider {
        domains: FASTMAIL,
        shares_names: false,
        ignored: &[],
        has_subdomains: true,
    },
];

/// The domains of Fastmail, sorted (<https://www.fastmail.com/about/ourdomains/>).
#[rustfmt::skip]
const FASTMAIL: &[&str] = &[
    "123mail.org", "150mail.com", "150ml.com", "16mail.com", "2-mail.com", "4email.net",
    "50mail.com", "airpost.net", "allmail.net", "bestmail.us", "cluemail.com", "elitemail.org",
    "emailcorner.net", "emailengine.net", "emailengine.org", "emailgroups.net", "emailplus.org",
    "emailuser.net", "eml.cc", "f-m.fm", "fast-email.com", "fast-mail.org", "fastem.com",
    "fastemail.us", "fastemailer.com", "fastest.cc", "fastimap.com", "fastmail.cn",
    "fastmail.co.uk", "fastmail.com", "fastmail.com.au", "fastmail.de", "fastmail.es",
    "fastmail.fm", "fastmail.fr", "fastmail.im", "fastmail.in", "fastmail.jp", "fastmail.mx",
    "fastmail.net", "fastmail.nl", "fastmail.org", "fastmail.se", "fastmail.to", "fastmail.tw",
    "fastmail.uk", "fastmail.us", "fastmailbox.net", "fastmessaging.com", "fea.st", "fmail.co.uk",
    "fmailbox.com", "fmgirl.com", "fmguy.com", "ftml.net", "h-mail.us", "hailmail.net",
    "imap-mail.com", "imap.cc", "imapmail.org", "inoutbox.com", "internet-e-mail.com",
    "internet-mail.org", "internetemails.net", "internetmailing.net", "jetemail.net",
    "justemail.net", "letterboxes.org", "mail-central.com", "mail-page.com", "mailandftp.com",
    "mailas.com", "mailbolt.com", "mailc.net", "mailcan.com", "mailforce.net", "mailftp.com",
    "mailhaven.com", "mailingaddress.org", "mailite.com", "mailmight.com", "mailnew.com",
    "mailsent.net", "mailservice.ms", "mailup.net", "mailworks.org", "ml1.net", "mm.st",
    "myfastmail.com", "mymacmail.com", "nospammail.net", "ownmail.net", "petml.com",
    "postinbox.com", "postpro.net", "proinbox.com", "promessage.com", "realemail.net",
    "reallyfast.biz", "reallyfast.info", "rushpost.com", "sent.as", "sent.at", "sent.com",
    "speedpost.net", "speedymail.org", "ssl-mail.com", "swift-mail.com", "the-fastest.net",
    "the-quickest.com", "theinternetemail.com", "veryfast.biz", "veryspeedy.net", "warpmail.net",
    "xsmail.com", "yepmail.net", "your-mail.com",
];

const fn sharing_names(domains: &'static [&'static str]) -> Provider {
    Provider {
        domains,
        shares_names: true,
        ignored: &[],
        has_subdomains: false,
    }
}

impl Provider {
    /// Returns the provider that has this very domain.
    fn of(domain: &str) -> Option<&'static Self> {
        PROVIDERS
            .iter()
            .find(|provider| provider.domains.contains(&domain))
    }
}

/// The parts of an email. Those of a subdomain of a provider are the parts of its mailbox.
struct Parts<'e> {
    /// What is before the `@`, with its tag.
    local: &'e str,
    domain: &'e str,
    provider: Option<&'static Provider>,
}

impl<'e> Parts<'e> {
    /// Returns the parts of a folded email.
    fn of(folded: &'e str) -> Option<Self> {
        let (local, domain) = folded.rsplit_once('@')?;
        let parts = |local, domain, provider| Self {
            local,
            domain,
            provider,
        };
        if let Some(provider) = Provider::of(domain) {
            return Some(parts(local, domain, Some(provider)));
        }
        let of_subdomain = domain.split_once('.').and_then(|(name, parent)| {
            let provider = Provider::of(parent).filter(|provider| provider.has_subdomains)?;
            Some(parts(name, parent, Some(provider)))
        });
        Some(of_subdomain.unwrap_or_else(|| parts(local, domain, None)))
    }

    /// Returns `text` without the characters that the provider ignores, unless it has no others.
    fn without_ignored(&self, text: Cow<'e, str>) -> Cow<'e, str> {
        let ignored = self.provider.map_or(&[][..], |provider| provider.ignored);
        if !text.contains(ignored) {
            return text;
        }
        let rest = text.replace(ignored, "");
        if rest.is_empty() { text } else { rest.into() }
    }
}

/// The rules by which mail providers ignore dots and tags in the part before the `@`. A rule for a
/// domain of a provider applies to all its domains.
///
/// What is the same for all servers is not part of the rules: letter case is always ignored, the
/// domains of one provider (`gmail.com` and `googlemail.com`) are the same, Proton ignores `.`, `-`
/// and `_`, and Fastmail has subdomains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmailAliases {
    without_dots: Vec<String>,
    without_tags: Vec<String>,
}

impl EmailAliases {
    /// Creates the rules. Domains in `without_dots` ignore dots, and domains in `without_tags`
    /// ignore a `+` and everything after it.
    pub fn new(without_dots: &[String], without_tags: &[String]) -> Self {
        let folded = |domains: &[String]| {
            domains
                .iter()
                .map(|domain| domain.to_ascii_lowercase())
                .collect()
        };
        Self {
            without_dots: folded(without_dots),
            without_tags: folded(without_tags),
        }
    }

    /// Returns a form of the email that is the same for all spellings that lead to its mailbox.
    pub fn mailbox<'e>(&self, email: &'e Email) -> Cow<'e, str> {
        let whole = email.folded();
        let Some(parts) = Parts::of(whole) else {
            return whole.into();
        };
        let Parts {
            local,
            domain,
            provider,
        } = parts;
        let domains = provider.map_or(&[][..], |provider| provider.domains);
        let is_in = |listed: &[String]| {
            listed
                .iter()
                .any(|listed| listed == domain || domains.contains(&listed.as_str()))
        };
        let mut name = Cow::Borrowed(local);
        if is_in(&self.without_tags) {
            // A tag without a name before it is not a tag.
            name = local
                .split_once('+')
                .map_or(
                    local,
                    |(name, _)| if name.is_empty() { local } else { name },
                )
                .into();
        }
        if is_in(&self.without_dots) && name.contains('.') {
            name = name.replace('.', "").into();
        }
        name = parts.without_ignored(name);
        let canonical = twins(domain).first().copied().unwrap_or(domain);
        match whole.rsplit_once('@') {
            Some((own, at)) if name == own && canonical == at => whole.into(),
            _ => format!("{name}@{canonical}").into(),
        }
    }

    /// Returns whether a pattern covers an email in one of its spellings. A pattern with the domain
    /// of a provider, without wildcards in it, covers the other domains of the provider too.
    pub fn are_covered(&self, pattern: &EmailPattern, email: &Email) -> bool {
        let mailbox = self.mailbox(email);
        let spellings = [email.folded(), &mailbox];
        if spellings.iter().any(|spelling| pattern.covers(spelling)) {
            return true;
        }
        let banned = domain_of(pattern.folded());
        twins(banned).contains(&domain_of(email.folded()))
            && spellings.iter().any(|spelling| {
                let name = spelling
                    .rsplit_once('@')
                    .map_or(*spelling, |(name, _)| name);
                pattern.covers(&format!("{name}@{banned}"))
            })
    }
}

/// Returns the domains under which the mailboxes of this domain have the same names; empty if there
/// are no others.
fn twins(domain: &str) -> &'static [&'static str] {
    let provider = Provider::of(domain).filter(|provider| provider.shares_names);
    provider.map_or(&[], |provider| provider.domains)
}

/// Returns what is equal for all spellings of a mailbox, whatever the rules: its name without its
/// tag, dots and what the provider ignores. Other mailboxes may have the same.
///
/// The database stores it with accounts and bans, so a change of it, or of the providers, needs a
/// migration that computes it again.
pub fn mailbox_key(email: &Email) -> String {
    let Some(parts) = Parts::of(email.folded()) else {
        return String::new();
    };
    let name = parts.local.split('+').next().unwrap_or_default();
    let ignored = parts.provider.map_or(&[][..], |provider| provider.ignored);
    name.replace('.', "").replace(ignored, "")
}

/// Returns the domains, without wildcards, of the patterns that may cover an email; some may be in
/// it twice.
pub fn pattern_domains(email: &Email) -> impl Iterator<Item = &str> {
    let own = domain_of(email.folded());
    let of_mailbox = Parts::of(email.folded()).map_or(own, |parts| parts.domain);
    [own, of_mailbox]
        .into_iter()
        .chain(twins(own).iter().copied())
}

fn domain_of(folded: &str) -> &str {
    folded.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Returns the other domains of the same provider, which a ban of an email or a pattern covers too.
pub fn other_domains(target: &BanTarget) -> impl Iterator<Item = &'static str> {
    let domain = match target {
        BanTarget::Email(email) => domain_of(email.folded()).to_owned(),
        BanTarget::EmailPattern(pattern) => domain_of(pattern.folded()).to_owned(),
        BanTarget::Account(_) | BanTarget::Address(_) | BanTarget::Network(_) => String::new(),
    };
    let all = twins(&domain).iter().copied();
    all.filter(move |other| *other != domain)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn domains_of_one_provider_are_one_mailbox() {
        let list = |domain: &str| vec![domain.to_owned()];
        let aliases = EmailAliases::new(&list("gmail.com"), &list("gmail.com"));
        for (email, mailbox) in [
            ("al.ice+x@googlemail.com", "alice@gmail.com"),
            ("alice@gmail.com", "alice@gmail.com"),
            ("alice@pm.me", "alice@proton.me"),
            ("alice@ProtonMail.com", "alice@proton.me"),
            ("alice@mac.com", "alice@icloud.com"),
            ("alice@ya.ru", "alice@yandex.ru"),
            ("alice@gmail.example", "alice@gmail.example"),
        ] {
            assert_eq!(aliases.mailbox(&Email::parse(email).unwrap()), mailbox);
        }
    }

    #[test]
    fn a_pattern_with_a_domain_covers_the_other_domains_of_its_provider() {
        let gmail = vec!["gmail.com".to_owned()];
        let aliases = EmailAliases::new(&gmail, &gmail);
        let covers = |pattern: &str, email: &str| {
            let pattern = EmailPattern::parse(pattern).unwrap();
            aliases.are_covered(&pattern, &Email::parse(email).unwrap())
        };
        for provider in PROVIDERS.iter().filter(|provider| provider.shares_names) {
            let group = provider.domains;
            for (banned, other) in group
                .iter()
                .flat_map(|one| group.iter().map(move |it| (one, it)))
            {
                assert!(
                    covers(&format!("*@{banned}"), &format!("Eve@{other}")),
                    "{banned}, {other}"
                );
                assert!(covers(&format!("ev?@{banned}"), &format!("eve@{other}")));
                assert!(!covers(&format!("ev?@{banned}"), &format!("alice@{other}")));
            }
        }
        assert!(
            covers("bot-??@googlemail.com", "b.ot-17+x@gmail.com"),
            "as a mailbox"
        );
        assert!(covers("al*@proton.me", "a-lice@pm.me"), "as a mailbox");
        assert!(covers("al*@fastmail.com", "shop@alice.fastmail.com"));
        assert!(!covers("al*@fastmail.com", "alice@fastmail.fm"));
        assert!(!covers("*@googlemail.com", "eve@gmail.example"));
        assert!(!covers("*@google*.com", "eve@gmail.com"), "not literal");
    }

    #[test]
    fn spellings_of_one_mailbox_are_equal() {
        let list = |domains: &[&str]| {
            domains
                .iter()
                .map(|&domain| domain.to_owned())
                .collect::<Vec<_>>()
        };
        let aliases = EmailAliases::new(
            &list(&["Dots.example"]),
            &list(&["dots.example", "tags.example"]),
        );
        for (email, mailbox) in [
            ("A.Li.ce@DOTS.example", "alice@dots.example"),
            ("a.lice+spam+more@dots.example", "alice@dots.example"),
            ("a.lice+spam@tags.example", "a.lice@tags.example"),
            ("+spam@tags.example", "+spam@tags.example"),
            ("A.lice+spam@example.org", "a.lice+spam@example.org"),
            ("alice@sub.dots.example", "alice@sub.dots.example"),
        ] {
            assert_eq!(aliases.mailbox(&Email::parse(email).unwrap()), mailbox);
        }
    }

    #[test]
    fn the_keys_of_mailboxes_are_those_that_databases_contain() {
        for (email, key) in [
            ("A.lice+tag@example.org", "alice"),
            ("a-l_i.ce@example.org", "a-l_ice"),
            ("a-l_i.ce@proton.me", "alice"),
            ("shop+x@alice.fastmail.com", "alice"),
            ("shop@a-l.ice.fastmail.com", "shop"),
            ("shop@alice.example.org", "shop"),
        ] {
            assert_eq!(mailbox_key(&Email::parse(email).unwrap()), key);
        }
    }

    #[test]
    fn spellings_of_one_mailbox_have_one_key_whatever_the_rules() {
        const PARTS: [&str; 9] = ["", "a", ".", "-", "_", "+", "a.", "a-", "a+"];
        let domains = [
            "gmail.com",
            "googlemail.com",
            "proton.me",
            "pm.me",
            "fastmail.com",
            "a.fastmail.com",
            "a-.fastmail.com",
            "a.example",
        ];
        let mut emails = Vec::new();
        for begin in PARTS {
            for middle in PARTS {
                for (end, domain) in PARTS.iter().flat_map(|end| domains.map(|of| (end, of))) {
                    emails.extend(Email::parse(&format!("{begin}{middle}{end}@{domain}")));
                }
            }
        }
        assert!(emails.len() > 1000);
        let all = domains.map(str::to_owned);
        for dots in [&[][..], &all] {
            for tags in [&[][..], &all] {
                let aliases = EmailAliases::new(dots, tags);
                let mut keys = HashMap::new();
                for email in &emails {
                    let key = mailbox_key(email);
                    let of_mailbox = keys.entry(aliases.mailbox(email)).or_insert(key.clone());
                    assert_eq!(*of_mailbox, key, "{}", email.as_str());
                }
            }
        }
    }

    #[test]
    fn no_domain_belongs_to_two_providers() {
        let domains = PROVIDERS.iter().flat_map(|provider| provider.domains);
        let mut seen = HashSet::new();
        for domain in domains {
            assert!(seen.insert(domain), "{domain}");
        }
        assert!(FASTMAIL.is_sorted());
    }

    #[test]
    fn what_a_provider_ignores_makes_no_other_mailbox() {
        let list = |domain: &str| vec![domain.to_owned()];
        let none = EmailAliases::default();
        let proton = EmailAliases::new(&[], &list("proton.me"));
        let fastmail = EmailAliases::new(&[], &list("fastmail.com"));
        for (aliases, email, mailbox) in [
            (&none, "A.l-i_ce@pm.me", "alice@proton.me"),
            (&none, "-_@pm.me", "-_@proton.me"),
            (&none, "a-li_ce@example.org", "a-li_ce@example.org"),
            (&none, "shop@alice.proton.me", "shop@alice.proton.me"),
            (&proton, "al-ice+x-y@ProtonMail.ch", "alice@proton.me"),
            (&none, "shop@Alice.Fastmail.com", "alice@fastmail.com"),
            (&none, "shop+2@alice.fastmail.co.uk", "alice@fastmail.co.uk"),
            (&none, "shop@alice.sent.com", "alice@sent.com"),
            (&none, "a-li_ce@fastmail.com", "a-li_ce@fastmail.com"),
            (
                &none,
                "x@shop.alice.fastmail.com",
                "x@shop.alice.fastmail.com",
            ),
            (
                &none,
                "fastmail@mail.fastmail.example",
                "fastmail@mail.fastmail.example",
            ),
            (&fastmail, "alice+shop@sent.com", "alice@sent.com"),
        ] {
            let email = Email::parse(email).unwrap();
            assert_eq!(aliases.mailbox(&email), mailbox);
            let mailbox = Email::parse(mailbox).unwrap();
            assert_eq!(mailbox_key(&email), mailbox_key(&mailbox), "{mailbox}");
        }
    }
}
