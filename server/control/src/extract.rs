//! What a request brings, taken in so that whatever is wrong with it becomes a problem document.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::Timestamp;
use rookery_control_api::MAX_REASON;
use serde::de::DeserializeOwned;

use super::problem::{Kind, Refusal};
use rookery_base::net::network;

/// How long a request's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// From where and when a request came; the listener stamps it on each.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub from: SocketAddr,
    pub at: Timestamp,
}

impl Arrival {
    /// What is counted as one place: an IPv4 address, or the first 64 bits of an IPv6 one.
    pub fn network(&self) -> IpAddr {
        network(self.from.ip())
    }
}

impl<S: Sync> FromRequestParts<S> for Arrival {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(*parts
            .extensions
            .get()
            .expect("the listener stamps every request"))
    }
}

/// A request's JSON.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match tokio::time::timeout(BODY_TIMEOUT, Json::from_request(request, state)).await {
            Ok(Ok(Json(value))) => Ok(Self(value)),
            Ok(Err(rejection)) => Err(from_json(&rejection)),
            Err(_) => Err(too_slow()),
        }
    }
}

/// A request's body, whatever is in it.
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
        .with_detail("A request's body may have up to 64 KiB, a file to import 1 MiB.")
}

fn too_slow() -> Refusal {
    Kind::RequestTimeout.with_detail("The request's body did not come within 10 seconds.")
}

fn from_json(rejection: &JsonRejection) -> Refusal {
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

/// The variable part of a path.
pub struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value))
            .map_err(|rejection: PathRejection| Kind::BadRequest.with_detail(rejection.body_text()))
    }
}

/// What follows the `?`.
pub struct Options<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Options<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(value)| Self(value))
            .map_err(|rejection: QueryRejection| {
                Kind::BadRequest.with_detail(rejection.body_text())
            })
    }
}

/// The reason of a kick or a ban, as it is shown to whom it hits; a general one when none is given.
/// It becomes part of one IRC line, so it holds no control characters.
pub fn reason(given: Option<&str>) -> Result<String, Refusal> {
    one_line("reason", given, "no reason given")
}

/// A text that becomes part of one IRC line, as a reason does.
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
        return Err(
            Kind::Invalid.with_detail(format!("A {name} is one line, without control characters."))
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
