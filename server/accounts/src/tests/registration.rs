//! `REGISTER` and `VERIFY`: the ways to an account, and their replies and mails.

mod codes;
mod refusals;

use super::*;
use crate::codes::{LIFETIME_SECONDS, TRIES};
use crate::registration::tries_left;
use crate::test_log::TestLog;

/// The registration that most tests send.
const REGISTER: &str = "REGISTER alice alice@example.org :correct horse";

#[tokio::test]
async fn a_new_user_registers_with_the_mailed_code_and_is_admitted_as_new() {
    let server = TestServer::new();
    let mut client = server.client();
    client.finish_handshake("alice").await.stays();
    let received = client
        .send("REGISTER * alice@example.org :correct horse")
        .await;
    received
        .stays()
        .expect("REGISTER VERIFICATION_REQUIRED alice :A code was mailed to alice@example.org");
    let code = server.code(1).await;
    let received = client.verify("alice", &code).await;
    received
        .expect("VERIFY SUCCESS alice :")
        .expect(" 900 alice alice!*@* alice :");
    let identity = received.admitted().identity.clone().unwrap();
    assert_eq!(
        (
            identity.name.as_str(),
            identity.email.as_ref().unwrap().as_str()
        ),
        ("alice", "alice@example.org")
    );
    assert!(identity.new);
    // Not new once greeted, and the password signs in.
    server.accounts.set_greeted(identity.id).await.unwrap();
    let mut again = server.client();
    again.plain("alice", PASSWORD).await.expect(" 903 ");
    assert!(
        !again
            .finish_handshake("alice")
            .await
            .admitted()
            .identity
            .clone()
            .unwrap()
            .new
    );
}

#[tokio::test]
async fn a_client_without_account_registration_also_gets_a_notice() {
    let server = TestServer::new();
    let mut plain = server.client();
    plain.finish_handshake("alice").await;
    plain
        .send(REGISTER)
        .await
        .expect("NOTICE alice :A code was mailed to alice@example.org");
    let mut knows = server.client();
    knows.send("CAP REQ draft/account-registration").await;
    knows.finish_handshake("bob").await;
    let received = knows
        .send("REGISTER bob bob@example.org :correct horse")
        .await;
    assert!(
        !received.expect("VERIFICATION_REQUIRED").has("NOTICE"),
        "{received:?}"
    );
}

#[tokio::test]
async fn registering_before_the_handshake_is_over_works_too() {
    let server = TestServer::new();
    let mut client = server.client();
    client.send("CAP LS 302").await;
    client
        .send("REGISTER * alice@example.org :correct horse")
        .await
        .expect("FAIL REGISTER NEED_NICK * :");
    client.finish_handshake("bob").await;
    client
        .send(REGISTER)
        .await
        .expect("VERIFICATION_REQUIRED alice");
    let code = server.code(1).await;
    client
        .verify("alice", &code)
        .await
        .stays()
        .expect("VERIFY SUCCESS");
    client
        .send(REGISTER)
        .await
        .expect("FAIL REGISTER ALREADY_AUTHENTICATED alice :");
    client
        .send("VERIFY alice 1")
        .await
        .expect("FAIL VERIFY ALREADY_AUTHENTICATED alice :");
    let received = client.send("CAP END").await;
    assert_eq!(
        received.admitted().identity.as_ref().unwrap().name.as_str(),
        "alice"
    );
}

#[tokio::test]
async fn without_verification_an_account_needs_no_email() {
    let server = TestServer::with(|config| config.accounts.verify_email = false);
    let received = server.client().send("CAP LS 302").await;
    assert!(!received.has("email-required"), "{received:?}");
    let mut client = server.client();
    client
        .send("REGISTER alice * :correct horse")
        .await
        .expect("REGISTER SUCCESS alice :");
    assert!(
        client
            .finish_handshake("alice")
            .await
            .admitted()
            .identity
            .as_ref()
            .unwrap()
            .email
            .is_none()
    );
    server
        .client()
        .send("REGISTER bob * :correct horse")
        .await
        .expect("REGISTER SUCCESS bob :");
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    server
        .client()
        .request_code("alice", "a@example.org")
        .await
        .expect(" 904 ")
        .expect("no email address");
    server.ban("*@example.org").await;
    server
        .client()
        .send("REGISTER carol * :correct horse")
        .await
        .expect("REGISTER SUCCESS carol :");

    let server = TestServer::new();
    let received = server
        .client()
        .send("REGISTER alice * :correct horse")
        .await;
    received.expect("FAIL REGISTER INVALID_EMAIL alice :");
    server
        .client()
        .send("CAP LS 302")
        .await
        .expect("custom-account-name,email-required");
}

#[tokio::test]
async fn registering_before_connecting_can_be_disabled() {
    let server = TestServer::with(|config| {
        (
            config.accounts.required,
            config.accounts.register_before_connect,
        ) = (false, false);
    });
    let received = server.client().send("CAP LS 302").await;
    assert!(!received.has("before-connect"), "{received:?}");
    server
        .client()
        .send(REGISTER)
        .await
        .expect("FAIL REGISTER COMPLETE_CONNECTION_REQUIRED alice :");
}

#[tokio::test]
async fn replies_have_the_label_of_their_command() {
    let server = TestServer::new();
    let mut client = server.client();
    client
        .send("CAP REQ :labeled-response batch sasl draft/account-registration")
        .await
        .expect(" ACK ");
    let received = client
        .send("@label=a REGISTER alice alice@example.org :correct horse")
        .await;
    assert!(
        received.lines[0].starts_with("@label=a :rookery.local REGISTER VERIFICATION_REQUIRED"),
        "{received:?}"
    );
    let code = server.code(1).await;
    let received = client.send(&format!("@label=b VERIFY alice {code}")).await;
    assert_eq!(
        received.lines[0],
        "@label=b :rookery.local BATCH +answer-0 labeled-response"
    );
    assert!(
        received.lines[1].starts_with("@batch=answer-0 :rookery.local VERIFY SUCCESS alice"),
        "{received:?}"
    );
    assert_eq!(
        received.lines.last().unwrap(),
        ":rookery.local BATCH -answer-0"
    );
    let received = client.send("@label=c AUTHENTICATE PLAIN").await;
    assert_eq!(received.lines, ["@label=c :rookery.local AUTHENTICATE +"]);
    let received = client
        .send(&format!("@label=d AUTHENTICATE {}", "A".repeat(400)))
        .await;
    assert_eq!(received.lines, ["@label=d :rookery.local ACK"]);
}

#[tokio::test]
async fn a_device_credential_serves_instead_of_a_password() {
    let server = TestServer::new();
    let secret = device(1);
    let mut client = server.client();
    client
        .send(&format!("REGISTER alice alice@example.org {secret}"))
        .await
        .expect("VERIFICATION_REQUIRED");
    let code = server.code(1).await;
    client.verify("alice", &code).await.expect("SUCCESS");
    client
        .send("CREDENTIAL LIST")
        .await
        .expect(" 1 device ")
        .expect(" * here");
    server.sign_in("alice", &secret).await.expect(" 903 ");
    server.sign_in("alice", &device(2)).await.expect(" 904 ");
    let name = AccountName::parse("alice").unwrap();
    let account = server
        .database
        .read(move |store| store.account_by_name(&name))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(account.password_hash, None);
}

#[tokio::test]
async fn without_verification_the_account_exists_at_once() {
    let server = TestServer::with(|config| config.accounts.verify_email = false);
    let mut client = server.client();
    client.finish_handshake("alice").await.stays();
    let received = client.send(REGISTER).await;
    received.expect("REGISTER SUCCESS alice :").expect(" 900 ");
    assert!(received.admitted().identity.as_ref().unwrap().new);
    let received = server
        .client()
        .send("REGISTER bob alice@example.org :correct horse")
        .await;
    received.expect("FAIL REGISTER UNACCEPTABLE_EMAIL bob :");
    assert!(server.mail_files().is_empty());
}

#[tokio::test]
async fn a_ban_covers_the_mailbox_of_an_account_that_was_deleted() {
    let server = TestServer::new();
    server
        .account("erin", "erin@gmail.com", Some("correct horse"))
        .await;
    server.ban("erin").await;
    server
        .change_account("erin", |store, account| store.delete_account(&account))
        .await;
    for email in ["erin@gmail.com", "e.rin@googlemail.com"] {
        let ask = format!("REGISTER erin9 {email} :correct horse");
        let received = server.client().send(&ask).await;
        received.expect("FAIL REGISTER UNACCEPTABLE_EMAIL erin9 :You are banned");
    }
}

#[tokio::test]
async fn a_reload_applies_to_later_registrations() {
    let server = TestServer::new();
    server
        .client()
        .send(REGISTER)
        .await
        .expect("VERIFICATION_REQUIRED");
    server
        .config
        .send_modify(|config| Arc::make_mut(config).accounts.open = false);
    server
        .client()
        .send(REGISTER)
        .await
        .expect("Registration is closed");
    let code = server.code(1).await;
    server
        .client()
        .verify("alice", &code)
        .await
        .expect("SUCCESS");
}

#[tokio::test]
async fn a_delayed_mail_is_reported_once_to_the_session_that_waits() {
    let server = TestServer::new();
    let folder = server.folder.path().join("mail");
    std::fs::write(&folder, "in the way").unwrap();
    let mut client = server.client();
    client.send(REGISTER).await.expect("VERIFICATION_REQUIRED");
    let notices = client.next_mail_notice().await;
    assert_eq!(notices.len(), 1);
    assert!(
        notices[0].contains("NOTE REGISTER MAIL_DELAYED alice :"),
        "{notices:?}"
    );
    assert!(
        !notices[0].contains("mail/") && !notices[0].contains("directory"),
        "no paths are disclosed: {notices:?}"
    );
    let more =
        tokio::time::timeout(Duration::from_millis(50), client.machine.next_mail_notice()).await;
    assert!(more.is_err(), "once is enough");
}

#[tokio::test]
async fn without_a_delayed_mail_there_is_no_notice() {
    let server = TestServer::new();
    let mut client = server.client();
    assert!(
        tokio::time::timeout(Duration::from_millis(20), client.machine.next_mail_notice())
            .await
            .is_err()
    );
    client.send(REGISTER).await;
    server.mail(1).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(50), client.machine.next_mail_notice())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_log_names_the_account_and_contains_no_secret_or_whole_email() {
    let log = TestLog::capture();
    let server = TestServer::new();
    let mut client = server.client();
    client.send(REGISTER).await;
    let code = server.code(1).await;
    client
        .verify("alice", another(&code))
        .await
        .expect("INVALID_CODE");
    client.verify("alice", &code).await.expect("SUCCESS");
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    server
        .sign_in("alice@example.org", "wrong horse")
        .await
        .expect(" 904 ");
    server.sign_in("wrong horse", "alice").await.expect(" 904 ");
    let mut device_client = server.client();
    device_client
        .request_code("alice", "alice@example.org")
        .await;
    let device_code = server.code(2).await;
    device_client
        .submit_code(&device_code, &device(1))
        .await
        .expect(" 903 ");
    server.sign_in("alice", &device(1)).await.expect(" 903 ");
    let text = log.text();
    assert!(
        text.contains("account created") && text.contains("signed in on a new device"),
        "{text}"
    );
    for secret in [
        &code,
        &device_code,
        PASSWORD,
        "wrong horse",
        &device(1),
        "alice@example.org",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn whether_an_email_has_an_account_is_disclosed_a_few_times_only() {
    let server = TestServer::with(|config| config.accounts.verify_email = false);
    server
        .config
        .send_modify(|config| Arc::make_mut(config).limits.mails_per_hour = 2);
    server.account("bob", "bob@example.org", None).await;
    for _ in 0..2 {
        let received = server
            .client()
            .send("REGISTER alice bob@example.org :correct horse")
            .await;
        received.expect("FAIL REGISTER UNACCEPTABLE_EMAIL alice :");
    }
    let received = server
        .client()
        .send("REGISTER alice bob@example.org :correct horse")
        .await;
    received.expect("FAIL REGISTER TEMPORARILY_UNAVAILABLE alice :Too many");
    let mut other = server.client_from("198.51.100.9", None);
    other
        .send("REGISTER alice alice@example.org :correct horse")
        .await
        .expect("SUCCESS");
    for address in ["carol@example.org", "dave@example.org"] {
        other
            .send(&format!("SETEMAIL {address} :correct horse"))
            .await;
    }
    other
        .send("SETEMAIL bob@example.org :correct horse")
        .await
        .expect("FAIL SETEMAIL TEMPORARILY_UNAVAILABLE alice :");
}

#[tokio::test]
async fn a_password_in_several_words_needs_a_colon_and_is_then_taken_whole() {
    let server = TestServer::with(|config| config.accounts.verify_email = false);
    let mut client = server.client();
    client
        .send("REGISTER alice alice@example.org seventeen herons wading")
        .await
        .expect("FAIL REGISTER UNACCEPTABLE_PASSWORD alice :Write a colon");
    client
        .send("REGISTER alice alice@example.org :seventeen  herons wading")
        .await
        .expect("REGISTER SUCCESS alice :");
    client
        .send("SETPASS seventeen different reeds and moss")
        .await
        .expect("FAIL SETPASS UNACCEPTABLE_PASSWORD alice :Write a colon");
    for (password, reply) in [
        ("seventeen  herons wading", " 903 "),
        ("seventeen herons wading", " 904 "),
        ("seventeen", " 904 "),
        ("different", " 904 "),
    ] {
        server.client().plain("alice", password).await.expect(reply);
    }
}

#[tokio::test]
async fn no_command_takes_a_part_of_what_was_typed_for_the_whole() {
    let server = TestServer::with(|config| config.accounts.verify_email = false);
    let limits = rookery_chat::commands().filter_map(|command| match command.handler {
        rookery_chat::Handler::Accounts { max_params } => Some((command.names, max_params)),
        _ => None,
    });
    let mut tried = 0;
    for (names, max_params) in limits.filter(|(_, max_params)| *max_params < usize::MAX) {
        for name in names {
            let mut client = server.client();
            let words = [
                "LIST",
                "alice@example.org",
                "a-good-password",
                "and",
                "more",
            ];
            let line = format!("{name} {}", words[..=max_params].join(" "));
            client.send(&line).await.expect(&format!("FAIL {name} "));
            tried += 1;
        }
    }
    assert!(tried >= 5, "{tried}");
    let mut alice = server.client();
    alice
        .send("REGISTER alice alice@example.org a-good-password")
        .await
        .expect("REGISTER SUCCESS");
    for (line, reply) in [
        (
            "SETEMAIL new@example.org a-good-password other",
            "FAIL SETEMAIL UNACCEPTABLE_PASSWORD alice :",
        ),
        (
            "CREDENTIAL REVOKE 1 2",
            "FAIL CREDENTIAL INVALID_PARAMS alice :",
        ),
        (
            "CREDENTIAL LIST all of them",
            "FAIL CREDENTIAL INVALID_PARAMS alice :",
        ),
    ] {
        alice.send(line).await.expect(reply);
    }
}

#[tokio::test]
async fn a_password_with_a_character_that_cannot_be_typed_reliably_is_refused_when_it_is_set() {
    let server = TestServer::with(|config| config.accounts.verify_email = false);
    server
        .client()
        .send("REGISTER alice alice@example.org :correct\u{7f}horse")
        .await
        .expect("FAIL REGISTER UNACCEPTABLE_PASSWORD alice :")
        .expect("U+007F");
}

#[tokio::test]
async fn a_code_is_taken_with_spaces_and_dashes() {
    let server = TestServer::new();
    for (count, (name, before, between)) in [
        ("ann", "", " "),
        ("bea", ":", " "),
        ("cat", "", "-"),
        ("dan", ":", " - "),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = server.client();
        client
            .send(&format!(
                "REGISTER {name} {name}@example.org :correct horse"
            ))
            .await
            .expect("VERIFICATION_REQUIRED");
        let code = server.code(count + 1).await;
        let (first, last) = code.split_at(3);
        client
            .send(&format!("VERIFY {name} {before}{first}{between}{last}"))
            .await
            .expect("VERIFY SUCCESS");
    }
}
