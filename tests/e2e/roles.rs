//! What each role may do, and who gives it.

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::control::{Control, Wire, bearer};
use rookery_tests::server::Server;
use serde_json::{Value, json};

const NEW_PASSWORD: &str = "lantern kettle marble ox";
/// From the least to the most.
const ROLES: [&str; 3] = ["auditor", "moderator", "owner"];

#[tokio::test]
async fn every_operation_beyond_a_role_is_refused_and_entered() {
    let server = Server::start().await;
    let control = Control::new(&server);
    let description = control.get("/v1/openapi.json", None).await.body;
    let mut wire = Wire::open(&server).await;
    for (rank, role) in ROLES.iter().enumerate() {
        Operator::add(&server, role);
        // The first is made an owner; whoever comes later can have any role.
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
        let before = server.record().count_audit("request", "refused");
        let mut refused = 0;
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let needed = operation["security"][0]["token"][0].as_str();
                if needed.is_none_or(|needed| ROLES[..=rank].contains(&needed)) {
                    continue;
                }
                let path = path.replace(['{', '}'], "");
                let answer = wire
                    .ask(&method.to_uppercase(), &path, &token, &json!({}))
                    .await;
                assert_eq!(answer.status, 403, "{method} {path} as {role}: {answer:?}");
                assert_eq!(
                    answer.problem(),
                    "not-allowed",
                    "{method} {path} as {role}: {answer:?}"
                );
                refused += 1;
            }
        }
        assert!(refused >= 10, "{refused} as {role}");
        assert_eq!(
            server.record().count_audit("request", "refused"),
            before + refused
        );
        assert_eq!(
            wire.ask("GET", "/v1/users", &token, &Value::Null)
                .await
                .status,
            200,
            "reading is for all"
        );
        if *role == "moderator" {
            assert_eq!(
                wire.ask("POST", "/v1/bans", &token, &json!({"target": "eve"}))
                    .await
                    .status,
                201
            );
            let nobody = wire
                .ask("POST", "/v1/users/eve/kick", &token, &json!({}))
                .await;
            assert_eq!(nobody.problem(), "not-online");
            let text = json!({"text": "tea time"});
            assert_eq!(
                wire.ask("POST", "/v1/announcements", &token, &text)
                    .await
                    .status,
                200
            );
        }
    }
}

#[tokio::test]
async fn an_owner_adds_an_auditor_who_reads_and_does_nothing_else() {
    let server = Server::start().await;
    let owner = Operator::sign_in(&server, "root").await;
    let email = admin_email("vera");
    let added = owner
        .done(&[
            "admins", "add", "vera", "--email", &email, "--role", "auditor",
        ])
        .await;
    let initial = added
        .lines()
        .find(|line| line.len() == 29)
        .unwrap_or_else(|| panic!("{added}"));
    let vera = Operator::known(&server, "vera");
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
    vera.done(&["passwd", "--password-file", old, "--new-password-file", new])
        .await;
    server.mailbox().next_to(&email).await;
    std::fs::copy(new, old).unwrap();
    vera.login(&server).await;

    vera.done(&["list"]).await;
    for refused in [
        &["kick", "alice"][..],
        &["ban", "alice"],
        &["admins", "list"],
    ] {
        let ended = vera.run(refused).await;
        assert_eq!(ended.code, Some(1), "{}", ended.transcript);
        assert!(
            ended.transcript.contains("and yours is auditor"),
            "{}",
            ended.transcript
        );
    }
    assert!(server.record().bans().is_empty());
    assert_eq!(
        server.record().count_audit("request", "refused"),
        4,
        "in the trail"
    );

    // Each sees and ends sign-ins of one's own; an owner everyone's.
    let sessions = async |operator: &Operator| -> Vec<(String, String)> {
        let list: Value =
            serde_json::from_str(&operator.done(&["--json", "sessions"]).await).unwrap();
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
    assert_eq!(sessions(&vera).await.len(), 1, "not the owner's");
    assert_eq!(
        vera.run(&["sessions", "revoke", of("root")]).await.code,
        Some(1)
    );
    owner.done(&["sessions", "revoke", of("vera")]).await;
    assert_eq!(vera.run(&["list"]).await.code, Some(3));
    vera.login(&server).await;

    let list = owner.done(&["admins", "list"]).await;
    let row = list
        .lines()
        .find(|line| line.starts_with("vera"))
        .unwrap_or_else(|| panic!("{list}"));
    assert!(
        row.contains("  auditor  ") && row.contains("  set  "),
        "{list}"
    );
    let again = owner
        .run(&[
            "admins", "add", "VERA", "--email", &email, "--role", "owner",
        ])
        .await;
    assert_eq!(again.code, Some(1), "{}", again.transcript);
    owner.done(&["admins", "role", "vera", "moderator"]).await;
    assert_eq!(
        vera.run(&["list"]).await.code,
        Some(3),
        "another role ends the session"
    );
    let reset = owner.done(&["admins", "reset", "vera"]).await;
    assert!(reset.contains("no longer valid"), "{reset}");
    let forgotten = vera
        .run(&["login", "--name", "vera", "--password-file", new])
        .await;
    assert_eq!(forgotten.code, Some(1), "{}", forgotten.transcript);
    std::fs::write(old, reset.lines().find(|line| line.len() == 29).unwrap()).unwrap();
    vera.login(&server).await;
    let refused = vera.run(&["list"]).await;
    assert!(
        refused.transcript.contains("admin-cli passwd"),
        "{}",
        refused.transcript
    );
    let list = owner.done(&["admins", "list"]).await;
    assert!(list.contains("initial, expires in 24h"), "{list}");
    owner.done(&["admins", "remove", "vera"]).await;
    assert_eq!(
        owner.run(&["admins", "remove", "vera"]).await.code,
        Some(1),
        "once"
    );
    let late = vera
        .run(&["login", "--name", "vera", "--password-file", new])
        .await;
    assert_eq!(
        late.code,
        Some(1),
        "whoever is removed does not come back: {}",
        late.transcript
    );
    for last in [
        &["admins", "remove", "root"][..],
        &["admins", "role", "root", "moderator"],
    ] {
        let refused = owner.run(last).await;
        assert!(
            refused.transcript.contains("only owner"),
            "{}",
            refused.transcript
        );
        assert_eq!(refused.code, Some(1));
    }
}
