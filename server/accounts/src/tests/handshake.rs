//! The IRC handshake, the waiting room and guests.

use super::*;
use rookery_chat::event::LineFault;

fn for_guests() -> TestServer {
    TestServer::with(|config| config.accounts.required = false)
}

#[tokio::test]
async fn the_waiting_room_explains_how_to_get_an_account() {
    let server = TestServer::new();
    let mut client = server.client();
    assert!(!client.machine.is_waiting_room());
    let received = client.finish_handshake("alice").await;
    received
        .stays()
        .expect("NOTICE alice :")
        .expect("/quote REGISTER alice ")
        .expect("/quote VERIFY alice ");
    assert!(
        !received.has("FAIL"),
        "without standard replies, notices only"
    );
    assert!(client.machine.is_waiting_room());
    client
        .send("JOIN #lobby")
        .await
        .stays()
        .expect(" 451 alice :")
        .expect("HELP");
    client
        .send("HELP")
        .await
        .stays()
        .expect("/quote REGISTER alice ");
    let again = client.send("PING 1").await;
    assert_eq!(
        again.lines,
        [":rookery.local PONG rookery.local :1"],
        "the hints are sent once"
    );
    client.send("NICK bob").await.stays();
    client.send("HELP").await.expect("/quote REGISTER bob ");
    assert_eq!(client.send("QUIT :so long").await.closed(), "Quit: so long");
}

#[tokio::test]
async fn a_client_signs_in_from_its_first_command_that_may_carry_a_secret() {
    let server = TestServer::new();
    for sign_in in ["AUTHENTICATE PLAIN", "PASS alice:secret"] {
        let mut client = server.client();
        client.send("CAP REQ sasl").await.expect("ACK :sasl");
        assert!(!client.machine.is_signing_in());
        client.send(sign_in).await.stays();
        assert!(client.machine.is_signing_in());
        client.finish_handshake("alice").await.stays();
        client.send("CAP END").await.stays();
        assert!(!client.machine.is_signing_in(), "it is in the waiting room");
    }
}

#[tokio::test]
async fn texts_whose_colon_was_left_out_are_taken_whole() {
    let server = TestServer::with(|config| config.accounts.required = false);
    let mut client = server.client();
    client
        .send("CAP REQ batch server-time")
        .await
        .expect("ACK :batch server-time");
    client.send("NICK bob").await.stays();
    client.send("USER bob 0 * Bob the Builder").await.stays();
    let ended = client.send("CAP END").await;
    assert_eq!(ended.admitted().realname, "Bob the Builder");
    assert_eq!(
        server.client().send("QUIT so long").await.closed(),
        "Quit: so long"
    );
}

#[tokio::test]
async fn clients_with_standard_replies_get_account_required() {
    let server = TestServer::new();
    let mut client = server.client();
    client.send("CAP REQ :standard-replies").await.expect("ACK");
    client.finish_handshake("alice").await;
    client
        .send("CAP END")
        .await
        .stays()
        .expect("FAIL * ACCOUNT_REQUIRED :");
}

#[tokio::test]
async fn the_handshake_waits_for_the_end_of_the_negotiation() {
    let server = for_guests();
    let mut client = server.client();
    client
        .send("CAP LS 302")
        .await
        .stays()
        .expect("sasl=PLAIN,SCRAM-SHA-256,EXTERNAL,X-EMAIL-CODE");
    client.finish_handshake("alice").await.stays();
    client
        .send("CAP REQ :echo-message batch")
        .await
        .stays()
        .expect("CAP alice ACK :echo-message batch");
    let received = client.send("CAP END").await;
    let candidate = received.admitted();
    assert!(
        candidate
            .capabilities
            .has(rookery_protocol::Capability::EchoMessage)
    );
    assert_eq!(candidate.nick.as_str(), "alice");
    assert_eq!(candidate.realname, "alice the rook");
    assert_eq!(candidate.tls, "TLSv1.3 X25519MLKEM768");
    assert!(candidate.identity.is_none());
}

#[tokio::test]
async fn registration_is_offered_where_only_the_invited_may_register() {
    let server = TestServer::with(|config| config.accounts.open = false);
    let mut client = server.client();
    let received = client.send("CAP LS 302").await;
    received.expect("account-registration");
    client.send("CAP END").await;
    let received = client.finish_handshake("alice").await;
    received.expect("Registration is closed");
    received
        .expect("REGISTER alice you@example.org")
        .expect("VERIFY alice CODE");
}

#[tokio::test]
async fn bad_nicks_and_missing_parameters_get_their_numerics() {
    let server = for_guests();
    let mut client = server.client();
    client.send("NICK").await.stays().expect(" 431 * :");
    client.send("NICK :").await.stays().expect(" 431 * :");
    client
        .send("NICK 1abc")
        .await
        .stays()
        .expect(" 432 * 1abc :");
    client
        .send("NICK :two words")
        .await
        .stays()
        .expect(" 432 * * :");
    client
        .send("USER a b c")
        .await
        .stays()
        .expect(" 461 * USER :");
    client
        .send("USER a b c :")
        .await
        .stays()
        .expect(" 461 * USER :");
    client.send("PING").await.stays().expect(" 461 * PING :");
    client.send("PASS").await.stays();
    client.send("PASS secret").await.stays();
    client
        .send("PRIVMSG bob :hi")
        .await
        .stays()
        .expect(" 451 * :");
    client.send("HELP").await.stays().expect(" 451 * :");
    client.send("CAP FLY").await.stays().expect(" 410 ");
    assert!(
        client
            .finish_handshake("alice")
            .await
            .admitted()
            .identity
            .is_none()
    );
}

#[tokio::test]
async fn user_names_are_cut_and_cleaned() {
    let server = for_guests();
    let mut client = server.client();
    client.send("NICK alice").await;
    let line = format!("USER a!@*?b{} 0 * :{}", "x".repeat(50), "ü".repeat(300));
    let received = client.send(&line).await;
    let candidate = received.admitted();
    assert_eq!(candidate.username, format!("ab{}", "x".repeat(18)));
    assert_eq!(candidate.realname, "ü".repeat(100));
    let mut client = server.client();
    client.send("NICK bob").await;
    assert_eq!(
        client.send("USER @@ 0 * :x").await.admitted().username,
        "user"
    );
}

#[tokio::test]
async fn an_http_client_is_disconnected_at_its_first_line() {
    let server = for_guests();
    for verb in [
        "GET / HTTP/1.1",
        "POST /x HTTP/1.1",
        "CONNECT a:1 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ] {
        let mut client = server.client();
        assert!(client.send(verb).await.closed().contains("HTTP"), "{verb}");
    }
    let mut client = server.client();
    client.send("NICK alice").await.stays();
    client.send("GET / HTTP/1.1").await.stays().expect(" 451 ");
}

#[tokio::test]
async fn invalid_lines_get_their_replies() {
    let server = for_guests();
    let mut client = server.client();
    let mut fault = |fault| client.machine.handle_fault(&fault)[0].to_string();
    assert!(fault(LineFault::TooLong(None)).contains(" 417 * :"));
    assert!(fault(LineFault::NotUtf8(None)).contains("FAIL * INVALID_UTF8 :"));
    let user = Message::parse("USER a 0 * :\u{fffd}").unwrap();
    assert!(fault(LineFault::NotUtf8(Some(user.into()))).contains("FAIL USER INVALID_UTF8 :"));
    assert!(fault(LineFault::Malformed(None)).contains(" 421 * "));
    assert!(
        client
            .finish_handshake("alice")
            .await
            .admitted()
            .identity
            .is_none(),
        "and nothing is lost"
    );
}

#[tokio::test]
async fn every_reply_has_its_label() {
    let server = for_guests();
    let mut client = server.client();
    client
        .send("CAP REQ :batch labeled-response message-tags")
        .await
        .expect(" ACK ");
    for line in [
        "PING x", "PASS x", "PONG x", "NICK", "JOIN #x", "MOTD", "USER x", "CAP LIST",
    ] {
        let received = client.send(&format!("@label=1 {line}")).await;
        assert!(
            received.stays().lines.len() == 1 && received.lines[0].starts_with("@label=1 "),
            "{line}: {received:?}"
        );
    }
    for command in crate::sign_in::COMMANDS {
        for rest in [
            "",
            ":",
            "*",
            "x",
            "x y",
            "x y z",
            "a b c d e f",
            &"x".repeat(400),
        ] {
            let received = client
                .send(&format!("@label=1 {command} {rest}"))
                .await
                .lines;
            let labelled = received
                .iter()
                .filter(|line| line.starts_with("@label=1 "))
                .count();
            let whole = received.len() == 1 || received[0].contains(" BATCH +");
            assert!(labelled == 1 && whole, "{command} {rest}: {received:#?}");
        }
    }
    let message = Message::parse("@label=1 NICK \u{fffd}").unwrap();
    let replies = client
        .machine
        .handle_fault(&LineFault::NotUtf8(Some(message.into())));
    assert!(
        replies[0].to_string().starts_with("@label=1 ") && replies.len() == 1,
        "{replies:?}"
    );
}

#[tokio::test]
async fn a_guest_cannot_use_the_name_of_an_account_or_a_look_alike() {
    let server = for_guests();
    server.account("alice", "alice@example.org", None).await;
    for nick in ["alice", "ALICE", "\u{430}lice", "a1ice"] {
        let mut client = server.client();
        let received = client.finish_handshake(nick).await;
        received
            .stays()
            .expect(" 433 * ")
            .expect("sign in if it is yours");
        client.send("PING 1").await.stays();
        assert_eq!(
            client.send("NICK bob").await.admitted().nick.as_str(),
            "bob"
        );
    }
}

#[tokio::test]
async fn after_nick_in_use_another_nick_is_accepted() {
    let server = for_guests();
    let mut client = server.client();
    client.finish_handshake("alice").await.admitted();
    let replies = client.machine.nick_in_use();
    assert!(
        replies[0].to_string().contains(" 433 * alice :"),
        "{replies:?}"
    );
    client.send("PING 1").await.stays();
    assert_eq!(
        client.send("NICK alice2").await.admitted().nick.as_str(),
        "alice2"
    );
}

#[tokio::test]
async fn ending_the_handshake_aborts_sasl() {
    let server = for_guests();
    let mut client = server.client();
    client.send("CAP REQ sasl").await;
    client
        .send("AUTHENTICATE PLAIN")
        .await
        .expect("AUTHENTICATE +");
    client.finish_handshake("alice").await.stays();
    let received = client.send("CAP END").await;
    received.expect(" 906 alice :");
    assert!(received.admitted().identity.is_none());
}

#[tokio::test]
async fn with_free_nicks_any_nick_is_accepted_except_the_name_of_another_account() {
    let server = TestServer::with_alice_and(|config| config.accounts.free_nicks = true).await;
    server
        .account("bob", "bob@example.org", Some(PASSWORD))
        .await;
    let mut client = server.client();
    client.plain("alice", PASSWORD).await.expect(" 903 ");
    let received = client.finish_handshake("b0b").await;
    received.stays().expect(" 433 * b0b :");
    let received = client.send("NICK rook").await;
    assert_eq!(received.admitted().nick.as_str(), "rook");
    let mut client = server.client();
    client.plain("alice", PASSWORD).await.expect(" 903 ");
    assert_eq!(
        client
            .finish_handshake("a1ice")
            .await
            .admitted()
            .nick
            .as_str(),
        "a1ice",
        "it looks like the own name"
    );
}

#[tokio::test]
async fn with_free_nicks_an_account_may_not_use_the_name_of_one_that_looks_the_same() {
    let server = TestServer::with(|config| config.accounts.free_nicks = true);
    let [own, other] = ["ก\u{e31}\u{e48}", "ก\u{e48}\u{e31}"];
    server.account(own, "one@example.org", Some(PASSWORD)).await;
    server.account("bob", "bob@example.org", None).await;
    // As if both were older than the rule by which their names look alike.
    rusqlite::Connection::open(server.folder.path().join("rookery.db"))
        .unwrap()
        .execute(
            "UPDATE accounts SET name = ?1, name_folded = ?1, name_skeleton = ?1
             WHERE name = 'bob'",
            [other],
        )
        .unwrap();
    let mut client = server.client();
    client.plain(own, PASSWORD).await.expect(" 903 ");
    let received = client.finish_handshake(other).await;
    received.stays().expect(" 433 ");
    let received = client.send(&format!("NICK {own}")).await;
    assert_eq!(received.admitted().nick.as_str(), own);
}

#[tokio::test]
async fn only_an_account_that_exists_has_a_nick_that_is_not_allowed_for_new_ones() {
    let server = TestServer::with(|config| {
        config.accounts.required = false;
        config.accounts.free_nicks = true;
    });
    let old = "\u{323}bob";
    server.account(old, "bob@example.org", Some(PASSWORD)).await;
    for nick in ["\u{323}carol", "c\u{430}rol", "carol\u{9be}"] {
        let refusal = format!(" 432 * {nick} :This cannot be a nick: ");
        let mut guest = server.client();
        guest.finish_handshake(nick).await.stays().expect(&refusal);
        assert_eq!(
            guest.send("NICK carol").await.admitted().nick.as_str(),
            "carol"
        );
        let mut owner = server.client();
        owner.plain(old, PASSWORD).await.expect(" 903 ");
        owner.finish_handshake(nick).await.stays().expect(&refusal);
        let received = owner.send(&format!("NICK {old}")).await;
        assert_eq!(received.admitted().nick.as_str(), old);
    }
    let mut guest = server.client();
    let received = guest.finish_handshake(old).await;
    received.stays().expect("sign in if it is yours");
}

#[tokio::test]
async fn isupport_before_admission_requires_its_capability() {
    let server = TestServer::new();
    let mut client = server.client();
    client.send("ISUPPORT").await.expect(" 451 * :");
    client
        .send("CAP REQ draft/extended-isupport")
        .await
        .expect(" ACK ");
    let received = client.send("ISUPPORT").await;
    assert!(
        received
            .lines
            .iter()
            .all(|line| line.starts_with(":rookery.local 005 * ")),
        "{received:?}"
    );
    received
        .expect(" NETWORK=Rookery ")
        .expect(" SAFELIST ")
        .expect(" :are supported by this server");
    client
        .send("CAP REQ :batch labeled-response")
        .await
        .expect(" ACK ");
    let received = client.send("@label=x ISUPPORT").await;
    assert_eq!(
        received.lines[0],
        "@label=x :rookery.local BATCH +answer-0 draft/isupport"
    );
    assert!(
        received.lines[1].starts_with("@batch=answer-0 :rookery.local 005 * "),
        "{received:?}"
    );
    assert_eq!(
        received.lines.last().unwrap(),
        ":rookery.local BATCH -answer-0"
    );
}

#[tokio::test]
async fn a_server_password_signs_in() {
    let server = TestServer::new();
    server
        .account("Wren", "wren@reeds.example", Some("a good:passphrase"))
        .await;
    for (password, nick) in [
        ("Wren:a good:passphrase", "somebody"),
        ("wren@reeds.example:a good:passphrase", "somebody"),
        ("a good:passphrase", "wren"),
    ] {
        let mut client = server.client();
        client.send(&format!("PASS :{password}")).await.stays();
        let received = client.finish_handshake(nick).await;
        let identity = received.admitted().identity.as_ref();
        assert_eq!(identity.map(|own| own.name.as_str()), Some("Wren"));
        received.expect(" 900 ");
    }
}

#[tokio::test]
async fn a_server_password_is_subject_to_the_limits_of_a_sign_in() {
    let server = TestServer::with(|config| config.limits.failed_sign_ins = 2);
    server
        .account("wren", "wren@reeds.example", Some("a good passphrase"))
        .await;
    let mut client = server.client();
    client.send("PASS wren:wrong").await.stays();
    client
        .finish_handshake("wren")
        .await
        .stays()
        .expect(" 464 wren :");
    assert!(client.machine.is_waiting_room());
    client.send("PASS wren:wrong").await.expect(" 464 ");
    client
        .send("PASS :wren:a good passphrase")
        .await
        .stays()
        .expect(" 464 ");
}

#[tokio::test]
async fn a_server_password_with_spaces_is_never_cut() {
    let server = TestServer::new();
    server
        .account("wren", "wren@reeds.example", Some("correct"))
        .await;
    let mut client = server.client();
    client
        .send("PASS wren:correct horse battery")
        .await
        .expect(" 464 ");
    client.send("PASS").await.expect(" 461 ");
    client.finish_handshake("wren").await.stays();
    assert!(client.machine.is_waiting_room());
}

#[tokio::test]
async fn sasl_takes_precedence_over_a_server_password() {
    let server = TestServer::new();
    for name in ["wren", "robin"] {
        server
            .account(name, &format!("{name}@reeds.example"), Some("secret"))
            .await;
    }
    let mut client = server.client();
    client.send("PASS robin:wrong").await.stays();
    client.send("CAP REQ sasl").await.stays();
    client.plain("wren", "secret").await.expect(" 903 ");
    client.finish_handshake("wren").await.stays();
    let received = client.send("CAP END").await;
    let identity = received.admitted().identity.as_ref();
    assert_eq!(identity.map(|own| own.name.as_str()), Some("wren"));
    assert!(!received.has(" 464 "), "{received:?}");
}

#[tokio::test]
async fn clients_subscribe_to_metadata_before_the_end_of_the_handshake() {
    let server = for_guests();
    for capability in ["draft/metadata-2", "draft/metadata-3"] {
        let mut client = server.client();
        client.send("CAP LS 302").await;
        client.send("METADATA * SUB url").await.expect(" 451 ");
        client
            .send(&format!("CAP REQ :{capability}"))
            .await
            .expect("ACK");
        let received = client.send("METADATA * SUB avatar url $bad").await;
        received
            .expect(" 770 * avatar ")
            .expect("FAIL METADATA KEY_INVALID $bad :");
        client.send("METADATA * UNSUB url").await.expect(" 771 * ");
        client.send("METADATA * SUBS").await.expect(" 772 * ");
        client.send("METADATA * SET url :x").await.expect(" 451 ");
        client.finish_handshake("gus").await;
        let received = client.send("CAP END").await;
        assert_eq!(
            Vec::from_iter(&received.admitted().subscriptions),
            ["avatar"]
        );
    }
}

#[tokio::test]
async fn an_away_message_that_is_cut_before_admission_is_not_cut_silently() {
    let server = TestServer::new();
    let mut client = server.client();
    client
        .send("CAP REQ :draft/pre-away standard-replies")
        .await;
    let away = client.send(&format!("AWAY :{}", "n".repeat(300))).await;
    away.expect(" 306 ").expect("WARN AWAY TEXT_TOO_LONG :");
}
