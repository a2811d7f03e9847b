//! What whoever watches is told, and who may.

use hyper::body::Body as _;
use rookery_control_api::{Component, DisconnectReason, EventKind, ServerEvent, TimedEvent};

use super::*;
use crate::stream::STREAMS;

/// A client that watches.
struct Watching {
    body: Body,
    unread: String,
}

impl Watching {
    /// The next event; none at the end.
    async fn next(&mut self) -> Option<TimedEvent> {
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
            let frame = tokio::time::timeout(Duration::from_secs(20), frame)
                .await
                .expect("something comes");
            let data = frame?.unwrap().into_data().unwrap();
            self.unread.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The next event of that kind.
    async fn next_of(&mut self, kind: EventKind) -> ServerEvent {
        loop {
            let event = self
                .next()
                .await
                .unwrap_or_else(|| panic!("the stream ended before {kind}"));
            if event.what.kind() == kind {
                return event.what;
            }
        }
    }
}

impl House {
    async fn watch(&self, token: &str, options: &str) -> Watching {
        let arrival = Arrival {
            from: self.from.get(),
            at: self.now.get(),
        };
        let request = Request::get(format!("/v1/events{options}"))
            .header("Authorization", format!("Bearer {token}"))
            .extension(arrival)
            .body(Body::empty())
            .unwrap();
        let answer = TowerToHyperService::new(self.router.clone())
            .call(request)
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        Watching {
            body: answer.into_body(),
            unread: String::new(),
        }
    }

    fn tell(&self, what: ServerEvent) {
        self.plane.control.events.publish_now(what);
    }
}

#[tokio::test]
async fn what_happens_is_told_in_order() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    let mut watching = house.watch(&token, "").await;
    let ServerEvent::Audit { entry } = watching.next_of(EventKind::Audit).await else {
        unreachable!()
    };
    assert_eq!(
        (entry.act.as_str(), entry.detail.as_str()),
        ("watch", "everything")
    );
    assert_eq!(
        entry.id,
        i64::try_from(house.trail().await.len()).unwrap(),
        "as it is in the trail"
    );

    let alice = house.come_online("alice").await;
    let came = watching.next_of(EventKind::UserConnected).await;
    assert!(came.is_about("alice"), "{came:?}");
    let ServerEvent::ChannelCreated { channel, by } =
        watching.next_of(EventKind::ChannelCreated).await
    else {
        unreachable!()
    };
    assert_eq!((channel.as_str(), by.as_str()), ("#lobby", "alice"));
    house
        .post(&token, "/v1/announcements", &json!({ "text": "Hear me" }))
        .await;
    let announced = ServerEvent::Announced {
        by: "root".to_owned(),
        to: None,
        sessions: 1,
    };
    assert_eq!(watching.next_of(EventKind::Announced).await, announced);
    for message in [Some("moving house"), None] {
        house
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
        assert_eq!(watching.next_of(EventKind::Maintenance).await, expected);
    }
    house
        .post(&token, "/v1/users/alice/kick", &json!({ "reason": "loud" }))
        .await;
    let went = watching.next_of(EventKind::UserDisconnected).await;
    assert!(
        matches!(
            went,
            ServerEvent::UserDisconnected {
                reason: DisconnectReason::Kicked,
                ..
            }
        ),
        "{went:?}"
    );
    alice.await.unwrap();
    let entry = loop {
        let ServerEvent::Audit { entry } = watching.next_of(EventKind::Audit).await else {
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
async fn bans_are_told_as_they_come_and_go() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    let ban = |target: &str, duration: &str| json!({ "target": target, "duration": duration, "reason": "spam" });
    house.post(&token, "/v1/bans", &ban("before", "1h")).await;
    let mut watching = house
        .watch(&token, "?kinds=ban-added,ban-removed,ban-expired")
        .await;
    let id = house
        .post(&token, "/v1/bans", &ban("mallory", "1h"))
        .await
        .json()["ban"]["id"]
        .clone();
    let made = watching.next().await.unwrap().what;
    assert!(
        matches!(&made, ServerEvent::BanAdded { ban } if ban.target == "mallory"),
        "{made:?}"
    );
    house.delete(&token, &format!("/v1/bans/{id}")).await;
    let lifted = watching.next().await.unwrap().what;
    assert!(
        matches!(&lifted, ServerEvent::BanRemoved { ban } if ban.target == "mallory"),
        "{lifted:?}"
    );
    house.post(&token, "/v1/bans", &ban("brief", "1s")).await;
    assert_eq!(
        watching.next().await.unwrap().what.kind(),
        EventKind::BanAdded
    );
    let expired = watching.next().await.unwrap().what;
    assert!(
        matches!(&expired, ServerEvent::BanExpired { ban } if ban.target == "brief"),
        "{expired:?}"
    );
}

#[tokio::test]
async fn only_what_was_asked_for_is_told() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    let mut watching = house
        .watch(&token, "?kinds=user-connected,trouble&user=Alice")
        .await;
    assert_eq!(
        house.last_entry().await,
        "watch  allowed: user-connected,trouble about Alice"
    );
    house.tell(ServerEvent::ComponentFailed {
        component: Component::Mail,
        detail: "of nobody".to_owned(),
    });
    house.come_online("bob").await;
    house.come_online("alice").await;
    let first = watching.next().await.unwrap().what;
    assert!(
        first.kind() == EventKind::UserConnected && first.is_about("alice"),
        "{first:?}"
    );

    for (options, part) in [
        ("?kinds=kick", "no events of the kind"),
        ("?kind=audit", "unknown field"),
    ] {
        let reply = house.get(&token, &format!("/v1/events{options}")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.problem().as_str()),
            (400, "/problems/bad-request")
        );
        assert!(reply.field("detail").contains(part), "{reply:?}");
    }
    let long = house
        .get(&token, &format!("/v1/events?user={}", "x".repeat(255)))
        .await;
    assert_eq!(long.problem(), "/problems/bad-request");
}

#[tokio::test]
async fn a_stream_ends_with_its_sign_in() {
    let house = House::new().await;
    house.add_admin("other").await;
    let other = house.sign_in("other").await;
    let options = "?kinds=trouble";
    for ending in ["ended", "password", "removed", "expired"] {
        let token = house.session_of("root").await;
        let token = if ending == "expired" {
            let minute = house.session_for("root", 1).await;
            house.pass(SignedDuration::from_secs(59));
            minute
        } else {
            token
        };
        let mut watching = house.watch(&token, options).await;
        let reason = match ending {
            "ended" => {
                house.delete(&token, "/v1/sessions").await;
                "the session was ended"
            }
            "password" => {
                let new = json!({ "old": PASSWORD, "new": "lantern kettle marble ox" });
                let reply = house.put(&token, "/v1/password", &new).await;
                assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
                "the session was ended"
            }
            "removed" => {
                house
                    .database
                    .write(Durability::Record, |store| store.remove_admin("root"))
                    .await
                    .unwrap();
                house.add_admin("root").await;
                "the admin was removed, or has another password, role or factor"
            }
            _ => "the session has expired",
        };
        let last = watching.next().await.unwrap().what;
        assert_eq!(
            last,
            ServerEvent::Ended {
                reason: reason.to_owned()
            },
            "{ending}"
        );
        assert!(watching.next().await.is_none(), "nothing follows");
    }
    assert_eq!(
        house.get(&other, "/v1/bans").await.status,
        StatusCode::OK,
        "others are not touched"
    );
}

#[tokio::test]
async fn watching_is_a_use_of_the_sign_in() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    let _watching = house.watch(&token, "").await;
    let begun = house.now.get();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let sessions = house.get(&token, "/v1/sessions").await.json();
        let used_at: Timestamp = sessions["sessions"][0]["used_at"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        if used_at > begun {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{sessions}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_slow_watcher_is_told_what_it_missed_and_holds_up_nobody() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    let mut slow = house.watch(&token, "?kinds=reloaded").await;
    let mut quick = house.watch(&token, "?kinds=trouble").await;
    // More than is kept, before either can read.
    for _ in 0..5000 {
        house.tell(ServerEvent::Reloaded { problem: None });
    }
    house.tell(ServerEvent::ComponentFailed {
        component: Component::Mail,
        detail: "now".to_owned(),
    });
    let mut told = 0;
    let mut left_out = 0;
    while told + left_out < 5000 {
        match slow.next().await.unwrap().what {
            ServerEvent::Reloaded { .. } => told += 1,
            ServerEvent::EventsDropped { events } => left_out += events,
            other => panic!("{other:?}"),
        }
    }
    assert!(
        told > 0 && left_out > 0,
        "{told} were told, {left_out} were left out"
    );
    assert_eq!(
        quick.next_of(EventKind::ComponentFailed).await.kind(),
        EventKind::ComponentFailed
    );
}

#[tokio::test]
async fn there_is_a_limit_on_streams_and_a_place_comes_back() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(house.watch(&token, "").await);
    }
    let reply = house.get(&token, "/v1/events").await;
    assert_eq!(
        (reply.status.as_u16(), reply.problem().as_str()),
        (429, "/problems/too-many-streams")
    );
    assert_eq!(reply.headers[header::RETRY_AFTER], "60");
    assert!(
        house
            .last_entry()
            .await
            .starts_with("watch  refused: 8 streams")
    );
    assert_eq!(
        house.get(&token, "/v1/bans").await.status,
        StatusCode::OK,
        "all else goes on"
    );
    streams.pop();
    let places = &house.plane.streams;
    eventually("the place of whoever hung up", || {
        (places.available_permits() > 0).then_some(())
    })
    .await;
    house.watch(&token, "").await;
}
