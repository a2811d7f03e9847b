//! Tests of accounts and their credentials.

use super::*;
use crate::{TriedBy, TriedCode};
use rookery_record::{
    AccountConflict, AccountId, CredentialId, CredentialKind, EmailAliases, Network, NewAccount,
    ScramVerifier,
};

#[test]
fn an_account_is_found_by_number_name_and_email_after_a_restart() {
    let (folder, mut sqlite) = empty_store();
    let created = sqlite
        .create_account(&account("Alice", "Alice@Example.org"))
        .unwrap()
        .unwrap();
    drop(sqlite);
    let mut sqlite = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
    for found in [
        sqlite.account(created.id).unwrap(),
        sqlite.account_by_name(&name("aLICE")).unwrap(),
        sqlite
            .account_by_email(&email("alice@EXAMPLE.org"))
            .unwrap(),
    ] {
        let found = found.unwrap();
        assert_eq!(found.id, created.id);
        assert_eq!(found.name.as_str(), "Alice");
        assert_eq!(found.email.unwrap().as_str(), "Alice@Example.org");
        assert_eq!(found.created_at, noon());
        assert!(!found.greeted);
    }
    sqlite.set_greeted(created.id).unwrap();
    let found = sqlite.account(created.id).unwrap().unwrap();
    assert!(found.greeted);
    assert!(
        sqlite
            .account(AccountId(created.id.0 + 1))
            .unwrap()
            .is_none()
    );
    assert!(sqlite.account_by_name(&name("bob")).unwrap().is_none());
}

#[test]
fn codes_are_counted_apart_where_the_owner_has_signed_in_until_they_are_reset() {
    let (folder, mut sqlite) = empty_store();
    let created = sqlite.create_account(&account("alice", "alice@example.org"));
    let id = created.unwrap().unwrap().id;
    let [home, elsewhere] =
        ["192.0.2.1", "203.0.113.1"].map(|address| Network::of(address.parse().unwrap()));
    sqlite.set_account_network(id, home, noon()).unwrap();
    assert!(!sqlite.has_tried_codes(id).unwrap());
    for network in [elsewhere, home] {
        let by = TriedBy::Anyone(network);
        let mut count = |code| sqlite.count_account_code(id, by, code).unwrap();
        for _ in 0..50 {
            assert!(count(TriedCode::Decoy) && count(TriedCode::Real));
        }
        assert!(!count(TriedCode::Real) && !count(TriedCode::Decoy));
        assert!(
            count(TriedCode::Right) && count(TriedCode::Real),
            "one less"
        );
        assert!(!sqlite.accepts_codes(id, network).unwrap());
        assert_eq!(sqlite.accepts_codes(id, home).unwrap(), network != home);
    }
    let count_signed_in = |sqlite: &mut Store| {
        let (by, code) = (TriedBy::SignedIn, TriedCode::Real);
        sqlite.count_account_code(id, by, code).unwrap()
    };
    assert!((0..50).all(|_| count_signed_in(&mut sqlite)), "apart");
    assert!(!count_signed_in(&mut sqlite));
    drop(sqlite);
    let mut sqlite = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
    assert!(!sqlite.accepts_codes(id, home).unwrap(), "after a restart");
    assert!(!count_signed_in(&mut sqlite), "after a restart");
    assert!(sqlite.has_tried_codes(id).unwrap());
    sqlite.reset_account_codes(id).unwrap();
    assert!(!sqlite.has_tried_codes(id).unwrap());
    assert!(count_signed_in(&mut sqlite));
    assert!(sqlite.accepts_codes(id, home).unwrap());
    assert!(sqlite.accepts_codes(id, elsewhere).unwrap());
}

#[test]
fn a_name_that_equals_or_resembles_another_is_taken() {
    let (_folder, mut sqlite) = empty_store();
    sqlite
        .create_account(&account("alice", "alice@example.org"))
        .unwrap()
        .unwrap();
    for taken in ["alice", "ALICE", "a1ice", "\u{430}lice"] {
        assert!(sqlite.is_name_taken(&name(taken)).unwrap(), "{taken}");
        let refused = sqlite
            .create_account(&account(taken, "other@example.org"))
            .unwrap();
        assert_eq!(refused.unwrap_err(), AccountConflict::Name, "{taken}");
    }
    assert!(!sqlite.is_name_taken(&name("alina")).unwrap());
    let refused = sqlite
        .create_account(&account("bob", "ALICE@example.ORG"))
        .unwrap();
    assert_eq!(refused.unwrap_err(), AccountConflict::Email);
    assert_eq!(sqlite.accounts().unwrap().len(), 1);
}

#[test]
fn the_accounts_of_a_mailbox_are_found_by_any_spelling_under_the_rules_of_the_moment() {
    let (_folder, mut sqlite) = empty_store();
    for (name, email) in [
        ("first", "alice@gmail.com"),
        ("second", "A.lice+2@googlemail.com"),
        ("dotted", "al.ice@example.org"),
        ("tagged", "alice+x@example.org"),
        ("tag", "+alice@gmail.com"),
        ("proton", "d.o-ra@pm.me"),
        ("fastmail", "shop@fay.fastmail.com"),
    ] {
        let created = sqlite.create_account(&account(name, email)).unwrap();
        created.unwrap();
    }
    let found = |text: &str, aliases: &EmailAliases| -> Vec<String> {
        let accounts = sqlite.accounts_of_mailbox(&email(text), aliases).unwrap();
        let names = accounts.iter().map(|account| account.name.to_string());
        names.collect()
    };
    let list = |domain: &str| vec![domain.to_owned()];
    let gmail = EmailAliases::new(&list("gmail.com"), &list("gmail.com"));
    assert_eq!(found("ALICE+new@gmail.com", &gmail), ["first", "second"]);
    assert_eq!(found("alice@gmail.com", &gmail), ["first", "second"]);
    let second = found("a.lice+2@googlemail.com", &gmail);
    assert_eq!(second, ["second", "first"], "the very email first");
    assert_eq!(found("alice@example.org", &gmail), [""; 0]);
    assert_eq!(found("+alice@gmail.com", &gmail), ["tag"]);
    assert_eq!(found("do_ra@proton.me", &gmail), ["proton"]);
    assert_eq!(found("fay@fastmail.com", &gmail), ["fastmail"]);
    let example = EmailAliases::new(&[], &list("example.org"));
    assert_eq!(found("alice@example.org", &example), ["tagged"]);
    assert_eq!(found("alice+2@gmail.com", &example), [""; 0]);
}

#[test]
fn the_migration_to_mailboxes_finds_the_accounts_of_a_mailbox_that_exist() {
    let (_folder, sqlite) = migrated_store(
        17,
        "INSERT INTO accounts (name, name_folded, name_skeleton, email, email_folded, created_at, greeted)
         VALUES ('a', 'a', 'a', 'x@gmail.com', 'x@gmail.com', 0, 1),
                ('b', 'b', 'b', 'x+1@gmail.com', 'x+1@gmail.com', 0, 1),
                ('c', 'c', 'c', NULL, NULL, 0, 1)",
    );
    let gmail = EmailAliases::new(&[], &["gmail.com".to_owned()]);
    let found = sqlite.accounts_of_mailbox(&email("x+2@gmail.com"), &gmail);
    assert_eq!(found.unwrap().len(), 2);
}

#[test]
fn the_migration_of_emails_that_are_no_longer_valid_leaves_all_rows_readable() {
    let (_folder, sqlite) = migrated_store(
        18,
        "INSERT INTO accounts (name, name_folded, name_skeleton, email, email_folded, created_at, greeted)
         VALUES ('a', 'a', 'a', '*@gmail.com', '*@gmail.com', 0, 1),
                ('b', 'b', 'b', 'b@gmail.com', 'b@gmail.com', 0, 1),
                ('c', 'c', 'c', 'c@ex' || char(0x200c) || 'ample.org', 'c@example.org', 0, 1);
         INSERT INTO admins (name, name_folded, email, password_hash, role, created_at)
         VALUES ('root', 'root', 'r?@example.org', '', 'owner', 0),
                ('eve', 'eve', 'eve@ex' || char(0xad) || 'ample.org', '', 'owner', 0)",
    );
    let email_of = |name: &str| {
        let found = sqlite.account_by_name(&name.parse().unwrap()).unwrap();
        found.unwrap().email.map(|email| email.to_string())
    };
    assert_eq!(email_of("a"), None);
    assert_eq!(email_of("b").as_deref(), Some("b@gmail.com"));
    assert_eq!(email_of("c").as_deref(), Some("c@example.org"));
    let admins = sqlite.admins().unwrap();
    let emails: Vec<_> = admins.iter().map(|admin| admin.email.as_str()).collect();
    assert_eq!(emails, ["unknown@invalid"; 2]);
}

#[test]
fn the_migration_to_sorted_marks_keeps_names_that_look_alike_apart() {
    // The first two look alike, and the name of the fourth is retired.
    let skeletons = ["ก\u{e48}\u{e31}", "ก\u{e31}\u{e48}", "ข\u{e48}\u{e31}"];
    let [one, other, alone] = skeletons;
    let (_folder, sqlite) = migrated_store(
        32,
        &format!(
            "INSERT INTO accounts (name, name_folded, name_skeleton, created_at, greeted)
             VALUES ('{one}', '{one}', '{one}', 0, 1), ('{other}', '{other}', '{other}', 0, 1),
                    ('{alone}', '{alone}', '{alone}', 0, 1);
             INSERT INTO retired_names VALUES ('ค\u{e48}\u{e31}', 'ค\u{e48}\u{e31}')"
        ),
    );
    let accounts = sqlite.accounts().unwrap();
    let names: Vec<&str> = accounts
        .iter()
        .map(|account| account.name.as_str())
        .collect();
    assert_eq!(names, [other, one, alone]);
    let pairs = sqlite.accounts_that_look_alike().unwrap();
    assert_eq!(pairs, [[name(one), name(other)]]);
    for taken in skeletons
        .into_iter()
        .chain(["ข\u{e31}\u{e48}", "ค\u{e31}\u{e48}"])
    {
        assert!(sqlite.is_name_taken(&name(taken)).unwrap(), "{taken}");
    }
    assert!(!sqlite.is_name_taken(&name("ง\u{e31}\u{e48}")).unwrap());
}

#[test]
fn accounts_are_sorted_by_name_ignoring_case() {
    let (_folder, mut sqlite) = empty_store();
    for text in ["carol", "Bob", "alice", "Dave"] {
        sqlite
            .create_account(&account(text, &format!("{text}@example.org")))
            .unwrap()
            .unwrap();
    }
    let names: Vec<String> = sqlite
        .accounts()
        .unwrap()
        .iter()
        .map(|account| account.name.to_string())
        .collect();
    assert_eq!(names, ["alice", "Bob", "carol", "Dave"]);
}

#[test]
fn a_certificate_identifies_exactly_one_account() {
    let (_folder, mut sqlite) = empty_store();
    let alice = sqlite
        .create_account(&account("alice", "alice@example.org"))
        .unwrap()
        .unwrap()
        .id;
    let bob = sqlite
        .create_account(&account("bob", "bob@example.org"))
        .unwrap()
        .unwrap()
        .id;
    let certificate = sqlite
        .add_credential(alice, CredentialKind::Certificate, &[7; 32], noon())
        .unwrap();
    sqlite
        .add_credential(bob, CredentialKind::Device, &[8; 32], noon())
        .unwrap();
    assert_eq!(
        sqlite.account_by_certificate(&[7; 32]).unwrap().unwrap().id,
        alice
    );
    assert!(
        sqlite.account_by_certificate(&[8; 32]).unwrap().is_none(),
        "the hash of a device is not that of a certificate"
    );

    let again = sqlite
        .add_credential(alice, CredentialKind::Certificate, &[7; 32], noon())
        .unwrap();
    assert_eq!(again, certificate);
    assert!(
        sqlite
            .add_credential(bob, CredentialKind::Certificate, &[7; 32], noon())
            .is_err()
    );
    assert!(
        sqlite
            .add_credential(AccountId(99), CredentialKind::Device, &[9; 32], noon())
            .is_err()
    );

    sqlite.set_credential_used(certificate, noon()).unwrap();
    let known = sqlite.credentials(alice).unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(
        (known[0].kind, known[0].hash),
        (CredentialKind::Certificate, [7; 32])
    );
    assert_eq!((known[0].used_at, &known[0].label), (Some(noon()), &None));
    sqlite.set_credential_label(certificate, "laptop").unwrap();
    let known = sqlite.credentials(alice).unwrap();
    assert_eq!(known[0].label.as_deref(), Some("laptop"));

    assert!(
        !sqlite.remove_credential(bob, certificate).unwrap(),
        "it belongs to alice"
    );
    assert!(sqlite.remove_credential(alice, certificate).unwrap());
    assert!(!sqlite.remove_credential(alice, certificate).unwrap());
    assert!(sqlite.account_by_certificate(&[7; 32]).unwrap().is_none());
    assert!(!sqlite.remove_credential(alice, CredentialId(99)).unwrap());
}

#[test]
fn the_migration_to_optional_emails_preserves_rows_that_refer_to_accounts() {
    let (_folder, mut sqlite) = migrated_store(
        10,
        "INSERT INTO accounts (name, name_folded, name_skeleton, email, email_folded, created_at, greeted)
             VALUES ('alice', 'alice', 'allce', 'a@b.example', 'a@b.example', 0, 1), ('bob', 'bob', 'bob', 'b@b.example',
                 'b@b.example', 0, 1);
         DELETE FROM accounts WHERE name = 'bob';
         INSERT INTO credentials (account, kind, hash, created_at) VALUES (1, 'device', zeroblob(32), 0);
         INSERT INTO channels (name, name_folded, founder, created_at, named_at, modes)
             VALUES ('#x', '#x', 1, 0, 0, '');",
    );
    let alice = sqlite
        .account_by_name(&"alice".parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(alice.email.as_ref().unwrap().as_str(), "a@b.example");
    assert_eq!(sqlite.credentials(alice.id).unwrap().len(), 1);
    let created = sqlite
        .create_account(&NewAccount {
            email: None,
            ..account("carol", "c@b.example")
        })
        .unwrap();
    assert_eq!(
        created.unwrap().id,
        AccountId(3),
        "the number of a deleted account is not used again"
    );
    let created = sqlite
        .create_account(&NewAccount {
            email: None,
            ..account("dave", "c@b.example")
        })
        .unwrap();
    assert!(
        created.unwrap().email.is_none(),
        "several accounts may have no email"
    );
    sqlite.delete_account(&alice).unwrap();
    assert_eq!(
        (count(&sqlite, "credentials"), count(&sqlite, "channels")),
        (0, 0),
        "rows that refer to an account are still deleted with it"
    );
}

#[test]
fn secrets_are_constant_and_scram_verifiers_are_set_and_removed_with_the_password() {
    let (_folder, mut sqlite) = empty_store();
    let secret = sqlite.secret("one").unwrap();
    assert_eq!(sqlite.secret("one").unwrap(), secret);
    assert_ne!(sqlite.secret("other").unwrap(), secret);
    let alice = sqlite
        .create_account(&account("alice", "a@b.example"))
        .unwrap()
        .unwrap();
    assert!(sqlite.scram_verifier(alice.id).unwrap().is_none());
    assert!(!sqlite.has_scram_verifiers().unwrap());
    let verifier = ScramVerifier {
        salt: [1; 16],
        iterations: 2,
        encrypted_keys: vec![3; 92],
    };
    sqlite.set_password(alice.id, "hash", &verifier).unwrap();
    assert_eq!(sqlite.scram_verifier(alice.id).unwrap(), Some(verifier));
    assert!(sqlite.has_scram_verifiers().unwrap());
    assert_eq!(
        sqlite
            .account(alice.id)
            .unwrap()
            .unwrap()
            .password_hash
            .as_deref(),
        Some("hash")
    );
    sqlite.remove_password(alice.id).unwrap();
    assert!(sqlite.scram_verifier(alice.id).unwrap().is_none());
    let bob = sqlite
        .create_account(&account("bob", "b@b.example"))
        .unwrap()
        .unwrap();
    let taken = sqlite
        .set_email(bob.id, Some(&"A@b.example".parse().unwrap()))
        .unwrap();
    assert_eq!(taken, Err(AccountConflict::Email));
    sqlite.set_email(bob.id, None).unwrap().unwrap();
    assert!(sqlite.account(bob.id).unwrap().unwrap().email.is_none());
}
