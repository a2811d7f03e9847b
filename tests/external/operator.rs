//! `admin-cli` in a real terminal (tmux), as an operator sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rookery_tests::admin::{Operator, PASSWORD, admin_email};
use rookery_tests::irc::Client;
use rookery_tests::screen::Screen;
use rookery_tests::server::Server;

#[tokio::test]
async fn the_shell_completes_keeps_its_history_and_signs_in_anew() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let screen = Screen::start(&operator.command(&["shell"]));
    let screen_at_first = screen.shows("admin-cli>").await;
    assert!(
        screen_at_first.contains("`help` lists the commands"),
        "{screen_at_first}"
    );
    screen.types("/ki");
    screen.presses("Tab");
    screen.shows("/kick").await;
    screen.types(" al");
    screen.presses("Tab");
    screen.shows("/kick alice").await;
    screen.enters(" --reason loud");
    screen
        .shows("Kicked alice; 1 session of alice ended.")
        .await;
    alice.until_closed().await;

    // A password in the wrong place.
    screen.enters(PASSWORD);
    screen.shows("unrecognized subcommand").await;
    screen.enters("watch");
    screen.shows("watch allowed").await;
    screen.presses("C-c");
    screen.enters("channels");
    screen.shows("0 channels").await;

    operator.done(&["sessions", "revoke", "all"]).await;
    screen.enters("bans");
    screen.shows("Name:").await;
    screen.enters("root");
    screen.shows("Password:").await;
    screen.enters(PASSWORD);
    screen.shows("Code:").await;
    let code = server.mailbox().code_to("root@operators.example.org").await;
    screen.enters(&code);
    screen.shows("0 bans").await;
    screen.enters("/quit");
    screen.shows("ended with 0").await;

    let file = operator.state().join("rookery/admin-cli/history");
    let history = fs::read_to_string(&file).unwrap();
    assert!(
        history.contains("/kick alice --reason loud") && history.contains("bans"),
        "{history}"
    );
    assert!(
        !history.contains(PASSWORD) && !history.contains(&code),
        "no secret is kept: {history}"
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // The next shell remembers.
    let screen = Screen::start(&operator.command(&["shell"]));
    screen.shows("admin-cli>").await;
    screen.presses("C-r");
    screen.types("kick");
    screen.shows("/kick alice --reason loud").await;
}

#[tokio::test]
async fn a_password_is_typed_unseen_and_may_be_pasted() {
    let server = Server::start().await;
    let operator = Operator::add(&server, "root");
    let screen = Screen::start(&operator.command(&["login", "--name", "root"]));
    screen.shows("Password:").await;
    screen.tmux(&["set-buffer", PASSWORD]);
    screen.tmux(&["paste-buffer"]);
    screen.presses("Enter");
    screen.shows("Code:").await;
    screen.enters(&server.mailbox().code_to("root@operators.example.org").await);
    let screen = screen.shows("ended with 0").await;
    assert!(
        screen.contains("Signed in") && !screen.contains(PASSWORD),
        "{screen}"
    );
}

#[tokio::test]
async fn colours_are_for_terminals_and_can_be_refused() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.run(&["kick", "nobody"]).await;
    let mut audit = operator.command(&["audit", "--act", "kick"]);
    audit.env("NO_COLOR", "");
    let screen = Screen::start(&audit);
    screen.shows("ended with 0").await;
    let coloured = screen.tmux(&["capture-pane", "-p", "-e"]);
    assert!(
        coloured.contains("\u{1b}[1mID") && coloured.contains("\u{1b}[31m"),
        "{coloured:?}"
    );
    audit.env("NO_COLOR", "1");
    let screen = Screen::start(&audit);
    screen.shows("ended with 0").await;
    let plain = screen.tmux(&["capture-pane", "-p", "-e"]);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}

/// The server, an operator of that role with `top` on the screen, and alice, who talks.
async fn top_sees_alice(server: &Server, operator: &Operator) -> (Screen, Client) {
    let mut alice = Client::register(server, "alice").await;
    alice.say("#lobby", "hear me").await;
    let screen = Screen::start(&operator.command(&["top"]));
    screen.shows("busiest users").await;
    let now = screen.shows("alice           alice").await;
    assert!(now.contains("#lobby") && now.contains("1 user "), "{now}");
    (screen, alice)
}

#[tokio::test]
async fn top_shows_who_talks_and_kicks_and_bans_them() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let (screen, mut alice) = top_sees_alice(&server, &operator).await;
    screen.presses("k");
    screen.shows("Select a user first").await;
    screen.presses("Down");
    screen.shows("alice, from 127.0.0.1").await;
    screen.presses("k");
    screen.shows("Kick alice?").await;
    screen.presses("Escape");
    screen.shows("nothing was changed").await;
    alice.say("#lobby", "still here").await;
    screen.presses("k");
    screen.types("too loud");
    screen.shows("Reason: too loud").await;
    screen.presses("Enter");
    screen
        .shows("Kicked alice; 1 session of alice ended.")
        .await;
    assert_eq!(
        alice.until_closed().await.last().unwrap().to_string(),
        "ERROR :Kicked: too loud"
    );
    screen.shows("0 users").await;
    assert!(
        !screen.now().contains("alice           alice"),
        "{}",
        screen.now()
    );

    let mut alice = Client::sign_in(&server, "alice").await;
    alice.say("#lobby", "again").await;
    screen.shows("alice           alice").await;
    screen.presses("Down");
    screen.presses("b");
    screen.shows("Ban alice permanently").await;
    screen.enters("spam");
    screen
        .shows("Banned alice permanently; 1 session of alice ended.")
        .await;
    alice.until_closed().await;
    assert!(operator.done(&["bans"]).await.contains("spam"));
    let mut guesser = Client::try_sign_in(&server, "guesser", "alice", "not her password").await;
    guesser.expect_numeric("904").await;
    screen.resizes(40, 10);
    screen.presses("Tab");
    screen.presses("Tab");
    screen.shows("▸refused sign-ins").await;
    screen.shows("alice").await;
    screen.resizes(80, 24);
    screen.shows("largest sendqs").await;
    screen.presses("q");
    screen.ended(0).await;
}

#[tokio::test]
async fn top_gives_the_terminal_back_however_it_ends() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    for signal in ["TERM", "HUP", "INT"] {
        let screen = Screen::start(&operator.command(&["top"]));
        screen.shows("busiest users").await;
        screen.signals(signal);
        screen.ended(0).await;
    }
    let screen = Screen::start(&operator.command(&["top"]));
    screen.shows("busiest users").await;
    screen.presses("C-c");
    screen.ended(0).await;

    let screen = Screen::start(&operator.command(&["top"]));
    screen.shows("busiest users").await;
    operator.done(&["sessions", "revoke", "all"]).await;
    let end = screen.ended(3).await;
    assert_eq!(end.matches("Sign in with").count(), 1, "{end}");
}

#[tokio::test]
async fn top_waits_for_a_server_that_does_not_answer_and_keeps_what_it_saw() {
    let mut server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let (screen, _alice) = top_sees_alice(&server, &operator).await;
    server.kill9();
    let now = screen.shows("no reply since").await;
    assert!(now.contains("alice           alice"), "{now}");
    screen.shows("cannot be reached").await;
    // Its sign-ins are gone with it.
    server.restart().await;
    screen.ended(3).await;
}

#[tokio::test]
async fn an_auditor_sees_all_of_top_and_is_told_that_it_may_only_read() {
    let server = Server::start().await;
    let owner = Operator::sign_in(&server, "root").await;
    let auditor = Operator::add(&server, "vera");
    owner.done(&["admins", "role", "vera", "auditor"]).await;
    // The notice of that; what comes next is the code.
    server.mailbox().next_to(&admin_email("vera")).await;
    auditor.login(&server).await;
    let (screen, mut alice) = top_sees_alice(&server, &auditor).await;
    screen.presses("Down");
    for key in ["k", "b"] {
        screen.presses(key);
        screen.shows("Auditors may only read").await;
        screen.presses("Down");
        screen.shows("select").await;
    }
    alice.say("#lobby", "still here").await;
    assert!(!server.log().contains("panicked"), "{}", server.log());
    screen.presses("q");
    screen.ended(0).await;
}

#[tokio::test]
async fn the_shell_has_top_on_the_whole_screen_and_is_back_after_it() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let screen = Screen::start(&operator.command(&["shell"]));
    screen.shows("admin-cli>").await;
    screen.enters("top");
    screen.shows("busiest users").await;
    screen.presses("C-c");
    screen.shows("admin-cli> top\nadmin-cli>").await;
    screen.enters("bans");
    screen.shows("0 bans").await;
    screen.enters("/quit");
    screen.shows("ended with 0").await;
}
