//! Networks and sites take turns with the hashes of passwords.

use std::sync::atomic::AtomicUsize;

use tokio::task::{JoinSet, yield_now};

use super::*;

#[tokio::test]
async fn a_sign_in_does_not_wait_for_all_registrations_of_another_network() {
    register_beside_a_sign_in(|_| "198.51.100.1".to_owned()).await;
}

#[tokio::test]
async fn a_sign_in_does_not_wait_for_all_registrations_of_another_site() {
    register_beside_a_sign_in(|number| format!("2001:db8:0:{number}::1")).await;
}

/// Registers accounts from these addresses, and checks that a sign-in waits for few of them.
async fn register_beside_a_sign_in(from: impl Fn(usize) -> String) {
    const REGISTRATIONS: usize = 40;
    let server = TestServer::with_alice_and(|config| config.accounts.verify_email = false).await;
    let done = Arc::new(AtomicUsize::new(0));
    let mut crowd = JoinSet::new();
    for number in 0..REGISTRATIONS {
        let (mut client, done) = (server.client_from(&from(number), None), Arc::clone(&done));
        crowd.spawn(async move {
            let line = format!("REGISTER user{number} user{number}@example.org :correct horse");
            client.send(&line).await.expect("REGISTER SUCCESS");
            done.fetch_add(1, Ordering::Relaxed);
        });
    }
    let first = async {
        while done.load(Ordering::Relaxed) == 0 {
            yield_now().await;
        }
    };
    let deadline = Duration::from_mins(1);
    tokio::time::timeout(deadline, first).await.expect("one is");
    server.sign_in("alice", PASSWORD).await.expect(" 903 ");
    let before = done.load(Ordering::Relaxed);
    assert!(before < REGISTRATIONS / 2, "{before} came first");
    crowd.join_all().await;
}
