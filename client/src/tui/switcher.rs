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

/// How a name matches; what is first here comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The channel of exactly that name.
    Channel,
    /// A channel with a word that begins so.
    ChannelWord,
    /// The person of exactly that name.
    Person,
    /// A person with a word in the name that begins so.
    PersonWord,
    /// A channel that contains the letters in a row.
    ChannelPart,
    /// A name that contains the letters in their order.
    Letters,
}

fn kind(wanted: &str, name: &str) -> Kind {
    let name = name.to_lowercase();
    let channel = name.strip_prefix('#');
    let bare = channel.unwrap_or(&name);
    let begins_word = |(at, _): (usize, &str)| {
        let before = bare[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric())
    };
    let has_word = bare.match_indices(wanted).any(begins_word);
    match (channel.is_some(), has_word) {
        (true, _) if bare == wanted => Kind::Channel,
        (true, true) => Kind::ChannelWord,
        (true, false) if bare.contains(wanted) => Kind::ChannelPart,
        (false, _) if bare == wanted => Kind::Person,
        (false, true) => Kind::PersonWord,
        (true | false, false) => Kind::Letters,
    }
}

/// Returns the indices of the matching names, best first. An empty query matches all names.
///
/// Names that contain the letters in a row come first, and channels before people, then shorter
/// names: anyone can take a nick such as `w-o-r-k` and open a conversation, and must not take the
/// place of the conversation that these letters have always led to.
pub fn matches(query: &str, names: &[&str]) -> Vec<usize> {
    if query.trim().is_empty() {
        return (0..names.len()).collect();
    }
    let wanted = query.trim().trim_start_matches('#').to_lowercase();
    let rank = |(index, name): (usize, &&str)| {
        let score = score(query, name)?;
        let is_person = !name.starts_with('#');
        let length = name.chars().count();
        let kind = kind(&wanted, name);
        Some((kind, Reverse(score), is_person, length, index))
    };
    let mut found: Vec<_> = names.iter().enumerate().filter_map(rank).collect();
    found.sort_unstable();
    found.into_iter().map(|(.., index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_order_match_and_word_beginnings_come_first() {
        let names = ["server", "#lobby", "#ops", "#ops-night", "bob"];
        let found = |query: &str| -> Vec<&str> {
            matches(query, &names)
                .into_iter()
                .map(|index| names[index])
                .collect()
        };
        assert_eq!(found("ops"), ["#ops", "#ops-night"]);
        assert_eq!(found("on"), ["#ops-night"]);
        assert_eq!(found("b"), ["bob", "#lobby"]);
        assert_eq!(found("OB"), ["#lobby", "bob"]);
        assert_eq!(found("xyz"), [""; 0]);
        let people = ["ops", "o-p-s", "op", "#ops-team", "#ops"];
        let order = matches("ops", &people).into_iter();
        let order: Vec<&str> = order.map(|index| people[index]).collect();
        assert_eq!(order, ["#ops", "#ops-team", "ops", "o-p-s"]);
        let people = ["ops", "#ops-team"];
        assert_eq!(matches("ops", &people), [1, 0], "channels first");
        assert_eq!(found(" ").len(), names.len());
        // Accounts that a stranger has taken, each letter of which begins a word.
        for (query, names) in [
            ("wo", ["w-o-r", "#work"]),
            ("wor", ["w-o-r", "#work"]),
            ("te", ["t-e-a-m", "#team-2027"]),
            ("bob", ["b-o-b", "bob"]),
            ("obb", ["o-b-b", "#lobby"]),
        ] {
            assert_eq!(matches(query, &names)[0], 1, "{query}");
        }
    }
}
