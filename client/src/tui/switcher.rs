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

/// Returns the indices of the matching names, best first. An empty query matches all names.
///
/// A channel of exactly that name comes first, and of equal matches channels come before people,
/// then shorter names: anyone can take a nick and open a conversation, and must not take the place
/// of the channel that these letters have always led to.
pub fn matches(query: &str, names: &[&str]) -> Vec<usize> {
    if query.trim().is_empty() {
        return (0..names.len()).collect();
    }
    let wanted = query.trim().trim_start_matches('#').to_lowercase();
    let rank = |(index, name): (usize, &&str)| {
        let score = score(query, name)?;
        let channel = name.strip_prefix('#').map(str::to_lowercase);
        let is_exact = channel.as_ref() == Some(&wanted);
        let length = name.chars().count();
        Some((!is_exact, Reverse(score), channel.is_none(), length, index))
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
        assert_eq!(order, ["#ops", "o-p-s", "#ops-team", "ops"]);
        let people = ["ops", "#ops-team"];
        assert_eq!(matches("ops", &people), [1, 0], "channels first");
        assert_eq!(found(" ").len(), names.len());
    }
}
