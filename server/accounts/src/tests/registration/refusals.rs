//! Refused registrations, and what a refusal discloses.

use super::*;
use crate::registration::new_secret;

#[tokio::test]
async fn a_known_email_gets_the_same_reply_and_another_mail() {
    let server = TestServer::with_alice().await;
    let mut client = server.client();
    let known = client
        .send("REGISTER newname Alice@Example.org :correct horse")
        .await;
    let mail = server.mail(1).await;
    assert!(
        mail.contains("account alice") && mail.contains("To: alice@example.org"),
        "{mail}"
    );
    assert_eq!(code_in(&mail), None);
    let unknown = server
        .client()
        .send("REGISTER newnam3 carol@example.org :correct horse")
        .await;
    let masked = |received: &Received| {
        let line = received
            .lines
            .join("\n")
            .replace("newname", "NAME")
            .replace("newnam3", "NAME");
        line.replace("Alice@Example.org", "EMAIL")
            .replace("carol@example.org", "EMAIL")
    };
    assert_eq!(masked(&known), masked(&unknown));
    for left in (1..TRIES).rev() {
        client
            .verify("newname", "123456")
            .await
            .expect(&tries_left(left));
    }
}

#[tokio::test]
async fn a_mailbox_has_one_account_however_its_email_is_spelled() {
    let server = TestServer::new();
    server.account("alice", "alice@gmail.com", None).await;
    let mut client = server.client();
    let known = client
        .send("REGISTER second A.lice+2@googlemail.com :correct horse")
        .await;
    let mail = server.mail(1).await;
    assert!(
        mail.contains("account alice") && mail.contains("To: alice@gmail.com"),
        "{mail}"
    );
    assert_eq!(code_in(&mail), None);
    let unknown = server
        .client()
        .send("REGISTER secomb carol@googlemail.com :correct horse")
        .await;
    let masked = |received: &Received, name: &str, email: &str| {
        let lines = received.lines.join("\n");
        lines.replace(name, "NAME").replace(email, "EMAIL")
    };
    assert_eq!(
        masked(&known, "second", "A.lice+2@googlemail.com"),
        masked(&unknown, "secomb", "carol@googlemail.com")
    );
    let left = tries_left(TRIES - 1);
    client.verify("second", "123456").await.expect(&left);
}

#[tokio::test]
async fn of_two_registrations_of_one_mailbox_only_one_is_completed() {
    let server = TestServer::new();
    let mut first = server.client();
    first
        .send("REGISTER first bob+1@gmail.com :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    let first_code = server.code(1).await;
    let mut second = server.client();
    second
        .send("REGISTER second bob+2@gmail.com :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    let second_code = server.code(2).await;
    second
        .verify("second", &second_code)
        .await
        .expect("VERIFY SUCCESS");
    first
        .verify("first", &first_code)
        .await
        .expect("FAIL VERIFY UNACCEPTABLE_EMAIL first :");
}

#[tokio::test]
async fn taken_and_pending_names_and_look_alikes_are_refused() {
    let server = TestServer::new();
    server.account("alice", "alice@example.org", None).await;
    let cyrillic = "\u{430}\u{4cf}\u{456}\u{441}\u{435}";
    for name in ["alice", "Alice", cyrillic, "a1ice"] {
        let received = server
            .client()
            .send(&format!("REGISTER {name} new@example.org :correct horse"))
            .await;
        received.expect(&format!("FAIL REGISTER ACCOUNT_EXISTS {name} :"));
    }
    server
        .client()
        .send("REGISTER bob bob@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    for name in ["bob", "b0b"] {
        let received = server
            .client()
            .send(&format!("REGISTER {name} eve@example.org :correct horse"))
            .await;
        received.expect("FAIL REGISTER ACCOUNT_EXISTS");
    }
    let mut later = server.client();
    later.advance(LIFETIME_SECONDS);
    later
        .send("REGISTER bob eve@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
}

#[tokio::test]
async fn refused_registrations_get_the_codes_of_the_draft() {
    let server = TestServer::new();
    server.ban("mallory").await;
    server.ban("spam@example.org").await;
    let mut client = server.client();
    let long = format!("REGISTER alice a@example.org :{}", "x".repeat(301));
    for (line, reply) in [
        ("REGISTER alice a@example.org", " 461 * REGISTER :"),
        (
            "REGISTER 1abc a@example.org :correct horse",
            "FAIL REGISTER BAD_ACCOUNT_NAME 1abc :",
        ),
        (
            "REGISTER \u{323}bob a@example.org :correct horse",
            "FAIL REGISTER BAD_ACCOUNT_NAME \u{323}bob :This cannot be an account name: a word",
        ),
        (
            "REGISTER b\u{43e}b a@example.org :correct horse",
            "FAIL REGISTER BAD_ACCOUNT_NAME b\u{43e}b :This cannot be an account name: the letters",
        ),
        (
            "REGISTER alice * :correct horse",
            "FAIL REGISTER INVALID_EMAIL alice :",
        ),
        (
            "REGISTER alice nonsense :correct horse",
            "FAIL REGISTER INVALID_EMAIL alice :",
        ),
        (
            "REGISTER alice a%b@example.org :correct horse",
            "FAIL REGISTER INVALID_EMAIL alice :This email is not accepted: a name cannot contain %",
        ),
        (
            "REGISTER alice a\u{3164}@example.org :correct horse",
            "FAIL REGISTER INVALID_EMAIL alice :This email is not accepted: a name cannot contain",
        ),
        (
            "REGISTER alice a@\u{261}mail.com :correct horse",
            "FAIL REGISTER INVALID_EMAIL alice :This email is not accepted: its domain looks like",
        ),
        (
            "REGISTER alice a@example.org short12",
            "FAIL REGISTER WEAK_PASSWORD alice :",
        ),
        (
            "REGISTER alice_long a@example.org ALICE_LONG",
            "FAIL REGISTER WEAK_PASSWORD alice_long :",
        ),
        (&long, "FAIL REGISTER UNACCEPTABLE_PASSWORD alice :"),
        (
            "REGISTER mallory a@example.org :correct horse",
            "FAIL REGISTER BAD_ACCOUNT_NAME mallory :",
        ),
        (
            "REGISTER alice Spam@Example.ORG :correct horse",
            "FAIL REGISTER UNACCEPTABLE_EMAIL alice :",
        ),
    ] {
        client.send(line).await.stays().expect(reply);
    }
    client
        .send("REGISTER alice spam@example.org :correct horse")
        .await
        .expect("banned from this server: spam");
    assert!(server.mail_files().is_empty());
}

#[tokio::test]
async fn closed_registration_is_reported() {
    let server = TestServer::with(|config| config.accounts.open = false);
    let received = server.client().send(REGISTER).await;
    received
        .expect("FAIL REGISTER TEMPORARILY_UNAVAILABLE alice :")
        .expect("Registration is closed");
}

#[tokio::test]
async fn mails_to_one_email_and_from_one_address_are_limited() {
    let server = TestServer::with(|config| config.limits.mails_per_hour = 2);
    server
        .client()
        .send(REGISTER)
        .await
        .expect("VERIFICATION_REQUIRED");
    server
        .client_from("203.0.113.1", None)
        .send(REGISTER)
        .await
        .expect("VERIFICATION_REQUIRED");
    let mut elsewhere = server.client_from("198.51.100.7", None);
    elsewhere
        .send(REGISTER)
        .await
        .expect("TEMPORARILY_UNAVAILABLE alice :Too many codes");
    let mut here = server.client();
    here.send("REGISTER dave dave@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    let bob = "REGISTER bob bob@example.org :correct horse";
    here.send(bob)
        .await
        .expect("TEMPORARILY_UNAVAILABLE bob :Too many codes");
    elsewhere.send(bob).await.expect("VERIFICATION_REQUIRED");
    here.advance(3600);
    here.send("REGISTER carol carol@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    server.mail(5).await;
}

#[tokio::test]
async fn a_network_creates_so_many_accounts_in_a_day_as_in_five_hours() {
    let server = TestServer::with(|config| {
        config.limits.mails_per_hour = 1;
        config.accounts.verify_email = false;
    });
    let mut clock = server.client();
    let register = async |address: &str, name: &str| {
        let line = format!("REGISTER {name} * :correct horse");
        server.client_from(address, None).send(&line).await
    };
    for name in ["ada", "ben", "cyd", "dan", "eve"] {
        let success = format!("REGISTER SUCCESS {name} :");
        register("192.0.2.1", name).await.expect(&success);
        clock.advance(3600);
    }
    register("192.0.2.1", "fay").await.expect(
        "TEMPORARILY_UNAVAILABLE fay :Too many accounts were created from here today; try again \
         in 19 h",
    );
    register("192.0.2.2", "fay")
        .await
        .expect("REGISTER SUCCESS fay :");
    clock.advance(19 * 3600);
    register("192.0.2.1", "gil")
        .await
        .expect("REGISTER SUCCESS gil :");
    // The site of an IPv6 network creates four times as many.
    let mut created = 0;
    for number in 0..25 {
        let address = format!("2001:db8:0:{number:x}::1");
        let received = register(&address, &format!("site{number}")).await;
        created += usize::from(received.has("REGISTER SUCCESS"));
        clock.advance(900);
    }
    assert_eq!(created, 20);
}

#[tokio::test]
async fn registrations_of_taken_names_are_limited() {
    let server = TestServer::with_alice_and(|config| config.limits.mails_per_hour = 1).await;
    let taken = "REGISTER alice eve@example.org :correct horse";
    let mut client = server.client();
    for _ in 0..10 {
        client.send(taken).await.expect("ACCOUNT_EXISTS alice :");
    }
    for line in [taken, "REGISTER eve eve@example.org :correct horse"] {
        client
            .send(line)
            .await
            .expect("TEMPORARILY_UNAVAILABLE")
            .expect("Too many names were tried that are taken; try again in 60 min");
    }
    let mut elsewhere = server.client_from("198.51.100.7", None);
    elsewhere
        .send("REGISTER bob bob@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    // The database is not asked on behalf of a network that cannot register any further name.
    elsewhere.send(taken).await.expect("Too many codes");
    client.advance(3600);
    client.send(taken).await.expect("ACCOUNT_EXISTS alice :");
    client
        .send("REGISTER bob eve@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
}

#[tokio::test]
async fn questions_whether_an_email_is_banned_are_counted() {
    let server = TestServer::with(|config| config.limits.mails_per_hour = 3);
    server.ban("*@spam.example").await;
    server
        .account("alice", "alice@example.org", Some(PASSWORD))
        .await;
    let register = |address: &str, email: &str| {
        let line = format!("REGISTER eve {email} :correct horse");
        let mut client = server.client_from(address, None);
        async move { client.send(&line).await }
    };
    for guess in 0..3 {
        register("192.0.2.7", &format!("eve{guess}@spam.example"))
            .await
            .expect("FAIL REGISTER UNACCEPTABLE_EMAIL eve :You are banned");
    }
    for email in ["eve@spam.example", "eve@example.org"] {
        register("192.0.2.7", email)
            .await
            .expect("FAIL REGISTER TEMPORARILY_UNAVAILABLE eve :Too many codes");
    }
    let mut client = server.client_from("192.0.2.8", None);
    client.plain("alice", PASSWORD).await.expect(" 903 ");
    for guess in 0..3 {
        client
            .send(&format!("SETEMAIL eve{guess}@spam.example :{PASSWORD}"))
            .await
            .expect("FAIL SETEMAIL UNACCEPTABLE_EMAIL alice :You are banned");
    }
    for email in ["eve@spam.example", "eve@example.org"] {
        client
            .send(&format!("SETEMAIL {email} :{PASSWORD}"))
            .await
            .expect("FAIL SETEMAIL TEMPORARILY_UNAVAILABLE alice :Too many codes");
    }
}

#[tokio::test]
async fn a_ban_covers_other_spellings_patterns_and_addresses() {
    let server = TestServer::with(|config| {
        config.accounts.emails_without_dots = vec!["example.org".to_owned()];
    });
    server.account("bob", "bob@example.org", None).await;
    for target in ["BOB", "eve@example.org", "*@spam.example", "192.0.2.128/25"] {
        server.ban(target).await;
    }
    let refused = |email: &'static str, from: &'static str| {
        let mut client = server.client_from(from, None);
        async move {
            client
                .send(&format!("REGISTER carol {email} :correct horse"))
                .await
        }
    };
    for email in ["B.ob@example.org", "e.v.e@Example.org", "x@SPAM.example"] {
        refused(email, "192.0.2.1")
            .await
            .expect("FAIL REGISTER UNACCEPTABLE_EMAIL carol :You are banned");
    }
    refused("carol@example.org", "192.0.2.130")
        .await
        .expect("FAIL REGISTER TEMPORARILY_UNAVAILABLE carol :You are banned");
    refused("carol@example.org", "192.0.2.1")
        .await
        .expect("VERIFICATION_REQUIRED");
}

#[test]
fn common_passwords_are_permitted_only_without_a_minimum_length() {
    let alice = AccountName::parse("alice").unwrap();
    let is_accepted = |length| new_secret("password1", &alice, None, length).is_ok();
    assert_eq!([8, 0].map(is_accepted), [false, true]);
}

#[tokio::test]
async fn nobody_takes_a_reserved_name_or_one_that_looks_like_it() {
    let server = TestServer::with(|config| {
        config.accounts.required = false;
        config.chat.network = "Birdhouse".to_owned();
        config.chat.server_name = "chat.example.org".to_owned();
        config.accounts.reserved_names.push("root".parse().unwrap());
    });
    // The dots of the last are a letter and a digit.
    for name in [
        "root",
        "ROOT",
        "NickServ",
        "r\u{43e}ot",
        "birdhouse",
        "Server",
        "\u{1c3}",
        "\u{1427}",
        "\u{2d4c}lobby",
        "y\u{43e}u",
        "chat\u{a4f8}example\u{6f0}org",
    ] {
        let mut client = server.client();
        client
            .send(&format!("REGISTER {name} eve@example.org :correct horse"))
            .await
            .expect(&format!("FAIL REGISTER BAD_ACCOUNT_NAME {name} "));
        let mut guest = server.client();
        guest.send(&format!("NICK {name}")).await;
        let refused = guest.send("USER g 0 * :G").await;
        refused.expect(&format!(" 433 * {name} :This nick is reserved"));
    }
    // An account that was created before the name was reserved signs in.
    server
        .account("root", "root@example.org", Some(PASSWORD))
        .await;
    server
        .client()
        .plain("root", PASSWORD)
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn one_network_cannot_keep_the_owner_of_an_email_from_registering() {
    let server = TestServer::with(|config| config.limits.mails_per_hour = 6);
    let register = async |address: &str, name: &str| {
        let mut client = server.client_from(address, None);
        let line = format!("REGISTER {name} alice@example.org :{PASSWORD}");
        let received = client.send(&line).await;
        received.has("VERIFICATION_REQUIRED")
    };
    let mut mailed = 0;
    for attempt in 0..6 {
        mailed += u32::from(register("198.51.100.1", &format!("eve{attempt}")).await);
    }
    assert_eq!(mailed, 2, "one network gets a part");
    assert!(register("192.0.2.1", "alice").await, "the owner elsewhere");
}
