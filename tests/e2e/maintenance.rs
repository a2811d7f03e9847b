//! Maintenance, as those hear of it who are in and who want to come in.

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, tcp_from};
use rookery_tests::server::Server;
use tokio::io::AsyncReadExt as _;

#[tokio::test]
async fn nobody_new_is_let_in_until_it_is_over_also_over_a_restart() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let mut early = Client::introduce(&server, "bob").await;
    early.ask_to_register("bob", "bob@example.org").await;
    let code = server.mailbox().code_to("bob@example.org").await;

    let told = operator.done(&["maintenance", "on", "back at noon"]).await;
    assert!(
        told.contains("nobody new is let in, and is told: back at noon"),
        "{told}"
    );
    assert!(operator.done(&["status"]).await.contains("back at noon"));
    alice.say("#lobby", "still here").await;
    let closed = "ERROR :The server is closed for maintenance: back at noon";
    early.send(&format!("VERIFY bob {code}")).await;
    let heard = early.until_closed().await;
    assert_eq!(
        heard.last().unwrap().to_string(),
        closed,
        "whoever was on the way in, too"
    );
    let mut late = Client::connect(&server, "carol").await;
    assert_eq!(
        late.until_closed().await.last().unwrap().to_string(),
        closed
    );

    server.sigterm().await;
    server.restart().await;
    let mut alice = Client::connect(&server, "alice").await;
    assert_eq!(
        alice.until_closed().await.last().unwrap().to_string(),
        closed
    );
    operator.login(&server).await;
    assert!(
        operator
            .done(&["maintenance"])
            .await
            .contains("back at noon")
    );
    operator.done(&["maintenance", "off"]).await;
    Client::sign_in(&server, "alice")
        .await
        .say("#lobby", "back")
        .await;
    Client::sign_in(&server, "bob").await;
    let acts = server
        .record()
        .audit()
        .into_iter()
        .filter(|entry| entry.act == "set-maintenance");
    let acts: Vec<(String, String)> = acts.map(|entry| (entry.target, entry.detail)).collect();
    assert_eq!(
        acts,
        [
            ("on".to_owned(), "back at noon".to_owned()),
            ("off".to_owned(), String::new())
        ]
    );
}

#[tokio::test]
async fn a_crowd_that_is_kept_out_costs_little() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.done(&["maintenance", "on"]).await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(tcp_from(&server, [127, 0, 0, 1].into()).await);
    }
    server.expect_log("refused: maintenance", 16).await;
    let mut one_more = tcp_from(&server, [127, 0, 0, 1].into()).await;
    let mut heard = Vec::new();
    one_more.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard.first(), Some(&21), "a TLS alert, without a handshake");
}
