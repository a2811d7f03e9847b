//! The chat as a person sees it: keys and messages in, whole screens out.

use std::collections::BTreeSet;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::*;
use crate::config::Colours;
use crate::tui::draw::draw;

mod chosen;
mod everyday;
mod guidance;
mod links;
mod past;

/// Someone called `alice` at the keyboard.
struct Desk {
    app: App,
    /// Of what was sent last.
    label: String,
}

impl Desk {
    /// Before there is a connection.
    fn before() -> Self {
        let start = "2026-01-02T13:59:00Z".parse().unwrap();
        let theme = Theme::new(Colours::None);
        let app = App::new("chat.example.org".to_owned(), theme, TimeZone::UTC, start);
        Self {
            app,
            label: String::new(),
        }
    }

    /// Signed in, in `#lobby`, with some people there.
    fn new() -> Self {
        let mut desk = Self::before();
        desk.hear(":s 001 alice :Welcome back, alice.");
        desk.hear(":alice!a@h JOIN #lobby");
        desk.hear(":s 332 alice #lobby :Plans for the week: eggs, twigs, moss");
        desk.hear(":s 353 alice = #lobby :@boss alice bob +carol");
        desk.hear(":s 366 alice #lobby :End");
        desk.app.settled();
        desk.app.effects();
        desk.app.lag = Some(Duration::from_millis(12));
        desk
    }

    fn sized(width: u16, height: u16) -> Self {
        let mut desk = Self::new();
        desk.app.size = Rect::new(0, 0, width, height);
        desk
    }

    fn hear(&mut self, line: &str) {
        self.app.now += Duration::from_secs(20);
        self.app.hear(&Message::parse(line).unwrap());
    }

    /// A conversation with something of everything in it.
    fn with_talk(mut self) -> Self {
        self.hear(":bob!b@h PRIVMSG #lobby :good morning");
        self.hear(":carol!c@h PRIVMSG #lobby :\u{1}ACTION yawns\u{1}");
        self.hear(":dave!d@h JOIN #lobby");
        self.hear(":erin!e@h JOIN #lobby");
        self.hear(":dave!d@h QUIT :Ping timeout");
        self.hear(
            ":bob!b@h PRIVMSG #lobby :alice: here is a long message that has to be wrapped over several rows of \
             the screen and keeps its indent while it does so, to the very last word",
        );
        self.hear(":alice!a@h JOIN #ops");
        self.hear(":boss!o@h PRIVMSG #ops :deploy at noon");
        self.hear(":bob!b@h PRIVMSG alice :psst");
        self.app.now = "2026-01-03T00:00:10Z".parse().unwrap();
        self.hear(
            ":carol!c@h PRIVMSG #lobby :a new \u{2}day\u{2}, \u{1d}日本語\u{1d} \u{1b}[2Jand nothing to obey",
        );
        self
    }

    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.app.key(KeyEvent::new(code, modifiers));
    }

    fn control(&mut self, letter: char) {
        self.press(KeyCode::Char(letter), KeyModifiers::CONTROL);
    }

    fn alt(&mut self, letter: char) {
        self.press(KeyCode::Char(letter), KeyModifiers::ALT);
    }

    fn types(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter), KeyModifiers::NONE);
        }
    }

    fn enters(&mut self, text: &str) {
        self.types(text);
        self.press(KeyCode::Enter, KeyModifiers::NONE);
    }

    /// What is sent, without labels.
    fn sent(&mut self) -> Vec<String> {
        let effects = self.app.effects();
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

    /// What is kept for the next time, as it was kept last.
    fn kept(&mut self) -> Habits {
        let kept = self
            .app
            .effects()
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Keep(habits) => Some(habits),
                _ => None,
            });
        kept.last().expect("something is kept")
    }

    /// The server answers what was sent last.
    fn answers(&mut self, kind: &str, lines: &[&str]) {
        self.hear(&format!("@label={} :s BATCH +x {kind}", self.label));
        for line in lines {
            self.hear(&line.replacen('@', "@batch=x;", 1));
        }
        self.hear(":s BATCH -x");
    }

    fn place(&self) -> &str {
        self.app.buffers.current().place.name()
    }

    fn screen(&self) -> String {
        let size = self.app.size;
        let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
        terminal.draw(|frame| draw(frame, &self.app)).unwrap();
        terminal.backend().to_string()
    }
}

#[test]
fn a_comfortable_screen() {
    insta::assert_snapshot!(Desk::new().with_talk().screen());
}

#[test]
fn a_wide_screen_with_members() {
    insta::assert_snapshot!(Desk::sized(120, 24).with_talk().screen());
}

#[test]
fn a_tiny_screen() {
    insta::assert_snapshot!(Desk::sized(40, 10).with_talk().screen());
}

#[test]
fn several_lines_are_typed_in_a_box_that_grows() {
    let mut desk = Desk::sized(60, 14).with_talk();
    desk.types("one");
    desk.press(KeyCode::Enter, KeyModifiers::ALT);
    desk.types("two");
    desk.control('j');
    desk.types("three");
    insta::assert_snapshot!(desk.screen());
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        desk.sent(),
        [
            "PRIVMSG #lobby one",
            "PRIVMSG #lobby two",
            "PRIVMSG #lobby three"
        ]
    );
}

#[test]
fn help_lies_over_the_chat_and_scrolls() {
    let mut desk = Desk::new();
    desk.enters("/help");
    insta::assert_snapshot!(desk.screen());
    desk.press(KeyCode::PageDown, KeyModifiers::NONE);
    assert!(!desk.screen().contains("TEXT /NICK"));
    desk.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(!desk.screen().contains("Help"));
}

#[test]
fn every_command_and_key_is_in_the_help() {
    let mut desk = Desk::sized(100, 200);
    desk.enters("/help");
    let screen = desk.screen();
    for word in [
        "/msg", "/ignore", "/kick", "/unban", "Ctrl-K", "Alt-1", "PgUp", "//TEXT",
    ] {
        assert!(screen.contains(word), "{word}");
    }
}

#[test]
fn the_switcher_finds_a_place_by_a_few_letters() {
    let mut desk = Desk::new().with_talk();
    desk.control('k');
    desk.types("op");
    insta::assert_snapshot!(desk.screen());
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(desk.place(), "#ops");
    desk.types("text");
    desk.control('a');
    desk.control('k');
    assert!(desk.app.overlay.is_none(), "with text to the right it cuts");
    assert_eq!(desk.app.editor.text(), "");
}

#[test]
fn places_are_switched_by_number_by_step_and_by_mouse() {
    let mut desk = Desk::new().with_talk();
    desk.alt('4');
    assert_eq!(desk.place(), "bob");
    desk.control('n');
    assert_eq!(desk.place(), "server");
    desk.control('p');
    assert_eq!(desk.place(), "bob");
    desk.control('p');
    assert_eq!(desk.place(), "#ops");
    let click = |column, row| MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column,
        row,
        modifiers: KeyModifiers::NONE,
    };
    desk.app.mouse(click(3, 2));
    assert_eq!(desk.place(), "#lobby");
    desk.app.mouse(click(3, 20));
    assert_eq!(desk.place(), "#lobby", "nothing is there");
}

#[test]
fn a_paste_of_several_lines_is_asked_about() {
    let mut desk = Desk::new();
    desk.app.paste("one line\n");
    assert_eq!(desk.app.editor.text(), "one line");
    desk.control('u');
    desk.app.paste("a\r\nb\x1b[2J\r\nc\r\n");
    insta::assert_snapshot!(desk.screen());
    desk.press(KeyCode::Char('n'), KeyModifiers::NONE);
    assert!(desk.app.editor.is_empty());
    desk.app.paste("a\nb");
    desk.press(KeyCode::Char('y'), KeyModifiers::NONE);
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(desk.sent(), ["PRIVMSG #lobby a", "PRIVMSG #lobby b"]);
}

#[test]
fn what_is_pasted_is_said_and_not_obeyed() {
    let mut desk = Desk::new();
    desk.app.paste("/quit\n/part");
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        desk.sent(),
        ["PRIVMSG #lobby /quit", "PRIVMSG #lobby /part"]
    );
}

#[test]
fn tab_completes_whoever_spoke_last() {
    let mut desk = Desk::new();
    desk.hear(":bob!b@h JOIN #lobby");
    desk.hear(":bill!b@h JOIN #lobby");
    desk.hear(":bob!b@h PRIVMSG #lobby :hi");
    desk.types("b");
    desk.press(KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(desk.app.editor.text(), "bob: ");
    desk.press(KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(desk.app.editor.text(), "bill: ");
    desk.types("x");
    desk.press(KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(desk.app.editor.text(), "bill: x", "that fits nobody");
}

#[test]
fn no_size_breaks_the_screen() {
    let mut desk = Desk::new().with_talk();
    desk.types(&"long ".repeat(50));
    for overlay in ["", "/help", "switch", "paste"] {
        match overlay {
            "switch" => desk.app.overlay = Some(Overlay::Switcher(Editor::default(), 2)),
            "paste" => desk.app.overlay = Some(Overlay::Paste("a\nb".to_owned())),
            "/help" => desk.app.overlay = Some(Overlay::Help(3)),
            _ => {}
        }
        for (width, height) in (1..50)
            .step_by(3)
            .flat_map(|width| (1..12).map(move |height| (width, height)))
        {
            desk.app.size = Rect::new(0, 0, width, height);
            desk.screen();
            desk.app.scroll(true, 3);
            desk.screen();
            desk.app.scroll(false, 2);
        }
    }
}

#[test]
fn nothing_from_the_server_reaches_the_screen_as_a_control() {
    let evil = "\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\u{200b}";
    let mut desk = Desk::new();
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
        desk.hear(&format!(":{}", line.replace('%', evil)));
    }
    desk.app.editor.insert(evil);
    let size = desk.app.size;
    let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
    terminal.draw(|frame| draw(frame, &desk.app)).unwrap();
    for cell in terminal.backend().buffer().content() {
        let bad = |char: char| char.is_control() || char == '\u{202e}';
        assert!(!cell.symbol().chars().any(bad), "{:?}", cell.symbol());
    }
}

#[test]
fn a_lost_connection_keeps_what_is_typed_and_goes_back_to_its_channels() {
    let mut desk = Desk::new();
    desk.hear(":alice!a@h JOIN #ops");
    desk.enters("on its way");
    desk.sent();
    desk.app
        .lost("the server closed the connection", Duration::from_secs(2));
    desk.enters("too late");
    let screen = desk.screen();
    for part in [
        "not confirmed, perhaps not sent, to",
        "the server closed the connection; trying",
        "NOT CONNECTED",
        "too late",
        "what you typed is kept here",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    desk.hear(":s 001 alice :Welcome back, alice.");
    desk.hear(":alice!a@h JOIN #lobby");
    desk.app.settled();
    assert_eq!(desk.sent(), ["JOIN #ops"]);
    desk.hear("@label=2 :alice!a@h JOIN #ops");
}

#[test]
fn much_is_sent_no_faster_than_it_is_confirmed() {
    let mut desk = Desk::new();
    let lines: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    desk.app.paste(&lines.join("\n"));
    desk.press(KeyCode::Char('y'), KeyModifiers::NONE);
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    let first = desk.sent();
    assert!(
        first.len() < 20 && first[0] == "PRIVMSG #lobby 0",
        "{first:?}"
    );
    let message = Message::parse("@label=1 :alice!a@h PRIVMSG #lobby 0").unwrap();
    desk.app.hear(&message);
    assert_eq!(desk.sent(), [format!("PRIVMSG #lobby {}", first.len())]);
}

#[test]
fn the_bell_rings_for_who_does_not_look() {
    let mut desk = Desk::new();
    let calls = |desk: &mut Desk| -> usize {
        desk.app
            .effects()
            .iter()
            .filter(|effect| matches!(effect, Effect::Notify(..)))
            .count()
    };
    desk.app.focus(true);
    desk.hear(":bob!b@h PRIVMSG alice :psst");
    assert_eq!(calls(&mut desk), 0, "they see the count");
    desk.app.focus(false);
    desk.hear(":bob!b@h PRIVMSG #lobby :nothing of note");
    assert_eq!(calls(&mut desk), 0);
    desk.hear(":bob!b@h PRIVMSG #lobby :Alice?");
    desk.hear(":bob!b@h PRIVMSG alice :psst");
    assert_eq!(calls(&mut desk), 2);
    desk.enters("/mute");
    desk.hear(":bob!b@h PRIVMSG #lobby :Alice!");
    assert_eq!(calls(&mut desk), 0);
}

#[test]
fn ctrl_c_empties_the_line_and_leaves_the_second_time() {
    let mut desk = Desk::new();
    desk.types("text");
    desk.control('c');
    assert!(desk.app.editor.is_empty());
    desk.control('c');
    assert!(desk.app.effects().is_empty());
    assert!(desk.screen().contains("once more"));
    desk.types("a");
    desk.control('c');
    desk.control('c');
    assert!(desk.app.effects().is_empty(), "not twice in a row");
    desk.control('c');
    assert_eq!(desk.app.effects(), [Effect::Quit(None)]);
}

#[test]
fn members_and_topic_are_those_of_the_channel() {
    let mut desk = Desk::sized(100, 24);
    let screen = desk.screen();
    for part in ["@boss", "+carol", "Plans for the week"] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    desk.hear(":boss!o@h MODE #lobby +o alice");
    desk.hear(":boss!o@h TOPIC #lobby :Something else");
    assert!(
        desk.screen().contains("@alice")
            && desk.screen().contains("#lobby · 4 people · Something else")
    );
    desk.alt('m');
    assert!(!desk.screen().contains("+carol"));
    desk.enters("/names");
    assert!(
        desk.screen()
            .contains("in #lobby: @alice, @boss, +carol, bob"),
        "{}",
        desk.screen()
    );
}

#[test]
fn formatting_is_typed_and_seen_and_sent() {
    let mut desk = Desk::new();
    let format = |desk: &mut Desk, letter: char| {
        desk.control('o');
        desk.press(KeyCode::Char(letter), KeyModifiers::NONE);
    };
    desk.types("a ");
    desk.control('o');
    assert!(
        desk.screen().contains("b bold · i italic"),
        "{}",
        desk.screen()
    );
    desk.types("b");
    desk.types("bold");
    for letter in ['b', 'i', 'u', 's', 'm', 'r', 'o', 'c'] {
        format(&mut desk, letter);
    }
    desk.types("4red");
    format(&mut desk, 'X');
    desk.types("00ff00green");
    format(&mut desk, 'z');
    desk.control('o');
    desk.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(
        desk.screen().contains("a BboldBIUSMROC4redX00ff00green"),
        "{}",
        desk.screen()
    );
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    let wanted = "PRIVMSG #lobby :a \u{2}bold\u{2}\u{1d}\u{1f}\u{1e}\u{11}\u{16}\u{f}\u{3}4red\u{4}00ff00green";
    assert_eq!(desk.sent(), [wanted]);
    desk.hear(&format!(":bob!b@h {wanted}"));
    assert!(
        desk.screen().contains("bob a boldredgreen"),
        "{}",
        desk.screen()
    );
}
