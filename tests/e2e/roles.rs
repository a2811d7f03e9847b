//! What each role may do, and who may assign it.

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::control::{ControlClient, RawConnection, bearer};
use rookery_tests::server::Server;
use serde_json::{Value, json};

const NEW_PASSWORD: &str = "lantern kettle marble ox";
/// All roles, from the least to the most privileged.
const ROLES: [&str; 3] = ["auditor", "moderator", "owner"];

#[tokio::test]
async fn every_operation_beyond_a_role_is_refused_and_audited() {
    let server = Server::start().await;
    let control = ControlClient::new(&server);
    let description = control.get("/v1/openapi.json", None).await.body;
    for (rank, role) in ROLES.iter().enumerate() {
        Operator::add(&server, role);
        // The first admin becomes an owner. Its role can be changed once there is another owner.
        if rank > 0 {
            assert!(
                server
                    .rookeryd(&["admin", "role", ROLES[rank - 1], ROLES[rank - 1]])
                    .status
                    .success()
            );
        }
    }
    for (rank, role) in ROLES.iter().enumerate().take(2) {
        let token = bearer(&control.sign_in(&server, role).await);
        // A connection that sends nothing for three seconds is closed.
        let mut connection = RawConnection::open(&server).await;
        let before = server.database().count_audit("request", "refused");
        let mut refused = 0;
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let needed = operation["security"][0]["token"][0].as_str();
                if needed.is_none_or(|needed| ROLES[..=rank].contains(&needed)) {
                    continue;
                }
                let path = path.replace(['{', '}'], "");
                let response = connection
                    .request(&method.to_uppercase(), &path, &token, &json!({}))
                    .await;
                assert_eq!(
                    (response.status, response.problem()),
                    (403, "not-allowed"),
                    "{method} {path} as {role}: {response:?}"
                );
                refused += 1;
            }
        }
        assert!(refused >= 10, "{refused} as {role}");
        assert_eq!(
            server.database().count_audit("request", "refused"),
            before + refused
        );
        assert_eq!(
            connection
                .request("GET", "/v1/users", &token, &Value::Null)
                .await
                .status,
            200,
            "every role may read"
        );
        if *role == "moderator" {
            assert_eq!(
                connection
                    .request("POST", "/v1/bans", &token, &json!({"target": "eve"}))
                    .await
                    .status,
                201
            );
            let nobody = connection
                .request("POST", "/v1/users/eve/kick", &token, &json!({}))
                .await;
            assert_eq!(nobody.problem(), "not-online");
            let text = json!({"text": "tea time"});
            assert_eq!(
                connection
                    .request("POST", "/v1/announcements", &token, &text)
                    .await
                    .status,
                200
            );
        }
    }
}

#[tokio::test]
async fn an_owner_adds_an_auditor_who_may_only_read() {
    let server = Server::start().await;
    let owner = Operator::sign_in(&server, "root").await;
    let email = admin_email("vera");
    let added = owner
        .run_ok(&[
            "admins", "add", "vera", "--email", &email, "--role", "auditor",
        ])
        .await;
    let initial = added
        .lines()
        .find(|line| line.len() == 29)
        .unwrap_or_else(|| panic!("{added}"));
    let vera = Operator::existing(&server, "vera");
    let file = server.path("vera.password");
    std::fs::write(&file, initial).unwrap();
    vera.login(&server).await;
    let refused = vera.run(&["list"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.transcript.contains("admin-cli passwd"),
        "{}",
        refused.transcript
    );
    let new = server.path("new.password");
    std::fs::write(&new, NEW_PASSWORD).unwrap();
    let (old, new) = (file.to_str().unwrap(), new.to_str().unwrap());
    vera.run_ok(&["passwd", "--password-file", old, "--new-password-file", new])
        .await;
    server.mailbox().next_mail_to(&email).await;
    std::fs::copy(new, old).unwrap();
    vera.login(&server).await;

    vera.run_ok(&["list"]).await;
    for refused in [
        &["kick", "alice"][..],
        &["ban", "alice"],
        &["admins", "list"],
    ] {
        let ended = vera.run(refused).await;
        assert_eq!(ended.code, Some(1), "{}", ended.transcript);
        assert!(ended.transcript.contains("auditor"), "{}", ended.transcript);
    }
    assert!(server.database().bans().is_empty());
    assert_eq!(
        server.database().count_audit("request", "refused"),
        4,
        "every refusal is in the audit trail"
    );

    // An admin sees and ends only their own sessions; an owner those of every admin.
    let sessions = async |operator: &Operator| -> Vec<(String, String)> {
        let list: Value = operator.run_json(&["sessions"]).await;
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        let sessions = list["sessions"].as_array().unwrap();
        sessions
            .iter()
            .map(|entry| (text(entry, "admin"), text(entry, "id")))
            .collect()
    };
    let all = sessions(&owner).await;
    let of = |name: &str| {
        all.iter()
            .find(|(admin, _)| admin == name)
            .map(|(_, id)| id.as_str())
            .unwrap()
    };
    assert_eq!(
        sessions(&vera).await.len(),
        1,
        "the owner's session is not listed"
    );
    assert_eq!(
        vera.run(&["sessions", "revoke", of("root")]).await.code,
        Some(1)
    );
    owner.run_ok(&["sessions", "revoke", of("vera")]).await;
    assert_eq!(vera.run(&["list"]).await.code, Some(3));
    vera.login(&server).await;

    let list = owner.run_ok(&["admins", "list"]).await;
    let row = list
        .lines()
        .find(|line| line.starts_with("vera"))
        .unwrap_or_else(|| panic!("{list}"));
    assert!(row.contains("  auditor  "), "{list}");
    let initial_password_expiry = async || -> Value {
        let list = owner.run_json(&["admins", "list"]).await;
        let admins = list["admins"].as_array().unwrap();
        let vera = admins.iter().find(|admin| admin["name"] == "vera");
        vera.unwrap()["initial_password_expires_at"].clone()
    };
    assert!(
        initial_password_expiry().await.is_null(),
        "vera has chosen a password"
    );
    let again = owner
        .run(&[
            "admins", "add", "VERA", "--email", &email, "--role", "owner",
        ])
        .await;
    assert_eq!(again.code, Some(1), "{}", again.transcript);
    owner.run_ok(&["admins", "role", "vera", "moderator"]).await;
    assert_eq!(
        vera.run(&["list"]).await.code,
        Some(3),
        "a change of role ends the session"
    );
    let reset = owner.run_ok(&["admins", "reset", "vera"]).await;
    let old_password = vera
        .run(&["login", "--name", "vera", "--password-file", new])
        .await;
    assert_eq!(old_password.code, Some(1), "{}", old_password.transcript);
    std::fs::write(old, reset.lines().find(|line| line.len() == 29).unwrap()).unwrap();
    vera.login(&server).await;
    let refused = vera.run(&["list"]).await;
    assert!(
        refused.transcript.contains("admin-cli passwd"),
        "{}",
        refused.transcript
    );
    let list = owner.run_ok(&["admins", "list"]).await;
    assert!(list.contains("24h"), "{list}");
    assert!(
        initial_password_expiry().await.is_string(),
        "vera has an initial password"
    );
    owner.run_ok(&["admins", "remove", "vera"]).await;
    assert_eq!(
        owner.run(&["admins", "remove", "vera"]).await.code,
        Some(1),
        "there is no such admin any longer"
    );
    let late = vera
        .run(&["login", "--name", "vera", "--password-file", new])
        .await;
    assert_eq!(
        late.code,
        Some(1),
        "a removed admin cannot sign in: {}",
        late.transcript
    );
    for last in [
        &["admins", "remove", "root"][..],
        &["admins", "role", "root", "moderator"],
    ] {
        let refused = owner.run(&[&["--json"], last].concat()).await;
        assert!(
            refused.transcript.contains("/problems/last-owner"),
            "{}",
            refused.transcript
        );
        assert_eq!(refused.code, Some(1));
    }
}
