//! The quick switcher: finds a conversation by a few letters.

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
    // Of equal matches, the shorter name is better.
    Some(score * 64 - i32::try_from(name.len().min(63)).unwrap_or(63))
}

/// Returns the indices of the matching names, best first. An empty query matches all names.
pub fn matches(query: &str, names: &[&str]) -> Vec<usize> {
    if query.trim().is_empty() {
        return (0..names.len()).collect();
    }
    let scored = names
        .iter()
        .enumerate()
        .filter_map(|(index, name)| Some((score(query, name)?, index)));
    let mut found: Vec<(i32, usize)> = scored.collect();
    found.sort_by_key(|&(score, index)| (-score, index));
    found.into_iter().map(|(_, index)| index).collect()
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
        assert_eq!(found("OB"), ["bob", "#lobby"]);
        assert_eq!(found("xyz"), [""; 0]);
        assert_eq!(found(" ").len(), names.len());
    }
}
