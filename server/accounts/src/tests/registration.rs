//! `REGISTER` and `VERIFY`.

use super::*;
use crate::codes::{LIFETIME_SECONDS, TRIES};
use crate::registration::tries;
use crate::test_log::HeardLog;

const ASK: &str = "REGISTER alice alice@example.org :correct horse";

#[tokio::test]
async fn a_newcomer_registers_with_the_mailed_code_and_is_admitted_as_new() {
    let house = House::new();
    let mut client = house.client();
    client.enter("alice").await.stays();
    let heard = client
        .send("REGISTER * alice@example.org :correct horse")
        .await;
    heard
        .stays()
        .expect("REGISTER VERIFICATION_REQUIRED alice :A code was mailed to alice@example.org");
    let code = house.code(1).await;
    let heard = client.send(&format!("VERIFY alice {code}")).await;
    heard
        .expect("VERIFY SUCCESS alice :")
        .expect(" 900 alice alice!*@* alice :");
    let identity = heard.admitted().identity.clone().unwrap();
    assert_eq!(
        (
            identity.name.as_str(),
            identity.email.as_ref().unwrap().as_str()
        ),
        ("alice", "alice@example.org")
    );
    assert!(identity.new);
    // Not new once greeted, and the password opens it.
    house.accounts.set_greeted(identity.id).await.unwrap();
    let mut again = house.client();
    again.plain("alice", PASSWORD).await.expect(" 903 ");
    assert!(
        !again
            .enter("alice")
            .await
            .admitted()
            .identity
            .clone()
            .unwrap()
            .new
    );
}

#[tokio::test]
async fn a_client_that_does_not_know_the_answer_shows_its_person_a_notice() {
    let house = House::new();
    let mut plain = house.client();
    plain.enter("alice").await;
    plain
        .send(ASK)
        .await
        .expect("NOTICE alice :A code was mailed to alice@example.org");
    let mut knows = house.client();
    knows.send("CAP REQ draft/account-registration").await;
    knows.enter("bob").await;
    let heard = knows
        .send("REGISTER bob bob@example.org :correct horse")
        .await;
    assert!(
        !heard.expect("VERIFICATION_REQUIRED").has("NOTICE"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn registering_before_the_handshake_is_over_works_too() {
    let house = House::new();
    let mut client = house.client();
    client.send("CAP LS 302").await;
    client
        .send("REGISTER * alice@example.org :correct horse")
        .await
        .expect("FAIL REGISTER NEED_NICK * :");
    client.enter("bob").await;
    client.send(ASK).await.expect("VERIFICATION_REQUIRED alice");
    let code = house.code(1).await;
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .stays()
        .expect("VERIFY SUCCESS");
    client
        .send(ASK)
        .await
        .expect("FAIL REGISTER ALREADY_AUTHENTICATED alice :");
    client
        .send("VERIFY alice 1")
        .await
        .expect("FAIL VERIFY ALREADY_AUTHENTICATED alice :");
    let heard = client.send("CAP END").await;
    assert_eq!(
        heard.admitted().identity.as_ref().unwrap().name.as_str(),
        "alice"
    );
}

#[tokio::test]
async fn the_code_works_from_another_connection_and_once_only() {
    let house = House::new();
    house.client().send(ASK).await;
    let code = house.code(1).await;
    house
        .client()
        .send(&format!("VERIFY ALICE {code}"))
        .await
        .expect("VERIFY SUCCESS alice");
    house
        .client()
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("FAIL VERIFY INVALID_CODE alice :");
}

#[tokio::test]
async fn of_two_that_verify_at_once_one_gets_the_account() {
    let house = House::new();
    house.client().send(ASK).await;
    let line = format!("VERIFY alice {}", house.code(1).await);
    let mut clients: Vec<_> = (0..8).map(|_| house.client()).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for mut client in clients.drain(..) {
        let line = line.clone();
        tasks.spawn(async move { client.send(&line).await.has("SUCCESS") });
    }
    let won = tasks.join_all().await;
    assert_eq!(won.iter().filter(|&&won| won).count(), 1);
}

#[tokio::test]
async fn five_wrong_codes_end_the_registration() {
    let house = House::new();
    let mut client = house.client();
    client.send(ASK).await;
    let code = house.code(1).await;
    for left in (1..TRIES).rev() {
        let heard = client
            .send(&format!("VERIFY alice {}", another(&code)))
            .await;
        heard
            .expect("FAIL VERIFY INVALID_CODE alice :")
            .expect(&tries(left));
    }
    client
        .send(&format!("VERIFY alice {}", another(&code)))
        .await
        .expect("REGISTER again");
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("FAIL VERIFY INVALID_CODE");
    client.send(ASK).await.expect("VERIFICATION_REQUIRED");
    let fresh = house.code(2).await;
    client
        .send(&format!("VERIFY alice {fresh}"))
        .await
        .expect("SUCCESS");
}

#[tokio::test]
async fn an_expired_code_and_that_of_another_registration_are_refused() {
    let house = House::new();
    let mut alice = house.client();
    alice.send(ASK).await;
    let code = house.code(1).await;
    let mut bob = house.client();
    bob.send("REGISTER bob bob@example.org :correct horse")
        .await;
    let bobs = house.code(2).await;
    if bobs != code {
        bob.send(&format!("VERIFY bob {code}"))
            .await
            .expect("INVALID_CODE");
    }
    alice.later(LIFETIME_SECONDS);
    alice
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("FAIL VERIFY INVALID_CODE")
        .expect("expired");
    alice
        .send("VERIFY nobody 123456")
        .await
        .expect("FAIL VERIFY INVALID_CODE nobody :");
    alice.send("VERIFY alice").await.expect(" 461 ");
}

#[tokio::test]
async fn wrong_codes_of_strangers_kill_nobody_elses_registration() {
    let house = House::with(|config| config.limits.failed_sign_ins = 0);
    let mut owner = house.client();
    owner.send(ASK).await.expect("VERIFICATION_REQUIRED");
    let code = house.code(1).await;
    let guess = format!("VERIFY alice {}", another(&code));
    for host in 1..=6 {
        let mut stranger = house.client_from(&format!("198.51.100.{host}"), None);
        for left in (0..TRIES).rev() {
            let expected = if left == 0 || host == 6 {
                "no other will do"
            } else {
                " left"
            };
            stranger
                .send(&guess)
                .await
                .expect("FAIL VERIFY INVALID_CODE")
                .expect(expected);
        }
        stranger
            .send(&format!("VERIFY alice {code}"))
            .await
            .expect("FAIL VERIFY INVALID_CODE");
    }
    owner.send(&guess).await.expect("4 tries are left");
    owner
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("VERIFY SUCCESS");
}

#[tokio::test]
async fn asking_again_gives_another_code_for_the_same_registration() {
    let house = House::new();
    let mut client = house.client();
    let mut last = String::new();
    // More often than others could register the same.
    for count in 1..=7 {
        client
            .send(ASK)
            .await
            .expect("REGISTER VERIFICATION_REQUIRED alice :");
        let code = house.code(count).await;
        if count > 1 && code != last {
            client
                .send(&format!("VERIFY alice {last}"))
                .await
                .expect("FAIL VERIFY INVALID_CODE");
        }
        last = code;
    }
    client
        .send(&format!("VERIFY alice {last}"))
        .await
        .expect("VERIFY SUCCESS");
    house
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn without_verification_an_account_may_do_without_an_email() {
    let house = House::with(|config| config.accounts.verify_email = false);
    let heard = house.client().send("CAP LS 302").await;
    assert!(!heard.has("email-required"), "{heard:?}");
    let mut client = house.client();
    client
        .send("REGISTER alice * :correct horse")
        .await
        .expect("REGISTER SUCCESS alice :");
    assert!(
        client
            .enter("alice")
            .await
            .admitted()
            .identity
            .as_ref()
            .unwrap()
            .email
            .is_none()
    );
    house
        .client()
        .send("REGISTER bob * :correct horse")
        .await
        .expect("REGISTER SUCCESS bob :");
    house
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(" 903 ");
    house
        .client()
        .ask_code("alice", "a@example.org")
        .await
        .expect(" 904 ")
        .expect("has no email");
    house.ban("*@example.org").await;
    house
        .client()
        .send("REGISTER carol * :correct horse")
        .await
        .expect("REGISTER SUCCESS carol :");

    let house = House::new();
    let heard = house.client().send("REGISTER alice * :correct horse").await;
    heard.expect("FAIL REGISTER INVALID_EMAIL alice :");
    house
        .client()
        .send("CAP LS 302")
        .await
        .expect("custom-account-name,email-required");
}

#[tokio::test]
async fn registering_before_coming_in_can_be_switched_off() {
    let house = House::with(|config| {
        (
            config.accounts.required,
            config.accounts.register_before_connect,
        ) = (false, false);
    });
    let heard = house.client().send("CAP LS 302").await;
    assert!(!heard.has("before-connect"), "{heard:?}");
    house
        .client()
        .send(ASK)
        .await
        .expect("FAIL REGISTER COMPLETE_CONNECTION_REQUIRED alice :");
}

#[tokio::test]
async fn answers_bear_the_label_of_what_they_answer() {
    let house = House::new();
    let mut client = house.client();
    client
        .send("CAP REQ :labeled-response batch sasl draft/account-registration")
        .await
        .expect(" ACK ");
    let heard = client
        .send("@label=a REGISTER alice alice@example.org :correct horse")
        .await;
    assert!(
        heard.lines[0].starts_with("@label=a :rookery.local REGISTER VERIFICATION_REQUIRED"),
        "{heard:?}"
    );
    let code = house.code(1).await;
    let heard = client.send(&format!("@label=b VERIFY alice {code}")).await;
    assert_eq!(
        heard.lines[0],
        "@label=b :rookery.local BATCH +answer-0 labeled-response"
    );
    assert!(
        heard.lines[1].starts_with("@batch=answer-0 :rookery.local VERIFY SUCCESS alice"),
        "{heard:?}"
    );
    assert_eq!(
        heard.lines.last().unwrap(),
        ":rookery.local BATCH -answer-0"
    );
    let heard = client.send("@label=c AUTHENTICATE PLAIN").await;
    assert_eq!(heard.lines, ["@label=c :rookery.local AUTHENTICATE +"]);
    let heard = client
        .send(&format!("@label=d AUTHENTICATE {}", "A".repeat(400)))
        .await;
    assert_eq!(heard.lines, ["@label=d :rookery.local ACK"]);
}

#[tokio::test]
async fn a_stranger_cannot_have_their_password_confirmed_by_the_owner_of_the_email() {
    let house = House::new();
    let (mut owner, mut stranger) = (house.client(), house.client_from("198.51.100.7", None));
    owner.send(ASK).await;
    let own = house.code(1).await;
    stranger
        .send("REGISTER alice alice@example.org :strangers choice")
        .await
        .expect("VERIFICATION_REQUIRED");
    let strangers = house.code(2).await;
    if strangers != own {
        owner
            .send(&format!("VERIFY alice {strangers}"))
            .await
            .expect("FAIL VERIFY INVALID_CODE");
    }
    owner
        .send(&format!("VERIFY alice {own}"))
        .await
        .expect("SUCCESS");
    house
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(" 903 ");
    house
        .client()
        .plain("alice", "strangers choice")
        .await
        .expect(" 904 ");
}

#[tokio::test]
async fn a_known_email_gets_the_same_answer_and_a_mail_of_its_own() {
    let house = House::new();
    house
        .account("alice", "alice@example.org", Some(PASSWORD))
        .await;
    let mut client = house.client();
    let known = client
        .send("REGISTER newname Alice@Example.org :correct horse")
        .await;
    let mail = house.mail(1).await;
    assert!(
        mail.contains("account alice") && mail.contains("To: alice@example.org"),
        "{mail}"
    );
    assert_eq!(code_in(&mail), None);
    let unknown = house
        .client()
        .send("REGISTER newnam3 carol@example.org :correct horse")
        .await;
    let masked = |heard: &Heard| {
        let line = heard
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
            .send("VERIFY newname 123456")
            .await
            .expect(&tries(left));
    }
}

#[tokio::test]
async fn taken_names_and_look_alikes_are_refused_also_while_they_wait() {
    let house = House::new();
    house.account("alice", "alice@example.org", None).await;
    for name in ["alice", "Alice", "\u{430}lice", "a1ice"] {
        let heard = house
            .client()
            .send(&format!("REGISTER {name} new@example.org :correct horse"))
            .await;
        heard.expect(&format!("FAIL REGISTER ACCOUNT_EXISTS {name} :"));
    }
    house
        .client()
        .send("REGISTER bob bob@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    for name in ["bob", "b0b"] {
        let heard = house
            .client()
            .send(&format!("REGISTER {name} eve@example.org :correct horse"))
            .await;
        heard.expect("FAIL REGISTER ACCOUNT_EXISTS");
    }
    let mut later = house.client();
    later.later(LIFETIME_SECONDS);
    later
        .send("REGISTER bob eve@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
}

#[tokio::test]
async fn what_cannot_be_registered_gets_the_code_of_the_draft() {
    let house = House::new();
    house.ban("mallory").await;
    house.ban("spam@example.org").await;
    let mut client = house.client();
    let long = format!("REGISTER alice a@example.org :{}", "x".repeat(301));
    for (line, reply) in [
        ("REGISTER alice a@example.org", " 461 * REGISTER :"),
        (
            "REGISTER 1abc a@example.org :correct horse",
            "FAIL REGISTER BAD_ACCOUNT_NAME 1abc :",
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
    assert!(house.mail_files().is_empty());
}

#[tokio::test]
async fn a_device_credential_serves_instead_of_a_password() {
    let house = House::new();
    let secret = device(1);
    let mut client = house.client();
    client
        .send(&format!("REGISTER alice alice@example.org {secret}"))
        .await
        .expect("VERIFICATION_REQUIRED");
    let code = house.code(1).await;
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("SUCCESS");
    client
        .send("CREDENTIAL LIST")
        .await
        .expect(" 1 device ")
        .expect(" * here");
    house.client().plain("alice", &secret).await.expect(" 903 ");
    house
        .client()
        .plain("alice", &device(2))
        .await
        .expect(" 904 ");
    let name = AccountName::parse("alice").unwrap();
    let account = house
        .database
        .read(move |store| store.account_by_name(&name))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(account.password_hash, None);
}

#[tokio::test]
async fn without_verification_the_account_is_there_at_once() {
    let house = House::with(|config| config.accounts.verify_email = false);
    let mut client = house.client();
    client.enter("alice").await.stays();
    let heard = client.send(ASK).await;
    heard.expect("REGISTER SUCCESS alice :").expect(" 900 ");
    assert!(heard.admitted().identity.as_ref().unwrap().new);
    let heard = house
        .client()
        .send("REGISTER bob alice@example.org :correct horse")
        .await;
    heard.expect("FAIL REGISTER UNACCEPTABLE_EMAIL bob :");
    assert!(house.mail_files().is_empty());
}

#[tokio::test]
async fn closed_registration_says_so() {
    let house = House::with(|config| config.accounts.open = false);
    let heard = house.client().send(ASK).await;
    heard
        .expect("FAIL REGISTER TEMPORARILY_UNAVAILABLE alice :")
        .expect("closed here");
}

#[tokio::test]
async fn a_reload_counts_from_the_next_registration_on() {
    let house = House::new();
    house
        .client()
        .send(ASK)
        .await
        .expect("VERIFICATION_REQUIRED");
    house
        .config
        .send_modify(|config| Arc::make_mut(config).accounts.open = false);
    house.client().send(ASK).await.expect("closed here");
    let code = house.code(1).await;
    house
        .client()
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("SUCCESS");
}

#[tokio::test]
async fn mails_to_one_email_and_from_one_address_are_limited() {
    let house = House::with(|config| config.limits.mails_per_hour = 2);
    house
        .client()
        .send(ASK)
        .await
        .expect("VERIFICATION_REQUIRED");
    house
        .client()
        .send(ASK)
        .await
        .expect("VERIFICATION_REQUIRED");
    let mut elsewhere = house.client_from("198.51.100.7", None);
    elsewhere
        .send(ASK)
        .await
        .expect("TEMPORARILY_UNAVAILABLE alice :Too many codes");
    let mut here = house.client();
    let bob = "REGISTER bob bob@example.org :correct horse";
    here.send(bob)
        .await
        .expect("TEMPORARILY_UNAVAILABLE bob :Too many codes");
    elsewhere.send(bob).await.expect("VERIFICATION_REQUIRED");
    here.later(3600);
    here.send("REGISTER carol carol@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    house.mail(4).await;
}

#[tokio::test]
async fn guessing_codes_from_one_address_is_limited() {
    let house = House::with(|config| config.limits.failed_sign_ins = 2);
    let mut client = house.client();
    client
        .send("VERIFY alice 123456")
        .await
        .expect("INVALID_CODE");
    client
        .send("VERIFY alice 123456")
        .await
        .expect("INVALID_CODE");
    client
        .send("VERIFY alice 123456")
        .await
        .expect("FAIL VERIFY TEMPORARILY_UNAVAILABLE alice :Too many");
    client.later(600);
    client
        .send("VERIFY alice 123456")
        .await
        .expect("INVALID_CODE");
}

#[tokio::test]
async fn mail_in_trouble_is_reported_once_to_the_one_who_waits() {
    let house = House::new();
    let folder = house.folder.path().join("mail");
    std::fs::write(&folder, "in the way").unwrap();
    let mut client = house.client();
    client.send(ASK).await.expect("VERIFICATION_REQUIRED");
    let news = client.news().await;
    assert_eq!(news.len(), 1);
    assert!(
        news[0].contains("NOTE REGISTER MAIL_DELAYED alice :"),
        "{news:?}"
    );
    assert!(
        !news[0].contains("mail/") && !news[0].contains("directory"),
        "no paths for strangers: {news:?}"
    );
    let more = tokio::time::timeout(Duration::from_millis(50), client.machine.news()).await;
    assert!(more.is_err(), "once is enough");
}

#[tokio::test]
async fn without_mails_there_are_never_news() {
    let house = House::new();
    let mut client = house.client();
    assert!(
        tokio::time::timeout(Duration::from_millis(20), client.machine.news())
            .await
            .is_err()
    );
    client.send(ASK).await;
    house.mail(1).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(50), client.machine.news())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_log_tells_who_came_and_holds_no_secret_nor_whole_address() {
    let log = HeardLog::listen();
    let house = House::new();
    let mut client = house.client();
    client.send(ASK).await;
    let code = house.code(1).await;
    client
        .send(&format!("VERIFY alice {}", another(&code)))
        .await
        .expect("INVALID_CODE");
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("SUCCESS");
    house
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(" 903 ");
    house
        .client()
        .plain("alice@example.org", "wrong horse")
        .await
        .expect(" 904 ");
    house
        .client()
        .plain("wrong horse", "alice")
        .await
        .expect(" 904 ");
    let mut device_client = house.client();
    device_client.ask_code("alice", "alice@example.org").await;
    let device_code = house.code(2).await;
    device_client
        .give_code(&device_code, &device(1))
        .await
        .expect(" 903 ");
    house
        .client()
        .plain("alice", &device(1))
        .await
        .expect(" 903 ");
    let text = log.text();
    assert!(
        text.contains("account made") && text.contains("signed in on a new device"),
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
async fn a_ban_stands_against_other_spellings_patterns_and_addresses() {
    let house =
        House::with(|config| config.accounts.emails_without_dots = vec!["example.org".to_owned()]);
    house.account("bob", "bob@example.org", None).await;
    for target in ["BOB", "eve@example.org", "*@spam.example", "192.0.2.128/25"] {
        house.ban(target).await;
    }
    let refused = |email: &'static str, from: &'static str| {
        let mut client = house.client_from(from, None);
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

#[tokio::test]
async fn a_ban_that_comes_while_the_code_is_on_its_way_stands() {
    let house = House::new();
    let mut client = house.client();
    client
        .send("REGISTER eve eve@example.org :correct horse")
        .await
        .expect("VERIFICATION_REQUIRED");
    let code = house.code(1).await;
    house.ban("*@example.org").await;
    client
        .send(&format!("VERIFY eve {code}"))
        .await
        .expect("FAIL VERIFY UNACCEPTABLE_EMAIL eve :You are banned");
}

#[tokio::test]
async fn whether_an_email_has_an_account_is_told_a_few_times_only() {
    let house = House::with(|config| config.accounts.verify_email = false);
    house
        .config
        .send_modify(|config| Arc::make_mut(config).limits.mails_per_hour = 2);
    house.account("bob", "bob@example.org", None).await;
    for _ in 0..2 {
        let heard = house
            .client()
            .send("REGISTER alice bob@example.org :correct horse")
            .await;
        heard.expect("FAIL REGISTER UNACCEPTABLE_EMAIL alice :");
    }
    let heard = house
        .client()
        .send("REGISTER alice bob@example.org :correct horse")
        .await;
    heard.expect("FAIL REGISTER TEMPORARILY_UNAVAILABLE alice :Too many");
    let mut other = house.client_from("198.51.100.9", None);
    other
        .send("REGISTER alice alice@example.org :correct horse")
        .await
        .expect("SUCCESS");
    for address in ["carol@example.org", "dave@example.org"] {
        other.send(&format!("SETEMAIL {address}")).await;
    }
    other
        .send("SETEMAIL bob@example.org")
        .await
        .expect("FAIL SETEMAIL TEMPORARILY_UNAVAILABLE alice :");
}
