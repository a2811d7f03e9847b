//! The answers that are remembered for their idempotency keys.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use zeroize::Zeroize as _;

/// How long an answer is remembered.
const LIFETIME: Duration = Duration::from_mins(10);
/// The maximum number of answers. The admin who has the most of them loses the oldest of its own
/// first, so that no admin can make those of another be forgotten.
const MAX_ANSWERS: usize = 1000;

/// The public id of a session, and the key that its client chose.
pub type Key = (String, String);

/// The answers of the last minutes.
#[derive(Default)]
pub struct Answers(HashMap<Key, Entry>);

struct Entry {
    admin: String,
    /// The hash of the request.
    request: [u8; 32],
    since: Instant,
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
    /// Forgets what is no longer remembered.
    pub fn forget_old(&mut self, now: Instant) {
        self.0
            .retain(|_, entry| now.saturating_duration_since(entry.since) < LIFETIME);
    }

    /// Returns the state of a key, and reserves the key for this request if it is new.
    pub fn begin(&mut self, now: Instant, admin: &str, key: &Key, request: [u8; 32]) -> KeyState {
        self.forget_old(now);
        if let Some(entry) = self.0.get(key) {
            return match &entry.answer {
                _ if entry.request != request => KeyState::OtherRequest,
                None => KeyState::InProgress,
                Some(answer) => KeyState::Answered(answer.clone()),
            };
        }
        if self.0.len() >= MAX_ANSWERS {
            self.remove_one();
        }
        let entry = Entry {
            admin: admin.to_owned(),
            request,
            since: now,
            answer: None,
        };
        self.0.insert(key.clone(), entry);
        KeyState::New
    }

    /// Removes the oldest answer of the admin who has the most.
    fn remove_one(&mut self) {
        let answered = || self.0.iter().filter(|(_, entry)| entry.answer.is_some());
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (_, entry) in answered() {
            *counts.entry(&entry.admin).or_default() += 1;
        }
        let oldest = answered()
            .max_by_key(|(_, entry)| (counts[&*entry.admin], &entry.admin, Reverse(entry.since)))
            .map(|(key, _)| key.clone());
        oldest.map(|oldest| self.0.remove(&oldest));
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
    use std::sync::LazyLock;

    use parking_lot::Mutex;
    use tokio::time::timeout;

    use super::*;
    use crate::http::idempotency::forget_old_answers;

    fn key(name: &str) -> Key {
        ("session".to_owned(), name.to_owned())
    }

    fn at(second: u64) -> Instant {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + Duration::from_secs(second)
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
        assert_eq!(
            answers.begin(at(0), "root", &key("a"), [1; 32]),
            KeyState::New
        );
        assert_eq!(
            answers.begin(at(0), "root", &key("a"), [1; 32]),
            KeyState::InProgress
        );
        assert_eq!(
            answers.begin(at(0), "root", &key("a"), [2; 32]),
            KeyState::OtherRequest
        );
        answers.end(&key("a"), Some(answer("done")));
        assert_eq!(
            answers.begin(at(599), "root", &key("a"), [1; 32]),
            KeyState::Answered(answer("done"))
        );
        assert_eq!(
            answers.begin(at(600), "root", &key("a"), [1; 32]),
            KeyState::New,
            "forgotten after ten minutes"
        );
        answers.end(&key("a"), None);
        assert_eq!(
            answers.begin(at(600), "root", &key("a"), [2; 32]),
            KeyState::New,
            "it ended without an answer"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_forgotten_after_ten_minutes_without_another_request() {
        let now = || tokio::time::Instant::now().into_std();
        let answers = Mutex::new(Answers::default());
        answers.lock().begin(now(), "root", &key("a"), [1; 32]);
        answers
            .lock()
            .end(&key("a"), Some(answer("initial password")));
        let remembered = async |time| {
            let forget = forget_old_answers(&answers);
            assert!(timeout(time, forget).await.is_err(), "it never ends");
            answers.lock().0.len()
        };
        assert_eq!(remembered(Duration::from_secs(599)).await, 1);
        assert_eq!(remembered(Duration::from_secs(10)).await, 0);
    }

    #[test]
    fn an_admin_with_many_answers_displaces_its_own_oldest_one_only() {
        let mut answers = Answers::default();
        let mut is_new = |admin, second, name: &str| {
            let state = answers.begin(at(second), admin, &key(name), [0; 32]);
            answers.end(&key(name), Some(answer("")));
            state == KeyState::New
        };
        assert!(is_new("other", 0, "first") && is_new("root", 0, "oldest"));
        for number in 0..3000 {
            assert!(is_new("root", 1 + number / 100, &number.to_string()));
        }
        assert!(!is_new("other", 40, "first") && !is_new("root", 40, "2999"));
        assert!(is_new("root", 40, "oldest"));
        assert_eq!(answers.0.len(), MAX_ANSWERS);
    }
}
