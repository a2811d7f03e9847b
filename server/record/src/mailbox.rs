//! Spellings of an email that lead to the same mailbox.

use std::borrow::Cow;

use rookery_protocol::{BanTarget, Email, EmailPattern};

/// Domains of one provider under which a mailbox has the same name. The first of each group stands
/// for all.
const TWINS: &[&[&str]] = &[
    &["gmail.com", "googlemail.com"],
    &["proton.me", "protonmail.com", "protonmail.ch", "pm.me"],
    &["icloud.com", "me.com", "mac.com"],
    &["yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "ya.ru"],
];

/// The rules by which mail providers ignore dots and tags in the part before the `@`. Letter case
/// is ignored for all of them, and the domains of one provider (`gmail.com` and `googlemail.com`)
/// are the same: a rule for one applies to all.
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
        let Some((local, domain)) = whole.rsplit_once('@') else {
            return whole.into();
        };
        let twins = twins(domain);
        let is_in = |domains: &[String]| {
            domains
                .iter()
                .any(|listed| listed == domain || twins.contains(&listed.as_str()))
        };
        let mut mailbox = Cow::Borrowed(local);
        if is_in(&self.without_tags) {
            // A tag without a name before it is not a tag.
            mailbox = local
                .split_once('+')
                .map_or(
                    local,
                    |(name, _)| if name.is_empty() { local } else { name },
                )
                .into();
        }
        if is_in(&self.without_dots) && mailbox.contains('.') {
            mailbox = mailbox.replace('.', "").into();
        }
        let canonical = twins.first().copied().unwrap_or(domain);
        if mailbox == local && canonical == domain {
            whole.into()
        } else {
            format!("{mailbox}@{canonical}").into()
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

/// Returns the domains of the provider that has this domain; empty if it has no others.
fn twins(domain: &str) -> &'static [&'static str] {
    let group = TWINS.iter().find(|group| group.contains(&domain));
    group.copied().unwrap_or_default()
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
        for group in TWINS {
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
}
