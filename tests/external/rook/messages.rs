//! Messages that are old, many, missed, unread or redacted.

use std::collections::BTreeSet;

use super::NO_FLOOD_LIMIT;
use rookery_tests::irc::Client;
use rookery_tests::rook::Device;
use rookery_tests::screen::Screen;
use rookery_tests::server::Server;
use rookery_tests::wait_for;

/// Sends `message 000` and so on to the lobby.
async fn say_many(client: &mut Client, numbers: std::ops::Range<u32>) {
    let lines: Vec<String> = numbers
        .map(|number| format!("PRIVMSG #lobby :message {number:03}\r\n"))
        .collect();
    client.send_bytes(lines.concat().as_bytes()).await;
    client.sync().await;
}

/// Scrolls up page by page until `part` is on the screen, and returns the numbers of all messages
/// that were on the screen.
async fn scroll_up_to(screen: &Screen, part: &str) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    let mut last = Vec::new();
    wait_for(part, || {
        let now = screen.contents();
        // The last key has been handled once other messages are on the screen.
        let rows: Vec<String> = now
            .lines()
            .filter(|row| row.contains("message "))
            .map(str::to_owned)
            .collect();
        if rows == last && !now.contains(part) {
            return None;
        }
        let numbers: Vec<u32> = now
            .split("message ")
            .filter_map(|rest| rest.get(..3)?.parse().ok())
            .collect();
        // A screen that is only partly redrawn has messages of two pages.
        let is_one_page = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
        if !is_one_page && !now.contains("missing") {
            return None;
        }
        seen.extend(numbers);
        if now.contains(part) && !now.contains("missing") {
            return Some(());
        }
        // When missing messages fill a gap on the screen, rook shows them before it turns the page,
        // but between two readings of the screen this test would not see them.
        if rows != last && !now.contains("missing") {
            screen.press("PPage");
            last = rows;
        }
        None
    })
    .await;
    seen
}

#[tokio::test]
async fn scrolling_back_reaches_the_first_message() {
    let server = Server::with(NO_FLOOD_LIMIT).await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    say_many(&mut bob, 0..350).await;
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    screen.expect("message 349").await;
    let seen = scroll_up_to(&screen, "beginning of #lobby").await;
    assert_eq!(seen.len(), 350, "every message is seen on the way");
    screen.press("Escape");
    screen.expect("message 349").await;
}

#[tokio::test]
async fn an_old_message_is_found_and_discussed_in_private() {
    let server = Server::with(NO_FLOOD_LIMIT).await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    bob.say("#lobby", "the key is under the third twig").await;
    say_many(&mut bob, 0..250).await;
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    screen.expect("message 249").await;
    screen.enter_line("/search third TWIG");
    let found = screen.expect("1 of 1").await;
    assert!(found.contains("the key is under the third twig"), "{found}");
    screen.press("Up");
    screen.expect("the key is under the third twig").await;
    screen.press("Escape");
    screen.expect("more below").await;
    screen.enter_line("/query bob");
    screen.expect("›bob").await;
    screen.enter_line("found it");
    bob.expect_privmsg("alice", "bob", "found it").await;
    // The conversation is still listed after a restart of rook.
    screen.enter_line("/quit");
    screen.expect_exit(0).await;
    let screen = Screen::start(&device.command(&server, &[]));
    screen.expect("3 bob").await;
    screen.press("M-3");
    screen.expect("alice found it").await;
    screen.expect("beginning of your conversation").await;
}

#[tokio::test]
async fn a_redacted_message_disappears_from_every_screen() {
    let server = Server::start().await;
    let (first, second) = (Device::new(), Device::new());
    let screen = Screen::signed_in_as_alice(&server, &first).await;
    screen.enter_line("the door code is 4711");
    screen.expect("alice the door code").await;
    screen.enter_line("/redact a slip");
    screen.expect("d: delete").await;
    screen.type_text("d");
    let now = screen.expect("(“a slip”)").await;
    assert!(!now.contains("4711"), "{now}");
    // An earlier message is selected, and deleted when the key is pressed twice.
    screen.enter_line("and the window's 4712");
    screen.expect("alice and the window").await;
    screen.enter_line("what a day");
    screen.expect("alice what a day").await;
    screen.press("M-Up");
    screen.press("Up");
    screen.type_text("d");
    screen.expect("alice: “and the window's 4712”").await;
    screen.type_text("d");
    wait_for("the window's code to go", || {
        (!screen.contents().contains("4712")).then_some(())
    })
    .await;
    assert!(
        screen.contents().contains("alice what a day"),
        "{}",
        screen.contents()
    );
    let screen = Screen::signed_in_as_alice(&server, &second).await;
    let now = screen.expect("beginning of #lobby").await;
    assert!(!now.contains("4711"), "{now}");
}

#[tokio::test]
async fn two_devices_agree_on_what_is_unread() {
    let server = Server::start().await;
    let (desk, couch) = (Device::new(), Device::new());
    let mut bob = Client::register(&server, "bob").await;
    let at_the_desk = Screen::signed_in_as_alice(&server, &desk).await;
    let on_the_couch = Screen::signed_in_as_alice(&server, &couch).await;
    for screen in [&at_the_desk, &on_the_couch] {
        screen.press("M-1");
        screen.expect("1›*server*").await;
    }
    bob.say("#lobby", "breakfast is ready").await;
    bob.say("alice", "I kept you an egg").await;
    for screen in [&at_the_desk, &on_the_couch] {
        screen.expect("2 #lobby       1").await;
        screen.expect("3 bob         !1").await;
    }
    for (key, text) in [("M-2", "breakfast is ready"), ("M-3", "I kept you an egg")] {
        at_the_desk.press(key);
        at_the_desk.expect(text).await;
    }
    wait_for("nothing unread on the other device", || {
        let now = on_the_couch.contents();
        (!now.contains("2 #lobby       1") && !now.contains("!1")).then_some(())
    })
    .await;
    // A device that connects later also shows where the unread messages begin.
    at_the_desk.press("M-1");
    at_the_desk.expect("1›*server*").await;
    on_the_couch.enter_line("/quit");
    on_the_couch.expect_exit(0).await;
    bob.say("#lobby", "and now it is cold").await;
    let on_the_couch = Screen::start(&couch.command(&server, &[]));
    let lobby = on_the_couch.expect("and now it is cold").await;
    let new = lobby
        .split("new since you left")
        .nth(1)
        .expect("a line marks the new messages");
    assert!(new.contains("cold") && !new.contains("ready"), "{lobby}");
}

#[tokio::test]
async fn messages_sent_during_an_interruption_are_filled_in() {
    let mut server = Server::with(NO_FLOOD_LIMIT).await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    drop(Client::register(&server, "alice").await);
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    bob.say("#lobby", "before it all").await;
    bob.say("alice", "a word in private").await;
    screen.expect("before it all").await;
    screen.send_signal("STOP");
    server.kill9();
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    let _on_another_device = Client::sign_in(&server, "alice").await;
    // More messages than one page of history contains.
    say_many(&mut bob, 0..150).await;
    bob.say("alice", "are you still there?").await;
    screen.send_signal("CONT");
    screen.expect("message 149").await;
    screen.expect("bob         !2").await;
    let seen = scroll_up_to(&screen, "before it all").await;
    assert_eq!(seen, (0..150).collect(), "no message is missing");
    let contents = screen.contents();
    assert_eq!(contents.matches("before it all").count(), 1, "{contents}");
    screen.press("M-a");
    let private = screen.expect("are you still there?").await;
    assert_eq!(private.matches("a word in private").count(), 1, "{private}");
}

#[tokio::test]
async fn typing_works_while_ten_thousand_messages_arrive() {
    let server = Server::with(NO_FLOOD_LIMIT).await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    for hundred in 0..100 {
        let lines: Vec<String> = (0..100)
            .map(|one| format!("PRIVMSG #lobby :message {}\r\n", hundred * 100 + one))
            .collect();
        let lines = lines.concat();
        bob.send_bytes(lines.as_bytes()).await;
        if hundred == 50 {
            screen.type_text("meanwhile");
        }
        bob.sync().await;
    }
    let end = screen.expect("message 9999").await;
    assert!(end.contains("meanwhile"), "{end}");
    screen.press("PPage");
    screen.expect("more below").await;
    screen.press("Escape");
    screen.expect("message 9999").await;
    screen.press("Enter");
    bob.expect_privmsg("alice", "#lobby", "meanwhile").await;
}
