//! `Idempotency-Key`: an unsafe request that comes again under the same key is answered again, and
//! not done again.
//!
//! A key belongs to one sign-in and one request (method, path and body). Answers are remembered for
//! ten minutes, in memory; those that say that nothing could be done (5xx) are not, so that such a
//! request can be tried again.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::extract::whole_body;
use super::permission::{Anyone, Signed};
use super::problem::{Kind, Refusal};
use super::{Plane, lock};

/// The header's name.
pub const HEADER: &str = "Idempotency-Key";
/// How long an answer is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);
/// Answers remembered at once; the oldest gives way.
const ANSWERS: usize = 1000;
/// The most bytes of an answer that are remembered. Only an import with many bad rows has a longer
/// one, and what that has done is not done a second time.
const REMEMBERED_ANSWER: usize = 64 * 1024;
/// The most bytes of an answer.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;
/// The most characters of a key.
const LONGEST_KEY: usize = 255;

/// By the sign-in's public name and the key that was chosen there.
type Key = (String, String);

/// The answers of the last minutes.
#[derive(Default)]
pub struct Answers(HashMap<Key, Entry>);

struct Entry {
    request: [u8; 32],
    since: Timestamp,
    /// None while the request is under way.
    answer: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Bytes,
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Nothing, until now: the request is to be done.
    Nothing,
    UnderWay,
    /// It came with another request.
    OtherRequest,
    Answer(Answer),
}

impl Answers {
    /// Looks for the key, and keeps it if it is new.
    fn begin(&mut self, now: Timestamp, key: &Key, request: [u8; 32]) -> Found {
        self.0
            .retain(|_, entry| now.duration_since(entry.since) < REMEMBERED);
        if let Some(entry) = self.0.get(key) {
            return match &entry.answer {
                _ if entry.request != request => Found::OtherRequest,
                None => Found::UnderWay,
                Some(answer) => Found::Answer(answer.clone()),
            };
        }
        if self.0.len() >= ANSWERS {
            let oldest = self
                .0
                .iter()
                .min_by_key(|(_, entry)| entry.since)
                .map(|(key, _)| key.clone());
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(
            key.clone(),
            Entry {
                request,
                since: now,
                answer: None,
            },
        );
        Found::Nothing
    }

    /// Keeps the answer; without one, forgets the key.
    fn end(&mut self, key: &Key, answer: Option<Answer>) {
        match (answer, self.0.get_mut(key)) {
            (Some(answer), Some(entry)) => entry.answer = Some(answer),
            _ => drop(self.0.remove(key)),
        }
    }
}

/// A request under way; when it comes to no answer, its key is free again.
struct UnderWay<'a> {
    plane: &'a Plane,
    key: Key,
    answer: Option<Answer>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.plane.answers).end(&self.key, self.answer.take());
    }
}

/// Sees to it that a request with a key is done once.
pub async fn once(State(plane): State<Arc<Plane>>, request: Request, next: Next) -> Response {
    let is_safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    // Signing in is for strangers, and each time another challenge.
    let is_sign_in = request.uri().path().starts_with("/v1/login");
    if is_safe || is_sign_in || !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    do_once(&plane, request, next)
        .await
        .unwrap_or_else(Refusal::into_response)
}

async fn do_once(plane: &Arc<Plane>, request: Request, next: Next) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    // The handler asks for the role of its own; here it only matters whose key this is.
    let operator = Signed::<Anyone>::from_request_parts(&mut parts, plane).await?;
    let step = operator.step("request", format!("{} {}", parts.method, parts.uri.path()));
    let taken = async {
        let key = key_of(&parts)?;
        let body = whole_body(Request::from_parts(parts.clone(), body)).await?;
        Ok((key, body))
    };
    let (key, body) = match taken.await {
        Ok(taken) => taken,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let key = (operator.session_id().to_owned(), key);
    let found = lock(&plane.answers).begin(operator.now(), &key, digest(&parts, &body));
    let refusal = match found {
        Found::Nothing => {
            let mut under_way = UnderWay { plane, key, answer: None };
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            let (response, answer) = keep(response).await;
            under_way.answer = answer;
            return Ok(response);
        }
        Found::Answer(answer) => {
            operator
                .allow(&step, "came again under its key; it was answered again, and not done again")
                .await?;
            return Ok(answer.into_response());
        }
        Found::UnderWay => Kind::InProgress
            .with_detail("The request with this key is still under way. Send it again later for its answer."),
        Found::OtherRequest => Kind::IdempotencyKeyReused.with_detail(
            "This key came with another request in the last ten minutes. Choose a new key for each request.",
        ),
    };
    Err(operator.refuse(&step, refusal).await)
}

fn key_of(parts: &Parts) -> Result<String, Refusal> {
    let keys: Vec<&HeaderValue> = parts.headers.get_all(HEADER).iter().collect();
    match keys.as_slice() {
        [key] if (1..=LONGEST_KEY).contains(&key.len()) => key.to_str().ok().map(str::to_owned),
        _ => None,
    }
    .ok_or_else(|| {
        Kind::BadRequest.with_detail(format!(
            "`{HEADER}` is one text of 1 to {LONGEST_KEY} visible characters."
        ))
    })
}

/// What makes a request the same.
fn digest(parts: &Parts, body: &Bytes) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(format!("{} {}\n", parts.method, parts.uri));
    hasher.update(body);
    hasher.finalize().into()
}

/// The response, and what of it is to be remembered.
async fn keep(response: Response) -> (Response, Option<Answer>) {
    let (parts, body) = response.into_parts();
    if parts.status.is_server_error() {
        return (Response::from_parts(parts, body), None);
    }
    let Ok(body) = to_bytes(body, LONGEST_ANSWER).await else {
        let refusal = Kind::InternalError
            .with_detail("The answer is longer than it may be; what was asked for is done.");
        return (refusal.into_response(), None);
    };
    if body.len() > REMEMBERED_ANSWER {
        return (Response::from_parts(parts, Body::from(body)), None);
    }
    let content_type = parts.headers.get(header::CONTENT_TYPE).cloned();
    let answer = Answer {
        status: parts.status,
        content_type,
        body: body.clone(),
    };
    (Response::from_parts(parts, Body::from(body)), Some(answer))
}

impl Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        if let Some(content_type) = self.content_type {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, content_type);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("session".to_owned(), name.to_owned())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn answer(text: &'static str) -> Answer {
        Answer {
            status: StatusCode::OK,
            content_type: None,
            body: Bytes::from_static(text.as_bytes()),
        }
    }

    #[test]
    fn of_many_at_once_one_is_done_and_the_others_wait_for_its_answer() {
        let mut answers = Answers::default();
        assert_eq!(answers.begin(at(0), &key("a"), [1; 32]), Found::Nothing);
        assert_eq!(answers.begin(at(0), &key("a"), [1; 32]), Found::UnderWay);
        assert_eq!(
            answers.begin(at(0), &key("a"), [2; 32]),
            Found::OtherRequest
        );
        answers.end(&key("a"), Some(answer("done")));
        assert_eq!(
            answers.begin(at(599), &key("a"), [1; 32]),
            Found::Answer(answer("done"))
        );
        assert_eq!(
            answers.begin(at(600), &key("a"), [1; 32]),
            Found::Nothing,
            "forgotten after ten minutes"
        );
        answers.end(&key("a"), None);
        assert_eq!(
            answers.begin(at(600), &key("a"), [2; 32]),
            Found::Nothing,
            "it came to no answer"
        );
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut answers = Answers::default();
        for number in 0..3000 {
            let key = key(&number.to_string());
            assert_eq!(
                answers.begin(at(number / 100), &key, [0; 32]),
                Found::Nothing
            );
            answers.end(&key, Some(answer("")));
        }
        assert_eq!(answers.0.len(), ANSWERS);
        assert_eq!(
            answers.begin(at(30), &key("2999"), [0; 32]),
            Found::Answer(answer("")),
            "the newest stay"
        );
    }
}
