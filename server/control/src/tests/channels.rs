//! Listing, reading and closing channels.

use super::*;

#[tokio::test]
async fn channels_are_listed_and_one_is_returned_with_its_members() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    assert_eq!(
        plane.get(&token, "/v1/channels").await.json()["channels"],
        json!([])
    );
    let _bob = plane.connect("bob").await;
    let _alice = plane.connect("alice").await;
    let list = plane.get(&token, "/v1/channels").await.json();
    assert_eq!(
        (
            &list["channels"][0]["name"],
            &list["channels"][0]["members"]
        ),
        (&json!("#lobby"), &json!(2))
    );
    assert_eq!(plane.last_entry().await, "channels  allowed: ");
    let lobby = plane.get(&token, "/v1/channels/%23LOBBY").await.json();
    assert_eq!(
        lobby["members"][0],
        json!({ "nick": "alice", "operator": false, "voice": false })
    );
    assert_eq!(lobby["channel"]["topic"], Value::Null);
    assert_eq!(plane.last_entry().await, "channel #LOBBY allowed: ");
}

#[tokio::test]
async fn a_channel_is_closed_when_the_request_is_answered() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    let reply = plane
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
        plane.last_entry().await,
        "close-channel #Lobby allowed: off topic"
    );
    assert_eq!(
        plane.get(&token, "/v1/channels").await.json()["channels"],
        json!([])
    );
    assert_eq!(
        plane.get(&token, "/v1/users").await.json()["users"][0]["channels"],
        json!([])
    );
    plane.send_from_last("JOIN #hers").await;
    plane.send_from_last("PART #hers").await;
    let channel = plane.get(&token, "/v1/channels/%23hers").await.json()["channel"].clone();
    assert_eq!(
        (&channel["founder"], &channel["members"]),
        (&json!("alice"), &json!(0)),
        "it is persistent"
    );
    let reply = plane
        .post(&token, "/v1/channels/%23hers/close", &json!({}))
        .await;
    assert_eq!(reply.json()["members"], json!([]), "{reply:?}");
    assert_eq!(
        plane.get(&token, "/v1/channels").await.json()["channels"],
        json!([]),
        "its founder is removed"
    );
    plane.post(&token, "/v1/users/alice/kick", &json!({})).await;
    assert!(
        alice
            .await
            .unwrap()
            .contains("KICK #lobby alice :Closed: off topic\r\n")
    );
}

#[tokio::test]
async fn an_unknown_channel_is_refused_and_recorded() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let _alice = plane.connect("alice").await;
    for name in ["%23none", "lobby", "%23a%2Cb"] {
        let reply = plane.get(&token, &format!("/v1/channels/{name}")).await;
        assert_eq!(reply.problem(), "/problems/no-such-channel", "{name}");
        assert!(
            plane.last_entry().await.starts_with("channel "),
            "{}",
            plane.last_entry().await
        );
        let reply = plane
            .post(&token, &format!("/v1/channels/{name}/close"), &json!({}))
            .await;
        assert_eq!(reply.problem(), "/problems/no-such-channel", "{name}");
        assert!(plane.last_entry().await.starts_with("close-channel "));
        assert!(
            plane
                .last_entry()
                .await
                .contains(" refused: There is no channel ")
        );
    }
    let bad = json!({ "reason": "a\r\nQUIT" });
    assert_eq!(
        plane
            .post(&token, "/v1/channels/%23lobby/close", &bad)
            .await
            .problem(),
        "/problems/invalid"
    );
    plane.break_trail();
    let reply = plane
        .post(&token, "/v1/channels/%23lobby/close", &json!({}))
        .await;
    assert_eq!(reply.problem(), "/problems/audit-unavailable");
    assert_eq!(
        plane.state.request(ListChannels).await.unwrap().len(),
        1,
        "it still exists"
    );
}
