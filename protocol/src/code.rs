//! One-time codes as people type them.

/// Returns a code without the spaces and dashes that apps, mails and people write between its
/// characters.
pub fn without_separators(code: &str) -> String {
    code.chars()
        .filter(|char| {
            let is_dash = matches!(char, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
            !is_dash && !char.is_whitespace()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_dashes_of_every_kind_are_dropped_and_nothing_else() {
        for typed in [
            "123456",
            " 123 456\t",
            "123-456",
            "12\u{a0}34\u{2011}56",
            "123 \u{2013} 456",
        ] {
            assert_eq!(without_separators(typed), "123456", "{typed:?}");
        }
        assert_eq!(without_separators("abcd-ef+1.2"), "abcdef+1.2");
    }
}
