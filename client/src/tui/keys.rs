//! What each key, paste and click does.

use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Position;

use super::app::{App, Effect, Overlay};
use super::completion::Completion;
use super::editor::Editor;
use super::password::Step;
use super::search::Search;
use super::switcher;
use crate::model::{Conversation, Rank};
use crate::text;

/// Rows that one turn of the wheel scrolls.
const WHEEL: usize = 3;

/// The keys, and what they do, for `/help`.
pub const KEYS: &[(&str, &str)] = &[
    ("F1", "this page"),
    ("Enter", "send"),
    ("Alt-Enter, Ctrl-J", "a new line in the same message box"),
    (
        "Tab, Shift-Tab",
        "complete a nick, a #channel or a /command",
    ),
    ("Ctrl-N, Ctrl-P", "the next conversation, the one before"),
    ("Alt-1 … Alt-9", "the place of that number"),
    ("Alt-A", "the next place with something unread"),
    (
        "Ctrl-K, Alt-K",
        "find a place by a few letters (Ctrl-K: when nothing is right of the cursor)",
    ),
    ("PgUp, PgDn, wheel", "scroll; Esc returns to the end"),
    ("Ctrl-R", "search what was said here"),
    (
        "Alt-Up",
        "choose a message: to answer it, copy it, take it back …",
    ),
    ("Up, Down", "what you typed before"),
    ("Ctrl-A, Ctrl-E", "to the beginning or end of the line"),
    (
        "Ctrl-B, Ctrl-F, Alt-B, Alt-F",
        "a letter, or a word, back or forward",
    ),
    (
        "Ctrl-U, Ctrl-K, Ctrl-W, Alt-D",
        "cut to the beginning, to the end, the word before, the word after",
    ),
    ("Ctrl-Y", "put back what was cut"),
    ("Ctrl-T", "swap the two letters around the cursor"),
    ("Alt-M", "show or hide the members"),
    (
        "Alt-O, /links",
        "the links that were said here: open or copy",
    ),
    (
        "Ctrl-O, then a letter",
        "formatting, from here to the next: bold, italic, underlined, struck through …",
    ),
    ("Ctrl-L", "draw the screen anew"),
    ("Ctrl-Z", "back to the shell; `fg` returns"),
    ("Ctrl-C", "empty the line; when it is empty, twice: leave"),
    (
        "click",
        "go to a place or a member, open a link; hold Shift to select text",
    ),
];

impl App {
    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.change_drafts();
        let hinted = self.hint.take();
        match self.overlay.take() {
            Some(overlay) => self.overlay = self.key_over(overlay, key),
            None => self.key_in_chat(key, hinted.as_deref()),
        }
        self.used_at = self.now;
        self.look();
    }

    /// Takes a key while something lies over the conversation; gives what still does.
    fn key_over(&mut self, overlay: Overlay, key: KeyEvent) -> Option<Overlay> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if key.code == KeyCode::Esc || (control && matches!(key.code, KeyCode::Char('c' | 'g'))) {
            return None;
        }
        match overlay {
            Overlay::Search(search) => self.key_in_search(search, key),
            Overlay::Selection(chosen) => self.key_over_chosen(chosen, key),
            Overlay::Format => {
                if let KeyCode::Char(letter) = key.code
                    && let Some(code) = text::code(letter)
                {
                    self.editor.insert(code.encode_utf8(&mut [0; 4]));
                }
                None
            }
            Overlay::Password(mut change) => {
                if let Step::Send(message) = change.key(key) {
                    // Its answer carries no label.
                    self.effects.push(Effect::Send(message));
                }
                Some(Overlay::Password(change))
            }
            Overlay::Help(from) => match key.code {
                KeyCode::Down | KeyCode::Char('j') => Some(Overlay::Help(from + 1)),
                KeyCode::Up | KeyCode::Char('k') => Some(Overlay::Help(from.saturating_sub(1))),
                KeyCode::PageDown | KeyCode::Char(' ') => {
                    Some(Overlay::Help(from + usize::from(self.size.height / 2)))
                }
                KeyCode::PageUp => Some(Overlay::Help(
                    from.saturating_sub(usize::from(self.size.height / 2)),
                )),
                _ => None,
            },
            Overlay::Paste(text) => match key.code {
                KeyCode::Char('y') | KeyCode::Enter => {
                    self.editor.insert(&text);
                    None
                }
                KeyCode::Char('n') => None,
                _ => Some(Overlay::Paste(text)),
            },
            Overlay::Links(links) => self.key_over_links(links, key.code),
            Overlay::Switcher(mut query, chosen) => {
                let found = self.found(query.text());
                let count = found.len().max(1);
                match key.code {
                    KeyCode::Enter => {
                        if let Some(&index) = found.get(chosen) {
                            self.buffers.show(index);
                        }
                        return None;
                    }
                    KeyCode::Down | KeyCode::Tab => {
                        return Some(Overlay::Switcher(query, (chosen + 1) % count));
                    }
                    KeyCode::Char('n' | 'k') if control => {
                        return Some(Overlay::Switcher(query, (chosen + 1) % count));
                    }
                    KeyCode::Up | KeyCode::BackTab => {
                        return Some(Overlay::Switcher(query, (chosen + count - 1) % count));
                    }
                    KeyCode::Char('p') if control => {
                        return Some(Overlay::Switcher(query, (chosen + count - 1) % count));
                    }
                    KeyCode::Char('u') if control => query.cut_to_start(),
                    KeyCode::Char('w') if control => query.cut_word_left(),
                    KeyCode::Backspace => query.backspace(),
                    KeyCode::Char(letter) if !control => query.insert(&letter.to_string()),
                    _ => return Some(Overlay::Switcher(query, chosen)),
                }
                Some(Overlay::Switcher(query, 0))
            }
        }
    }

    /// Takes a key during a search; gives the search, if it goes on.
    fn key_in_search(&mut self, mut search: Search, key: KeyEvent) -> Option<Overlay> {
        let next = match key.code {
            KeyCode::Up | KeyCode::Enter => search.older(),
            KeyCode::Down => search.newer(),
            KeyCode::PageUp | KeyCode::PageDown => {
                self.scroll(key.code == KeyCode::PageUp, self.page());
                return Some(Overlay::Search(search));
            }
            _ => {
                self.key_in_chat(key, None);
                return self.overlay.take();
            }
        };
        self.follow(next);
        Some(Overlay::Search(search))
    }

    /// The places that the switcher finds, by their indices.
    pub fn found(&self, query: &str) -> Vec<usize> {
        let by_relevance = self.buffers.by_relevance();
        let names: Vec<&str> = by_relevance
            .iter()
            .map(|&index| self.buffers.list()[index].conversation.name())
            .collect();
        switcher::matches(query, &names)
            .into_iter()
            .map(|found| by_relevance[found])
            .collect()
    }

    fn key_in_chat(&mut self, key: KeyEvent, hinted: Option<&str>) {
        const LEAVE: &str = "once more, or /quit, to leave";
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        if !matches!(key.code, KeyCode::Tab | KeyCode::BackTab) {
            self.completion = None;
        }
        match key.code {
            KeyCode::Char(letter) if control && !alt => match letter {
                'a' => self.editor.home(),
                'b' => self.editor.left(),
                'c' if !self.editor.is_empty() => self.editor.set(""),
                'c' if hinted == Some(LEAVE) => self.quit(None),
                'c' => self.hint = Some(LEAVE.to_owned()),
                'd' => self.editor.delete(),
                'e' => self.editor.end(),
                'f' => self.editor.right(),
                'h' => self.editor.backspace(),
                'j' => self.editor.insert("\n"),
                'k' if self.editor.cut_to_end() => {}
                'k' => self.open_switcher(),
                'n' => self.buffers.step(true),
                'o' => self.overlay = Some(Overlay::Format),
                'p' => self.buffers.step(false),
                'r' if self.editor.is_empty() => self.editor.insert("/search "),
                't' => self.editor.swap(),
                'u' => self.editor.cut_to_start(),
                'w' => self.editor.cut_word_left(),
                'y' => self.editor.yank(),
                _ => {}
            },
            KeyCode::Char(letter) if alt && !control => match letter {
                'a' => self.buffers.show_unread(),
                'b' => self.editor.word_left(),
                'd' => self.editor.cut_word_right(),
                'f' => self.editor.word_right(),
                'k' => self.open_switcher(),
                'm' => self.members = Some(self.areas().members.is_none()),
                'o' => self.open_links(),
                '1'..='9' => {
                    if let Some(number) = letter.to_digit(10) {
                        self.buffers.show(usize::try_from(number).unwrap_or(1) - 1);
                    }
                }
                _ => {}
            },
            KeyCode::Char(letter) => self.editor.insert(&letter.to_string()),
            KeyCode::Enter if alt || key.modifiers.contains(KeyModifiers::SHIFT) => {
                self.editor.insert("\n")
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
            KeyCode::Up | KeyCode::Down if alt => self.choose(),
            KeyCode::Up => self.editor.up(),
            KeyCode::Down => self.editor.down(),
            KeyCode::PageUp => self.scroll(true, self.page()),
            KeyCode::PageDown => self.scroll(false, self.page()),
            KeyCode::Esc if self.reply_target.is_some() => self.reply_target = None,
            KeyCode::Esc => self.scroll_to_end(),
            KeyCode::F(1) => self.overlay = Some(Overlay::Help(0)),
            _ => {}
        }
    }

    /// Takes a paste: several lines only after a question.
    pub fn paste(&mut self, text: &str) {
        self.change_drafts();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim_end_matches('\n');
        match &mut self.overlay {
            Some(Overlay::Switcher(query, _)) => {
                query.insert(text.lines().next().unwrap_or_default())
            }
            Some(Overlay::Password(change)) => change.paste(text),
            Some(_) => {}
            None if !self.editor.has_room(text) => {
                self.hint = Some("that is too long to be pasted here".to_owned());
            }
            None if text.contains('\n') => self.overlay = Some(Overlay::Paste(text.to_owned())),
            None => self.editor.insert(text),
        }
    }

    /// Takes what the mouse did.
    pub fn mouse(&mut self, mouse: MouseEvent) {
        match mouse.kind {
            MouseEventKind::ScrollUp => self.scroll(true, WHEEL),
            MouseEventKind::ScrollDown => self.scroll(false, WHEEL),
            MouseEventKind::Down(MouseButton::Left) if self.overlay.is_none() => {
                let at = Position::new(mouse.column, mouse.row);
                if let Some(list) = self.areas().list.filter(|list| list.contains(at)) {
                    let row = usize::from(mouse.row - list.y);
                    self.buffers
                        .show(row + self.first_listed(usize::from(list.height)));
                } else if let Some(area) = self.areas().members.filter(|area| area.contains(at)) {
                    let (members, _) = self.listed_members(usize::from(area.height));
                    let nick = members
                        .get(usize::from(mouse.row - area.y))
                        .map(|(_, nick)| nick.to_string());
                    if let Some(conversation) = nick
                        .filter(|nick| !self.model.is_me(nick))
                        .and_then(|nick| Conversation::person(&nick))
                    {
                        self.buffers.open(conversation, self.now, &self.model);
                    }
                } else if let Some(link) = self.link_at(at) {
                    self.hint = Some(format!("opening {}", link.as_str()));
                    self.effects.push(Effect::Open(link));
                }
            }
            _ => {}
        }
        self.used_at = self.now;
        self.look();
    }

    /// The members that are shown where so many have room, and how many more there are.
    pub fn listed_members(&self, height: usize) -> (Vec<(Rank, &str)>, usize) {
        let Conversation::Channel(channel) = &self.buffers.current().conversation else {
            return (Vec::new(), 0);
        };
        let mut members: Vec<(Rank, &str)> = self
            .model
            .members(channel)
            .map(|(nick, rank)| (rank, nick.as_str()))
            .collect();
        let count = members.len();
        if count > height {
            // Of a large channel only those are sorted that are shown; the last row says how many
            // more there are.
            let room = height.saturating_sub(1);
            members.select_nth_unstable(room);
            members.truncate(room);
        }
        members.sort_unstable();
        let more = count - members.len();
        (members, more)
    }

    /// The first place in the list, when not all have room: the current one is always in view.
    pub fn first_listed(&self, height: usize) -> usize {
        (self.buffers.index() + 1).saturating_sub(height)
    }

    fn complete(&mut self, forward: bool) {
        if let Some(completion) = &mut self.completion {
            completion.step(&mut self.editor, forward);
        } else {
            let words = self.words();
            self.completion = Completion::begin(&mut self.editor, &words, forward);
        }
    }

    fn open_switcher(&mut self) {
        self.overlay = Some(Overlay::Switcher(Editor::default(), 0));
    }

    /// A page, less two rows to find one's place by.
    pub(super) fn page(&self) -> usize {
        usize::from(self.areas().talk.height)
            .saturating_sub(2)
            .max(1)
    }
}
