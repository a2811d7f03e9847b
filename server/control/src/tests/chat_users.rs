//! Users of the chat: admitted by the core, without a chat port.

use super::*;
use rookery_chat::event::Disconnect;
use rookery_engine::handle::SessionEvent;
use rookery_engine::sendq::State;

impl TestPlane {
    /// Returns the identity of a stored account.
    pub(super) async fn identity(&self, name: &str) -> Identity {
        let name = AccountName::parse(name).unwrap();
        let account = self
            .database
            .read(move |store| store.account_by_name(&name))
            .await
            .unwrap()
            .unwrap();
        Identity {
            id: account.id,
            name: account.name,
            email: account.email,
            new: false,
            authenticated_at: Timestamp::now(),
            signed_in_with: rookery_chat::event::SignedInWith::PASSWORD,
        }
    }

    /// Requests the admission of a candidate in a new session.
    pub(super) async fn admit(&self, candidate: Candidate) -> (SessionId, Arc<Sendq>, Admission) {
        let session = SessionId(self.next_session.get());
        self.next_session.set(session.0 + 1);
        let sendq = Sendq::new(0);
        let admission = self
            .core
            .admit(session, Arc::clone(&sendq), Box::new(candidate))
            .await;
        (session, sendq, admission.unwrap())
    }

    /// Connects a user. The task ends with the session and returns everything that was sent to it.
    pub(super) async fn connect(&self, name: &str) -> tokio::task::JoinHandle<String> {
        self.connect_as(identity(name)).await
    }

    pub(super) async fn connect_as(&self, identity: Identity) -> tokio::task::JoinHandle<String> {
        let (session, sendq, admission) = self.admit(candidate(identity)).await;
        assert!(matches!(admission, Admission::Admitted), "{admission:?}");
        let core = self.core.clone();
        tokio::spawn(async move {
            let mut received = String::new();
            loop {
                let next = std::future::poll_fn(|context| match sendq.poll(context, true) {
                    (State::Open, lines) if lines.is_empty() => Poll::Pending,
                    next => Poll::Ready(next),
                });
                let (state, lines) = next.await;
                for line in &lines {
                    sendq.sent(line.len());
                    received.push_str(std::str::from_utf8(line).unwrap());
                }
                if state != State::Open && lines.is_empty() {
                    break;
                }
            }
            let _ = core
                .send(SessionEvent::disconnected(
                    session,
                    Disconnect::lost(""),
                    None,
                ))
                .await;
            received
        })
    }

    /// Sends a line from the session that connected last.
    pub(super) async fn send_from_last(&self, line: &str) {
        let session = SessionId(self.next_session.get() - 1);
        let message = rookery_protocol::Message::parse(line).unwrap();
        self.core
            .send(SessionEvent::command(session, message))
            .await
            .unwrap();
    }

    /// Returns whether the core admits a user with a name.
    pub(super) async fn admission(&self, name: &str) -> Admission {
        self.admission_as(identity(name)).await
    }

    pub(super) async fn admission_as(&self, identity: Identity) -> Admission {
        let (_, _, admission) = self.admit(candidate(identity)).await;
        admission
    }
}

/// Returns the identity of an account that is not stored.
pub(super) fn identity(name: &str) -> Identity {
    Identity {
        id: AccountId(7),
        name: AccountName::parse(name).unwrap(),
        email: Email::parse(&format!("{name}@example.org")).ok(),
        new: false,
        authenticated_at: Timestamp::now(),
        signed_in_with: rookery_chat::event::SignedInWith::PASSWORD,
    }
}

/// Returns a candidate with an identity.
pub(super) fn candidate(identity: Identity) -> Candidate {
    Candidate {
        nick: identity.name.to_nick(),
        username: "user".to_owned(),
        realname: identity.name.to_string(),
        identity: Some(identity),
        capabilities: Capabilities::default(),
        away_state: rookery_chat::AwayState::Here,
        subscriptions: std::collections::BTreeSet::new(),
        address: "198.51.100.7:6000".parse().unwrap(),
        tls: "TLSv1.3 X25519MLKEM768".to_owned(),
    }
}
