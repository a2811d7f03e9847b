//! The control plane without `admin-cli`: requests as anyone could send them.

use serde_json::{Value, json};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, http};

use crate::admin::{PASSWORD, admin_email};
use crate::server::Server;
use crate::{DEADLINE, tls};

/// An HTTPS client that trusts the server's own authority.
#[derive(Clone, Debug)]
pub struct Control {
    agent: Agent,
    base: String,
}

/// What came back: the status, and the JSON (null if there is none).
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    pub body: Value,
}

impl Control {
    /// Nothing is sent yet.
    pub fn new(server: &Server) -> Self {
        let ca = std::fs::read(server.ca()).unwrap();
        let roots = RootCerts::new_with_certs(&[Certificate::from_pem(&ca).unwrap().to_owned()]);
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(tls::provider())
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(DEADLINE))
            .http_status_as_error(false)
            .build();
        Self { agent: config.into(), base: format!("https://localhost:{}", server.admin().port()) }
    }

    /// `GET`.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Reply {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        run(move || request.call()).await
    }

    /// `POST`.
    pub async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Reply {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        run(move || request.send_json(body)).await
    }

    /// The first factor; gives the challenge.
    pub async fn login(&self, name: &str) -> String {
        let reply = self.post("/v1/login", None, json!({"name": name, "password": PASSWORD})).await;
        assert_eq!(reply.status, 202, "{:?}", reply.body);
        reply.body["challenge"].as_str().unwrap().to_owned()
    }

    /// The second factor.
    pub async fn verify(&self, challenge: &str, code: &str) -> Reply {
        self.post("/v1/login/verify", None, json!({"challenge": challenge, "code": code})).await
    }

    /// Both factors; gives the token.
    pub async fn sign_in(&self, server: &Server, name: &str) -> String {
        let challenge = self.login(name).await;
        let code = server.mailbox().code_to(&admin_email(name)).await;
        let reply = self.verify(&challenge, &code).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        reply.body["token"].as_str().unwrap().to_owned()
    }
}

/// Requests block; a test's own clients must not wait for them.
async fn run(call: impl FnOnce() -> Result<http::Response<Body>, ureq::Error> + Send + 'static) -> Reply {
    tokio::task::spawn_blocking(move || {
        let mut response = call().unwrap();
        let content_type =
            response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let text = response.body_mut().read_to_string().unwrap();
        Reply {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        }
    })
    .await
    .unwrap()
}

/// Six digits that are not `code`.
pub fn other_than(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}
