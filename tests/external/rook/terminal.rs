//! The terminal: its size, its signals, its mouse, and what is pasted into it or opened from it.

use std::os::unix::fs::PermissionsExt as _;

use rookery_tests::irc::Client;
use rookery_tests::rook::Device;
use rookery_tests::screen::{Screen, shell_command};
use rookery_tests::server::Server;
use rookery_tests::wait_for;

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
    screen.expect("1 *server*").await;
    screen.press("F1");
    screen.expect("Help").await;
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
        chat.contains("1 *server*") && !chat.contains("Stopped"),
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
            now.contains("\n      narrow") && now.contains("alice@") && !now.contains("1 *server*");
        narrow.then_some(())
    })
    .await;
    screen.resize(80, 24);
    let wide = screen.expect("1 *server*").await;
    assert!(wide.contains("gets narrow"), "{wide}");
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
