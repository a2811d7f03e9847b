//! Handles keys while no overlay is open.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{App, Connection, Effect};
use crate::commands::{self, Usage};
use crate::front_end::FrontEnd as _;
use crate::tui::editor::Editor;
use crate::tui::overlay::Overlay;

/// The keys and their effects, for the help.
pub const KEYS: &[Usage] = &[
    ("F1", "show this list"),
    ("Enter", "send"),
    ("Alt-Enter, Ctrl-J", "start a new line in the message box"),
    (
        "Tab, Shift-Tab",
        "complete a nick, #channel or /command; again for the next match",
    ),
    ("Ctrl-N, Ctrl-P", "next, previous conversation"),
    ("Alt-1 … Alt-9", "conversation by number"),
    ("Alt-A", "next conversation with unread messages"),
    (
        "Ctrl-K, Alt-K",
        "find a conversation by a few letters (Ctrl-K: if the cursor is at the end)",
    ),
    (
        "PgUp, PgDn, wheel",
        "scroll; Esc returns to the newest message",
    ),
    ("Ctrl-R", "search this conversation"),
    (
        "Alt-Up",
        "select a message to reply to, copy or delete it, …",
    ),
    ("Up, Down", "recall what you typed before"),
    ("Ctrl-A, Ctrl-E", "move to the start, the end of the line"),
    (
        "Ctrl-B, Ctrl-F, Alt-B, Alt-F",
        "move by a character or by a word",
    ),
    (
        "Ctrl-U, Ctrl-K, Ctrl-W, Alt-D",
        "cut to the start, to the end, the previous word, the next word",
    ),
    ("Ctrl-Y", "paste what was cut"),
    ("Ctrl-T", "swap the two characters around the cursor"),
    ("Alt-M", "show or hide the members"),
    ("Alt-O, /links", "list the links in this conversation"),
    (
        "Ctrl-O, then a letter",
        "start or end formatting: bold, italic, underlined, struck through, …",
    ),
    (
        "r",
        "connect again after you were kicked, or banned for a while",
    ),
    ("Ctrl-L", "redraw the screen"),
    ("Ctrl-Z", "suspend; `fg` in the shell resumes"),
    (
        "Ctrl-C",
        "clear the message box; twice when it is empty: quit",
    ),
    (
        "click",
        "switch to a conversation or member, open a link; Shift selects text",
    ),
];

/// The hint when text is typed after the server has ended the session.
const READ_ONLY: &str = "not connected: r connects again, /quit quits";
/// The same after a ban that does not expire.
const READ_ONLY_FOR_GOOD: &str = "not connected: /quit quits";

/// The hint after the first Ctrl-C in an empty message box.
const CONFIRM_QUIT: &str = "press Ctrl-C again, or type /quit, to quit";

impl App {
    /// Handles a key.
    pub fn handle_key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.switch_drafts();
        let previous_hint = self.hint.take();
        match self.overlay.take() {
            Some(overlay) => self.overlay = self.handle_overlay_key(overlay, key),
            None => self.handle_chat_key(key, previous_hint.as_deref()),
        }
        self.active_at = self.now;
        self.refresh();
    }

    /// Handles a key without an overlay; `previous_hint` is the hint that the previous key has
    /// shown.
    pub(super) fn handle_chat_key(&mut self, key: KeyEvent, previous_hint: Option<&str>) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        if !matches!(key.code, KeyCode::Tab | KeyCode::BackTab) {
            self.completion = None;
        }
        match key.code {
            KeyCode::Char(letter) if !control && !alt && !self.accepts_text(letter) => {
                if letter == 'r' && self.may_reconnect() {
                    self.effects.push(Effect::Reconnect);
                } else {
                    self.hint_read_only();
                }
            }
            KeyCode::Char(letter) if control && !alt => match letter {
                'a' => self.editor.home(),
                'b' => self.editor.left(),
                'c' if !self.editor.is_empty() => self.editor.set(""),
                'c' if previous_hint == Some(CONFIRM_QUIT) => self.quit(None),
                'c' => self.hint = Some(CONFIRM_QUIT.to_owned()),
                'd' => self.editor.delete(),
                'e' => self.editor.end(),
                'f' => self.editor.right(),
                'h' => self.editor.backspace(),
                'j' => self.editor.insert("\n"),
                'k' if self.editor.cut_to_end() => {}
                'k' => self.open_switcher(),
                'n' => self.buffers.switch_to_neighbour(true),
                'o' => self.overlay = Some(Overlay::Format),
                'p' => self.buffers.switch_to_neighbour(false),
                'r' if self.editor.is_empty() => self.editor.insert("/search "),
                't' => self.editor.swap(),
                'u' => self.editor.cut_to_start(),
                'w' => self.editor.cut_word_left(),
                'y' => self.editor.yank(),
                _ => {}
            },
            KeyCode::Char(letter) if alt && !control => match letter {
                'a' => self.buffers.switch_to_unread(),
                'b' => self.editor.word_left(),
                'd' => self.editor.cut_word_right(),
                'f' => self.editor.word_right(),
                'k' => self.open_switcher(),
                'm' => self.members = Some(self.areas().members.is_none()),
                'o' => self.open_links(),
                '1'..='9' => {
                    if let Some(number) = letter.to_digit(10) {
                        self.buffers
                            .switch_to(usize::try_from(number).unwrap_or(1) - 1);
                    }
                }
                _ => {}
            },
            KeyCode::Char(letter) => self.editor.insert(&letter.to_string()),
            KeyCode::Enter if alt || key.modifiers.contains(KeyModifiers::SHIFT) => {
                self.editor.insert("\n");
            }
            KeyCode::Enter => self.submit(),
            KeyCode::Tab => self.complete(true),
            KeyCode::BackTab => self.complete(false),
            KeyCode::Backspace if alt => self.editor.cut_word_left(),
            KeyCode::Backspace => self.editor.backspace(),
            KeyCode::Delete => self.editor.delete(),
            KeyCode::Left if control || alt => self.editor.word_left(),
            KeyCode::Right if control || alt => self.editor.word_right(),
            KeyCode::Left => self.editor.left(),
            KeyCode::Right => self.editor.right(),
            KeyCode::Home => self.editor.home(),
            KeyCode::End => self.editor.end(),
            KeyCode::Up | KeyCode::Down if alt => self.select_newest(),
            KeyCode::Up => self.editor.up(),
            KeyCode::Down => self.editor.down(),
            KeyCode::PageUp => self.scroll_page(true),
            KeyCode::PageDown => self.scroll_page(false),
            KeyCode::Esc if self.reply_target.is_some() => self.reply_target = None,
            KeyCode::Esc => self.scroll_to_end(),
            KeyCode::F(1) => self.show_help(),
            _ => {}
        }
    }

    /// Whether the session was ended by an operator, and the user may connect again.
    fn may_reconnect(&self) -> bool {
        matches!(self.connection, Connection::Ended(removal) if removal.may_reconnect())
    }

    /// Shows that nothing but a command can be typed after the session was ended.
    pub(super) fn hint_read_only(&mut self) {
        let hint = if self.may_reconnect() {
            READ_ONLY
        } else {
            READ_ONLY_FOR_GOOD
        };
        self.hint = Some(hint.to_owned());
    }

    /// Whether a typed character is inserted into the message box. After the server has ended the
    /// session, only a command can be typed.
    fn accepts_text(&self, letter: char) -> bool {
        let is_command = || {
            commands::is_command(self.editor.text())
                || (self.editor.is_empty() && commands::SLASHES.contains(&letter))
        };
        !matches!(self.connection, Connection::Ended(_)) || is_command()
    }

    fn open_switcher(&mut self) {
        let selected = self.best_switcher_match("");
        self.overlay = Some(Overlay::Switcher(Editor::default(), selected));
    }
}
