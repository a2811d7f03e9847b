//! Paths of requests: segments and query parameters, percent-encoded.

use std::fmt::{self, Display};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A path with query parameters.
pub struct Query {
    path: String,
    separator: char,
}

impl Query {
    /// Creates a query without parameters.
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            separator: '?',
        }
    }

    /// Adds a parameter.
    pub fn set(mut self, name: &str, value: impl Display) -> Self {
        self.path.extend([
            &self.separator.to_string(),
            name,
            "=",
            &segment(&value.to_string()),
        ]);
        self.separator = '&';
        self
    }

    /// Adds a parameter if it has a value.
    pub fn maybe(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Adds `name=true` if `on`.
    pub fn flag(self, name: &str, on: bool) -> Self {
        self.maybe(name, on.then_some(true))
    }
}

impl Display for Query {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.path)
    }
}

/// The characters that are percent-encoded in a path segment or a query value: all but the
/// unreserved ones (RFC 3986 §2.3).
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns text as one segment of a path, or one value of a query.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment_of_the_path() {
        assert_eq!(segment("alice"), "alice");
        assert_eq!(segment("../v1/bans?x=1"), "..%2Fv1%2Fbans%3Fx%3D1");
        assert_eq!(segment("Ärger [x]"), "%C3%84rger%20%5Bx%5D");
    }

    #[test]
    fn a_query_encodes_its_values() {
        let query = Query::new("/v1/users")
            .set("limit", 100)
            .maybe("search", Some("a&b"))
            .maybe("after", None::<&str>)
            .flag("guests", true)
            .flag("reverse", false);
        assert_eq!(
            query.to_string(),
            "/v1/users?limit=100&search=a%26b&guests=true"
        );
        assert_eq!(Query::new("/v1/bans").to_string(), "/v1/bans");
    }
}
