//! Tests of the full screen as a user sees it: keys and messages are the input, whole screens the
//! output.

use std::collections::BTreeSet;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::*;
use crate::config::Colours;
use crate::tui::draw::draw;

mod everyday;
mod guidance;
mod history;
mod interruption;
mod links;
mod names;
mod selection;

/// The screen of a user with the nick `alice`.
struct Harness {
    app: App,
    /// The label of the message sent last.
    label: String,
}

impl Harness {
    /// Creates the state before the first connection.
    fn disconnected() -> Self {
        let start = "2026-01-02T13:59:00Z".parse().unwrap();
        let theme = Theme::new(Colours::None);
        let app = App::new("chat.example.org".to_owned(), theme, TimeZone::UTC, start);
        Self {
            app,
            label: String::new(),
        }
    }

    /// Creates the state after the sign-in, in `#lobby` with some others.
    fn new() -> Self {
        let mut ui = Self::disconnected();
        ui.receive(":s 001 alice :Welcome back, alice.");
        ui.receive(":alice!a@h JOIN #lobby");
        ui.receive(":s 332 alice #lobby :Plans for the week: eggs, twigs, moss");
        let author = ":s 333 alice #lobby boss!b@h 1767362400";
        ui.app.handle_message(&Message::parse(author).unwrap());
        ui.receive(":s 353 alice = #lobby :@boss alice bob +carol");
        ui.receive(":s 366 alice #lobby :End");
        ui.app.connection_ready();
        ui.app.take_effects();
        ui.app.lag = Some(Duration::from_millis(12));
        ui
    }

    fn sized(width: u16, height: u16) -> Self {
        let mut ui = Self::new();
        ui.app.size = Rect::new(0, 0, width, height);
        ui
    }

    fn receive(&mut self, line: &str) {
        self.app.now += Duration::from_secs(20);
        self.app.handle_message(&Message::parse(line).unwrap());
    }

    /// Adds messages and events of all kinds.
    fn with_messages(mut self) -> Self {
        self.receive(":bob!b@h PRIVMSG #lobby :good morning");
        self.receive(":carol!c@h PRIVMSG #lobby :\u{1}ACTION yawns\u{1}");
        self.receive(":dave!d@h JOIN #lobby");
        self.receive(":erin!e@h JOIN #lobby");
        self.receive(":dave!d@h QUIT :Ping timeout");
        self.receive(
            ":bob!b@h PRIVMSG #lobby :alice: here is a long message that has to be wrapped over several rows of \
             the screen and keeps its indent while it does so, to the very last word",
        );
        self.receive(":alice!a@h JOIN #ops");
        self.receive(":boss!o@h PRIVMSG #ops :deploy at noon");
        self.receive(":bob!b@h PRIVMSG alice :psst");
        self.app.now = "2026-01-03T00:00:10Z".parse().unwrap();
        self.receive(
            ":carol!c@h PRIVMSG #lobby :a new \u{2}day\u{2}, \u{1d}日本語\u{1d} \u{1b}[2Jand no escape sequence",
        );
        self
    }

    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.app.handle_key(KeyEvent::new(code, modifiers));
    }

    fn control(&mut self, letter: char) {
        self.press(KeyCode::Char(letter), KeyModifiers::CONTROL);
    }

    fn alt(&mut self, letter: char) {
        self.press(KeyCode::Char(letter), KeyModifiers::ALT);
    }

    fn type_text(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter), KeyModifiers::NONE);
        }
    }

    fn enter(&mut self, text: &str) {
        self.type_text(text);
        self.press(KeyCode::Enter, KeyModifiers::NONE);
    }

    /// Returns the messages sent since the last call, without labels.
    fn sent(&mut self) -> Vec<String> {
        let effects = self.app.take_effects();
        let messages = effects.into_iter().filter_map(|effect| match effect {
            Effect::Send(message) => Some(message),
            _ => None,
        });
        let messages: Vec<Message> = messages.collect();
        if let Some(label) = messages
            .last()
            .and_then(|message| message.tags.get("label"))
        {
            self.label = label.to_owned();
        }
        messages
            .into_iter()
            .map(|one| Message::new(&one.command, one.params).to_string())
            .collect()
    }

    /// Returns the preferences as last stored.
    fn saved(&mut self) -> Preferences {
        let saved = self
            .app
            .take_effects()
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::SavePreferences { after, .. } => Some(after),
                _ => None,
            });
        saved.last().expect("preferences are stored")
    }

    /// Receives the server's answer to the message sent last: a batch of these lines.
    fn answer(&mut self, kind: &str, lines: &[&str]) {
        self.receive(&format!("@label={} :s BATCH +x {kind}", self.label));
        for line in lines {
            self.receive(&line.replacen('@', "@batch=x;", 1));
        }
        self.receive(":s BATCH -x");
    }

    fn conversation(&self) -> &str {
        self.app.buffers.current().conversation.name()
    }

    /// Draws the screen and returns it.
    fn screen(&mut self) -> String {
        let size = self.app.size;
        let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
        terminal.draw(|frame| draw(frame, &self.app)).unwrap();
        self.app.handle_drawn();
        terminal.backend().to_string()
    }
}

#[test]
fn a_comfortable_screen() {
    insta::assert_snapshot!(Harness::new().with_messages().screen());
}

#[test]
fn a_wide_screen_with_members() {
    insta::assert_snapshot!(Harness::sized(120, 24).with_messages().screen());
}

#[test]
fn a_tiny_screen() {
    insta::assert_snapshot!(Harness::sized(40, 10).with_messages().screen());
}

#[test]
fn the_message_box_grows_with_its_lines() {
    let mut ui = Harness::sized(60, 14).with_messages();
    ui.type_text("one");
    ui.press(KeyCode::Enter, KeyModifiers::ALT);
    ui.type_text("two");
    ui.control('j');
    ui.type_text("three");
    insta::assert_snapshot!(ui.screen());
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        ui.sent(),
        [
            "PRIVMSG #lobby :one",
            "PRIVMSG #lobby :two",
            "PRIVMSG #lobby :three"
        ]
    );
}

#[test]
fn help_is_a_popup_that_scrolls() {
    let mut ui = Harness::new();
    ui.enter("/help");
    insta::assert_snapshot!(ui.screen());
    ui.press(KeyCode::PageDown, KeyModifiers::NONE);
    assert!(!ui.screen().contains("TEXT /NICK"));
    for _ in 0..40 {
        ui.press(KeyCode::PageDown, KeyModifiers::NONE);
    }
    let end = ui.screen();
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    assert_ne!(ui.screen(), end, "the first key back is seen");
    ui.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(!ui.screen().contains("Help"));
    ui.enter("/help");
    ui.enter("/msg bob a secret");
    assert_eq!(ui.sent(), ["PRIVMSG bob :a secret"]);
}

#[test]
fn every_command_and_key_is_in_the_help() {
    let mut ui = Harness::sized(100, 200);
    ui.enter("/help");
    let screen = ui.screen();
    for word in [
        "/msg", "/ignore", "/kick", "/unban", "Ctrl-K", "Alt-1", "PgUp", "//TEXT",
    ] {
        assert!(screen.contains(word), "{word}");
    }
}

#[test]
fn the_switcher_finds_a_conversation_by_a_few_letters() {
    let mut ui = Harness::new().with_messages();
    ui.control('k');
    ui.type_text("op");
    insta::assert_snapshot!(ui.screen());
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.conversation(), "#ops");
    ui.type_text("text");
    ui.control('a');
    ui.control('k');
    assert!(
        ui.app.overlay.is_none(),
        "with text to the right, Ctrl-K cuts it"
    );
    assert_eq!(ui.app.editor.text(), "");
}

#[test]
fn conversations_are_switched_by_number_by_step_and_by_mouse() {
    let mut ui = Harness::new().with_messages();
    ui.alt('4');
    assert_eq!(ui.conversation(), "bob");
    ui.control('n');
    assert_eq!(ui.conversation(), "*server*");
    ui.control('p');
    assert_eq!(ui.conversation(), "bob");
    ui.control('p');
    assert_eq!(ui.conversation(), "#ops");
    let click = |column, row| MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column,
        row,
        modifiers: KeyModifiers::NONE,
    };
    ui.app.handle_mouse(click(3, 2));
    assert_eq!(ui.conversation(), "#lobby");
    ui.app.handle_mouse(click(3, 20));
    assert_eq!(
        ui.conversation(),
        "#lobby",
        "there is no conversation there"
    );
}

#[test]
fn a_paste_of_several_lines_asks_for_confirmation() {
    let mut ui = Harness::new();
    ui.app.handle_paste("one line\n");
    assert_eq!(ui.app.editor.text(), "one line");
    ui.control('u');
    ui.app.handle_paste("a\r\nb\x1b[2J\r\nc\r\n");
    insta::assert_snapshot!(ui.screen());
    ui.press(KeyCode::Char('n'), KeyModifiers::NONE);
    assert_eq!(ui.app.editor.text(), "a\nb[2J\nc", "it can be edited");
    assert!(ui.screen().contains("not sent yet"), "{}", ui.screen());
    ui.control('c');
    ui.app.handle_paste("x\ny");
    ui.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(ui.app.editor.is_empty());
    assert_eq!(ui.sent(), [""; 0]);
    ui.app.handle_paste("a\nb");
    ui.press(KeyCode::Char('y'), KeyModifiers::NONE);
    assert_eq!(ui.sent(), ["PRIVMSG #lobby :a", "PRIVMSG #lobby :b"]);
}

#[test]
fn pasted_commands_are_sent_as_text() {
    let mut ui = Harness::new();
    ui.app.handle_paste("/quit\n/part");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        ui.sent(),
        ["PRIVMSG #lobby :/quit", "PRIVMSG #lobby :/part"]
    );
}

#[test]
fn tab_completes_the_last_speaker_first() {
    let mut ui = Harness::new();
    ui.receive(":bob!b@h JOIN #lobby");
    ui.receive(":bill!b@h JOIN #lobby");
    ui.receive(":bob!b@h PRIVMSG #lobby :hi");
    ui.type_text("b");
    ui.press(KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(ui.app.editor.text(), "bob: ");
    ui.press(KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(ui.app.editor.text(), "bill: ");
    ui.type_text("x");
    ui.press(KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(ui.app.editor.text(), "bill: x", "no nick matches");
}

#[test]
fn every_size_of_the_screen_is_drawn_without_a_panic() {
    let mut ui = Harness::new().with_messages();
    ui.type_text(&"long ".repeat(50));
    for overlay in ["", "/help", "switch", "paste"] {
        match overlay {
            "switch" => ui.app.overlay = Some(Overlay::Switcher(Editor::default(), None)),
            "paste" => ui.app.overlay = Some(Overlay::Paste("a\nb".to_owned())),
            "/help" => ui.app.overlay = Some(Overlay::Help(3)),
            _ => {}
        }
        for (width, height) in (1..50)
            .step_by(3)
            .flat_map(|width| (1..12).map(move |height| (width, height)))
        {
            ui.app.size = Rect::new(0, 0, width, height);
            ui.screen();
            ui.app.scroll(true, 3);
            ui.screen();
            ui.app.scroll(false, 2);
        }
    }
}

#[test]
fn no_control_character_from_the_server_reaches_the_screen() {
    let evil = "\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\u{200b}";
    let mut ui = Harness::new();
    for line in [
        "%!a@h PRIVMSG #lobby :x%",
        "%!a@h PRIVMSG alice :x%",
        "s NOTICE alice :%",
        "%!a@h JOIN #lobby",
        "bob!a@h QUIT :%",
        "a!a@h TOPIC #lobby :%",
        "a!a@h MODE #lobby +b %",
        "s 404 alice #% :%",
        "boss!a@h KICK #lobby % :%",
    ] {
        ui.receive(&format!(":{}", line.replace('%', evil)));
    }
    ui.app.editor.insert(evil);
    let size = ui.app.size;
    let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
    terminal.draw(|frame| draw(frame, &ui.app)).unwrap();
    for cell in terminal.backend().buffer().content() {
        let bad = |char: char| char.is_control() || char == '\u{202e}';
        assert!(!cell.symbol().chars().any(bad), "{:?}", cell.symbol());
    }
}

#[test]
fn after_a_lost_connection_typed_text_is_still_there_and_channels_are_rejoined() {
    let mut ui = Harness::new();
    ui.receive(":alice!a@h JOIN #ops");
    ui.enter("on its way");
    ui.sent();
    ui.app
        .connection_lost("the server closed the connection", Duration::from_secs(2));
    ui.enter("too late");
    let screen = ui.screen();
    for part in [
        "not confirmed, perhaps not sent, to",
        "the server closed the connection; trying",
        "NOT CONNECTED",
        "too late",
        "your text was not sent",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    ui.receive(":s 001 alice :Welcome back, alice.");
    ui.receive(":alice!a@h JOIN #lobby");
    ui.app.connection_ready();
    assert_eq!(ui.sent(), ["JOIN #ops"]);
    ui.receive("@label=2 :alice!a@h JOIN #ops");
}

#[test]
fn a_long_paste_is_sent_no_faster_than_it_is_confirmed() {
    let mut ui = Harness::new();
    let lines: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    ui.app.handle_paste(&lines.join("\n"));
    ui.press(KeyCode::Char('y'), KeyModifiers::NONE);
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    let first = ui.sent();
    assert!(
        first.len() < 20 && first[0] == "PRIVMSG #lobby :0",
        "{first:?}"
    );
    let message = Message::parse("@label=1 :alice!a@h PRIVMSG #lobby 0").unwrap();
    ui.app.handle_message(&message);
    assert_eq!(ui.sent(), [format!("PRIVMSG #lobby :{}", first.len())]);
}

#[test]
fn several_lines_are_one_message_where_the_server_has_multi_line_messages() {
    let mut ui = Harness::new();
    ui.receive(":s CAP * LS :batch draft/multiline=max-bytes=4096,max-lines=32");
    ui.receive(":s CAP * ACK :batch draft/multiline");
    ui.app.handle_paste("fn main() {\n\n    // nothing\n}");
    assert!(ui.screen().contains("as one message?"), "{}", ui.screen());
    ui.press(KeyCode::Char('y'), KeyModifiers::NONE);
    let lines = [
        "PRIVMSG #lobby :fn main() {",
        "PRIVMSG #lobby :",
        "PRIVMSG #lobby :    // nothing",
        "PRIVMSG #lobby :}",
    ];
    let sent = ui.sent();
    assert_eq!(sent[0], "BATCH +lines draft/multiline #lobby");
    assert_eq!(sent[1..5], lines);
    assert_eq!(sent[5..], ["BATCH -lines"]);
    ui.receive("@label=1;msgid=m1 :alice!a@h BATCH +7 draft/multiline #lobby");
    for line in lines {
        ui.receive(&format!("@batch=7 :alice!a@h {line}"));
    }
    assert!(!ui.screen().contains("nothing"), "it is shown as a whole");
    ui.receive(":alice!a@h BATCH -7");
    let screen = ui.screen();
    let row = screen
        .lines()
        .position(|row| row.contains("alice fn main() {"));
    let rows: Vec<&str> = screen.lines().skip(row.unwrap()).take(4).collect();
    assert!(
        rows[2].contains("    // nothing") && !rows[2].contains("alice") && rows[3].contains(" }"),
        "{screen}"
    );
    assert!(!screen.contains("unconfirmed"), "{screen}");
}

#[test]
fn highlights_notify_only_while_the_terminal_has_no_focus() {
    let mut ui = Harness::new();
    let notifications = |ui: &mut Harness| -> usize {
        ui.app
            .take_effects()
            .iter()
            .filter(|effect| matches!(effect, Effect::Notify(..)))
            .count()
    };
    ui.app.set_focused(true);
    ui.receive(":bob!b@h PRIVMSG alice :psst");
    assert_eq!(notifications(&mut ui), 0, "the unread count is in view");
    ui.app.set_focused(false);
    ui.receive(":bob!b@h PRIVMSG #lobby :nothing of note");
    assert_eq!(notifications(&mut ui), 0);
    ui.receive(":bob!b@h PRIVMSG #lobby :Alice?");
    ui.receive(":bob!b@h PRIVMSG alice :psst");
    assert_eq!(notifications(&mut ui), 2);
    ui.enter("/mute");
    ui.receive(":bob!b@h PRIVMSG #lobby :Alice!");
    assert_eq!(notifications(&mut ui), 0);
}

#[test]
fn ctrl_c_clears_the_message_box_and_quits_the_second_time() {
    let mut ui = Harness::new();
    ui.type_text("text");
    ui.control('c');
    assert!(ui.app.editor.is_empty());
    ui.control('c');
    assert!(ui.app.take_effects().is_empty());
    assert!(ui.screen().contains("press Ctrl-C again"));
    ui.type_text("a");
    ui.control('c');
    ui.control('c');
    assert!(
        ui.app.take_effects().is_empty(),
        "it was not pressed twice in a row"
    );
    ui.control('c');
    assert_eq!(ui.app.take_effects(), [Effect::Quit(None)]);
}

#[test]
fn members_and_topic_are_those_of_the_channel() {
    let mut ui = Harness::sized(100, 24);
    let screen = ui.screen();
    for part in ["@boss", "+carol", "Plans for the week"] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    ui.receive(":boss!o@h MODE #lobby +o alice");
    ui.receive(":boss!o@h TOPIC #lobby :Something else");
    assert!(
        ui.screen().contains("@alice")
            && ui.screen().contains("#lobby · 4 people · Something else")
    );
    ui.alt('m');
    assert!(!ui.screen().contains("+carol"));
    ui.enter("/names");
    assert!(
        ui.screen()
            .contains("in #lobby: @alice, @boss, +carol, bob"),
        "{}",
        ui.screen()
    );
}

#[test]
fn formatting_is_typed_shown_and_sent() {
    let mut ui = Harness::new();
    let format = |ui: &mut Harness, letter: char| {
        ui.control('o');
        ui.press(KeyCode::Char(letter), KeyModifiers::NONE);
    };
    ui.type_text("a ");
    ui.control('o');
    assert!(ui.screen().contains("b bold · i italic"), "{}", ui.screen());
    ui.type_text("b");
    ui.type_text("bold");
    for letter in ['b', 'i', 'u', 's', 'm', 'r', 'o', 'c'] {
        format(&mut ui, letter);
    }
    ui.type_text("4red");
    format(&mut ui, 'X');
    ui.type_text("00ff00green");
    format(&mut ui, 'z');
    ui.control('o');
    ui.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(
        ui.screen().contains("a BboldBIUSMROC4redX00ff00green"),
        "{}",
        ui.screen()
    );
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    let wanted = "PRIVMSG #lobby :a \u{2}bold\u{2}\u{1d}\u{1f}\u{1e}\u{11}\u{16}\u{f}\u{3}4red\u{4}00ff00green";
    assert_eq!(ui.sent(), [wanted]);
    ui.receive(&format!(":bob!b@h {wanted}"));
    assert!(
        ui.screen().contains("bob a boldredgreen"),
        "{}",
        ui.screen()
    );
}
