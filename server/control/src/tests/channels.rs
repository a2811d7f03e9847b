//! Channels: listed, shown, closed.

use super::*;

#[tokio::test]
async fn channels_are_listed_and_shown_with_their_members() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    assert_eq!(
        house.get(&token, "/v1/channels").await.json()["channels"],
        json!([])
    );
    let _bob = house.come_online("bob").await;
    let _alice = house.come_online("alice").await;
    let list = house.get(&token, "/v1/channels").await.json();
    assert_eq!(
        (
            &list["channels"][0]["name"],
            &list["channels"][0]["members"]
        ),
        (&json!("#lobby"), &json!(2))
    );
    assert_eq!(house.last_entry().await, "channels  allowed: ");
    let lobby = house.get(&token, "/v1/channels/%23LOBBY").await.json();
    assert_eq!(
        lobby["members"][0],
        json!({ "nick": "alice", "operator": false, "voice": false })
    );
    assert_eq!(lobby["channel"]["topic"], Value::Null);
    assert_eq!(house.last_entry().await, "channel #LOBBY allowed: ");
}

#[tokio::test]
async fn a_closed_channel_is_gone_when_the_answer_says_so() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let alice = house.come_online("alice").await;
    let reply = house
        .post(
            &token,
            "/v1/channels/%23Lobby/close",
            &json!({ "reason": "off topic" }),
        )
        .await;
    assert_eq!(
        reply.json(),
        json!({ "channel": "#lobby", "members": ["alice"] }),
        "{reply:?}"
    );
    assert_eq!(
        house.last_entry().await,
        "close-channel #Lobby allowed: off topic"
    );
    assert_eq!(
        house.get(&token, "/v1/channels").await.json()["channels"],
        json!([])
    );
    assert_eq!(
        house.get(&token, "/v1/users").await.json()["users"][0]["channels"],
        json!([])
    );
    house.last_sends("JOIN #hers").await;
    house.last_sends("PART #hers").await;
    let channel = house.get(&token, "/v1/channels/%23hers").await.json()["channel"].clone();
    assert_eq!(
        (&channel["founder"], &channel["members"]),
        (&json!("alice"), &json!(0)),
        "it lasts"
    );
    let reply = house
        .post(&token, "/v1/channels/%23hers/close", &json!({}))
        .await;
    assert_eq!(reply.json()["members"], json!([]), "{reply:?}");
    assert_eq!(
        house.get(&token, "/v1/channels").await.json()["channels"],
        json!([]),
        "and is forgotten"
    );
    house.post(&token, "/v1/users/alice/kick", &json!({})).await;
    assert!(
        alice
            .await
            .unwrap()
            .contains("KICK #lobby alice :Closed: off topic\r\n")
    );
}

#[tokio::test]
async fn a_channel_that_is_not_there_is_refused_and_entered() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let _alice = house.come_online("alice").await;
    for name in ["%23none", "lobby", "%23a%2Cb"] {
        let reply = house.get(&token, &format!("/v1/channels/{name}")).await;
        assert_eq!(reply.problem(), "/problems/no-such-channel", "{name}");
        assert!(
            house.last_entry().await.starts_with("channel "),
            "{}",
            house.last_entry().await
        );
        let reply = house
            .post(&token, &format!("/v1/channels/{name}/close"), &json!({}))
            .await;
        assert_eq!(reply.problem(), "/problems/no-such-channel", "{name}");
        assert!(house.last_entry().await.starts_with("close-channel "));
        assert!(
            house
                .last_entry()
                .await
                .contains(" refused: There is no channel ")
        );
    }
    let bad = json!({ "reason": "a\r\nQUIT" });
    assert_eq!(
        house
            .post(&token, "/v1/channels/%23lobby/close", &bad)
            .await
            .problem(),
        "/problems/invalid"
    );
    house.break_trail();
    let reply = house
        .post(&token, "/v1/channels/%23lobby/close", &json!({}))
        .await;
    assert_eq!(reply.problem(), "/problems/audit-unavailable");
    assert_eq!(
        house
            .plane
            .act(Act::ListChannels)
            .await
            .map(|answer| match answer {
                CoreAnswer::Channels(channels) => channels.len(),
                _ => 0,
            })
            .unwrap(),
        1,
        "it is still there"
    );
}
