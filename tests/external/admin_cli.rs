//! `admin-cli` in a real terminal (tmux), as an operator sees it: prompts, colours, shell and
//! `top`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rookery_tests::admin::{Operator, PASSWORD, admin_email};
use rookery_tests::irc::Client;
use rookery_tests::screen::Screen;
use rookery_tests::server::Server;
use rookery_tests::wait_for;

#[tokio::test]
async fn the_shell_completes_stores_its_history_and_signs_in_again() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let screen = Screen::start(&operator.command(&["shell"]));
    let first_screen = screen.expect("admin-cli>").await;
    assert!(first_screen.contains("`help`"), "{first_screen}");
    screen.type_text("/ki");
    screen.press("Tab");
    screen.expect("/kick").await;
    // Tab has added the space after the command, and adds the one after the nick.
    screen.type_text("al");
    screen.press("Tab");
    screen.expect("/kick alice").await;
    screen.enter_line("--reason loud");
    screen.expect("1 session of alice").await;
    alice.read_until_closed().await;

    // A password typed as a command must not be stored in the history.
    screen.enter_line(PASSWORD);
    screen.expect("unrecognized subcommand").await;
    screen.enter_line("watch");
    screen.expect("watch allowed").await;
    screen.press("C-c");
    screen.enter_line("channels");
    screen.expect("0 channels").await;

    operator.run_ok(&["sessions", "revoke", "all"]).await;
    screen.enter_line("bans");
    screen.expect("Name:").await;
    screen.enter_line("root");
    screen.expect("Password:").await;
    screen.enter_line(PASSWORD);
    screen.expect("Code:").await;
    let code = server.mailbox().code_to("root@operators.example.org").await;
    screen.enter_line(&code);
    screen.expect("0 bans").await;
    screen.enter_line("/quit");
    screen.expect("exit code 0").await;

    let file = operator.state_folder().join("rookery/admin-cli/history");
    let history = fs::read_to_string(&file).unwrap();
    assert!(
        history.contains("/kick alice --reason loud") && history.contains("bans"),
        "{history}"
    );
    assert!(
        !history.contains(PASSWORD) && !history.contains(&code),
        "no secret is stored: {history}"
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // The next shell has the history.
    let screen = Screen::start(&operator.command(&["shell"]));
    screen.expect("admin-cli>").await;
    screen.press("C-r");
    screen.type_text("kick");
    screen.expect("/kick alice --reason loud").await;
}

#[tokio::test]
async fn a_password_is_typed_invisibly_and_may_be_pasted() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let screen = Screen::start(&operator.command(&["login", "--name", "root"]));
    screen.expect("Password:").await;
    screen.tmux(&["set-buffer", PASSWORD]);
    screen.tmux(&["paste-buffer"]);
    screen.press("Enter");
    screen.expect("Code:").await;
    screen.enter_line(&server.mailbox().code_to("root@operators.example.org").await);
    let screen = screen.expect("exit code 0").await;
    assert!(
        screen.contains("Signed in") && !screen.contains(PASSWORD),
        "{screen}"
    );
}

#[tokio::test]
async fn a_wrong_current_password_is_asked_for_again() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let screen = Screen::start(&operator.command(&["passwd"]));
    screen.expect("Current password:").await;
    screen.enter_line("not the password");
    screen.expect("New password:").await;
    screen.enter_line("a longer password than before");
    screen.expect("Repeat").await;
    screen.enter_line("a longer password than before");
    screen.expect("current password").await;
    wait_for("the second question", || {
        (screen.contents().matches("Current password:").count() == 2).then_some(())
    })
    .await;
    screen.enter_line(PASSWORD);
    let screen = screen.expect("exit code 0").await;
    assert!(screen.contains("was changed"), "{screen}");
}

#[tokio::test]
async fn colours_are_used_in_terminals_and_can_be_disabled() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.run(&["kick", "nobody"]).await;
    let mut audit = operator.command(&["audit", "--act", "kick"]);
    audit.env("NO_COLOR", "");
    let screen = Screen::start(&audit);
    screen.expect("exit code 0").await;
    let coloured = screen.tmux(&["capture-pane", "-p", "-e"]);
    assert!(
        coloured.contains("\u{1b}[1mID") && coloured.contains("\u{1b}[31m"),
        "{coloured:?}"
    );
    audit.env("NO_COLOR", "1");
    let screen = Screen::start(&audit);
    screen.expect("exit code 0").await;
    let plain = screen.tmux(&["capture-pane", "-p", "-e"]);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}

/// Registers alice, who sends a message, and starts `top`, which shows her.
async fn start_top_with_alice(server: &Server, operator: &Operator) -> (Screen, Client) {
    let mut alice = Client::register(server, "alice").await;
    alice.say("#lobby", "hello").await;
    let screen = Screen::start(&operator.command(&["top"]));
    screen.expect("busiest users").await;
    let now = screen.expect("alice           alice").await;
    assert!(now.contains("#lobby") && now.contains("1 user "), "{now}");
    (screen, alice)
}

#[tokio::test]
async fn top_shows_who_talks_and_kicks_and_bans_them() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let (screen, mut alice) = start_top_with_alice(&server, &operator).await;
    screen.press("k");
    screen.press("Down");
    let selected = screen.expect("alice, from 127.0.0.1").await;
    assert!(
        !selected.contains("Kick alice"),
        "nobody was selected before: {selected}"
    );
    screen.press("k");
    screen.expect("Kick alice").await;
    screen.press("Escape");
    wait_for("the prompt to close", || {
        (!screen.contents().contains("Kick alice")).then_some(())
    })
    .await;
    alice.say("#lobby", "still here").await;
    screen.press("k");
    screen.type_text("too loud");
    screen.expect("too loud").await;
    screen.press("Enter");
    screen.expect("1 session of alice").await;
    assert_eq!(
        alice.read_until_closed().await.last().unwrap().to_string(),
        "ERROR :Kicked: too loud"
    );
    screen.expect("0 users").await;
    assert!(
        !screen.contents().contains("alice           alice"),
        "{}",
        screen.contents()
    );

    let mut alice = Client::sign_in(&server, "alice").await;
    alice.say("#lobby", "again").await;
    screen.expect("alice           alice").await;
    screen.press("Down");
    screen.press("b");
    screen.expect("Ban alice").await;
    screen.enter_line("spam");
    screen.expect("Banned alice").await;
    alice.read_until_closed().await;
    assert!(operator.run_ok(&["bans"]).await.contains("spam"));
    let mut guesser = Client::try_sign_in(&server, "guesser", "alice", "not her password").await;
    guesser.expect_numeric("904").await;
    screen.resize(40, 10);
    screen.press("Tab");
    screen.press("Tab");
    screen.expect("▸refused sign-ins").await;
    screen.expect("alice").await;
    screen.resize(80, 24);
    screen.expect("largest sendqs").await;
    screen.press("q");
    screen.expect_exit(0).await;
}

#[tokio::test]
async fn top_restores_the_terminal_however_it_ends() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    for signal in ["TERM", "HUP", "INT"] {
        let screen = Screen::start(&operator.command(&["top"]));
        screen.expect("busiest users").await;
        screen.send_signal(signal);
        screen.expect_exit(0).await;
    }
    let screen = Screen::start(&operator.command(&["top"]));
    screen.expect("busiest users").await;
    screen.press("C-c");
    screen.expect_exit(0).await;

    let screen = Screen::start(&operator.command(&["top"]));
    screen.expect("busiest users").await;
    operator.run_ok(&["sessions", "revoke", "all"]).await;
    let end = screen.expect_exit(3).await;
    assert_eq!(end.matches("admin-cli: ").count(), 1, "one error: {end}");
}

#[tokio::test]
async fn top_waits_for_an_unresponsive_server_and_keeps_its_last_sample() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let (screen, _alice) = start_top_with_alice(&server, &operator).await;
    server.kill9();
    let now = screen.expect("cannot be reached").await;
    assert!(now.contains("alice           alice"), "{now}");
    // Sessions do not survive a restart of the server.
    server.restart().await;
    screen.expect_exit(3).await;
}

#[tokio::test]
async fn an_auditor_sees_all_of_top_but_cannot_kick_or_ban() {
    let server = Server::start().await;
    let owner = Operator::sign_in(&server, "root").await;
    let auditor = Operator::add(&server, "vera");
    owner.run_ok(&["admins", "role", "vera", "auditor"]).await;
    // Skips the mail about the new role, so that the next mail is the one with the code.
    server.mailbox().next_mail_to(&admin_email("vera")).await;
    auditor.login(&server).await;
    let (screen, mut alice) = start_top_with_alice(&server, &auditor).await;
    screen.press("Down");
    for key in ["k", "b"] {
        screen.press(key);
        screen.expect("Auditor").await;
        screen.press("Down");
        wait_for("the notice to disappear", || {
            (!screen.contents().contains("Auditor")).then_some(())
        })
        .await;
    }
    alice.say("#lobby", "still here").await;
    assert!(!server.log().contains("panicked"), "{}", server.log());
    screen.press("q");
    screen.expect_exit(0).await;
}

#[tokio::test]
async fn the_shell_runs_top_on_the_whole_screen_and_returns_afterwards() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let screen = Screen::start(&operator.command(&["shell"]));
    screen.expect("admin-cli>").await;
    screen.enter_line("top");
    screen.expect("busiest users").await;
    screen.press("C-c");
    screen.expect("admin-cli> top\nadmin-cli>").await;
    screen.enter_line("bans");
    screen.expect("0 bans").await;
    screen.enter_line("/quit");
    screen.expect("exit code 0").await;
}
