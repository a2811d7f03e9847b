//! The client of the control plane: its requests, and the sign-in of an admin.

use axum::body::to_bytes;
use axum::http::HeaderMap;

use super::*;
use crate::auth::sessions::{Fingerprint, Session};

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns a text field of the body.
    pub(super) fn field(&self, name: &str) -> String {
        self.json()[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .to_owned()
    }

    /// Returns the type of the problem.
    pub(super) fn problem(&self) -> String {
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.json()["status"], self.status.as_u16());
        self.field("type")
    }
}

impl TestPlane {
    /// Sends a request.
    pub(super) async fn send(
        &self,
        request: axum::http::request::Builder,
        body: impl Into<Body>,
    ) -> Reply {
        let origin = self.origin();
        let request = request.extension(origin).body(body.into()).unwrap();
        let service = TowerToHyperService::new(self.router.clone());
        let (parts, body) = service.call(request).await.unwrap().into_parts();
        // A stream of events has no end.
        let is_stream = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|content_type| content_type == "text/event-stream");
        let bytes = if is_stream {
            Vec::new()
        } else {
            to_bytes(body, usize::MAX).await.unwrap().to_vec()
        };
        let text = String::from_utf8(bytes).unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    pub(super) async fn get(&self, token: &str, path: &str) -> Reply {
        self.send(
            Request::get(path).header("Authorization", format!("Bearer {token}")),
            "",
        )
        .await
    }

    pub(super) async fn delete(&self, token: &str, path: &str) -> Reply {
        self.send(
            Request::delete(path).header("Authorization", format!("Bearer {token}")),
            "",
        )
        .await
    }

    pub(super) async fn put(&self, token: &str, path: &str, body: &Value) -> Reply {
        let request = Request::put(path)
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json");
        self.send(request, body.to_string()).await
    }

    pub(super) async fn post(&self, token: &str, path: &str, body: &Value) -> Reply {
        let request = Request::post(path)
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json");
        self.send(request, body.to_string()).await
    }

    /// Sends `POST /v1/login`.
    pub(super) async fn login(&self, name: &str, password: &str) -> Reply {
        let request = Request::post("/v1/login").header("Content-Type", "application/json");
        self.send(
            request,
            json!({ "name": name, "password": password }).to_string(),
        )
        .await
    }

    /// Sends `POST /v1/login/verify`.
    pub(super) async fn verify(&self, challenge: &str, code: &str) -> Reply {
        let request = Request::post("/v1/login/verify").header("Content-Type", "application/json");
        self.send(
            request,
            json!({ "challenge": challenge, "code": code }).to_string(),
        )
        .await
    }

    /// Sends the first factor; returns the challenge and the mailed code.
    pub(super) async fn challenge(&self, name: &str) -> (String, String) {
        let before = self.code_mails().len();
        let reply = self.login(name, PASSWORD).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
        let code = self.code_of_mail(before).await;
        (reply.field("challenge"), code)
    }

    /// Waits for the code mail with an index, and returns its code.
    pub(super) async fn code_of_mail(&self, index: usize) -> String {
        let mail = eventually("a mail with the code", || {
            self.code_mails().get(index).cloned()
        })
        .await;
        let is_code =
            |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        mail.lines()
            .find(is_code)
            .expect("a code alone on its line")
            .to_owned()
    }

    /// Signs in with both factors and returns the token.
    pub(super) async fn sign_in(&self, name: &str) -> String {
        let (challenge, code) = self.challenge(name).await;
        let reply = self.verify(&challenge, &code).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.field("token")
    }

    /// Opens a session without a sign-in and returns its token.
    pub(super) async fn open_session(&self, name: &str) -> String {
        self.open_session_for(name, 60).await
    }

    /// Opens a session that expires after some minutes.
    pub(super) async fn open_session_for(&self, name: &str, minutes: u32) -> String {
        let name = name.to_owned();
        let admin = self
            .database
            .read(move |store| store.admin(&name))
            .await
            .unwrap()
            .unwrap();
        let origin = self.origin();
        let session = Session::begin(admin.name.clone(), Fingerprint::of(&admin), origin, minutes);
        self.state.sessions.lock().add(session)
    }

    /// Returns the mails with codes.
    pub(super) fn code_mails(&self) -> Vec<String> {
        let mut mails = self.mails();
        mails.retain(|mail| mail.contains("Subject: Your code for the control plane"));
        mails
    }

    /// Waits for a mail that contains a text.
    pub(super) async fn mail_with(&self, text: &str) -> String {
        eventually(text, || {
            self.mails().into_iter().find(|mail| mail.contains(text))
        })
        .await
    }
}
