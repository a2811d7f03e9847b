//! `rook` on the full screen of a real terminal (tmux), as a person sees it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, email_of};
use rookery_tests::rook::Device;
use rookery_tests::screen::{Screen, shell_command};
use rookery_tests::server::Server;
use rookery_tests::wait_for;

/// Settings that disable flood control.
const NO_FLOOD_LIMIT: &[&str] = &["limits.messages_per_second = 0", "limits.message_burst = 0"];

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

/// Names alice and the email on the sign-in screen, once it asks for them, and waits until it asks
/// for the code.
async fn request_code(screen: &Screen, email: &str) {
    screen.expect("A new name").await;
    screen.enter_line("alice");
    screen.expect("Email").await;
    screen.enter_line(email);
    screen.expect("Code").await;
}

#[tokio::test]
async fn a_new_user_registers_talks_in_public_and_private_and_quits() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
    let question = screen.expect("Trust").await;
    let shown: String = question.split_whitespace().collect();
    assert!(shown.contains(&server.fingerprint()), "{question}");
    screen.enter_line("yes");
    request_code(&screen, &email_of("alice")).await;
    screen.enter_line("000000");
    wait_for("the number of tries left", || {
        let now = screen.contents();
        (now.contains("4 tries") || now.contains("4 attempts")).then_some(())
    })
    .await;
    screen.enter_line(&server.mailbox().code_to(&email_of("alice")).await);
    screen.expect("you joined #lobby").await;
    screen.expect("/quit leaves").await;

    screen.enter_line("hello everyone");
    bob.expect_privmsg("alice", "#lobby", "hello everyone")
        .await;
    screen.expect("alice hello everyone").await;
    screen.type_text("bo");
    screen.press("Tab");
    screen.enter_line("there you are");
    bob.expect_privmsg("alice", "#lobby", "bob: there you are")
        .await;
    bob.say("alice", "just between us").await;
    screen.expect("bob         !1").await;
    screen.press("M-a");
    screen.expect("just between us").await;
    screen.enter_line("indeed");
    bob.expect_privmsg("alice", "bob", "indeed").await;
    screen.enter_line("/join #nest");
    screen.expect("you joined #nest").await;
    screen.enter_line("/quit");
    screen.expect_exit(0).await;

    // The next start needs no input and restores the channels.
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
    screen.expect("you joined #lobby").await;
    screen.expect("3 #nest").await;
}

#[tokio::test]
async fn a_mistyped_email_can_be_corrected() {
    let server = Server::start().await;
    let device = Device::new();
    let screen = Screen::start(&device.command(&server, &[]));
    request_code(&screen, "alice@exmaple.org").await;
    screen.press("Up");
    screen.expect("Email").await;
    screen.press("C-u");
    screen.enter_line(&email_of("alice"));
    screen.expect(&email_of("alice")).await;
    screen.enter_line(&server.mailbox().code_to(&email_of("alice")).await);
    screen.expect("you joined #lobby").await;
    screen.enter_line("/quit");
    screen.expect_exit(0).await;
    // The stored credential is valid.
    let screen = Screen::start(&device.command(&server, &[]));
    screen.expect("you joined #lobby").await;
}

#[tokio::test]
async fn a_server_that_changes_its_authority_can_be_trusted_on_the_screen() {
    let mut server = Server::start().await;
    let device = Device::new();
    device.sign_in_and_quit(&server, "alice").await;
    // The authority that was named with `--ca` at the sign-in is stored.
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
    screen.expect("lag").await;
    server.sigterm().await;
    std::fs::remove_dir_all(server.path("certs")).unwrap();
    server.restart().await;
    let question = screen.expect("Trust").await;
    let shown: String = question.split_whitespace().collect();
    assert!(shown.contains(&server.fingerprint()), "{question}");
    screen.enter_line("yes");
    screen.expect("connected again").await;
}

#[tokio::test]
async fn rook_reconnects_when_the_server_is_back() {
    let mut server = Server::start().await;
    let device = Device::new();
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    screen.enter_line("/join #nest");
    screen.expect("you joined #nest").await;
    server.kill9();
    screen.expect("NOT CONNECTED").await;
    screen.enter_line("typed meanwhile");
    screen.expect("typed meanwhile").await;
    server.restart().await;
    screen.expect("lag").await;
    screen.press("Enter");
    screen.expect("alice typed meanwhile").await;
    let restored = screen.contents();
    assert!(
        restored.contains("2 #lobby") && restored.contains("3›#nest"),
        "the channels are restored:\n{restored}"
    );
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
async fn a_revoked_device_must_sign_in_again() {
    let server = Server::start().await;
    let (lost, kept) = (Device::new(), Device::new());
    let mut plain = lost.sign_in(&server, "alice").await;
    plain.type_line("/quit");
    plain.wait().await;
    let screen = Screen::signed_in_as_alice(&server, &kept).await;
    screen.enter_line("/devices");
    // Only the end of the list says this: the hint for a half-typed command names `/devices revoke`
    // as well.
    let listed = screen.expect("removes one").await;
    let first = listed
        .lines()
        .find_map(|line| line.split("device ").nth(1))
        .expect("a device is listed");
    let number: String = first.chars().take_while(char::is_ascii_digit).collect();
    screen.enter_line(&format!("/devices revoke {number}"));
    screen.expect("revoked").await;
    screen.enter_line("still signed in");
    screen.expect("alice still signed in").await;
    let screen = Screen::start(&lost.command(&server, &[]));
    let prompt = screen.expect("Code").await;
    assert!(prompt.contains("Name   alice"), "{prompt}");
    screen.enter_line(&server.mailbox().code_to(&email_of("alice")).await);
    screen.expect("you joined #lobby").await;
}

#[tokio::test]
async fn typed_text_survives_every_screen_size() {
    let server = Server::start().await;
    let screen = Screen::signed_in_as_alice(&server, &Device::new()).await;
    screen.type_text("half a sentence");
    for (width, height) in [(40, 10), (20, 5), (200, 50), (10, 2), (80, 24)] {
        screen.resize(width, height);
        wait_for("the typed text", || {
            let typed = if width < 20 {
                "ntence"
            } else {
                "half a sentence"
            };
            screen.contents().contains(typed).then_some(())
        })
        .await;
    }
    screen.expect("1 server").await;
    screen.press("F1");
    screen.expect("Help").await;
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
    let now = screen.expect("(a slip)").await;
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
        screen.expect("1›server").await;
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
    at_the_desk.expect("1›server").await;
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
async fn after_a_kick_or_ban_the_screen_stays_until_the_user_quits() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let device = Device::new();
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    operator
        .run_ok(&["kick", "alice", "--reason", "too loud"])
        .await;
    let ended = screen.expect("You were kicked: too loud").await;
    assert!(ended.contains("you joined #lobby"), "{ended}");
    screen.type_text("r");
    screen.expect("connected again").await;
    screen.expect("lag").await;
    screen.enter_line("back again");
    screen.expect("alice back again").await;

    let ban = ["ban", "alice", "--reason", "spam", "--for", "7d"];
    operator.run_ok(&ban).await;
    let ended = screen.expect("You are banned: spam (until").await;
    assert!(ended.contains("alice back again"), "{ended}");
    screen.type_text("r");
    wait_for("the second refusal", || {
        (screen.contents().matches("are banned: spam").count() > 2).then_some(())
    })
    .await;
    screen.enter_line("/quit");
    let end = screen.expect_exit(4).await;
    assert_eq!(end.matches("banned: spam (until").count(), 1, "{end}");

    // A start while the ban lasts.
    let screen = Screen::start(&device.command(&server, &[]));
    screen.expect("You are banned: spam (until").await;
    screen.press("C-c");
    screen.expect("press Ctrl-C again").await;
    screen.press("C-c");
    screen.expect_exit(4).await;
}

#[tokio::test]
async fn the_terminal_keeps_the_mouse_if_the_config_says_so() {
    let server = Server::start().await;
    let device = Device::new();
    device.configure("mouse = false");
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    assert_eq!(screen.terminal_state(), "1 0 1");
}

#[tokio::test]
async fn the_last_wrong_code_leads_to_a_new_one() {
    let server = Server::start().await;
    let device = Device::new();
    let screen = Screen::start(&device.command(&server, &[]));
    request_code(&screen, &email_of("alice")).await;
    let first = server.mailbox().code_to(&email_of("alice")).await;
    let wrong = if first == "000000" {
        "111111"
    } else {
        "000000"
    };
    for left in ["4 tries", "3 tries", "2 tries", "one try"] {
        screen.enter_line(wrong);
        screen.expect(left).await;
    }
    screen.enter_line(wrong);
    let offer = screen.expect("send a new code").await;
    assert!(offer.contains("Name   alice"), "{offer}");
    screen.type_text("000006");
    screen.press("Enter");
    screen.expect("A code was mailed").await;
    let second = server.mailbox().code_to(&email_of("alice")).await;
    screen.enter_line(&second);
    screen.expect("you joined #lobby").await;
}

#[tokio::test]
async fn signals_restore_the_terminal() {
    let server = Server::start().await;
    let device = Device::new();
    device.sign_in_and_quit(&server, "alice").await;
    for signal in ["TERM", "HUP", "INT"] {
        let screen = Screen::start(&device.command(&server, &[]));
        screen.expect("lag").await;
        screen.send_signal(signal);
        screen.expect_exit(0).await;
    }
}

#[tokio::test]
async fn rook_ends_with_its_terminal() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    drop(screen);
    bob.expect("alice to leave", |message| {
        message.command == "QUIT" && message.source_nick() == Some("alice")
    })
    .await;
}

#[tokio::test]
async fn rook_can_be_suspended_and_shows_missed_messages_when_resumed() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    device.sign_in_and_quit(&server, "alice").await;
    let screen = Screen::run("env PS1='shell> ' bash --norc --noprofile -i");
    screen.expect("shell>").await;
    screen.enter_line(&shell_command(&device.command(&server, &[])));
    screen.expect("lag").await;
    screen.press("C-z");
    let shell = screen.expect("Stopped").await;
    assert!(!shell.contains("│"), "the shell has the screen:\n{shell}");
    assert_eq!(screen.terminal_state(), "0 0 1");
    bob.say("#lobby", "said meanwhile").await;
    screen.enter_line("echo typed to the shell");
    screen.expect("\ntyped to the shell").await;
    screen.enter_line("fg");
    let chat = screen.expect("bob said meanwhile").await;
    assert!(
        chat.contains("1 server") && !chat.contains("Stopped"),
        "the whole screen is drawn again:\n{chat}"
    );
    assert_eq!(screen.terminal_state(), "1 1 1");
    screen.enter_line("back again");
    bob.expect_privmsg("alice", "#lobby", "back again").await;

    // rook is stopped by another process, and the terminal is used meanwhile.
    screen.send_signal("STOP");
    screen.expect("Stopped").await;
    screen.enter_line("fg");
    wait_for("the chat to be drawn again", || {
        (!screen.contents().contains("Stopped")).then_some(())
    })
    .await;
    screen.enter_line("/quit");
    screen.expect("shell>").await;
    assert_eq!(screen.terminal_state(), "0 0 1");
}

#[tokio::test]
async fn links_are_opened_without_a_shell_and_copied() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    device.sign_in_and_quit(&server, "alice").await;
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
    screen.expect("lag").await;
    let link = "https://a.example/$(touch${IFS}x);?q=1&r='2";
    bob.say("#lobby", &format!("look: {link}")).await;
    screen.expect("look:").await;
    screen.press("M-o");
    screen.expect("Links").await;
    screen.press("Enter");
    let arguments = wait_for("the link to be opened", || {
        std::fs::read_to_string(&opened)
            .ok()
            .filter(|arguments| arguments.ends_with('|'))
    })
    .await;
    assert_eq!(
        arguments,
        format!("{link}|"),
        "one argument, exactly the link"
    );
    assert!(
        !screen.contents().contains("noise"),
        "{}",
        screen.contents()
    );
    screen.enter_line("/links");
    screen.expect("Links").await;
    screen.press("c");
    screen.expect("copied").await;
    wait_for("the link in the clipboard", || {
        let buffers = screen.tmux(&["list-buffers", "-F", "#{buffer_sample}"]);
        buffers.contains("https://a.example/").then_some(())
    })
    .await;
    assert_eq!(screen.tmux(&["show-buffer"]), link);
}

#[tokio::test]
async fn a_paste_of_several_lines_is_confirmed_and_formatting_is_shown() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    screen.tmux(&["set-buffer", "one\ntwo\u{1b}[2J\n/quit"]);
    screen.tmux(&["paste-buffer", "-p"]);
    screen.expect("these 3 lines").await;
    screen.type_text("y");
    screen.press("Enter");
    for text in ["one", "two[2J", "/quit"] {
        bob.expect_privmsg("alice", "#lobby", text).await;
    }
    bob.say(
        "#lobby",
        "\u{2}bold\u{2} \u{1d}slanted\u{f} \u{3}4red\u{3} plain",
    )
    .await;
    screen.expect("bold slanted red plain").await;
    let styled = screen.tmux(&["capture-pane", "-p", "-e"]);
    for piece in ["\u{1b}[1mbold", "\u{1b}[3mslanted"] {
        assert!(styled.contains(piece), "{piece:?} is missing:\n{styled:?}");
    }
    screen.press("C-o");
    screen.expect("b bold").await;
    screen.type_text("bstrong");
    screen.expect("Bstrong").await;
    screen.press("Enter");
    bob.expect_privmsg("alice", "#lobby", "\u{2}strong").await;
}

#[tokio::test]
async fn the_window_may_shrink_and_grow_again() {
    let server = Server::start().await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    bob.say(
        "#lobby",
        "a sentence that is long enough to need another row when it gets narrow",
    )
    .await;
    screen.expect("long enough").await;
    screen.resize(40, 10);
    wait_for("the narrow screen", || {
        let now = screen.contents();
        let narrow =
            now.contains("\n      narrow") && now.contains("alice@") && !now.contains("1 server");
        narrow.then_some(())
    })
    .await;
    screen.resize(80, 24);
    let wide = screen.expect("1 server").await;
    assert!(wide.contains("gets narrow"), "{wide}");
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

#[tokio::test]
async fn a_terminal_that_cannot_be_drawn_on_gets_plain_lines() {
    let server = Server::start().await;
    let device = Device::new();
    device.sign_in_and_quit(&server, "alice").await;
    let command = shell_command(&device.command(&server, &[]));
    let screen = Screen::run(&format!("export TERM=dumb; {command}; cat"));
    screen.expect("-- in #lobby: alice").await;
}
