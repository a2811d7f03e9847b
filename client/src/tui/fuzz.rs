//! The fuzz target of the full screen.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::CellWidth as _;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use rookery_protocol::Message;
use rookery_terminal::cells;

use super::app::App;
use super::draw::draw;
use super::theme::Theme;
use crate::config::Colours;
use crate::text;

/// The lines of a server, and keys, on the full screen. The first two bytes are its size. A line
/// that begins with `>` is typed, one that begins with `^` consists of keys with Ctrl, one with `%`
/// of keys that are not letters, and any other is a message of the server. The screen is drawn
/// after each, and contains no control character, and nothing in the columns of what is before it,
/// which are as many as ratatui draws.
pub fn screen(data: &[u8]) {
    let [width, height, data @ ..] = data else {
        return;
    };
    let size = Rect::new(0, 0, u16::from(width % 90) + 1, u16::from(height % 30) + 1);
    let Ok(mut terminal) = Terminal::new(TestBackend::new(size.width, size.height));
    let theme = Theme::new(Colours::None);
    let start = Timestamp::UNIX_EPOCH;
    let mut app = App::new("chat.example.org".to_owned(), theme, TimeZone::UTC, start);
    app.size = size;
    for line in [":s 001 alice :Welcome", ":alice!a@h JOIN #lobby"] {
        receive(&mut app, line);
    }
    app.connection_ready();
    for line in String::from_utf8_lossy(data).split('\n').take(40) {
        app.now += Duration::from_secs(20);
        match line.chars().next() {
            Some('>') => press(&mut app, &line[1..], KeyModifiers::NONE, KeyCode::Char),
            Some('^') => press(&mut app, &line[1..], KeyModifiers::CONTROL, KeyCode::Char),
            Some('%') => press(&mut app, &line[1..], KeyModifiers::NONE, special),
            _ => receive(&mut app, line),
        }
        app.take_effects();
        draw_and_check(&mut terminal, &mut app);
    }
}

fn receive(app: &mut App, line: &str) {
    if let Ok(message) = Message::parse(line) {
        app.handle_message(&message);
    }
}

fn press(app: &mut App, keys: &str, modifiers: KeyModifiers, code: impl Fn(char) -> KeyCode) {
    for key in keys.chars() {
        app.handle_key(KeyEvent::new(code(key), modifiers));
    }
    if modifiers.is_empty() && code('a') == KeyCode::Char('a') {
        app.handle_key(KeyEvent::new(KeyCode::Enter, modifiers));
    }
}

/// Returns the key that a letter stands for.
fn special(letter: char) -> KeyCode {
    match letter {
        'u' => KeyCode::Up,
        'd' => KeyCode::Down,
        'l' => KeyCode::Left,
        'r' => KeyCode::Right,
        'p' => KeyCode::PageUp,
        'n' => KeyCode::PageDown,
        'h' => KeyCode::Home,
        'e' => KeyCode::End,
        't' => KeyCode::Tab,
        'b' => KeyCode::Backspace,
        'x' => KeyCode::Delete,
        'q' => KeyCode::Esc,
        '1' => KeyCode::F(1),
        other => KeyCode::Char(other),
    }
}

fn draw_and_check(terminal: &mut Terminal<TestBackend>, app: &mut App) {
    let Ok(drawn) = terminal.draw(|frame| draw(frame, app));
    app.handle_drawn();
    let buffer = drawn.buffer;
    for (index, cell) in buffer.content.iter().enumerate() {
        let symbol = cell.symbol();
        assert!(
            !symbol.contains(text::is_unsafe),
            "a control character is drawn: {symbol:?}"
        );
        let (x, y) = buffer.pos_of(index);
        assert!(
            usize::from(symbol.cell_width()) <= cells(symbol),
            "{symbol:?} is wider than it is measured"
        );
        // The border of a pop-up may be.
        let is_under_popup = app.overlay.is_some();
        let columns = (x + 1..buffer.area.right()).take(cells(symbol) - 1);
        for over in columns.map(|column| buffer[(column, y)].symbol()) {
            assert!(
                over == " " || is_under_popup,
                "{over:?} is drawn over part of {symbol:?}"
            );
        }
    }
}
