//! `rook` on the whole screen of a real terminal (tmux), as a person sees it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, email_of};
use rookery_tests::rook::Device;
use rookery_tests::screen::{Screen, line};
use rookery_tests::server::Server;
use rookery_tests::wait_for;
/// As fast as it goes.
const FAST: &[&str] = &["limits.messages_per_second = 0", "limits.message_burst = 0"];

/// Says `message 000` and so on in the lobby.
async fn say_many(client: &mut Client, numbers: std::ops::Range<u32>) {
    let lines: Vec<String> = numbers
        .map(|number| format!("PRIVMSG #lobby :message {number:03}\r\n"))
        .collect();
    client.send_bytes(lines.concat().as_bytes()).await;
    client.heard().await;
}

/// Scrolls up page by page until `part` is on the screen; gives the numbers of the messages seen on
/// the way.
async fn scrolls_up_to(screen: &Screen, part: &str) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    let mut last = Vec::new();
    wait_for(part, || {
        let now = screen.now();
        // Only what is said tells that the last key was obeyed.
        let said: Vec<String> = now
            .lines()
            .filter(|row| row.contains("message "))
            .map(str::to_owned)
            .collect();
        if said == last && !now.contains(part) {
            return None;
        }
        let numbers = now
            .split("message ")
            .filter_map(|rest| rest.get(..3)?.parse::<u32>().ok());
        seen.extend(numbers);
        if now.contains(part) && !now.contains("messages are missing") {
            return Some(());
        }
        if said != last {
            screen.presses("PPage");
            last = said;
        }
        None
    })
    .await;
    seen
}

#[tokio::test]
async fn a_newcomer_signs_in_talks_whispers_and_leaves() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
    screen.shows("Name").await;
    screen.enters("alice");
    screen.shows("to verify it").await;
    screen.enters(&email_of("alice"));
    let asked = screen.shows("six-digit code").await;
    assert!(
        asked.contains("SHA-256"),
        "the fingerprint is shown:\n{asked}"
    );
    screen.enters("000000");
    screen.shows("4 tries are left").await;
    screen.enters(&server.mailbox().code_to(&email_of("alice")).await);
    screen.shows("you joined #lobby").await;
    screen.shows("/quit leaves").await;

    screen.enters("hello everyone");
    bob.expect_said("alice", "#lobby", "hello everyone").await;
    screen.shows("alice hello everyone").await;
    screen.types("bo");
    screen.presses("Tab");
    screen.enters("there you are");
    bob.expect_said("alice", "#lobby", "bob: there you are")
        .await;
    bob.say("alice", "just between us").await;
    screen.shows("bob         !1").await;
    screen.presses("M-a");
    screen.shows("just between us").await;
    screen.enters("indeed");
    bob.expect_said("alice", "bob", "indeed").await;
    screen.enters("/join #nest");
    screen.shows("you joined #nest").await;
    screen.enters("/quit");
    screen.ended(0).await;

    // The next time, straight in, and where one was.
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
    screen.shows("you joined #lobby").await;
    screen.shows("3 #nest").await;
}

#[tokio::test]
async fn a_mistyped_email_is_mended_when_the_code_does_not_come() {
    let server = Server::start().await;
    let device = Device::new();
    let screen = Screen::start(&device.command(&server, &[]));
    screen.shows("Name").await;
    screen.enters("alice");
    screen.shows("to verify it").await;
    screen.enters("alice@exmaple.org");
    screen.shows("six-digit code").await;
    screen.presses("Up");
    screen.shows("to verify it").await;
    screen.presses("C-u");
    screen.enters(&email_of("alice"));
    screen
        .shows(&format!("A code was mailed to {}", email_of("alice")))
        .await;
    screen.enters(&server.mailbox().code_to(&email_of("alice")).await);
    screen.shows("you joined #lobby").await;
    screen.enters("/quit");
    screen.ended(0).await;
    // The credential that was kept is the one that the server knows.
    let screen = Screen::start(&device.command(&server, &[]));
    screen.shows("you joined #lobby").await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let mut server = Server::start().await;
    let device = Device::new();
    let screen = Screen::of_alice(&server, &device).await;
    screen.enters("/join #nest");
    screen.shows("you joined #nest").await;
    server.kill9();
    screen.shows("NOT CONNECTED").await;
    screen.enters("typed meanwhile");
    screen.shows("your text was not sent").await;
    server.restart().await;
    screen.shows("lag").await;
    screen.presses("Enter");
    screen.shows("alice typed meanwhile").await;
    let kept = screen.now();
    assert!(
        kept.contains("2 #lobby") && kept.contains("3›#nest"),
        "where it was:\n{kept}"
    );
}

#[tokio::test]
async fn one_scrolls_back_to_the_first_message_ever_said() {
    let server = Server::with(FAST).await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    say_many(&mut bob, 0..350).await;
    let screen = Screen::of_alice(&server, &device).await;
    screen.shows("message 349").await;
    let seen = scrolls_up_to(&screen, "beginning of #lobby").await;
    assert_eq!(seen.len(), 350, "every message is seen on the way");
    screen.presses("Escape");
    screen.shows("message 349").await;
}

#[tokio::test]
async fn one_finds_an_old_message_and_writes_about_it_in_private() {
    let server = Server::with(FAST).await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    bob.say("#lobby", "the key is under the third twig").await;
    say_many(&mut bob, 0..250).await;
    let screen = Screen::of_alice(&server, &device).await;
    screen.shows("message 249").await;
    screen.enters("/search third TWIG");
    let found = screen.shows("1 of 1").await;
    assert!(found.contains("the key is under the third twig"), "{found}");
    screen.presses("Up");
    screen.shows("no more matches").await;
    screen.presses("Escape");
    screen.shows("more below").await;
    screen.enters("/query bob");
    screen.shows("private conversation").await;
    screen.enters("found it");
    bob.expect_said("alice", "bob", "found it").await;
    // Another day, the conversation is still listed.
    screen.enters("/quit");
    screen.ended(0).await;
    let screen = Screen::start(&device.command(&server, &[]));
    screen.shows("3 bob").await;
    screen.presses("M-3");
    let private = screen
        .shows("beginning of your conversation with bob")
        .await;
    assert!(private.contains("alice found it"), "{private}");
}

#[tokio::test]
async fn a_lost_device_is_revoked_and_has_to_prove_itself_anew() {
    let server = Server::start().await;
    let (lost, kept) = (Device::new(), Device::new());
    let mut plain = lost.sign_in(&server, "alice").await;
    plain.type_line("/quit");
    plain.ended().await;
    let screen = Screen::of_alice(&server, &kept).await;
    screen.enters("/devices");
    let listed = screen.shows("/devices revoke").await;
    let first = listed
        .lines()
        .find_map(|line| line.split("device ").nth(1))
        .expect("a device is listed");
    let number: String = first.chars().take_while(char::is_ascii_digit).collect();
    screen.enters(&format!("/devices revoke {number}"));
    screen.shows("is revoked").await;
    screen.enters("and talk goes on");
    screen.shows("alice and talk goes on").await;
    let screen = Screen::start(&lost.command(&server, &[]));
    let asked = screen.shows("six-digit code").await;
    assert!(
        asked.contains("no longer accepts") && asked.contains("Name   alice"),
        "{asked}"
    );
    screen.enters(&server.mailbox().code_to(&email_of("alice")).await);
    screen.shows("you joined #lobby").await;
}

#[tokio::test]
async fn a_screen_of_every_size_keeps_what_is_typed() {
    let server = Server::start().await;
    let screen = Screen::of_alice(&server, &Device::new()).await;
    screen.types("half a sentence");
    for (width, height) in [(40, 10), (20, 5), (200, 50), (10, 2), (80, 24)] {
        screen.resizes(width, height);
        wait_for("what is typed", || {
            let typed = if width < 20 {
                "ntence"
            } else {
                "half a sentence"
            };
            screen.now().contains(typed).then_some(())
        })
        .await;
    }
    screen.shows("1 server").await;
    screen.presses("F1");
    screen.shows("Help").await;
}

#[tokio::test]
async fn what_is_taken_back_is_gone_from_every_screen() {
    let server = Server::start().await;
    let (first, second) = (Device::new(), Device::new());
    let screen = Screen::of_alice(&server, &first).await;
    screen.enters("the door code is 4711");
    screen.shows("alice the door code").await;
    screen.enters("/redact a slip");
    let now = screen.shows("alice deleted a message (a slip)").await;
    assert!(!now.contains("4711"), "{now}");
    // Not only the last one: it is chosen, and goes at the second key.
    screen.enters("and the window's 4712");
    screen.shows("alice and the window").await;
    screen.enters("what a day");
    screen.shows("alice what a day").await;
    screen.presses("M-Up");
    screen.shows("d delete").await;
    screen.presses("Up");
    screen.types("d");
    screen
        .shows("d again deletes: alice: “and the window's 4712”")
        .await;
    screen.types("d");
    wait_for("the window's code to go", || {
        (!screen.now().contains("4712")).then_some(())
    })
    .await;
    assert!(
        screen.now().contains("alice what a day"),
        "{}",
        screen.now()
    );
    let screen = Screen::of_alice(&server, &second).await;
    let now = screen.shows("beginning of #lobby").await;
    assert!(!now.contains("4711"), "{now}");
}

#[tokio::test]
async fn two_devices_agree_on_what_is_unread() {
    let server = Server::start().await;
    let (desk, couch) = (Device::new(), Device::new());
    let mut bob = Client::register(&server, "bob").await;
    let at_the_desk = Screen::of_alice(&server, &desk).await;
    let on_the_couch = Screen::of_alice(&server, &couch).await;
    for screen in [&at_the_desk, &on_the_couch] {
        screen.presses("M-1");
        screen.shows("1›server").await;
    }
    bob.say("#lobby", "breakfast is ready").await;
    bob.say("alice", "I kept you an egg").await;
    for screen in [&at_the_desk, &on_the_couch] {
        screen.shows("2 #lobby       1").await;
        screen.shows("3 bob         !1").await;
    }
    for (place, said) in [("M-2", "breakfast is ready"), ("M-3", "I kept you an egg")] {
        at_the_desk.presses(place);
        at_the_desk.shows(said).await;
    }
    wait_for("nothing unread on the other device", || {
        let now = on_the_couch.now();
        (!now.contains("2 #lobby       1") && !now.contains("!1")).then_some(())
    })
    .await;
    // Also on a device that comes only now, which shows where the unread begins.
    at_the_desk.presses("M-1");
    at_the_desk.shows("1›server").await;
    on_the_couch.enters("/quit");
    on_the_couch.ended(0).await;
    bob.say("#lobby", "and now it is cold").await;
    let on_the_couch = Screen::start(&couch.command(&server, &[]));
    let lobby = on_the_couch.shows("and now it is cold").await;
    let new = lobby
        .split("new since you left")
        .nth(1)
        .expect("a line stands above what is new");
    assert!(new.contains("cold") && !new.contains("ready"), "{lobby}");
}

#[tokio::test]
async fn what_was_said_while_the_connection_was_lost_is_filled_in() {
    let mut server = Server::with(FAST).await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    drop(Client::register(&server, "alice").await);
    let screen = Screen::of_alice(&server, &device).await;
    bob.say("#lobby", "before it all").await;
    bob.say("alice", "a word in private").await;
    screen.shows("before it all").await;
    screen.signals("STOP");
    server.kill9();
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    let _on_another_device = Client::sign_in(&server, "alice").await;
    // More than one page of history holds.
    say_many(&mut bob, 0..150).await;
    bob.say("alice", "are you still there?").await;
    screen.signals("CONT");
    screen.shows("message 149").await;
    screen.shows("bob         !2").await;
    let seen = scrolls_up_to(&screen, "before it all").await;
    assert_eq!(
        seen.len(),
        150,
        "nothing is missing between what was seen and what is said now"
    );
    let screen_now = screen.now();
    assert_eq!(
        screen_now.matches("before it all").count(),
        1,
        "{screen_now}"
    );
    screen.presses("M-a");
    let private = screen.shows("are you still there?").await;
    assert_eq!(private.matches("a word in private").count(), 1, "{private}");
}

#[tokio::test]
async fn a_kick_and_a_ban_give_the_terminal_back_with_one_line() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let device = Device::new();
    let screen = Screen::of_alice(&server, &device).await;
    operator
        .done(&["kick", "alice", "--reason", "too loud"])
        .await;
    let end = screen.ended(4).await;
    assert_eq!(end.matches("rook: Kicked: too loud").count(), 1, "{end}");

    let screen = Screen::start(&device.command(&server, &[]));
    screen.shows("you joined #lobby").await;
    operator.done(&["ban", "alice", "--reason", "spam"]).await;
    let end = screen.ended(4).await;
    assert_eq!(end.matches("spam").count(), 1, "{end}");
    let screen = Screen::start(&device.command(&server, &[]));
    screen.ended(4).await;
}

#[tokio::test]
async fn signals_give_the_terminal_back() {
    let server = Server::start().await;
    let device = Device::new();
    device.knows(&server, "alice").await;
    for signal in ["TERM", "HUP", "INT"] {
        let screen = Screen::start(&device.command(&server, &[]));
        screen.shows("lag").await;
        screen.signals(signal);
        screen.ended(0).await;
    }
}

#[tokio::test]
async fn it_goes_when_its_terminal_does() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    let screen = Screen::of_alice(&server, &device).await;
    drop(screen);
    bob.expect("alice to leave", |message| {
        message.command == "QUIT" && message.source_nick() == Some("alice")
    })
    .await;
}

#[tokio::test]
async fn it_is_suspended_and_comes_back_with_what_was_said_meanwhile() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    device.knows(&server, "alice").await;
    let screen = Screen::run("env PS1='shell> ' bash --norc --noprofile -i");
    screen.shows("shell>").await;
    screen.enters(&line(&device.command(&server, &[])));
    screen.shows("lag").await;
    screen.presses("C-z");
    let shell = screen.shows("Stopped").await;
    assert!(!shell.contains("│"), "the shell has the screen:\n{shell}");
    assert_eq!(screen.state(), "0 0 1");
    bob.say("#lobby", "said meanwhile").await;
    screen.enters("echo typed to the shell");
    screen.shows("\ntyped to the shell").await;
    screen.enters("fg");
    let chat = screen.shows("bob said meanwhile").await;
    assert!(
        chat.contains("1 server") && !chat.contains("Stopped"),
        "all is drawn anew:\n{chat}"
    );
    assert_eq!(screen.state(), "1 1 1");
    screen.enters("back again");
    bob.expect_said("alice", "#lobby", "back again").await;

    // Stopped and continued by someone else, who used the terminal meanwhile.
    screen.signals("STOP");
    screen.shows("Stopped").await;
    screen.enters("fg");
    wait_for("the chat, drawn anew", || {
        (!screen.now().contains("Stopped")).then_some(())
    })
    .await;
    screen.enters("/quit");
    screen.shows("shell>").await;
    assert_eq!(screen.state(), "0 0 1");
}

#[tokio::test]
async fn links_are_opened_without_a_shell_and_copied() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    device.knows(&server, "alice").await;
    let folder = tempfile::tempdir().unwrap();
    let opened = folder.path().join("opened");
    let program = folder.path().join("xdg-open");
    let script = format!(
        "#!/bin/sh\necho noise; printf '%s|' \"$@\" > '{}'\n",
        opened.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut rook = device.command(&server, &[]);
    rook.env(
        "PATH",
        format!(
            "{}:{}",
            folder.path().display(),
            std::env::var("PATH").unwrap()
        ),
    );
    let screen = Screen::start(&rook);
    screen.tmux(&["set-option", "-s", "set-clipboard", "on"]);
    screen.shows("lag").await;
    let link = "https://a.example/$(touch${IFS}x);?q=1&r='2";
    bob.say("#lobby", &format!("look: {link}")).await;
    screen.shows("look:").await;
    screen.presses("M-o");
    screen.shows("Links: Enter opens").await;
    screen.presses("Enter");
    let given = wait_for("the link to be opened", || {
        std::fs::read_to_string(&opened)
            .ok()
            .filter(|given| given.ends_with('|'))
    })
    .await;
    assert_eq!(given, format!("{link}|"), "one argument, as it was said");
    assert!(!screen.now().contains("noise"), "{}", screen.now());
    screen.enters("/links");
    screen.shows("Links: Enter opens").await;
    screen.presses("c");
    screen.shows("copied").await;
    wait_for("the link in the clipboard", || {
        let buffers = screen.tmux(&["list-buffers", "-F", "#{buffer_sample}"]);
        buffers.contains("https://a.example/").then_some(())
    })
    .await;
    assert_eq!(screen.tmux(&["show-buffer"]), link);
}

#[tokio::test]
async fn a_paste_of_many_lines_is_asked_about_and_formatting_is_shown() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    let screen = Screen::of_alice(&server, &device).await;
    screen.tmux(&["set-buffer", "one\ntwo\u{1b}[2J\n/quit"]);
    screen.tmux(&["paste-buffer", "-p"]);
    screen.shows("Send these 3 lines").await;
    screen.types("y");
    screen.presses("Enter");
    for text in ["one", "two[2J", "/quit"] {
        bob.expect_said("alice", "#lobby", text).await;
    }
    bob.say(
        "#lobby",
        "\u{2}bold\u{2} \u{1d}slanted\u{f} \u{3}4red\u{3} plain",
    )
    .await;
    screen.shows("bold slanted red plain").await;
    let styled = screen.tmux(&["capture-pane", "-p", "-e"]);
    for piece in ["\u{1b}[1mbold", "\u{1b}[3mslanted"] {
        assert!(styled.contains(piece), "{piece:?} is missing:\n{styled:?}");
    }
    screen.presses("C-o");
    screen.shows("b bold").await;
    screen.types("bstrong");
    screen.shows("Bstrong").await;
    screen.presses("Enter");
    bob.expect_said("alice", "#lobby", "\u{2}strong").await;
}

#[tokio::test]
async fn the_window_may_shrink_and_grow_again() {
    let server = Server::start().await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    let screen = Screen::of_alice(&server, &device).await;
    bob.say(
        "#lobby",
        "a sentence that is long enough to need another row when it gets narrow",
    )
    .await;
    screen.shows("long enough").await;
    screen.resizes(40, 10);
    wait_for("the narrow screen", || {
        let now = screen.now();
        let narrow =
            now.contains("\n      narrow") && now.contains("alice@") && !now.contains("1 server");
        narrow.then_some(())
    })
    .await;
    screen.resizes(80, 24);
    let wide = screen.shows("1 server").await;
    assert!(wide.contains("gets narrow"), "{wide}");
}

#[tokio::test]
async fn ten_thousand_messages_arrive_while_one_types() {
    let server = Server::with(FAST).await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    let screen = Screen::of_alice(&server, &device).await;
    for hundred in 0..100 {
        let lines: Vec<String> = (0..100)
            .map(|one| format!("PRIVMSG #lobby :message {}\r\n", hundred * 100 + one))
            .collect();
        let lines = lines.concat();
        bob.send_bytes(lines.as_bytes()).await;
        if hundred == 50 {
            screen.types("meanwhile");
        }
        bob.heard().await;
    }
    let end = screen.shows("message 9999").await;
    assert!(end.contains("meanwhile"), "{end}");
    screen.presses("PPage");
    screen.shows("more below").await;
    screen.presses("Escape");
    screen.shows("message 9999").await;
    screen.presses("Enter");
    bob.expect_said("alice", "#lobby", "meanwhile").await;
}
