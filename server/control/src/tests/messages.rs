//! Searching and redacting messages, and purging the history of a channel.

use rookery_protocol::{ChannelName, Nick};

use super::*;
use rookery_record::{HistoryEntry, PageQuery, Participant, Place, Selection};
use rookery_store::Store;

/// Returns a message of an author, sent one minute after the one with the previous number.
fn message(number: i64, place: Place, by: &str, text: &str) -> HistoryEntry {
    HistoryEntry {
        msgid: format!("m{number}"),
        at: Timestamp::now() - SignedDuration::from_mins(100 - number),
        place,
        source: format!("{by}!~u@users"),
        account: Some(by.parse().unwrap()),
        command: "PRIVMSG".to_owned(),
        text: text.to_owned(),
        tags: String::new(),
    }
}

fn channel(name: &str) -> Place {
    Place::Channel(ChannelName::parse(name).unwrap())
}

fn direct(from: &str, to: &str) -> Place {
    let participant = |nick| Participant::Account(Nick::parse(nick).unwrap());
    Place::Direct {
        from: participant(from),
        to: participant(to),
    }
}

impl TestPlane {
    async fn store(&self, entries: Vec<HistoryEntry>) {
        let write = move |store: &mut Store| store.append_history(&entries);
        self.database
            .write(Durability::Message, write)
            .await
            .unwrap();
    }

    async fn stored(&self, msgid: &'static str) -> Option<HistoryEntry> {
        self.database
            .read(move |store| store.history_entry(msgid))
            .await
            .unwrap()
    }
}

impl TestPlane {
    /// Returns the times of the redactions in a channel.
    async fn redacted_at(&self, name: &str) -> Vec<Timestamp> {
        let query = PageQuery {
            places: vec![channel(name)],
            selection: Selection::Latest(None),
            events: true,
            redactions: true,
            since: Timestamp::MIN,
            limit: 1000,
            bytes: usize::MAX,
        };
        let page = self
            .database
            .read(move |store| store.history_page(&query))
            .await
            .unwrap();
        let redactions = page
            .unwrap()
            .into_iter()
            .filter(|entry| !entry.is_message());
        redactions.map(|entry| entry.at).collect()
    }
}

#[track_caller]
fn ids(reply: &Reply) -> Vec<String> {
    let json = reply.json();
    let messages = json["messages"]
        .as_array()
        .unwrap_or_else(|| panic!("{reply:?}"));
    messages
        .iter()
        .map(|message| message["msgid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn messages_in_channels_are_found_page_by_page_and_each_search_is_recorded() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane
        .store(vec![
            message(1, channel("#lobby"), "bob", "Buy pills"),
            message(2, direct("bob", "alice"), "bob", "pills, secretly"),
            message(3, channel("#dev"), "bob", "more PILLS"),
            message(4, channel("#dev"), "alice", "no pills"),
        ])
        .await;
    let reply = plane
        .get(&token, "/v1/messages?text=pills&author=BOB")
        .await;
    assert_eq!(ids(&reply), ["m3", "m1"]);
    let first = &reply.json()["messages"][0];
    assert_eq!(
        (&first["channel"], &first["nick"], &first["text"]),
        (&json!("#dev"), &json!("bob"), &json!("more PILLS"))
    );
    assert_eq!(
        plane.last_entry().await,
        "messages  allowed: text \"pills\", author BOB"
    );

    let page = plane.get(&token, "/v1/messages?limit=2").await;
    assert_eq!(ids(&page), ["m4", "m3"]);
    assert_eq!(page.json()["incomplete"], json!(false));
    let next = page.field("next");
    let page = plane
        .get(&token, &format!("/v1/messages?limit=2&before={next}"))
        .await;
    assert_eq!(
        (ids(&page), &page.json()["next"]),
        (vec!["m1".to_owned()], &Value::Null)
    );
    assert_eq!(
        ids(&plane.get(&token, "/v1/messages?channel=%23lobby").await),
        ["m1"]
    );
    assert_eq!(
        plane.last_entry().await,
        "messages #lobby allowed: channel #lobby"
    );

    for bad in [
        "limit=0",
        "limit=501",
        "author=a%20b",
        "channel=lobby",
        "before=x",
        "since=noon",
        "until=1",
    ] {
        let reply = plane.get(&token, &format!("/v1/messages?{bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad}");
    }
    let long = format!("/v1/messages?text={}", "x".repeat(201));
    assert_eq!(
        plane.get(&token, &long).await.problem(),
        "/problems/bad-request"
    );
}

#[tokio::test]
async fn a_redacted_message_is_removed_its_receivers_notified_and_its_text_not_recorded() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    plane
        .store(vec![message(1, channel("#lobby"), "bob", "unspeakable")])
        .await;
    let reply = plane
        .post(
            &token,
            "/v1/messages/m1/redact",
            &json!({ "reason": "house rules" }),
        )
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(
        (reply.field("channel"), reply.field("nick")),
        ("#lobby".to_owned(), "bob".to_owned())
    );
    assert_eq!(plane.stored("m1").await, None);
    assert_eq!(
        plane.last_entry().await,
        "redact m1 allowed: from bob in #lobby: house rules"
    );
    let trail = format!("{:?}", plane.trail().await);
    assert!(!trail.contains("unspeakable"), "{trail}");

    let again = plane
        .post(&token, "/v1/messages/m1/redact", &json!({}))
        .await;
    assert_eq!(again.problem(), "/problems/no-such-message");
    assert!(
        plane
            .last_entry()
            .await
            .starts_with("redact m1 refused: There is no message m1")
    );
    let bad = plane
        .post(
            &token,
            "/v1/messages/m1/redact",
            &json!({ "reason": "a\nb" }),
        )
        .await;
    assert_eq!(bad.problem(), "/problems/invalid");
    plane.post(&token, "/v1/users/alice/kick", &json!({})).await;
    let received = alice.await.unwrap();
    let notice = "NOTICE #lobby :An operator of the server redacted a message from bob from 1 hour ago: house rules\r\n";
    assert!(received.contains(notice), "{received}");
}

#[tokio::test]
async fn a_direct_message_is_redacted_by_its_id_and_never_listed() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane
        .store(vec![message(
            1,
            direct("bob", "alice"),
            "bob",
            "between us",
        )])
        .await;
    let reply = plane
        .post(&token, "/v1/messages/m1/redact", &json!({}))
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert!(!reply.text.contains("between us"), "{reply:?}");
    assert_eq!(
        plane.last_entry().await,
        "redact m1 allowed: from bob to alice: no reason given"
    );
    assert_eq!(plane.stored("m1").await, None);
}

#[tokio::test]
async fn all_messages_of_an_author_are_redacted_after_confirmation() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let mut entries: Vec<HistoryEntry> = (0..450)
        .map(|number| message(number, channel("#lobby"), "bob", "spam"))
        .collect();
    entries.push(message(1000, channel("#dev"), "bob", "spam"));
    entries.push(message(1001, channel("#dev"), "alice", "ham"));
    entries.push(message(1002, direct("bob", "alice"), "bob", "in private"));
    plane.store(entries).await;
    let mut request = json!({ "author": "Bob", "reason": "spam", "dry_run": true });
    let reply = plane
        .post(&token, "/v1/messages/redact", &request)
        .await
        .json();
    assert_eq!(
        (&reply["messages"], &reply["done"]),
        (&json!(451), &json!(false))
    );
    assert_eq!(reply["channels"], json!(["#dev", "#lobby"]));
    assert_eq!(
        plane.last_entry().await,
        "redact-author Bob allowed: dry run: 451 messages of Bob in 2 channels"
    );
    request["dry_run"] = json!(false);
    let reply = plane.post(&token, "/v1/messages/redact", &request).await;
    assert_eq!(reply.problem(), "/problems/confirmation-required");
    assert!(plane.stored("m5").await.is_some());

    request["confirm"] = json!(true);
    request["channel"] = json!("#lobby");
    request["since"] = json!(Timestamp::now() - SignedDuration::from_mins(95));
    let reply = plane.post(&token, "/v1/messages/redact", &request).await;
    assert_eq!(
        (&reply.json()["messages"], &reply.json()["more"]),
        (&json!(444), &json!(false)),
        "{reply:?}"
    );
    assert!(
        plane
            .last_entry()
            .await
            .starts_with("redact-author Bob allowed: 444 messages of Bob in #lobby since ")
    );
    assert!(plane.last_entry().await.ends_with(": spam"));
    assert!(plane.stored("m5").await.is_some() && plane.stored("m6").await.is_none());

    let mut times = plane.redacted_at("#lobby").await;
    assert_eq!(times.len(), 444);
    times.dedup();
    assert_eq!(times.len(), 444, "each has a time of its own");

    let rest = json!({ "author": "bob", "confirm": true });
    assert_eq!(
        plane
            .post(&token, "/v1/messages/redact", &rest)
            .await
            .json()["messages"],
        json!(7)
    );
    assert_eq!(ids(&plane.get(&token, "/v1/messages").await), ["m1001"]);
    assert!(
        plane.stored("m1002").await.is_some(),
        "direct messages are not searched"
    );
    let none = json!({ "author": "bob" });
    assert_eq!(
        plane
            .post(&token, "/v1/messages/redact", &none)
            .await
            .json()["messages"],
        json!(0)
    );
    for bad in [
        json!({ "author": "a b" }),
        json!({ "author": "bob", "channel": "x" }),
        json!({}),
    ] {
        assert_eq!(
            plane
                .post(&token, "/v1/messages/redact", &bad)
                .await
                .problem(),
            "/problems/invalid",
            "{bad}"
        );
    }
}

#[tokio::test]
async fn no_message_is_redacted_without_a_record() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane
        .store(vec![message(1, channel("#lobby"), "bob", "still here")])
        .await;
    plane.break_trail();
    for (path, body) in [
        ("/v1/messages/m1/redact", json!({})),
        (
            "/v1/messages/redact",
            json!({ "author": "bob", "confirm": true }),
        ),
        ("/v1/channels/%23lobby/purge", json!({})),
    ] {
        assert_eq!(
            plane.post(&token, path, &body).await.problem(),
            "/problems/audit-unavailable"
        );
    }
    assert_eq!(
        plane.get(&token, "/v1/messages").await.problem(),
        "/problems/audit-unavailable"
    );
    assert!(plane.stored("m1").await.is_some());
}

#[tokio::test]
async fn the_rest_of_a_purge_is_refused_once_its_session_is_ended() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let entries = (0..1200).map(|number| HistoryEntry {
        msgid: format!("old{number}"),
        ..message(1, channel("#lobby"), "bob", "old")
    });
    plane.store(entries.collect()).await;
    let before = plane.database.read(Store::newest_audit).await.unwrap();
    // It ends once the act is recorded, beside its first steps.
    let ends = async {
        loop {
            let state = Arc::clone(&plane.state);
            let end = move |store: &mut Store| {
                let begun = store.newest_audit()? != before;
                if begun {
                    state.sessions.lock().end_all_of("root");
                }
                Ok(begun)
            };
            if plane.database.write(Durability::Record, end).await.unwrap() {
                return;
            }
        }
    };
    let none = json!({});
    let purge = plane.post(&token, "/v1/channels/%23lobby/purge", &none);
    let (reply, ()) = tokio::join!(purge, ends);
    assert_eq!(reply.problem(), "/problems/not-signed-in");
    let last = plane.last_entry().await;
    let refused = "purge-channel #lobby refused: Removed ";
    assert!(last.starts_with(refused), "{last}");
}

#[tokio::test]
async fn a_channels_history_is_purged_completely_or_before_a_time() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    let mut entries: Vec<HistoryEntry> = (0..1200)
        .map(|number| message(number % 90, channel("#Lobby"), "bob", "old"))
        .collect();
    for (number, entry) in entries.iter_mut().enumerate() {
        entry.msgid = format!("old{number}");
    }
    let topic = HistoryEntry {
        command: "TOPIC".to_owned(),
        ..message(1, channel("#lobby"), "bob", " :news")
    };
    entries.extend([
        topic,
        message(99, channel("#lobby"), "bob", "new"),
        message(2, channel("#dev"), "bob", "dev"),
    ]);
    plane.store(entries).await;
    let by = rookery_record::Redactor {
        source: "x".to_owned(),
        account: None,
    };
    let redaction =
        plane
            .stored("old7")
            .await
            .unwrap()
            .redaction(by, "r".to_owned(), Timestamp::now(), None);
    plane.store(vec![redaction]).await;

    let before = Timestamp::now() - SignedDuration::from_mins(5);
    let request = json!({ "before": before, "reason": "tidying" });
    let reply = plane
        .post(&token, "/v1/channels/%23LOBBY/purge", &request)
        .await;
    assert_eq!(reply.json()["entries"], json!(1201), "{reply:?}");
    let entry = plane.last_entry().await;
    assert!(
        entry.starts_with("purge-channel #LOBBY allowed: before ") && entry.ends_with(": tidying"),
        "{entry}"
    );
    assert_eq!(
        ids(&plane.get(&token, "/v1/messages").await),
        ["m2", "m99"],
        "in the order they were stored"
    );
    let reply = plane
        .post(&token, "/v1/channels/%23lobby/purge", &json!({}))
        .await;
    assert_eq!(
        reply.json()["entries"],
        json!(2),
        "{reply:?}: also the redaction, whose time is later than the request's"
    );
    assert_eq!(
        plane.last_entry().await,
        "purge-channel #lobby allowed: all: no reason given"
    );
    assert_eq!(ids(&plane.get(&token, "/v1/messages").await), ["m2"]);
    for name in ["%23none", "lobby"] {
        let reply = plane
            .post(&token, &format!("/v1/channels/{name}/purge"), &json!({}))
            .await;
        assert_eq!(reply.problem(), "/problems/no-such-channel");
    }
    plane.post(&token, "/v1/users/alice/kick", &json!({})).await;
    let received = alice.await.unwrap();
    assert!(received.contains(
        "NOTICE #lobby :An operator of the server has removed this channel's history: tidying\r\n"
    ));
}
