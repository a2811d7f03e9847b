//! Skeletons of names: what names that look alike have in common.

use std::sync::LazyLock;

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// Returns the UTS #39 skeleton of a text that is shown like a name, with three changes. Texts with
/// the same skeleton look alike.
///
/// The letter `m` stays as it is: the table maps it to `rn`, which would make `modem` and `modern`
/// the same name. The letter `i` becomes `l`: a capital `I` looks like `l`, and names are compared
/// without regard to case. The marks of a letter are sorted ([`with_sorted_marks`]).
///
/// The database stores the skeletons of names, so a change needs a migration.
pub fn skeleton(text: &str) -> String {
    of_ascii(text).unwrap_or_else(|| of_any(text))
}

/// Returns the skeleton of an ASCII text, put together from those of its characters, which are in a
/// table; `None` for other texts. The nick of each new session is compared with a dozen names, most
/// of them in ASCII.
fn of_ascii(text: &str) -> Option<String> {
    /// The skeleton of each ASCII character; `None` if the skeleton is not ASCII, since other
    /// characters may interact with their neighbours.
    static OF_CHARACTERS: LazyLock<[Option<String>; 128]> = LazyLock::new(|| {
        let mut character = '\0'..='\x7f';
        std::array::from_fn(|_| {
            let skeleton = of_any(&character.next()?.to_string());
            skeleton.is_ascii().then_some(skeleton)
        })
    });
    let mut skeleton = String::with_capacity(text.len());
    for byte in text.bytes() {
        skeleton.push_str(OF_CHARACTERS.get(usize::from(byte))?.as_deref()?);
    }
    Some(skeleton)
}

/// Returns the skeleton of any text.
fn of_any(text: &str) -> String {
    let looks: String = text
        .split_inclusive('m')
        .flat_map(|part| {
            let (body, end) = part
                .strip_suffix('m')
                .map_or((part, ""), |body| (body, "m"));
            unicode_security::confusable_detection::skeleton(body).chain(end.chars())
        })
        .collect();
    with_sorted_marks(&looks.to_lowercase().replace('i', "l"))
}

/// Returns the text with the nonspacing marks after each letter in one order. Unicode's
/// normalization forms order the marks of some scripts only: those of Thai, Devanagari, Myanmar and
/// others have the combining class 0 and stay as they were typed, although most are drawn at the
/// same places in either order.
pub fn with_sorted_marks(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let categories = CodePointMapData::<GeneralCategory>::new();
    let is_nonspacing = |char: &char| {
        let category = categories.get(*char);
        matches!(
            category,
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
        )
    };
    let mut chars: Vec<char> = text.chars().collect();
    for marks in chars.chunk_by_mut(|one, next| is_nonspacing(one) && is_nonspacing(next)) {
        marks.sort_unstable();
    }
    chars.into_iter().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{of_any, of_ascii, skeleton};
    use crate::names::Nick;

    #[test]
    fn the_skeleton_of_ascii_text_is_put_together_of_those_of_its_characters() {
        for first in '\0'..='\x7f' {
            for second in '\0'..='\x7f' {
                let text = format!("m{first}{second}i");
                assert_eq!(skeleton(&text), of_any(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn most_names_have_their_skeletons_in_the_table() {
        for name in ["alice", "Irina_1", "modem", "x-[bot]"] {
            assert_eq!(of_ascii(name), Some(of_any(name)));
        }
        assert_eq!(of_ascii("\u{e9}va"), None);
    }

    #[test]
    fn names_that_look_alike_have_the_same_skeleton() {
        let look = |text: &str| Nick::parse(text).unwrap().skeleton();
        assert_eq!(look("alice"), look("\u{430}lice"), "cyrillic a");
        assert_eq!(look("alice"), look("a1ice"));
        assert_eq!(look("bob"), look("b0b"));
        assert_eq!(look("alice"), look("ALI\u{421}E"), "cyrillic C in capitals");
        assert_eq!(look("irina"), look("lrina"), "it may be written Irina");
        assert_ne!(look("modern"), look("modem"));
        assert_ne!(look("alice"), look("alina"));
    }

    #[test]
    fn the_order_of_marks_makes_no_other_skeleton() {
        let look = |text: &str| Nick::parse(text).unwrap().skeleton();
        for (name, other) in [
            ("ก\u{e31}\u{e48}น", "ก\u{e48}\u{e31}น"),
            ("ກ\u{eb1}\u{ecd}", "ກ\u{ecd}\u{eb1}"),
            ("क\u{941}\u{902}", "क\u{902}\u{941}"),
            ("ক\u{9c1}\u{981}", "ক\u{981}\u{9c1}"),
            ("မ\u{102d}\u{102f}", "မ\u{102f}\u{102d}"),
            ("ក\u{17b7}\u{17cb}", "ក\u{17cb}\u{17b7}"),
        ] {
            assert_ne!(Nick::parse(name).unwrap(), Nick::parse(other).unwrap());
            assert_eq!(look(name), look(other), "{name}");
        }
        // Between letters, the order matters.
        assert_ne!(look("ก\u{e31}น\u{e48}"), look("ก\u{e48}น\u{e31}"));
    }

    #[test]
    fn skeletons_are_those_that_databases_contain() {
        for (name, skeleton) in [
            ("Irina", "lrlna"),
            ("modern", "modern"),
            ("b0b_1", "bob_l"),
            ("\u{430}lice", "allce"),
            ("\u{e9}va", "e\u{301}va"),
            ("ก\u{e31}\u{e48}น", "ก\u{e31}\u{e48}น"),
            ("ก\u{e48}\u{e31}น", "ก\u{e31}\u{e48}น"),
        ] {
            assert_eq!(Nick::parse(name).unwrap().skeleton(), skeleton);
        }
    }
}
