//! Invitations: what their codes allow, and what an attacker can do to them.

use super::*;
use crate::invitations::{LIFETIME, TRIES};
use rookery_record::InvitationId;

const ASK: &str = "REGISTER alice alice@example.org :correct horse";

fn closed() -> TestServer {
    TestServer::with(|config| config.accounts.open = false)
}

impl TestServer {
    /// Returns how many tries each invitation has left.
    async fn attempts_left(&self) -> Vec<u8> {
        let read = |store: &Store| store.invitations(start(), InvitationId(0), 10);
        let invitations = self.database.read(read).await.unwrap();
        invitations
            .iter()
            .map(|invitation| invitation.attempts_left)
            .collect()
    }
}

#[tokio::test]
async fn an_invited_person_registers_with_the_code_of_the_invitation_and_no_other_mail() {
    let server = closed();
    let code = server.invite("Alice@Example.org").await;
    let mut client = server.client();
    client.finish_handshake("alice").await;
    let received = client.send(ASK).await;
    received
        .stays()
        .expect("REGISTER VERIFICATION_REQUIRED alice :You are invited.");
    received.expect("NOTICE alice :You are invited. To finish, type /quote VERIFY alice ");
    let received = client.send(&format!("VERIFY alice {code}")).await;
    let identity = received
        .expect("VERIFY SUCCESS alice")
        .admitted()
        .identity
        .clone()
        .unwrap();
    assert_eq!(
        identity.email.as_ref().unwrap().as_str(),
        "alice@example.org"
    );
    assert!(server.mail_files().is_empty());
    assert!(server.attempts_left().await.is_empty(), "it is used up");
    server
        .client()
        .send("REGISTER bob alice@example.org :correct horse")
        .await
        .expect("Registration is closed");
    server
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn an_invitation_to_an_email_that_is_refused_otherwise_can_be_used() {
    for open in [false, true] {
        let server = TestServer::with(|config| config.accounts.open = open);
        let code = server.invite("a%b@example.org").await;
        let mut client = server.client();
        client.finish_handshake("alice").await;
        let refused = client.send("REGISTER alice a!b@example.org :correct horse");
        refused.await.expect("FAIL REGISTER INVALID_EMAIL alice :");
        let invited = client.send("REGISTER alice a%b@example.org :correct horse");
        invited.await.expect("VERIFICATION_REQUIRED alice :You are");
        let verify = format!("VERIFY alice {code}");
        client.send(&verify).await.expect("VERIFY SUCCESS alice");
    }
}

#[tokio::test]
async fn without_an_invitation_registration_is_refused_with_the_reason() {
    let server = closed();
    server.invite("alice@example.org").await;
    server.account("carol", "carol@example.org", None).await;
    let received = server
        .client()
        .send("REGISTER bob bob@example.org :correct horse")
        .await;
    received.expect("FAIL REGISTER TEMPORARILY_UNAVAILABLE bob :Registration is closed, and this email is not invited");
    let received = server
        .client()
        .send("REGISTER carol bob@example.org :correct horse")
        .await;
    received.expect("FAIL REGISTER ACCOUNT_EXISTS carol :");
    server
        .client()
        .send("VERIFY bob 123456")
        .await
        .expect("FAIL VERIFY INVALID_CODE bob :");
    assert!(server.mail_files().is_empty());
}

#[tokio::test]
async fn an_invitation_is_bound_to_its_email_and_to_the_session_that_registered() {
    let server = closed();
    let of_alice = server.invite("alice@example.org").await;
    let of_bob = server.invite("bob@example.org").await;
    let mut alice = server.client();
    alice.send(ASK).await;
    if of_alice != of_bob {
        alice
            .send(&format!("VERIFY alice {of_bob}"))
            .await
            .expect("INVALID_CODE alice :Wrong code; 4 tries");
    }
    // An attacker who knows the email cannot have its owner confirm the attacker's password.
    let mut owner = server.client();
    owner
        .send(&format!("VERIFY alice {of_alice}"))
        .await
        .expect("INVALID_CODE alice :No registration of this name");
    alice
        .send(&format!("VERIFY other {of_alice}"))
        .await
        .expect("INVALID_CODE");
    alice
        .send(&format!("VERIFY ALICE {of_alice}"))
        .await
        .expect("VERIFY SUCCESS alice");
}

#[tokio::test]
async fn a_code_used_up_by_an_attacker_leaves_the_invitation_valid() {
    let server = closed();
    let code = server.invite("alice@example.org").await;
    let mut attacker = server.client_from("198.51.100.66", None);
    attacker
        .send("REGISTER mallory alice@example.org :correct horse")
        .await
        .expect("You are invited");
    for left in (0..TRIES).rev() {
        let received = attacker
            .send(&format!("VERIFY mallory {}", another(&code)))
            .await;
        let expected = if left == 0 {
            "no tries are left"
        } else {
            "Wrong code; "
        };
        received
            .expect("FAIL VERIFY INVALID_CODE mallory :")
            .expect(expected);
    }
    attacker
        .send(&format!("VERIFY mallory {code}"))
        .await
        .expect("no tries are left");
    assert_eq!(
        server.attempts_left().await,
        [0],
        "the invitation stays valid"
    );

    let mut alice = server.client();
    alice
        .send(ASK)
        .await
        .expect("VERIFICATION_REQUIRED alice :A code was mailed to alice@example.org");
    let mailed = server.code(1).await;
    attacker
        .send(&format!("VERIFY mallory {mailed}"))
        .await
        .expect("INVALID_CODE");
    alice
        .send(&format!("VERIFY alice {mailed}"))
        .await
        .expect("VERIFY SUCCESS alice");
    assert!(server.attempts_left().await.is_empty());
}

#[tokio::test]
async fn failures_of_others_behind_the_same_address_do_not_stop_the_first_try_of_an_invited_person()
{
    let server = TestServer::with(|config| {
        config.accounts.open = false;
        config.limits.failed_sign_ins = 2;
    });
    let code = server.invite("alice@example.org").await;
    let mut alice = server.client();
    alice.send(ASK).await.expect("You are invited");
    let mut guesses = server.client();
    guesses
        .send("REGISTER mallory alice@example.org :correct horse")
        .await
        .expect("You are invited");
    for _ in 0..2 {
        let wrong = format!("VERIFY mallory {}", another(&code));
        guesses.send(&wrong).await.expect("Wrong code; ");
    }
    guesses
        .send(&format!("VERIFY mallory {code}"))
        .await
        .expect("FAIL VERIFY TEMPORARILY_UNAVAILABLE mallory :Too many tries");
    alice
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("VERIFY SUCCESS alice");
}

#[tokio::test]
async fn of_many_concurrent_guesses_only_five_are_checked() {
    let server = closed();
    let code = server.invite("alice@example.org").await;
    let wrong = another(&code);
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..20 {
        let mut client = server.client_from(&format!("198.51.100.{number}"), None);
        guesses.spawn(async move {
            client
                .send(&format!(
                    "REGISTER guess{number} alice@example.org :correct horse"
                ))
                .await;
            client
                .send(&format!("VERIFY guess{number} {wrong}"))
                .await
                .has("Wrong code; ")
        });
    }
    let checked = guesses
        .join_all()
        .await
        .into_iter()
        .filter(|checked| *checked)
        .count();
    assert_eq!(
        checked,
        usize::from(TRIES) - 1,
        "the reply to the fifth says that no tries are left"
    );
    let mut alice = server.client();
    alice.send(ASK).await.expect("A code was mailed");
}

#[tokio::test]
async fn of_several_that_use_the_code_at_once_one_gets_an_account() {
    let server = closed();
    let code = server.invite("alice@example.org").await;
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["ann", "bea", "cid", "dan"] {
        let (mut client, code) = (server.client(), code.clone());
        tasks.spawn(async move {
            client
                .send(&format!("REGISTER {name} alice@example.org :correct horse"))
                .await;
            client
                .send(&format!("VERIFY {name} {code}"))
                .await
                .has("SUCCESS")
        });
    }
    let won = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn an_invitation_ends_when_it_expires_or_is_withdrawn() {
    let server = closed();
    let code = server.invite("alice@example.org").await;
    let mut early = server.client();
    early.send(ASK).await.expect("You are invited");
    let mut late = server.client();
    late.advance(LIFETIME.as_secs());
    late.send(ASK).await.expect("this email is not invited");
    early.advance(LIFETIME.as_secs());
    early
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("INVALID_CODE");

    server.invite("alice@example.org").await;
    let mut alice = server.client();
    alice.send(ASK).await.expect("You are invited");
    let withdraw = |store: &mut Store| {
        let all = store.invitations(start(), InvitationId(0), 10)?;
        store.remove_invitation(all[0].id)
    };
    server
        .database
        .write(Durability::Record, withdraw)
        .await
        .unwrap()
        .unwrap();
    alice
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("INVALID_CODE");
    alice.send(ASK).await.expect("this email is not invited");
}

#[tokio::test]
async fn a_second_invitation_replaces_the_first_and_its_tries() {
    let server = closed();
    let first = server.invite("alice@example.org").await;
    let mut attacker = server.client();
    attacker
        .send("REGISTER mallory alice@example.org :correct horse")
        .await;
    for _ in 0..TRIES {
        attacker
            .send(&format!("VERIFY mallory {}", another(&first)))
            .await;
    }
    let second = server.invite("alice@example.org").await;
    assert_eq!(server.attempts_left().await, [TRIES]);
    let mut alice = server.client();
    alice.send(ASK).await.expect("You are invited");
    if first != second {
        alice
            .send(&format!("VERIFY alice {first}"))
            .await
            .expect("4 tries are left");
    }
    alice
        .send(&format!("VERIFY alice {second}"))
        .await
        .expect("SUCCESS");
}

#[tokio::test]
async fn the_invited_prove_their_email_even_where_emails_are_not_verified() {
    let server = TestServer::with(|config| {
        config.accounts.open = false;
        config.accounts.verify_email = false;
    });
    let code = server.invite("alice@example.org").await;
    let mut client = server.client();
    client.send(ASK).await.expect("You are invited");
    for _ in 0..TRIES {
        client
            .send(&format!("VERIFY alice {}", another(&code)))
            .await;
    }
    client.send(ASK).await.expect("A code was mailed");
    let mailed = server.code(1).await;
    client
        .send(&format!("VERIFY alice {mailed}"))
        .await
        .expect("SUCCESS");
}

#[tokio::test]
async fn a_ban_applies_to_the_invited_too() {
    let server = closed();
    let code = server.invite("alice@example.org").await;
    let mut client = server.client();
    client.send(ASK).await.expect("You are invited");
    server.ban("*@example.org").await;
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("UNACCEPTABLE_EMAIL alice :You are banned");
    server
        .client()
        .send(ASK)
        .await
        .expect("UNACCEPTABLE_EMAIL alice :You are banned");
    assert_eq!(
        server.attempts_left().await,
        [TRIES - 1],
        "it stays valid, should the ban be lifted"
    );
}

#[tokio::test]
async fn an_invitation_works_where_registration_is_open_too() {
    let server = TestServer::new();
    let code = server.invite("alice@example.org").await;
    let mut client = server.client();
    client.send(ASK).await.expect("You are invited");
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("SUCCESS");
    server
        .client()
        .send("REGISTER bob bob@example.org :correct horse")
        .await
        .expect("A code was mailed");
}

#[tokio::test]
async fn the_code_is_stored_only_as_a_hash() {
    let server = closed();
    let code = server.invite("alice@example.org").await;
    let read = |store: &Store| store.invitations(start(), InvitationId(0), 10);
    let hash = server
        .database
        .read(read)
        .await
        .unwrap()
        .remove(0)
        .code_hash;
    assert!(
        hash.starts_with("$argon2id$") && !hash.contains(&code),
        "{hash}"
    );
}

#[tokio::test]
async fn whether_an_email_is_invited_is_disclosed_a_few_times_only() {
    let server = closed();
    server
        .config
        .send_modify(|config| Arc::make_mut(config).limits.mails_per_hour = 2);
    for email in ["bob@example.org", "carol@example.org"] {
        let received = server
            .client()
            .send(&format!("REGISTER bob {email} :correct horse"))
            .await;
        received.expect("this email is not invited");
    }
    let received = server
        .client()
        .send("REGISTER bob dave@example.org :correct horse")
        .await;
    received.expect("FAIL REGISTER TEMPORARILY_UNAVAILABLE bob :Too many");
}
