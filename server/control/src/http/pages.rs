//! Lists in pages: where a page begins, how many entries it has, and where the next one begins.
//!
//! A list whose entries are all in memory is cut by [`Page::cut`]. For a list that is read from the
//! store page by page, [`Page::fetch_limit`] entries are read, one more than the page has, and cut
//! by [`Page::cut_fetched`].

use std::cmp::Reverse;
use std::str::FromStr;

use rookery_control_api::text;
use serde::Deserialize;

use super::problem::{Kind, Refusal};

/// The number of entries on a page if the request has no `limit`.
const DEFAULT_LIMIT: u16 = 100;
/// The maximum number of entries on a page.
const MAX_LIMIT: u16 = 1000;
/// The maximum number of characters of `after`: an email fits.
const MAX_AFTER: usize = 254;

/// Declares the query of a list that has no filters, by the type of `after` and its schema.
macro_rules! page_options {
    ($(#[doc = $doc:literal])+ $name:ident, $after:ty, #[param($($schema:tt)+)]) => {
        $(#[doc = $doc])+
        #[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub struct $name {
            /// Begins after this entry: the `next` of the previous page.
            #[param($($schema)+)]
            pub after: Option<$after>,
            /// The maximum number of entries; 100 by default.
            #[param(minimum = 1, maximum = 1000)]
            pub limit: Option<u16>,
        }
    };
}

page_options! {
    /// The query of a list whose keys are of any form.
    PageOptions, String, #[param(max_length = 254)]
}
page_options! {
    /// The query of a list of numbered entries.
    NumberPageOptions, String, #[param(value_type = Option<i64>, minimum = 0)]
}
page_options! {
    /// The query of a list of users.
    NamePageOptions, String, #[param(inline, value_type = Option<text::Name>)]
}
page_options! {
    /// The query of a list of channels.
    ChannelPageOptions, String, #[param(inline, value_type = Option<text::Channel>)]
}

/// The requested page of a list whose entries are ordered by a key of the type `K`.
#[derive(Debug)]
pub struct Page<K> {
    pub after: Option<K>,
    limit: usize,
}

/// Returns the requested `limit` or the default. It has to be between 1 and `max`.
pub fn limit(given: Option<u16>, default: u16, max: u16) -> Result<usize, Refusal> {
    let limit = given.unwrap_or(default);
    if !(1..=max).contains(&limit) {
        let detail = format!("`limit` must be between 1 and {max}.");
        return Err(Kind::BadRequest.with_detail(detail));
    }
    Ok(limit.into())
}

fn not_a_next() -> Refusal {
    Kind::BadRequest.with_detail("`after` must be the `next` of another page.")
}

impl NumberPageOptions {
    /// Returns the page.
    pub fn page(self) -> Result<Page<i64>, Refusal> {
        let limit = limit(self.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
        let number = |after: String| after.parse().ok().filter(|after| *after >= 0);
        let after = self
            .after
            .map(|after| number(after).ok_or_else(not_a_next))
            .transpose()?;
        Ok(Page { after, limit })
    }
}

impl From<NamePageOptions> for PageOptions {
    fn from(NamePageOptions { after, limit }: NamePageOptions) -> Self {
        Self { after, limit }
    }
}

impl From<ChannelPageOptions> for PageOptions {
    fn from(ChannelPageOptions { after, limit }: ChannelPageOptions) -> Self {
        Self { after, limit }
    }
}

impl PageOptions {
    /// Returns the page of a list whose keys are parsed by [`FromStr`].
    pub fn page<K: FromStr>(self) -> Result<Page<K>, Refusal> {
        self.page_by(|after| after.parse().ok())
    }

    /// Returns the page of a list whose keys are parsed by `parse`.
    pub fn page_by<K>(self, parse: impl FnOnce(&str) -> Option<K>) -> Result<Page<K>, Refusal> {
        let limit = limit(self.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
        let parse = |after: String| {
            (after.chars().count() <= MAX_AFTER)
                .then(|| parse(&after))
                .flatten()
                .ok_or_else(not_a_next)
        };
        let after = self.after.map(parse).transpose()?;
        Ok(Page { after, limit })
    }
}

impl<K: Ord> Page<K> {
    /// Returns the same page of the list in reverse order.
    pub fn reversed(self) -> Page<Reverse<K>> {
        Page {
            after: self.after.map(Reverse),
            limit: self.limit,
        }
    }

    /// Returns the entries that are on the page, and the key of the last of them if there is
    /// another page. `entries` are all entries of the list, in the order of their keys.
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

impl<K> Page<K> {
    /// Returns how many entries have to be read from the store: one more than the page has.
    pub fn fetch_limit(&self) -> usize {
        self.limit + 1
    }

    /// Returns the entries that are on the page, and the `next` of the last of them if there is
    /// another page. `entries` were read with [`Self::fetch_limit`].
    pub fn cut_fetched<T, N>(
        &self,
        mut entries: Vec<T>,
        next: impl Fn(&T) -> N,
    ) -> (Vec<T>, Option<N>) {
        let has_more = entries.len() > self.limit;
        entries.truncate(self.limit);
        let next = entries.last().filter(|_| has_more).map(next);
        (entries, next)
    }
}

#[cfg(test)]
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
            "even if the entry has been removed"
        );
        assert_eq!(cut(Some("8")), (vec![], None));
        assert_eq!(page(None, None).unwrap().limit, 100);
        let page = page(None, Some(2)).unwrap();
        assert_eq!(page.fetch_limit(), 3);
        let cut = |entries| page.cut_fetched(entries, |entry: &u8| *entry);
        assert_eq!(cut(vec![1, 3, 4]), (vec![1, 3], Some(3)));
        assert_eq!(cut(vec![1, 3]), (vec![1, 3], None));
    }

    #[test]
    fn an_invalid_page_is_refused() {
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
