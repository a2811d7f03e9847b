//! The quick switcher: finds a conversation by a few letters.

use std::cmp::Reverse;

/// Scores how well `name` contains the letters of `query` in their order; higher is better. `None`
/// if it does not contain them.
fn score(query: &str, name: &str) -> Option<i32> {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let mut score = 0;
    let mut from = 0;
    for letter in query
        .to_lowercase()
        .chars()
        .filter(|letter| !letter.is_whitespace())
    {
        let at = from + name[from..].iter().position(|&other| other == letter)?;
        let begins_word = at == 0 || !name[at - 1].is_alphanumeric();
        let follows = at == from && from > 0;
        score += 1 + if begins_word { 4 } else { 0 } + if follows { 3 } else { 0 };
        from = at + 1;
    }
    Some(score)
}

/// A conversation that may be wanted.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'n> {
    pub name: &'n str,
    /// The name under which the user has taken part in it, which others may have changed since;
    /// `None` if the user has not. Anyone can open one with the user.
    pub used_name: Option<&'n str>,
    /// Whether it is open. The user may have closed it because it was unwanted.
    pub is_open: bool,
}

/// How a name matches; what is first here comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// It is exactly what was typed.
    Exact,
    /// It is a channel, of which the sign was left out.
    Channel,
    /// A word in it begins so.
    Word,
    /// It contains the letters in a row.
    Part,
    /// It contains the letters in their order.
    Letters,
}

fn kind(wanted: &str, name: &str) -> Kind {
    let name = name.to_lowercase();
    let bare = name.trim_start_matches('#');
    let wanted_bare = wanted.trim_start_matches('#');
    let begins_word = |(at, _): (usize, &str)| {
        let before = bare[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric())
    };
    if name == wanted {
        Kind::Exact
    } else if bare == wanted_bare {
        Kind::Channel
    } else if bare.match_indices(wanted_bare).any(begins_word) {
        Kind::Word
    } else if bare.contains(wanted_bare) {
        Kind::Part
    } else {
        Kind::Letters
    }
}

/// Returns the indices of the matching conversations, best first. An empty query matches all.
///
/// Those in which the user has taken part under a name that matches come first, even if they have
/// another name now: anyone can take a nick such as `w-o-r-k` and open a conversation, and the
/// operators of a channel can rename it. They must not take the place of the one that these letters
/// have always led to. Then come exact names, those that contain the letters in a row, and shorter
/// ones, so that a longer name does not take the place of a shorter one. A conversation that is not
/// open does not take the place of an open one in which a word begins with the letters.
pub fn matches(query: &str, candidates: &[Candidate<'_>]) -> Vec<usize> {
    if query.trim().is_empty() {
        return (0..candidates.len()).collect();
    }
    let wanted = query.trim().to_lowercase();
    let rank = |(index, candidate): (usize, &Candidate<'_>)| {
        let matches = |used_name: &&str| score(query, used_name).is_some();
        let used_name = candidate.used_name.filter(matches);
        let name = used_name.unwrap_or(candidate.name);
        let letters = score(query, name)?;
        let mut kind = kind(&wanted, name);
        if !candidate.is_open {
            kind = kind.max(Kind::Part);
        }
        // How well the letters are spread matters only where they are.
        let spread = (kind == Kind::Letters).then_some(Reverse(letters));
        let length = name.trim_start_matches('#').chars().count();
        let is_channel = name.starts_with('#');
        let is_own = used_name.is_some();
        // A person comes before a channel that was given the same name.
        let is_later = is_own != is_channel;
        Some((!is_own, kind, spread, length, is_later, index))
    };
    let mut found: Vec<_> = candidates.iter().enumerate().filter_map(rank).collect();
    found.sort_unstable();
    found.into_iter().map(|(.., index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the names that match, best first. The user has taken part in those of `own`.
    fn found<'n>(query: &str, own: &[&'n str], strangers: &[&'n str]) -> Vec<&'n str> {
        let own = own.iter().map(|&name| (name, Some(name)));
        let strangers = strangers.iter().map(|&name| (name, None));
        found_as(query, strangers.chain(own))
    }

    /// Like [`found`], for names with those under which the user has taken part.
    fn found_as<'n>(
        query: &str,
        names: impl IntoIterator<Item = (&'n str, Option<&'n str>)>,
    ) -> Vec<&'n str> {
        let candidate = |(name, used_name)| Candidate {
            name,
            used_name,
            is_open: true,
        };
        let candidates: Vec<_> = names.into_iter().map(candidate).collect();
        let order = matches(query, &candidates).into_iter();
        order.map(|index| candidates[index].name).collect()
    }

    #[test]
    fn letters_in_order_match_and_word_beginnings_come_first() {
        let names = ["server", "#lobby", "#ops", "#ops-night", "bob"];
        for (query, expected) in [
            ("ops", &["#ops", "#ops-night"][..]),
            ("#ops", &["#ops", "#ops-night"]),
            ("on", &["#ops-night"]),
            ("b", &["bob", "#lobby"]),
            ("OB", &["bob", "#lobby"]),
            ("xyz", &[]),
        ] {
            assert_eq!(found(query, &names, &[]), expected, "{query}");
        }
        assert_eq!(found(" ", &names, &[]).len(), names.len());
        let names = ["ops", "o-p-s", "#ops-team", "#ops"];
        let order = ["ops", "#ops", "#ops-team", "o-p-s"];
        assert_eq!(found("ops", &names, &[]), order);
    }

    #[test]
    fn a_conversation_that_a_stranger_has_opened_takes_no_place() {
        for (query, own, stranger) in [
            ("wo", "#work", "w-o-r"),
            ("work", "#TeamWork", "work"),
            ("2027", "#team2027", "a-2027"),
            ("ops", "#devops", "ops-x"),
            ("tw", "#TeamWork", "tw"),
            ("dvo", "#devops", "d-v-o"),
            ("bob", "bob", "b-o-b"),
            ("bo", "bob", "bo"),
        ] {
            assert_eq!(found(query, &[own], &[stranger]), [own, stranger]);
        }
        // An operator can rename a channel that the user is in.
        for (query, name) in [("bob", "#bob"), ("bob", "#bob-club"), ("bo", "#bob-club")] {
            assert_eq!(found(query, &[name, "bob"], &[]), ["bob", name], "{query}");
        }
    }

    #[test]
    fn what_is_not_open_does_not_displace_what_is() {
        let closed = |name| Candidate {
            name,
            used_name: Some(name),
            is_open: false,
        };
        let open = |name| Candidate {
            is_open: true,
            ..closed(name)
        };
        for (query, candidates, first) in [
            ("wor", [closed("wor"), open("#work")], 1),
            ("bo", [closed("bo"), open("bob")], 1),
            ("bob", [closed("bob"), open("b-o-b")], 0),
        ] {
            assert_eq!(matches(query, &candidates)[0], first, "{query}");
        }
    }

    #[test]
    fn the_new_name_of_a_channel_displaces_nothing() {
        for (query, renamed) in [
            ("bob", "#bob"),
            ("bob", "#bob-club"),
            ("bo", "#bob"),
            ("bo", "#bob-club"),
        ] {
            let names = [(renamed, Some("#fun")), ("bob", None)];
            assert_eq!(found_as(query, names), ["bob", renamed], "{query}");
        }
        assert_eq!(found_as("#bob", [("#bob", Some("#fun"))]), ["#bob"]);
        // The letters that have always led to it still do.
        for renamed in ["#team-eu", "#eu"] {
            let names = [("team", None), (renamed, Some("#team"))];
            assert_eq!(found_as("team", names), [renamed, "team"]);
        }
        let names = [("b-o-b", None), ("robert", Some("bob"))];
        assert_eq!(found_as("bob", names), ["robert", "b-o-b"]);
        assert_eq!(found("fun", &["#fun"], &["fun"]), ["#fun", "fun"]);
    }
}
