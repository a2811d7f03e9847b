//! The answers that are remembered for their idempotency keys.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroize as _;

/// How long an answer is remembered.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// The maximum number of answers; the oldest is removed first.
const MAX_ANSWERS: usize = 1000;

/// The public id of a session, and the key that its client chose.
pub type Key = (String, String);

/// The answers of the last minutes.
#[derive(Default)]
pub struct Answers(HashMap<Key, Entry>);

struct Entry {
    /// The hash of the request.
    request: [u8; 32],
    since: Timestamp,
    /// None while the request is in progress.
    answer: Option<Answer>,
}

/// An answer to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub content_type: Option<HeaderValue>,
    pub body: Bytes,
}

/// The state of a key when a request with it arrives.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The key is new: the request has to be carried out.
    New,
    /// The first request with the key is not finished.
    InProgress,
    /// The key belongs to a different request.
    OtherRequest,
    /// The first request with the key was answered.
    Answered(Answer),
}

impl Answers {
    /// Returns the state of a key, and reserves the key for this request if it is new.
    pub fn begin(&mut self, now: Timestamp, key: &Key, request: [u8; 32]) -> KeyState {
        self.0
            .retain(|_, entry| now.duration_since(entry.since) < LIFETIME);
        if let Some(entry) = self.0.get(key) {
            return match &entry.answer {
                _ if entry.request != request => KeyState::OtherRequest,
                None => KeyState::InProgress,
                Some(answer) => KeyState::Answered(answer.clone()),
            };
        }
        if self.0.len() >= MAX_ANSWERS {
            let oldest = self
                .0
                .iter()
                .min_by_key(|(_, entry)| entry.since)
                .map(|(key, _)| key.clone());
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        let entry = Entry {
            request,
            since: now,
            answer: None,
        };
        self.0.insert(key.clone(), entry);
        KeyState::New
    }

    /// Ends a request: stores its answer, or frees the key if there is none.
    pub fn end(&mut self, key: &Key, answer: Option<Answer>) {
        match (answer, self.0.get_mut(key)) {
            (Some(answer), Some(entry)) => entry.answer = Some(answer),
            _ => drop(self.0.remove(key)),
        }
    }
}

/// Overwrites the body, which may have a new password or recovery codes, unless a response is being
/// sent that shares it.
impl Drop for Answer {
    fn drop(&mut self) {
        if let Ok(mut body) = std::mem::take(&mut self.body).try_into_mut() {
            body.as_mut().zeroize();
        }
    }
}

impl Answer {
    /// Returns the answer as a response.
    pub fn into_response(mut self) -> Response {
        let body = std::mem::take(&mut self.body);
        let mut response = (self.status, body).into_response();
        if let Some(content_type) = self.content_type.take() {
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
    fn of_concurrent_requests_one_runs_and_the_others_get_its_answer() {
        let mut answers = Answers::default();
        assert_eq!(answers.begin(at(0), &key("a"), [1; 32]), KeyState::New);
        assert_eq!(
            answers.begin(at(0), &key("a"), [1; 32]),
            KeyState::InProgress
        );
        assert_eq!(
            answers.begin(at(0), &key("a"), [2; 32]),
            KeyState::OtherRequest
        );
        answers.end(&key("a"), Some(answer("done")));
        assert_eq!(
            answers.begin(at(599), &key("a"), [1; 32]),
            KeyState::Answered(answer("done"))
        );
        assert_eq!(
            answers.begin(at(600), &key("a"), [1; 32]),
            KeyState::New,
            "forgotten after ten minutes"
        );
        answers.end(&key("a"), None);
        assert_eq!(
            answers.begin(at(600), &key("a"), [2; 32]),
            KeyState::New,
            "it ended without an answer"
        );
    }

    #[test]
    fn the_number_of_answers_is_bounded() {
        let mut answers = Answers::default();
        for number in 0..3000 {
            let key = key(&number.to_string());
            assert_eq!(
                answers.begin(at(number / 100), &key, [0; 32]),
                KeyState::New
            );
            answers.end(&key, Some(answer("")));
        }
        assert_eq!(answers.0.len(), MAX_ANSWERS);
        assert_eq!(
            answers.begin(at(30), &key("2999"), [0; 32]),
            KeyState::Answered(answer("")),
            "the newest stay"
        );
    }
}
