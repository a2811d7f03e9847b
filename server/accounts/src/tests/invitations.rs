//! Invitations: what their codes open, and what a stranger can do to them.

use super::*;
use crate::invitations::{LIFETIME, TRIES};
use rookery_record::InvitationId;

const ASK: &str = "REGISTER alice alice@example.org :correct horse";

fn closed() -> House {
    House::with(|config| config.accounts.open = false)
}

impl House {
    /// How many codes the invitations still take, one by one.
    async fn tries(&self) -> Vec<u8> {
        let read = |store: &Store| store.invitations(start(), InvitationId(0), 10);
        let invitations = self.database.read(read).await.unwrap();
        invitations
            .iter()
            .map(|invitation| invitation.attempts_left)
            .collect()
    }
}

#[tokio::test]
async fn whoever_is_invited_registers_with_the_code_of_the_invitation_and_no_other_mail() {
    let house = closed();
    let code = house.invite("Alice@Example.org").await;
    let mut client = house.client();
    client.enter("alice").await;
    let heard = client.send(ASK).await;
    heard
        .stays()
        .expect("REGISTER VERIFICATION_REQUIRED alice :You are invited.");
    heard.expect("NOTICE alice :You are invited. Type /quote VERIFY alice and the code");
    let heard = client.send(&format!("VERIFY alice {code}")).await;
    let identity = heard
        .expect("VERIFY SUCCESS alice")
        .admitted()
        .identity
        .clone()
        .unwrap();
    assert_eq!(
        identity.email.as_ref().unwrap().as_str(),
        "alice@example.org"
    );
    assert!(house.mail_files().is_empty());
    assert!(house.tries().await.is_empty(), "it is used up");
    house
        .client()
        .send("REGISTER bob alice@example.org :correct horse")
        .await
        .expect("closed here");
    house
        .client()
        .plain("alice", PASSWORD)
        .await
        .expect(" 903 ");
}

#[tokio::test]
async fn whoever_is_not_invited_is_told_how_it_is() {
    let house = closed();
    house.invite("alice@example.org").await;
    house.account("carol", "carol@example.org", None).await;
    let heard = house
        .client()
        .send("REGISTER bob bob@example.org :correct horse")
        .await;
    heard.expect("FAIL REGISTER TEMPORARILY_UNAVAILABLE bob :Registration is closed here, and that email is not invited");
    let heard = house
        .client()
        .send("REGISTER carol bob@example.org :correct horse")
        .await;
    heard.expect("FAIL REGISTER ACCOUNT_EXISTS carol :");
    house
        .client()
        .send("VERIFY bob 123456")
        .await
        .expect("FAIL VERIFY INVALID_CODE bob :");
    assert!(house.mail_files().is_empty());
}

#[tokio::test]
async fn an_invitation_is_bound_to_its_email_and_to_the_register_before() {
    let house = closed();
    let of_alice = house.invite("alice@example.org").await;
    let of_bob = house.invite("bob@example.org").await;
    let mut alice = house.client();
    alice.send(ASK).await;
    if of_alice != of_bob {
        alice
            .send(&format!("VERIFY alice {of_bob}"))
            .await
            .expect("INVALID_CODE alice :The code is not right; 4 tries");
    }
    // A stranger who knows the email cannot have its owner confirm the stranger's password.
    let mut owner = house.client();
    owner
        .send(&format!("VERIFY alice {of_alice}"))
        .await
        .expect("INVALID_CODE alice :No registration of that name");
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
async fn a_code_that_strangers_used_up_leaves_the_invitation_good() {
    let house = closed();
    let code = house.invite("alice@example.org").await;
    let mut stranger = house.client_from("198.51.100.66", None);
    stranger
        .send("REGISTER mallory alice@example.org :correct horse")
        .await
        .expect("You are invited");
    for left in (0..TRIES).rev() {
        let heard = stranger
            .send(&format!("VERIFY mallory {}", another(&code)))
            .await;
        let expected = if left == 0 {
            "no other will do any more"
        } else {
            "The code is not right; "
        };
        heard
            .expect("FAIL VERIFY INVALID_CODE mallory :")
            .expect(expected);
    }
    stranger
        .send(&format!("VERIFY mallory {code}"))
        .await
        .expect("no other will do any more");
    assert_eq!(house.tries().await, [0], "the invitation stands");

    let mut alice = house.client();
    alice
        .send(ASK)
        .await
        .expect("VERIFICATION_REQUIRED alice :A code was mailed to alice@example.org");
    let mailed = house.code(1).await;
    stranger
        .send(&format!("VERIFY mallory {mailed}"))
        .await
        .expect("INVALID_CODE");
    alice
        .send(&format!("VERIFY alice {mailed}"))
        .await
        .expect("VERIFY SUCCESS alice");
    assert!(house.tries().await.is_empty());
}

#[tokio::test]
async fn of_many_guesses_at_once_no_more_than_five_are_looked_at() {
    let house = closed();
    let code = house.invite("alice@example.org").await;
    let wrong = another(&code);
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..20 {
        let mut client = house.client_from(&format!("198.51.100.{number}"), None);
        guesses.spawn(async move {
            client
                .send(&format!(
                    "REGISTER guess{number} alice@example.org :correct horse"
                ))
                .await;
            client
                .send(&format!("VERIFY guess{number} {wrong}"))
                .await
                .has("The code is not right; ")
        });
    }
    let looked_at = guesses
        .join_all()
        .await
        .into_iter()
        .filter(|looked_at| *looked_at)
        .count();
    assert_eq!(
        looked_at,
        usize::from(TRIES) - 1,
        "the fifth is told that it was the last"
    );
    let mut alice = house.client();
    alice.send(ASK).await.expect("A code was mailed");
}

#[tokio::test]
async fn of_two_that_use_the_code_at_once_one_gets_an_account() {
    let house = closed();
    let code = house.invite("alice@example.org").await;
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["ann", "bea", "cid", "dan"] {
        let (mut client, code) = (house.client(), code.clone());
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
async fn an_invitation_ends_with_its_time_or_when_it_is_taken_back() {
    let house = closed();
    let code = house.invite("alice@example.org").await;
    let mut early = house.client();
    early.send(ASK).await.expect("You are invited");
    let mut late = house.client();
    late.later(LIFETIME.as_secs());
    late.send(ASK).await.expect("that email is not invited");
    early.later(LIFETIME.as_secs());
    early
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("INVALID_CODE");

    house.invite("alice@example.org").await;
    let mut alice = house.client();
    alice.send(ASK).await.expect("You are invited");
    let take_back = |store: &mut Store| {
        let all = store.invitations(start(), InvitationId(0), 10)?;
        store.remove_invitation(all[0].id)
    };
    house
        .database
        .write(Durability::Record, take_back)
        .await
        .unwrap()
        .unwrap();
    alice
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("INVALID_CODE");
    alice.send(ASK).await.expect("that email is not invited");
}

#[tokio::test]
async fn a_second_invitation_replaces_the_first_and_its_tries() {
    let house = closed();
    let first = house.invite("alice@example.org").await;
    let mut stranger = house.client();
    stranger
        .send("REGISTER mallory alice@example.org :correct horse")
        .await;
    for _ in 0..TRIES {
        stranger
            .send(&format!("VERIFY mallory {}", another(&first)))
            .await;
    }
    let second = house.invite("alice@example.org").await;
    assert_eq!(house.tries().await, [TRIES]);
    let mut alice = house.client();
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
async fn the_invited_prove_their_email_even_where_nobody_else_has_to() {
    let house = House::with(|config| {
        config.accounts.open = false;
        config.accounts.verify_email = false;
    });
    let code = house.invite("alice@example.org").await;
    let mut client = house.client();
    client.send(ASK).await.expect("You are invited");
    for _ in 0..TRIES {
        client
            .send(&format!("VERIFY alice {}", another(&code)))
            .await;
    }
    client.send(ASK).await.expect("A code was mailed");
    let mailed = house.code(1).await;
    client
        .send(&format!("VERIFY alice {mailed}"))
        .await
        .expect("SUCCESS");
}

#[tokio::test]
async fn a_ban_counts_for_the_invited_too() {
    let house = closed();
    let code = house.invite("alice@example.org").await;
    let mut client = house.client();
    client.send(ASK).await.expect("You are invited");
    house.ban("*@example.org").await;
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("UNACCEPTABLE_EMAIL alice :You are banned");
    house
        .client()
        .send(ASK)
        .await
        .expect("UNACCEPTABLE_EMAIL alice :You are banned");
    assert_eq!(
        house.tries().await,
        [TRIES - 1],
        "it stands, should the ban be lifted"
    );
}

#[tokio::test]
async fn an_invitation_works_where_registration_is_open_too() {
    let house = House::new();
    let code = house.invite("alice@example.org").await;
    let mut client = house.client();
    client.send(ASK).await.expect("You are invited");
    client
        .send(&format!("VERIFY alice {code}"))
        .await
        .expect("SUCCESS");
    house
        .client()
        .send("REGISTER bob bob@example.org :correct horse")
        .await
        .expect("A code was mailed");
}

#[tokio::test]
async fn the_code_is_kept_as_a_hash_only() {
    let house = closed();
    let code = house.invite("alice@example.org").await;
    let read = |store: &Store| store.invitations(start(), InvitationId(0), 10);
    let kept = house.database.read(read).await.unwrap().remove(0).code_hash;
    assert!(
        kept.starts_with("$argon2id$") && !kept.contains(&code),
        "{kept}"
    );
}

#[tokio::test]
async fn whether_an_email_is_invited_is_told_a_few_times_only() {
    let house = closed();
    house
        .config
        .send_modify(|config| Arc::make_mut(config).limits.mails_per_hour = 2);
    for email in ["bob@example.org", "carol@example.org"] {
        let heard = house
            .client()
            .send(&format!("REGISTER bob {email} :correct horse"))
            .await;
        heard.expect("that email is not invited");
    }
    let heard = house
        .client()
        .send("REGISTER bob dave@example.org :correct horse")
        .await;
    heard.expect("FAIL REGISTER TEMPORARILY_UNAVAILABLE bob :Too many");
}
