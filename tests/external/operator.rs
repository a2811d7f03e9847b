//! `admin-cli` in a real terminal (tmux), as an operator sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rookery_tests::admin::{Operator, PASSWORD};
use rookery_tests::irc::Client;
use rookery_tests::screen::Screen;
use rookery_tests::server::Server;

#[tokio::test]
async fn the_shell_completes_keeps_its_history_and_signs_in_anew() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let screen = Screen::start(&operator.command(&["shell"]));
    screen.shows("admin-cli>").await;
    screen.types("/ki");
    screen.presses("Tab");
    screen.shows("/kick").await;
    screen.types(" al");
    screen.presses("Tab");
    screen.shows("/kick alice").await;
    screen.enters(" --reason loud");
    screen.shows("alice is kicked; 1 session of alice ended.").await;
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
    assert!(history.contains("/kick alice --reason loud") && history.contains("bans"), "{history}");
    assert!(!history.contains(PASSWORD) && !history.contains(&code), "no secret is kept: {history}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

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
    assert!(screen.contains("Signed in") && !screen.contains(PASSWORD), "{screen}");
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
    assert!(coloured.contains("\u{1b}[1mID") && coloured.contains("\u{1b}[31m"), "{coloured:?}");
    audit.env("NO_COLOR", "1");
    let screen = Screen::start(&audit);
    screen.shows("ended with 0").await;
    let plain = screen.tmux(&["capture-pane", "-p", "-e"]);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}
