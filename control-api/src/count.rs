//! How texts about the server word a number.

use std::fmt::Display;

/// Returns a number with its noun: `1 ban`, `2 bans`.
pub fn count<N>(number: N, one: &str, many: &str) -> String
where
    N: Copy + Display + PartialEq + From<u8>,
{
    format!("{number} {}", if number == N::from(1) { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_noun_agree() {
        assert_eq!(count(0_usize, "entry", "entries"), "0 entries");
        assert_eq!(count(1_u64, "entry", "entries"), "1 entry");
        assert_eq!(count(2_u64, "entry", "entries"), "2 entries");
    }
}
