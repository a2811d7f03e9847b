//! Extractors of the parts of a request, which refuse an invalid part with a problem document; and
//! the checks of texts that become part of an IRC line.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rookery_control_api::MAX_REASON;
use rookery_protocol::composed;
use serde::de::DeserializeOwned;

use super::places::Place;
use super::problem::{Kind, Refusal};
use rookery_record::Network;

/// How long the body of a request may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The origin of a request, which the listener adds to each.
#[derive(Clone, Copy, Debug)]
pub struct RequestOrigin {
    /// The address of the client.
    pub address: SocketAddr,
    /// When the request arrived.
    pub at: Timestamp,
    /// The same by a clock that only goes forward.
    pub instant: std::time::Instant,
}

impl RequestOrigin {
    /// Returns the network of the client, by which limits count.
    pub fn network(&self) -> Network {
        Network::of(self.address.ip())
    }
}

impl<S: Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(*parts
            .extensions
            .get()
            .expect("the listener adds the origin to every request"))
    }
}

/// The JSON body of a request.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let place = request.extensions().get::<Arc<Place>>().map(Arc::clone);
        match tokio::time::timeout(BODY_TIMEOUT, Json::from_request(request, state)).await {
            Ok(Ok(Json(value))) => {
                place.inspect(|place| place.handle_request());
                Ok(Self(value))
            }
            Ok(Err(rejection)) => Err(json_refusal(&rejection)),
            Err(_) => Err(too_slow()),
        }
    }
}

/// Reads the whole body of a request, of any content type.
pub async fn whole_body(request: Request) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(too_large())
        }
        Ok(Err(_)) => Err(Kind::BadRequest.with_detail("The request's body ended early.")),
        Err(_) => Err(too_slow()),
    }
}

fn too_large() -> Refusal {
    Kind::BodyTooLarge
        .with_detail("A request's body may have up to 64 KiB, and a file to import up to 1 MiB.")
}

fn too_slow() -> Refusal {
    Kind::RequestTimeout.with_detail("The request's body did not arrive within 10 seconds.")
}

fn json_refusal(rejection: &JsonRejection) -> Refusal {
    let text = rejection.body_text();
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Kind::NotJson.with_detail("Send JSON, with `Content-Type: application/json`.")
        }
        StatusCode::UNPROCESSABLE_ENTITY => Kind::Invalid.with_detail(text),
        _ => Kind::BadRequest.with_detail(text),
    }
}

/// The variable parts of a path.
pub struct PathParams<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParams<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value))
            .map_err(|rejection: PathRejection| Kind::BadRequest.with_detail(rejection.body_text()))
    }
}

/// The query of a request, with composed texts: what is searched for is compared with names, which
/// are composed when they are parsed.
pub struct QueryParams<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let uri = with_composed_query(&parts.uri);
        Query::try_from_uri(uri.as_ref().unwrap_or(&parts.uri))
            .map(|Query(value)| Self(value))
            .map_err(|rejection: QueryRejection| {
                Kind::BadRequest.with_detail(rejection.body_text())
            })
    }
}

/// Returns an address with the query of this one, in which each value is composed. Returns `None`
/// if all are composed already, or if the query cannot be parsed.
fn with_composed_query(uri: &Uri) -> Option<Uri> {
    let Query(pairs): Query<Vec<(String, String)>> = Query::try_from_uri(uri).ok()?;
    if pairs.iter().all(|(_, value)| composed(value) == *value) {
        return None;
    }
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(&composed(value))));
    let query = pairs.collect::<Vec<_>>().join("&");
    let uri = Uri::builder().path_and_query(format!("/?{query}"));
    uri.build().ok()
}

/// Returns the reason of an act, which the affected users see; or a default if none is given.
pub fn reason(given: Option<&str>) -> Result<String, Refusal> {
    one_line("reason", given, "no reason given")
}

/// Checks a text that becomes part of one IRC line: it has to be short and without control
/// characters. `name` is the word for the text in a refusal. Returns `default` if there is none.
pub fn one_line(name: &str, given: Option<&str>, default: &str) -> Result<String, Refusal> {
    let text = given
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .unwrap_or(default);
    if text.len() > MAX_REASON {
        return Err(
            Kind::Invalid.with_detail(format!("A {name} may have up to {MAX_REASON} bytes."))
        );
    }
    if text.contains(char::is_control) {
        return Err(Kind::Invalid.with_detail(format!(
            "A {name} is a single line without control characters."
        )));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(reason(None).unwrap(), "no reason given");
        assert_eq!(reason(Some("  ")).unwrap(), "no reason given");
        assert_eq!(reason(Some(" flooding ")).unwrap(), "flooding");
        assert_eq!(
            reason(Some(&"x".repeat(MAX_REASON))).unwrap().len(),
            MAX_REASON
        );
        for bad in [
            "a\r\nQUIT",
            "a\nb",
            "a\0b",
            "a\u{85}b",
            "\u{1b}[2J",
            &"ä".repeat(151),
        ] {
            assert_eq!(
                reason(Some(bad)).unwrap_err().kind,
                Kind::Invalid,
                "{bad:?}"
            );
        }
    }
}
