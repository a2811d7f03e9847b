//! `rook` on the whole screen of a real terminal (tmux), as a person sees it.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, email_of};
use rookery_tests::rook::Device;
use rookery_tests::server::Server;
use rookery_tests::wait_for;
use tempfile::TempDir;

/// A terminal with `rook` in it; both end when dropped.
struct Screen {
    folder: TempDir,
}

impl Screen {
    /// Starts the program in a terminal of 80 × 24. When it ends, its exit code is shown.
    fn start(rook: &Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap().replace('\'', r"'\''"));
        let variables = rook.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?)));
        let variables: Vec<String> =
            variables.map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        let words: Vec<String> =
            [rook.get_program()].into_iter().chain(rook.get_args()).map(quoted).collect();
        let line =
            format!("env {} {}; echo \"rook ended with $?\"; cat", variables.join(" "), words.join(" "));
        let screen = Self { folder };
        screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &line]);
        screen
    }

    /// Straight in, on a device that knows alice.
    async fn of_alice(server: &Server, device: &Device) -> Self {
        let mut plain = device.sign_in(server, "alice").await;
        plain.type_line("/quit");
        assert_eq!(plain.ended().await.code, Some(0));
        let screen = Self::start(&device.command(server, &[]));
        screen.shows("#lobby").await;
        screen.shows("lag").await;
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let socket = self.folder.path().join("tmux");
        let mut command = Command::new("tmux");
        command.arg("-S").arg(socket).args(arguments).env("LANG", "C.UTF-8").env_remove("TMUX");
        let output = command.stdin(Stdio::null()).output().expect("tmux is installed");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    fn presses(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    fn enters(&self, text: &str) {
        self.types(text);
        self.presses("Enter");
    }

    /// The number of the process of `rook`.
    fn process(&self) -> u32 {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        children.trim().parse().expect("rook is the only child")
    }

    fn resizes(&self, width: u16, height: u16) {
        self.tmux(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }

    fn now(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until `part` is on the screen, and gives the whole.
    async fn shows(&self, part: &str) -> String {
        let mut last = String::new();
        let start = Instant::now();
        while start.elapsed() < rookery_tests::DEADLINE {
            last = self.now();
            if last.contains(part) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{part:?} is not on the screen:\n{last}");
    }

    /// Scrolls up page by page until `part` is on the screen; gives the numbers of the messages seen on the way.
    async fn scrolls_up_to(&self, part: &str) -> BTreeSet<u32> {
        let mut seen = BTreeSet::new();
        let mut last = String::new();
        wait_for(part, || {
            let now = self.now();
            if now == last {
                return None;
            }
            let numbers = now.split("message ").filter_map(|rest| rest.get(..3)?.parse::<u32>().ok());
            seen.extend(numbers);
            if now.contains(part) {
                return Some(());
            }
            self.presses("PPage");
            last = now;
            None
        })
        .await;
        seen
    }

    /// Waits for the end, on a terminal that is as it was: gives what stands there.
    async fn ended(&self, code: u8) -> String {
        let screen = self.shows(&format!("rook ended with {code}")).await;
        assert!(!screen.contains("│"), "the chat is gone from the screen:\n{screen}");
        let state = self.tmux(&["display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}"]);
        assert_eq!(state.trim(), "0 0 1", "no second screen, no mouse, a cursor");
        // Echo, as a shell left it.
        self.types("echoed");
        self.shows("echoed").await
    }
}

/// As fast as it goes.
const FAST: &[&str] = &["limits.messages_per_second = 0", "limits.message_burst = 0"];

/// Says `message 000` and so on in the lobby.
async fn say_many(client: &mut Client, numbers: std::ops::Range<u32>) {
    let lines: Vec<String> =
        numbers.map(|number| format!("PRIVMSG #lobby :message {number:03}\r\n")).collect();
    client.send_bytes(lines.concat().as_bytes()).await;
    client.heard().await;
}

fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

impl Drop for Screen {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the screen ---\n{}", self.now());
        }
        self.tmux(&["kill-server"]);
    }
}

#[tokio::test]
async fn a_newcomer_signs_in_talks_whispers_and_leaves() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
    screen.shows("Name").await;
    screen.enters("alice");
    screen.shows("prove that it is yours").await;
    screen.enters(&email_of("alice"));
    let asked = screen.shows("six digits").await;
    assert!(asked.contains("SHA-256"), "the fingerprint is shown:\n{asked}");
    screen.enters("000000");
    screen.shows("4 tries are left").await;
    screen.enters(&server.mailbox().code_to(&email_of("alice")).await);
    screen.shows("you joined #lobby").await;

    screen.enters("hello everyone");
    bob.expect_said("alice", "#lobby", "hello everyone").await;
    screen.shows("alice hello everyone").await;
    screen.types("bo");
    screen.presses("Tab");
    screen.enters("there you are");
    bob.expect_said("alice", "#lobby", "bob: there you are").await;
    bob.say("alice", "just between us").await;
    screen.shows("bob         !1").await;
    screen.presses("M-a");
    screen.shows("just between us").await;
    screen.enters("indeed");
    bob.expect_said("alice", "bob", "indeed").await;
    screen.enters("/quit");
    screen.ended(0).await;

    // The next time, straight in.
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
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
    screen.shows("what you typed is kept here").await;
    server.restart().await;
    screen.shows("lag").await;
    screen.presses("Enter");
    screen.shows("alice typed meanwhile").await;
    let kept = screen.now();
    assert!(kept.contains("2 #lobby") && kept.contains("3›#nest"), "where it was:\n{kept}");
}

#[tokio::test]
async fn one_scrolls_back_to_the_first_message_ever_said() {
    let server = Server::with(FAST).await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    say_many(&mut bob, 0..350).await;
    let screen = Screen::of_alice(&server, &device).await;
    screen.shows("message 349").await;
    let seen = screen.scrolls_up_to("the beginning of #lobby").await;
    assert_eq!(seen.len(), 350, "every message is seen on the way");
    screen.presses("Escape");
    screen.shows("message 349").await;
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
    let rook = screen.process();
    signal("STOP", rook);
    server.kill9();
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    let _on_another_device = Client::sign_in(&server, "alice").await;
    // More than one page of history holds.
    say_many(&mut bob, 0..150).await;
    bob.say("alice", "are you still there?").await;
    signal("CONT", rook);
    screen.shows("message 149").await;
    screen.shows("bob         !2").await;
    let seen = screen.scrolls_up_to("before it all").await;
    assert_eq!(seen.len(), 150, "nothing is missing between what was seen and what is said now");
    let screen_now = screen.now();
    assert_eq!(screen_now.matches("before it all").count(), 1, "{screen_now}");
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
    operator.done(&["kick", "alice", "--reason", "too loud"]).await;
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
    let screen = Screen::of_alice(&server, &device).await;
    signal("TERM", screen.process());
    screen.ended(0).await;
}

#[tokio::test]
async fn the_window_may_shrink_and_grow_again() {
    let server = Server::start().await;
    let device = Device::new();
    let mut bob = Client::register(&server, "bob").await;
    let screen = Screen::of_alice(&server, &device).await;
    bob.say("#lobby", "a sentence that is long enough to need another row when it gets narrow").await;
    screen.shows("long enough").await;
    screen.resizes(40, 10);
    wait_for("the narrow screen", || {
        let now = screen.now();
        let narrow = now.contains("\n      narrow") && now.contains("alice@") && !now.contains("1 server");
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
        let lines: Vec<String> =
            (0..100).map(|one| format!("PRIVMSG #lobby :message {}\r\n", hundred * 100 + one)).collect();
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
