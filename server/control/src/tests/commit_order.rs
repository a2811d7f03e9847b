//! The order in which requests that follow from commits reach the core.

use parking_lot::Mutex;

use super::*;
use rookery_chat::request::{Announce, Audience, Count};
use rookery_engine::handle::CoreStopped;

#[tokio::test]
async fn the_core_receives_changes_in_the_order_of_their_commits() {
    let plane = TestPlane::new().await;
    let token = plane.open_session("root").await;
    let alice = plane.connect("alice").await;
    let core = &plane.state.control.core;
    let disk: Arc<Mutex<Vec<String>>> = Arc::default();
    // The first commits take longest.
    let changes: Vec<_> = (0..20_u32)
        .map(|number| {
            let (core, disk) = (core.clone(), Arc::clone(&disk));
            tokio::spawn(async move {
                let commit = async {
                    disk.lock().push(format!("change {number}"));
                    for _ in number..20 {
                        tokio::task::yield_now().await;
                    }
                    Ok::<_, CoreStopped>(format!("change {number}"))
                };
                let request = |text: &String| Announce {
                    to: Audience::All,
                    text: text.clone(),
                };
                core.commit_then_request(commit, request).await.unwrap()
            })
        })
        .collect();
    for change in changes {
        change.await.unwrap();
    }
    plane.post(&token, "/v1/users/alice/kick", &json!({})).await;
    let received = alice.await.unwrap();
    let notices: Vec<&str> = received
        .lines()
        .filter_map(|line| line.split_once(" NOTICE ")?.1.split_once(" :"))
        .map(|(_, text)| text)
        .filter(|text| text.starts_with("change "))
        .collect();
    assert_eq!(notices.len(), 20);
    assert_eq!(notices, *disk.lock());
}

#[tokio::test]
async fn a_commit_that_fails_does_not_block_the_next() {
    let plane = TestPlane::new().await;
    let core = &plane.state.control.core;
    let failed = core
        .commit_then_request(async { Err::<(), _>(CoreStopped) }, |()| Count)
        .await;
    assert_eq!(failed.unwrap_err(), CoreStopped);
    let (committed, _) = core
        .commit_then_request(async { Ok::<_, CoreStopped>(7) }, |_| Count)
        .await
        .unwrap();
    assert_eq!(committed, 7);
}
