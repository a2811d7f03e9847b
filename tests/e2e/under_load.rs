//! The promises hold together under the load that `bench/compare` measures: many members, several
//! who send as fast as they receive, one who has stopped reading, and a crash in the middle.

use std::time::Duration;

use rookery_protocol::Message;
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use tokio::sync::mpsc;
use tokio::time::timeout;

const MEMBERS: usize = 40;
const SENDERS: usize = 6;
/// How many messages of one sender are on their way at the same time.
const WINDOW: usize = 5;

#[tokio::test]
async fn a_stopped_reader_is_closed_all_others_see_one_order_and_a_crash_loses_nothing_they_saw() {
    let mut server = Server::with(&[
        "accounts.required = false",
        "limits.message_burst = 0",
        "limits.messages_per_second = 0",
        "limits.sendq_bytes = 131072",
    ])
    .await;
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        let mut member = Client::handshake(&server, &format!("member{number}")).await;
        member.wait_until_admitted().await;
        members.push(member);
    }
    let mut stopped = Client::connect_with_small_buffer(&server, "stopped").await;
    stopped.negotiate("stopped").await;
    stopped.send("CAP END").await;
    stopped.wait_until_admitted().await;

    let (quit, mut quits) = mpsc::unbounded_channel();
    let members: Vec<_> = members
        .into_iter()
        .enumerate()
        .map(|(index, member)| tokio::spawn(take_part(member, index, quit.clone())))
        .collect();
    for _ in 0..MEMBERS {
        let seen = timeout(Duration::from_mins(2), quits.recv()).await;
        seen.expect("the stopped reader is closed");
    }
    server.kill9();
    let mut orders = Vec::new();
    for member in members {
        orders.push(member.await.unwrap());
    }

    server.restart().await;
    let history = server.database().messages();
    for (member, seen) in orders.iter().enumerate() {
        assert!(history.starts_with(seen), "what member {member} has seen");
    }
    for sender in 0..SENDERS {
        let own = format!("{sender} ");
        let texts = history.iter().filter_map(|text| text.strip_prefix(&own));
        let numbers: Vec<usize> = texts.map(|text| text.trim_end().parse().unwrap()).collect();
        assert!(!numbers.is_empty(), "sender {sender}");
        assert!(
            numbers.iter().copied().eq(0..numbers.len()),
            "sender {sender}"
        );
    }
}

/// Reads until the connection is lost, and sends meanwhile if it is one of the senders. Returns the
/// texts of all messages, and reports through `quit` that the stopped reader has left.
async fn take_part(
    mut member: Client,
    index: usize,
    quit: mpsc::UnboundedSender<()>,
) -> Vec<String> {
    let own = format!("{index} ");
    let mut seen = Vec::new();
    let (mut sent, mut echoed) = (0, 0);
    loop {
        while index < SENDERS && sent < echoed + WINDOW {
            // Long texts fill the send queue of the stopped reader soon.
            member
                .send(&format!("PRIVMSG #lobby :{own}{sent:<380}"))
                .await;
            sent += 1;
        }
        let Some(message) = member.next().await else {
            return seen;
        };
        match message.command.as_str() {
            "PRIVMSG" => {
                let text = message.param(1).map(str::to_owned).unwrap_or_default();
                echoed += usize::from(text.starts_with(&own));
                seen.push(text);
            }
            "QUIT" if is_of_stopped(&message) => quit.send(()).unwrap(),
            _ => {}
        }
    }
}

fn is_of_stopped(message: &Message) -> bool {
    message.source_nick() == Some("stopped")
}
