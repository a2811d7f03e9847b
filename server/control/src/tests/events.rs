//! The stream of events: its events, its filters and its end.

use hyper::body::Body as _;
use rookery_control_api::{Component, DisconnectReason, EventKind, ServerEvent, TimedEvent};

use super::*;
use crate::http::stream_places::STREAMS_PER_ADMIN;

/// A client of the event stream.
struct EventClient {
    body: Body,
    unread: String,
}

impl EventClient {
    /// Returns the next event, or none at the end of the stream.
    async fn next(&mut self) -> Option<TimedEvent> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.read());
        next.await.expect("an event in time")
    }

    async fn read(&mut self) -> Option<TimedEvent> {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let data = event
                    .lines()
                    .find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
                self.unread = rest.to_owned();
                match data {
                    Some(data) => return Some(serde_json::from_str(&data).unwrap()),
                    None => continue,
                }
            }
            let frame = std::future::poll_fn(|context| {
                std::pin::Pin::new(&mut self.body).poll_frame(context)
            });
            let data = frame.await?.unwrap().into_data().unwrap();
            self.unread.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// Returns the next event of a kind.
    async fn next_of(&mut self, kind: EventKind) -> ServerEvent {
        loop {
            let timed = self
                .next()
                .await
                .unwrap_or_else(|| panic!("the stream ended before {kind}"));
            if timed.event.kind() == kind {
                return timed.event;
            }
        }
    }
}

impl TestPlane {
    async fn watch(&self, token: &str, options: &str) -> EventClient {
        let origin = self.origin();
        let request = Request::get(format!("/v1/events{options}"))
            .header("Authorization", format!("Bearer {token}"))
            .extension(origin)
            .body(Body::empty())
            .unwrap();
        let answer = TowerToHyperService::new(self.router.clone())
            .call(request)
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        EventClient {
            body: answer.into_body(),
            unread: String::new(),
        }
    }

    fn publish(&self, event: ServerEvent) {
        self.state.control.events.publish_now(event);
    }
}

#[tokio::test]
async fn events_are_sent_in_order() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let mut client = plane.watch(&token, "").await;
    let ServerEvent::Audit { entry } = client.next_of(EventKind::Audit).await else {
        unreachable!()
    };
    assert_eq!(
        (entry.act.as_str(), entry.detail.as_str()),
        ("watch", "everything")
    );
    assert_eq!(
        entry.id,
        i64::try_from(plane.trail().await.len()).unwrap(),
        "the number in the trail"
    );

    let alice = plane.connect("alice").await;
    let connected = client.next_of(EventKind::UserConnected).await;
    assert!(connected.is_about("alice"), "{connected:?}");
    let ServerEvent::ChannelCreated { channel, by } =
        client.next_of(EventKind::ChannelCreated).await
    else {
        unreachable!()
    };
    assert_eq!((channel.as_str(), by.as_str()), ("#lobby", "alice"));
    plane
        .post(&token, "/v1/announcements", &json!({ "text": "Hear me" }))
        .await;
    let announced = ServerEvent::Announced {
        by: "root".to_owned(),
        to: None,
        sessions: 1,
    };
    assert_eq!(client.next_of(EventKind::Announced).await, announced);
    for message in [Some("moving house"), None] {
        plane
            .put(
                &token,
                "/v1/maintenance",
                &json!({ "on": message.is_some(), "message": message }),
            )
            .await;
        let expected = ServerEvent::Maintenance {
            by: "root".to_owned(),
            message: message.map(str::to_owned),
        };
        assert_eq!(client.next_of(EventKind::Maintenance).await, expected);
    }
    plane
        .post(&token, "/v1/users/alice/kick", &json!({ "reason": "loud" }))
        .await;
    let disconnected = client.next_of(EventKind::UserDisconnected).await;
    assert!(
        matches!(
            disconnected,
            ServerEvent::UserDisconnected {
                reason: DisconnectReason::Kicked,
                ..
            }
        ),
        "{disconnected:?}"
    );
    alice.await.unwrap();
    let entry = loop {
        let ServerEvent::Audit { entry } = client.next_of(EventKind::Audit).await else {
            unreachable!()
        };
        if entry.act == "kick" {
            break entry;
        }
    };
    assert_eq!(
        (entry.actor.as_str(), entry.detail.as_str()),
        ("root", "loud")
    );
}

#[tokio::test]
async fn added_removed_and_expired_bans_are_sent_as_events() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let ban = |target: &str, duration: &str| json!({ "target": target, "duration": duration, "reason": "spam" });
    plane.post(&token, "/v1/bans", &ban("before", "1h")).await;
    let mut client = plane
        .watch(&token, "?kinds=ban-added,ban-removed,ban-expired")
        .await;
    let id = plane
        .post(&token, "/v1/bans", &ban("mallory", "1h"))
        .await
        .json()["ban"]["id"]
        .clone();
    let added = client.next().await.unwrap().event;
    assert!(
        matches!(&added, ServerEvent::BanAdded { ban } if ban.target == "mallory"),
        "{added:?}"
    );
    plane.delete(&token, &format!("/v1/bans/{id}")).await;
    let removed = client.next().await.unwrap().event;
    assert!(
        matches!(&removed, ServerEvent::BanRemoved { ban } if ban.target == "mallory"),
        "{removed:?}"
    );
    plane.post(&token, "/v1/bans", &ban("brief", "1s")).await;
    assert_eq!(
        client.next().await.unwrap().event.kind(),
        EventKind::BanAdded
    );
    let expired = client.next().await.unwrap().event;
    assert!(
        matches!(&expired, ServerEvent::BanExpired { ban } if ban.target == "brief"),
        "{expired:?}"
    );
}

#[tokio::test]
async fn only_the_requested_events_are_sent() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let mut client = plane
        .watch(&token, "?kinds=user-connected,component-failed&user=Alice")
        .await;
    assert_eq!(
        plane.last_entry().await,
        "watch  allowed: user-connected,component-failed about Alice"
    );
    plane.publish(ServerEvent::ComponentFailed {
        component: Component::Mail,
        detail: "of nobody".to_owned(),
    });
    plane.connect("bob").await;
    plane.connect("alice").await;
    let first = client.next().await.unwrap().event;
    assert!(
        first.kind() == EventKind::UserConnected && first.is_about("alice"),
        "{first:?}"
    );

    for (options, part) in [
        ("?kinds=kick", "kind of event"),
        ("?kind=audit", "unknown field"),
    ] {
        let reply = plane.get(&token, &format!("/v1/events{options}")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.problem().as_str()),
            (400, "/problems/bad-request")
        );
        assert!(reply.field("detail").contains(part), "{reply:?}");
    }
    let long = plane
        .get(&token, &format!("/v1/events?user={}", "x".repeat(255)))
        .await;
    assert_eq!(long.problem(), "/problems/bad-request");
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let plane = TestPlane::new().await;
    plane.add_admin("other").await;
    let other = plane.sign_in("other").await;
    let options = "?kinds=component-failed";
    for ending in ["ended", "password", "removed", "expired"] {
        let token = plane.open_session("root").await;
        let token = if ending == "expired" {
            let minute = plane.open_session_for("root", 1).await;
            plane.advance(SignedDuration::from_secs(59));
            minute
        } else {
            token
        };
        let mut client = plane.watch(&token, options).await;
        let reason = match ending {
            "ended" => {
                plane.delete(&token, "/v1/sessions").await;
                "the session was ended"
            }
            "password" => {
                let new = json!({ "old": PASSWORD, "new": "lantern kettle marble ox" });
                let reply = plane.put(&token, "/v1/password", &new).await;
                assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
                "the session was ended"
            }
            "removed" => {
                plane
                    .database
                    .write(Durability::Record, |store| store.remove_admin("root"))
                    .await
                    .unwrap();
                plane.add_admin("root").await;
                "the admin was removed, or has another password, role or factor"
            }
            _ => "the session has expired",
        };
        let last = client.next().await.unwrap().event;
        assert_eq!(
            last,
            ServerEvent::Ended {
                reason: reason.to_owned()
            },
            "{ending}"
        );
        assert!(client.next().await.is_none(), "nothing follows");
    }
    assert_eq!(
        plane.get(&other, "/v1/bans").await.status,
        StatusCode::OK,
        "other sessions are not affected"
    );
}

#[tokio::test]
async fn a_stream_counts_as_a_use_of_the_session() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let _watching = plane.watch(&token, "").await;
    let opened_at = plane.now.get();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let sessions = plane.get(&token, "/v1/sessions").await.json();
        let used_at: Timestamp = sessions["sessions"][0]["last_used_at"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        if used_at > opened_at {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{sessions}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_slow_client_is_sent_the_number_of_dropped_events_and_delays_no_other() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let mut slow = plane.watch(&token, "?kinds=reloaded").await;
    let mut quick = plane.watch(&token, "?kinds=component-failed").await;
    // More events than the bus buffers, before either client can read.
    for _ in 0..5000 {
        plane.publish(ServerEvent::Reloaded { problem: None });
    }
    plane.publish(ServerEvent::ComponentFailed {
        component: Component::Mail,
        detail: "now".to_owned(),
    });
    let mut received = 0;
    let mut dropped = 0;
    while received + dropped < 5000 {
        match slow.next().await.unwrap().event {
            ServerEvent::Reloaded { .. } => received += 1,
            ServerEvent::EventsDropped { events } => dropped += events,
            other => panic!("{other:?}"),
        }
    }
    assert!(
        received > 0 && dropped > 0,
        "{received} received, {dropped} dropped"
    );
    assert_eq!(
        quick.next_of(EventKind::ComponentFailed).await.kind(),
        EventKind::ComponentFailed
    );
}

#[tokio::test]
async fn each_admin_has_streams_of_its_own_and_the_newest_ends_the_oldest() {
    let plane = TestPlane::new().await;
    plane.add_admin_as("audi", Role::Auditor).await;
    let (token, owner) = (plane.sign_in("audi").await, plane.sign_in("root").await);
    let mut streams = Vec::new();
    for _ in 0..STREAMS_PER_ADMIN {
        streams.push(plane.watch(&token, "?kinds=reloaded").await);
    }
    let mut of_owner = plane.watch(&owner, "?kinds=reloaded").await;
    let mut newest = plane.watch(&token, "?kinds=reloaded").await;
    let ServerEvent::Ended { reason } = streams[0].next_of(EventKind::Ended).await else {
        panic!("the oldest stream has ended");
    };
    assert!(reason.contains("a newer stream"), "{reason}");
    plane.publish(ServerEvent::Reloaded { problem: None });
    for stream in streams[1..].iter_mut().chain([&mut of_owner, &mut newest]) {
        let event = stream.next().await.unwrap().event;
        assert_eq!(event.kind(), EventKind::Reloaded);
    }
    assert_eq!(
        plane.get(&token, "/v1/bans").await.status,
        StatusCode::OK,
        "other requests are served"
    );
    drop((streams, of_owner, newest));
    let places = &plane.state.streams;
    eventually("the places of closed streams", || {
        (places.open() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_user_is_watched_however_the_name_is_typed() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let options = "?kinds=user-connected,sign-in-refused&user=Zoe%CC%81";
    let mut client = plane.watch(&token, options).await;
    let _zoe = plane.connect("Zoé").await;
    client.next_of(EventKind::UserConnected).await;
    let address = "192.0.2.9:6000".parse().unwrap();
    let accounts = &plane.accounts;
    accounts.report_refusal("Zoe\u{301}", address, "wrong password");
    client.next_of(EventKind::SignInRefused).await;
}
