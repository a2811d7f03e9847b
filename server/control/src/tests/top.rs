//! How busy the server is, as operators are told.

use super::*;

impl House {
    /// A session that reads nothing, on which what it is sent waits.
    async fn come_and_sleep(&self, name: &str) -> Arc<Sendq> {
        let session = SessionId(self.next_session.get());
        self.next_session.set(session.0 + 1);
        let sendq = Arc::new(Sendq::new(0));
        let answer = self
            .core
            .admit(
                session,
                Arc::clone(&sendq),
                Box::new(candidate(identity(name))),
            )
            .await;
        assert!(matches!(answer, Ok(Admission::Admitted)), "{answer:?}");
        sendq
    }

    async fn top(&self, token: &str) -> Value {
        let reply = self.get(token, "/v1/top").await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()
    }
}

#[tokio::test]
async fn the_busiest_and_the_slowest_are_told_with_what_they_do() {
    let house = House::new().await;
    let token = house.session_of("root").await;
    let before = house.top(&token).await;
    assert_eq!(
        (&before["users"], &before["busiest_users"], &before["role"]),
        (&json!(0), &json!([]), &json!("owner"))
    );

    let asleep = house.come_and_sleep("dora").await;
    let _alice = house.come_online("alice").await;
    house.last_sends("PRIVMSG #lobby :one").await;
    house.last_sends("PRIVMSG #lobby :two").await;
    house.last_sends("PRIVMSG dora :three").await;
    let top = house.top(&token).await;
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
    assert_eq!(slowest["bytes"], json!(asleep.bytes()), "{top}");
    assert!(
        !top.to_string().contains("three"),
        "what people say is not told: {top}"
    );
    let gained = |name: &str| {
        top["counters"][name].as_u64().unwrap() - before["counters"][name].as_u64().unwrap()
    };
    assert!(
        gained("deliveries") >= 2
            && gained("delivered_bytes") > 50
            && gained("messages_stored") >= 3,
        "{top}"
    );
}

#[tokio::test]
async fn refused_sign_ins_of_both_ports_are_told_newest_first() {
    let house = House::new().await;
    let token = house.session_of("root").await;
    house
        .accounts
        .report_refusal("alice", "192.0.2.66:700".parse().unwrap(), "wrong password");
    house.pass(SignedDuration::from_secs(60));
    house.come_from("203.0.113.9");
    house.login("ro\u{7}ot", "not this").await;
    house.come_from("192.0.2.1");
    let refused = house.top(&token).await["refused_sign_ins"].clone();
    let told = |at: usize| {
        ["port", "name", "address", "why"].map(|key| refused[at][key].as_str().unwrap().to_owned())
    };
    assert_eq!(
        told(0),
        [
            "control",
            "ro\u{7}ot",
            "203.0.113.9:50000",
            "there is no such admin"
        ]
    );
    assert_eq!(
        told(1),
        ["chat", "alice", "192.0.2.66:700", "wrong password"]
    );
    assert_eq!(refused.as_array().unwrap().len(), 2);
    assert!(!refused.to_string().contains("not this"), "{refused}");

    for number in 0..50 {
        house.accounts.report_refusal(
            number.to_string(),
            "192.0.2.66:700".parse().unwrap(),
            "wrong password",
        );
    }
    let refused = house.top(&token).await["refused_sign_ins"].clone();
    assert_eq!(
        refused.as_array().unwrap().len(),
        20,
        "bounded, whoever floods"
    );
}

#[tokio::test]
async fn whoever_looks_every_second_is_entered_once_a_minute() {
    let house = House::new().await;
    house.add_admin_as("vera", Role::Auditor).await;
    let token = house.session_of("vera").await;
    for _ in 0..10 {
        assert_eq!(house.top(&token).await["role"], "auditor");
        house.pass(SignedDuration::from_secs(1));
    }
    let entries = house.trail().await;
    assert_eq!(entries.iter().filter(|entry| entry.act == "top").count(), 1);
    assert_eq!(
        house.send(Request::get("/v1/top"), "").await.problem(),
        "/problems/not-signed-in"
    );
    house.break_trail();
    house.pass(SignedDuration::from_secs(60));
    assert_eq!(
        house.get(&token, "/v1/top").await.problem(),
        "/problems/audit-unavailable"
    );
}

#[tokio::test]
async fn the_status_has_the_rates_of_the_last_minute() {
    let house = House::new().await;
    let token = house.session_of("root").await;
    let rates = &house.plane.control.probes.rates;
    let before = METRICS.counters();
    for _ in 0..12 {
        house.pass(SignedDuration::from_secs(5));
        rates.note(house.now.get(), before);
    }
    METRICS.connections_accepted.add(6_000);
    house.pass(SignedDuration::from_secs(5));
    let status = house.get(&token, "/v1/status").await.json();
    let rate = status["rates"]["connections_accepted"].as_f64().unwrap();
    assert!(
        (100.0..110.0).contains(&rate),
        "six thousand in a minute: {status}"
    );
}
