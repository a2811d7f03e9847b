//! Accounts: found page by page, disabled, enabled, deleted, and what opens them revoked.

use super::*;

#[tokio::test]
async fn accounts_are_found_page_by_page() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    for name in ["dora", "Anna", "carl", "bert", "anton"] {
        house.add_account(name).await;
    }
    let page = |path: String| {
        let (house, token) = (&house, &token);
        async move {
            let page = house.get(token, &path).await.json();
            let names = page["accounts"].as_array().unwrap().iter();
            let names: Vec<_> = names
                .map(|account| account["name"].as_str().unwrap().to_owned())
                .collect();
            (names, page["next"].as_str().map(str::to_owned))
        }
    };
    let (names, next) = page("/v1/accounts?limit=2".to_owned()).await;
    assert_eq!(
        (names, next.as_deref()),
        (vec!["Anna".to_owned(), "anton".to_owned()], Some("anton"))
    );
    let (names, next) = page("/v1/accounts?limit=3&after=anton".to_owned()).await;
    assert_eq!((names.join(" "), next), ("bert carl dora".to_owned(), None));
    assert_eq!(
        page("/v1/accounts?search=AN".to_owned()).await.0,
        ["Anna", "anton"]
    );
    assert_eq!(
        page("/v1/accounts?search=carl%40example".to_owned())
            .await
            .0,
        ["carl"]
    );
    assert_eq!(house.last_entry().await, "accounts carl@example allowed: ");
    let account = house.get(&token, "/v1/accounts?limit=1").await.json()["accounts"][0].clone();
    assert_eq!(
        (&account["email"], &account["disabled"]),
        (&json!("Anna@example.org"), &Value::Null)
    );
    for bad in ["limit=0", "limit=1001", "limit=x", "after=a%20b", "page=2"] {
        let reply = house.get(&token, &format!("/v1/accounts?{bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad}");
    }
}

#[tokio::test]
async fn a_disabled_account_is_gone_and_stays_away_until_it_is_enabled() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    house.add_account("alice").await;
    let alice = house.come_online_as(house.identity("alice").await).await;
    let reply = house
        .post(
            &token,
            "/v1/accounts/ALICE/disable",
            &json!({ "reason": "moved" }),
        )
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.json()["account"]["disabled"], "moved");
    assert_eq!(
        reply.json()["ended"],
        json!({ "users": ["alice"], "sessions": 1 })
    );
    assert!(
        alice
            .await
            .unwrap()
            .contains("ERROR :Your account is disabled: moved\r\n")
    );
    assert_eq!(house.last_entry().await, "disable alice allowed: moved");

    let reply = house
        .post(&token, "/v1/accounts/alice/enable", &json!({}))
        .await;
    assert_eq!(reply.json()["account"]["disabled"], Value::Null);
    assert_eq!(house.last_entry().await, "enable alice allowed: ");
    house.come_online_as(house.identity("alice").await).await;
}

#[tokio::test]
async fn a_deleted_account_leaves_its_name_and_nothing_else() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    house.add_account("alice").await;
    let alice = house.come_online_as(house.identity("alice").await).await;
    house.last_sends("JOIN #hers").await;
    let _bob = house.come_online("bob").await;
    house.last_sends("JOIN #hers").await;
    let founder = || async {
        house.get(&token, "/v1/channels/%23hers").await.json()["channel"]["founder"].clone()
    };
    assert_eq!(founder().await, "alice");
    let reply = house.delete(&token, "/v1/accounts/alice").await;
    assert_eq!(reply.json()["account"]["email"], "alice@example.org");
    assert!(
        alice
            .await
            .unwrap()
            .contains("ERROR :Your account was deleted\r\n")
    );
    assert_eq!(house.last_entry().await, "delete-account alice allowed: ");
    assert_eq!(founder().await, Value::Null, "her channel is nobody's");
    assert_eq!(
        house.get(&token, "/v1/accounts").await.json()["accounts"],
        json!([])
    );
    assert_eq!(
        house.delete(&token, "/v1/accounts/alice").await.problem(),
        "/problems/no-such-account"
    );
}

#[tokio::test]
async fn what_opens_an_account_is_revoked_with_or_without_its_password() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    house.add_account("alice").await;
    let id = house.identity("alice").await.id;
    let now = house.now.get();
    let add = move |store: &mut dyn crate::store::Store| {
        store.add_credential(id, crate::record::CredentialKind::Device, &[7; 32], now)
    };
    house.database.write(Durability::Record, add).await.unwrap();
    let path = "/v1/accounts/alice/credentials/revoke";
    let reply = house
        .post(&token, path, &json!({ "keep_password": true }))
        .await;
    assert_eq!(reply.json()["account"]["credentials"], 1);
    assert_eq!(
        house.last_entry().await,
        "revoke-credentials alice allowed: all but the password"
    );
    let account =
        || async { house.get(&token, "/v1/accounts").await.json()["accounts"][0].clone() };
    assert_eq!(
        (
            &account().await["credentials"],
            &account().await["has_password"]
        ),
        (&json!(0), &json!(true))
    );
    house.post(&token, path, &json!({})).await;
    assert_eq!(account().await["has_password"], false);
}

#[tokio::test]
async fn one_credential_is_revoked_and_the_others_stay() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    house.add_account("alice").await;
    house.add_account("bob").await;
    let (id, now) = (house.identity("alice").await.id, house.now.get());
    let add = move |store: &mut dyn crate::store::Store| {
        store.add_credential(id, crate::record::CredentialKind::Device, &[7; 32], now)?;
        store.add_credential(
            id,
            crate::record::CredentialKind::Certificate,
            &[8; 32],
            now,
        )
    };
    house.database.write(Durability::Record, add).await.unwrap();
    let alice = house.come_online_as(house.identity("alice").await).await;
    let list = async || {
        house
            .get(&token, "/v1/accounts/ALICE/credentials")
            .await
            .json()["credentials"]
            .clone()
    };
    let both = list().await;
    assert_eq!(
        (&both[0]["kind"], &both[1]["kind"]),
        (&json!("device"), &json!("certificate"))
    );
    assert_eq!(both[0]["last_used_at"], Value::Null);
    assert!(
        !both.to_string().contains("07070707"),
        "a hash is nobody's business"
    );

    let path = format!("/v1/accounts/alice/credentials/{}", both[0]["id"]);
    let of_bob = format!("/v1/accounts/bob/credentials/{}", both[0]["id"]);
    assert_eq!(
        house.delete(&token, &of_bob).await.problem(),
        "/problems/no-such-credential"
    );
    assert!(
        house
            .last_entry()
            .await
            .starts_with("revoke-credential bob refused: bob has no credential ")
    );
    let reply = house.delete(&token, &path).await;
    assert_eq!(
        (
            &reply.json()["account"]["credentials"],
            &reply.json()["ended"]["sessions"]
        ),
        (&json!(2), &json!(1))
    );
    let expected = format!(
        "revoke-credential alice allowed: credential {}",
        both[0]["id"]
    );
    assert_eq!(house.last_entry().await, expected);
    assert!(
        alice
            .await
            .unwrap()
            .contains("ERROR :A device or certificate of your account was revoked")
    );
    assert_eq!(list().await, json!([both[1]]));
    assert_eq!(
        house.delete(&token, &path).await.problem(),
        "/problems/no-such-credential"
    );
    for nobody in ["nobody", "a%20b"] {
        let path = format!("/v1/accounts/{nobody}/credentials");
        assert_eq!(
            house.get(&token, &path).await.problem(),
            "/problems/no-such-account"
        );
        assert_eq!(
            house.delete(&token, &format!("{path}/1")).await.problem(),
            "/problems/no-such-account"
        );
    }
}

#[tokio::test]
async fn whoever_was_signing_in_at_that_very_moment_is_kept_out() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    house.add_account("alice").await;
    let proved = house.identity("alice").await;
    house
        .post(&token, "/v1/accounts/alice/disable", &json!({}))
        .await;
    let answer = house.admission_as(proved).await;
    assert!(matches!(answer, Admission::Refused { .. }), "{answer:?}");
}

#[tokio::test]
async fn nothing_is_done_to_nobody_or_without_a_record() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    house.add_account("alice").await;
    for path in [
        "nobody/disable",
        "a%20b/enable",
        "nobody/credentials/revoke",
    ] {
        let reply = house
            .post(&token, &format!("/v1/accounts/{path}"), &json!({}))
            .await;
        assert_eq!(reply.problem(), "/problems/no-such-account", "{path}");
        assert!(
            house
                .last_entry()
                .await
                .contains(" refused: There is no account ")
        );
    }
    let reply = house
        .post(
            &token,
            "/v1/accounts/alice/disable",
            &json!({ "reason": "a\nb" }),
        )
        .await;
    assert_eq!(reply.problem(), "/problems/invalid");
    house.break_trail();
    for reply in [
        house
            .post(&token, "/v1/accounts/alice/disable", &json!({}))
            .await,
        house
            .post(&token, "/v1/accounts/alice/credentials/revoke", &json!({}))
            .await,
        house.delete(&token, "/v1/accounts/alice").await,
        house.get(&token, "/v1/accounts").await,
    ] {
        assert_eq!(reply.problem(), "/problems/audit-unavailable", "{reply:?}");
    }
    let name = AccountName::parse("alice").unwrap();
    let alice = house
        .database
        .read(move |store| store.account_by_name(&name))
        .await
        .unwrap()
        .unwrap();
    assert!(alice.disabled.is_none() && alice.password_hash.is_some());
}
