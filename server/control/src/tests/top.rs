//! The activity of the server, and the rates in its status.

use super::*;

impl TestPlane {
    /// Connects a session that never reads its send queue.
    async fn connect_without_reading(&self, name: &str) -> Arc<Sendq> {
        let (_, sendq, admission) = self.admit(candidate(identity(name))).await;
        assert!(matches!(admission, Admission::Admitted), "{admission:?}");
        sendq
    }

    async fn top(&self, token: &str) -> Value {
        let reply = self.get(token, "/v1/top").await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()
    }
}

#[tokio::test]
async fn the_busiest_users_and_channels_and_the_largest_send_queues_are_listed() {
    let plane = TestPlane::new().await;
    let token = plane.open_session("root").await;
    let before = plane.top(&token).await;
    assert_eq!(
        (&before["users"], &before["busiest_users"], &before["role"]),
        (&json!(0), &json!([]), &json!("owner"))
    );

    let unread = plane.connect_without_reading("dora").await;
    let _alice = plane.connect("alice").await;
    plane.send_from_last("PRIVMSG #lobby :one").await;
    plane.send_from_last("PRIVMSG #lobby :two").await;
    plane.send_from_last("PRIVMSG dora :three").await;
    let top = plane.top(&token).await;
    assert_eq!(
        (
            &top["users"],
            &top["guests"],
            &top["sessions"],
            &top["channels"]
        ),
        (&json!(2), &json!(0), &json!(2), &json!(1))
    );
    assert_eq!(
        top["busiest_channels"],
        json!([{"name": "#lobby", "members": 2, "messages": 2}])
    );
    let alice = json!({"nick": "alice", "account": "alice", "address": "198.51.100.7:6000", "sessions": 1, "messages": 3});
    assert_eq!(top["busiest_users"], json!([alice]));
    let slowest = &top["largest_sendqs"][0];
    assert_eq!(
        (&slowest["nick"], &slowest["account"], &slowest["session"]),
        (&json!("dora"), &json!("dora"), &json!(1))
    );
    assert_eq!(slowest["bytes"], json!(unread.bytes()), "{top}");
    assert!(
        !top.to_string().contains("three"),
        "the texts of messages are not listed: {top}"
    );
    let increase = |name: &str| {
        top["counters"][name].as_u64().unwrap() - before["counters"][name].as_u64().unwrap()
    };
    assert!(
        increase("deliveries") >= 2
            && increase("delivered_bytes") > 50
            && increase("messages_stored") >= 3,
        "{top}"
    );
}

#[tokio::test]
async fn refused_sign_ins_of_both_ports_are_listed_newest_first() {
    let plane = TestPlane::new().await;
    let token = plane.open_session("root").await;
    plane
        .accounts
        .report_refusal("alice", "192.0.2.66:700".parse().unwrap(), "wrong password");
    plane.advance(SignedDuration::from_secs(60));
    plane.set_address("203.0.113.9");
    plane.login("ro\u{7}ot", "not this").await;
    plane.set_address("192.0.2.1");
    let refused = plane.top(&token).await["refused_sign_ins"].clone();
    let entry = |at: usize| {
        ["port", "name", "address", "reason"]
            .map(|key| refused[at][key].as_str().unwrap().to_owned())
    };
    assert_eq!(
        entry(0),
        ["control", "ro\u{7}ot", "203.0.113.9:50000", "no such admin"]
    );
    assert_eq!(
        entry(1),
        ["chat", "alice", "192.0.2.66:700", "wrong password"]
    );
    assert_eq!(refused.as_array().unwrap().len(), 2);
    assert!(!refused.to_string().contains("not this"), "{refused}");

    for number in 0..50 {
        plane.accounts.report_refusal(
            number.to_string(),
            "192.0.2.66:700".parse().unwrap(),
            "wrong password",
        );
    }
    let refused = plane.top(&token).await["refused_sign_ins"].clone();
    assert_eq!(refused.as_array().unwrap().len(), 20, "the list is bounded");
}

#[tokio::test]
async fn a_view_repeated_every_second_is_recorded_once_a_minute() {
    let plane = TestPlane::new().await;
    plane.add_admin_as("vera", Role::Auditor).await;
    let token = plane.open_session("vera").await;
    for _ in 0..10 {
        assert_eq!(plane.top(&token).await["role"], "auditor");
        plane.advance(SignedDuration::from_secs(1));
    }
    let entries = plane.trail().await;
    assert_eq!(entries.iter().filter(|entry| entry.act == "top").count(), 1);
    assert_eq!(
        plane.send(Request::get("/v1/top"), "").await.problem(),
        "/problems/not-signed-in"
    );
    plane.break_trail();
    plane.advance(SignedDuration::from_secs(60));
    assert_eq!(
        plane.get(&token, "/v1/top").await.problem(),
        "/problems/audit-unavailable"
    );
}

#[tokio::test]
async fn the_status_has_the_rates_of_the_last_minute() {
    let plane = TestPlane::new().await;
    let token = plane.open_session("root").await;
    let rates = &plane.state.control.probes.rates;
    let before = METRICS.counters();
    for _ in 0..12 {
        plane.advance(SignedDuration::from_secs(5));
        rates.sample(plane.now.get(), before);
    }
    METRICS.connections_accepted.add(6_000);
    plane.advance(SignedDuration::from_secs(5));
    let status = plane.get(&token, "/v1/status").await.json();
    let rate = status["rates"]["connections_accepted"].as_f64().unwrap();
    assert!(
        (100.0..110.0).contains(&rate),
        "six thousand in a minute: {status}"
    );
}
