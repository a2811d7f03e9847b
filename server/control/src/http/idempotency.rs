//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): an unsafe request that arrives
//! again with the same key is answered again, but not carried out again.
//!
//! A key belongs to one session and one request (method, path and body). Answers are remembered for
//! ten minutes, in memory, up to a number that the admins share. Server errors (5xx) are not
//! remembered, so that such a request can be tried again. Nothing is remembered of a request with a
//! password, not even a hash, from which the password could be guessed quickly.

pub mod answers;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, interval};

use super::extract::whole_body;
use super::problem::{Kind, Refusal};
use crate::auth::operator::SignedIn;
use crate::auth::permission::AnyAdmin;
use crate::plane::ControlPlane;
use answers::{Answer, Answers, Key, KeyState};
use rookery_control_api::{IDEMPOTENCY_KEY, ignores_idempotency_key};

/// The maximum number of bytes of a remembered answer. Only an import with many invalid rows has a
/// longer one, and importing the same rows again adds nothing.
const MAX_REMEMBERED_BYTES: usize = 64 * 1024;
/// The maximum number of bytes of an answer.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// The maximum number of characters of a key.
const MAX_KEY: usize = 255;
/// How often it is checked which answers are old.
const FORGET_INTERVAL: Duration = Duration::from_secs(5);

/// Reserves a key while its request is carried out. When dropped, it stores the answer, or frees
/// the key if there is none.
struct Reservation<'a> {
    plane: &'a ControlPlane,
    key: Key,
    answer: Option<Answer>,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.plane.answers.lock().end(&self.key, self.answer.take());
    }
}

/// Forgets old answers also while no request with a key arrives, until the future is dropped.
pub async fn forget_old_answers(answers: &Mutex<Answers>) {
    let mut checks = interval(FORGET_INTERVAL);
    loop {
        checks.tick().await;
        answers.lock().forget_old(Instant::now().into_std());
    }
}

/// Middleware that carries out a request with a key only once.
pub async fn once(
    State(plane): State<Arc<ControlPlane>>,
    request: Request,
    next: Next,
) -> Response {
    let is_safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let ignores_key = is_safe || ignores_idempotency_key(request.uri().path());
    if ignores_key || !request.headers().contains_key(IDEMPOTENCY_KEY) {
        return next.run(request).await;
    }
    run_once(&plane, request, next)
        .await
        .unwrap_or_else(Refusal::into_response)
}

async fn run_once(
    plane: &Arc<ControlPlane>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    // The role is checked by the handler. Here, only the session matters, to which the key belongs.
    let operator = SignedIn::<AnyAdmin>::from_request_parts(&mut parts, plane).await?;
    let target = format!("{} {}", parts.method, parts.uri.path());
    let mut act = operator.act("request", target);
    let (key, body) = operator
        .audited(&mut act, async |_| {
            let key = key_of(&parts)?;
            let body = whole_body(Request::from_parts(parts.clone(), body)).await?;
            Ok((key, body))
        })
        .await?;
    let key = (operator.session_id().to_owned(), key);
    let state = plane.answers.lock().begin(
        operator.origin().instant,
        operator.name(),
        &key,
        digest(&parts, &body),
    );
    let refusal = match state {
        KeyState::New => {
            let mut reservation = Reservation {
                plane,
                key,
                answer: None,
            };
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            let (response, answer) = to_answer(response).await;
            reservation.answer = answer;
            return Ok(response);
        }
        KeyState::Answered(answer) => {
            let detail = "repeated with its idempotency key; answered again, not carried out again";
            operator.allow_view(&act, detail).await?;
            return Ok(answer.into_response());
        }
        KeyState::InProgress => Kind::InProgress.with_detail(
            "The request with this key is still in progress. Send it again later for its answer.",
        ),
        KeyState::OtherRequest => Kind::IdempotencyKeyReused.with_detail(
            "This key was used for a different request in the last ten minutes. Choose a new key \
             for each request.",
        ),
    };
    Err(operator.refuse(&act, refusal).await)
}

fn key_of(parts: &Parts) -> Result<String, Refusal> {
    let keys: Vec<&HeaderValue> = parts.headers.get_all(IDEMPOTENCY_KEY).iter().collect();
    match keys.as_slice() {
        [key] if (1..=MAX_KEY).contains(&key.len()) => key.to_str().ok().map(str::to_owned),
        _ => None,
    }
    .ok_or_else(|| {
        Kind::BadRequest.with_detail(format!(
            "`{IDEMPOTENCY_KEY}` must be one value of 1 to {MAX_KEY} visible characters."
        ))
    })
}

/// Returns the hash that distinguishes a repeated request from a different one.
fn digest(parts: &Parts, body: &Bytes) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(format!("{} {}\n", parts.method, parts.uri));
    hasher.update(body);
    hasher.finalize().into()
}

/// Returns the response, and a copy to remember if it is not a server error and not too long.
async fn to_answer(response: Response) -> (Response, Option<Answer>) {
    let (parts, body) = response.into_parts();
    if parts.status.is_server_error() {
        return (Response::from_parts(parts, body), None);
    }
    let Ok(body) = to_bytes(body, MAX_ANSWER_BYTES).await else {
        let refusal = Kind::InternalError
            .with_detail("The request was carried out, but its answer is too long to be sent.");
        return (refusal.into_response(), None);
    };
    if body.len() > MAX_REMEMBERED_BYTES {
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
