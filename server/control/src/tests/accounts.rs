//! Accounts: listed, disabled, enabled, deleted, and their credentials revoked.

use super::*;

#[tokio::test]
async fn accounts_are_listed_page_by_page() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for name in ["dora", "Anna", "carl", "bert", "anton"] {
        plane.add_account(name).await;
    }
    let page = |path: String| {
        let (plane, token) = (&plane, &token);
        async move {
            let page = plane.get(token, &path).await.json();
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
    assert_eq!(plane.last_entry().await, "accounts carl@example allowed: ");
    let account = plane.get(&token, "/v1/accounts?limit=1").await.json()["accounts"][0].clone();
    assert_eq!(
        (&account["email"], &account["disabled"]),
        (&json!("Anna@example.org"), &Value::Null)
    );
    plane.add_account("Zoé").await;
    let typed = page("/v1/accounts?limit=5&search=zoe%CC%81".to_owned());
    assert_eq!(typed.await.0, ["Zoé"]);
    for bad in ["limit=0", "limit=1001", "limit=x", "after=a%20b", "page=2"] {
        let reply = plane.get(&token, &format!("/v1/accounts?{bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad}");
    }
}

#[tokio::test]
async fn codes_are_accepted_again_when_an_account_is_enabled_or_its_credentials_revoked() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("alice").await;
    let id = plane.identity("alice").await.id;
    let network = rookery_record::Network::of("198.51.100.7".parse().unwrap());
    for path in ["enable", "credentials/revoke"] {
        let count = move |store: &mut rookery_store::Store| {
            let code = rookery_store::TriedCode::Real;
            let by = rookery_store::TriedBy::Anyone(network);
            while store.count_account_code(id, by, code)? {}
            Ok(())
        };
        let counted = plane.database.write(Durability::Record, count);
        counted.await.unwrap();
        let path = format!("/v1/accounts/alice/{path}");
        let reply = plane.post(&token, &path, &json!({})).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let accepts = move |store: &rookery_store::Store| store.accepts_codes(id, network);
        assert!(plane.database.read(accepts).await.unwrap(), "{path}");
    }
}

#[tokio::test]
async fn a_disabled_account_is_disconnected_and_refused_until_it_is_enabled() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("alice").await;
    let alice = plane.connect_as(plane.identity("alice").await).await;
    let reply = plane
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
    assert_eq!(plane.last_entry().await, "disable alice allowed: moved");

    let reply = plane
        .post(&token, "/v1/accounts/alice/enable", &json!({}))
        .await;
    assert_eq!(reply.json()["account"]["disabled"], Value::Null);
    assert_eq!(plane.last_entry().await, "enable alice allowed: ");
    plane.connect_as(plane.identity("alice").await).await;
}

#[tokio::test]
async fn a_deleted_account_leaves_only_its_name() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("alice").await;
    let alice = plane.connect_as(plane.identity("alice").await).await;
    plane.send_from_last("JOIN #hers").await;
    let _bob = plane.connect("bob").await;
    plane.send_from_last("JOIN #hers").await;
    let founder = || async {
        plane.get(&token, "/v1/channels/%23hers").await.json()["channel"]["founder"].clone()
    };
    assert_eq!(founder().await, "alice");
    let reply = plane.delete(&token, "/v1/accounts/alice").await;
    assert_eq!(reply.json()["account"]["email"], "alice@example.org");
    assert!(
        alice
            .await
            .unwrap()
            .contains("ERROR :Your account was deleted\r\n")
    );
    assert_eq!(plane.last_entry().await, "delete-account alice allowed: ");
    assert_eq!(founder().await, Value::Null, "her channel has no founder");
    assert_eq!(
        plane.get(&token, "/v1/accounts").await.json()["accounts"],
        json!([])
    );
    assert_eq!(
        plane.delete(&token, "/v1/accounts/alice").await.problem(),
        "/problems/no-such-account"
    );
}

#[tokio::test]
async fn credentials_are_revoked_with_or_without_the_password() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("alice").await;
    let id = plane.identity("alice").await.id;
    let now = plane.now.get();
    let add = move |store: &mut rookery_store::Store| {
        store.add_credential(id, rookery_record::CredentialKind::Device, &[7; 32], now)
    };
    plane.database.write(Durability::Record, add).await.unwrap();
    let path = "/v1/accounts/alice/credentials/revoke";
    let reply = plane
        .post(&token, path, &json!({ "keep_password": true }))
        .await;
    assert_eq!(reply.json()["account"]["credentials"], 1);
    assert_eq!(
        plane.last_entry().await,
        "revoke-credentials alice allowed: all but the password"
    );
    let account =
        || async { plane.get(&token, "/v1/accounts").await.json()["accounts"][0].clone() };
    assert_eq!(
        (
            &account().await["credentials"],
            &account().await["has_password"]
        ),
        (&json!(0), &json!(true))
    );
    plane.post(&token, path, &json!({})).await;
    assert_eq!(account().await["has_password"], false);
}

#[tokio::test]
async fn one_credential_is_revoked_and_the_others_stay() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("alice").await;
    plane.add_account("bob").await;
    let (id, now) = (plane.identity("alice").await.id, plane.now.get());
    let add = move |store: &mut rookery_store::Store| {
        store.add_credential(id, rookery_record::CredentialKind::Device, &[7; 32], now)?;
        store.add_credential(
            id,
            rookery_record::CredentialKind::Certificate,
            &[8; 32],
            now,
        )
    };
    plane.database.write(Durability::Record, add).await.unwrap();
    let alice = plane.connect_as(plane.identity("alice").await).await;
    let list = async || {
        plane
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
    assert!(!both.to_string().contains("07070707"), "hashes are secret");

    let path = format!("/v1/accounts/alice/credentials/{}", both[0]["id"]);
    let of_bob = format!("/v1/accounts/bob/credentials/{}", both[0]["id"]);
    assert_eq!(
        plane.delete(&token, &of_bob).await.problem(),
        "/problems/no-such-credential"
    );
    assert!(
        plane
            .last_entry()
            .await
            .starts_with("revoke-credential bob refused: bob has no credential ")
    );
    let reply = plane.delete(&token, &path).await;
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
    assert_eq!(plane.last_entry().await, expected);
    assert!(
        alice
            .await
            .unwrap()
            .contains("ERROR :A device or certificate of your account was revoked")
    );
    assert_eq!(list().await, json!([both[1]]));
    assert_eq!(
        plane.delete(&token, &path).await.problem(),
        "/problems/no-such-credential"
    );
    for nobody in ["nobody", "a%20b"] {
        let path = format!("/v1/accounts/{nobody}/credentials");
        assert_eq!(
            plane.get(&token, &path).await.problem(),
            "/problems/no-such-account"
        );
        assert_eq!(
            plane.delete(&token, &format!("{path}/1")).await.problem(),
            "/problems/no-such-account"
        );
    }
}

#[tokio::test]
async fn a_sign_in_that_began_before_the_account_was_disabled_is_refused() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("alice").await;
    let identity = plane.identity("alice").await;
    plane
        .post(&token, "/v1/accounts/alice/disable", &json!({}))
        .await;
    let answer = plane.admission_as(identity).await;
    assert!(matches!(answer, Admission::Stale { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_change_of_an_unknown_account_or_without_a_record_is_refused() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("alice").await;
    for path in [
        "nobody/disable",
        "a%20b/enable",
        "nobody/credentials/revoke",
    ] {
        let reply = plane
            .post(&token, &format!("/v1/accounts/{path}"), &json!({}))
            .await;
        assert_eq!(reply.problem(), "/problems/no-such-account", "{path}");
        assert!(
            plane
                .last_entry()
                .await
                .contains(" refused: There is no account ")
        );
    }
    let reply = plane
        .post(
            &token,
            "/v1/accounts/alice/disable",
            &json!({ "reason": "a\nb" }),
        )
        .await;
    assert_eq!(reply.problem(), "/problems/invalid");
    plane.break_trail();
    for reply in [
        plane
            .post(&token, "/v1/accounts/alice/disable", &json!({}))
            .await,
        plane
            .post(&token, "/v1/accounts/alice/credentials/revoke", &json!({}))
            .await,
        plane.delete(&token, "/v1/accounts/alice").await,
        plane.get(&token, "/v1/accounts").await,
    ] {
        assert_eq!(reply.problem(), "/problems/audit-unavailable", "{reply:?}");
    }
    let name = AccountName::parse("alice").unwrap();
    let alice = plane
        .database
        .read(move |store| store.account_by_name(&name))
        .await
        .unwrap()
        .unwrap();
    assert!(alice.disabled.is_none() && alice.password_hash.is_some());
}
