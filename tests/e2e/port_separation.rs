//! Two doors: nothing of one opens the other.

use std::path::Path;

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::control::{Control, Wire, bearer};
use rookery_tests::irc::{Client, PASSWORD, device_credential, email_of};
use rookery_tests::server::Server;
use rookery_tests::tls::Identity;
use serde_json::{Value, json};

#[tokio::test]
async fn what_opens_the_chat_does_not_open_the_control_plane() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    drop(Client::register(&server, "alice").await);
    let control = Control::new(&server);
    for token in [PASSWORD, device_credential(1).expose(), "alice", "x"] {
        let reply = control.get("/v1/users", Some(token)).await;
        assert_eq!(reply.status, 401, "{:?}", reply.body);
        assert_eq!(reply.content_type, "application/problem+json");
    }
    // An account is no admin.
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
async fn what_opens_the_control_plane_does_not_open_the_chat() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    drop(Client::register(&server, "root").await);
    let control = Control::new(&server);
    let token = control.sign_in(&server, "root").await;
    assert_eq!(control.get("/v1/users", Some(&token)).await.status, 200);
    for secret in [token.as_str(), rookery_tests::admin::PASSWORD] {
        let mut client = Client::try_sign_in(&server, "root", "root", secret).await;
        client.expect_numeric("904").await;
    }
    assert!(!server.log().contains(&token), "a token is a secret");
}

#[tokio::test]
async fn operator_commands_are_sent_to_the_control_plane() {
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
    let control = Control::new(&server);
    let token = control.sign_in(&server, "root").await;
    let refused = || {
        server
            .record()
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
    let trail = format!("{:?}", server.record().audit());
    assert!(
        !trail.contains(&token) && !trail.contains(&forged),
        "a token is a secret"
    );
}

#[tokio::test]
async fn a_signed_out_token_is_worth_nothing() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let token = control.sign_in(&server, "root").await;
    let reply = control.post("/v1/logout", Some(&token), json!({})).await;
    assert!(reply.status < 300, "{:?}", reply.body);
    assert_eq!(control.get("/v1/users", Some(&token)).await.status, 401);
}

/// Every operation of the control plane, as its description has it: method, path with something in
/// its gaps, and a body that would do harm.
async fn operations(control: &Control) -> Vec<(String, String, Value)> {
    let description = control.get("/v1/openapi.json", None).await.body;
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "bob").replace("{id}", "1");
        for method in item.as_object().unwrap().keys() {
            let body = match path.as_str() {
                "/v1/bans" => json!({"target": "bob", "confirm": true}),
                "/v1/kick" => json!({"match": "bob", "confirm": true}),
                "/v1/maintenance" => json!({"on": true}),
                "/v1/announcements" => json!({"text": "from the wrong door"}),
                "/v1/invitations" => json!({"email": "mallory@example.org"}),
                "/v1/admins" => {
                    json!({"name": "mallory", "email": "mallory@example.org", "role": "owner"})
                }
                "/v1/login" => json!({"name": "root", "password": rookery_tests::admin::PASSWORD}),
                _ => json!({"reason": "from the wrong door", "on": true}),
            };
            operations.push((method.to_uppercase(), path.clone(), body));
        }
    }
    assert!(operations.len() > 40, "{operations:?}");
    operations
}

#[tokio::test]
async fn nothing_that_is_sent_to_the_chat_port_reaches_the_control_plane() {
    let server = Server::with(&[
        "limits.messages_per_second = 0",
        "websocket.listen = \"127.0.0.1:0\"",
    ])
    .await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let token = control.sign_in(&server, "root").await;
    let operations = operations(&control).await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut stranger = Client::introduce(&server, "stranger").await;
    let entries = server.record().audit().len();

    for (method, path, body) in &operations {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\r\n",
            body.to_string().len()
        );
        // In the middle of a session, and of a stranger's handshake.
        alice.send_bytes(request.as_bytes()).await;
        stranger.send_bytes(request.as_bytes()).await;
        // The same as words of the chat, to whoever might listen.
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
    // As the first words on a connection of its own.
    for (method, path, body) in &operations {
        let mut browser = Client::connect(&server, "browser").await;
        let request =
            format!("{method} {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n{body}\r\n");
        browser.send_bytes(request.as_bytes()).await;
        let heard = browser.until_closed().await;
        let heard: Vec<String> = heard.iter().map(ToString::to_string).collect();
        assert!(
            heard.concat().contains("no HTTP"),
            "{method} {path}: {heard:?}"
        );
        assert!(
            !heard.concat().contains("HTTP/1.1 "),
            "{method} {path}: {heard:?}"
        );
    }
    // On the port for web clients, which does speak HTTP.
    let web = server.websocket();
    for (method, path, body) in &operations {
        let mut page = Wire::open_at(&server, web).await;
        page.send(Wire::request(method, path, &bearer(&token), &body.to_string()).as_bytes())
            .await;
        let answer = page.answer().await;
        assert!(
            answer.as_ref().is_none_or(|answer| answer.status >= 400),
            "{method} {path}: {answer:?}"
        );
        assert!(
            answer.is_none_or(|answer| answer.body.is_null()),
            "{method} {path} speaks no JSON"
        );
    }
    alice.heard().await;
    bob.heard().await;
    bob.say("#lobby", "still here").await;
    alice.expect_said("bob", "#lobby", "still here").await;

    let record = server.record();
    assert_eq!(
        record.audit().len(),
        entries,
        "the control plane has heard nothing"
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
async fn no_credential_of_the_chat_opens_the_control_plane() {
    let server = Server::start().await;
    // An admin and an account of the same name and, for a stranger, the same mailbox.
    Operator::add(&server, "alice");
    let control = Control::new(&server);
    let certificate = Identity::generate();
    let credential = device_credential(3);
    let mut alice = Client::connect_as(&server, "alice", Some(&certificate)).await;
    alice.negotiate("alice").await;
    alice.ask_to_register("alice", &admin_email("alice")).await;
    let registration_code = server.mailbox().code_to(&admin_email("alice")).await;
    alice
        .send(&format!("VERIFY alice {registration_code}"))
        .await;
    alice.send("CAP END").await;
    alice.admitted().await;
    alice.send("CREDENTIAL ADD").await;
    alice.heard().await;
    let mut phone = Client::connect(&server, "alice").await;
    phone.negotiate("alice").await;
    phone
        .authenticate(
            "X-EMAIL-CODE",
            format!("alice\0{}", admin_email("alice")).as_bytes(),
        )
        .await;
    let chat_code = server.mailbox().code_to(&admin_email("alice")).await;

    // A code that the chat mailed to the same person is none of the control plane.
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
    let mut wire = Wire::open_from(&server, [127, 0, 0, 1].into(), Some(&certificate)).await;
    for path in ["/v1/users", "/v1/status", "/v1/audit"] {
        let answer = wire.ask("GET", path, "", &Value::Null).await;
        assert_eq!(
            answer.status, 401,
            "with a certificate and no token: {answer:?}"
        );
    }
    assert_eq!(server.record().count_audit("verify", "allowed"), 0);
    assert_eq!(server.record().count_audit("kick", "allowed"), 0);
}

#[tokio::test]
async fn no_token_of_the_control_plane_opens_the_chat_in_any_way() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    drop(Client::register(&server, "root").await);
    let control = Control::new(&server);
    let challenge = control.login("root").await;
    let code = server.mailbox().code_to(&admin_email("root")).await;
    let mut phone = Client::connect(&server, "root").await;
    phone.negotiate("root").await;
    phone
        .authenticate(
            "X-EMAIL-CODE",
            format!("root\0{}", email_of("root")).as_bytes(),
        )
        .await;
    let own = server.mailbox().code_to(&email_of("root")).await;
    if own != code {
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
    client.expect_text("You need an account").await;
    assert_eq!(
        control.get("/v1/status", Some(&token)).await.status,
        200,
        "it is good where it belongs"
    );
    assert!(!server.log().contains(&token), "a token is a secret");
}

/// The floors that a stranger's bytes come through do not so much as name the control plane: what
/// is not there cannot be called.
#[test]
fn the_floors_of_the_chat_do_not_name_the_control_plane() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src");
    let mut looked_at = 0;
    for (floor, forbidden) in [
        ("chat", &["crate::control"][..]),
        (
            "accounts",
            &[
                "crate::control",
                "Act::",
                ".act(",
                "commit_and_act",
                "Event::Control",
            ],
        ),
        (
            "connection",
            &[
                "crate::control",
                "Act::",
                ".act(",
                "commit_and_act",
                "Event::Control",
            ],
        ),
    ] {
        let mut folders = vec![source.join(floor)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
            {
                if entry.is_dir() {
                    folders.push(entry);
                    continue;
                }
                let text = std::fs::read_to_string(&entry).unwrap();
                looked_at += 1;
                for word in forbidden {
                    assert!(!text.contains(word), "{} names {word}", entry.display());
                }
            }
        }
    }
    assert!(looked_at > 40, "{looked_at} files");
}
