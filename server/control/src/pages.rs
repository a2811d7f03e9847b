//! Lists that come in pages: where a page begins, how much is on it, and where the next one begins.

use std::cmp::Reverse;
use std::str::FromStr;

use serde::Deserialize;

use super::problem::{Kind, Refusal};

/// Entries on a page when it is not told how many.
const DEFAULT_LIMIT: u16 = 100;
/// The most on a page.
const MAX_LIMIT: u16 = 1000;

/// The most characters of where a page begins: an email fits.
const LONGEST_AFTER: usize = 254;

/// What a list may be told that has nothing else to be told.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageOptions {
    /// Begins after this entry: the `next` of the page before.
    #[param(max_length = 254)]
    after: Option<String>,
    /// How many entries at most; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// Which page of a list is wanted; `K` is what its entries are ordered by.
#[derive(Debug)]
pub struct Page<K> {
    after: Option<K>,
    limit: usize,
}

impl PageOptions {
    /// Which page that is.
    pub fn page<K: FromStr>(self) -> Result<Page<K>, Refusal> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(
                Kind::BadRequest.with_detail(format!("`limit` is between 1 and {MAX_LIMIT}."))
            );
        }
        let no_page = || Kind::BadRequest.with_detail("`after` is the `next` of another page.");
        if self
            .after
            .as_ref()
            .is_some_and(|after| after.chars().count() > LONGEST_AFTER)
        {
            return Err(no_page());
        }
        let after = self
            .after
            .map(|after| after.parse())
            .transpose()
            .map_err(|_| no_page())?;
        Ok(Page {
            after,
            limit: limit.into(),
        })
    }
}

impl<K: Ord> Page<K> {
    /// The same of a list that stands the other way round.
    pub fn reversed(self) -> Page<Reverse<K>> {
        Page {
            after: self.after.map(Reverse),
            limit: self.limit,
        }
    }

    /// What is on the page, of entries that stand in the order of their keys; and the key of the
    /// last one, if there is another page behind it.
    pub fn cut<T>(
        &self,
        entries: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> K,
    ) -> (Vec<T>, Option<K>) {
        let is_before = |entry: &T| {
            self.after
                .as_ref()
                .is_some_and(|after| key(entry) <= *after)
        };
        let mut rest = entries.into_iter().skip_while(is_before).peekable();
        let page: Vec<T> = rest.by_ref().take(self.limit).collect();
        let next = page.last().filter(|_| rest.peek().is_some()).map(key);
        (page, next)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn page(after: Option<&str>, limit: Option<u16>) -> Result<Page<u8>, Refusal> {
        PageOptions {
            after: after.map(str::to_owned),
            limit,
        }
        .page()
    }

    #[test]
    fn pages_follow_one_another_without_a_gap() {
        let cut = |after: Option<&str>| {
            page(after, Some(2))
                .unwrap()
                .cut([1, 3, 4, 8], |entry| *entry)
        };
        assert_eq!(cut(None), (vec![1, 3], Some(3)));
        assert_eq!(cut(Some("3")), (vec![4, 8], None));
        assert_eq!(
            cut(Some("2")),
            (vec![3, 4], Some(4)),
            "also when the entry has gone meanwhile"
        );
        assert_eq!(cut(Some("8")), (vec![], None));
        assert_eq!(page(None, None).unwrap().limit, 100);
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for (after, limit) in [
            (None, Some(0)),
            (None, Some(1001)),
            (Some("x"), None),
            (Some(""), None),
        ] {
            assert_eq!(
                page(after, limit).unwrap_err().kind,
                Kind::BadRequest,
                "{after:?} {limit:?}"
            );
        }
        let names = |after: String| {
            PageOptions {
                after: Some(after),
                limit: None,
            }
            .page::<String>()
        };
        assert!(names("x".repeat(254)).is_ok() && names("x".repeat(255)).is_err());
    }
}
