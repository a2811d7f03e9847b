//! The chat ports and the control plane are separate: no credential of one is accepted by the
//! other, and no message on a chat port reaches a handler of the control plane.

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::control::{ControlClient, RawConnection, bearer};
use rookery_tests::irc::{Client, PASSWORD, device_credential, email_of};
use rookery_tests::server::Server;
use rookery_tests::tls::Identity;
use serde_json::{Value, json};

#[tokio::test]
async fn chat_credentials_are_refused_by_the_control_plane() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    drop(Client::register(&server, "alice").await);
    let control = ControlClient::new(&server);
    for token in [PASSWORD, device_credential(1).expose(), "alice", "x"] {
        let reply = control.get("/v1/users", Some(token)).await;
        assert_eq!(reply.status, 401, "{:?}", reply.body);
        assert_eq!(reply.content_type, "application/problem+json");
    }
    // An account is not an admin.
    let reply = control
        .post(
            "/v1/login",
            None,
            json!({"name": "alice", "password": PASSWORD}),
        )
        .await;
    assert_eq!(reply.status, 401, "{:?}", reply.body);
}

#[tokio::test]
async fn control_plane_credentials_are_refused_by_the_chat() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    drop(Client::register(&server, "root").await);
    let control = ControlClient::new(&server);
    let token = control.sign_in(&server, "root").await;
    assert_eq!(control.get("/v1/users", Some(&token)).await.status, 200);
    for secret in [token.as_str(), rookery_tests::admin::PASSWORD] {
        let mut client = Client::try_sign_in(&server, "root", "root", secret).await;
        client.expect_numeric("904").await;
    }
    assert!(!server.log().contains(&token), "a token is a secret");
}

#[tokio::test]
async fn operator_commands_refer_to_the_control_plane() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    for command in ["OPER root secret", "KILL bob :out", "KLINE bob :out"] {
        alice.send(command).await;
        alice.expect_text("control plane").await;
    }
    bob.say("#lobby", "still here").await;
}

#[tokio::test]
async fn a_forged_token_is_refused_and_audited() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = ControlClient::new(&server);
    let token = control.sign_in(&server, "root").await;
    let refused = || {
        server
            .database()
            .audit()
            .iter()
            .filter(|entry| entry.outcome == "refused")
            .count()
    };
    let before = refused();
    let mut forged = token.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'a' { 'b' } else { 'a' });
    let kick = json!({"reason": "no"});
    assert_eq!(
        control
            .post("/v1/users/alice/kick", Some(&forged), kick)
            .await
            .status,
        401
    );
    assert_eq!(refused(), before + 1);
    let trail = format!("{:?}", server.database().audit());
    assert!(
        !trail.contains(&token) && !trail.contains(&forged),
        "a token is a secret"
    );
}

#[tokio::test]
async fn a_token_is_invalid_after_logout() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = ControlClient::new(&server);
    let token = control.sign_in(&server, "root").await;
    let reply = control.post("/v1/logout", Some(&token), json!({})).await;
    assert!(reply.status < 300, "{:?}", reply.body);
    assert_eq!(control.get("/v1/users", Some(&token)).await.status, 401);
}

/// Returns every operation of the control plane, read from its OpenAPI document: method, path with
/// its parameters filled in, and a body that would do harm.
async fn operations(control: &ControlClient) -> Vec<(String, String, Value)> {
    let description = control.get("/v1/openapi.json", None).await.body;
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "bob").replace("{id}", "1");
        for method in item.as_object().unwrap().keys() {
            let body = match path.as_str() {
                "/v1/bans" => json!({"target": "bob", "confirm": true}),
                "/v1/kick" => json!({"match": "bob", "confirm": true}),
                "/v1/maintenance" => json!({"on": true}),
                "/v1/announcements" => json!({"text": "from the wrong port"}),
                "/v1/invitations" => json!({"email": "mallory@example.org"}),
                "/v1/admins" => {
                    json!({"name": "mallory", "email": "mallory@example.org", "role": "owner"})
                }
                "/v1/login" => json!({"name": "root", "password": rookery_tests::admin::PASSWORD}),
                _ => json!({"reason": "from the wrong port", "on": true}),
            };
            operations.push((method.to_uppercase(), path.clone(), body));
        }
    }
    assert!(operations.len() > 40, "{operations:?}");
    operations
}

#[tokio::test]
async fn nothing_sent_to_the_chat_ports_reaches_the_control_plane() {
    let server = Server::with(&[
        "limits.messages_per_second = 0",
        "websocket.listen = \"127.0.0.1:0\"",
    ])
    .await;
    Operator::add(&server, "root");
    let control = ControlClient::new(&server);
    let token = control.sign_in(&server, "root").await;
    let operations = operations(&control).await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut unadmitted = Client::handshake(&server, "dave").await;
    let entries = server.database().audit().len();

    for (method, path, body) in &operations {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\r\n",
            body.to_string().len()
        );
        // In the middle of a session, and of a handshake.
        alice.send_bytes(request.as_bytes()).await;
        unadmitted.send_bytes(request.as_bytes()).await;
        // The same as a message, to any target that might act on it.
        for target in ["rookery.test", "root", "control", "#lobby"] {
            alice
                .send(&format!("PRIVMSG {target} :{method} {path} {body}"))
                .await;
        }
        let command = path.trim_start_matches("/v1/").replace('/', " ");
        for line in [
            format!("{command} {body}"),
            format!("ADMIN {command}"),
            format!("OPER {token} {command}"),
        ] {
            alice.send(&line).await;
        }
    }
    for line in [
        "/kick bob",
        "kick bob",
        "KICK bob",
        "BAN bob",
        "UNBAN bob",
        "KLINE bob",
        "KILL bob :out",
        "REHASH",
        "DIE",
    ] {
        alice.send(line).await;
    }
    // As the first line on a new connection.
    for (method, path, body) in &operations {
        let mut browser = Client::connect(&server, "browser").await;
        let request =
            format!("{method} {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n{body}\r\n");
        browser.send_bytes(request.as_bytes()).await;
        let received = browser.read_until_closed().await;
        let received: Vec<String> = received.iter().map(ToString::to_string).collect();
        assert!(
            received.concat().contains("HTTP"),
            "the response says that this is not HTTP: {method} {path}: {received:?}"
        );
        assert!(
            !received.concat().contains("HTTP/1.1 "),
            "{method} {path}: {received:?}"
        );
    }
    // On the port for web clients, which does speak HTTP.
    let web = server.websocket();
    for (method, path, body) in &operations {
        let mut page = RawConnection::open_at(&server, web).await;
        page.send(
            RawConnection::format_request(method, path, &bearer(&token), &body.to_string())
                .as_bytes(),
        )
        .await;
        let response = page.read_response().await;
        assert!(
            response
                .as_ref()
                .is_none_or(|response| response.status >= 400),
            "{method} {path}: {response:?}"
        );
        assert!(
            response.is_none_or(|response| response.body.is_null()),
            "{method} {path} returns no JSON"
        );
    }
    alice.sync().await;
    bob.sync().await;
    bob.say("#lobby", "still here").await;
    alice.expect_privmsg("bob", "#lobby", "still here").await;

    let record = server.database();
    assert_eq!(
        record.audit().len(),
        entries,
        "nothing has reached the control plane"
    );
    assert!(record.bans().is_empty());
    assert_eq!(record.accounts().len(), 2);
    assert_eq!(
        control.get("/v1/maintenance", Some(&token)).await.body["on"],
        false
    );
    let admins = control.get("/v1/admins", Some(&token)).await.body;
    assert_eq!(admins["admins"].as_array().unwrap().len(), 1, "{admins}");
    assert!(!server.log().contains("panicked"));
}

#[tokio::test]
async fn no_kind_of_chat_credential_signs_in_to_the_control_plane() {
    let server = Server::start().await;
    // An admin and an account with the same name and the same mailbox.
    Operator::add(&server, "alice");
    let control = ControlClient::new(&server);
    let certificate = Identity::generate();
    let credential = device_credential(3);
    let mut alice = Client::connect_with_certificate(&server, "alice", Some(&certificate)).await;
    alice.negotiate("alice").await;
    alice
        .start_registration("alice", &admin_email("alice"))
        .await;
    let registration_code = server.mailbox().code_to(&admin_email("alice")).await;
    alice
        .send(&format!("VERIFY alice {registration_code}"))
        .await;
    alice.send("CAP END").await;
    alice.wait_until_admitted().await;
    alice.send("CREDENTIAL ADD").await;
    alice.sync().await;
    let mut phone = Client::negotiating(&server, "alice").await;
    phone
        .authenticate(
            "X-EMAIL-CODE",
            format!("alice\0{}", admin_email("alice")).as_bytes(),
        )
        .await;
    let chat_code = server.mailbox().code_to(&admin_email("alice")).await;

    // A code that the chat mailed to the same person is not valid on the control plane.
    let challenge = control.login("alice").await;
    let code = server.mailbox().code_to(&admin_email("alice")).await;
    for other in [&registration_code, &chat_code]
        .into_iter()
        .filter(|other| **other != code)
    {
        assert_eq!(control.verify(&challenge, other).await.status, 401);
    }
    phone
        .respond(format!("{chat_code}\0{}", credential.expose()).as_bytes())
        .await;
    phone.expect_numeric("903").await;
    for secret in [PASSWORD, credential.expose(), &chat_code, "alice"] {
        let login = json!({"name": "alice", "password": secret});
        assert_eq!(
            control.post("/v1/login", None, login).await.status,
            401,
            "as a password"
        );
        for (_, path, _) in operations(&control).await {
            if ["/healthz", "/v1/openapi.json"].contains(&path.as_str()) {
                continue;
            }
            let reply = control.get(&path, Some(secret)).await;
            assert!(
                [401, 405].contains(&reply.status),
                "as a token for {path}: {reply:?}"
            );
        }
    }
    let mut connection =
        RawConnection::open_from(&server, [127, 0, 0, 1].into(), Some(&certificate)).await;
    for path in ["/v1/users", "/v1/status", "/v1/audit"] {
        let response = connection.request("GET", path, "", &Value::Null).await;
        assert_eq!(
            response.status, 401,
            "with a certificate and no token: {response:?}"
        );
    }
    assert_eq!(server.database().count_audit("verify", "allowed"), 0);
    assert_eq!(server.database().count_audit("kick", "allowed"), 0);
}

#[tokio::test]
async fn no_control_plane_secret_signs_in_to_the_chat_by_any_mechanism() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    drop(Client::register(&server, "root").await);
    let control = ControlClient::new(&server);
    let challenge = control.login("root").await;
    let code = server.mailbox().code_to(&admin_email("root")).await;
    let mut phone = Client::negotiating(&server, "root").await;
    phone
        .authenticate(
            "X-EMAIL-CODE",
            format!("root\0{}", email_of("root")).as_bytes(),
        )
        .await;
    let chat_code = server.mailbox().code_to(&email_of("root")).await;
    if chat_code != code {
        phone
            .respond(format!("{code}\0{}", device_credential(4).expose()).as_bytes())
            .await;
        phone.expect_numeric("904").await;
    }
    let token = control.verify(&challenge, &code).await.body["token"]
        .as_str()
        .unwrap()
        .to_owned();
    for claim in ["root", &email_of("root"), &admin_email("root"), "alice"] {
        let mut client = Client::try_sign_in(&server, "root", claim, &token).await;
        client.expect_numeric("904").await;
    }
    let mut client = Client::connect(&server, "root").await;
    client.send(&format!("PASS {token}")).await;
    client.negotiate("root").await;
    client.authenticate("EXTERNAL", token.as_bytes()).await;
    client.expect_numeric("904").await;
    client.send("CAP END").await;
    client.expect_text("REGISTER").await;
    assert_eq!(
        control.get("/v1/status", Some(&token)).await.status,
        200,
        "the token is valid on the control plane"
    );
    assert!(!server.log().contains(&token), "a token is a secret");
}
